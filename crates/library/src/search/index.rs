//! Full-text index on disk: its fields and its generations.
//!
//! A generation is a folder named after what it depends on: the format of this program, the database, and the number of
//! the last request to rebuild. When one of them changes the name changes, the new generation is built beside the old, and
//! the old one answers until the new one has caught up. The change sequence that a generation has reached is written with
//! each commit, so that index and number always agree.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tantivy::columnar::Column;
use tantivy::directory::error::LockError;
use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyError};
use uuid::Uuid;

use super::analysis::AnalysisTokenizer;
use crate::Error;
use crate::changes::Sequence;
use crate::ids::{DocumentId, VersionId};

/// Version of the format. It changes whenever fields or analysis do, so that an index of another program is not misread.
const FORMAT: u32 = 5;
/// How often, and after which pauses, the lock on the folder is tried.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Name of the tokenizer in the schema.
const TOKENIZER: &str = "wenyuan";
/// Memory of the writer before it writes a segment.
const WRITER_BYTES: usize = 64 << 20;

/// Fields of a passage in the index. None is stored: passages are read from the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// Document and version, by which changed passages are deleted: see [`key_of`].
    pub(crate) key: Field,
    /// Number of the version: see [`number_of`].
    pub(crate) version: Field,
    /// Number of the document, by which passages of one document are recognised.
    pub(crate) document: Field,
    /// Id of the passage, in two halves.
    pub(crate) passage_high: Field,
    pub(crate) passage_low: Field,
    /// Number of the text, by which equal passages are recognised: see [`content_number`].
    pub(crate) content: Field,
    pub(crate) document_type: Field,
    pub(crate) content_type: Field,
    pub(crate) category: Field,
    pub(crate) tag: Field,
    /// Name of the document, headings and keywords of the passage, and then its text. One field, so that each word is
    /// looked up once. Headings weigh more because most passages begin with theirs and so contain them twice.
    pub(crate) text: Field,
    /// Positions at which these parts of the text begin: see [`Layout`](super::rerank::Layout).
    pub(crate) layout: Field,
}

/// Returns the last 64 bits of an id, its number in the index. They are random in UUID version 7, so collisions are
/// negligible.
pub(crate) fn number_of(id: Uuid) -> u64 {
    id.as_u64_pair().1
}

/// Returns the number of a passage's text: the first 64 bits of its SHA-256. Texts begin with their heading, so that equal ones
/// say the same under the same heading.
pub(crate) fn content_number(sha256: &[u8]) -> u64 {
    sha256.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Returns the key of a document in a version.
pub(crate) fn key_of(document: DocumentId, version: VersionId) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(document.0.as_bytes());
    key[16..].copy_from_slice(version.0.as_bytes());
    key
}

fn schema() -> (Schema, Fields) {
    let text = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(TOKENIZER)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions),
    );
    let mut schema = Schema::builder();
    let fields = Fields {
        key: schema.add_bytes_field("key", BytesOptions::default().set_indexed()),
        version: schema.add_u64_field("version", FAST | INDEXED),
        document: schema.add_u64_field("document", FAST),
        passage_high: schema.add_u64_field("passage_high", FAST),
        passage_low: schema.add_u64_field("passage_low", FAST),
        content: schema.add_u64_field("content", FAST),
        document_type: schema.add_text_field("document_type", STRING),
        content_type: schema.add_text_field("content_type", STRING),
        category: schema.add_text_field("category", STRING),
        tag: schema.add_text_field("tag", STRING),
        text: schema.add_text_field("text", text),
        layout: schema.add_u64_field("layout", FAST),
    };
    (schema.build(), fields)
}

/// Progress of a generation, written with each commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexProgress {
    /// Number of the last change that it contains.
    pub(crate) sequence: i64,
    /// Whether it has caught up with the database once, and so can answer.
    pub(crate) complete: bool,
}

/// One generation of the index.
pub(crate) struct Generation {
    name: String,
    index: Index,
    reader: IndexReader,
    pub(crate) fields: Fields,
    snapshot: RwLock<IndexSnapshot>,
}

