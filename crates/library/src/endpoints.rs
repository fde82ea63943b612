//! Endpoints of one's own for embedding and re-ranking: which there are, set by administrators.
//!
//! There is one endpoint of each [`Purpose`]. When the embedding endpoint changes so that its vectors are others, the old one is kept
//! until all passages have the new vectors ([`crate::embed::switch_if_complete`]): it embeds the queries meanwhile. API keys are
//! write-only: no function returns one. [`client`] speaks the protocols, [`crate::embedder`] decides which endpoint is used.

pub mod client;
mod connection_test;
mod validate;

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::actor::Actor;
use kernel::update::FieldUpdate;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::credentials::{ApiKeyColumn, SealedKey, StoredKey};
use store::sealed::ResealReport;
use store::secrets::Sealer;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Error, changes};
use validate::{ValidatedLimits, parse_endpoint, validate_model, validate_prefix};

pub use connection_test::{SearchEndpointTest, test};
pub use validate::{
    BATCH_SIZE, DIMENSIONS, INPUT_TOKENS, MAX_MODEL_CHARS, MAX_PREFIX_CHARS, TIMEOUT_MILLISECONDS,
};

const API_KEYS: ApiKeyColumn = ApiKeyColumn::new("library.search_endpoints/api_key", "search endpoint");
/// Endpoints that are sealed anew at once: one of each purpose, and those that were replaced.
const MAX_ENDPOINTS: i64 = 100;

/// Purpose of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
#[schema(as = SearchEndpointPurpose)]
pub enum Purpose {
    /// Vectors of passages and queries: `/v1/embeddings`.
    Embedding,
    /// Order of the best passages: `/v1/rerank`.
    Reranking,
}

impl Purpose {
    /// Returns the name in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Reranking => "reranking",
        }
    }

    /// Returns the purpose with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Embedding, Self::Reranking].into_iter().find(|purpose| purpose.as_str() == name)
    }
}

/// A search endpoint, without its API key. For administrators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SearchEndpoint {
    /// Purpose.
    pub purpose: Purpose,
    /// Base URL of the API, without `/embeddings` or `/rerank`.
    pub endpoint: String,
    /// Name of the model at the endpoint.
    pub model: String,
    /// Whether an API key is stored. The key itself is never returned.
    pub has_api_key: bool,
    /// Number of values of a vector; null for re-ranking.
    pub dimensions: Option<i32>,
    /// Text before each query.
    pub query_prefix: String,
    /// Text before each passage.
    pub passage_prefix: String,
    /// Maximum length of a text in tokens, by estimate; longer ones are cut.
    pub input_tokens: i32,
    /// Maximum number of texts in one request.
    pub batch_size: i32,
    /// Time that a search waits for the endpoint, in milliseconds; then it goes on without.
    pub timeout_milliseconds: i32,
    /// Name of the vectors that it makes.
    pub vector_model: String,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Time of the last change.
    pub updated_at: DateTime<Utc>,
}

/// Limits to set. `None` keeps the value on update; a new endpoint takes defaults that suit its purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Maximum length of a text in tokens: 64 to 1,000,000; 8192 by default, 512 for re-ranking.
    pub input_tokens: Option<i32>,
    /// Maximum number of texts in one request: 1 to 256; 32 by default, 50 for re-ranking.
    pub batch_size: Option<i32>,
    /// Time that a search waits: 50 to 60,000 ms; 3000 by default, 1500 for re-ranking.
    pub timeout_milliseconds: Option<i32>,
}

/// Search endpoint to set.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Base URL: http or https, with or without `/embeddings` or `/rerank`.
    pub endpoint: String,
    /// Name of the model at the endpoint.
    pub model: String,
    /// API key to send to the endpoint.
    pub api_key: Option<Zeroizing<String>>,
    /// Number of values of a vector, for embedding: 1 to 4000.
    pub dimensions: Option<i32>,
    /// Text before each query.
    pub query_prefix: String,
    /// Text before each passage.
    pub passage_prefix: String,
    /// Limits.
    pub limits: Limits,
}

/// Changes of a search endpoint; `None` and `Keep` leave a field as it is.
#[derive(Debug, Clone, Default)]
pub struct EndpointUpdate {
    /// Base URL. If its origin changes, a stored API key must be set again or removed.
    pub endpoint: Option<String>,
    /// Name of the model at the endpoint.
    pub model: Option<String>,
    /// API key to send to the endpoint.
    pub api_key: FieldUpdate<Zeroizing<String>>,
    /// Number of values of a vector.
    pub dimensions: Option<i32>,
    /// Text before each query.
    pub query_prefix: Option<String>,
    /// Text before each passage.
    pub passage_prefix: Option<String>,
    /// Limits.
    pub limits: Limits,
}

