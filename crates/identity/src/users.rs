//! Users: accounts, roles, and changes of the password.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Role, SessionId, UserId};
use kernel::page::{Cursor, Page};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use store::Transaction;
use store::cache::Caches;
use utoipa::ToSchema;

use crate::attempts::{Attempt, Origin};
use crate::authority::{require_admin, require_in_person, require_self, require_signed_in};
use crate::passwords::{PasswordHasher, is_hash};
use crate::{Email, Error, Username, keys, links, revocation, sessions};

/// Maximum length of a first or last name, in characters.
pub const MAX_NAME_CHARS: usize = 100;
/// Maximum length of the address of a picture, in characters.
pub const MAX_AVATAR_CHARS: usize = 500;

/// A user. The password hash never leaves this crate.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct User {
    /// Id.
    #[schema(value_type = uuid::Uuid)]
    pub id: UserId,
    /// Unique name, used to sign in.
    pub username: String,
    /// Unique email address, can be used to sign in.
    pub email: Option<String>,
    /// Role in the whole installation.
    pub role: Role,
    /// Whether the user can sign in.
    pub is_active: bool,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// URL of the user's picture.
    pub avatar: Option<String>,
    /// Time of the last sign-in.
    pub last_login: Option<DateTime<Utc>>,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// User to create.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Unique name.
    pub username: Username,
    /// Unique email address.
    pub email: Option<Email>,
    /// Role in the whole installation.
    pub role: Role,
    /// First name, at most 100 characters.
    pub first_name: String,
    /// Last name, at most 100 characters.
    pub last_name: String,
    /// Argon2 or bcrypt hash of the password of an imported user.
    pub password_hash: Option<String>,
}

/// Changes to a user; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserUpdate {
    /// Email address; empty to remove it.
    pub email: Option<String>,
    /// First name, at most 100 characters.
    pub first_name: Option<String>,
    /// Last name, at most 100 characters.
    pub last_name: Option<String>,
    /// Address of a picture, `https://…` or a path on this server, at most 500 characters; empty to remove it.
    pub avatar: Option<String>,
    /// Role. Administrators only.
    pub role: Option<Role>,
    /// Whether the user can sign in. Administrators only.
    pub is_active: Option<bool>,
}

/// Creates a user.
///
/// # Errors
///
/// If the actor is not an administrator in person, a field is invalid, or the name or email address is taken.
pub async fn create(connection: &mut PgConnection, actor: &Actor, user: NewUser) -> Result<User, Error> {
    require_admin(actor)?;
    if user.password_hash.as_deref().is_some_and(|hash| !is_hash(hash)) {
        return Err(Error::Invalid(
            "invalid password hash: use Argon2 ($argon2…) or bcrypt ($2…)".to_owned(),
        ));
    }
    insert(connection, user).await
}

/// Inserts a user without checking authority.
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

/// Returns a user: to themselves and to administrators, in person.
///
/// # Errors
///
/// If the actor is not signed in in person.
pub async fn find(connection: &mut PgConnection, actor: &Actor, id: UserId) -> Result<Option<User>, Error> {
    match require_self(actor, id) {
        Err(Error::NoUser) => return Ok(None),
        other => other?,
    }
    by_id(connection, id).await
}

/// Returns the users of several ids in the order of the ids, by the same rule as [`find`]; users that [`find`] would not
/// return are left out.
///
/// # Errors
///
/// If the actor is not signed in in person.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[UserId],
) -> Result<Vec<User>, Error> {
    require_in_person(actor)?;
    let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
    Ok(sqlx::query_as!(
        User,
        r#"-- users.find_many
         select user_.id as "id: UserId", username, email, role as "role: Role", is_active, first_name, last_name, avatar,
           last_login, created_at, updated_at
         from unnest($1::uuid[]) with ordinality as requested (id, position)
         join identity.users as user_ on user_.id = requested.id
         where $2 or user_.id = $3
         order by requested.position"#,
        &ids,
        actor.is_admin(),
        actor.user_id().map(|id| id.0),
    )
    .fetch_all(connection)
    .await?)
}

/// Loads a user without checking authority.
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

/// Person to whom a job sends a mail.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The person, for what they can see.
    pub actor: Actor,
    /// Email address.
    pub email: String,
    /// Language that they chose for pages, if any.
    pub language: Option<String>,
}

/// Returns an active user with an email address, to whom a job sends a mail; `None` if there is none. No API calls it: it checks no
/// authority.
///
/// # Errors
///
/// If the database fails.
pub async fn find_recipient(connection: &mut PgConnection, id: UserId) -> Result<Option<Recipient>, Error> {
    let row = sqlx::query!(
        r#"-- users.find_recipient
         select username, role as "role: Role", email as "email!", language
         from identity.users where id = $1 and is_active and email is not null"#,
        id.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Recipient {
        actor: Actor::user(id, &row.username, row.role, None),
        email: row.email,
        language: row.language,
    }))
}

