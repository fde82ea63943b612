//! Access rule: how far an actor can go in a library.
//!
//! [`LibraryAccess`] is the one rule, applied to libraries of the catalogue in memory and to rows by their id. Role,
//! visibility and grant add up; an API key narrows. A library or document that an actor cannot read does not exist for
//! them: the error is that of an absent one. Grants are changed in [`grants`](crate::grants).

use kernel::actor::{Actor, Role, Scope};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::ids::{DocumentId, LibraryId};
use crate::names::LibraryName;

/// Audience of a library without grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Nobody.
    Private,
    /// Every signed-in user.
    #[default]
    Team,
    /// Everyone who reaches the server.
    Public,
}

/// Level of access to a library. Each includes those before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, ToSchema,
)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Read and search.
    Read,
    /// Add and change documents, choose versions.
    Write,
    /// Delete the library, and grant access to it.
    Own,
}

/// Access-relevant properties of a library, with one actor's grant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LibraryAccess<'library> {
    name: &'library str,
    visibility: Visibility,
    granted: Option<Level>,
}

impl<'library> LibraryAccess<'library> {
    pub(crate) fn new(name: &'library str, visibility: Visibility, granted: Option<Level>) -> Self {
        Self { name, visibility, granted }
    }

    /// Returns the actor's level, or `None` if the library does not exist for them.
    pub(crate) fn level(self, actor: &Actor) -> Option<Level> {
        if !actor.key_allows_library(self.name) {
            return None;
        }
        let by_role = if actor.has_role(Role::Admin) {
            Some(Level::Own)
        } else {
            let open = match self.visibility {
                Visibility::Private => false,
                Visibility::Team => !actor.is_anonymous(),
                Visibility::Public => true,
            };
            open.then(|| if actor.has_role(Role::Editor) { Level::Write } else { Level::Read })
        };
        let level = by_role.max(self.granted)?;
        Some(if actor.has_scope(Scope::Write) { level } else { Level::Read })
    }

    /// Fails with `hidden` if the library does not exist for the actor, and with the reason if their level is too low.
    pub(crate) fn require(
        self,
        actor: &Actor,
        needed: Level,
        hidden: impl FnOnce() -> Error,
    ) -> Result<(), Error> {
        match self.level(actor) {
            None => Err(hidden()),
            Some(level) if level >= needed => Ok(()),
            Some(_) if actor.is_anonymous() => Err(Error::SignIn),
            Some(_) if !actor.has_scope(Scope::Write) => {
                Err(Error::NotAllowed("this API key is read-only: use one with the scope write".to_owned()))
            }
            Some(_) => Err(Error::NotAllowed(format!(
                "you cannot {} {}: ask one of its owners or an administrator for access",
                match needed {
                    Level::Read => "read",
                    Level::Write => "change",
                    Level::Own => "manage",
                },
                self.name
            ))),
        }
    }
}

/// Whether an actor can create libraries at all. An API key can still be limited to certain names.
pub fn can_create_libraries(actor: &Actor) -> bool {
    actor.has_scope(Scope::Write) && actor.has_role(Role::Editor)
}

/// Fails unless the actor can create a library of this name.
pub(crate) fn require_create(actor: &Actor, name: &str) -> Result<(), Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    if !actor.has_scope(Scope::Write) {
        return Err(Error::NotAllowed("this API key is read-only: use one with the scope write".to_owned()));
    }
    if !actor.key_allows_library(name) {
        return Err(Error::NotAllowed(format!("this API key has no access to a library {name}")));
    }
    if !actor.has_role(Role::Editor) {
        return Err(Error::NotAllowed(format!(
            "there is no library {name} that you can add to, and only editors and administrators create libraries"
        )));
    }
    Ok(())
}

/// Fails unless the actor is an administrator.
pub(crate) fn require_admin(actor: &Actor) -> Result<(), Error> {
    if actor.has_role(Role::Admin) {
        return Ok(());
    }
    Err(Error::NotAllowed("only administrators can do this".to_owned()))
}

/// Fails unless the actor can add documents to a library, or create it if it does not exist.
///
/// # Errors
///
/// Fails if the actor is not signed in, lacks the level, or cannot create a missing library.
pub async fn require_add(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
) -> Result<(), Error> {
    // Checked first: a caller who is not signed in must not learn whether a hidden library has this name.
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    let row = sqlx::query!(
        r#"-- access.of_library
         select library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $2) as "granted: Level"
         from library.libraries as library where library.name = $1"#,
        name.as_str(),
        actor.user_id().map(|user| user.0),
    )
    .fetch_optional(connection)
    .await?;
    match row {
        Some(row) => LibraryAccess::new(name.as_str(), row.visibility, row.granted).require(
            actor,
            Level::Write,
            || hidden_from_upload(actor, name.as_str()),
        ),
        None => require_create(actor, name.as_str()),
    }
}

