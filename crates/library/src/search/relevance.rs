//! Whether a passage has to do with a question: the best passages of a library that says nothing of it are still the best ones.
//!
//! Two figures say it. By words: the share of what is asked about that the passage, its title and its headings hold, the
//! rarer words weighing more. By meaning: the cosine of the two vectors.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::analysis::{self, Analysis, with_kept};

/// Words that make a question of what is asked about, or only join it, in both languages. Where a question has no other
/// words, they count.
const JOINING: &str = "a about above after again all also am an and any anybody anyone anything are as ask at be because been before being below \
    best between both but by can could did do does doing done down each every explain few find for from get getting give \
    good got had happen happens has have having he help her here him his how i if in into is it its just know let like made make many may \
    me mean might more most much must my need needs no not of off on once one only or other our out over own per please \
    same shall she should show so some somebody someone something such tell than that the their them then there these they thing things this those \
    through to too under until up us use used uses using very want was way we were what when where whether which while \
    who whom whose why will with within without work works would you your \
    的 了 是 在 和 与 或 及 以及 有 没有 我 你 您 他 她 它 我们 你们 他们 它们 这 那 这个 那个 这些 那些 这样 那样 怎么 怎么样 怎么办 \
    怎样 如何 什么 为什么 为何 哪 哪些 哪个 哪里 哪儿 谁 多少 几 几个 吗 呢 吧 啊 请 请问 可以 能 能够 能否 可否 会 要 需要 应该 应当 \
    想 想要 知道 告诉 介绍 说明 解释 一下 一个 一些 一种 不 不能 没 都 也 就 还 还是 又 很 太 最 更 从 到 对 对于 关于 把 被 让 使 给 \
    用 使用 利用 进行 通过 时 时候 中 里 里面 上 下 做 是否 有没有 是不是 并 并且 而 而且 但 但是 因为 所以 如果 那么 之 之间 其 其中 等 \
    等等 有关 相关 怎";

static JOINING_STEPS: LazyLock<HashSet<Vec<String>>> = LazyLock::new(|| {
    let mut analysis = Analysis::default();
    JOINING.split_whitespace().flat_map(|word| analysis::words(word, &mut analysis)).collect()
});

/// What is asked about.
#[derive(Debug, Default)]
pub struct Judge {
    /// Words as their steps, with their weights.
    words: Vec<(Vec<String>, f32)>,
    whole: f32,
    /// Whether the question is in Chinese.
    in_chinese: bool,
}

impl Judge {
    /// Weighs the words of a question by how many of `all` passages hold them.
    pub fn new<Failure>(
        question: &str,
        all: u64,
        holding: impl Fn(&str) -> Result<u64, Failure>,
    ) -> Result<Self, Failure> {
        let mut judge = Self { in_chinese: chinese(question).0 > 0, ..Self::default() };
        for word in asked(question) {
            let mut fewest = all;
            for step in &word {
                fewest = fewest.min(holding(step)?);
            }
            // The weight that BM25 gives a word; among few passages one that none holds would outweigh all others.
            #[expect(clippy::cast_precision_loss, reason = "a weight needs no more than a few digits")]
            let (all, fewest) = (all.max(1) as f32, fewest.max(1) as f32);
            let weight = (1.0 + (all - fewest + 0.5) / (fewest + 0.5)).ln();
            judge.whole += weight;
            judge.words.push((word, weight));
        }
        Ok(judge)
    }

    /// The share of what is asked about that is held, from 0 to 1.
    pub fn coverage(&self, held: &HashSet<&str>) -> f32 {
        let is_held = |word: &&(Vec<String>, f32)| word.0.iter().all(|step| held.contains(step.as_str()));
        let covered = self.words.iter().filter(is_held).fold(0.0, |sum, (_, weight)| sum + weight);
        if self.whole > 0.0 { covered / self.whole } else { 0.0 }
    }

    /// Whether a passage of this text and these two figures has to do with the question.
    pub fn is_relevant(&self, text: &str, coverage: f32, similarity: Option<f32>) -> bool {
        is_relevant(coverage, similarity, crosses(self.in_chinese, text))
    }
}

