//! The guide as it is written, and the page that shows what pages are made of.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{apply_page_headers, assets};
use crate::app::guide;
use crate::http::problem::Problem;

/// A file of the guide.
pub(crate) async fn show(Path(file): Path<String>) -> Response {
    match guide::file(&file) {
        Some(page) if file.split('.').next_back() == Some("html") => {
            let mut response = with_our_sheet(&String::from_utf8_lossy(&page)).into_response();
            apply_page_headers(&mut response);
            response
        }
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

/// A page that is written to be opened as a file, with the addresses that this server has what it loads at.
fn with_our_sheet(page: &str) -> String {
    const IN_FILES: &str = "../crates/server/web/";
    let mut lines = Vec::new();
    for line in page.lines() {
        let Some((before, name)) = line.split_once(IN_FILES) else {
            lines.push(line.to_owned());
            continue;
        };
        let (name, after) = name.split_once('"').unwrap_or((name, ""));
        // The sheet is written in several files and sent as one.
        let name = match name.rsplit_once('/') {
            Some(("style", "10-tokens.css")) => "style.css",
            Some(("style", _)) => continue,
            Some((_, name)) => name,
            None => name,
        };
        lines.push(format!("{before}{}\"{after}", assets::address(name)));
    }
    lines.join("\n")
}
