//! Spelling suggestions: replaces words of a query that no passage contains by the nearest words that passages do.
//!
//! The index holds stems, of all libraries. So a near stem is looked up among the passages that exist for the actor, and
//! the suggested word is taken from such a passage as it is written there.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use kernel::actor::Actor;
use tantivy::Term;
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;

use super::super::analysis::{TermKind, with_thread_analysis};
use super::super::collector::{Allowed, BestPassages};
use super::super::index::{IndexSnapshot, number_of};
use super::super::passages::Passage;
use super::super::request::{MAX_QUERY_CHARS, SearchRequest};
use super::{Engine, Scope};
use crate::Error;

/// Maximum number of words that are corrected.
const MAX_WORDS: usize = 3;
/// Minimum length of a corrected word, in bytes; a shorter one is near too many others.
const MIN_WORD_BYTES: usize = 4;
/// Maximum number of terms examined for one word.
const MAX_TERMS: usize = 100_000;
/// Maximum number of near terms looked up among the passages.
const MAX_CANDIDATES: usize = 4;

impl Engine {
    /// Returns the query with each word that no passage contains replaced by the nearest one, or `None` if all words are
    /// known or one has no near word.
    ///
    /// # Errors
    ///
    /// Fails if the library or version does not exist for the actor.
    pub async fn suggest(&self, actor: &Actor, request: &SearchRequest) -> Result<Option<String>, Error> {
        if request.text.chars().count() > MAX_QUERY_CHARS {
            return Ok(None);
        }
        let scope = self.scope(actor, request).await?;
        let Some(generation) = scope.generation.clone() else { return Ok(None) };
        let snapshot = generation.snapshot();
        let mut text = request.text.clone();
        let unknown = unknown_words(&request.text, |term| {
            snapshot.searcher.doc_freq(&Term::from_field_text(generation.fields.text, term))
        })?;
        let is_known = unknown.is_empty();
        // From the last to the first, so that the ranges of earlier words stay valid.
        for (range, term) in unknown.into_iter().rev() {
            let typed = text.get(range.clone()).unwrap_or_default().to_owned();
            let mut suggestion = None;
            for stem in nearest_terms(&snapshot, generation.fields.text, &term)? {
                let indexed = Term::from_field_text(generation.fields.text, &stem);
                suggestion = self.visible_word(&scope, &snapshot, indexed, &stem, &typed).await?;
                if suggestion.is_some() {
                    break;
                }
            }
            // If one word stays unknown the query is about something else, and its other words are not misspelled.
            let Some(word) = suggestion else { return Ok(None) };
            let is_lower = !typed.chars().any(char::is_uppercase);
            text.replace_range(range, &if is_lower { word.to_lowercase() } else { word });
        }
        Ok((!is_known).then_some(text))
    }

    /// Returns a word of this stem as written in a passage in scope.
    async fn visible_word(
        &self,
        scope: &Scope,
        snapshot: &IndexSnapshot,
        indexed: Term,
        stem: &str,
        typed: &str,
    ) -> Result<Option<String>, Error> {
        let versions = scope.versions.iter().map(|version| number_of(*version)).collect();
        let allowed = Arc::new(Allowed { versions, changed: scope.changed.clone() });
        let query = TermQuery::new(indexed, IndexRecordOption::WithFreqs);
        let columns = Arc::clone(&snapshot.columns);
        let best = snapshot.searcher.search(&query, &BestPassages { limit: 1, columns, allowed })?;
        let Some(candidate) = best.first().map(|best| best.candidate) else { return Ok(None) };
        let passages = self.passages.read(&self.pool, &[candidate.passage]).await?;
        Ok(passages.get(&candidate.passage).and_then(|passage| word_of(passage, stem, typed)))
    }
}

/// Returns the plain words that no passage contains, with their byte ranges.
fn unknown_words(
    text: &str,
    document_frequency: impl Fn(&str) -> tantivy::Result<u64>,
) -> tantivy::Result<Vec<(Range<usize>, String)>> {
    let words: Vec<(Range<usize>, String)> = with_thread_analysis(|analysis| {
        analysis.run(text);
        let plain = analysis.terms().filter(|(term, text)| {
            term.kind == TermKind::Step
                && text.len() >= MIN_WORD_BYTES
                && text.bytes().all(|byte| byte.is_ascii_lowercase())
        });
        plain.map(|(term, text)| (term.source.clone(), text.to_owned())).collect()
    });
    let mut unknown = Vec::new();
    for (range, term) in words {
        if unknown.len() < MAX_WORDS && document_frequency(&term)? == 0 {
            unknown.push((range, term));
        }
    }
    Ok(unknown)
}

/// Returns the terms nearest to one, the nearest and most frequent first. The first letter is taken to be right.
fn nearest_terms(
    snapshot: &IndexSnapshot,
    field: tantivy::schema::Field,
    term: &str,
) -> tantivy::Result<Vec<String>> {
    let max_distance = if term.len() > 5 { 2 } else { 1 };
    let Some(first) = term.bytes().next() else { return Ok(Vec::new()) };
    let mut found: BTreeMap<String, (usize, u32)> = BTreeMap::new();
    let mut left = MAX_TERMS;
    for segment in snapshot.searcher.segment_readers() {
        let index = segment.inverted_index(field)?;
        let mut terms = index.terms().range().ge([first]).lt([first + 1]).into_stream()?;
        while left > 0 && terms.advance() {
            left -= 1;
            let key = terms.key();
            if key.len().abs_diff(term.len()) > max_distance || !key.iter().all(u8::is_ascii_lowercase) {
                continue;
            }
            let distance = distance(term.as_bytes(), key);
            if let Ok(near) = std::str::from_utf8(key)
                && distance <= max_distance
            {
                found.entry(near.to_owned()).or_insert((distance, 0)).1 += terms.value().doc_freq;
            }
        }
    }
    let mut found: Vec<(String, (usize, u32))> = found.into_iter().collect();
    found.sort_by_key(|(_, (distance, count))| (*distance, Reverse(*count)));
    Ok(found.into_iter().take(MAX_CANDIDATES).map(|(term, _)| term).collect())
}

/// Returns the word of this stem in a passage, its headings or its title that is nearest to the typed one.
fn word_of(passage: &Passage, stem: &str, typed: &str) -> Option<String> {
    let texts = passage.section.iter().chain([&passage.title, &passage.content]);
    let typed = typed.to_lowercase();
    let mut best: Option<(usize, String)> = None;
    with_thread_analysis(|analysis| {
        for text in texts {
            analysis.run_where(text, |first| stem.starts_with(first));
            for (term, _) in
                analysis.terms().filter(|(term, text)| term.kind == TermKind::Step && *text == stem)
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

/// Damerau-Levenshtein distance (restricted): letters changed, inserted, deleted, or exchanged with the next.
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
    fn distance_counts_changes_insertions_deletions_and_exchanges() {
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
    fn plain_words_without_a_passage_are_unknown() {
        let known = |term: &str| Ok(u64::from(term == "pool"));
        let found = unknown_words("conection Pool, 数据库 pg_stat x1y2 the", known).unwrap();
        assert_eq!(found[0].1, "conect");
        assert_eq!(&"conection Pool, 数据库 pg_stat x1y2 the"[found[0].0.clone()], "conection");
        assert!(found.iter().all(|(_, term)| term.as_str() != "pool" && term.len() >= MIN_WORD_BYTES));
    }
}
