//! XML as a row of events with local names: no document type, no entities of one's own, bounded depth.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::model::Error;

use super::package::malformed;

/// What is met in a part.
pub(super) enum Met<'a> {
    /// An element begins; an empty one ends at once.
    Start(Element<'a>),
    /// An element ends.
    End(String),
    Text(String),
}

/// The beginning of an element.
pub(super) struct Element<'a> {
    /// Without its prefix.
    pub(super) name: String,
    start: BytesStart<'a>,
}

impl Element<'_> {
    /// An attribute's value by its name without prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        self.start
            .attributes()
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.local_name().as_ref() == name)
            .and_then(|attribute| Some(quick_xml::escape::unescape(&attribute.value).ok()?.into_owned()))
    }

    /// The attribute `val`, which most of the format's properties are said by.
    pub(super) fn value(&self) -> String {
        self.attribute("val").unwrap_or_default()
    }

    /// Whether a property that is on when it is there is not switched off.
    pub(super) fn on(&self) -> bool {
        !matches!(self.value().as_str(), "0" | "false" | "off" | "none")
    }
}

/// Calls `met` for everything in a part.
pub(super) fn walk(
    part: &str,
    depth_limit: usize,
    met: &mut dyn FnMut(Met<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = Reader::from_str(part.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut depth = 0_usize;
    loop {
        let event = reader.read_event().map_err(|error| malformed(&format!("malformed XML: {error}")))?;
        match event {
            Event::Start(start) => {
                depth += 1;
                if depth > depth_limit {
                    return Err(Error::TooLarge { unit: "levels of nesting", limit: depth_limit });
                }
                met(Met::Start(Element { name: start.local_name().as_ref().to_owned(), start }))?;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                met(Met::End(end.local_name().as_ref().to_owned()))?;
            }
            Event::Text(text) => met(Met::Text(text.xml10_content().into_owned()))?,
            Event::CData(text) => met(Met::Text(text.xml10_content().into_owned()))?,
            Event::GeneralRef(reference) => {
                if let Some(text) = entity(&reference) {
                    met(Met::Text(text))?;
                }
            }
            // An office program writes none; one that is there was put there to expand.
            Event::DocType(_) => return Err(malformed("the XML has a document type declaration")),
            Event::Eof if depth > 0 => return Err(malformed("the XML is truncated")),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn entity(reference: &quick_xml::events::BytesRef<'_>) -> Option<String> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().map(String::from);
    }
    let name: &str = reference;
    quick_xml::escape::resolve_predefined_entity(name).map(str::to_owned)
}
