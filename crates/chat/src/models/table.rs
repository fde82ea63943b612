//! Table of language models. An API key goes in and is used; it is never returned, only whether there is one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::update::FieldUpdate;
use serde::Serialize;
use sqlx::PgConnection;
use store::credentials::{self, ApiKeyColumn, SealedKey, StoredKey, name_for_message};
use store::sealed::ResealReport;
use store::secrets::Sealer;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::Target;
use super::validate::{ValidatedLimits, parse_endpoint, validate_model};
use crate::Error;

kernel::id! {
    /// Id of a language model.
    ModelId
}

/// Maximum number of configured models.
const MAX_MODELS: i64 = 100;
/// Maximum number of names in an error message.
const MAX_NAMES_IN_MESSAGE: usize = 20;

const API_KEYS: ApiKeyColumn = ApiKeyColumn::new("chat.models/api_key", "language model");

/// A language model, without its API key. For administrators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LanguageModel)]
pub struct Model {
    /// Id.
    #[schema(value_type = uuid::Uuid)]
    pub id: ModelId,
    /// Unique name, by which users choose the model.
    pub name: String,
    /// Base URL of the OpenAI-compatible API, without `/chat/completions`.
    pub endpoint: String,
    /// Name of the model at the endpoint.
    pub model: String,
    /// Whether an API key is stored. The key itself is never returned.
    pub has_api_key: bool,
    /// Context window in tokens: question and answer together.
    pub context_tokens: i32,
    /// Maximum length of an answer in tokens.
    pub answer_tokens: i32,
    /// Timeout of the first part of an answer, in seconds.
    pub first_seconds: i32,
    /// Timeout of each further part of an answer, in seconds.
    pub idle_seconds: i32,
    /// Maximum number of concurrent answers on each node.
    pub concurrency: i32,
    /// Whether the model can be used.
    pub enabled: bool,
    /// Whether the model answers when a request names none.
    pub is_default: bool,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// A language model that users can choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LanguageModelChoice)]
pub struct ModelChoice {
    /// Unique name.
    pub name: String,
    /// Whether the model answers when a request names none.
    pub is_default: bool,
}

/// Limits to set on a model. `None` keeps the value on update; a new model gets 8192 tokens of context, answers of 1024
/// tokens, timeouts of 120 and 60 seconds, and 4 concurrent answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Context window in tokens, question and answer together: 1024 to 10,000,000.
    pub context_tokens: Option<i32>,
    /// Maximum length of an answer in tokens: 16 to half of the context window.
    pub answer_tokens: Option<i32>,
    /// Timeout of the first part of an answer, in seconds: 1 to 3600.
    pub first_seconds: Option<i32>,
    /// Timeout of each further part of an answer, in seconds: 1 to 3600.
    pub idle_seconds: Option<i32>,
    /// Maximum number of concurrent answers on each node: 1 to 1000.
    pub concurrency: Option<i32>,
}

/// Language model to add.
#[derive(Debug, Clone)]
pub struct NewModel {
    /// Unique name: 1 to 60 lower-case letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Base URL of the OpenAI-compatible API: http or https, with or without `/chat/completions`.
    pub endpoint: String,
    /// Name of the model at the endpoint.
    pub model: String,
    /// API key to send to the endpoint.
    pub api_key: Option<Zeroizing<String>>,
    /// Limits.
    pub limits: Limits,
    /// Whether the model can be used.
    pub enabled: bool,
    /// Whether the model answers when a request names none; then no other model does.
    pub is_default: bool,
}

/// Changes to a language model; `None` and `Keep` leave a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ModelUpdate {
    /// Unique name.
    pub name: Option<String>,
    /// Base URL. If its origin changes, a stored API key must be set again or removed.
    pub endpoint: Option<String>,
    /// Name of the model at the endpoint.
    pub model: Option<String>,
    /// API key to send to the endpoint.
    pub api_key: FieldUpdate<Zeroizing<String>>,
    /// Limits.
    pub limits: Limits,
    /// Whether the model can be used.
    pub enabled: Option<bool>,
    /// Whether the model answers when a request names none; then no other model does.
    pub is_default: Option<bool>,
}

