//! The work list: what a library's owners should look at. Searches that found nothing that has to do with them, versions that are
//! absent, answers that somebody called wrong, answers that have gone stale.
//!
//! Occurrences with one meaning are one group: at once those whose questions have the same words, and, where there is a model, those
//! whose questions' vectors are near each other. Nobody is named, and what somebody asked is shown in no more than 500 characters.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use embedding::Model;
use kernel::actor::{Actor, Role, Scope};
use kernel::page::{Cursor, Page};
use library::access::{self, Level};
use library::catalogue::Catalogue;
use library::embed::as_text;
use library::names::LibraryName;
use library::search::Miss;
use library::search::relevance::content_terms;
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;

/// The longest question that is shown, in characters.
const LONGEST_QUESTION: usize = 500;
/// Open groups of one kind in one library, at most: what comes on top is not written down.
const MOST_OPEN: i64 = 10_000;
/// The cosine of two questions' vectors from which on they mean the same. Measured with multilingual-e5-small: of 24 pairs with one
/// meaning (English, Chinese, across) 10 reach it, of 25 pairs made to look alike (“restart”, “stop the gateway”) 2 do; 0.92 would
/// be 15 and 10. What is taken for different stands twice in the list, what is taken for the same might be overlooked.
const SAME: f64 = 0.94;
/// Questions that are embedded together.
const TOGETHER: i64 = 32;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
#[schema(as = WorklistKind)]
pub enum Kind {
    /// A search found nothing that has to do with it.
    NothingFound,
    /// A version was asked for that is absent.
    VersionRefused,
    /// Somebody called an answer wrong.
    AnswerWrong,
    /// A passage that an answer cites has changed or gone.
    AnswerStale,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// In this library; administrators look at what is in none.
    pub library: Option<String>,
    /// What happened.
    pub kind: Kind,
    /// What was asked.
    pub question: String,
    /// The version that was asked for, where one was refused.
    pub subject: String,
    /// Why the answer is wrong, or which document changed.
    pub detail: String,
}

/// A group of occurrences with one meaning.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Item {
    /// Its id.
    pub id: Uuid,
    /// The library.
    pub library: Option<String>,
    /// What happened.
    pub kind: Kind,
    /// The version that was asked for, where one was refused.
    pub subject: String,
    /// The first few different questions.
    pub questions: Vec<String>,
    /// What was said of it: why answers are wrong, which documents changed.
    pub details: Vec<String>,
    /// How often it happened.
    pub occurrences: i64,
    /// When it first happened.
    pub first_at: DateTime<Utc>,
    /// When it last happened.
    pub last_at: DateTime<Utc>,
    /// When it was resolved.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who resolved it.
    pub resolved_by: Option<String>,
}

/// Which items.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this library; of all that the actor owns where none is named.
    pub library: Option<LibraryName>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Those that are resolved; the open ones where not.
    pub resolved: bool,
}

impl From<Miss> for Occurrence {
    fn from(miss: Miss) -> Self {
        Self {
            library: miss.library.map(|name| name.to_string()),
            kind: if miss.version.is_some() { Kind::VersionRefused } else { Kind::NothingFound },
            question: miss.question,
            subject: miss.version.unwrap_or_default(),
            detail: String::new(),
        }
    }
}

