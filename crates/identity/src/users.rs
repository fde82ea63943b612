//! Users: who there is, and what they may in the whole installation.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Role, UserId};
use kernel::page::{Cursor, Page};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::attempts::Attempt;
use crate::passwords::{Passwords, is_hash};
use crate::{Email, Error, Username, sessions};

/// A user, as they are shown. What is kept of their password never leaves the database.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct User {
    /// Their id.
    #[schema(value_type = uuid::Uuid)]
    pub id: UserId,
    /// The name by which they sign in.
    pub username: String,
    /// Their mail address.
    pub email: Option<String>,
    /// What they are in the whole installation.
    #[schema(value_type = String)]
    pub role: Role,
    /// Whether they may sign in.
    pub is_active: bool,
    /// Their first name.
    pub first_name: String,
    /// Their last name.
    pub last_name: String,
    /// Where their picture is.
    pub avatar: Option<String>,
    /// When they last signed in.
    pub last_login: Option<DateTime<Utc>>,
    /// When they were made.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
}

/// A user to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name by which they sign in.
    pub username: Username,
    /// Their mail address.
    pub email: Option<Email>,
    /// What they are.
    pub role: Role,
    /// Their first name.
    pub first_name: String,
    /// Their last name.
    pub last_name: String,
    /// The hash of their password, where they come from another system: Argon2 or bcrypt.
    pub password_hash: Option<String>,
}

/// What is changed of a user; what is none stays.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Change {
    /// Their mail address.
    pub email: Option<String>,
    /// Their first name.
    pub first_name: Option<String>,
    /// Their last name.
    pub last_name: Option<String>,
    /// Where their picture is.
    pub avatar: Option<String>,
    /// What they are: for administrators to say.
    pub role: Option<Role>,
    /// Whether they may sign in: for administrators to say.
    pub is_active: Option<bool>,
}

/// Refuses all but administrators in person.
pub(crate) fn require_admin(actor: &Actor) -> Result<(), Error> {
    if actor.is_admin() {
        Ok(())
    } else if actor.is_nobody() {
        Err(Error::SignIn)
    } else {
        Err(Error::NotAllowed("only an administrator may do this, signed in and not by a key"))
    }
}

/// Refuses all but the user themselves and administrators, in person.
pub(crate) fn require_self(actor: &Actor, user: UserId) -> Result<(), Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    if !actor.in_person() {
        return Err(Error::NotAllowed("a key may not do this: sign in"));
    }
    // Who else there is, is not said.
    if actor.is_admin() || actor.user_id() == Some(user) { Ok(()) } else { Err(Error::NoUser) }
}

/// Makes a user.
pub async fn create(connection: &mut PgConnection, actor: &Actor, user: NewUser) -> Result<User, Error> {
    require_admin(actor)?;
    if user.password_hash.as_deref().is_some_and(|hash| !is_hash(hash)) {
        return Err(Error::Invalid(
            "the password's hash is neither Argon2 ($argon2…) nor bcrypt ($2…)".to_owned(),
        ));
    }
    insert(connection, user).await
}

/// Makes a user, whoever asks.
pub(crate) async fn insert(connection: &mut PgConnection, user: NewUser) -> Result<User, Error> {
    check_names(Some(&user.first_name), Some(&user.last_name))?;
    Ok(sqlx::query_as!(
        User,
        r#"-- users.insert
         insert into identity.users (id, username, email, role, first_name, last_name, password_hash)
         values ($1, $2, $3, $4, $5, $6, $7)
         returning id as "id: UserId", username, email, role as "role: Role", is_active, first_name, last_name, avatar,
           last_login, created_at, updated_at"#,
        UserId::new().0,
        user.username.as_str(),
        user.email.as_ref().map(Email::as_str),
        user.role as Role,
        user.first_name,
        user.last_name,
        user.password_hash,
    )
    .fetch_one(connection)
    .await?)
}

/// The user of this id: for themselves and for administrators.
pub async fn find(connection: &mut PgConnection, actor: &Actor, id: UserId) -> Result<Option<User>, Error> {
    match require_self(actor, id) {
        Err(Error::NoUser) => return Ok(None),
        other => other?,
    }
    by_id(connection, id).await
}

