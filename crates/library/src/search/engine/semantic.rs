//! The parts of a search that models have: whether vectors can be searched, the query's vector, the nearest passages, and the order by a
//! re-ranking endpoint. An endpoint that fails is left out, with a notice.

use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::{CandidateSearch, Engine, Scope};
use crate::Error;
use crate::embed;
use crate::embedder::{Embedder, ModelState};
use crate::endpoints::client::{Endpoint, EndpointError};
use crate::search::candidate::VectorCandidate;
use crate::search::fuse::{FusedCandidate, reorder};
use crate::search::query::ParsedQuery;
use crate::search::request::{
    NOT_RERANKED_NOTICE, SearchMode, SearchRequest, TEXT_ONLY_NOTICE, VECTORS_MISSING_NOTICE,
};
use crate::search::vectors::{self, QueryVector};

/// Candidates that the re-ranking endpoint puts in order.
const MAX_RERANKED: usize = 50;

/// Returns the endpoint that orders the best results of a search. One for exactly these words, or by one method, has the order of that.
pub(super) fn reranker<'a>(
    request: &SearchRequest,
    query: &ParsedQuery,
    scope: &'a Scope,
) -> Option<&'a Arc<Endpoint>> {
    let is_open = request.mode == SearchMode::Hybrid && !query.has_phrase();
    scope.models.reranker.as_ref().filter(|_| is_open)
}

impl Engine {
    /// Returns the requested mode, or full text with a notice if hybrid search is not possible yet.
    pub(super) async fn possible_mode(
        &self,
        requested: SearchMode,
        scope: &Scope,
        notices: &mut Vec<String>,
    ) -> Result<SearchMode, Error> {
        let reason = match &scope.models.answering {
            ModelState::Ready(model) if requested == SearchMode::Hybrid => {
                let (made, all) = (self.count_vectors(scope, model).await?, scope.passages());
                // Ranks among a few passages say nothing about the rest, and fusing them would displace the best.
                if made >= all / 2 {
                    return Ok(requested);
                }
                format!("{made} of {all} passages are ready for semantic search so far")
            }
            ModelState::Ready(model) => {
                if requested == SearchMode::Vector {
                    let (made, all) = (self.count_vectors(scope, model).await?, scope.passages());
                    // Beyond this number vectors are not counted, and few are missing.
                    if made < all.min(vectors::MAX_EXACT) {
                        notices.push(format!(
                            "{VECTORS_MISSING_NOTICE}: {made} of {all} passages are ready for it so far"
                        ));
                    }
                }
                return Ok(requested);
            }
            ModelState::Loading => "the embedding model is still being loaded".to_owned(),
            ModelState::Off(reason) => reason.clone(),
        };
        match requested {
            SearchMode::Text => Ok(SearchMode::Text),
            SearchMode::Vector => Err(Error::NoModel),
            SearchMode::Hybrid => {
                notices.push(format!("{TEXT_ONLY_NOTICE}: {reason}"));
                Ok(SearchMode::Text)
            }
        }
    }

    pub(super) async fn search_vectors(
        &self,
        search: &CandidateSearch<'_>,
        vector: &str,
        limit: usize,
    ) -> Result<Vec<VectorCandidate>, Error> {
        let CandidateSearch { request, scope, .. } = search;
        let ModelState::Ready(model) = &scope.models.answering else { return Ok(Vec::new()) };
        let started = Instant::now();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (versions, vector) = (&scope.versions, &QueryVector { model, vector });
        let candidates = if request.is_filtered() {
            vectors::exact_filtered(&self.pool, versions, vector, request, limit).await?
        } else if self.count_vectors(scope, model).await? <= vectors::MAX_EXACT {
            vectors::exact(&self.pool, versions, vector, limit).await?
        } else {
            let breadth = vectors::breadth_for(self.config.vector_budget_milliseconds);
            vectors::graph(&self.pool, versions, vector, limit, breadth).await?
        };
        metrics::histogram!("wenyuan_search_seconds", "stage" => "vector")
            .record(started.elapsed().as_secs_f64());
        Ok(candidates)
    }

    /// Embeds the query by the answering model; `None` without one. The inner error is that of an endpoint.
    pub(super) async fn query_vector(
        &self,
        request: &SearchRequest,
        scope: &Scope,
    ) -> Result<Option<Result<Arc<str>, EndpointError>>, Error> {
        let ModelState::Ready(model) = &scope.models.answering else { return Ok(None) };
        let started = Instant::now();
        let query = request.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let key = (model.query_id(), query);
        if let Some(known) = self.query_vectors.get(&key) {
            return Ok(Some(Ok(known)));
        }
        let vector: Arc<str> = match model.embed_query(&key.1).await {
            Ok(vector) => vector.into(),
            Err(Error::Endpoint(failure)) => return Ok(Some(Err(failure))),
            Err(error) => return Err(error),
        };
        self.query_vectors.insert(key, Arc::clone(&vector));
        metrics::histogram!("wenyuan_search_seconds", "stage" => "embed")
            .record(started.elapsed().as_secs_f64());
        Ok(Some(Ok(vector)))
    }

    /// Orders the best candidates by the re-ranking endpoint, if there is one. If it fails, their order stays, and the notice says so.
    pub(super) async fn apply_reranker(
        &self,
        search: &CandidateSearch<'_>,
        mut candidates: Vec<FusedCandidate>,
    ) -> Result<(Vec<FusedCandidate>, Option<String>), Error> {
        let Some(reranker) = reranker(search.request, search.query, search.scope) else {
            return Ok((candidates, None));
        };
        let started = Instant::now();
        let best = candidates.len().min(MAX_RERANKED);
        let ids: Vec<Uuid> = candidates.iter().take(best).map(|fused| fused.candidate.passage).collect();
        let passages = self.passages.read(&self.pool, &ids).await?;
        let texts: Vec<String> = ids
            .iter()
            .map(|id| {
                passages.get(id).map_or_else(String::new, |passage| {
                    embed::passage_text(&passage.section.join(" › "), &passage.content)
                })
            })
            .collect();
        if texts.len() < 2 {
            return Ok((candidates, None));
        }
        let scores = match reranker.rerank(&search.request.text, &texts).await {
            Ok(scores) => scores,
            Err(failure) => return Ok((candidates, Some(format!("{NOT_RERANKED_NOTICE}: {failure}")))),
        };
        reorder(&mut candidates[..best], &scores);
        metrics::histogram!("wenyuan_search_seconds", "stage" => "rerank")
            .record(started.elapsed().as_secs_f64());
        Ok((candidates, None))
    }

    /// Counts the vectors in scope, but not beyond the number that decisions depend on.
    async fn count_vectors(&self, scope: &Scope, model: &Embedder) -> Result<i64, Error> {
        let mut key = (model.id().to_owned(), scope.versions.clone());
        key.1.sort_unstable();
        if let Some(count) = self.vector_counts.get(&key) {
            return Ok(count);
        }
        let max = (vectors::MAX_EXACT + 1).max(scope.passages() / 2 + 1);
        let count = vectors::count(&self.pool, &key.1, model, max).await?;
        self.vector_counts.insert(key, count);
        Ok(count)
    }
}
