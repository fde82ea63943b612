//! Definitions of a document: substitutions and the addresses of hyperlink targets, which may follow their use.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use super::{body_end, dedent, indentation};

/// Maximum number of definitions of each kind; further ones are ignored.
const MAX_DEFINITIONS: usize = 10_000;

/// Maximum length of the text of a substitution.
const MAX_SUBSTITUTION_BYTES: usize = 500;

/// Number of targets that may refer to each other.
const MAX_INDIRECTIONS: usize = 4;

/// Substitutions and targets by name, in lower case with single spaces.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    substitutions: HashMap<String, String>,
    targets: HashMap<String, String>,
    anonymous: Vec<String>,
    /// Names of places in the document: labels and titles of sections.
    places: HashSet<String>,
    /// Number of anonymous references seen so far.
    next_anonymous: Cell<usize>,
}

impl Definitions {
    /// Collects the definitions of a document, wherever they stand.
    pub(super) fn collect(lines: &[&str]) -> Self {
        let mut definitions = Self::default();
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim_start();
            if let Some(address) = line.strip_prefix("__ ") {
                definitions.add_anonymous(address);
            } else if let Some(head) = line.strip_prefix(".. ") {
                definitions.explicit(head.trim_start(), &lines[number..]);
            }
            if line.contains(">`_") {
                definitions.embedded(line);
            }
            if let Some((title, _, _)) = super::parse_heading(&lines[number..]) {
                definitions.add_place(title);
            }
        }
        definitions
    }

    /// Returns the text of a substitution.
    pub(super) fn substitution(&self, name: &str) -> Option<&str> {
        self.substitutions.get(&normalize_name(name)).map(String::as_str)
    }

    /// Returns the address of a named target outside the document.
    pub(super) fn address(&self, name: &str) -> Option<&str> {
        let mut address = self.targets.get(&normalize_name(name))?;
        for _ in 0..MAX_INDIRECTIONS {
            // The target may be another one: `.. _a: b_`.
            let Some(other) = address.strip_suffix('_') else { break };
            address = self.targets.get(&normalize_name(other.trim_matches('`')))?;
        }
        is_address(address).then_some(address)
    }

    /// Whether a place in the document has this name.
    pub(super) fn has_place(&self, name: &str) -> bool {
        self.places.contains(&normalize_name(name))
    }

    fn add_place(&mut self, name: &str) {
        if self.places.len() < MAX_DEFINITIONS {
            self.places.insert(normalize_name(name));
        }
    }

    /// Returns the address of the next anonymous reference.
    pub(super) fn next_anonymous(&self) -> Option<&str> {
        let number = self.next_anonymous.get();
        self.next_anonymous.set(number + 1);
        self.anonymous.get(number).map(String::as_str).filter(|address| is_address(address))
    }

    /// Reads the first line of explicit markup if it is a definition; `lines` begins with that line.
    fn explicit(&mut self, head: &str, lines: &[&str]) {
        if let Some(address) = head.strip_prefix("__:") {
            self.add_anonymous(address);
        } else if let Some(rest) = head.strip_prefix('_') {
            let (name, address) = match rest.strip_prefix('`').and_then(|rest| rest.split_once("`:")) {
                Some(parts) => parts,
                None => match split_target(rest) {
                    Some(parts) => parts,
                    None => return,
                },
            };
            let mut address = address.trim().to_owned();
            // A long address may continue on the next lines.
            for line in lines.iter().skip(1).take(8) {
                if line.trim().is_empty() || indentation(line) <= indentation(lines[0]) {
                    break;
                }
                address.push_str(line.trim());
            }
            if address.is_empty() {
                self.add_place(name);
            } else if self.targets.len() < MAX_DEFINITIONS {
                self.targets.insert(normalize_name(name), address);
            }
        } else if let Some((name, rest)) = head.strip_prefix('|').and_then(|rest| rest.split_once('|'))
            && let Some((directive, argument)) = rest.trim().split_once("::")
        {
            let end = body_end(&lines[..lines.len().min(32)], indentation(lines[0]));
            let body = dedent(&lines[1..end]);
            let text = substitution_text(directive.trim(), argument.trim(), &body);
            if text.len() <= MAX_SUBSTITUTION_BYTES && self.substitutions.len() < MAX_DEFINITIONS {
                self.substitutions.insert(normalize_name(name), text);
            }
        }
    }

    fn add_anonymous(&mut self, address: &str) {
        if self.anonymous.len() < MAX_DEFINITIONS {
            self.anonymous.push(address.trim().to_owned());
        }
    }

    /// Reads `text <address>`_, which also defines the target `text`.
    fn embedded(&mut self, line: &str) {
        for part in line.split(">`_").take(16) {
            if let Some((before, address)) = part.rsplit_once('<')
                && let Some((_, text)) = before.rsplit_once('`')
                && is_address(address)
                && self.targets.len() < MAX_DEFINITIONS
            {
                self.targets.entry(normalize_name(text)).or_insert_with(|| address.to_owned());
            }
        }
    }
}

/// Splits `name: address` at the colon that ends the name; `\:` is part of it.
fn split_target(rest: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + rest[from..].find(':')?;
        let after = &rest[at + 1..];
        if !rest[..at].ends_with('\\') && (after.is_empty() || after.starts_with(' ')) {
            return Some((&rest[..at], after));
        }
        from = at + 1;
    }
}

/// Returns the text that a substitution stands for.
fn substitution_text(directive: &str, argument: &str, body: &[&str]) -> String {
    match directive {
        "image" => super::option(body, "alt").unwrap_or_default().to_owned(),
        "unicode" => argument
            .split(" ..")
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(|word| code_point(word).map_or_else(|| word.to_owned(), String::from))
            .collect(),
        "date" => "date".to_owned(),
        _ => {
            let mut text = argument.to_owned();
            for line in body.iter().filter(|line| !line.is_empty() && !line.starts_with(':')) {
                text.push(' ');
                text.push_str(line);
            }
            text.trim().to_owned()
        }
    }
}

/// Parses a character by its number: `0xA9`, `U+2014`, `&#x2014;`, `8212`.
fn code_point(word: &str) -> Option<char> {
    let hexadecimal = ["0x", "x", "\\x", "U+", "u", "\\u", "&#x"]
        .iter()
        .find_map(|prefix| word.strip_prefix(prefix))
        .map(|digits| digits.trim_end_matches(';'));
    let number = match hexadecimal {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => word.parse().ok()?,
    };
    char::from_u32(number)
}

fn is_address(address: &str) -> bool {
    ["http://", "https://", "ftp://", "mailto:"].iter().any(|scheme| address.starts_with(scheme))
        && !address.contains([' ', '(', ')', '<', '>'])
}

/// Returns the name in the form in which names are compared.
fn normalize_name(name: &str) -> String {
    crate::builder::one_line(&name.replace('\\', "").to_lowercase())
}