/// Whether a passage of these two figures has to do with the question.
///
/// Measured with multilingual-e5-small on 58 documents (English ones of a web framework, Chinese ones of Unix commands; 1,021
/// passages): the best figure among ten passages found, for 64 questions that they answer (24 English, 20 Chinese, 20
/// Chinese ones on English text) and 62 that they do not (the weather, cooking, travel, other products; half Chinese).
///
/// | rule | answered questions kept | others dropped |
/// |---|---|---|
/// | similarity ≥ 0.870 | 95 % | 94 % |
/// | similarity + 0.08 · coverage ≥ 0.880 | 100 % | 87 % |
/// | similarity + 0.08 · coverage ≥ 0.890 | 97 % | 95 % |
/// | by words alone: coverage ≥ 0.30 | 97 % | 79 % |
/// | by words alone: coverage ≥ 0.50 | 84 % | 98 % |
///
/// The similarities are 0.850 to 0.935 and 0.764 to 0.876. The second and the last rule hold, one of them is enough (100 % and 87 %): an answer that is kept back costs more than a
/// model that is asked in vain. What the last loses are Chinese questions on English text, for which words find nothing that
/// fits anyway.
///
/// Texts in two scripts lie farther apart: of a short manual in English, 9 Chinese questions that it answers came to
/// 0.796 to 0.884, and 14 that it does not to 0.697 to 0.801. So less is enough where question and passage are so
/// ([`crosses`]).
fn is_relevant(coverage: f32, similarity: Option<f32>, crosses: bool) -> bool {
    let enough = if crosses { RELEVANT_ACROSS } else { RELEVANT };
    coverage >= RELEVANT_BY_WORDS
        || similarity.is_some_and(|similarity| similarity + COVERAGE_ADDS * coverage >= enough)
}

/// Whether a question is in Chinese and a text is not, or the other way round.
fn crosses(in_chinese: bool, text: &str) -> bool {
    let (held, letters) = chinese(text);
    if in_chinese { held * 10 < letters } else { held * 2 > letters }
}

/// How many of a text's letters are Chinese, and how many it has.
fn chinese(text: &str) -> (usize, usize) {
    let letters = text.chars().filter(|letter| letter.is_alphabetic());
    letters.fold((0, 0), |(chinese, all), letter| {
        (chinese + usize::from(('\u{4e00}'..='\u{9fff}').contains(&letter)), all + 1)
    })
}

/// What the words add to the meaning. Questions in another language than the text have no words in common with it.
const COVERAGE_ADDS: f32 = 0.08;
/// Similarity and what the words add, at least.
const RELEVANT: f32 = 0.88;
/// The same of two scripts.
const RELEVANT_ACROSS: f32 = 0.8;
/// The share of the words that is enough by itself.
const RELEVANT_BY_WORDS: f32 = 0.5;

/// What a question is about: the terms of its words but those that only join them, each once, sorted.
pub fn content_terms(question: &str) -> Vec<String> {
    let mut terms: Vec<String> = asked(question).into_iter().flatten().collect();
    terms.sort();
    terms.dedup();
    terms
}

fn asked(question: &str) -> Vec<Vec<String>> {
    let mut asked = with_kept(|analysis| analysis::words(question, analysis));
    let mut known = HashSet::new();
    asked.retain(|word| known.insert(word.clone()));
    if asked.iter().any(|word| !JOINING_STEPS.contains(word)) {
        asked.retain(|word| !JOINING_STEPS.contains(word));
    }
    asked
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn coverage(question: &str, held: &[&str]) -> f32 {
        let common = |term: &str| Ok::<_, Infallible>(if term == "server" { 500 } else { 2 });
        let Ok(judge) = Judge::new(question, 1000, common);
        judge.coverage(&held.iter().copied().collect())
    }

    #[test]
    fn rare_words_weigh_more_and_joining_words_nothing() {
        assert!((coverage("How do I restart the server?", &["restart", "server"]) - 1.0).abs() < 1e-6);
        let (rare, common) =
            (coverage("restart server", &["restart"]), coverage("restart server", &["server"]));
        assert!(rare > 0.8 && common < 0.2, "{rare} {common}");
        assert!(coverage("how do I do this", &["how", "do", "i", "this"]) > 0.99);
        assert!(coverage("", &[]).abs() < 1e-6);
    }

    #[test]
    fn a_chinese_word_is_held_whole() {
        assert!(coverage("如何恢复数据库", &["恢复", "数据", "据库"]) > 0.99);
        assert!(coverage("如何恢复数据库", &["恢复", "数据"]) < 0.6);
    }

    #[test]
    fn of_two_scripts_less_is_enough() {
        let (english, chinese) = ("The gateway waits 30 seconds.", "网关最多等待 30 秒。");
        assert!(crosses(true, english) && crosses(false, chinese));
        assert!(!crosses(true, chinese) && !crosses(false, english));
        assert!(is_relevant(0.0, Some(0.82), true) && !is_relevant(0.0, Some(0.82), false));
        assert!(!is_relevant(0.0, Some(0.78), true));
    }

    #[test]
    fn the_terms_of_a_question_are_those_it_is_about() {
        assert_eq!(content_terms("How do I restart the servers?"), ["restart", "server"]);
        assert_eq!(content_terms("servers: restart"), content_terms("How do I restart a server"));
        assert_eq!(content_terms("怎么备份数据库？"), ["备份", "据库", "数据"]);
    }
}