/// Endpoint before and after an update, read in one transaction.
#[derive(Debug, Clone)]
pub struct EndpointChange {
    /// State before the update.
    pub before: SearchEndpoint,
    /// State after the update.
    pub after: SearchEndpoint,
}

/// Connection parameters of an endpoint.
#[derive(Clone)]
pub struct Target {
    /// Base URL, without `/embeddings` or `/rerank`.
    pub endpoint: Url,
    /// Model name sent to the endpoint.
    pub model: String,
    pub(crate) api_key: Option<Zeroizing<String>>,
    /// Number of values of a vector; 0 for re-ranking.
    pub dimensions: usize,
    /// Text before each query.
    pub query_prefix: String,
    /// Text before each passage.
    pub passage_prefix: String,
    /// Maximum length of a text in tokens, by estimate.
    pub input_tokens: usize,
    /// Maximum number of texts in one request.
    pub batch_size: usize,
    /// Time that a search waits.
    pub timeout: Duration,
    /// Name of the vectors that it makes.
    pub vector_model: String,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Target").field("vector_model", &self.vector_model).finish_non_exhaustive()
    }
}

/// Returns the current endpoints.
///
/// # Errors
///
/// Fails unless the actor is an administrator.
pub async fn list(connection: &mut PgConnection, actor: &Actor) -> Result<Vec<SearchEndpoint>, Error> {
    require_admin(actor)?;
    Ok(rows(connection, true).await?.into_iter().map(SearchEndpoint::from).collect())
}

/// Returns the current endpoint of this purpose.
///
/// # Errors
///
/// Fails unless the actor is an administrator, or if there is none.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    purpose: Purpose,
) -> Result<SearchEndpoint, Error> {
    require_admin(actor)?;
    Ok(lock(connection, purpose).await?.ok_or_else(|| not_found(purpose))?.into())
}

/// Sets the endpoint of this purpose, where there is none.
///
/// # Errors
///
/// Fails unless the actor is an administrator, if a field is invalid, or if there is an endpoint of this purpose.
pub async fn create(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    purpose: Purpose,
    new: NewEndpoint,
) -> Result<SearchEndpoint, Error> {
    require_admin(actor)?;
    if lock(connection, purpose).await?.is_some() {
        return Err(Error::Invalid(format!(
            "there is an endpoint for {} already: change it, or delete it first",
            purpose.as_str()
        )));
    }
    let draft = Draft {
        endpoint: parse_endpoint(&new.endpoint)?,
        model: new.model,
        dimensions: new.dimensions,
        query_prefix: new.query_prefix,
        passage_prefix: new.passage_prefix,
        limits: ValidatedLimits::of(purpose, new.limits, None)?,
    };
    draft.validate(purpose)?;
    let id = kernel::id::new();
    let api_key = new.api_key.as_deref().map(String::as_str);
    let sealed = API_KEYS.seal(connection, sealer, id, api_key).await?;
    insert(connection, id, purpose, &draft, sealed).await?;
    changes::record_catalogue(connection).await?;
    lock(connection, purpose).await?.map(SearchEndpoint::from).ok_or_else(|| not_found(purpose))
}

