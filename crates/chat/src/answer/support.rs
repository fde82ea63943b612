//! Support check: finds sentences that share no word with the sources they cite. Such a sentence may be right, but not because
//! of its sources.
//!
//! A sentence in another script than its sources (a Chinese answer on English text) is checked by words that both scripts share,
//! such as names and numbers; without any it is not checked.

use std::collections::HashSet;

use library::search::analysis::{TermKind, with_thread_analysis};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// Result of a support check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Support {
    /// Sentences that share no word with what they cite, as half-open ranges of characters of the answer.
    pub unsupported: Vec<(usize, usize)>,
    /// Number of sentences with citations that could not be checked.
    pub unchecked: usize,
}

/// Stop words, which do not count as shared.
const STOP_WORDS: [&str; 48] = [
    "a", "an", "the", "is", "are", "was", "be", "been", "it", "it", "thi", "that", "these", "those", "to",
    "of", "in", "on", "at", "by", "for", "with", "from", "as", "and", "or", "not", "no", "can", "you",
    "your", "we", "which", "when", "if", "so", "do", "doe", "will", "the", "这个", "可以", "使用", "一个",
    "以及", "如果", "进行", "的",
];

/// Checks the sentences of an answer. `sources[n - 1]` is the text that the model was given as number `n`.
pub fn check_support(answer: &str, sources: &[String]) -> Support {
    let mut support = Support::default();
    let mut source_terms: Vec<Option<Terms>> = vec![None; sources.len()];
    let mut counted = (0, 0);
    for (range, sentence) in sentences(answer) {
        let cited: Vec<usize> =
            citations(&sentence).into_iter().filter(|number| *number <= sources.len()).collect();
        if cited.is_empty() {
            continue;
        }
        let stated = Terms::of(&without_citations(&sentence));
        if stated.terms.is_empty() {
            continue;
        }
        let mut shares = false;
        let mut same_script = false;
        for number in cited {
            let index = number - 1;
            let source = source_terms[index].get_or_insert_with(|| Terms::of(&sources[index]));
            shares |= stated.terms.iter().any(|term| source.terms.contains(term));
            same_script |= stated.is_chinese == source.is_chinese;
        }
        if shares {
            continue;
        }
        if !same_script {
            support.unchecked += 1;
            continue;
        }
        let mut characters = |byte: usize| {
            counted = (byte, counted.1 + answer[counted.0..byte].chars().count());
            counted.1
        };
        let from = characters(range.start);
        support.unsupported.push((from, characters(range.end)));
    }
    support
}

#[derive(Debug, Clone)]
struct Terms {
    terms: HashSet<String>,
    is_chinese: bool,
}

impl Terms {
    fn of(text: &str) -> Self {
        let wide = text.chars().filter(|character| ('\u{2e80}'..='\u{9fff}').contains(character)).count();
        let letters = text.chars().filter(char::is_ascii_alphabetic).count();
        let terms = with_thread_analysis(|analysis| {
            analysis.run(text);
            let steps =
                analysis.terms().filter(|(term, _)| term.kind == TermKind::Step).map(|(_, text)| text);
            steps.filter(|term| term.len() > 1 && !STOP_WORDS.contains(term)).map(str::to_owned).collect()
        });
        Self { terms, is_chinese: wide * 3 > letters }
    }
}

