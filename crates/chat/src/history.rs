//! Full-text search of the actor's own messages, with the same analysis as in libraries (English and Chinese), newest first; and the
//! queries of answers, which restored copies are asked again.

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use library::search::analysis::{TermKind, with_thread_analysis};
use library::search::{MAX_QUERY_CHARS, excerpt};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, ChatId};
use crate::messages::MessageRole;
use crate::messages::owner_term;

/// Message found by a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryHit {
    /// Chat id.
    #[schema(value_type = Uuid)]
    pub chat_id: ChatId,
    /// Title of the chat.
    pub title: String,
    /// Message id.
    pub message_id: Uuid,
    /// Author.
    pub role: MessageRole,
    /// Text of the message that contains most of the words searched for.
    pub snippet: String,
    /// Words searched for, as half-open ranges of characters of the snippet.
    pub highlights: Vec<(u32, u32)>,
    /// Creation time of the message.
    pub created_at: DateTime<Utc>,
}

/// Query of an answer, with the passages that the answer cites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnsweredQuery {
    /// Query that was searched for.
    pub query: String,
    /// Library and version that were searched; all libraries if `None`.
    pub searched: Option<(String, String)>,
    /// Ids of the cited passages that are in the library unchanged, by their number in the answer.
    pub cited: Vec<Uuid>,
}

/// Returns the queries of the newest answers that cite passages, of all chats, for the verification of a backup. They are private: they may
/// be searched for, and not shown.
///
/// # Errors
///
/// Fails unless the actor is an administrator in person, and if the database fails.
pub async fn answered_queries(
    connection: &mut PgConnection,
    actor: &Actor,
    limit: i64,
) -> Result<Vec<AnsweredQuery>, Error> {
    if !actor.is_admin() {
        return Err(Error::NotAllowed(
            "only administrators can have the queries of all chats searched for".to_owned(),
        ));
    }
    let rows = sqlx::query!(
        r#"-- history.answered_queries
         select message.metadata->>'query' as "query!", message.metadata->'resolved'->>'library' as library,
           message.metadata->'resolved'->>'version' as version,
           array_agg(source.passage_id order by source.number) as "cited!: Vec<Uuid>"
         from (
           -- the newest, by the primary key: far more than are wanted, since not all cite
           select id, chat_id, metadata from chat.messages
           where role = 'assistant' and status = 'complete' and metadata->>'query' <> ''
           order by id desc limit 20 * $1::int8
         ) as message
         join chat.chats as chat on chat.id = message.chat_id and chat.deleted_at is null
         join chat.message_sources as source on source.message_id = message.id
           and source.cited and source.passage_id is not null and source.stale is null
         group by message.id, message.metadata order by message.id desc limit $1"#,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let queries = rows.into_iter().map(|row| AnsweredQuery {
        query: row.query,
        searched: row.library.zip(row.version),
        cited: row.cited,
    });
    Ok(queries.collect())
}

/// Returns a page of the messages of the actor's chats that contain all of these words, newest first. Messages of deleted chats
/// are not found.
///
/// # Errors
///
/// Fails if the actor has no chats, `words` is empty or too long, or the cursor is invalid.
pub async fn search(
    connection: &mut PgConnection,
    actor: &Actor,
    words: &str,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<HistoryHit>, Error> {
    let owner = chats::owner_id(actor)?;
    let length = words.chars().count();
    if words.trim().is_empty() || length > MAX_QUERY_CHARS {
        return Err(Error::Invalid(format!(
            "a query has 1 to {MAX_QUERY_CHARS} characters; this one has {length}"
        )));
    }
    let before: Option<i64> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let rows = sqlx::query!(
        r#"-- history.search
         select message.id, chat.id as "chat_id: ChatId", chat.title, message.message_id, message.role as "role: MessageRole",
           message.content, message.created_at
         from chat.messages as message
         join chat.chats as chat on chat.id = message.chat_id
         where message.words @@ $2::text::tsquery and chat.owner_id = $1 and chat.deleted_at is null
           and ($3::int8 is null or message.id < $3)
         -- an expression, so that the planner does not walk the primary key through the messages of all users
         order by message.id + 0 desc limit $4"#,
        owner,
        query(owner, words),
        before,
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let page = Page::from_rows(rows, limit, |last| Cursor::encode(&last.id));
    Ok(page.map(|row| {
        let (snippet, highlights) = excerpt(&row.content, words);
        HistoryHit {
            chat_id: row.chat_id,
            title: row.title,
            message_id: row.message_id,
            role: row.role,
            snippet,
            highlights,
            created_at: row.created_at,
        }
    }))
}

/// Returns the query in PostgreSQL's syntax: every term quoted, all required. Compounds are left to their parts, since the asker
/// may spell them differently.
fn query(owner: Uuid, words: &str) -> String {
    let quoted = |term: &str| format!("'{}'", term.replace('\\', "\\\\").replace('\'', "''"));
    let mut terms = vec![quoted(&owner_term(owner))];
    with_thread_analysis(|analysis| {
        analysis.run(words);
        terms.extend(
            analysis
                .terms()
                .filter(|(term, _)| term.kind == TermKind::Step)
                .map(|(_, text)| quoted(text))
                .take(100),
        );
    });
    if terms.len() == 1 {
        // Only punctuation, which no message contains as a term.
        terms.push(quoted("\u{1}"));
    }
    terms.join(" & ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_in_a_query_are_plain_words() {
        let query =
            |words| query(Uuid::nil(), words).split_once(" & ").map(|(_, rest)| rest.to_owned()).unwrap();
        assert_eq!(query("timeouts of it's"), "'timeout' & 'of' & 'it' & 's'");
        assert_eq!(query("限流 a'|!b\\"), "'限流' & 'a' & 'b'");
        assert_eq!(query("?!"), "'\u{1}'");
    }
}
