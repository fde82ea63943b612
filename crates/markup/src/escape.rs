//! Escaping of untrusted text, and the check of URLs that lead nowhere else.

use std::borrow::Cow;

/// Escapes a text for HTML, between tags and in quoted attributes.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Maximum length of a URL in bytes.
const MAX_URL_BYTES: usize = 2000;

/// Whether a URL leads within the page or to this server.
pub fn is_local_url(url: &str) -> bool {
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"'<>`".contains(&byte));
    let is_local = url.starts_with('#') || (url.starts_with('/') && !url.starts_with("//"));
    is_plain && is_local && url.len() <= MAX_URL_BYTES
}
