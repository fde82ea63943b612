//! Our own format of a whole history: `application/x-ndjson`, one JSON object per line.
//!
//! ```text
//! {"type":"history","format":1}
//! {"type":"chat","id":…,"title":…,…,"current":…}                 each chat, oldest first
//! {"type":"quote","sha256":…,"content":…}                        once per export, before the first source that needs it
//! {"type":"message","chat":…,"message_id":…,"sources":[…],…}     its messages, each after its parent
//! {"type":"file","chat":…,"file_id":…,"sha256":…,…}              its files
//! {"type":"bytes","sha256":…,"base64":…}                         their bytes in pieces, once per hash
//! {"type":"end","chats":…,"messages":…,"files":…}
//! ```
//!
//! **An export that is imported into another server and exported again is the same, byte for byte**, because lines contain only what
//! an import preserves:
//!
//! - No time of the export, no server name, no user.
//! - No passage or document ids, which belong to one library. A source names library, version, path and hash, and the import finds
//!   the passage by these, if it exists. So lost links are restored, and none is wrong.
//! - Ids of chats, messages and files, which are preserved. Only an id that belongs to another user is replaced by a derived one
//!   (UUIDv5 of the owner and the id), and then differs.
//! - A deterministic order: chats by creation time and id, messages and files in the order they were written, which an import repeats.
//! - Answers still being written are exported as interrupted, which is what they are on another server.
//! - What an import refuses (U+0000, texts beyond the limits) cannot be in the database, or is truncated by the same rule.
//!
//! The last line shows that the file is complete.

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

use super::lenient_json::{clean, clean_members, line as one_line, sane};
use super::{
    ChatRecord, FileRecord, ImportReport, MAX_CHATS, MAX_MESSAGE_SOURCES, MAX_TEXT_BYTES, MessageRecord,
    MessageRole, MessageStatus, Verdict,
};
use crate::source::{Source, SourceKind, Staleness};

/// Media type.
pub const CONTENT_TYPE: &str = "application/x-ndjson";
/// Version of the format that is written, and the newest that is read.
pub const FORMAT: u32 = 1;
/// Maximum number of bytes of a file on one line.
pub const PIECE_BYTES: usize = 1 << 20;
/// Maximum length of a line, in bytes.
const MAX_LINE_BYTES: usize = 16 << 20;
/// Maximum number of quotations of one import.
pub const MAX_QUOTES: usize = 1_000_000;

/// Line of the format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// First line.
    History {
        /// Version of the format, [`FORMAT`].
        format: u32,
    },
    /// Chat.
    Chat(ChatLine),
    /// Quotation.
    Quote {
        /// SHA-256 of the text, in hexadecimal.
        sha256: String,
        /// Text.
        content: String,
    },
    /// Message.
    Message(Box<MessageLine>),
    /// File.
    File {
        /// Chat that the file is attached to.
        chat: Uuid,
        /// File.
        #[serde(flatten)]
        file: FileRecord,
    },
    /// Piece of a file.
    Bytes {
        /// SHA-256 of the whole file, in hexadecimal.
        sha256: String,
        /// Piece, in base64.
        base64: String,
    },
    /// Last line.
    End {
        /// Number of chats.
        chats: u64,
        /// Number of messages.
        messages: u64,
        /// Number of files.
        files: u64,
    },
}

/// Chat without its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatLine {
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

/// Message with its chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageLine {
    chat: Uuid,
    message_id: Uuid,
    #[serde(default)]
    parent: Option<Uuid>,
    role: MessageRole,
    content: String,
    #[serde(default)]
    status: MessageStatus,
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
    created_at: DateTime<Utc>,
    #[serde(default)]
    sources: Vec<SourceEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

/// Source without its text and without ids of one library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SourceEntry {
    number: i32,
    rank: i32,
    #[serde(default)]
    kind: SourceKind,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also_in: Vec<String>,
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
    stale: Option<Staleness>,
}

