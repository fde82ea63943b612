//! Overlay of a text: links, pictures, and the places that links can name, which belong to a document and are not in its text.

use std::ops::Range;

/// A link or picture over a part of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Byte range of its label or description in the text; empty for a picture without one.
    pub range: Range<usize>,
    /// Target, as in the Markdown of a link.
    pub target: String,
}

/// Place that links can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedAnchor {
    /// Id on the page, without the prefix `a-`.
    pub number: usize,
    /// Byte offset in the text.
    pub offset: usize,
}

/// A picture that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// URL on this server.
    pub url: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Returns the URL on this server that a target means.
pub type FindUrl<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns the picture at an address.
pub type FindPicture<'a> = &'a dyn Fn(&str) -> Option<Picture>;

/// Links, pictures and places of a text, each in ascending order.
#[derive(Clone, Copy, Default)]
pub struct Overlay<'a> {
    /// Links.
    pub links: &'a [Span],
    /// Pictures.
    pub pictures: &'a [Span],
    /// Places.
    pub anchors: &'a [PlacedAnchor],
    /// Returns the URL on this server that a target means, before anything else is tried: also for a fragment (`#x`) and for an
    /// address of the manual's own site.
    pub local: Option<FindUrl<'a>>,
    /// Returns the picture at an address; `None` if it cannot be shown.
    pub picture: Option<FindPicture<'a>>,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Overlay")
            .field("links", &self.links)
            .field("pictures", &self.pictures)
            .field("anchors", &self.anchors)
            .finish_non_exhaustive()
    }
}

impl Overlay<'_> {
    /// Splits a range at the links and pictures in it, from the first that does not end before it.
    pub(super) fn parts(&self, range: Range<usize>) -> Vec<Part<'_>> {
        let first = |spans: &[Span]| spans.partition_point(|span| span.range.start < range.start);
        let mut parts = Vec::new();
        let mut at = range.start;
        // A link that began before this range can reach into it.
        let mut link = first(self.links);
        while link > 0 && self.links.get(link - 1).is_some_and(|before| before.range.end > range.start) {
            link -= 1;
        }
        let mut picture = first(self.pictures);
        while at < range.end {
            while self.links.get(link).is_some_and(|span| span.range.end <= at) {
                link += 1;
            }
            let open = self.links.get(link).filter(|span| span.range.start < range.end);
            let shown = self.pictures.get(picture).filter(|span| span.range.start < range.end);
            let is_linked = open.filter(|span| span.range.start <= at);
            let mut end = match (open, is_linked) {
                (_, Some(span)) => span.range.end,
                (Some(span), None) => span.range.start,
                (None, None) => range.end,
            }
            .min(range.end);
            let mut picture_target = None;
            match shown {
                Some(span) if span.range.start <= at => {
                    picture_target = Some(span.target.as_str());
                    end = span.range.end.clamp(at, range.end);
                    picture += 1;
                }
                Some(span) => end = end.min(span.range.start),
                None => {}
            }
            let link = is_linked.map(|span| span.target.as_str());
            parts.push(Part { range: at..end, link, picture: picture_target });
            at = end;
        }
        parts
    }
}

/// A part of a text with one link and one picture at most.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'overlay> {
    pub(super) range: Range<usize>,
    pub(super) link: Option<&'overlay str>,
    /// Picture that the part describes.
    pub(super) picture: Option<&'overlay str>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spans(ranges: &[(usize, usize)]) -> Vec<Span> {
        ranges.iter().map(|(from, to)| Span { range: *from..*to, target: format!("{from}") }).collect()
    }

    #[test]
    fn a_range_is_split_at_links_and_pictures() {
        let (links, pictures) = (spans(&[(0, 4), (6, 8)]), spans(&[(5, 5), (9, 12)]));
        let overlay = Overlay { links: &links, pictures: &pictures, ..Overlay::default() };
        let parts: Vec<(usize, usize, Option<&str>, Option<&str>)> = overlay
            .parts(2..11)
            .into_iter()
            .map(|part| (part.range.start, part.range.end, part.link, part.picture))
            .collect();
        assert_eq!(
            parts,
            [
                (2, 4, Some("0"), None),
                (4, 5, None, None),
                (5, 5, None, Some("5")),
                (5, 6, None, None),
                (6, 8, Some("6"), None),
                (8, 9, None, None),
                (9, 11, None, Some("9")),
            ]
        );
    }

    proptest! {
        #[test]
        fn parts_cover_the_range(
            links in proptest::collection::vec((0_usize..30, 0_usize..6), 0..6),
            pictures in proptest::collection::vec((0_usize..30, 0_usize..3), 0..6),
            range in (0_usize..20, 1_usize..12),
        ) {
            let sorted = |mut ranges: Vec<(usize, usize)>| {
                ranges.sort_unstable();
                spans(&ranges.iter().map(|(from, length)| (*from, from + length)).collect::<Vec<_>>())
            };
            let (links, pictures) = (sorted(links), sorted(pictures));
            let overlay = Overlay { links: &links, pictures: &pictures, ..Overlay::default() };
            let range = range.0..range.0 + range.1;
            let mut at = range.start;
            for part in overlay.parts(range.clone()) {
                prop_assert_eq!(part.range.start, at);
                at = part.range.end;
            }
            prop_assert_eq!(at, range.end);
        }
    }
}
