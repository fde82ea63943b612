//! `/api/v1/golden-questions`: searches whose passages every verified backup must find again, chosen by administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use library::label::VersionRequest;
use library::names::LibraryName;
use ops::questions::{self, GoldenQuestion, NewGoldenQuestion};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::backups;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{Json as Body, Path};
use crate::http::problem::Result;
use crate::http::router::tagged;
use crate::http::schema::GoldenQuestionText;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(remove)))
}

/// Golden questions.
#[derive(Serialize, ToSchema)]
pub(crate) struct GoldenQuestionList {
    /// Questions, oldest first; there are at most 200.
    items: Vec<GoldenQuestion>,
}

/// Golden question to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GoldenQuestionNew {
    /// Query.
    #[schema(value_type = GoldenQuestionText)]
    text: String,
    /// Library to search; all by default.
    #[schema(value_type = Option<LibraryName>)]
    library: Option<String>,
    /// Version of the library; the active one by default.
    #[schema(value_type = Option<VersionRequest>)]
    version: Option<String>,
}

/// Lists the golden questions. Administrators only.
#[utoipa::path(get, path = "/api/v1/golden-questions", tag = "operation",
    responses((status = 200, body = GoldenQuestionList)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
) -> Result<Json<GoldenQuestionList>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(GoldenQuestionList { items: questions::list(&mut connection, &actor).await? }))
}

/// Adds a golden question; one that is there already is returned. Administrators in person only.
#[utoipa::path(post, path = "/api/v1/golden-questions", tag = "operation", request_body = GoldenQuestionNew,
    responses((status = 201, body = GoldenQuestion)))]
pub(crate) async fn add(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(new): Body<GoldenQuestionNew>,
) -> Result<(StatusCode, Json<GoldenQuestion>)> {
    let new = NewGoldenQuestion { text: new.text, library: new.library, version: new.version };
    let question = backups::add_question(&state.app, &actor, new).await?;
    Ok((StatusCode::CREATED, Json(question)))
}

/// Removes a golden question. Administrators in person only.
#[utoipa::path(delete, path = "/api/v1/golden-questions/{id}", tag = "operation",
    params(("id" = Uuid, Path, description = "Golden question")), responses((status = 204), (status = 404)))]
pub(crate) async fn remove(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    questions::remove(&mut transaction, &actor, id).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
