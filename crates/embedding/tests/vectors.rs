//! Vectors of the real model, compared with an independent reference (in floats, written in Python from the format's
//! description), and properties that hold for every text.

use std::sync::OnceLock;

use embedding::Model;
use proptest::prelude::*;
use serde::Deserialize;

/// A text and the reference's result for it.
#[derive(Deserialize)]
struct Case {
    kind: String,
    text: String,
    tokens: usize,
    vector: Vec<f32>,
}

/// The reference calculates with the file's four-bit weights, in floats.
#[test]
fn agrees_with_the_reference() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden.json")).expect("the file is JSON");
    assert_eq!(cases.len(), 6);
    for Case { kind, text, tokens, vector: expected } in &cases {
        let actual = match kind.as_str() {
            "query" => model().embed_query(text),
            _ => model().embed_passages(&[text]).remove(0),
        };
        assert_eq!(model().count_tokens(text), *tokens, "{text}");
        assert!(cosine(expected, &actual) > 0.999, "{text}: {}", cosine(expected, &actual));
        for (index, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
            assert!(
                (expected - actual).abs() < 0.008,
                "{text}, value {index}: {actual} instead of {expected}"
            );
        }
        assert_length_one(&actual);
    }
}

/// The passage that answers a question is the nearest one, within a language and across the two.
#[test]
fn finds_the_answer() {
    let passages = [
        "To restore a backup, copy the base backup into the data directory and set recovery_target_time.",
        "The function returns the number of characters in the string.",
        "复制权限需要超级用户，或者拥有 REPLICATION 属性的角色。",
        "Indexes of type GIN are suited to values that contain several components, such as arrays.",
    ];
    let vectors = model().embed_passages(&passages);
    for (question, answer) in [
        ("how to go back to a point in time", 0),
        ("如何恢复备份到某个时间点", 0),
        ("string length", 1),
        ("who may replicate", 2),
        ("which index for an array column", 3),
    ] {
        let question_vector = model().embed_query(question);
        let cosines = vectors.iter().map(|vector| cosine(vector, &question_vector));
        let nearest = (0..).zip(cosines).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(number, _)| number);
        assert_eq!(nearest, Some(answer), "{question}");
    }
}

/// The vector of a text does not depend on the other texts of the call, nor on earlier calls.
#[test]
fn each_text_stands_alone() {
    let long = "Write-ahead logging makes a crash harmless. ".repeat(150);
    let texts = ["", "one", &long, "预写式日志", "two words", &long[..700], "last"];
    let together = model().embed_passages(&texts);
    for (text, vector) in texts.iter().zip(&together) {
        let alone = model().embed_passages(&[text]).remove(0);
        assert!(cosine(&alone, vector) > 0.999_99, "{text:.30}");
    }
    assert!(model().embed_passages(&[]).is_empty());
}

/// Concurrent threads get the same vectors as one.
#[test]
fn threads_share_the_model() {
    let texts: Vec<String> =
        (0..12).map(|number| format!("passage number {number} about checkpoints")).collect();
    let alone: Vec<Vec<f32>> = texts.iter().map(|text| model().embed_query(text)).collect();
    let together: Vec<Vec<f32>> = std::thread::scope(|scope| {
        let threads: Vec<_> = texts.iter().map(|text| scope.spawn(|| model().embed_query(text))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    assert_eq!(alone, together);
}

/// The vector of a long text is the average of its windows; text after the last window is ignored.
#[test]
fn long_texts_are_windows() {
    let sentence = "A checkpoint writes all changed pages to disk. ";
    let [three_windows, sixteen, more] = [150, 900, 1400].map(|times| sentence.repeat(times));
    assert!(model().count_tokens(&three_windows) > 2 * 510);
    assert!(model().count_tokens(&sixteen) > embedding::MAX_WINDOWS * 510);
    let vectors = model().embed_passages(&[sentence, &three_windows, &sixteen, &more]);
    for vector in &vectors {
        assert_length_one(vector);
    }
    assert!(cosine(&vectors[0], &vectors[1]) > 0.8);
    assert!(cosine(&vectors[2], &vectors[3]) > 0.999_99);
}

/// White space at the ends, control characters and compatibility forms do not change the vector.
#[test]
fn normalisation_removes_what_is_not_text() {
    let plain = model().embed_query("find file ½");
    for same in ["  find   file ½\n\n", "\u{1}fi\u{0}nd\u{7f} file ½", "ﬁnd\tﬁle\u{3000}1⁄2"] {
        assert!(cosine(&plain, &model().embed_query(same)) > 0.999_99, "{same:?}");
    }
    let empty = model().embed_query("");
    for nothing in [" ", "\n\t\r ", "\0\u{1}\u{2}", "\u{3000}"] {
        assert_eq!(model().count_tokens(nothing), 0, "{nothing:?}");
        assert!(cosine(&empty, &model().embed_query(nothing)) > 0.999_99, "{nothing:?}");
    }
}

/// Special tokens in a text are plain text.
#[test]
fn special_tokens_in_a_text_are_text() {
    for token in ["<s>", "</s>", "<pad>", "<unk>", "<mask>"] {
        assert!(model().count_tokens(token) > 1, "{token}");
    }
}

/// Work is linear in the text, and the number of windows is bounded.
#[test]
fn expensive_texts_end_soon() {
    // This ligature is normalised to 18 characters.
    let ligatures = "\u{FDFA}".repeat(4000);
    assert!(model().count_tokens(&ligatures) >= 4000);
    assert_length_one(&model().embed_query(&ligatures));
    for run in ["a", " ", "\u{1}", "▁", "\u{300}", "我", "𓀀", "👩‍👩‍👧‍👦", "/", "a ", "\u{FFFD}"]
    {
        let long = run.repeat(1_000_000 / run.len());
        assert!(model().count_tokens(&long) <= long.len(), "{run}");
    }
    assert_length_one(&model().embed_query(&"我".repeat(300_000)));
    // Adjacent unknown characters are one token.
    assert!(model().count_tokens(&"𓀀".repeat(1000)) <= 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Every text has a vector of length 1.
    #[test]
    fn any_text_has_a_vector(text in any::<String>()) {
        let vector = model().embed_query(&text);
        prop_assert_eq!(vector.len(), model().dimensions());
        assert_length_one(&vector);
    }

    /// Words are tokenized one by one, so a text has as many tokens as its parts.
    #[test]
    fn tokens_add_up(first in "[a-z一-龥🐘]{1,60}", second in "[ -~]{0,60}") {
        let whole = model().count_tokens(&format!("{first} {second}"));
        prop_assert_eq!(whole, model().count_tokens(&first) + model().count_tokens(&second));
    }
}

fn assert_length_one(vector: &[f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    assert!((length - 1.0).abs() < 1e-4, "{length}");
}

/// The real model, loaded once for all tests of this file.
fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| {
        #[expect(clippy::disallowed_methods, reason = "the test suite says where the model is")]
        let path = std::env::var_os("WENYUAN_MODEL")
            .expect("WENYUAN_MODEL must name the model file e5-small-q4.bin; the test suite sets it");
        Model::load(path.as_ref()).expect("the model file loads")
    })
}

/// The cosine of two vectors of length 1.
fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
