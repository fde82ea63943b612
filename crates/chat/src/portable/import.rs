//! Taking a history in: ours, or what others export. Nothing is taken twice, so an import may be repeated and a longer export
//! of the same chats adds what is new.
//!
//! A file is read on a thread of its own, an item at a time, and written in batches: quotations first, each by itself, then a
//! chat with its messages in one transaction (several only where it is very long). Who imports owns what comes. An id that
//! belongs to somebody else gives way to one that is derived from it.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream;
use kernel::actor::Actor;
use library::catalogue::Catalogue;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use store::objects::{Hash, Objects, Staged};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::history::{self, Item};
use super::{Chat, File, MOST_MESSAGES, Message, Report, foreign};
use crate::Error;
use crate::chats;

mod rows;

use rows::Attached;
pub(super) use rows::{derived, ensure_chat, now};

/// Messages, or bytes of text, that are written at once.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 8 << 20;

/// Takes in a file. Sources are found again in the libraries of the catalogue that exist for the actor: an import tells nothing of
/// others. `largest_file` is the limit of each file attached to a chat, in bytes; `told` hears how far it is.
pub async fn import(
    pool: &PgPool,
    objects: &Objects,
    catalogue: &Catalogue,
    actor: &Actor,
    input: impl Read + Send + 'static,
    largest_file: u64,
    mut told: impl FnMut(&Report),
) -> Result<Report, Error> {
    let owner = chats::owner(actor)?;
    let mut connection = pool.acquire().await?;
    let now = rows::now(&mut connection).await?;
    drop(connection);
    let (sender, mut items) = mpsc::channel(1);
    let reading = tokio::task::spawn_blocking(move || read(input, now, &sender));
    let mut writer = Writer {
        pool,
        objects,
        owner,
        user: actor.user_id().map(|user| user.0),
        libraries: catalogue.libraries(actor).iter().map(|library| library.id.0).collect(),
        largest_file,
        report: Report::default(),
        chat: None,
        quotes: Vec::new(),
        quote_bytes: 0,
        file: None,
        kept: HashSet::new(),
    };
    while let Some(item) = items.recv().await {
        let begins_a_chat = matches!(item, Item::Chat(_));
        writer.item(item).await?;
        if begins_a_chat {
            told(&writer.report);
        }
    }
    writer.end_of_chat().await?;
    let (noted, found) =
        reading.await.map_err(|_panicked| Error::Internal("reading an import failed".to_owned()))??;
    let mut report = writer.report;
    report.take(noted);
    if !found && report.chats == 0 {
        let why =
            report.dropped.first().map_or_else(|| "it is empty".to_owned(), |dropped| dropped.why.clone());
        return Err(Error::Invalid(format!(
            "this file holds no chats of Wenyuan, Perplexica, Open WebUI, LibreChat or ChatGPT: {why}"
        )));
    }
    told(&report);
    Ok(report)
}

/// Reads the file, and says whether it held any chat.
fn read(input: impl Read, now: DateTime<Utc>, sender: &mpsc::Sender<Item>) -> Result<(Report, bool), Error> {
    let unreadable = |error: std::io::Error| Error::Invalid(format!("the file cannot be read: {error}"));
    let mut report = Report::default();
    let mut found = false;
    let mut input = BufReader::with_capacity(64 << 10, input);
    // A mark of byte order, as some programs on Windows write it.
    if input.fill_buf().map_err(unreadable)?.starts_with(b"\xef\xbb\xbf") {
        input.consume(3);
    }
    if history::begins(input.fill_buf().map_err(unreadable)?) {
        let mut take = |item| sender.blocking_send(item).is_ok();
        history::read(input, &mut report, &mut take).map_err(unreadable)?;
        found = true;
    } else {
        let mut take = |chat| {
            found = true;
            sender.blocking_send(Item::Chat(Box::new(chat))).is_ok()
        };
        match foreign::read(input, now, &mut report, &mut take) {
            Ok(()) | Err(foreign::Stopped::NotTaken) => {}
            Err(error) => report.drop("the rest of the file", error.to_string()),
        }
    }
    Ok((report, found))
}

struct Writer<'a> {
    pool: &'a PgPool,
    objects: &'a Objects,
    owner: Uuid,
    user: Option<Uuid>,
    /// Those that exist for the owner.
    libraries: Vec<Uuid>,
    largest_file: u64,
    report: Report,
    chat: Option<Open>,
    quotes: Vec<([u8; 32], String)>,
    quote_bytes: usize,
    file: Option<Incoming>,
    /// Files whose bytes came in this import. Others' are not to be had by their hash.
    kept: HashSet<Hash>,
}

/// The chat whose messages come.
struct Open {
    head: Chat,
    /// Its id here, once it is written.
    id: Option<Uuid>,
    is_new: bool,
    batch: Vec<Message>,
    bytes: usize,
    /// Ids of its messages, by those they came with.
    known: HashMap<Uuid, i64>,
    /// Those among them that this import has written.
    added: HashSet<i64>,
    last: Option<i64>,
    count: usize,
}

