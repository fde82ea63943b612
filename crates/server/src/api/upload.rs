//! `POST /api/v1/documents`: adds documents as `multipart/form-data`; their bytes are streamed to the object store.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, StatusCode, header};
use library::documents::{AddedDocument, Category, Outcome};
use library::ids::DocumentId;
use library::label::Label;
use library::names::{DocumentPath, LibraryName};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::uploads;
use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::multipart::document_form;
use crate::http::problem::Result;
use crate::http::schema::{DocumentTypeName, FormLabel, TagList};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(add))
}

/// Upload of documents. Several files can be sent, after the other fields, which apply to all of them.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the form; its fields are read as they come")]
pub(crate) struct UploadForm {
    /// Library; created if it does not exist.
    #[schema(value_type = LibraryName)]
    library: String,
    /// Version; `current` by default.
    #[schema(value_type = FormLabel, required = false)]
    version: String,
    /// Path of the document in the library; the name of the file by default. With one file only.
    #[schema(value_type = DocumentPath, required = false)]
    path: String,
    /// Comma-separated tags.
    #[schema(value_type = TagList, required = false)]
    tags: String,
    /// Category of the documents.
    #[schema(value_type = Category, required = false)]
    category: String,
    /// Type of the documents, if it cannot be detected.
    #[schema(value_type = DocumentTypeName, required = false)]
    r#type: String,
    /// Content of the document.
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
    /// Path of its revision, which has the status of the ingestion.
    status_url: String,
}

/// Adds documents. They are ingested in the background; the response has the paths of their status.
#[utoipa::path(post, path = "/api/v1/documents", tag = "documents",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 202, description = "Accepted", body = Vec<AcceptedDocument>,
        headers(("location" = String, description = "Path of the first document's revision")))))]
pub(crate) async fn add(
    State(state): State<AppState>,
    Caller(actor): Caller,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Vec<AcceptedDocument>>)> {
    let allowance = uploads::begin(&state.app, &actor)?;
    // Only pages send tokens.
    let form = document_form(&state, &actor, &allowance, request, |_token| true).await?.unwrap_or_default();
    let (target, added) = uploads::add(&state.app, &actor, &form.fields, form.files).await?;
    let accepted: Vec<AcceptedDocument> =
        added.into_iter().map(|added| accepted(added, &target.version)).collect();
    let first = accepted.first().map(|document| document.status_url.clone()).unwrap_or_default();
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, first)], Json(accepted)))
}

fn accepted(added: AddedDocument, version: &Label) -> AcceptedDocument {
    let status_url = format!("/api/v1/documents/{}/versions/{version}~{}", added.document_id, added.revision);
    AcceptedDocument { document_id: added.document_id, path: added.path, outcome: added.outcome, status_url }
}
