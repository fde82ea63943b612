//! Snippets: the part of a text that matches a query best, with the matched words as highlights.

use std::collections::HashSet;
use std::ops::Range;

use super::analysis::{Analysis, with_thread_analysis};
use super::plain::{PlainBlock, plain};
use super::query::ParsedQuery;

/// Length of a snippet, in characters.
const SNIPPET_CHARS: usize = 280;

/// Returns the part of a Markdown text that matches a query best, in plain words, and the matched words as half-open ranges of its characters.
pub fn excerpt(text: &str, query: &str) -> (String, Vec<(u32, u32)>) {
    let query = ParsedQuery::parse(query);
    let mut contained = HashSet::new();
    let blocks = plain(text, &[]).blocks;
    let found =
        with_thread_analysis(|analysis| best_snippet(&blocks, &query.terms(), &mut contained, analysis));
    (found.text, found.highlights)
}

/// A snippet with highlights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Snippet {
    /// Text.
    pub(super) text: String,
    /// Matched words, as half-open ranges of characters.
    pub(super) highlights: Vec<(u32, u32)>,
    /// Whether it is code.
    pub(super) is_code: bool,
    /// Whether words of the passage stand before it, and behind it.
    pub(super) is_cut: (bool, bool),
    /// Number of different terms.
    terms: usize,
}

/// Cuts a snippet from the block with the most different terms; prose before code. Adds the terms that the blocks contain to
/// `contained`.
pub(super) fn best_snippet<'terms>(
    blocks: &[PlainBlock],
    terms: &HashSet<&'terms str>,
    contained: &mut HashSet<&'terms str>,
    analysis: &mut Analysis,
) -> Snippet {
    let mut best: Option<Snippet> = None;
    for (index, block) in blocks.iter().enumerate() {
        let mut found = snippet(&block.text, terms, contained, analysis);
        found.is_code = block.is_code;
        found.is_cut.0 |= index > 0;
        found.is_cut.1 |= index + 1 < blocks.len();
        let is_better = best.as_ref().is_none_or(|best| {
            found.terms > best.terms || (found.terms == best.terms && best.is_code && !found.is_code)
        });
        if is_better {
            best = Some(found);
        }
    }
    best.unwrap_or_default()
}

/// Cuts a snippet from a text: the window with the most different terms. Adds the terms that the text contains to
/// `contained`.
fn snippet<'terms>(
    text: &str,
    terms: &HashSet<&'terms str>,
    contained: &mut HashSet<&'terms str>,
    analysis: &mut Analysis,
) -> Snippet {
    let matches = matches(text, terms, contained, analysis);
    let window = best_window(text, &matches);
    let is_cut = (window.start > 0, window.end < text.len());
    let text = &text[window.clone()];
    let mut highlights = Vec::new();
    let mut counted = (0, 0_u32);
    let mut different = HashSet::new();
    for (source, term) in
        matches.iter().filter(|(source, _)| source.start >= window.start && source.end <= window.end)
    {
        different.insert(*term);
        let mut characters_at = |offset: usize| {
            let offset = offset - window.start;
            counted = (offset, counted.1 + count(&text[counted.0..offset]));
            counted.1
        };
        let from = characters_at(source.start);
        highlights.push((from, characters_at(source.end)));
    }
    Snippet { text: text.to_owned(), highlights, is_code: false, is_cut, terms: different.len() }
}

/// Adds the terms that a text contains to `contained`.
pub(super) fn collect_terms<'terms>(
    text: &str,
    terms: &HashSet<&'terms str>,
    contained: &mut HashSet<&'terms str>,
    analysis: &mut Analysis,
) {
    run(text, terms, analysis);
    contained.extend(analysis.terms().filter_map(|(_, term)| terms.get(term)));
}

/// Analyses only the words that can be one of the terms, by their first letters. Terms are lower-case.
fn run(text: &str, terms: &HashSet<&str>, analysis: &mut Analysis) {
    let initials: Vec<char> = terms.iter().filter_map(|term| term.chars().next()).collect();
    analysis.run_where(text, |first| initials.contains(&first));
}

