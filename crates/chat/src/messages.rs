//! Messages: a tree for each chat, of which one branch is shown.
//!
//! A question that is put again in other words, and an answer that is given again, stand beside the earlier one and take
//! nothing away. The database keeps it a tree: a parent is of the same chat and older.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use library::catalogue::Catalogue;
use library::search::analysis::with_kept;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, Chat, ChatId, MessageId, UNTITLED};
use crate::portable::{Role, Status, Verdict};
use crate::source::Source;

/// The longest question, in characters. What is longer is a file.
pub const LONGEST_QUESTION: usize = 16_000;
/// The longest message, in bytes.
pub const LONGEST: usize = 1 << 20;
/// Terms of a message by which it is found.
const MOST_TERMS: usize = 4000;
/// How long an answer counts as being written after its writer was last heard of.
const ANSWERING_SECONDS: f64 = 15.0;

/// A message.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Message {
    /// Its id.
    pub message_id: Uuid,
    /// The message it follows.
    pub parent: Option<Uuid>,
    /// Who speaks.
    pub role: Role,
    /// Its text, as Markdown.
    pub content: String,
    /// How far it came.
    pub status: Status,
    /// How an answer came about: model, query, versions, tokens, what was dropped or is unsupported.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// What stands in its place in other branches, itself included, in the order it was written.
    pub siblings: Vec<Uuid>,
    /// What it stands on, numbered as it cites them.
    pub sources: Vec<Source>,
    /// What its owner says of it.
    pub verdict: Option<Verdict>,
    #[serde(skip)]
    pub(crate) id: i64,
}

impl Message {
    /// A message of a conversation that is not kept.
    pub(crate) fn told(role: Role, content: String) -> Self {
        Self {
            message_id: Uuid::nil(),
            parent: None,
            role,
            content,
            status: Status::Complete,
            metadata: Value::Null,
            created_at: DateTime::UNIX_EPOCH,
            siblings: Vec::new(),
            sources: Vec::new(),
            verdict: None,
            id: 0,
        }
    }

    /// Whether a passage that it cites has changed or gone since.
    pub fn is_stale(&self) -> bool {
        self.sources.iter().any(|source| source.cited && source.stale.is_some())
    }
}

/// A message as its row holds it.
struct Row {
    id: i64,
    message_id: Uuid,
    parent: Option<Uuid>,
    role: Role,
    content: String,
    status: Status,
    metadata: Value,
    created_at: DateTime<Utc>,
    siblings: Vec<Uuid>,
    sources: Option<Json<Vec<Source>>>,
    verdict: Option<Json<Verdict>>,
}

impl From<Row> for Message {
    fn from(row: Row) -> Self {
        Self {
            message_id: row.message_id,
            parent: row.parent,
            role: row.role,
            content: row.content,
            status: row.status,
            metadata: row.metadata,
            created_at: row.created_at,
            siblings: row.siblings,
            sources: row.sources.map(|Json(sources)| sources).unwrap_or_default(),
            verdict: row.verdict.map(|Json(verdict)| verdict),
            id: row.id,
        }
    }
}

/// The newest messages of the branch that is shown, or of the one that ends with `until`; the oldest of the page first. `next`
/// leads to those before them. The chat has been looked up for its owner before.
pub async fn branch(
    connection: &mut PgConnection,
    chat: &Chat,
    until: Option<MessageId>,
    before: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Message>, Error> {
    let from: Option<i64> = before
        .map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string())))
        .transpose()?;
    let mut rows: Vec<Message> = sqlx::query_as!(
        Row,
        r#"-- messages.branch
         with recursive path as (
           select id, parent_id, 1 as depth from chat.messages
           where chat_id = $1 and id = coalesce($2, (select id from chat.messages where chat_id = $1 and message_id = $3))
           union all
           select above.id, above.parent_id, depth + 1
           from path join chat.messages as above on above.chat_id = $1 and above.id = path.parent_id
           where depth < $4
         )
         select message.id as "id!", message_id as "message_id!", parent, role as "role!: Role",
           content as "content!", status as "status!: Status", metadata as "metadata!", created_at as "created_at!",
           siblings as "siblings!", sources as "sources: Json<Vec<Source>>", verdict as "verdict: Json<Verdict>"
         from path join chat.shown_messages as message on message.id = path.id and message.chat_id = $1
         order by message.id desc"#,
        chat.id.0,
        from,
        until.map(|message| message.0).or(chat.current),
        i32::try_from(limit + 1).unwrap_or(i32::MAX),
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(Message::from)
    .collect();
    // The row too many is where the next page begins.
    let next = (rows.len() > limit).then(|| rows.pop()).flatten().map(|row| Cursor::encode(&row.id));
    rows.reverse();
    Ok(Page { items: rows, next })
}

