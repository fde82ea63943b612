//! Addresses that people and agents read: `/l/{library}/{version}/{path}`.
//!
//! The slash in a library's name is written `~` (`vercel/next.js` is `/l/vercel~next.js`): no name contains one, RFC 3986 never
//! escapes it, and no proxy changes it as many do with `%2F`, which is understood too. So a library is always one part, a
//! version the next, and all that follows is the document's path.
//!
//! The Markdown of a document is at its path and `.md`. One that is called so already needs no second ending, unless the
//! document without that ending stands beside it: `.md` then means that one.

use library::documents::outline::OutlineEntry;
use library::label::Label;
use library::names::{InvalidName, LibraryName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The ending that asks for a document's Markdown.
pub(crate) const TWIN: &str = ".md";
/// Characters not escaped in a path: the unreserved ones (RFC 3986, section 2.3). Brackets and parentheses would end a link in
/// Markdown.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a library.
pub(crate) fn of_library(library: &LibraryName) -> String {
    format!("/l/{}", part_of(library))
}

/// The address of a version.
pub(crate) fn of_version(library: &LibraryName, version: &Label) -> String {
    format!("{}/{}", of_library(library), escaped(version.as_str()))
}

/// The address of what lies at this path in a version.
pub(crate) fn of_path(library: &LibraryName, version: &Label, path: &str) -> String {
    format!("{}/{}", of_version(library, version), escaped(path))
}

/// Where a document's Markdown is, seen from its version.
pub(crate) fn twin(entry: &OutlineEntry) -> String {
    let path = escaped(&entry.path);
    let is_called_so = entry.path.strip_suffix(TWIN).is_some();
    if is_called_so && !entry.beside_bare { path } else { format!("{path}{TWIN}") }
}

/// A library as one part of a path.
pub(crate) fn part_of(library: &LibraryName) -> String {
    library.as_str().replace('/', "~")
}

/// The library that a part of a path means.
pub(crate) fn library(part: &str) -> Result<LibraryName, InvalidName> {
    part.replacen('~', "/", 1).parse()
}

/// A path, escaped but for its slashes.
pub(crate) fn escaped(path: &str) -> String {
    let parts: Vec<String> =
        path.split('/').map(|part| utf8_percent_encode(part, ESCAPED).to_string()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_one_part_of_a_path() {
        for name in ["postgresql", "vercel/next.js", "docs/x_y-z.1"] {
            let name: LibraryName = name.parse().unwrap();
            assert!(!part_of(&name).contains('/'));
            assert_eq!(library(&part_of(&name)).unwrap(), name);
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
