//! Text analysis: from text to terms, the same for indexing, queries and highlights.
//!
//! | text | terms |
//! |---|---|
//! | `running servers` | `run`, `server` (English stems) |
//! | `pg_stat_statements` | itself, and `pg`, `stat`, `statement` |
//! | `String.format`, `utf8Decoder` | `string.format`, `utf8decoder`, and their parts |
//! | `--force-with-lease` | itself, `force-with-lease`, and `force`, `with`, `leas` |
//! | `C++`, `.NET`, `@scope/pkg` | themselves, and the names without signs |
//! | `v5.2.1` | itself, `5.2.1`, and its beginnings and numbers, which a query for `5.2` or `5` finds |
//! | `Résumé` | `resum`, and `résumé` |
//! | `数据库备份` | characters in pairs (`数据` `据库` `库备` `备份`), and words of other lengths (`数据库`) |
//! | `データベース` | characters in pairs, and the whole |
//!
//! Texts are normalized first: see `normalize`. A whole compound has the position of its first part, so a phrase is found by
//! its parts whether or not they are written as one. Chinese pairs agree between index and query without a dictionary; the
//! words make longer matches weigh more than the sum of their pairs.

mod compound;
mod normalize;
mod script;
mod vocabulary;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};
use jieba_rs::Jieba;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use compound::{as_numbers, compound_length, is_signed, split_compound, suffix_length, without_signs};
use normalize::{Normalized, fold, normalize};
use script::{Script, is_han, is_unspaced, script_of};

pub(super) use script::joins_lines;

/// Maximum length of a term, in bytes; a longer one is data, not a word.
const MAX_TERM_BYTES: usize = 120;
/// Capacity of the cache of stems: few words of English are frequent.
const MAX_CACHED_STEMS: usize = 50_000;
/// Maximum number of words of a query that are widened by regional vocabulary.
const MAX_WIDENED_WORDS: usize = 64;
/// Maximum length of a word of regional vocabulary, in characters, and of the dictionary's words that it is put together from.
const MAX_REGIONAL_CHARS: usize = 6;
const MAX_REGIONAL_WORDS: usize = 3;

/// Term at the position of each part of a name with signs. Where a word has no such mark, it stands for itself.
pub(super) const PART_MARK: &str = "\u{2}";

/// Dictionary of Chinese words, loaded for the first Chinese text.
static JIEBA: LazyLock<Jieba> = LazyLock::new(Jieba::new);

