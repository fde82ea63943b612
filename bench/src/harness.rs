//! Harness shared by the sections: corpus, program, and two libraries that are created once in a run, by the section that
//! needs them first.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::corpus::{Corpus, Question, SETS, SMALL_SETS};
use crate::figures::Table;
use crate::process::{self, Usage};
use crate::sections::{embed, ingest};
use crate::server::{Program, Server};

/// Data folder of the library with all sets, without vectors.
pub(crate) const CORPUS_DATA: &str = "corpus";
/// Data folder of the library with the small sets, with vectors.
pub(crate) const EMBEDDED_DATA: &str = "embedded";

/// Amount of work of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// A real measurement.
    Full,
    /// One pass over a tiny corpus, to prove that every section works. The figures mean nothing.
    Smoke,
}

impl Scale {
    /// Returns the value for this scale.
    pub(crate) fn choose<T>(self, full: T, smoke: T) -> T {
        if self == Self::Full { full } else { smoke }
    }

    /// Returns the number of repetitions: `full`, or 1 in a smoke run.
    pub(crate) fn repetitions(self, full: usize) -> usize {
        self.choose(full, 1)
    }

    /// Returns the time limit for anything that is waited for.
    pub(crate) fn timeout(self) -> Duration {
        self.choose(Duration::from_mins(40), Duration::from_mins(2))
    }

    /// Pauses, in a real measurement only.
    pub(crate) async fn pause(self, duration: Duration) {
        sleep(self.choose(duration, Duration::ZERO)).await;
    }

    /// Waits until the work that follows a change (merges, checkpoints) has come to rest: [`SETTLE`].
    pub(crate) async fn settle(self) {
        self.pause(SETTLE).await;
    }
}

/// Duration of the pause after a change.
pub(crate) const SETTLE: Duration = Duration::from_secs(3);

/// State of a run.
pub(crate) struct Harness {
    pub(crate) corpus: Corpus,
    pub(crate) program: Program,
    /// File of the embedding model.
    pub(crate) model: PathBuf,
    /// Folder with the programs of the bundled PostgreSQL.
    pub(crate) postgres: PathBuf,
    /// Folder with the compiled examples of the crates.
    pub(crate) examples: PathBuf,
    pub(crate) scale: Scale,
    corpus_tables: Option<Vec<Table>>,
    embedded_tables: Option<Vec<Table>>,
}

impl Harness {
    pub(crate) fn new(
        corpus: Corpus,
        program: Program,
        model: PathBuf,
        postgres: PathBuf,
        examples: PathBuf,
    ) -> Self {
        let scale = program.scale;
        Self { corpus, program, model, postgres, examples, scale, corpus_tables: None, embedded_tables: None }
    }

    /// Creates the library of all sets, once in a run. Returns the tables measured during that.
    pub(crate) async fn corpus_library(&mut self) -> anyhow::Result<&[Table]> {
        if self.corpus_tables.is_none() {
            progress("adding the corpus to a new library");
            self.corpus_tables = Some(ingest::create_library(self).await?);
        }
        Ok(self.corpus_tables.as_deref().unwrap_or_default())
    }

    /// Creates the library of the small sets with vectors, once in a run. Returns the tables measured during that.
    pub(crate) async fn embedded_library(&mut self) -> anyhow::Result<&[Table]> {
        if self.embedded_tables.is_none() {
            progress("embedding the small sets");
            self.embedded_tables = Some(embed::create_library(self).await?);
        }
        Ok(self.embedded_tables.as_deref().unwrap_or_default())
    }

    /// Returns questions from all sets with prose, up to `per_kind` of each kind and set, English and Chinese.
    pub(crate) fn questions(&self, per_kind: usize) -> anyhow::Result<Vec<Question>> {
        self.questions_from(SETS.into_iter().filter(|set| *set != "openapi" && *set != "docx"), per_kind)
    }

    /// Returns questions from the small sets, up to `per_kind` of each kind and set.
    pub(crate) fn small_set_questions(&self, per_kind: usize) -> anyhow::Result<Vec<Question>> {
        self.questions_from(SMALL_SETS.into_iter(), per_kind)
    }

    fn questions_from<'set>(
        &self,
        sets: impl Iterator<Item = &'set str>,
        per_kind: usize,
    ) -> anyhow::Result<Vec<Question>> {
        let mut questions = Vec::new();
        for set in sets {
            questions.extend(self.corpus.questions(set, per_kind)?);
        }
        crate::corpus::shuffle(&mut questions);
        Ok(questions)
    }
}

/// Reports progress on standard error.
#[expect(clippy::print_stderr, reason = "the report is on standard output")]
pub(crate) fn progress(message: &str) {
    eprintln!("· {message}");
}

/// Runs work against a server. Returns its result, the processor time, the seconds and the peak memory.
pub(crate) async fn measure_usage<T>(
    server: &Server,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Usage, f64, Usage)> {
    let is_done = Arc::new(AtomicBool::new(false));
    let (process, postmaster) = server.processes();
    // On a separate thread, because reading the memory of many processes takes a while.
    let sampler = tokio::task::spawn_blocking({
        let is_done = Arc::clone(&is_done);
        move || {
            let mut peak = Usage::default();
            while !is_done.load(Ordering::Relaxed) {
                peak = peak.max(process::memory(process, postmaster));
                std::thread::sleep(Duration::from_millis(250));
            }
            peak
        }
    });
    let (cpu, start) = (server.cpu(), Instant::now());
    let result = work.await;
    let (cpu, seconds) = (server.cpu() - cpu, start.elapsed().as_secs_f64());
    is_done.store(true, Ordering::Relaxed);
    Ok((result?, cpu, seconds, sampler.await?))
}
