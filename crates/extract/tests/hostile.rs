//! Hostile and damaged documents: each gives a document or an error, in time that is linear in its size.

mod common;

use std::time::{Duration, Instant};

use common::checked;
use extract::model::{DocumentType, Error, Limits};

const TEXT_TYPES: [DocumentType; 5] = [
    DocumentType::Markdown,
    DocumentType::Html,
    DocumentType::JavaDoc,
    DocumentType::Rst,
    DocumentType::Text,
];

const PAGE: &str = include_str!("data/page.html");
const MARKDOWN: &str = include_str!("data/guide.md");
const RST: &str = include_str!("data/guide.rst");
const OLD_JAVADOC: &str = include_str!("data/old-javadoc.html");

/// Fails if `run` takes longer. The limits are generous for a debug build on a busy machine, unless something is
/// quadratic.
fn within(seconds: u64, subject: &str, run: impl FnOnce()) {
    let begin = Instant::now();
    run();
    assert!(begin.elapsed() < Duration::from_secs(seconds), "{subject} took {:?}", begin.elapsed());
}

#[test]
fn deep_nesting_is_refused_or_flattened() {
    for piece in
        ["<div>", "<b>", "<ul><li>", "<table><tr><td>", "<blockquote>", "<font a=1>", "<svg><g>", "<a><p>"]
    {
        let html = format!("<!doctype html><body>{}text", piece.repeat(100_000));
        within(60, piece, || match checked("a.html", html.as_bytes(), None) {
            Ok(_) | Err(Error::TooLarge { .. } | Error::Empty) => {}
            Err(other) => panic!("{piece}: {other}"),
        });
    }
    for piece in ["> ", "- ", "1. ", "[", "![", "*a ", "`", "<div>", "  ", "((", "_", "**a*"] {
        let text = piece.repeat(30_000);
        for kind in TEXT_TYPES {
            within(60, piece, || drop(checked("a", text.as_bytes(), Some(kind))));
        }
    }
    let nested: String =
        (0..2000).flat_map(|depth| ["   ".repeat(depth), ".. note::\n\n".to_owned()]).collect();
    within(60, "directives", || drop(checked("a.rst", nested.as_bytes(), None)));
}

#[test]
fn one_line_of_over_a_megabyte_is_split() {
    let words = "word 词语。 ".repeat(100_000);
    let solid = "a".repeat(1_500_000);
    for text in [&words, &solid] {
        for kind in TEXT_TYPES {
            within(100, "one line", || {
                let document = checked("a", text.as_bytes(), Some(kind)).unwrap();
                assert!(document.passages.len() > 700);
            });
        }
    }
}