/// Language model before and after an update, read in one transaction.
#[derive(Debug, Clone)]
pub struct ModelChange {
    /// State before the update.
    pub before: Model,
    /// State after the update.
    pub after: Model,
}

/// Returns all models, by name.
///
/// # Errors
///
/// If the actor is not an administrator in person.
pub async fn list(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<Model>, Error> {
    require_admin(actor)?;
    Ok(sqlx::query_as!(
        Model,
        r#"-- models.list
         select id as "id: ModelId", name, endpoint, model, api_key is not null as "has_api_key!", context_tokens,
           answer_tokens, first_seconds, idle_seconds, concurrency, enabled, is_default, created_at, updated_at
         from chat.models order by name limit $1"#,
        MAX_MODELS,
    )
    .fetch_all(connection)
    .await?)
}

/// Returns the enabled models, by name.
///
/// # Errors
///
/// If the actor is not signed in.
pub async fn choices(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<ModelChoice>, Error> {
    require_signed_in(actor)?;
    let rows = sqlx::query!(
        r#"-- models.choices
         select name, id = first_value(id) over (order by is_default desc, created_at, id) as "is_default!"
         from chat.models where enabled order by name limit $1"#,
        MAX_MODELS,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| ModelChoice { name: row.name, is_default: row.is_default }).collect())
}

/// Returns a model by name or id.
///
/// # Errors
///
/// If the actor is not an administrator in person, or there is no such model.
pub async fn find(connection: &mut PgConnection, actor: &Actor, name_or_id: &str) -> Result<Model, Error> {
    require_admin(actor)?;
    Ok(lock(connection, name_or_id).await?.into())
}

/// Adds a model.
///
/// # Errors
///
/// If the actor is not an administrator in person, a field is invalid, the name is taken, or 100 models exist.
pub async fn create(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    new: NewModel,
) -> Result<Model, Error> {
    require_admin(actor)?;
    credentials::check_name(&new.name)?;
    validate_model(&new.model)?;
    let endpoint = parse_endpoint(&new.endpoint)?;
    let numbers = ValidatedLimits::of(new.limits, None)?;
    let id = ModelId::new();
    let api_key = new.api_key.as_deref().map(String::as_str);
    let sealed = API_KEYS.seal(connection, sealer, id.0, api_key).await?;
    if new.is_default {
        clear_default(connection, id).await?;
    }
    let inserted = sqlx::query!(
        "-- models.create
         insert into chat.models
           (id, name, endpoint, model, api_key, context_tokens, answer_tokens, first_seconds, idle_seconds, concurrency,
            enabled, is_default)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 where (select count(*) from chat.models) < $13",
        id.0,
        new.name,
        endpoint.as_str(),
        new.model,
        sealed,
        numbers.context_tokens,
        numbers.answer_tokens,
        numbers.first_seconds,
        numbers.idle_seconds,
        numbers.concurrency,
        new.enabled,
        new.is_default,
        MAX_MODELS,
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(Error::Invalid(format!(
            "too many language models: at most {MAX_MODELS} can be added; delete one that is not used"
        )));
    }
    Ok(lock(connection, &id.to_string()).await?.into())
}

/// Updates a model by name or id.
///
/// # Errors
///
/// As [`create`]; also if there is no such model, or a stored API key would be sent to another origin.
pub async fn update(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    name_or_id: &str,
    update: ModelUpdate,
) -> Result<ModelChange, Error> {
    require_admin(actor)?;
    let mut row = lock(connection, name_or_id).await?;
    let api_key = row.api_key.take();
    let before = Model { has_api_key: api_key.is_some(), ..Model::from(row) };
    let name = update.name.unwrap_or_else(|| before.name.clone());
    credentials::check_name(&name)?;
    let model = update.model.unwrap_or_else(|| before.model.clone());
    validate_model(&model)?;
    let stored = StoredKey { sealed: api_key, endpoint: parse_endpoint(&before.endpoint)? };
    let endpoint = match &update.endpoint {
        Some(text) => parse_endpoint(text)?,
        None => stored.endpoint.clone(),
    };
    let sealed = API_KEYS.update(connection, sealer, before.id.0, stored, &endpoint, update.api_key).await?;
    let numbers = ValidatedLimits::of(update.limits, Some(&before))?;
    let is_default = update.is_default.unwrap_or(before.is_default);
    if is_default && !before.is_default {
        clear_default(connection, before.id).await?;
    }
    sqlx::query!(
        "-- models.change
         update chat.models
         set name = $2, endpoint = $3, model = $4, api_key = $5, context_tokens = $6, answer_tokens = $7,
           first_seconds = $8, idle_seconds = $9, concurrency = $10, enabled = $11, is_default = $12, updated_at = now()
         where id = $1",
        before.id.0,
        name,
        endpoint.as_str(),
        model,
        sealed,
        numbers.context_tokens,
        numbers.answer_tokens,
        numbers.first_seconds,
        numbers.idle_seconds,
        numbers.concurrency,
        update.enabled.unwrap_or(before.enabled),
        is_default,
    )
    .execute(&mut *connection)
    .await?;
    let after = lock(connection, &before.id.to_string()).await?.into();
    Ok(ModelChange { before, after })
}

/// Deletes a model by name or id, with its API key. The next question of a chat that uses it is refused with the names of
/// the others.
///
/// # Errors
///
/// If the actor is not an administrator in person, or there is no such model.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, name_or_id: &str) -> Result<(), Error> {
    require_admin(actor)?;
    let deleted = sqlx::query!(
        "-- models.delete
         delete from chat.models where id::text = $1 or name = $1",
        name_or_id,
    )
    .execute(connection)
    .await?;
    if deleted.rows_affected() == 0 { Err(not_found(name_or_id)) } else { Ok(()) }
}

