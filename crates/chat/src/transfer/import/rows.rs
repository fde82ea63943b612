//! Rows of an import, written in batches: one statement per table.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::jobs;
use store::objects::Hash;
use uuid::Uuid;

use super::super::{ChatRecord, FileRecord, ImportReport, MessageRecord};
use crate::Error;
use crate::files::{MAX_FILES, READ_JOB};

/// Result of writing a batch of messages.
#[derive(Default)]
pub(super) struct Written {
    /// Numbers of the messages, by their ids in the file.
    pub(super) known: HashMap<Uuid, i64>,
    /// Numbers of the new ones, in their order.
    pub(super) added: Vec<i64>,
}

/// Returns the time of the database.
pub(in crate::transfer) async fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>, Error> {
    let now = sqlx::query_scalar!(
        r#"-- import.now
        select now() as "now!""#
    );
    Ok(now.fetch_one(connection).await?)
}

/// Writes quotations, in the order of their hashes and outside the transaction of the chat: quotations that many cite stay locked
/// only briefly, and concurrent imports cannot deadlock.
pub(super) async fn write_quotes(
    connection: &mut PgConnection,
    mut quotes: Vec<([u8; 32], String)>,
) -> Result<(), Error> {
    quotes.sort_unstable_by_key(|quote| quote.0);
    quotes.dedup_by_key(|quote| quote.0);
    let (hashes, contents): (Vec<Vec<u8>>, Vec<String>) =
        quotes.into_iter().map(|(hash, content)| (hash.to_vec(), content)).unzip();
    sqlx::query!(
        "-- import.quotes
         insert into chat.quotes (sha256, content)
         select sha256, content from unnest($1::bytea[], $2::text[]) as quote (sha256, content)
         on conflict (sha256) do update set used_at = now()",
        &hashes,
        &contents,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the id of an owner's chat whose own id belongs to another user.
pub(in crate::transfer) fn derived_id(owner: Uuid, chat: Uuid) -> Uuid {
    Uuid::new_v5(&owner, chat.as_bytes())
}

/// Returns our id of the chat, and whether it is new. A deleted chat of the owner is restored.
pub(in crate::transfer) async fn ensure_chat(
    connection: &mut PgConnection,
    owner: Uuid,
    user: Option<Uuid>,
    chat: &ChatRecord,
) -> Result<(Uuid, bool), Error> {
    let derived = derived_id(owner, chat.id);
    let existing = sqlx::query!(
        r#"-- import.find_chat
         select id, owner_id = $2 as "is_own!" from chat.chats where id = any ($1)"#,
        &[chat.id, derived][..],
        owner,
    )
    .fetch_all(&mut *connection)
    .await?;
    let is_own = |id: Uuid| existing.iter().find(|row| row.id == id).map(|row| row.is_own);
    let own = [chat.id, derived].into_iter().find(|id| is_own(*id) == Some(true));
    if let Some(id) = own {
        sqlx::query!(
            "-- import.restore_chat
             update chat.chats set deleted_at = null where id = $1 and owner_id = $2",
            id,
            owner,
        )
        .execute(connection)
        .await?;
        return Ok((id, false));
    }
    let id = if is_own(chat.id).is_none() { chat.id } else { derived };
    let written = sqlx::query!(
        "-- import.insert_chat
         insert into chat.chats (id, user_id, title, focus_mode, library, version, model, pinned, archived, external_id,
           created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict do nothing",
        id,
        user,
        &chat.title,
        &chat.focus_mode,
        chat.library.as_deref(),
        chat.version.as_deref(),
        chat.model.as_deref(),
        chat.pinned,
        chat.archived,
        chat.external_id.as_deref(),
        chat.created_at,
        chat.updated_at,
    )
    .execute(connection)
    .await?;
    if written.rows_affected() == 0 {
        return Err(Error::Conflict("this chat is being imported by another request: try again".to_owned()));
    }
    Ok((id, true))
}

/// Sets the branch that is shown and the time of the newest message.
pub(super) async fn finish_chat(
    connection: &mut PgConnection,
    chat: Uuid,
    current: Option<i64>,
    updated_at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "-- import.settle_chat
         update chat.chats set current_id = coalesce($2, current_id), updated_at = greatest(updated_at, $3)
         where id = $1",
        chat,
        current,
        updated_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Chat that messages are written to.
pub(super) struct Target<'import> {
    pub(super) owner: Uuid,
    pub(super) chat: Uuid,
    /// Libraries that exist for the owner.
    pub(super) libraries: &'import [Uuid],
    /// Location of the chat in the report.
    pub(super) location: &'import str,
}

/// Writes the messages that do not exist yet, with their sources and verdicts. `before` are the messages of earlier batches.
pub(super) async fn write_messages(
    connection: &mut PgConnection,
    target: &Target<'_>,
    batch: Vec<MessageRecord>,
    before: &HashMap<Uuid, i64>,
    report: &mut ImportReport,
) -> Result<Written, Error> {
    let &Target { owner, chat, libraries, location } = target;
    let mut written = Written::default();
    if batch.is_empty() {
        return Ok(written);
    }
    // If a message with this id is in another chat, of another user or a copy, the id is derived from this chat's.
    let derived = |id: Uuid| Uuid::new_v5(&chat, id.as_bytes());
    let candidate_ids: Vec<Uuid> =
        batch.iter().flat_map(|message| [message.message_id, derived(message.message_id)]).collect();
    let existing = sqlx::query!(
        "-- import.find_messages
         select message_id, id, chat_id from chat.messages where message_id = any ($1)",
        &candidate_ids,
    )
    .fetch_all(&mut *connection)
    .await?;
    let existing: HashMap<Uuid, (i64, Uuid)> =
        existing.into_iter().map(|row| (row.message_id, (row.id, row.chat_id))).collect();
    let mut new: Vec<(Uuid, MessageRecord)> = Vec::with_capacity(batch.len());
    let mut seen: HashSet<Uuid> = HashSet::new();
    for message in batch {
        let id = message.message_id;
        let in_chat =
            [id, derived(id)].into_iter().find_map(|id| existing.get(&id).filter(|row| row.1 == chat));
        if let Some((row, _)) = in_chat {
            written.known.insert(id, *row);
            report.already_there += 1;
        } else if before.contains_key(&id) || !seen.insert(id) {
            report.skip(format!("{location}, message {id}"), "duplicate message id");
        } else {
            let free = [id, derived(id)].into_iter().find(|id| !existing.contains_key(id));
            match free {
                Some(free) => new.push((free, message)),
                None => report.skip(format!("{location}, message {id}"), "its id belongs to another message"),
            }
        }
    }
    let ids = next_ids(connection, new.len()).await?;
    let mut parents = Vec::with_capacity(new.len());
    for ((_, message), id) in new.iter().zip(&ids) {
        let find = |parent: &Uuid| written.known.get(parent).or_else(|| before.get(parent)).copied();
        let parent = message.parent.as_ref().and_then(find);
        if message.parent.is_some() && parent.is_none() {
            let reason = "its parent is missing: it starts a branch of its own";
            report.skip(format!("{location}, message {}", message.message_id), reason);
        }
        parents.push(parent);
        written.known.insert(message.message_id, *id);
    }
    insert(connection, owner, chat, &new, &ids, &parents).await?;
    report.messages += new.len() as u64;
    report.sources += insert_sources(connection, libraries, &new, &ids).await?;
    insert_verdicts(connection, &new, &ids).await?;
    written.added = ids;
    Ok(written)
}

/// Returns numbers for new messages in ascending order: a parent's is smaller than its children's.
async fn next_ids(connection: &mut PgConnection, count: usize) -> Result<Vec<i64>, Error> {
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let mut ids = sqlx::query_scalar!(
        r#"-- import.next_message_ids
         select nextval(pg_get_serial_sequence('chat.messages', 'id')) as "id!" from generate_series(1, $1)"#,
        count,
    )
    .fetch_all(connection)
    .await?;
    ids.sort_unstable();
    Ok(ids)
}

async fn insert(
    connection: &mut PgConnection,
    owner: Uuid,
    chat: Uuid,
    new: &[(Uuid, MessageRecord)],
    ids: &[i64],
    parents: &[Option<i64>],
) -> Result<(), Error> {
    if new.is_empty() {
        return Ok(());
    }
    let names: Vec<Uuid> = new.iter().map(|(id, _)| *id).collect();
    let roles: Vec<&str> = new.iter().map(|(_, message)| message.role.as_str()).collect();
    let contents: Vec<&str> = new.iter().map(|(_, message)| message.content.as_str()).collect();
    let metadata: Vec<Value> = new.iter().map(|(_, message)| json!(message.metadata)).collect();
    let states: Vec<&str> = new.iter().map(|(_, message)| message.status.as_str()).collect();
    let times: Vec<DateTime<Utc>> = new.iter().map(|(_, message)| message.created_at).collect();
    let words: Vec<String> = new.iter().map(|(_, message)| joined_terms(owner, message)).collect();
    sqlx::query!(
        "-- import.insert_messages
         insert into chat.messages
           (id, message_id, chat_id, parent_id, role, content, metadata, status, created_at, words)
         overriding system value
         select id, message_id, $1, parent_id, role, content, metadata, status, created_at,
           array_to_tsvector(string_to_array(words, chr(31)))
         from unnest($2::int8[], $3::uuid[], $4::int8[], $5::text[], $6::text[], $7::jsonb[], $8::text[],
             $9::timestamptz[], $10::text[])
           as message (id, message_id, parent_id, role, content, metadata, status, created_at, words)",
        chat,
        ids,
        &names,
        parents as &[Option<i64>],
        &roles as &[&str],
        &contents as &[&str],
        &metadata,
        &states as &[&str],
        &times,
        &words,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the search terms of a message, separated by U+001F, as many as fit in a `tsvector`.
fn joined_terms(owner: Uuid, message: &MessageRecord) -> String {
    const MAX_BYTES: usize = 900_000;
    let mut joined = String::new();
    for term in crate::messages::search_terms(owner, &message.content) {
        if term.is_empty() || term.len() > 1000 || term.contains('\u{1f}') {
            continue;
        }
        if joined.len() + term.len() >= MAX_BYTES {
            break;
        }
        if !joined.is_empty() {
            joined.push('\u{1f}');
        }
        joined.push_str(&term);
    }
    joined
}

async fn insert_sources(
    connection: &mut PgConnection,
    libraries: &[Uuid],
    new: &[(Uuid, MessageRecord)],
    ids: &[i64],
) -> Result<u64, Error> {
    let rows: Vec<Value> = new
        .iter()
        .zip(ids)
        .flat_map(|((_, message), id)| message.sources.iter().map(move |source| (source, id)))
        .map(|(source, id)| {
            json!({
                "message_id": id, "number": source.number, "rank": source.rank, "kind": source.kind,
                "cited": source.cited, "sha256": source.sha256, "character_from": source.character_from,
                "character_to": source.character_to, "library": source.library, "version": source.version,
                "follows_active": source.follows_active, "path": source.path, "title": source.title,
                "section": source.section, "page_from": source.page_from, "page_to": source.page_to,
                "url": source.url, "instruction": source.instruction, "stale": source.stale,
                "also_in": source.also_in,
            })
        })
        .collect();
    if rows.is_empty() {
        return Ok(0);
    }
    // Passage and document are looked up by library, version, path and hash, if they exist here.
    let inserted = sqlx::query!(
        "-- import.insert_sources
         insert into chat.message_sources
           (message_id, number, rank, kind, cited, passage_id, sha256, character_from, character_to, library, version,
            follows_active, document_id, path, title, section, page_from, page_to, url, instruction, stale, stale_at,
            also_in)
         select source.message_id, source.number, source.rank, source.kind, source.cited, passage.id,
           decode(source.sha256, 'hex'), source.character_from, source.character_to, source.library, source.version,
           source.follows_active, passage.document_id, source.path, source.title,
           array(select jsonb_array_elements_text(source.section)), source.page_from, source.page_to, source.url,
           source.instruction, source.stale, case when source.stale is not null then now() end,
           array(select jsonb_array_elements_text(source.also_in))
         from jsonb_to_recordset($1::jsonb) as source
           (message_id int8, number int4, rank int4, kind text, cited bool, sha256 text, character_from int4,
            character_to int4, library text, version text, follows_active bool, path text, title text, section jsonb,
            page_from int4, page_to int4, url text, instruction text, stale text, also_in jsonb)
         left join lateral (
           select passage.id, document.id as document_id
           from library.libraries as library
           join library.documents as document on document.library_id = library.id and document.path = source.path
           join library.versions as version on version.library_id = library.id and version.label = source.version
           join library.document_versions as revision
             on revision.document_id = document.id and revision.version_id = version.id
           join library.search_indices as passage
             on passage.document_version_id = revision.id and passage.sha256 = decode(source.sha256, 'hex')
           where library.name = source.library and library.id = any ($2) and source.kind = 'passage'
           order by revision.active desc, revision.revision desc, passage.passage_number
           limit 1
         ) as passage on true",
        Value::Array(rows),
        libraries,
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}

async fn insert_verdicts(
    connection: &mut PgConnection,
    new: &[(Uuid, MessageRecord)],
    ids: &[i64],
) -> Result<(), Error> {
    let given: Vec<_> =
        new.iter().zip(ids).filter_map(|((_, message), id)| Some((*id, message.verdict.as_ref()?))).collect();
    if given.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = given.iter().map(|(id, _)| *id).collect();
    let verdicts: Vec<&str> = given.iter().map(|(_, verdict)| verdict.verdict.as_str()).collect();
    let reasons: Vec<&str> = given.iter().map(|(_, verdict)| verdict.reason.as_str()).collect();
    let corrections: Vec<&str> = given.iter().map(|(_, verdict)| verdict.correction.as_str()).collect();
    sqlx::query!(
        "-- import.insert_verdicts
         insert into chat.verdicts (message_id, verdict, reason, correction)
         select message_id, verdict, reason, correction
         from unnest($1::int8[], $2::text[], $3::text[], $4::text[])
           as given (message_id, verdict, reason, correction)",
        &ids,
        &verdicts as &[&str],
        &reasons as &[&str],
        &corrections as &[&str],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Result of attaching a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attached {
    New,
    Existing,
    /// The chat has the maximum number of files.
    LimitReached,
}

/// Attaches a file whose bytes are in the object store, and enqueues the job that reads it.
pub(super) async fn write_file(
    connection: &mut PgConnection,
    chat: Uuid,
    file: &FileRecord,
    hash: Hash,
) -> Result<Attached, Error> {
    let derived = Uuid::new_v5(&chat, file.file_id.as_bytes());
    let existing = sqlx::query!(
        "-- import.find_file
         select file_id, chat_id from chat.files where file_id = any ($1)",
        &[file.file_id, derived][..],
    )
    .fetch_all(&mut *connection)
    .await?;
    if existing.iter().any(|row| row.chat_id == chat) {
        return Ok(Attached::Existing);
    }
    let is_free = |id: Uuid| existing.iter().all(|row| row.file_id != id);
    let id = if is_free(file.file_id) { file.file_id } else { derived };
    let written = sqlx::query!(
        "-- import.insert_file
         insert into chat.files (file_id, chat_id, file_name, file_hash, file_size, uploaded_at)
         select $1, $2, $3, $4, $5, $6
         where (select count(*) from chat.files where chat_id = $2) < $7
         on conflict do nothing",
        id,
        chat,
        &file.name,
        &hash.0[..],
        file.size,
        file.uploaded_at,
        i64::try_from(MAX_FILES).unwrap_or(i64::MAX),
    )
    .execute(&mut *connection)
    .await?;
    if written.rows_affected() == 0 {
        return Ok(Attached::LimitReached);
    }
    jobs::enqueue(connection, &[crate::files::new_job(READ_JOB, id)]).await?;
    Ok(Attached::New)
}
