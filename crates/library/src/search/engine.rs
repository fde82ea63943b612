//! Search engine: one search, from the request to the passages.
//!
//! Each search begins with one small statement that reads the change sequence. While it equals the number at which the
//! index and the catalogue were read, both are exact. When the index is behind, documents that have changed since are
//! left out of its results.

mod semantic;
mod suggest;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use extract::model::DocumentType;
use kernel::actor::Actor;
use kernel::page::Cursor;
use moka::sync::Cache;
use sqlx::PgPool;
use store::secrets::Sealer;
use tantivy::Term;
use uuid::Uuid;

use super::analysis::with_thread_analysis;
use super::candidate::TextCandidate;
use super::collector::{Allowed, BestPassages};
use super::follow::Follower;
use super::fuse::{Folded, FusedCandidate, fold_equal, fuse, spread_documents};
use super::index::{FullText, Generation, number_of};
use super::passages::PassageCache;
use super::query::ParsedQuery;
use super::relevance::RelevanceScorer;
use super::request::{
    EqualPassage, INDEX_BUILDING_NOTICE, MAX_ALSO_IN, MAX_PAGE_SIZE, MAX_QUERY_CHARS, MAX_RESULTS,
    NOTHING_RELEVANT_NOTICE, ResolvedVersion, SearchHit, SearchMode, SearchRequest, SearchResponse,
    TEXT_ONLY_NOTICE,
};
use super::rerank::{RERANKED, rerank};
use super::zero_results::{ZeroResultLog, is_empty};
use super::{highlight, plain};
use crate::Error;
use crate::catalogue::{Catalogue, CatalogueCache};
use crate::changes::{self, Sequence};
use crate::documents::Category;
use crate::embedder::{EmbeddingChoice, ModelSet, ModelState, Models};
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
    /// Model that passages are to have vectors of.
    pub embedding: EmbeddingChoice,
    /// Opens the API keys of endpoints; without it there are none.
    pub sealer: Option<Sealer>,
}

/// Search engine of a node.
pub struct Engine {
    pool: PgPool,
    config: EngineConfig,
    zero_results: Option<ZeroResultLog>,
    full_text: Arc<FullText>,
    models: ModelSet,
    catalogue: CatalogueCache,
    passages: PassageCache,
    /// By model and query.
    query_vectors: Cache<(String, String), Arc<str>>,
    /// By model and versions.
    vector_counts: Cache<(String, Vec<Uuid>), i64>,
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
    /// Whether a re-ranking endpoint orders the best.
    is_reranked: bool,
    needed: usize,
    versions: Vec<Uuid>,
    /// Change sequences of the database (passages; libraries, models), and the number of changes that the index was behind.
    sequence: (i64, i64, i64),
}

/// Candidates in their order, with the scorer of their relevance.
struct Ranking {
    candidates: Vec<FusedCandidate>,
    /// Equal passages of other versions, which candidates stand for.
    folded: Folded,
    scorer: RelevanceScorer,
    /// Why they are not re-ranked.
    notice: Option<String>,
}

/// Returns the size of a cached ranking in bytes.
fn weigh(key: &RankingKey, ranking: &Arc<Ranking>) -> u32 {
    let candidates = size_of_val(ranking.candidates.as_slice());
    let versions = size_of_val(key.versions.as_slice());
    let folded: usize = ranking.folded.values().map(|equal| size_of_val(equal.as_slice()) + 50).sum();
    u32::try_from(candidates + versions + folded + key.text.len() + 1000).unwrap_or(u32::MAX)
}