/// Changes the endpoint of this purpose. If it makes other vectors then, the old one is kept until they are made.
///
/// # Errors
///
/// As [`create`]; also if there is none, or a stored API key would be sent to another origin.
pub async fn update(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    purpose: Purpose,
    update: EndpointUpdate,
) -> Result<EndpointChange, Error> {
    require_admin(actor)?;
    let mut row = lock(connection, purpose).await?.ok_or_else(|| not_found(purpose))?;
    let (id, api_key) = (row.id, row.api_key.take());
    let before = SearchEndpoint { has_api_key: api_key.is_some(), ..SearchEndpoint::from(row) };
    let stored = StoredKey { sealed: api_key, endpoint: parse_endpoint(&before.endpoint)? };
    let endpoint = match &update.endpoint {
        Some(text) => parse_endpoint(text)?,
        None => stored.endpoint.clone(),
    };
    let draft = Draft {
        endpoint,
        model: update.model.unwrap_or_else(|| before.model.clone()),
        dimensions: update.dimensions.or(before.dimensions),
        query_prefix: update.query_prefix.unwrap_or_else(|| before.query_prefix.clone()),
        passage_prefix: update.passage_prefix.unwrap_or_else(|| before.passage_prefix.clone()),
        limits: ValidatedLimits::of(purpose, update.limits, Some(&before))?,
    };
    draft.validate(purpose)?;
    let makes_others = purpose == Purpose::Embedding && draft.vector_model() != before.vector_model;
    let id_after = if makes_others { kernel::id::new() } else { id };
    let sealed = match (makes_others, update.api_key) {
        // A key is bound to its row, so a kept one is sealed anew for the new row.
        (true, FieldUpdate::Keep) => {
            let kept =
                API_KEYS.update(connection, sealer, id, stored, &draft.endpoint, FieldUpdate::Keep).await?;
            let plain = API_KEYS.open(sealer, id, kept.as_deref())?;
            API_KEYS.seal(connection, sealer, id_after, plain.as_deref().map(String::as_str)).await?
        }
        (_, api_key) => {
            API_KEYS.update(connection, sealer, id_after, stored, &draft.endpoint, api_key).await?
        }
    };
    if makes_others {
        retire(connection, purpose).await?;
        insert(connection, id_after, purpose, &draft, sealed).await?;
    } else {
        sqlx::query!(
            "-- search_endpoints.change
             update library.search_endpoints
             set endpoint = $2, model = $3, api_key = $4, query_prefix = $5, passage_prefix = $6, input_tokens = $7,
               batch_size = $8, timeout_milliseconds = $9, vector_model = $10, updated_at = now()
             where id = $1",
            id,
            draft.endpoint.as_str(),
            draft.model,
            sealed,
            draft.query_prefix,
            draft.passage_prefix,
            draft.limits.input_tokens,
            draft.limits.batch_size,
            draft.limits.timeout_milliseconds,
            draft.vector_model(),
        )
        .execute(&mut *connection)
        .await?;
    }
    changes::record_catalogue(connection).await?;
    let after = lock(connection, purpose).await?.ok_or_else(|| not_found(purpose))?.into();
    Ok(EndpointChange { before, after })
}

/// Deletes the endpoint of this purpose. The vectors of an embedding endpoint stay until those of another model are complete.
///
/// # Errors
///
/// Fails unless the actor is an administrator, or if there is none.
pub async fn delete(connection: &mut PgConnection, actor: &Actor, purpose: Purpose) -> Result<(), Error> {
    require_admin(actor)?;
    lock(connection, purpose).await?.ok_or_else(|| not_found(purpose))?;
    match purpose {
        Purpose::Embedding => retire(connection, purpose).await?,
        Purpose::Reranking => {
            sqlx::query!(
                "-- search_endpoints.delete
                 delete from library.search_endpoints where purpose = 'reranking'"
            )
            .execute(&mut *connection)
            .await?;
        }
    }
    changes::record_catalogue(connection).await
}

/// Returns the endpoint of this purpose with its opened API key.
///
/// # Errors
///
/// Fails unless the actor is an administrator, if there is none, or its API key cannot be opened.
pub async fn target(
    connection: &mut PgConnection,
    sealer: &Sealer,
    actor: &Actor,
    purpose: Purpose,
) -> Result<Target, Error> {
    require_admin(actor)?;
    lock(connection, purpose).await?.ok_or_else(|| not_found(purpose))?.open(sealer)
}

/// Returns the connection parameters of an endpoint that is not stored, to test it before.
///
/// # Errors
///
/// Fails unless the actor is an administrator, or if a field is invalid.
pub fn unstored_target(actor: &Actor, purpose: Purpose, new: NewEndpoint) -> Result<Target, Error> {
    require_admin(actor)?;
    let limits = ValidatedLimits::of(purpose, new.limits, None)?;
    let draft = Draft {
        endpoint: parse_endpoint(&new.endpoint)?,
        model: new.model,
        // Unknown before the first answer.
        dimensions: new.dimensions.or((purpose == Purpose::Embedding).then_some(1)),
        query_prefix: new.query_prefix,
        passage_prefix: new.passage_prefix,
        limits,
    };
    draft.validate(purpose)?;
    let vector_model = draft.vector_model();
    Ok(Target {
        endpoint: draft.endpoint,
        model: draft.model,
        api_key: new.api_key,
        dimensions: size(new.dimensions.unwrap_or_default()),
        query_prefix: draft.query_prefix,
        passage_prefix: draft.passage_prefix,
        input_tokens: size(limits.input_tokens),
        batch_size: size(limits.batch_size),
        timeout: milliseconds(limits.timeout_milliseconds),
        vector_model,
    })
}

