//! Follower: brings the full-text index up to date with the database, change by change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use store::listener::Subscription;
use tantivy::{IndexWriter, TantivyDocument, Term};
use tokio::sync::watch;

use super::index::{Fields, FullText, Generation, IndexProgress, commit, content_number, key_of, number_of};
use super::rerank::{Layout, PassageTraits};
use crate::Error;
use crate::changes::{self, Change, Sequence};
use crate::ids::{DocumentId, VersionId};

/// Changes read by one statement.
const BATCH: i64 = 64;
/// How long changes gather before they are committed and can be found. A commit costs tens of milliseconds whatever its
/// size.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How long the writer is kept open without changes.
const WRITER_IDLE: Duration = Duration::from_mins(1);
/// Maximum length of the line that says what an operation does; a longer one is a description.
const MAX_SUMMARY_BYTES: usize = 160;
/// Interval of polling without a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Time without progress of the index, though the database has changes for it, after which it counts as stalled. A server that
/// writes the index of a shared data folder commits every few seconds.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Progress of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Number of the last change that the index contains.
    pub indexed: i64,
    /// Number of the last change in the database.
    pub latest: i64,
    /// Whether another program writes the index.
    pub followed_by_other: bool,
}

impl Progress {
    /// Returns the number of changes that the index does not contain yet.
    pub fn behind(self) -> i64 {
        (self.latest - self.indexed).max(0)
    }
}

/// Follower of the database. One program writes the index of a data folder; others on it read what that one has written.
pub struct Follower {
    pool: PgPool,
    full_text: Arc<FullText>,
    writer: Option<(Arc<Generation>, IndexWriter)>,
}

impl Follower {
    /// Makes a follower.
    pub fn new(pool: PgPool, full_text: Arc<FullText>) -> Self {
        Self { pool, full_text, writer: None }
    }

