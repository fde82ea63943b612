//! Exact names somebody may search for as they stand, and the fragments that lead to headings.

use std::collections::HashMap;

/// Whether code in running text is a name: one word with something in it that prose has not.
pub(crate) fn is_name(code: &str) -> bool {
    (3..=80).contains(&code.len())
        && !code.contains(char::is_whitespace)
        && code.contains(|character: char| character.is_ascii_alphabetic())
        && (code.contains(['_', '.', '-', '/', ':', '('])
            || code.bytes().any(|byte| byte.is_ascii_uppercase()))
}

/// Sorted, each once, at most 32: what a passage needs and no more.
pub(crate) fn tidy(names: &mut Vec<String>) {
    names.sort_unstable();
    names.dedup();
    names.truncate(32);
}

/// Makes the fragments of headings as GitHub does, numbering those that come twice.
#[derive(Debug, Default)]
pub(crate) struct Slugs {
    used: HashMap<String, u32>,
}

impl Slugs {
    /// The fragment of the next heading of this title.
    pub(crate) fn next(&mut self, title: &str) -> String {
        let slug = slug(title);
        let Some(times) = self.used.get_mut(&slug) else {
            self.used.insert(slug.clone(), 0);
            return slug;
        };
        *times += 1;
        let numbered = format!("{slug}-{times}");
        self.used.entry(numbered.clone()).or_insert(0);
        numbered
    }
}

/// Letters, digits, `-` and `_` stay, letters small; spaces become `-`; the rest goes.
fn slug(title: &str) -> String {
    let mut slug = String::with_capacity(title.len());
    for character in title.trim().chars() {
        if character.is_alphanumeric() || matches!(character, '_' | '-') {
            slug.extend(character.to_lowercase());
        } else if character == ' ' {
            slug.push('-');
        }
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::{Slugs, is_name};

    #[test]
    fn fragments_are_github_s() {
        let mut slugs = Slugs::default();
        assert_eq!(slugs.next("`fastify.register()` & friends"), "fastifyregister--friends");
        assert_eq!(slugs.next("安装 指南（第一步）"), "安装-指南第一步");
        assert_eq!(slugs.next("Setup"), "setup");
        assert_eq!(slugs.next("Setup"), "setup-1");
        assert_eq!(slugs.next("Setup"), "setup-2");
    }

    #[test]
    fn names_are_not_words() {
        assert!(is_name("work_mem") && is_name("--force") && is_name("String.format") && is_name("HTTP"));
        assert!(!is_name("table") && !is_name("a b_c") && !is_name("42.0"));
    }
}
