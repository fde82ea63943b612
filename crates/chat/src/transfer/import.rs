//! Imports: our own format ([`ndjson`]) or those of other programs ([`importers`]). Imports are idempotent; a longer
//! export of the same chats adds what is new.
//!
//! The file is parsed on a thread of its own, one item at a time, and written in batches: quotations first, in statements of their
//! own, then a chat with its messages in one transaction (several if it is very long). Everything belongs to the importing actor. An
//! id that belongs to another user is replaced by one derived from it.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use extract::archive::ArchiveLimits;
use futures::stream;
use kernel::actor::Actor;
use library::catalogue::Catalogue;
use library::unpack::{UnpackError, Unpacker, UnpackerConfig};
use library::uploads::{self, Content};
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use store::objects::{Hash, Objects, Staged};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::ndjson::{self, Item};
use super::{ChatRecord, FileRecord, ImportReport, MAX_CHAT_MESSAGES, MessageRecord, importers};
use crate::Error;
use crate::chats;

mod archive;
mod rows;

use rows::Attached;
pub(super) use rows::{derived_id, ensure_chat, now};

/// Number of messages written at once.
const BATCH: usize = 256;
/// Number of bytes of text written at once.
const BATCH_BYTES: usize = 8 << 20;

/// Configuration of an import.
#[derive(Debug, Clone)]
pub struct ImportConfig {
    /// Maximum size of each file attached to a chat.
    pub max_file_bytes: u64,
    /// Unpacks archives. Its limits have to allow the files of an archive: [`archive_limits`].
    pub unpacker: UnpackerConfig,
}

/// Returns the limits on an archive to import.
pub fn archive_limits() -> ArchiveLimits {
    ArchiveLimits { entry_bytes: archive::MAX_ENTRY_BYTES, ..ArchiveLimits::default() }
}

/// Imports a file. Sources are linked to passages of the libraries that exist for the actor: an import reveals nothing of others.
/// `on_progress` is called at the start of each chat and at the end.
///
/// # Errors
///
/// Fails if the actor has no chats, the file contains no chat, or the database or the object store fails. Batches written before
/// a failure stay.
pub async fn import(
    pool: &PgPool,
    objects: &Objects,
    catalogue: &Catalogue,
    actor: &Actor,
    input: impl Read + Send + 'static,
    config: ImportConfig,
    mut on_progress: impl FnMut(&ImportReport),
) -> Result<ImportReport, Error> {
    let owner = chats::owner_id(actor)?;
    let mut connection = pool.acquire().await?;
    let now = rows::now(&mut connection).await?;
    drop(connection);
    let (sender, mut items) = mpsc::channel(1);
    let max_file_bytes = config.max_file_bytes;
    let archives = Archives { objects: objects.clone(), unpacker: config.unpacker };
    let parsing = tokio::task::spawn_blocking(move || parse(input, &archives, now, &sender));
    let mut writer = Writer {
        pool,
        objects,
        owner,
        user: actor.user_id().map(|user| user.0),
        libraries: catalogue.libraries(actor).iter().map(|library| library.id.0).collect(),
        max_file_bytes,
        report: ImportReport::default(),
        chat: None,
        quotes: Vec::new(),
        quote_bytes: 0,
        file: None,
        stored: HashSet::new(),
    };
    while let Some(item) = items.recv().await {
        let is_chat = matches!(item, Item::Chat(_));
        writer.item(item).await?;
        if is_chat {
            on_progress(&writer.report);
        }
    }
    writer.end_chat().await?;
    let (parser_report, found) = parsing
        .await
        .map_err(|_panicked| Error::Internal("the parser of an import panicked".to_owned()))??;
    let mut report = writer.report;
    report.merge(parser_report);
    if !found && report.chats == 0 {
        let reason = report
            .dropped
            .first()
            .map_or_else(|| "the file is empty".to_owned(), |skipped| skipped.reason.clone());
        return Err(Error::Invalid(format!(
            "this file contains no chats of Wenyuan, Perplexica, Open WebUI, LibreChat or ChatGPT: {reason}"
        )));
    }
    on_progress(&report);
    Ok(report)
}

/// Parses the file and sends its items. Returns the report, and whether the file contained any chat.
fn parse(
    input: impl Read,
    archives: &Archives,
    now: DateTime<Utc>,
    sender: &mpsc::Sender<Item>,
) -> Result<(ImportReport, bool), Error> {
    let unreadable = |error: std::io::Error| Error::Invalid(format!("failed to read the file: {error}"));
    let mut report = ImportReport::default();
    let mut found = false;
    let mut input = BufReader::with_capacity(64 << 10, input);
    // Byte order mark, as some programs on Windows write it.
    if input.fill_buf().map_err(unreadable)?.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    if ndjson::is_history(input.fill_buf().map_err(unreadable)?) {
        let mut take = |item| sender.blocking_send(item).is_ok();
        ndjson::read(input, &mut report, &mut take).map_err(unreadable)?;
        found = true;
    } else {
        let mut take = |chat| {
            found = true;
            sender.blocking_send(Item::Chat(Box::new(chat))).is_ok()
        };
        if input.fill_buf().map_err(unreadable)?.starts_with(b"PK\x03\x04") {
            let file = archives.spool(input)?;
            archive::read(&|visit| archives.unpack(&file, visit), now, &mut report, &mut take)?;
        } else {
            importers::read_to_end(input, now, &mut report, &mut take);
        }
    }
    Ok((report, found))
}