/// Requires that a user is active, and that nobody deactivates them before the commit: what is created for them meanwhile would be
/// missed by the deactivation and come back with the user.
pub(crate) async fn require_active(connection: &mut PgConnection, id: UserId) -> Result<(), Error> {
    let is_active = sqlx::query_scalar!(
        "-- users.hold_active
         select is_active from identity.users where id = $1 for key share",
        id.0,
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::NoUser)?;
    if is_active {
        Ok(())
    } else {
        Err(Error::Invalid("this user is deactivated: activate them first".to_owned()))
    }
}

/// Returns the id of a user by name. Every signed-in user may ask, to grant somebody access.
///
/// # Errors
///
/// If the actor is not signed in, or there is no such user.
pub async fn find_id(connection: &mut PgConnection, actor: &Actor, name: &Username) -> Result<UserId, Error> {
    require_signed_in(actor)?;
    sqlx::query_scalar!(
        r#"-- users.id_of
         select id as "id: UserId" from identity.users where username = $1"#,
        name.as_str(),
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Error::NoUser)
}

/// Returns ids and names of several users, sorted by name. Every signed-in actor may ask.
///
/// # Errors
///
/// If the actor is not signed in.
pub async fn usernames(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[UserId],
) -> Result<Vec<(UserId, String)>, Error> {
    require_signed_in(actor)?;
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

/// Returns a page of all users, sorted by name. Administrators only.
///
/// # Errors
///
/// As [`search`].
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<User>, Error> {
    search(connection, actor, "", after, limit).await
}

/// Returns a page of the users whose names or email address contain `query` (ignoring case; empty for all), sorted by name.
///
/// # Errors
///
/// If the actor is not an administrator in person, or the cursor is invalid.
pub async fn search(
    connection: &mut PgConnection,
    actor: &Actor,
    query: &str,
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
        query.trim().to_lowercase(),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, |last| Cursor::encode(&last.username)))
}

/// Updates a user: themselves or an administrator, in person. A deactivated user is signed out everywhere, and their keys and
/// password links are deleted: reactivating the user brings none of it back.
///
/// # Errors
///
/// If the actor cannot do this, a field is invalid or taken, or the last active administrator would lose the role.
pub async fn update(
    transaction: &mut Transaction,
    actor: &Actor,
    id: UserId,
    update: &UserUpdate,
) -> Result<User, Error> {
    require_self(actor, id)?;
    let changes_authority = update.role.is_some() || update.is_active.is_some();
    let mut had_administrator = false;
    if changes_authority {
        require_admin(actor)?;
        had_administrator = lock_administrators(transaction).await?;
        revocation::invalidate_user(transaction, id).await?;
    }
    check_names(update.first_name.as_deref(), update.last_name.as_deref())?;
    if update.avatar.as_deref().is_some_and(|avatar| !is_avatar(avatar)) {
        return Err(Error::Invalid(format!(
            "the address of a picture begins with https://, or with / on this server, and has at most {MAX_AVATAR_CHARS} \
             characters without spaces"
        )));
    }
    let email: Option<Email> = match update.email.as_deref() {
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
        update.email.as_deref() == Some(""),
        email.as_ref().map(Email::as_str),
        update.first_name,
        update.last_name,
        update.avatar,
        update.role as Option<Role>,
        update.is_active,
    )
    .fetch_optional(&mut **transaction)
    .await?
    .ok_or(Error::NoUser)?;
    if changes_authority {
        require_an_administrator(transaction, had_administrator).await?;
        if !user.is_active {
            sessions::end_all(transaction, id, None).await?;
            keys::delete_all_of(transaction, id).await?;
            links::void(transaction, id).await?;
        }
    }
    Ok(user)
}

/// Deletes a user with their sessions, keys and everything else that belongs to them.
///
/// # Errors
///
/// If the actor is not an administrator in person, there is no such user, or they are the last active administrator.
pub async fn delete(transaction: &mut Transaction, actor: &Actor, id: UserId) -> Result<(), Error> {
    require_admin(actor)?;
    let had_administrator = lock_administrators(transaction).await?;
    revocation::invalidate_user(transaction, id).await?;
    let deleted = sqlx::query!(
        "-- users.delete
         delete from identity.users where id = $1",
        id.0,
    )
    .execute(&mut **transaction)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(Error::NoUser);
    }
    require_an_administrator(transaction, had_administrator).await
}

