//! What an import did, and what it could not take, and why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is told in words at most; the rest is counted.
const MOST_TOLD: usize = 1000;

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportReport)]
pub struct Report {
    /// Chats that were added.
    pub chats: u64,
    /// Messages that were added.
    pub messages: u64,
    /// Sources of those messages.
    pub sources: u64,
    /// Files that were added.
    pub files: u64,
    /// Messages and files that were there already.
    pub already_there: u64,
    /// What was not taken, or not as it was: the first thousand.
    pub dropped: Vec<Dropped>,
    /// How much that was in all.
    pub dropped_count: u64,
}

/// Something that was not taken, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportDropped)]
pub struct Dropped {
    /// Where it stands: the chat, and what of it.
    #[serde(rename = "where")]
    pub place: String,
    /// Why.
    pub why: String,
}

impl Report {
    /// Notes something that was not taken.
    pub fn drop(&mut self, place: impl AsRef<str>, why: impl Into<String>) {
        self.dropped_count += 1;
        if self.dropped.len() < MOST_TOLD {
            let place: String = place.as_ref().chars().filter(|one| !one.is_control()).take(200).collect();
            self.dropped.push(Dropped { place, why: why.into() });
        }
    }

    /// Adds what another part of the same import noted.
    pub fn take(&mut self, other: Self) {
        self.chats += other.chats;
        self.messages += other.messages;
        self.sources += other.sources;
        self.files += other.files;
        self.already_there += other.already_there;
        self.dropped_count += other.dropped_count;
        let room = MOST_TOLD.saturating_sub(self.dropped.len());
        self.dropped.extend(other.dropped.into_iter().take(room));
    }
}
