//! Links with a single-use token that set a password: for the first administrator, for a new user, and for one who forgot it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Role, UserId};
use kernel::secret::Token;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use store::cache::Caches;
use store::jobs::{self, JobKind, NewJob};

use crate::access_tokens::{DeviceId, TokenSigner};
use crate::authority::require_admin;
use crate::passwords::PasswordHasher;
use crate::sign_in::{self, ClientInfo, SessionTokens};
use crate::users::{self, NewUser, User};
use crate::{Email, Error, Username, attempts, revocation};

/// Kind of the job that mails a reset link.
pub const MAIL_JOB: JobKind =
    JobKind::new("identity.reset_mail").retry(8, Duration::from_secs(10), Duration::from_mins(10));

/// Lifetime of a reset link in hours.
const RESET_HOURS: f64 = 1.0;
/// Lifetime of a link created by an administrator in hours.
const INVITATION_HOURS: f64 = 72.0;
/// Characters of the name in a reset request that are used.
const MAX_LOGIN_CHARS: usize = 254;

/// A link that was created.
#[derive(Debug)]
pub struct Link {
    /// Token of the link.
    pub token: Token,
    /// Time of expiry; `None` for the setup link, which lasts until there is an administrator.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Request for a reset mail, read from its job.
#[derive(Debug, Clone, Copy)]
pub struct ResetRequest {
    user: UserId,
}

impl ResetRequest {
    /// Reads the payload of a [`MAIL_JOB`]; `None` if it is malformed.
    pub fn from_job(payload: &Value) -> Option<Self> {
        let user = serde_json::from_value(payload.get("user_id")?.clone()).ok()?;
        Some(Self { user })
    }
}

/// Creates the setup link, which creates the first administrator, and voids the previous one. `None` if there is an
/// administrator.
///
/// # Errors
///
/// If the actor is not an administrator or the owner at the command line.
pub async fn create_setup_link(connection: &mut PgConnection, actor: &Actor) -> Result<Option<Link>, Error> {
    require_admin(actor)?;
    if users::has_administrator(connection).await? {
        return Ok(None);
    }
    let token = Token::generate("")?;
    sqlx::query!(
        "-- links.for_setup
         insert into identity.setup_token (token_hash) values ($1)
         on conflict (only_row) do update set token_hash = excluded.token_hash, created_at = now()",
        &token.hash(),
    )
    .execute(connection)
    .await?;
    Ok(Some(Link { token, expires_at: None }))
}

/// Whether the token of a setup link is valid.
///
/// # Errors
///
/// If the database fails.
pub async fn is_setup_token(connection: &mut PgConnection, token: &Token) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- links.is_for_setup
         select exists (select from identity.setup_token where token_hash = $1)
           and not exists (select from identity.users where role = 'admin' and is_active) as "good!""#,
        &token.hash(),
    )
    .fetch_one(connection)
    .await?)
}

/// Creates the first administrator (name, email address, password) with a setup link, and signs them in.
///
/// # Errors
///
/// [`Error::InvalidLink`] if the link is invalid or another administrator exists; also if the password does not meet the
/// policy.
pub async fn create_first_administrator(
    pool: &PgPool,
    caches: &Caches,
    passwords: &PasswordHasher,
    signer: &TokenSigner,
    token: &Token,
    administrator: (Username, Option<Email>, &str),
    client: &ClientInfo,
) -> Result<SessionTokens, Error> {
    let (username, email, password) = administrator;
    let mut connection = store::postgres::acquire(pool).await?;
    if !is_setup_token(&mut connection, token).await? {
        return Err(Error::InvalidLink);
    }
    drop(connection);
    PasswordHasher::check_policy(password, &[username.as_str(), email.as_ref().map_or("", Email::as_str)])?;
    let hash = passwords.hash(password).await?;
    let mut transaction = caches.begin(pool).await?;
    // Deleting the row claims the link: of two concurrent requests one finds none.
    let deleted = sqlx::query!(
        "-- links.use_setup
         delete from identity.setup_token where token_hash = $1",
        &token.hash(),
    )
    .execute(&mut *transaction)
    .await?;
    if deleted.rows_affected() == 0 || users::has_administrator(&mut transaction).await? {
        return Err(Error::InvalidLink);
    }
    let new = NewUser {
        username,
        email,
        role: Role::Admin,
        first_name: String::new(),
        last_name: String::new(),
        password_hash: Some(hash),
    };
    let user = users::insert(&mut transaction, new).await?;
    let tokens = sign_in::start_session(&mut transaction, signer, user.id, None, client).await?;
    transaction.commit().await?;
    Ok(tokens)
}

/// Creates a link with which a user sets a password, for an administrator to hand over. Voids the user's previous link.
///
/// # Errors
///
/// If the actor is not an administrator in person, or there is no such user.
pub async fn create_for_user(
    connection: &mut PgConnection,
    actor: &Actor,
    user: UserId,
) -> Result<Link, Error> {
    require_admin(actor)?;
    users::by_id(connection, user).await?.ok_or(Error::NoUser)?;
    void(connection, user).await?;
    create(connection, user, INVITATION_HOURS).await
}