/// Kind of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TermKind {
    /// A plain word, a part of a compound, or a pair of Chinese characters: terms that follow each other in a phrase.
    Step,
    /// A whole compound, or a Chinese word of another length than two.
    Whole,
    /// A part that is indexed, so that a query for it alone finds it, but is no term of a longer query: a number of a version,
    /// a single Chinese character.
    Part,
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
    folded: String,
    accented: String,
    named: String,
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

    fn push_where(
        &mut self,
        term: &str,
        source: Range<usize>,
        position: usize,
        kind: TermKind,
        is_wanted: &impl Fn(char) -> bool,
    ) {
        if term.chars().next().is_some_and(is_wanted) {
            self.push(term, source, position, kind);
        }
    }

    /// Replaces the ranges of the normal form by those of its source.
    fn lead_back(&mut self, normalized: &Normalized<'_>) {
        for term in &mut self.terms {
            term.source = normalized.source(term.source.clone());
        }
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
        let normalized = normalize(text);
        let text: &str = &normalized.text;
        let mut position = 0;
        let mut rest = 0;
        while let Some(first) = text[rest..].chars().next() {
            let run = &text[rest..];
            let length = if is_unspaced(first) {
                let length = run.find(|character| !is_unspaced(character)).unwrap_or(run.len());
                self.unspaced(text, rest..rest + length, &mut position, &is_wanted);
                length
            } else if let Some(length) = compound_length(run) {
                self.compound(text, rest..rest + length, &mut position, &is_wanted);
                length
            } else {
                first.len_utf8()
            };
            rest += length;
        }
        self.output.lead_back(&normalized);
    }

    /// Returns the terms in order of position.
    pub fn terms(&self) -> impl Iterator<Item = (&Term, &str)> {
        self.output.terms.iter().map(|term| (term, &self.output.texts[term.text.clone()]))
    }

    /// Returns the position behind the last term.
    pub(super) fn end_position(&self) -> usize {
        self.output.terms.iter().map(|term| term.position + 1).max().unwrap_or(0)
    }

    /// Adds the terms of a run of letters, digits, joints and signs: its parts, and the whole if there is more than one.
    fn compound(
        &mut self,
        text: &str,
        run: Range<usize>,
        position: &mut usize,
        is_wanted: &impl Fn(char) -> bool,
    ) {
        let whole = &text[run.clone()];
        split_compound(whole, &mut self.parts);
        let is_compound = self.parts.len() != 1 || self.parts[0] != (0..run.len());
        let is_marked = is_compound && is_signed(whole);
        if is_compound {
            fold(whole, &mut self.folded, &mut self.accented);
            self.output.push_where(&self.folded, run.clone(), *position, TermKind::Whole, is_wanted);
            let name = without_signs(&self.folded);
            if name.len() != self.folded.len() && self.parts.len() > 1 {
                self.output.push_where(name, run.clone(), *position, TermKind::Whole, is_wanted);
            }
        }
        for part in &self.parts {
            let source = run.start + part.start..run.start + part.end;
            let word = &text[source.clone()];
            if let Some(numbers) = as_numbers(word) {
                if numbers.len() != word.len() {
                    fold(word, &mut self.folded, &mut self.accented);
                    self.output.push_where(
                        &self.folded,
                        source.clone(),
                        *position,
                        TermKind::Whole,
                        is_wanted,
                    );
                }
                self.output.push_where(numbers, source.clone(), *position, TermKind::Step, is_wanted);
                // At a position of their own, so that the whole is told from its beginnings.
                *position += 1;
                self.output.push_where(PART_MARK, source.clone(), *position, TermKind::Part, is_wanted);
                for (dot, _) in numbers.match_indices('.') {
                    self.output.push_where(
                        &numbers[..dot],
                        source.clone(),
                        *position,
                        TermKind::Part,
                        is_wanted,
                    );
                }
                for number in numbers.split('.').skip(1) {
                    self.output.push_where(number, source.clone(), *position, TermKind::Part, is_wanted);
                }
                *position += 1;
                continue;
            }
            let first = word.chars().next();
            // Most words are left out by their first letter; folding can only change one that is not ASCII.
            if first.is_some_and(|first| first.is_ascii() && !is_wanted(first.to_ascii_lowercase()))
                && !is_marked
            {
                *position += 1;
                continue;
            }
            fold(word, &mut self.folded, &mut self.accented);
            if is_marked {
                self.output.push_where(PART_MARK, source.clone(), *position, TermKind::Part, is_wanted);
            }
            if !self.accented.is_empty() {
                self.output.push_where(&self.accented, source.clone(), *position, TermKind::Whole, is_wanted);
            }
            if is_marked && self.parts.len() > 1 {
                // "C++" in "C/C++"
                let end = source.end + suffix_length(&text.as_bytes()[source.end..run.end]);
                if end > source.end {
                    fold(&text[source.start..end], &mut self.named, &mut self.accented);
                    self.output.push_where(
                        &self.named,
                        source.start..end,
                        *position,
                        TermKind::Whole,
                        is_wanted,
                    );
                }
            }
            self.output.push_where(self.stems.of(&self.folded), source, *position, TermKind::Step, is_wanted);
            *position += 1;
        }
    }

    /// Adds the terms of a run of characters of scripts without spaces: pairs, words of other lengths than two, and single
    /// Chinese characters.
    fn unspaced(
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
        let first = *position;
        let index_of = |offset: usize| offsets.binary_search(&offset).unwrap_or(offsets.len());
        let mut single = vec![TermKind::Part; offsets.len()];
        for word in words_of_run(text, run.clone()) {
            let index = index_of(word.start);
            let length = index_of(word.end) - index;
            if length == 1 {
                single[index] = TermKind::Whole;
            } else if length != 2 {
                self.output.push_where(&text[word.clone()], word, first + index, TermKind::Whole, is_wanted);
            }
        }
        let at = |index: usize| offsets.get(index).copied().unwrap_or(run.end);
        for (index, kind) in single.into_iter().enumerate() {
            let source = at(index)..at(index + 1);
            if offsets.len() == 1 || text[source.clone()].starts_with(is_han) {
                self.output.push_where(&text[source.clone()], source, first + index, kind, is_wanted);
            }
            if index + 1 < offsets.len() {
                let source = at(index)..at(index + 2);
                self.output.push_where(
                    &text[source.clone()],
                    source,
                    first + index,
                    TermKind::Step,
                    is_wanted,
                );
            }
        }
        *position = first + offsets.len();
    }
}

