//! Language models that answer: OpenAI-compatible endpoints, by name.
//!
//! Which there are is for administrators to say, in person, since this program connects to what they name; everybody who is
//! signed in may know their names and ask them. A key goes in and is used; it never comes out again.

mod answer;
mod checked;
pub mod client;
mod configured;
mod events;
mod failure;
mod trial;

use std::time::Duration;

use reqwest::Url;
use zeroize::Zeroizing;

pub use configured::{
    Change, Changed, Choice, Limits, Model, ModelId, NewModel, change, choices, choose, create, delete, find,
    list, reseal, target,
};
pub use trial::{Tried, test};

/// What is needed to ask a model.
#[derive(Clone)]
pub struct Target {
    /// The name it is chosen by.
    pub name: String,
    /// What the endpoint calls it.
    pub model: String,
    /// The address up to and without `/chat/completions`.
    pub endpoint: Url,
    pub(crate) api_key: Option<Zeroizing<String>>,
    /// What fits into one request, question and answer together.
    pub context_tokens: usize,
    /// The longest answer.
    pub answer_tokens: usize,
    /// How long the first piece of an answer may take.
    pub first: Duration,
    /// How long each further one may.
    pub idle: Duration,
    /// Answers at once, on this node.
    pub concurrency: usize,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}