impl Engine {
    /// Makes an engine; `built_in` is the state of the built-in model.
    pub fn new(pool: PgPool, config: EngineConfig, built_in: ModelState) -> Self {
        Self {
            full_text: Arc::new(FullText::new(config.index_folder.clone())),
            pool,
            models: ModelSet::new(config.embedding, config.sealer.clone(), built_in),
            config,
            zero_results: None,
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

    /// Returns the pool of connections.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Sets the state of the built-in model.
    pub fn set_built_in(&self, model: ModelState) {
        self.models.set_built_in(model);
    }

    /// Returns the state of the built-in model.
    pub fn built_in(&self) -> ModelState {
        self.models.built_in()
    }

    /// Returns the models as they are now.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn models(&self) -> Result<Models, Error> {
        let mut connection = store::postgres::acquire(&self.pool).await?;
        let sequence = changes::sequence(&mut connection).await?;
        self.models.at(&mut connection, sequence).await
    }

    /// Returns the state of the model whose vectors answer, as it was read last.
    pub fn model(&self) -> ModelState {
        self.models.latest().map_or_else(|| self.models.built_in(), |models| models.answering)
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

    /// Whether the full-text index is behind and nobody brings it up to date: another program holds its lock and writes nothing.
    pub fn is_index_stalled(&self) -> bool {
        self.full_text.is_stalled()
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
            // Nothing is missing from the library if the query only was mistyped.
            let is_miss = request.records_zero_results
                && result.as_ref().is_ok_and(|response| is_empty(request, is_index_complete, response));
            let is_typo = is_miss && self.suggest(actor, request).await.is_ok_and(|word| word.is_some());
            if !is_typo {
                log.record_if_empty(request, is_index_complete, &result);
            }
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
        let mut mode = if let Some(mode) = previous_mode {
            // A following page keeps the method of the first, though vectors may have been made since.
            mode
        } else if request.mode == SearchMode::Hybrid && query.has_phrase() {
            // Quotation marks ask for exactly these words.
            SearchMode::Text
        } else {
            self.possible_mode(request.mode, &scope, &mut notices).await?
        };
        let vector = if mode == SearchMode::Text { None } else { self.query_vector(request, &scope).await? };
        if let Some(Err(failure)) = &vector {
            if mode == SearchMode::Vector {
                return Err(failure.clone().into());
            }
            notices.push(format!("{TEXT_ONLY_NOTICE}: {failure}"));
            mode = SearchMode::Text;
        }
        let vector = vector.and_then(Result::ok);
        let needed = offset + request.limit;
        let key = RankingKey {
            text: request.text.clone(),
            types: request.types.clone(),
            content_types: request.content_types.clone(),
            category: request.category,
            tags: request.tags.clone(),
            mode,
            is_reranked: semantic::reranker(request, &query, &scope).is_some(),
            needed,
            versions: scope.versions.clone(),
            sequence: (scope.sequence, scope.catalogue, scope.behind),
        };
        let ranking = if let Some(ranking) = self.rankings.get(&key) {
            ranking
        } else {
            let search = CandidateSearch { request, query: &query, mode, scope: &scope, vector };
            let (candidates, folded, notice) = self.rank(&search, needed).await?;
            let scorer = scope.relevance_scorer(&request.text)?;
            let ranking = Arc::new(Ranking { candidates, folded, scorer, notice });
            // One that lacks the endpoint that failed is not kept.
            if ranking.notice.is_none() {
                self.rankings.insert(key, Arc::clone(&ranking));
            }
            ranking
        };
        notices.extend(ranking.notice.clone());
        notices.extend(scope.notice());
        let has_next = ranking.candidates.len() > needed && needed < MAX_RESULTS;
        let page = ranking.candidates.iter().copied().skip(offset).take(request.limit);
        let mut hits = self.read(&page.collect::<Vec<_>>(), &ranking, &query).await?;
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
            more: if has_next { ranking.candidates.len() - needed } else { 0 },
            offset,
            next: has_next.then(|| Cursor::encode(&(needed, mode))),
            changes_behind: scope.behind,
        })
    }

