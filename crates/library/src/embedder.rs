//! Embedding models in use: the built-in one or an [endpoint](crate::endpoints), and which of them answers.
//!
//! The *target* is the model that passages are to have vectors of: the setting says whether that is the built-in one or the endpoint.
//! The *answering* model is the one whose vectors are searched, on all nodes; it is the target, except during a change, until all passages
//! have the target's vectors ([`crate::embed::switch_if_complete`]).

use std::sync::{Arc, RwLock};

use embedding::Model;
use sqlx::PgConnection;
use store::secrets::Sealer;

use crate::Error;
use crate::changes::Sequence;
use crate::embed::to_pgvector;
use crate::endpoints::client::{Endpoint, TextRole};
use crate::endpoints::{self, Purpose};

/// Name of the built-in model's vectors.
pub const BUILT_IN: &str = "multilingual-e5-small-q4";
/// Mean similarity of passages that have nothing to do with each other, by the built-in model. Thresholds are tuned for its
/// similarities, and those of other models are scaled to them.
const BUILT_IN_UNRELATED: f32 = 0.8;
/// Mean similarity assumed while too few passages are embedded to measure it: common models lie between 0.3 and 0.6.
const DEFAULT_UNRELATED: f32 = 0.45;
/// Dimensions for which `library.endpoint_vectors` has an index. Vectors are filled with zeros up to the next one.
pub const INDEXED_DIMENSIONS: [usize; 8] = [384, 512, 768, 1024, 1536, 2048, 3072, 4000];

/// Model that passages are to have vectors of, by the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmbeddingChoice {
    /// The built-in model, or none if it cannot be loaded.
    #[default]
    BuiltIn,
    /// The endpoint that administrators set.
    Endpoint,
    /// None: search by words alone.
    Off,
}

/// State of a model.
#[derive(Clone)]
pub enum ModelState {
    /// Turned off, not set or not loadable: the text says which.
    Off(String),
    /// Being loaded.
    Loading,
    /// Loaded, or an endpoint.
    Ready(Embedder),
}

impl ModelState {
    /// Returns the model if it is ready.
    pub fn ready(self) -> Option<Embedder> {
        match self {
            Self::Ready(embedder) => Some(embedder),
            Self::Loading | Self::Off(_) => None,
        }
    }
}

/// A model that embeds texts.
#[derive(Debug, Clone)]
pub struct Embedder {
    source: Source,
    /// Scale of the distance to similarity 1, which makes the model's similarities comparable with those of the built-in one.
    scale: f32,
}

#[derive(Debug, Clone)]
enum Source {
    BuiltIn(Arc<Model>),
    Endpoint(Arc<Endpoint>),
}

/// Table with the vectors of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VectorTable {
    /// `library.vectors`
    BuiltIn,
    /// `library.endpoint_vectors`
    Endpoint,
}

impl Embedder {
    /// Makes an embedder of the built-in model.
    pub fn built_in(model: Arc<Model>) -> Self {
        Self { source: Source::BuiltIn(model), scale: 1.0 }
    }

    fn endpoint(endpoint: Arc<Endpoint>, unrelated: Option<f32>) -> Self {
        let unrelated = unrelated.unwrap_or(DEFAULT_UNRELATED).clamp(0.0, 0.95);
        Self { source: Source::Endpoint(endpoint), scale: (1.0 - BUILT_IN_UNRELATED) / (1.0 - unrelated) }
    }

    /// Returns the name of its vectors: those of different models cannot be compared.
    pub fn id(&self) -> &str {
        match &self.source {
            Source::BuiltIn(model) => model.id(),
            Source::Endpoint(endpoint) => &endpoint.target().vector_model,
        }
    }

    /// Returns a name of its vectors of queries, which also depend on the prefix.
    pub(crate) fn query_id(&self) -> String {
        match &self.source {
            Source::BuiltIn(model) => model.id().to_owned(),
            Source::Endpoint(endpoint) => {
                format!("{}\n{}", endpoint.target().vector_model, endpoint.target().query_prefix)
            }
        }
    }

    /// Returns the number of values of a vector.
    pub fn dimensions(&self) -> usize {
        match &self.source {
            Source::BuiltIn(model) => model.dimensions(),
            Source::Endpoint(endpoint) => endpoint.target().dimensions,
        }
    }

