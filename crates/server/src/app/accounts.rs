//! Accounts: changes that reach beyond identity's own tables, or must hold at once on every node.

use std::collections::HashMap;
use std::sync::Arc;

use identity::links::{self, Link};
use identity::users::{self, NewUser, User, UserUpdate};
use identity::{Email, Username};
use kernel::actor::{Actor, UserId};
use library::access::Level;
use library::catalogue::{self, Library};
use library::grants;
use sqlx::PgConnection;
use store::Transaction;

use super::App;
use super::error::{Error, Result};

/// Parses an email address; an empty text means none.
pub(crate) fn parse_email(text: Option<&str>) -> std::result::Result<Option<Email>, identity::Error> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => Ok(Some(text.parse()?)),
    }
}

/// Replaces the actor's password. Their other sessions end.
pub(crate) async fn change_password(
    app: &App,
    actor: &Actor,
    current: &str,
    new: &str,
) -> std::result::Result<(), identity::Error> {
    users::change_password(app.pool(), &app.caches, &app.passwords, actor, current, new).await
}

/// Creates a user; without the hash of a password, with a link to set one.
pub(crate) async fn create(app: &App, actor: &Actor, new: NewUser) -> Result<(User, Option<Link>)> {
    let needs_link = new.password_hash.is_none();
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let user = users::create(&mut transaction, actor, new).await?;
    let link =
        if needs_link { Some(links::create_for_user(&mut transaction, actor, user.id).await?) } else { None };
    transaction.commit().await?;
    Ok((user, link))
}

/// Creates a password link to hand to a user. Earlier links become invalid.
pub(crate) async fn create_link(app: &App, actor: &Actor, id: UserId) -> Result<Link> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let link = links::create_for_user(&mut transaction, actor, id).await?;
    transaction.commit().await?;
    Ok(link)
}

/// As [`change`]. The actor's own email address changes with their password alone, since password links are sent to it.
pub(crate) async fn change_confirmed(
    app: &App,
    actor: &Actor,
    id: UserId,
    change: &UserUpdate,
    password: Option<&str>,
) -> Result<User> {
    if change.email.is_some() && actor.user_id() == Some(id) && actor.in_person() {
        let missing = "current_password is required to change your email address";
        let password = password.ok_or_else(|| Error::Forbidden(missing.to_owned()))?;
        let confirmed = users::confirm_password(app.pool(), &app.passwords, actor, password).await;
        confirmed.map_err(|error| match error {
            // They are signed in, whatever the password.
            identity::Error::WrongPassword => Error::Forbidden("wrong current password".to_owned()),
            other => other.into(),
        })?;
    }
    Ok(self::change(app, actor, id, change).await?)
}

/// Changes a user: the actor or, for administrators, anyone. Deactivating a user ends what opens without signing in, too: their share
/// links, keys and password links. Activating them brings none of it back.
pub(crate) async fn change(
    app: &App,
    actor: &Actor,
    id: UserId,
    change: &UserUpdate,
) -> std::result::Result<User, identity::Error> {
    let mut transaction = app.begin().await?;
    let user = change_in(&mut transaction, actor, id, change).await?;
    transaction.commit().await?;
    Ok(user)
}

/// As [`change`], in the caller's transaction.
pub(crate) async fn change_in(
    transaction: &mut Transaction,
    actor: &Actor,
    id: UserId,
    change: &UserUpdate,
) -> std::result::Result<User, identity::Error> {
    let user = users::update(transaction, actor, id, change).await?;
    if change.is_active == Some(false) {
        chat::transfer::shares::delete_all_of(transaction, id).await.map_err(internal)?;
    }
    Ok(user)
}

/// Deletes a user with everything that belongs to them alone.
pub(crate) async fn delete(app: &App, actor: &Actor, id: UserId) -> std::result::Result<(), identity::Error> {
    let mut transaction = app.begin().await?;
    if actor.is_admin() {
        social::people::prepare_deletion(&mut transaction, id).await.map_err(internal)?;
        library::notes::forget_author(&mut transaction, id).await.map_err(internal)?;
    }
    users::delete(&mut transaction, actor, id).await?;
    // Their grants are deleted with them.
    library::changes::record_catalogue(&mut transaction).await.map_err(internal)?;
    transaction.commit().await?;
    Ok(())
}

fn internal(error: impl std::error::Error) -> identity::Error {
    identity::Error::Internal(kernel::chain::Chain(&error).to_string())
}

/// Returns the permissions in a library by user name: for its owners.
pub(crate) async fn grants(app: &App, actor: &Actor, library: &str) -> Result<Vec<(String, Level)>> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let library = find_library(&mut connection, actor, library).await?;
    let levels: HashMap<UserId, Level> =
        grants::list(&mut connection, actor, &library).await?.into_iter().collect();
    let ids: Vec<UserId> = levels.keys().copied().collect();
    let names = users::usernames(&mut connection, actor, &ids).await?;
    Ok(names.into_iter().filter_map(|(id, username)| Some((username, *levels.get(&id)?))).collect())
}

/// Sets or, with `None`, revokes a user's permission in a library: for its owners. Returns the user's name as stored.
pub(crate) async fn set_grant(
    app: &App,
    actor: &Actor,
    library: &str,
    username: &str,
    level: Option<Level>,
) -> Result<Username> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let library = find_library(&mut transaction, actor, library).await?;
    // Checked first, so that only an owner learns which users exist.
    library.require(actor, Level::Own)?;
    let username: Username = username.parse().map_err(identity::Error::from)?;
    let user = users::find_id(&mut transaction, actor, &username).await?;
    grants::set(&mut transaction, actor, &library, user, level).await?;
    transaction.commit().await?;
    Ok(username)
}

/// Returns a library by its name, read from the database.
pub(crate) async fn find_library(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &str,
) -> Result<Arc<Library>> {
    let name = name.parse().map_err(library::Error::from)?;
    Ok(Arc::clone(catalogue::read(connection).await?.library(actor, &name)?))
}
