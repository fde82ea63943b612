//! YAML as a [`Value`]: the core schema of YAML 1.2 decides what is null, a Boolean or a number; all words keep their
//! spelling.
//!
//! Built from the parser's events and not by serde, which would already have turned `1.10` into 1.1. Descriptions
//! written by hand have mistakes, of which the common ones (tabs, unquoted text with a colon or a reserved character)
//! lose at most the line that has them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};

use crate::model::{Error, Limits};

use super::value::{Map, Value, malformed, too_deep};

/// Maximum number of nodes of a document, those of replayed aliases included.
const MAX_NODES: usize = 10_000_000;

/// Maximum number of nodes that aliases may replay.
const MAX_REPLAYED_NODES: usize = 1_000_000;

/// Maximum length of a key: some are paths with many parameters.
const MAX_KEY_CHARS: usize = 4096;

/// Maximum number of lines that are repaired; each one costs another pass.
const MAX_REPAIRS: usize = 12;

/// Maximum size of a text that is repaired.
const MAX_REPAIRED_BYTES: usize = 16 << 20;

/// Parses the first document of a YAML text. Adds a warning for each line that had to be repaired.
pub(super) fn parse(text: &str, limits: &Limits, warnings: &mut Vec<String>) -> Result<Value, Error> {
    let first_error = match build(text, limits) {
        Err(Failure::Syntax(error)) => error,
        other => return other.map_err(|failure| failure.into_error(limits)),
    };
    let refused = |error: &ScanError| Err(Failure::Syntax(error.clone()).into_error(limits));
    if text.len() > MAX_REPAIRED_BYTES || matches!(first_error.kind(), ErrorKind::RecursionLimitExceeded) {
        return refused(&first_error);
    }
    let mut error = first_error.clone();
    let mut text = Cow::Borrowed(text);
    if is_about_tabs(error.kind()) || has_tab_before(&text, error.marker().line()) {
        let mut best: Option<(ScanError, String)> = None;
        for expanded in tab_candidates(&text) {
            match build(&expanded, limits) {
                Ok(value) => {
                    warnings.push("tabs in the indentation of the YAML were read as spaces".to_owned());
                    return Ok(value);
                }
                // Another mistake further on may be repaired yet.
                Err(Failure::Syntax(next)) => {
                    let reached =
                        best.as_ref().map_or(error.marker().line(), |(best, _)| best.marker().line());
                    if next.marker().line() > reached {
                        best = Some((next, expanded));
                    }
                }
                Err(failure) => return Err(failure.into_error(limits)),
            }
        }
        if let Some((next, expanded)) = best {
            error = next;
            text = Cow::Owned(expanded);
        }
    }
    let mut repaired_lines = Vec::new();
    while repaired_lines.len() < MAX_REPAIRS {
        let line = error.marker().line();
        let candidates = [line, line.saturating_sub(1)];
        let repair = candidates
            .into_iter()
            .filter(|line| !repaired_lines.contains(line))
            .find_map(|line| Some((line, quote_value(&text, line)?)));
        let Some((line, repaired)) = repair else { break };
        repaired_lines.push(line);
        text = Cow::Owned(repaired);
        match build(&text, limits) {
            Ok(value) => {
                repaired_lines.sort_unstable();
                warnings.extend(
                    repaired_lines
                        .iter()
                        .map(|line| format!("line {line} is not valid YAML; its value was read as text")),
                );
                return Ok(value);
            }
            Err(Failure::Syntax(next)) => error = next,
            Err(failure) => return Err(failure.into_error(limits)),
        }
    }
    refused(&first_error)
}

/// Reason why a text is no value.
enum Failure {
    Syntax(ScanError),
    Panic,
    TooManyNodes,
    Alias,
}

impl Failure {
    fn into_error(self, limits: &Limits) -> Error {
        match self {
            Self::Syntax(error) if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) => {
                too_deep(limits.depth)
            }
            Self::Syntax(error) => malformed(format!(
                "not valid YAML: {} at line {}, column {}",
                error.info().lines().next().unwrap_or_default(),
                error.marker().line(),
                error.marker().col() + 1
            )),
            Self::Panic => malformed("the YAML is damaged".to_owned()),
            Self::TooManyNodes => Error::TooLarge { unit: "values", limit: MAX_NODES },
            Self::Alias => {
                malformed("not valid YAML: an alias refers to itself or is used too often".to_owned())
            }
        }
    }
}

/// Builds the value of the first document.
fn build(text: &str, limits: &Limits) -> Result<Value, Failure> {
    // The parser is young: turns a panic in it into an error of this document.
    catch_unwind(AssertUnwindSafe(|| build_unguarded(text, limits))).unwrap_or(Err(Failure::Panic))
}

