//! HTML of a part of a document, rendered once for each revision and cached.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use library::documents::layout::{self, PassageSpan};
use library::documents::reading::VisibleDocument;
use markup::document::{self, Heading, PassageStart, RenderOptions};
use moka::sync::Cache;
use percent_encoding::percent_decode_str;
use sqlx::PgConnection;
use uuid::Uuid;

use super::layout::Layout;
use super::view::FRAGMENT;
use crate::app::address;

/// Size of the cache.
const CACHE_BYTES: u64 = 32 << 20;

/// Part of a document.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) chunks: Vec<Chunk>,
    pub(super) headings: Vec<Heading>,
}

/// HTML of one or more passages.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Indices into [`Layout::places`].
    pub(super) places: Range<usize>,
    pub(super) html: String,
}

static PARTS: LazyLock<Cache<(Uuid, usize), Arc<Part>>> = LazyLock::new(|| {
    let weigh = |_: &(Uuid, usize), part: &Arc<Part>| {
        let html: usize = part.chunks.iter().map(|chunk| chunk.html.len() + 64).sum();
        let headings: usize = part.headings.iter().map(|one| one.id.len() + one.text.len() + 80).sum();
        u32::try_from(html + headings + 200).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).build()
});

/// Returns a part of a document, numbered from 0.
pub(super) async fn part(
    connection: &mut PgConnection,
    document: &VisibleDocument,
    layout: &Arc<Layout>,
    number: usize,
) -> Result<Arc<Part>, library::Error> {
    let key = (document.revision_id.id().0, number);
    if let Some(known) = PARTS.get(&key) {
        return Ok(known);
    }
    let places = layout.parts.get(number).cloned().unwrap_or(0..0);
    // Text between two parts belongs to the second one.
    let place = |place: Option<usize>| place.and_then(|place| layout.places.get(place));
    let from = place(places.start.checked_sub(1)).map_or(0, |before| before.to);
    let is_last = places.end >= layout.places.len();
    let to = if is_last { None } else { place(places.end.checked_sub(1)).map(|last| last.to) };
    let text = layout::text(connection, document, from, to).await?;
    let (layout, document) = (Arc::clone(layout), document.clone());
    // Takes some milliseconds, sometimes tens: too long for an async thread.
    let rendered =
        tokio::task::spawn_blocking(move || render(&document, &layout, number, places, &text)).await;
    let part = Arc::new(
        rendered.map_err(|_panicked| library::Error::Internal("failed to render a document".to_owned()))?,
    );
    PARTS.insert(key, Arc::clone(&part));
    Ok(part)
}

/// Finds a heading in a part and returns its link, relative to the document's address. Short sections share a passage, which has
/// only the headings above all of them; the text has each.
pub(super) async fn heading(
    connection: &mut PgConnection,
    document: &VisibleDocument,
    layout: &Arc<Layout>,
    number: usize,
    name: &str,
) -> Result<Option<String>, library::Error> {
    let part = part(connection, document, layout, number).await?;
    let name = document::slug(name);
    let found = part.headings.iter().find(|heading| document::slug(&heading.text) == name);
    let id = found.map(|heading| percent_encoding::utf8_percent_encode(&heading.id, FRAGMENT));
    Ok(id.map(|id| format!("{}#{id}", layout.query(number))))
}

fn render(
    document: &VisibleDocument,
    layout: &Layout,
    number: usize,
    places: Range<usize>,
    text: &str,
) -> Part {
    let shown = layout.places.get(places.clone()).unwrap_or_default();
    let before = places.start.checked_sub(1).and_then(|before| layout.places.get(before));
    let (text, marks) = marked(before, shown, text);
    let resolve = |link: &str| resolve(document, layout, link);
    let prefix = if number == 0 { String::new() } else { format!("{}-", number + 1) };
    let options = RenderOptions {
        passages: &marks,
        id_prefix: &prefix,
        has_title: layout.titled,
        is_first: number == 0,
        resolve: &resolve,
    };
    let rendered = if document.document_type == "text" {
        document::render_plain(&text, &marks)
    } else {
        document::render(&text, &options)
    };
    let moved = |range: Range<usize>| range.start + places.start..range.end + places.start;
    let chunks = rendered.chunks.into_iter();
    let chunks = chunks.map(|chunk| Chunk { places: moved(chunk.passages), html: chunk.html }).collect();
    let mut headings = rendered.headings;
    for heading in &mut headings {
        heading.passage += places.start;
    }
    Part { chunks, headings }
}

