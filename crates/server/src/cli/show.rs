//! Output of the command line: colours only on a terminal, and never with `NO_COLOR`.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stderr};

use anstyle::{AnsiColor, Style};

/// Dim.
pub(super) const DIM: Style = Style::new().dimmed();
/// Bold.
pub(super) const BOLD: Style = Style::new().bold();
/// Match of the query.
pub(super) const MARK: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
/// Failure.
pub(super) const WRONG: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// Success.
pub(super) const WELL: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));

/// Writes a line to standard output. A closed pipe (`| head`) is not an error.
pub(super) fn line(text: &str) {
    let _reader_gone = writeln!(anstream::stdout(), "{text}");
}

/// Writes a line to standard error, for people rather than programs.
pub(super) fn note(text: &str) {
    let _reader_gone = writeln!(anstream::stderr(), "{text}");
}

/// Prints an error.
pub(super) fn error(text: &str) {
    note(&format!("{} {text}", styled(WRONG, "error:")));
}

/// Prints an error as one JSON object, to standard error as other errors.
pub(super) fn json_error(text: &str, problem: Option<&str>) {
    let mut object = serde_json::json!({ "error": text });
    if let Some(problem) = problem {
        object["type"] = problem.into();
    }
    note(&object.to_string());
}

/// Returns the address of a document, as `wenyuan documents read` takes it: `library/path@version`, quoted for a shell if need be.
pub(super) fn address(library: &str, version: &str, path: &str) -> String {
    let address = format!("{library}/{path}@{version}");
    let is_plain = |character: char| character.is_alphanumeric() || "/.@_-+~".contains(character);
    if address.chars().all(is_plain) { address } else { format!("'{}'", address.replace('\'', "'\\''")) }
}

/// Returns a number with its noun: `1 document`, `2 documents`.
pub(super) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns a text in a style.
pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Whether standard error is a terminal.
pub(super) fn watched() -> bool {
    stderr().is_terminal()
}

/// Formats a number of bytes.
pub(super) fn bytes(number: u64) -> String {
    indicatif::HumanBytes(number).to_string()
}