/// Snapshot of a generation that a search reads.
#[derive(Clone)]
pub(crate) struct IndexSnapshot {
    pub(crate) searcher: Searcher,
    /// Progress; the searcher can contain more than it says.
    pub(crate) progress: IndexProgress,
    /// Columns of each segment, by its ordinal: opening them takes longer than a search.
    pub(crate) columns: Arc<[Columns]>,
}

/// Columns of a segment.
#[derive(Clone)]
pub(crate) struct Columns {
    pub(crate) version: Column<u64>,
    pub(crate) document: Column<u64>,
    pub(crate) passage_high: Column<u64>,
    pub(crate) passage_low: Column<u64>,
    pub(crate) content: Column<u64>,
    pub(crate) layout: Column<u64>,
}

impl IndexSnapshot {
    fn new(searcher: Searcher, progress: IndexProgress) -> Result<Self, TantivyError> {
        let columns: Result<Vec<Columns>, TantivyError> = searcher
            .segment_readers()
            .iter()
            .map(|segment| {
                let columns = segment.fast_fields();
                Ok(Columns {
                    version: columns.u64("version")?,
                    document: columns.u64("document")?,
                    passage_high: columns.u64("passage_high")?,
                    passage_low: columns.u64("passage_low")?,
                    content: columns.u64("content")?,
                    layout: columns.u64("layout")?,
                })
            })
            .collect();
        Ok(Self { searcher, progress, columns: columns?.into() })
    }
}

