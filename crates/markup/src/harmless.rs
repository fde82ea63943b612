//! For tests: takes HTML apart as a browser would begin to, and refuses whatever is not known to be harmless.

use crate::escape::is_own;

/// All that may be in rendered text: elements, and their attributes.
const MAY: [(&str, &[&str]); 29] = [
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
    ("th", &[]),
    ("td", &[]),
    ("div", &["class", "tabindex"]),
    ("span", &["class", "id"]),
    ("kbd", &[]),
];

/// Refuses what may not be there, and addresses that are neither ours nor marked as leading away.
#[track_caller]
pub(crate) fn assert(html: &str) {
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap_or_else(|| panic!("a tag without an end: {html}"));
        let tag = rest[..end].trim_start_matches('/').trim_end_matches('/').trim();
        rest = &rest[end + 1..];
        let (name, mut attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let may = MAY.iter().find(|(known, _)| *known == name);
        let (_, may) = may.unwrap_or_else(|| panic!("the element {name:?} in {html}"));
        let leads_away = attributes.ends_with("rel=\"noopener noreferrer nofollow\"");
        while !attributes.trim().is_empty() {
            attributes = attributes.trim_start();
            let end = attributes.find(['=', ' ']).unwrap_or(attributes.len());
            let attribute = &attributes[..end];
            assert!(may.contains(&attribute), "the attribute {attribute:?} of {name} in {html}");
            attributes = &attributes[end..];
            let Some(value) = attributes.strip_prefix("=\"") else { continue };
            let end = value.find('"').unwrap_or_else(|| panic!("an open quote in {html}"));
            let (value, after) = (&value[..end], &value[end + 1..]);
            match attribute {
                "href" if leads_away => assert!(
                    ["http://", "https://", "mailto:"].iter().any(|scheme| value.starts_with(scheme)),
                    "the address {value:?} in {html}"
                ),
                "href" => assert!(is_own(value), "the address {value:?} in {html}"),
                "id" => assert!(value.starts_with("h-") || value.starts_with("p-"), "{html}"),
                _ => {}
            }
            attributes = after;
        }
    }
}
