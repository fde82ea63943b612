//! Rows of an export, read in batches. Each statement checks the owner.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::super::{ChatRecord, FileRecord, MessageRecord, MessageRole, MessageStatus, Verdict};
use crate::Error;
use crate::source::{Source, SourceKind, Staleness};

/// Number of messages read at once.
const BATCH: i64 = 256;

/// Message, and the position after which the next one follows.
pub(super) struct Row {
    pub(super) chat: Uuid,
    /// Index of its chat among those requested, and number of the message.
    pub(super) position: (i64, i64),
    pub(super) message: MessageRecord,
}

/// Returns the ids of all chats of an owner, oldest first.
pub(super) async fn ids(connection: &mut PgConnection, owner: Uuid) -> Result<Vec<Uuid>, Error> {
    let ids = sqlx::query_scalar!(
        "-- export.ids
         select id from chat.chats where owner_id = $1 and deleted_at is null order by created_at, id",
        owner,
    );
    Ok(ids.fetch_all(connection).await?)
}

/// Returns the size of a chat's texts and quotations in bytes; `None` if the owner has no such chat.
pub(super) async fn size(connection: &mut PgConnection, owner: Uuid, id: Uuid) -> Result<Option<i64>, Error> {
    let size = sqlx::query_scalar!(
        r#"-- export.size
         select (
           coalesce((select sum(octet_length(content)) from chat.messages where chat_id = chat.id), 0)
           + coalesce((
             select sum(octet_length(quote.content))
             from chat.messages as message
             join chat.message_sources as source on source.message_id = message.id
             join chat.quotes as quote on quote.sha256 = source.sha256
             where message.chat_id = chat.id), 0)
         )::int8 as "size!"
         from chat.chats as chat where id = $1 and owner_id = $2 and deleted_at is null"#,
        id,
        owner,
    );
    Ok(size.fetch_optional(connection).await?)
}

/// Returns those of these chats that belong to the owner, in this order, with their files and without their messages.
pub(super) async fn chats(
    connection: &mut PgConnection,
    owner: Uuid,
    ids: &[Uuid],
) -> Result<Vec<ChatRecord>, Error> {
    let mut files: HashMap<Uuid, Vec<FileRecord>> = HashMap::new();
    let rows = sqlx::query!(
        r#"-- export.files
         select chat_id, file_id, file_name, encode(file_hash, 'hex') as "sha256!", file_size, uploaded_at
         from chat.files
         where chat_id = any ($1) and exists (select from chat.chats where id = chat_id and owner_id = $2)
         order by chat_id, id"#,
        ids,
        owner,
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        files.entry(row.chat_id).or_default().push(FileRecord {
            file_id: row.file_id,
            name: row.file_name,
            sha256: row.sha256,
            size: row.file_size,
            uploaded_at: row.uploaded_at,
        });
    }
    let rows = sqlx::query!(
        r#"-- export.chats
         select chat.id, chat.external_id, chat.title, chat.focus_mode, chat.library, chat.version, chat.model, chat.pinned,
           chat.archived, chat.created_at, chat.updated_at, current.message_id as "current?"
         from unnest($1::uuid[]) with ordinality as wanted (id, place)
         join chat.chats as chat on chat.id = wanted.id and chat.owner_id = $2 and chat.deleted_at is null
         left join chat.messages as current on current.id = chat.current_id
         order by wanted.place"#,
        ids,
        owner,
    )
    .fetch_all(connection)
    .await?;
    let chats = rows.into_iter().map(|row| ChatRecord {
        id: row.id,
        external_id: row.external_id,
        title: row.title,
        focus_mode: row.focus_mode,
        library: row.library,
        version: row.version,
        model: row.model,
        pinned: row.pinned,
        archived: row.archived,
        created_at: row.created_at,
        updated_at: row.updated_at,
        current: row.current,
        messages: Vec::new(),
        files: files.remove(&row.id).unwrap_or_default(),
    });
    Ok(chats.collect())
}

