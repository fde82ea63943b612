//! Layout of a document: long ones are split into parts of whole passages, which are shown one after another. Layouts are cached
//! by revision, since a revision never changes.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use library::documents::layout::{self, PassageSpan};
use library::documents::reading::VisibleDocument;
use markup::document::slug;
use moka::sync::Cache;
use sqlx::PgConnection;
use uuid::Uuid;

/// Size of a part, which is rendered in a few milliseconds.
const PART_CHARS: i32 = 24_000;
/// Limit on entries in the table of contents; beyond it the deeper headings are left out.
const MAX_ENTRIES: usize = 250;
/// Size of the cache.
const CACHE_BYTES: u64 = 16 << 20;

/// Layout of a revision.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) places: Vec<PassageSpan>,
    /// Indices into `places` of each part.
    pub(super) parts: Vec<Range<usize>>,
    /// Whether all sections are below one heading, which is the title.
    pub(super) titled: bool,
}

/// Entry of the table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// 1 is the outermost.
    pub(super) level: u8,
    pub(super) text: String,
    /// Link relative to the document's address.
    pub(super) link: String,
}

/// Result of a search for a section; numbers are indices into [`Layout::places`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeadingMatch {
    /// The section itself.
    Exact(usize),
    /// The nearest section above it.
    Nearest(usize),
    /// Neither exists.
    None,
}

