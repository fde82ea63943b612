//! Destination of a link in a document: within the page, elsewhere in the library, external, or none.

use super::ResolveLink;
use crate::escape::is_local_url;

/// Destination of a link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// URL on this page or this server.
    Local(String),
    /// URL on another server.
    External(String),
    /// No destination that is safe or known: only the link's text is rendered.
    None,
}

/// Allowed schemes of external links.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];
const MAX_URL_BYTES: usize = 2000;

/// Determines the destination of a URL. `fragment_of` resolves the fragments of this text.
pub(super) fn destination(
    url: &str,
    fragment_of: &dyn Fn(&str) -> Option<String>,
    resolve: ResolveLink<'_>,
) -> Destination {
    let url = url.trim();
    // Browsers drop some characters and read others as a slash. No honest URL holds one of these.
    let is_suspicious =
        url.chars().any(|character| character.is_control() || character == '\\' || is_invisible(character));
    if url.is_empty() || url.len() > MAX_URL_BYTES || is_suspicious {
        return Destination::None;
    }
    let scheme = url.find([':', '/', '?', '#']).filter(|end| url.as_bytes().get(*end) == Some(&b':'));
    if let Some(end) = scheme {
        return external(&url[..end], &url[end + 1..]);
    }
    let local = match url.strip_prefix('#') {
        Some(fragment) => fragment_of(&percent_decode(fragment)).or_else(|| resolve(url)),
        None if url.starts_with("//") => None,
        None => resolve(url),
    };
    local.filter(|url| is_local_url(url)).map_or(Destination::None, Destination::Local)
}

fn external(scheme: &str, rest: &str) -> Destination {
    let Some(scheme) = SCHEMES.iter().find(|known| known.eq_ignore_ascii_case(scheme)) else {
        return Destination::None;
    };
    let is_complete = match rest.strip_prefix("//") {
        Some(host) => {
            *scheme != "mailto" && host.starts_with(|first: char| first.is_alphanumeric() || first == '[')
        }
        None => *scheme == "mailto" && rest.contains('@'),
    };
    if is_complete {
        Destination::External(format!("{scheme}:{}", percent_encode(rest)))
    } else {
        Destination::None
    }
}

/// Whether a character changes how a URL looks but not where it leads.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Percent-encodes what cannot be part of a URL. Existing escapes stay.
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Decodes the percent-escapes of a fragment.
fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        let escape = bytes.get(index + 1..index + 3).filter(|_| *byte == b'%');
        let escape = escape.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(value) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(value);
            index += 3;
        } else {
            decoded.push(*byte);
            index += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_urls_are_external() {
        let none = |_: &str| None;
        let local = |url: &str| Some(format!("/l/x/1/{}", url.trim_start_matches('#')));
        for (url, expected) in [
            (
                "https://example.org/a b?c=\"d",
                Destination::External("https://example.org/a%20b?c=%22d".to_owned()),
            ),
            ("HTTP://example.org", Destination::External("http://example.org".to_owned())),
            ("mailto:a@example.org", Destination::External("mailto:a@example.org".to_owned())),
            ("javascript:alert(1)", Destination::None),
            ("java\nscript:alert(1)", Destination::None),
            ("\u{1}javascript:alert(1)", Destination::None),
            ("data:text/html,x", Destination::None),
            ("vbscript:x", Destination::None),
            ("file:///etc/passwd", Destination::None),
            ("blob:https://example.org/x", Destination::None),
            ("//evil.example", Destination::None),
            ("/\\evil.example", Destination::None),
            ("https:evil.example", Destination::None),
            ("https:///x", Destination::None),
            ("https://e\u{202e}xample.org", Destination::None),
            ("", Destination::None),
            ("other.md", Destination::Local("/l/x/1/other.md".to_owned())),
            ("a/b:c", Destination::Local("/l/x/1/a/b:c".to_owned())),
            ("#there", Destination::Local("/l/x/1/there".to_owned())),
        ] {
            assert_eq!(destination(url, &none, &local), expected, "{url}");
        }
        // Also if the caller resolves a link to an external URL.
        assert_eq!(destination("x", &none, &|_| Some("https://evil.example".to_owned())), Destination::None);
        assert_eq!(
            destination("#%E6%96%87", &|text| Some(format!("#{}", percent_encode(text))), &none),
            Destination::Local("#%E6%96%87".to_owned())
        );
    }
}
