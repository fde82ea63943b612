//! `/`: what this is, and the ways on. And the guide as it is written.

use askama::Template;
use axum::extract::{Path, State as Given};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::frame::Frame;
use crate::api::State;
use crate::api::problem::Problem;
use crate::guide;

#[derive(Template)]
#[template(path = "home.html")]
struct Page<'page> {
    frame: &'page Frame,
    has_administrator: bool,
}

/// What this is.
pub(crate) async fn show(Given(state): Given<State>, frame: Frame) -> Response {
    let found = async {
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        identity::users::has_administrator(&mut connection).await
    };
    match found.await {
        Ok(has_administrator) => frame.page(StatusCode::OK, &Page { frame: &frame, has_administrator }),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// A file of the guide, as it is written.
pub(crate) async fn guide(Path(file): Path<String>) -> Response {
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
