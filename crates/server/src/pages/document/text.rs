//! HTML of a part of a document, rendered once for each revision and state of the library, and cached.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use library::catalogue::Library;
use library::changes;
use library::documents::layout::{self, PassageSpan};
use library::documents::reading::VisibleDocument;
use library::links::{self, Destination, Link};
use markup::document::{self, Heading, Overlay, PassageStart, Picture, PlacedAnchor, RenderOptions, Span};
use moka::sync::Cache;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str};
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

/// Key of a part: its revision and number, and the state of the library, on which its links depend.
type PartKey = (Uuid, usize, (i64, i64));

static PARTS: LazyLock<Cache<PartKey, Arc<Part>>> = LazyLock::new(|| {
    let weigh = |_: &PartKey, part: &Arc<Part>| {
        let html: usize = part.chunks.iter().map(|chunk| chunk.html.len() + 64).sum();
        let headings: usize = part.headings.iter().map(|one| one.id.len() + one.text.len() + 80).sum();
        u32::try_from(html + headings + 200).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).build()
});

/// Returns a part of a document, numbered from 0.
pub(super) async fn part(
    connection: &mut PgConnection,
    library: &Library,
    document: &VisibleDocument,
    layout: &Arc<Layout>,
    number: usize,
) -> Result<Arc<Part>, library::Error> {
    let state = changes::sequence(connection).await?;
    let key = (document.revision_id.id().0, number, (state.passages, state.catalogue));
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
    let references = PartReferences::of(connection, library, document, layout, (from, to), &text).await?;
    let (layout, document) = (Arc::clone(layout), document.clone());
    // Takes some milliseconds, sometimes tens: too long for an async thread.
    let rendered =
        tokio::task::spawn_blocking(move || render(&document, &layout, number, places, &text, &references))
            .await;
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
    library: &Library,
    document: &VisibleDocument,
    layout: &Arc<Layout>,
    (number, name): (usize, &str),
) -> Result<Option<String>, library::Error> {
    let part = part(connection, library, document, layout, number).await?;
    let name = document::slug(name);
    let found = part.headings.iter().find(|heading| document::slug(&heading.text) == name);
    let id = found.map(|heading| percent_encoding::utf8_percent_encode(&heading.id, FRAGMENT));
    Ok(id.map(|id| format!("{}#{id}", layout.query(number))))
}

/// Links, pictures and places of a part.
struct PartReferences {
    /// Links and pictures over its text, by character of the document, and its places.
    links: Vec<Link>,
    pictures: Vec<Link>,
    anchors: Vec<(i32, usize)>,
    /// Where the links in and over its text lead.
    destinations: HashMap<String, Destination>,
    shown: HashMap<String, Picture>,
}

impl PartReferences {
    async fn of(
        connection: &mut PgConnection,
        library: &Library,
        document: &VisibleDocument,
        layout: &Layout,
        (from, to): (i32, Option<i32>),
        text: &str,
    ) -> Result<Self, library::Error> {
        let is_here = |at: i32| from <= at && to.is_none_or(|to| at < to);
        let within =
            |links: &[Link]| links.iter().filter(|link| is_here(link.from)).cloned().collect::<Vec<_>>();
        // The text of a Markdown document has its links itself.
        let is_source = document.document_type == "markdown";
        let (links, pictures) = if is_source {
            (Vec::new(), Vec::new())
        } else {
            (within(&layout.references.links), within(&layout.references.pictures))
        };
        let anchors = layout.anchors.iter().enumerate().map(|(number, (at, _))| (*at, number));
        let anchors = anchors.filter(|(at, _)| is_here(*at)).collect();
        let mut targets: Vec<String> =
            if document.document_type == "text" { Vec::new() } else { document::targets(text) };
        targets.extend(links.iter().chain(&pictures).map(|link| link.target.clone()));
        targets.sort_unstable();
        targets.dedup();
        let pairs: Vec<(&str, &str)> =
            targets.iter().map(|target| (document.path.as_str(), target.as_str())).collect();
        let destinations = links::resolve(connection, library, document.version_id, &pairs).await?;
        let shown = links::pictures::of_document(connection, library, document, &targets).await?;
        let shown = shown.into_iter().map(|(target, picture)| {
            let url = address::of_picture(picture.revision, picture.number);
            let (width, height) = (picture.width, picture.height);
            (target, Picture { url, width, height })
        });
        let shown = shown.collect();
        Ok(Self {
            links,
            pictures,
            anchors,
            destinations: targets.into_iter().zip(destinations).collect(),
            shown,
        })
    }
}