/// Returns the byte ranges of the words of a run of characters of scripts without spaces: the dictionary's in Chinese, runs of
/// one script in others.
fn words_of_run(text: &str, run: Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut rest = run.start;
    while let Some(first) = text[rest..run.end].chars().next() {
        let script = script_of(first);
        let same = &text[rest..run.end];
        let same = &same[..same.find(|next| script_of(next) != script).unwrap_or(same.len())];
        if script == Script::Han {
            let mut begin = rest;
            words.extend(JIEBA.cut(same, false).into_iter().map(|word| {
                begin += word.word.len();
                begin - word.word.len()..begin
            }));
        } else {
            words.push(rest..rest + same.len());
        }
        rest += same.len();
    }
    words
}

/// A word of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Terms that all stand for it, in order.
    pub(super) steps: Vec<String>,
    /// Terms of the same word in other regions.
    pub(super) variants: Vec<Vec<String>>,
    /// Whether a passage that contains some of its steps contains a part of it: the word is a run of several words, in a
    /// script whose words are not known.
    pub(super) is_run: bool,
    /// Whether it is grammar rather than a name: hiragana.
    pub(super) is_grammar: bool,
}

/// Returns the words of a text. Chinese words are the dictionary's, without pairs that span two of them. With `is_widened`,
/// they have their regional variants.
pub(super) fn words(text: &str, analysis: &mut Analysis, is_widened: bool) -> Vec<Word> {
    let normalized = normalize(text);
    let text: &str = &normalized.text;
    let mut words: Vec<Word> = Vec::new();
    let mut left = if is_widened { MAX_WIDENED_WORDS } else { 0 };
    let mut rest = 0;
    while let Some(first) = text[rest..].chars().next() {
        let is_run = is_unspaced(first);
        let run = &text[rest..];
        let run = &run[..run.find(|next| is_unspaced(next) != is_run).unwrap_or(run.len())];
        if is_run {
            unspaced_words(text, rest..rest + run.len(), &mut left, &mut words);
        } else {
            analysis.run(run);
            let steps = analysis.terms().filter(|(term, _)| term.kind == TermKind::Step);
            words.extend(steps.map(|(_, step)| Word { steps: vec![step.to_owned()], ..Word::default() }));
        }
        rest += run.len();
    }
    words
}

/// Adds the words of a run of characters of scripts without spaces.
fn unspaced_words(text: &str, run: Range<usize>, left: &mut usize, words: &mut Vec<Word>) {
    let cut = words_of_run(text, run);
    let mut index = 0;
    while let Some(word) = cut.get(index) {
        let mut end = word.end;
        let script = text[word.clone()].chars().next().map_or(Script::Other, script_of);
        let mut variants = Vec::new();
        index += 1;
        if script == Script::Han && *left > 0 {
            *left -= 1;
            let (taken, found) = widened(text, &cut[index - 1..]);
            index += taken - 1;
            end = cut[index - 1].end;
            variants = found.iter().map(|variant| steps_of(variant)).collect();
        }
        words.push(Word {
            steps: steps_of(&text[word.start..end]),
            variants,
            is_run: script != Script::Han,
            is_grammar: script == Script::Hiragana,
        });
    }
}

