//! Layout of a document: long ones are split into parts of whole passages, which are shown one after another. Layouts are cached
//! by revision, since a revision never changes.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use library::documents::layout::{self, PassageSpan};
use library::documents::reading::VisibleDocument;
use library::links::{self, References};
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
    /// Links and pictures that are not in the text, and places by name.
    pub(super) references: References,
    /// Places by position: character and name. Their index is their number on the page.
    pub(super) anchors: Vec<(i32, String)>,
}

/// Entry of the table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// 1 is the outermost.
    pub(super) level: u8,
    pub(super) text: String,
    /// Link relative to the document's address.
    pub(super) link: String,
    /// Part of the document, from 0.
    pub(super) part: usize,
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
        let links = layout.references.links.iter().chain(&layout.references.pictures);
        let links: usize = links.map(|link| link.target.len() + 40).sum();
        let anchors: usize = layout.anchors.iter().map(|(_, name)| 2 * name.len() + 100).sum();
        let size = texts + links + anchors + layout.places.len() * 200 + 200;
        u32::try_from(size).unwrap_or(u32::MAX)
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
        let references = links::of_revision(connection, document.revision_id).await?;
        let layout = Arc::new(Self::new(places, references, &document.title));
        LAYOUTS.insert(id, Arc::clone(&layout));
        Ok(layout)
    }

    fn new(places: Vec<PassageSpan>, references: References, title: &str) -> Self {
        let first = places.iter().take(3).find_map(|place| place.section.first());
        let titled = first.is_some_and(|first| slug(title).starts_with(&slug(first)));
        let parts = parts(&places);
        let mut anchors: Vec<(i32, String)> =
            references.anchors.iter().map(|(name, at)| (*at, name.clone())).collect();
        anchors.sort_unstable();
        Self { places, parts, titled, references, anchors }
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

    /// Returns the link to the place with this name in the original, or to the passage below a heading with this slug.
    pub(super) fn fragment(&self, fragment: &str) -> Option<String> {
        if let Some(link) = self.anchor(fragment) {
            return Some(link);
        }
        let exact = |place: &PassageSpan| place.anchor.as_deref() == Some(fragment);
        let name = slug(fragment);
        let named = |place: &PassageSpan| place.section.last().is_some_and(|heading| slug(heading) == name);
        let found = self.places.iter().position(exact).or_else(|| self.places.iter().position(named));
        found.map(|place| self.link(place))
    }

    /// Returns the link to the place with this name in the original.
    pub(super) fn anchor(&self, name: &str) -> Option<String> {
        let at = *self.references.anchors.get(name)?;
        let number = self
            .anchors
            .binary_search_by(|(other, other_name)| (*other, other_name.as_str()).cmp(&(at, name)));
        // The passage that contains the place, or the first one after it.
        let place =
            self.places.partition_point(|place| place.to <= at).min(self.places.len().checked_sub(1)?);
        Some(format!("{}#a-{}", self.query(self.part_of(place)), number.ok()?))
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
    pub(super) fn contents(&self, part: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut before: &[String] = &[];
        for (number, place) in self.places.iter().enumerate() {
            let same = place.section.iter().zip(before).take_while(|(one, other)| one == other).count();
            // An operation or member of an API has its heading in its own text.
            let headings = place.section.iter().chain(&place.heading);
            for (depth, heading) in headings.enumerate().skip(same) {
                let level = u8::try_from(depth + usize::from(!self.titled)).unwrap_or(u8::MAX);
                if level > 0 {
                    entries.push(Entry {
                        level,
                        text: self.signature(number, heading),
                        link: self.link(number),
                        part: self.part_of(number),
                    });
                }
            }
            before = &place.section;
        }
        bounded(entries, part)
    }

    /// Returns a heading for the table of contents: the name of a method with the types of its parameters, which distinguish it from
    /// others of the same name.
    pub(super) fn signature(&self, place: usize, heading: &str) -> String {
        let anchor = self.places.get(place).and_then(|place| place.anchor.as_deref());
        let parameters = anchor.and_then(|anchor| parameters(anchor, heading));
        parameters.map_or_else(|| heading.to_owned(), |parameters| format!("{heading}({parameters})"))
    }
}

/// Returns the simple types of the parameters in the fragment of a method, which `javadoc` writes in two forms:
/// `dock(java.lang.String,int[])` and, in old releases, `dock-java.lang.String-int:A-`. `None` if it is not that of the method.
fn parameters(anchor: &str, method: &str) -> Option<String> {
    let rest = anchor.strip_prefix(method).or_else(|| anchor.strip_prefix("<init>"))?;
    let types: Vec<String> =
        if let Some(types) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            types.split(',').map(str::to_owned).collect()
        } else {
            let types = rest.strip_prefix('-')?.strip_suffix('-')?;
            types.split('-').map(|name| name.replace(":A", "[]")).collect()
        };
    let simple = types.iter().map(|name| {
        let name = name.trim();
        // The dots of `Object...` do not separate packages.
        let (path, rest) = name.strip_suffix("...").map_or((name, ""), |path| (path, "..."));
        format!("{}{rest}", path.rsplit('.').next().unwrap_or(path))
    });
    Some(simple.collect::<Vec<_>>().join(", "))
}