fn render(
    document: &VisibleDocument,
    layout: &Layout,
    number: usize,
    places: Range<usize>,
    text: &str,
    references: &PartReferences,
) -> Part {
    let shown = layout.places.get(places.clone()).unwrap_or_default();
    let before = places.start.checked_sub(1).and_then(|before| layout.places.get(before));
    let from = before.map_or(0, |before| before.to);
    let Marked { text: marked, marks, skipped, opening } = marked(before, shown, text);
    // Positions of the document in the text that is rendered.
    let bytes = Offsets::of(text, from, references);
    let moved = |at: i32| (bytes.at(at) + opening).saturating_sub(skipped).min(marked.len());
    let spans = |links: &[Link]| -> Vec<Span> {
        let span =
            |link: &Link| Span { range: moved(link.from)..moved(link.to), target: link.target.clone() };
        links.iter().map(span).collect()
    };
    let (links, pictures) = (spans(&references.links), spans(&references.pictures));
    let anchors: Vec<PlacedAnchor> = references
        .anchors
        .iter()
        .map(|(at, number)| PlacedAnchor { number: *number, offset: moved(*at) })
        .collect();
    let resolve = |target: &str| url(document, layout, references, target);
    let local = |target: &str| match target.strip_prefix('#') {
        // Fragments of Markdown are those of its headings, which have ids of their own.
        Some(_) if document.document_type == "markdown" => None,
        Some(fragment) => layout.anchor(&percent_decode_str(fragment).decode_utf8_lossy()),
        // Addresses of the manual's own site, and labels of reStructuredText.
        None if target.contains("://") || target.starts_with("ref:") => resolve(target),
        None => None,
    };
    let picture = |address: &str| references.shown.get(address).cloned();
    let prefix = if number == 0 { String::new() } else { format!("{}-", number + 1) };
    let options = RenderOptions {
        passages: &marks,
        id_prefix: &prefix,
        has_title: layout.titled,
        is_first: number == 0,
        resolve: &resolve,
        overlay: Overlay {
            links: &links,
            pictures: &pictures,
            anchors: &anchors,
            local: Some(&local),
            picture: Some(&picture),
        },
    };
    let rendered = if document.document_type == "text" {
        document::render_plain(&marked, &marks)
    } else {
        document::render(&marked, &options)
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

/// Byte offsets of characters in the text of a part.
struct Offsets {
    /// Characters in order, with their byte offsets.
    known: Vec<(i32, usize)>,
}

impl Offsets {
    /// Finds the offsets of all positions that a part refers to; its text begins with the character `from`.
    fn of(text: &str, from: i32, references: &PartReferences) -> Self {
        let links = references.links.iter().chain(&references.pictures);
        let mut characters: Vec<i32> = links
            .flat_map(|link| [link.from, link.to])
            .chain(references.anchors.iter().map(|(at, _)| *at))
            .collect();
        characters.sort_unstable();
        characters.dedup();
        let (mut at, mut passed) = (0, from);
        let known = characters.into_iter().map(|character| {
            let ahead = usize::try_from(character - passed).unwrap_or(0);
            at += text.get(at..).unwrap_or_default().chars().take(ahead).map(char::len_utf8).sum::<usize>();
            passed = passed.max(character);
            (character, at)
        });
        Self { known: known.collect() }
    }

    fn at(&self, character: i32) -> usize {
        let index = self.known.binary_search_by_key(&character, |(known, _)| *known);
        index.ok().and_then(|index| self.known.get(index)).map_or(0, |(_, offset)| *offset)
    }
}

/// Returns the URL that a target of the document leads to; `None` if there is none on this server.
fn url(
    document: &VisibleDocument,
    layout: &Layout,
    references: &PartReferences,
    target: &str,
) -> Option<String> {
    let Destination::Document { path, fragment } = references.destinations.get(target)? else { return None };
    let there = address::of_path(&document.library, &document.version, path);
    if *path != document.path {
        return Some(match fragment {
            Some(fragment) => {
                format!("{there}?at={}", percent_encoding::utf8_percent_encode(fragment, NON_ALPHANUMERIC))
            }
            None => there,
        });
    }
    match fragment {
        Some(fragment) => {
            let link = layout.fragment(fragment);
            // Another name of the same document leads to its beginning, a fragment that does not exist nowhere.
            link.map(|link| format!("{there}{link}")).or_else(|| (!target.starts_with('#')).then_some(there))
        }
        None => Some(there),
    }
}

/// Text of a part as it is rendered.
struct Marked {
    text: String,
    marks: Vec<PassageStart>,
    /// Bytes of the part's text that are left out before it.
    skipped: usize,
    /// Bytes that are put before it.
    opening: usize,
}

/// Returns the text of a part so that it can be rendered by itself, and the start of each passage in it. A passage starts with
/// the headings above it that belong to no passage.
fn marked(before: Option<&PassageSpan>, places: &[PassageSpan], text: &str) -> Marked {
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
    let text = format!("{opening}{}", text.get(begin..).unwrap_or_default());
    Marked { text, marks, skipped: begin, opening: opening.len() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passage_starts_with_the_headings_above_it() {
        let place = |number: i32, from: i32, to: i32, kind: &str| PassageSpan {
            id: Uuid::nil(),
            number,
            section: Vec::new(),
            content_type: kind.to_owned(),
            heading: None,
            anchor: None,
            page: None,
            from,
            to,
            instruction: None,
        };
        let starts = |marks: &[PassageStart]| marks.iter().map(|mark| mark.offset).collect::<Vec<_>>();
        let places = [place(0, 0, 1, "text"), place(1, 2, 5, "text"), place(2, 14, 17, "text")];
        let Marked { text, marks, .. } = marked(None, &places, "壹\ntwo\n\n## A\n\nsix\n\n## B");
        assert_eq!(text, "壹\ntwo\n\n## A\n\nsix\n\n## B");
        assert_eq!(starts(&marks), [0, 4, 9]);
        let Marked { text, marks, .. } = marked(places.get(1), &places[2..], "\n\n## A\n\nsix");
        assert_eq!((text.as_str(), starts(&marks)), ("## A\n\nsix", vec![0]));
        let code = [place(1, 4, 7, "code")];
        let Marked { text, marks, .. } = marked(Some(&place(0, 0, 3, "code")), &code, "\nx\n```");
        assert_eq!((text.as_str(), marks[0].offset), ("```\nx\n```", 4));
        let rows = [place(1, 4, 13, "table")];
        let Marked { text, .. } = marked(Some(&place(0, 0, 3, "table")), &rows, "\n| a | b |");
        assert_eq!(text, "| | |\n|-|-|\n| a | b |");
        assert_eq!(marked(None, &[], "nothing").marks.len(), 0);
    }
}
