//! Follows: of people, libraries, documents and tags. The feed has what is followed.

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use kernel::page::{Cursor, Page};
use library::ids::DocumentId;
use library::names::LibraryName;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::allowance::{self, Writing};
use crate::audience::{Audience, require_person};
use crate::markdown;
use crate::notifications::{self, Event, Kind};
use crate::people::{self, Person};
use crate::posts::decode;

/// Maximum number of libraries, documents, tags and people together that one person follows.
pub const MAX_FOLLOWS: i64 = 2000;
/// Number of suggestions.
const MAX_SUGGESTIONS: i64 = 20;

/// Target of a follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowTarget {
    /// A person, by their user name.
    Person(String),
    /// A library.
    Library(LibraryName),
    /// A document.
    Document(DocumentId),
    /// A tag.
    Tag(String),
}

/// Whether the actor follows something, and how many do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct FollowStatus {
    /// Whether the actor follows it.
    pub following: bool,
    /// Number of followers.
    pub followers: i64,
}

/// Something that a person follows: one of its members is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Follow {
    /// Person.
    pub person: Option<Person>,
    /// Name of the library, also of a document.
    pub library: Option<String>,
    /// Document.
    pub document_id: Option<Uuid>,
    /// Title of the document.
    pub title: Option<String>,
    /// Tag.
    pub tag: Option<String>,
    /// Time since when it is followed.
    pub created_at: DateTime<Utc>,
}

/// A person whom the actor could follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Suggestion {
    /// Person.
    pub person: Person,
    /// Number of people whom the actor follows and who follow this person.
    pub followed_by: i64,
    /// User names of some of them.
    pub followed_by_names: Vec<String>,
    /// Number of recent posts of this person about libraries that the actor follows.
    pub posts: i64,
}

/// Target as ids.
#[derive(Default, Clone)]
struct Ids {
    person: Option<Uuid>,
    library: Option<Uuid>,
    document: Option<Uuid>,
    tag: Option<String>,
}

/// Follows something. Following it twice changes nothing; a person is notified of each follower once.
///
/// # Errors
///
/// Fails if it does not exist for the actor or is themselves, the actor is no person, follows [`MAX_FOLLOWS`] already or has followed
/// too much lately.
pub async fn follow(
    connection: &mut PgConnection,
    actor: &Actor,
    target: &FollowTarget,
) -> Result<FollowStatus, Error> {
    let user = require_person(actor)?;
    let ids = resolve(&mut *connection, actor, target).await?;
    allowance::spend(&mut *connection, user, Writing::Follow).await?;
    let number = sqlx::query_scalar!(
        r#"-- follows.count
         select count(*) as "count!" from social.follows where follower_id = $1"#,
        user.0,
    )
    .fetch_one(&mut *connection)
    .await?;
    if number >= MAX_FOLLOWS && !status(&mut *connection, user, &ids).await?.following {
        return Err(Error::Conflict(format!("you follow {MAX_FOLLOWS} already: unfollow something first")));
    }
    sqlx::query!(
        "-- follows.add
         insert into social.follows (follower_id, user_id, library_id, document_id, tag) values ($1, $2, $3, $4, $5)
         on conflict do nothing",
        user.0,
        ids.person,
        ids.library,
        ids.document,
        ids.tag,
    )
    .execute(&mut *connection)
    .await?;
    if let Some(person) = ids.person {
        let event = Event {
            kind: Kind::Follow,
            key: format!("follow:{user}"),
            actor: user,
            post: None,
            comment: None,
            conversation: None,
            library: None,
        };
        notifications::notify(&mut *connection, &event, &[person]).await?;
    }
    status(connection, user, &ids).await
}

