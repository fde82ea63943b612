//! `/api/v1/search-endpoints`: embedding and re-ranking by endpoints of one's own, managed by administrators.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use kernel::update::FieldUpdate;
use library::embed::{self, EmbeddingStatus};
use library::endpoints::{
    self, EndpointUpdate, Limits, NewEndpoint, Purpose, SearchEndpoint, SearchEndpointTest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::search_endpoints;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::etag::Precondition;
use crate::http::input::{IfMatch, Json as Body, Path};
use crate::http::problem::Result;
use crate::http::router::tagged;
use crate::http::schema::{
    BatchSize, Dimensions, EndpointModel, EndpointUrl, InputTokens, ServiceKey, TextPrefix,
    TimeoutMilliseconds,
};

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list, create))
            .routes(routes!(show, change, delete))
            .routes(routes!(test)),
    )
}

/// Search endpoints, and the state of the vectors.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchEndpoints {
    /// Endpoints, at most one of each purpose.
    endpoints: Vec<SearchEndpoint>,
    /// State of the embedding of passages.
    embedding: EmbeddingStatus,
}

/// Search endpoint to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchEndpointNew {
    /// Purpose.
    purpose: Purpose,
    /// Base URL of the API, without `/embeddings` or `/rerank`.
    #[schema(value_type = EndpointUrl)]
    endpoint: String,
    /// Name of the model at the endpoint.
    #[schema(value_type = EndpointModel)]
    model: String,
    /// API key of the endpoint. Stored encrypted and never returned.
    #[schema(value_type = Option<ServiceKey>)]
    api_key: Option<String>,
    /// Number of values of a vector, for embedding; the endpoint is asked by default.
    #[schema(value_type = Option<Dimensions>)]
    dimensions: Option<i32>,
    /// Text before each query, as some models want it; none by default.
    #[serde(default)]
    #[schema(value_type = Option<TextPrefix>)]
    query_prefix: String,
    /// Text before each passage; none by default.
    #[serde(default)]
    #[schema(value_type = Option<TextPrefix>)]
    passage_prefix: String,
    /// Maximum length of a text in tokens, by estimate; longer ones are cut. 8192 by default, 512 for re-ranking.
    #[schema(value_type = Option<InputTokens>)]
    input_tokens: Option<i32>,
    /// Maximum number of texts in one request; 32 by default, 50 for re-ranking.
    #[schema(value_type = Option<BatchSize>)]
    batch_size: Option<i32>,
    /// Time that a search waits, in milliseconds; 3000 by default, 1500 for re-ranking.
    #[schema(value_type = Option<TimeoutMilliseconds>)]
    timeout_milliseconds: Option<i32>,
}

/// Changes of a search endpoint. Absent fields are kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchEndpointChange {
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
    /// Number of values of a vector.
    #[schema(value_type = Option<Dimensions>)]
    dimensions: Option<i32>,
    /// Text before each query.
    #[schema(value_type = Option<TextPrefix>)]
    query_prefix: Option<String>,
    /// Text before each passage.
    #[schema(value_type = Option<TextPrefix>)]
    passage_prefix: Option<String>,
    /// Maximum length of a text in tokens, by estimate.
    #[schema(value_type = Option<InputTokens>)]
    input_tokens: Option<i32>,
    /// Maximum number of texts in one request.
    #[schema(value_type = Option<BatchSize>)]
    batch_size: Option<i32>,
    /// Time that a search waits, in milliseconds.
    #[schema(value_type = Option<TimeoutMilliseconds>)]
    timeout_milliseconds: Option<i32>,
}

/// Lists the search endpoints and the state of the vectors. Administrators only.
#[utoipa::path(get, path = "/api/v1/search-endpoints", tag = "search-endpoints",
    responses((status = 200, body = SearchEndpoints)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<SearchEndpoints>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let endpoints = endpoints::list(&mut connection, &actor).await?;
    drop(connection);
    let embedding = embed::status(&state.app.engine, &actor).await?;
    Ok(Json(SearchEndpoints { endpoints, embedding }))
}

