//! Language models that answer: OpenAI-compatible endpoints, by name.

pub mod client;

use std::time::Duration;

use reqwest::Url;
use sqlx::PgConnection;
use store::secrets::Sealer;
use zeroize::Zeroizing;

use crate::Error;

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

/// The model of this name; without one the default.
#[expect(clippy::unused_async, reason = "its body is to come")]
pub async fn choose(
    _connection: &mut PgConnection,
    _secrets: &Sealer,
    _name: Option<&str>,
) -> Result<Option<Target>, Error> {
    Ok(None)
}