/// Leaves out the deeper headings of a long table of contents, those of the part that is shown last.
pub(super) fn bounded(mut entries: Vec<Entry>, part: usize) -> Vec<Entry> {
    const MAX_LEVEL: u8 = 3;
    entries.retain(|entry| entry.level <= MAX_LEVEL);
    for is_spared in [true, false] {
        for max_level in (1..MAX_LEVEL).rev() {
            if entries.len() > MAX_ENTRIES {
                entries.retain(|entry| entry.level <= max_level || is_spared && entry.part == part);
            }
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
                    heading: None,
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
        let layout = Layout::new(long, References::default(), "T");
        assert_eq!(layout.parts, [0..2, 2..4]);
        assert!(layout.titled);
        assert_eq!((layout.part_of(1), layout.part_of(2), layout.part_of(99)), (0, 1, 1));
        assert!(layout.link(3).starts_with("?part=2#p-"));
        let contents: Vec<(u8, String)> =
            layout.contents(0).into_iter().map(|entry| (entry.level, entry.text)).collect();
        assert_eq!(contents, [(1, "A".to_owned()), (1, "B".to_owned()), (1, "C".to_owned())]);
        assert_eq!(Layout::new(Vec::new(), References::default(), "T").parts, vec![0..0; 1]);
    }

    #[test]
    fn operations_are_listed_and_overloads_have_their_types() {
        let mut spans = places(&[(&["T", "A"], 10), (&["T", "A"], 10), (&["T", "B"], 10)]);
        for (number, heading, anchor) in [(0, "GET /a", "list"), (1, "dock", "dock(java.lang.String,int[])")]
        {
            spans[number].heading = Some(heading.to_owned());
            spans[number].anchor = Some(anchor.to_owned());
        }
        let texts = |entries: Vec<Entry>| {
            entries.into_iter().map(|entry| (entry.level, entry.text)).collect::<Vec<(u8, String)>>()
        };
        let expected = [(1, "A"), (2, "GET /a"), (2, "dock(String, int[])"), (1, "B")];
        assert_eq!(
            texts(Layout::new(spans, References::default(), "T").contents(0)),
            expected.map(|(level, text)| (level, text.to_owned()))
        );
        assert_eq!(
            parameters("dock-java.lang.Object...-char:A-", "dock").as_deref(),
            Some("Object..., char[]")
        );
        assert_eq!(parameters("<init>()", "Berth").as_deref(), Some(""));
        assert_eq!(parameters("tag-berths", "tag"), None);
        assert_eq!(parameters("MAX", "MAX"), None);
    }

    #[test]
    fn a_long_table_of_contents_keeps_the_deeper_headings_of_its_part() {
        let entry = |level: u8, part: usize| Entry { level, text: String::new(), link: String::new(), part };
        let entries: Vec<Entry> = (0..8)
            .flat_map(|part| std::iter::once(entry(1, part)).chain((0..40).map(move |_| entry(2, part))))
            .collect();
        let left = bounded(entries, 3);
        assert_eq!(left.len(), 8 + 40);
        assert!(left.iter().all(|entry| entry.level == 1 || entry.part == 3));
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
            References {
                anchors: [("b-x".to_owned(), 3), ("a".to_owned(), 0)].into(),
                ..References::default()
            },
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
        assert_eq!(layout.fragment("B"), Some(layout.link(2)));
        assert_eq!(layout.fragment("b-x").as_deref(), Some("#a-1"));
        assert_eq!(layout.fragment("nothing"), None);
    }
}
