//! `/palette`: libraries and documents by name, for the command palette that scripts open with Ctrl+K.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::error::PageResult;
use super::frame::Frame;
use crate::app::{address, names};
use crate::http::AppState;
use crate::http::input::Query;

/// Documents and libraries that are offered.
const MAX_DOCUMENTS: i64 = 8;
const MAX_LIBRARIES: usize = 5;

/// Routes of the palette.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/palette", get(find))
}

/// Query: a part of a name, and the library of the page.
#[derive(Deserialize, Default)]
#[serde(default)]
struct PaletteQuery {
    q: String,
    /// Its documents come first.
    library: String,
}

/// A place to go to.
#[derive(Serialize)]
struct Target {
    label: String,
    detail: String,
    link: String,
}

#[derive(Serialize)]
struct Targets {
    documents: Vec<Target>,
    libraries: Vec<Target>,
}

/// Finds libraries and documents whose names contain a text.
async fn find(State(state): State<AppState>, frame: Frame, Query(query): Query<PaletteQuery>) -> PageResult {
    let first = address::library(&query.library).ok();
    let limits = (MAX_LIBRARIES, MAX_DOCUMENTS);
    let found = names::find(&state.app, &frame.actor, &query.q, first.as_ref(), limits).await?;
    let libraries = found.libraries.iter().map(|library| Target {
        label: library.title.clone(),
        detail: library.name.to_string(),
        link: address::of_library(&library.name),
    });
    let documents = found.documents.into_iter().filter_map(|found| {
        let link = address::of_path(&found.library.parse().ok()?, &found.version.parse().ok()?, &found.path);
        let detail = format!("{} {} · {}", found.library, found.version, found.path);
        Some(Target { label: found.title, detail, link })
    });
    let targets = Targets { documents: documents.collect(), libraries: libraries.collect() };
    Ok(([(header::CACHE_CONTROL, "private, no-cache")], Json(targets)).into_response())
}
