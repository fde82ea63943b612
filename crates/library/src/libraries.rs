//! Changes of libraries and versions: create, describe, activate, delete.
//!
//! Each change checks the actor's access and is recorded in the [change sequence](crate::changes), so that catalogues are
//! read again. What there is, is read from the [`catalogue`].

use std::sync::Arc;

use kernel::actor::Actor;
use sqlx::PgConnection;

use crate::access::{self, Level, LibraryAccess, Visibility};
use crate::catalogue::{self, Library, Version};
use crate::documents::active;
use crate::ids::{DocumentId, LibraryId, VersionId};
use crate::label::Label;
use crate::names::LibraryName;
use crate::{Error, changes, gc, grants};

/// Maximum length of a library's title, in characters.
pub const MAX_TITLE_CHARS: usize = 200;
/// Maximum length of a library's description, in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 2000;

/// Maximum length of the base of a library's links, in characters.
pub const MAX_LINK_BASE_CHARS: usize = 500;

/// A version of a library that was found or created.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EnsuredVersion {
    pub(crate) library: LibraryId,
    pub(crate) version: VersionId,
    /// Whether the library or the version was created.
    pub(crate) is_new: bool,
}

/// Finds a library and a version of it, creating what does not exist yet.
///
/// The creator of a library owns it, and its first version is active. The caller records a change of the catalogue, last
/// in its transaction.
pub(crate) async fn ensure(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
    label: &Label,
) -> Result<EnsuredVersion, Error> {
    let row = sqlx::query!(
        r#"-- catalogue.find_version
         select library.id as "library: LibraryId", library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $3) as "granted: Level",
           version.id as "version?: VersionId"
         from library.libraries as library
         left join library.versions as version on version.library_id = library.id and version.label = $2
         where library.name = $1"#,
        name.as_str(),
        label.as_str(),
        actor.user_id().map(|user| user.0),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = row {
        let access = LibraryAccess::new(name.as_str(), row.visibility, row.granted);
        access.require(actor, Level::Write, || access::hidden_from_upload(actor, name.as_str()))?;
        if let Some(version) = row.version {
            return Ok(EnsuredVersion { library: row.library, version, is_new: false });
        }
    } else {
        access::require_create(actor, name.as_str())?;
    }
    // A concurrent second caller waits here and takes what the first has created.
    let row = sqlx::query!(
        r#"-- catalogue.ensure_library
         insert into library.libraries (id, name, title) values ($1, $2, $2)
         on conflict (name) do update set updated_at = now()
         returning id as "id: LibraryId", xmax = 0 as "new!""#,
        LibraryId::new().0,
        name.as_str(),
    )
    .fetch_one(&mut *connection)
    .await?;
    let library = row.id;
    if let Some(user) = actor.user_id().filter(|_| row.new) {
        grants::write(connection, library, user, Some(Level::Own)).await?;
    }
    let version = sqlx::query_scalar!(
        r#"-- catalogue.ensure_version
         insert into library.versions (id, library_id, label, sort_key) values ($1, $2, $3, $4)
         on conflict (library_id, label) do update set sort_key = excluded.sort_key
         returning id as "id: VersionId""#,
        VersionId::new().0,
        library.0,
        label.as_str(),
        label.sort_key(),
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!(
        "-- catalogue.activate_first
         update library.libraries set active_version_id = $2 where id = $1 and active_version_id is null",
        library.0,
        version.0,
    )
    .execute(&mut *connection)
    .await?;
    Ok(EnsuredVersion { library, version, is_new: true })
}

/// Computes the stored order of versions again, where it was stored under other rules, and returns how many rows changed.
///
/// The order is computed by the program, so that a new release of it can order labels differently. Does nothing a second
/// time; runs at every start.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn refresh_order(connection: &mut PgConnection) -> Result<usize, Error> {
    let rows = sqlx::query!(
        r#"-- catalogue.sort_keys
         select id as "id: VersionId", label, sort_key from library.versions order by id"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let (mut ids, mut keys) = (Vec::new(), Vec::new());
    for row in rows {
        let key = row.label.parse::<Label>()?.sort_key();
        if key != row.sort_key {
            ids.push(row.id.0);
            keys.push(key);
        }
    }
    if !ids.is_empty() {
        sqlx::query!(
            "-- catalogue.refresh_order
             update library.versions as version set sort_key = changed.sort_key
             from unnest($1::uuid[], $2::text[]) as changed (id, sort_key) where version.id = changed.id",
            &ids,
            &keys,
        )
        .execute(&mut *connection)
        .await?;
        changes::record_catalogue(connection).await?;
    }
    Ok(ids.len())
}

/// Makes a version the library's active one: the version used when a request names none.
///
/// # Errors
///
/// Fails unless the actor can write to the library.
pub async fn activate_version(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: VersionId,
) -> Result<(), Error> {
    library.require(actor, Level::Write)?;
    sqlx::query!(
        "-- catalogue.activate
         update library.libraries set active_version_id = $2, updated_at = now() where id = $1",
        library.id.0,
        version.0,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await
}

/// Locks a library until the transaction ends, so that nobody else changes it or adds versions, and returns it as it is now.
///
/// The look-up that returned `library` has checked the actor's access, so that nobody locks a library that they cannot
/// see; it is checked again under the lock.
///
/// # Errors
///
/// Fails if the library does not exist for the actor any more.
pub async fn lock(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
) -> Result<Arc<Library>, Error> {
    sqlx::query!(
        "-- catalogue.lock
         select id from library.libraries where name = $1 for no key update",
        library.name.as_str(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    Ok(Arc::clone(catalogue::read(connection).await?.library(actor, &library.name)?))
}

/// Changes of a library; `None` leaves a value as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct LibraryDetails<'change> {
    /// Title.
    pub title: Option<&'change str>,
    /// Description.
    pub description: Option<&'change str>,
    /// Beginning of the addresses of the documents' own site: a path (`/docs`) or an address (`https://example.org/docs`).
    pub link_base: Option<&'change str>,
}

/// Changes a library's title, description or base of links.
///
/// # Errors
///
/// Fails unless the actor can write to the library, and if a value is too long or malformed.
pub async fn describe(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    details: LibraryDetails<'_>,
) -> Result<(), Error> {
    let LibraryDetails { title, description, link_base } = details;
    library.require(actor, Level::Write)?;
    let is_longer = |text: Option<&str>, max: usize| text.is_some_and(|text| text.chars().count() > max);
    if is_longer(title, MAX_TITLE_CHARS) || is_longer(description, MAX_DESCRIPTION_CHARS) {
        return Err(Error::Invalid(format!(
            "a title has at most {MAX_TITLE_CHARS} characters and a description {MAX_DESCRIPTION_CHARS}"
        )));
    }
    let link_base = link_base.map(str::trim).map(|base| base.trim_end_matches('/'));
    if !link_base.is_none_or(is_link_base) {
        return Err(Error::Invalid(format!(
            "the base of links is a path like /docs or an address like https://example.org/docs, of at most \
             {MAX_LINK_BASE_CHARS} characters"
        )));
    }
    sqlx::query!(
        "-- catalogue.describe
         update library.libraries
         set title = coalesce($2, title), description = coalesce($3, description),
           link_base = coalesce($4, link_base), updated_at = now()
         where id = $1",
        library.id.0,
        title,
        description,
        link_base,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await
}

/// Whether a text can be the base of links: empty, a path from the root of a site, or an address.
fn is_link_base(base: &str) -> bool {
    let is_plain = base.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}?#".contains(&byte));
    let address = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://"));
    let is_address =
        address.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric()));
    let is_path = base.starts_with('/') && !base.starts_with("//");
    base.is_empty() || (is_plain && (is_address || is_path) && base.len() <= MAX_LINK_BASE_CHARS)
}

/// Deletes a library with all its versions and documents.
///
/// # Errors
///
/// Fails unless the actor owns the library.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, library: &Library) -> Result<(), Error> {
    library.require(actor, Level::Own)?;
    let affected = sqlx::query!(
        r#"-- catalogue.held_by_library
         select distinct document_id as "document: DocumentId", version_id as "version: VersionId"
         from library.document_versions
         where version_id in (select id from library.versions where library_id = $1)"#,
        library.id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let documents: Vec<DocumentId> = affected.iter().map(|row| row.document).collect();
    active::lock(connection, &documents).await?;
    gc::schedule(connection).await?;
    sqlx::query!(
        "-- catalogue.delete_library
         delete from library.libraries where id = $1",
        library.id.0,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await?;
    let affected: Vec<_> = affected.into_iter().map(|row| (row.document, row.version)).collect();
    changes::record(connection, &affected).await
}

/// Deletes a version with its revisions, and the documents that are in no other version.
///
/// # Errors
///
/// Fails unless the actor can write to the library, and for the active version while there are others.
pub async fn delete_version(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
) -> Result<(), Error> {
    library.require(actor, Level::Write)?;
    if library.active == Some(version.id) {
        if library.versions.len() > 1 {
            return Err(Error::ActiveVersion(version.label.clone(), library.name.clone()));
        }
        sqlx::query!(
            "-- catalogue.deactivate
             update library.libraries set active_version_id = null where id = $1",
            library.id.0,
        )
        .execute(&mut *connection)
        .await?;
    }
    let affected = sqlx::query_scalar!(
        r#"-- catalogue.held_by_version
         select distinct document_id as "document: DocumentId"
         from library.document_versions where version_id = $1"#,
        version.id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    active::lock(connection, &affected).await?;
    gc::schedule(connection).await?;
    sqlx::query!(
        "-- catalogue.delete_version
         delete from library.versions where id = $1",
        version.id.0,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- catalogue.delete_documents_without_version
         delete from library.documents as document
         where library_id = $1
           and not exists (select from library.document_versions v where v.document_id = document.id)",
        library.id.0,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await?;
    let affected: Vec<_> = affected.into_iter().map(|document| (document, version.id)).collect();
    changes::record(connection, &affected).await
}
