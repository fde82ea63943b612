//! Query parser: from the words of a query to a Tantivy query.
//!
//! Words are alternatives, weighted by BM25; `"quoted words"` must follow each other, whatever the quotation marks; the last
//! word can be the beginning of one; a Chinese word also finds the one of the other region. No input is a syntax error.

use std::collections::{BTreeMap, HashSet};

use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use super::analysis::{self, Analysis, TermKind, with_thread_analysis};
use super::index::Fields;
use super::request::SearchRequest;

/// Terms that only phrase a request. Keywords of programming languages (`where`, `with`, `for`) are not among them.
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
/// Number of passages below which every term is searched: it costs nothing, and a word can be common by chance.
const FEW_PASSAGES: u64 = 2000;
/// Weight of a word that completes the last word of the query, relative to the word itself.
const PREFIX_WEIGHT: f32 = 0.4;
/// Weight of a word of the other region, relative to the word itself.
const VARIANT_WEIGHT: f32 = 0.5;
/// Maximum number of terms of a query: a longer one is a text, and its rest adds nothing.
const MAX_TERMS: usize = 64;
/// Maximum number of completions of the last word.
const MAX_COMPLETIONS: usize = 12;
/// Scopes below this fraction of the index (one part in 8) become a filter of the query; above it block skipping is faster.
const NARROW_FRACTION: u64 = 8;

/// A parsed query.
#[derive(Debug, Default)]
pub(super) struct ParsedQuery {
    /// Terms, each once, in order of occurrence.
    terms: Vec<String>,
    /// Terms of the words of other regions.
    variants: Vec<String>,
    /// Words in order with their positions, also those that only phrase a request.
    steps: Vec<(usize, String)>,
    /// Names of several words or with signs.
    names: Vec<String>,
    /// Phrases, as terms with their positions.
    phrases: Vec<Vec<(usize, String)>>,
    /// Last word as typed, lower-case, if it can be completed.
    prefix: Option<String>,
}

impl ParsedQuery {
    /// Parses a query.
    pub(super) fn parse(text: &str) -> Self {
        with_thread_analysis(|analysis| Self::parse_with(text, analysis))
    }

    fn parse_with(text: &str, analysis: &mut Analysis) -> Self {
        let mut query = Self::default();
        let text = &text.replace(is_quotation_mark, "\"");
        let mut known = HashSet::new();
        let mut begin = 0;
        for (index, piece) in text.split('"').enumerate() {
            analysis.run(piece);
            for (term, text) in analysis.terms().filter(|(term, _)| term.kind != TermKind::Part) {
                if term.kind == TermKind::Step && query.steps.len() < MAX_TERMS {
                    query.steps.push((begin + term.position, text.to_owned()));
                }
                if query.terms.len() < MAX_TERMS && known.insert(text.to_owned()) {
                    query.terms.push(text.to_owned());
                    if term.kind == TermKind::Whole && !text.is_empty() {
                        query.names.push(text.to_owned());
                    }
                }
            }
            // Every second piece is between quotation marks; an unclosed one is not quoted.
            let is_quoted = index % 2 == 1 && text.matches('"').count() > index;
            let kind = |kind: TermKind| {
                let terms = analysis.terms().filter(move |(term, _)| term.kind == kind);
                terms.take(MAX_TERMS).map(|(term, text)| (term.position, text.to_owned())).collect::<Vec<_>>()
            };
            let mut steps = kind(TermKind::Step);
            if steps.is_empty() {
                // a single Chinese character
                steps = kind(TermKind::Whole);
            }
            if is_quoted && !steps.is_empty() {
                query.phrases.push(steps);
            }
            begin += analysis.end_position();
        }
        for word in analysis::words(text, analysis, true) {
            for step in word.variants.into_iter().flatten() {
                if query.variants.len() < MAX_TERMS && known.insert(step.clone()) {
                    query.variants.push(step);
                }
            }
        }
        // Words such as "how do I" are dropped, unless there are no others.
        if query.terms.iter().any(|term| !QUESTION_WORDS.contains(&term.as_str())) {
            query.terms.retain(|term| !QUESTION_WORDS.contains(&term.as_str()));
        }
        let last =
            text.rsplit(|character: char| !character.is_ascii_alphanumeric()).next().unwrap_or_default();
        if last.len() >= 3 {
            query.prefix = Some(last.to_ascii_lowercase());
        }
        query
    }

