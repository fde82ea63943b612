//! Text and addresses of others, as they may stand in HTML.

use std::borrow::Cow;

/// A text as it may stand in HTML, between tags and in quoted attributes.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for one in text.chars() {
        match one {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            one => safe.push(one),
        }
    }
    Cow::Owned(safe)
}

/// Whether an address leads nowhere but within the page or to this server.
pub fn is_own(address: &str) -> bool {
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"'<>`".contains(&byte));
    let own = address.starts_with('#') || (address.starts_with('/') && !address.starts_with("//"));
    plain && own && address.len() <= 2000
}