/// Returns the error of an upload to a library that does not exist for the actor: the one of an absent library for all who cannot
/// create one, so that uploading does not tell which names are taken.
pub(crate) fn hidden_from_upload(actor: &Actor, name: &str) -> Error {
    require_create(actor, name).err().unwrap_or_else(|| {
        Error::NotAllowed(format!("you cannot add to a library of the name {name}: choose another name"))
    })
}

/// Fails unless the actor has this level in the document's library. Returns that library.
pub(crate) async fn require_document(
    connection: &mut PgConnection,
    actor: &Actor,
    document: DocumentId,
    needed: Level,
) -> Result<LibraryId, Error> {
    let row = sqlx::query!(
        r#"-- access.of_document
         select library.id as "id: LibraryId", library.name, library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $2) as "granted: Level"
         from library.documents as document
         join library.libraries as library on library.id = document.library_id
         where document.id = $1"#,
        document.0,
        actor.user_id().map(|user| user.0),
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::NoDocument)?;
    LibraryAccess::new(&row.name, row.visibility, row.granted)
        .require(actor, needed, || Error::NoDocument)?;
    Ok(row.id)
}

/// Returns the ids of the libraries that exist for an actor.
pub(crate) async fn visible_libraries(
    connection: &mut PgConnection,
    actor: &Actor,
) -> Result<Vec<Uuid>, Error> {
    Ok(visible_levels(connection, actor).await?.into_iter().map(|(id, _)| id.0).collect())
}

/// Returns the libraries that exist for an actor, by their ids, with the actor's level in each.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn visible_levels(
    connection: &mut PgConnection,
    actor: &Actor,
) -> Result<Vec<(LibraryId, Level)>, Error> {
    let rows = sqlx::query!(
        r#"-- access.visible
         select library.id as "id: LibraryId", library.name, library.visibility as "visibility: Visibility",
           granted.level as "granted?: Level"
         from library.libraries as library
         left join library.grants as granted on granted.library_id = library.id and granted.user_id = $1"#,
        actor.user_id().map(|user| user.0),
    )
    .fetch_all(connection)
    .await?;
    let level = |name: &str, visibility, granted| LibraryAccess::new(name, visibility, granted).level(actor);
    Ok(rows.iter().filter_map(|row| Some((row.id, level(&row.name, row.visibility, row.granted)?))).collect())
}

#[cfg(test)]
mod tests {
    use kernel::actor::{KeyId, UserId};

    use super::*;

    fn level(actor: &Actor, visibility: Visibility, granted: Option<Level>) -> Option<Level> {
        LibraryAccess::new("gate", visibility, granted).level(actor)
    }

    fn user(role: Role) -> Actor {
        Actor::user(UserId::new(), "ada", role, None)
    }

    #[test]
    fn role_visibility_and_grant_add_up() {
        use Level::{Own, Read, Write};
        use Visibility::{Private, Public, Team};
        for (actor, visibility, granted, expected) in [
            (Actor::anonymous(), Private, None, None),
            (Actor::anonymous(), Team, None, None),
            (Actor::anonymous(), Public, None, Some(Read)),
            (user(Role::User), Private, None, None),
            (user(Role::User), Private, Some(Read), Some(Read)),
            (user(Role::User), Team, None, Some(Read)),
            (user(Role::User), Team, Some(Own), Some(Own)),
            (user(Role::Editor), Private, None, None),
            (user(Role::Editor), Team, None, Some(Write)),
            (user(Role::Editor), Team, Some(Read), Some(Write)),
            (user(Role::Editor), Public, Some(Own), Some(Own)),
            (user(Role::Admin), Private, None, Some(Own)),
            (Actor::owner(), Private, None, Some(Own)),
        ] {
            assert_eq!(level(&actor, visibility, granted), expected, "{actor:?} {visibility:?} {granted:?}");
        }
    }

    #[test]
    fn a_key_is_limited_to_its_libraries_and_scopes() {
        let key = |scopes: &[Scope], libraries: Option<&str>| {
            let libraries = libraries.map(|name| [name.to_owned()].into());
            user(Role::Admin).with_key(Some(KeyId::new()), "ci", scopes.iter().copied().collect(), libraries)
        };
        assert_eq!(level(&key(&[Scope::Write], None), Visibility::Private, None), Some(Level::Own));
        assert_eq!(level(&key(&[Scope::Read], None), Visibility::Private, None), Some(Level::Read));
        assert_eq!(level(&key(&[Scope::Write], Some("gate")), Visibility::Team, None), Some(Level::Own));
        assert_eq!(level(&key(&[Scope::Write], Some("other")), Visibility::Public, None), None);
    }
}
