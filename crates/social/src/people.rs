//! People as others see them: authors, followers, members of conversations.

use kernel::actor::{Actor, UserId};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;

/// A person as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Person {
    /// User id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// User name.
    pub username: String,
    /// First and last name; the user name if they have given neither.
    pub name: String,
    /// URL of their picture.
    pub avatar: Option<String>,
}

impl Person {
    pub(crate) fn new(
        id: Uuid,
        username: String,
        first_name: &str,
        last_name: &str,
        avatar: Option<String>,
    ) -> Self {
        let name = format!("{first_name} {last_name}");
        let name = name.trim();
        let name = if name.is_empty() { username.clone() } else { name.to_owned() };
        Self { id: UserId(id), username, name, avatar }
    }

    /// Builds a person from the columns of a view, which are all null for one who was deleted.
    pub(crate) fn from_columns(
        id: Option<Uuid>,
        username: Option<String>,
        first_name: Option<&str>,
        last_name: Option<&str>,
        avatar: Option<String>,
    ) -> Option<Self> {
        Some(Self::new(id?, username?, first_name.unwrap_or_default(), last_name.unwrap_or_default(), avatar))
    }
}

/// Returns the person of this user name, or `None` if there is none for the actor: they may be deactivated, or block the actor.
///
/// # Errors
///
/// Fails if the actor is anonymous or the database fails.
pub async fn find_by_name(
    connection: &mut PgConnection,
    actor: &Actor,
    username: &str,
) -> Result<Option<Person>, Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    let row = sqlx::query!(
        r#"-- people.by_name
         select id, username, first_name, last_name, avatar from identity.users as person
         where username = $1 and is_active
           and not exists (select from social.blocks where user_id = person.id and blocked_id = $2)"#,
        username.trim().to_lowercase(),
        actor.user_id().map(|user| user.0),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar)))
}

/// Returns the people of these ids by one statement, in the order of the ids. Ids that [`find_by_name`] would not return are
/// left out; an id that is repeated is returned as often.
///
/// # Errors
///
/// Fails if the actor is anonymous or the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[UserId],
) -> Result<Vec<Person>, Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"-- people.find_many
         select person.id, username, first_name, last_name, avatar
         from unnest($1::uuid[]) with ordinality as requested (id, position)
         join identity.users as person on person.id = requested.id
         where is_active and not exists (select from social.blocks where user_id = person.id and blocked_id = $2)
         order by requested.position"#,
        &ids,
        actor.user_id().map(|user| user.0),
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar))
        .collect())
}

/// Returns the people whose user name begins with `prefix`, for the completion of mentions.
///
/// # Errors
///
/// Fails if the actor is anonymous or the database fails.
pub async fn complete(
    connection: &mut PgConnection,
    actor: &Actor,
    prefix: &str,
    limit: i64,
) -> Result<Vec<Person>, Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    let rows = sqlx::query!(
        r#"-- people.complete
         select id, username, first_name, last_name, avatar from identity.users as person
         where starts_with(username, $1) and is_active
           and not exists (select from social.blocks where user_id = person.id and blocked_id = $2)
         order by username limit $3"#,
        prefix.trim().to_lowercase(),
        actor.user_id().map(|user| user.0),
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar))
        .collect())
}

/// Removes the likes of a person who is about to be deleted, and takes them off the counters. Everything else of theirs goes or
/// stays by foreign keys. Called in the transaction of the deletion, whose authority it relies on.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn prepare_deletion(connection: &mut PgConnection, user: UserId) -> Result<(), Error> {
    // Waits for those who like something just now, and keeps them from liking more: their like would go without its count.
    sqlx::query!(
        "-- people.hold
         select id from identity.users where id = $1 for update",
        user.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let removed = sqlx::query!(
        "-- people.remove_likes
         delete from social.likes where user_id = $1 returning post_id, comment_id",
        user.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let posts: Vec<Uuid> = removed.iter().filter_map(|like| like.post_id).collect();
    let comments: Vec<Uuid> = removed.iter().filter_map(|like| like.comment_id).collect();
    // By one statement each, since all who like those texts wait; in one order, so that two deletions do not wait for each other.
    sqlx::query!(
        "-- counters.unlike_comments
         with held as (
           select comment_id from social.comment_counters where comment_id = any ($1) order by comment_id for update
         )
         update social.comment_counters as counters set likes = counters.likes - 1
         from held where counters.comment_id = held.comment_id",
        &comments,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- counters.unlike_posts
         with held as (
           select post_id from social.post_counters where post_id = any ($1) order by post_id for update
         )
         update social.post_counters as counters set likes = counters.likes - 1
         from held where counters.post_id = held.post_id",
        &posts,
    )
    .execute(connection)
    .await?;
    Ok(())
}
