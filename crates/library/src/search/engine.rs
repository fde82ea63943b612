//! Search engine: one search, from the request to the passages.
//!
//! Each search begins with one small statement that reads the change sequence. While it equals the number at which the
//! index and the catalogue were read, both are exact. When the index is behind, documents that have changed since are
//! left out of its results.

mod suggest;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use embedding::Model;
use extract::model::DocumentType;
use kernel::actor::Actor;
use kernel::page::Cursor;
use moka::sync::Cache;
use sqlx::PgPool;
use tantivy::Term;
use uuid::Uuid;

use super::analysis::with_thread_analysis;
use super::candidate::{TextCandidate, VectorCandidate};
use super::collector::{Allowed, BestPassages};
use super::follow::Follower;
use super::fuse::{FusedCandidate, fuse, spread_documents};
use super::index::{FullText, Generation, number_of};
use super::passages::PassageCache;
use super::query::ParsedQuery;
use super::relevance::RelevanceScorer;
use super::request::{
    INDEX_BUILDING_NOTICE, MAX_PAGE_SIZE, MAX_QUERY_CHARS, MAX_RESULTS, NOTHING_RELEVANT_NOTICE,
    ResolvedVersion, SearchHit, SearchMode, SearchRequest, SearchResponse, TEXT_ONLY_NOTICE,
    VECTORS_MISSING_NOTICE,
};
use super::rerank::{RERANKED, rerank};
use super::zero_results::ZeroResultLog;
use super::{highlight, plain, vectors};
use crate::Error;
use crate::catalogue::{Catalogue, CatalogueCache};
use crate::changes::{self, Sequence};
use crate::documents::Category;
use crate::embed;
use crate::label::VersionRequest;
use crate::names::{LibraryName, Tag};

/// Candidates of each method that are put in order together. Only pages beyond them need more.
const POOL: usize = RERANKED;
/// Candidates of each method for pages beyond the first pool.
const DEEP_POOL: usize = MAX_RESULTS + POOL;
/// Capacity of the cache of query vectors, 4 KB each.
const MAX_CACHED_QUERIES: u64 = 2000;
/// Size of the cache of rankings in bytes.
const RANKINGS_BYTES: u64 = 16 << 20;
/// Maximum number of changes left out of a search; more mean that the index is being built, which a notice says.
const MAX_CHANGES: i64 = 5000;

/// Content types of passages.
pub const CONTENT_TYPES: [&str; 4] = ["text", "code", "table", "api"];

/// Configuration of the engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder of the full-text index.
    pub index_folder: PathBuf,
    /// Time budget of a walk of the vector graph; a larger one makes it more exact.
    pub vector_budget_milliseconds: u64,
}

/// State of the embedding model, which vector search needs.
#[derive(Clone)]
pub enum ModelState {
    /// Turned off, or not loadable: the text says which.
    Off(String),
    /// Being loaded.
    Loading,
    /// Loaded.
    Ready(Arc<Model>),
}

/// Search engine of a node.
pub struct Engine {
    pool: PgPool,
    config: EngineConfig,
    zero_results: Option<ZeroResultLog>,
    full_text: Arc<FullText>,
    model: RwLock<ModelState>,
    catalogue: CatalogueCache,
    passages: PassageCache,
    query_vectors: Cache<String, Arc<str>>,
    vector_counts: Cache<Vec<Uuid>, i64>,
    rankings: Cache<RankingKey, Arc<Ranking>>,
}

/// Key of the ranking cache: everything that the order of passages depends on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RankingKey {
    text: String,
    types: Vec<String>,
    content_types: Vec<String>,
    category: Option<Category>,
    tags: Vec<Tag>,
    mode: SearchMode,
    needed: usize,
    versions: Vec<Uuid>,
    /// Change sequence of the database, and the number of changes that the index was behind.
    sequence: (i64, i64),
}

/// Candidates in their order, with the scorer of their relevance.
struct Ranking {
    candidates: Vec<FusedCandidate>,
    scorer: RelevanceScorer,
}

