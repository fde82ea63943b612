//! Content negotiation by `Accept` (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// Whether Markdown is listed and no other listed type is preferred; `*/*` alone does not count.
pub(crate) fn prefers_markdown(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT);
    let ranges = ranges.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let (mut markdown, mut others) = (0, 0);
    for range in ranges {
        let (name, weight) = weighed(range);
        if name == "text/markdown" {
            markdown = weight;
        } else if !name.contains('*') {
            others = others.max(weight);
        }
    }
    markdown > 0 && markdown >= others
}

/// Whether HTML is listed and no other listed type is preferred: the request of a browser.
pub(crate) fn prefers_page(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT);
    let ranges = ranges.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let (mut page, mut others) = (0, 0);
    for range in ranges {
        let (name, weight) = weighed(range);
        match name.as_str() {
            "text/html" => page = weight,
            "text/markdown" | "text/plain" | "application/json" => others = others.max(weight),
            _ => {}
        }
    }
    page > 0 && page >= others
}

/// Returns a media range and its weight in thousandths.
fn weighed(range: &str) -> (String, u32) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1000, thousandths))
}

/// Parses a weight of at most three decimals; 0 if it is malformed.
fn thousandths(weight: &str) -> u32 {
    match weight.split_once('.') {
        _ if weight.starts_with('1') => 1000,
        Some(("0", digits)) if digits.len() <= 3 => format!("{digits:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_for_browsers() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", true),
            ("text/html", true),
            ("text/markdown, text/html;q=0.9", false),
            ("text/html;q=0", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json, text/html;q=0.5", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_page(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn markdown_is_preferred_where_it_is_named_first() {
        for (accept, expected) in [
            ("text/markdown", true),
            ("text/markdown, text/html;q=0.9, */*;q=0.8", true),
            ("application/json, text/markdown;q=0.5", false),
            ("application/json;q=0.4, text/markdown;q=0.45", true),
            ("text/markdown;q=0", false),
            ("Text/Markdown; charset=utf-8; q=0.001", true),
            ("*/*", false),
            ("text/*", false),
            ("text/html, */*", false),
            ("", false),
            ("text/markdown;q=zzz", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_markdown(&headers), expected, "{accept}");
        }
        assert!(!prefers_markdown(&HeaderMap::new()));
    }
}