pub(crate) async fn by_id(connection: &mut PgConnection, id: UserId) -> Result<Option<User>, Error> {
    Ok(sqlx::query_as!(
        User,
        r#"-- users.find
         select id as "id: UserId", username, email, role as "role: Role", is_active, first_name, last_name, avatar,
           last_login, created_at, updated_at
         from identity.users where id = $1"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?)
}

/// The id of the user of this name: for whoever is signed in, who may grant them something.
pub async fn id_of(connection: &mut PgConnection, actor: &Actor, name: &Username) -> Result<UserId, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    sqlx::query_scalar!(
        r#"-- users.id_of
         select id as "id: UserId" from identity.users where username = $1"#,
        name.as_str(),
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::NoUser)
}

/// The names of these users.
pub async fn names(connection: &mut PgConnection, ids: &[UserId]) -> Result<Vec<(UserId, String)>, Error> {
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"-- users.names
         select id as "id: UserId", username from identity.users where id = any ($1) order by username"#,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.username)).collect())
}

/// Users by name: for administrators.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<User>, Error> {
    search(connection, actor, "", after, limit).await
}

/// Users in whose names or mail address this stands, by name: for administrators.
pub async fn search(
    connection: &mut PgConnection,
    actor: &Actor,
    wanted: &str,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<User>, Error> {
    require_admin(actor)?;
    let after: String = match after {
        Some(cursor) => cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?,
        None => String::new(),
    };
    let rows = sqlx::query_as!(
        User,
        r#"-- users.list
         select id as "id: UserId", username, email, role as "role: Role", is_active, first_name, last_name, avatar,
           last_login, created_at, updated_at
         from identity.users
         where username > $1
           and ($3 = '' or position($3 in lower(concat_ws(' ', username, email, first_name, last_name))) > 0)
         order by username limit $2"#,
        after,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
        wanted.trim().to_lowercase(),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::cut(rows, limit, |last| Cursor::encode(&last.username)))
}

/// Changes a user. Role and activity are for administrators to say; whoever is made inactive is signed out everywhere.
pub async fn change(
    connection: &mut PgConnection,
    actor: &Actor,
    id: UserId,
    change: &Change,
) -> Result<User, Error> {
    require_self(actor, id)?;
    if change.role.is_some() || change.is_active.is_some() {
        require_admin(actor)?;
        lock_administrators(connection).await?;
    }
    check_names(change.first_name.as_deref(), change.last_name.as_deref())?;
    if change.avatar.as_deref().is_some_and(|avatar| avatar.len() > 500) {
        return Err(Error::Invalid("the address of a picture has at most 500 characters".to_owned()));
    }
    let email: Option<Email> = match change.email.as_deref() {
        None | Some("") => None,
        Some(text) => Some(text.parse()?),
    };
    let user = sqlx::query_as!(
        User,
        r#"-- users.change
         update identity.users set
           email = case when $2 then null else coalesce($3, email) end,
           first_name = coalesce($4, first_name), last_name = coalesce($5, last_name),
           avatar = case when $6 = '' then null else coalesce($6, avatar) end,
           role = coalesce($7, role), is_active = coalesce($8, is_active), updated_at = now()
         where id = $1
         returning id as "id: UserId", username, email, role as "role: Role", is_active, first_name, last_name, avatar,
           last_login, created_at, updated_at"#,
        id.0,
        change.email.as_deref() == Some(""),
        email.as_ref().map(Email::as_str),
        change.first_name,
        change.last_name,
        change.avatar,
        change.role as Option<Role>,
        change.is_active,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Error::NoUser)?;
    if change.role.is_some() || change.is_active.is_some() {
        require_an_administrator(connection).await?;
        if !user.is_active {
            sessions::end_all(connection, id, None).await?;
        }
        tell(connection).await?;
    }
    Ok(user)
}

/// Deletes a user with their sessions and keys.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, id: UserId) -> Result<(), Error> {
    require_admin(actor)?;
    lock_administrators(connection).await?;
    let deleted = sqlx::query!(
        "-- users.delete
         delete from identity.users where id = $1",
        id.0,
    )
    .execute(&mut *connection)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(Error::NoUser);
    }
    require_an_administrator(connection).await?;
    tell(connection).await
}

