//! Files attached to a chat: stored in the object store, extracted like documents, and searched within that chat only.
//!
//! ```text
//! attach ──► job chat.read_file (passages) ──► job chat.embed_file (vectors) ──► search
//! ```

mod read;
mod search;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use serde::Serialize;
use sqlx::PgConnection;
use store::jobs::{self, NewJob};
use store::objects::{Hash, Stored};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, ChatId};

pub(crate) use read::new_job;
pub use read::{EMBED_JOB, READ_JOB, embed, enqueue_embedding, mark_failed, read};
pub use search::{FilePassage, search};

kernel::id! {
    /// Id of a file of a chat.
    FileId
}

/// Maximum number of files of one chat.
pub const MAX_FILES: usize = 20;
/// Maximum number of passages of all files of one chat together.
pub const MAX_PASSAGES: usize = 2000;

/// Returns the objects that files of chats refer to, sorted, for the verification of a backup.
///
/// # Errors
///
/// Fails unless the actor is an administrator in person, and if the database fails.
pub async fn referenced(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Hash>, Error> {
    if !actor.is_admin() {
        return Err(Error::NotAllowed("only administrators can look at all files of chats".to_owned()));
    }
    let hashes = sqlx::query_scalar!(
        "-- chat_files.referenced
         select distinct file_hash from chat.files order by 1",
    )
    .fetch_all(connection)
    .await?;
    Ok(hashes.iter().map(|hash| library::gc::hash_from_column(hash)).collect::<Result<_, _>>()?)
}

/// Processing state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = ChatFileStatus)]
pub enum ChatFileStatus {
    /// The file is waiting to be read, or being read.
    Processing,
    /// The file can be searched.
    Completed,
    /// Reading the file failed.
    Failed,
}

/// File attached to a chat.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChatFile {
    /// File id.
    #[schema(value_type = Uuid)]
    pub file_id: FileId,
    /// File name.
    pub name: String,
    /// Size in bytes.
    pub size: i64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// Processing state.
    pub status: ChatFileStatus,
    /// Reason of a failure.
    pub reason: Option<String>,
    /// Number of passages.
    pub passages: i64,
    /// Upload time.
    pub uploaded_at: DateTime<Utc>,
}

impl ChatFile {
    /// Returns the name of the bytes in the object store.
    ///
    /// # Errors
    ///
    /// Fails if the stored hash is invalid.
    pub fn hash(&self) -> Result<Hash, Error> {
        self.sha256.parse().map_err(|_invalid| Error::Internal("invalid hash of a file".to_owned()))
    }
}

