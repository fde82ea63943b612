//! XML parts as a sequence of events with local names. Document type declarations are refused, depth is bounded.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::model::Error;

use super::package::malformed;

/// Event of an XML part.
pub(super) enum XmlEvent<'a> {
    /// Start of an element; an empty element is followed directly by its end.
    Start(Element<'a>),
    /// End of an element, with its local name.
    End(String),
    /// Text, CDATA or a resolved entity.
    Text(String),
}

/// Start tag of an element.
pub(super) struct Element<'a> {
    /// Local name, without prefix.
    pub(super) name: String,
    start: BytesStart<'a>,
}

impl Element<'_> {
    /// Returns the value of the attribute with this local name.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        self.start
            .attributes()
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.local_name().as_ref() == name)
            .and_then(|attribute| Some(quick_xml::escape::unescape(&attribute.value).ok()?.into_owned()))
    }

    /// Returns the attribute `val`, which most properties of the format use; empty if it is missing.
    pub(super) fn value(&self) -> String {
        self.attribute("val").unwrap_or_default()
    }

    /// Whether a toggle property is on: it is unless its value says otherwise.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.value().as_str(), "0" | "false" | "off" | "none")
    }
}

/// Calls `visit` for every event of a part, in order.
///
/// # Errors
///
/// Fails if the XML is malformed, nested deeper than `max_depth` or has a document type declaration, or if `visit`
/// fails.
pub(super) fn for_each_event(
    part: &str,
    max_depth: usize,
    visit: &mut dyn FnMut(XmlEvent<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut reader = Reader::from_str(part.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let mut depth = 0_usize;
    loop {
        let event = reader.read_event().map_err(|error| malformed(&format!("malformed XML: {error}")))?;
        match event {
            Event::Start(start) => {
                depth += 1;
                if depth > max_depth {
                    return Err(Error::TooLarge { unit: "levels of nesting", limit: max_depth });
                }
                visit(XmlEvent::Start(Element { name: start.local_name().as_ref().to_owned(), start }))?;
            }
            Event::End(end) => {
                depth = depth.saturating_sub(1);
                visit(XmlEvent::End(end.local_name().as_ref().to_owned()))?;
            }
            Event::Text(text) => visit(XmlEvent::Text(text.xml10_content().into_owned()))?,
            Event::CData(text) => visit(XmlEvent::Text(text.xml10_content().into_owned()))?,
            Event::GeneralRef(reference) => {
                if let Some(text) = resolve_reference(&reference) {
                    visit(XmlEvent::Text(text))?;
                }
            }
            // Office programs never write one: it could only define entities that expand.
            Event::DocType(_) => return Err(malformed("the XML has a document type declaration")),
            Event::Eof if depth > 0 => return Err(malformed("the XML is truncated")),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// Resolves a character reference or a predefined entity; `None` for any other.
fn resolve_reference(reference: &quick_xml::events::BytesRef<'_>) -> Option<String> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().map(String::from);
    }
    let name: &str = reference;
    quick_xml::escape::resolve_predefined_entity(name).map(str::to_owned)
}
