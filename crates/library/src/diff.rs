//! Comparison of two revisions' Markdown, line by line. By section it is in [`sections`].

pub mod sections;

use std::time::Duration;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

/// Difference of two texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Diff {
    /// Lines only in the second text.
    pub added: usize,
    /// Lines only in the first text.
    pub removed: usize,
    /// Unified diff with three lines of context.
    pub unified: String,
}

/// Time limit of the exact comparison; the rest is compared coarsely. Two texts that share nothing would otherwise cost the
/// product of their lengths.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Compares two texts. The names head the unified diff.
pub fn diff(from: &str, to: &str, from_name: &str, to_name: &str) -> Diff {
    let changes = TextDiff::configure().timeout(TIME_LIMIT).diff_lines(from, to);
    let count = |tag| changes.iter_all_changes().filter(|change| change.tag() == tag).count();
    Diff {
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
        unified: changes.unified_diff().context_radius(3).header(from_name, to_name).to_string(),
    }
}

/// Counts the lines that only the second and only the first text has.
pub fn count(from: &str, to: &str) -> (usize, usize) {
    let changes = TextDiff::configure().timeout(TIME_LIMIT).diff_lines(from, to);
    let count = |tag| changes.iter_all_changes().filter(|change| change.tag() == tag).count();
    (count(ChangeTag::Insert), count(ChangeTag::Delete))
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn added_and_removed_lines_are_counted() {
        let found = diff("one\ntwo\nthree\n", "one\n2\nthree\nfour\n", "14", "15");
        assert_eq!((found.added, found.removed), (2, 1));
        assert_eq!(found.unified, "--- 14\n+++ 15\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n");
        assert_eq!(diff("a\n", "a\n", "14", "15").unified, "");
    }
}
