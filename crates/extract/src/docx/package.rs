//! Zip package of a Word document: decompresses its parts by name, within limits.

use std::io::{Cursor, Read};

use encoding_rs::{UTF_16BE, UTF_16LE};
use zip::ZipArchive;

use crate::model::{Error, Limits};
use crate::zip_end::{self, Fault};

/// Maximum number of parts; a real document has a few hundred, most of them pictures.
const MAX_PARTS: usize = 20_000;

/// Maximum compression ratio. XML reaches 10 to 30; the maximum of the format is about 1000.
const MAX_RATIO: u64 = 250;

/// Maximum size of a part whose compression ratio is not checked.
const UNCHECKED_RATIO_BYTES: u64 = 4 << 20;

/// Parts of a document.
pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    /// Number of bytes that may still be decompressed.
    remaining: u64,
    max_bytes: usize,
}

impl<'a> Package<'a> {
    pub(super) fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        // OLE container of the legacy formats, and of encrypted documents in the current one.
        if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
            return Err(Error::Unsupported(
                "the Word document needs a password or is in the legacy .doc format".to_owned(),
            ));
        }
        if !bytes.starts_with(b"PK") {
            return Err(malformed("not a zip archive"));
        }
        let mut bytes = Cursor::new(bytes);
        zip_end::check(&mut bytes, MAX_PARTS).map_err(|fault| match fault {
            Fault::TooManyEntries => Error::TooLarge { unit: "parts", limit: MAX_PARTS },
            Fault::Malformed(reason) => malformed(&reason),
        })?;
        let archive = ZipArchive::new(bytes).map_err(|error| malformed(&error.to_string()))?;
        if archive.len() > MAX_PARTS {
            return Err(Error::TooLarge { unit: "parts", limit: MAX_PARTS });
        }
        Ok(Self { archive, remaining: limits.text_bytes as u64, max_bytes: limits.text_bytes })
    }

    /// Returns the text of a part, or `None` if there is no such part.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.bytes(name, usize::MAX)?.map(decode))
    }

    /// Returns the bytes of a part of at most `max_bytes`, or `None` if there is no such part.
    pub(super) fn bytes(&mut self, name: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, Error> {
        let Some(index) = self.archive.index_for_name(name) else { return Ok(None) };
        let entry = self.archive.by_index(index).map_err(|error| malformed(&error.to_string()))?;
        let compressed_size = entry.compressed_size();
        let too_large = Error::TooLarge { unit: "decompressed bytes", limit: self.max_bytes };
        if entry.size() > max_bytes as u64 {
            return Err(too_large);
        }
        // Counts the bytes read: the sizes in the directory are only a claim.
        let mut bytes = Vec::new();
        entry
            .take(self.remaining + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| malformed(&format!("the part {name} is damaged: {error}")))?;
        let length = bytes.len() as u64;
        if length > self.remaining || (length > UNCHECKED_RATIO_BYTES && length / MAX_RATIO > compressed_size)
        {
            return Err(too_large);
        }
        self.remaining -= length;
        Ok(Some(bytes))
    }
}

/// Decodes a part. Office programs write UTF-8; the standard also allows UTF-16.
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
