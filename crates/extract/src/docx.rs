//! Reader for Word documents (Office Open XML): headings, paragraphs, lists, tables, code and notes.
//!
//! Uses a zip and an XML library and not a document library: those lose list markers that only a style defines, and
//! the numbers of headings, by which people cite such documents.

mod body;
mod formula;
mod lists;
mod package;
mod paragraph;
mod styles;
mod symbols;
mod xml;

use std::collections::HashMap;

use crate::builder::{DocumentBuilder, one_line};
use crate::model::{Error, Limits, ParsedDocument};
use crate::picture;

use body::DocumentContext;
use lists::Lists;
use package::{Package, malformed};
use styles::Styles;
use xml::{XmlEvent, for_each_event};

/// Reads a Word document. The name is not used.
///
/// # Errors
///
/// [`Error::Malformed`] if it is not a zip archive, has no document part or malformed XML; [`Error::Unsupported`] if it
/// is encrypted or in the legacy format; [`Error::TooLarge`] if a limit is exceeded; [`Error::Empty`] without text.
pub fn read(bytes: &[u8], _name: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    if bytes.len() > limits.input_bytes {
        return Err(Error::TooLarge { unit: "bytes", limit: limits.input_bytes });
    }
    let mut package = Package::open(bytes, limits)?;
    let main_part = main_part_name(&mut package, limits)?;
    let folder = main_part.rsplit_once('/').map_or("", |(folder, _)| folder);
    let sibling = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let document =
        package.part(&main_part)?.ok_or_else(|| malformed("the archive has no word/document.xml"))?;
    let mut builder = DocumentBuilder::new(limits);
    let mut context = DocumentContext::default();
    if let Some(part) = package.part(&sibling("styles.xml"))? {
        context.styles = Styles::read(&part, limits.depth)?;
    }
    if let Some(part) = package.part(&sibling("numbering.xml"))? {
        context.lists = Lists::read(&part, limits.depth)?;
    }
    let file = main_part.rsplit('/').next().unwrap_or_default();
    if let Some(part) = package.part(&sibling(&format!("_rels/{file}.rels")))? {
        context.links = link_addresses(&part, "/hyperlink", limits)?;
        context.media = link_addresses(&part, "/image", limits)?;
    }
    for (name, prefix) in [("footnotes.xml", ""), ("endnotes.xml", "e")] {
        if let Some(part) = package.part(&sibling(name))? {
            context.notes.extend(body::read_notes(&part, prefix, limits)?);
        }
    }
    if let Some(part) = package.part("docProps/core.xml")? {
        builder.set_title(&core_title(&part, limits)?);
    }
    let media = std::mem::take(&mut context.media);
    let names = media.iter().map(|(id, target)| (id.clone(), media_name(&sibling(target))));
    context.media = names.collect();
    body::write(&document, &mut context, limits, &mut builder)?;
    let mut parsed = builder.finish()?;
    let mut parts: Vec<String> = media.values().map(|target| sibling(target)).collect();
    parts.sort_unstable();
    parts.dedup();
    for part in parts {
        // A picture that is damaged or too large is left out.
        if let Ok(Some(bytes)) = package.bytes(&part, picture::MAX_INPUT_BYTES) {
            parsed.media.push((media_name(&part), bytes));
        }
    }
    Ok(parsed)
}

/// Returns the target by which a document refers to one of its pictures.
fn media_name(part: &str) -> String {
    format!("media:{part}")
}

/// Returns the name of the part with the text: the one in the relationships of the package, else the usual one.
fn main_part_name(package: &mut Package<'_>, limits: &Limits) -> Result<String, Error> {
    let mut target = None;
    if let Some(relationships) = package.part("_rels/.rels")? {
        for_each_event(&relationships, limits.depth, &mut |event| {
            if let XmlEvent::Start(element) = event {
                let relationship_type = element.attribute("Type").unwrap_or_default();
                if target.is_none() && relationship_type.ends_with("/officeDocument") {
                    target = element.attribute("Target");
                }
            }
            Ok(())
        })?;
    }
    let target = target.map(|target| target.trim_start_matches('/').to_owned());
    Ok(target.unwrap_or_else(|| "word/document.xml".to_owned()))
}

/// Returns the addresses of links, or the parts of pictures, by the id of their relationship.
fn link_addresses(part: &str, kind: &str, limits: &Limits) -> Result<HashMap<String, String>, Error> {
    let mut links = HashMap::new();
    for_each_event(part, limits.depth, &mut |event| {
        if let XmlEvent::Start(element) = event
            && element.attribute("Type").unwrap_or_default().ends_with(kind)
            && let (Some(id), Some(target)) = (element.attribute("Id"), element.attribute("Target"))
            && !target.is_empty()
        {
            links.insert(id, target);
        }
        Ok(())
    })?;
    Ok(links)
}

/// Returns the title in the document properties, empty if there is none.
fn core_title(part: &str, limits: &Limits) -> Result<String, Error> {
    let (mut is_in_title, mut title) = (false, String::new());
    for_each_event(part, limits.depth, &mut |event| {
        match event {
            XmlEvent::Start(element) => is_in_title = element.name == "title",
            XmlEvent::End(_) => is_in_title = false,
            XmlEvent::Text(text) if is_in_title => title.push_str(&text),
            XmlEvent::Text(_) => {}
        }
        Ok(())
    })?;
    // Ignores the title of a common template.
    Ok(Some(one_line(&title)).filter(|title| title != "Word Document").unwrap_or_default())
}