/// Returns the next messages of those of these chats that belong to the owner, chat by chat, with their sources but without
/// quotations: at most `bytes`, but at least one message.
pub(super) async fn messages(
    connection: &mut PgConnection,
    owner: Uuid,
    chats: &[Uuid],
    after: (i64, i64),
    bytes: i64,
) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query!(
        r#"-- export.messages
         with page as (
           select wanted.place, message.id, message.message_id, message.chat_id, message.parent_id, message.role,
             message.content, message.status, message.metadata, message.created_at,
             sum((octet_length(message.content) + pg_column_size(message.metadata))::int4)
               over (order by wanted.place, message.id rows between unbounded preceding and 1 preceding) as before
           from unnest($1::uuid[]) with ordinality as wanted (id, place)
           join chat.chats as chat on chat.id = wanted.id and chat.owner_id = $6
           join chat.messages as message on message.chat_id = wanted.id
           where (wanted.place, message.id) > ($2, $3)
           order by wanted.place, message.id
           limit $4
         )
         select page.place as "place!", page.id as "id!", page.message_id as "message_id!", page.chat_id as "chat_id!",
           parent.message_id as "parent?", page.role as "role!: MessageRole", page.content as "content!",
           page.status as "status!: MessageStatus", page.metadata as "metadata!: Json<BTreeMap<String, Value>>",
           page.created_at as "created_at!", verdict.verdict as "verdict?", verdict.reason as "reason?",
           verdict.correction as "correction?"
         from page
         left join chat.messages as parent on parent.id = page.parent_id
         left join chat.verdicts as verdict on verdict.message_id = page.id
         where coalesce(page.before, 0) < $5
         order by page.place, page.id"#,
        chats,
        after.0,
        after.1,
        BATCH,
        bytes,
        owner,
    )
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut sources = sources(connection, &ids).await?;
    let messages = rows.into_iter().map(|row| Row {
        chat: row.chat_id,
        position: (row.place, row.id),
        message: MessageRecord {
            message_id: row.message_id,
            parent: row.parent,
            role: row.role,
            content: row.content,
            status: row.status,
            metadata: row.metadata.0,
            created_at: row.created_at,
            sources: sources.remove(&row.id).unwrap_or_default(),
            verdict: row.verdict.map(|verdict| Verdict {
                verdict,
                reason: row.reason.unwrap_or_default(),
                correction: row.correction.unwrap_or_default(),
            }),
        },
    });
    Ok(messages.collect())
}

async fn sources(
    connection: &mut PgConnection,
    messages: &[i64],
) -> Result<HashMap<i64, Vec<Source>>, Error> {
    let mut sources: HashMap<i64, Vec<Source>> = HashMap::new();
    if messages.is_empty() {
        return Ok(sources);
    }
    let rows = sqlx::query!(
        r#"-- export.sources
         select message_id, number, rank, kind as "kind: SourceKind", cited, passage_id, encode(sha256, 'hex') as "sha256!",
           character_from, character_to, library, version, follows_active, document_id, path, title, section, page_from,
           page_to, url, instruction, also_in, stale as "stale: Staleness"
         from chat.message_sources where message_id = any ($1) order by message_id, number"#,
        messages,
    )
    .fetch_all(connection)
    .await?;
    for row in rows {
        sources.entry(row.message_id).or_default().push(Source {
            number: row.number,
            rank: row.rank,
            kind: row.kind,
            cited: row.cited,
            passage_id: row.passage_id,
            sha256: row.sha256,
            character_from: row.character_from,
            character_to: row.character_to,
            library: row.library,
            version: row.version,
            follows_active: row.follows_active,
            also_in: row.also_in,
            document_id: row.document_id,
            path: row.path,
            title: row.title,
            section: row.section,
            page_from: row.page_from,
            page_to: row.page_to,
            url: row.url,
            instruction: row.instruction,
            stale: row.stale,
            content: String::new(),
        });
    }
    Ok(sources)
}

/// Returns the first of these quotations, in this order: at most `bytes`, but at least one. Called with the hashes of sources that
/// [`messages`] returned.
pub(super) async fn quotes(
    connection: &mut PgConnection,
    hashes: &[Vec<u8>],
    bytes: i64,
) -> Result<Vec<(Vec<u8>, String)>, Error> {
    let rows = sqlx::query!(
        r#"-- export.quotes
         select sha256 as "sha256!", content as "content!" from (
           select wanted.place, quote.sha256, quote.content,
             sum(octet_length(quote.content)) over (order by wanted.place rows between unbounded preceding and 1 preceding)
               as before
           from unnest($1::bytea[]) with ordinality as wanted (sha256, place)
           join chat.quotes as quote on quote.sha256 = wanted.sha256
         ) as page
         where coalesce(before, 0) < $2
         order by place"#,
        hashes,
        bytes,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.sha256, row.content)).collect())
}