    /// Whether some words are quoted.
    pub(super) fn has_phrase(&self) -> bool {
        !self.phrases.is_empty()
    }

    /// Returns the terms, for highlighting.
    pub(super) fn terms(&self) -> HashSet<&str> {
        self.terms.iter().chain(&self.variants).map(String::as_str).collect()
    }

    /// Returns the words in order with their positions.
    pub(super) fn steps(&self) -> &[(usize, String)] {
        &self.steps
    }

    /// Returns the names of several words or with signs, and words of the dictionary.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the query of the full-text index.
    pub(super) fn to_tantivy(
        &self,
        request: &SearchRequest,
        versions: &HashSet<u64>,
        fields: Fields,
        searcher: &Searcher,
    ) -> tantivy::Result<Box<dyn Query>> {
        if self.terms.is_empty() {
            return Ok(Box::new(EmptyQuery));
        }
        let mut any: Vec<Box<dyn Query>> = Vec::new();
        for term in self.selective_terms(fields.text, searcher)? {
            any.push(weighted(fields.text, term, 1.0));
        }
        for completion in self.completions(fields.text, searcher)? {
            any.push(weighted(fields.text, &completion, PREFIX_WEIGHT));
        }
        for variant in &self.variants {
            any.push(weighted(fields.text, variant, VARIANT_WEIGHT));
        }
        // Only a flat union of terms can be searched with block skipping.
        let any: Box<dyn Query> = Box::new(BooleanQuery::union(any));
        let mut all: Vec<Box<dyn Query>> = Vec::new();
        for phrase in &self.phrases {
            let term =
                |(position, term): &(usize, String)| (*position, Term::from_field_text(fields.text, term));
            all.push(match phrase.as_slice() {
                [only] => Box::new(TermQuery::new(term(only).1, IndexRecordOption::WithFreqs)),
                _ => Box::new(PhraseQuery::new_with_offset(phrase.iter().map(term).collect())),
            });
        }
        let mut filters = filters(request, fields);
        let in_versions: u64 = versions
            .iter()
            .map(|version| searcher.doc_freq(&Term::from_field_u64(fields.version, *version)).unwrap_or(0))
            .sum();
        if !all.is_empty() || !filters.is_empty() || in_versions < searcher.num_docs() / NARROW_FRACTION {
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
            let unscored: Box<dyn Query> = Box::new(ConstScoreQuery::new(filter, 0.0));
            (Occur::Must, unscored)
        }));
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    /// Returns the selective terms: those in every fourth passage or more ("how", "the") are left out if there are rarer
    /// ones. They hardly change the order, and cost the most.
    fn selective_terms(&self, field: Field, searcher: &Searcher) -> tantivy::Result<Vec<&str>> {
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

    /// Returns the most frequent terms that begin like the last word.
    fn completions(&self, field: Field, searcher: &Searcher) -> tantivy::Result<Vec<String>> {
        let Some(prefix) = &self.prefix else { return Ok(Vec::new()) };
        let mut found: BTreeMap<String, u32> = BTreeMap::new();
        for segment in searcher.segment_readers() {
            let index = segment.inverted_index(field)?;
            let mut end = prefix.clone().into_bytes();
            end.push(0xff);
            let mut terms = index.terms().range().ge(prefix.as_bytes()).lt(&end).into_stream()?;
            // Bounded, because a short prefix has many completions in a large vocabulary.
            for _ in 0..2000 {
                if !terms.advance() {
                    break;
                }
                if let Ok(term) = std::str::from_utf8(terms.key())
                    && !self.terms.iter().any(|known| known == term)
                {
                    *found.entry(term.to_owned()).or_default() += terms.value().doc_freq;
                }
            }
        }
        let mut found: Vec<(u32, String)> = found.into_iter().map(|(term, count)| (count, term)).collect();
        found.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
        Ok(found.into_iter().take(MAX_COMPLETIONS).map(|(_, term)| term).collect())
    }
}