/// Item parsed from a file.
#[derive(Debug)]
pub enum Item {
    /// Chat; with its messages if it comes from another format.
    Chat(Box<ChatRecord>),
    /// SHA-256 and text of a quotation.
    Quote([u8; 32], String),
    /// Message of the preceding chat; its sources have no text.
    Message(Box<MessageRecord>),
    /// File of the preceding chat.
    File(FileRecord),
    /// Piece of the preceding file.
    Bytes(Bytes),
}

impl Line {
    /// Serializes the line, with its line feed.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Cannot fail: all keys are strings.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Returns the line of a chat.
    pub fn chat(chat: &ChatRecord) -> Self {
        Self::Chat(ChatLine {
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

    /// Returns the line of a message.
    pub fn message(chat: Uuid, message: MessageRecord) -> Self {
        Self::Message(Box::new(MessageLine {
            chat,
            message_id: message.message_id,
            parent: message.parent,
            role: message.role,
            content: message.content,
            status: settled(message.status),
            metadata: message.metadata,
            created_at: message.created_at,
            sources: message.sources.into_iter().map(SourceEntry::of).collect(),
            verdict: message.verdict,
        }))
    }

    /// Returns the line of a piece of a file.
    pub fn bytes(sha256: &str, piece: &[u8]) -> Self {
        Self::Bytes { sha256: sha256.to_owned(), base64: STANDARD.encode(piece) }
    }
}

/// Returns the status outside this server: an answer still being written counts as interrupted.
pub fn settled(status: MessageStatus) -> MessageStatus {
    if status == MessageStatus::Answering { MessageStatus::Interrupted } else { status }
}

impl SourceEntry {
    fn of(source: Source) -> Self {
        // The URL of a passage of this server contains its id.
        let url =
            source.url.filter(|url| super::lenient_json::is_web(url) && source.kind != SourceKind::Passage);
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
            also_in: source.also_in,
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

    fn into_source(self) -> Source {
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
            also_in: self.also_in,
            document_id: None,
            path: self.path,
            title: self.title,
            section: self.section,
            page_from: self.page_from,
            page_to: self.page_to,
            url: self.url.filter(|url| super::lenient_json::is_web(url)),
            instruction: self.instruction,
            stale: self.stale,
            content: String::new(),
        }
    }
}

/// Whether a file with this start has this format.
pub fn is_history(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.len() < 1000 && matches!(serde_json::from_slice(line), Ok(Line::History { .. }))
}

/// Parses a history and passes its items to `consume`, until that returns `false`. Invalid lines are reported and skipped.
///
/// # Errors
///
/// Fails if `input` fails.
pub fn read(
    mut input: impl BufRead,
    report: &mut ImportReport,
    consume: &mut dyn FnMut(Item) -> bool,
) -> std::io::Result<()> {
    let mut state = ParserState::default();
    let (mut line, mut number) = (Vec::new(), 0_u64);
    while next_line(&mut input, &mut line)? {
        number += 1;
        let location = format!("line {number}");
        if line.len() > MAX_LINE_BYTES {
            report.skip(&location, format!("longer than {MAX_LINE_BYTES} bytes"));
            continue;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let item = match serde_json::from_slice::<Line>(&line) {
            Ok(line) => state.line(line),
            Err(error) => Err(format!("invalid line: {error}")),
        };
        match item {
            Ok(Some(item)) => {
                if !consume(item) {
                    return Ok(());
                }
            }
            Ok(None) => {}
            Err(reason) => report.skip(&location, reason),
        }
    }
    if !state.ended {
        report.skip("end of the file", "missing: the file is incomplete");
    }
    Ok(())
}

/// Parses a chat exported by itself, as one JSON value.
pub(crate) fn parse_chat(value: &Value, location: &str, report: &mut ImportReport) -> Option<ChatRecord> {
    let mut chat: ChatRecord = match serde_json::from_value(value.clone()) {
        Ok(chat) => chat,
        Err(error) => {
            report.skip(location, format!("invalid chat: {error}"));
            return None;
        }
    };
    if !chat.files.is_empty() {
        report.skip(location, format!("its {} files: the bytes are not in this export", chat.files.len()));
        chat.files.clear();
    }
    let mut messages = Vec::with_capacity(chat.messages.len());
    for message in std::mem::take(&mut chat.messages) {
        let id = message.message_id;
        let hashes: HashSet<[u8; 32]> =
            message.sources.iter().map(|source| Sha256::digest(source.content.as_bytes()).into()).collect();
        match sanitize_message(message, |hash| hashes.contains(hash)) {
            Ok(message) => messages.push(message),
            Err(reason) => report.skip(format!("{location}, message {id}"), reason),
        }
    }
    chat.messages = messages;
    Some(sanitize_chat(chat))
}

/// State of the parser between lines.
#[derive(Default)]
struct ParserState {
    chat: Option<Uuid>,
    chats: u64,
    quotes: HashSet<[u8; 32]>,
    /// Hash of the file whose bytes follow.
    file: Option<String>,
    ended: bool,
}

impl ParserState {
    fn line(&mut self, line: Line) -> Result<Option<Item>, String> {
        if !matches!(line, Line::Bytes { .. }) {
            self.file = None;
        }
        Ok(match line {
            Line::History { format } if format > FORMAT => {
                return Err(format!(
                    "unsupported format {format}: this program supports formats up to {FORMAT}"
                ));
            }
            Line::History { .. } => None,
            Line::Chat(line) => {
                self.chats += 1;
                if self.chats > MAX_CHATS {
                    self.chat = None;
                    return Err(format!("an import has at most {MAX_CHATS} chats"));
                }
                self.chat = Some(line.id);
                Some(Item::Chat(Box::new(sanitize_chat(line.into_chat()))))
            }
            Line::Quote { sha256, content } => {
                let hash: [u8; 32] = Sha256::digest(content.as_bytes()).into();
                if hex::encode(hash) != sha256 {
                    return Err("the quotation does not match its hash".to_owned());
                }
                if content.len() > MAX_TEXT_BYTES || content.contains('\0') {
                    return Err(format!(
                        "the quotation contains U+0000 or is longer than {MAX_TEXT_BYTES} bytes"
                    ));
                }
                if self.quotes.len() >= MAX_QUOTES {
                    return Err(format!("an import has at most {MAX_QUOTES} quotations"));
                }
                self.quotes.insert(hash);
                Some(Item::Quote(hash, content))
            }
            Line::Message(line) => {
                if self.chat != Some(line.chat) {
                    return Err("belongs to another chat than the preceding one".to_owned());
                }
                let message = sanitize_message(line.into_message(), |hash| self.quotes.contains(hash))?;
                Some(Item::Message(Box::new(message)))
            }
            Line::File { chat, file } => {
                if self.chat != Some(chat) {
                    return Err("belongs to another chat than the preceding one".to_owned());
                }
                let file = sanitize_file(file)?;
                self.file = Some(file.sha256.clone());
                Some(Item::File(file))
            }
            Line::Bytes { sha256, base64 } => {
                if self.file.as_ref() != Some(&sha256) {
                    return Err("the bytes belong to no file".to_owned());
                }
                let piece = STANDARD.decode(base64).map_err(|error| format!("invalid base64: {error}"))?;
                Some(Item::Bytes(piece.into()))
            }
            Line::End { .. } => {
                self.ended = true;
                None
            }
        })
    }
}

impl ChatLine {
    fn into_chat(self) -> ChatRecord {
        ChatRecord {
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

impl MessageLine {
    fn into_message(self) -> MessageRecord {
        MessageRecord {
            message_id: self.message_id,
            parent: self.parent,
            role: self.role,
            content: self.content,
            status: self.status,
            metadata: self.metadata,
            created_at: self.created_at,
            sources: self.sources.into_iter().map(SourceEntry::into_source).collect(),
            verdict: self.verdict,
        }
    }
}

/// Adapts a chat to the constraints of its table. An exported chat fulfils them and stays unchanged.
fn sanitize_chat(mut chat: ChatRecord) -> ChatRecord {
    let valid = |text: Option<String>, max_chars: usize| {
        text.filter(|text| text.chars().count() <= max_chars && !text.contains('\0'))
    };
    chat.title = clean(&chat.title);
    if chat.title.is_empty() || chat.title.chars().count() > 300 {
        chat.title = one_line(&chat.title, 300);
    }
    if chat.title.is_empty() {
        "Untitled".clone_into(&mut chat.title);
    }
    chat.focus_mode = clean(&chat.focus_mode).chars().take(50).collect();
    chat.external_id = valid(chat.external_id, 200);
    chat.library = valid(chat.library, 100);
    chat.version = valid(chat.version, 100);
    chat.model = valid(chat.model, 60);
    let created_at = sane(chat.created_at).unwrap_or(DateTime::UNIX_EPOCH);
    chat.updated_at = sane(chat.updated_at).unwrap_or(created_at);
    chat.created_at = created_at;
    chat
}

/// Adapts a message to the constraints of its tables, or returns the reason why it cannot be stored. `has_quote` tells which
/// quotations are part of the import.
fn sanitize_message(
    mut message: MessageRecord,
    has_quote: impl Fn(&[u8; 32]) -> bool,
) -> Result<MessageRecord, String> {
    if message.content.len() > MAX_TEXT_BYTES {
        return Err(format!("longer than {MAX_TEXT_BYTES} bytes"));
    }
    if message.sources.len() > MAX_MESSAGE_SOURCES {
        return Err(format!("more than {MAX_MESSAGE_SOURCES} sources"));
    }
    message.content = clean(&message.content);
    message.metadata = clean_members(std::mem::take(&mut message.metadata)).into_iter().collect();
    if serde_json::to_vec(&message.metadata).map_or(0, |bytes| bytes.len()) > MAX_TEXT_BYTES {
        return Err(format!("metadata longer than {MAX_TEXT_BYTES} bytes"));
    }
    message.created_at = sane(message.created_at).ok_or("creation time out of range")?;
    message.status =
        if message.role == MessageRole::User { MessageStatus::Complete } else { settled(message.status) };
    if let Some(verdict) = &mut message.verdict {
        let fits = |text: &str| text.chars().count() <= 4000 && !text.contains('\0');
        let known = ["good", "wrong"].contains(&verdict.verdict.as_str());
        if !known || !fits(&verdict.reason) || !fits(&verdict.correction) {
            return Err("invalid verdict".to_owned());
        }
    }
    let mut numbers = HashSet::new();
    for source in &mut message.sources {
        let mut hash = [0; 32];
        let known = hex::decode_to_slice(&source.sha256, &mut hash).is_ok() && has_quote(&hash);
        let range = 0 <= source.character_from && source.character_from <= source.character_to;
        if !known || !range || source.number < 1 || source.rank < 1 || !numbers.insert(source.number) {
            return Err(format!("invalid source {}", source.number));
        }
        if source.content.len() > MAX_TEXT_BYTES || source.content.contains('\0') {
            return Err(format!("invalid source {}", source.number));
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

/// Adapts a file to the constraints of its table, or returns the reason why it cannot be stored.
fn sanitize_file(mut file: FileRecord) -> Result<FileRecord, String> {
    file.name = clean(&file.name);
    if file.name.is_empty() || file.name.chars().count() > 1000 {
        return Err("invalid file name: 1 to 1000 characters".to_owned());
    }
    file.uploaded_at = sane(file.uploaded_at).ok_or("upload time out of range")?;
    Ok(file)
}

/// Reads the next line without its line feed; `false` after the last. A line that is too long is truncated just above the limit.
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
        let length = end.map_or(available.len(), |end| end + 1);
        if line.len() <= MAX_LINE_BYTES {
            line.extend_from_slice(&available[..end.unwrap_or(length)]);
        }
        input.consume(length);
        if end.is_some() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests;