/// Returns the byte ranges of terms with the terms, in order and without overlaps.
fn matches<'terms>(
    text: &str,
    terms: &HashSet<&'terms str>,
    contained: &mut HashSet<&'terms str>,
    analysis: &mut Analysis,
) -> Vec<(Range<usize>, &'terms str)> {
    run(text, terms, analysis);
    let mut found: Vec<(Range<usize>, &'terms str)> =
        analysis.terms().filter_map(|(term, text)| Some((term.source.clone(), *terms.get(text)?))).collect();
    contained.extend(found.iter().map(|(_, term)| term));
    // A whole compound before its parts, so that the parts are merged into it.
    found.sort_by(|left, right| left.0.start.cmp(&right.0.start).then(right.0.end.cmp(&left.0.end)));
    let mut disjoint: Vec<(Range<usize>, &'terms str)> = Vec::with_capacity(found.len());
    for (source, term) in found {
        match disjoint.last_mut() {
            // Pairs of Chinese characters overlap, and are merged.
            Some((last, _)) if source.start < last.end => last.end = last.end.max(source.end),
            _ => disjoint.push((source, term)),
        }
    }
    disjoint
}

/// Returns the byte range of the snippet.
fn best_window(text: &str, matches: &[(Range<usize>, &str)]) -> Range<usize> {
    let mut best = (0, 0..0);
    for (index, (first, _)) in matches.iter().enumerate() {
        let end = advance(text, first.start, SNIPPET_CHARS);
        let inside = matches[index..].iter().take_while(|(source, _)| source.end <= end);
        let different: HashSet<&str> = inside.map(|(_, term)| *term).collect();
        if different.len() > best.0 {
            best = (different.len(), first.start..end);
        }
    }
    // A few words before the first match, from the beginning of a line or word.
    let lead = retreat(text, best.1.start, SNIPPET_CHARS / 6);
    let begin = if lead == 0 {
        0
    } else {
        text[lead..best.1.start].find([' ', '\n', '。', '，']).map_or(lead, |space| {
            let offset = lead + space;
            offset + text[offset..].chars().next().map_or(0, char::len_utf8)
        })
    };
    begin..advance(text, begin, SNIPPET_CHARS)
}

/// Returns the offset `characters` characters after `from`, or the end.
fn advance(text: &str, from: usize, characters: usize) -> usize {
    text[from..].char_indices().nth(characters).map_or(text.len(), |(offset, _)| from + offset)
}

/// Returns the offset `characters` characters before `from`, or the start.
fn retreat(text: &str, from: usize, characters: usize) -> usize {
    text[..from].char_indices().rev().nth(characters).map_or(0, |(offset, _)| offset)
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str, terms: &[&str]) -> Snippet {
        let terms = terms.iter().copied().collect();
        snippet(text, &terms, &mut HashSet::new(), &mut Analysis::default())
    }

    fn marked(text: &str, terms: &[&str]) -> String {
        let found = cut(text, terms);
        let characters: Vec<char> = found.text.chars().collect();
        let mut marked = String::new();
        let mut last = 0;
        for (from, to) in found.highlights {
            marked.extend(&characters[last..from as usize]);
            marked.push('[');
            marked.extend(&characters[from as usize..to as usize]);
            marked.push(']');
            last = to as usize;
        }
        marked.extend(&characters[last..]);
        marked
    }

    #[test]
    fn matched_words_are_highlighted() {
        assert_eq!(marked("Run pg_dump to back up.", &["pg_dump", "dump"]), "Run [pg_dump] to back up.");
        assert_eq!(marked("备份数据库的方法", &["数据", "据库"]), "备份[数据库]的方法");
    }

    #[test]
    fn the_snippet_contains_the_matches() {
        let text = format!("{} the needle in here {}", "hay ".repeat(500), "hay ".repeat(500));
        let found = cut(&text, &["needl"]);
        assert!(found.text.contains("needle"));
        assert!(found.text.chars().count() <= SNIPPET_CHARS);
    }

    #[test]
    fn a_snippet_is_of_prose_unless_only_code_matches() {
        let blocks = plain("Restart the pool.\n\n```sh\npool --restart\n```\n", &[]).blocks;
        let cut = |terms: &[&str]| {
            let terms = terms.iter().copied().collect();
            best_snippet(&blocks, &terms, &mut HashSet::new(), &mut Analysis::default())
        };
        let prose = cut(&["pool"]);
        assert_eq!(
            (prose.text.as_str(), prose.is_code, prose.is_cut),
            ("Restart the pool.", false, (false, true))
        );
        let code = cut(&["--restart", "pool"]);
        assert_eq!((code.text.as_str(), code.is_code), ("pool --restart", true));
    }

    proptest! {
        #[test]
        fn highlights_lie_inside_the_snippet(text in "(\\PC|[ab ]|[数据库]){0,600}") {
            let found = cut(&text, &["a", "b", "数据"]);
            let length = count(&found.text);
            prop_assert!(found.highlights.iter().all(|(from, to)| from < to && *to <= length));
        }
    }
}