/// Writes down what happened, in the caller's transaction. Who records a few waits for whoever else does, for the short end of
/// their transaction: two that mean the same become one group.
pub async fn record(connection: &mut PgConnection, occurrences: &[Occurrence]) -> Result<(), Error> {
    if occurrences.is_empty() {
        return Ok(());
    }
    alone(&mut *connection).await?;
    for occurrence in occurrences {
        let question = shortened(&occurrence.question, LONGEST_QUESTION);
        if question.is_empty() {
            continue;
        }
        let key = content_terms(&question).join(" ");
        let subject = shortened(&occurrence.subject, 200);
        let detail = shortened(&occurrence.detail, LONGEST_QUESTION);
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
            occurrence.kind as Kind,
            subject,
            question,
            key,
            &details,
            MOST_OPEN,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Writes down that an answer was called wrong, in the transaction of the verdict: for the library that answered, whatever its chat
/// asks by now. Where that does not exist for who judges, nothing is written: nobody writes into a list they do not know of.
pub async fn record_wrong(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
    actor: &Actor,
    answer: i64,
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
        answer,
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
        kind: Kind::AnswerWrong,
        question: row.question,
        subject: String::new(),
        detail: reason.to_owned(),
    };
    record(connection, &[occurrence]).await
}

/// Puts open groups together whose questions mean the same. Returns how many were looked at.
pub async fn regroup(pool: &PgPool, model: &Arc<Model>) -> Result<usize, Error> {
    let rows = sqlx::query!(
        r#"-- worklist.without_vector
         select id, questions[1] as "question!" from chat.worklist
         where resolved_at is null and model is distinct from $1 order by first_at, id limit $2"#,
        model.id(),
        TOGETHER,
    )
    .fetch_all(pool)
    .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let questions: Vec<String> = rows.iter().map(|row| row.question.clone()).collect();
    let vectors = {
        let model = Arc::clone(model);
        tokio::task::spawn_blocking(move || {
            questions.iter().map(|question| as_text(&model.embed_query(question))).collect::<Vec<_>>()
        })
        .await
        .map_err(|error| Error::Internal(format!("the embedding model failed: {error}")))?
    };
    let mut transaction = store::postgres::begin(pool).await?;
    alone(&mut transaction).await?;
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
            SAME,
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(rows.len())
}

/// The items of the libraries that the actor owns, those that happened last first.
pub async fn list(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
    actor: &Actor,
    filter: &Filter,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Item>, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    let (libraries, of_none) = match &filter.library {
        Some(name) => {
            let library = catalogue.library(actor, name)?;
            access::require(actor, library, Level::Own)?;
            (vec![library.id.0], false)
        }
        None => (owned(catalogue, actor), sees_the_rest(actor)),
    };
    let after: Option<(DateTime<Utc>, Uuid)> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let rows = sqlx::query_as!(
        Item,
        r#"-- worklist.list
         select worklist.id, library.name as "library?", kind as "kind: Kind", subject, questions, details, occurrences,
           first_at, last_at, resolved_at, resolved_by
         from chat.worklist as worklist left join library.libraries as library on library.id = worklist.library_id
         where (worklist.library_id = any ($1) or ($2 and worklist.library_id is null))
           and ($3::text is null or kind = $3) and (resolved_at is not null) = $4
           and ($5::timestamptz is null or (last_at, worklist.id) < ($5, $6))
         order by last_at desc, worklist.id desc limit $7"#,
        &libraries,
        of_none,
        filter.kind as Option<Kind>,
        filter.resolved,
        after.map(|after| after.0),
        after.map(|after| after.1),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    Ok(Page::cut(rows, limit, |last| Cursor::encode(&(last.last_at, last.id))))
}

/// Resolves a group: what happens after is another one. Resolving it again changes nothing.
pub async fn resolve(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
    actor: &Actor,
    id: Uuid,
) -> Result<Item, Error> {
    if actor.is_nobody() {
        return Err(Error::SignIn);
    }
    let absent = || Error::NotFound("there is no such item in your work list".to_owned());
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
            access::require(actor, library.ok_or_else(absent)?, Level::Own)?;
        }
        None if sees_the_rest(actor) => {}
        None => return Err(absent()),
    }
    let item = sqlx::query_as!(
        Item,
        r#"-- worklist.resolve
         with resolved as (
           update chat.worklist set resolved_at = coalesce(resolved_at, now()), resolved_by = coalesce(resolved_by, $2)
           where id = $1 returning *
         )
         select resolved.id, library.name as "library?", kind as "kind: Kind", subject, questions, details, occurrences,
           first_at, last_at, resolved_at, resolved_by
         from resolved left join library.libraries as library on library.id = resolved.library_id"#,
        id,
        actor.name(),
    )
    .fetch_optional(connection)
    .await?;
    item.ok_or_else(absent)
}

fn owned(catalogue: &Catalogue, actor: &Actor) -> Vec<Uuid> {
    let libraries = catalogue.libraries(actor).into_iter();
    libraries
        .filter(|library| access::level(actor, library) == Some(Level::Own))
        .map(|library| library.id.0)
        .collect()
}

/// Whether an actor looks at what is of no library.
fn sees_the_rest(actor: &Actor) -> bool {
    actor.has_role(Role::Admin) && actor.may(Scope::Write) && actor.libraries().is_none()
}

/// Whoever writes groups does so alone, until the end of the transaction.
async fn alone(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        r#"-- worklist.alone
         select pg_advisory_xact_lock(hashtext('chat.worklist'))::text as "locked?""#
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// A text on one line, within its bounds.
fn shortened(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('\0', "");
    if line.chars().count() <= most {
        return line;
    }
    let mut short: String = line.chars().take(most - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn a_text_is_one_line_within_its_bounds() {
        assert_eq!(shortened(" a\n b\0 ", 10), "a b");
        assert_eq!(shortened(&"数".repeat(600), 500).chars().count(), 500);
    }
}
