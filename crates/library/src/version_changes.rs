//! Changes between two versions of a library: documents that were added, removed, moved and changed.
//!
//! A document is the same in both versions if its path is. One that is gone and one that is new with the same content are one that
//! moved. Documents whose originals differ and whose texts are equal are unchanged, such as pages with the date of their generation.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::access::Level;
use crate::catalogue::{Library, Version};
use crate::documents::{self, VisibleRevision};
use crate::{Error, diff};

/// Limit on the texts of both versions whose lines are counted for one page, in bytes; of further documents only the sizes are told.
const MAX_COUNTED_BYTES: i64 = 8 << 20;

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Only in the new version.
    Added,
    /// Only in the old version.
    Removed,
    /// In both under different paths, with the same content.
    Moved,
    /// In both with different contents.
    Changed,
}

impl ChangeKind {
    /// All kinds, in the order in which they are counted.
    pub const ALL: [Self; 4] = [Self::Added, Self::Removed, Self::Moved, Self::Changed];

    /// Returns the name of the kind in APIs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Moved => "moved",
            Self::Changed => "changed",
        }
    }

    /// Returns the kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Change of a document between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionChange {
    /// Kind.
    pub kind: ChangeKind,
    /// Path in the new version, or in the old one if it was removed.
    pub path: String,
    /// Path in the old version, if the document moved.
    pub previous_path: Option<String>,
    /// Title.
    pub title: String,
    /// Size of the text in the old version in bytes.
    pub old_bytes: Option<i64>,
    /// Size of the text in the new version in bytes.
    pub new_bytes: Option<i64>,
    /// Time when the new version of the document was read, or when the new version was made if it was removed.
    pub changed_at: DateTime<Utc>,
    /// Lines that only the new version has; `None` if they were not counted.
    pub added_lines: Option<usize>,
    /// Lines that only the old version has; `None` if they were not counted.
    pub removed_lines: Option<usize>,
    #[serde(skip)]
    revisions: [Option<VisibleRevision>; 2],
}

/// Changes between two versions, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionChanges {
    /// Changes. Their lines are counted by [`count_lines`].
    pub changes: Vec<VersionChange>,
    /// Number of documents that are equal in both versions.
    pub unchanged: usize,
}

impl VersionChanges {
    /// Returns the number of changes of a kind.
    pub fn count(&self, kind: ChangeKind) -> usize {
        self.changes.iter().filter(|change| change.kind == kind).count()
    }
}

/// Compares two versions of a library.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub async fn compare(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    from: &Version,
    to: &Version,
) -> Result<VersionChanges, Error> {
    library.require(actor, Level::Read)?;
    let rows = sqlx::query!(
        r#"-- version_changes.compare
         with old as (select * from library.document_versions where version_id = $2 and active),
           new as (select * from library.document_versions where version_id = $3 and active)
         select document.path as "path!", coalesce(new.title, old.title, document.name) as "title!", 
           old.id as "old_id?: VisibleRevision", new.id as "new_id?: VisibleRevision",
           coalesce(new.completed_at, new.created_at, $4) as "changed_at!",
           octet_length(old.content)::int8 as old_bytes, octet_length(new.content)::int8 as new_bytes,
           -- the content of those only in one version tells whether they moved
           case when old.id is null or new.id is null then md5(coalesce(old.content, new.content)) end as digest,
           old.id is not null and new.id is not null
             and (old.file_hash = new.file_hash or old.content is not distinct from new.content) as "is_equal!"
         from old full join new on new.document_id = old.document_id
         join library.documents as document on document.id = coalesce(old.document_id, new.document_id)
         where document.library_id = $1
         order by document.path collate "C""#,
        library.id.0,
        from.id.0,
        to.id.0,
        to.created_at,
    )
    .fetch_all(connection)
    .await?;
    let mut unchanged = 0;
    let mut found: Vec<(VersionChange, Option<String>)> = Vec::new();
    for row in rows {
        if row.is_equal {
            unchanged += 1;
            continue;
        }
        let kind = match (row.old_id, row.new_id) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            _ => ChangeKind::Changed,
        };
        let change = VersionChange {
            kind,
            path: row.path,
            previous_path: None,
            title: row.title,
            old_bytes: row.old_bytes,
            new_bytes: row.new_bytes,
            changed_at: row.changed_at,
            added_lines: None,
            removed_lines: None,
            revisions: [row.old_id, row.new_id],
        };
        found.push((change, row.digest));
    }
    Ok(VersionChanges { changes: with_moves(found), unchanged })
}