impl Generation {
    fn open(folder: &Path, name: &str) -> Result<Self, TantivyError> {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).map_err(|error| TantivyError::IoError(Arc::new(error)))?;
        let (schema, fields) = schema();
        let directory = tantivy::directory::MmapDirectory::open(&path)?;
        let index = Index::open_or_create(directory, schema)?;
        index.tokenizers().register(TOKENIZER, TextAnalyzer::builder(AnalysisTokenizer::default()).build());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let progress = read_progress(&index)?;
        let snapshot = RwLock::new(IndexSnapshot::new(reader.searcher(), progress)?);
        Ok(Self { name: name.to_owned(), index, reader, fields, snapshot })
    }

    /// Returns the current snapshot.
    pub(crate) fn snapshot(&self) -> IndexSnapshot {
        self.snapshot.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Takes a new snapshot of what this program or another has committed.
    pub(crate) fn reload(&self) -> Result<(), TantivyError> {
        // In this order: after a commit in between, the snapshot contains more than its progress says, which is safe.
        let progress = read_progress(&self.index)?;
        self.reader.reload()?;
        let snapshot = IndexSnapshot::new(self.reader.searcher(), progress)?;
        *self.snapshot.write().unwrap_or_else(std::sync::PoisonError::into_inner) = snapshot;
        Ok(())
    }

    /// Opens a writer, or returns `None` if another program has it.
    pub(crate) fn writer(&self) -> Result<Option<IndexWriter>, TantivyError> {
        match self.index.writer_with_num_threads(1, WRITER_BYTES) {
            Ok(writer) => Ok(Some(writer)),
            Err(TantivyError::LockFailure(LockError::LockBusy, _)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn read_progress(index: &Index) -> Result<IndexProgress, TantivyError> {
    let none = IndexProgress { sequence: 0, complete: false };
    Ok(index.load_metas()?.payload.and_then(|payload| serde_json::from_str(&payload).ok()).unwrap_or(none))
}

/// Commits the writer with its progress.
pub(crate) fn commit(writer: &mut IndexWriter, progress: IndexProgress) -> Result<(), TantivyError> {
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&serde_json::to_string(&progress).unwrap_or_default());
    commit.commit()?;
    Ok(())
}

/// Full-text index of a data folder.
pub struct FullText {
    folder: PathBuf,
    /// Generation that answers.
    current: RwLock<Option<Arc<Generation>>>,
    /// Whether the index is behind and nobody brings it up to date.
    is_stalled: AtomicBool,
}

impl FullText {
    /// Makes an index in this folder, which can be empty.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, current: RwLock::new(None), is_stalled: AtomicBool::new(false) }
    }

    /// Returns the folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the index is behind and nobody brings it up to date.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Relaxed)
    }

    /// Sets whether the index has stalled, and returns whether it had.
    pub(crate) fn set_stalled(&self, is_stalled: bool) -> bool {
        self.is_stalled.swap(is_stalled, Ordering::Relaxed)
    }

    /// Returns the generation that answers, if there is one yet.
    pub(crate) fn current(&self) -> Option<Arc<Generation>> {
        self.current.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Opens the generation that belongs to this state of the database. A folder that cannot be opened is damaged, and is
    /// replaced by an empty one.
    pub(crate) fn generation(&self, sequence: Sequence) -> Result<Arc<Generation>, Error> {
        let name = generation_name(sequence);
        if let Some(current) = self.current().filter(|current| current.name == name)
            && self.folder.join(&name).join("meta.json").exists()
        {
            return Ok(current);
        }
        let _lock = self.lock()?;
        match Generation::open(&self.folder, &name) {
            Ok(generation) => Ok(Arc::new(generation)),
            Err(error) => {
                tracing::warn!(
                    error = %kernel::chain::Chain(&error),
                    "failed to open the full-text index; rebuilding it"
                );
                self.remove(&name);
                Ok(Arc::new(Generation::open(&self.folder, &name)?))
            }
        }
    }

    /// Returns an older complete generation of the same format and database, which answers while the right one is built.
    pub(crate) fn older_generation(&self, sequence: Sequence) -> Option<Arc<Generation>> {
        let prefix = generation_prefix(sequence.database_id);
        let _lock = self.lock().ok()?;
        let mut names: Vec<(i64, String)> = self
            .folders()
            .into_iter()
            .filter_map(|name| Some((name.strip_prefix(&prefix)?.parse().ok()?, name)))
            .filter(|(rebuild, _)| *rebuild < sequence.rebuild)
            .collect();
        names.sort_unstable();
        names.into_iter().rev().find_map(|(_, name)| {
            let generation = Generation::open(&self.folder, &name).ok()?;
            generation.snapshot().progress.complete.then(|| Arc::new(generation))
        })
    }

    /// Makes this generation the one that answers.
    pub(crate) fn set_current(&self, generation: &Arc<Generation>) {
        *self.current.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some(Arc::clone(generation));
    }

    /// Makes this generation the one that answers and removes the others, except a newer one, which another program can be
    /// building for a request that this one has not seen yet.
    pub(crate) fn replace_current(&self, generation: &Arc<Generation>) {
        self.set_current(generation);
        let Ok(_lock) = self.lock() else { return };
        let kept = split_number(&generation.name);
        let is_newer = |name: &str| {
            split_number(name).zip(kept).is_some_and(|(other, kept)| other.0 == kept.0 && other.1 > kept.1)
        };
        for name in self.folders() {
            if name != generation.name && !is_newer(&name) {
                self.remove(&name);
            }
        }
    }

    /// Locks the folder among programs while generations are created, opened or removed: two that create the same one at
    /// once would each take the other's for damaged.
    fn lock(&self) -> Result<File, Error> {
        let lock = || {
            std::fs::create_dir_all(&self.folder)?;
            // Beside the folder, which can be deleted at any time.
            let path = self.folder.with_extension("lock");
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            // Held for moments by programs that open the index. One that keeps it must not hold this one up.
            for _ in 0..LOCK_ATTEMPTS {
                match file.try_lock() {
                    Ok(()) => return Ok(file),
                    Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
            let path = self.folder.with_extension("lock");
            Err(std::io::Error::other(format!("another program holds the lock {}", path.display())))
        };
        lock().map_err(|error: std::io::Error| TantivyError::IoError(Arc::new(error)).into())
    }

    fn folders(&self) -> Vec<String> {
        std::fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    fn remove(&self, name: &str) {
        if let Err(error) = std::fs::remove_dir_all(self.folder.join(name)) {
            tracing::warn!(index.generation = name, %error, "failed to remove an old full-text index");
        }
    }
}

/// Splits a generation's name into the part before its number, and the number.
fn split_number(name: &str) -> Option<(&str, i64)> {
    let (prefix, number) = name.rsplit_once('-')?;
    Some((prefix, number.parse().ok()?))
}

fn generation_prefix(database: Uuid) -> String {
    format!("f{FORMAT}-{database}-")
}

fn generation_name(sequence: Sequence) -> String {
    format!("{}{}", generation_prefix(sequence.database_id), sequence.rebuild)
}
