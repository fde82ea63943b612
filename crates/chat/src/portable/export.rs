//! Giving a history out: one chat whole, or all chats as a stream of lines ([`super::history`]).
//!
//! The stream holds one batch of messages at a time, however long the history is and however slowly it is read; no connection
//! is held while it waits. The ids of the chats are read once, so each chat is in it once; a chat is as it was when its batch
//! was read.

use std::collections::{HashMap, HashSet, VecDeque};

use bytes::Bytes;
use futures::StreamExt as _;
use kernel::actor::Actor;
use sqlx::{PgConnection, PgPool};
use store::objects::{Hash, Objects};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::history::{FORMAT, Line, PIECE};
use super::{Chat, File, Message};
use crate::Error;
use crate::chats::{self, ChatId};

mod rows;

/// Chats, and bytes of text, that are read at once.
const CHATS: usize = 100;
const BATCH_BYTES: i64 = 8 << 20;
/// Bytes that are handed on at once.
const CHUNK: usize = 64 << 10;
/// The largest chat that is given out whole, in bytes of its texts and quotations.
const LARGEST_WHOLE: i64 = 64 << 20;
/// Quotations and files that are remembered to have been written. Beyond that some are written again.
const MOST_REMEMBERED: usize = 1_000_000;

/// What an export held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Tally {
    /// Chats.
    pub chats: u64,
    /// Messages.
    pub messages: u64,
    /// Files.
    pub files: u64,
}

/// One chat of the actor's, whole: with all its branches, and its quotations in its sources.
pub async fn one(connection: &mut PgConnection, actor: &Actor, id: ChatId) -> Result<Chat, Error> {
    let owner = chats::owner(actor)?;
    let missing = || Error::NotFound("there is no such chat".to_owned());
    if rows::size(connection, owner, id.0).await?.ok_or_else(missing)? > LARGEST_WHOLE {
        return Err(Error::Invalid(
            "this chat is too large to be given out by itself: export the whole history".to_owned(),
        ));
    }
    let mut chat = rows::chats(connection, owner, &[id.0]).await?.pop().ok_or_else(missing)?;
    let mut place = (0, 0);
    loop {
        let batch = rows::messages(connection, &[id.0], place, BATCH_BYTES).await?;
        let Some(last) = batch.last() else { break };
        place = last.place;
        chat.messages.extend(batch.into_iter().map(|row| row.message));
    }
    let mut wanted: Vec<Vec<u8>> = Vec::new();
    for source in chat.messages.iter().flat_map(|message| &message.sources) {
        wanted.extend(hex::decode(&source.sha256));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let quotes = rows::quotes(connection, &wanted, LARGEST_WHOLE).await?;
    let quotes: HashMap<String, String> =
        quotes.into_iter().map(|(hash, content)| (hex::encode(hash), content)).collect();
    for source in chat.messages.iter_mut().flat_map(|message| &mut message.sources) {
        source.content = quotes.get(&source.sha256).cloned().unwrap_or_default();
    }
    Ok(chat)
}

/// All chats of the actor's as lines, handed to `out` in pieces. `told` hears how far it is. Ends early where nobody takes
/// the pieces any more.
pub async fn history(
    pool: &PgPool,
    objects: &Objects,
    actor: &Actor,
    out: mpsc::Sender<Bytes>,
    told: impl Fn(&Tally) + Send,
) -> Result<Tally, Error> {
    let owner = chats::owner(actor)?;
    let mut connection = pool.acquire().await?;
    let all = rows::ids(&mut connection, owner).await?;
    drop(connection);
    let mut writer = Writer {
        pool,
        objects,
        out,
        buffer: Vec::with_capacity(CHUNK),
        quoted: HashSet::new(),
        filed: HashSet::new(),
        tally: Tally::default(),
    };
    writer.line(&Line::History { format: FORMAT }).await?;
    for ids in all.chunks(CHATS) {
        writer.chats(owner, ids).await?;
        told(&writer.tally);
    }
    let Tally { chats, messages, files } = writer.tally;
    writer.line(&Line::End { chats, messages, files }).await?;
    writer.flush().await?;
    Ok(writer.tally)
}

struct Writer<'a> {
    pool: &'a PgPool,
    objects: &'a Objects,
    out: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
    quoted: HashSet<Vec<u8>>,
    filed: HashSet<Hash>,
    tally: Tally,
}

