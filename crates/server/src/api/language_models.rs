//! `/api/v1/language-models`: OpenAI-compatible endpoints, managed by administrators. Every user can list their names.

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
use crate::http::schema::{
    AnswerTokens, Concurrency, ContextTokens, EndpointModel, EndpointUrl, ServiceKey, ServiceName,
    TimeoutSeconds,
};
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

/// Language model to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LanguageModelNew {
    /// Unique name.
    #[schema(value_type = ServiceName)]
    name: String,
    /// Base URL of the API, without `/chat/completions`.
    #[schema(value_type = EndpointUrl)]
    endpoint: String,
    /// Name of the model at the endpoint.
    #[schema(value_type = EndpointModel)]
    model: String,
    /// API key of the endpoint. Stored encrypted and never returned.
    #[schema(value_type = Option<ServiceKey>)]
    api_key: Option<String>,
    /// Context window in tokens, question and answer together; 8192 by default.
    #[schema(value_type = Option<ContextTokens>)]
    context_tokens: Option<i32>,
    /// Maximum length of an answer in tokens, at most half of the context window; 1024 by default.
    #[schema(value_type = Option<AnswerTokens>)]
    answer_tokens: Option<i32>,
    /// Timeout of the first part of an answer, in seconds; 120 by default.
    #[schema(value_type = Option<TimeoutSeconds>)]
    first_seconds: Option<i32>,
    /// Timeout of each further part, in seconds; 60 by default.
    #[schema(value_type = Option<TimeoutSeconds>)]
    idle_seconds: Option<i32>,
    /// Maximum number of concurrent answers on each node; 4 by default.
    #[schema(value_type = Option<Concurrency>)]
    concurrency: Option<i32>,
    /// Whether the model can be used; true by default.
    enabled: Option<bool>,
    /// Whether the model answers when a request names none; then no other model does.
    #[serde(default)]
    is_default: bool,
}

/// Changes of a language model. Absent fields are kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LanguageModelChange {
    /// Unique name.
    #[schema(value_type = Option<ServiceName>)]
    name: Option<String>,
    /// Base URL of the API. If its origin changes, the API key must be set again or removed.
    #[schema(value_type = Option<EndpointUrl>)]
    endpoint: Option<String>,
    /// Name of the model at the endpoint.
    #[schema(value_type = Option<EndpointModel>)]
    model: Option<String>,
    /// API key of the endpoint; null removes it.
    #[serde(default)]
    #[schema(value_type = Option<ServiceKey>)]
    api_key: FieldUpdate<String>,
    /// Context window in tokens, question and answer together.
    #[schema(value_type = Option<ContextTokens>)]
    context_tokens: Option<i32>,
    /// Maximum length of an answer in tokens, at most half of the context window.
    #[schema(value_type = Option<AnswerTokens>)]
    answer_tokens: Option<i32>,
    /// Timeout of the first part of an answer, in seconds.
    #[schema(value_type = Option<TimeoutSeconds>)]
    first_seconds: Option<i32>,
    /// Timeout of each further part, in seconds.
    #[schema(value_type = Option<TimeoutSeconds>)]
    idle_seconds: Option<i32>,
    /// Maximum number of concurrent answers on each node.
    #[schema(value_type = Option<Concurrency>)]
    concurrency: Option<i32>,
    /// Whether the model can be used.
    enabled: Option<bool>,
    /// Whether the model answers when a request names none; then no other model does.
    is_default: Option<bool>,
}

/// Lists the language models by name. Administrators only.
#[utoipa::path(get, path = "/api/v1/language-models", tag = "language-models",
    responses((status = 200, body = Vec<Model>)))]
pub(crate) async fn list(State(state): State<AppState>, Caller(actor): Caller) -> Result<Json<Vec<Model>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(models::list(&mut connection, &actor).await?))
}

/// Lists the language models that can be used, by name. For every signed-in user.
#[utoipa::path(get, path = "/api/v1/language-models/choices", tag = "language-models",
    responses((status = 200, body = Vec<ModelChoice>)))]
pub(crate) async fn choices(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<Vec<ModelChoice>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(models::choices(&mut connection, &actor).await?))
}

/// Adds a language model. Administrators only.
#[utoipa::path(post, path = "/api/v1/language-models", tag = "language-models", request_body = LanguageModelNew,
    responses((status = 201, body = Model, headers(("location" = String, description = "Path of the language model")))))]
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

/// Returns a language model. Administrators only.
#[utoipa::path(get, path = "/api/v1/language-models/{model}", tag = "language-models",
    params(("model" = inline(ServiceName), Path, description = "Name or id of the language model")), responses((status = 200, body = Model)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(model): Path<String>,
) -> Result<Json<Model>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(models::find(&mut connection, &actor, &model).await?))
}

/// Changes a language model. Administrators only.
#[utoipa::path(patch, path = "/api/v1/language-models/{model}", tag = "language-models",
    request_body = LanguageModelChange,
    params(("model" = inline(ServiceName), Path, description = "Name or id of the language model"), IfMatch),
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

/// Deletes a language model with its API key. Administrators only.
#[utoipa::path(delete, path = "/api/v1/language-models/{model}", tag = "language-models",
    params(("model" = inline(ServiceName), Path, description = "Name or id of the language model")), responses((status = 204)))]
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

/// Sends a test request to a language model and returns its duration, or why it failed. Administrators only.
#[utoipa::path(post, path = "/api/v1/language-models/{model}/test", tag = "language-models",
    params(("model" = inline(ServiceName), Path, description = "Name or id of the language model")), responses((status = 200, body = ModelTest)))]
pub(crate) async fn test(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(model): Path<String>,
) -> Result<Json<ModelTest>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let target = models::target(&mut connection, &state.app.secrets, &actor, &model).await?;
    // No connection is held during the request.
    drop(connection);
    Ok(Json(models::test(&state.app.models, &target, TEST_TIMEOUT).await))
}
