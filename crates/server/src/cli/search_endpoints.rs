//! `wenyuan search-endpoints`: embedding and re-ranking endpoints. Their keys are never given on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use kernel::actor::Actor;
use kernel::update::FieldUpdate;
use library::embed::{self, EmbeddingStatus};
use library::endpoints::{
    self, EndpointUpdate, Limits, NewEndpoint, Purpose, SearchEndpoint, SearchEndpointTest,
};
use serde_json::json;

use super::keys_of::read_key;
use super::show::{self, BOLD, DIM, WRONG, styled};
use crate::app::{App, search_endpoints};

/// Arguments of `wenyuan search-endpoints`; lists endpoints by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List search endpoints, and the state of the vectors (default)
    List,
    /// Add a search endpoint, or change it
    Set(Box<Set>),
    /// Send a test request
    Test {
        /// Purpose
        purpose: PurposeArgument,
    },
    /// Delete a search endpoint with its key
    Delete {
        /// Purpose
        purpose: PurposeArgument,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum PurposeArgument {
    Embedding,
    Reranking,
}

impl From<PurposeArgument> for Purpose {
    fn from(purpose: PurposeArgument) -> Self {
        match purpose {
            PurposeArgument::Embedding => Self::Embedding,
            PurposeArgument::Reranking => Self::Reranking,
        }
    }
}

#[derive(Debug, Args)]
struct Set {
    /// Purpose
    purpose: PurposeArgument,

    /// Base URL, without /embeddings or /rerank: <https://models.example.org/v1>
    endpoint: Option<String>,

    /// Model ID at the endpoint
    #[arg(long)]
    model: Option<String>,

    /// Number of values of a vector [default: as the endpoint returns]
    #[arg(long, value_name = "NUMBER")]
    dimensions: Option<i32>,

    /// Text before each query, such as "query: "
    #[arg(long, value_name = "TEXT")]
    query_prefix: Option<String>,

    /// Text before each passage, such as "passage: "
    #[arg(long, value_name = "TEXT")]
    passage_prefix: Option<String>,

    /// File with the API key; - for standard input
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// Remove its key
    #[arg(long, conflicts_with = "api_key_file")]
    no_api_key: bool,

    /// Maximum length of a text; longer ones are cut [default: 8192, or 512 for re-ranking]
    #[arg(long, value_name = "TOKENS")]
    input_tokens: Option<i32>,

    /// Maximum number of texts in one request [default: 32, or 50 for re-ranking]
    #[arg(long, value_name = "NUMBER")]
    batch_size: Option<i32>,

    /// Time that a search waits, in milliseconds [default: 3000, or 1500 for re-ranking]
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<i32>,
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    let as_json = arguments.json;
    match arguments.action.unwrap_or(Action::List) {
        Action::List => list(app, &owner, as_json).await?,
        Action::Set(set) => {
            let endpoint = set_endpoint(app, &owner, *set).await?;
            if as_json {
                show::line(&serde_json::to_string_pretty(&endpoint)?);
            } else {
                print(&endpoint);
                let purpose = endpoint.purpose.as_str();
                show::note(&format!("to test it: wenyuan search-endpoints test {purpose}"));
            }
        }
        Action::Test { purpose } => {
            let purpose = purpose.into();
            let mut connection = store::postgres::acquire(app.pool()).await?;
            let target = endpoints::target(&mut connection, &app.secrets, &owner, purpose).await?;
            drop(connection);
            let tested = endpoints::test(purpose, target).await;
            if as_json {
                show::line(&serde_json::to_string_pretty(&tested)?);
            } else {
                print_test(&tested);
            }
            return Ok(if tested.works { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Action::Delete { purpose } => {
            let purpose = Purpose::from(purpose);
            let mut transaction = store::postgres::begin(app.pool()).await?;
            endpoints::delete(&mut transaction, &owner, purpose).await?;
            transaction.commit().await?;
            show::note(&format!("deleted the endpoint for {}", purpose.as_str()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn set_endpoint(app: &App, owner: &Actor, set: Set) -> anyhow::Result<SearchEndpoint> {
    let purpose = Purpose::from(set.purpose);
    let limits = Limits {
        input_tokens: set.input_tokens,
        batch_size: set.batch_size,
        timeout_milliseconds: set.timeout_ms,
    };
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let known = endpoints::list(&mut connection, owner).await?;
    drop(connection);
    if known.iter().any(|endpoint| endpoint.purpose == purpose) {
        let api_key = match (&set.api_key_file, set.no_api_key) {
            (Some(file), _) => FieldUpdate::Set(read_key(file)?),
            (None, true) => FieldUpdate::Clear,
            (None, false) => FieldUpdate::Keep,
        };
        let update = EndpointUpdate {
            endpoint: set.endpoint,
            model: set.model,
            api_key,
            dimensions: set.dimensions,
            query_prefix: set.query_prefix,
            passage_prefix: set.passage_prefix,
            limits,
        };
        let mut transaction = store::postgres::begin(app.pool()).await?;
        let changed = endpoints::update(&mut transaction, &app.secrets, owner, purpose, update).await?;
        transaction.commit().await?;
        return Ok(changed.after);
    }
    let (Some(endpoint), Some(model)) = (set.endpoint, set.model) else {
        anyhow::bail!("a new endpoint needs its URL and --model");
    };
    let new = NewEndpoint {
        endpoint,
        model,
        api_key: set.api_key_file.as_deref().map(read_key).transpose()?,
        dimensions: set.dimensions,
        query_prefix: set.query_prefix.unwrap_or_default(),
        passage_prefix: set.passage_prefix.unwrap_or_default(),
        limits,
    };
    Ok(search_endpoints::create(app, owner, purpose, new).await?)
}

async fn list(app: &App, owner: &Actor, as_json: bool) -> anyhow::Result<()> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let all = endpoints::list(&mut connection, owner).await?;
    drop(connection);
    let status = embed::status(&app.engine, owner).await?;
    if as_json {
        show::line(&serde_json::to_string_pretty(&json!({ "endpoints": all, "embedding": status }))?);
        return Ok(());
    }
    if all.is_empty() {
        show::note("no search endpoints; add one: wenyuan search-endpoints set embedding URL --model MODEL");
    }
    all.iter().for_each(print);
    print_status(&status);
    Ok(())
}

fn print(endpoint: &SearchEndpoint) {
    let purpose = endpoint.purpose.as_str();
    let mut line = format!("{}  {}  {}", styled(BOLD, purpose), endpoint.endpoint, endpoint.model);
    let key = if endpoint.has_api_key { "with a key" } else { "without a key" };
    let dimensions = endpoint.dimensions.map(|number| format!(", {number} dimensions")).unwrap_or_default();
    line.push_str(&styled(DIM, format!("  {key}{dimensions}, up to {} ms", endpoint.timeout_milliseconds)));
    show::line(&line);
}

fn print_status(status: &EmbeddingStatus) {
    match (&status.answering, &status.reason) {
        (Some(answering), _) => show::line(&format!("vectors in use: {answering}")),
        (None, reason) => show::line(&styled(WRONG, reason.as_deref().unwrap_or("no vectors are in use"))),
    }
    if let Some(target) = status.target.as_ref().filter(|target| Some(*target) != status.answering.as_ref()) {
        show::line(&format!(
            "being made: {target}, {} of {} passages",
            status.passages - status.missing,
            status.passages
        ));
    }
    show::line(&styled(
        DIM,
        format!("another model embeds {} passages, about {} tokens", status.passages, status.tokens),
    ));
}

fn print_test(tested: &SearchEndpointTest) {
    if let Some(problem) = &tested.problem {
        show::error(problem);
        return;
    }
    let dimensions = tested.dimensions.map(|number| format!(", {number} dimensions")).unwrap_or_default();
    show::line(&format!("works{dimensions}  {}", styled(DIM, format!("{} ms", tested.milliseconds))));
    if tested.is_sensible == Some(false) {
        show::note(
            "it found a text on another subject nearer to a question than its answer: check the model",
        );
    }
}
