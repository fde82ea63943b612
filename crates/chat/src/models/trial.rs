//! Trying out a language model: one word is asked for.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use super::Target;
use super::client::{Client, Failure, Speaker, Turn};

const QUESTION: &str = "Answer with one word: what colour is a clear sky at noon?";
/// Tokens that are enough for a word, also where a model thinks first.
const TOKENS: usize = 512;
/// Characters of the answer that are shown.
const SHOWN: usize = 200;

/// What a test of a language model has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LanguageModelTest)]
pub struct Tried {
    /// Whether the model can be asked.
    pub works: bool,
    /// Why not, and what to do; null where it works.
    pub problem: Option<String>,
    /// What it answered when it was asked for a word: the first 200 characters.
    pub answer: Option<String>,
    /// How long it took to begin.
    pub first_milliseconds: Option<u64>,
    /// How long it took altogether.
    pub milliseconds: u64,
}

/// Asks for a word, and says how long it took. At most `longest` is waited.
pub async fn test(client: &Client, target: &Target, longest: Duration) -> Tried {
    let begun = Instant::now();
    let mut tried =
        Tried { works: false, problem: None, answer: None, first_milliseconds: None, milliseconds: 0 };
    match tokio::time::timeout(longest, ask(client, target, begun, &mut tried)).await {
        Ok(Ok(())) => tried.works = true,
        Ok(Err(failure)) => tried.problem = Some(failure.text),
        Err(_elapsed) => {
            tried.problem = Some(format!(
                "the language model {} did not answer with a word within {} seconds: look whether it is well",
                target.name,
                longest.as_secs()
            ));
        }
    }
    tried.milliseconds = milliseconds(begun);
    tried
}

async fn ask(client: &Client, target: &Target, begun: Instant, tried: &mut Tried) -> Result<(), Failure> {
    let turns = [Turn { speaker: Speaker::User, content: QUESTION.to_owned() }];
    let mut pieces = client.ask(target, &turns, TOKENS.min(target.answer_tokens)).await?;
    tried.first_milliseconds = Some(milliseconds(begun));
    let mut answer = String::new();
    while let Some(piece) = pieces.next().await {
        answer += &piece?;
        if answer.chars().count() > SHOWN {
            break;
        }
    }
    let plain = answer.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    tried.answer = Some(plain.take(SHOWN).collect::<String>().trim().to_owned());
    Ok(())
}

fn milliseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
