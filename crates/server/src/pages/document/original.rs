//! The original of a PDF, as browsers show it beside its text. No other type is shown: what a document holds is never run.

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

/// Its bytes.
pub(super) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((library, version, path)): Path<(String, String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let wanted = Query::<DocumentQuery>::try_from_uri(&uri).map(|Query(wanted)| wanted).unwrap_or_default();
    let catalogue = state.app.engine.catalogue().await?;
    let library = catalogue.library(&actor, &address::library(&library).map_err(Error::from)?)?;
    let version = library.resolve(&library::label::VersionRequest::Exact(input::label(&version)?))?;
    let path: DocumentPath = path.parse().map_err(|_unlike| Error::NoDocument)?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let number = wanted.revision.as_deref().and_then(|number| number.parse().ok());
    let found = match number {
        Some(number) => {
            reading::at_revision(&mut connection, &actor, library, version, &path, number).await?
        }
        None => reading::by_path(&mut connection, &actor, library, version, &path).await?,
    };
    let document = found.filter(|document| document.document_type == "pdf");
    let document = document.ok_or_else(|| Problem::not_found("there is no PDF here"))?;
    let tag = format!("\"{}\"", document.sha256);
    if etag::is_held(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)], careful()).into_response());
    }
    let name = RevisionName { label: document.version.clone(), revision: Some(document.revision) };
    let revision = documents::revision(&mut connection, &actor, document.document_id, &name).await?;
    let revision = revision.ok_or(Error::NoDocument)?;
    drop(connection);
    let bytes = state.app.objects.stream(revision.hash()?).await.map_err(Error::from)?;
    let told = [
        (header::ETAG, tag),
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_LENGTH, revision.file_size.to_string()),
    ];
    let mut response = (told, careful(), Body::from_stream(bytes)).into_response();
    response.extensions_mut().insert(RawResponse);
    Ok(response)
}

/// It stands in frames of our own pages alone. It is no page, and is not taken for one; a sandbox would keep the browser's
/// own viewer from running.
fn careful() -> [(HeaderName, &'static str); 5] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::CACHE_CONTROL, "private, no-cache"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ]
}