/// Checks, before their bytes are stored, that `additional` files can be attached to a chat of the actor.
///
/// # Errors
///
/// Fails if the chat does not exist for the actor or would have more than [`MAX_FILES`] files.
pub async fn require_capacity(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    additional: usize,
) -> Result<(), Error> {
    let owner = chats::owner_id(actor)?;
    let count = sqlx::query_scalar!(
        r#"-- files.count
         select (select count(*) from chat.files where chat_id = chat.id) as "there!"
         from chat.chats as chat where id = $1 and owner_id = $2 and deleted_at is null"#,
        chat.0,
        owner,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(chats::absent)?;
    if usize::try_from(count).unwrap_or(usize::MAX).saturating_add(additional) > MAX_FILES {
        return Err(Error::Conflict(format!(
            "a chat has at most {MAX_FILES} files, and this one has {count}: remove some, start another chat, or add \
             them to a library"
        )));
    }
    Ok(())
}

/// Attaches files whose bytes are stored, in this order, and enqueues jobs that read them.
///
/// # Errors
///
/// Fails if the chat does not exist for the actor or would have more than [`MAX_FILES`] files.
pub async fn attach(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    files: &[(String, Stored)],
) -> Result<Vec<ChatFile>, Error> {
    let owner = chats::owner_id(actor)?;
    // Locked until all is written, so that simultaneous requests do not exceed the limit together.
    sqlx::query_scalar!(
        "-- files.hold
         select id from chat.chats where id = $1 and owner_id = $2 and deleted_at is null for update",
        chat.0,
        owner,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(chats::absent)?;
    require_capacity(&mut *connection, actor, chat, files.len()).await?;
    let ids: Vec<Uuid> = files.iter().map(|_| FileId::new().0).collect();
    let names: Vec<String> = files.iter().map(|(name, _)| checked_name(name)).collect();
    let hashes: Vec<Vec<u8>> = files.iter().map(|(_, stored)| stored.hash.0.to_vec()).collect();
    let sizes: Vec<i64> =
        files.iter().map(|(_, stored)| i64::try_from(stored.size).unwrap_or(i64::MAX)).collect();
    sqlx::query!(
        "-- files.attach
         insert into chat.files (file_id, chat_id, file_name, file_hash, file_size)
         select id, $1, name, hash, size
         from unnest($2::uuid[], $3::text[], $4::bytea[], $5::int8[]) with ordinality as file (id, name, hash, size, place)
         order by place",
        chat.0,
        &ids,
        &names,
        &hashes,
        &sizes,
    )
    .execute(&mut *connection)
    .await?;
    // Ahead of documents: a user waits to ask.
    let to_read: Vec<NewJob> =
        ids.iter().map(|id| NewJob { priority: -5, ..new_job(READ_JOB, *id) }).collect();
    jobs::enqueue(&mut *connection, &to_read).await?;
    let attached = list(connection, actor, chat).await?;
    Ok(attached.into_iter().filter(|file| ids.contains(&file.file_id.0)).collect())
}

/// Returns the files of a chat of the actor, in the order they were attached.
///
/// # Errors
///
/// Fails if the chat does not exist for the actor.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
) -> Result<Vec<ChatFile>, Error> {
    chats::find(&mut *connection, actor, chat).await?;
    Ok(sqlx::query_as!(
        ChatFile,
        r#"-- files.list
         select file_id as "file_id: FileId", file_name as name, file_size as size,
           encode(file_hash, 'hex') as "sha256!", status as "status: ChatFileStatus", reason,
           (select count(*) from chat.file_passages as passage where passage.file_id = file.id) as "passages!",
           uploaded_at
         from chat.files as file where chat_id = $1 order by id limit 1000"#,
        chat.0,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns a file of a chat of the actor.
///
/// # Errors
///
/// Fails if the chat or the file does not exist for the actor.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    file: FileId,
) -> Result<ChatFile, Error> {
    let files = list(connection, actor, chat).await?;
    files.into_iter().find(|found| found.file_id == file).ok_or_else(absent)
}

/// Removes a file from a chat of the actor. Quotations of it stay in answers; its bytes are collected once nothing refers to them.
///
/// # Errors
///
/// Fails if the file does not exist for the actor.
pub async fn remove(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    file: FileId,
) -> Result<(), Error> {
    let owner = chats::owner_id(actor)?;
    let removed = sqlx::query!(
        "-- files.remove
         delete from chat.files using chat.chats as chat
         where files.file_id = $2 and files.chat_id = $1 and chat.id = $1 and chat.owner_id = $3",
        chat.0,
        file.0,
        owner,
    )
    .execute(&mut *connection)
    .await?;
    if removed.rows_affected() == 0 {
        return Err(absent());
    }
    Ok(library::gc::schedule(connection).await?)
}

fn absent() -> Error {
    Error::NotFound("file not found in this chat".to_owned())
}

/// Returns the last component of a path, which a browser may send, without control characters and truncated to 1000.
fn checked_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let name: String = name.chars().filter(|character| !character.is_control()).take(1000).collect();
    if name.trim().is_empty() { "file".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::checked_name;

    #[test]
    fn a_file_is_named_by_the_last_component_of_its_path() {
        assert_eq!(checked_name(r"C:\notes\plan.md"), "plan.md");
        assert_eq!(checked_name("../../etc/passwd"), "passwd");
        assert_eq!(checked_name("a\0b\n"), "ab");
        assert_eq!((checked_name(""), checked_name("x/")), ("file".to_owned(), "file".to_owned()));
        assert_eq!(checked_name(&"数".repeat(2000)).chars().count(), 1000);
    }
}
