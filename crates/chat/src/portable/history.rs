//! Our own form of a whole history: `application/x-ndjson`, one JSON object a line.
//!
//! ```text
//! {"type":"history","format":1}
//! {"type":"chat","id":…,"title":…,…,"current":…}                 each chat, the oldest first
//! {"type":"quote","sha256":…,"content":…}                        once a file, before the first source that needs it
//! {"type":"message","chat":…,"message_id":…,"sources":[…],…}     its messages, each after its parent
//! {"type":"file","chat":…,"file_id":…,"sha256":…,…}              its files
//! {"type":"bytes","sha256":…,"base64":…}                         their bytes in pieces, once a file
//! {"type":"end","chats":…,"messages":…,"files":…}
//! ```
//!
//! **What is exported, imported elsewhere and exported again is the same, byte for byte.** That is so because a line holds
//! only what an import keeps as it is:
//!
//! - Nothing of the time or the place of the export: no clock, no name of a server, no person.
//! - No id of a passage or a document. Those are of one library; a source says where it is from by library, version, path
//!   and hash, and the import finds the passage again by these where it is there. So links that are lost come back, and none
//!   leads astray.
//! - Ids of chats, messages and files, which are kept. Only where they belong to somebody else already is another one derived
//!   (UUIDv5 of the owner and the id), and then these are what differs.
//! - The order: chats by the time they were begun and their id, messages and files as they were written, which an import
//!   repeats.
//! - Answers that are still being written are exported as interrupted, which is what they are elsewhere.
//! - What an import would not take (U+0000, texts beyond the limits) cannot be in the database or is cut by the same rule.
//!
//! The last line tells whether the file is whole.

use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::loose::{clean, clean_members, line as one_line, sane};
use super::{Chat, File, LONGEST_TEXT, MOST_CHATS, MOST_SOURCES, Message, Report, Role, Status, Verdict};
use crate::source::{Kind, Source, Stale};

/// The media type.
pub const CONTENT_TYPE: &str = "application/x-ndjson";
/// The form that is written, and the newest that is read.
pub const FORMAT: u32 = 1;
/// Bytes of a file on one line.
pub const PIECE: usize = 1 << 20;
/// The longest line.
const LONGEST_LINE: usize = 16 << 20;
/// Quotations that an import remembers to have seen; those beyond are not accepted.
pub const MOST_QUOTES: usize = 1_000_000;

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The first one.
    History {
        /// [`FORMAT`].
        format: u32,
    },
    /// A chat.
    Chat(Head),
    /// A quotation.
    Quote {
        /// The SHA-256 of its text, in hexadecimal.
        sha256: String,
        /// Its text.
        content: String,
    },
    /// A message.
    Message(Box<Said>),
    /// A file.
    File {
        /// The chat it is attached to.
        chat: Uuid,
        /// The file.
        #[serde(flatten)]
        file: File,
    },
    /// A piece of a file.
    Bytes {
        /// The SHA-256 of the whole, in hexadecimal.
        sha256: String,
        /// The piece.
        base64: String,
    },
    /// The last one.
    End {
        /// Chats in the file.
        chats: u64,
        /// Messages in the file.
        messages: u64,
        /// Files in the file.
        files: u64,
    },
}

/// A chat without its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    title: String,
    focus_mode: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    library: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default)]
    pinned: bool,
    #[serde(default)]
    archived: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(default)]
    current: Option<Uuid>,
}

/// A message on a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    chat: Uuid,
    message_id: Uuid,
    #[serde(default)]
    parent: Option<Uuid>,
    role: Role,
    content: String,
    #[serde(default)]
    status: Status,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    sources: Vec<Listed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

/// A source on a line: without its text and without ids of one library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    number: i32,
    rank: i32,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    cited: bool,
    sha256: String,
    #[serde(default)]
    character_from: i32,
    character_to: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    library: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(default)]
    follows_active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    title: String,
    #[serde(default)]
    section: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page_from: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page_to: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instruction: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stale: Option<Stale>,
}

/// What a file holds, one after the other.
#[derive(Debug)]
pub enum Item {
    /// A chat; with messages where it was read whole.
    Chat(Box<Chat>),
    /// A quotation, under the SHA-256 of its text.
    Quote([u8; 32], String),
    /// A message of the chat before, whose sources have no text.
    Message(Box<Message>),
    /// A file of the chat before.
    File(File),
    /// A piece of the file before.
    Bytes(Bytes),
}

