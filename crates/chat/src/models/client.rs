//! Asking a language model: `POST …/chat/completions`, streamed.

use super::Target;

/// Who speaks in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The rules.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// A turn of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub speaker: Speaker,
    /// What they say.
    pub content: String,
}

/// What a model says an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

/// Why a model did not answer; the text says what to do, and holds nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// What happened, and what to do.
    pub text: String,
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// Seconds after which it may be tried again, where that is known.
    pub retry_after: Option<u32>,
}

impl Failure {
    /// There is no model, and nothing else can stand in for one.
    pub(crate) fn none_is_set() -> Self {
        let text = "no language model is set up: an administrator can add one with `wenyuan models add`";
        Self { text: text.to_owned(), kind: FailureKind::Refused, retry_after: None }
    }

    /// It answered with nothing at all.
    pub(crate) fn said_nothing() -> Self {
        let text = "the language model ended without a word: ask again, or choose another model";
        Self { text: text.to_owned(), kind: FailureKind::Unreadable, retry_after: None }
    }
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Too many questions wait for the model already, here or there.
    Busy,
    /// It cannot be reached.
    Unreachable,
    /// It refused: its key, its model's name, the request.
    Refused,
    /// It did not answer in time.
    TimedOut,
    /// It broke off in the middle.
    BrokeOff,
    /// What it answers is not of the protocol.
    Unreadable,
}

/// Asks models, a bounded number of questions at once.
#[derive(Debug, Clone)]
pub struct Client {}

/// An answer as it comes.
#[derive(Debug)]
pub struct Pieces {}

impl Client {
    /// A client that has asked nothing yet.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Asks, and returns when the model begins to answer. While `concurrency` answers are under way others wait, a bounded
    /// number of them.
    #[expect(clippy::unused_async, reason = "its body is to come")]
    pub async fn ask(
        &self,
        _target: &Target,
        _turns: &[Turn],
        _answer_tokens: usize,
    ) -> Result<Pieces, Failure> {
        Ok(Pieces {})
    }
}

impl Pieces {
    /// The next piece of text; `None` at the end. Dropping the value stops the model.
    #[expect(clippy::unused_async, reason = "its body is to come")]
    pub async fn next(&mut self) -> Option<Result<String, Failure>> {
        None
    }

    /// What the model said it took, if it did; known at the end.
    pub fn usage(&self) -> Option<Usage> {
        None
    }

    /// Why the model ended: `stop`, `length` …; known at the end.
    pub fn finish_reason(&self) -> Option<&str> {
        None
    }
}
