//! From a person's words to a query of the full-text index.
//!
//! Words are alternatives, weighed by BM25; `"quoted words"` must follow each other; the last word may be the beginning
//! of one. Nothing a person can type is a syntax error.

use std::collections::{BTreeMap, HashSet};

use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use super::Question;
use super::analysis::{Analysis, Part, with_kept};
use super::index::Fields;

/// Words, as analysed, that make a question of what is asked about. Words that are also keywords of a language (`where`,
/// `with`, `for`) are not among them.
const QUESTION_WORDS: [&str; 40] = [
    "how",
    "do",
    "doe",
    "did",
    "i",
    "a",
    "an",
    "the",
    "to",
    "is",
    "are",
    "be",
    "what",
    "which",
    "can",
    "could",
    "should",
    "would",
    "my",
    "me",
    "we",
    "you",
    "your",
    "it",
    "of",
    "there",
    "的",
    "是",
    "了",
    "吗",
    "呢",
    "我",
    "请问",
    "怎么",
    "怎样",
    "如何",
    "什么",
    "为什么",
    "为什",
    "哪些",
];
/// Below this number of passages every term is looked for: it costs nothing, and a word may be common by chance.
const FEW_PASSAGES: u64 = 2000;
/// A word that only begins as the last one asked for weighs less than the word itself.
const PREFIX_WEIGHT: f32 = 0.4;
/// Terms of one question: beyond them a question is a text, and the rest adds nothing.
const MOST_TERMS: usize = 64;
/// Words that a beginning stands for.
const MOST_COMPLETIONS: usize = 12;
/// Below this part of the index a filter is made part of the query; above it skipping pays more.
const NARROW: u64 = 8;

/// A question, analysed.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Terms, each once, in order.
    terms: Vec<String>,
    phrases: Vec<Vec<(usize, String)>>,
    /// The last word as it was typed, if more may follow.
    beginning: Option<String>,
}

impl Words {
    /// Analyses a question.
    pub(super) fn parse(text: &str) -> Self {
        with_kept(|analysis| Self::parse_with(text, analysis))
    }

    fn parse_with(text: &str, analysis: &mut Analysis) -> Self {
        let mut words = Self::default();
        let mut known = HashSet::new();
        for (place, piece) in text.split('"').enumerate() {
            analysis.run(piece);
            for (_, term) in analysis.terms() {
                if words.terms.len() < MOST_TERMS && known.insert(term.to_owned()) {
                    words.terms.push(term.to_owned());
                }
            }
            // Every second piece stands between quotation marks; an unclosed one is taken as a plain one.
            let is_quoted = place % 2 == 1 && text.matches('"').count() > place;
            let steps: Vec<(usize, String)> = analysis
                .terms()
                .filter(|(term, _)| term.part == Part::Step)
                .take(MOST_TERMS)
                .map(|(term, text)| (term.position, text.to_owned()))
                .collect();
            if is_quoted && steps.len() > 1 {
                words.phrases.push(steps);
            }
        }
        // What a question asks about is not in its "how do I".
        if words.terms.iter().any(|term| !QUESTION_WORDS.contains(&term.as_str())) {
            words.terms.retain(|term| !QUESTION_WORDS.contains(&term.as_str()));
        }
        let last =
            text.rsplit(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default();
        if last.len() >= 3 {
            words.beginning = Some(last.to_ascii_lowercase());
        }
        words
    }

    /// Whether some words are quoted.
    pub(super) fn has_phrase(&self) -> bool {
        !self.phrases.is_empty()
    }

    /// The terms, for highlighting.
    pub(super) fn terms(&self) -> HashSet<&str> {
        self.terms.iter().map(String::as_str).collect()
    }

    /// The query of the full-text index.
    pub(super) fn query(
        &self,
        question: &Question,
        versions: &HashSet<u64>,
        fields: Fields,
        searcher: &Searcher,
    ) -> tantivy::Result<Box<dyn Query>> {
        if self.terms.is_empty() {
            return Ok(Box::new(EmptyQuery));
        }
        let mut any: Vec<Box<dyn Query>> = Vec::new();
        for term in self.telling(fields.text, searcher)? {
            any.push(weighed(fields.text, term, 1.0));
        }
        for completion in self.completions(fields.text, searcher)? {
            any.push(weighed(fields.text, &completion, PREFIX_WEIGHT));
        }
        // A flat union of terms, and nothing else, is what can be searched with skipping.
        let any: Box<dyn Query> = Box::new(BooleanQuery::union(any));
        let mut all: Vec<Box<dyn Query>> = Vec::new();
        for phrase in &self.phrases {
            let term = |(place, term): &(usize, String)| (*place, Term::from_field_text(fields.text, term));
            all.push(Box::new(PhraseQuery::new_with_offset(phrase.iter().map(term).collect())));
        }
        let mut filters = filters(question, fields);
        let in_versions: u64 = versions
            .iter()
            .map(|version| searcher.doc_freq(&Term::from_field_u64(fields.version, *version)).unwrap_or(0))
            .sum();
        if !all.is_empty() || !filters.is_empty() || in_versions < searcher.num_docs() / NARROW {
            filters.push(one_of(
                versions.iter().map(|version| Term::from_field_u64(fields.version, *version)).collect(),
            ));
        }
        if all.is_empty() && filters.is_empty() {
            return Ok(any);
        }
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, any)];
        clauses.extend(all.into_iter().map(|phrase| (Occur::Must, phrase)));
        clauses.extend(filters.into_iter().map(|filter| {
            let silent: Box<dyn Query> = Box::new(ConstScoreQuery::new(filter, 0.0));
            (Occur::Must, silent)
        }));
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    /// The terms that tell passages apart: those in every fourth passage or more ("how", "the") are left out where there are
    /// rarer ones. They hardly change the order, and cost the most.
    fn telling(&self, field: Field, searcher: &Searcher) -> tantivy::Result<Vec<&str>> {
        let common = searcher.num_docs() / 4;
        let mut rare = Vec::new();
        for term in &self.terms {
            if searcher.doc_freq(&Term::from_field_text(field, term))? <= common {
                rare.push(term.as_str());
            }
        }
        let enough = rare.len() >= 2 && searcher.num_docs() >= FEW_PASSAGES;
        Ok(if enough { rare } else { self.terms.iter().map(String::as_str).collect() })
    }

