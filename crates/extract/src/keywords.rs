//! Keywords: exact names that somebody may search for; and slugs: URL fragments of headings.

use std::collections::HashMap;

/// Whether inline code is an identifier: one word with a character that words of prose do not have.
pub(crate) fn is_identifier(code: &str) -> bool {
    (3..=80).contains(&code.len())
        && !code.contains(char::is_whitespace)
        && code.contains(|character: char| character.is_ascii_alphabetic())
        && (code.contains(['_', '.', '-', '/', ':', '('])
            || code.bytes().any(|byte| byte.is_ascii_uppercase()))
}

/// Maximum number of keywords of one passage.
const MAX_KEYWORDS: usize = 32;

/// Sorts the keywords, removes duplicates and keeps at most [`MAX_KEYWORDS`].
pub(crate) fn normalize(keywords: &mut Vec<String>) {
    keywords.sort_unstable();
    keywords.dedup();
    keywords.truncate(MAX_KEYWORDS);
}

/// Generates the fragments of headings as GitHub does, numbering repeated ones.
#[derive(Debug, Default)]
pub(crate) struct Slugs {
    used: HashMap<String, u32>,
}

impl Slugs {
    /// Returns the fragment of the next heading with this title; unique unless a title looks like a numbered one.
    pub(crate) fn next(&mut self, title: &str) -> String {
        let slug = slug(title);
        let Some(repetitions) = self.used.get_mut(&slug) else {
            self.used.insert(slug.clone(), 0);
            return slug;
        };
        *repetitions += 1;
        let numbered = format!("{slug}-{repetitions}");
        self.used.entry(numbered.clone()).or_insert(0);
        numbered
    }
}

/// Keeps letters (in lower case), digits, `-` and `_`, turns spaces into `-` and drops everything else.
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
    use super::{Slugs, is_identifier};

    #[test]
    fn fragments_match_those_of_github() {
        let mut slugs = Slugs::default();
        assert_eq!(slugs.next("`fastify.register()` & friends"), "fastifyregister--friends");
        assert_eq!(slugs.next("安装 指南（第一步）"), "安装-指南第一步");
        assert_eq!(slugs.next("Setup"), "setup");
        assert_eq!(slugs.next("Setup"), "setup-1");
        assert_eq!(slugs.next("Setup"), "setup-2");
    }

    #[test]
    fn identifiers_differ_from_words() {
        assert!(
            is_identifier("work_mem")
                && is_identifier("--force")
                && is_identifier("String.format")
                && is_identifier("HTTP")
        );
        assert!(!is_identifier("table") && !is_identifier("a b_c") && !is_identifier("42.0"));
    }
}