/// Unpacks archives in a child process.
struct Archives {
    objects: Objects,
    unpacker: UnpackerConfig,
}

impl Archives {
    /// Copies an archive to a file, which the child has as its input.
    fn spool(&self, input: impl Read) -> Result<File, Error> {
        let failed = |error: io::Error| Error::Invalid(format!("failed to read the file: {error}"));
        let mut file = self.objects.spool_file()?;
        let size = io::copy(&mut input.take(archive::MAX_ARCHIVE_BYTES + 1), &mut file).map_err(failed)?;
        if size > archive::MAX_ARCHIVE_BYTES {
            return Err(Error::Invalid(format!(
                "the archive is larger than {} MiB: unpack it and import its conversations.json",
                archive::MAX_ARCHIVE_BYTES >> 20
            )));
        }
        Ok(file)
    }

    /// Visits the files of an archive. Call it on a blocking thread.
    fn unpack(&self, archive: &File, visit: &mut archive::Visitor<'_>) -> Result<(), Error> {
        let failed = |error: UnpackError| match error {
            UnpackError::Archive(reason) => Error::Invalid(format!("the archive cannot be read: {reason}")),
            other @ UnpackError::Child(_) => Error::Internal(kernel::chain::Chain(&other).to_string()),
        };
        let archive = archive.try_clone().map_err(|error| Error::Internal(error.to_string()))?;
        let runtime = tokio::runtime::Handle::current();
        let mut unpacker = Unpacker::start(&self.unpacker, archive).map_err(failed)?;
        while let Some(file) = runtime.block_on(unpacker.next()).map_err(failed)? {
            visit(&file.path, file.content.as_deref().map_err(String::as_str));
        }
        Ok(())
    }
}

struct Writer<'a> {
    pool: &'a PgPool,
    objects: &'a Objects,
    owner: Uuid,
    user: Option<Uuid>,
    /// Libraries that exist for the owner.
    libraries: Vec<Uuid>,
    max_file_bytes: u64,
    report: ImportReport,
    chat: Option<OpenChat>,
    quotes: Vec<([u8; 32], String)>,
    quote_bytes: usize,
    file: Option<IncomingFile>,
    /// Files whose bytes are part of this import. Knowing a hash does not give access to the bytes of another user.
    stored: HashSet<Hash>,
}

/// Chat whose messages are being imported.
struct OpenChat {
    head: ChatRecord,
    /// Our id, once the chat is written.
    id: Option<Uuid>,
    is_new: bool,
    batch: Vec<MessageRecord>,
    batch_bytes: usize,
    /// Numbers of its messages, by their ids in the file.
    known: HashMap<Uuid, i64>,
    /// Numbers of the messages that this import has written.
    added: HashSet<i64>,
    last: Option<i64>,
    count: usize,
}

/// File whose bytes are being imported.
struct IncomingFile {
    file: FileRecord,
    sender: mpsc::Sender<Bytes>,
    staging: JoinHandle<Result<Staged, store::objects::Error>>,
}

