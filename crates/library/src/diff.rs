//! What changed between two revisions: their Markdown, line by line.

pub mod sections;

use std::time::Duration;

use serde::Serialize;
use similar::{ChangeTag, TextDiff};

/// What changed from one text to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Diff {
    /// Lines that are only in the second.
    pub added: usize,
    /// Lines that are only in the first.
    pub removed: usize,
    /// The change in unified format, with three lines of context.
    pub unified: String,
}

/// How long the exact comparison may take; after it, the rest is compared coarsely. Two texts that share nothing would
/// otherwise cost the product of their lengths.
const DEADLINE: Duration = Duration::from_secs(2);

/// Compares two texts.
pub fn diff(from: &str, to: &str, from_name: &str, to_name: &str) -> Diff {
    let changes = TextDiff::configure().timeout(DEADLINE).diff_lines(from, to);
    let count = |tag| changes.iter_all_changes().filter(|change| change.tag() == tag).count();
    Diff {
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
        unified: changes.unified_diff().context_radius(3).header(from_name, to_name).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn lines_are_compared() {
        let found = diff("one\ntwo\nthree\n", "one\n2\nthree\nfour\n", "14", "15");
        assert_eq!((found.added, found.removed), (2, 1));
        assert_eq!(found.unified, "--- 14\n+++ 15\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n");
        assert_eq!(diff("a\n", "a\n", "14", "15").unified, "");
    }
}
