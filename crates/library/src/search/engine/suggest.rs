//! Did you mean: a question whose words no passage holds, with the nearest words that passages do hold.
//!
//! The index knows stems and every library's. So a stem that is near is looked for among the passages that exist for the
//! asker, and the word is taken from the passage, as it is written there.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use kernel::actor::Actor;
use tantivy::Term;
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;

use super::super::analysis::{Part, with_kept};
use super::super::collector::{Allowed, BestPassages};
use super::super::index::{View, number_of};
use super::super::passages::Passage;
use super::super::{LONGEST_QUERY, Question};
use super::{Engine, Scope};
use crate::Error;

/// Words that are put right, at most.
const MOST_WORDS: usize = 3;
/// Below this length of a word too many others are near.
const SHORTEST: usize = 4;
/// Terms that are looked at for one word.
const MOST_TERMS: usize = 100_000;
/// The nearest terms that are looked for among the passages.
const MOST_CANDIDATES: usize = 4;

impl Engine {
    /// The question with each word that no passage holds replaced by the nearest one. `None` where all are known, or none is
    /// near.
    pub async fn suggest(&self, actor: &Actor, question: &Question) -> Result<Option<String>, Error> {
        if question.text.chars().count() > LONGEST_QUERY {
            return Ok(None);
        }
        let scope = self.scope(actor, question).await?;
        let Some(generation) = scope.generation.clone() else { return Ok(None) };
        let view = generation.view();
        let mut text = question.text.clone();
        let unknown = unknown(&question.text, |term| {
            view.searcher.doc_freq(&Term::from_field_text(generation.fields.text, term))
        })?;
        let is_known = unknown.is_empty();
        // From the last to the first: what stands before keeps its place.
        for (place, term) in unknown.into_iter().rev() {
            let typed = text.get(place.clone()).unwrap_or_default().to_owned();
            let mut better = None;
            for near in nearest(&view, generation.fields.text, &term)? {
                let known = Term::from_field_text(generation.fields.text, &near);
                better = self.written(&scope, &view, known, &near, &typed).await?;
                if better.is_some() {
                    break;
                }
            }
            // Where one word stays unknown the question is about something else, and its other words are no slips.
            let Some(word) = better else { return Ok(None) };
            let is_lower = !typed.chars().any(char::is_uppercase);
            text.replace_range(place, &if is_lower { word.to_lowercase() } else { word });
        }
        Ok((!is_known).then_some(text))
    }

    /// A word of this stem as a passage writes it that may be found.
    async fn written(
        &self,
        scope: &Scope,
        view: &View,
        known: Term,
        stem: &str,
        typed: &str,
    ) -> Result<Option<String>, Error> {
        let versions = scope.versions.iter().map(|version| number_of(*version)).collect();
        let allowed = Arc::new(Allowed { versions, changed: scope.changed.clone() });
        let query = TermQuery::new(known, IndexRecordOption::WithFreqs);
        let columns = Arc::clone(&view.columns);
        let best = view.searcher.search(&query, &BestPassages { limit: 1, columns, allowed })?;
        let Some((_, found)) = best.first() else { return Ok(None) };
        let passages = self.passages.read(&self.pool, &[found.passage]).await?;
        Ok(passages.get(&found.passage).and_then(|passage| word_of(passage, stem, typed)))
    }
}

/// Plain words that no passage holds, with where they stand.
fn unknown(
    text: &str,
    holding: impl Fn(&str) -> tantivy::Result<u64>,
) -> tantivy::Result<Vec<(Range<usize>, String)>> {
    let words: Vec<(Range<usize>, String)> = with_kept(|analysis| {
        analysis.run(text);
        let plain = analysis.terms().filter(|(term, text)| {
            term.part == Part::Step
                && text.len() >= SHORTEST
                && text.bytes().all(|byte| byte.is_ascii_lowercase())
        });
        plain.map(|(term, text)| (term.source.clone(), text.to_owned())).collect()
    });
    let mut unknown = Vec::new();
    for (place, term) in words {
        if unknown.len() < MOST_WORDS && holding(&term)? == 0 {
            unknown.push((place, term));
        }
    }
    Ok(unknown)
}

