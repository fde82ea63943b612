//! Pictures of documents. Their bytes were decoded and encoded anew when they were read, and never change.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use library::Error;
use library::links::pictures;
use uuid::Uuid;

use crate::http::authentication::Caller;
use crate::http::input::Path;
use crate::http::problem::{Problem, RawResponse, Result};
use crate::http::{AppState, etag};

/// Sends the bytes of a picture to those who can read its document.
pub(super) async fn show(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path((revision, number)): Path<(Uuid, i32)>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let found = pictures::find(&mut connection, &actor, revision, number).await?;
    drop(connection);
    let picture = found.ok_or_else(|| Problem::not_found("there is no such picture"))?;
    let tag = format!("\"{}\"", picture.hash);
    let mut response = if etag::none_match_has(&headers, &tag) {
        (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)], safe_headers()).into_response()
    } else {
        let bytes = state.app.objects.stream(picture.hash).await.map_err(Error::from)?;
        let headers = [(header::ETAG, tag), (header::CONTENT_TYPE, picture.media_type)];
        (headers, safe_headers(), Body::from_stream(bytes)).into_response()
    };
    response.extensions_mut().insert(RawResponse);
    Ok(response)
}

/// Returns headers by which browsers treat the bytes as a picture and as nothing else. Only the reader's own browser keeps them, since
/// others may not see them, and it need not ask again for a long time.
fn safe_headers() -> [(HeaderName, &'static str); 5] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ]
}
