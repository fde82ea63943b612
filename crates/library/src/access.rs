//! Who may read and change which library: one rule, applied to the catalogue in memory and to documents by their id.
//!
//! What an actor may not read does not exist for them: the error is that of an absent library or document.

use std::collections::HashMap;

use kernel::actor::{Actor, Role, Scope, UserId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::catalogue::{Library, LibraryId};
use crate::changes;
use crate::documents::DocumentId;
use crate::names::LibraryName;

/// Who may read a library without a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Nobody.
    Private,
    /// Everyone who signs in.
    #[default]
    Team,
    /// Everyone who reaches the server.
    Public,
}

/// How far someone may go in a library. Each includes those before.
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
    /// Delete it, and say who may do what.
    Own,
}

/// What a library says of access.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'library> {
    name: &'library str,
    visibility: Visibility,
    granted: Option<Level>,
}

impl<'library> Standing<'library> {
    pub(crate) fn new(name: &'library str, visibility: Visibility, granted: Option<Level>) -> Self {
        Self { name, visibility, granted }
    }

    fn level(self, actor: &Actor) -> Option<Level> {
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

    pub(crate) fn require(
        self,
        actor: &Actor,
        needed: Level,
        unseen: impl FnOnce() -> Error,
    ) -> Result<(), Error> {
        match self.level(actor) {
            None => Err(unseen()),
            Some(level) if level >= needed => Ok(()),
            Some(_) if actor.is_anonymous() => Err(Error::SignIn),
            Some(_) if !actor.has_scope(Scope::Write) => Err(Error::NotAllowed(
                "this key may read and no more: use one with the scope write".to_owned(),
            )),
            Some(_) => Err(Error::NotAllowed(format!(
                "you may not {} {}: one of its owners or an administrator can allow it",
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

fn standing<'library>(actor: &Actor, library: &'library Library) -> Standing<'library> {
    let granted = actor.user_id().and_then(|user| library.grants.get(&user).copied());
    Standing { name: library.name.as_str(), visibility: library.visibility, granted }
}

/// How far an actor may go in a library; `None` where it does not exist for them.
pub fn level(actor: &Actor, library: &Library) -> Option<Level> {
    standing(actor, library).level(actor)
}

/// Refuses an actor who may not go so far in a library that they can see.
pub fn require(actor: &Actor, library: &Library, needed: Level) -> Result<(), Error> {
    let unseen = || Error::NoLibrary { name: library.name.to_string(), nearest: None };
    standing(actor, library).require(actor, needed, unseen)
}

/// Whether an actor may make libraries at all; which names they may have is asked with the name.
pub fn may_make(actor: &Actor) -> bool {
    actor.has_scope(Scope::Write) && actor.has_role(Role::Editor)
}

/// Refuses an actor who may not make libraries.
pub(crate) fn require_making(actor: &Actor, name: &str) -> Result<(), Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    if !actor.has_scope(Scope::Write) {
        return Err(Error::NotAllowed(
            "this key may read and no more: use one with the scope write".to_owned(),
        ));
    }
    if !actor.key_allows_library(name) {
        return Err(Error::NotAllowed(format!("this key does not reach a library {name}")));
    }
    if !actor.has_role(Role::Editor) {
        return Err(Error::NotAllowed(format!(
            "there is no library {name} that you could add to, and only editors and administrators make libraries"
        )));
    }
    Ok(())
}

/// Refuses an actor who may not add to a library, or make it where it is missing.
pub async fn require_adding(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
) -> Result<(), Error> {
    // First: whether a hidden library has this name is nothing to tell a stranger.
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    let found = sqlx::query!(
        r#"-- access.of_library
         select library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $2) as "granted: Level"
         from library.libraries as library where library.name = $1"#,
        name.as_str(),
        actor.user_id().map(|user| user.0),
    )
    .fetch_optional(connection)
    .await?;
    match found {
        Some(row) => {
            Standing::new(name.as_str(), row.visibility, row.granted)
                .require(actor, Level::Write, || Error::NameTaken(name.clone()))
        }
        None => require_making(actor, name.as_str()),
    }
}

/// Refuses an actor who may not go so far with a document.
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
    Standing { name: &row.name, visibility: row.visibility, granted: row.granted }.require(
        actor,
        needed,
        || Error::NoDocument,
    )?;
    Ok(row.id)
}

/// The libraries that exist for an actor.
pub async fn visible(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Uuid>, Error> {
    let rows = sqlx::query!(
        r#"-- access.visible
         select library.id, library.name, library.visibility as "visibility: Visibility",
           granted.level as "granted?: Level"
         from library.libraries as library
         left join library.grants as granted on granted.library_id = library.id and granted.user_id = $1"#,
        actor.user_id().map(|user| user.0),
    )
    .fetch_all(connection)
    .await?;
    let sees =
        |name: &str, visibility, granted| Standing { name, visibility, granted }.level(actor).is_some();
    Ok(rows.iter().filter(|row| sees(&row.name, row.visibility, row.granted)).map(|row| row.id).collect())
}

/// Everybody's grants, by library.
pub(crate) async fn all(
    connection: &mut PgConnection,
) -> Result<HashMap<LibraryId, HashMap<UserId, Level>>, Error> {
    let rows = sqlx::query!(
        r#"-- access.all
         select library_id as "library: LibraryId", user_id as "user: UserId", level as "level: Level"
         from library.grants"#
    )
    .fetch_all(connection)
    .await?;
    let mut grants: HashMap<LibraryId, HashMap<UserId, Level>> = HashMap::new();
    for row in rows {
        grants.entry(row.library).or_default().insert(row.user, row.level);
    }
    Ok(grants)
}

/// Who was granted how much in a library: for its owners.
pub async fn grants(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
) -> Result<Vec<(UserId, Level)>, Error> {
    require(actor, library, Level::Own)?;
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

/// Grants a user so much in a library, or, with `None`, takes the grant back. Nobody takes the library from themselves:
/// there might be nobody left to give it back.
pub async fn grant(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    user: UserId,
    level: Option<Level>,
) -> Result<(), Error> {
    require(actor, library, Level::Own)?;
    if actor.user_id() == Some(user) && level < Some(Level::Own) && !actor.has_role(Role::Admin) {
        return Err(Error::OwnGrant(library.name.clone()));
    }
    set_grant(connection, library.id, user, level).await?;
    changes::record_catalogue(connection).await
}

/// Writes a grant; who calls records the change of the catalogue.
pub(crate) async fn set_grant(
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

/// Changes who may read a library without a grant.
pub async fn set_visibility(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    visibility: Visibility,
) -> Result<(), Error> {
    require(actor, library, Level::Own)?;
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

#[cfg(test)]
mod tests {
    use kernel::actor::KeyId;

    use super::*;

    fn level(actor: &Actor, visibility: Visibility, granted: Option<Level>) -> Option<Level> {
        Standing { name: "gate", visibility, granted }.level(actor)
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
    fn a_key_reaches_what_it_names_and_reads_unless_it_may_write() {
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
