//! Text analysis: from text to terms, the same for indexing, queries and highlights.
//!
//! | text | terms |
//! |---|---|
//! | `running servers` | `run`, `server` (English stems) |
//! | `pg_stat_statements` | itself, and `pg`, `stat`, `statement` |
//! | `String.format`, `StringBuilder` | `string.format`, `stringbuilder`, and their parts |
//! | `--force-with-lease` | itself, and `force`, `with`, `leas` |
//! | `数据库备份` | characters in pairs (`数据` `据库` `库备` `备份`), and words of other lengths (`数据库`) |
//!
//! A whole compound has the position of its first part, so a phrase is found by its parts whether or not they are written
//! as one. Chinese pairs agree between index and query without a dictionary; the words make longer matches weigh more
//! than the sum of their pairs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};
use jieba_rs::Jieba;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Maximum length of a term, in bytes; a longer one is data, not a word.
const MAX_TERM_BYTES: usize = 120;
/// Capacity of the cache of stems: few words of English are frequent.
const MAX_CACHED_STEMS: usize = 50_000;

/// Dictionary of Chinese words, loaded for the first Chinese text.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Kind of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermKind {
    /// A plain word, a part of a compound, or a pair of Chinese characters: terms that follow each other in a phrase.
    Step,
    /// A whole compound, or a Chinese word of another length than two.
    Whole,
}

/// A term with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Byte range of the text that it comes from.
    pub source: Range<usize>,
    /// Position among the steps, from 0.
    pub position: usize,
    /// Kind.
    pub kind: TermKind,
    /// Byte range of its text in the output.
    text: Range<usize>,
}

/// Analyzer, holding the terms of the last text. Its buffers and its cache of stems are reused for the next one.
#[derive(Debug, Clone, Default)]
pub struct Analysis {
    output: Output,
    stems: Stems,
    lower: String,
    parts: Vec<Range<usize>>,
}

/// Terms, their texts in one string.
#[derive(Debug, Clone, Default)]
struct Output {
    texts: String,
    terms: Vec<Term>,
}

impl Output {
    fn push(&mut self, term: &str, source: Range<usize>, position: usize, kind: TermKind) {
        if term.is_empty() || term.len() > MAX_TERM_BYTES {
            return;
        }
        let begin = self.texts.len();
        self.texts.push_str(term);
        self.terms.push(Term { source, position, kind, text: begin..self.texts.len() });
    }
}

/// Cache of English stems: few words are frequent, and stemming is expensive.
#[derive(Debug, Clone, Default)]
struct Stems(HashMap<String, String>);

impl Stems {
    fn of<'word>(&'word mut self, word: &'word str) -> &'word str {
        if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return word;
        }
        if !self.0.contains_key(word) {
            if self.0.len() >= MAX_CACHED_STEMS {
                self.0.clear();
            }
            let stem = Stemmer::new(Algorithm::English).stem(word).into_owned();
            self.0.insert(word.to_owned(), stem);
        }
        self.0.get(word).map_or(word, String::as_str)
    }
}

impl Analysis {
    /// Analyzes a text, replacing the terms of the last one.
    pub fn run(&mut self, text: &str) {
        self.run_where(text, |_| true);
    }

    /// Analyzes a text, leaving out terms whose first letter is not wanted: a search for a few terms need not pay for all.
    /// (A stem keeps the first letter of its word.)
    pub fn run_where(&mut self, text: &str, is_wanted: impl Fn(char) -> bool) {
        self.output.texts.clear();
        self.output.terms.clear();
        let mut position = 0;
        let mut rest = 0;
        while let Some(first) = text[rest..].chars().next() {
            let run = &text[rest..];
            let length = if is_ideograph(first) {
                let length = run.find(|character| !is_ideograph(character)).unwrap_or(run.len());
                self.ideographs(text, rest..rest + length, &mut position, &is_wanted);
                length
            } else if let Some(length) = compound_length(run) {
                self.compound(text, rest..rest + length, &mut position, &is_wanted);
                length
            } else {
                first.len_utf8()
            };
            rest += length;
        }
    }

    /// Returns the terms in order of position.
    pub fn terms(&self) -> impl Iterator<Item = (&Term, &str)> {
        self.output.terms.iter().map(|term| (term, &self.output.texts[term.text.clone()]))
    }

    /// Adds the terms of a run of letters, digits and joints: its parts, and the whole if there is more than one.
    fn compound(
        &mut self,
        text: &str,
        run: Range<usize>,
        position: &mut usize,
        is_wanted: &impl Fn(char) -> bool,
    ) {
        split_compound(&text[run.clone()], &mut self.parts);
        let is_compound = self.parts.len() != 1 || self.parts[0] != (0..run.len());
        if is_compound && text[run.clone()].chars().flat_map(char::to_lowercase).next().is_some_and(is_wanted)
        {
            lowercase(&text[run.clone()], &mut self.lower);
            self.output.push(&self.lower, run.clone(), *position, TermKind::Whole);
        }
        for part in &self.parts {
            let first = text[run.start + part.start..].chars().next();
            if !first.into_iter().flat_map(char::to_lowercase).any(is_wanted) {
                *position += 1;
                continue;
            }
            let source = run.start + part.start..run.start + part.end;
            lowercase(&text[source.clone()], &mut self.lower);
            self.output.push(self.stems.of(&self.lower), source, *position, TermKind::Step);
            *position += 1;
        }
    }

