//! `/assets`: the style sheet, scripts and icon of pages, embedded in the program.
//!
//! The address contains a hash of all assets, so that browsers cache them for a year and load new ones after an update. Modules
//! import each other by relative paths, which stay under the same hash.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header;
use axum::response::IntoResponse as _;
use axum::routing::get;
use bytes::Bytes;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use super::error::PageResult;
use crate::http::AppState;
use crate::http::problem::Problem;

/// htmx, copied from npm by the build script.
const HTMX: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/htmx.js"));

#[derive(RustEmbed)]
#[folder = "web"]
#[include = "style/*.css"]
#[include = "scripts/*.js"]
#[include = "icon.svg"]
struct Files;

/// Embedded files, and the hash in their address.
struct Assets {
    hash: String,
    /// Name, content type, content.
    files: Vec<(String, &'static str, Bytes)>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let mut files = vec![("htmx.js".to_owned(), SCRIPT, Bytes::from_static(HTMX))];
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    // The style sheet is written in several files and sent as one.
    let mut style = Vec::new();
    for name in names {
        let Some(file) = Files::get(&name) else { continue };
        if let Some(name) = name.strip_prefix("scripts/") {
            files.push((name.to_owned(), SCRIPT, Bytes::from(file.data.into_owned())));
        } else if name.starts_with("style/") {
            style.extend_from_slice(minify(&String::from_utf8_lossy(&file.data)).as_bytes());
        } else {
            files.push((name.into_owned(), "image/svg+xml", Bytes::from(file.data.into_owned())));
        }
    }
    files.push(("style.css".to_owned(), "text/css; charset=utf-8", Bytes::from(style)));
    let mut hash = Sha256::new();
    for (name, _, bytes) in &files {
        hash.update(name.as_bytes());
        hash.update(bytes);
    }
    Assets { hash: hex::encode(&hash.finalize()[..6]), files }
});

/// Removes the comments and indentation of a style sheet.
fn minify(sheet: &str) -> String {
    let mut minified = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, comment)) = rest.split_once("/*") {
        minified.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    minified.push_str(rest);
    let lines: Vec<&str> = minified.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n") + "\n"
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Routes of assets.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/assets/{hash}/{name}", get(show))
}

/// Returns the address of an asset.
pub(crate) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", ASSETS.hash)
}

/// Sends an asset. The hash of another release is accepted too, but the response is not cached.
async fn show(Path((hash, name)): Path<(String, String)>) -> PageResult {
    let asset = ASSETS.files.iter().find(|(known, ..)| *known == name);
    let (_, content_type, bytes) = asset.ok_or_else(|| Problem::not_found("asset not found"))?;
    let cache_control = if hash == ASSETS.hash { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, *content_type),
        (header::CACHE_CONTROL, cache_control),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, bytes.clone()).into_response())
}

#[cfg(test)]
mod tests {
    use super::ASSETS;

    #[test]
    fn the_style_sheet_is_small() {
        let (_, _, style) =
            ASSETS.files.iter().find(|(name, ..)| name == "style.css").expect("a style sheet");
        assert!(style.len() < 30_000, "the style sheet has {} bytes", style.len());
        let text = std::str::from_utf8(style).expect("text");
        assert!(!text.contains("@import") && !text.contains("http:") && !text.contains("https:"));
    }
}
