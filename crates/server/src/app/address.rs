//! Addresses of documents for people and agents: `/l/{library}/{version}/{path}`.
//!
//! The slash in a library's name is written `~` (`vercel/next.js` is `/l/vercel~next.js`): no name contains one, RFC 3986 never
//! escapes it, and no proxy changes it as many do with `%2F`, which is accepted too. So a library is always one segment, a
//! version the next, and the rest is the document's path.
//!
//! The Markdown of a document is at its path with `.md`. A path that ends so already gets no second suffix, unless a document
//! without the suffix exists beside it: `.md` then means that one.

use identity::links::Link;
use kernel::secret::Token;
use library::documents::outline::OutlineEntry;
use library::label::Label;
use library::names::{InvalidName, LibraryName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

/// Suffix of a path that selects the document's Markdown.
pub(crate) const MARKDOWN_SUFFIX: &str = ".md";
/// Characters not escaped in a path: the unreserved ones (RFC 3986, section 2.3). Brackets and parentheses would end a link in
/// Markdown.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns the address of a library.
pub(crate) fn of_library(library: &LibraryName) -> String {
    format!("/l/{}", segment_of(library))
}

/// Returns the address of a version.
pub(crate) fn of_version(library: &LibraryName, version: &Label) -> String {
    format!("{}/{}", of_library(library), escaped(version.as_str()))
}

/// Returns the address of the broken links of a version.
pub(crate) fn of_broken_links(library: &LibraryName, version: &Label) -> String {
    format!("/broken-links/{}/{}", segment_of(library), escaped(version.as_str()))
}

/// Returns the address of a document in a version.
pub(crate) fn of_path(library: &LibraryName, version: &Label, path: &str) -> String {
    format!("{}/{}", of_version(library, version), escaped(path))
}

/// Returns the address of a link to set a password, on the server with this address.
pub(crate) fn of_password_link(server: &str, link: &Link) -> String {
    format!("{}/password?token={}", server.trim_end_matches('/'), link.token.reveal())
}

/// Returns the address of a link to a chat, on the server with this address.
pub(crate) fn of_share(server: &str, token: &Token) -> String {
    format!("{server}/share/{}", token.reveal())
}

/// Returns the address at which a person unsubscribes from mail, on the server with this address.
pub(crate) fn of_unsubscribe(server: &str, token: &Token) -> String {
    format!("{server}/unsubscribe/{}", token.reveal())
}

/// Returns the address of a picture.
pub(crate) fn of_picture(revision: Uuid, number: i32) -> String {
    format!("/pictures/{revision}/{number}")
}

/// Returns the address of the Markdown of a document in a version.
pub(crate) fn of_markdown(library: &LibraryName, version: &Label, path: &str) -> String {
    let address = of_path(library, version, path);
    if path.ends_with(MARKDOWN_SUFFIX) { address } else { format!("{address}{MARKDOWN_SUFFIX}") }
}

/// Returns the address of a document's Markdown, relative to its version.
pub(crate) fn markdown_url(entry: &OutlineEntry) -> String {
    let path = escaped(&entry.path);
    let has_suffix = entry.path.strip_suffix(MARKDOWN_SUFFIX).is_some();
    if has_suffix && !entry.beside_bare { path } else { format!("{path}{MARKDOWN_SUFFIX}") }
}

/// Returns the name of a library as one segment of a path.
pub(crate) fn segment_of(library: &LibraryName) -> String {
    library.as_str().replace('/', "~")
}

/// Parses the segment of a library.
pub(crate) fn library(segment: &str) -> Result<LibraryName, InvalidName> {
    segment.replacen('~', "/", 1).parse()
}

/// Escapes a path except for its slashes.
pub(crate) fn escaped(path: &str) -> String {
    let parts: Vec<String> =
        path.split('/').map(|part| utf8_percent_encode(part, ESCAPED).to_string()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_one_segment_of_a_path() {
        for name in ["postgresql", "vercel/next.js", "docs/x_y-z.1"] {
            let name: LibraryName = name.parse().unwrap();
            assert!(!segment_of(&name).contains('/'));
            assert_eq!(library(&segment_of(&name)).unwrap(), name);
            assert_eq!(library(name.as_str()).unwrap(), name);
        }
        assert!(library("a~b~c").is_err() && library("").is_err());
    }

    #[test]
    fn nothing_in_a_path_ends_a_link() {
        assert_eq!(escaped("指南/a (1) [b]#?%.md"), "%E6%8C%87%E5%8D%97/a%20%281%29%20%5Bb%5D%23%3F%25.md");
        assert_eq!(escaped("http:x/y~z_-.md"), "http%3Ax/y~z_-.md");
        let label: Label = "1.0+2".parse().unwrap();
        assert_eq!(of_path(&"a/b".parse().unwrap(), &label, "c d"), "/l/a~b/1.0%2B2/c%20d");
    }
}
