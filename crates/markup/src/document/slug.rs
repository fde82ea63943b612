//! Ids of headings.

const MAX_CHARS: usize = 100;

/// Returns the slug of a heading, as on GitHub: lower-case letters and digits of any script, hyphens for spaces, at most 100
/// characters.
pub fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for character in text.trim().chars().flat_map(char::to_lowercase).take(MAX_CHARS) {
        if character.is_alphanumeric() || character == '-' || character == '_' {
            slug.push(character);
        } else if character.is_whitespace() {
            slug.push('-');
        }
    }
    if slug.is_empty() { "section".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn slugs_are_those_of_github() {
        for (text, expected) in [
            ("Getting Started", "getting-started"),
            (" What's new? (2.0) ", "whats-new-20"),
            ("安装 Wenyuan", "安装-wenyuan"),
            ("`snake_case`", "snake_case"),
            ("!!!", "section"),
        ] {
            assert_eq!(slug(text), expected, "{text}");
        }
        assert_eq!(slug(&"a".repeat(500)).len(), 100);
    }
}