/// All messages of a chat, whatever branch they are on, in the order they were written.
pub async fn all(
    connection: &mut PgConnection,
    chat: &Chat,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Message>, Error> {
    let after: Option<i64> =
        after.map(|cursor| cursor.decode().map_err(|error| Error::Invalid(error.to_string()))).transpose()?;
    let rows = sqlx::query_as!(
        Row,
        r#"-- messages.all
         select message.id as "id!", message_id as "message_id!", parent, role as "role!: Role",
           content as "content!", status as "status!: Status", metadata as "metadata!", created_at as "created_at!",
           siblings as "siblings!", sources as "sources: Json<Vec<Source>>", verdict as "verdict: Json<Verdict>"
         from chat.shown_messages as message
         where message.chat_id = $1 and message.id > $2
         order by message.id limit $3"#,
        chat.id.0,
        after.unwrap_or(0),
        i64::try_from(limit + 1).unwrap_or(i64::MAX),
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(Message::from).collect();
    Ok(Page::cut(rows, limit, |last: &Message| Cursor::encode(&last.id)))
}

/// A message of the actor's, and the chat it is in.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    id: MessageId,
) -> Result<(ChatId, Message), Error> {
    let owner = chats::owner(actor)?;
    let chat = sqlx::query_scalar!(
        r#"-- messages.chat
         select chat.id as "id: ChatId" from chat.messages as message join chat.chats as chat on chat.id = message.chat_id
         where message.message_id = $1 and chat.owner_id = $2"#,
        id.0,
        owner,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(absent)?;
    let row = sqlx::query_as!(
        Row,
        r#"-- messages.find
         select message.id as "id!", message_id as "message_id!", parent, role as "role!: Role",
           content as "content!", status as "status!: Status", metadata as "metadata!", created_at as "created_at!",
           siblings as "siblings!", sources as "sources: Json<Vec<Source>>", verdict as "verdict: Json<Verdict>"
         from chat.shown_messages as message where message.chat_id = $1 and message.message_id = $2"#,
        chat.0,
        id.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok((chat, row.map(Message::from).ok_or_else(absent)?))
}

pub(crate) fn absent() -> Error {
    Error::NotFound("there is no such message among yours".to_owned())
}

/// What is put to a chat.
#[derive(Debug, Clone)]
pub enum Put {
    /// A question, after this message, or after the last of the branch that is shown.
    Question { content: String, after: Option<MessageId> },
    /// A question in other words, beside the earlier one.
    Edit { message: MessageId, content: String },
    /// An earlier question, or the question of an earlier answer, is to be answered again.
    Again { message: MessageId },
}

impl Put {
    /// The words that are put; none where they are there already.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Question { content, .. } | Self::Edit { content, .. } => content,
            Self::Again { .. } => "",
        }
    }
}

/// A question and the answer that is to be written to it.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) chat: Chat,
    pub(crate) question: String,
    pub(crate) question_id: MessageId,
    /// Above the question, for the branch that led to it.
    pub(crate) above: Option<MessageId>,
    pub(crate) answer_id: MessageId,
    /// The answer's row.
    pub(crate) answer: i64,
    /// Whether files are attached to the chat.
    pub(crate) has_files: bool,
}

