//! The engine: one search, from the question to the passages.
//!
//! Each search begins with one small statement: where does the truth stand? While that number is the one the index and
//! the catalogue were read at, both are exact, and nothing else needs to be asked. When the index is behind, what
//! has changed since is left out of its results.

mod suggest;

use std::collections::HashSet;
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

use super::analysis::with_kept;
use super::collector::{Allowed, BestPassages};
use super::follow::Follower;
use super::fuse::{Fused, fuse, spread};
use super::index::{FullText, Generation, number_of};
use super::misses::Misses;
use super::passages::Passages;
use super::query::Words;
use super::relevance::Judge;
use super::{
    Answer, BY_WORDS_ALONE, DEEPEST, Found, Hit, INDEX_BUILDING, LARGEST_PAGE, LONGEST_QUERY, Mode, Near,
    Question, Resolved, highlight, vectors,
};
use crate::Error;
use crate::catalogue::{Catalogue, CatalogueCache};
use crate::changes::{self, Sequence};
use crate::documents::Category;
use crate::embed;
use crate::label::Request;
use crate::names::{LibraryName, Tag};

/// Candidates of each kind beyond what is shown: fusion and the rule of two passages a document need a choice.
const CANDIDATES: usize = 40;
/// Questions whose vectors are remembered: 4 KB each.
const REMEMBERED_QUESTIONS: u64 = 2000;
/// Changes that can be left out of a search; a longer list means the index is being built, and is said so.
const MOST_CHANGED: i64 = 5000;

/// What a passage may hold.
const CONTENT_TYPES: [&str; 4] = ["text", "code", "table", "api"];

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The folder of the full-text index.
    pub index_folder: PathBuf,
    /// How long a walk of the vector graph may take; decides how exact it is.
    pub vector_budget_milliseconds: u64,
}

/// Whether there is a model for search by meaning.
#[derive(Clone)]
pub enum ModelState {
    /// It is turned off, or could not be loaded: the text says which.
    Off(String),
    /// It is being loaded.
    Loading,
    /// It is there.
    Ready(Arc<Model>),
}

/// Searches.
pub struct Engine {
    pool: PgPool,
    config: EngineConfig,
    misses: Option<Misses>,
    full_text: Arc<FullText>,
    model: RwLock<ModelState>,
    catalogue: CatalogueCache,
    passages: Passages,
    question_vectors: Cache<String, Arc<str>>,
    vector_counts: Cache<Vec<Uuid>, i64>,
    ranked: Cache<Asked, Arc<Ranking>>,
}

/// What decides the order of passages: while all of it is the same, so is the order.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    text: String,
    types: Vec<String>,
    content_types: Vec<String>,
    category: Option<Category>,
    tags: Vec<Tag>,
    mode: Mode,
    wanted: usize,
    versions: Vec<Uuid>,
    /// Where the truth stood, and what the index had seen of it.
    sequence: (i64, i64),
}

/// Passages in their order, and how their relevance is judged.
struct Ranking {
    fused: Vec<Fused>,
    judge: Judge,
}

