//! The follower: brings the full-text index up to the database, change by change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use store::listener::Subscription;
use tantivy::{IndexWriter, TantivyDocument, Term};
use tokio::sync::watch;

use super::index::{FullText, Generation, Seen, commit, key_of, number_of};
use crate::Error;
use crate::changes::{self, Change, Sequence};

/// Changes that are read at once.
const BATCH: i64 = 64;
/// How long changes may gather before they are committed and can be found. A commit costs tens of milliseconds
/// whatever it holds.
const GATHER: Duration = Duration::from_secs(1);
/// How long nothing must have changed for the writer to be put away.
const QUIET: Duration = Duration::from_mins(1);
/// How often to look without being called.
const LOOK: Duration = Duration::from_secs(1);

/// How far the index has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The last change that the index has seen.
    pub seen: i64,
    /// The last change there is.
    pub truth: i64,
    /// Whether another program is the one that writes the index.
    pub followed_by_other: bool,
}

impl Progress {
    /// Changes that the index has yet to see.
    pub fn behind(self) -> i64 {
        (self.truth - self.seen).max(0)
    }
}

/// Follows the database. One program on each data folder does; the others read what it writes.
pub struct Follower {
    pool: PgPool,
    full_text: Arc<FullText>,
    writing: Option<(Arc<Generation>, IndexWriter)>,
}

impl Follower {
    /// A follower that has not looked yet.
    pub fn new(pool: PgPool, full_text: Arc<FullText>) -> Self {
        Self { pool, full_text, writing: None }
    }