/// Returns the size of a cached ranking in bytes.
fn weigh(key: &RankingKey, ranking: &Arc<Ranking>) -> u32 {
    let candidates = size_of_val(ranking.candidates.as_slice());
    let versions = size_of_val(key.versions.as_slice());
    u32::try_from(candidates + versions + key.text.len() + 1000).unwrap_or(u32::MAX)
}

impl Engine {
    /// Makes an engine.
    pub fn new(pool: PgPool, config: EngineConfig, model: ModelState) -> Self {
        Self {
            full_text: Arc::new(FullText::new(config.index_folder.clone())),
            pool,
            config,
            zero_results: None,
            model: RwLock::new(model),
            catalogue: CatalogueCache::default(),
            passages: PassageCache::default(),
            query_vectors: Cache::new(MAX_CACHED_QUERIES),
            // The key makes it exact, except for vectors made meanwhile.
            rankings: Cache::builder()
                .max_capacity(RANKINGS_BYTES)
                .weigher(weigh)
                .time_to_live(Duration::from_secs(30))
                .build(),
            // Only decides between two methods with equal results, so it can be a little old.
            vector_counts: Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(30)).build(),
        }
    }

    /// Records searches without results in this log.
    #[must_use]
    pub fn with_zero_result_log(self, log: ZeroResultLog) -> Self {
        Self { zero_results: Some(log), ..self }
    }

    /// Returns the follower that keeps the engine's full-text index up to date.
    pub fn follower(&self) -> Follower {
        Follower::new(self.pool.clone(), Arc::clone(&self.full_text))
    }

    /// Sets the state of the model.
    pub fn set_model(&self, model: ModelState) {
        *self.model.write().unwrap_or_else(std::sync::PoisonError::into_inner) = model;
    }

    /// Returns the state of the model.
    pub fn model(&self) -> ModelState {
        self.model.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Returns the catalogue as it is now.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn catalogue(&self) -> Result<Arc<Catalogue>, Error> {
        let mut connection = store::postgres::acquire(&self.pool).await?;
        let sequence = changes::sequence(&mut connection).await?;
        self.catalogue.at(&mut connection, sequence).await
    }

    /// Returns the number of changes that the full-text index is behind; `None` while it is built for the first time.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn lag(&self) -> Result<Option<i64>, Error> {
        let mut connection = store::postgres::acquire(&self.pool).await?;
        let sequence = changes::sequence(&mut connection).await?;
        let progress = self.full_text.current().map(|generation| generation.snapshot().progress);
        Ok(progress.filter(|progress| progress.complete).map(|progress| behind(sequence, progress.sequence)))
    }

    /// Searches the passages that exist for the actor.
    ///
    /// # Errors
    ///
    /// Fails if the library or version does not exist for the actor, and for a request outside its bounds.
    #[tracing::instrument(skip_all)]
    pub async fn search(&self, actor: &Actor, request: &SearchRequest) -> Result<SearchResponse, Error> {
        let result = self.respond(actor, request).await;
        if let Some(log) = &self.zero_results {
            let is_index_complete =
                self.full_text.current().is_some_and(|generation| generation.snapshot().progress.complete);
            log.record_if_empty(request, is_index_complete, &result);
        }
        result
    }

    /// Records a query that was refused before a search, if its version is absent.
    pub fn record_refused(&self, library: &LibraryName, question: &str, error: &Error) {
        if let Some(log) = &self.zero_results {
            log.record_if_absent_version(Some(library), question, error);
        }
    }

    async fn respond(&self, actor: &Actor, request: &SearchRequest) -> Result<SearchResponse, Error> {
        let PageStart { offset, mode: previous_mode } = check(request)?;
        let started = Instant::now();
        let scope = self.scope(actor, request).await?;
        let mut notices = Vec::new();
        let query = ParsedQuery::parse(&request.text);
        let mode = if let Some(mode) = previous_mode {
            // A following page keeps the method of the first, though vectors may have been made since.
            mode
        } else if request.mode == SearchMode::Hybrid && query.has_phrase() {
            // Quotation marks ask for exactly these words.
            SearchMode::Text
        } else {
            self.possible_mode(request.mode, &scope, &mut notices).await?
        };
        let needed = offset + request.limit;
        let key = RankingKey {
            text: request.text.clone(),
            types: request.types.clone(),
            content_types: request.content_types.clone(),
            category: request.category,
            tags: request.tags.clone(),
            mode,
            needed,
            versions: scope.versions.clone(),
            sequence: (scope.sequence, scope.behind),
        };
        let ranking = if let Some(ranking) = self.rankings.get(&key) {
            ranking
        } else {
            let candidates = self.rank(request, &query, mode, &scope, needed).await?;
            let ranking = Arc::new(Ranking { candidates, scorer: scope.relevance_scorer(&request.text)? });
            self.rankings.insert(key, Arc::clone(&ranking));
            ranking
        };
        notices.extend(scope.notice());
        let has_next = ranking.candidates.len() > needed && needed < MAX_RESULTS;
        let page = ranking.candidates.iter().copied().skip(offset).take(request.limit);
        let mut hits = self.read(&page.collect::<Vec<_>>(), &query, &ranking.scorer).await?;
        let mut left: HashMap<u64, usize> = HashMap::new();
        for fused in ranking.candidates.iter().skip(needed) {
            *left.entry(fused.candidate.document).or_default() += 1;
        }
        for hit in &mut hits {
            hit.more_in_document = left.get(&number_of(hit.passage.document_id)).copied().unwrap_or_default();
        }
        if offset == 0 && !hits.is_empty() && hits.iter().all(|hit| !hit.relevant) {
            notices.push(NOTHING_RELEVANT_NOTICE.to_owned());
        }
        metrics::histogram!("wenyuan_search_seconds", "stage" => "whole")
            .record(started.elapsed().as_secs_f64());
        Ok(SearchResponse {
            resolved: scope.resolved,
            mode,
            notices,
            hits,
            next: has_next.then(|| Cursor::encode(&(needed, mode))),
            changes_behind: scope.behind,
        })
    }

    /// Returns candidates in their order, somewhat more than `needed` if there are.
    async fn rank(
        &self,
        request: &SearchRequest,
        query: &ParsedQuery,
        mode: SearchMode,
        scope: &Scope,
        needed: usize,
    ) -> Result<Vec<FusedCandidate>, Error> {
        let (mut candidates, is_exhausted) = self.candidates(request, query, mode, scope, POOL).await?;
        if is_exhausted || needed < candidates.len() {
            return Ok(candidates);
        }
        // The order of the first pool stays, so that pages neither repeat nor miss a passage.
        let known: HashSet<Uuid> = candidates.iter().map(|fused| fused.candidate.passage).collect();
        let (deep, _) = self.candidates(request, query, mode, scope, DEEP_POOL).await?;
        candidates.extend(deep.into_iter().filter(|fused| !known.contains(&fused.candidate.passage)));
        Ok(candidates)
    }

    /// Returns the best candidates of each method in their order, and whether there are no others.
    async fn candidates(
        &self,
        request: &SearchRequest,
        query: &ParsedQuery,
        mode: SearchMode,
        scope: &Scope,
        limit: usize,
    ) -> Result<(Vec<FusedCandidate>, bool), Error> {
        let text = async {
            if mode == SearchMode::Vector {
                Ok(Vec::new())
            } else {
                Self::search_text(request, query, scope, limit)
            }
        };
        let vectors = async {
            if mode == SearchMode::Text {
                Ok(Vec::new())
            } else {
                self.search_vectors(request, scope, limit).await
            }
        };
        let (text, vectors) = futures::future::try_join(text, vectors).await?;
        let is_exhausted = text.len() < limit && vectors.len() < limit;
        Ok((spread_documents(fuse(&text, &vectors)), is_exhausted))
    }

    /// Resolves what can be found, before anything is searched.
    async fn scope(&self, actor: &Actor, request: &SearchRequest) -> Result<Scope, Error> {
        let started = Instant::now();
        let mut connection = store::postgres::acquire(&self.pool).await?;
        let sequence = changes::sequence(&mut connection).await?;
        let catalogue = self.catalogue.at(&mut connection, sequence).await?;
        let generation = self.full_text.current();
        let indexed = generation.as_ref().map_or(0, |generation| generation.snapshot().progress.sequence);
        let changed = if indexed < sequence.passages {
            changes::since(&mut connection, indexed, MAX_CHANGES).await?
        } else {
            Vec::new()
        };
        drop(connection);
        let (resolved, versions) = match &request.library {
            Some(name) => {
                let library = catalogue.library(actor, name)?;
                let version = library.resolve(&request.version)?;
                let resolved = ResolvedVersion { library: name.clone(), version: version.label.clone() };
                (Some(resolved), vec![version.id.0])
            }
            None if request.version != VersionRequest::Active => {
                return Err(Error::Invalid(
                    "a version belongs to a library: name the library too".to_owned(),
                ));
            }
            None => (None, catalogue.active_versions(actor).map(|(_, version)| version.id.0).collect()),
        };
        let changed = changed
            .iter()
            .map(|change| (number_of(change.document.0), number_of(change.version.0)))
            .collect();
        metrics::histogram!("wenyuan_search_seconds", "stage" => "scope")
            .record(started.elapsed().as_secs_f64());
        Ok(Scope {
            resolved,
            versions,
            changed,
            generation,
            sequence: sequence.passages,
            behind: behind(sequence, indexed),
        })
    }

    /// Returns the requested mode, or full text with a notice if hybrid search is not possible yet.
    async fn possible_mode(
        &self,
        requested: SearchMode,
        scope: &Scope,
        notices: &mut Vec<String>,
    ) -> Result<SearchMode, Error> {
        let reason = match self.model() {
            ModelState::Ready(_) if requested == SearchMode::Hybrid => {
                let (made, all) = (self.count_vectors(scope).await?, scope.passages());
                // Ranks among a few passages say nothing about the rest, and fusing them would displace the best.
                if made >= all / 2 {
                    return Ok(requested);
                }
                format!("the vectors of {made} of {all} passages are made so far")
            }
            ModelState::Ready(_) => {
                if requested == SearchMode::Vector {
                    let (made, all) = (self.count_vectors(scope).await?, scope.passages());
                    // Beyond this number vectors are not counted, and few are missing.
                    if made < all.min(vectors::MAX_EXACT) {
                        notices.push(format!(
                            "{VECTORS_MISSING_NOTICE}: the vectors of {made} of {all} passages are made so far"
                        ));
                    }
                }
                return Ok(requested);
            }
            ModelState::Loading => "the embedding model is still being loaded".to_owned(),
            ModelState::Off(reason) => reason,
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

    fn search_text(
        request: &SearchRequest,
        query: &ParsedQuery,
        scope: &Scope,
        limit: usize,
    ) -> Result<Vec<TextCandidate>, Error> {
        let Some(generation) = &scope.generation else { return Ok(Vec::new()) };
        let started = Instant::now();
        let snapshot = generation.snapshot();
        let versions: HashSet<u64> = scope.versions.iter().map(|version| number_of(*version)).collect();
        let matching = query.to_tantivy(request, &versions, generation.fields, &snapshot.searcher)?;
        let allowed = Arc::new(Allowed { versions, changed: scope.changed.clone() });
        let columns = Arc::clone(&snapshot.columns);
        let best = snapshot.searcher.search(&*matching, &BestPassages { limit, columns, allowed })?;
        let best = rerank(best, query, &snapshot, generation.fields)?;
        metrics::histogram!("wenyuan_search_seconds", "stage" => "text")
            .record(started.elapsed().as_secs_f64());
        Ok(best)
    }

    async fn search_vectors(
        &self,
        request: &SearchRequest,
        scope: &Scope,
        limit: usize,
    ) -> Result<Vec<VectorCandidate>, Error> {
        let ModelState::Ready(model) = self.model() else { return Ok(Vec::new()) };
        let started = Instant::now();
        let vector = self.query_vector(&model, &request.text).await?;
        metrics::histogram!("wenyuan_search_seconds", "stage" => "embed")
            .record(started.elapsed().as_secs_f64());
        let started = Instant::now();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let versions = &scope.versions;
        let candidates = if request.is_filtered() {
            vectors::exact_filtered(&self.pool, versions, model.id(), &vector, request, limit).await?
        } else if self.count_vectors(scope).await? <= vectors::MAX_EXACT {
            vectors::exact(&self.pool, versions, model.id(), &vector, limit).await?
        } else {
            let breadth = vectors::breadth_for(self.config.vector_budget_milliseconds);
            vectors::graph(&self.pool, versions, model.id(), &vector, limit, breadth).await?
        };
        metrics::histogram!("wenyuan_search_seconds", "stage" => "vector")
            .record(started.elapsed().as_secs_f64());
        Ok(candidates)
    }

    async fn query_vector(&self, model: &Arc<Model>, text: &str) -> Result<Arc<str>, Error> {
        let query = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(known) = self.query_vectors.get(&query) {
            return Ok(known);
        }
        let vector = {
            let (model, query) = (Arc::clone(model), query.clone());
            tokio::task::spawn_blocking(move || model.embed_query(&query))
                .await
                .map_err(|error| Error::Internal(format!("the embedding model failed: {error}")))?
        };
        let vector: Arc<str> = embed::to_pgvector(&vector).into();
        self.query_vectors.insert(query, Arc::clone(&vector));
        Ok(vector)
    }

    /// Counts the vectors in scope, but not beyond the number that decisions depend on.
    async fn count_vectors(&self, scope: &Scope) -> Result<i64, Error> {
        let mut key = scope.versions.clone();
        key.sort_unstable();
        if let Some(count) = self.vector_counts.get(&key) {
            return Ok(count);
        }
        let max = (vectors::MAX_EXACT + 1).max(scope.passages() / 2 + 1);
        let count = vectors::count(&self.pool, &key, max).await?;
        self.vector_counts.insert(key, count);
        Ok(count)
    }

    /// Reads the passages of a page, with snippets and relevance.
    async fn read(
        &self,
        page: &[FusedCandidate],
        query: &ParsedQuery,
        scorer: &RelevanceScorer,
    ) -> Result<Vec<SearchHit>, Error> {
        let started = Instant::now();
        let ids: Vec<Uuid> = page.iter().map(|fused| fused.candidate.passage).collect();
        let passages = self.passages.read(&self.pool, &ids).await?;
        let terms = query.terms();
        let hits = page
            .iter()
            .filter_map(|fused| {
                let passage = Arc::clone(passages.get(&fused.candidate.passage)?);
                let mut contained = HashSet::new();
                let plain = plain::plain(&passage.content, &passage.section);
                let heading = plain.heading.filter(|heading| passage.section.last() != Some(heading));
                let snippet = with_thread_analysis(|analysis| {
                    for text in passage.section.iter().chain([&passage.title]).chain(&heading) {
                        highlight::collect_terms(text, &terms, &mut contained, analysis);
                    }
                    highlight::best_snippet(&plain.blocks, &terms, &mut contained, analysis)
                });
                let coverage = scorer.coverage(&contained);
                let relevant = scorer.is_relevant(&passage.content, coverage, fused.similarity);
                Some(SearchHit {
                    passage,
                    heading,
                    snippet: snippet.text,
                    snippet_is_code: snippet.is_code,
                    snippet_is_cut: snippet.is_cut,
                    highlights: snippet.highlights,
                    more_in_document: 0,
                    score: fused.score,
                    text_rank: fused.text_rank,
                    vector_rank: fused.vector_rank,
                    coverage,
                    similarity: fused.similarity,
                    relevant,
                })
            })
            .collect();
        metrics::histogram!("wenyuan_search_seconds", "stage" => "read")
            .record(started.elapsed().as_secs_f64());
        Ok(hits)
    }
}

/// Scope of a search: versions that exist for the actor, and the state of the index.
struct Scope {
    resolved: Option<ResolvedVersion>,
    versions: Vec<Uuid>,
    /// Documents and versions, by number, that have changed since the index was written.
    changed: HashSet<(u64, u64)>,
    generation: Option<Arc<Generation>>,
    /// Change sequence of the database.
    sequence: i64,
    /// Number of changes that the index is behind.
    behind: i64,
}

impl Scope {
    /// Returns a notice if the full-text index is not complete.
    fn notice(&self) -> Option<String> {
        match &self.generation {
            None => Some(INDEX_BUILDING_NOTICE.to_owned()),
            Some(generation) if !generation.snapshot().progress.complete => {
                Some(format!("{INDEX_BUILDING_NOTICE}; not everything is found yet"))
            }
            Some(_) => None,
        }
    }

    /// Returns the scorer of relevance to a query.
    fn relevance_scorer(&self, query: &str) -> Result<RelevanceScorer, Error> {
        let Some(generation) = &self.generation else { return RelevanceScorer::new(query, 0, |_| Ok(0)) };
        let (searcher, text) = (generation.snapshot().searcher, generation.fields.text);
        Ok(RelevanceScorer::new(query, searcher.num_docs(), |term| {
            searcher.doc_freq(&Term::from_field_text(text, term))
        })?)
    }

    /// Returns the number of indexed passages of these versions.
    fn passages(&self) -> i64 {
        let Some(generation) = &self.generation else { return 0 };
        let searcher = generation.snapshot().searcher;
        let in_version = |version: &Uuid| {
            searcher
                .doc_freq(&Term::from_field_u64(generation.fields.version, number_of(*version)))
                .unwrap_or(0)
        };
        i64::try_from(self.versions.iter().map(in_version).sum::<u64>()).unwrap_or(i64::MAX)
    }
}

fn behind(sequence: Sequence, indexed: i64) -> i64 {
    (sequence.passages - indexed).max(0)
}

/// Start of a page, from its cursor.
struct PageStart {
    offset: usize,
    /// Mode of the first page; `None` for the first page.
    mode: Option<SearchMode>,
}

/// Checks the bounds of a request and returns the start of its page.
fn check(request: &SearchRequest) -> Result<PageStart, Error> {
    let length = request.text.chars().count();
    if request.text.trim().is_empty() {
        return Err(Error::Invalid("the query is empty".to_owned()));
    }
    if length > MAX_QUERY_CHARS {
        return Err(Error::Invalid(format!(
            "a query has at most {MAX_QUERY_CHARS} characters; this one has {length}"
        )));
    }
    if request.limit == 0 || request.limit > MAX_PAGE_SIZE {
        return Err(Error::Invalid(format!("a page has 1 to {MAX_PAGE_SIZE} passages")));
    }
    if let Some(unknown) = request.types.iter().find(|name| DocumentType::parse(name).is_none()) {
        let known = DocumentType::names().collect::<Vec<_>>().join(", ");
        return Err(Error::Invalid(format!("unknown document type {unknown:?}: use one of {known}")));
    }
    if let Some(unknown) = request.content_types.iter().find(|name| !CONTENT_TYPES.contains(&name.as_str())) {
        let known = CONTENT_TYPES.join(", ");
        return Err(Error::Invalid(format!("unknown content type {unknown:?}: use one of {known}")));
    }
    let (offset, mode) = match &request.after {
        Some(cursor) => {
            let (offset, mode): (usize, SearchMode) =
                cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?;
            (offset, Some(mode))
        }
        None => (0, None),
    };
    if offset > MAX_RESULTS {
        return Err(Error::Invalid(format!(
            "only the first {MAX_RESULTS} results can be read: narrow the query"
        )));
    }
    Ok(PageStart { offset, mode })
}