impl Engine {
    /// An engine whose model is not loaded yet.
    pub fn new(pool: PgPool, config: EngineConfig, model: ModelState) -> Self {
        Self {
            full_text: Arc::new(FullText::new(config.index_folder.clone())),
            pool,
            config,
            misses: None,
            model: RwLock::new(model),
            catalogue: CatalogueCache::default(),
            passages: Passages::default(),
            question_vectors: Cache::new(REMEMBERED_QUESTIONS),
            // Only decides between two ways that both are right, so it may be a little old.
            // Exact while the truth stands still, but for vectors that are made meanwhile.
            ranked: Cache::builder()
                .max_capacity(REMEMBERED_QUESTIONS)
                .time_to_live(Duration::from_secs(30))
                .build(),
            vector_counts: Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(30)).build(),
        }
    }

    /// Tells of searches that come to nothing.
    #[must_use]
    pub fn telling(self, misses: Misses) -> Self {
        Self { misses: Some(misses), ..self }
    }

    /// Who keeps the engine's full-text index up to date.
    pub fn follower(&self) -> Follower {
        Follower::new(self.pool.clone(), Arc::clone(&self.full_text))
    }

    /// Sets the model once it is loaded, or says that it could not be.
    pub fn set_model(&self, model: ModelState) {
        *self.model.write().unwrap_or_else(std::sync::PoisonError::into_inner) = model;
    }

    /// Whether there is a model.
    pub fn model(&self) -> ModelState {
        self.model.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// All libraries, as they stand now; what of them exists for whom is asked of the catalogue.
    pub async fn catalogue(&self) -> Result<Arc<Catalogue>, Error> {
        let mut connection = store::postgres::acquire(&self.pool).await?;
        let truth = changes::sequence(&mut connection).await?;
        self.catalogue.at(&mut connection, truth).await
    }

    /// How many changes the full-text index is behind; `None` while there is none that may answer.
    pub async fn lag(&self) -> Result<Option<i64>, Error> {
        let mut connection = store::postgres::acquire(&self.pool).await?;
        let truth = changes::sequence(&mut connection).await?;
        let seen = self.full_text.answering().map(|generation| generation.view().seen);
        Ok(seen.filter(|seen| seen.complete).map(|seen| behind(truth, seen.sequence)))
    }

    /// Searches what exists for the actor.
    #[tracing::instrument(skip_all)]
    pub async fn search(&self, actor: &Actor, question: &Question) -> Result<Answer, Error> {
        let answered = self.answer(actor, question).await;
        if let Some(misses) = &self.misses {
            let is_whole =
                self.full_text.answering().is_some_and(|generation| generation.view().seen.complete);
            misses.look_at(question, is_whole, &answered);
        }
        answered
    }

    /// Tells of a question that was refused before it was searched for, if because its version is absent.
    pub fn refused(&self, library: &LibraryName, question: &str, error: &Error) {
        if let Some(misses) = &self.misses {
            misses.refused(Some(library), question, error);
        }
    }

    async fn answer(&self, actor: &Actor, question: &Question) -> Result<Answer, Error> {
        let Start { offset, mode: begun_with } = check(question)?;
        let begun = Instant::now();
        let scope = self.scope(actor, question).await?;
        let mut notices = Vec::new();
        let words = Words::parse(&question.text);
        let mode = if let Some(mode) = begun_with {
            // A page continues what the one before began, though vectors may have been made since.
            mode
        } else if question.mode == Mode::Hybrid && words.has_phrase() {
            // Who puts words between quotation marks wants these words.
            Mode::Text
        } else {
            self.possible_mode(question.mode, &scope, &mut notices).await?
        };
        let wanted = offset + question.limit;
        let asked = Asked {
            text: question.text.clone(),
            types: question.types.clone(),
            content_types: question.content_types.clone(),
            category: question.category,
            tags: question.tags.clone(),
            mode,
            wanted,
            versions: scope.versions.clone(),
            sequence: (scope.sequence, scope.behind),
        };
        let ranked = if let Some(ranked) = self.ranked.get(&asked) {
            ranked
        } else {
            let fused = self.rank(question, &words, mode, &scope, wanted).await?;
            let ranked = Arc::new(Ranking { fused, judge: scope.judge(&question.text)? });
            self.ranked.insert(asked, Arc::clone(&ranked));
            ranked
        };
        notices.extend(scope.notice());
        let goes_on = ranked.fused.len() > wanted && wanted < DEEPEST;
        let page: Vec<Fused> = ranked.fused.iter().copied().skip(offset).take(question.limit).collect();
        let hits = self.read(&page, &words, &ranked.judge).await?;
        metrics::histogram!("wenyuan_search_seconds", "stage" => "whole")
            .record(begun.elapsed().as_secs_f64());
        Ok(Answer {
            resolved: scope.resolved,
            mode,
            notices,
            hits,
            next: goes_on.then(|| Cursor::encode(&(wanted, mode))),
            changes_behind: scope.behind,
        })
    }

    /// The passages in their order, somewhat more than are wanted.
    async fn rank(
        &self,
        question: &Question,
        words: &Words,
        mode: Mode,
        scope: &Scope,
        wanted: usize,
    ) -> Result<Vec<Fused>, Error> {
        // Fusion needs a choice; one list alone needs no more than the rule of two passages a document takes away.
        let mut limit = if mode == Mode::Hybrid { wanted * 2 + CANDIDATES } else { wanted * 2 + 10 };
        loop {
            let by_words = async {
                if mode == Mode::Vector {
                    Ok(Vec::new())
                } else {
                    Self::by_words(question, words, scope, limit)
                }
            };
            let by_meaning = async {
                if mode == Mode::Text {
                    Ok(Vec::new())
                } else {
                    self.by_meaning(question, scope, limit).await
                }
            };
            let (by_words, by_meaning) = futures::future::try_join(by_words, by_meaning).await?;
            let is_all = by_words.len() < limit && by_meaning.len() < limit;
            let ranked = spread(fuse(&by_words, &by_meaning));
            // A few documents may have taken most of the places: then there is more to be found.
            if ranked.len() > wanted || is_all || limit > 4 * DEEPEST {
                return Ok(ranked);
            }
            limit *= 4;
        }
    }

    /// What may be found: settled before anything is looked for.
    async fn scope(&self, actor: &Actor, question: &Question) -> Result<Scope, Error> {
        let begun = Instant::now();
        let mut connection = store::postgres::acquire(&self.pool).await?;
        let truth = changes::sequence(&mut connection).await?;
        let catalogue = self.catalogue.at(&mut connection, truth).await?;
        let generation = self.full_text.answering();
        let seen = generation.as_ref().map_or(0, |generation| generation.view().seen.sequence);
        let changed = if seen < truth.passages {
            changes::since(&mut connection, seen, MOST_CHANGED).await?
        } else {
            Vec::new()
        };
        drop(connection);
        let (resolved, versions) = match &question.library {
            Some(name) => {
                let library = catalogue.library(actor, name)?;
                let version = library.resolve(&question.version)?;
                let resolved = Resolved { library: name.clone(), version: version.label.clone() };
                (Some(resolved), vec![version.id.0])
            }
            None if question.version != Request::Active => {
                return Err(Error::Invalid(
                    "a version is asked for of a library: name the library too".to_owned(),
                ));
            }
            None => (None, catalogue.active_versions(actor).map(|(_, version)| version.0).collect()),
        };
        let changed = changed
            .iter()
            .map(|change| (number_of(change.document.0), number_of(change.version.0)))
            .collect();
        metrics::histogram!("wenyuan_search_seconds", "stage" => "scope")
            .record(begun.elapsed().as_secs_f64());
        Ok(Scope {
            resolved,
            versions,
            changed,
            generation,
            sequence: truth.passages,
            behind: behind(truth, seen),
        })
    }

    async fn possible_mode(
        &self,
        asked: Mode,
        scope: &Scope,
        notices: &mut Vec<String>,
    ) -> Result<Mode, Error> {
        let off = match self.model() {
            ModelState::Ready(_) if asked == Mode::Hybrid => {
                let (made, all) = (self.count(scope).await?, scope.passages());
                // Ranks among a few passages say nothing of the rest, and fusing them would push the best away.
                if made >= all / 2 {
                    return Ok(asked);
                }
                format!("the vectors of {made} of {all} passages are made so far")
            }
            ModelState::Ready(_) => return Ok(asked),
            ModelState::Loading => "the embedding model is still being loaded".to_owned(),
            ModelState::Off(why) => why,
        };
        match asked {
            Mode::Text => Ok(Mode::Text),
            Mode::Vector => Err(Error::NoModel),
            Mode::Hybrid => {
                notices.push(format!("{BY_WORDS_ALONE}: {off}"));
                Ok(Mode::Text)
            }
        }
    }

    fn by_words(
        question: &Question,
        words: &Words,
        scope: &Scope,
        limit: usize,
    ) -> Result<Vec<Found>, Error> {
        let Some(generation) = &scope.generation else { return Ok(Vec::new()) };
        let begun = Instant::now();
        let view = generation.view();
        let versions: HashSet<u64> = scope.versions.iter().map(|version| number_of(*version)).collect();
        let query = words.query(question, &versions, generation.fields, &view.searcher)?;
        let allowed = Arc::new(Allowed { versions, changed: scope.changed.clone() });
        let best = view.searcher.search(&*query, &BestPassages { limit, columns: view.columns, allowed })?;
        metrics::histogram!("wenyuan_search_seconds", "stage" => "text")
            .record(begun.elapsed().as_secs_f64());
        Ok(best.into_iter().map(|(_, found)| found).collect())
    }

    async fn by_meaning(&self, question: &Question, scope: &Scope, limit: usize) -> Result<Vec<Near>, Error> {
        let ModelState::Ready(model) = self.model() else { return Ok(Vec::new()) };
        let begun = Instant::now();
        let vector = self.vector_of(&model, &question.text).await?;
        metrics::histogram!("wenyuan_search_seconds", "stage" => "embed")
            .record(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let filtered = !question.types.is_empty()
            || !question.content_types.is_empty()
            || !question.tags.is_empty()
            || question.category.is_some();
        let versions = &scope.versions;
        let found = if filtered {
            vectors::exact_filtered(&self.pool, versions, model.id(), &vector, question, limit).await?
        } else if self.count(scope).await? <= vectors::EXACT_UP_TO {
            vectors::exact(&self.pool, versions, model.id(), &vector, limit).await?
        } else {
            let breadth = vectors::breadth_for(self.config.vector_budget_milliseconds);
            vectors::graph(&self.pool, versions, model.id(), &vector, limit, breadth).await?
        };
        metrics::histogram!("wenyuan_search_seconds", "stage" => "vector")
            .record(begun.elapsed().as_secs_f64());
        Ok(found)
    }

    async fn vector_of(&self, model: &Arc<Model>, text: &str) -> Result<Arc<str>, Error> {
        let question = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(known) = self.question_vectors.get(&question) {
            return Ok(known);
        }
        let vector = {
            let (model, question) = (Arc::clone(model), question.clone());
            tokio::task::spawn_blocking(move || model.embed_query(&question))
                .await
                .map_err(|error| Error::Internal(format!("the embedding model failed: {error}")))?
        };
        let vector: Arc<str> = embed::as_text(&vector).into();
        self.question_vectors.insert(question, Arc::clone(&vector));
        Ok(vector)
    }

    /// How many vectors there are in these versions; not counted beyond what decides.
    async fn count(&self, scope: &Scope) -> Result<i64, Error> {
        let mut key = scope.versions.clone();
        key.sort_unstable();
        if let Some(count) = self.vector_counts.get(&key) {
            return Ok(count);
        }
        let up_to = (vectors::EXACT_UP_TO + 1).max(scope.passages() / 2 + 1);
        let count = vectors::count(&self.pool, &key, up_to).await?;
        self.vector_counts.insert(key, count);
        Ok(count)
    }

    async fn read(&self, page: &[Fused], words: &Words, judge: &Judge) -> Result<Vec<Hit>, Error> {
        let begun = Instant::now();
        let ids: Vec<Uuid> = page.iter().map(|hit| hit.found.passage).collect();
        let passages = self.passages.read(&self.pool, &ids).await?;
        let terms = words.terms();
        let hits = page
            .iter()
            .filter_map(|hit| {
                let passage = Arc::clone(passages.get(&hit.found.passage)?);
                let mut held = HashSet::new();
                let snippet = with_kept(|analysis| {
                    for text in passage.section.iter().chain([&passage.title]) {
                        highlight::note(text, &terms, &mut held, analysis);
                    }
                    highlight::snippet(&passage.content, &terms, &mut held, analysis)
                });
                let coverage = judge.coverage(&held);
                let relevant = judge.is_relevant(&passage.content, coverage, hit.similarity);
                Some(Hit {
                    passage,
                    snippet: snippet.text,
                    highlights: snippet.highlights,
                    score: hit.score,
                    text_rank: hit.text_rank,
                    vector_rank: hit.vector_rank,
                    coverage,
                    similarity: hit.similarity,
                    relevant,
                })
            })
            .collect();
        metrics::histogram!("wenyuan_search_seconds", "stage" => "read")
            .record(begun.elapsed().as_secs_f64());
        Ok(hits)
    }
}

struct Scope {
    resolved: Option<Resolved>,
    versions: Vec<Uuid>,
    changed: HashSet<(u64, u64)>,
    generation: Option<Arc<Generation>>,
    sequence: i64,
    behind: i64,
}

impl Scope {
    /// What is to be said of the full-text index, if it is not whole.
    fn notice(&self) -> Option<String> {
        match &self.generation {
            None => Some(INDEX_BUILDING.to_owned()),
            Some(generation) if !generation.view().seen.complete => {
                Some(format!("{INDEX_BUILDING}; not everything is found yet"))
            }
            Some(_) => None,
        }
    }

    /// How the relevance of what is found is judged.
    fn judge(&self, question: &str) -> Result<Judge, Error> {
        let Some(generation) = &self.generation else { return Judge::new(question, 0, |_| Ok(0)) };
        let (searcher, text) = (generation.view().searcher, generation.fields.text);
        Ok(Judge::new(question, searcher.num_docs(), |term| {
            searcher.doc_freq(&Term::from_field_text(text, term))
        })?)
    }

    /// How many passages full text knows in these versions.
    fn passages(&self) -> i64 {
        let Some(generation) = &self.generation else { return 0 };
        let searcher = generation.view().searcher;
        let in_version = |version: &Uuid| {
            searcher
                .doc_freq(&Term::from_field_u64(generation.fields.version, number_of(*version)))
                .unwrap_or(0)
        };
        i64::try_from(self.versions.iter().map(in_version).sum::<u64>()).unwrap_or(i64::MAX)
    }
}

fn behind(truth: Sequence, seen: i64) -> i64 {
    (truth.passages - seen).max(0)
}

/// Where a page begins, and how the search was begun whose page it is.
struct Start {
    offset: usize,
    mode: Option<Mode>,
}

/// Checks the question's bounds and says where its page begins.
fn check(question: &Question) -> Result<Start, Error> {
    let length = question.text.chars().count();
    if question.text.trim().is_empty() {
        return Err(Error::Invalid("the question is empty".to_owned()));
    }
    if length > LONGEST_QUERY {
        return Err(Error::Invalid(format!(
            "a question has at most {LONGEST_QUERY} characters; this one has {length}"
        )));
    }
    if question.limit == 0 || question.limit > LARGEST_PAGE {
        return Err(Error::Invalid(format!("a page has 1 to {LARGEST_PAGE} passages")));
    }
    if let Some(unknown) = question.types.iter().find(|name| DocumentType::parse(name).is_none()) {
        let known = "markdown, html, java_doc, pdf, docx, openapi, swagger, rst, text";
        return Err(Error::Invalid(format!("there is no document type {unknown:?}; there are {known}")));
    }
    if let Some(unknown) = question.content_types.iter().find(|name| !CONTENT_TYPES.contains(&name.as_str()))
    {
        let known = CONTENT_TYPES.join(", ");
        return Err(Error::Invalid(format!("there is no content type {unknown:?}; there are {known}")));
    }
    let (offset, mode) = match &question.after {
        Some(cursor) => {
            let (offset, mode): (usize, Mode) =
                cursor.decode().map_err(|error| Error::Invalid(error.to_string()))?;
            (offset, Some(mode))
        }
        None => (0, None),
    };
    if offset > DEEPEST {
        return Err(Error::Invalid(format!("results are shown down to place {DEEPEST}: ask more narrowly")));
    }
    Ok(Start { offset, mode })
}
