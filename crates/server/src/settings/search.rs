//! `[search]`: semantic search and its embedding model, and web search.

use std::path::PathBuf;

use anyhow::Context as _;
use chat::web_search::WebSearch;
use clap::{Args, ValueEnum};
use library::embedder::EmbeddingChoice;

use super::{Group, Problems, Secret, installed};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Search")]
pub(crate) struct SearchSettings {
    /// Semantic search: with the local model, with an OpenAI-compatible endpoint that an administrator sets
    /// (`wenyuan search-endpoints`), or none (keyword search only). The same on all nodes
    #[arg(
        id = "search.embedding",
        long = "embedding",
        env = "WENYUAN_EMBEDDING",
        value_enum,
        default_value_t
    )]
    embedding: Embedding,

    /// File with the embedding model, set by ./run [default: the one that comes with a release]
    #[arg(
        id = "search.embedding_model",
        long = "embedding-model",
        env = "WENYUAN_MODEL",
        value_name = "FILE"
    )]
    embedding_model: Option<PathBuf>,

    /// Time budget of a vector search, in milliseconds; a larger one gives more exact results
    #[arg(
        id = "search.vector_budget_ms",
        long = "vector-budget-ms",
        env = "WENYUAN_VECTOR_BUDGET_MS",
        default_value_t = 10,
        value_name = "MS"
    )]
    vector_budget_ms: u64,

    /// URL of a SearXNG-compatible server (`https://search.example.org`) for questions to the web. Without it
    /// the web is not searched
    #[arg(id = "search.searxng_url", long = "searxng-url", env = "WENYUAN_SEARXNG_URL", value_name = "URL")]
    searxng_url: Option<Secret>,
}

/// Source of the vectors of passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Embedding {
    /// The bundled model.
    #[default]
    Local,
    /// The endpoint that administrators set.
    Openai,
    /// No vectors.
    None,
}

impl SearchSettings {
    /// File of the local embedding model. With an endpoint it answers until all passages have the vectors of that.
    ///
    /// # Errors
    ///
    /// The reason, if semantic search is turned off.
    pub(crate) fn model(&self) -> Result<PathBuf, String> {
        match (self.embedding, &self.embedding_model) {
            (Embedding::None, _) => Err("semantic search is turned off (WENYUAN_EMBEDDING=none)".to_owned()),
            (Embedding::Local | Embedding::Openai, None) => installed::find(installed::MODEL)
                .ok_or_else(|| "no embedding model is set (WENYUAN_MODEL); ./run sets it".to_owned()),
            (Embedding::Local | Embedding::Openai, Some(file)) => Ok(file.clone()),
        }
    }

    /// Model that passages are to have vectors of.
    pub(crate) fn embedding(&self) -> EmbeddingChoice {
        match self.embedding {
            Embedding::Local => EmbeddingChoice::BuiltIn,
            Embedding::Openai => EmbeddingChoice::Endpoint,
            Embedding::None => EmbeddingChoice::Off,
        }
    }

    /// Time budget of a vector search, in milliseconds.
    pub(crate) fn vector_budget_milliseconds(&self) -> u64 {
        self.vector_budget_ms
    }

    /// Client of the web search; `None` if the web is not searched.
    ///
    /// # Errors
    ///
    /// If its URL is invalid.
    pub(crate) fn web(&self) -> anyhow::Result<Option<WebSearch>> {
        let url = Secret::reveal(self.searxng_url.as_ref());
        url.map(|url| WebSearch::new(&url))
            .transpose()
            .context("invalid web search URL (WENYUAN_SEARXNG_URL)")
    }
}

impl Group for SearchSettings {
    fn check(&self, problems: &mut Problems) {
        problems.note("search.searxng_url", self.web().map(drop));
        if let Ok(file) = self.model()
            && !file.is_file()
        {
            problems.add("search.embedding_model", &format!("no such file: {}", file.display()));
        }
    }
}