/// Returns the text of a part so that it can be rendered by itself, and the start of each passage in it. A passage starts with
/// the headings above it that belong to no passage.
fn marked(before: Option<&PassageSpan>, places: &[PassageSpan], text: &str) -> (String, Vec<PassageStart>) {
    let from = before.map_or(0, |before| before.to);
    let (mut at, mut passed) = (0, 0);
    // Converts ascending character offsets to byte offsets.
    let mut byte = |character: i32| {
        let ahead = usize::try_from(character - from).unwrap_or(0).saturating_sub(passed);
        at += text.get(at..).unwrap_or_default().chars().take(ahead).map(char::len_utf8).sum::<usize>();
        passed += ahead;
        at
    };
    let mut marks = Vec::with_capacity(places.len());
    let mut end = from;
    for place in places {
        let (above, begin) = (byte(end), byte(place.from));
        let between = text.get(above..begin).unwrap_or_default();
        marks.push(PassageStart { id: place.id.to_string(), offset: begin - between.trim_start().len() });
        end = place.to;
    }
    let begin = marks.first().map_or(0, |first| first.offset);
    let opening = opening(before, places.first(), text.get(begin..).unwrap_or_default());
    for mark in &mut marks {
        mark.offset = mark.offset - begin + opening.len();
    }
    (format!("{opening}{}", text.get(begin..).unwrap_or_default()), marks)
}

/// Returns the fence or table header to repeat where a very long block is split.
fn opening(before: Option<&PassageSpan>, first: Option<&PassageSpan>, text: &str) -> String {
    let Some((before, first)) = before.zip(first) else { return String::new() };
    let same = before.content_type == first.content_type && before.section == first.section;
    match first.content_type.as_str() {
        "code" if same && !text.trim_start().starts_with(['`', '~', '#']) => "```\n".to_owned(),
        "table" if same && text.starts_with('|') => {
            let row = text.lines().next().unwrap_or_default();
            let cells = row.matches('|').count().saturating_sub(1).clamp(1, 50);
            format!("|{}\n|{}\n", " |".repeat(cells), "-|".repeat(cells))
        }
        _ => String::new(),
    }
}

/// Resolves a link of the document: a fragment to its place, a relative address to the document there.
fn resolve(document: &VisibleDocument, layout: &Layout, link: &str) -> Option<String> {
    let (rest, fragment) =
        link.split_once('#').map_or((link, None), |(rest, fragment)| (rest, Some(fragment)));
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let fragment = fragment.filter(|fragment| !fragment.is_empty()).map(plain);
    let here = address::of_path(&document.library, &document.version, &document.path);
    let Some(path) = Some(rest.split('?').next().unwrap_or_default()).filter(|path| !path.is_empty()) else {
        let place = layout.fragment(&fragment?)?;
        return Some(format!("{here}{}", layout.link(place)));
    };
    let path = joined_path(&document.path, &plain(path))?;
    if path == document.path {
        let place = fragment.and_then(|fragment| layout.fragment(&fragment));
        return Some(place.map_or_else(|| here.clone(), |place| format!("{here}{}", layout.link(place))));
    }
    let there = address::of_path(&document.library, &document.version, &path);
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    Some(match fragment {
        Some(fragment) => format!("{there}?at={}", encode(&fragment)),
        None => there,
    })
}

/// Resolves a relative path against that of a document; `None` if it leads out of the library.
fn joined_path(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    let path = parts.join("/");
    (!path.is_empty() && !path.chars().any(char::is_control)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_document() {
        for (from, path, expected) in [
            ("a/b.md", "c.md", Some("a/c.md")),
            ("a/b.md", "../c.md", Some("c.md")),
            ("a/b.md", "./c/", Some("a/c")),
            ("a/b.md", "/x/y", Some("x/y")),
            ("b.md", "../c.md", None),
            ("b.md", ".", None),
        ] {
            assert_eq!(joined_path(from, path).as_deref(), expected, "{from} {path}");
        }
    }

    #[test]
    fn a_passage_starts_with_the_headings_above_it() {
        let place = |number: i32, from: i32, to: i32, kind: &str| PassageSpan {
            id: Uuid::nil(),
            number,
            section: Vec::new(),
            content_type: kind.to_owned(),
            anchor: None,
            page: None,
            from,
            to,
            instruction: None,
        };
        let starts = |marks: &[PassageStart]| marks.iter().map(|mark| mark.offset).collect::<Vec<_>>();
        let places = [place(0, 0, 1, "text"), place(1, 2, 5, "text"), place(2, 14, 17, "text")];
        let (text, marks) = marked(None, &places, "壹\ntwo\n\n## A\n\nsix\n\n## B");
        assert_eq!(text, "壹\ntwo\n\n## A\n\nsix\n\n## B");
        assert_eq!(starts(&marks), [0, 4, 9]);
        let (text, marks) = marked(places.get(1), &places[2..], "\n\n## A\n\nsix");
        assert_eq!((text.as_str(), starts(&marks)), ("## A\n\nsix", vec![0]));
        let code = [place(1, 4, 7, "code")];
        let (text, marks) = marked(Some(&place(0, 0, 3, "code")), &code, "\nx\n```");
        assert_eq!((text.as_str(), marks[0].offset), ("```\nx\n```", 4));
        let rows = [place(1, 4, 13, "table")];
        let (text, _) = marked(Some(&place(0, 0, 3, "table")), &rows, "\n| a | b |");
        assert_eq!(text, "| | |\n|-|-|\n| a | b |");
        assert_eq!(marked(None, &[], "nothing").1.len(), 0);
    }
}