/// Enqueues the job that mails a reset link to a user, by name or email address.
///
/// For an unknown name a job is enqueued too, which then finds no user: neither the answer nor its duration reveals who has
/// an account.
///
/// # Errors
///
/// [`Error::TooManyAttempts`] while the client has to wait, for this account or for all.
pub async fn request_reset(
    pool: &PgPool,
    signer: &TokenSigner,
    login: &str,
    client: &ClientInfo,
) -> Result<(), Error> {
    let login: String = login.trim().to_lowercase().chars().take(MAX_LOGIN_CHARS).collect();
    let mut transaction = store::postgres::begin(pool).await?;
    let user = find_resettable(&mut transaction, &login).await?;
    let counted = user.as_ref().map_or(login.as_str(), |(_, username)| username);
    let origin = client.origin(signer, user.as_ref().map(|(id, _)| *id));
    attempts::count_mail(&mut transaction, counted, origin).await?;
    let user = user.map_or_else(UserId::new, |(id, _)| id);
    // The link is created when the mail is sent, so that no job holds a secret.
    let job = NewJob { priority: -1, ..NewJob::new(MAIL_JOB, json!({ "user_id": user })) };
    jobs::enqueue(&mut transaction, &[job]).await?;
    transaction.commit().await?;
    Ok(())
}

/// Finds id and name of the active user with an email address for a reset request.
async fn find_resettable(
    connection: &mut PgConnection,
    login: &str,
) -> Result<Option<(UserId, String)>, Error> {
    let user = sqlx::query!(
        r#"-- links.who_forgot
         select id as "id: UserId", username from identity.users
         where (username = $1 or email = $1) and is_active and email is not null
         order by username = $1 desc limit 1"#,
        login,
    )
    .fetch_optional(connection)
    .await?;
    Ok(user.map(|user| (user.id, user.username)))
}

/// Creates the link of a reset request, and returns it with the email address to send it to; `None` if the user does not
/// exist, is inactive or has no address. The user's other links stay valid: anyone can request one, and must not be able to void
/// the link in somebody's mailbox.
///
/// # Errors
///
/// If the database fails.
pub async fn create_for_reset(
    connection: &mut PgConnection,
    request: ResetRequest,
) -> Result<Option<(Link, String)>, Error> {
    let user = users::by_id(connection, request.user).await?.filter(|user| user.is_active);
    let Some((id, email)) = user.and_then(|user| Some((user.id, user.email?))) else { return Ok(None) };
    Ok(Some((create(connection, id, RESET_HOURS).await?, email)))
}

/// Voids all password links of a user.
pub(crate) async fn void(connection: &mut PgConnection, user: UserId) -> Result<(), Error> {
    sqlx::query!(
        "-- links.void
         delete from identity.password_reset_tokens where user_id = $1",
        user.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn create(connection: &mut PgConnection, user: UserId, hours: f64) -> Result<Link, Error> {
    let token = Token::generate("")?;
    let expires_at = sqlx::query_scalar!(
        "-- links.make
         insert into identity.password_reset_tokens (id, user_id, token_hash, expires_at)
         values ($1, $2, $3, now() + $4 * interval '1 hour')
         returning expires_at",
        kernel::id::new(),
        user.0,
        &token.hash(),
        hours,
    )
    .fetch_one(connection)
    .await?;
    Ok(Link { token, expires_at: Some(expires_at) })
}

/// Returns the name of the user whose password a link sets; `None` if the link is invalid.
///
/// # Errors
///
/// If the database fails.
pub async fn find_username(connection: &mut PgConnection, token: &Token) -> Result<Option<String>, Error> {
    Ok(find_user(connection, token).await?.map(|user| user.username))
}

async fn find_user(connection: &mut PgConnection, token: &Token) -> Result<Option<User>, Error> {
    let id = sqlx::query_scalar!(
        r#"-- links.whose
         select user_id as "user: UserId" from identity.password_reset_tokens
         where token_hash = $1 and expires_at > now()"#,
        &token.hash(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => users::by_id(connection, id).await,
        None => Ok(None),
    }
}

/// Sets a password with a link, voids all links of the user, and ends all of their sessions. Returns a device token: the client has
/// proved to be the user's, so other people's wrong passwords must not block its sign-in.
///
/// # Errors
///
/// [`Error::InvalidLink`] if the link is invalid; also if the password does not meet the policy.
pub async fn set_password(
    pool: &PgPool,
    caches: &Caches,
    passwords: &PasswordHasher,
    signer: &TokenSigner,
    token: &Token,
    password: &str,
) -> Result<Token, Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    let user = find_user(&mut connection, token).await?.ok_or(Error::InvalidLink)?;
    drop(connection);
    PasswordHasher::check_policy(password, &users::guessable_names(&user))?;
    let hash = passwords.hash(password).await?;
    let mut transaction = caches.begin(pool).await?;
    // Before the link, because all links of the user are deleted below: two of them, used at the same moment, would deadlock.
    revocation::lock_user(&mut transaction, user.id).await?;
    let now = sqlx::query_scalar!(
        r#"-- links.use
         delete from identity.password_reset_tokens where token_hash = $1 and expires_at > now() returning now() as "now!""#,
        &token.hash(),
    )
    .fetch_optional(&mut *transaction)
    .await?
    .ok_or(Error::InvalidLink)?;
    users::set_password(&mut transaction, user.id, &hash, None).await?;
    transaction.commit().await?;
    signer.sign_device(user.id, DeviceId::new(), now)
}
