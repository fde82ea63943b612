//! Links, pictures and anchors of a document in their final form: positions in characters, in order, bounded in number.

use std::collections::{HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use crate::model::{Anchor, ParsedDocument, Reference, ReferenceKind};
use crate::picture::{self, EmbeddedPicture};

/// Maximum number of pictures that are part of a document, and of the bytes of all of them.
const MAX_PICTURES: usize = 500;
const MAX_PICTURE_BYTES: usize = 64 << 20;

/// Maximum number of links and pictures that are kept of one document, and of anchors.
const MAX_REFERENCES: usize = 50_000;

/// Maximum length of a name or target in bytes, without those of pictures that are part of the document.
const MAX_BYTES: usize = 2_000;

/// Reads the pictures that are part of a document: its media, and addresses that hold a picture (`data:`), which get a short name in
/// the references.
pub(crate) fn embed(parsed: &mut ParsedDocument) -> Vec<EmbeddedPicture> {
    let mut pictures: Vec<EmbeddedPicture> = Vec::new();
    let mut bytes = 0;
    let mut add = |target: &str, read: &dyn Fn() -> Option<picture::Picture>| {
        if pictures.len() >= MAX_PICTURES || bytes >= MAX_PICTURE_BYTES {
            return;
        }
        if let Some(picture) = read() {
            bytes += picture.bytes.len();
            pictures.push(EmbeddedPicture { target: target.to_owned(), picture });
        }
    };
    let mut names: HashMap<String, String> = HashMap::new();
    for reference in &mut parsed.references {
        if reference.kind == ReferenceKind::Picture && reference.target.starts_with("data:") {
            let name = if let Some(name) = names.get(&reference.target) {
                name.clone()
            } else {
                let name = data_name(&reference.target);
                add(&name, &|| picture::of_data_address(&reference.target));
                names.insert(reference.target.clone(), name.clone());
                name
            };
            reference.target = name;
        }
    }
    let wanted: HashSet<&str> = parsed.references.iter().map(|reference| reference.target.as_str()).collect();
    for (target, file) in std::mem::take(&mut parsed.media) {
        if wanted.contains(target.as_str())
            && let Some(format) = picture::detect(&target, &file)
        {
            add(&target, &|| picture::read(&target, format, &file).ok());
        }
    }
    pictures
}

/// Returns the name of a picture that an address holds: `data:` and the SHA-256 of the address.
pub fn data_name(address: &str) -> String {
    let mut name = "data:".to_owned();
    for byte in Sha256::digest(address.as_bytes()) {
        name.push_str(&format!("{byte:02x}"));
    }
    name
}

/// Returns the references and anchors of a document. Blocks have anchors too. If a name occurs twice, the first place counts,
/// as in a browser.
pub(crate) fn positions(parsed: &ParsedDocument) -> (Vec<Reference>, Vec<Anchor>) {
    let mut references: Vec<_> = parsed.references.iter().take(MAX_REFERENCES).collect();
    references.sort_by_key(|reference| (reference.range.start, reference.range.end));
    let blocks = parsed.blocks.iter().filter_map(|block| Some((block.anchor.as_deref()?, block.range.start)));
    let named = parsed.anchors.iter().map(|(name, at)| (name.as_str(), *at));
    let mut anchors: Vec<(&str, usize)> =
        named.chain(blocks).filter(|(name, _)| !name.is_empty() && name.len() <= MAX_BYTES).collect();
    anchors.sort_by_key(|(_, at)| *at);
    let mut known = HashSet::new();
    anchors.retain(|(name, _)| known.insert(*name));
    anchors.truncate(MAX_REFERENCES);

    let mut offsets: Vec<usize> = references
        .iter()
        .flat_map(|reference| [reference.range.start, reference.range.end])
        .chain(anchors.iter().map(|(_, at)| *at))
        .collect();
    offsets.sort_unstable();
    offsets.dedup();
    let mut characters = Vec::with_capacity(offsets.len());
    let (mut at, mut count) = (0, 0_u32);
    for offset in &offsets {
        let offset = parsed.text.floor_char_boundary(*offset);
        let passed = parsed.text.get(at..offset).map_or(0, |text| text.chars().count());
        count = count.saturating_add(u32::try_from(passed).unwrap_or(u32::MAX));
        at = offset;
        characters.push(count);
    }
    let character = |offset: usize| {
        offsets.binary_search(&offset).ok().and_then(|index| characters.get(index)).copied().unwrap_or(0)
    };
    let references = references
        .into_iter()
        .map(|reference| Reference {
            kind: reference.kind,
            target: reference.target.clone(),
            characters: (character(reference.range.start), character(reference.range.end)),
        })
        .collect();
    let anchors = anchors
        .into_iter()
        .map(|(name, at)| Anchor { name: name.to_owned(), character: character(at) })
        .collect();
    (references, anchors)
}