/// Returns the sentences of an answer outside code blocks, with their byte ranges. A citation after a full stop belongs to the
/// sentence before it.
fn sentences(answer: &str) -> Vec<(std::ops::Range<usize>, String)> {
    let mut code: Vec<std::ops::Range<usize>> = Vec::new();
    let mut open = None;
    for (event, range) in Parser::new(answer).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_)) => open = Some(range.start),
            Event::End(TagEnd::CodeBlock) => code.extend(open.take().map(|start| start..range.end)),
            _ => {}
        }
    }
    // Blocks are ordered: only the first that ends after a byte can contain it.
    let is_code = |byte: usize| {
        let block = code.get(code.partition_point(|range| range.end <= byte));
        block.is_some_and(|range| range.start <= byte)
    };
    let mut found = Vec::new();
    let mut begin = 0;
    let mut characters = answer.char_indices().peekable();
    while let Some((position, character)) = characters.next() {
        if is_code(position) {
            begin = position + character.len_utf8();
            continue;
        }
        let after = position + character.len_utf8();
        let next = characters.peek().map(|(_, next)| *next);
        let ends = match character {
            '\n' | '。' | '！' | '？' | '；' => true,
            '.' | '!' | '?' => next.is_none_or(char::is_whitespace),
            _ => false,
        };
        if !ends && next.is_some() {
            continue;
        }
        // Citations after the full stop.
        let rest = &answer[after..];
        let mut more = 0;
        while let Some(open) = rest[more..].trim_start_matches(' ').strip_prefix('[') {
            let digits = open.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || !open[digits..].starts_with(']') {
                break;
            }
            more = rest.len() - open.len() + digits + 1;
        }
        let end = after + more;
        while characters.next_if(|(position, _)| *position < end).is_some() {}
        let sentence = &answer[begin..end];
        let lead = sentence.len() - sentence.trim_start().len();
        if !sentence.trim().is_empty() {
            found.push((begin + lead..begin + sentence.trim_end().len(), sentence.trim().to_owned()));
        }
        begin = end;
    }
    found
}

/// Returns the numbers that a text cites, each once, in the order of their first citation.
pub(crate) fn citations(text: &str) -> Vec<usize> {
    let mut numbers = Vec::new();
    for piece in text.split('[').skip(1) {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0
            && piece[digits..].starts_with(']')
            && let Ok(number) = piece[..digits].parse::<usize>()
            && number > 0
            && !numbers.contains(&number)
        {
            numbers.push(number);
        }
    }
    numbers
}

/// Returns a text without its citations: in another answer the numbers would mean other sources.
pub(crate) fn without_citations(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let inside = &rest[open + 1..];
        let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && inside[digits..].starts_with(']') {
            out.push_str(rest[..open].trim_end_matches(' '));
            rest = &inside[digits + 1..];
        } else {
            out.push_str(&rest[..=open]);
            rest = inside;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unsupported(answer: &str, sources: &[&str]) -> Vec<String> {
        let sources: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
        let characters: Vec<char> = answer.chars().collect();
        let ranges = check_support(answer, &sources).unsupported;
        ranges.into_iter().map(|(from, to)| characters[from..to].iter().collect()).collect()
    }

    #[test]
    fn a_sentence_that_shares_nothing_with_its_source_is_marked() {
        let gate = "The gateway waits 30 seconds. `--timeout` changes that.";
        let answer = "The gateway waits 30 seconds [1]. Bananas ripen quickly. [1] Use `--timeout` [1].\n\nPlain words.";
        assert_eq!(unsupported(answer, &[gate]), ["Bananas ripen quickly. [1]"]);
        assert_eq!(
            unsupported("超出的请求返回 429 [1]。香蕉很甜 [1]。", &["超出限制的请求返回 429。"]),
            ["香蕉很甜 [1]。"]
        );
        assert!(unsupported("```\nbananas [1].\n```\n", &[gate]).is_empty());
    }

    #[test]
    fn a_sentence_in_another_script_is_checked_by_shared_words() {
        let sources = ["The gateway waits 30 seconds.".to_owned()];
        assert_eq!(check_support("网关等待 30 秒 [1]。", &sources), Support::default());
        assert_eq!(check_support("网关会等待一段时间 [1]。", &sources).unchecked, 1);
    }

    #[test]
    fn citations_are_read_and_removed() {
        assert_eq!(citations("a [2] b[1][2] c[x] [0] [12"), [2, 1]);
        assert_eq!(without_citations("It waits [1][2]. See a[x] [3]"), "It waits. See a[x]");
    }

    proptest! {
        #[test]
        fn any_text_can_be_checked(answer in "(\\PC|[a-z .\\[\\]0-9`\n。数]){0,120}", source in "\\PC{0,40}") {
            let length = answer.chars().count();
            for (from, to) in check_support(&answer, &[source]).unsupported {
                prop_assert!(from < to && to <= length);
            }
        }
    }
}
