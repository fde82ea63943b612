//! End record of a zip archive, read before the archive is opened: how many entries its directory has, and how long it is.
//!
//! A zip library parses the whole directory when it opens an archive, and keeps some 200 bytes for each entry: a file of 140 MB can
//! list three million. See [APPNOTE.TXT](https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), 4.3.14 to 4.3.16.

use std::io::{Read, Seek, SeekFrom};

/// End record without its comment, and the longest comment.
const END_BYTES: usize = 22;
const MAX_COMMENT_BYTES: usize = 0xffff;
/// The locator of the zip64 end record stands before the end record.
const LOCATOR_BYTES: u64 = 20;
/// Zip64 end record without extensible data.
const END64_BYTES: u64 = 56;
/// Maximum length of a directory: enough for names and extra fields of 100,000 entries.
const MAX_DIRECTORY_BYTES: u64 = 64 << 20;

/// Reason why an archive is not opened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its directory has too many entries, or takes too many bytes for so many.
    TooManyEntries,
    /// It is damaged; the text says how.
    Malformed(String),
}

/// Checks the directory of a zip archive by its end record.
pub(crate) fn check<R: Read + Seek>(reader: &mut R, max_entries: usize) -> Result<(), Fault> {
    let length = reader.seek(SeekFrom::End(0)).map_err(unreadable)?;
    let tail_start = length.saturating_sub((END_BYTES + MAX_COMMENT_BYTES) as u64);
    let tail = bytes_at(reader, tail_start, length - tail_start).map_err(unreadable)?;
    let mut is_found = false;
    // A comment can contain what looks like another record, and readers differ in the one that they take: all have to be harmless.
    for position in (0..tail.len().saturating_sub(END_BYTES - 1)).rev() {
        let record = &tail[position..];
        let comment = usize::from(u16_at(record, 20));
        if !record.starts_with(b"PK\x05\x06") || END_BYTES + comment > record.len() {
            continue;
        }
        is_found = true;
        let at = tail_start + position as u64;
        let (mut entries, mut start, mut end) =
            (u64::from(u16_at(record, 10)), u64::from(u32_at(record, 16)), at);
        let is_zip64 = entries == 0xffff || start == 0xffff_ffff || u32_at(record, 12) == 0xffff_ffff;
        if is_zip64 && let Some(end64) = zip64_end(reader, at)? {
            (entries, start, end) = end64;
        }
        if entries > max_entries as u64 || end.saturating_sub(start) > MAX_DIRECTORY_BYTES {
            return Err(Fault::TooManyEntries);
        }
    }
    reader.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    if is_found { Ok(()) } else { Err(Fault::Malformed("the end of its directory is missing".to_owned())) }
}

/// Returns number of entries, start and end of the directory by the zip64 end record that belongs to the end record at `end`; `None`
/// if there is none.
fn zip64_end<R: Read + Seek>(reader: &mut R, end: u64) -> Result<Option<(u64, u64, u64)>, Fault> {
    let Some(locator_at) = end.checked_sub(LOCATOR_BYTES) else { return Ok(None) };
    let locator = bytes_at(reader, locator_at, LOCATOR_BYTES).map_err(unreadable)?;
    if !locator.starts_with(b"PK\x06\x07") {
        return Ok(None);
    }
    // Where the locator says, or right before it if something was put in front of the archive.
    for at in [Some(u64_at(&locator, 8)), locator_at.checked_sub(END64_BYTES)].into_iter().flatten() {
        if at.checked_add(END64_BYTES).is_none_or(|record_end| record_end > locator_at) {
            continue;
        }
        let record = bytes_at(reader, at, END64_BYTES).map_err(unreadable)?;
        if record.starts_with(b"PK\x06\x06") && u64_at(&record, 4).checked_add(12) == Some(locator_at - at) {
            return Ok(Some((u64_at(&record, 32), u64_at(&record, 48), at)));
        }
    }
    Err(Fault::Malformed("the end of its zip64 directory is missing".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is that of map_err")]
fn unreadable(error: std::io::Error) -> Fault {
    Fault::Malformed(error.to_string())
}

/// Reads some bytes at a position; fewer at the end of the file.
fn bytes_at<R: Read + Seek>(reader: &mut R, position: u64, length: u64) -> std::io::Result<Vec<u8>> {
    reader.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the number at an offset; 0 beyond the end.
fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    number_at(bytes, offset).map_or(0, u64::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    number_at(bytes, offset).map_or(0, u32::from_le_bytes)
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    number_at(bytes, offset).map_or(0, u16::from_le_bytes)
}

fn number_at<const LENGTH: usize>(bytes: &[u8], offset: usize) -> Option<[u8; LENGTH]> {
    bytes.get(offset..offset.checked_add(LENGTH)?)?.try_into().ok()
}
