//! Where a link of a document leads: within the page, elsewhere in the library, away, or nowhere.

use super::Resolve;
use crate::escape::is_own;

/// Where it leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// On this page or this server.
    Own(String),
    /// To somebody else's server.
    Away(String),
    /// To nothing that a reader should be led to.
    Nowhere,
}

/// What schemes readers are led to.
const SCHEMES: [&str; 3] = ["http", "https", "mailto"];
/// The longest address.
const LONGEST: usize = 2000;

/// Finds out where an address leads. `within` knows the fragments of this text.
pub(super) fn of(address: &str, within: &dyn Fn(&str) -> Option<String>, resolve: Resolve<'_>) -> Address {
    let address = address.trim();
    // Browsers leave out some characters and take others for a slash: none of these is in an honest address.
    let is_odd = address.chars().any(|one| one.is_control() || one == '\\' || is_invisible(one));
    if address.is_empty() || address.len() > LONGEST || is_odd {
        return Address::Nowhere;
    }
    let scheme = address.find([':', '/', '?', '#']).filter(|end| address.as_bytes().get(*end) == Some(&b':'));
    if let Some(end) = scheme {
        return away(&address[..end], &address[end + 1..]);
    }
    let own = match address.strip_prefix('#') {
        Some(fragment) => within(&decoded(fragment)).or_else(|| resolve(address)),
        None if address.starts_with("//") => None,
        None => resolve(address),
    };
    own.filter(|own| is_own(own)).map_or(Address::Nowhere, Address::Own)
}

fn away(scheme: &str, rest: &str) -> Address {
    let Some(scheme) = SCHEMES.iter().find(|known| known.eq_ignore_ascii_case(scheme)) else {
        return Address::Nowhere;
    };
    let is_whole = match rest.strip_prefix("//") {
        Some(host) => {
            *scheme != "mailto" && host.starts_with(|first: char| first.is_alphanumeric() || first == '[')
        }
        None => *scheme == "mailto" && rest.contains('@'),
    };
    if is_whole { Address::Away(format!("{scheme}:{}", encoded(rest))) } else { Address::Nowhere }
}

/// Characters that change how an address looks, and not where it leads.
fn is_invisible(one: char) -> bool {
    matches!(one, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// As it may stand in an address: what is no part of one is escaped, what is escaped already stays.
pub(super) fn encoded(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte) {
            safe.push(char::from(byte));
        } else {
            safe.push_str(&format!("%{byte:02X}"));
        }
    }
    safe
}

/// A fragment without escapes.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let escape = escape.and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(meant) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            plain.push(meant);
            at += 3;
        } else {
            plain.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_honest_addresses_lead_away() {
        let none = |_: &str| None;
        let own = |address: &str| Some(format!("/l/x/1/{}", address.trim_start_matches('#')));
        for (address, expected) in [
            ("https://example.org/a b?c=\"d", Address::Away("https://example.org/a%20b?c=%22d".to_owned())),
            ("HTTP://example.org", Address::Away("http://example.org".to_owned())),
            ("mailto:a@example.org", Address::Away("mailto:a@example.org".to_owned())),
            ("javascript:alert(1)", Address::Nowhere),
            ("java\nscript:alert(1)", Address::Nowhere),
            ("\u{1}javascript:alert(1)", Address::Nowhere),
            ("data:text/html,x", Address::Nowhere),
            ("vbscript:x", Address::Nowhere),
            ("file:///etc/passwd", Address::Nowhere),
            ("blob:https://example.org/x", Address::Nowhere),
            ("//evil.example", Address::Nowhere),
            ("/\\evil.example", Address::Nowhere),
            ("https:evil.example", Address::Nowhere),
            ("https:///x", Address::Nowhere),
            ("https://e\u{202e}xample.org", Address::Nowhere),
            ("", Address::Nowhere),
            ("other.md", Address::Own("/l/x/1/other.md".to_owned())),
            ("a/b:c", Address::Own("/l/x/1/a/b:c".to_owned())),
            ("#there", Address::Own("/l/x/1/there".to_owned())),
        ] {
            assert_eq!(of(address, &none, &own), expected, "{address}");
        }
        // Whatever a caller makes of one.
        assert_eq!(of("x", &none, &|_| Some("https://evil.example".to_owned())), Address::Nowhere);
        assert_eq!(
            of("#%E6%96%87", &|text| Some(format!("#{}", encoded(text))), &none),
            Address::Own("#%E6%96%87".to_owned())
        );
    }
}