    /// Adds the terms of a run of Chinese, Japanese or Korean characters: pairs, and words of other lengths than two.
    fn ideographs(
        &mut self,
        text: &str,
        run: Range<usize>,
        position: &mut usize,
        is_wanted: &impl Fn(char) -> bool,
    ) {
        if !text[run.clone()].chars().any(is_wanted) {
            *position += text[run].chars().count();
            return;
        }
        let offsets: Vec<usize> =
            text[run.clone()].char_indices().map(|(offset, _)| run.start + offset).collect();
        let at = |index: usize| offsets.get(index).copied().unwrap_or(run.end);
        let first = *position;
        for word in JIEBA.cut(&text[run.clone()], false) {
            if word.end - word.start != 2 {
                let source = at(word.start)..at(word.end);
                self.output.push(&text[source.clone()], source, first + word.start, TermKind::Whole);
            }
        }
        for index in 0..offsets.len().saturating_sub(1) {
            let source = at(index)..at(index + 2);
            self.output.push(&text[source.clone()], source, first + index, TermKind::Step);
        }
        *position = first + offsets.len();
    }
}

/// Returns the words of a text, each as its steps in order. Chinese words are the dictionary's, without pairs that span two
/// of them; a word of one character has no steps.
pub(super) fn words(text: &str, analysis: &mut Analysis) -> Vec<Vec<String>> {
    analysis.run(text);
    let mut words: Vec<Vec<String>> = Vec::new();
    let mut chinese: Option<(Range<usize>, Vec<Range<usize>>)> = None;
    for (term, step) in analysis.terms().filter(|(term, _)| term.kind == TermKind::Step) {
        if !step.starts_with(is_ideograph) {
            words.push(vec![step.to_owned()]);
            continue;
        }
        let is_inside = chinese.as_ref().is_some_and(|(run, _)| run.contains(&term.source.start));
        if !is_inside {
            let rest = &text[term.source.start..];
            let run = &rest[..rest.find(|character| !is_ideograph(character)).unwrap_or(rest.len())];
            let mut begin = term.source.start;
            let cut = JIEBA.cut(run, false).into_iter().map(|word| {
                begin += word.word.len();
                begin - word.word.len()..begin
            });
            chinese = Some((term.source.start..term.source.start + run.len(), cut.collect()));
        }
        let Some((_, cut)) = &chinese else { continue };
        let Some(word) = cut.iter().find(|word| word.contains(&term.source.start)) else { continue };
        if term.source.end > word.end {
            continue;
        }
        if term.source.start == word.start {
            words.push(Vec::new());
        }
        if let Some(last) = words.last_mut() {
            last.push(step.to_owned());
        }
    }
    words
}

thread_local! {
    static ANALYSIS: RefCell<Analysis> = RefCell::default();
}

/// Calls `work` with this thread's analyzer, whose cache of stems is warm.
pub fn with_thread_analysis<Result>(work: impl FnOnce(&mut Analysis) -> Result) -> Result {
    ANALYSIS.with_borrow_mut(work)
}

fn lowercase(text: &str, lower: &mut String) {
    lower.clear();
    if text.is_ascii() {
        lower.push_str(text);
        lower.make_ascii_lowercase();
    } else {
        lower.push_str(&text.to_lowercase());
    }
}

/// Whether a character is of a script that is written without spaces.
fn is_ideograph(character: char) -> bool {
    let code = u32::from(character);
    // The first comparison decides for most characters.
    code >= 0x2E80
        && matches!(code,
            0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
            | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

fn is_word(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    character.is_alphanumeric() && !is_ideograph(character)
}

/// Returns the length in bytes of the compound at the start of a text, or `None` if there is none: words joined by one `.`,
/// `-`, `/`, `$`, `#` or `@`, or by `::` or `->`. It can begin with `-` or `--` (an option), `@` or `$`.
fn compound_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut end = bytes.iter().take(2).take_while(|byte| **byte == b'-').count();
    if end == 0 && matches!(bytes.first(), Some(b'@' | b'$')) {
        end = 1;
    }
    let prefix = end;
    loop {
        let word = text[end..].find(|character| !is_word(character)).unwrap_or(text.len() - end);
        if word == 0 {
            return (end > prefix).then_some(end);
        }
        end += word;
        let joint = match bytes.get(end..) {
            Some([b':', b':', ..] | [b'-', b'>', ..]) => 2,
            Some([b'.' | b'-' | b'/' | b'$' | b'#' | b'@', ..]) => 1,
            _ => return Some(end),
        };
        if !text[end + joint..].starts_with(is_word) {
            return Some(end);
        }
        end += joint;
    }
}

/// Splits a compound into the byte ranges of its parts: at joints and underscores, and at the humps of `camelCase` and
/// `HTTPServer`.
fn split_compound(compound: &str, parts: &mut Vec<Range<usize>>) {
    parts.clear();
    let mut begin = None;
    let mut previous: Option<char> = None;
    let mut characters = compound.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        if !character.is_alphanumeric() {
            if let Some(begin) = begin.take() {
                parts.push(begin..offset);
            }
            previous = None;
            continue;
        }
        let hump = previous.is_some_and(|previous| {
            character.is_uppercase()
                && (previous.is_lowercase()
                    || (previous.is_uppercase() && next.is_some_and(char::is_lowercase)))
        });
        match begin {
            Some(from) if hump => {
                parts.push(from..offset);
                begin = Some(offset);
            }
            None => begin = Some(offset),
            Some(_) => {}
        }
        previous = Some(character);
    }
    if let Some(begin) = begin {
        parts.push(begin..compound.len());
    }
}