/// Joins a removed and an added document with the same content to one that moved.
fn with_moves(found: Vec<(VersionChange, Option<String>)>) -> Vec<VersionChange> {
    let mut removed: HashMap<String, Vec<VersionChange>> = HashMap::new();
    let mut rest = Vec::new();
    // Of several with one content, the first that was removed became the first that was added.
    for (change, digest) in found.into_iter().rev() {
        match digest {
            Some(digest) if change.kind == ChangeKind::Removed => {
                removed.entry(digest).or_default().push(change);
            }
            digest => rest.push((change, digest)),
        }
    }
    let mut changes = Vec::new();
    for (mut change, digest) in rest.into_iter().rev() {
        let before = digest.and_then(|digest| removed.get_mut(&digest)?.pop());
        if let Some(before) = before {
            change.kind = ChangeKind::Moved;
            change.previous_path = Some(before.path);
            change.old_bytes = before.old_bytes;
            change.revisions = [before.revisions[0], change.revisions[1]];
        }
        changes.push(change);
    }
    changes.extend(removed.into_values().flatten());
    changes.sort_by(|one, other| one.path.cmp(&other.path).then(one.kind.cmp(&other.kind)));
    changes
}

/// Counts the lines of these changes, as far as their texts are not too long together.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn count_lines(connection: &mut PgConnection, changes: &mut [VersionChange]) -> Result<(), Error> {
    let mut left = MAX_COUNTED_BYTES;
    for change in changes {
        if change.kind == ChangeKind::Moved {
            (change.added_lines, change.removed_lines) = (Some(0), Some(0));
            continue;
        }
        left -= change.old_bytes.unwrap_or(0) + change.new_bytes.unwrap_or(0);
        if left < 0 {
            break;
        }
        let mut texts = [String::new(), String::new()];
        for (text, revision) in texts.iter_mut().zip(change.revisions) {
            if let Some(revision) = revision {
                *text = documents::content(&mut *connection, revision).await?.unwrap_or_default();
            }
        }
        let [old, new] = texts;
        // Takes milliseconds, sometimes more: too long for an async thread.
        let counted = tokio::task::spawn_blocking(move || diff::count(&old, &new)).await;
        let (added, removed) =
            counted.map_err(|_panicked| Error::Internal("failed to compare two texts".to_owned()))?;
        (change.added_lines, change.removed_lines) = (Some(added), Some(removed));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: ChangeKind, path: &str, digest: &str) -> (VersionChange, Option<String>) {
        let change = VersionChange {
            kind,
            path: path.to_owned(),
            previous_path: None,
            title: String::new(),
            old_bytes: None,
            new_bytes: None,
            changed_at: DateTime::UNIX_EPOCH,
            added_lines: None,
            removed_lines: None,
            revisions: [None, None],
        };
        (change, (!digest.is_empty()).then(|| digest.to_owned()))
    }

    #[test]
    fn one_removed_and_one_added_with_the_same_content_have_moved() {
        use ChangeKind::{Added, Changed, Moved, Removed};
        let changes = with_moves(vec![
            change(Removed, "a/old.md", "x"),
            change(Added, "b/new.md", "x"),
            change(Changed, "c.md", ""),
            change(Removed, "d.md", "y"),
            change(Removed, "e.md", "y"),
            change(Added, "f.md", "y"),
            change(Added, "g.md", "z"),
        ]);
        let told: Vec<(ChangeKind, &str, Option<&str>)> = changes
            .iter()
            .map(|change| (change.kind, change.path.as_str(), change.previous_path.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (Moved, "b/new.md", Some("a/old.md")),
                (Changed, "c.md", None),
                (Removed, "e.md", None),
                (Moved, "f.md", Some("d.md")),
                (Added, "g.md", None)
            ]
        );
    }
}
