//! Resource URIs (`docs://libraries/…`). Names and paths are percent-encoded as in
//! [RFC 3986, section 2](https://www.rfc-editor.org/rfc/rfc3986#section-2); the slash in `owner/project` is `%2F`, so that the
//! parts are unambiguous.

use std::fmt::Write as _;

use library::names::LibraryName;

/// URI of the list of libraries.
pub(super) const LIBRARIES: &str = "docs://libraries";

/// Target of a resource URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResourceUri {
    /// All libraries.
    Libraries,
    /// Versions of a library.
    Versions { library: String },
    /// A page of the documents of a version.
    Documents { library: String, version: String, cursor: Option<String> },
    /// A document.
    Document { library: String, version: String, path: String },
}

/// Returns the URI of a library's versions.
pub(super) fn versions(library: &LibraryName) -> String {
    format!("{LIBRARIES}/{}/versions", encode(library.as_str(), false))
}

/// Returns the URI of the documents of a version.
pub(super) fn documents(library: &str, version: &str, cursor: Option<&str>) -> String {
    let uri = format!("{LIBRARIES}/{}/{}/documents", encode(library, false), encode(version, false));
    match cursor {
        Some(cursor) => format!("{uri}?cursor={cursor}"),
        None => uri,
    }
}

/// Returns the URI of a document, or of an anchor in it.
pub(super) fn document(library: &str, version: &str, path: &str, anchor: Option<&str>) -> String {
    let mut uri =
        format!("{LIBRARIES}/{}/{}/{}", encode(library, false), encode(version, false), encode(path, true));
    // The path of a document can be the last part of the list's URI.
    if path == "documents" {
        uri.replace_range(uri.len() - 1.., "%73");
    }
    match anchor {
        Some(anchor) => format!("{uri}#{}", encode(anchor, false)),
        None => uri,
    }
}

/// Parses a resource URI; `None` if it is not one of this server's. The fragment is ignored.
pub(super) fn parse(uri: &str) -> Option<ResourceUri> {
    let rest = uri.strip_prefix(LIBRARIES)?;
    let rest = rest.split('#').next().unwrap_or(rest);
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() {
        return Some(ResourceUri::Libraries);
    }
    let mut parts = rest.strip_prefix('/')?.splitn(3, '/');
    let library = decode(parts.next()?)?;
    match (parts.next()?, parts.next()) {
        ("versions", None) => Some(ResourceUri::Versions { library }),
        (version, Some("documents")) => {
            let cursor = query.and_then(|query| query.strip_prefix("cursor=")).map(str::to_owned);
            Some(ResourceUri::Documents { library, version: decode(version)?, cursor })
        }
        (version, Some(path)) => {
            Some(ResourceUri::Document { library, version: decode(version)?, path: decode(path)? })
        }
        _ => None,
    }
}

fn encode(text: &str, keep_slashes: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slashes && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            let _writing_to_a_string = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_uri_and_any_message_is_read_or_refused() {
        let uris: [&[u8]; 3] = [
            b"wenyuan://library/fastify/5.2.1/guides%2Fstart.md?anchor=a%20b",
            b"wenyuan://libraries/vercel/next.js/versions?cursor=abc",
            b"wenyuan://%E6%96%87/%zz",
        ];
        testkit::fuzz("mcp uri", &uris, |text| {
            std::str::from_utf8(text).ok().and_then(parse);
        });
        let messages: [&[u8]; 3] = [
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_docs","arguments":{"query":"a"},"_meta":{}}}"#,
            br#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#,
            br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        ];
        testkit::fuzz("mcp message", &messages, |text| {
            drop(serde_json::from_slice::<rmcp::model::ClientJsonRpcMessage>(text));
        });
    }

    #[test]
    fn uris_are_parsed_as_they_were_built() {
        for (library, version, path) in [
            ("fastify", "5.2.1", "guides/start.md"),
            ("vercel/next.js", "15", "指南/a b#?.md"),
            ("x", "1", "documents"),
        ] {
            let uri = document(library, version, path, Some("a-place"));
            let (library, version) = (library.to_owned(), version.to_owned());
            assert_eq!(
                parse(&uri),
                Some(ResourceUri::Document { library, version, path: path.to_owned() }),
                "{uri}"
            );
        }
        let name: LibraryName = "vercel/next.js".parse().unwrap();
        assert_eq!(versions(&name), "docs://libraries/vercel%2Fnext.js/versions");
        let library = "vercel/next.js".to_owned();
        assert_eq!(parse(&versions(&name)), Some(ResourceUri::Versions { library: library.clone() }));
        assert_eq!(
            parse(&documents(&library, "15", Some("abc"))),
            Some(ResourceUri::Documents {
                library,
                version: "15".to_owned(),
                cursor: Some("abc".to_owned())
            })
        );
        assert_eq!(parse("docs://libraries"), Some(ResourceUri::Libraries));
        for uri in [
            "",
            "docs://",
            "docs://jobs",
            "docs://librariesx",
            "docs://libraries/x",
            "docs://libraries/x/1",
            "docs://libraries/%/1/a",
            "file:///etc/passwd",
        ] {
            assert_eq!(parse(uri), None, "{uri}");
        }
    }
}
