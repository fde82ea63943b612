//! `/api/v1/language-models`: OpenAI-compatible endpoints that answer. For administrators in person, but the names that
//! everybody may choose from.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use chat::models::{self, Limits, Model, ModelChoice, ModelTest, ModelUpdate, NewModel};
use kernel::update::FieldUpdate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::language_models::TEST_TIMEOUT;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::etag::Precondition;
use crate::http::input::{IfMatch, Json as Body, Path};
use crate::http::problem::Result;
use crate::http::router::tagged;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list, create))
            .routes(routes!(choices))
            .routes(routes!(show, change, delete))
            .routes(routes!(test)),
    )
}

/// A language model to be added.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LanguageModelNew {
    /// The name it is chosen by.
    #[schema(max_length = 60, pattern = "^[a-z0-9][a-z0-9._-]*$", example = "small")]
    name: String,
    /// Where it is: the address up to and without `/chat/completions`.
    #[schema(max_length = 2000, example = "https://models.example.org/v1")]
    endpoint: String,
    /// Model ID at the endpoint.
    #[schema(max_length = 200, example = "qwen3:8b")]
    model: String,
    /// API key of the endpoint. Stored encrypted and never returned.
    #[schema(max_length = 8192, write_only)]
    api_key: Option<String>,
    /// Context window in tokens, question and answer together; default 8192.
    #[schema(minimum = 1024, maximum = 10_000_000)]
    context_tokens: Option<i32>,
    /// The longest answer, in tokens, at most half of the context; 1024 where nothing is said.
    #[schema(minimum = 16)]
    answer_tokens: Option<i32>,
    /// Seconds that the first piece of an answer may take; 120 where nothing is said.
    #[schema(minimum = 1, maximum = 3600)]
    first_seconds: Option<i32>,
    /// Seconds that each further piece may take; 60 where nothing is said.
    #[schema(minimum = 1, maximum = 3600)]
    idle_seconds: Option<i32>,
    /// Answers at once, on each node; 4 where nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    concurrency: Option<i32>,
    /// Whether it may be asked; it may where nothing is said.
    enabled: Option<bool>,
    /// Whether it answers where none is named; then no other does.
    #[serde(default)]
    is_default: bool,
}

/// Changes of a language model; absent fields are kept.
#[derive(Deserialize, ToSchema)]
pub(crate) struct LanguageModelChange {
    /// The name it is chosen by.
    #[schema(max_length = 60, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: Option<String>,
    /// Where it is. At another host the key must be given again, or null.
    #[schema(max_length = 2000)]
    endpoint: Option<String>,
    /// Model ID at the endpoint.
    #[schema(max_length = 200)]
    model: Option<String>,
    /// Another key; null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 8192, write_only)]
    api_key: FieldUpdate<String>,
    /// Context window in tokens, question and answer together.
    #[schema(minimum = 1024, maximum = 10_000_000)]
    context_tokens: Option<i32>,
    /// The longest answer, in tokens, at most half of the context.
    #[schema(minimum = 16)]
    answer_tokens: Option<i32>,
    /// Seconds that the first piece of an answer may take.
    #[schema(minimum = 1, maximum = 3600)]
    first_seconds: Option<i32>,
    /// Seconds that each further piece may take.
    #[schema(minimum = 1, maximum = 3600)]
    idle_seconds: Option<i32>,
    /// Answers at once, on each node.
    #[schema(minimum = 1, maximum = 1000)]
    concurrency: Option<i32>,
    /// Whether it may be asked.
    enabled: Option<bool>,
    /// Whether it answers where none is named; then no other does.
    is_default: Option<bool>,
}

/// All language models, by name.
#[utoipa::path(get, path = "/api/v1/language-models", tag = "language-models",
    responses((status = 200, body = Vec<Model>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Model>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(models::list(&mut connection, &actor).await?))
}

/// The language models that one may choose from, by name: for everybody who is signed in.
#[utoipa::path(get, path = "/api/v1/language-models/choices", tag = "language-models",
    responses((status = 200, body = Vec<ModelChoice>)))]
pub(crate) async fn choices(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<ModelChoice>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(models::choices(&mut connection, &actor).await?))
}

/// Adds a language model.
#[utoipa::path(post, path = "/api/v1/language-models", tag = "language-models", request_body = LanguageModelNew,
    responses((status = 201, body = Model, headers(("location" = String, description = "The language model")))))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(new): Body<LanguageModelNew>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Model>)> {
    let new = NewModel {
        name: new.name,
        endpoint: new.endpoint,
        model: new.model,
        api_key: new.api_key.map(Into::into),
        limits: Limits {
            context_tokens: new.context_tokens,
            answer_tokens: new.answer_tokens,
            first_seconds: new.first_seconds,
            idle_seconds: new.idle_seconds,
            concurrency: new.concurrency,
        },
        enabled: new.enabled.unwrap_or(true),
        is_default: new.is_default,
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let model = models::create(&mut transaction, &state.app.secrets, &actor, new).await?;
    transaction.commit().await?;
    let location = format!("/api/v1/language-models/{}", model.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(model)))
}

/// One language model.
#[utoipa::path(get, path = "/api/v1/language-models/{model}", tag = "language-models",
    params(("model" = String, Path, description = "Its name or id")), responses((status = 200, body = Model)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(model): Path<String>,
) -> Result<Json<Model>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(models::find(&mut connection, &actor, &model).await?))
}

/// Changes a language model.
#[utoipa::path(patch, path = "/api/v1/language-models/{model}", tag = "language-models",
    request_body = LanguageModelChange,
    params(("model" = String, Path, description = "Its name or id"), IfMatch),
    responses((status = 200, body = Model)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(model): Path<String>,
    precondition: Precondition,
    Body(change): Body<LanguageModelChange>,
) -> Result<Json<Model>> {
    let change = ModelUpdate {
        name: change.name,
        endpoint: change.endpoint,
        model: change.model,
        api_key: change.api_key.map(Into::into),
        limits: Limits {
            context_tokens: change.context_tokens,
            answer_tokens: change.answer_tokens,
            first_seconds: change.first_seconds,
            idle_seconds: change.idle_seconds,
            concurrency: change.concurrency,
        },
        enabled: change.enabled,
        is_default: change.is_default,
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let changed = models::update(&mut transaction, &state.app.secrets, &actor, &model, change).await?;
    precondition.require(&changed.before)?;
    transaction.commit().await?;
    Ok(Json(changed.after))
}

/// Deletes a language model, with its key.
#[utoipa::path(delete, path = "/api/v1/language-models/{model}", tag = "language-models",
    params(("model" = String, Path, description = "Its name or id")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(model): Path<String>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    models::delete(&mut transaction, &actor, &model).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks a language model for a word, and says how long it took. That it does not work is an answer, not a problem.
#[utoipa::path(post, path = "/api/v1/language-models/{model}/test", tag = "language-models",
    params(("model" = String, Path, description = "Its name or id")), responses((status = 200, body = ModelTest)))]
pub(crate) async fn test(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(model): Path<String>,
) -> Result<Json<ModelTest>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let target = models::target(&mut connection, &state.app.secrets, &actor, &model).await?;
    // Nothing of the database is held while the model is asked.
    drop(connection);
    Ok(Json(models::test(&state.app.models, &target, TEST_TIMEOUT).await))
}