impl Writer<'_> {
    async fn item(&mut self, item: Item) -> Result<(), Error> {
        if !matches!(item, Item::Bytes(_)) {
            self.end_file().await?;
        }
        match item {
            Item::Chat(chat) => {
                self.end_chat().await?;
                let mut head = *chat;
                let messages = std::mem::take(&mut head.messages);
                self.chat = Some(OpenChat {
                    head,
                    id: None,
                    is_new: false,
                    batch: Vec::new(),
                    batch_bytes: 0,
                    known: HashMap::new(),
                    added: HashSet::new(),
                    last: None,
                    count: 0,
                });
                for mut message in messages {
                    for source in &mut message.sources {
                        let content = std::mem::take(&mut source.content);
                        let hash: [u8; 32] = Sha256::digest(content.as_bytes()).into();
                        if hex::encode(hash) == source.sha256 {
                            self.quote(hash, content).await?;
                        }
                    }
                    self.message(message).await?;
                }
            }
            Item::Quote(hash, content) => self.quote(hash, content).await?,
            Item::Message(message) => self.message(*message).await?,
            Item::File(file) => {
                self.flush().await?;
                self.start_file(file).await?;
            }
            Item::Bytes(piece) => {
                if let Some(incoming) = &self.file {
                    // If staging has failed, `end_file` returns the error.
                    let _failed = incoming.sender.send(piece).await;
                }
            }
        }
        Ok(())
    }

    async fn quote(&mut self, hash: [u8; 32], content: String) -> Result<(), Error> {
        self.quote_bytes += content.len();
        self.quotes.push((hash, content));
        if self.quote_bytes > BATCH_BYTES { self.write_quotes().await } else { Ok(()) }
    }

    async fn write_quotes(&mut self) -> Result<(), Error> {
        self.quote_bytes = 0;
        let quotes = std::mem::take(&mut self.quotes);
        if quotes.is_empty() {
            return Ok(());
        }
        let mut connection = self.pool.acquire().await?;
        rows::write_quotes(&mut connection, quotes).await
    }

    async fn message(&mut self, message: MessageRecord) -> Result<(), Error> {
        let Some(open) = &mut self.chat else { return Ok(()) };
        open.count += 1;
        if open.count > MAX_CHAT_MESSAGES {
            self.report.skip(
                format!("chat {}, message {}", open.head.id, message.message_id),
                format!("a chat has at most {MAX_CHAT_MESSAGES} messages"),
            );
            return Ok(());
        }
        open.batch_bytes += message.content.len();
        open.batch.push(message);
        if open.batch.len() >= BATCH || open.batch_bytes > BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes the batch of the open chat.
    async fn flush(&mut self) -> Result<(), Error> {
        self.write_quotes().await?;
        let Some(open) = &mut self.chat else { return Ok(()) };
        if open.batch.is_empty() && open.id.is_some() {
            return Ok(());
        }
        let batch = std::mem::take(&mut open.batch);
        open.batch_bytes = 0;
        let mut transaction = store::postgres::begin(self.pool).await?;
        let id = if let Some(id) = open.id {
            id
        } else {
            let (id, is_new) = rows::ensure_chat(&mut transaction, self.owner, self.user, &open.head).await?;
            open.is_new = is_new;
            self.report.chats += u64::from(is_new);
            open.id = Some(id);
            id
        };
        let location = format!("chat {}", open.head.id);
        let written = rows::write_messages(
            &mut transaction,
            &rows::Target { owner: self.owner, chat: id, libraries: &self.libraries, location: &location },
            batch,
            &open.known,
            &mut self.report,
        )
        .await?;
        open.last = written.added.last().copied().or(open.last);
        open.known.extend(written.known);
        open.added.extend(written.added);
        let current = open.head.current.and_then(|current| open.known.get(&current).copied());
        let current = match current {
            // The branch that is shown changes only to a message that this import has added.
            Some(current) if open.is_new || open.added.contains(&current) => Some(current),
            // In a later batch, or missing.
            None if open.is_new && open.head.current.is_some() => open.last,
            _ => None,
        };
        if open.is_new || !open.added.is_empty() {
            rows::finish_chat(&mut transaction, id, current, open.head.updated_at).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn end_chat(&mut self) -> Result<(), Error> {
        self.end_file().await?;
        self.flush().await?;
        self.chat = None;
        Ok(())
    }

    async fn start_file(&mut self, file: FileRecord) -> Result<(), Error> {
        let hash: Option<Hash> = file.sha256.parse().ok();
        if let Some(hash) = hash.filter(|hash| self.stored.contains(hash)) {
            return self.write_file(&file, hash).await;
        }
        let (sender, receiver) = mpsc::channel::<Bytes>(2);
        let (objects, limit) = (self.objects.clone(), self.max_file_bytes);
        let staging = tokio::spawn(async move {
            let pieces = stream::unfold(receiver, |mut receiver| async {
                let piece = receiver.recv().await?;
                Some((Ok::<_, std::convert::Infallible>(piece), receiver))
            });
            objects.stage(Box::pin(pieces), limit).await
        });
        self.file = Some(IncomingFile { file, sender, staging });
        Ok(())
    }

    async fn end_file(&mut self) -> Result<(), Error> {
        let Some(IncomingFile { file, sender, staging }) = self.file.take() else { return Ok(()) };
        drop(sender);
        let location = format!("file {}", file.file_id);
        let staged =
            staging.await.map_err(|_panicked| Error::Internal("staging a file panicked".to_owned()))?;
        let staged = match staged {
            Ok(staged) => staged,
            Err(error @ store::objects::Error::TooLarge { .. }) => {
                self.report.skip(location, format!("the file is {error}"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let stored = staged.stored;
        if stored.hash.to_string() != file.sha256 || i64::try_from(stored.size) != Ok(file.size) {
            self.objects.discard(staged).await?;
            self.report.skip(location, "its bytes are missing or do not match its hash");
            return Ok(());
        }
        uploads::store(self.pool, self.objects, vec![Content::Staged(staged)]).await?;
        self.stored.insert(stored.hash);
        self.write_file(&file, stored.hash).await
    }

    async fn write_file(&mut self, file: &FileRecord, hash: Hash) -> Result<(), Error> {
        let Some(id) = self.chat.as_ref().and_then(|open| open.id) else { return Ok(()) };
        let mut transaction = store::postgres::begin(self.pool).await?;
        let written = rows::write_file(&mut transaction, id, file, hash).await?;
        transaction.commit().await?;
        match written {
            Attached::New => self.report.files += 1,
            Attached::Existing => self.report.already_there += 1,
            Attached::LimitReached => {
                let reason = format!("a chat has at most {} files", crate::files::MAX_FILES);
                self.report.skip(format!("file {}", file.file_id), reason);
            }
        }
        Ok(())
    }
}
