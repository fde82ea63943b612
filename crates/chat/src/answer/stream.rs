//! Answer while it is written: any number of followers see all of it, from the start or from a position they had reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::messages::MessageStatus;
use crate::models::client::{ModelError, Usage};
use crate::source::Source;

/// Event of an answer. Followers receive them in this order; each but the text once.
#[derive(Debug, Clone)]
pub enum Event {
    /// Sources of the answer, before its first text.
    Sources(Arc<[Source]>),
    /// Next piece of the text.
    Text(String),
    /// End of the answer, with the whole of it.
    End(Arc<Outcome>),
}

/// Final state of an answer.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Text as Markdown.
    pub text: String,
    /// State of the answer.
    pub status: MessageStatus,
    /// Provenance of the answer.
    pub metadata: Value,
    /// Sources, and which of them the text cites.
    pub sources: Arc<[Source]>,
    /// Token usage of the model that answered: reported by it, or else estimated.
    pub usage: Option<Usage>,
    /// Finish reason reported by the model: `stop`, `length` …
    pub finish_reason: Option<String>,
    /// Error of the model, if passages replace its answer or the text breaks off.
    pub failure: Option<ModelError>,
}

/// Position of a follower in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamPosition {
    /// Whether the sources were received.
    pub has_sources: bool,
    /// Number of bytes of the text received.
    pub text_bytes: usize,
}

impl StreamPosition {
    /// Parses an event id written by [`Self::event_id`]. An invalid id is the start of the answer.
    pub fn from_event_id(id: &str) -> Self {
        id.trim()
            .parse()
            .map_or_else(|_invalid| Self::default(), |text_bytes| Self { has_sources: true, text_bytes })
    }

    /// Returns the id of the last event received: the number of bytes of the text so far.
    pub fn event_id(self) -> String {
        self.text_bytes.to_string()
    }
}

#[derive(Debug, Default)]
struct Progress {
    sources: Option<Arc<[Source]>>,
    text: String,
    end: Option<Arc<Outcome>>,
}

/// Answer that is being written, or has just ended.
#[derive(Debug)]
pub struct AnswerStream {
    progress: watch::Sender<Progress>,
    stop: CancellationToken,
    /// Whether it is stopped because the process shuts down.
    closing: AtomicBool,
}

impl AnswerStream {
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

    pub(crate) fn text_bytes(&self) -> usize {
        self.progress.borrow().text.len()
    }

    pub(crate) fn sources(&self) -> Arc<[Source]> {
        self.progress.borrow().sources.clone().unwrap_or_default()
    }

    pub(crate) fn end(&self, outcome: Outcome) {
        self.progress.send_modify(|progress| progress.end = Some(Arc::new(outcome)));
    }

    /// Stops the model. The text written so far stays.
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

    /// Waits for the next event after `position`, and advances it. After the end it returns the end again.
    pub async fn next(&self, position: &mut StreamPosition) -> Event {
        let mut watched = self.progress.subscribe();
        loop {
            {
                let progress = watched.borrow_and_update();
                if let (false, Some(sources)) = (position.has_sources, &progress.sources) {
                    position.has_sources = true;
                    return Event::Sources(Arc::clone(sources));
                }
                // A position beyond the text yields nothing.
                if let Some(more) = progress.text.get(position.text_bytes..).filter(|more| !more.is_empty()) {
                    position.text_bytes = progress.text.len();
                    return Event::Text(more.to_owned());
                }
                if let Some(end) = &progress.end {
                    return Event::End(Arc::clone(end));
                }
            }
            // Cannot fail: the sender is this value itself.
            let _changed = watched.changed().await;
        }
    }

    /// Waits for the end of the answer.
    pub async fn ended(&self) -> Arc<Outcome> {
        let mut position = StreamPosition::default();
        loop {
            if let Event::End(outcome) = self.next(&mut position).await {
                return outcome;
            }
        }
    }
}

/// Guard that stops an answer when its only follower goes away.
#[derive(Debug)]
pub struct StopOnDrop(pub Arc<AnswerStream>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}
