//! Archives (zip, tar, tar.gz) as a row of files, within hard limits and without ever writing to a disk.
//!
//! Nothing is kept: each file is unpacked into one buffer that is used again, and handed to the caller. An
//! archive inside an archive is a file like any other and is not opened.

use std::io::{BufReader, Read, Seek, SeekFrom};

use encoding_rs::GB18030;
use flate2::read::MultiGzDecoder;

use crate::model::Error;

/// Bounds on what an archive may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Files, folders and links in it.
    pub entries: usize,
    /// Bytes of one unpacked file.
    pub entry_bytes: u64,
    /// Bytes of all unpacked files together.
    pub total_bytes: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self { entries: 100_000, entry_bytes: 256 << 20, total_bytes: 4 << 30 }
    }
}

/// The longest name that is kept, in bytes, as on most file systems.
const NAME_BYTES: u64 = 4096;

/// What is called with the path of each file and its bytes, or with the reason why they are not had.
pub type Visitor<'a> = dyn FnMut(&str, Result<&[u8], Error>) -> Result<(), Error> + 'a;

/// Calls `visit` with the path and the bytes of every file, in the archive's order, and returns how many there were.
///
/// A file that cannot be had (it has a password, is a link, is damaged, or its name leads out of the archive)
/// is visited with its error, which names it; the files after it follow. Folders and the entries that macOS
/// adds are passed over. Names that are not UTF-8 are read as GB18030. What `visit` returns as an error ends it.
///
/// # Errors
///
/// [`Error::Malformed`] where it is no archive or breaks off, [`Error::TooLarge`] beyond the limits on entries
/// and total bytes, and what `visit` returns.
pub fn entries<R: Read + Seek>(
    mut reader: R,
    limits: &ArchiveLimits,
    visit: &mut Visitor<'_>,
) -> Result<usize, Error> {
    let mut start = Vec::new();
    reader.by_ref().take(512).read_to_end(&mut start).map_err(|error| broken(&error.to_string()))?;
    reader.seek(SeekFrom::Start(0)).map_err(|error| broken(&error.to_string()))?;
    let mut walk = Walk { limits, visit, buffer: Vec::new(), total: 0, seen: 0, visited: 0 };
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
        walk.zip(reader)?;
    } else if start.starts_with(&[0x1f, 0x8b]) {
        walk.tar(MultiGzDecoder::new(BufReader::new(reader)))?;
    } else if start.get(257..262) == Some(b"ustar") {
        walk.tar(BufReader::new(reader))?;
    } else {
        return Err(broken("it is neither zip nor tar nor tar.gz"));
    }
    Ok(walk.visited)
}

/// Files that systems leave in archives, and hidden ones, as in folders.
pub fn is_hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with('.') && part != "." && part != ".." || part == "__MACOSX")
}

struct Walk<'a> {
    limits: &'a ArchiveLimits,
    visit: &'a mut Visitor<'a>,
    buffer: Vec<u8>,
    total: u64,
    seen: usize,
    visited: usize,
}

/// What an entry is, beside its name.
enum Kind {
    File,
    /// Why its bytes are not had.
    Refused(&'static str),
}

impl Walk<'_> {
    fn zip<R: Read + Seek>(&mut self, reader: R) -> Result<(), Error> {
        let mut archive = zip::ZipArchive::new(reader).map_err(|error| broken(&error.to_string()))?;
        for index in 0..archive.len() {
            self.count()?;
            // The raw entry's name and kind are known even where its method or its password is not.
            let (name, kind, folder) = {
                let entry = archive.by_index_raw(index).map_err(|error| broken(&error.to_string()))?;
                let kind = if entry.is_symlink() {
                    Kind::Refused("is a link")
                } else if entry.encrypted() {
                    Kind::Refused("needs a password")
                } else {
                    Kind::File
                };
                (decode(entry.name_raw()), kind, entry.is_dir())
            };
            if folder {
                continue;
            }
            match archive.by_index(index) {
                Ok(entry) => self.file(&name, &kind, entry)?,
                Err(_) if matches!(kind, Kind::Refused(_)) => self.file(&name, &kind, std::io::empty())?,
                Err(_) => self.file(&name, &Kind::Refused("cannot be unpacked"), std::io::empty())?,
            }
        }
        Ok(())
    }