    /// Follows until `stop` is true.
    pub async fn run(mut self, mut changes: Subscription, mut stop: watch::Receiver<bool>) {
        let mut last = (0, Instant::now());
        let mut progressed = (0, Instant::now());
        while !*stop.borrow() {
            let caught_up = self.catch_up(|_| {}).await;
            if let Ok(progress) = &caught_up
                && (progress.behind() == 0 || progress.indexed != progressed.0)
            {
                progressed = (progress.indexed, Instant::now());
            }
            self.note_stall(progressed.1.elapsed() > STALL_TIMEOUT);
            match caught_up {
                Ok(progress) => {
                    if progress.indexed != last.0 {
                        last = (progress.indexed, Instant::now());
                    } else if last.1.elapsed() > WRITER_IDLE {
                        // Frees the writer's memory until there is something to write.
                        self.writer = None;
                    }
                    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; the lag is small")]
                    metrics::gauge!("wenyuan_index_changes_behind").set(progress.behind() as f64);
                }
                Err(error) => {
                    self.writer = None;
                    tracing::warn!(error = %kernel::chain::Chain(&error), "failed to update the full-text index");
                }
            }
            tokio::select! {
                _ = changes.wait(POLL_INTERVAL) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Notes whether the index has stalled, which is reported when it begins and when it ends.
    fn note_stall(&self, is_stalled: bool) {
        metrics::gauge!("wenyuan_index_stalled").set(if is_stalled { 1.0 } else { 0.0 });
        match (self.full_text.set_stalled(is_stalled), is_stalled) {
            (false, true) => tracing::warn!(
                index.folder = %self.full_text.folder().display(),
                "the full-text index is not updated: another program holds its lock and writes nothing, or writing fails; \
                 new documents are found by their meaning alone"
            ),
            (true, false) => tracing::info!("the full-text index is updated again"),
            _ => {}
        }
    }

    /// Brings the index up to date with the database, or, if another program writes it, reads what that one has written.
    /// Calls `report` with the progress after each commit on the way.
    ///
    /// # Errors
    ///
    /// Fails if the database or the index fails.
    pub async fn catch_up(&mut self, mut report: impl FnMut(Progress) + Send) -> Result<Progress, Error> {
        let latest = self.sequence().await?;
        let generation = self.generation(latest)?;
        let progress = generation.snapshot().progress;
        if self.writer.is_none() && progress.complete && progress.sequence == latest.passages {
            return Ok(Progress {
                indexed: progress.sequence,
                latest: latest.passages,
                followed_by_other: false,
            });
        }
        let Some((_, mut writer)) = self.writer(&generation)? else {
            generation.reload()?;
            let progress = generation.snapshot().progress;
            if progress.complete {
                self.full_text.replace_current(&generation);
            }
            return Ok(Progress {
                indexed: progress.sequence,
                latest: latest.passages,
                followed_by_other: true,
            });
        };
        let mut progress = generation.snapshot().progress;
        if progress.sequence > latest.passages {
            // The database was restored to an earlier state: the index contains changes that never happened.
            writer.delete_all_documents()?;
            progress = IndexProgress { sequence: 0, complete: false };
        }
        let mut committed = Instant::now();
        let mut is_uncommitted = !progress.complete;
        loop {
            let changed = {
                let mut connection = store::postgres::acquire(&self.pool).await?;
                changes::since(&mut connection, progress.sequence, BATCH).await?
            };
            let Some(last) = changed.last() else { break };
            progress.sequence = last.sequence;
            let passages = read_passages(&self.pool, &changed).await?;
            let fields = generation.fields;
            writer = blocking(move || write(writer, fields, &changed, passages)).await?;
            is_uncommitted = true;
            if committed.elapsed() > COMMIT_INTERVAL {
                writer = self.publish(&generation, writer, progress).await?;
                committed = Instant::now();
                is_uncommitted = false;
                report(Progress {
                    indexed: progress.sequence,
                    latest: latest.passages,
                    followed_by_other: false,
                });
            }
        }
        if is_uncommitted {
            progress.complete = true;
            writer = self.publish(&generation, writer, progress).await?;
            self.full_text.replace_current(&generation);
        }
        self.writer = Some((generation, writer));
        let latest = self.sequence().await?;
        Ok(Progress {
            indexed: progress.sequence,
            latest: latest.passages.max(progress.sequence),
            followed_by_other: false,
        })
    }

    async fn sequence(&self) -> Result<Sequence, Error> {
        let mut connection = store::postgres::acquire(&self.pool).await?;
        changes::sequence(&mut connection).await
    }

    /// Returns the generation to bring up to date; until it is complete, an older one answers if there is one.
    fn generation(&mut self, latest: Sequence) -> Result<Arc<Generation>, Error> {
        let generation = self.full_text.generation(latest)?;
        if generation.snapshot().progress.complete {
            if self.full_text.current().is_none_or(|current| !Arc::ptr_eq(&current, &generation)) {
                self.full_text.replace_current(&generation);
            }
        } else if self.full_text.current().is_none() {
            let first = self.full_text.older_generation(latest).unwrap_or_else(|| Arc::clone(&generation));
            self.full_text.set_current(&first);
        }
        Ok(generation)
    }

    fn writer(
        &mut self,
        generation: &Arc<Generation>,
    ) -> Result<Option<(Arc<Generation>, IndexWriter)>, Error> {
        match self.writer.take() {
            Some((current, writer)) if Arc::ptr_eq(&current, generation) => Ok(Some((current, writer))),
            other => {
                // The lock of another generation is released before this one's is acquired.
                drop(other);
                Ok(generation.writer()?.map(|writer| (Arc::clone(generation), writer)))
            }
        }
    }

    /// Commits the writer and makes the commit visible to searches.
    async fn publish(
        &self,
        generation: &Arc<Generation>,
        mut writer: IndexWriter,
        progress: IndexProgress,
    ) -> Result<IndexWriter, Error> {
        let started = Instant::now();
        let generation = Arc::clone(generation);
        let writer = blocking(move || {
            commit(&mut writer, progress)?;
            generation.reload()?;
            Ok(writer)
        })
        .await?;
        metrics::histogram!("wenyuan_index_commit_seconds").record(started.elapsed().as_secs_f64());
        Ok(writer)
    }
}

/// Runs blocking work of Tantivy on the blocking pool.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, tantivy::TantivyError> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(Error::Internal(format!("the full-text index failed: {error}"))),
    }
}

/// A passage to index.
struct PassageRow {
    id: uuid::Uuid,
    document: uuid::Uuid,
    version: uuid::Uuid,
    name: String,
    section: Vec<String>,
    keywords: Vec<String>,
    content: String,
    sha256: Vec<u8>,
    document_type: String,
    content_type: String,
    category: String,
    tags: Vec<String>,
}

/// Reads the passages of the active revisions of changed documents.
async fn read_passages(pool: &PgPool, changed: &[Change]) -> Result<Vec<PassageRow>, Error> {
    let documents: Vec<uuid::Uuid> = changed.iter().map(|change| change.document.0).collect();
    let versions: Vec<uuid::Uuid> = changed.iter().map(|change| change.version.0).collect();
    Ok(sqlx::query_as!(
        PassageRow,
        r#"-- index.read_passages
         select passage.id, revision.document_id as document, revision.version_id as version,
           document.name, passage.section, passage.keywords, passage.content, passage.sha256, coalesce(revision.type, 'text') as "document_type!", passage.content_type,
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

/// Returns the line below the heading of an operation or schema.
fn operation_summary(content: &str) -> Option<&str> {
    let mut lines = content.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_heading = lines.next()?.starts_with('#');
    lines
        .next()
        .filter(|line| is_heading && line.len() <= MAX_SUMMARY_BYTES && !line.starts_with(['|', '`', '-']))
}

/// Replaces the passages of the changed documents in the index.
fn write(
    writer: IndexWriter,
    fields: Fields,
    changed: &[Change],
    passages: Vec<PassageRow>,
) -> Result<IndexWriter, tantivy::TantivyError> {
    for change in changed {
        writer.delete_term(Term::from_field_bytes(fields.key, &key_of(change.document, change.version)));
    }
    for row in passages {
        let mut document = TantivyDocument::new();
        let key = key_of(DocumentId(row.document), VersionId(row.version));
        let (high, low) = row.id.as_u64_pair();
        document.add_bytes(fields.key, &key);
        document.add_u64(fields.version, number_of(row.version));
        document.add_u64(fields.document, number_of(row.document));
        document.add_u64(fields.passage_high, high);
        document.add_u64(fields.passage_low, low);
        document.add_u64(fields.content, content_number(&row.sha256));
        document.add_text(fields.document_type, &row.document_type);
        document.add_text(fields.content_type, &row.content_type);
        document.add_text(fields.category, &row.category);
        for tag in &row.tags {
            document.add_text(fields.tag, tag);
        }
        let summary = if row.content_type == "api" { operation_summary(&row.content) } else { None };
        let (parents, heading) = match (summary, row.section.split_last()) {
            // An operation stands under the heading of its group; what it does is said in its first line.
            (Some(summary), _) => (row.section.join(" "), summary),
            (None, Some((last, parents))) => (parents.join(" "), last.as_str()),
            (None, None) => (String::new(), ""),
        };
        let traits = PassageTraits::of(&row.content_type, &row.section, &row.content);
        let keywords = row.keywords.join(" ");
        let parts = [row.name.as_str(), &parents, heading, &keywords];
        for text in parts {
            document.add_text(fields.text, text);
        }
        document.add_text(fields.text, &row.content);
        document.add_u64(fields.layout, Layout::of(parts, traits).to_column());
        writer.add_document(document)?;
    }
    Ok(writer)
}