static LAYOUTS: LazyLock<Cache<Uuid, Arc<Layout>>> = LazyLock::new(|| {
    let weigh = |_: &Uuid, layout: &Arc<Layout>| {
        let texts: usize = layout
            .places
            .iter()
            .map(|place| place.section.iter().map(|one| one.len() + 24).sum::<usize>())
            .sum();
        u32::try_from(texts + layout.places.len() * 200 + 200).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(CACHE_BYTES).weigher(weigh).build()
});

impl Layout {
    /// Returns the layout of a revision, from the cache if possible.
    pub(super) async fn of(
        connection: &mut PgConnection,
        document: &VisibleDocument,
    ) -> Result<Arc<Self>, library::Error> {
        let id = document.revision_id.id().0;
        if let Some(known) = LAYOUTS.get(&id) {
            return Ok(known);
        }
        let places = layout::passage_spans(connection, document).await?;
        let layout = Arc::new(Self::new(places, &document.title));
        LAYOUTS.insert(id, Arc::clone(&layout));
        Ok(layout)
    }

    fn new(places: Vec<PassageSpan>, title: &str) -> Self {
        let first = places.iter().take(3).find_map(|place| place.section.first());
        let titled = first.is_some_and(|first| slug(title).starts_with(&slug(first)));
        let parts = parts(&places);
        Self { places, parts, titled }
    }

    /// Returns the part that contains a passage.
    pub(super) fn part_of(&self, place: usize) -> usize {
        self.parts.partition_point(|part| part.end <= place).min(self.parts.len().saturating_sub(1))
    }

    /// Returns the link to a passage, relative to the document's address.
    pub(super) fn link(&self, place: usize) -> String {
        let Some(found) = self.places.get(place) else { return String::new() };
        format!("{}#p-{}", self.query(self.part_of(place)), found.id)
    }

    /// Returns the link to a part, relative to the document's address.
    pub(super) fn query(&self, part: usize) -> String {
        if part == 0 { String::new() } else { format!("?part={}", part + 1) }
    }

    /// Finds the passage with this anchor in the original, or below a heading with this slug.
    pub(super) fn fragment(&self, fragment: &str) -> Option<usize> {
        let exact = |place: &PassageSpan| place.anchor.as_deref() == Some(fragment);
        if let Some(found) = self.places.iter().position(exact) {
            return Some(found);
        }
        let name = slug(fragment);
        let named = |place: &PassageSpan| place.section.last().is_some_and(|heading| slug(heading) == name);
        self.places.iter().position(named)
    }

    /// Finds the section with these headings, or the nearest one above it.
    pub(super) fn under(&self, headings: &[&str]) -> HeadingMatch {
        let names: Vec<String> = headings.iter().map(|heading| slug(heading)).collect();
        let sections: Vec<Vec<String>> = self
            .places
            .iter()
            .map(|place| place.section.iter().map(|heading| slug(heading)).collect())
            .collect();
        // The title may contain the version.
        let rest = names.get(1..).filter(|rest| self.titled && !rest.is_empty());
        let is_same = |section: &Vec<String>| {
            *section == names || rest.is_some_and(|rest| section.get(1..) == Some(rest))
        };
        if let Some(found) = sections.iter().position(is_same) {
            return HeadingMatch::Exact(found);
        }
        let Some(last) = names.last() else { return HeadingMatch::None };
        if let Some(found) = sections.iter().position(|section| section.last() == Some(last)) {
            return HeadingMatch::Exact(found);
        }
        let mut above = names.iter().rev().skip(1);
        above
            .find_map(|name| sections.iter().position(|section| section.last() == Some(name)))
            .map_or(HeadingMatch::None, HeadingMatch::Nearest)
    }

    /// Returns the table of contents by the headings of passages. A document of one part has it from its text.
    pub(super) fn contents(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut before: &[String] = &[];
        for (number, place) in self.places.iter().enumerate() {
            let same = place.section.iter().zip(before).take_while(|(one, other)| one == other).count();
            for (depth, heading) in place.section.iter().enumerate().skip(same) {
                let level = u8::try_from(depth + usize::from(!self.titled)).unwrap_or(u8::MAX);
                if level > 0 {
                    entries.push(Entry { level, text: heading.clone(), link: self.link(number) });
                }
            }
            before = &place.section;
        }
        bounded(entries)
    }
}

/// Leaves out the deeper headings of a long table of contents.
pub(super) fn bounded(mut entries: Vec<Entry>) -> Vec<Entry> {
    for max_level in (1..=3).rev() {
        entries.retain(|entry| entry.level <= max_level);
        if entries.len() <= MAX_ENTRIES {
            break;
        }
    }
    entries.truncate(MAX_ENTRIES);
    entries
}

/// Splits a document where a section begins or, if a section is very long, between passages of prose.
fn parts(places: &[PassageSpan]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let end = places.last().map_or(0, |last| last.to);
    let (mut start, mut start_char) = (0, places.first().map_or(0, |first| first.from));
    for (number, pair) in places.windows(2).enumerate() {
        let [before, place] = pair else { continue };
        let length = place.from - start_char;
        let is_section = before.section != place.section || place.content_type == "api";
        let is_prose = before.content_type == "text" && place.content_type == "text";
        let is_enough = length >= PART_CHARS && is_section
            || length >= 2 * PART_CHARS && is_prose
            || length >= 4 * PART_CHARS;
        // A short rest stays in the part before.
        if is_enough && end - place.from > PART_CHARS / 4 {
            parts.push(start..number + 1);
            (start, start_char) = (number + 1, place.from);
        }
    }
    parts.push(start..places.len());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(sections: &[(&[&str], i32)]) -> Vec<PassageSpan> {
        let mut from = 0;
        let mut number: i32 = 0;
        sections
            .iter()
            .map(|(section, length)| {
                let place = PassageSpan {
                    id: Uuid::from_u128(u128::from(number.unsigned_abs())),
                    number,
                    section: section.iter().map(ToString::to_string).collect(),
                    content_type: "text".to_owned(),
                    anchor: None,
                    page: None,
                    from,
                    to: from + length,
                    instruction: None,
                };
                from += length;
                number += 1;
                place
            })
            .collect()
    }

    #[test]
    fn long_documents_are_split_where_sections_begin() {
        let long = places(&[
            (&["T", "A"], 20_000),
            (&["T", "A"], 10_000),
            (&["T", "B"], 20_000),
            (&["T", "C"], 9_000),
        ]);
        let layout = Layout::new(long, "T");
        assert_eq!(layout.parts, [0..2, 2..4]);
        assert!(layout.titled);
        assert_eq!((layout.part_of(1), layout.part_of(2), layout.part_of(99)), (0, 1, 1));
        assert!(layout.link(3).starts_with("?part=2#p-"));
        let contents: Vec<(u8, String)> =
            layout.contents().into_iter().map(|entry| (entry.level, entry.text)).collect();
        assert_eq!(contents, [(1, "A".to_owned()), (1, "B".to_owned()), (1, "C".to_owned())]);
        assert_eq!(Layout::new(Vec::new(), "T").parts, vec![0..0; 1]);
    }

    #[test]
    fn a_section_is_found_again_or_the_one_above_it() {
        let layout = Layout::new(
            places(&[
                (&["T 2", "A"], 1),
                (&["T 2", "A", "x"], 1),
                (&["T 2", "B"], 1),
                (&["T 2", "B", "x"], 1),
            ]),
            "T 2",
        );
        for (headings, found) in [
            (&["T 1", "B", "x"][..], HeadingMatch::Exact(3)),
            (&["T 2", "A"], HeadingMatch::Exact(0)),
            (&["T 1", "C", "x"], HeadingMatch::Exact(1)),
            (&["T 1", "B", "gone"], HeadingMatch::Nearest(2)),
            (&["gone"], HeadingMatch::None),
            (&[], HeadingMatch::None),
        ] {
            assert_eq!(layout.under(headings), found, "{headings:?}");
        }
        assert_eq!(layout.fragment("B"), Some(2));
        assert_eq!(layout.fragment("nothing"), None);
    }
}