/// Stops following something, also what does not exist for the actor any more. What is not followed stays so.
///
/// # Errors
///
/// Fails if the actor does not follow it and it does not exist for them, or the actor is no person.
pub async fn unfollow(
    connection: &mut PgConnection,
    actor: &Actor,
    target: &FollowTarget,
) -> Result<FollowStatus, Error> {
    let user = require_person(actor)?;
    let (person, library, document, tag) = match target {
        FollowTarget::Person(name) => (Some(name.trim().to_lowercase()), None, None, None),
        FollowTarget::Library(name) => (None, Some(name.as_str()), None, None),
        FollowTarget::Document(document) => (None, None, Some(document.0), None),
        FollowTarget::Tag(tag) => (None, None, None, markdown::tag(tag)),
    };
    let removed = sqlx::query!(
        "-- follows.remove
         delete from social.follows
         where follower_id = $1 and (user_id = (select id from identity.users where username = $2)
           or library_id = (select id from library.libraries where name = $3) or document_id = $4 or tag = $5)",
        user.0,
        person,
        library,
        document,
        tag,
    )
    .execute(&mut *connection)
    .await?
    .rows_affected();
    match resolve(&mut *connection, actor, target).await {
        Ok(ids) => status(connection, user, &ids).await,
        // How many others follow it is no business of who cannot see it.
        Err(error) if removed > 0 && error.is_absence() => {
            Ok(FollowStatus { following: false, followers: 0 })
        }
        Err(error) => Err(error),
    }
}

/// Returns whether the actor follows something, and how many do.
///
/// # Errors
///
/// Fails if it does not exist for the actor, or the actor is no person.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    target: &FollowTarget,
) -> Result<FollowStatus, Error> {
    let user = require_person(actor)?;
    let ids = resolve(&mut *connection, actor, target).await?;
    status(connection, user, &ids).await
}