    /// The most frequent words that begin as the last one asked for.
    fn completions(&self, field: Field, searcher: &Searcher) -> tantivy::Result<Vec<String>> {
        let Some(beginning) = &self.beginning else { return Ok(Vec::new()) };
        let mut found: BTreeMap<String, u32> = BTreeMap::new();
        for segment in searcher.segment_readers() {
            let index = segment.inverted_index(field)?;
            let mut end = beginning.clone().into_bytes();
            end.push(0xff);
            let mut terms = index.terms().range().ge(beginning.as_bytes()).lt(&end).into_stream()?;
            // Bounded, for short beginnings of large vocabularies.
            for _ in 0..2000 {
                if !terms.advance() {
                    break;
                }
                if let Ok(term) = std::str::from_utf8(terms.key())
                    && !self.terms.iter().any(|asked| asked == term)
                {
                    *found.entry(term.to_owned()).or_default() += terms.value().doc_freq;
                }
            }
        }
        let mut found: Vec<(u32, String)> = found.into_iter().map(|(term, count)| (count, term)).collect();
        found.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
        Ok(found.into_iter().take(MOST_COMPLETIONS).map(|(_, term)| term).collect())
    }
}

fn weighed(field: Field, term: &str, weight: f32) -> Box<dyn Query> {
    let query = TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::WithFreqs);
    Box::new(BoostQuery::new(Box::new(query), weight))
}

fn filters(question: &Question, fields: Fields) -> Vec<Box<dyn Query>> {
    let mut filters = Vec::new();
    let texts = |field: Field, values: &[String]| {
        values.iter().map(|value| Term::from_field_text(field, value)).collect()
    };
    if !question.types.is_empty() {
        filters.push(one_of(texts(fields.document_type, &question.types)));
    }
    if !question.content_types.is_empty() {
        filters.push(one_of(texts(fields.content_type, &question.content_types)));
    }
    if let Some(category) = question.category {
        filters.push(one_of(vec![Term::from_field_text(fields.category, category.as_str())]));
    }
    filters.extend(
        question.tags.iter().map(|tag| one_of(vec![Term::from_field_text(fields.tag, tag.as_str())])),
    );
    filters
}

fn one_of(terms: Vec<Term>) -> Box<dyn Query> {
    let queries: Vec<Box<dyn Query>> = terms
        .into_iter()
        .map(|term| -> Box<dyn Query> { Box::new(TermQuery::new(term, IndexRecordOption::Basic)) })
        .collect();
    Box::new(BooleanQuery::union(queries))
}

#[cfg(test)]
mod tests {
    use super::Words;

    #[test]
    fn quoted_words_are_a_phrase() {
        let words = Words::parse(r#"how to "restore backups" fast"#);
        assert_eq!(words.phrases, [[(0, "restor".to_owned()), (1, "backup".to_owned())]]);
        assert!(Words::parse(r#"an unclosed "quotation here"#).phrases.is_empty());
    }

    #[test]
    fn what_is_asked_about_counts_and_not_that_it_is_asked() {
        assert_eq!(Words::parse("how do I add a folder").terms, ["add", "folder"]);
        assert_eq!(Words::parse("what is it").terms, ["what", "is", "it"]);
        assert_eq!(Words::parse("如何备份").terms, ["何备", "备份"]);
    }

    #[test]
    fn the_last_word_may_be_a_beginning() {
        assert_eq!(Words::parse("vacuum conf").beginning.as_deref(), Some("conf"));
        assert_eq!(Words::parse("vacuum ").beginning, None);
        assert_eq!(Words::parse("数据库").beginning, None);
    }
}
