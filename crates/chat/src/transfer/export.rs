//! Exports: one chat as a value, or all chats of the actor as a stream of lines ([`ndjson`](super::ndjson)).
//!
//! The stream holds one batch of messages in memory, however long the history is and however slowly it is read, and no connection
//! while it waits. The ids of the chats are read once at the start, so each chat occurs once, in the state at the time its batch
//! is read.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use futures::StreamExt as _;
use kernel::actor::Actor;
use sqlx::{PgConnection, PgPool};
use store::objects::{Hash, Objects};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::ndjson::{FORMAT, Line, PIECE_BYTES};
use super::{ChatRecord, FileRecord, MessageRecord};
use crate::Error;
use crate::chats::{self, ChatId};

mod rows;

/// Number of chats read at once.
const CHAT_BATCH: usize = 100;
/// Number of bytes of text read at once.
const BATCH_BYTES: i64 = 8 << 20;
/// Number of bytes sent at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Maximum size of a chat that is exported by itself, in bytes of its texts and quotations.
const MAX_CHAT_BYTES: i64 = 64 << 20;
/// Maximum number of quotations and of files remembered as written. Beyond it some are written again.
const MAX_REMEMBERED: usize = 1_000_000;

/// Number of things in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct ExportCounts {
    /// Number of chats.
    pub chats: u64,
    /// Number of messages.
    pub messages: u64,
    /// Number of files.
    pub files: u64,
}

/// Returns a chat of the actor with all its branches, and with the quotations of its sources.
///
/// # Errors
///
/// Fails if the chat does not exist for the actor or is larger than 64 MiB.
pub async fn chat(connection: &mut PgConnection, actor: &Actor, id: ChatId) -> Result<ChatRecord, Error> {
    let owner = chats::owner_id(actor)?;
    let missing = || Error::NotFound("chat not found".to_owned());
    if rows::size(connection, owner, id.0).await?.ok_or_else(missing)? > MAX_CHAT_BYTES {
        return Err(Error::Invalid(
            "this chat is too large to be exported by itself: export the whole history".to_owned(),
        ));
    }
    let mut chat = rows::chats(connection, owner, &[id.0]).await?.pop().ok_or_else(missing)?;
    let mut position = (0, 0);
    loop {
        let batch = rows::messages(connection, owner, &[id.0], position, BATCH_BYTES).await?;
        let Some(last) = batch.last() else { break };
        position = last.position;
        chat.messages.extend(batch.into_iter().map(|row| row.message));
    }
    let mut hashes: Vec<Vec<u8>> = Vec::new();
    for source in chat.messages.iter().flat_map(|message| &message.sources) {
        hashes.extend(hex::decode(&source.sha256));
    }
    hashes.sort_unstable();
    hashes.dedup();
    let quotes = rows::quotes(connection, &hashes, MAX_CHAT_BYTES).await?;
    let quotes: HashMap<String, String> =
        quotes.into_iter().map(|(hash, content)| (hex::encode(hash), content)).collect();
    for source in chat.messages.iter_mut().flat_map(|message| &mut message.sources) {
        source.content = quotes.get(&source.sha256).cloned().unwrap_or_default();
    }
    Ok(chat)
}

/// Exports all chats of the actor as lines, sent to `out` in pieces, and calls `on_progress` after each batch.
///
/// # Errors
///
/// Fails if the actor has no chats, the receiver of `out` is gone, or the database or the object store fails.
pub async fn history(
    pool: &PgPool,
    objects: &Objects,
    actor: &Actor,
    out: mpsc::Sender<Bytes>,
    on_progress: impl Fn(&ExportCounts) + Send,
) -> Result<ExportCounts, Error> {
    let owner = chats::owner_id(actor)?;
    let mut connection = pool.acquire().await?;
    let all = rows::ids(&mut connection, owner).await?;
    drop(connection);
    let mut writer = Writer {
        pool,
        objects,
        out,
        buffer: Vec::with_capacity(CHUNK_BYTES),
        written_quotes: HashSet::new(),
        written_files: HashSet::new(),
        counts: ExportCounts::default(),
    };
    writer.line(&Line::History { format: FORMAT }).await?;
    for ids in all.chunks(CHAT_BATCH) {
        writer.chats(owner, ids).await?;
        on_progress(&writer.counts);
    }
    let ExportCounts { chats, messages, files } = writer.counts;
    writer.line(&Line::End { chats, messages, files }).await?;
    writer.flush().await?;
    Ok(writer.counts)
}

struct Writer<'a> {
    pool: &'a PgPool,
    objects: &'a Objects,
    out: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    written_quotes: HashSet<Vec<u8>>,
    written_files: HashSet<Hash>,
    counts: ExportCounts,
}

