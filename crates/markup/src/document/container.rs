//! Containers that Markdown does not know and manuals use: `:::tip` of Docusaurus and VitePress, `<Note>` and the like of MDX, and
//! `<details>` of HTML.
//!
//! A container is recognised by its beginning and its end, which stand by themselves and at one depth: elements between blank lines,
//! `:::` on lines of its own.
//! Markers without a partner stay what they are.

use std::ops::Range;

use pulldown_cmark::{BlockQuoteKind, Event, Tag, TagEnd};

/// An event of Markdown, or the beginning or end of a container.
pub(super) enum Item<'doc> {
    Event(Event<'doc>, Range<usize>),
    Open(Container, usize),
    Close(usize),
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Container {
    /// Callout, with its title if it has one of its own.
    Callout(BlockQuoteKind, Option<String>),
    /// Text that is shown on request, with its summary.
    Details(String),
}

/// Names of callouts in all dialects.
fn callout(name: &str) -> Option<BlockQuoteKind> {
    Some(match name.to_ascii_lowercase().as_str() {
        "note" | "info" | "callout" | "aside" | "seealso" => BlockQuoteKind::Note,
        "tip" | "hint" | "check" | "success" => BlockQuoteKind::Tip,
        "important" => BlockQuoteKind::Important,
        "warning" | "warn" | "attention" => BlockQuoteKind::Warning,
        "caution" | "danger" | "error" => BlockQuoteKind::Caution,
        _ => return None,
    })
}

/// A block that can begin or end a container.
enum Marker {
    Open(&'static str, Container),
    Close(&'static str),
}

/// Replaces the markers of containers that have both ends.
pub(super) fn items(events: Vec<(Event<'_>, Range<usize>)>) -> Vec<Item<'_>> {
    let events = with_lines_of_colons_apart(events);
    let mut markers: Vec<Option<Marker>> = Vec::with_capacity(events.len());
    // Index of the last event of each marker's block.
    let mut lasts: Vec<usize> = vec![0; events.len()];
    // Open markers: their kind, their depth and their index.
    let mut open: Vec<(&'static str, usize, usize)> = Vec::new();
    let mut pairs: Vec<bool> = vec![false; events.len()];
    let mut depth = 0_usize;
    for index in 0..events.len() {
        let found = match &events[index].0 {
            Event::Start(Tag::Paragraph) => colons(&events[index..]),
            Event::Start(Tag::HtmlBlock) => element(&events[index..]),
            _ => None,
        };
        markers.push(None);
        if let Some((marker, length)) = found {
            lasts[index] = index + length - 1;
            match &marker {
                Marker::Open(kind, _) => open.push((*kind, depth, index)),
                Marker::Close(kind) => {
                    let partner = open.last().filter(|(opened, at, _)| opened == kind && *at == depth);
                    if let Some((_, _, start)) = partner.copied() {
                        open.pop();
                        pairs[start] = true;
                        pairs[index] = true;
                    }
                }
            }
            markers[index] = Some(marker);
        }
        match &events[index].0 {
            Event::Start(_) => depth += 1,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                // What was opened within the element that ends here stays open no longer.
                while open.last().is_some_and(|(_, at, _)| *at > depth) {
                    open.pop();
                }
            }
            _ => {}
        }
    }
    let mut items = Vec::with_capacity(events.len());
    let mut skipped_to = 0;
    for (index, (event, range)) in events.into_iter().enumerate() {
        if index < skipped_to {
            continue;
        }
        match markers[index].take().filter(|_| pairs[index]) {
            Some(Marker::Open(_, container)) => {
                items.push(Item::Open(container, range.start));
                skipped_to = lasts[index] + 1;
            }
            Some(Marker::Close(_)) => {
                items.push(Item::Close(range.start));
                skipped_to = lasts[index] + 1;
            }
            None => items.push(Item::Event(event, range)),
        }
    }
    items
}

/// Makes lines of `:::` at the beginning and the end of a paragraph paragraphs of their own: they need no blank lines beside them.
fn with_lines_of_colons_apart(events: Vec<(Event<'_>, Range<usize>)>) -> Vec<(Event<'_>, Range<usize>)> {
    let is_colons = |event: &Event<'_>| matches!(event, Event::Text(text) if text.starts_with(":::"));
    if !events.iter().any(|(event, _)| is_colons(event)) {
        return events;
    }
    // Line breaks that become the end of a paragraph and the beginning of another.
    let mut breaks = vec![false; events.len()];
    let mut first_break: Option<usize> = None;
    let mut start = 0;
    for (index, (event, _)) in events.iter().enumerate() {
        match event {
            Event::Start(Tag::Paragraph) => (start, first_break) = (index, None),
            Event::SoftBreak if first_break.is_none() => {
                first_break = Some(index);
                breaks[index] = events.get(start + 1).is_some_and(|(event, _)| is_colons(event));
            }
            Event::End(TagEnd::Paragraph) if index >= 2 => {
                let is_last = matches!(&events[index - 1].0, Event::Text(text) if text.starts_with(":::") && text.trim_matches(':').trim().is_empty());
                let before = index - 2;
                if is_last && before > start && matches!(events[before].0, Event::SoftBreak) {
                    breaks[before] = true;
                }
            }
            _ => {}
        }
    }
    let mut apart = Vec::with_capacity(events.len() + 4);
    for ((event, range), is_break) in events.into_iter().zip(breaks) {
        if is_break {
            apart.push((Event::End(TagEnd::Paragraph), range.clone()));
            apart.push((Event::Start(Tag::Paragraph), range.end..range.end));
        } else {
            apart.push((event, range));
        }
    }
    apart
}

/// Reads a paragraph that is one line of `:::tip Title` or `:::`.
fn colons(events: &[(Event<'_>, Range<usize>)]) -> Option<(Marker, usize)> {
    let end = events.iter().take(8).position(|(event, _)| matches!(event, Event::End(TagEnd::Paragraph)))?;
    let mut line = String::new();
    for (event, _) in &events[1..end] {
        let (Event::Text(text) | Event::Code(text) | Event::InlineHtml(text)) = event else { return None };
        line.push_str(text);
    }
    let rest = line.strip_prefix(":::")?.trim_start_matches(':').trim();
    if rest.is_empty() {
        return Some((Marker::Close(":::"), end + 1));
    }
    let name_end = rest.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (name, title) = rest.split_at(name_end);
    let title = title.trim().trim_start_matches('[').trim_end_matches(']').trim();
    let title = Some(title).filter(|title| !title.is_empty() && !title.starts_with('{')).map(str::to_owned);
    let container = if name == "details" {
        Container::Details(title.unwrap_or_else(|| "Details".to_owned()))
    } else {
        Container::Callout(callout(name)?, title)
    };
    Some((Marker::Open(":::", container), end + 1))
}

/// Reads an HTML block that is the beginning or the end of a callout or of `<details>`.
fn element(events: &[(Event<'_>, Range<usize>)]) -> Option<(Marker, usize)> {
    let end = events.iter().take(12).position(|(event, _)| matches!(event, Event::End(TagEnd::HtmlBlock)))?;
    let mut html = String::new();
    for (event, _) in &events[1..end] {
        let Event::Html(text) = event else { return None };
        html.push_str(text);
    }
    let html = html.trim();
    let (tag, after) = html.strip_prefix('<')?.split_once('>')?;
    let after = after.trim();
    let (is_end, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
    let name_end = tag.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(tag.len());
    let (name, attributes) = tag.split_at(name_end);
    if attributes.ends_with('/') {
        return None;
    }
    if name.eq_ignore_ascii_case("details") {
        if is_end {
            return after.is_empty().then_some((Marker::Close("details"), end + 1));
        }
        let lines = super::strip_html::block(after);
        let is_summary = after.is_empty() || (after.starts_with("<summary") && after.ends_with("</summary>"));
        let summary = if lines.is_empty() { "Details".to_owned() } else { lines.join(" ") };
        return is_summary.then_some((Marker::Open("details", Container::Details(summary)), end + 1));
    }
    // Components have capital letters; `<aside>` of HTML is one, too.
    let is_component = name.starts_with(|first: char| first.is_ascii_uppercase());
    if !after.is_empty() || !is_component {
        return None;
    }
    let named = ["type", "variant", "kind"].iter().find_map(|attribute| value(attributes, attribute));
    let kind = match (name, named.and_then(callout)) {
        ("Callout" | "Admonition" | "Alert" | "Aside", Some(kind)) => kind,
        _ => callout(name)
            .or_else(|| matches!(name, "Admonition" | "Alert").then_some(BlockQuoteKind::Note))?,
    };
    let marker = if is_end {
        Marker::Close("component")
    } else {
        Marker::Open("component", Container::Callout(kind, value(attributes, "title").map(str::to_owned)))
    };
    Some((marker, end + 1))
}

/// Returns the value of an attribute in quotes.
fn value<'tag>(attributes: &'tag str, name: &str) -> Option<&'tag str> {
    let (before, rest) = attributes.split_once(&format!("{name}="))?;
    before.ends_with(char::is_whitespace).then_some(())?;
    let quote = rest.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let value = rest[1..].split(quote).next()?;
    (!value.is_empty()).then_some(value)
}