    /// Follows until `stop` is true.
    pub async fn run(mut self, mut changes: Subscription, mut stop: watch::Receiver<bool>) {
        let mut seen = (0, Instant::now());
        while !*stop.borrow() {
            match self.catch_up(|_| {}).await {
                Ok(progress) => {
                    if progress.seen != seen.0 {
                        seen = (progress.seen, Instant::now());
                    } else if seen.1.elapsed() > QUIET {
                        // The writer's memory is given back until there is something to write.
                        self.writing = None;
                    }
                    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the lag is small")]
                    metrics::gauge!("wenyuan_index_changes_behind").set(progress.behind() as f64);
                }
                Err(error) => {
                    self.writing = None;
                    tracing::warn!(error = %kernel::chain::Chain(&error), "the full-text index cannot be brought up to date");
                }
            }
            tokio::select! {
                _ = changes.wait(LOOK) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Brings the index up to what the database holds now, or, when another program writes it, reads what that has
    /// written. Tells its progress on the way.
    pub async fn catch_up(&mut self, mut tell: impl FnMut(Progress) + Send) -> Result<Progress, Error> {
        let truth = self.truth().await?;
        let generation = self.generation(truth)?;
        let seen = generation.view().seen;
        if self.writing.is_none() && seen.complete && seen.sequence == truth.passages {
            return Ok(Progress { seen: seen.sequence, truth: truth.passages, followed_by_other: false });
        }
        let Some((_, mut writer)) = self.writer(&generation)? else {
            generation.reload()?;
            let seen = generation.view().seen;
            if seen.complete {
                self.full_text.settle_on(&generation);
            }
            return Ok(Progress { seen: seen.sequence, truth: truth.passages, followed_by_other: true });
        };
        let mut seen = generation.view().seen;
        if seen.sequence > truth.passages {
            // The database was put back to an earlier time: what the index has seen since never was.
            writer.delete_all_documents()?;
            seen = Seen { sequence: 0, complete: false };
        }
        let mut committed = Instant::now();
        let mut uncommitted = !seen.complete;
        loop {
            let changed = {
                let mut connection = store::postgres::acquire(&self.pool).await?;
                changes::since(&mut connection, seen.sequence, BATCH).await?
            };
            let Some(last) = changed.last() else { break };
            seen.sequence = last.sequence;
            let passages = read_passages(&self.pool, &changed).await?;
            let fields = generation.fields;
            writer = blocking(move || write(writer, fields, &changed, passages)).await?;
            uncommitted = true;
            if committed.elapsed() > GATHER {
                writer = self.publish(&generation, writer, seen).await?;
                committed = Instant::now();
                uncommitted = false;
                tell(Progress { seen: seen.sequence, truth: truth.passages, followed_by_other: false });
            }
        }
        if uncommitted {
            seen.complete = true;
            writer = self.publish(&generation, writer, seen).await?;
            self.full_text.settle_on(&generation);
        }
        self.writing = Some((generation, writer));
        let truth = self.truth().await?;
        Ok(Progress {
            seen: seen.sequence,
            truth: truth.passages.max(seen.sequence),
            followed_by_other: false,
        })
    }

    async fn truth(&self) -> Result<Sequence, Error> {
        let mut connection = store::postgres::acquire(&self.pool).await?;
        changes::sequence(&mut connection).await
    }

    /// The generation to bring up to date; until it has, an older one answers if there is one.
    fn generation(&mut self, truth: Sequence) -> Result<Arc<Generation>, Error> {
        let generation = self.full_text.generation(truth)?;
        if generation.view().seen.complete {
            if self.full_text.answering().is_none_or(|answering| !Arc::ptr_eq(&answering, &generation)) {
                self.full_text.settle_on(&generation);
            }
        } else if self.full_text.answering().is_none() {
            let first = self.full_text.stand_in(truth).unwrap_or_else(|| Arc::clone(&generation));
            self.full_text.answer_with(&first);
        }
        Ok(generation)
    }

    fn writer(
        &mut self,
        generation: &Arc<Generation>,
    ) -> Result<Option<(Arc<Generation>, IndexWriter)>, Error> {
        match self.writing.take() {
            Some((held, writer)) if Arc::ptr_eq(&held, generation) => Ok(Some((held, writer))),
            other => {
                // The lock of another generation is given back before this one's is asked for.
                drop(other);
                Ok(generation.writer()?.map(|writer| (Arc::clone(generation), writer)))
            }
        }
    }

    async fn publish(
        &self,
        generation: &Arc<Generation>,
        mut writer: IndexWriter,
        seen: Seen,
    ) -> Result<IndexWriter, Error> {
        let begun = Instant::now();
        let generation = Arc::clone(generation);
        let writer = blocking(move || {
            commit(&mut writer, seen)?;
            generation.reload()?;
            Ok(writer)
        })
        .await?;
        metrics::histogram!("wenyuan_index_commit_seconds").record(begun.elapsed().as_secs_f64());
        Ok(writer)
    }
}

/// Runs Tantivy's part, which blocks, off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, tantivy::TantivyError> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Error::Internal(format!("the full-text index failed: {error}"))),
    }
}

/// A passage as it is indexed.
struct Row {
    id: uuid::Uuid,
    document: uuid::Uuid,
    version: uuid::Uuid,
    title: String,
    content: String,
    document_type: String,
    content_type: String,
    category: String,
    tags: Vec<String>,
}

/// The passages that answer now, of the documents that changed.
async fn read_passages(pool: &PgPool, changed: &[Change]) -> Result<Vec<Row>, Error> {
    let documents: Vec<uuid::Uuid> = changed.iter().map(|change| change.document.0).collect();
    let versions: Vec<uuid::Uuid> = changed.iter().map(|change| change.version.0).collect();
    Ok(sqlx::query_as!(
        Row,
        r#"-- index.read_passages
         select passage.id, revision.document_id as document, revision.version_id as version,
           concat_ws(' ', document.name, array_to_string(passage.section, ' '), array_to_string(passage.keywords, ' '))
             as "title!",
           passage.content, coalesce(revision.type, 'text') as "document_type!", passage.content_type,
           document.category, document.tags
         from unnest($1::uuid[], $2::uuid[]) as changed (document_id, version_id)
         join library.document_versions as revision
           on revision.document_id = changed.document_id and revision.version_id = changed.version_id
             and revision.active
         join library.documents as document on document.id = revision.document_id
         join library.search_indices as passage on passage.document_version_id = revision.id"#,
        &documents,
        &versions,
    )
    .fetch_all(pool)
    .await?)
}

/// Takes what the changed documents were out of the index, and puts in what they are.
fn write(
    writer: IndexWriter,
    fields: super::index::Fields,
    changed: &[Change],
    passages: Vec<Row>,
) -> Result<IndexWriter, tantivy::TantivyError> {
    for change in changed {
        writer.delete_term(Term::from_field_bytes(fields.key, &key_of(change.document, change.version)));
    }
    for row in passages {
        let mut document = TantivyDocument::new();
        let key = key_of(crate::documents::DocumentId(row.document), changes::VersionId(row.version));
        let (high, low) = row.id.as_u64_pair();
        document.add_bytes(fields.key, &key);
        document.add_u64(fields.version, number_of(row.version));
        document.add_u64(fields.document, number_of(row.document));
        document.add_u64(fields.passage_high, high);
        document.add_u64(fields.passage_low, low);
        document.add_text(fields.document_type, &row.document_type);
        document.add_text(fields.content_type, &row.content_type);
        document.add_text(fields.category, &row.category);
        for tag in &row.tags {
            document.add_text(fields.tag, tag);
        }
        document.add_text(fields.text, &row.title);
        document.add_text(fields.text, &row.content);
        writer.add_document(document)?;
    }
    Ok(writer)
}
