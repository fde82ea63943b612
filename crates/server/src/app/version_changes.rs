//! Changes between two versions of a library: the versions resolved, the changes compared, and one page of them with their lines.

use kernel::actor::Actor;
use kernel::page::Cursor;
use library::catalogue::{Library, Version};
use library::label::VersionRequest;
use library::version_changes::{self, ChangeKind, VersionChange, VersionChanges};
use library::{Error, catalogue::Catalogue, names::LibraryName};
use std::sync::Arc;
use tokio::sync::Semaphore;

use crate::app::App;

/// Limit on concurrent comparisons on this node: requests can be anonymous, and each reads the texts that differ.
static COMPARISONS: Semaphore = Semaphore::const_new(2);

/// Versions to compare, and the page of their changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Comparison {
    /// Old version; by default the next lower one that the library has.
    pub(crate) from: Option<VersionRequest>,
    /// New version; by default the active one.
    pub(crate) to: Option<VersionRequest>,
    /// Only changes of this kind.
    pub(crate) kind: Option<ChangeKind>,
    /// Cursor of an earlier page.
    pub(crate) after: Option<Cursor>,
    /// Number of changes of a page.
    pub(crate) limit: usize,
}

/// A page of changes.
pub(crate) struct ChangesPage {
    pub(crate) library: Arc<Library>,
    pub(crate) from: Version,
    pub(crate) to: Version,
    /// Number of changes of each kind.
    pub(crate) counts: [(ChangeKind, usize); 4],
    pub(crate) unchanged: usize,
    pub(crate) items: Vec<VersionChange>,
    pub(crate) next: Option<Cursor>,
}

/// Compares two versions of a library. `None` if the library has one version and none is named to compare it with.
///
/// # Errors
///
/// Fails if the library or a version does not exist for the actor, and for an invalid cursor.
pub(crate) async fn compare(
    app: &App,
    actor: &Actor,
    catalogue: &Catalogue,
    name: &LibraryName,
    comparison: &Comparison,
) -> Result<Option<ChangesPage>, Error> {
    let library = catalogue.library(actor, name)?;
    let to = library.resolve(comparison.to.as_ref().unwrap_or(&VersionRequest::Active))?;
    let from = match &comparison.from {
        Some(from) => library.resolve(from)?,
        // Versions are listed from the highest.
        None => match library.versions.iter().skip_while(|version| version.id != to.id).nth(1) {
            Some(lower) => lower,
            None => return Ok(None),
        },
    };
    let start = match &comparison.after {
        Some(cursor) => cursor.decode::<usize>().map_err(|error| Error::Invalid(error.to_string()))?,
        None => 0,
    };
    let _permit = COMPARISONS.acquire().await.map_err(|closed| Error::Internal(closed.to_string()))?;
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let changes = version_changes::compare(&mut connection, actor, library, from, to).await?;
    let counts = ChangeKind::ALL.map(|kind| (kind, changes.count(kind)));
    let VersionChanges { changes, unchanged } = changes;
    let is_wanted = |change: &VersionChange| comparison.kind.is_none_or(|kind| kind == change.kind);
    let mut items: Vec<VersionChange> = changes.into_iter().filter(is_wanted).skip(start).collect();
    let next = (items.len() > comparison.limit).then(|| Cursor::encode(&(start + comparison.limit)));
    items.truncate(comparison.limit);
    version_changes::count_lines(&mut connection, &mut items).await?;
    let (library, from, to) = (Arc::clone(library), from.clone(), to.clone());
    Ok(Some(ChangesPage { library, from, to, counts, unchanged, items, next }))
}
