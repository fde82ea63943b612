//! `wenyuan models`: language models. Their keys are never given on the command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use chat::models::{self, Limits, Model, ModelTest, ModelUpdate, NewModel};
use clap::{Args, Subcommand};
use kernel::actor::Actor;
use kernel::update::FieldUpdate;
use serde_json::json;

use super::keys_of::read_key;
use super::show::{self, BOLD, DIM, WRONG, styled};
use crate::app::App;

/// Timeout of a test; loading a model takes time.
const TEST_TIMEOUT: Duration = Duration::from_mins(5);

/// Arguments of `wenyuan models`; lists models by default.
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
    /// List language models (default)
    List,
    /// Add a language model
    Add(Add),
    /// Change a language model
    Change(Box<Changes>),
    /// Send a test request
    Test {
        /// Name or id
        model: String,
    },
    /// Set the default model
    Default {
        /// Name or id
        model: String,
    },
    /// Enable a language model
    Enable {
        /// Name or id
        model: String,
    },
    /// Disable a language model
    Disable {
        /// Name or id
        model: String,
    },
    /// Delete a language model with its key
    Delete {
        /// Name or id
        model: String,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Name: lower-case letters, digits, dots, underscores and dashes
    name: String,

    /// Base URL, without /chat/completions: <https://models.example.org/v1>
    endpoint: String,

    /// Model ID at the endpoint [default: the name]
    #[arg(long)]
    model: Option<String>,

    /// File with the API key; - for standard input
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// Make it the default model
    #[arg(long)]
    default: bool,

    #[command(flatten)]
    numbers: Numbers,
}

#[derive(Debug, Args)]
struct Changes {
    /// Name or id
    wanted: String,

    /// New name
    #[arg(long)]
    name: Option<String>,

    /// New base URL; a different host needs the key again, or none
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Model ID at the endpoint
    #[arg(long)]
    model: Option<String>,

    /// File with a new API key; - for standard input
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,

    /// Remove its key
    #[arg(long, conflicts_with = "api_key_file")]
    no_api_key: bool,

    #[command(flatten)]
    numbers: Numbers,
}

#[derive(Debug, Clone, Copy, Args)]
struct Numbers {
    /// Context window in tokens, question and answer together [default: 8192]
    #[arg(long, value_name = "TOKENS")]
    context_tokens: Option<i32>,

    /// Maximum answer length in tokens [default: 1024]
    #[arg(long, value_name = "TOKENS")]
    answer_tokens: Option<i32>,

    /// Timeout for the first token, in seconds [default: 120]
    #[arg(long, value_name = "SECONDS")]
    first_seconds: Option<i32>,

    /// Timeout between tokens, in seconds [default: 60]
    // Named apart from the setting of the same name.
    #[arg(id = "model_idle_seconds", long = "idle-seconds", value_name = "SECONDS")]
    idle_seconds: Option<i32>,

    /// Concurrent answers [default: 4]
    #[arg(long, value_name = "NUMBER")]
    concurrency: Option<i32>,
}