/// Returns a model by name or id with its opened API key, also while it is disabled.
///
/// # Errors
///
/// If the actor is not an administrator in person, there is no such model, or its API key cannot be opened.
pub async fn target(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    name_or_id: &str,
) -> Result<Target, Error> {
    require_admin(actor)?;
    open(sealer, lock(connection, name_or_id).await?)
}

/// Resolves the model that answers a question: the enabled model of this name; without a name the default one, or else the
/// oldest enabled one; `None` if no model is enabled.
///
/// # Errors
///
/// If the actor is not signed in, no enabled model has this name (the text lists those that there are), or the API key cannot
/// be opened.
pub async fn resolve(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    name: Option<&str>,
) -> Result<Option<Target>, Error> {
    require_signed_in(actor)?;
    let row = sqlx::query_as!(
        Row,
        r#"-- models.choose
         select id as "id: ModelId", name, endpoint, model, api_key, context_tokens, answer_tokens, first_seconds,
           idle_seconds, concurrency, enabled, is_default, created_at, updated_at
         from chat.models where enabled and ($1::text is null or name = $1)
         order by is_default desc, created_at, id limit 1"#,
        name,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = row {
        return Ok(Some(open(sealer, row)?));
    }
    let Some(name) = name else { return Ok(None) };
    let available = sqlx::query_scalar!(
        "-- models.present
         select name from chat.models where enabled order by name limit $1",
        MAX_MODELS,
    )
    .fetch_all(connection)
    .await?;
    let name = name_for_message(name);
    Err(Error::NotFound(if available.is_empty() {
        format!(
            "no language model {name} is enabled, and no other: an administrator adds one with `wenyuan models add`, or \
             enables one with `wenyuan models enable`"
        )
    } else {
        let listed =
            available.iter().take(MAX_NAMES_IN_MESSAGE).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if available.len() > MAX_NAMES_IN_MESSAGE { " …" } else { "" };
        format!("no language model {name} is enabled; available: {listed}{more}")
    }))
}

/// Seals with the newest master key the API keys that are sealed with an older one.
///
/// # Errors
///
/// If the database or the sealer fails. A key that cannot be opened is reported and stays as it is.
pub async fn reseal(connection: &mut PgConnection, sealer: &Sealer) -> Result<ResealReport, Error> {
    let rows = sqlx::query_as!(
        SealedKey,
        r#"-- models.sealed
         select id, name, api_key as "sealed!" from chat.models
         where api_key is not null order by id limit $1 for update"#,
        MAX_MODELS,
    )
    .fetch_all(&mut *connection)
    .await?;
    let resealed = API_KEYS.reseal(sealer, rows)?;
    sqlx::query!(
        "-- models.reseal
         update chat.models as model set api_key = resealed.api_key
         from unnest($1::uuid[], $2::bytea[]) as resealed (id, api_key) where model.id = resealed.id",
        &resealed.ids,
        &resealed.sealed,
    )
    .execute(connection)
    .await?;
    Ok(resealed.report)
}

fn require_signed_in(actor: &Actor) -> Result<(), Error> {
    if actor.is_anonymous() { Err(Error::SignIn) } else { Ok(()) }
}

fn require_admin(actor: &Actor) -> Result<(), Error> {
    if actor.is_admin() {
        Ok(())
    } else if actor.is_anonymous() {
        Err(Error::SignIn)
    } else {
        Err(Error::NotAllowed(
            "only an administrator who is signed in can do this; an API key cannot".to_owned(),
        ))
    }
}

fn not_found(name_or_id: &str) -> Error {
    let name = name_for_message(name_or_id);
    Error::NotFound(format!("there is no language model {name}; `wenyuan models` lists them"))
}

/// Row of `chat.models`.
struct Row {
    id: ModelId,
    name: String,
    endpoint: String,
    model: String,
    api_key: Option<Vec<u8>>,
    context_tokens: i32,
    answer_tokens: i32,
    first_seconds: i32,
    idle_seconds: i32,
    concurrency: i32,
    enabled: bool,
    is_default: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Row> for Model {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            endpoint: row.endpoint,
            model: row.model,
            has_api_key: row.api_key.is_some(),
            context_tokens: row.context_tokens,
            answer_tokens: row.answer_tokens,
            first_seconds: row.first_seconds,
            idle_seconds: row.idle_seconds,
            concurrency: row.concurrency,
            enabled: row.enabled,
            is_default: row.is_default,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Reads a model by name or id (an id wins) and locks its row until the end of the transaction.
async fn lock(connection: &mut PgConnection, name_or_id: &str) -> Result<Row, Error> {
    sqlx::query_as!(
        Row,
        r#"-- models.find
         select id as "id: ModelId", name, endpoint, model, api_key, context_tokens, answer_tokens, first_seconds,
           idle_seconds, concurrency, enabled, is_default, created_at, updated_at
         from chat.models where id::text = $1 or name = $1 order by id::text = $1 desc limit 1 for no key update"#,
        name_or_id,
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| not_found(name_or_id))
}

/// Clears the default of every model but one.
async fn clear_default(connection: &mut PgConnection, except: ModelId) -> Result<(), Error> {
    sqlx::query!(
        "-- models.no_default
         update chat.models set is_default = false, updated_at = now() where is_default and id <> $1",
        except.0,
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn open(sealer: &Sealer, row: Row) -> Result<Target, Error> {
    let api_key = API_KEYS.open(sealer, row.id.0, row.api_key.as_deref())?;
    let size = |number: i32| usize::try_from(number).unwrap_or_default();
    let seconds = |number: i32| Duration::from_secs(u64::try_from(number).unwrap_or_default());
    Ok(Target {
        endpoint: parse_endpoint(&row.endpoint)?,
        name: row.name,
        model: row.model,
        api_key,
        context_tokens: size(row.context_tokens),
        answer_tokens: size(row.answer_tokens),
        first: seconds(row.first_seconds),
        idle: seconds(row.idle_seconds),
        concurrency: size(row.concurrency),
    })
}