    fn tar<R: Read>(&mut self, reader: R) -> Result<(), Error> {
        // Entries that are passed over are unpacked too, so the whole stream is bounded: by the files, and by
        // the two kilobytes that an entry takes beside its bytes.
        let overhead = 2048_u64.saturating_mul(self.limits.entries as u64 + 16);
        let whole = self.limits.total_bytes.saturating_add(overhead);
        let mut archive = tar::Archive::new(reader.take(whole));
        // Raw: the library would read a "long name" of any length into memory.
        let entries = archive.entries().map_err(|error| broken(&error.to_string()))?.raw(true);
        let mut long_name: Option<Vec<u8>> = None;
        for entry in entries {
            let mut entry = entry.map_err(|error| broken(&error.to_string()))?;
            self.count()?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                let mut bytes = Vec::new();
                entry
                    .by_ref()
                    .take(4 * NAME_BYTES)
                    .read_to_end(&mut bytes)
                    .map_err(|error| broken(&error.to_string()))?;
                let name = if kind.is_gnu_longname() { Some(bytes) } else { pax_path(&bytes) };
                long_name = name.or(long_name);
                continue;
            }
            let raw = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            let name = decode(raw.strip_suffix(b"\0").unwrap_or(&raw));
            if kind.is_file() || kind.is_contiguous() {
                self.file(&name, &Kind::File, entry)?;
            } else if kind.is_symlink() || kind.is_hard_link() {
                self.file(&name, &Kind::Refused("is a link"), entry)?;
            } else if !kind.is_dir() && !kind.is_pax_global_extensions() && !kind.is_gnu_longlink() {
                self.file(&name, &Kind::Refused("is not a file"), entry)?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Error> {
        self.seen += 1;
        if self.seen > self.limits.entries {
            return Err(Error::TooLarge { what: "files in an archive", limit: self.limits.entries });
        }
        Ok(())
    }

    fn file(&mut self, name: &str, kind: &Kind, content: impl Read) -> Result<(), Error> {
        let path = match safe_path(name) {
            Ok(path) if added_by_macos(&path) => return Ok(()),
            Ok(path) => path,
            Err(reason) => {
                self.visited += 1;
                return (self.visit)(name, Err(refused(name, reason)));
            }
        };
        self.visited += 1;
        if let Kind::Refused(reason) = kind {
            return (self.visit)(&path, Err(refused(&path, reason)));
        }
        self.buffer.clear();
        // One giant file should not keep its room for all that follow.
        self.buffer.shrink_to(16 << 20);
        let left = self.limits.total_bytes - self.total;
        let most = self.limits.entry_bytes.min(left);
        let read = content.take(most.saturating_add(1)).read_to_end(&mut self.buffer);
        let length = self.buffer.len() as u64;
        self.total = self.total.saturating_add(length);
        if length > left {
            let limit = usize::try_from(self.limits.total_bytes).unwrap_or(usize::MAX);
            return Err(Error::TooLarge { what: "bytes unpacked from an archive", limit });
        }
        if length > most {
            self.buffer.clear();
            return (self.visit)(&path, Err(refused(&path, "is too large once unpacked")));
        }
        match read {
            Ok(_) => (self.visit)(&path, Ok(&self.buffer)),
            Err(_) => (self.visit)(&path, Err(refused(&path, "is damaged"))),
        }
    }
}

/// The path below the archive's root, with forward slashes, or why there is none.
fn safe_path(name: &str) -> Result<String, &'static str> {
    let name = name.replace('\\', "/");
    let drive = name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic();
    if name.starts_with('/') || drive {
        return Err("has an absolute path");
    }
    if name.len() as u64 > NAME_BYTES || name.chars().any(char::is_control) {
        return Err("has an impossible name");
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("leads out of the archive");
    }
    if parts.is_empty() {
        return Err("has no name");
    }
    Ok(parts.join("/"))
}

fn added_by_macos(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("__MACOSX/") || file == ".DS_Store" || file.starts_with("._")
}

/// UTF-8, else the encoding of Chinese Windows, which zip tools there write without saying so.
fn decode(name: &[u8]) -> String {
    match std::str::from_utf8(name) {
        Ok(name) => name.to_owned(),
        Err(_) => GB18030.decode_without_bom_handling(name).0.into_owned(),
    }
}

/// The `path` among the records of an extended header: `27 path=folder/file.md\n`.
fn pax_path(bytes: &[u8]) -> Option<Vec<u8>> {
    tar::PaxExtensions::new(bytes)
        .flatten()
        .filter(|extension| extension.key_bytes() == b"path")
        .last()
        .map(|extension| extension.value_bytes().to_vec())
}

fn refused(name: &str, reason: &str) -> Error {
    let shown: String = name.chars().filter(|character| !character.is_control()).take(200).collect();
    Error::Unsupported(format!("“{shown}” in the archive {reason}"))
}

fn broken(reason: &str) -> Error {
    Error::Malformed { kind: "archive", reason: reason.to_owned() }
}
