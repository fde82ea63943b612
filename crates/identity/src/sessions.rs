//! Sessions: signing in, renewing, and signing out, which holds at once on every node.
//!
//! A session's token is shown by pages as a cookie, and renews access tokens; it is kept as a hash. A session lives as
//! long as its row.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Role, SessionId, UserId};
use kernel::page::{Cursor, Page};
use kernel::secret::Token;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::attempts::Attempt;
use crate::passwords::Passwords;
use crate::signing::{ACCESS_SECONDS, Signing};
use crate::users::{self, User};
use crate::{Error, attempts};

/// How long a session lives without being used, in days.
const LIFETIME_DAYS: f64 = 30.0;
/// What a session's token begins with.
pub const TOKEN_PREFIX: &str = "ws_";
/// The most sessions one user has; the one that was used longest ago makes room.
const MOST: i64 = 100;

/// A session, as it is shown to its user.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Session {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// Where it was begun.
    pub ip_address: Option<String>,
    /// With what it was begun.
    pub user_agent: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to a few minutes.
    pub last_used: DateTime<Utc>,
    /// When it ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// Where somebody signs in from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Their address.
    pub ip_address: Option<String>,
    /// Their program.
    pub user_agent: Option<String>,
}

/// A session that has just begun or was renewed.
#[derive(Debug)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// The session.
    pub session: SessionId,
    /// Renews access tokens; kept secret by whoever has it.
    pub token: Token,
    /// Good for a quarter of an hour.
    pub access_token: String,
    /// How long the access token is good, in seconds.
    pub expires_in: i64,
}

/// Signs somebody in by name (or mail address) and password. Takes as long for those who do not exist.
pub async fn sign_in(
    pool: &PgPool,
    passwords: &Passwords,
    signing: &Signing,
    name: &str,
    password: &str,
    origin: &Origin,
) -> Result<SignedIn, Error> {
    let name: String = name.trim().to_lowercase().chars().take(254).collect();
    let attempt = Attempt::begin(pool, &name, origin.ip_address.as_deref()).await?;
    let found = sqlx::query!(
        r#"-- sessions.find_account
         select id as "id: UserId", password_hash, is_active from identity.users where username = $1 or email = $1
         order by username = $1 desc limit 1"#,
        name,
    )
    .fetch_optional(pool)
    .await?;
    // Who may not sign in has no password.
    let kept = found.as_ref().filter(|user| user.is_active).and_then(|user| user.password_hash.clone());
    let checked = passwords.check(password, kept).await?;
    let Some(found) = found.filter(|_| checked.right) else { return Err(Error::BadPassword) };
    let mut transaction = store::postgres::begin(pool).await?;
    attempt.succeeded(&mut transaction).await?;
    sqlx::query!(
        "-- sessions.note_login
         update identity.users set last_login = now(), password_hash = coalesce($2, password_hash) where id = $1",
        found.id.0,
        checked.renewed,
    )
    .execute(&mut *transaction)
    .await?;
    let signed_in = begin(&mut transaction, signing, found.id, origin).await?;
    transaction.commit().await?;
    Ok(signed_in)
}

