//! `/api/v1/documents`: documents, their revisions, text, metadata and differences.
//!
//! A revision is named `LABEL` (the active one of that version) or `LABEL~NUMBER`.

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use extract::model::DocumentType;
use kernel::page::Cursor;
use library::Error;
use library::diff::Diff;
use library::documents::{self, Document, DocumentFilter, Revision, RevisionName, Status};
use library::ids::DocumentId;
use library::label::Label;
use library::names::{LibraryName, Tag};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{Content, ObjectBuilder, Required};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::revisions;
use crate::http::authentication::Caller;
use crate::http::etag::{self, Precondition};
use crate::http::input::{self, IfMatch, Json as Input, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{MAX_BODY_BYTES, tagged};
use crate::http::schema::{DocumentTypeName, described};
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

/// Length of the filter by metadata.
const MAX_METADATA_CHARS: usize = 6000;

described! {
    /// JSON Merge Patch of metadata: members of the caller's choice.
    MetadataPatch = ObjectBuilder::new()
        .max_properties(Some(MAX_BODY_BYTES / 6))
        .examples([json!({ "team": "storage", "reviewed": null })]);
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentPage {
    items: Vec<Document>,
    /// Cursor of the next page.
    #[schema(value_type = Option<Cursor>)]
    next: Option<String>,
}

/// Filter of documents.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DocumentListFilter {
    /// Library.
    #[param(value_type = Option<LibraryName>, inline)]
    library: Option<String>,
    /// Version in which the documents have an active revision.
    #[param(value_type = Option<Label>, inline)]
    version: Option<String>,
    /// Type.
    #[param(value_type = Option<DocumentTypeName>, inline)]
    r#type: Option<String>,
    /// Tag.
    #[param(value_type = Option<Tag>, inline)]
    tag: Option<String>,
    /// Status of the newest revision.
    #[param(inline)]
    status: Option<Status>,
    #[param(ignore)]
    metadata: Option<String>,
}

/// Description of the parameter `metadata`, whose value is JSON.
struct MetadataFilter;

impl IntoParams for MetadataFilter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let object = ObjectBuilder::new()
            .max_properties(Some(MAX_METADATA_CHARS / 6))
            .examples([json!({ "team": "storage" })])
            .build();
        let mut parameter = ParameterBuilder::new()
            .name("metadata")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some("JSON object that the metadata of the documents contain."))
            .build();
        parameter.content.insert("application/json".to_owned(), Content::new(Some(object)).into());
        vec![parameter]
    }
}

/// Lists documents by library and path.
#[utoipa::path(get, path = "/api/v1/documents", tag = "documents", params(DocumentListFilter, MetadataFilter, Paging),
    responses((status = 200, body = DocumentPage), (status = 404)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(parameters): Query<DocumentListFilter>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<DocumentPage>> {
    let metadata = parameters.metadata.as_deref().map(parse_metadata).transpose()?;
    if let Some(name) = parameters.r#type.as_deref()
        && DocumentType::parse(name).is_none()
    {
        return Err(Problem::invalid(format!("unknown document type {name:?}")).about("type"));
    }
    let tag = parameters.tag.as_deref().map(str::parse::<Tag>).transpose().map_err(Error::from)?;
    let library = parameters.library.as_deref().map(input::library).transpose()?;
    let filter = DocumentFilter {
        library: library.as_ref().map(ToString::to_string),
        version: parameters.version.as_deref().map(input::label).transpose()?.map(|label| label.to_string()),
        document_type: parameters.r#type,
        tag: tag.map(|tag| tag.to_string()),
        status: parameters.status,
        // All documents contain the empty object, also those without metadata.
        metadata: metadata.filter(|members| !members.is_empty()).map(Value::Object),
    };
    if let Some(name) = &library {
        // A misspelt name is an error, not an empty list.
        state.app.engine.catalogue().await?.library(&actor, name)?;
    }
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page =
        documents::list(&mut connection, &actor, &filter, paging.cursor()?.as_ref(), paging.limit()?).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Paged::new(&address, next.clone(), DocumentPage { items: page.items, next }))
}

/// Returns a document.
#[utoipa::path(get, path = "/api/v1/documents/{id}", tag = "documents",
    params(("id" = Uuid, Path, description = "Id of the document")), responses((status = 200, body = Document)))]
pub(crate) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Document>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let document = documents::find(&mut connection, &actor, DocumentId(id)).await?;
    Ok(Json(document.ok_or(Error::NoDocument)?))
}

/// Deletes a document in all versions. Its bytes are deleted when no other document refers to them.
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "documents",
    params(("id" = Uuid, Path, description = "Id of the document")), responses((status = 204)))]
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

/// Lists the revisions of a document: the highest version first, and in each the newest revision first.
#[utoipa::path(get, path = "/api/v1/documents/{id}/versions", tag = "documents",
    params(("id" = Uuid, Path, description = "Id of the document")), responses((status = 200, body = Vec<Revision>)))]