/// A file whose bytes come.
struct Incoming {
    file: File,
    sender: mpsc::Sender<Bytes>,
    staging: JoinHandle<Result<Staged, store::objects::Error>>,
}

impl Writer<'_> {
    async fn item(&mut self, item: Item) -> Result<(), Error> {
        if !matches!(item, Item::Bytes(_)) {
            self.end_of_file().await?;
        }
        match item {
            Item::Chat(chat) => {
                self.end_of_chat().await?;
                let mut head = *chat;
                let messages = std::mem::take(&mut head.messages);
                self.chat = Some(Open {
                    head,
                    id: None,
                    is_new: false,
                    batch: Vec::new(),
                    bytes: 0,
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
                self.begin_file(file).await?;
            }
            Item::Bytes(piece) => {
                if let Some(incoming) = &self.file {
                    // Where staging has failed, its end says so.
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

    async fn message(&mut self, message: Message) -> Result<(), Error> {
        let Some(open) = &mut self.chat else { return Ok(()) };
        open.count += 1;
        if open.count > MOST_MESSAGES {
            self.report.drop(
                format!("chat {}, message {}", open.head.id, message.message_id),
                format!("a chat has at most {MOST_MESSAGES} messages"),
            );
            return Ok(());
        }
        open.bytes += message.content.len();
        open.batch.push(message);
        if open.batch.len() >= BATCH || open.bytes > BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Writes what has come of the chat.
    async fn flush(&mut self) -> Result<(), Error> {
        self.write_quotes().await?;
        let Some(open) = &mut self.chat else { return Ok(()) };
        if open.batch.is_empty() && open.id.is_some() {
            return Ok(());
        }
        let batch = std::mem::take(&mut open.batch);
        open.bytes = 0;
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
        let place = format!("chat {}", open.head.id);
        let written = rows::write_messages(
            &mut transaction,
            &rows::Into { owner: self.owner, chat: id, libraries: &self.libraries, place: &place },
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
            // What is shown here stays, unless it was shown otherwise since, by what came now.
            Some(current) if open.is_new || open.added.contains(&current) => Some(current),
            // It is in a later batch, or missing.
            None if open.is_new && open.head.current.is_some() => open.last,
            _ => None,
        };
        if open.is_new || !open.added.is_empty() {
            rows::settle_chat(&mut transaction, id, current, open.head.updated_at).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn end_of_chat(&mut self) -> Result<(), Error> {
        self.end_of_file().await?;
        self.flush().await?;
        self.chat = None;
        Ok(())
    }

    async fn begin_file(&mut self, file: File) -> Result<(), Error> {
        let hash: Option<Hash> = file.sha256.parse().ok();
        if let Some(hash) = hash.filter(|hash| self.kept.contains(hash)) {
            return self.write_file(&file, hash).await;
        }
        let (sender, receiver) = mpsc::channel::<Bytes>(2);
        let (objects, limit) = (self.objects.clone(), self.largest_file);
        let staging = tokio::spawn(async move {
            let pieces = stream::unfold(receiver, |mut receiver| async {
                let piece = receiver.recv().await?;
                Some((Ok::<_, std::convert::Infallible>(piece), receiver))
            });
            objects.stage(Box::pin(pieces), limit).await
        });
        self.file = Some(Incoming { file, sender, staging });
        Ok(())
    }

    async fn end_of_file(&mut self) -> Result<(), Error> {
        let Some(Incoming { file, sender, staging }) = self.file.take() else { return Ok(()) };
        drop(sender);
        let place = format!("file {}", file.file_id);
        let staged =
            staging.await.map_err(|_panicked| Error::Internal("staging a file failed".to_owned()))?;
        let staged = match staged {
            Ok(staged) => staged,
            Err(error @ store::objects::Error::TooLarge { .. }) => {
                self.report.drop(place, format!("it is {error}"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let stored = staged.stored;
        if stored.hash.to_string() != file.sha256 || i64::try_from(stored.size) != Ok(file.size) {
            self.objects.discard(staged).await?;
            self.report.drop(place, "its bytes are not in this file, or not as its hash says");
            return Ok(());
        }
        // First the row, then the bytes: a sweep in between leaves them alone.
        library::sweep::touch(self.pool, &[(stored.hash, stored.size)]).await?;
        self.objects.keep(staged).await?;
        self.objects.flush().await?;
        self.kept.insert(stored.hash);
        self.write_file(&file, stored.hash).await
    }

    async fn write_file(&mut self, file: &File, hash: Hash) -> Result<(), Error> {
        let Some(id) = self.chat.as_ref().and_then(|open| open.id) else { return Ok(()) };
        let mut transaction = store::postgres::begin(self.pool).await?;
        let written = rows::write_file(&mut transaction, id, file, hash).await?;
        transaction.commit().await?;
        match written {
            Attached::New => self.report.files += 1,
            Attached::There => self.report.already_there += 1,
            Attached::Full => {
                let why = format!("a chat has at most {} files", crate::files::MOST_FILES);
                self.report.drop(format!("file {}", file.file_id), why);
            }
        }
        Ok(())
    }
}
