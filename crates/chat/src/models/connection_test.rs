//! Connection test of a language model: asks for a one-word answer.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use super::Target;
use super::client::{Client, ModelError, PromptMessage, PromptRole};

const QUESTION: &str = "Answer with one word: what colour is a clear sky at noon?";
/// Maximum length of the answer, in tokens; enough for a word, also if a model thinks first.
const MAX_TOKENS: usize = 512;
/// Maximum length of the answer that is reported, in characters.
const MAX_ANSWER_CHARS: usize = 200;

/// Result of a connection test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LanguageModelTest)]
pub struct ModelTest {
    /// Whether the model answered.
    pub works: bool,
    /// Reason for the failure and what to do; `null` if it works.
    pub problem: Option<String>,
    /// First 200 characters of the answer.
    pub answer: Option<String>,
    /// Milliseconds until the first piece of the answer.
    pub first_milliseconds: Option<u64>,
    /// Milliseconds until the end of the answer.
    pub milliseconds: u64,
}

/// Asks the model for a one-word answer and measures it. Gives up after `time_limit`.
pub async fn test(client: &Client, target: &Target, time_limit: Duration) -> ModelTest {
    let started_at = Instant::now();
    let mut result =
        ModelTest { works: false, problem: None, answer: None, first_milliseconds: None, milliseconds: 0 };
    match tokio::time::timeout(time_limit, ask(client, target, started_at, &mut result)).await {
        Ok(Ok(())) => result.works = true,
        Ok(Err(failure)) => result.problem = Some(failure.text),
        Err(_elapsed) => {
            result.problem = Some(format!(
                "the language model {} did not finish a one-word answer within {} seconds: check that it is healthy",
                target.name,
                time_limit.as_secs()
            ));
        }
    }
    result.milliseconds = milliseconds(started_at);
    result
}

async fn ask(
    client: &Client,
    target: &Target,
    started_at: Instant,
    result: &mut ModelTest,
) -> Result<(), ModelError> {
    let prompt = [PromptMessage { role: PromptRole::User, content: QUESTION.to_owned() }];
    let mut pieces = client.ask(target, &prompt, MAX_TOKENS.min(target.answer_tokens)).await?;
    result.first_milliseconds = Some(milliseconds(started_at));
    let mut answer = String::new();
    while let Some(piece) = pieces.next().await {
        answer += &piece?;
        if answer.chars().count() > MAX_ANSWER_CHARS {
            break;
        }
    }
    let plain = answer.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    result.answer = Some(plain.take(MAX_ANSWER_CHARS).collect::<String>().trim().to_owned());
    Ok(())
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