    /// Returns candidates in their order, somewhat more than `needed` if there are, and why they are not re-ranked.
    async fn rank(
        &self,
        search: &CandidateSearch<'_>,
        needed: usize,
    ) -> Result<(Vec<FusedCandidate>, Folded, Option<String>), Error> {
        let mut folded = Folded::new();
        let (candidates, is_exhausted) = self.candidates(search, POOL, &mut folded).await?;
        let (candidates, notice) = self.apply_reranker(search, candidates).await?;
        let mut candidates = spread_documents(candidates);
        if is_exhausted || needed < candidates.len() {
            return Ok((candidates, folded, notice));
        }
        // The order of the first pool stays, so that pages neither repeat nor miss a passage.
        let known: HashSet<Uuid> = candidates.iter().map(|fused| fused.candidate.passage).collect();
        let (deep, _) = self.candidates(search, DEEP_POOL, &mut folded).await?;
        let deep = spread_documents(deep);
        candidates.extend(deep.into_iter().filter(|fused| !known.contains(&fused.candidate.passage)));
        // Equal passages can have another first in the deeper pool.
        let candidates = fold_equal(candidates, &mut folded);
        Ok((candidates, folded, notice))
    }

    /// Returns the best candidates of each method by score, and whether there are no others.
    async fn candidates(
        &self,
        search: &CandidateSearch<'_>,
        limit: usize,
        folded: &mut Folded,
    ) -> Result<(Vec<FusedCandidate>, bool), Error> {
        let text = async {
            if search.mode == SearchMode::Vector {
                Ok(Vec::new())
            } else {
                Self::search_text(search.request, search.query, search.scope, limit)
            }
        };
        let vectors = async {
            match &search.vector {
                Some(vector) => self.search_vectors(search, vector, limit).await,
                None => Ok(Vec::new()),
            }
        };
        let (text, vectors) = futures::future::try_join(text, vectors).await?;
        let is_exhausted = text.len() < limit && vectors.len() < limit;
        Ok((fold_equal(fuse(&text, &vectors), folded), is_exhausted))
    }

    /// Resolves what can be found, before anything is searched.
    async fn scope(&self, actor: &Actor, request: &SearchRequest) -> Result<Scope, Error> {
        let started = Instant::now();
        let mut connection = store::postgres::acquire(&self.pool).await?;
        let sequence = changes::sequence(&mut connection).await?;
        let catalogue = self.catalogue.at(&mut connection, sequence).await?;
        let models = self.models.at(&mut connection, sequence).await?;
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
            models,
            sequence: sequence.passages,
            catalogue: sequence.catalogue,
            behind: behind(sequence, indexed),
        })
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

    /// Reads the passages of a page, with snippets and relevance.
    async fn read(
        &self,
        page: &[FusedCandidate],
        ranking: &Ranking,
        query: &ParsedQuery,
    ) -> Result<Vec<SearchHit>, Error> {
        let started = Instant::now();
        let scorer = &ranking.scorer;
        let folded = |id: Uuid| ranking.folded.get(&id).into_iter().flatten().take(MAX_ALSO_IN);
        let mut ids: Vec<Uuid> = page.iter().map(|fused| fused.candidate.passage).collect();
        ids.extend(page.iter().flat_map(|fused| folded(fused.candidate.passage)));
        let passages = self.passages.read(&self.pool, &ids).await?;
        let terms = query.terms();
        let hits = page
            .iter()
            .filter_map(|fused| {
                let passage = Arc::clone(passages.get(&fused.candidate.passage)?);
                let equal = folded(passage.id).filter_map(|id| passages.get(id));
                let also_in = equal.map(|passage| EqualPassage::from(&**passage)).collect();
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
                    also_in,
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

/// Search for candidates, for a ranking.
struct CandidateSearch<'a> {
    request: &'a SearchRequest,
    query: &'a ParsedQuery,
    mode: SearchMode,
    scope: &'a Scope,
    /// Query in pgvector's text form; `None` if vectors are not searched.
    vector: Option<Arc<str>>,
}

/// Scope of a search: versions that exist for the actor, and the state of the index.
struct Scope {
    resolved: Option<ResolvedVersion>,
    versions: Vec<Uuid>,
    /// Documents and versions, by number, that have changed since the index was written.
    changed: HashSet<(u64, u64)>,
    generation: Option<Arc<Generation>>,
    models: Models,
    /// Change sequence of the database.
    sequence: i64,
    /// Change sequence of libraries, versions and models.
    catalogue: i64,
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