fn build_unguarded(text: &str, limits: &Limits) -> Result<Value, Failure> {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        simple_key_max_lookahead: MAX_KEY_CHARS,
        flow_nesting_limit: limits.depth,
        block_nesting_limit: limits.depth,
        bom_inside_document_as_content: true,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::new(limits);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, _) = event.map_err(Failure::Syntax)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.core_suffix() == Some("str"));
                let is_plain = style == ScalarStyle::Plain && !is_text;
                builder.scalar(text.into_owned(), is_plain, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => builder.open(Open::List(Vec::new()), anchor)?,
            Event::MappingStart(_, anchor, _) => builder.open(Open::map(), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
            Event::Alias(anchor) => builder.alias(anchor)?,
            Event::UnresolvedAlias(name) => builder.scalar(format!("*{name}"), false, 0)?,
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    Ok(builder.root.unwrap_or(Value::Null))
}

/// Collection whose end was not reached yet.
enum Open {
    List(Vec<Value>),
    Map {
        map: Map,
        /// Key whose value comes next, and whether it is the merge key.
        key: Option<(String, bool)>,
        merged: Vec<Value>,
    },
}

impl Open {
    fn map() -> Self {
        Self::Map { map: Map::default(), key: None, merged: Vec::new() }
    }
}

/// Value with the number of its nodes, itself included.
struct Anchored {
    value: Value,
    nodes: usize,
    bytes: usize,
}

struct Builder {
    root: Option<Value>,
    /// Open collections, outermost first, each with its anchor and the number of nodes before it.
    open: Vec<(Open, usize, usize)>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    replayed_nodes: usize,
    replayed_bytes: usize,
    max_replayed_bytes: usize,
}

impl Builder {
    fn new(limits: &Limits) -> Self {
        Self {
            root: None,
            open: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            replayed_nodes: 0,
            replayed_bytes: 0,
            max_replayed_bytes: limits.text_bytes,
        }
    }

    fn scalar(&mut self, text: String, is_plain: bool, anchor: usize) -> Result<(), Failure> {
        self.count_node()?;
        if anchor == 0
            && let Some((Open::Map { key: key @ None, .. }, _, _)) = self.open.last_mut()
        {
            let is_merge = is_plain && text == "<<";
            *key = Some((text, is_merge));
            return Ok(());
        }
        let key_text = anchor != 0 && self.expects_key();
        let value = if is_plain && !key_text { plain(text) } else { Value::Text(text) };
        self.remember(anchor, &value, 1)?;
        self.push(value);
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some((Open::Map { key: None, .. }, _, _)))
    }

    fn open(&mut self, open: Open, anchor: usize) -> Result<(), Failure> {
        self.count_node()?;
        self.open.push((open, anchor, self.nodes - 1));
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        let Some((open, anchor, nodes_before)) = self.open.pop() else { return Ok(()) };
        let value = match open {
            Open::List(items) => Value::List(items),
            Open::Map { mut map, merged, .. } => {
                for value in merged {
                    map.merge_absent(value);
                }
                Value::Map(map)
            }
        };
        self.remember(anchor, &value, self.nodes - nodes_before)?;
        self.push(value);
        Ok(())
    }

    /// Appends a copy of an anchored value.
    fn alias(&mut self, anchor: usize) -> Result<(), Failure> {
        // A collection is not remembered before its end, so an alias inside of it finds nothing.
        let Some(anchored) = self.anchors.get(&anchor) else { return Err(Failure::Alias) };
        self.replayed_nodes += anchored.nodes;
        self.replayed_bytes += anchored.bytes;
        if self.replayed_nodes > MAX_REPLAYED_NODES || self.replayed_bytes > self.max_replayed_bytes {
            return Err(Failure::Alias);
        }
        self.nodes += anchored.nodes;
        let value = anchored.value.clone();
        self.push(value);
        Ok(())
    }

    fn remember(&mut self, anchor: usize, value: &Value, nodes: usize) -> Result<(), Failure> {
        if anchor == 0 {
            return Ok(());
        }
        let bytes = value.text_bytes();
        self.replayed_nodes += nodes;
        self.replayed_bytes += bytes;
        if self.replayed_nodes > MAX_REPLAYED_NODES || self.replayed_bytes > self.max_replayed_bytes {
            return Err(Failure::Alias);
        }
        self.anchors.insert(anchor, Anchored { value: value.clone(), nodes, bytes });
        Ok(())
    }

    fn push(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = self.root.take().or(Some(value)),
            Some((Open::List(items), _, _)) => items.push(value),
            Some((Open::Map { map, key, merged }, _, _)) => match key.take() {
                None => *key = Some((value.display(), false)),
                Some((_, true)) => match value {
                    Value::List(items) => merged.extend(items),
                    value => merged.push(value),
                },
                Some((name, false)) => map.insert(name, value),
            },
        }
    }

    fn count_node(&mut self) -> Result<(), Failure> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { Err(Failure::TooManyNodes) } else { Ok(()) }
    }
}

