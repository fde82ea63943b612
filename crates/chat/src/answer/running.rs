//! An answer while it is written: whoever follows it sees all of it, from the beginning or from where they were.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::models::client::{Failure, Usage};
use crate::portable::Status;
use crate::source::Source;

/// What a follower is told, in this order; each but the text once.
#[derive(Debug, Clone)]
pub enum Event {
    /// What the answer stands on, before its first word.
    Sources(Arc<[Source]>),
    /// More of its text.
    Text(String),
    /// Its end: the whole of it.
    End(Arc<Outcome>),
}

/// How an answer ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its text, as Markdown.
    pub text: String,
    /// How far it came.
    pub status: Status,
    /// How it came about.
    pub metadata: Value,
    /// What it stands on, and which of that it cites.
    pub sources: Arc<[Source]>,
    /// What the model says it took.
    pub usage: Option<Usage>,
    /// Why the model ended: `stop`, `length` …
    pub finish_reason: Option<String>,
    /// Why the model did not answer, where the passages stand in for it or the text breaks off.
    pub failure: Option<Failure>,
}

/// How much of an answer a follower has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Whether they have the sources.
    pub sources: bool,
    /// Bytes of the text they have.
    pub bytes: usize,
}

impl Seen {
    /// Reads an id of an event, as [`Self::id`] wrote it. What is none was never seen.
    pub fn after(id: &str) -> Self {
        id.trim().parse().map_or_else(|_none| Self::default(), |bytes| Self { sources: true, bytes })
    }

    /// The id of the event that came last: the bytes of the text so far.
    pub fn id(self) -> String {
        self.bytes.to_string()
    }
}

#[derive(Debug, Default)]
struct Progress {
    sources: Option<Arc<[Source]>>,
    text: String,
    end: Option<Arc<Outcome>>,
}

/// An answer that is being written, or was a moment ago.
#[derive(Debug)]
pub struct Running {
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
    /// Stopped because the program ends, not because somebody wanted it.
    closing: AtomicBool,
}

impl Running {
    pub(crate) fn new() -> Self {
        Self {
            progress: watch::Sender::new(Progress::default()),
            stop: CancellationToken::new(),
            closing: AtomicBool::new(false),
        }
    }

    pub(crate) fn set_sources(&self, sources: Arc<[Source]>) {
        self.progress.send_modify(|progress| progress.sources = Some(sources));
    }

    pub(crate) fn push(&self, text: &str) {
        if !text.is_empty() {
            self.progress.send_modify(|progress| progress.text.push_str(text));
        }
    }

    pub(crate) fn text(&self) -> String {
        self.progress.borrow().text.clone()
    }

    pub(crate) fn length(&self) -> usize {
        self.progress.borrow().text.len()
    }

    pub(crate) fn sources(&self) -> Arc<[Source]> {
        self.progress.borrow().sources.clone().unwrap_or_default()
    }

    pub(crate) fn end(&self, outcome: Outcome) {
        self.progress.send_modify(|progress| progress.end = Some(Arc::new(outcome)));
    }

    /// Stops the model. What it has written stays.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.stop.cancel();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    pub(crate) fn stopped(&self) -> &CancellationToken {
        &self.stop
    }

    /// What comes after what was seen. After the end it is the end again.
    pub async fn next(&self, seen: &mut Seen) -> Event {
        let mut watched = self.progress.subscribe();
        loop {
            {
                let progress = watched.borrow_and_update();
                if let (false, Some(sources)) = (seen.sources, &progress.sources) {
                    seen.sources = true;
                    return Event::Sources(Arc::clone(sources));
                }
                // What was seen of an answer that has been shortened since is not continued.
                if let Some(more) = progress.text.get(seen.bytes..).filter(|more| !more.is_empty()) {
                    seen.bytes = progress.text.len();
                    return Event::Text(more.to_owned());
                }
                if let Some(end) = &progress.end {
                    return Event::End(Arc::clone(end));
                }
            }
            // The sender is this value itself: it cannot be gone.
            let _changed = watched.changed().await;
        }
    }

    /// Its end.
    pub async fn ended(&self) -> Arc<Outcome> {
        let mut seen = Seen::default();
        loop {
            if let Event::End(outcome) = self.next(&mut seen).await {
                return outcome;
            }
        }
    }
}

/// Stops an answer that nobody waits for any more, when it is dropped.
#[derive(Debug)]
pub struct Attended(pub Arc<Running>);

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.stop();
    }
}
