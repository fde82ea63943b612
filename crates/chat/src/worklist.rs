//! Work list of a library's owners: searches without relevant hits, requests for missing versions, answers marked as wrong, and
//! stale answers.
//!
//! Occurrences with the same meaning form one item: immediately if their questions have the same words, later, if there is an
//! embedding model, if the vectors of their questions are close. No user is named, and questions are truncated to 500 characters.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, Role, Scope};
use kernel::page::{Cursor, Page};
use library::access::Level;
use library::catalogue::Catalogue;
use library::embedder::Embedder;
use library::names::LibraryName;
use library::search::ZeroResult;
use library::search::relevance::content_terms;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::{PgConnection, PgPool};
use store::jobs::{self, JobKind, NewJob};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::messages::Message;

/// Maximum length of a question or detail in the list, in characters.
const MAX_TEXT_CHARS: usize = 500;
/// Maximum number of open items of one kind in one library; further ones are not recorded.
const MAX_OPEN_ITEMS: i64 = 10_000;
/// Minimum cosine similarity of two questions with the same meaning. Measured with multilingual-e5-small: of 24 pairs with the same
/// meaning (English, Chinese, across) 10 reach it, of 25 pairs made to look alike (“restart”, “stop the gateway”) 2 do; with 0.92 it
/// would be 15 and 10. A false difference lists a question twice, a false match may hide one.
const MIN_SIMILARITY: f32 = 0.94;
/// Number of questions embedded in one batch.
const EMBED_BATCH: i64 = 32;

/// Kind of a work list item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[schema(as = WorklistKind)]
pub enum WorklistKind {
    /// A search had no relevant hits.
    NothingFound,
    /// A missing version was requested.
    VersionRefused,
    /// An answer was marked as wrong.
    AnswerWrong,
    /// A passage that an answer cites has changed or disappeared.
    AnswerStale,
}

/// Event to be recorded in the work list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Library; events without one are for administrators.
    pub library: Option<String>,
    /// Kind.
    pub kind: WorklistKind,
    /// Question.
    pub question: String,
    /// Missing version that was requested; else empty.
    pub subject: String,
    /// Reason why the answer is wrong, or path of the changed document; else empty.
    pub detail: String,
}

/// Group of occurrences with the same meaning.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorklistItem {
    /// Item id.
    pub id: Uuid,
    /// Library.
    pub library: Option<String>,
    /// Kind.
    pub kind: WorklistKind,
    /// Missing version that was requested; else empty.
    pub subject: String,
    /// First different questions, at most five.
    pub questions: Vec<String>,
    /// First different details, at most five: reasons why answers are wrong, paths of changed documents.
    pub details: Vec<String>,
    /// Number of occurrences.
    pub occurrences: i64,
    /// Time of the first occurrence.
    pub first_at: DateTime<Utc>,
    /// Time of the last occurrence.
    pub last_at: DateTime<Utc>,
    /// Time at which the item was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Name of the user who resolved it.
    pub resolved_by: Option<String>,
}

/// Selection of items.
#[derive(Debug, Clone, Default)]
pub struct WorklistFilter {
    /// Library; all libraries that the actor owns if `None`.
    pub library: Option<LibraryName>,
    /// Kind; all kinds if `None`.
    pub kind: Option<WorklistKind>,
    /// Whether resolved items are listed instead of open ones.
    pub resolved: bool,
}

impl From<ZeroResult> for Occurrence {
    fn from(miss: ZeroResult) -> Self {
        Self {
            library: miss.library.map(|name| name.to_string()),
            kind: if miss.version.is_some() {
                WorklistKind::VersionRefused
            } else {
                WorklistKind::NothingFound
            },
            question: miss.question,
            subject: miss.version.unwrap_or_default(),
            detail: String::new(),
        }
    }
}