/// Returns whether the actor follows each of these people, by one statement.
///
/// # Errors
///
/// Fails if the actor is no person or the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    people: &[UserId],
) -> Result<Vec<bool>, Error> {
    let user = require_person(actor)?;
    let ids: Vec<Uuid> = people.iter().map(|person| person.0).collect();
    Ok(sqlx::query_scalar!(
        r#"-- follows.of_viewer
         select exists (select from social.follows where follower_id = $2 and user_id = requested.id) as "following!"
         from unnest($1::uuid[]) with ordinality as requested (id, position) order by requested.position"#,
        &ids,
        user.0,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns a page of what the actor follows, the last first. What does not exist for them any more is left out: libraries,
/// documents, and people who were deactivated.
///
/// # Errors
///
/// Fails if the actor is no person, or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Follow>, Error> {
    let user = require_person(actor)?;
    let after: Option<(DateTime<Utc>, String)> = decode(after)?;
    let audience = Audience::of(&mut *connection, actor).await?;
    let rows = sqlx::query!(
        r#"-- follows.list
         select follow.user_id, person.username as "username?", person.first_name as "first_name?", person.last_name as "last_name?",
           person.avatar, library.name as "library?", follow.document_id, document.name as "title?", follow.tag, follow.created_at,
           coalesce(follow.user_id::text, follow.library_id::text, follow.document_id::text, follow.tag) as "key!"
         from social.follows as follow
         left join identity.users as person on person.id = follow.user_id
         left join library.documents as document on document.id = follow.document_id
         left join library.libraries as library on library.id = coalesce(follow.library_id, document.library_id)
         where follow.follower_id = $1 and (library.id is null or library.id = any ($2))
           and (person.id is null or person.is_active)
           and (follow.created_at, coalesce(follow.user_id::text, follow.library_id::text, follow.document_id::text, follow.tag))
             < (coalesce($3::timestamptz, 'infinity'), $4)
         order by follow.created_at desc,
           coalesce(follow.user_id::text, follow.library_id::text, follow.document_id::text, follow.tag) desc
         limit $5"#,
        user.0,
        &audience.libraries,
        after.as_ref().map(|(at, _)| *at),
        after.as_ref().map_or("", |(_, key)| key),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let page = Page::from_rows(rows, limit, |last| Cursor::encode(&(last.created_at, &last.key)));
    Ok(page.map(|row| Follow {
        person: Person::from_columns(
            row.user_id,
            row.username,
            row.first_name.as_deref(),
            row.last_name.as_deref(),
            row.avatar,
        ),
        library: row.library,
        document_id: row.document_id,
        title: row.title,
        tag: row.tag,
        created_at: row.created_at,
    }))
}

/// Returns a page of the followers of a person, the last first. Those who block the actor are left out.
///
/// # Errors
///
/// Fails if the person does not exist for the actor, the actor is anonymous, or the cursor is invalid.
pub async fn followers(
    connection: &mut PgConnection,
    actor: &Actor,
    username: &str,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Person>, Error> {
    let person =
        people::find_by_name(&mut *connection, actor, username).await?.ok_or_else(Error::no_person)?;
    let after: Option<(DateTime<Utc>, Uuid)> = decode(after)?;
    let rows = sqlx::query!(
        r#"-- follows.followers
         select person.id, username, first_name, last_name, avatar, follow.created_at
         from social.follows as follow join identity.users as person on person.id = follow.follower_id
         where follow.user_id = $1 and (follow.created_at, follow.follower_id) < (coalesce($2::timestamptz, 'infinity'), $3)
           and person.is_active
           and not exists (select from social.blocks where blocks.user_id = person.id and blocked_id = $4)
         order by follow.created_at desc, follow.follower_id desc limit $5"#,
        person.id.0,
        after.map(|(at, _)| at),
        after.map_or(Uuid::max(), |(_, id)| id),
        actor.user_id().map(|user| user.0),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let page = Page::from_rows(rows, limit, |last| Cursor::encode(&(last.created_at, last.id)));
    Ok(page.map(|row| Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar)))
}

/// Returns a page of the people whom a person follows, the last first. Those who block the actor are left out.
///
/// # Errors
///
/// Fails if the person does not exist for the actor, the actor is anonymous, or the cursor is invalid.
pub async fn following(
    connection: &mut PgConnection,
    actor: &Actor,
    username: &str,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Person>, Error> {
    let person =
        people::find_by_name(&mut *connection, actor, username).await?.ok_or_else(Error::no_person)?;
    let after: Option<(DateTime<Utc>, Uuid)> = decode(after)?;
    let rows = sqlx::query!(
        r#"-- follows.following
         select person.id, username, first_name, last_name, avatar, follow.created_at
         from social.follows as follow join identity.users as person on person.id = follow.user_id
         where follow.follower_id = $1 and follow.user_id is not null
           and (follow.created_at, follow.user_id) < (coalesce($2::timestamptz, 'infinity'), $3) and person.is_active
           and not exists (select from social.blocks where blocks.user_id = person.id and blocked_id = $4)
         order by follow.created_at desc, follow.user_id desc limit $5"#,
        person.id.0,
        after.map(|(at, _)| at),
        after.map_or(Uuid::max(), |(_, id)| id),
        actor.user_id().map(|user| user.0),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let page = Page::from_rows(rows, limit, |last| Cursor::encode(&(last.created_at, last.id)));
    Ok(page.map(|row| Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar)))
}

/// Returns people whom the actor could follow, with the reasons: those whom the people they follow follow, and those who write about
/// the libraries they follow.
///
/// # Errors
///
/// Fails if the actor is no person or the database fails.
pub async fn suggestions(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Suggestion>, Error> {
    let user = require_person(actor)?;
    let audience = Audience::of(&mut *connection, actor).await?;
    let rows = sqlx::query!(
        r#"-- follows.suggestions
         with friend as (
           select user_id as id from social.follows where follower_id = $1 and user_id is not null
           order by created_at desc limit 200
         ), followed as (
           select follow.user_id as id, count(*) as number,
             (array_agg(person.username order by follow.created_at desc))[1:3] as names
           from friend cross join lateral (
             -- the last ones, so that friends who follow everybody do not make this slow
             select user_id, created_at from social.follows where follower_id = friend.id and user_id is not null
             order by created_at desc limit 100
           ) as follow
           join identity.users as person on person.id = friend.id
           where friend.id <> all ($3)
           group by follow.user_id
         ), writer as (
           select post.author_id as id, count(*) as number
           from social.follows as follow
           cross join lateral (
             select author_id, other_libraries from social.posts
             where library_id = follow.library_id and deleted_at is null and hidden_at is null and author_id is not null
             order by posts.id desc limit 100
           ) as post
           where follow.follower_id = $1 and follow.library_id = any ($2) and post.other_libraries <@ $2
           group by post.author_id
         )
         select person.id, username, first_name, last_name, avatar, coalesce(followed.number, 0) as "followed_by!",
           coalesce(followed.names, '{}') as "names!", coalesce(writer.number, 0) as "posts!"
         from followed full join writer on writer.id = followed.id
         join identity.users as person on person.id = coalesce(followed.id, writer.id)
         where person.is_active and person.id <> $1 and person.id <> all ($3)
           and not exists (select from social.follows where follower_id = $1 and user_id = person.id)
         order by coalesce(followed.number, 0) * 3 + coalesce(writer.number, 0) desc, person.id limit $4"#,
        user.0,
        &audience.libraries,
        &audience.ignored,
        MAX_SUGGESTIONS,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Suggestion {
            person: Person::new(row.id, row.username, &row.first_name, &row.last_name, row.avatar),
            followed_by: row.followed_by,
            followed_by_names: row.names,
            posts: row.posts,
        })
        .collect())
}

async fn resolve(connection: &mut PgConnection, actor: &Actor, target: &FollowTarget) -> Result<Ids, Error> {
    Ok(match target {
        FollowTarget::Person(name) => {
            let person = people::find_by_name(connection, actor, name).await?.ok_or_else(Error::no_person)?;
            Ids { person: Some(person.id.0), ..Ids::default() }
        }
        FollowTarget::Library(name) => {
            let audience = Audience::of(&mut *connection, actor).await?;
            let id = sqlx::query_scalar!(
                "-- follows.library
                 select id from library.libraries where name = $1",
                name.as_str(),
            )
            .fetch_optional(connection)
            .await?
            .filter(|id| audience.reads(*id))
            .ok_or_else(|| library::Error::NoLibrary { name: name.to_string(), nearest: None })?;
            Ids { library: Some(id), ..Ids::default() }
        }
        FollowTarget::Document(document) => {
            let audience = Audience::of(&mut *connection, actor).await?;
            sqlx::query_scalar!(
                "-- follows.document
                 select library_id from library.documents where id = $1",
                document.0,
            )
            .fetch_optional(connection)
            .await?
            .filter(|id| audience.reads(*id))
            .ok_or(library::Error::NoDocument)?;
            Ids { document: Some(document.0), ..Ids::default() }
        }
        FollowTarget::Tag(tag) => {
            let tag = markdown::tag(tag).ok_or_else(|| {
                Error::Invalid(format!("a tag has 1 to {} characters and no comma", markdown::MAX_TAG_CHARS))
            })?;
            Ids { tag: Some(tag), ..Ids::default() }
        }
    })
}

async fn status(connection: &mut PgConnection, user: UserId, ids: &Ids) -> Result<FollowStatus, Error> {
    let row = sqlx::query!(
        r#"-- follows.status
         select exists (select from social.follows where follower_id = $1
             and (user_id = $2 or library_id = $3 or document_id = $4 or tag = $5)) as "following!",
           case when $2::uuid is not null then (select count(*) from social.follows where user_id = $2)
             when $3::uuid is not null then (select count(*) from social.follows where library_id = $3)
             when $4::uuid is not null then (select count(*) from social.follows where document_id = $4)
             else (select count(*) from social.follows where tag = $5) end as "followers!""#,
        user.0,
        ids.person,
        ids.library,
        ids.document,
        ids.tag,
    )
    .fetch_one(connection)
    .await?;
    Ok(FollowStatus { following: row.following, followers: row.followers })
}
