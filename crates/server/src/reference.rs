//! Reference that is generated from the code: `docs/reference/*`, committed and proven fresh.
//!
//! Each page is a function that renders it, and a line in [`PAGES`]. After a change, write them again with
//! `UPDATE_DOCS=1 cargo test -p server --bin wenyuan reference`. Compiled for tests alone: the program ships the files.

mod cli;
mod configuration;
mod errors;
mod metrics;

use std::path::{Path, PathBuf};

/// A page: its file in `docs/reference`, and the function that renders it.
type Page = (&'static str, fn() -> String);

const PAGES: &[Page] = &[
    ("cli.md", cli::render),
    ("configuration.md", configuration::render),
    ("errors.md", errors::render),
    ("metrics.md", metrics::render),
    ("openapi.json", openapi),
    ("schema.graphql", crate::graphql::definition),
];

const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p server --bin wenyuan reference";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference")
}

/// Renders the OpenAPI document.
fn openapi() -> String {
    let mut document = crate::routes::description().to_pretty_json().expect("a JSON document");
    document.push('\n');
    document
}

#[test]
fn generated_pages_are_fresh() {
    #[expect(clippy::disallowed_methods, reason = "set by the developer who renews the pages")]
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    for (name, render) in PAGES {
        let (path, page) = (directory().join(name), render());
        if update {
            std::fs::create_dir_all(directory()).expect("the directory of the pages");
            std::fs::write(&path, &page).expect("a page");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "docs/reference/{name} is out of date; renew it with: {UPDATE}");
    }
}

/// Renders a Markdown table. Cells are escaped by the caller where they are text.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// Escapes a text for a cell of a table. Angle brackets would be tags.
fn cell(text: &str) -> String {
    let mut escaped = String::new();
    // Within `code` only the bar has a meaning.
    for (index, part) in text.split('`').enumerate() {
        if index > 0 {
            escaped.push('`');
        }
        let part = part.replace('|', "\\|").replace('\n', " ");
        let is_code = index % 2 == 1;
        escaped.push_str(&if is_code { part } else { part.replace('<', "&lt;").replace('>', "&gt;") });
    }
    escaped
}

/// Code in a cell of a table; nothing where the text is empty.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|")) }
}