/// Where a question stands or is put.
struct Place {
    parent: Option<i64>,
    above: Option<MessageId>,
    /// A question that is there already.
    question: Option<(i64, MessageId, String)>,
}

/// Writes a question, where there is a new one, and the beginning of its answer; the branch that is shown ends with them.
pub(crate) async fn begin(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    put: &Put,
    question_id: Option<MessageId>,
) -> Result<Turn, Error> {
    let owner = chats::owner(actor)?;
    let content = match put {
        Put::Question { content, .. } | Put::Edit { content, .. } => Some(checked(content)?),
        Put::Again { .. } => None,
    };
    let Held { mut chat, has_files, place } = hold(&mut *connection, owner, chat, put).await?;
    let (text, earlier) = match (content, place.question) {
        (Some(content), _) => (content, None),
        (None, Some((id, name, content))) => (content, Some((id, name))),
        (None, None) => {
            return Err(Error::Invalid("above this answer there is no question to answer".to_owned()));
        }
    };
    let question_id = earlier.map_or_else(|| question_id.unwrap_or_else(MessageId::new), |(_, name)| name);
    let answer_id = MessageId::new();
    if chat.title == UNTITLED {
        chat.title = chats::title_of(&text);
    }
    let written = sqlx::query_scalar!(
        r#"-- messages.begin
         with asked as (
           insert into chat.messages (message_id, chat_id, parent_id, role, content, words)
           select $2, $1, $3, 'user', $4, array_to_tsvector($5) where $6::int8 is null
           returning id
         ), above as materialized (
           -- first: the answer's id is given out after the question's
           select coalesce($6, (select id from asked)) as id
         ), answered as (
           insert into chat.messages (message_id, chat_id, parent_id, role, content, status, answering_until)
           select $7, $1, above.id, 'assistant', '', 'answering', now() + make_interval(secs => $8) from above
           returning id
         )
         update chat.chats set current_id = answered.id, updated_at = now(), title = $9 from answered where chats.id = $1
         returning answered.id"#,
        chat.id.0,
        question_id.0,
        place.parent,
        text,
        &words(owner, &text),
        earlier.map(|(id, _)| id),
        answer_id.0,
        ANSWERING_SECONDS,
        chat.title,
    )
    .fetch_one(connection)
    .await
    .map_err(|error| match error.as_database_error().and_then(sqlx::error::DatabaseError::constraint) {
        Some("messages_message_id_key") => {
            Error::Conflict("a message with this id is there already: give it another, or none".to_owned())
        }
        _ => error.into(),
    })?;
    chat.current = Some(answer_id.0);
    Ok(Turn { chat, question: text, question_id, above: place.above, answer_id, answer: written, has_files })
}

/// A chat that is held, and where in it the question stands.
struct Held {
    chat: Chat,
    has_files: bool,
    place: Place,
}

