//! The full-text index on disk: its fields, and its generations.
//!
//! A generation is a folder named after what it is made of: this program's format, the database, and the number of the
//! last request to build anew. When one of them changes the name changes, the new generation is built beside the old,
//! and the old answers until the new has caught up. What the index has seen is written with each commit, so index and
//! number never disagree.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use serde::{Deserialize, Serialize};
use tantivy::columnar::Column;
use tantivy::directory::error::LockError;
use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyError};
use uuid::Uuid;

use super::analysis::Analyser;
use crate::Error;
use crate::changes::{Sequence, VersionId};
use crate::documents::DocumentId;

/// Changes whenever fields or analysis do, so that an index made by another program is not read with this one's eyes.
const FORMAT: u32 = 2;
/// The name of the analysis in the schema.
const ANALYSER: &str = "wenyuan";
/// What the writer holds before it writes a segment.
const WRITER_BYTES: usize = 64 << 20;

/// The fields of a passage in the index. None is stored: what is shown is read from the database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields {
    /// Document and version: by this, what changed is taken out.
    pub(crate) key: Field,
    /// The version's number: see [`number_of`].
    pub(crate) version: Field,
    /// The document's number, to tell which passages are of one page.
    pub(crate) document: Field,
    /// The passage's id, in two halves.
    pub(crate) passage_high: Field,
    pub(crate) passage_low: Field,
    pub(crate) document_type: Field,
    pub(crate) content_type: Field,
    pub(crate) category: Field,
    pub(crate) tag: Field,
    /// The document's title, the headings above the passage and its exact names, and then the passage's text. One field:
    /// each word is looked up once. Headings weigh more because most passages begin with theirs and so hold them twice.
    pub(crate) text: Field,
}

/// The last 64 bits of an id: random in UUID version 7, so two of them are the same about never.
pub(crate) fn number_of(id: Uuid) -> u64 {
    id.as_u64_pair().1
}

/// The key of a document under a label.
pub(crate) fn key_of(document: DocumentId, version: VersionId) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(document.0.as_bytes());
    key[16..].copy_from_slice(version.0.as_bytes());
    key
}

fn schema() -> (Schema, Fields) {
    let text = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(ANALYSER)
            .set_index_option(IndexRecordOption::WithFreqsAndPositions),
    );
    let mut schema = Schema::builder();
    let fields = Fields {
        key: schema.add_bytes_field("key", BytesOptions::default().set_indexed()),
        version: schema.add_u64_field("version", FAST | INDEXED),
        document: schema.add_u64_field("document", FAST),
        passage_high: schema.add_u64_field("passage_high", FAST),
        passage_low: schema.add_u64_field("passage_low", FAST),
        document_type: schema.add_text_field("document_type", STRING),
        content_type: schema.add_text_field("content_type", STRING),
        category: schema.add_text_field("category", STRING),
        tag: schema.add_text_field("tag", STRING),
        text: schema.add_text_field("text", text),
    };
    (schema.build(), fields)
}

/// What a generation has seen; written with each commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// The number of the last change.
    pub(crate) sequence: i64,
    /// Whether it has once caught up with the truth, and so may answer.
    pub(crate) complete: bool,
}

/// One folder of the index.
pub(crate) struct Generation {
    name: String,
    index: Index,
    reader: IndexReader,
    pub(crate) fields: Fields,
    view: RwLock<View>,
}

/// What a search sees: a searcher, and what it has seen at least.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) searcher: Searcher,
    pub(crate) seen: Seen,
    /// The columns of each segment, by its place: opening them takes longer than a search.
    pub(crate) columns: Arc<[Columns]>,
}

/// The columns of a segment.
#[derive(Clone)]
pub(crate) struct Columns {
    pub(crate) version: Column<u64>,
    pub(crate) document: Column<u64>,
    pub(crate) passage_high: Column<u64>,
    pub(crate) passage_low: Column<u64>,
}

impl View {
    fn new(searcher: Searcher, seen: Seen) -> Result<Self, TantivyError> {
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
                })
            })
            .collect();
        Ok(Self { searcher, seen, columns: columns?.into() })
    }
}

impl Generation {
    fn open(folder: &Path, name: &str) -> Result<Self, TantivyError> {
        let path = folder.join(name);
        std::fs::create_dir_all(&path).map_err(|error| TantivyError::IoError(Arc::new(error)))?;
        let (schema, fields) = schema();
        let directory = tantivy::directory::MmapDirectory::open(&path)?;
        let index = Index::open_or_create(directory, schema)?;
        index.tokenizers().register(ANALYSER, TextAnalyzer::builder(Analyser::default()).build());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let seen = read_seen(&index)?;
        let view = RwLock::new(View::new(reader.searcher(), seen)?);
        Ok(Self { name: name.to_owned(), index, reader, fields, view })
    }

