//! Changes of libraries and their versions by name, in the transaction of the caller.

use std::sync::Arc;

use kernel::actor::Actor;
use library::access::Visibility;
use library::catalogue::{self, Library};
use library::grants;
use library::ids::LibraryId;
use library::label::{Label, VersionRequest};
use library::libraries::{self, LibraryDetails};
use library::names::LibraryName;
use sqlx::PgConnection;

use super::community;
use super::error::Result;

/// Library before and after a change.
pub(crate) struct LibraryChange {
    pub(crate) before: Arc<Library>,
    pub(crate) after: Arc<Library>,
}

/// Changes what describes a library, and its visibility if one is given.
///
/// # Errors
///
/// Fails if the library does not exist for the actor, or they may not change it.
pub(crate) async fn change(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
    details: LibraryDetails<'_>,
    visibility: Option<Visibility>,
) -> Result<LibraryChange> {
    let known = find(&mut *connection, actor, name).await?;
    let before = libraries::lock(&mut *connection, actor, &known).await?;
    libraries::describe(&mut *connection, actor, &before, details).await?;
    if let Some(visibility) = visibility {
        grants::set_visibility(&mut *connection, actor, &before, visibility).await?;
    }
    let after = find(connection, actor, name).await?;
    Ok(LibraryChange { before, after })
}

/// Deletes a library with all its documents.
///
/// # Errors
///
/// Fails unless the actor owns the library.
pub(crate) async fn delete(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
) -> Result<LibraryId> {
    let library = find(&mut *connection, actor, name).await?;
    community::delete_library(connection, actor, &library).await?;
    Ok(library.id)
}

/// Activates a version: it is searched by default. Returns the library afterwards.
///
/// # Errors
///
/// Fails if there is no such version for the actor, or they may not change the library.
pub(crate) async fn activate(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
    version: &VersionRequest,
) -> Result<Arc<Library>> {
    let library = find(&mut *connection, actor, name).await?;
    let version = library.resolve(version)?;
    libraries::activate_version(&mut *connection, actor, &library, version.id).await?;
    find(connection, actor, name).await
}

/// Deletes a version with its revisions. The active one can be deleted only as the last one. Returns the library afterwards.
///
/// # Errors
///
/// Fails if there is no such version for the actor, they may not change the library, or it is active and not the last.
pub(crate) async fn delete_version(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
    label: Label,
) -> Result<Arc<Library>> {
    let library = find(&mut *connection, actor, name).await?;
    let version = library.resolve(&VersionRequest::Exact(label))?;
    libraries::delete_version(&mut *connection, actor, &library, version).await?;
    find(connection, actor, name).await
}

async fn find(connection: &mut PgConnection, actor: &Actor, name: &LibraryName) -> Result<Arc<Library>> {
    let catalogue = catalogue::read(connection).await?;
    Ok(Arc::clone(catalogue.library(actor, name)?))
}
