//! Exports as a zip archive, as ChatGPT sends them: the chats are in `conversations.json`, among pictures and other files.

use chrono::{DateTime, Utc};

use crate::Error;
use crate::transfer::{ChatRecord, ImportReport, importers};

/// Maximum size of an archive.
pub(super) const MAX_ARCHIVE_BYTES: u64 = 256 << 20;

/// Maximum size of one file of an archive.
pub(super) const MAX_ENTRY_BYTES: u64 = 512 << 20;

/// Callback for each file: its path and its bytes, or the reason why it cannot be read.
pub(super) type Visitor<'a> = dyn FnMut(&str, Result<&[u8], &str>) + 'a;

/// Reads the chats of an archive: those of the files named `conversations….json`, else those of all JSON files. `unpack` visits all
/// files, each time that it is called.
///
/// # Errors
///
/// Fails if the archive cannot be unpacked or has no such file.
pub(super) fn read(
    unpack: &dyn Fn(&mut Visitor<'_>) -> Result<(), Error>,
    now: DateTime<Utc>,
    report: &mut ImportReport,
    consume: &mut dyn FnMut(ChatRecord) -> bool,
) -> Result<(), Error> {
    for is_wanted in [is_conversations, is_json] {
        let mut has_any = false;
        unpack(&mut |path, content| {
            if is_wanted(path) {
                has_any = true;
                match content {
                    Ok(content) => {
                        let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
                        importers::read_to_end(text, now, report, consume);
                    }
                    Err(reason) => report.skip(path, reason),
                }
            }
        })?;
        if has_any {
            return Ok(());
        }
    }
    Err(Error::Invalid("the archive has no JSON file with chats".to_owned()))
}

/// Whether a file holds the chats of ChatGPT: `conversations.json`, `conversations-001.json`.
fn is_conversations(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("conversations")) && is_json(path)
}

fn is_json(path: &str) -> bool {
    [".json", ".jsonl", ".ndjson"].iter().any(|extension| path.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use extract::archive::{ArchiveLimits, visit_files};

    use super::*;

    /// Returns a zip archive without compression of these files.
    fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
        let (mut archive, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in files {
            let length = u32::try_from(content.len()).unwrap().to_le_bytes();
            let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
            let fields = [
                &[20, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
                &checksum(content.as_bytes()).to_le_bytes(),
                &length,
                &length,
                &name_length,
                &[0, 0],
            ]
            .concat();
            let offset = u32::try_from(archive.len()).unwrap().to_le_bytes();
            archive.extend([b"PK\x03\x04", &fields[..], name.as_bytes(), content.as_bytes()].concat());
            directory
                .extend([b"PK\x01\x02", &[20, 0][..], &fields, &[0; 10], &offset, name.as_bytes()].concat());
        }
        let count = u16::try_from(files.len()).unwrap().to_le_bytes();
        let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
        let offset = u32::try_from(archive.len()).unwrap().to_le_bytes();
        archive.extend(
            [&directory[..], b"PK\x05\x06", &[0; 4], &count, &count, &size, &offset, &[0; 2]].concat(),
        );
        archive
    }

    /// Computes the CRC-32 of zip archives.
    fn checksum(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |mut sum, byte| {
            sum ^= u32::from(*byte);
            for _ in 0..8 {
                sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
            }
            sum
        })
    }

    fn read_all(archive: &[u8]) -> (Vec<ChatRecord>, ImportReport, Result<(), Error>) {
        let (mut chats, mut report) = (Vec::new(), ImportReport::default());
        let unpack = |visit: &mut Visitor<'_>| {
            let limits = ArchiveLimits::default();
            let visited = visit_files(Cursor::new(archive), &limits, &mut |path, content| {
                let content = content.map_err(|error| error.to_string());
                visit(path, content.as_ref().copied().map_err(String::as_str));
                Ok(())
            });
            visited.map(drop).map_err(|error| Error::Invalid(format!("the archive cannot be read: {error}")))
        };
        let result = read(&unpack, DateTime::UNIX_EPOCH, &mut report, &mut |chat| {
            chats.push(chat);
            true
        });
        (chats, report, result)
    }

    const CHAT: &str = r#"[{"id": "a", "title": "A", "current_node": "n", "mapping": {"n": {"id": "n", "message":
        {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["How?"]}}}}}]"#;

    #[test]
    fn chats_are_read_from_the_archive_of_chatgpt() {
        let archive =
            zip_of(&[("user.json", "{\"id\": 1}"), ("conversations.json", CHAT), ("chat.html", "<html>")]);
        let (chats, report, result) = read_all(&archive);
        assert!(result.is_ok(), "{result:?}");
        assert_eq!((chats.len(), report.dropped_count), (1, 0), "{report:?}");
        let parts = [("export/conversations-000.json", CHAT), ("export/conversations-001.json", CHAT)];
        assert_eq!(read_all(&zip_of(&parts)).0.len(), 2);
        assert_eq!(read_all(&zip_of(&[("chats/one.json", CHAT)])).0.len(), 1);
    }

    #[test]
    fn other_archives_are_refused_with_a_reason() {
        for (archive, expected) in [
            (zip_of(&[("readme.txt", "words")]), "no JSON file"),
            (b"PK\x03\x04 damaged".to_vec(), "cannot be read"),
        ] {
            let (chats, _, result) = read_all(&archive);
            assert!(chats.is_empty());
            let Err(Error::Invalid(reason)) = result else { panic!("{result:?}") };
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
