//! From text to terms: the one analysis behind indexing, queries and highlights.
//!
//! | in the text | terms |
//! |---|---|
//! | `running servers` | `run`, `server` (English stems) |
//! | `pg_stat_statements` | itself, and `pg`, `stat`, `statement` |
//! | `String.format`, `StringBuilder` | `string.format`, `stringbuilder`, and their parts |
//! | `--force-with-lease` | itself, and `force`, `with`, `leas` |
//! | `数据库备份` | characters in pairs (`数据` `据库` `库备` `备份`), and words of other lengths (`数据库`) |
//!
//! The whole of a compound stands at the place of its first part, so a phrase is found by its parts whether or not they
//! are written as one. Chinese pairs need no dictionary to agree between index and query; the words let longer ones
//! weigh more than the sum of their pairs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};
use jieba_rs::Jieba;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The longest term, in bytes; what is longer is data, not a word.
const LONGEST: usize = 120;
/// Stems that are remembered: English has few words that come often.
const REMEMBERED_STEMS: usize = 50_000;

/// The dictionary of Chinese words: loaded when the first Chinese text is met.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// What a term is within the run of characters it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A plain word, a part of a compound, a pair of Chinese characters: terms that follow each other in a phrase.
    Step,
    /// The whole of a compound, or a Chinese word of another length than two.
    Whole,
}

/// A term and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Bytes of the text it comes from.
    pub source: Range<usize>,
    /// Its place among the steps.
    pub position: usize,
    /// What it is.
    pub part: Part,
    text: Range<usize>,
}

/// The terms of a text. Its buffers, and the stems it has met, are kept from one text to the next.
#[derive(Debug, Clone, Default)]
pub struct Analysis {
    output: Output,
    stems: Stems,
    lower: String,
    parts: Vec<Range<usize>>,
}

/// The terms, in one string.
#[derive(Debug, Clone, Default)]
struct Output {
    texts: String,
    terms: Vec<Term>,
}

impl Output {
    fn push(&mut self, term: &str, source: Range<usize>, position: usize, part: Part) {
        if term.is_empty() || term.len() > LONGEST {
            return;
        }
        let begin = self.texts.len();
        self.texts.push_str(term);
        self.terms.push(Term { source, position, part, text: begin..self.texts.len() });
    }
}

/// English stems, remembered: a text has few words that come often, and stemming is dear.
#[derive(Debug, Clone, Default)]
struct Stems(HashMap<String, String>);

impl Stems {
    fn of<'word>(&'word mut self, word: &'word str) -> &'word str {
        if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return word;
        }
        if !self.0.contains_key(word) {
            if self.0.len() >= REMEMBERED_STEMS {
                self.0.clear();
            }
            let stem = Stemmer::new(Algorithm::English).stem(word).into_owned();
            self.0.insert(word.to_owned(), stem);
        }
        self.0.get(word).map_or(word, String::as_str)
    }
}

impl Analysis {
    /// Analyses a text, in place of the one before.
    pub fn run(&mut self, text: &str) {
        self.run_where(text, |_| true);
    }

    /// Analyses a text, but leaves out terms that begin with another letter than is wanted: whoever looks for a few terms
    /// need not pay for all. (A stem keeps the first letter of its word.)
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

    /// The terms, in the order of their places.
    pub fn terms(&self) -> impl Iterator<Item = (&Term, &str)> {
        self.output.terms.iter().map(|term| (term, &self.output.texts[term.text.clone()]))
    }

    /// A run of letters, digits and what joins them: its parts, and, if there is more than one, its whole.
    fn compound(
        &mut self,
        text: &str,
        run: Range<usize>,
        position: &mut usize,
        is_wanted: &impl Fn(char) -> bool,
    ) {
        parts(&text[run.clone()], &mut self.parts);
        let is_compound = self.parts.len() != 1 || self.parts[0] != (0..run.len());
        if is_compound && text[run.clone()].chars().flat_map(char::to_lowercase).next().is_some_and(is_wanted)
        {
            lowercase(&text[run.clone()], &mut self.lower);
            self.output.push(&self.lower, run.clone(), *position, Part::Whole);
        }
        for part in &self.parts {
            let first = text[run.start + part.start..].chars().next();
            if !first.into_iter().flat_map(char::to_lowercase).any(is_wanted) {
                *position += 1;
                continue;
            }
            let source = run.start + part.start..run.start + part.end;
            lowercase(&text[source.clone()], &mut self.lower);
            self.output.push(self.stems.of(&self.lower), source, *position, Part::Step);
            *position += 1;
        }
    }

    /// A run of Chinese, Japanese or Korean characters: pairs, and words of other lengths than two.
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
        let at = |place: usize| offsets.get(place).copied().unwrap_or(run.end);
        let first = *position;
        for word in JIEBA.cut(&text[run.clone()], false) {
            if word.end - word.start != 2 {
                let source = at(word.start)..at(word.end);
                self.output.push(&text[source.clone()], source, first + word.start, Part::Whole);
            }
        }
        for place in 0..offsets.len().saturating_sub(1) {
            let source = at(place)..at(place + 2);
            self.output.push(&text[source.clone()], source, first + place, Part::Step);
        }
        *position = first + offsets.len();
    }
}