/// Returns how many of the words at the beginning form one of the regional vocabulary, at least one, and its variants. The
/// dictionary does not know all of them as words (网路).
fn widened(text: &str, cut: &[Range<usize>]) -> (usize, Vec<String>) {
    let variants = |count: usize| vocabulary::regional_variants(&text[cut[0].start..cut[count - 1].end]);
    for count in (2..=cut.len().min(MAX_REGIONAL_WORDS)).rev() {
        let is_adjacent = cut[..count].windows(2).all(|pair| pair[0].end == pair[1].start);
        let joined = &text[cut[0].start..cut[count - 1].end];
        if !is_adjacent || joined.chars().count() > MAX_REGIONAL_CHARS || !joined.chars().all(is_han) {
            continue;
        }
        let found = variants(count);
        let apart =
            vocabulary::regional_variants_of_each(cut[..count].iter().map(|word| &text[word.clone()]));
        if found.iter().any(|variant| !apart.contains(variant)) {
            return (count, found);
        }
    }
    (1, variants(1))
}

/// Returns the pairs of a word in a script without spaces, or the word itself if it has one character.
fn steps_of(word: &str) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    if characters.len() < 2 {
        return vec![word.to_owned()];
    }
    characters.windows(2).map(|pair| pair.iter().collect()).collect()
}

thread_local! {
    static ANALYSIS: RefCell<Analysis> = RefCell::default();
}

