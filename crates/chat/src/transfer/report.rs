//! Report of an import: counts, and what was skipped for which reason.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Maximum number of skipped items listed; further ones are only counted.
const MAX_LISTED: usize = 1000;

/// Result of an import.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportReport)]
pub struct ImportReport {
    /// Number of chats added.
    pub chats: u64,
    /// Number of messages added.
    pub messages: u64,
    /// Number of sources of these messages.
    pub sources: u64,
    /// Number of files added.
    pub files: u64,
    /// Number of messages and files that existed already.
    pub already_there: u64,
    /// First thousand items that were skipped or changed.
    pub dropped: Vec<SkippedItem>,
    /// Number of items that were skipped or changed.
    pub dropped_count: u64,
}

/// Item that was skipped or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportDropped)]
pub struct SkippedItem {
    /// Location in the file: the chat, and the part of it.
    #[serde(rename = "where")]
    pub location: String,
    /// Reason.
    #[serde(rename = "why")]
    pub reason: String,
}

impl ImportReport {
    /// Records an item that was skipped or changed.
    pub fn skip(&mut self, location: impl AsRef<str>, reason: impl Into<String>) {
        self.dropped_count += 1;
        if self.dropped.len() < MAX_LISTED {
            let location = location.as_ref().chars().filter(|one| !one.is_control()).take(200).collect();
            self.dropped.push(SkippedItem { location, reason: reason.into() });
        }
    }

    /// Adds the report of another part of the same import.
    pub fn merge(&mut self, other: Self) {
        self.chats += other.chats;
        self.messages += other.messages;
        self.sources += other.sources;
        self.files += other.files;
        self.already_there += other.already_there;
        self.dropped_count += other.dropped_count;
        let remaining = MAX_LISTED.saturating_sub(self.dropped.len());
        self.dropped.extend(other.dropped.into_iter().take(remaining));
    }
}
