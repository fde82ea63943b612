//! Where the keys are: in the environment, or in a file that only its owner may change, one a line, newest first.

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

/// Base64 of both alphabets' common part, with or without `=`: people copy keys from many tools.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What everyone or a group may not do with a file of keys. The group may read it: so services are given secrets.
const REFUSED_MODE: u32 = 0o037;

/// A key, never shown.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

/// What tells a key from another without saying anything of it.
pub(super) type KeyId = [u8; 8];

/// What tells a file from what it was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
}

impl Key {
    fn new() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| Error::NoRandomness(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// 32 bytes, written in base64 or hexadecimal.
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        if text.len() == 64 {
            hex::decode_to_slice(text, &mut *bytes).ok()?;
            return Some(Self(bytes));
        }
        let standard = Zeroizing::new(text.replace('-', "+").replace('_', "/"));
        let decoded = Zeroizing::new(LENIENT.decode(standard.as_bytes()).ok()?);
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

/// Reads the keys of a text: separated by commas or lines, newest first; `#` begins a remark.
pub(super) fn parse(text: &str, place: &str) -> Result<Vec<Key>, Error> {
    let words =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| line.split(','));
    let mut keys: Vec<Key> = Vec::new();
    for word in words.map(str::trim).filter(|word| !word.is_empty()) {
        let key = Key::parse(word).ok_or_else(|| Error::BadKey { place: place.to_owned() })?;
        if keys.iter().all(|known| known.id() != key.id()) {
            keys.push(key);
        }
    }
    if keys.is_empty() { Err(Error::BadKey { place: place.to_owned() }) } else { Ok(keys) }
}

/// Reads a file of keys.
pub(super) fn read(path: &Path) -> Result<(Vec<Key>, Stamp), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    // Of the open file, so that it cannot be another by the time it is read.
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.mode() & 0o777;
    if mode & REFUSED_MODE != 0 {
        return Err(Error::OpenToOthers { path: path.to_owned(), mode });
    }
    let text = Zeroizing::new(io::read_to_string(file).map_err(io)?);
    Ok((parse(&text, &path.display().to_string())?, Stamp::of(&metadata)))
}

/// What the file is now.
pub(super) fn stamp(path: &Path) -> Result<Stamp, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    Ok(Stamp::of(&metadata))
}

/// Makes the file with one new key, unless another program has made it meanwhile.
pub(super) fn make(path: &Path) -> Result<(), Error> {
    let _turn = turn(path)?;
    if path.exists() {
        return Ok(());
    }
    write(path, &[Key::new()?])
}

/// Puts a new key in front, unless there are two already: then an earlier rotation was interrupted and is gone on with.
pub(super) fn add(path: &Path) -> Result<(), Error> {
    let _turn = turn(path)?;
    let (mut keys, _) = read(path)?;
    if keys.len() > 1 {
        return Ok(());
    }
    keys.insert(0, Key::new()?);
    write(path, &keys)
}

/// Removes all keys but the newest, which must be this one.
pub(super) fn drop_old(path: &Path, newest: KeyId) -> Result<(), Error> {
    let _turn = turn(path)?;
    let (mut keys, _) = read(path)?;
    if keys.first().is_none_or(|key| key.id() != newest) {
        return Err(Error::Overtaken);
    }
    keys.truncate(1);
    write(path, &keys)
}

/// One program at a time changes the file. Given back with the value, or by the kernel with the program.
fn turn(path: &Path) -> Result<File, Error> {
    let lock = beside(path, "lock");
    let io = |source| Error::Io { path: lock.clone(), source };
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock).map_err(io)?;
    file.lock().map_err(io)?;
    Ok(file)
}

/// Written beside and renamed when it is on the disk: whoever reads meanwhile, and whatever breaks, finds the old file or
/// the new one. The file keeps its owner: who rotates may be root.
fn write(path: &Path, keys: &[Key]) -> Result<(), Error> {
    let unfinished = beside(path, "new");
    let io = |source| Error::Io { path: unfinished.clone(), source };
    match std::fs::remove_file(&unfinished) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(io(source)),
        _ => {}
    }
    let mut file =
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished).map_err(io)?;
    if let Ok(before) = std::fs::metadata(path) {
        std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid())).map_err(io)?;
        file.set_permissions(before.permissions()).map_err(io)?;
    }
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str("# Wenyuan's secret keys, newest first. Without them nothing sealed in the database can be opened: back them up.\n");
    for key in keys {
        text.push_str(&Zeroizing::new(STANDARD.encode(key.bytes())));
        text.push('\n');
    }
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&unfinished, path).map_err(io)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: metadata.modified().ok(),
        }
    }
}