impl From<Numbers> for Limits {
    fn from(numbers: Numbers) -> Self {
        Self {
            context_tokens: numbers.context_tokens,
            answer_tokens: numbers.answer_tokens,
            first_seconds: numbers.first_seconds,
            idle_seconds: numbers.idle_seconds,
            concurrency: numbers.concurrency,
        }
    }
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    let as_json = arguments.json;
    let changed = match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            list(app, &owner, as_json).await?;
            return Ok(ExitCode::SUCCESS);
        }
        Action::Add(new) => add(app, &owner, new).await?,
        Action::Change(changes) => {
            let api_key = match (&changes.api_key_file, changes.no_api_key) {
                (Some(file), _) => FieldUpdate::Set(read_key(file)?),
                (None, true) => FieldUpdate::Clear,
                (None, false) => FieldUpdate::Keep,
            };
            let change = ModelUpdate {
                name: changes.name,
                endpoint: changes.endpoint,
                model: changes.model,
                api_key,
                limits: changes.numbers.into(),
                ..ModelUpdate::default()
            };
            let model = change_model(app, &owner, &changes.wanted, change).await?;
            (format!("changed {}", styled(BOLD, &model.name)), model)
        }
        Action::Test { model } => return test(app, &owner, &model, as_json).await,
        Action::Default { model } => {
            let change = ModelUpdate { is_default: Some(true), ..ModelUpdate::default() };
            let model = change_model(app, &owner, &model, change).await?;
            (format!("{} answers where no language model is named", styled(BOLD, &model.name)), model)
        }
        Action::Enable { model } => {
            let change = ModelUpdate { enabled: Some(true), ..ModelUpdate::default() };
            let model = change_model(app, &owner, &model, change).await?;
            (format!("{} may be asked", styled(BOLD, &model.name)), model)
        }
        Action::Disable { model } => {
            let change = ModelUpdate { enabled: Some(false), ..ModelUpdate::default() };
            let model = change_model(app, &owner, &model, change).await?;
            (format!("{} is not asked from now on", styled(BOLD, &model.name)), model)
        }
        Action::Delete { model } => {
            let mut transaction = store::postgres::begin(app.pool()).await?;
            models::delete(&mut transaction, &owner, &model).await?;
            transaction.commit().await?;
            show::note(&format!("deleted language model {model}"));
            return Ok(ExitCode::SUCCESS);
        }
    };
    let (told, model) = changed;
    if as_json {
        show::line(&serde_json::to_string_pretty(&model)?);
    } else {
        show::note(&told);
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(app: &App, owner: &Actor, as_json: bool) -> anyhow::Result<()> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let all = models::list(&mut connection, owner).await?;
    if as_json {
        show::line(&serde_json::to_string_pretty(&json!(all))?);
    } else if all.is_empty() {
        show::note("no language models yet; add one: wenyuan models add NAME ENDPOINT");
    } else {
        all.iter().for_each(print);
    }
    Ok(())
}

async fn add(app: &App, owner: &Actor, new: Add) -> anyhow::Result<(String, Model)> {
    let new = NewModel {
        model: new.model.unwrap_or_else(|| new.name.clone()),
        name: new.name,
        endpoint: new.endpoint,
        api_key: new.api_key_file.as_deref().map(read_key).transpose()?,
        limits: new.numbers.into(),
        enabled: true,
        is_default: new.default,
    };
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let model = models::create(&mut transaction, &app.secrets, owner, new).await?;
    transaction.commit().await?;
    let told = format!("added {}; to test it: wenyuan models test {}", styled(BOLD, &model.name), model.name);
    Ok((told, model))
}

async fn change_model(app: &App, owner: &Actor, wanted: &str, change: ModelUpdate) -> anyhow::Result<Model> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let changed = models::update(&mut transaction, &app.secrets, owner, wanted, change).await?;
    transaction.commit().await?;
    Ok(changed.after)
}

async fn test(app: &App, owner: &Actor, wanted: &str, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let target = models::target(&mut connection, &app.secrets, owner, wanted).await?;
    drop(connection);
    let tried = models::test(&app.models, &target, TEST_TIMEOUT).await;
    if as_json {
        show::line(&serde_json::to_string_pretty(&tried)?);
    } else {
        print_tried(&tried);
    }
    Ok(if tried.works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(model: &Model) {
    let mut line = format!("{}  {}  {}", styled(BOLD, &model.name), model.endpoint, model.model);
    let key = if model.has_api_key { "with a key" } else { "without a key" };
    line.push_str(&styled(DIM, format!("  {key}, context of {} tokens", model.context_tokens)));
    if model.is_default {
        line.push_str("  default");
    }
    if !model.enabled {
        line.push_str(&styled(WRONG, "  disabled"));
    }
    show::line(&line);
}

fn print_tried(tried: &ModelTest) {
    if let Some(problem) = &tried.problem {
        show::error(problem);
        return;
    }
    let first = tried.first_milliseconds.unwrap_or_default();
    show::line(&format!(
        "{}  {}",
        tried.answer.as_deref().unwrap_or_default(),
        styled(DIM, format!("{} ms, of which {first} to begin", tried.milliseconds))
    ));
}
