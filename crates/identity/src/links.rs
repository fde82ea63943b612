//! Links by which a person sets a password: the first administrator, somebody new, somebody who forgot.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Role, UserId};
use kernel::secret::Token;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, NewJob};

use crate::passwords::Passwords;
use crate::sessions::{self, Origin, SignedIn};
use crate::signing::Signing;
use crate::users::{self, NewUser};
use crate::{Email, Error, Username, attempts};

/// The kind of the job that mails a link to somebody who forgot their password.
pub const MAIL_JOB: &str = "identity.reset_mail";

/// How long a link for somebody who forgot is good, in hours.
const RESET_HOURS: f64 = 1.0;
/// How long a link that an administrator made is good, in hours.
const INVITATION_HOURS: f64 = 72.0;

/// A link that was made.
#[derive(Debug)]
pub struct Link {
    /// What the link holds.
    pub token: Token,
    /// Until when it is good; `None` while there is no administrator.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A link that makes the first administrator; the one before is void. `None` once there is one.
pub async fn for_setup(connection: &mut PgConnection) -> Result<Option<Link>, Error> {
    if users::has_administrator(connection).await? {
        return Ok(None);
    }
    let token = Token::new("")?;
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

/// Whether a setup link is good.
pub async fn is_for_setup(connection: &mut PgConnection, token: &Token) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- links.is_for_setup
         select exists (select from identity.setup_token where token_hash = $1)
           and not exists (select from identity.users where role = 'admin' and is_active) as "good!""#,
        &token.hash(),
    )
    .fetch_one(connection)
    .await?)
}

/// Makes the first administrator by a setup link, and signs them in.
pub async fn set_up(
    pool: &PgPool,
    passwords: &Passwords,
    signing: &Signing,
    token: &Token,
    administrator: (Username, Option<Email>, &str),
    origin: &Origin,
) -> Result<SignedIn, Error> {
    let (username, email, password) = administrator;
    let mut connection = store::postgres::acquire(pool).await?;
    if !is_for_setup(&mut connection, token).await? {
        return Err(Error::BadLink);
    }
    drop(connection);
    Passwords::judge(password, &[username.as_str(), email.as_ref().map_or("", Email::as_str)])?;
    let hash = passwords.hash(password).await?;
    let mut transaction = store::postgres::begin(pool).await?;
    // Whoever deletes the row has the link; a second one finds none.
    let deleted = sqlx::query!(
        "-- links.use_setup
         delete from identity.setup_token where token_hash = $1",
        &token.hash(),
    )
    .execute(&mut *transaction)
    .await?;
    if deleted.rows_affected() == 0 || users::has_administrator(&mut transaction).await? {
        return Err(Error::BadLink);
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
    let signed_in = sessions::begin(&mut transaction, signing, user.id, origin).await?;
    transaction.commit().await?;
    Ok(signed_in)
}

/// A link by which a user sets a password, for an administrator to hand over.
pub async fn for_user(connection: &mut PgConnection, actor: &Actor, user: UserId) -> Result<Link, Error> {
    users::require_admin(actor)?;
    users::by_id(connection, user).await?.ok_or(Error::NoUser)?;
    make(connection, user, INVITATION_HOURS).await
}

/// Writes the job that mails a link to somebody who forgot their password, named by their name or mail address. For
/// nobody it is written too, and finds nobody later: neither the answer nor the time it takes tells who has an account.
pub async fn forgot(pool: &PgPool, name: &str, origin: &Origin) -> Result<(), Error> {
    let name: String = name.trim().to_lowercase().chars().take(254).collect();
    let mut transaction = store::postgres::begin(pool).await?;
    let counted = attempts::count_mail(&mut transaction, &name, origin.ip_address.as_deref()).await;
    if counted.is_ok() {
        let user = who_forgot(&mut transaction, &name).await?.unwrap_or_else(UserId::new);
        // The link is made when the mail is sent: no secret lies among the jobs.
        let job = NewJob { priority: -1, ..NewJob::new(MAIL_JOB, json!({ "user_id": user })) };
        jobs::enqueue(&mut transaction, &[job]).await?;
    }
    transaction.commit().await?;
    counted
}

/// The user whom a job of [`MAIL_JOB`] is about.
pub fn user_of(payload: &Value) -> Option<UserId> {
    serde_json::from_value(payload.get("user_id")?.clone()).ok()
}

async fn who_forgot(connection: &mut PgConnection, name: &str) -> Result<Option<UserId>, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- links.who_forgot
         select id as "id: UserId" from identity.users
         where (username = $1 or email = $1) and is_active and email is not null
         order by username = $1 desc limit 1"#,
        name,
    )
    .fetch_optional(connection)
    .await?)
}

/// A link for somebody who forgot, with the address it is sent to; `None` where there is none any more. The links made
/// before are void.
pub async fn for_mail(connection: &mut PgConnection, user: UserId) -> Result<Option<(Link, String)>, Error> {
    let user = users::by_id(connection, user).await?.filter(|user| user.is_active);
    let Some((id, email)) = user.and_then(|user| Some((user.id, user.email?))) else { return Ok(None) };
    Ok(Some((make(connection, id, RESET_HOURS).await?, email)))
}

async fn make(connection: &mut PgConnection, user: UserId, hours: f64) -> Result<Link, Error> {
    let token = Token::new("")?;
    sqlx::query!(
        "-- links.void
         delete from identity.password_reset_tokens where user_id = $1",
        user.0,
    )
    .execute(&mut *connection)
    .await?;
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

/// Whose link this is, if it is good.
pub async fn whose(connection: &mut PgConnection, token: &Token) -> Result<Option<UserId>, Error> {
    Ok(sqlx::query_scalar!(
        r#"-- links.whose
         select user_id as "user: UserId" from identity.password_reset_tokens
         where token_hash = $1 and expires_at > now()"#,
        &token.hash(),
    )
    .fetch_optional(connection)
    .await?)
}

/// Sets a password by a link, which is void from then on, and ends every session of the user.
pub async fn set_password(
    pool: &PgPool,
    passwords: &Passwords,
    token: &Token,
    password: &str,
) -> Result<UserId, Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    let user = whose(&mut connection, token).await?.ok_or(Error::BadLink)?;
    let user = users::by_id(&mut connection, user).await?.ok_or(Error::BadLink)?;
    drop(connection);
    Passwords::judge(password, &users::about(&user))?;
    let hash = passwords.hash(password).await?;
    let mut transaction = store::postgres::begin(pool).await?;
    let deleted = sqlx::query!(
        "-- links.use
         delete from identity.password_reset_tokens where token_hash = $1 and expires_at > now()",
        &token.hash(),
    )
    .execute(&mut *transaction)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(Error::BadLink);
    }
    users::set_password(&mut transaction, user.id, &hash, None).await?;
    transaction.commit().await?;
    Ok(user.id)
}
