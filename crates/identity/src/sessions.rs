//! Sessions: listing, ending and expiry. A session lives as long as its row; [`crate::sign_in`] starts and renews them.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Role, SessionId, UserId};
use kernel::page::{Cursor, Page};
use serde::Serialize;
use sqlx::PgConnection;
use store::Transaction;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::authority::{require_admin, require_in_person, require_self};
use crate::revocation::{SessionEntry, invalidate_sessions};
use crate::{Error, attempts};

/// Lifetime of an unused session in days.
pub(crate) const LIFETIME_DAYS: f64 = 30.0;

/// A session, without its tokens.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Session {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
    /// Whether it is the session of this request.
    pub current: bool,
    /// IP address that signed in.
    pub ip_address: Option<String>,
    /// `User-Agent` that signed in.
    pub user_agent: Option<String>,
    /// Time of the sign-in.
    pub created_at: DateTime<Utc>,
    /// Time of the last request, accurate to a few minutes.
    pub last_used: DateTime<Utc>,
    /// Time at which the session expires if it is not used.
    pub expires_at: DateTime<Utc>,
}

/// A session and its user.
#[derive(Debug, Clone)]
pub struct UserSession {
    /// Id of the user.
    pub user: UserId,
    /// Name of the user.
    pub username: String,
    /// The session.
    pub session: Session,
}

/// Returns a user's sessions, most recently used first: to themselves and to administrators, in person.
///
/// # Errors
///
/// If the actor may not see them.
pub async fn list(connection: &mut PgConnection, actor: &Actor, user: UserId) -> Result<Vec<Session>, Error> {
    require_self(actor, user)?;
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

/// Returns a page of all users' sessions, most recently used first. Administrators only.
///
/// # Errors
///
/// If the actor is not an administrator in person, or the cursor is invalid.
pub async fn list_all(
    connection: &mut PgConnection,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<UserSession>, Error> {
    require_admin(actor)?;
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
    let sessions = rows.into_iter().map(|row| UserSession {
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
    Ok(Page::from_rows(sessions.collect(), limit, |last| {
        Cursor::encode(&(last.session.last_used, last.session.id))
    }))
}

/// Ends a session: one's own, or any for administrators. Takes effect immediately on every node.
///
/// # Errors
///
/// If the actor is not signed in in person, or there is no such session.
pub async fn end(transaction: &mut Transaction, actor: &Actor, session: SessionId) -> Result<(), Error> {
    require_in_person(actor)?;
    let ended = sqlx::query_as!(
        SessionEntry,
        "-- sessions.end
         delete from identity.user_sessions where id = $1 and ($2 or user_id = $3) returning token_id, token_hash",
        session.0,
        actor.is_admin(),
        actor.user_id().map(|user| user.0),
    )
    .fetch_all(&mut **transaction)
    .await?;
    if ended.is_empty() {
        return Err(Error::NoSession);
    }
    invalidate_sessions(transaction, &ended);
    Ok(())
}

/// Ends all sessions of a user, with or without the actor's own: for themselves and for administrators, in person.
///
/// # Errors
///
/// If the actor may not do this.
pub async fn end_all_of(
    transaction: &mut Transaction,
    actor: &Actor,
    user: UserId,
    keep_current: bool,
) -> Result<(), Error> {
    require_self(actor, user)?;
    end_all(transaction, user, actor.session_id().filter(|_| keep_current)).await
}

/// Ends all sessions of a user except one, without checking authority.
pub(crate) async fn end_all(
    transaction: &mut Transaction,
    user: UserId,
    except: Option<SessionId>,
) -> Result<(), Error> {
    let ended = sqlx::query_as!(
        SessionEntry,
        "-- sessions.end_all
         delete from identity.user_sessions where user_id = $1 and ($2::uuid is null or id <> $2)
         returning token_id, token_hash",
        user.0,
        except.map(|session| session.0),
    )
    .fetch_all(&mut **transaction)
    .await?;
    invalidate_sessions(transaction, &ended);
    Ok(())
}

/// Sets the time of last use of several sessions to now, and extends them.
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

/// Deletes expired sessions, links and attempt counters. Maintenance: deletes nothing that is still valid.
///
/// # Errors
///
/// If the database fails.
pub async fn delete_expired(connection: &mut PgConnection) -> Result<(), Error> {
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
    attempts::delete_old(connection).await
}

/// Session and user, as authentication needs them.
pub(crate) struct SessionOwner {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) username: String,
    pub(crate) role: Role,
    pub(crate) language: Option<String>,
    pub(crate) theme: Option<String>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Looks up the session of an access token (by its `jti`) or of a session token (by its hash), unless it expired or its user
/// is inactive.
pub(crate) async fn find(
    connection: &mut PgConnection,
    token_id: Option<Uuid>,
    token_hash: Option<&[u8]>,
) -> Result<Option<SessionOwner>, Error> {
    Ok(sqlx::query_as!(
        SessionOwner,
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
