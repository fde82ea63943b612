//! Favourites: documents that a user keeps at hand. Each user has their own, which nobody else sees.

use kernel::actor::{Actor, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::access::{self, Level};
use crate::catalogue::Catalogue;
use crate::ids::DocumentId;

/// Maximum number of a user's favourites.
pub const MAX_FAVOURITES: i64 = 200;

/// A favourite of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Favourite {
    /// Document.
    pub document_id: DocumentId,
    /// Name of the library.
    pub library: String,
    /// Label of the version that it is opened in: the active one, or the highest that has the document.
    pub version: String,
    /// Path of the document.
    pub path: String,
    /// Title in that version.
    pub title: String,
}

/// Makes a document a favourite of the actor, or not one any more. Doing so twice changes nothing.
///
/// # Errors
///
/// Fails for anonymous actors, if the document does not exist for the actor, and beyond [`MAX_FAVOURITES`].
pub async fn set(
    connection: &mut PgConnection,
    actor: &Actor,
    document: DocumentId,
    is_favourite: bool,
) -> Result<(), Error> {
    let user = require_user(actor)?;
    access::require_document(&mut *connection, actor, document, Level::Read).await?;
    if !is_favourite {
        sqlx::query!(
            "-- favourites.remove
             delete from library.favourites where user_id = $1 and document_id = $2",
            user.0,
            document.0,
        )
        .execute(connection)
        .await?;
        return Ok(());
    }
    let added = sqlx::query!(
        "-- favourites.add
         insert into library.favourites (user_id, document_id)
         select $1, $2 where (select count(*) from library.favourites where user_id = $1 and document_id <> $2) < $3
         on conflict (user_id, document_id) do update set created_at = favourites.created_at",
        user.0,
        document.0,
        MAX_FAVOURITES,
    )
    .execute(connection)
    .await?;
    if added.rows_affected() == 0 {
        return Err(Error::Invalid(format!("you have {MAX_FAVOURITES} favourites: remove one first")));
    }
    Ok(())
}

/// Whether a document is a favourite of the actor; `None` if they can have none.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    document: DocumentId,
) -> Result<Option<bool>, Error> {
    let Ok(user) = require_user(actor) else { return Ok(None) };
    let is_favourite = sqlx::query_scalar!(
        r#"-- favourites.find
         select exists (select from library.favourites where user_id = $1 and document_id = $2) as "is!""#,
        user.0,
        document.0,
    )
    .fetch_one(connection)
    .await?;
    Ok(Some(is_favourite))
}

/// Lists the favourites of the actor, the newest first. Those that do not exist for the actor any more, or are in no version, are
/// left out.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    limit: i64,
) -> Result<Vec<Favourite>, Error> {
    let Ok(user) = require_user(actor) else { return Ok(Vec::new()) };
    let libraries: Vec<Uuid> = catalogue.libraries(actor).iter().map(|library| library.id.0).collect();
    Ok(sqlx::query_as!(
        Favourite,
        r#"-- favourites.list
         select document.id as "document_id: DocumentId", library.name as library, shown.label as "version!", document.path,
           shown.title as "title!"
         from library.favourites as favourite
         join library.documents as document on document.id = favourite.document_id
         join library.libraries as library on library.id = document.library_id
         cross join lateral (
           select version.label, coalesce(d.title, document.name) as title
           from library.document_versions d join library.versions as version on version.id = d.version_id
           where d.document_id = document.id and d.active
           order by version.id = library.active_version_id desc nulls last, version.sort_key desc limit 1
         ) as shown
         where favourite.user_id = $1 and library.id = any ($2)
         order by favourite.created_at desc, document.id limit $3"#,
        user.0,
        &libraries,
        limit,
    )
    .fetch_all(connection)
    .await?)
}

fn require_user(actor: &Actor) -> Result<UserId, Error> {
    actor.user_id().filter(|_| actor.in_person()).ok_or(Error::SignIn)
}
