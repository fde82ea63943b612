//! Connection test of a search endpoint: embeds or ranks two short texts.

use std::time::Instant;

use serde::Serialize;
use utoipa::ToSchema;

use super::client::{Endpoint, EndpointError, TextRole};
use super::{Purpose, Target};

const TEXTS: [&str; 2] = ["A backup is restored with store-restore.", "The sky is blue at noon."];
const QUERY: &str = "How do I restore a backup?";

/// Result of a connection test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SearchEndpointTest {
    /// Whether the endpoint works.
    pub works: bool,
    /// Reason for the failure and what to do; null if it works.
    pub problem: Option<String>,
    /// Number of values of its vectors; null for re-ranking.
    pub dimensions: Option<usize>,
    /// Whether the text that answers a question was nearer to it, or ranked higher, than another one.
    pub is_sensible: Option<bool>,
    /// Duration in milliseconds.
    pub milliseconds: u64,
}

/// Tests an endpoint. Without a number of dimensions any is accepted and told.
pub async fn test(purpose: Purpose, target: Target) -> SearchEndpointTest {
    let started_at = Instant::now();
    let result = match purpose {
        Purpose::Embedding => embed(target).await.map(|(dimensions, nearer)| (Some(dimensions), nearer)),
        Purpose::Reranking => rank(target).await.map(|first| (None, first)),
    };
    let milliseconds = u64::try_from(started_at.elapsed().as_millis()).unwrap_or(u64::MAX);
    match result {
        Ok((dimensions, is_sensible)) => SearchEndpointTest {
            works: true,
            problem: None,
            dimensions,
            is_sensible: Some(is_sensible),
            milliseconds,
        },
        Err(error) => SearchEndpointTest {
            works: false,
            problem: Some(error.text),
            dimensions: None,
            is_sensible: None,
            milliseconds,
        },
    }
}

async fn embed(target: Target) -> Result<(usize, bool), EndpointError> {
    let endpoint = Endpoint::embedding(target);
    let texts = TEXTS.map(str::to_owned);
    let passages = endpoint.embed(TextRole::Passage, &texts).await?;
    let query = endpoint.embed_query(QUERY).await?;
    let similarity = |passage: &Vec<f32>| passage.iter().zip(&query).map(|(a, b)| a * b).sum::<f32>();
    let similarities: Vec<f32> = passages.iter().map(similarity).collect();
    Ok((query.len(), similarities.first() > similarities.last()))
}

async fn rank(target: Target) -> Result<bool, EndpointError> {
    let endpoint = Endpoint::reranking(target);
    let scores = endpoint.rerank(QUERY, &TEXTS.map(str::to_owned)).await?;
    Ok(scores.first().is_some_and(|(index, _)| *index == 0))
}