    /// Returns the number of values of a stored vector: with the zeros up to a dimension that has an index.
    pub fn stored_dimensions(&self) -> usize {
        let dimensions = self.dimensions();
        match &self.source {
            Source::BuiltIn(_) => dimensions,
            Source::Endpoint(_) => {
                INDEXED_DIMENSIONS.into_iter().find(|indexed| *indexed >= dimensions).unwrap_or(dimensions)
            }
        }
    }

    /// Returns the table with its vectors.
    pub fn table(&self) -> VectorTable {
        match &self.source {
            Source::BuiltIn(_) => VectorTable::BuiltIn,
            Source::Endpoint(_) => VectorTable::Endpoint,
        }
    }

    /// Whether it is an endpoint.
    pub fn is_endpoint(&self) -> bool {
        self.table() == VectorTable::Endpoint
    }

    /// Returns a similarity on the scale of the built-in model, for which thresholds are tuned.
    pub fn scaled_similarity(&self, similarity: f32) -> f32 {
        1.0 - (1.0 - similarity) * self.scale
    }

    /// Returns the similarity by this model that [`Self::scaled_similarity`] makes this one.
    pub fn unscaled_similarity(&self, similarity: f32) -> f32 {
        1.0 - (1.0 - similarity) / self.scale
    }

    /// Embeds a query. The vector is in pgvector's text form, as it is compared with stored ones.
    ///
    /// # Errors
    ///
    /// Fails if the model does, or if an endpoint does not answer in time.
    pub async fn embed_query(&self, text: &str) -> Result<String, Error> {
        let vector = match &self.source {
            Source::BuiltIn(model) => {
                let (model, text) = (Arc::clone(model), text.to_owned());
                blocking(move || model.embed_query(&text)).await?
            }
            Source::Endpoint(endpoint) => endpoint.embed_query(text).await?,
        };
        Ok(to_pgvector(&vector, self.stored_dimensions()))
    }

    /// Embeds queries in the background, in pgvector's text form.
    ///
    /// # Errors
    ///
    /// Fails if the model does.
    pub async fn embed_queries(&self, texts: Vec<String>) -> Result<Vec<String>, Error> {
        let vectors = match &self.source {
            Source::BuiltIn(model) => {
                let model = Arc::clone(model);
                blocking(move || texts.iter().map(|text| model.embed_query(text)).collect()).await?
            }
            Source::Endpoint(endpoint) => endpoint.embed(TextRole::Query, &texts).await?,
        };
        Ok(self.to_stored(&vectors))
    }

    /// Embeds passages in the background, in pgvector's text form.
    ///
    /// # Errors
    ///
    /// Fails if the model does.
    pub async fn embed_passages(&self, texts: Vec<String>) -> Result<Vec<String>, Error> {
        let vectors = match &self.source {
            Source::BuiltIn(model) => {
                let model = Arc::clone(model);
                blocking(move || model.embed_passages(&texts.iter().map(String::as_str).collect::<Vec<_>>()))
                    .await?
            }
            Source::Endpoint(endpoint) => endpoint.embed(TextRole::Passage, &texts).await?,
        };
        Ok(self.to_stored(&vectors))
    }

    fn to_stored(&self, vectors: &[Vec<f32>]) -> Vec<String> {
        vectors.iter().map(|vector| to_pgvector(vector, self.stored_dimensions())).collect()
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Internal(format!("the embedding model failed: {error}")))
}

/// Answering and target models at a time.
#[derive(Clone)]
pub struct Models {
    /// Model whose vectors are searched.
    pub answering: ModelState,
    /// Model that passages are to have vectors of.
    pub target: ModelState,
    /// Name of the vectors that answer on all nodes. This node answers with its target if it does not have that model.
    pub answering_id: String,
    /// Whether the similarity of unrelated passages is not measured yet.
    pub is_unmeasured: bool,
    /// Endpoint that re-ranks.
    pub reranker: Option<Arc<Endpoint>>,
}

/// Endpoints and state, read from the database.
struct Stored {
    embedding: Vec<(bool, Arc<Endpoint>)>,
    reranker: Option<Arc<Endpoint>>,
    answering_id: String,
    unrelated: Option<f32>,
}

/// Models of this node: the built-in one, and what the database says.
pub(crate) struct ModelSet {
    choice: EmbeddingChoice,
    sealer: Option<Sealer>,
    built_in: RwLock<ModelState>,
    stored: RwLock<Option<(Sequence, Arc<Stored>)>>,
}

