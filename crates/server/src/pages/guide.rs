//! The guide as it is written.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::api::problem::Problem;
use crate::guide;

/// A file of the guide.
pub(crate) async fn show(Path(file): Path<String>) -> Response {
    match guide::file(&file) {
        Some(text) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, text).into_response()
        }
        None => Problem::not_found("the guide has no such file").into_response(),
    }
}
