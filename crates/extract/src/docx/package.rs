//! The zip around a Word document: its parts by name, unpacked within limits.

use std::io::{Cursor, Read};

use encoding_rs::{UTF_16BE, UTF_16LE};
use zip::ZipArchive;

use crate::model::{Error, Limits};

/// A real document has a few hundred parts, most of them pictures.
const ENTRIES: usize = 20_000;
/// XML packs to a tenth or a thirtieth; the format's extreme is a thousandth.
const RATIO: u64 = 250;
/// Parts below this may pack as well as they like, in bytes.
const RATIO_FROM: u64 = 4 << 20;

/// The parts of a document.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes that may still be unpacked.
    left: u64,
    limit: usize,
}

impl<'a> Package<'a> {
    pub(super) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        // The container of the older formats, and of encrypted documents in the newer one.
        if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(Error::Unsupported(
                "the Word document needs a password or is in the legacy .doc format".to_owned(),
            ));
        }
        if !bytes.starts_with(b"PK") {
            return Err(malformed("not a zip archive"));
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| malformed(&error.to_string()))?;
        if archive.len() > ENTRIES {
            return Err(Error::TooLarge { unit: "parts", limit: ENTRIES });
        }
        Ok(Self { archive, left: limits.text_bytes as u64, limit: limits.text_bytes })
    }

    /// The text of a part, or nothing where there is no such part.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, Error> {
        let Some(index) = self.archive.index_for_name(name) else { return Ok(None) };
        let entry = self.archive.by_index(index).map_err(|error| malformed(&error.to_string()))?;
        let packed = entry.compressed_size();
        let too_large = Error::TooLarge { unit: "decompressed bytes", limit: self.limit };
        // What the directory says of sizes is a claim: what is read is counted.
        let mut bytes = Vec::new();
        entry
            .take(self.left + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| malformed(&format!("the part {name} is damaged: {error}")))?;
        let length = bytes.len() as u64;
        if length > self.left || (length > RATIO_FROM && length / RATIO > packed) {
            return Err(too_large);
        }
        self.left -= length;
        Ok(Some(decode(bytes)))
    }
}

/// XML of an office program is UTF-8; the standard allows UTF-16 too.
fn decode(bytes: Vec<u8>) -> String {
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => UTF_16LE.decode_with_bom_removal(&bytes).0.into_owned(),
        [0xfe, 0xff, ..] => UTF_16BE.decode_with_bom_removal(&bytes).0.into_owned(),
        _ => String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

pub(super) fn malformed(reason: &str) -> Error {
    Error::Malformed { format: "Word", reason: reason.to_owned() }
}