/// Whether a character opens or closes a quotation, in any language.
fn is_quotation_mark(character: char) -> bool {
    matches!(
        character,
        '"' | '“'
            | '”'
            | '„'
            | '‟'
            | '«'
            | '»'
            | '「'
            | '」'
            | '『'
            | '』'
            | '＂'
            | '｢'
            | '｣'
            | '〝'
            | '〞'
            | '〟'
            | '﹁'
            | '﹂'
    )
}

fn weighted(field: Field, term: &str, weight: f32) -> Box<dyn Query> {
    let query = TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::WithFreqs);
    Box::new(BoostQuery::new(Box::new(query), weight))
}

fn filters(request: &SearchRequest, fields: Fields) -> Vec<Box<dyn Query>> {
    let mut filters = Vec::new();
    let texts = |field: Field, values: &[String]| {
        values.iter().map(|value| Term::from_field_text(field, value)).collect()
    };
    if !request.types.is_empty() {
        filters.push(one_of(texts(fields.document_type, &request.types)));
    }
    if !request.content_types.is_empty() {
        filters.push(one_of(texts(fields.content_type, &request.content_types)));
    }
    if let Some(category) = request.category {
        filters.push(one_of(vec![Term::from_field_text(fields.category, category.as_str())]));
    }
    filters
        .extend(request.tags.iter().map(|tag| one_of(vec![Term::from_field_text(fields.tag, tag.as_str())])));
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
    use super::ParsedQuery;

    #[test]
    fn any_question_is_parsed() {
        let examples: [&[u8]; 4] = [
            "how to \"restore backups\" fast",
            "C++ 模板 std::vector",
            "«net weight» -Xmx512m",
            "utf8Decoder 备份",
        ]
        .map(str::as_bytes);
        testkit::fuzz("query", &examples, |text| {
            let query = ParsedQuery::parse(&String::from_utf8_lossy(text));
            assert!(query.terms.len() <= super::MAX_TERMS && query.steps.len() <= super::MAX_TERMS);
        });
    }

    #[test]
    fn quoted_words_are_a_phrase() {
        let query = ParsedQuery::parse(r#"how to "restore backups" fast"#);
        assert_eq!(query.phrases, [[(0, "restor".to_owned()), (1, "backup".to_owned())]]);
        assert!(ParsedQuery::parse(r#"an unclosed "quotation here"#).phrases.is_empty());
        for query in ["“net weight”", "«net weight»", "「net weight」", "„net weight“", "＂net weight＂"]
        {
            let phrases = ParsedQuery::parse(query).phrases;
            assert_eq!(phrases, [[(0, "net".to_owned()), (1, "weight".to_owned())]], "{query}");
        }
        assert_eq!(ParsedQuery::parse("「泵」").phrases, [[(0, "泵".to_owned())]]);
    }

    #[test]
    fn question_words_are_dropped_unless_there_are_no_others() {
        assert_eq!(ParsedQuery::parse("how do I add a folder").terms, ["add", "folder"]);
        assert_eq!(ParsedQuery::parse("what is it").terms, ["what", "is", "it"]);
        assert_eq!(ParsedQuery::parse("如何备份").terms, ["何备", "备份"]);
    }

    #[test]
    fn words_of_the_other_region_are_added() {
        let query = ParsedQuery::parse("数据库");
        assert_eq!(query.terms, ["数据库", "数据", "据库"]);
        assert_eq!(query.variants, ["资料", "料库"]);
    }

    #[test]
    fn the_last_word_can_be_completed() {
        assert_eq!(ParsedQuery::parse("vacuum conf").prefix.as_deref(), Some("conf"));
        assert_eq!(ParsedQuery::parse("vacuum ").prefix, None);
        assert_eq!(ParsedQuery::parse("数据库").prefix, None);
    }
}