/// Returns all endpoints with their opened API keys, the current ones and those that were replaced. One whose key cannot be opened is
/// left out, with a warning.
pub(crate) async fn targets(
    connection: &mut PgConnection,
    sealer: &Sealer,
) -> Result<Vec<(Purpose, bool, Target)>, Error> {
    let open = |row: Row| {
        let (purpose, is_current) = (row.purpose, row.is_current);
        match row.open(sealer) {
            Ok(target) => Some((purpose, is_current, target)),
            Err(error) => {
                tracing::warn!(
                    endpoint.purpose = purpose.as_str(),
                    error = %kernel::chain::Chain(&error),
                    "failed to open the API key of a search endpoint"
                );
                None
            }
        }
    };
    Ok(rows(connection, false).await?.into_iter().filter_map(open).collect())
}

/// Seals with the newest master key the API keys that are sealed with an older one.
///
/// # Errors
///
/// Fails if the database or the sealer fails. A key that cannot be opened is reported and stays as it is.
pub async fn reseal(connection: &mut PgConnection, sealer: &Sealer) -> Result<ResealReport, Error> {
    let rows = sqlx::query_as!(
        SealedKey,
        r#"-- search_endpoints.sealed
         select id, purpose || ' ' || model as "name!", api_key as "sealed!" from library.search_endpoints
         where api_key is not null order by id limit $1 for update"#,
        MAX_ENDPOINTS,
    )
    .fetch_all(&mut *connection)
    .await?;
    let resealed = API_KEYS.reseal(sealer, rows)?;
    sqlx::query!(
        "-- search_endpoints.reseal
         update library.search_endpoints as endpoint set api_key = resealed.api_key
         from unnest($1::uuid[], $2::bytea[]) as resealed (id, api_key) where endpoint.id = resealed.id",
        &resealed.ids,
        &resealed.sealed,
    )
    .execute(connection)
    .await?;
    Ok(resealed.report)
}

