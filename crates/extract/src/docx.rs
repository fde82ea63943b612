//! Office Open XML word-processing documents: headings, paragraphs, lists, tables, code and notes out of the zip.
//!
//! Read with a zip and an XML library and not with a reader of documents: those lose the markers of lists that a
//! style alone names, and the numbers of headings, which is how people cite such documents.

mod body;
mod lists;
mod package;
mod styles;
mod xml;

use crate::builder::{Builder, one_line};
use crate::model::{Error, Limits, ParsedDocument};

use body::Context;
use lists::Lists;
use package::{Package, malformed};
use styles::Styles;
use xml::{Met, walk};

/// Reads a Word document; its name says nothing that the document does not.
///
/// # Errors
///
/// [`Error::Malformed`] where it is no zip, holds no document part or broken XML; [`Error::Unsupported`] where it
/// is encrypted or in the older format; [`Error::TooLarge`] beyond the limits; [`Error::Empty`] without text.
pub fn read(bytes: &[u8], _name: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    if bytes.len() > limits.input_bytes {
        return Err(Error::TooLarge { unit: "bytes", limit: limits.input_bytes });
    }
    let mut package = Package::open(bytes, limits)?;
    let main = main_part(&mut package, limits)?;
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let document = package.part(&main)?.ok_or_else(|| malformed("the archive has no word/document.xml"))?;
    let mut builder = Builder::new(limits);
    let mut context = Context::default();
    if let Some(part) = package.part(&beside("styles.xml"))? {
        context.styles = Styles::read(&part, limits.depth)?;
    }
    if let Some(part) = package.part(&beside("numbering.xml"))? {
        context.lists = Lists::read(&part, limits.depth)?;
    }
    for (name, prefix) in [("footnotes.xml", ""), ("endnotes.xml", "e")] {
        if let Some(part) = package.part(&beside(name))? {
            context.notes.extend(body::notes(&part, prefix, limits)?);
        }
    }
    if let Some(part) = package.part("docProps/core.xml")? {
        builder.title(&core_title(&part, limits)?);
    }
    body::write(&document, &mut context, limits, &mut builder)?;
    builder.finish()
}

/// The name of the part that holds the text: what the package's relations say, else the usual one.
fn main_part(package: &mut Package<'_>, limits: &Limits) -> Result<String, Error> {
    let mut main = None;
    if let Some(relations) = package.part("_rels/.rels")? {
        walk(&relations, limits.depth, &mut |met| {
            if let Met::Start(element) = met {
                let kind = element.attribute("Type").unwrap_or_default();
                if main.is_none() && kind.ends_with("/officeDocument") {
                    main = element.attribute("Target");
                }
            }
            Ok(())
        })?;
    }
    let main = main.map(|target| target.trim_start_matches('/').to_owned());
    Ok(main.unwrap_or_else(|| "word/document.xml".to_owned()))
}

fn core_title(part: &str, limits: &Limits) -> Result<String, Error> {
    let (mut inside, mut title) = (false, String::new());
    walk(part, limits.depth, &mut |met| {
        match met {
            Met::Start(element) => inside = element.name == "title",
            Met::End(_) => inside = false,
            Met::Text(text) if inside => title.push_str(&text),
            Met::Text(_) => {}
        }
        Ok(())
    })?;
    // A template's own title is not the document's.
    Ok(Some(one_line(&title)).filter(|title| title != "Word Document").unwrap_or_default())
}