impl Writer<'_> {
    async fn line(&mut self, line: &Line) -> Result<(), Error> {
        self.buffer.extend(line.to_bytes());
        if self.buffer.len() >= CHUNK_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES));
        self.out
            .send(piece.into())
            .await
            .map_err(|_gone| Error::Internal("the receiver of the export is gone".to_owned()))
    }

    async fn chats(&mut self, owner: Uuid, ids: &[Uuid]) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        let mut waiting = VecDeque::from(rows::chats(&mut connection, owner, ids).await?);
        // Without chats deleted since the start.
        let ids: Vec<Uuid> = waiting.iter().map(|chat| chat.id).collect();
        let mut open: Option<ChatRecord> = None;
        let mut position = (0, 0);
        loop {
            let batch = rows::messages(&mut connection, owner, &ids, position, BATCH_BYTES).await?;
            drop(connection);
            let Some(last) = batch.last() else { break };
            position = last.position;
            let batch: Vec<(Uuid, MessageRecord)> =
                batch.into_iter().map(|row| (row.chat, row.message)).collect();
            let mut missing = self.missing_quotes(&batch);
            let mut loaded = HashMap::new();
            for (chat, message) in batch {
                while open.as_ref().is_none_or(|open| open.id != chat) {
                    self.end_chat(open.take()).await?;
                    let Some(next) = waiting.pop_front() else { break };
                    self.start_chat(&next).await?;
                    open = Some(next);
                }
                self.quotes(&message, &mut missing, &mut loaded).await?;
                self.counts.messages += 1;
                self.line(&Line::message(chat, message)).await?;
            }
            connection = self.pool.acquire().await?;
        }
        self.end_chat(open).await?;
        for chat in waiting {
            self.start_chat(&chat).await?;
            self.end_chat(Some(chat)).await?;
        }
        Ok(())
    }

    async fn start_chat(&mut self, chat: &ChatRecord) -> Result<(), Error> {
        self.counts.chats += 1;
        self.line(&Line::chat(chat)).await
    }

    /// Returns the hashes of the quotations that a batch needs and that are not written yet, in the order of their first use.
    fn missing_quotes(&self, batch: &[(Uuid, MessageRecord)]) -> VecDeque<Vec<u8>> {
        let mut seen = HashSet::new();
        let sources = batch.iter().flat_map(|(_, message)| &message.sources);
        let hashes = sources.filter_map(|source| hex::decode(&source.sha256).ok());
        hashes.filter(|hash| !self.written_quotes.contains(hash) && seen.insert(hash.clone())).collect()
    }

    /// Writes the quotations of a message that are not written yet.
    async fn quotes(
        &mut self,
        message: &MessageRecord,
        missing: &mut VecDeque<Vec<u8>>,
        loaded: &mut HashMap<Vec<u8>, String>,
    ) -> Result<(), Error> {
        for source in &message.sources {
            let Ok(hash) = hex::decode(&source.sha256) else { continue };
            if self.written_quotes.contains(&hash) {
                continue;
            }
            if !loaded.contains_key(&hash) && !missing.is_empty() {
                let mut connection = self.pool.acquire().await?;
                let hashes: Vec<Vec<u8>> = missing.iter().cloned().collect();
                let quotes = rows::quotes(&mut connection, &hashes, BATCH_BYTES).await?;
                missing.drain(..quotes.len().min(missing.len()));
                loaded.extend(quotes);
            }
            let Some(content) = loaded.remove(&hash) else { continue };
            self.line(&Line::Quote { sha256: source.sha256.clone(), content }).await?;
            if self.written_quotes.len() >= MAX_REMEMBERED {
                self.written_quotes.clear();
            }
            self.written_quotes.insert(hash);
        }
        Ok(())
    }

    /// Writes the files of a chat after its messages.
    async fn end_chat(&mut self, chat: Option<ChatRecord>) -> Result<(), Error> {
        let Some(chat) = chat else { return Ok(()) };
        for file in chat.files {
            self.file(chat.id, file).await?;
        }
        Ok(())
    }

    async fn file(&mut self, chat: Uuid, file: FileRecord) -> Result<(), Error> {
        let sha256 = file.sha256.clone();
        self.line(&Line::File { chat, file }).await?;
        self.counts.files += 1;
        let Ok(hash) = sha256.parse::<Hash>() else { return Ok(()) };
        if self.written_files.contains(&hash) {
            return Ok(());
        }
        if self.written_files.len() < MAX_REMEMBERED {
            self.written_files.insert(hash);
        }
        let pieces = match self.objects.stream(hash).await {
            Ok(pieces) => pieces,
            // The line of the file stays, and an import reports that its bytes are missing.
            Err(store::objects::Error::Absent(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut pieces = std::pin::pin!(pieces);
        let mut buffer: Vec<u8> = Vec::new();
        while let Some(piece) = pieces.next().await {
            buffer.extend_from_slice(&piece.map_err(store::objects::Error::from)?);
            while buffer.len() >= PIECE_BYTES {
                let rest = buffer.split_off(PIECE_BYTES);
                self.line(&Line::bytes(&sha256, &buffer)).await?;
                buffer = rest;
            }
        }
        if !buffer.is_empty() {
            self.line(&Line::bytes(&sha256, &buffer)).await?;
        }
        Ok(())
    }
}
