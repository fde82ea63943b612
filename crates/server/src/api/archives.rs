//! `POST /api/v1/archives`: adds every file of an archive as a document.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use library::documents::Category;
use library::names::LibraryName;
use utoipa::ToSchema;

use crate::app::archives::{self, ArchiveReport, MAX_ARCHIVE_BYTES};
use crate::app::uploads;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::multipart::archive_form;
use crate::http::problem::{Problem, Result};
use crate::http::schema::{FormLabel, TagList};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(add))
}

/// Upload of an archive, which comes after the other fields.
#[derive(ToSchema)]
#[schema(as = ArchiveForm)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the form; its fields are read as they come")]
pub(crate) struct ArchiveUpload {
    /// Library; created if it does not exist.
    #[schema(value_type = LibraryName)]
    library: String,
    /// Version; `current` by default.
    #[schema(value_type = FormLabel, required = false)]
    version: String,
    /// Comma-separated tags.
    #[schema(value_type = TagList, required = false)]
    tags: String,
    /// Category of the documents.
    #[schema(value_type = Category, required = false)]
    category: String,
    /// ZIP or tar archive.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// Adds every file of an archive.
#[utoipa::path(post, path = "/api/v1/archives", tag = "documents",
    request_body(content = ArchiveUpload, content_type = "multipart/form-data"),
    responses((status = 202, description = "Accepted", body = ArchiveReport)))]
pub(crate) async fn add(
    State(state): State<AppState>,
    Caller(actor): Caller,
    request: Request,
) -> Result<(StatusCode, Json<ArchiveReport>)> {
    let allowance = uploads::begin(&state.app, &actor)?;
    // Only pages send tokens.
    let form = archive_form(&state, &actor, &allowance, request, MAX_ARCHIVE_BYTES, |_token| true).await?;
    let form = form.ok_or_else(|| Problem::invalid("missing field file"))?;
    let report = archives::add(&state.app, &actor, &form.fields, &allowance, form.archive).await?;
    Ok((StatusCode::ACCEPTED, Json(report)))
}