/// Holds a chat, so that two questions at once stand one after the other, and finds the question's place.
async fn hold(connection: &mut PgConnection, owner: Uuid, chat: ChatId, put: &Put) -> Result<Held, Error> {
    // By itself: a statement that waits for the lock sees the chat anew, and the messages as they were before.
    sqlx::query!(
        "-- messages.hold
         select id from chat.chats where id = $1 and owner_id = $2 and deleted_at is null for update",
        chat.0,
        owner,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(chats::absent)?;
    let named = match put {
        Put::Question { after, .. } => *after,
        Put::Edit { message, .. } | Put::Again { message } => Some(*message),
    };
    let row = sqlx::query!(
        r#"-- messages.place
         select chat.id as "id: ChatId", chat.title, chat.focus_mode, chat.library, chat.version, chat.model, chat.pinned,
           chat.archived, chat.deleted_at, chat.created_at, chat.updated_at,
           exists (select from chat.files where files.chat_id = chat.id) as "has_files!",
           named.id as "named?", named.message_id as "named_id?: MessageId", named.role as "role?: Role",
           named.content as "content?", (named.status = 'answering' and named.answering_until > now()) as "is_answering?",
           above.id as "above?", above.message_id as "above_id?: MessageId", above.content as "above_content?",
           above.parent_id as "higher?",
           (select message_id from chat.messages where id = above.parent_id) as "higher_id?: MessageId"
         from chat.chats as chat
         left join chat.messages as named on named.chat_id = chat.id
           and case when $3::uuid is null then named.id = chat.current_id else named.message_id = $3 end
         left join chat.messages as above on above.chat_id = chat.id and above.id = named.parent_id
         where chat.id = $1 and chat.owner_id = $2 and chat.deleted_at is null"#,
        chat.0,
        owner,
        named.map(|message| message.0),
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(chats::absent)?;
    if named.is_some() && row.named.is_none() {
        return Err(absent());
    }
    let place = match put {
        Put::Question { .. } if row.is_answering == Some(true) => {
            return Err(Error::Conflict(
                "the answer before is still being written: wait for its end, or stop it".to_owned(),
            ));
        }
        Put::Question { .. } => Place { parent: row.named, above: row.named_id, question: None },
        Put::Edit { .. } if row.role != Some(Role::User) => {
            return Err(Error::Invalid("only a question can be put in other words".to_owned()));
        }
        Put::Edit { .. } => Place { parent: row.above, above: row.above_id, question: None },
        Put::Again { .. } => {
            let of = |id: Option<i64>, name: Option<MessageId>, content: Option<String>| {
                id.zip(name).zip(content).map(|((id, name), content)| (id, name, content))
            };
            if row.role == Some(Role::User) {
                let question = of(row.named, row.named_id, row.content);
                Place { parent: row.above, above: row.above_id, question }
            } else {
                let question = of(row.above, row.above_id, row.above_content);
                Place { parent: row.higher, above: row.higher_id, question }
            }
        }
    };
    let chat = Chat {
        id: row.id,
        title: row.title,
        focus_mode: row.focus_mode,
        library: row.library,
        version: row.version,
        model: row.model,
        pinned: row.pinned,
        archived: row.archived,
        deleted_at: row.deleted_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        current: None,
    };
    Ok(Held { chat, has_files: row.has_files, place })
}

/// A question as it is asked, if it can be.
pub fn checked(question: &str) -> Result<String, Error> {
    let text = question.trim().replace('\0', "");
    let length = text.chars().count();
    if length == 0 || length > LONGEST_QUESTION {
        return Err(Error::Invalid(format!(
            "a question has 1 to {LONGEST_QUESTION} characters; this one has {length}: attach what is longer as a file"
        )));
    }
    Ok(text)
}

/// Writes what an answer stands on, before the model is asked.
pub(crate) async fn write_sources(
    connection: &mut PgConnection,
    answer: i64,
    sources: &[Source],
) -> Result<(), Error> {
    if sources.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_value(sources).map_err(|error| Error::Internal(error.to_string()))?;
    // In one order for everybody, so that two answers that quote the same cannot wait for each other.
    sqlx::query!(
        "-- messages.write_sources
         with given as (
           select * from jsonb_to_recordset($2) as given (number int4, rank int4, kind text, cited bool, passage_id uuid,
             sha256 text, character_from int4, character_to int4, library text, version text, follows_active bool,
             document_id uuid, path text, title text, section text[], page_from int4, page_to int4, url text,
             instruction text, content text)
         ), quoted as (
           insert into chat.quotes (sha256, content)
           select distinct on (sha256) decode(sha256, 'hex'), content from given order by sha256
           on conflict (sha256) do update set used_at = now()
         )
         insert into chat.message_sources (message_id, number, rank, kind, cited, passage_id, sha256, character_from,
           character_to, library, version, follows_active, document_id, path, title, section, page_from, page_to, url,
           instruction)
         select $1, number, rank, kind, cited, (select id from library.search_indices where id = passage_id),
           decode(sha256, 'hex'), character_from, character_to, library, version, follows_active, document_id, path,
           title, section, page_from, page_to, url, instruction
         from given",
        answer,
        rows,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes how far an answer has come, and says whether it is to be stopped.
pub(crate) async fn progress(connection: &mut PgConnection, answer: i64, text: &str) -> Result<bool, Error> {
    let stop = sqlx::query_scalar!(
        "-- messages.progress
         update chat.messages set content = $2, answering_until = now() + make_interval(secs => $3)
         where id = $1 and status = 'answering' returning stop_asked",
        answer,
        text,
        ANSWERING_SECONDS,
    )
    .fetch_optional(connection)
    .await?;
    // A row that is gone, or that somebody else has ended, needs no more words.
    Ok(stop.unwrap_or(true))
}

/// How an answer ended.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) text: String,
    pub(crate) status: Status,
    pub(crate) metadata: Value,
    /// The numbers of the sources it cites.
    pub(crate) cited: Vec<i32>,
}

/// Writes an answer's end.
pub(crate) async fn end(
    connection: &mut PgConnection,
    owner: Uuid,
    answer: i64,
    ending: &Ending,
) -> Result<(), Error> {
    sqlx::query!(
        "-- messages.end
         with cited as (
           update chat.message_sources set cited = true where message_id = $1 and number = any ($5)
         )
         update chat.messages set content = $2, status = $3, metadata = $4, answering_until = null,
           words = array_to_tsvector($6)
         where id = $1",
        answer,
        ending.text,
        ending.status as Status,
        ending.metadata,
        &ending.cited,
        &words(owner, &ending.text),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Asks for an answer that is being written to be stopped, by whatever node writes it.
pub async fn stop(connection: &mut PgConnection, actor: &Actor, id: MessageId) -> Result<(), Error> {
    let (_, message) = find(&mut *connection, actor, id).await?;
    sqlx::query!(
        "-- messages.stop
         update chat.messages set stop_asked = true where id = $1 and status = 'answering'",
        message.id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks answers whose writers are gone. What they had written was kept.
pub async fn mark_interrupted(connection: &mut PgConnection) -> Result<u64, Error> {
    let marked = sqlx::query!(
        "-- messages.mark_interrupted
         update chat.messages set status = 'interrupted', answering_until = null
         where status = 'answering' and answering_until < now() - interval '1 minute'"
    )
    .execute(connection)
    .await?;
    Ok(marked.rows_affected())
}

/// Says what the actor thinks of an answer; without a verdict, takes back what was said.
pub async fn judge(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
    actor: &Actor,
    id: MessageId,
    verdict: Option<&Verdict>,
) -> Result<Message, Error> {
    let (_, message) = find(&mut *connection, actor, id).await?;
    if message.role != Role::Assistant {
        return Err(Error::Invalid("only an answer is good or wrong".to_owned()));
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
        return Err(Error::Invalid("an answer is good or wrong".to_owned()));
    }
    for (text, what) in [(&verdict.reason, "a reason"), (&verdict.correction, "a correction")] {
        if text.chars().count() > 4000 {
            return Err(Error::Invalid(format!("{what} has at most 4000 characters")));
        }
    }
    let was_wrong = message.verdict.as_ref().is_some_and(|known| known.verdict == "wrong");
    if verdict.verdict == "wrong" && !was_wrong {
        let said = [verdict.reason.trim(), verdict.correction.trim()];
        let said: Vec<&str> = said.into_iter().filter(|text| !text.is_empty()).collect();
        crate::worklist::record_wrong(&mut *connection, catalogue, actor, message.id, &said.join(" → "))
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

/// The terms by which a message is found, for `array_to_tsvector`: those of its text, and one that names whose it is, so that
/// a search of one's own history does not walk through everybody's.
pub fn words(owner: Uuid, text: &str) -> Vec<String> {
    let mut terms: BTreeSet<String> = with_kept(|analysis| {
        analysis.run(text);
        analysis.terms().map(|(_, term)| term.to_owned()).take(MOST_TERMS).collect()
    });
    terms.insert(owner_term(owner));
    terms.into_iter().collect()
}

/// The term that names whose a message is.
pub(crate) fn owner_term(owner: Uuid) -> String {
    format!("owner:{owner}")
}