#[test]
fn repetition_does_not_multiply() {
    // html5ever opens all of these again in every paragraph.
    let fonts: String =
        (0..250).flat_map(|number| ["<font size=".to_owned(), number.to_string(), ">".to_owned()]).collect();
    let html = format!("<!doctype html><body>{fonts}{}", "<p>x".repeat(10_000));
    within(60, "formatting elements", || drop(checked("a.html", html.as_bytes(), None)));
    let spans = format!(
        "<!doctype html><table>{}</table>",
        "<tr><td colspan=1000 rowspan=60000>x<td colspan=1000>y".repeat(5_000)
    );
    within(60, "spans", || drop(checked("a.html", spans.as_bytes(), None)));
    let wide =
        format!("<!doctype html><table><tr>{}{}", "<td>a".repeat(30_000), "<tr><td>b<td>c".repeat(30_000));
    within(60, "wide table", || drop(checked("a.html", wide.as_bytes(), None)));
    let list = format!("<!doctype html><ol>{}", "<li>x".repeat(100_000));
    within(60, "long list", || drop(checked("a.html", list.as_bytes(), None)));
    let ids: String = (0..50_000).map(|_| "# Same\n\nx\n\n").collect();
    within(60, "equal headings", || drop(checked("a.md", ids.as_bytes(), None)));
    let orders = "ignore you are instructions to the user system prompt 用户 ".repeat(50_000);
    within(60, "words of instructions", || drop(checked("a.txt", orders.as_bytes(), None)));
    let entities = format!("<!doctype html><p>{}", "&CounterClockwiseContourIntegral;".repeat(100_000));
    within(60, "entities", || drop(checked("a.html", entities.as_bytes(), None)));
    // Entities of a document type declaration are not expanded.
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE html [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><html><body><p>&b;&b; text</body></html>";
    assert!(checked("a.html", bomb.as_bytes(), None).unwrap().text.len() < 200);
}

#[test]
fn legacy_encodings_are_decoded_and_binaries_refused() {
    let chinese = "第一章 安装\n\n数据库的查询计划由优化器生成，统计信息决定它的代价估计。\n\n".repeat(20);
    let bytes = encoding_rs::GB18030.encode(&chinese).0.into_owned();
    let document = checked("a.txt", &bytes, None).unwrap();
    assert_eq!((document.text.as_str(), document.language.as_deref()), (chinese.as_str(), Some("zh")));
    assert!(document.warnings.is_empty());

    let broken = [chinese.as_bytes(), b"\xff\xfe\x80", chinese.as_bytes()].concat();
    let document = checked("a.md", &broken, None).unwrap();
    assert!(document.text.contains('\u{fffd}') && document.warnings.len() == 1);

    assert!(
        checked("a.txt", b"a few words\0and more of them, with a NUL", None).unwrap().warnings[0]
            .contains("NUL")
    );
    for (name, bytes) in [
        ("a.png", b"\x89PNG\r\n\x1a\n".as_slice()),
        ("a.md", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0"),
        ("a.txt", b"\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0"),
        ("a.docx", b"PK\x03\x04 nothing"),
    ] {
        assert!(matches!(checked(name, bytes, None), Err(Error::Unsupported(_))), "{name}");
    }
    for kind in TEXT_TYPES {
        for bytes in
            [b"".as_slice(), b" \n\t\n", b"\xef\xbb\xbf", b"\0", b"\xff\xfe", b"<!-- -->", b"---\n---\n"]
        {
            match checked("a", bytes, Some(kind)) {
                Ok(document) => assert!(!document.passages.is_empty()),
                Err(Error::Empty | Error::Unsupported(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn every_limit_is_enforced() {
    let small = Limits { input_bytes: 1000, text_bytes: 500, passages: 3, depth: 16 };
    let too_long = "word ".repeat(300);
    assert!(matches!(extract::extract("a", too_long.as_bytes(), None, &small), Err(Error::TooLarge { .. })));
    let page = format!("<!doctype html><p>{}", "word ".repeat(150));
    assert_eq!(
        extract::extract("a.html", page.as_bytes(), None, &small),
        Err(Error::TooLarge { unit: "bytes of text", limit: 500 })
    );
    let many = "# Heading of a section\n\ntext\n\n".repeat(16);
    let few = Limits { passages: 0, ..small };
    assert_eq!(
        extract::extract("a.md", many.as_bytes(), None, &few),
        Err(Error::TooLarge { unit: "passages", limit: 0 })
    );
    let deep = format!("<!doctype html>{}x", "<div>".repeat(40));
    assert_eq!(
        extract::extract("a.html", deep.as_bytes(), None, &small),
        Err(Error::TooLarge { unit: "nested elements", limit: 16 })
    );
}

#[test]
fn truncated_documents_never_panic() {
    for (name, source) in
        [("a.html", PAGE), ("a.md", MARKDOWN), ("a.mdx", MARKDOWN), ("a.rst", RST), ("old.html", OLD_JAVADOC)]
    {
        for end in (0..source.len()).step_by(97) {
            drop(checked(name, &source.as_bytes()[..end], None));
        }
    }
}

#[test]
fn mutated_documents_never_panic() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let marks: [&[u8]; 16] = [
        b"<",
        b">",
        b"</",
        b"```",
        b"\n\n",
        b"::\n\n   ",
        b"|",
        b"\xff",
        b"\0",
        b"&#0;",
        b"<table>",
        b"<pre>",
        b"====\n",
        "。".as_bytes(),
        b"[",
        b"`",
    ];
    for (name, source) in [("a.html", PAGE), ("a.md", MARKDOWN), ("a.rst", RST), ("old.html", OLD_JAVADOC)] {
        for _ in 0..150 {
            let mut bytes = source.as_bytes().to_vec();
            for _ in 0..=next(12) {
                let at = next(bytes.len());
                match next(4) {
                    0 => drop(bytes.splice(at..at, marks[next(marks.len())].iter().copied())),
                    1 => drop(bytes.drain(at..(at + next(40)).min(bytes.len()))),
                    2 => bytes[at] = u8::try_from(next(256)).unwrap(),
                    _ => {
                        let end = (at + next(200)).min(bytes.len());
                        let piece = bytes[at..end].to_vec();
                        let to = next(bytes.len());
                        bytes.splice(to..to, piece);
                    }
                }
            }
            for kind in [None, Some(TEXT_TYPES[next(TEXT_TYPES.len())])] {
                drop(checked(name, &bytes, kind));
            }
        }
    }
}
