//! Changes of libraries and their versions, each in a transaction of its own.

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

use super::App;
use super::community;
use super::error::Result;

/// Changes what describes a library, and its visibility if one is given. Returns the library afterwards.
///
/// # Errors
///
/// Fails if the library does not exist for the actor, they may not change it, or `check` refuses the library as it was.
pub(crate) async fn change<E: From<super::Error>>(
    app: &App,
    actor: &Actor,
    name: &LibraryName,
    details: LibraryDetails<'_>,
    visibility: Option<Visibility>,
    check: impl FnOnce(&Library) -> std::result::Result<(), E>,
) -> std::result::Result<Arc<Library>, E> {
    let catalogue = app.engine.catalogue().await.map_err(super::Error::from)?;
    let known = catalogue.library(actor, name).map_err(super::Error::from)?;
    let mut transaction = store::postgres::begin(app.pool()).await.map_err(super::Error::from)?;
    let library = libraries::lock(&mut transaction, actor, known).await.map_err(super::Error::from)?;
    let described = libraries::describe(&mut transaction, actor, &library, details).await;
    described.map_err(super::Error::from)?;
    if let Some(visibility) = visibility {
        let set = grants::set_visibility(&mut transaction, actor, &library, visibility).await;
        set.map_err(super::Error::from)?;
    }
    check(&library)?;
    let now = find(&mut transaction, actor, name).await?;
    transaction.commit().await.map_err(super::Error::from)?;
    Ok(now)
}

/// Deletes a library with all its documents.
///
/// # Errors
///
/// Fails unless the actor owns the library.
pub(crate) async fn delete(app: &App, actor: &Actor, name: &LibraryName) -> Result<LibraryId> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let library = find(&mut transaction, actor, name).await?;
    community::delete_library(&mut transaction, actor, &library).await?;
    transaction.commit().await?;
    Ok(library.id)
}

/// Activates a version: it is searched by default. Returns the library afterwards.
///
/// # Errors
///
/// Fails if there is no such version for the actor, or they may not change the library.
pub(crate) async fn activate(
    app: &App,
    actor: &Actor,
    name: &LibraryName,
    version: &VersionRequest,
) -> Result<Arc<Library>> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let library = find(&mut transaction, actor, name).await?;
    let version = library.resolve(version)?;
    libraries::activate_version(&mut transaction, actor, &library, version.id).await?;
    let now = find(&mut transaction, actor, name).await?;
    transaction.commit().await?;
    Ok(now)
}

/// Deletes a version with its revisions. The active one can be deleted only as the last one. Returns the library afterwards.
///
/// # Errors
///
/// Fails if there is no such version for the actor, they may not change the library, or it is active and not the last.
pub(crate) async fn delete_version(
    app: &App,
    actor: &Actor,
    name: &LibraryName,
    label: Label,
) -> Result<Arc<Library>> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let library = find(&mut transaction, actor, name).await?;
    let version = library.resolve(&VersionRequest::Exact(label))?;
    libraries::delete_version(&mut transaction, actor, &library, version).await?;
    let now = find(&mut transaction, actor, name).await?;
    transaction.commit().await?;
    Ok(now)
}

async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
) -> std::result::Result<Arc<Library>, super::Error> {
    let catalogue = catalogue::read(connection).await?;
    Ok(Arc::clone(catalogue.library(actor, name)?))
}
