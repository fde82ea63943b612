//! `/api/v1/documents`: documents, their revisions, their text, what changed between two.
//!
//! A revision is named `LABEL` (the one that answers under that label) or `LABEL~NUMBER`.

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use kernel::actor::Actor;
use library::Error;
use library::diff::{self, Diff};
use library::documents::{self, Document, DocumentFilter, Revision, RevisionName, Status};
use library::ids::DocumentId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::authentication::Caller;
use crate::http::etag::{self, Precondition};
use crate::http::input::{self, IfMatch, Json as Input, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::tagged;
use crate::http::{AppState, attachment};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(
        OpenApiRouter::new()
            .routes(routes!(list))
            .routes(routes!(show, delete))
            .routes(routes!(revisions))
            .routes(routes!(revision))
            .routes(routes!(content))
            .routes(routes!(activate))
            .routes(routes!(diff))
            .routes(routes!(metadata, patch_metadata)),
    )
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentPage {
    items: Vec<Document>,
    /// Where the next page begins.
    next: Option<String>,
}

/// Which documents.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of this library.
    library: Option<String>,
    /// That answer under this label.
    version: Option<String>,
    /// Of this type.
    r#type: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// Only documents whose newest revision has this status.
    #[param(inline)]
    status: Option<Status>,
    /// Only documents whose metadata contain this JSON object.
    #[param(example = "{\"team\":\"storage\"}")]
    metadata: Option<String>,
}

/// Documents by library and path.
#[utoipa::path(get, path = "/api/v1/documents", tag = "documents", params(Which, Paging),
    responses((status = 200, body = DocumentPage)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(which): Query<Which>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<DocumentPage>> {
    let metadata = which.metadata.as_deref().map(serde_json::from_str::<Value>).transpose();
    let metadata = metadata.ok().filter(|value| value.as_ref().is_none_or(Value::is_object));
    // Everything contains the empty object, also what has no metadata at all.
    let metadata = metadata.map(|value| value.filter(|value| value != &Value::Object(Map::new())));
    let filter = DocumentFilter {
        library: which.library,
        version: which.version,
        document_type: which.r#type,
        tag: which.tag,
        status: which.status,
        metadata: metadata.ok_or_else(|| Problem::invalid("metadata is a JSON object"))?,
    };
    if let Some(name) = &filter.library {
        // One that is mistyped is said so, and not shown as one that is empty.
        state.app.engine.catalogue().await?.library(&actor, &input::library(name)?)?;
    }
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page =
        documents::list(&mut connection, &actor, &filter, paging.cursor()?.as_ref(), paging.limit()?).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Paged::new(&address, next.clone(), DocumentPage { items: page.items, next }))
}

/// One document.
#[utoipa::path(get, path = "/api/v1/documents/{id}", tag = "documents",
    params(("id" = Uuid, Path, description = "The document")), responses((status = 200, body = Document)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Document>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let document = documents::find(&mut connection, &actor, DocumentId(id)).await?;
    Ok(Json(document.ok_or(Error::NoDocument)?))
}

/// Deletes a document in all versions: its passages at once, its bytes when no other document refers to them.
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "documents",
    params(("id" = Uuid, Path, description = "The document")), responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    documents::delete(&mut transaction, &actor, DocumentId(id)).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All revisions of a document, the highest label first and under it the newest.
#[utoipa::path(get, path = "/api/v1/documents/{id}/versions", tag = "documents",
    params(("id" = Uuid, Path, description = "The document")), responses((status = 200, body = Vec<Revision>)))]
pub(crate) async fn revisions(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<Revision>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let revisions = documents::revisions(&mut connection, &actor, DocumentId(id)).await?;
    if revisions.is_empty() { Err(Error::NoDocument.into()) } else { Ok(Json(revisions)) }
}

/// One revision.
#[utoipa::path(get, path = "/api/v1/documents/{id}/versions/{revision}", tag = "documents",
    params(("id" = Uuid, Path, description = "The document"), ("revision" = String, Path, description = "LABEL or LABEL~NUMBER")),
    responses((status = 200, body = Revision)))]
pub(crate) async fn revision(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((id, name)): Path<(Uuid, String)>,
) -> Result<Json<Revision>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(find(&mut connection, &actor, id, &name).await?))
}

/// In which form.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Form {
    /// `markdown` (the extracted text) or `original` (the bytes that were added).
    #[param(inline)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Markdown,
    Original,
}

/// The text of a revision, or the bytes that were added.
#[utoipa::path(get, path = "/api/v1/documents/{id}/versions/{revision}/content", tag = "documents",
    params(("id" = Uuid, Path, description = "The document"), ("revision" = String, Path, description = "LABEL or LABEL~NUMBER"), Form),
    responses((status = 200, description = "The content", content((String = "text/markdown"), (Vec<u8> = "application/octet-stream"))),
              (status = 304, description = "It is as the ETag says")))]