/// Changes the actor's own password and ends their other sessions.
///
/// # Errors
///
/// If the actor is not a user in person, the current password is wrong, or the new one does not meet the policy.
pub async fn change_password(
    pool: &PgPool,
    caches: &Caches,
    passwords: &PasswordHasher,
    actor: &Actor,
    current: &str,
    new: &str,
) -> Result<(), Error> {
    let (user, attempt) = verify_own(pool, passwords, actor, current).await?;
    PasswordHasher::check_policy(new, &guessable_names(&user))?;
    let hash = passwords.hash(new).await?;
    let mut transaction = caches.begin(pool).await?;
    attempt.succeeded(&mut transaction).await?;
    set_password(&mut transaction, user.id, &hash, actor.session_id()).await?;
    transaction.commit().await?;
    Ok(())
}

/// Verifies the actor's own password, before a change that would let the thief of a session keep the account.
///
/// # Errors
///
/// If the actor is not a user in person, or the password is wrong.
pub async fn confirm_password(
    pool: &PgPool,
    passwords: &PasswordHasher,
    actor: &Actor,
    password: &str,
) -> Result<(), Error> {
    let (_user, attempt) = verify_own(pool, passwords, actor, password).await?;
    let mut transaction = store::postgres::begin(pool).await?;
    attempt.succeeded(&mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn verify_own(
    pool: &PgPool,
    passwords: &PasswordHasher,
    actor: &Actor,
    password: &str,
) -> Result<(User, Attempt), Error> {
    require_in_person(actor)?;
    let id = actor.user_id().ok_or(Error::SignIn)?;
    let mut connection = store::postgres::acquire(pool).await?;
    let user = by_id(&mut connection, id).await?.ok_or(Error::NoUser)?;
    let stored = sqlx::query_scalar!(
        "-- users.password
         select password_hash from identity.users where id = $1",
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .flatten();
    // Not held while the password is hashed.
    drop(connection);
    // By session, so that nobody else's wrong passwords make its user wait.
    let origin = actor.session_id().map_or(Origin::Address(None), Origin::Session);
    let attempt = Attempt::count(pool, &user.username, origin).await?;
    if passwords.verify(password, stored).await?.matches {
        Ok((user, attempt))
    } else {
        Err(Error::WrongPassword)
    }
}

/// Sets the password hash, voids the user's password links and ends their sessions except one.
pub(crate) async fn set_password(
    transaction: &mut Transaction,
    id: UserId,
    hash: &str,
    except: Option<SessionId>,
) -> Result<(), Error> {
    sqlx::query!(
        "-- users.set_password
         update identity.users set password_hash = $2, updated_at = now() where id = $1",
        id.0,
        hash,
    )
    .execute(&mut **transaction)
    .await?;
    links::void(transaction, id).await?;
    sessions::end_all(transaction, id, except).await
}

/// Returns the names and address that are guessed first as a user's password.
pub(crate) fn guessable_names(user: &User) -> Vec<&str> {
    let mut names = vec![user.username.as_str(), &user.first_name, &user.last_name];
    names.extend(user.email.as_deref());
    names
}

/// Whether a text is the address of a picture, or empty: over TLS or on this server, since others show it to everybody who looks at
/// the user.
fn is_avatar(text: &str) -> bool {
    let is_host = |first: char| first.is_ascii_alphanumeric() || first == '[';
    let is_address = text.is_empty()
        || text.strip_prefix("https://").is_some_and(|rest| rest.starts_with(is_host))
        || text.strip_prefix('/').is_some_and(|rest| !rest.starts_with('/'));
    // Browsers take a backslash for a slash.
    is_address
        && text.len() <= MAX_AVATAR_CHARS
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

/// Whether there is an active administrator. Public: it decides whether the pages offer the setup.
///
/// # Errors
///
/// If the database fails.
pub async fn has_administrator(connection: &mut PgConnection) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- users.has_administrator
         select exists (select from identity.users where role = 'admin' and is_active) as "has!""#
    )
    .fetch_one(connection)
    .await?)
}

/// Locks the administrators' rows, so that two who demote each other at the same moment are serialized.
/// Locks the administrators' rows, and returns whether one of them is active.
async fn lock_administrators(connection: &mut PgConnection) -> Result<bool, Error> {
    let active = sqlx::query_scalar!(
        "-- users.lock_administrators
         select is_active from identity.users where role = 'admin' order by id for no key update"
    )
    .fetch_all(connection)
    .await?;
    Ok(active.contains(&true))
}

/// Fails if a change has removed the last active administrator. `had_one` is the state before: without one, as after the
/// installation, the owner on the command line can still change users.
async fn require_an_administrator(connection: &mut PgConnection, had_one: bool) -> Result<(), Error> {
    if !had_one || has_administrator(connection).await? { Ok(()) } else { Err(Error::LastAdministrator) }
}

fn check_names(first: Option<&str>, last: Option<&str>) -> Result<(), Error> {
    let is_invalid = |name: Option<&str>| {
        name.is_some_and(|name| name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control))
    };
    if is_invalid(first) || is_invalid(last) {
        return Err(Error::Invalid(format!(
            "a first or last name has at most {MAX_NAME_CHARS} characters, and no control characters"
        )));
    }
    Ok(())
}
