//! Assets of pages: a style sheet, scripts, an icon. All are embedded in the program; nothing is loaded from elsewhere.
//!
//! The address holds a hash of everything, so that browsers keep it for good and ask anew after a new release. Modules name
//! each other by relative paths, which stay under the same hash.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use crate::http::problem::Problem;

/// From npm, put here by the build.
const HTMX: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/htmx.js"));

#[derive(RustEmbed)]
#[folder = "web"]
#[include = "style/*.css"]
#[include = "scripts/*.js"]
#[include = "icon.svg"]
struct Files;

/// The files by name, and the part of their address that changes with them.
struct Assets {
    hash: String,
    files: Vec<(String, &'static str, Bytes)>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let mut files = vec![("htmx.js".to_owned(), SCRIPT, Bytes::from_static(HTMX))];
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    // The sheet is written in several files, a room each, and sent as one.
    let mut style = Vec::new();
    for name in names {
        let Some(file) = Files::get(&name) else { continue };
        if let Some(name) = name.strip_prefix("scripts/") {
            files.push((name.to_owned(), SCRIPT, Bytes::from(file.data.into_owned())));
        } else if name.starts_with("style/") {
            style.extend_from_slice(lighter(&String::from_utf8_lossy(&file.data)).as_bytes());
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

/// A sheet without its comments and indentation.
fn lighter(sheet: &str) -> String {
    let mut light = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, comment)) = rest.split_once("/*") {
        light.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    light.push_str(rest);
    let lines: Vec<&str> = light.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n") + "\n"
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The address of a file.
pub(crate) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", ASSETS.hash)
}

/// A file. Under another hash than today's it is the same, and not kept.
pub(crate) async fn show(Path((hash, name)): Path<(String, String)>) -> Response {
    let Some((_, kind, bytes)) = ASSETS.files.iter().find(|(held, ..)| *held == name) else {
        return Problem::not_found("pages load no such file").into_response();
    };
    let kept = if hash == ASSETS.hash { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, *kind),
        (header::CACHE_CONTROL, kept),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use super::ASSETS;

    #[test]
    fn the_sheet_is_light() {
        let (_, _, style) = ASSETS.files.iter().find(|(name, ..)| name == "style.css").expect("the sheet");
        assert!(style.len() < 25_000, "the sheet of style has {} bytes", style.len());
        let text = std::str::from_utf8(style).expect("text");
        assert!(!text.contains("@import") && !text.contains("http:") && !text.contains("https:"));
    }
}