pub(crate) async fn content(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((id, name)): Path<(Uuid, String)>,
    Query(form): Query<Form>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let revision = find(&mut connection, &actor, id, &name).await?;
    let format = form.format.unwrap_or_default();
    // A revision's text and bytes never change, so its id is their tag.
    let etag = match format {
        Format::Markdown => format!("\"{}-md\"", revision.id),
        Format::Original => format!("\"{}\"", revision.sha256),
    };
    if etag::is_held(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    // What a document holds is never run: it is shown as text, or saved.
    let safe = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CONTENT_SECURITY_POLICY, "sandbox")];
    match format {
        Format::Markdown => {
            let text = documents::content(&mut connection, revision.id).await?;
            let text = text.ok_or_else(|| not_read(&revision))?;
            let headers =
                [(header::ETAG, etag), (header::CONTENT_TYPE, "text/markdown; charset=utf-8".to_owned())];
            Ok((headers, safe, text).into_response())
        }
        Format::Original => {
            drop(connection);
            let bytes = state.app.objects.stream(revision.hash()?).await?;
            let headers = [
                (header::ETAG, etag),
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (header::CONTENT_DISPOSITION, attachment(&revision.file_path)),
                (header::CONTENT_LENGTH, revision.file_size.to_string()),
            ];
            Ok((headers, safe, Body::from_stream(bytes)).into_response())
        }
    }
}

/// Makes a revision the one that answers under its label: rolling back is naming an earlier one.
#[utoipa::path(post, path = "/api/v1/documents/{id}/versions/{revision}/activate", tag = "documents",
    params(("id" = Uuid, Path, description = "The document"), ("revision" = String, Path, description = "LABEL~NUMBER")),
    responses((status = 200, body = Revision)))]
pub(crate) async fn activate(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((id, name)): Path<(Uuid, String)>,
) -> Result<Json<Revision>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let revision = find(&mut transaction, &actor, id, &name).await?;
    documents::activate(&mut transaction, &actor, &revision).await?;
    let now = find(&mut transaction, &actor, id, &name).await?;
    transaction.commit().await?;
    Ok(Json(now))
}

/// Between which revisions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Between {
    /// The earlier: LABEL or LABEL~NUMBER.
    #[param(example = "14")]
    from: String,
    /// The later: LABEL or LABEL~NUMBER.
    #[param(example = "15")]
    to: String,
}

/// Compares two revisions line by line, as Markdown.
#[utoipa::path(get, path = "/api/v1/documents/{id}/diff", tag = "documents",
    params(("id" = Uuid, Path, description = "The document"), Between), responses((status = 200, body = Diff)))]
pub(crate) async fn diff(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Query(between): Query<Between>,
) -> Result<Json<Diff>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let mut texts = Vec::with_capacity(2);
    for name in [&between.from, &between.to] {
        let revision = find(&mut connection, &actor, id, name).await?;
        let text = documents::content(&mut connection, revision.id).await?;
        texts.push((
            format!("{}~{}", revision.version, revision.revision),
            text.ok_or_else(|| not_read(&revision))?,
        ));
    }
    drop(connection);
    let compared = tokio::task::spawn_blocking(move || match texts.as_slice() {
        [from, to] => Some(diff::diff(&from.1, &to.1, &from.0, &to.0)),
        _ => None,
    })
    .await;
    let compared = compared.ok().flatten();
    compared.map(Json).ok_or_else(|| Error::Internal("the texts could not be compared".to_owned()).into())
}

/// Returns the metadata of a document.
#[utoipa::path(get, path = "/api/v1/documents/{id}/metadata", tag = "documents",
    params(("id" = Uuid, Path, description = "The document")), responses((status = 200, body = Value)))]
pub(crate) async fn metadata(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Value>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(documents::metadata(&mut connection, &actor, DocumentId(id)).await?))
}

/// Changes part of a document's metadata by a JSON Merge Patch (RFC 7396): `null` removes a member.
#[utoipa::path(patch, path = "/api/v1/documents/{id}/metadata", tag = "documents",
    request_body(content = Value, content_type = "application/json"),
    params(("id" = Uuid, Path, description = "The document"), IfMatch), responses((status = 200, body = Value)))]
pub(crate) async fn patch_metadata(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    precondition: Precondition,
    Input(patch): Input<Value>,
) -> Result<Json<Value>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let patched = documents::patch_metadata(&mut transaction, &actor, DocumentId(id), &patch).await?;
    precondition.require(&patched.before)?;
    transaction.commit().await?;
    Ok(Json(patched.after))
}

async fn find(connection: &mut PgConnection, actor: &Actor, id: Uuid, name: &str) -> Result<Revision> {
    let id = DocumentId(id);
    let name: RevisionName = name.parse()?;
    if let Some(revision) = documents::revision(connection, actor, id, &name).await? {
        return Ok(revision);
    }
    documents::find(connection, actor, id).await?.ok_or(Error::NoDocument)?;
    Err(Error::NoDocumentVersion(name.to_string()).into())
}

fn not_read(revision: &Revision) -> Problem {
    let why = match revision.status {
        Status::Failed => format!("it could not be read: {}", revision.reason.as_deref().unwrap_or_default()),
        Status::Skipped => format!("it was skipped: {}", revision.reason.as_deref().unwrap_or_default()),
        _ => "it is not read yet; try again shortly".to_owned(),
    };
    Problem::not_found(format!("this revision has no text: {why}"))
}