impl Line {
    /// As it is written, with its end.
    pub fn written(&self) -> Vec<u8> {
        // Nothing in a line can fail to be written as JSON.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// A chat's line.
    pub fn chat(chat: &Chat) -> Self {
        Self::Chat(Head {
            id: chat.id,
            external_id: chat.external_id.clone(),
            title: chat.title.clone(),
            focus_mode: chat.focus_mode.clone(),
            library: chat.library.clone(),
            version: chat.version.clone(),
            model: chat.model.clone(),
            pinned: chat.pinned,
            archived: chat.archived,
            created_at: chat.created_at,
            updated_at: chat.updated_at,
            current: chat.current,
        })
    }

    /// A message's line.
    pub fn message(chat: Uuid, message: Message) -> Self {
        Self::Message(Box::new(Said {
            chat,
            message_id: message.message_id,
            parent: message.parent,
            role: message.role,
            content: message.content,
            status: settled(message.status),
            metadata: message.metadata,
            created_at: message.created_at,
            sources: message.sources.into_iter().map(Listed::of).collect(),
            verdict: message.verdict,
        }))
    }

    /// A piece of a file.
    pub fn bytes(sha256: &str, piece: &[u8]) -> Self {
        Self::Bytes { sha256: sha256.to_owned(), base64: STANDARD.encode(piece) }
    }
}

/// What an answer that is being written is to anybody else.
pub fn settled(status: Status) -> Status {
    if status == Status::Answering { Status::Interrupted } else { status }
}

impl Listed {
    fn of(source: Source) -> Self {
        // The address of a passage in this very server is one of its ids.
        let url = source.url.filter(|url| super::loose::is_web(url) && source.kind != Kind::Passage);
        Self {
            number: source.number,
            rank: source.rank,
            kind: source.kind,
            cited: source.cited,
            sha256: source.sha256,
            character_from: source.character_from,
            character_to: source.character_to,
            library: source.library,
            version: source.version,
            follows_active: source.follows_active,
            path: source.path,
            title: source.title,
            section: source.section,
            page_from: source.page_from,
            page_to: source.page_to,
            url,
            instruction: source.instruction,
            stale: source.stale,
        }
    }

