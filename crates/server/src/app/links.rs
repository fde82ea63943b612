//! Links of documents as every API writes them: addresses for people, URIs and addresses of Markdown for agents.

use std::collections::HashMap;

use library::catalogue::Library;
use library::documents::reading::VisibleDocument;
use library::links::{self, Destination, Link, PassageLink};
use markup::document::{self, Relinked, Span};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::PgConnection;

use super::address;

/// Size of a text up to which its links are written into it; a longer one stays as it is.
const MAX_LINKED_BYTES: usize = 8 << 20;

/// Returns the Markdown of a document with its links: those to documents of the version lead to their Markdown, and those that lead
/// nowhere are plain. Links of a Markdown document that lead there by themselves stay as they are written.
///
/// # Errors
///
/// Fails if the database fails.
pub(crate) async fn markdown(
    connection: &mut PgConnection,
    library: &Library,
    document: &VisibleDocument,
    content: String,
) -> Result<String, library::Error> {
    let (name, version) = (document.library.clone(), document.version.clone());
    with_links(connection, library, document, content, move |path, fragment| {
        let address = address::of_markdown(&name, &version, path);
        match fragment {
            Some(fragment) => format!("{address}#{}", utf8_percent_encode(fragment, NON_ALPHANUMERIC)),
            None => address,
        }
    })
    .await
}

/// Like [`markdown`], with the URLs that `url` makes of a path and a fragment.
pub(crate) async fn with_links(
    connection: &mut PgConnection,
    library: &Library,
    document: &VisibleDocument,
    content: String,
    url: impl Fn(&str, Option<&str>) -> String + Send + 'static,
) -> Result<String, library::Error> {
    if document.document_type == "text" || content.len() > MAX_LINKED_BYTES {
        return Ok(content);
    }
    let is_source = document.document_type == "markdown";
    let kept = if is_source {
        Vec::new()
    } else {
        links::of_revision(connection, document.revision_id).await?.links
    };
    let mut targets = document::targets(&content);
    targets.extend(kept.iter().map(|link| link.target.clone()));
    targets.sort_unstable();
    targets.dedup();
    let pairs: Vec<(&str, &str)> =
        targets.iter().map(|target| (document.path.as_str(), target.as_str())).collect();
    let destinations = links::resolve(connection, library, document.version_id, &pairs).await?;
    let destinations: HashMap<String, Destination> = targets.into_iter().zip(destinations).collect();
    let from = document.path.clone();
    // Takes some milliseconds, sometimes tens: too long for an async thread.
    let written = tokio::task::spawn_blocking(move || {
        let spans = spans(&content, &kept);
        let relinked = |target: &str| match destinations.get(target) {
            Some(Destination::Document { path, .. }) if *path == from && target.starts_with('#') => {
                Relinked::Kept
            }
            Some(Destination::Document { path, .. }) if is_source && leads_by_itself(&from, target, path) => {
                Relinked::Kept
            }
            Some(Destination::Document { path, fragment }) => Relinked::To(url(path, fragment.as_deref())),
            Some(Destination::Broken | Destination::None) => Relinked::Plain,
            Some(Destination::External) | None => Relinked::Kept,
        };
        document::relink(&content, &spans, &relinked)
    })
    .await;
    written
        .map_err(|_panicked| library::Error::Internal("failed to write the links of a document".to_owned()))
}

/// Whether a relative link leads to the Markdown of a document without being changed.
fn leads_by_itself(from: &str, target: &str, path: &str) -> bool {
    let written = target.split(['#', '?']).next().unwrap_or_default();
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in written.split('/') {
        match part {
            ".." if parts.pop().is_none() => return false,
            "." | ".." => {}
            part => parts.push(part),
        }
    }
    path.ends_with(address::MARKDOWN_SUFFIX) && !written.starts_with('/') && parts.join("/") == path
}

/// Converts the ranges of links from characters to bytes.
fn spans(text: &str, links: &[Link]) -> Vec<Span> {
    let mut characters: Vec<i32> = links.iter().flat_map(|link| [link.from, link.to]).collect();
    characters.sort_unstable();
    characters.dedup();
    let mut offsets: HashMap<i32, usize> = HashMap::with_capacity(characters.len());
    let (mut at, mut passed) = (0, 0);
    for character in characters {
        let ahead = usize::try_from(character - passed).unwrap_or(0);
        at += text.get(at..).unwrap_or_default().chars().take(ahead).map(char::len_utf8).sum::<usize>();
        passed = character;
        offsets.insert(character, at);
    }
    let offset = |character: i32| offsets.get(&character).copied().unwrap_or(0);
    links
        .iter()
        .map(|link| Span { range: offset(link.from)..offset(link.to), target: link.target.clone() })
        .collect()
}

/// Returns the address of the document that a link of a passage leads to, on this server.
pub(crate) fn url(library: &str, version: &str, link: &PassageLink) -> Option<String> {
    let address = address::of_path(&library.parse().ok()?, &version.parse().ok()?, &link.path);
    Some(match &link.fragment {
        Some(fragment) => format!("{address}?at={}", utf8_percent_encode(fragment, NON_ALPHANUMERIC)),
        None => address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_that_lead_elsewhere_are_changed() {
        for (from, target, path, expected) in [
            ("a/b.md", "c.md#x", "a/c.md", true),
            ("a/b.md", "../c.md", "c.md", true),
            ("a/b.md", "./c.md", "a/c.md", true),
            ("a/b.md", "c", "a/c.md", false),
            ("a/b.md", "/a/c.md", "a/c.md", false),
            ("a/b.md", "../../c.md", "c.md", false),
            ("a/b.md", "c.html", "a/c.html", false),
        ] {
            assert_eq!(leads_by_itself(from, target, path), expected, "{from} {target}");
        }
    }

    #[test]
    fn characters_become_bytes() {
        let link = |from: i32, to: i32| Link { from, to, target: "x".to_owned() };
        let text = "文渊 links 到";
        let spans = spans(text, &[link(0, 2), link(3, 8), link(9, 10)]);
        let labels: Vec<&str> = spans.iter().map(|span| &text[span.range.clone()]).collect();
        assert_eq!(labels, ["文渊", "links", "到"]);
    }
}
