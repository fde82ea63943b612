//! What sections share: the corpus, the program, and two libraries that are made once in a run by whoever needs them
//! first.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::corpus::{Corpus, Question, SETS, SMALL};
use crate::figures::Table;
use crate::process::{self, Shares};
use crate::sections::{embed, ingest};
use crate::server::{Program, Server};

/// The data folder of all sets, with full text alone.
pub(crate) const WHOLE: &str = "whole";
/// The data folder of the small sets, with vectors.
pub(crate) const WITH_VECTORS: &str = "with-vectors";

/// The laboratory.
pub(crate) struct Lab {
    pub(crate) corpus: Corpus,
    pub(crate) program: Program,
    /// The embedding model's file.
    pub(crate) model: PathBuf,
    /// Folder of the built-in PostgreSQL's programs.
    pub(crate) postgres: PathBuf,
    /// Folder with the compiled examples of the crates.
    pub(crate) examples: PathBuf,
    whole: Option<Vec<Table>>,
    with_vectors: Option<Vec<Table>>,
}

impl Lab {
    pub(crate) fn new(
        corpus: Corpus,
        program: Program,
        model: PathBuf,
        postgres: PathBuf,
        examples: PathBuf,
    ) -> Self {
        Self { corpus, program, model, postgres, examples, whole: None, with_vectors: None }
    }

    /// Makes the library of all sets, if this run has not yet; the tables are what was measured on the way.
    pub(crate) async fn whole(&mut self) -> anyhow::Result<&[Table]> {
        if self.whole.is_none() {
            say("reading the whole corpus into a new library");
            self.whole = Some(ingest::make(self).await?);
        }
        Ok(self.whole.as_deref().unwrap_or_default())
    }

    /// Makes the library with vectors, if this run has not yet.
    pub(crate) async fn with_vectors(&mut self) -> anyhow::Result<&[Table]> {
        if self.with_vectors.is_none() {
            say("making the vectors of the small sets");
            self.with_vectors = Some(embed::make(self).await?);
        }
        Ok(self.with_vectors.as_deref().unwrap_or_default())
    }

    /// Questions from all sets that have prose, English and Chinese.
    pub(crate) fn questions(&self, each: usize) -> anyhow::Result<Vec<Question>> {
        self.questions_from(SETS.into_iter().filter(|set| *set != "openapi" && *set != "docx"), each)
    }

    /// Questions from the small sets.
    pub(crate) fn questions_of_small(&self, each: usize) -> anyhow::Result<Vec<Question>> {
        self.questions_from(SMALL.into_iter(), each)
    }

    fn questions_from<'set>(
        &self,
        sets: impl Iterator<Item = &'set str>,
        each: usize,
    ) -> anyhow::Result<Vec<Question>> {
        let mut questions = Vec::new();
        for set in sets {
            questions.extend(self.corpus.questions(set, each)?);
        }
        crate::corpus::shuffle(&mut questions);
        Ok(questions)
    }
}

/// Tells who waits what is being done.
#[expect(clippy::print_stderr, reason = "progress goes where the tables do not")]
pub(crate) fn say(what: &str) {
    eprintln!("· {what}");
}

/// Does something to a server and says what it cost: processor time, seconds, and the most memory seen.
pub(crate) async fn watched<T>(
    server: &Server,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Shares, f64, Shares)> {
    let ended = Arc::new(AtomicBool::new(false));
    let (process, postmaster) = server.processes();
    // On a thread of its own: reading the memory of many processes takes a while.
    let watch = tokio::task::spawn_blocking({
        let ended = Arc::clone(&ended);
        move || {
            let mut most = Shares::default();
            while !ended.load(Ordering::Relaxed) {
                most = most.max(process::memory(process, postmaster));
                std::thread::sleep(Duration::from_millis(250));
            }
            most
        }
    });
    let (cpu, begun) = (server.cpu(), Instant::now());
    let done = work.await;
    let (cpu, seconds) = (server.cpu() - cpu, begun.elapsed().as_secs_f64());
    ended.store(true, Ordering::Relaxed);
    Ok((done?, cpu, seconds, watch.await?))
}

/// Lets what a change has left to do (merges, checkpoints) come to rest.
pub(crate) async fn rest() {
    sleep(Duration::from_secs(3)).await;
}
