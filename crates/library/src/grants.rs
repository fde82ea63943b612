//! Grants: access to a library given to single users, and a library's visibility.
//!
//! Only a library's owners see and change its grants. How grants count is in [`access`](crate::access).

use kernel::actor::{Actor, Role, UserId};
use sqlx::PgConnection;

use crate::Error;
use crate::access::{Level, Visibility};
use crate::catalogue::Library;
use crate::changes;
use crate::ids::LibraryId;

/// Lists a library's grants by user id, at most 10,000.
///
/// # Errors
///
/// Fails unless the actor owns the library.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
) -> Result<Vec<(UserId, Level)>, Error> {
    library.require(actor, Level::Own)?;
    let rows = sqlx::query!(
        r#"-- access.grants
         select user_id as "user: UserId", level as "level: Level" from library.grants
         where library_id = $1 order by user_id limit 10000"#,
        library.id.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.user, row.level)).collect())
}

/// Grants a user a level in a library, or revokes their grant with `None`. Owners cannot lower their own grant: there might
/// be nobody left to restore it.
///
/// # Errors
///
/// Fails unless the actor owns the library, and if an owner who is not an administrator would lower their own grant.
pub async fn set(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    user: UserId,
    level: Option<Level>,
) -> Result<(), Error> {
    library.require(actor, Level::Own)?;
    if actor.user_id() == Some(user) && level < Some(Level::Own) && !actor.has_role(Role::Admin) {
        return Err(Error::OwnGrant(library.name.clone()));
    }
    write(connection, library.id, user, level).await?;
    changes::record_catalogue(connection).await
}

/// Writes a grant without a check. The caller records the change of the catalogue.
pub(crate) async fn write(
    connection: &mut PgConnection,
    library: LibraryId,
    user: UserId,
    level: Option<Level>,
) -> Result<(), Error> {
    if let Some(level) = level {
        sqlx::query!(
            "-- access.grant
             insert into library.grants (library_id, user_id, level) values ($1, $2, $3)
             on conflict (library_id, user_id) do update set level = excluded.level",
            library.0,
            user.0,
            level as Level,
        )
        .execute(connection)
        .await?;
    } else {
        sqlx::query!(
            "-- access.revoke
             delete from library.grants where library_id = $1 and user_id = $2",
            library.0,
            user.0,
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Changes who can read a library without a grant.
///
/// # Errors
///
/// Fails unless the actor owns the library.
pub async fn set_visibility(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    visibility: Visibility,
) -> Result<(), Error> {
    library.require(actor, Level::Own)?;
    sqlx::query!(
        "-- access.set_visibility
         update library.libraries set visibility = $2, updated_at = now() where id = $1",
        library.id.0,
        visibility as Visibility,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await
}