pub(crate) async fn revisions(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Vec<Revision>>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let revisions = documents::revisions(&mut connection, &actor, DocumentId(id)).await?;
    if revisions.is_empty() { Err(Error::NoDocument.into()) } else { Ok(Json(revisions)) }
}

/// Returns a revision.
#[utoipa::path(get, path = "/api/v1/documents/{id}/versions/{revision}", tag = "documents",
    params(("id" = Uuid, Path, description = "Id of the document"), ("revision" = inline(RevisionName), Path, description = "Name of the revision")),
    responses((status = 200, body = Revision)))]
pub(crate) async fn revision(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((id, name)): Path<(Uuid, String)>,
) -> Result<Json<Revision>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(revisions::find(&mut connection, &actor, DocumentId(id), &name).await?))
}

/// Format of a revision's content.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContentFormat {
    /// `markdown` (the extracted text) or `original` (the uploaded bytes).
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

/// Downloads the text of a revision, or the uploaded bytes.
#[utoipa::path(get, path = "/api/v1/documents/{id}/versions/{revision}/content", tag = "documents",
    params(("id" = Uuid, Path, description = "Id of the document"), ("revision" = inline(RevisionName), Path, description = "Name of the revision"), ContentFormat),
    responses((status = 200, description = "The content", content((String = "text/markdown"), (Vec<u8> = "application/octet-stream"))),
              (status = 304)))]
pub(crate) async fn content(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((id, name)): Path<(Uuid, String)>,
    Query(parameters): Query<ContentFormat>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let revision = revisions::find(&mut connection, &actor, DocumentId(id), &name).await?;
    let format = parameters.format.unwrap_or_default();
    // A revision's text and bytes never change, so its id is their tag.
    let etag = match format {
        Format::Markdown => format!("\"{}-md\"", revision.id),
        Format::Original => format!("\"{}\"", revision.sha256),
    };
    if etag::none_match_has(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    // Browsers show the content as text or save it, and never run it.
    let safe = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CONTENT_SECURITY_POLICY, "sandbox")];
    match format {
        Format::Markdown => {
            let text = revisions::text(&mut connection, &revision).await?;
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

/// Activates a revision in its version. Activating an earlier one rolls back.
#[utoipa::path(post, path = "/api/v1/documents/{id}/versions/{revision}/activate", tag = "documents",
    params(("id" = Uuid, Path, description = "Id of the document"), ("revision" = inline(RevisionName), Path, description = "Name of the revision: LABEL~NUMBER")),
    responses((status = 200, body = Revision)))]
pub(crate) async fn activate(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((id, name)): Path<(Uuid, String)>,
) -> Result<Json<Revision>> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let revision = revisions::activate(&mut transaction, &actor, DocumentId(id), &name).await?;
    transaction.commit().await?;
    Ok(Json(revision))
}

/// Revisions to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevisionPair {
    /// Name of the earlier revision.
    #[param(value_type = RevisionName, inline, example = "14")]
    from: String,
    /// Name of the later revision.
    #[param(value_type = RevisionName, inline, example = "15")]
    to: String,
}

/// Compares the text of two revisions line by line.
#[utoipa::path(get, path = "/api/v1/documents/{id}/diff", tag = "documents",
    params(("id" = Uuid, Path, description = "Id of the document"), RevisionPair), responses((status = 200, body = Diff)))]
pub(crate) async fn diff(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    Query(pair): Query<RevisionPair>,
) -> Result<Json<Diff>> {
    let compared = revisions::compare(&state.app, &actor, DocumentId(id), &pair.from, &pair.to).await?;
    Ok(Json(compared))
}

/// Returns the metadata of a document.
#[utoipa::path(get, path = "/api/v1/documents/{id}/metadata", tag = "documents",
    params(("id" = Uuid, Path, description = "Id of the document")), responses((status = 200, body = Value)))]
pub(crate) async fn metadata(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<Json<Value>> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    Ok(Json(documents::metadata(&mut connection, &actor, DocumentId(id)).await?))
}

/// Changes a document's metadata by a JSON Merge Patch (RFC 7396).
///
/// Members are set, `null` removes one, and absent ones are kept. The result has at most 64 KiB.
#[utoipa::path(patch, path = "/api/v1/documents/{id}/metadata", tag = "documents",
    request_body(content = MetadataPatch, content_type = "application/json"),
    params(("id" = Uuid, Path, description = "Id of the document"), IfMatch), responses((status = 200, body = Value)))]
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

/// Parses the filter by metadata: a JSON object.
fn parse_metadata(text: &str) -> Result<Map<String, Value>> {
    input::check_length("metadata", text, MAX_METADATA_CHARS)?;
    serde_json::from_str(text)
        .map_err(|_invalid| Problem::invalid("invalid metadata: use a JSON object").about("metadata"))
}