/// Records occurrences in the caller's transaction. Takes a lock until its end, so that simultaneous occurrences with the same
/// meaning become one item: record last. Called for events of any user, and reveals nothing to the caller.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn record(connection: &mut PgConnection, occurrences: &[Occurrence]) -> Result<(), Error> {
    if occurrences.is_empty() {
        return Ok(());
    }
    lock(&mut *connection).await?;
    for occurrence in occurrences {
        let question = shorten(&occurrence.question, MAX_TEXT_CHARS);
        if question.is_empty() {
            continue;
        }
        let key = content_terms(&question).join(" ");
        let subject = shorten(&occurrence.subject, 200);
        let detail = shorten(&occurrence.detail, MAX_TEXT_CHARS);
        let details: Vec<String> = if detail.is_empty() { Vec::new() } else { vec![detail] };
        sqlx::query!(
            "-- worklist.record
             with library as (
               select (select id from library.libraries where name = $2) as id
             ), known as (
               select worklist.id from chat.worklist as worklist, library
               where worklist.library_id is not distinct from library.id and worklist.kind = $3 and subject = $4
                 and resolved_at is null and $6 = any (keys)
               limit 1
             ), again as (
               update chat.worklist as worklist
               set occurrences = occurrences + 1, last_at = now(),
                 questions = case when cardinality(questions) < 5 and not ($5 = any (questions))
                   then questions || $5 else questions end,
                 details = case when cardinality(details) < 5 and not (details @> $7) then details || $7 else details end
               from known where worklist.id = known.id
             )
             insert into chat.worklist (id, library_id, kind, subject, questions, details, keys)
             select $1, library.id, $3, $4, array[$5], $7, array[$6] from library
             where not exists (select from known)
               and (select count(*) from chat.worklist as open
                    where open.library_id is not distinct from library.id and open.kind = $3 and resolved_at is null) < $8",
            kernel::id::new(),
            occurrence.library,
            occurrence.kind as WorklistKind,
            subject,
            question,
            key,
            &details,
            MAX_OPEN_ITEMS,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(enqueue_regroup(connection).await?)
}

/// Kind of the job that merges groups with one meaning. It waits for a node with an embedding model.
pub const REGROUP_JOB: JobKind = JobKind::new("chat.regroup_worklist").keep_done(Duration::from_hours(1));

/// Enqueues the job that merges groups with one meaning; while one waits, it is the same job.
///
/// # Errors
///
/// Fails when the database does.
pub async fn enqueue_regroup(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    jobs::enqueue(connection, &[NewJob::unique(REGROUP_JOB, "all", json!({}))]).await
}

/// Records that an answer was marked as wrong, in the transaction of the verdict, for the library that answered, whatever its chat
/// searches by now. Records nothing if that library does not exist for the actor.
pub(crate) async fn record_wrong(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
    actor: &Actor,
    answer: &Message,
    reason: &str,
) -> Result<(), Error> {
    let row = sqlx::query!(
        r#"-- worklist.of_answer
         select question.content as question,
           coalesce(answer.metadata #>> '{resolved,library}',
             (select source.library from chat.message_sources as source
              where source.message_id = answer.id and source.library is not null
              order by source.cited desc, source.number limit 1)) as library
         from chat.messages as answer
         join chat.messages as question on question.id = answer.parent_id
         where answer.id = $1"#,
        answer.id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(()) };
    if let Some(name) = &row.library
        && !name.parse().is_ok_and(|name| catalogue.library(actor, &name).is_ok())
    {
        return Ok(());
    }
    let occurrence = Occurrence {
        library: row.library,
        kind: WorklistKind::AnswerWrong,
        question: row.question,
        subject: String::new(),
        detail: reason.to_owned(),
    };
    record(connection, &[occurrence]).await
}

/// Embeds the questions of a batch of open items and merges items with the same meaning. Returns the size of the batch; 0 if none
/// is left. Background work: acts for no user.
///
/// # Errors
///
/// Fails if the model or the database fails.
pub async fn regroup(pool: &PgPool, model: &Embedder) -> Result<usize, Error> {
    let rows = sqlx::query!(
        r#"-- worklist.without_vector
         select id, questions[1] as "question!" from chat.worklist
         where resolved_at is null and model is distinct from $1 order by first_at, id limit $2"#,
        model.id(),
        EMBED_BATCH,
    )
    .fetch_all(pool)
    .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let questions: Vec<String> = rows.iter().map(|row| row.question.clone()).collect();
    let vectors = model.embed_queries(questions).await?;
    let mut transaction = store::postgres::begin(pool).await?;
    lock(&mut transaction).await?;
    for (row, vector) in rows.iter().zip(&vectors) {
        sqlx::query!(
            "-- worklist.set_vector
             update chat.worklist set model = $2, vector = $3::text::halfvec where id = $1",
            row.id,
            model.id(),
            vector,
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "-- worklist.merge
             with mine as (
               select * from chat.worklist where id = $1 and resolved_at is null
             ), nearest as (
               select other.id from mine join chat.worklist as other on other.id <> mine.id
                 and other.library_id is not distinct from mine.library_id and other.kind = mine.kind
                 and other.subject = mine.subject and other.resolved_at is null and other.model = mine.model
                 and 1 - (other.vector <=> mine.vector) >= $2
                 and cardinality(other.keys) + cardinality(mine.keys) <= 50
               order by other.vector <=> mine.vector limit 1
             ), taken as (
               update chat.worklist as kept
               set occurrences = kept.occurrences + mine.occurrences,
                 first_at = least(kept.first_at, mine.first_at), last_at = greatest(kept.last_at, mine.last_at),
                 questions = (kept.questions || mine.questions)[1:5], details = (kept.details || mine.details)[1:5],
                 keys = kept.keys || mine.keys
               from mine, nearest where kept.id = nearest.id
             )
             delete from chat.worklist using nearest where worklist.id = $1",
            row.id,
            f64::from(model.unscaled_similarity(MIN_SIMILARITY)),
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(rows.len())
}

/// Returns a page of the items of the libraries that the actor owns, by their last occurrence, newest first.
///
/// # Errors
///
/// Fails if the actor is anonymous or does not own the library of the filter, or the cursor is invalid.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    filter: &WorklistFilter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<WorklistItem>, Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    let (libraries, without_library) = match &filter.library {
        Some(name) => {
            let library = catalogue.library(actor, name)?;
            library.require(actor, Level::Own)?;
            (vec![library.id.0], false)
        }
        None => (owned_libraries(catalogue, actor), sees_items_without_library(actor)),
    };
    let after: Option<(DateTime<Utc>, Uuid)> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let rows = sqlx::query_as!(
        WorklistItem,
        r#"-- worklist.list
         select worklist.id, library.name as "library?", kind as "kind: WorklistKind", subject, questions, details, occurrences,
           first_at, last_at, resolved_at, resolved_by
         from chat.worklist as worklist left join library.libraries as library on library.id = worklist.library_id
         where (worklist.library_id = any ($1) or ($2 and worklist.library_id is null))
           and ($3::text is null or kind = $3) and (resolved_at is not null) = $4
           and ($5::timestamptz is null or (last_at, worklist.id) < ($5, $6))
         order by last_at desc, worklist.id desc limit $7"#,
        &libraries,
        without_library,
        filter.kind as Option<WorklistKind>,
        filter.resolved,
        after.map(|after| after.0),
        after.map(|after| after.1),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::from_rows(rows, limit, |last| Cursor::encode(&(last.last_at, last.id))))
}

/// Resolves an item; later occurrences start a new one. Idempotent.
///
/// # Errors
///
/// Fails if the actor is anonymous, or with [`Error::NotFound`] if the item does not exist for them.
pub async fn resolve(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
    actor: &Actor,
    id: Uuid,
) -> Result<WorklistItem, Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    let absent = || Error::NotFound("item not found in your work list".to_owned());
    let library = sqlx::query_scalar!(
        r#"-- worklist.library
         select library.name as "name?" from chat.worklist as worklist
         left join library.libraries as library on library.id = worklist.library_id where worklist.id = $1"#,
        id,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(absent)?;
    match library {
        Some(name) => {
            let library =
                name.parse().ok().and_then(|name: LibraryName| catalogue.library(actor, &name).ok());
            library.ok_or_else(absent)?.require(actor, Level::Own)?;
        }
        None if sees_items_without_library(actor) => {}
        None => return Err(absent()),
    }
    let item = sqlx::query_as!(
        WorklistItem,
        r#"-- worklist.resolve
         with resolved as (
           update chat.worklist set resolved_at = coalesce(resolved_at, now()), resolved_by = coalesce(resolved_by, $2)
           where id = $1 returning *
         )
         select resolved.id, library.name as "library?", kind as "kind: WorklistKind", subject, questions, details, occurrences,
           first_at, last_at, resolved_at, resolved_by
         from resolved left join library.libraries as library on library.id = resolved.library_id"#,
        id,
        actor.name(),
    )
    .fetch_optional(connection)
    .await?;
    item.ok_or_else(absent)
}

fn owned_libraries(catalogue: &Catalogue, actor: &Actor) -> Vec<Uuid> {
    let libraries = catalogue.libraries(actor).into_iter();
    libraries
        .filter(|library| library.access_level(actor) == Some(Level::Own))
        .map(|library| library.id.0)
        .collect()
}

/// Whether an actor sees items without a library.
fn sees_items_without_library(actor: &Actor) -> bool {
    actor.has_role(Role::Admin) && actor.has_scope(Scope::Write) && actor.key_libraries().is_none()
}

/// Locks the work list against other writers, until the end of the transaction.
async fn lock(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        r#"-- worklist.alone
         select pg_advisory_xact_lock(hashtext('chat.worklist'))::text as "locked?""#
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// Returns a text on one line, truncated to `max_chars`.
fn shorten(text: &str, max_chars: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\0', "");
    if line.chars().count() <= max_chars {
        return line;
    }
    let mut short: String = line.chars().take(max_chars - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn a_text_is_shortened_to_one_line() {
        assert_eq!(shorten(" a\n b\0 ", 10), "a b");
        assert_eq!(shorten(&"数".repeat(600), 500).chars().count(), 500);
    }
}