/// Calls `work` with this thread's analyzer, whose cache of stems is warm.
pub fn with_thread_analysis<Result>(work: impl FnOnce(&mut Analysis) -> Result) -> Result {
    ANALYSIS.with_borrow_mut(work)
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

    /// Terms of a query.
    fn queried(text: &str) -> Vec<String> {
        let mut analysis = Analysis::default();
        analysis.run(text);
        let terms = analysis.terms().filter(|(term, _)| term.kind != TermKind::Part);
        terms.map(|(_, term)| term.to_owned()).collect()
    }

    #[test]
    fn english_is_stemmed() {
        assert_eq!(terms("Running servers, twice."), ["run", "server", "twice"]);
    }

    #[test]
    fn identifiers_give_the_whole_and_its_parts() {
        assert_eq!(terms("pg_stat_statements"), ["pg_stat_statements", "pg", "stat", "statement"]);
        assert_eq!(queried("String.format()"), ["string.format", "string", "format"]);
        assert_eq!(
            terms("--force-with-lease"),
            ["--force-with-lease", "force-with-lease", "\u{2}", "forc", "\u{2}", "with", "\u{2}", "leas"]
        );
        assert_eq!(terms("utf8Decoder"), ["utf8decoder", "utf8", "decod"]);
        assert_eq!(terms("S3Uploader"), ["s3uploader", "s3", "upload"]);
        assert_eq!(terms("HTTPServerBuilder"), ["httpserverbuilder", "http", "server", "builder"]);
        assert_eq!(terms("std::io::Result"), ["std::io::result", "std", "io", "result"]);
        assert_eq!(queried("a sentence.Next"), ["a", "sentence.next", "sentenc", "next"]);
    }

    #[test]
    fn signs_belong_to_names() {
        for (name, expected) in [
            ("C++", vec!["c++", "c"]),
            ("C#", vec!["c#", "c"]),
            ("F#.", vec!["f#", "f"]),
            (".NET", vec![".net", "net"]),
            ("Node.js", vec!["node.js", "node", "js"]),
            ("-Xmx512m", vec!["-xmx512m", "xmx512m"]),
            ("@scope/pkg", vec!["@scope/pkg", "scope/pkg", "scope", "pkg"]),
            ("#define", vec!["#define", "defin"]),
            ("AT&T", vec!["at&t", "at", "t"]),
            ("GTK+", vec!["gtk+", "gtk"]),
            ("C/C++", vec!["c/c++", "c/c", "c", "c++", "c"]),
            ("C++/CLI", vec!["c++/cli", "c++", "c", "cli"]),
            ("**C++**", vec!["c++", "c"]),
            ("# Heading", vec!["head"]),
            ("1 + 1", vec!["1", "1"]),
            ("end. Next", vec!["end", "next"]),
        ] {
            assert_eq!(queried(name), expected, "{name}");
        }
    }

    #[test]
    fn versions_and_addresses_stay_whole_in_a_query() {
        assert_eq!(queried("5.2.1"), ["5.2.1"]);
        assert_eq!(queried("v5.2.1"), ["v5.2.1", "5.2.1"]);
        assert_eq!(queried("10.0.0.1"), ["10.0.0.1"]);
        assert_eq!(queried("v1.2.3-beta.4"), ["v1.2.3-beta.4", "v1.2.3", "1.2.3", "beta", "4"]);
        assert_eq!(terms("5.2.1"), ["5.2.1", "\u{2}", "5", "5.2", "2", "1"]);
        assert_eq!(queried("python3.11"), ["python3.11", "python3", "11"]);
        assert_eq!(queried("2024-01-15"), ["2024-01-15", "2024", "01", "15"]);
    }

    #[test]
    fn accents_are_kept_and_folded() {
        assert_eq!(terms("Résumés"), ["résumés", "resum"]);
        assert_eq!(terms("re\u{301}sume\u{301}"), ["résumé", "resum"]);
        assert_eq!(terms("Straße"), ["strass"]);
    }

    #[test]
    fn chinese_gives_pairs_and_words() {
        assert_eq!(queried("数据库备份"), ["数据库", "数据", "据库", "库备", "备份"]);
        assert_eq!(queried("用PostgreSQL备份"), ["用", "postgresql", "postgr", "sql", "备份"]);
        assert_eq!(queried("資料庫"), queried("资料库"));
        assert_eq!(terms("备份"), ["备", "备份", "份"]);
    }

    #[test]
    fn other_scripts_without_spaces_give_pairs_and_runs() {
        assert_eq!(queried("バックアップ"), ["バックアップ", "バッ", "ック", "クア", "アッ", "ップ"]);
        assert_eq!(queried("ﾊﾞｯｸｱｯﾌﾟ"), queried("バックアップ"));
        assert_eq!(queried("서버를"), ["서버를", "서버", "버를"]);
        assert_eq!(queried("ข้อมูล").len(), 1 + "ข้อมูล".chars().count() - 1);
    }

    fn steps(text: &str) -> Vec<Vec<String>> {
        words(text, &mut Analysis::default(), false).into_iter().map(|word| word.steps).collect()
    }

    #[test]
    fn words_are_lists_of_steps() {
        assert_eq!(
            steps("如何用pg_dump备份数据库？"),
            [vec!["如何"], vec!["用"], vec!["pg"], vec!["dump"], vec!["备份"], vec!["数据", "据库"]]
        );
        assert_eq!(steps("C++ 5.2.1"), [vec!["c"], vec!["5.2.1"]]);
        assert_eq!(steps("データの保存"), [vec!["デー", "ータ"], vec!["の"], vec!["保存"]]);
    }

    #[test]
    fn words_of_a_query_have_regional_variants() {
        let variants = |text: &str| -> Vec<Vec<Vec<String>>> {
            words(text, &mut Analysis::default(), true).into_iter().map(|word| word.variants).collect()
        };
        assert_eq!(variants("数据库"), [vec![vec!["资料", "料库"]]]);
        assert_eq!(variants("網路"), [vec![vec!["网络"]]]);
        assert_eq!(variants("备份"), [Vec::<Vec<String>>::new()]);
    }

    #[test]
    fn positions_follow_the_text() {
        let mut analysis = Analysis::default();
        analysis.run("read pg_dump 备份");
        let positions: Vec<(usize, &str)> =
            analysis.terms().map(|(term, text)| (term.position, text)).collect();
        assert_eq!(analysis.end_position(), 5);
        assert_eq!(
            positions,
            [(0, "read"), (1, "pg_dump"), (1, "pg"), (2, "dump"), (3, "备"), (3, "备份"), (4, "份")]
        );
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
