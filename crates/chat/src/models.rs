//! Language models: OpenAI-compatible endpoints, by name.
//!
//! Only administrators configure models, since this program connects to their addresses; every signed-in user can list
//! their names and use them. API keys are write-only: no function returns one.

mod chunk;
pub mod client;
mod connection_test;
mod error;
mod sse;
mod table;
mod validate;

use std::time::Duration;

use reqwest::Url;
use zeroize::Zeroizing;

pub use connection_test::{ModelTest, test};
pub use table::{
    Limits, Model, ModelChange, ModelChoice, ModelId, ModelUpdate, NewModel, choices, create, delete, find,
    list, reseal, resolve, target, update,
};
pub use validate::{ANSWER_TOKENS, CONCURRENCY, CONTEXT_TOKENS, MAX_MODEL_CHARS, TIMEOUT_SECONDS};

/// Connection parameters of a language model.
#[derive(Clone)]
pub struct Target {
    /// Name by which users choose the model.
    pub name: String,
    /// Model name sent to the endpoint.
    pub model: String,
    /// Base URL, without `/chat/completions`.
    pub endpoint: Url,
    pub(crate) api_key: Option<Zeroizing<String>>,
    /// Size of the context window in tokens, prompt and answer together.
    pub context_tokens: usize,
    /// Maximum length of an answer, in tokens.
    pub answer_tokens: usize,
    /// Time limit for the first piece of an answer.
    pub first: Duration,
    /// Time limit for each further piece.
    pub idle: Duration,
    /// Maximum number of simultaneous answers on this node.
    pub concurrency: usize,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}
