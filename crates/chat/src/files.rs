//! Files attached to a chat: kept in the object store, read as documents are, and found within that chat alone.
//!
//! ```text
//! attach ──► job chat.read_file (read: passages) ──► job chat.embed_file (vectors) ──► search
//! ```

mod read;
mod search;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use store::jobs::{self, NewJob};
use store::objects::{Hash, Stored};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, ChatId};

pub use read::{EMBED_JOB, READ_JOB, embed, give_up, read};
pub use search::{FilePassage, search};

kernel::id! {
    /// A file of a chat.
    FileId
}

/// Files of one chat, at most.
pub const MOST_FILES: usize = 20;
/// Passages of all files of one chat, at most.
pub const MOST_PASSAGES: usize = 2000;

/// How far the reading of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = ChatFileStatus)]
pub enum Status {
    /// It is being read.
    Processing,
    /// It can be asked.
    Completed,
    /// It could not be read; the reason says why.
    Failed,
}

/// A file that is attached to a chat.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChatFile {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub file_id: FileId,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: i64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// How far its reading is.
    pub status: Status,
    /// Why it could not be read.
    pub reason: Option<String>,
    /// How many passages it has.
    pub passages: i64,
    /// When it was attached.
    pub uploaded_at: DateTime<Utc>,
}

impl ChatFile {
    /// The name of its bytes in the object store.
    pub fn hash(&self) -> Result<Hash, Error> {
        self.sha256.parse().map_err(|_invalid| Error::Internal("a stored hash cannot be read".to_owned()))
    }
}

/// Refuses more files than a chat takes, before their bytes are kept.
pub async fn require_room(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    more: usize,
) -> Result<(), Error> {
    let owner = chats::owner(actor)?;
    let there = sqlx::query_scalar!(
        r#"-- files.count
         select (select count(*) from chat.files where chat_id = chat.id) as "there!"
         from chat.chats as chat where id = $1 and owner_id = $2 and deleted_at is null"#,
        chat.0,
        owner,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(chats::absent)?;
    if usize::try_from(there).unwrap_or(usize::MAX).saturating_add(more) > MOST_FILES {
        return Err(Error::Conflict(format!(
            "a chat takes at most {MOST_FILES} files, and this one has {there}: remove some, begin another chat, or add \
             them to a library"
        )));
    }
    Ok(())
}

/// Attaches files whose bytes are kept, in this order. They are read behind the answer.
pub async fn attach(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    files: &[(String, Stored)],
) -> Result<Vec<ChatFile>, Error> {
    let owner = chats::owner(actor)?;
    // Held until all is written, so that two requests at once do not attach too many together.
    sqlx::query_scalar!(
        "-- files.hold
         select id from chat.chats where id = $1 and owner_id = $2 and deleted_at is null for update",
        chat.0,
        owner,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(chats::absent)?;
    require_room(&mut *connection, actor, chat, files.len()).await?;
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
    // Before documents: somebody waits to ask.
    let to_read: Vec<NewJob> = ids
        .iter()
        .map(|id| NewJob { priority: -5, ..NewJob::new(READ_JOB, json!({ "file_id": id })) })
        .collect();
    jobs::enqueue(&mut *connection, &to_read).await?;
    let attached = list(connection, actor, chat).await?;
    Ok(attached.into_iter().filter(|file| ids.contains(&file.file_id.0)).collect())
}

/// The files of a chat, in the order they were attached.
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
           encode(file_hash, 'hex') as "sha256!", status as "status: Status", reason,
           (select count(*) from chat.file_passages as passage where passage.file_id = file.id) as "passages!",
           uploaded_at
         from chat.files as file where chat_id = $1 order by id limit 1000"#,
        chat.0,
    )
    .fetch_all(connection)
    .await?)
}

/// A file of a chat.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    file: FileId,
) -> Result<ChatFile, Error> {
    let files = list(connection, actor, chat).await?;
    files.into_iter().find(|found| found.file_id == file).ok_or_else(absent)
}

/// Removes a file from a chat. What answers have quoted of it stays in them; its bytes go when nothing else refers to them.
pub async fn remove(
    connection: &mut PgConnection,
    actor: &Actor,
    chat: ChatId,
    file: FileId,
) -> Result<(), Error> {
    let owner = chats::owner(actor)?;
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
    Ok(library::sweep::schedule(connection).await?)
}

fn absent() -> Error {
    Error::NotFound("there is no such file in this chat".to_owned())
}

/// The last part of a path, within its bounds: a browser may send one.
fn checked_name(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let name: String = name.chars().filter(|character| !character.is_control()).take(1000).collect();
    if name.trim().is_empty() { "file".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::checked_name;

    #[test]
    fn a_file_has_the_last_part_of_its_path_as_name() {
        assert_eq!(checked_name(r"C:\notes\plan.md"), "plan.md");
        assert_eq!(checked_name("../../etc/passwd"), "passwd");
        assert_eq!(checked_name("a\0b\n"), "ab");
        assert_eq!((checked_name(""), checked_name("x/")), ("file".to_owned(), "file".to_owned()));
        assert_eq!(checked_name(&"数".repeat(2000)).chars().count(), 1000);
    }
}