impl ModelSet {
    pub(crate) fn new(choice: EmbeddingChoice, sealer: Option<Sealer>, built_in: ModelState) -> Self {
        Self { choice, sealer, built_in: RwLock::new(built_in), stored: RwLock::new(None) }
    }

    pub(crate) fn set_built_in(&self, model: ModelState) {
        *self.built_in.write().unwrap_or_else(std::sync::PoisonError::into_inner) = model;
    }

    /// Returns the models at `sequence`, which the caller has just read: changes of endpoints and of the state count as changes of
    /// the catalogue.
    pub(crate) async fn at(
        &self,
        connection: &mut PgConnection,
        sequence: Sequence,
    ) -> Result<Models, Error> {
        if let Some((known, stored)) = self.stored()
            && known.catalogue == sequence.catalogue
            && known.database_id == sequence.database_id
        {
            return Ok(self.models(&stored));
        }
        let stored = Arc::new(self.read(connection).await?);
        *self.stored.write().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some((sequence, Arc::clone(&stored)));
        Ok(self.models(&stored))
    }

    /// Returns the models as they were read last.
    pub(crate) fn latest(&self) -> Option<Models> {
        self.stored().map(|(_, stored)| self.models(&stored))
    }

    fn stored(&self) -> Option<(Sequence, Arc<Stored>)> {
        self.stored.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Returns the state of the built-in model.
    pub(crate) fn built_in(&self) -> ModelState {
        self.built_in.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn read(&self, connection: &mut PgConnection) -> Result<Stored, Error> {
        let state = sqlx::query!(
            "-- embedding.state
             select answering, unrelated_similarity from library.embedding_state"
        )
        .fetch_one(&mut *connection)
        .await?;
        let targets = match &self.sealer {
            Some(sealer) => endpoints::targets(connection, sealer).await?,
            None => Vec::new(),
        };
        let mut stored = Stored {
            embedding: Vec::new(),
            reranker: None,
            answering_id: state.answering,
            unrelated: state.unrelated_similarity,
        };
        for (purpose, is_current, target) in targets {
            match purpose {
                Purpose::Embedding => {
                    stored.embedding.push((is_current, Arc::new(Endpoint::embedding(target))));
                }
                Purpose::Reranking => stored.reranker = Some(Arc::new(Endpoint::reranking(target))),
            }
        }
        Ok(stored)
    }

    fn models(&self, stored: &Stored) -> Models {
        let ready = |endpoint: &Arc<Endpoint>| {
            let is_answering = endpoint.target().vector_model == stored.answering_id;
            let unrelated = stored.unrelated.filter(|_| is_answering);
            ModelState::Ready(Embedder::endpoint(Arc::clone(endpoint), unrelated))
        };
        let built_in = self.built_in();
        let target = match self.choice {
            EmbeddingChoice::BuiltIn | EmbeddingChoice::Off => built_in.clone(),
            EmbeddingChoice::Endpoint => {
                stored.embedding.iter().find(|(is_current, _)| *is_current).map_or_else(
                    || {
                        ModelState::Off(
                            "no embedding endpoint is set: an administrator sets one with `wenyuan search-endpoints set embedding`"
                                .to_owned(),
                        )
                    },
                    |(_, endpoint)| ready(endpoint),
                )
            }
        };
        let answering = if self.choice == EmbeddingChoice::Off {
            target.clone()
        } else if stored.answering_id == BUILT_IN {
            // Without its file this node has only the target.
            if matches!(built_in, ModelState::Off(_)) { target.clone() } else { built_in }
        } else {
            let known = stored
                .embedding
                .iter()
                .find(|(_, endpoint)| endpoint.target().vector_model == stored.answering_id);
            known.map_or_else(|| target.clone(), |(_, endpoint)| ready(endpoint))
        };
        Models {
            answering,
            target,
            answering_id: stored.answering_id.clone(),
            is_unmeasured: stored.answering_id != BUILT_IN && stored.unrelated.is_none(),
            reranker: stored.reranker.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarities_are_scaled_to_those_of_the_built_in_model() {
        let scale = |unrelated: f32| (1.0 - BUILT_IN_UNRELATED) / (1.0 - unrelated);
        let scaled = |similarity: f32, unrelated: f32| 1.0 - (1.0 - similarity) * scale(unrelated);
        assert!((scaled(0.3, 0.3) - BUILT_IN_UNRELATED).abs() < 1e-6);
        assert!((scaled(1.0, 0.3) - 1.0).abs() < 1e-6 && scaled(0.6, 0.3) > scaled(0.6, 0.5));
    }
}
