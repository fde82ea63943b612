//! `/palette`: libraries and documents by name, for the command palette that scripts open with Ctrl+K.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Json, Router};
use library::overview;
use serde::{Deserialize, Serialize};

use super::error::PageResult;
use super::frame::Frame;
use crate::app::address;
use crate::http::AppState;
use crate::http::input::{self, Query};

/// Documents and libraries that are offered.
const MAX_DOCUMENTS: i64 = 8;
const MAX_LIBRARIES: usize = 5;
/// Limit on the text that is looked for.
const MAX_TEXT_CHARS: usize = 200;

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
    let text = query.q.trim().to_lowercase();
    let mut targets = Targets { documents: Vec::new(), libraries: Vec::new() };
    if !text.is_empty() {
        input::check_length("q", &text, MAX_TEXT_CHARS)?;
        let catalogue = state.app.engine.catalogue().await?;
        let libraries = catalogue.libraries(&frame.actor);
        let is_match = |field: &str| field.to_lowercase().contains(&text);
        let matching =
            libraries.iter().filter(|library| is_match(library.name.as_str()) || is_match(&library.title));
        targets.libraries = matching
            .take(MAX_LIBRARIES)
            .map(|library| Target {
                label: library.title.clone(),
                detail: library.name.to_string(),
                link: address::of_library(&library.name),
            })
            .collect();
        let mut connection = store::postgres::acquire(state.app.pool()).await?;
        let first = address::library(&query.library).ok();
        let found = overview::find_documents(
            &mut connection,
            &frame.actor,
            &catalogue,
            &text,
            first.as_ref(),
            MAX_DOCUMENTS,
        )
        .await?;
        targets.documents = found
            .into_iter()
            .filter_map(|found| {
                let link =
                    address::of_path(&found.library.parse().ok()?, &found.version.parse().ok()?, &found.path);
                let detail = format!("{} {} · {}", found.library, found.version, found.path);
                Some(Target { label: found.title, detail, link })
            })
            .collect();
    }
    Ok(([(header::CACHE_CONTROL, "private, no-cache")], Json(targets)).into_response())
}
