//! Secret keys in the environment, or in a file that only its owner can write: one per line, newest first.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::Error;

/// Base64 with or without padding: people copy keys from many tools.
const BASE64_ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Permissions that a key file must not give. The group can read it: service managers pass secrets that way.
const FORBIDDEN_MODE: u32 = 0o037;

/// A secret key. `Debug` shows its id only.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

/// Identifies a key and reveals nothing of it: the start of a hash.
pub(super) type KeyId = [u8; 8];

/// State of a file, to notice that it has changed since it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
}

impl Key {
    fn generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| Error::Randomness(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// Parses 32 bytes in base64 (of either alphabet) or hexadecimal.
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        if text.len() == 64 {
            hex::decode_to_slice(text, &mut *bytes).ok()?;
            return Some(Self(bytes));
        }
        let standard = Zeroizing::new(text.replace('-', "+").replace('_', "/"));
        let decoded = Zeroizing::new(BASE64_ANY_PADDING.decode(standard.as_bytes()).ok()?);
        bytes.copy_from_slice(decoded.get(..32).filter(|_| decoded.len() == 32)?);
        Some(Self(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn id(&self) -> KeyId {
        let digest = Sha256::new_with_prefix(b"wenyuan key id").chain_update(self.0.as_slice()).finalize();
        let mut id = KeyId::default();
        id.copy_from_slice(&digest[..8]);
        id
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({}…)", hex::encode(self.id()))
    }
}

/// Parses keys separated by commas or line breaks, newest first; a line with `#` is a comment. `origin` names the text in
/// errors.
pub(super) fn parse(text: &str, origin: &str) -> Result<Vec<Key>, Error> {
    let items =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| line.split(','));
    let mut keys: Vec<Key> = Vec::new();
    for item in items.map(str::trim).filter(|item| !item.is_empty()) {
        let key = Key::parse(item).ok_or_else(|| Error::InvalidKey { origin: origin.to_owned() })?;
        if keys.iter().all(|known| known.id() != key.id()) {
            keys.push(key);
        }
    }
    if keys.is_empty() { Err(Error::InvalidKey { origin: origin.to_owned() }) } else { Ok(keys) }
}

/// Reads a key file.
pub(super) fn read(path: &Path) -> Result<(Vec<Key>, FileState), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    // Of the open file: the path could name another by the time it is read.
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.mode() & 0o777;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(Error::InsecureMode { path: path.to_owned(), mode });
    }
    let text = Zeroizing::new(io::read_to_string(file).map_err(io)?);
    Ok((parse(&text, &path.display().to_string())?, FileState::of(&metadata)))
}

/// Returns the current state of a file.
pub(super) fn file_state(path: &Path) -> Result<FileState, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    Ok(FileState::of(&metadata))
}

/// Creates a key file with one new key, unless another process has created it meanwhile.
pub(super) fn create(path: &Path) -> Result<(), Error> {
    let _lock = lock(path)?;
    if path.exists() {
        return Ok(());
    }
    write(path, &[Key::generate()?])
}

/// Adds a new key in front, unless there are two already: then an earlier rotation was interrupted and is continued.
pub(super) fn add(path: &Path) -> Result<(), Error> {
    let _lock = lock(path)?;
    let (mut keys, _) = read(path)?;
    if keys.len() > 1 {
        return Ok(());
    }
    keys.insert(0, Key::generate()?);
    write(path, &keys)
}

/// Removes all keys but the newest, which must be this one.
pub(super) fn remove_old(path: &Path, newest: KeyId) -> Result<(), Error> {
    let _lock = lock(path)?;
    let (mut keys, _) = read(path)?;
    if keys.first().is_none_or(|key| key.id() != newest) {
        return Err(Error::ConcurrentRotation);
    }
    keys.truncate(1);
    write(path, &keys)
}

/// Locks the key file against changes by other processes. Dropping the file, or the end of the process, unlocks it.
fn lock(path: &Path) -> Result<File, Error> {
    let lock_path = with_suffix(path, "lock");
    let io = |source| Error::Io { path: lock_path.clone(), source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock_path)
        .map_err(io)?;
    file.lock().map_err(io)?;
    Ok(file)
}

/// Replaces the key file atomically: writes a new one beside it, syncs it to disk, and renames it. It keeps its owner, since
/// the rotation may run as root.
fn write(path: &Path, keys: &[Key]) -> Result<(), Error> {
    let temporary = with_suffix(path, "new");
    let io = |source| Error::Io { path: temporary.clone(), source };
    match std::fs::remove_file(&temporary) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io(source)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary).map_err(io)?;
    if let Ok(before) = std::fs::metadata(path) {
        std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid())).map_err(io)?;
        file.set_permissions(before.permissions()).map_err(io)?;
    }
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str("# Secret keys of Wenyuan, newest first. Without them no sealed secret in the database can be read: back them up.\n");
    for key in keys {
        text.push_str(&Zeroizing::new(STANDARD.encode(key.bytes())));
        text.push('\n');
    }
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&temporary, path).map_err(io)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

impl FileState {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: metadata.modified().ok(),
        }
    }
}
