//! Manifest of a backup, and the layout of a repository (format 1).
//!
//! ```text
//! repository.json                     format of the repository
//! lock, readers.lock, archive.lock    held by the programs that write, read, or archive the log
//! backups/ID/manifest.json            written last: a folder without one is no backup
//! backups/ID/database-00000 …         base backup: one tar stream of pg_basebackup, in pieces
//! backups/ID/objects                  list of the objects, one JSON value per line
//! backups/ID/NAME                     what else the program saves
//! backups/ID/verification.json        report of the last verification
//! objects/KEYS/ab/HASH.STORED         bytes of a document, shared by backups
//! wal/KEYS/SYSTEM/SEGMENT.STORED      segment of the write-ahead log, shared by backups
//! wal/KEYS/SYSTEM/SEGMENT.TIME.STORED the same, with every transaction until TIME in it or before it
//! wal/KEYS/SYSTEM/objects.TIME.SIZE.STORED  list of objects that came between backups, SIZE bytes long
//! ```
//!
//! `TIME` is in microseconds since 1970. `KEYS` is `plain`, or names the set of public keys; `HASH` is the SHA-256 of the content, `STORED` that of the stored file. Files are
//! never changed. Every piece is compressed by zstd and then, where the backup is encrypted, an age file. The manifest and the list of
//! objects' names are not encrypted: they have sizes, hashes and numbers of rows, and no text of the library.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::objects::Hash;

use crate::Error;
use crate::codec::sha256;

/// Format that this program writes, and the newest it reads.
pub const FORMAT: u32 = 1;
/// Field with the hash of the rest.
const DIGEST: &str = "sha256";

/// Stored file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BackupPiece)]
pub struct Piece {
    /// Path in the repository.
    pub path: String,
    /// Size of the stored file in bytes.
    pub size: u64,
    /// SHA-256 of the stored file.
    pub sha256: String,
    /// Size of its content in bytes.
    pub plain_size: u64,
}

/// Segment of the write-ahead log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BackupWalSegment)]
pub struct WalSegment {
    /// Name that PostgreSQL gives it.
    pub name: String,
    /// Stored file.
    #[serde(flatten)]
    pub piece: Piece,
}

/// Write-ahead log that a backup needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BackupWal)]
pub struct Wal {
    /// Timeline.
    pub timeline: u32,
    /// Position from which it is needed.
    pub start_lsn: String,
    /// Position of the restore point, at which the backup is complete.
    pub end_lsn: String,
    /// Name of the restore point.
    pub restore_point: String,
    /// Segments in order.
    pub segments: Vec<WalSegment>,
}

/// Documents' bytes that a backup has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BackupObjects)]
pub struct Objects {
    /// Number of objects.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were damaged in the library when it was backed up; they are not among the others.
    pub damaged: Vec<String>,
    /// List of them: lines of [`ObjectEntry`].
    pub list: Piece,
}

/// Line of the list of objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// SHA-256 of the content.
    pub hash: String,
    /// Stored file.
    #[serde(flatten)]
    pub piece: Piece,
}

impl ObjectEntry {
    /// Returns the object's name.
    ///
    /// # Errors
    ///
    /// Fails when it is no hash.
    pub fn name(&self) -> Result<Hash, Error> {
        self.hash.parse().map_err(|_invalid| Error::damaged(&self.piece.path, "its name is no SHA-256"))
    }
}

/// Description of a complete backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BackupManifest)]
pub struct Manifest {
    /// Format of the backup.
    pub format: u32,
    /// Id: time of the beginning in UTC and four random letters.
    pub id: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// The state that it restores is that of this time.
    pub consistent_at: DateTime<Utc>,
    /// When it was complete.
    pub finished_at: DateTime<Utc>,
    /// Version of the program.
    pub program: String,
    /// Number of the newest migration.
    pub schema: i64,
    /// Version of PostgreSQL.
    pub postgres: String,
    /// Identifier of the database cluster.
    pub system: String,
    /// Embedding model whose vectors the database has, if any.
    pub model: Option<String>,
    /// Public keys that it is encrypted to; empty if it is not encrypted.
    pub recipients: Vec<String>,
    /// Base backup: the pieces of one tar stream.
    pub database: Vec<Piece>,
    /// Write-ahead log.
    pub wal: Wal,
    /// Documents' bytes.
    pub objects: Objects,
    /// Additional data of the program, by name.
    pub extras: BTreeMap<String, Piece>,
    /// Number of rows by table, in the state that it restores.
    pub tables: BTreeMap<String, i64>,
    /// Whether the numbers of rows are exact. They are not where writers left no moment between them for minutes.
    pub tables_are_exact: bool,
}

impl Manifest {
    /// Size of the base backup when it is unpacked, in bytes.
    pub fn database_bytes(&self) -> u64 {
        self.database.iter().map(|piece| piece.plain_size).sum()
    }

    /// Size of the write-ahead log in bytes.
    pub fn wal_bytes(&self) -> u64 {
        self.wal.segments.iter().map(|segment| segment.piece.plain_size).sum()
    }

