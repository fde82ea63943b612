//! Messages of a chat: a tree, of which one branch is shown.
//!
//! An edited question and a regenerated answer become siblings of the earlier message; nothing is overwritten. The database
//! keeps it a tree: a parent belongs to the same chat and is older. [`write`] owns the life of an answer from
//! the question to its end, this module everything else.

mod model;
mod write;

use std::collections::BTreeSet;

use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use library::catalogue::Catalogue;
use library::search::analysis::with_thread_analysis;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, ChatId, MessageId};
use crate::source::Source;
use model::Row;

pub use model::{Message, MessageRole, MessageStatus, Verdict};
pub(crate) use write::{
    FinishedAnswer, PendingAnswer, finish_answer, save_progress, start_answer, write_sources,
};
pub use write::{QuestionAction, mark_interrupted, stop, validate_question};

/// Maximum length of a question, in characters. Longer texts are attached as a file.
pub const MAX_QUESTION_CHARS: usize = 16_000;
/// Maximum number of search terms indexed for one message.
const MAX_TERMS: usize = 4000;
/// Maximum length of a verdict's reason and of its correction, in characters.
pub const MAX_VERDICT_CHARS: usize = 4000;

/// Returns a page of the branch that is shown, or of the branch that ends with `until`: the newest messages, oldest first.
/// `next` leads to the messages before them. A chat that does not exist for the actor has no messages.
///
/// # Errors
///
/// Fails if the actor has no chats, the cursor is invalid or the database fails.
pub async fn branch(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    until: Option<MessageId>,
    before: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Message>, Error> {
    let owner = chats::owner_id(actor)?;
    let from: Option<i64> = before
        .map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string())))
        .transpose()?;
    let mut rows: Vec<Message> = sqlx::query_as!(
        Row,
        r#"-- messages.branch
         with recursive path as (
           select leaf.id, leaf.parent_id, 1 as depth
           from chat.chats as chat join chat.messages as leaf on leaf.chat_id = chat.id and leaf.id =
             case when $2::int8 is not null then $2
               when $3::uuid is not null then (select id from chat.messages where chat_id = $1 and message_id = $3)
               else chat.current_id end
           where chat.id = $1 and chat.owner_id = $5
           union all
           select above.id, above.parent_id, depth + 1
           from path join chat.messages as above on above.chat_id = $1 and above.id = path.parent_id
           where depth < $4
         )
         select message.id as "id!", chat_id as "chat_id!: ChatId", message_id as "message_id!", parent,
           role as "role!: MessageRole", content as "content!", status as "status!: MessageStatus",
           metadata as "metadata!", created_at as "created_at!", siblings as "siblings!",
           sources as "sources: Json<Vec<Source>>", verdict as "verdict: Json<Verdict>"
         from path join chat.shown_messages as message on message.id = path.id and message.chat_id = $1
         order by message.id desc"#,
        chat.0,
        from,
        until.map(|message| message.0),
        i32::try_from(limit + 1).unwrap_or(i32::MAX),
        owner,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(Message::from)
    .collect();
    // The extra row is the first one of the next page.
    let next = (rows.len() > limit).then(|| rows.pop()).flatten().map(|row| Cursor::encode(&row.id));
    rows.reverse();
    Ok(Page { items: rows, cursors: Vec::new(), next })
}

