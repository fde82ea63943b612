//! Archives (zip, tar, tar.gz): visits the files one after another, within hard limits and without writing to disk.
//!
//! Each file is decompressed into one reused buffer and handed to the caller. An archive inside an archive is a file
//! like any other and is not opened.

use std::io::{BufReader, Read, Seek, SeekFrom};

use encoding_rs::GB18030;
use flate2::read::MultiGzDecoder;

use crate::model::Error;
use crate::zip_end::{self, Fault};

/// Upper bounds on the resources that one archive may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Maximum number of entries: files, directories and links.
    pub entries: usize,
    /// Maximum size of one decompressed file.
    pub entry_bytes: u64,
    /// Maximum size of all decompressed files together.
    pub total_bytes: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self { entries: 100_000, entry_bytes: 256 << 20, total_bytes: 4 << 30 }
    }
}

/// Maximum length of a path, as on most file systems.
const MAX_PATH_BYTES: u64 = 4096;

/// Callback for each file: its path and its bytes, or the reason why it cannot be read.
pub type Visitor<'a> = dyn FnMut(&str, Result<&[u8], Error>) -> Result<(), Error> + 'a;

/// Calls `visit` with the path and the bytes of every file, in archive order, and returns the number of files visited.
///
/// A file that cannot be read (it is encrypted, a link or damaged, or its path points outside the archive) is visited
/// with an error that names it, and the walk continues. Directories and the entries that macOS adds are skipped.
/// Names that are not UTF-8 are decoded as GB18030. An error returned by `visit` ends the walk.
///
/// # Errors
///
/// [`Error::Malformed`] if the input is not an archive or is truncated, [`Error::TooLarge`] if the limits on entries
/// or total bytes are exceeded, and any error of `visit`.
pub fn visit_files<R: Read + Seek>(
    mut reader: R,
    limits: &ArchiveLimits,
    visit: &mut Visitor<'_>,
) -> Result<usize, Error> {
    let mut start = Vec::new();
    reader.by_ref().take(512).read_to_end(&mut start).map_err(|error| malformed(&error.to_string()))?;
    reader.seek(SeekFrom::Start(0)).map_err(|error| malformed(&error.to_string()))?;
    let mut walk = Walk { limits, visit, buffer: Vec::new(), total_bytes: 0, entries: 0, visited: 0 };
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        walk.zip(reader)?;
    } else if start.starts_with(&[0x1f, 0x8b]) {
        walk.tar(MultiGzDecoder::new(BufReader::new(reader)))?;
    } else if start.get(257..262) == Some(b"ustar") {
        walk.tar(BufReader::new(reader))?;
    } else {
        return Err(malformed("it is not a zip, tar or tar.gz archive"));
    }
    Ok(walk.visited)
}

/// Whether a path is hidden: a part of it begins with a dot, or it is in the `__MACOSX` folder.
pub fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') && part != "." && part != ".." || part == "__MACOSX")
}

struct Walk<'a> {
    limits: &'a ArchiveLimits,
    visit: &'a mut Visitor<'a>,
    buffer: Vec<u8>,
    total_bytes: u64,
    entries: usize,
    visited: usize,
}

/// Kind of an archive entry.
enum EntryKind {
    File,
    /// An entry whose content is not read, with the reason.
    Refused(&'static str),
}

impl Walk<'_> {
    fn zip<R: Read + Seek>(&mut self, mut reader: R) -> Result<(), Error> {
        zip_end::check(&mut reader, self.limits.entries).map_err(|fault| match fault {
            Fault::TooManyEntries => self.too_many_entries(),
            Fault::Malformed(reason) => malformed(&reason),
        })?;
        let mut archive = zip::ZipArchive::new(reader).map_err(|error| malformed(&error.to_string()))?;
        for index in 0..archive.len() {
            self.count()?;
            // The raw entry has name and kind even if its compression is unsupported or it is encrypted.
            let (name, kind, is_directory) = {
                let entry = archive.by_index_raw(index).map_err(|error| malformed(&error.to_string()))?;
                let kind = if entry.is_symlink() {
                    EntryKind::Refused("is a link")
                } else if entry.encrypted() {
                    EntryKind::Refused("needs a password")
                } else {
                    EntryKind::File
                };
                (decode(entry.name_raw()), kind, entry.is_dir())
            };
            if is_directory {
                continue;
            }
            match archive.by_index(index) {
                Ok(entry) => self.file(&name, &kind, entry)?,
                Err(_) if matches!(kind, EntryKind::Refused(_)) => {
                    self.file(&name, &kind, std::io::empty())?;
                }
                Err(_) => {
                    self.file(&name, &EntryKind::Refused("cannot be decompressed"), std::io::empty())?;
                }
            }
        }
        Ok(())
    }