/// The terms nearest to one, the nearest and most frequent first. The first letter is taken to be right.
fn nearest(view: &View, field: tantivy::schema::Field, wanted: &str) -> tantivy::Result<Vec<String>> {
    let most = if wanted.len() > 5 { 2 } else { 1 };
    let Some(first) = wanted.bytes().next() else { return Ok(Vec::new()) };
    let mut found: BTreeMap<String, (usize, u32)> = BTreeMap::new();
    let mut left = MOST_TERMS;
    for segment in view.searcher.segment_readers() {
        let index = segment.inverted_index(field)?;
        let mut terms = index.terms().range().ge([first]).lt([first + 1]).into_stream()?;
        while left > 0 && terms.advance() {
            left -= 1;
            let key = terms.key();
            if key.len().abs_diff(wanted.len()) > most || !key.iter().all(u8::is_ascii_lowercase) {
                continue;
            }
            let distance = distance(wanted.as_bytes(), key);
            if let Ok(term) = std::str::from_utf8(key)
                && distance <= most
            {
                found.entry(term.to_owned()).or_insert((distance, 0)).1 += terms.value().doc_freq;
            }
        }
    }
    let mut found: Vec<(String, (usize, u32))> = found.into_iter().collect();
    found.sort_by_key(|(_, (distance, count))| (*distance, Reverse(*count)));
    Ok(found.into_iter().take(MOST_CANDIDATES).map(|(term, _)| term).collect())
}

/// The word of this stem in a passage, its headings or its title that is nearest to the one that was typed.
fn word_of(passage: &Passage, stem: &str, typed: &str) -> Option<String> {
    let texts = passage.section.iter().chain([&passage.title, &passage.content]);
    let typed = typed.to_lowercase();
    let mut best: Option<(usize, String)> = None;
    with_kept(|analysis| {
        for text in texts {
            analysis.run_where(text, |first| stem.starts_with(first));
            for (term, _) in analysis.terms().filter(|(term, text)| term.part == Part::Step && *text == stem)
            {
                let Some(word) = text.get(term.source.clone()) else { continue };
                let distance = distance(typed.as_bytes(), word.to_lowercase().as_bytes());
                if best.as_ref().is_none_or(|(least, _)| distance < *least) {
                    best = Some((distance, word.to_owned()));
                }
            }
        }
    });
    best.map(|(_, word)| word)
}

/// How many letters have to be changed, put in, left out or exchanged with the next.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(line + 1);
        for (column, to) in right.iter().enumerate() {
            let mut least =
                (row[column] + usize::from(from != to)).min(row[column + 1] + 1).min(next[column] + 1);
            if line > 0 && column > 0 && *from == right[column - 1] && left[line - 1] == *to {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_changed_put_in_left_out_and_exchanged() {
        for (left, right, expected) in [
            ("connect", "connect", 0),
            ("conect", "connect", 1),
            ("cnonect", "connect", 1),
            ("vaccum", "vacuum", 1),
            ("restroe", "restor", 2),
            ("", "ab", 2),
            ("ab", "ba", 1),
        ] {
            assert_eq!(distance(left.as_bytes(), right.as_bytes()), expected, "{left} {right}");
            assert_eq!(distance(right.as_bytes(), left.as_bytes()), expected, "{right} {left}");
        }
    }

    #[test]
    fn plain_words_that_no_passage_holds_are_told_with_their_places() {
        let known = |term: &str| Ok(u64::from(term == "pool"));
        let found = unknown("conection Pool, 数据库 pg_stat x1y2 the", known).unwrap();
        assert_eq!(found[0].1, "conect");
        assert_eq!(&"conection Pool, 数据库 pg_stat x1y2 the"[found[0].0.clone()], "conection");
        assert!(found.iter().all(|(_, term)| term.as_str() != "pool" && term.len() >= SHORTEST));
    }
}
