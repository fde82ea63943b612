//! Mutes and blocks: whose texts a person does not want to see, and who may not reach them. Nobody is notified of either.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use kernel::page::{Cursor, Page};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::audience::require_person;
use crate::people::Person;
use crate::posts::decode;

/// Relation of the actor to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Relation {
    /// Whether the actor mutes them.
    pub muted: bool,
    /// Whether the actor blocks them.
    pub blocked: bool,
}

/// Mutes a person, or no longer: their posts are left out of the actor's feed, and what they do does not notify. Doing so twice
/// changes nothing.
///
/// # Errors
///
/// Fails if there is no such person, it is the actor, or the actor is no person.
pub async fn set_mute(
    connection: &mut PgConnection,
    actor: &Actor,
    username: &str,
    is_muted: bool,
) -> Result<Relation, Error> {
    let (user, other) = pair(&mut *connection, actor, username).await?;
    if is_muted {
        sqlx::query!(
            "-- mutes.add
             insert into social.mutes (user_id, muted_id) values ($1, $2) on conflict do nothing",
            user.0,
            other,
        )
        .execute(&mut *connection)
        .await?;
    } else {
        sqlx::query!(
            "-- mutes.remove
             delete from social.mutes where user_id = $1 and muted_id = $2",
            user.0,
            other,
        )
        .execute(&mut *connection)
        .await?;
    }
    relation(connection, user, other).await
}

/// Blocks a person, or no longer. Blocking ends that either follows the other. Doing so twice changes nothing.
///
/// # Errors
///
/// Fails if there is no such person, it is the actor, or the actor is no person.
pub async fn set_block(
    connection: &mut PgConnection,
    actor: &Actor,
    username: &str,
    is_blocked: bool,
) -> Result<Relation, Error> {
    let (user, other) = pair(&mut *connection, actor, username).await?;
    if is_blocked {
        sqlx::query!(
            "-- follows.end
             delete from social.follows where (follower_id = $1 and user_id = $2) or (follower_id = $2 and user_id = $1)",
            user.0,
            other,
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "-- blocks.add
             insert into social.blocks (user_id, blocked_id) values ($1, $2) on conflict do nothing",
            user.0,
            other,
        )
        .execute(&mut *connection)
        .await?;
    } else {
        sqlx::query!(
            "-- blocks.remove
             delete from social.blocks where user_id = $1 and blocked_id = $2",
            user.0,
            other,
        )
        .execute(&mut *connection)
        .await?;
    }
    relation(connection, user, other).await
}

/// Returns the relation of the actor to a person.
///
/// # Errors
///
/// Fails if there is no such person, or the actor is no person.
pub async fn find(connection: &mut PgConnection, actor: &Actor, username: &str) -> Result<Relation, Error> {
    let (user, other) = pair(&mut *connection, actor, username).await?;
    relation(connection, user, other).await
}

/// Returns a page of the people whom the actor mutes, the last first.
///
/// # Errors
///
/// Fails if the actor is no person, or the cursor is invalid.
pub async fn muted(
    connection: &mut PgConnection,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Person>, Error> {
    let user = require_person(actor)?;
    let after: Option<(DateTime<Utc>, Uuid)> = decode(after)?;
    let rows = sqlx::query!(
        r#"-- mutes.list
         select person.id, username, first_name, last_name, avatar, mute.created_at
         from social.mutes as mute join identity.users as person on person.id = mute.muted_id
         where mute.user_id = $1 and (mute.created_at, mute.muted_id) < (coalesce($2::timestamptz, 'infinity'), $3)
         order by mute.created_at desc, mute.muted_id desc limit $4"#,
        user.0,
        after.map(|(at, _)| at),
        after.map_or(Uuid::max(), |(_, id)| id),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let page = Page::from_rows(rows, limit, |last| Cursor::encode(&(last.created_at, last.id)));
    Ok(page.map(|row| Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar)))
}

/// Returns a page of the people whom the actor blocks, the last first.
///
/// # Errors
///
/// Fails if the actor is no person, or the cursor is invalid.
pub async fn blocked(
    connection: &mut PgConnection,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Person>, Error> {
    let user = require_person(actor)?;
    let after: Option<(DateTime<Utc>, Uuid)> = decode(after)?;
    let rows = sqlx::query!(
        r#"-- blocks.list
         select person.id, username, first_name, last_name, avatar, block.created_at
         from social.blocks as block join identity.users as person on person.id = block.blocked_id
         where block.user_id = $1 and (block.created_at, block.blocked_id) < (coalesce($2::timestamptz, 'infinity'), $3)
         order by block.created_at desc, block.blocked_id desc limit $4"#,
        user.0,
        after.map(|(at, _)| at),
        after.map_or(Uuid::max(), |(_, id)| id),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let page = Page::from_rows(rows, limit, |last| Cursor::encode(&(last.created_at, last.id)));
    Ok(page.map(|row| Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar)))
}

/// Returns the actor and the person of this name, who may block the actor: one can mute and block them all the same.
async fn pair(connection: &mut PgConnection, actor: &Actor, username: &str) -> Result<(UserId, Uuid), Error> {
    let user = require_person(actor)?;
    let other = sqlx::query_scalar!(
        "-- relations.person
         select id from identity.users where username = $1",
        username.trim().to_lowercase(),
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(Error::no_person)?;
    Ok((user, other))
}

async fn relation(connection: &mut PgConnection, user: UserId, other: Uuid) -> Result<Relation, Error> {
    Ok(sqlx::query_as!(
        Relation,
        r#"-- relations.find
         select exists (select from social.mutes where user_id = $1 and muted_id = $2) as "muted!",
           exists (select from social.blocks where user_id = $1 and blocked_id = $2) as "blocked!""#,
        user.0,
        other,
    )
    .fetch_one(connection)
    .await?)
}
