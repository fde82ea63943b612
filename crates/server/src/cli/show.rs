//! How the command line shows things: colours on a terminal only, and not where `NO_COLOR` says so.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stderr};

use anstyle::{AnsiColor, Style};

/// Faint.
pub(super) const DIM: Style = Style::new().dimmed();
/// Strong.
pub(super) const BOLD: Style = Style::new().bold();
/// A word that was asked for.
pub(super) const MARK: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
/// Something that is wrong.
pub(super) const WRONG: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// Something that is well.
pub(super) const WELL: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));

/// Writes a line to standard output. A reader that has gone (`| head`) is no error.
pub(super) fn line(text: &str) {
    let _reader_gone = writeln!(anstream::stdout(), "{text}");
}

/// Writes a line to standard error: for the person, not for the next program.
pub(super) fn note(text: &str) {
    let _reader_gone = writeln!(anstream::stderr(), "{text}");
}

/// Says what went wrong.
pub(super) fn error(text: &str) {
    note(&format!("{} {text}", styled(WRONG, "error:")));
}

/// A text in a style.
pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Whether a person is watching standard error.
pub(super) fn watched() -> bool {
    stderr().is_terminal()
}

/// A number of bytes, for people.
pub(super) fn bytes(number: u64) -> String {
    indicatif::HumanBytes(number).to_string()
}