/// The words of a text: each with the steps it is made of, in order. Of Chinese they are the dictionary's, so no pair
/// reaches over two of them; a word of one character has no steps.
pub(super) fn words(text: &str, analysis: &mut Analysis) -> Vec<Vec<String>> {
    analysis.run(text);
    let mut words: Vec<Vec<String>> = Vec::new();
    let mut chinese: Option<(Range<usize>, Vec<Range<usize>>)> = None;
    for (term, step) in analysis.terms().filter(|(term, _)| term.part == Part::Step) {
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
    static KEPT: RefCell<Analysis> = RefCell::default();
}

/// Lends this thread's analysis, with the stems it has met.
pub fn with_kept<Result>(work: impl FnOnce(&mut Analysis) -> Result) -> Result {
    KEPT.with_borrow_mut(work)
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

/// Letters of scripts that are written without spaces.
fn is_ideograph(character: char) -> bool {
    let code = u32::from(character);
    // Most characters are settled by the first comparison.
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

/// How long the compound is that a text begins with: words joined by one `.`, `-`, `:`, `/`, `$`, `#` or `@`, or by `::`
/// or `->`; it may begin with `-` or `--` (an option) or `@`, `$`, `.`. `None` where it begins with none.
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

/// The parts of a compound: between joints and underscores, and at the humps of `camelCase` and `HTTPServer`.
fn parts(compound: &str, parts: &mut Vec<Range<usize>>) {
    parts.clear();
    let mut begin = None;
    let mut previous: Option<char> = None;
    let mut characters = compound.char_indices().peekable();
    while let Some((place, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        if !character.is_alphanumeric() {
            if let Some(begin) = begin.take() {
                parts.push(begin..place);
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
                parts.push(from..place);
                begin = Some(place);
            }
            None => begin = Some(place),
            Some(_) => {}
        }
        previous = Some(character);
    }
    if let Some(begin) = begin {
        parts.push(begin..compound.len());
    }
}

/// The analysis as Tantivy's index writer uses it.
#[derive(Debug, Clone, Default)]
pub struct Analyser {
    analysis: Analysis,
}

/// The terms of one text, one after another.
#[derive(Debug)]
pub struct Terms<'analyser> {
    analysis: &'analyser Analysis,
    next: usize,
    token: Token,
}

impl Tokenizer for Analyser {
    type TokenStream<'analyser> = Terms<'analyser>;

    fn token_stream<'analyser>(&'analyser mut self, text: &'analyser str) -> Terms<'analyser> {
        self.analysis.run(text);
        Terms { analysis: &self.analysis, next: 0, token: Token::default() }
    }
}

impl TokenStream for Terms<'_> {
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
    fn identifiers_are_found_whole_and_in_parts() {
        assert_eq!(terms("pg_stat_statements"), ["pg_stat_statements", "pg", "stat", "statement"]);
        assert_eq!(terms("String.format()"), ["string.format", "string", "format"]);
        assert_eq!(terms("--force-with-lease"), ["--force-with-lease", "forc", "with", "leas"]);
        assert_eq!(terms("HTTPServerBuilder"), ["httpserverbuilder", "http", "server", "builder"]);
        assert_eq!(terms("std::io::Result"), ["std::io::result", "std", "io", "result"]);
        assert_eq!(terms("v5.2.1"), ["v5.2.1", "v5", "2", "1"]);
        assert_eq!(terms("a sentence.Next"), ["a", "sentence.next", "sentenc", "next"]);
    }

    #[test]
    fn chinese_is_found_by_pairs_and_words() {
        assert_eq!(terms("数据库备份"), ["数据库", "数据", "据库", "库备", "备份"]);
        assert_eq!(terms("用PostgreSQL备份"), ["用", "postgresql", "postgr", "sql", "备份"]);
    }

    #[test]
    fn words_have_their_steps() {
        let words = words("如何用pg_dump备份数据库？", &mut Analysis::default());
        assert_eq!(words, [vec!["如何"], vec!["pg"], vec!["dump"], vec!["备份"], vec!["数据", "据库"]]);
    }

    #[test]
    fn places_follow_the_text() {
        let mut analysis = Analysis::default();
        analysis.run("read pg_dump 备份");
        let places: Vec<(usize, &str)> = analysis.terms().map(|(term, text)| (term.position, text)).collect();
        assert_eq!(places, [(0, "read"), (1, "pg_dump"), (1, "pg"), (2, "dump"), (3, "备份")]);
    }

    proptest! {
        #[test]
        fn every_term_names_its_source(text in "(\\PC|[a-zA-Z_.:-]|[数据库备份]){0,200}") {
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