    fn source(self) -> Source {
        Source {
            number: self.number,
            rank: self.rank,
            kind: self.kind,
            cited: self.cited,
            passage_id: None,
            sha256: self.sha256,
            character_from: self.character_from,
            character_to: self.character_to,
            library: self.library,
            version: self.version,
            follows_active: self.follows_active,
            document_id: None,
            path: self.path,
            title: self.title,
            section: self.section,
            page_from: self.page_from,
            page_to: self.page_to,
            url: self.url.filter(|url| super::loose::is_web(url)),
            instruction: self.instruction,
            stale: self.stale,
            content: String::new(),
        }
    }
}

/// Whether a file that begins so is a history of ours.
pub fn begins(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.len() < 1000 && matches!(serde_json::from_slice(line), Ok(Line::History { .. }))
}

/// Reads a history of ours and hands on what it holds. Lines that cannot be read are noted and passed over. `take` says
/// whether it takes more.
pub fn read(
    mut input: impl BufRead,
    report: &mut Report,
    take: &mut dyn FnMut(Item) -> bool,
) -> std::io::Result<()> {
    let mut state = Reading::default();
    let (mut line, mut number) = (Vec::new(), 0_u64);
    while next_line(&mut input, &mut line)? {
        number += 1;
        let place = format!("line {number}");
        if line.len() > LONGEST_LINE {
            report.drop(&place, format!("it is longer than {LONGEST_LINE} bytes"));
            continue;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let read = match serde_json::from_slice::<Line>(&line) {
            Ok(line) => state.line(line),
            Err(error) => Err(format!("it cannot be read: {error}")),
        };
        match read {
            Ok(Some(item)) => {
                if !take(item) {
                    return Ok(());
                }
            }
            Ok(None) => {}
            Err(why) => report.drop(&place, why),
        }
    }
    if !state.ended {
        report.drop("the end of the file", "it is missing: the file is not whole");
    }
    Ok(())
}

/// A chat of ours that is one JSON value, as one chat is exported.
pub(crate) fn of_json(value: &Value, place: &str, report: &mut Report) -> Option<Chat> {
    let mut chat: Chat = match serde_json::from_value(value.clone()) {
        Ok(chat) => chat,
        Err(error) => {
            report.drop(place, format!("it cannot be read: {error}"));
            return None;
        }
    };
    if !chat.files.is_empty() {
        report.drop(place, format!("its {} files: their bytes are not in this file", chat.files.len()));
        chat.files.clear();
    }
    let mut messages = Vec::with_capacity(chat.messages.len());
    for message in std::mem::take(&mut chat.messages) {
        let name = message.message_id;
        let hashes: HashSet<[u8; 32]> =
            message.sources.iter().map(|source| Sha256::digest(source.content.as_bytes()).into()).collect();
        match fit_message(message, |hash| hashes.contains(hash)) {
            Ok(message) => messages.push(message),
            Err(why) => report.drop(format!("{place}, message {name}"), why),
        }
    }
    chat.messages = messages;
    Some(fit_chat(chat))
}

#[derive(Default)]
struct Reading {
    chat: Option<Uuid>,
    chats: u64,
    quotes: HashSet<[u8; 32]>,
    /// The file whose bytes come.
    file: Option<String>,
    ended: bool,
}

impl Reading {
    fn line(&mut self, line: Line) -> Result<Option<Item>, String> {
        if !matches!(line, Line::Bytes { .. }) {
            self.file = None;
        }
        Ok(match line {
            Line::History { format } if format > FORMAT => {
                return Err(format!("its form is {format}, and this program knows them up to {FORMAT}"));
            }
            Line::History { .. } => None,
            Line::Chat(head) => {
                self.chats += 1;
                if self.chats > MOST_CHATS {
                    self.chat = None;
                    return Err(format!("an import brings at most {MOST_CHATS} chats"));
                }
                self.chat = Some(head.id);
                Some(Item::Chat(Box::new(fit_chat(head.chat()))))
            }
            Line::Quote { sha256, content } => {
                let hash: [u8; 32] = Sha256::digest(content.as_bytes()).into();
                if hex::encode(hash) != sha256 {
                    return Err("the quotation is not what its hash says".to_owned());
                }
                if content.len() > LONGEST_TEXT || content.contains('\0') {
                    return Err(format!("the quotation holds U+0000 or is longer than {LONGEST_TEXT} bytes"));
                }
                if self.quotes.len() >= MOST_QUOTES {
                    return Err(format!("an import brings at most {MOST_QUOTES} quotations"));
                }
                self.quotes.insert(hash);
                Some(Item::Quote(hash, content))
            }
            Line::Message(said) => {
                if self.chat != Some(said.chat) {
                    return Err("it is of another chat than the one before it".to_owned());
                }
                let message = fit_message(said.message(), |hash| self.quotes.contains(hash))?;
                Some(Item::Message(Box::new(message)))
            }
            Line::File { chat, file } => {
                if self.chat != Some(chat) {
                    return Err("it is of another chat than the one before it".to_owned());
                }
                let file = fit_file(file)?;
                self.file = Some(file.sha256.clone());
                Some(Item::File(file))
            }
            Line::Bytes { sha256, base64 } => {
                if self.file.as_ref() != Some(&sha256) {
                    return Err("these bytes belong to no file".to_owned());
                }
                let piece = STANDARD.decode(base64).map_err(|error| format!("no base64: {error}"))?;
                Some(Item::Bytes(piece.into()))
            }
            Line::End { .. } => {
                self.ended = true;
                None
            }
        })
    }
}

impl Head {
    fn chat(self) -> Chat {
        Chat {
            id: self.id,
            external_id: self.external_id,
            title: self.title,
            focus_mode: self.focus_mode,
            library: self.library,
            version: self.version,
            model: self.model,
            pinned: self.pinned,
            archived: self.archived,
            created_at: self.created_at,
            updated_at: self.updated_at,
            current: self.current,
            messages: Vec::new(),
            files: Vec::new(),
        }
    }
}

impl Said {
    fn message(self) -> Message {
        Message {
            message_id: self.message_id,
            parent: self.parent,
            role: self.role,
            content: self.content,
            status: self.status,
            metadata: self.metadata,
            created_at: self.created_at,
            sources: self.sources.into_iter().map(Listed::source).collect(),
            verdict: self.verdict,
        }
    }
}

/// A chat within the bounds of its table. What was exported is within them and stays as it is.
fn fit_chat(mut chat: Chat) -> Chat {
    let cut = |text: Option<String>, most: usize| {
        text.filter(|text| text.chars().count() <= most && !text.contains('\0'))
    };
    chat.title = clean(&chat.title);
    if chat.title.is_empty() || chat.title.chars().count() > 300 {
        chat.title = one_line(&chat.title, 300);
    }
    if chat.title.is_empty() {
        "Untitled".clone_into(&mut chat.title);
    }
    chat.focus_mode = clean(&chat.focus_mode).chars().take(50).collect();
    chat.external_id = cut(chat.external_id, 200);
    chat.library = cut(chat.library, 100);
    chat.version = cut(chat.version, 100);
    chat.model = cut(chat.model, 60);
    let begun = sane(chat.created_at).unwrap_or(DateTime::UNIX_EPOCH);
    chat.updated_at = sane(chat.updated_at).unwrap_or(begun);
    chat.created_at = begun;
    chat
}

/// A message within the bounds of its tables. `has_quote` tells which quotations came with it.
fn fit_message(mut message: Message, has_quote: impl Fn(&[u8; 32]) -> bool) -> Result<Message, String> {
    if message.content.len() > LONGEST_TEXT {
        return Err(format!("it is longer than {LONGEST_TEXT} bytes"));
    }
    if message.sources.len() > MOST_SOURCES {
        return Err(format!("it has more than {MOST_SOURCES} sources"));
    }
    message.content = clean(&message.content);
    message.metadata = clean_members(std::mem::take(&mut message.metadata)).into_iter().collect();
    if serde_json::to_vec(&message.metadata).map_or(0, |bytes| bytes.len()) > LONGEST_TEXT {
        return Err(format!("its metadata are longer than {LONGEST_TEXT} bytes"));
    }
    message.created_at = sane(message.created_at).ok_or("its time is out of bounds")?;
    message.status = if message.role == Role::User { Status::Complete } else { settled(message.status) };
    if let Some(verdict) = &mut message.verdict {
        let fits = |text: &str| text.chars().count() <= 4000 && !text.contains('\0');
        let known = ["good", "wrong"].contains(&verdict.verdict.as_str());
        if !known || !fits(&verdict.reason) || !fits(&verdict.correction) {
            return Err("its verdict cannot be kept".to_owned());
        }
    }
    let mut numbers = HashSet::new();
    for source in &mut message.sources {
        let mut hash = [0; 32];
        let known = hex::decode_to_slice(&source.sha256, &mut hash).is_ok() && has_quote(&hash);
        let range = 0 <= source.character_from && source.character_from <= source.character_to;
        if !known || !range || source.number < 1 || source.rank < 1 || !numbers.insert(source.number) {
            return Err(format!("its source {} cannot be kept", source.number));
        }
        if source.content.len() > LONGEST_TEXT || source.content.contains('\0') {
            return Err(format!("its source {} cannot be kept", source.number));
        }
        source.sha256 = hex::encode(hash);
        source.passage_id = None;
        source.document_id = None;
        for text in [&mut source.title].into_iter().chain(&mut source.section) {
            *text = clean(text);
        }
        let others = [&mut source.library, &mut source.version, &mut source.path, &mut source.url];
        for text in others.into_iter().chain([&mut source.instruction]).flatten() {
            *text = clean(text);
        }
    }
    Ok(message)
}

fn fit_file(mut file: File) -> Result<File, String> {
    file.name = clean(&file.name);
    if file.name.is_empty() || file.name.chars().count() > 1000 {
        return Err("its name has 1 to 1000 characters".to_owned());
    }
    file.uploaded_at = sane(file.uploaded_at).ok_or("its time is out of bounds")?;
    Ok(file)
}

/// The next line without its end; `false` after the last. Of a line that is too long, only that it is.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(available.len(), |end| end + 1);
        if line.len() <= LONGEST_LINE {
            line.extend_from_slice(&available[..end.unwrap_or(taken)]);
        }
        input.consume(taken);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
#[path = "history/tests.rs"]
mod tests;
