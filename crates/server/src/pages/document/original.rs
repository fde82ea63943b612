//! The original of a PDF, which browsers show beside its text. Other types are not shown: scripts in documents must never run.

use axum::body::Body;
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use library::Error;
use library::documents::{self, RevisionName, reading};
use library::names::DocumentPath;

use super::DocumentQuery;
use crate::app::address;
use crate::http::authentication::Caller;
use crate::http::input::{self, Path};
use crate::http::problem::{Problem, RawResponse, Result};
use crate::http::{AppState, etag};

/// Sends the bytes.
pub(super) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((library, version, path)): Path<(String, String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let query = Query::<DocumentQuery>::try_from_uri(&uri).map(|Query(query)| query).unwrap_or_default();
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&actor, &address::library(&library).map_err(Error::from)?)?;
    let version = library.resolve(&library::label::VersionRequest::Exact(input::label(&version)?))?;
    let path: DocumentPath = path.parse().map_err(|_invalid| Error::NoDocument)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let number = query.revision.as_deref().and_then(|number| number.parse().ok());
    let found = match number {
        Some(number) => {
            reading::at_revision(&mut connection, &actor, library, version, &path, number).await?
        }
        None => reading::by_path(&mut connection, &actor, library, version, &path).await?,
    };
    let document = found.filter(|document| document.document_type == "pdf");
    let document = document.ok_or_else(|| Problem::not_found("this document has no PDF"))?;
    let tag = format!("\"{}\"", document.sha256);
    if etag::none_match_has(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)], security_headers()).into_response());
    }
    let name = RevisionName { label: document.version.clone(), revision: Some(document.revision) };
    let revision = documents::revision(&mut connection, &actor, document.document_id, &name).await?;
    let revision = revision.ok_or(Error::NoDocument)?;
    drop(connection);
    let bytes = state.app.objects.stream(revision.hash()?).await.map_err(Error::from)?;
    let headers = [
        (header::ETAG, tag),
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_LENGTH, revision.file_size.to_string()),
    ];
    let mut response = (headers, security_headers(), Body::from_stream(bytes)).into_response();
    response.extensions_mut().insert(RawResponse);
    Ok(response)
}

/// Returns headers that allow frames of this server only. A sandbox would block the browser's PDF viewer.
fn security_headers() -> [(HeaderName, &'static str); 5] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ]
}
