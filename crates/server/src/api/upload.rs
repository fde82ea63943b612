//! `POST /api/v1/documents`: documents as `multipart/form-data`, their bytes streamed to the object store.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use library::documents::{AddedDocument, Outcome};
use library::ids::DocumentId;
use library::label::Label;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::uploads;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::multipart::document_form;
use crate::http::problem::Result;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(add))
}

/// The form. Several files may be sent; the other fields are for all of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the form; its fields are read as they come")]
pub(crate) struct UploadForm {
    /// The library; made where it is missing.
    library: String,
    /// The version; `current` where none is given.
    version: Option<String>,
    /// The document's path in the library; the file's name where none is given. Only with one file.
    path: Option<String>,
    /// Tags, separated by commas.
    tags: Option<String>,
    /// `code` or `document`.
    category: Option<String>,
    /// The type, where its content does not tell.
    r#type: Option<String>,
    /// The bytes.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// A document that was accepted for ingestion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedDocument {
    #[schema(value_type = uuid::Uuid)]
    document_id: DocumentId,
    path: String,
    outcome: Outcome,
    /// Where its revision is, which tells how far it is.
    status_url: String,
}

/// Adds documents. They are read behind the answer, whose addresses tell how far they are.
#[utoipa::path(post, path = "/api/v1/documents", tag = "documents",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 202, description = "Accepted", body = Vec<AcceptedDocument>,
        headers(("location" = String, description = "The first document's revision")))))]
pub(crate) async fn add(
    State(state): State<AppState>,
    Caller(actor): Caller,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Vec<AcceptedDocument>>)> {
    uploads::require_writer(&actor)?;
    let form = document_form(&state, request).await?;
    let (target, added) = uploads::add(&state.app, &actor, &form.fields, form.files).await?;
    let taken: Vec<AcceptedDocument> = added.into_iter().map(|added| taken(added, &target.version)).collect();
    let first = taken.first().map(|taken| taken.status_url.clone()).unwrap_or_default();
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, first)], Json(taken)))
}

fn taken(added: AddedDocument, version: &Label) -> AcceptedDocument {
    let status_url = format!("/api/v1/documents/{}/versions/{version}~{}", added.document_id, added.revision);
    AcceptedDocument { document_id: added.document_id, path: added.path, outcome: added.outcome, status_url }
}