    /// What a search sees now.
    pub(crate) fn view(&self) -> View {
        self.view.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Looks for what was committed since, by this program or another.
    pub(crate) fn reload(&self) -> Result<(), TantivyError> {
        // In this order: if a commit comes between, more was seen than is claimed, which errs on the safe side.
        let seen = read_seen(&self.index)?;
        self.reader.reload()?;
        let fresh = View::new(self.reader.searcher(), seen)?;
        *self.view.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// A writer; `None` when another program has it.
    pub(crate) fn writer(&self) -> Result<Option<IndexWriter>, TantivyError> {
        match self.index.writer_with_num_threads(1, WRITER_BYTES) {
            Ok(writer) => Ok(Some(writer)),
            Err(TantivyError::LockFailure(LockError::LockBusy, _)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn read_seen(index: &Index) -> Result<Seen, TantivyError> {
    let nothing = Seen { sequence: 0, complete: false };
    Ok(index.load_metas()?.payload.and_then(|payload| serde_json::from_str(&payload).ok()).unwrap_or(nothing))
}

/// Commits, with what has been seen.
pub(crate) fn commit(writer: &mut IndexWriter, seen: Seen) -> Result<(), TantivyError> {
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&serde_json::to_string(&seen).unwrap_or_default());
    commit.commit()?;
    Ok(())
}

/// The full-text index of this node.
pub struct FullText {
    folder: PathBuf,
    /// The generation that answers.
    answering: RwLock<Option<Arc<Generation>>>,
}

impl FullText {
    /// An index under this folder, which may hold none yet.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, answering: RwLock::new(None) }
    }

    /// The generation that answers, if there is one yet.
    pub(crate) fn answering(&self) -> Option<Arc<Generation>> {
        self.answering.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Opens the generation that belongs to this state of the truth. A folder that cannot be opened is damaged: it is
    /// removed and begun anew, for it can be rebuilt.
    pub(crate) fn generation(&self, truth: Sequence) -> Result<Arc<Generation>, Error> {
        let name = generation_name(truth);
        if let Some(answering) = self.answering().filter(|answering| answering.name == name)
            && self.folder.join(&name).join("meta.json").exists()
        {
            return Ok(answering);
        }
        let _alone = self.alone()?;
        match Generation::open(&self.folder, &name) {
            Ok(generation) => Ok(Arc::new(generation)),
            Err(error) => {
                tracing::warn!(
                    error = %kernel::chain::Chain(&error),
                    "the full-text index cannot be opened and is built anew"
                );
                self.remove(&name);
                Ok(Arc::new(Generation::open(&self.folder, &name)?))
            }
        }
    }

    /// An older generation of the same format and database that may answer while the right one is built.
    pub(crate) fn stand_in(&self, truth: Sequence) -> Option<Arc<Generation>> {
        let prefix = generation_prefix(truth.database_id);
        let _alone = self.alone().ok()?;
        let mut names: Vec<(i64, String)> = self
            .folders()
            .into_iter()
            .filter_map(|name| Some((name.strip_prefix(&prefix)?.parse().ok()?, name)))
            .filter(|(rebuild, _)| *rebuild < truth.rebuild)
            .collect();
        names.sort_unstable();
        names.into_iter().rev().find_map(|(_, name)| {
            let generation = Generation::open(&self.folder, &name).ok()?;
            generation.view().seen.complete.then(|| Arc::new(generation))
        })
    }

    /// Lets this generation answer from now on.
    pub(crate) fn answer_with(&self, generation: &Arc<Generation>) {
        *self.answering.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some(Arc::clone(generation));
    }

    /// Lets the generation that belongs to the truth answer, and removes those that stood in for it. A newer one stays:
    /// another program may be building it for a request that this one has yet to see.
    pub(crate) fn settle_on(&self, generation: &Arc<Generation>) {
        self.answer_with(generation);
        let Ok(_alone) = self.alone() else { return };
        let kept = numbered(&generation.name);
        let is_newer = |name: &str| {
            numbered(name).zip(kept).is_some_and(|(other, kept)| other.0 == kept.0 && other.1 > kept.1)
        };
        for name in self.folders() {
            if name != generation.name && !is_newer(&name) {
                self.remove(&name);
            }
        }
    }

    /// Held while folders are made, opened or removed: two programs that make the same one at the same moment would each
    /// take the other's for damaged.
    fn alone(&self) -> Result<File, Error> {
        let lock = || {
            std::fs::create_dir_all(&self.folder)?;
            // Beside the folder, which may be deleted at any time.
            let path = self.folder.with_extension("lock");
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            file.lock()?;
            Ok(file)
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
            tracing::warn!(index.generation = name, %error, "an old full-text index could not be removed");
        }
    }
}

/// A generation's name without its number, and its number.
fn numbered(name: &str) -> Option<(&str, i64)> {
    let (kind, number) = name.rsplit_once('-')?;
    Some((kind, number.parse().ok()?))
}

fn generation_prefix(database: Uuid) -> String {
    format!("f{FORMAT}-{database}-")
}

fn generation_name(truth: Sequence) -> String {
    format!("{}{}", generation_prefix(truth.database_id), truth.rebuild)
}