/// Deletes the endpoints that were replaced.
pub(crate) async fn delete_replaced(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "-- search_endpoints.delete_replaced\ndelete from library.search_endpoints where not is_current"
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A validated endpoint.
struct Draft {
    endpoint: Url,
    model: String,
    dimensions: Option<i32>,
    query_prefix: String,
    passage_prefix: String,
    limits: ValidatedLimits,
}

impl Draft {
    fn validate(&self, purpose: Purpose) -> Result<(), Error> {
        validate_model(&self.model)?;
        validate_prefix("query_prefix", &self.query_prefix)?;
        validate_prefix("passage_prefix", &self.passage_prefix)?;
        match (purpose, self.dimensions) {
            (Purpose::Embedding, Some(dimensions)) => validate::within("dimensions", dimensions, DIMENSIONS).map(drop),
            (Purpose::Embedding, None) => Err(Error::Invalid(
                "missing dimensions: give the number of values of the model's vectors, such as 1024; a test of the endpoint tells it"
                    .to_owned(),
            )),
            (Purpose::Reranking, None) => Ok(()),
            (Purpose::Reranking, Some(_)) => {
                Err(Error::Invalid("dimensions are of vectors: leave them out for re-ranking".to_owned()))
            }
        }
    }

    /// Returns the name of the vectors: all that they depend on. Those of the same model at another address stay valid.
    fn vector_model(&self) -> String {
        let dimensions = self.dimensions.unwrap_or_default();
        let mut name = format!("{}/{dimensions}", self.model);
        if !self.passage_prefix.is_empty() {
            let hash = store::objects::Hash::of(self.passage_prefix.as_bytes()).to_string();
            name += &format!("/{}", hash.chars().take(8).collect::<String>());
        }
        name
    }
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

/// Inserts the current endpoint of a purpose. One that was replaced and makes the same vectors is not needed any more.
async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    purpose: Purpose,
    draft: &Draft,
    sealed: Option<Vec<u8>>,
) -> Result<(), Error> {
    sqlx::query!(
        "-- search_endpoints.delete_equal
         delete from library.search_endpoints where not is_current and vector_model = $1",
        draft.vector_model(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- search_endpoints.create
         insert into library.search_endpoints
           (id, purpose, endpoint, model, api_key, dimensions, query_prefix, passage_prefix, input_tokens, batch_size,
            timeout_milliseconds, vector_model)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        id,
        purpose.as_str(),
        draft.endpoint.as_str(),
        draft.model,
        sealed,
        draft.dimensions,
        draft.query_prefix,
        draft.passage_prefix,
        draft.limits.input_tokens,
        draft.limits.batch_size,
        draft.limits.timeout_milliseconds,
        draft.vector_model(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes the current endpoint one that was replaced, if its vectors answer; otherwise it is deleted.
async fn retire(connection: &mut PgConnection, purpose: Purpose) -> Result<(), Error> {
    sqlx::query!(
        "-- search_endpoints.delete_unused
         delete from library.search_endpoints as endpoint
         where endpoint.purpose = $1 and endpoint.is_current
           and endpoint.vector_model <> (select answering from library.embedding_state)",
        purpose.as_str(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- search_endpoints.retire
         update library.search_endpoints set is_current = false, updated_at = now()
         where purpose = $1 and is_current",
        purpose.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Row of `library.search_endpoints`.
struct Row {
    id: Uuid,
    purpose: Purpose,
    is_current: bool,
    endpoint: String,
    model: String,
    api_key: Option<Vec<u8>>,
    dimensions: Option<i32>,
    query_prefix: String,
    passage_prefix: String,
    input_tokens: i32,
    batch_size: i32,
    timeout_milliseconds: i32,
    vector_model: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl Row {
    fn open(self, sealer: &Sealer) -> Result<Target, Error> {
        Ok(Target {
            endpoint: parse_endpoint(&self.endpoint)?,
            api_key: API_KEYS.open(sealer, self.id, self.api_key.as_deref())?,
            model: self.model,
            dimensions: size(self.dimensions.unwrap_or_default()),
            query_prefix: self.query_prefix,
            passage_prefix: self.passage_prefix,
            input_tokens: size(self.input_tokens),
            batch_size: size(self.batch_size),
            timeout: milliseconds(self.timeout_milliseconds),
            vector_model: self.vector_model,
        })
    }
}

impl From<Row> for SearchEndpoint {
    fn from(row: Row) -> Self {
        Self {
            purpose: row.purpose,
            endpoint: row.endpoint,
            model: row.model,
            has_api_key: row.api_key.is_some(),
            dimensions: row.dimensions,
            query_prefix: row.query_prefix,
            passage_prefix: row.passage_prefix,
            input_tokens: row.input_tokens,
            batch_size: row.batch_size,
            timeout_milliseconds: row.timeout_milliseconds,
            vector_model: row.vector_model,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

async fn rows(connection: &mut PgConnection, only_current: bool) -> Result<Vec<Row>, Error> {
    Ok(sqlx::query_as!(
        Row,
        r#"-- search_endpoints.list
         select id, purpose as "purpose: Purpose", is_current, endpoint, model, api_key, dimensions, query_prefix,
           passage_prefix, input_tokens, batch_size, timeout_milliseconds, vector_model, created_at, updated_at
         from library.search_endpoints where is_current or not $1 order by purpose, is_current desc, id limit $2"#,
        only_current,
        MAX_ENDPOINTS,
    )
    .fetch_all(connection)
    .await?)
}

/// Reads the current endpoint of a purpose and locks its row until the end of the transaction.
async fn lock(connection: &mut PgConnection, purpose: Purpose) -> Result<Option<Row>, Error> {
    Ok(sqlx::query_as!(
        Row,
        r#"-- search_endpoints.find
         select id, purpose as "purpose: Purpose", is_current, endpoint, model, api_key, dimensions, query_prefix,
           passage_prefix, input_tokens, batch_size, timeout_milliseconds, vector_model, created_at, updated_at
         from library.search_endpoints where purpose = $1 and is_current for no key update"#,
        purpose.as_str(),
    )
    .fetch_optional(connection)
    .await?)
}

fn not_found(purpose: Purpose) -> Error {
    Error::NotFound(format!("there is no endpoint for {}", purpose.as_str()))
}

fn size(number: i32) -> usize {
    usize::try_from(number).unwrap_or_default()
}

fn milliseconds(number: i32) -> Duration {
    Duration::from_millis(u64::try_from(number).unwrap_or_default())
}
