//! Progress of a backup or restoration: counters that the caller reads while it runs.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Step of a backup, restoration or verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Looks at what is there.
    Preparing,
    /// Reads or writes the bytes of documents.
    Objects,
    /// Reads or writes the database.
    Database,
    /// Counts the rows of every table.
    Counting,
    /// Replays the write-ahead log.
    Recovering,
    /// Checks the restored copy.
    Checking,
}

impl Step {
    const ALL: [Self; 6] =
        [Self::Preparing, Self::Objects, Self::Database, Self::Counting, Self::Recovering, Self::Checking];

    /// Name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Objects => "objects",
            Self::Database => "database",
            Self::Counting => "counting",
            Self::Recovering => "recovering",
            Self::Checking => "checking",
        }
    }
}

/// Counters of the running step.
#[derive(Debug, Default)]
pub struct Progress {
    step: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Returns the step, and the bytes that are done and expected in it. The expected number is an estimate, 0 if there is none.
    pub fn read(&self) -> (Step, u64, u64) {
        let step = Step::ALL.get(usize::from(self.step.load(Ordering::Relaxed))).copied();
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        (step.unwrap_or(Step::Preparing), done, total)
    }

    pub(crate) fn begin(&self, step: Step, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        let number = Step::ALL.iter().position(|known| *known == step).unwrap_or(0);
        self.step.store(u8::try_from(number).unwrap_or(0), Ordering::Relaxed);
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
}