    /// Bytes that this backup alone takes in the repository.
    pub fn own_bytes(&self) -> u64 {
        let extras = self.extras.values().chain([&self.objects.list]).chain(&self.database);
        extras.map(|piece| piece.size).sum()
    }

    /// Number of rows in all tables.
    pub fn rows(&self) -> i64 {
        self.tables.values().sum()
    }

    /// Whether it is encrypted.
    pub fn is_encrypted(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Returns the file's bytes: JSON with a digest of all other fields.
    ///
    /// # Errors
    ///
    /// Never, as long as the fields have a form in JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let failed = |error: serde_json::Error| Error::Failed(error.to_string());
        let mut value = serde_json::to_value(self).map_err(failed)?;
        let digest = digest(&value);
        if let Value::Object(fields) = &mut value {
            fields.insert(DIGEST.to_owned(), Value::String(digest));
        }
        serde_json::to_vec_pretty(&value).map_err(failed)
    }

    /// Reads a manifest. `path` names it in errors.
    ///
    /// # Errors
    ///
    /// Fails when it is damaged or of a newer format.
    pub fn from_bytes(bytes: &[u8], path: &str) -> Result<Self, Error> {
        let unreadable =
            |error: serde_json::Error| Error::damaged(path, format!("it is not readable ({error})"));
        let mut value: Value = serde_json::from_slice(bytes).map_err(unreadable)?;
        let format = value.get("format").and_then(Value::as_u64).unwrap_or(0);
        if format > u64::from(FORMAT) {
            let found = u32::try_from(format).unwrap_or(u32::MAX);
            return Err(Error::NewerFormat { found, known: FORMAT });
        }
        let stated = value.as_object_mut().and_then(|fields| fields.remove(DIGEST));
        if stated.as_ref().and_then(Value::as_str) != Some(&digest(&value)) {
            return Err(Error::damaged(path, "its content has not the SHA-256 that it states"));
        }
        serde_json::from_value(value).map_err(unreadable)
    }
}

/// SHA-256 of a JSON value without white space, the fields of each object sorted by name.
fn digest(value: &Value) -> String {
    let mut text = String::new();
    write_sorted(value, &mut text);
    sha256(text.as_bytes())
}

fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            text.push('{');
            for (number, (name, field)) in sorted.into_iter().enumerate() {
                text.push_str(if number == 0 { "" } else { "," });
                text.push_str(&Value::String(name.clone()).to_string());
                text.push(':');
                write_sorted(field, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (number, item) in items.iter().enumerate() {
                text.push_str(if number == 0 { "" } else { "," });
                write_sorted(item, text);
            }
            text.push(']');
        }
        simple => text.push_str(&simple.to_string()),
    }
}

/// Version of this program.
pub fn program_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn example() -> Manifest {
        let piece = |path: &str| Piece {
            path: path.to_owned(),
            size: 10,
            sha256: sha256(path.as_bytes()),
            plain_size: 40,
        };
        let time = "2026-11-29T17:00:00Z".parse().unwrap();
        Manifest {
            format: FORMAT,
            id: "20261129-170000-abcd".to_owned(),
            started_at: time,
            consistent_at: time,
            finished_at: time,
            program: program_version().to_owned(),
            schema: 15,
            postgres: "18.1".to_owned(),
            system: "7".to_owned(),
            model: None,
            recipients: Vec::new(),
            database: vec![piece("backups/x/database-00000"), piece("backups/x/database-00001")],
            wal: Wal {
                timeline: 1,
                start_lsn: "0/2000028".to_owned(),
                end_lsn: "0/3000028".to_owned(),
                restore_point: "wenyuan".to_owned(),
                segments: vec![WalSegment {
                    name: "000000010000000000000002".to_owned(),
                    piece: piece("wal/x"),
                }],
            },
            objects: Objects { count: 1, bytes: 3, damaged: Vec::new(), list: piece("backups/x/objects") },
            extras: BTreeMap::from([("settings".to_owned(), piece("backups/x/settings"))]),
            tables: BTreeMap::from([("library.documents".to_owned(), 7)]),
            tables_are_exact: true,
        }
    }

    #[test]
    fn a_changed_manifest_is_noticed() {
        let manifest = example();
        let bytes = manifest.to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes(&bytes, "m").unwrap(), manifest);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let changed = text.replace("\"library.documents\": 7", "\"library.documents\": 0");
        assert_ne!(changed, text);
        let error = Manifest::from_bytes(changed.as_bytes(), "m").unwrap_err();
        assert_eq!(error.to_string(), "m is damaged: its content has not the SHA-256 that it states");
        assert!(Manifest::from_bytes(&bytes[..bytes.len() / 2], "m").is_err());
        let newer = text.replace("\"format\": 1", "\"format\": 2");
        assert!(matches!(Manifest::from_bytes(newer.as_bytes(), "m"), Err(Error::NewerFormat { .. })));
    }

    #[test]
    fn another_order_and_spacing_is_the_same_manifest() {
        let value: Value = serde_json::from_slice(&example().to_bytes().unwrap()).unwrap();
        let compact = serde_json::to_vec(&value).unwrap();
        assert_eq!(Manifest::from_bytes(&compact, "m").unwrap(), example());
    }
}