/// Begins a session for a user who has shown who they are.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    signing: &Signing,
    user: UserId,
    origin: &Origin,
) -> Result<SignedIn, Error> {
    let user = users::by_id(connection, user).await?.filter(|user| user.is_active).ok_or(Error::NoUser)?;
    let (id, token_id, token) = (SessionId::new(), kernel::id::new(), Token::new(TOKEN_PREFIX)?);
    let shortened =
        |text: &Option<String>| text.as_ref().map(|text| text.chars().take(300).collect::<String>());
    let now = sqlx::query_scalar!(
        r#"-- sessions.begin
         insert into identity.user_sessions (id, user_id, token_id, token_hash, ip_address, user_agent, expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 day')
         returning created_at"#,
        id.0,
        user.id.0,
        token_id,
        &token.hash(),
        shortened(&origin.ip_address),
        shortened(&origin.user_agent),
        LIFETIME_DAYS,
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!(
        "-- sessions.make_room
         delete from identity.user_sessions where id in
           (select id from identity.user_sessions where user_id = $1 order by last_used desc, id desc offset $2)",
        user.id.0,
        MOST,
    )
    .execute(connection)
    .await?;
    let access_token = signing.sign(user.id.0, token_id, now)?;
    Ok(SignedIn { user, session: id, token, access_token, expires_in: ACCESS_SECONDS })
}

/// A new access token for a session's token; the session lives on from now.
pub async fn renew(
    connection: &mut PgConnection,
    signing: &Signing,
    token: &Token,
) -> Result<SignedIn, Error> {
    let row = sqlx::query!(
        r#"-- sessions.renew
         update identity.user_sessions as session
         set last_used = now(), expires_at = now() + $2 * interval '1 day'
         from identity.users as user_
         where session.token_hash = $1 and session.expires_at > now()
           and user_.id = session.user_id and user_.is_active
         returning session.id as "id: SessionId", session.user_id as "user: UserId", token_id, now() as "now!""#,
        &token.hash(),
        LIFETIME_DAYS,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Error::BadCredential("this session has ended: sign in again"))?;
    let user = users::by_id(connection, row.user).await?.ok_or(Error::NoUser)?;
    let access_token = signing.sign(row.user.0, row.token_id, row.now)?;
    Ok(SignedIn { user, session: row.id, token: token.clone(), access_token, expires_in: ACCESS_SECONDS })
}

/// A user's sessions, the one used last first: for themselves and for administrators.
pub async fn list(connection: &mut PgConnection, actor: &Actor, user: UserId) -> Result<Vec<Session>, Error> {
    users::require_self(actor, user)?;
    Ok(sqlx::query_as!(
        Session,
        r#"-- sessions.list
         select id as "id: SessionId", id = $2 as "current!", ip_address, user_agent, created_at, last_used, expires_at
         from identity.user_sessions where user_id = $1 and expires_at > now()
         order by last_used desc, id desc"#,
        user.0,
        actor.session_id().map_or(Uuid::nil(), |session| session.0),
    )
    .fetch_all(connection)
    .await?)
}

/// A session with the one whose it is, as administrators see it.
#[derive(Debug, Clone)]
pub struct Held {
    /// Whose.
    pub user: UserId,
    /// Their name.
    pub username: String,
    /// The session.
    pub session: Session,
}

/// Everybody's sessions, the one used last first: for administrators.
pub async fn all(
    connection: &mut PgConnection,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Held>, Error> {
    users::require_admin(actor)?;
    let after: Option<(DateTime<Utc>, SessionId)> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let rows = sqlx::query!(
        r#"-- sessions.all
         select session.id as "id: SessionId", session.id = $1 as "current!", ip_address, user_agent, session.created_at,
           last_used, expires_at, user_id as "user: UserId", username
         from identity.user_sessions as session
         join identity.users as user_ on user_.id = session.user_id
         where expires_at > now() and ($2::timestamptz is null or (last_used, session.id) < ($2, $3))
         order by last_used desc, session.id desc limit $4"#,
        actor.session_id().map_or(Uuid::nil(), |session| session.0),
        after.map(|after| after.0),
        after.map(|after| after.1.0),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let held = rows.into_iter().map(|row| Held {
        user: row.user,
        username: row.username,
        session: Session {
            id: row.id,
            current: row.current,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
            created_at: row.created_at,
            last_used: row.last_used,
            expires_at: row.expires_at,
        },
    });
    Ok(Page::cut(held.collect(), limit, |last| Cursor::encode(&(last.session.last_used, last.session.id))))
}

/// Ends one session: one's own, or, for administrators, anybody's.
pub async fn end(connection: &mut PgConnection, actor: &Actor, session: SessionId) -> Result<(), Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    if !actor.in_person() {
        return Err(Error::NotAllowed("a key may not do this: sign in"));
    }
    let ended = sqlx::query!(
        "-- sessions.end
         delete from identity.user_sessions where id = $1 and ($2 or user_id = $3)",
        session.0,
        actor.is_admin(),
        actor.user_id().map(|user| user.0),
    )
    .execute(&mut *connection)
    .await?;
    if ended.rows_affected() == 0 {
        return Err(Error::NoSession);
    }
    users::tell(connection).await
}

/// Ends all sessions of a user, or all but the one that asks.
pub async fn end_others(
    connection: &mut PgConnection,
    actor: &Actor,
    user: UserId,
    keep_current: bool,
) -> Result<(), Error> {
    users::require_self(actor, user)?;
    end_all(connection, user, actor.session_id().filter(|_| keep_current)).await
}

pub(crate) async fn end_all(
    connection: &mut PgConnection,
    user: UserId,
    but: Option<SessionId>,
) -> Result<(), Error> {
    sqlx::query!(
        "-- sessions.end_all
         delete from identity.user_sessions where user_id = $1 and ($2::uuid is null or id <> $2)",
        user.0,
        but.map(|session| session.0),
    )
    .execute(&mut *connection)
    .await?;
    users::tell(connection).await
}

/// Notes that these sessions were used just now: they live on.
pub(crate) async fn record_usage(connection: &mut PgConnection, ids: &[Uuid]) -> Result<(), Error> {
    sqlx::query!(
        "-- sessions.note_used
         update identity.user_sessions set last_used = now(), expires_at = now() + $2 * interval '1 day'
         where id = any ($1) and expires_at > now()",
        ids,
        LIFETIME_DAYS,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes what has run out: sessions, links, old attempts.
pub async fn sweep(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "-- sessions.sweep
         delete from identity.user_sessions where expires_at < now()"
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- links.sweep
         delete from identity.password_reset_tokens where expires_at < now()"
    )
    .execute(&mut *connection)
    .await?;
    attempts::forget_old(connection).await
}

/// Who a session is of, as the authenticator needs it.
pub(crate) struct Found {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) username: String,
    pub(crate) role: Role,
    pub(crate) language: Option<String>,
    pub(crate) theme: Option<String>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// The session of an access token (by its `jti`) or of a session's token (by its hash).
pub(crate) async fn find(
    connection: &mut PgConnection,
    token_id: Option<Uuid>,
    token_hash: Option<&[u8]>,
) -> Result<Option<Found>, Error> {
    Ok(sqlx::query_as!(
        Found,
        r#"-- sessions.find
         select session.id as "session: SessionId", user_.id as "user: UserId", user_.username,
           user_.role as "role: Role", user_.language, user_.theme, session.expires_at
         from identity.user_sessions as session
         join identity.users as user_ on user_.id = session.user_id
         where (session.token_id = $1 or session.token_hash = $2) and user_.is_active and session.expires_at > now()"#,
        token_id,
        token_hash,
    )
    .fetch_optional(connection)
    .await?)
}
