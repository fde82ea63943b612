//! Test helper: tokenizes HTML roughly as a browser does, and fails on anything that is not on an allowlist.

use crate::escape::is_local_url;

/// Allowed elements and their attributes.
const ALLOWED: [(&str, &[&str]); 35] = [
    ("p", &[]),
    ("h2", &["id"]),
    ("h3", &["id"]),
    ("h4", &["id"]),
    ("h5", &["id"]),
    ("h6", &["id"]),
    ("ul", &[]),
    ("ol", &["start"]),
    ("li", &[]),
    ("em", &[]),
    ("strong", &[]),
    ("del", &[]),
    ("code", &["class"]),
    ("pre", &["class", "tabindex"]),
    ("blockquote", &["class"]),
    ("hr", &[]),
    ("br", &[]),
    ("sup", &[]),
    ("sub", &[]),
    ("a", &["href", "rel", "class", "aria-hidden", "tabindex"]),
    ("table", &[]),
    ("thead", &[]),
    ("tbody", &[]),
    ("tr", &[]),
    ("th", &["class"]),
    ("td", &["class"]),
    ("details", &[]),
    ("summary", &[]),
    ("div", &["class", "tabindex"]),
    ("span", &["class", "id"]),
    ("kbd", &[]),
    ("dl", &[]),
    ("dt", &[]),
    ("dd", &[]),
    ("img", &["src", "alt", "width", "height", "loading"]),
];

/// Panics on an element or attribute that is not allowed, and on a URL that is neither local nor marked as external.
#[track_caller]
pub(crate) fn assert_safe(html: &str) {
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap_or_else(|| panic!("a tag without an end: {html}"));
        let tag = rest[..end].trim_start_matches('/').trim_end_matches('/').trim();
        rest = &rest[end + 1..];
        let (name, mut attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let allowed = ALLOWED.iter().find(|(known, _)| *known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("the element {name:?} in {html}"));
        let is_external = attributes.ends_with("rel=\"noopener noreferrer nofollow\"");
        while !attributes.trim().is_empty() {
            attributes = attributes.trim_start();
            let end = attributes.find(['=', ' ']).unwrap_or(attributes.len());
            let attribute = &attributes[..end];
            assert!(allowed.contains(&attribute), "the attribute {attribute:?} of {name} in {html}");
            attributes = &attributes[end..];
            let Some(value) = attributes.strip_prefix("=\"") else { continue };
            let end = value.find('"').unwrap_or_else(|| panic!("an open quote in {html}"));
            let (value, after) = (&value[..end], &value[end + 1..]);
            match attribute {
                "href" if is_external => assert!(
                    ["http://", "https://", "mailto:"].iter().any(|scheme| value.starts_with(scheme)),
                    "the URL {value:?} in {html}"
                ),
                "href" | "src" => assert!(is_local_url(value), "the URL {value:?} in {html}"),
                "id" => {
                    assert!(["h-", "p-", "a-"].iter().any(|prefix| value.starts_with(prefix)), "{html}");
                }
                _ => {}
            }
            attributes = after;
        }
    }
}