/// Changes one's own password; every other session of theirs ends.
pub async fn change_password(
    pool: &sqlx::PgPool,
    passwords: &Passwords,
    actor: &Actor,
    current: &str,
    new: &str,
) -> Result<(), Error> {
    let (user, attempt) = check_own(pool, passwords, actor, current).await?;
    Passwords::judge(new, &about(&user))?;
    let hash = passwords.hash(new).await?;
    let mut transaction = store::postgres::begin(pool).await?;
    attempt.succeeded(&mut transaction).await?;
    set_password(&mut transaction, user.id, &hash, actor.session_id()).await?;
    transaction.commit().await?;
    Ok(())
}

/// Whether somebody who is signed in knows their password: before what would let a thief of their session keep it.
pub async fn confirm(
    pool: &sqlx::PgPool,
    passwords: &Passwords,
    actor: &Actor,
    password: &str,
) -> Result<(), Error> {
    let (_user, attempt) = check_own(pool, passwords, actor, password).await?;
    let mut transaction = store::postgres::begin(pool).await?;
    attempt.succeeded(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn check_own(
    pool: &sqlx::PgPool,
    passwords: &Passwords,
    actor: &Actor,
    password: &str,
) -> Result<(User, Attempt), Error> {
    if !actor.is_nobody() && !actor.in_person() {
        return Err(Error::NotAllowed("a key may not do this: sign in"));
    }
    let id = actor.user_id().ok_or(Error::SignIn)?;
    let mut connection = store::postgres::acquire(pool).await?;
    let user = by_id(&mut connection, id).await?.ok_or(Error::NoUser)?;
    let kept = sqlx::query_scalar!(
        "-- users.password
         select password_hash from identity.users where id = $1",
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .flatten();
    // Not held while a password is hashed.
    drop(connection);
    let attempt = Attempt::begin(pool, &user.username, None).await?;
    if passwords.check(password, kept).await?.right { Ok((user, attempt)) } else { Err(Error::BadPassword) }
}

/// Sets a password's hash and ends every session but one.
pub(crate) async fn set_password(
    connection: &mut PgConnection,
    id: UserId,
    hash: &str,
    but: Option<kernel::actor::SessionId>,
) -> Result<(), Error> {
    sqlx::query!(
        "-- users.set_password
         update identity.users set password_hash = $2, updated_at = now() where id = $1",
        id.0,
        hash,
    )
    .execute(&mut *connection)
    .await?;
    sessions::end_all(connection, id, but).await
}

/// What is guessed first of somebody's password.
pub(crate) fn about(user: &User) -> Vec<&str> {
    let mut about = vec![user.username.as_str(), &user.first_name, &user.last_name];
    about.extend(user.email.as_deref());
    about
}

/// Whether there is an administrator who can sign in, or could with a link.
pub async fn has_administrator(connection: &mut PgConnection) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- users.has_administrator
         select exists (select from identity.users where role = 'admin' and is_active) as "has!""#
    )
    .fetch_one(connection)
    .await?)
}

/// Two who each take the other's role away at the same moment come one after the other.
async fn lock_administrators(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "-- users.lock_administrators
         select id from identity.users where role = 'admin' order by id for no key update"
    )
    .fetch_all(connection)
    .await?;
    Ok(())
}

async fn require_an_administrator(connection: &mut PgConnection) -> Result<(), Error> {
    if has_administrator(connection).await? { Ok(()) } else { Err(Error::LastAdministrator) }
}

fn check_names(first: Option<&str>, last: Option<&str>) -> Result<(), Error> {
    let bad = |name: Option<&str>| {
        name.is_some_and(|name| name.chars().count() > 100 || name.chars().any(char::is_control))
    };
    if bad(first) || bad(last) {
        return Err(Error::Invalid("a first or last name has at most 100 characters".to_owned()));
    }
    Ok(())
}

/// Tells every node, when the transaction commits, that what it remembers is no longer so.
pub(crate) async fn tell(connection: &mut PgConnection) -> Result<(), Error> {
    Ok(store::cache::invalidate_all(connection).await?)
}
