//! The part of a passage that shows best why it was found, and the words in it that were asked for.

use std::collections::HashSet;
use std::ops::Range;

use super::analysis::Analysis;

/// The length of a snippet, in characters.
const LENGTH: usize = 280;

/// A snippet, and the words asked for as half-open ranges of its characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    /// The text.
    pub(super) text: String,
    /// The words asked for.
    pub(super) highlights: Vec<(u32, u32)>,
}

/// Cuts a snippet from a text: the window with the most different terms. Notes which terms the text holds.
pub(super) fn snippet<'terms>(
    text: &str,
    terms: &HashSet<&'terms str>,
    held: &mut HashSet<&'terms str>,
    analysis: &mut Analysis,
) -> Snippet {
    let matches = matches(text, terms, held, analysis);
    let window = best_window(text, &matches);
    let text = &text[window.clone()];
    let mut highlights = Vec::new();
    let mut counted = (0, 0_u32);
    for (source, _) in
        matches.iter().filter(|(source, _)| source.start >= window.start && source.end <= window.end)
    {
        let mut characters_at = |place: usize| {
            let place = place - window.start;
            counted = (place, counted.1 + count(&text[counted.0..place]));
            counted.1
        };
        let from = characters_at(source.start);
        highlights.push((from, characters_at(source.end)));
    }
    Snippet { text: text.to_owned(), highlights }
}

/// Notes which of the terms a text holds.
pub(super) fn note<'terms>(
    text: &str,
    terms: &HashSet<&'terms str>,
    held: &mut HashSet<&'terms str>,
    analysis: &mut Analysis,
) {
    run(text, terms, analysis);
    held.extend(analysis.terms().filter_map(|(_, term)| terms.get(term)));
}

/// Analyses what may be one of the terms: they are lower-case, and few different letters begin them.
fn run(text: &str, terms: &HashSet<&str>, analysis: &mut Analysis) {
    let initials: Vec<char> = terms.iter().filter_map(|term| term.chars().next()).collect();
    analysis.run_where(text, |first| initials.contains(&first));
}

/// Where terms stand, in order, without overlaps, and which.
fn matches<'terms>(
    text: &str,
    terms: &HashSet<&'terms str>,
    held: &mut HashSet<&'terms str>,
    analysis: &mut Analysis,
) -> Vec<(Range<usize>, &'terms str)> {
    run(text, terms, analysis);
    let mut found: Vec<(Range<usize>, &'terms str)> =
        analysis.terms().filter_map(|(term, text)| Some((term.source.clone(), *terms.get(text)?))).collect();
    held.extend(found.iter().map(|(_, term)| term));
    // The whole of a compound before its parts, so that the parts are swallowed.
    found.sort_by(|left, right| left.0.start.cmp(&right.0.start).then(right.0.end.cmp(&left.0.end)));
    let mut apart: Vec<(Range<usize>, &'terms str)> = Vec::with_capacity(found.len());
    for (source, term) in found {
        match apart.last_mut() {
            // Pairs of Chinese characters overlap: they are shown as one.
            Some((last, _)) if source.start < last.end => last.end = last.end.max(source.end),
            _ => apart.push((source, term)),
        }
    }
    apart
}

fn best_window(text: &str, matches: &[(Range<usize>, &str)]) -> Range<usize> {
    let mut best = (0, 0..0);
    for (place, (first, _)) in matches.iter().enumerate() {
        let end = advance(text, first.start, LENGTH);
        let inside = matches[place..].iter().take_while(|(source, _)| source.end <= end);
        let different: HashSet<&str> = inside.map(|(_, term)| *term).collect();
        if different.len() > best.0 {
            best = (different.len(), first.start..end);
        }
    }
    // A few words before the first match, from the beginning of a line or word.
    let lead = retreat(text, best.1.start, LENGTH / 6);
    let begin = if lead == 0 {
        0
    } else {
        text[lead..best.1.start].find([' ', '\n', '。', '，']).map_or(lead, |space| {
            let place = lead + space;
            place + text[place..].chars().next().map_or(0, char::len_utf8)
        })
    };
    begin..advance(text, begin, LENGTH)
}

fn advance(text: &str, from: usize, characters: usize) -> usize {
    text[from..].char_indices().nth(characters).map_or(text.len(), |(offset, _)| from + offset)
}

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

    fn shown(text: &str, terms: &[&str]) -> String {
        let found = cut(text, terms);
        let characters: Vec<char> = found.text.chars().collect();
        let mut shown = String::new();
        let mut last = 0;
        for (from, to) in found.highlights {
            shown.extend(&characters[last..from as usize]);
            shown.push('[');
            shown.extend(&characters[from as usize..to as usize]);
            shown.push(']');
            last = to as usize;
        }
        shown.extend(&characters[last..]);
        shown
    }

    #[test]
    fn the_words_asked_for_are_marked() {
        assert_eq!(shown("Run pg_dump to back up.", &["pg_dump", "dump"]), "Run [pg_dump] to back up.");
        assert_eq!(shown("备份数据库的方法", &["数据", "据库"]), "备份[数据库]的方法");
    }

    #[test]
    fn the_window_is_where_the_matches_are() {
        let text = format!("{} the needle in here {}", "hay ".repeat(500), "hay ".repeat(500));
        let found = cut(&text, &["needl"]);
        assert!(found.text.contains("needle"));
        assert!(found.text.chars().count() <= LENGTH);
    }

    proptest! {
        #[test]
        fn ranges_lie_inside(text in "(\\PC|[ab ]|[数据库]){0,600}") {
            let found = cut(&text, &["a", "b", "数据"]);
            let length = count(&found.text);
            prop_assert!(found.highlights.iter().all(|(from, to)| from < to && *to <= length));
        }
    }
}