impl Writer<'_> {
    async fn line(&mut self, line: &Line) -> Result<(), Error> {
        self.buffer.extend(line.written());
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.out
            .send(piece.into())
            .await
            .map_err(|_gone| Error::Internal("nobody reads the export".to_owned()))
    }

    async fn chats(&mut self, owner: Uuid, ids: &[Uuid]) -> Result<(), Error> {
        let mut connection = self.pool.acquire().await?;
        let mut waiting = VecDeque::from(rows::chats(&mut connection, owner, ids).await?);
        // What was deleted since is not there.
        let ids: Vec<Uuid> = waiting.iter().map(|chat| chat.id).collect();
        let mut open: Option<Chat> = None;
        let mut place = (0, 0);
        loop {
            let batch = rows::messages(&mut connection, &ids, place, BATCH_BYTES).await?;
            drop(connection);
            let Some(last) = batch.last() else { break };
            place = last.place;
            let batch: Vec<(Uuid, Message)> = batch.into_iter().map(|row| (row.chat, row.message)).collect();
            let mut wanted = self.wanted(&batch);
            let mut loaded = HashMap::new();
            for (chat, message) in batch {
                while open.as_ref().is_none_or(|open| open.id != chat) {
                    self.end(open.take()).await?;
                    let Some(next) = waiting.pop_front() else { break };
                    self.begin(&next).await?;
                    open = Some(next);
                }
                self.quotes(&message, &mut wanted, &mut loaded).await?;
                self.tally.messages += 1;
                self.line(&Line::message(chat, message)).await?;
            }
            connection = self.pool.acquire().await?;
        }
        self.end(open).await?;
        for chat in waiting {
            self.begin(&chat).await?;
            self.end(Some(chat)).await?;
        }
        Ok(())
    }

    async fn begin(&mut self, chat: &Chat) -> Result<(), Error> {
        self.tally.chats += 1;
        self.line(&Line::chat(chat)).await
    }

    /// The quotations that a batch needs and the file does not have yet, in the order they are needed in.
    fn wanted(&self, batch: &[(Uuid, Message)]) -> VecDeque<Vec<u8>> {
        let mut seen = HashSet::new();
        let sources = batch.iter().flat_map(|(_, message)| &message.sources);
        let hashes = sources.filter_map(|source| hex::decode(&source.sha256).ok());
        hashes.filter(|hash| !self.quoted.contains(hash) && seen.insert(hash.clone())).collect()
    }

    /// Writes the quotations of a message that the file does not have yet.
    async fn quotes(
        &mut self,
        message: &Message,
        wanted: &mut VecDeque<Vec<u8>>,
        loaded: &mut HashMap<Vec<u8>, String>,
    ) -> Result<(), Error> {
        for source in &message.sources {
            let Ok(hash) = hex::decode(&source.sha256) else { continue };
            if self.quoted.contains(&hash) {
                continue;
            }
            if !loaded.contains_key(&hash) && !wanted.is_empty() {
                let mut connection = self.pool.acquire().await?;
                let wants: Vec<Vec<u8>> = wanted.iter().cloned().collect();
                let found = rows::quotes(&mut connection, &wants, BATCH_BYTES).await?;
                wanted.drain(..found.len().min(wanted.len()));
                loaded.extend(found);
            }
            let Some(content) = loaded.remove(&hash) else { continue };
            self.line(&Line::Quote { sha256: source.sha256.clone(), content }).await?;
            if self.quoted.len() >= MOST_REMEMBERED {
                self.quoted.clear();
            }
            self.quoted.insert(hash);
        }
        Ok(())
    }

    /// Writes the files of a chat whose messages are written.
    async fn end(&mut self, chat: Option<Chat>) -> Result<(), Error> {
        let Some(chat) = chat else { return Ok(()) };
        for file in chat.files {
            self.file(chat.id, file).await?;
        }
        Ok(())
    }

    async fn file(&mut self, chat: Uuid, file: File) -> Result<(), Error> {
        let sha256 = file.sha256.clone();
        self.line(&Line::File { chat, file }).await?;
        self.tally.files += 1;
        let Ok(hash) = sha256.parse::<Hash>() else { return Ok(()) };
        if self.filed.contains(&hash) {
            return Ok(());
        }
        if self.filed.len() < MOST_REMEMBERED {
            self.filed.insert(hash);
        }
        let pieces = match self.objects.stream(hash).await {
            Ok(pieces) => pieces,
            // Its line stays, and an import says that the bytes are missing.
            Err(store::objects::Error::Absent(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut pieces = std::pin::pin!(pieces);
        let mut held: Vec<u8> = Vec::new();
        while let Some(piece) = pieces.next().await {
            held.extend_from_slice(&piece.map_err(store::objects::Error::from)?);
            while held.len() >= PIECE {
                let rest = held.split_off(PIECE);
                self.line(&Line::bytes(&sha256, &held)).await?;
                held = rest;
            }
        }
        if !held.is_empty() {
            self.line(&Line::bytes(&sha256, &held)).await?;
        }
        Ok(())
    }
}