/// Adds a search endpoint. Administrators only.
///
/// With `WENYUAN_EMBEDDING=openai` passages are embedded by it in the background, while the vectors before it answer.
#[utoipa::path(post, path = "/api/v1/search-endpoints", tag = "search-endpoints", request_body = SearchEndpointNew,
    responses((status = 201, body = SearchEndpoint, headers(("location" = String, description = "Path of the search endpoint")))))]
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(new): Body<SearchEndpointNew>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<SearchEndpoint>)> {
    let purpose = new.purpose;
    let new = NewEndpoint {
        endpoint: new.endpoint,
        model: new.model,
        api_key: new.api_key.map(Into::into),
        dimensions: new.dimensions,
        query_prefix: new.query_prefix,
        passage_prefix: new.passage_prefix,
        limits: Limits {
            input_tokens: new.input_tokens,
            batch_size: new.batch_size,
            timeout_milliseconds: new.timeout_milliseconds,
        },
    };
    let endpoint = search_endpoints::create(&state.app, &actor, purpose, new).await?;
    let location = format!("/api/v1/search-endpoints/{}", purpose.as_str());
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(endpoint)))
}

/// Returns a search endpoint. Administrators only.
#[utoipa::path(get, path = "/api/v1/search-endpoints/{purpose}", tag = "search-endpoints",
    params(("purpose" = inline(Purpose), Path, description = "Purpose")), responses((status = 200, body = SearchEndpoint)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(purpose): Path<Purpose>,
) -> Result<Json<SearchEndpoint>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(endpoints::find(&mut connection, &actor, purpose).await?))
}

/// Changes a search endpoint. Administrators only.
///
/// If its vectors become others, passages are embedded anew in the background, while the vectors before it answer.
#[utoipa::path(patch, path = "/api/v1/search-endpoints/{purpose}", tag = "search-endpoints",
    request_body = SearchEndpointChange,
    params(("purpose" = inline(Purpose), Path, description = "Purpose"), IfMatch),
    responses((status = 200, body = SearchEndpoint)))]
pub(crate) async fn change(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(purpose): Path<Purpose>,
    precondition: Precondition,
    Body(change): Body<SearchEndpointChange>,
) -> Result<Json<SearchEndpoint>> {
    let update = EndpointUpdate {
        endpoint: change.endpoint,
        model: change.model,
        api_key: change.api_key.map(Into::into),
        dimensions: change.dimensions,
        query_prefix: change.query_prefix,
        passage_prefix: change.passage_prefix,
        limits: Limits {
            input_tokens: change.input_tokens,
            batch_size: change.batch_size,
            timeout_milliseconds: change.timeout_milliseconds,
        },
    };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let changed = endpoints::update(&mut transaction, &state.app.secrets, &actor, purpose, update).await?;
    precondition.require(&changed.before)?;
    transaction.commit().await?;
    Ok(Json(changed.after))
}

/// Deletes a search endpoint with its API key. Administrators only.
///
/// The vectors of an embedding endpoint answer until those of another model are complete.
#[utoipa::path(delete, path = "/api/v1/search-endpoints/{purpose}", tag = "search-endpoints",
    params(("purpose" = inline(Purpose), Path, description = "Purpose")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(purpose): Path<Purpose>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    endpoints::delete(&mut transaction, &actor, purpose).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test request to a search endpoint and returns its duration, or why it failed. Administrators only.
#[utoipa::path(post, path = "/api/v1/search-endpoints/{purpose}/test", tag = "search-endpoints",
    params(("purpose" = inline(Purpose), Path, description = "Purpose")), responses((status = 200, body = SearchEndpointTest)))]
pub(crate) async fn test(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(purpose): Path<Purpose>,
) -> Result<Json<SearchEndpointTest>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let target = endpoints::target(&mut connection, &state.app.secrets, &actor, purpose).await?;
    // No connection is held during the request.
    drop(connection);
    Ok(Json(endpoints::test(purpose, target).await))
}