/// Returns the value of a plain scalar by the core schema.
fn plain(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" => return Value::Bool("true"),
        "True" => return Value::Bool("True"),
        "TRUE" => return Value::Bool("TRUE"),
        "false" => return Value::Bool("false"),
        "False" => return Value::Bool("False"),
        "FALSE" => return Value::Bool("FALSE"),
        _ => {}
    }
    if is_number(&text) { Value::Number(text) } else { Value::Text(text) }
}

/// Whether a plain scalar is a number by the core schema.
fn is_number(text: &str) -> bool {
    let digits_after = |prefix: &str, is_digit: fn(char) -> bool| {
        text.strip_prefix(prefix).is_some_and(|digits| !digits.is_empty() && digits.chars().all(is_digit))
    };
    if digits_after("0x", |digit| digit.is_ascii_hexdigit()) || digits_after("0o", |digit| digit.is_digit(8))
    {
        return true;
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole)
        && is_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !digits.is_empty() && is_digits(digits)
        })
}

fn is_about_tabs(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    )
}

/// Returns the leading white space of a line.
fn indentation(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Whether the line with this number, from 1, or the one before is indented by a tab.
fn has_tab_before(text: &str, line: usize) -> bool {
    text.lines().skip(line.saturating_sub(2)).take(2).any(|line| indentation(line).contains('\t'))
}

/// Returns the text with tabs in indentations replaced, in several ways, likely ones first.
fn tab_candidates(text: &str) -> Vec<String> {
    let tabbed = text.lines().filter(|line| indentation(line).contains('\t')).count();
    let indented = text.lines().filter(|line| line.starts_with(' ')).count();
    let mut candidates: Vec<String> = [2, 4, 8].into_iter().map(|width| expand_tabs(text, width)).collect();
    let by_neighbour = align_tabbed_lines(text);
    // A few tabs among many spaces stand for the indentation of the lines around them.
    candidates.insert(if tabbed * 4 < indented { 0 } else { candidates.len() }, by_neighbour);
    candidates.push(expand_tabs(text, 2).replace('\t', " "));
    candidates.sort_by_key(|candidate| orphaned_lines(text, candidate));
    candidates
}

/// Counts the lines indented by tabs that follow a key without a value, but are no deeper than it in `candidate`.
fn orphaned_lines(text: &str, candidate: &str) -> usize {
    let mut before: Option<usize> = None;
    let mut count = 0;
    for (line, candidate) in text.lines().zip(candidate.lines()).filter(|(line, _)| !line.trim().is_empty()) {
        let depth = indentation(candidate).len();
        let is_orphaned = before.is_some_and(|before| depth <= before) && indentation(line).contains('\t');
        count += usize::from(is_orphaned);
        before = line.trim_end().ends_with(':').then_some(depth);
    }
    count
}

/// Replaces each tab in an indentation by `width` spaces.
fn expand_tabs(text: &str, width: usize) -> String {
    map_lines(text, |line| {
        let indent = indentation(line);
        indent.contains('\t').then(|| indent.replace('\t', &" ".repeat(width)) + &line[indent.len()..])
    })
}

/// Gives each line that is indented by tabs the indentation of the next line, unless that is a deeper one by a tab too.
fn align_tabbed_lines(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut next_indent = "";
    let mut indents = vec![None; lines.len()];
    for (number, line) in lines.iter().enumerate().rev() {
        let indent = indentation(line);
        if line.trim().is_empty() {
            continue;
        }
        if indent.contains('\t') {
            indents[number] = Some(next_indent);
        } else {
            next_indent = indent;
        }
    }
    let mut number = 0;
    map_lines(text, |line| {
        let indent = indents.get(number).copied().flatten();
        number += 1;
        indent.map(|indent| format!("{indent}{}", line.trim_start_matches([' ', '\t'])))
    })
}

/// Replaces the lines for which `map` returns another one.
fn map_lines(text: &str, mut map: impl FnMut(&str) -> Option<String>) -> String {
    let mut mapped = String::with_capacity(text.len() + text.len() / 8);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            mapped.push('\n');
        }
        match map(line) {
            Some(line) => mapped.push_str(&line),
            None => mapped.push_str(line),
        }
    }
    mapped
}

