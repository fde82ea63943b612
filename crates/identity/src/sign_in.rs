//! Sign-in: starts and renews sessions.
//!
//! A sign-in yields two tokens. The session token is the pages' cookie and renews the access token; only its hash is stored.
//! The access token authenticates API requests for 15 minutes. A third, the device token, tells at the next sign-in that the
//! client was signed in before.

use kernel::actor::{Actor, SessionId, UserId};
use kernel::secret::Token;
use sqlx::{PgConnection, PgPool};
use store::Transaction;
use store::cache::Caches;

use crate::Error;
use crate::access_tokens::{DeviceId, LIFETIME_SECONDS, TokenSigner};
use crate::attempts::{Attempt, Origin};
use crate::passwords::PasswordHasher;
use crate::revocation::{SessionEntry, invalidate_sessions};
use crate::sessions::LIFETIME_DAYS;
use crate::users::{self, User};

/// Prefix of every session token.
pub const TOKEN_PREFIX: &str = "ws_";
/// Maximum number of sessions per user; a new one replaces the one that was not used for the longest time.
const MAX_SESSIONS: i64 = 100;
/// Bounds of texts from requests.
const MAX_LOGIN_CHARS: usize = 254;
const MAX_CLIENT_INFO_CHARS: usize = 300;

/// Client that signs in, as the request describes it.
#[derive(Debug, Clone, Default)]
pub struct ClientInfo {
    /// IP address. Attempts are limited by its network.
    pub ip_address: Option<String>,
    /// `User-Agent` header.
    pub user_agent: Option<String>,
    /// Device token of an earlier sign-in. Attempts of a known device wait for no other client's.
    pub device_token: Option<Token>,
}

impl ClientInfo {
    /// Returns who attempts to sign in as a user: a device that this user was signed in with before, or an address.
    pub(crate) fn origin(&self, signer: &TokenSigner, user: Option<UserId>) -> Origin<'_> {
        let device =
            user.zip(self.device_token.as_ref()).and_then(|(user, token)| signer.device_of(user, token));
        device.map_or(Origin::Address(self.ip_address.as_deref()), Origin::Device)
    }
}

/// Tokens of a session that was started or renewed.
#[derive(Debug)]
pub struct SessionTokens {
    /// User who signed in.
    pub user: User,
    /// Id of the session.
    pub session: SessionId,
    /// Session token.
    pub token: Token,
    /// Access token.
    pub access_token: String,
    /// Lifetime of the access token in seconds.
    pub expires_in: i64,
    /// Device token of a session that was started; `None` if it was renewed.
    pub device_token: Option<Token>,
}

impl SessionTokens {
    /// Returns the user as an actor in this session.
    pub fn actor(&self) -> Actor {
        Actor::user(self.user.id, &self.user.username, self.user.role, Some(self.session))
    }
}

/// Signs a user in by name or email address and password. Takes as long for users that do not exist.
///
/// # Errors
///
/// [`Error::WrongPassword`], also for inactive users; [`Error::TooManyAttempts`] while the client has to wait, for this account
/// or for all.
pub async fn with_password(
    pool: &PgPool,
    caches: &Caches,
    passwords: &PasswordHasher,
    signer: &TokenSigner,
    login: &str,
    password: &str,
    client: &ClientInfo,
) -> Result<SessionTokens, Error> {
    let login: String = login.trim().to_lowercase().chars().take(MAX_LOGIN_CHARS).collect();
    let account = sqlx::query!(
        r#"-- sessions.find_account
         select id as "id: UserId", username, password_hash, is_active from identity.users where username = $1 or email = $1
         order by username = $1 desc limit 1"#,
        login,
    )
    .fetch_optional(pool)
    .await?;
    // One counter for the name and the email address of an account.
    let counted = account.as_ref().map_or(login.as_str(), |account| &account.username);
    let origin = client.origin(signer, account.as_ref().map(|account| account.id));
    let attempt = Attempt::count(pool, counted, origin).await?;
    // Without a hash the password is verified against a decoy.
    let stored = account.as_ref().filter(|user| user.is_active).and_then(|user| user.password_hash.clone());
    let verification = passwords.verify(password, stored).await?;
    let Some(account) = account.filter(|_| verification.matches) else { return Err(Error::WrongPassword) };
    let mut transaction = caches.begin(pool).await?;
    attempt.succeeded(&mut transaction).await?;
    let rehashed = verification.rehashed.as_deref();
    let tokens = start_session(&mut transaction, signer, account.id, rehashed, client).await?;
    transaction.commit().await?;
    Ok(tokens)
}

/// Starts a session for a user who has been authenticated. `rehashed` replaces the hash of their password.
pub(crate) async fn start_session(
    transaction: &mut Transaction,
    signer: &TokenSigner,
    user: UserId,
    rehashed: Option<&str>,
    client: &ClientInfo,
) -> Result<SessionTokens, Error> {
    users::require_active(transaction, user).await?;
    sqlx::query!(
        "-- sessions.note_login
         update identity.users set last_login = now(), password_hash = coalesce($2, password_hash) where id = $1",
        user.0,
        rehashed,
    )
    .execute(&mut **transaction)
    .await?;
    let user = users::by_id(transaction, user).await?.ok_or(Error::NoUser)?;
    let (id, token_id, token) = (SessionId::new(), kernel::id::new(), Token::generate(TOKEN_PREFIX)?);
    let shortened = |text: &Option<String>| {
        text.as_ref().map(|text| text.chars().take(MAX_CLIENT_INFO_CHARS).collect::<String>())
    };
    let now = sqlx::query_scalar!(
        r#"-- sessions.begin
         insert into identity.user_sessions (id, user_id, token_id, token_hash, ip_address, user_agent, expires_at)
         values ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 day')
         returning created_at"#,
        id.0,
        user.id.0,
        token_id,
        &token.hash(),
        shortened(&client.ip_address),
        shortened(&client.user_agent),
        LIFETIME_DAYS,
    )
    .fetch_one(&mut **transaction)
    .await?;
    let replaced = sqlx::query_as!(
        SessionEntry,
        "-- sessions.make_room
         delete from identity.user_sessions where id in
           (select id from identity.user_sessions where user_id = $1 order by last_used desc, id desc offset $2)
         returning token_id, token_hash",
        user.id.0,
        MAX_SESSIONS,
    )
    .fetch_all(&mut **transaction)
    .await?;
    invalidate_sessions(transaction, &replaced);
    let access_token = signer.sign(user.id.0, token_id, now)?;
    let known = client.device_token.as_ref().and_then(|token| signer.device_of(user.id, token));
    let device_token = signer.sign_device(user.id, known.unwrap_or_else(DeviceId::new), now)?;
    Ok(SessionTokens {
        user,
        session: id,
        token,
        access_token,
        expires_in: LIFETIME_SECONDS,
        device_token: Some(device_token),
    })
}

/// Issues a new access token for a session token, and extends the session.
///
/// # Errors
///
/// [`Error::InvalidCredential`] if the session has ended or its user is inactive.
pub async fn renew(
    connection: &mut PgConnection,
    signer: &TokenSigner,
    token: &Token,
) -> Result<SessionTokens, Error> {
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
    .ok_or(Error::InvalidCredential("this session has ended: sign in again"))?;
    let user = users::by_id(connection, row.user).await?.ok_or(Error::NoUser)?;
    let access_token = signer.sign(row.user.0, row.token_id, row.now)?;
    Ok(SessionTokens {
        user,
        session: row.id,
        token: token.clone(),
        access_token,
        expires_in: LIFETIME_SECONDS,
        device_token: None,
    })
}