/// Tokenizer of Tantivy's index writer.
#[derive(Debug, Clone, Default)]
pub struct AnalysisTokenizer {
    analysis: Analysis,
}

/// Token stream of one text.
#[derive(Debug)]
pub struct AnalysisTokenStream<'tokenizer> {
    analysis: &'tokenizer Analysis,
    next: usize,
    token: Token,
}

impl Tokenizer for AnalysisTokenizer {
    type TokenStream<'tokenizer> = AnalysisTokenStream<'tokenizer>;

    fn token_stream<'tokenizer>(
        &'tokenizer mut self,
        text: &'tokenizer str,
    ) -> AnalysisTokenStream<'tokenizer> {
        self.analysis.run(text);
        AnalysisTokenStream { analysis: &self.analysis, next: 0, token: Token::default() }
    }
}

impl TokenStream for AnalysisTokenStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(term) = self.analysis.output.terms.get(self.next) else { return false };
        self.next += 1;
        self.token.offset_from = term.source.start;
        self.token.offset_to = term.source.end;
        self.token.position = term.position;
        self.token.text.clear();
        self.token.text.push_str(&self.analysis.output.texts[term.text.clone()]);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(text: &str) -> Vec<String> {
        let mut analysis = Analysis::default();
        analysis.run(text);
        analysis.terms().map(|(_, term)| term.to_owned()).collect()
    }

    #[test]
    fn english_is_stemmed() {
        assert_eq!(terms("Running servers, twice."), ["run", "server", "twice"]);
    }

    #[test]
    fn identifiers_give_the_whole_and_its_parts() {
        assert_eq!(terms("pg_stat_statements"), ["pg_stat_statements", "pg", "stat", "statement"]);
        assert_eq!(terms("String.format()"), ["string.format", "string", "format"]);
        assert_eq!(terms("--force-with-lease"), ["--force-with-lease", "forc", "with", "leas"]);
        assert_eq!(terms("HTTPServerBuilder"), ["httpserverbuilder", "http", "server", "builder"]);
        assert_eq!(terms("std::io::Result"), ["std::io::result", "std", "io", "result"]);
        assert_eq!(terms("v5.2.1"), ["v5.2.1", "v5", "2", "1"]);
        assert_eq!(terms("a sentence.Next"), ["a", "sentence.next", "sentenc", "next"]);
    }

    #[test]
    fn chinese_gives_pairs_and_words() {
        assert_eq!(terms("数据库备份"), ["数据库", "数据", "据库", "库备", "备份"]);
        assert_eq!(terms("用PostgreSQL备份"), ["用", "postgresql", "postgr", "sql", "备份"]);
    }

    #[test]
    fn words_are_lists_of_steps() {
        let words = words("如何用pg_dump备份数据库？", &mut Analysis::default());
        assert_eq!(words, [vec!["如何"], vec!["pg"], vec!["dump"], vec!["备份"], vec!["数据", "据库"]]);
    }

    #[test]
    fn positions_follow_the_text() {
        let mut analysis = Analysis::default();
        analysis.run("read pg_dump 备份");
        let positions: Vec<(usize, &str)> =
            analysis.terms().map(|(term, text)| (term.position, text)).collect();
        assert_eq!(positions, [(0, "read"), (1, "pg_dump"), (1, "pg"), (2, "dump"), (3, "备份")]);
    }

    proptest! {
        #[test]
        fn every_term_has_a_source_in_the_text(text in "(\\PC|[a-zA-Z_.:-]|[数据库备份]){0,200}") {
            let mut analysis = Analysis::default();
            analysis.run(&text);
            let mut last = 0;
            for (term, _) in analysis.terms() {
                prop_assert!(text.get(term.source.clone()).is_some());
                last = last.max(term.position);
            }
            prop_assert!(last <= text.chars().count());
        }
    }
}
