//! Names of headings in addresses.

/// The longest name, in characters.
const LONGEST: usize = 100;

/// A text as it names a heading: small letters and digits of any script, with hyphens for spaces, as GitHub and others write
/// them.
pub fn slug(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for one in text.trim().chars().flat_map(char::to_lowercase).take(LONGEST) {
        if one.is_alphanumeric() || one == '-' || one == '_' {
            name.push(one);
        } else if one.is_whitespace() {
            name.push('-');
        }
    }
    if name.is_empty() { "section".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn headings_are_named_as_others_do() {
        for (text, name) in [
            ("Getting Started", "getting-started"),
            (" What's new? (2.0) ", "whats-new-20"),
            ("安装 Wenyuan", "安装-wenyuan"),
            ("`snake_case`", "snake_case"),
            ("!!!", "section"),
        ] {
            assert_eq!(slug(text), name, "{text}");
        }
        assert_eq!(slug(&"a".repeat(500)).len(), 100);
    }
}