/// Returns a page of all messages of a chat, of every branch, oldest first. A chat that does not exist for the actor has no
/// messages.
///
/// # Errors
///
/// Fails if the actor has no chats, the cursor is invalid or the database fails.
pub async fn list_all(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Message>, Error> {
    let owner = chats::owner_id(actor)?;
    let after: Option<i64> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let rows = sqlx::query_as!(
        Row,
        r#"-- messages.all
         select message.id as "id!", chat_id as "chat_id!: ChatId", message_id as "message_id!", parent,
           role as "role!: MessageRole", content as "content!", status as "status!: MessageStatus",
           metadata as "metadata!", message.created_at as "created_at!", siblings as "siblings!",
           sources as "sources: Json<Vec<Source>>", verdict as "verdict: Json<Verdict>"
         from chat.shown_messages as message
         where message.chat_id = $1 and message.id > $2
           and exists (select from chat.chats where id = $1 and owner_id = $4)
         order by message.id limit $3"#,
        chat.0,
        after.unwrap_or(0),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
        owner,
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(Message::from).collect();
    Ok(Page::from_rows(rows, limit, |last: &Message| Cursor::encode(&last.id)))
}

/// Returns a message of one of the actor's chats, and the chat's id.
///
/// # Errors
///
/// Fails with [`Error::NotFound`] if there is no such message or it belongs to somebody else.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    id: MessageId,
) -> Result<(ChatId, Message), Error> {
    find_many(connection, actor, &[id]).await?.pop().ok_or_else(absent)
}

/// Returns those of these messages that [`find`] would return, with the ids of their chats, in one statement. The order is
/// that of `ids`; an id that is given twice is returned twice.
///
/// # Errors
///
/// Fails if the actor has no chats or the database fails.
pub async fn find_many(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[MessageId],
) -> Result<Vec<(ChatId, Message)>, Error> {
    let owner = chats::owner_id(actor)?;
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"-- messages.find
         select message.id as "id!", message.chat_id as "chat_id!: ChatId", message_id as "message_id!", parent,
           role as "role!: MessageRole", content as "content!", status as "status!: MessageStatus",
           metadata as "metadata!", message.created_at as "created_at!", siblings as "siblings!",
           sources as "sources: Json<Vec<Source>>", verdict as "verdict: Json<Verdict>"
         from unnest($1::uuid[]) with ordinality as wanted (id, position)
         join chat.shown_messages as message on message.message_id = wanted.id
         join chat.chats as chat on chat.id = message.chat_id and chat.owner_id = $2
         order by wanted.position"#,
        &ids,
        owner,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.chat_id, row.into())).collect())
}

pub(crate) fn absent() -> Error {
    Error::NotFound("message not found among yours".to_owned())
}

/// Sets the actor's verdict on an answer; `None` removes it. A new `wrong` verdict is also recorded in the work list of the
/// library that answered.
///
/// # Errors
///
/// Fails if the message does not exist for the actor, is a question, or the verdict is out of its bounds.
pub async fn set_verdict(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
    actor: &Actor,
    id: MessageId,
    verdict: Option<&Verdict>,
) -> Result<Message, Error> {
    let (_, message) = find(&mut *connection, actor, id).await?;
    if message.role != MessageRole::Assistant {
        return Err(Error::Invalid("only an answer can be marked as good or wrong".to_owned()));
    }
    let Some(verdict) = verdict else {
        sqlx::query!(
            "-- verdicts.remove
            delete from chat.verdicts where message_id = $1",
            message.id
        )
        .execute(&mut *connection)
        .await?;
        return Ok(Message { verdict: None, ..message });
    };
    if !["good", "wrong"].contains(&verdict.verdict.as_str()) {
        return Err(Error::Invalid("invalid verdict: use good or wrong".to_owned()));
    }
    for (text, name) in [(&verdict.reason, "reason"), (&verdict.correction, "correction")] {
        if text.chars().count() > MAX_VERDICT_CHARS {
            return Err(Error::Invalid(format!("{name} is longer than {MAX_VERDICT_CHARS} characters")));
        }
    }
    let was_wrong = message.verdict.as_ref().is_some_and(|known| known.verdict == "wrong");
    if verdict.verdict == "wrong" && !was_wrong {
        let texts = [verdict.reason.trim(), verdict.correction.trim()];
        let texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        crate::worklist::record_wrong(&mut *connection, catalogue, actor, &message, &texts.join(" → "))
            .await?;
    }
    sqlx::query!(
        "-- verdicts.set
         insert into chat.verdicts (message_id, verdict, reason, correction) values ($1, $2, $3, $4)
         on conflict (message_id) do update
           set verdict = excluded.verdict, reason = excluded.reason, correction = excluded.correction, updated_at = now()",
        message.id,
        verdict.verdict,
        verdict.reason.trim().replace('\0', ""),
        verdict.correction.trim().replace('\0', ""),
    )
    .execute(&mut *connection)
    .await?;
    find(connection, actor, id).await.map(|(_, message)| message)
}

/// Returns the search terms of a message, for `array_to_tsvector`: the terms of its text, and one that names its owner, so
/// that a search of one's own history does not walk through everybody's.
pub(crate) fn search_terms(owner: Uuid, text: &str) -> Vec<String> {
    let mut terms: BTreeSet<String> = with_thread_analysis(|analysis| {
        analysis.run(text);
        analysis.terms().map(|(_, term)| term.to_owned()).take(MAX_TERMS).collect()
    });
    terms.insert(owner_term(owner));
    terms.into_iter().collect()
}

/// Returns the search term that names the owner of a message.
pub(crate) fn owner_term(owner: Uuid) -> String {
    format!("owner:{owner}")
}