    fn tar<R: Read>(&mut self, reader: R) -> Result<(), Error> {
        // Skipped entries are decompressed too, so the whole stream is bounded: by the total size of the files plus
        // two kilobytes of headers and padding per entry.
        let overhead = 2048_u64.saturating_mul(self.limits.entries as u64 + 16);
        let max_stream_bytes = self.limits.total_bytes.saturating_add(overhead);
        let mut archive = tar::Archive::new(reader.take(max_stream_bytes));
        // Raw, because the library would read a long name of any length into memory.
        let entries = archive.entries().map_err(|error| malformed(&error.to_string()))?.raw(true);
        let mut long_name: Option<Vec<u8>> = None;
        for entry in entries {
            let mut entry = entry.map_err(|error| malformed(&error.to_string()))?;
            self.count()?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                let mut bytes = Vec::new();
                entry
                    .by_ref()
                    .take(4 * MAX_PATH_BYTES)
                    .read_to_end(&mut bytes)
                    .map_err(|error| malformed(&error.to_string()))?;
                let name = if kind.is_gnu_longname() { Some(bytes) } else { pax_path(&bytes) };
                long_name = name.or(long_name);
                continue;
            }
            let raw = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            let name = decode(raw.strip_suffix(b"\0").unwrap_or(&raw));
            if kind.is_file() || kind.is_contiguous() {
                self.file(&name, &EntryKind::File, entry)?;
            } else if kind.is_symlink() || kind.is_hard_link() {
                self.file(&name, &EntryKind::Refused("is a link"), entry)?;
            } else if !kind.is_dir() && !kind.is_pax_global_extensions() && !kind.is_gnu_longlink() {
                self.file(&name, &EntryKind::Refused("is not a file"), entry)?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(self.too_many_entries());
        }
        Ok(())
    }

    fn too_many_entries(&self) -> Error {
        Error::TooLarge { unit: "files in an archive", limit: self.limits.entries }
    }

    fn file(&mut self, name: &str, kind: &EntryKind, content: impl Read) -> Result<(), Error> {
        let path = match relative_path(name) {
            Ok(path) if is_macos_metadata(&path) => return Ok(()),
            Ok(path) => path,
            Err(reason) => {
                self.visited += 1;
                return (self.visit)(name, Err(refused(name, reason)));
            }
        };
        self.visited += 1;
        if let EntryKind::Refused(reason) = kind {
            return (self.visit)(&path, Err(refused(&path, reason)));
        }
        self.buffer.clear();
        // Free the memory of one very large file before the next.
        self.buffer.shrink_to(16 << 20);
        let remaining = self.limits.total_bytes - self.total_bytes;
        let max_bytes = self.limits.entry_bytes.min(remaining);
        let read = content.take(max_bytes.saturating_add(1)).read_to_end(&mut self.buffer);
        let length = self.buffer.len() as u64;
        self.total_bytes = self.total_bytes.saturating_add(length);
        if length > remaining {
            let limit = usize::try_from(self.limits.total_bytes).unwrap_or(usize::MAX);
            return Err(Error::TooLarge { unit: "decompressed bytes in an archive", limit });
        }
        if length > max_bytes {
            self.buffer.clear();
            return (self.visit)(&path, Err(refused(&path, "is too large")));
        }
        match read {
            Ok(_) => (self.visit)(&path, Ok(&self.buffer)),
            // The process that unpacks has a limit.
            Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
                self.buffer = Vec::new();
                (self.visit)(&path, Err(refused(&path, "needs more memory than is allowed")))
            }
            Err(_) => (self.visit)(&path, Err(refused(&path, "is damaged"))),
        }
    }
}

/// Returns the path relative to the archive's root, with forward slashes, or the reason why it is refused.
fn relative_path(name: &str) -> Result<String, &'static str> {
    let name = name.replace('\\', "/");
    let has_drive = name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic();
    if name.starts_with('/') || has_drive {
        return Err("has an absolute path");
    }
    if name.len() as u64 > MAX_PATH_BYTES || name.chars().any(char::is_control) {
        return Err("has an invalid name");
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("points outside the archive");
    }
    if parts.is_empty() {
        return Err("has no name");
    }
    Ok(parts.join("/"))
}

/// Whether the entry was added by macOS and is not a file of the user.
fn is_macos_metadata(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("__MACOSX/") || file == ".DS_Store" || file.starts_with("._")
}

/// Decodes a name as UTF-8, else as GB18030: zip tools on Chinese Windows write that without declaring it.
fn decode(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => GB18030.decode_without_bom_handling(name).0.into_owned(),
    }
}

/// Returns the value of the `path` record of a pax extended header: `27 path=folder/file.md\n`.
fn pax_path(bytes: &[u8]) -> Option<Vec<u8>> {
    tar::PaxExtensions::new(bytes)
        .flatten()
        .filter(|extension| extension.key_bytes() == b"path")
        .last()
        .map(|extension| extension.value_bytes().to_vec())
}

fn refused(name: &str, reason: &str) -> Error {
    let name: String = name.chars().filter(|character| !character.is_control()).take(200).collect();
    Error::Unsupported(format!("“{name}” in the archive {reason}"))
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { format: "archive", reason: reason.to_owned() }
}
