//! `[graphql]`: which documents are executed, and what a request may cost.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::{Group, Problems};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "GraphQL")]
pub(crate) struct GraphqlSettings {
    /// File with trusted documents: a JSON object of documents by their SHA-256, as Apollo's, Relay's and urql's tools write it
    #[arg(
        id = "graphql.documents",
        long = "graphql-documents",
        env = "WENYUAN_GRAPHQL_DOCUMENTS",
        value_name = "FILE"
    )]
    documents: Option<PathBuf>,

    /// Whether documents of that file are executed beside all others, or only these
    #[arg(
        id = "graphql.trusted",
        long = "graphql-trusted",
        env = "WENYUAN_GRAPHQL_TRUSTED",
        value_enum,
        default_value_t
    )]
    trusted: Trusted,

    /// Maximum complexity of a request: each field counts 1, those of a list once for each item asked for
    #[arg(
        id = "graphql.max_complexity",
        long = "graphql-max-complexity",
        env = "WENYUAN_GRAPHQL_MAX_COMPLEXITY",
        default_value_t = 10_000,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(100..=1_000_000)
    )]
    max_complexity: u32,

    /// Maximum depth of the fields of a request
    #[arg(
        id = "graphql.max_depth",
        long = "graphql-max-depth",
        env = "WENYUAN_GRAPHQL_MAX_DEPTH",
        default_value_t = 15,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(3..=50)
    )]
    max_depth: u32,
}

/// Which documents are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Trusted {
    /// All.
    #[default]
    Also,
    /// Those of the file only.
    Only,
}

impl GraphqlSettings {
    fn documents(&self) -> Option<&Path> {
        self.documents.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// Reads the trusted documents, by their ids. Reads an object of documents by id, and Apollo's manifest of operations.
    pub(crate) fn trusted_documents(&self) -> anyhow::Result<HashMap<String, String>> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Manifest {
            Operations { operations: Vec<Operation> },
            Documents(HashMap<String, String>),
        }
        #[derive(Deserialize)]
        struct Operation {
            id: String,
            body: String,
        }
        let Some(path) = self.documents() else { return Ok(HashMap::new()) };
        let text = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        let manifest = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no JSON object of documents by their ids", path.display()))?;
        Ok(match manifest {
            Manifest::Operations { operations } => {
                operations.into_iter().map(|operation| (operation.id, operation.body)).collect()
            }
            Manifest::Documents(documents) => documents,
        })
    }

    /// Whether only documents of the file are executed.
    pub(crate) fn only_trusted(&self) -> bool {
        self.trusted == Trusted::Only
    }

    /// Maximum complexity of a request.
    pub(crate) fn max_complexity(&self) -> usize {
        self.max_complexity as usize
    }

    /// Maximum depth of the fields of a request.
    pub(crate) fn max_depth(&self) -> usize {
        self.max_depth as usize
    }
}

impl Group for GraphqlSettings {
    fn check(&self, problems: &mut Problems) {
        if self.only_trusted() && self.documents().is_none() {
            problems.add("graphql.documents", "set the file whose documents alone are executed");
        }
        problems.note("graphql.documents", self.trusted_documents().map(drop));
    }
}