/// Puts the value on a line, numbered from 1, into quotes. `None` if the line has no value.
fn quote_value(text: &str, number: usize) -> Option<String> {
    let start = match number.checked_sub(1)? {
        0 => 0,
        before => text.match_indices('\n').nth(before - 1)?.0 + 1,
    };
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    let line = text[start..end].trim_end();
    let mut at = indentation(line).len();
    while line[at..].starts_with("- ") {
        at += 2 + indentation(&line[at + 2..]).len();
    }
    let value_start = match line[at..].find(": ") {
        Some(colon) if !line[at..].starts_with(['"', '\'', '{', '[']) => at + colon + 2,
        _ if at > 0 && line[..at].ends_with(' ') && line[..at].contains('-') => at,
        _ => return None,
    };
    let value = line[value_start..].trim();
    if value.is_empty() || value.starts_with(['|', '>', '[', '{']) || value.starts_with("- ") {
        return None;
    }
    let inner = value.strip_prefix('\'').map(|inner| inner.strip_suffix('\'').unwrap_or(inner));
    let inner =
        inner.or_else(|| value.strip_prefix('"').map(|inner| inner.strip_suffix('"').unwrap_or(inner)));
    let quoted = inner.unwrap_or(value).replace('\'', "''");
    Some(format!("{}{}'{quoted}'{}", &text[..start], &line[..value_start], &text[start + line.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Value, usize) {
        let mut warnings = Vec::new();
        let value = parse(text, &Limits::default(), &mut warnings).expect("a value");
        (value, warnings.len())
    }

    #[test]
    fn words_keep_their_spelling() {
        for word in [
            "NO",
            "ON",
            "off",
            "y",
            "1.10",
            "0123",
            "1e3",
            "0x1F",
            "0o17",
            "2024-01-02",
            "12:30:45",
            "1_000",
            "+1",
            ".5",
        ] {
            let (value, _) = parsed(&format!("{word}: [{word}, '{word}']"));
            let entries = value.entries();
            assert_eq!(entries[0].0, word);
            assert!(entries[0].1.items().iter().all(|item| item.text() == word), "{value:?}");
        }
        let (value, _) = parsed("a: [TRUE, false, ~, null, '', !!str true, 1e999, -.inf]");
        let words: Vec<String> = value.get("a").items().iter().map(Value::display).collect();
        assert_eq!(words, ["TRUE", "false", "null", "null", "", "true", "1e999", "-.inf"]);
        assert!(value.get("a").items()[0].is_true() && !value.get("a").items()[5].is_true());
    }

    #[test]
    fn numbers_are_told_by_the_core_schema() {
        for number in ["0", "-1", "1.", ".5", "1.5e-3", "0x1f", "0o7", ".inf", "-.Inf", ".nan"] {
            assert!(is_number(number), "{number}");
        }
        for text in ["", ".", "-", "e3", "1e", "0x", "1_0", "1:2", "1.2.3", "0b1", "inf"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn merge_keys_and_aliases_are_resolved_and_duplicates_joined() {
        let (value, _) =
            parsed("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 5}\nd: *a\ne: *unknown");
        let c: Vec<(String, String)> =
            value.get("c").entries().iter().map(|(key, value)| (key.clone(), value.display())).collect();
        let pairs: Vec<(&str, &str)> = c.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("x", "5"), ("y", "2"), ("z", "4")]);
        assert_eq!(value.get("d"), value.get("a"));
        assert_eq!(value.get("e").text(), "*unknown");
        let (value, _) = parsed("a: {x: 1}\nb: 1\na: {y: 2, x: 3}\nb: 2");
        assert_eq!(value.get("a").entries().len(), 2);
        assert_eq!((value.get("a").get("x").text(), value.get("b").text()), ("3", "2"));
    }

    #[test]
    fn lines_with_mistakes_lose_only_their_structure() {
        for (text, path, expected, warnings) in [
            ("a:\n\tb: 1\n\tc:\n\t\td: 2", "a.c.d", "2", 1),
            ("a:\n  b: 1\n\tc: 2\n  d: 3", "a.c", "2", 1),
            ("a:\n  b:\n    c: 1\n\td: 2\n    e: 3", "a.b.d", "2", 1),
            ("a:\tb\nc: d\te", "a", "b", 0),
            ("a: see: this\nb: 1", "a", "see: this", 1),
            ("a: @name\nb: `code`", "b", "`code`", 2),
            ("a: 'it's broken'\nb: 1", "a", "it's broken", 1),
            ("a: %d items\nb: 1", "a", "%d items", 1),
            ("- a\n- @b", "1", "@b", 1),
        ] {
            let (value, count) = parsed(text);
            let mut found = &value;
            for key in path.split('.') {
                found = match key.parse::<usize>() {
                    Ok(at) => &found.items()[at],
                    Err(_) => found.get(key),
                };
            }
            assert_eq!((found.text(), count), (expected, warnings), "{text:?} {value:?}");
        }
    }

    #[test]
    fn repairs_are_bounded() {
        let broken = "a: @b\n".repeat(1000);
        assert!(parse(&broken, &Limits::default(), &mut Vec::new()).is_err());
    }
}
