//! Encryption of secrets at rest: credentials of other servers and keys of language models, which must be readable again, are
//! sealed with XChaCha20-Poly1305 ([draft-irtf-cfrg-xchacha](https://datatracker.ietf.org/doc/draft-irtf-cfrg-xchacha/)) under a
//! key that is not in the database.
//!
//! A sealed value is 1 byte of format version, 8 bytes of key id, a nonce of 24 bytes, and the ciphertext with its tag. Its
//! associated data is a *context* that names its row, such as `registry.servers/credential/<id>`: it opens with no other.
//! Several keys can be known: the newest seals, all of them open. To rotate: [`Sealer::add_key`], reseal every row that is not
//! [current](Sealer::is_current), check once more, then [`Sealer::remove_old_keys`]. Each step can be interrupted and repeated.
//! `keys.rs` reads and writes the key file; [`crate::sealed`] keeps rotation and writers apart.

mod keys;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use keys::{FileState, Key, KeyId};

const FORMAT_VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Format version and key id. They are authenticated together with the context.
const HEADER_BYTES: usize = 1 + size_of::<KeyId>();

/// Source of the keys.
#[derive(Clone)]
pub struct SecretConfig {
    /// `WENYUAN_SECRET_KEY`: the keys themselves, separated by commas, newest first.
    pub keys: Option<Zeroizing<String>>,
    /// `WENYUAN_SECRET_KEY_FILE`: a key file, which must exist.
    pub file: Option<PathBuf>,
    /// Key file to use if neither is given; created if it does not exist.
    pub default_file: PathBuf,
}

impl fmt::Debug for SecretConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SecretConfig").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Failure to seal, to open or to read keys. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system's random number generator failed.
    #[error("the operating system's random number generator failed: {0}")]
    Randomness(String),
    /// Malformed keys. The text does not repeat them.
    #[error(
        "{origin} does not contain secret keys: a key is 32 bytes in base64 or hexadecimal, one per line or separated by \
         commas, the newest first; to generate one: openssl rand -base64 32"
    )]
    InvalidKey { origin: String },
    /// The key file is accessible to other users.
    #[error(
        "the key file {path} is accessible to other users (mode {mode:03o}): chmod 600 {path}, and consider its keys compromised"
    )]
    InsecureMode { path: PathBuf, mode: u32 },
    /// The configured key file does not exist.
    #[error(
        "the key file {0}, set by WENYUAN_SECRET_KEY_FILE, does not exist; to create it: (umask 077; openssl rand -base64 32 > {0})"
    )]
    MissingFile(PathBuf),
    /// The key file cannot be read or written.
    #[error("failed to read or write the key file {path}")]
    Io { path: PathBuf, source: std::io::Error },
    /// The value was sealed with a key that is not known.
    #[error(
        "the secret was sealed with the key {0}, which is not among the keys: put that key back as the last line of \
         the key file (or at the end of WENYUAN_SECRET_KEY); if it is lost, enter the secret again"
    )]
    UnknownKey(String),
    /// The value was changed, or sealed with another context.
    #[error(
        "a sealed secret failed authentication: it was changed, or copied from another row; enter the secret again"
    )]
    NotAuthentic,
    /// Unknown format of a sealed value.
    #[error(
        "a sealed secret has a format that this release does not know: use the release that sealed it, or enter the secret again"
    )]
    UnknownFormat,
    /// The keys are not in a file, so the program cannot change them.
    #[error(
        "the secret keys are set in WENYUAN_SECRET_KEY, which this program cannot change: put a new key in front of \
         it on every node, restart them, reseal, and then remove the old key"
    )]
    NotAFile,
    /// Another process changed the keys during a rotation.
    #[error("another process has changed the secret keys: rotate again")]
    ConcurrentRotation,
}

/// Seals and opens secrets. Cheap to clone. `Debug` shows no key.
#[derive(Clone)]
pub struct Sealer {
    shared: Arc<Shared>,
}

struct Shared {
    /// The key file, if the keys are in one.
    file: Option<PathBuf>,
    keys: RwLock<Arc<KeySet>>,
}

/// The keys as they were last read, newest first; at least one.
struct KeySet {
    keys: Vec<Key>,
    /// State of the file that they were read from.
    file_state: Option<FileState>,
}

impl Sealer {
    /// Reads the keys. Without configured keys it uses the default file, and creates it with a new key if it does not exist.
    ///
    /// # Errors
    /// When the keys are malformed, or their file is missing, unreadable or accessible to other users.
    pub fn open(config: &SecretConfig) -> Result<Self, Error> {
        if let Some(text) = config.keys.as_ref().filter(|text| !text.trim().is_empty()) {
            let keys = keys::parse(text, "WENYUAN_SECRET_KEY")?;
            return Ok(Self::with(None, KeySet { keys, file_state: None }));
        }
        let path = match &config.file {
            Some(file) if !file.exists() => return Err(Error::MissingFile(file.clone())),
            Some(file) => file,
            None => {
                if !config.default_file.exists() {
                    keys::create(&config.default_file)?;
                }
                &config.default_file
            }
        };
        Ok(Self::with(Some(path.clone()), KeySet::read(path)?))
    }

    fn with(file: Option<PathBuf>, keys: KeySet) -> Self {
        Self { shared: Arc::new(Shared { file, keys: RwLock::new(Arc::new(keys)) }) }
    }

    /// Seals with the newest key. `context` names the row and column that will hold the value, which opens with no other.
    ///
    /// # Errors
    /// When the key file cannot be read or random numbers cannot be generated.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        // The file is checked each time: a value sealed with a key that was removed meanwhile would be lost.
        let current = self.current()?;
        let Some(key) = current.keys.first() else { return Err(Error::NotAFile) };
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|error| Error::Randomness(error.to_string()))?;
        let mut sealed = Vec::with_capacity(HEADER_BYTES + NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.push(FORMAT_VERSION);
        sealed.extend_from_slice(&key.id());
        let associated_data = associated_data(&sealed, context);
        let ciphertext = cipher(key)
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &associated_data })
            .map_err(|_too_long| Error::UnknownFormat)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens a value that was sealed with this context.
    ///
    /// # Errors
    /// When its key or format is not known, or when it was changed or sealed with another context.
    pub fn open_sealed(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let id = key_id(sealed).ok_or(Error::UnknownFormat)?;
        let known = self.known();
        let key = match known.find(id) {
            Some(key) => key.clone(),
            // Another process may have rotated the key since.
            None => self.current()?.find(id).cloned().ok_or_else(|| Error::UnknownKey(hex::encode(id)))?,
        };
        let (header, rest) = sealed.split_at(HEADER_BYTES);
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Error::UnknownFormat)?;
        let payload = Payload { msg: ciphertext, aad: &associated_data(header, context) };
        let plain =
            cipher(&key).decrypt(&XNonce::from(*nonce), payload).map_err(|_opaque| Error::NotAuthentic)?;
        Ok(Zeroizing::new(plain))
    }

    /// Whether a value is sealed with the newest key.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        let current = self.current().unwrap_or_else(|_unreadable| self.known());
        key_id(sealed).is_some_and(|id| current.keys.first().is_some_and(|key| key.id() == id))
    }

    /// Derives a key for a purpose, such as signing tokens, from the newest key (HKDF-SHA256,
    /// [RFC 5869](https://www.rfc-editor.org/rfc/rfc5869)).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        self.derive_all(purpose).into_iter().next().unwrap_or_default()
    }

    /// Like [`derive`](Self::derive), from every known key, newest first: signatures from before a rotation can be verified.
    pub fn derive_all(&self, purpose: &str) -> Vec<Zeroizing<[u8; 32]>> {
        let current = self.current().unwrap_or_else(|_unreadable| self.known());
        current.keys.iter().map(|key| expand(key, "derive", purpose)).collect()
    }

    /// Number of known keys: more than one during a rotation.
    pub fn key_count(&self) -> usize {
        self.known().keys.len()
    }

    /// First step of a rotation: adds a new key, with which every process that uses the file seals from now on. Does nothing
    /// if an earlier rotation was interrupted, which is then continued.
    ///
    /// # Errors
    /// When the keys are not in a file, or the file cannot be written.
    pub fn add_key(&self) -> Result<(), Error> {
        keys::add(self.shared.file.as_ref().ok_or(Error::NotAFile)?)?;
        self.current().map(drop)
    }

    /// Last step of a rotation: removes all keys but the newest. Values sealed with another are lost, so the caller has
    /// checked that there are none, *after* its own transaction was committed.
    ///
    /// # Errors
    /// When the keys are not in a file, when the file cannot be written, or when another process has changed it.
    pub fn remove_old_keys(&self) -> Result<(), Error> {
        let path = self.shared.file.as_ref().ok_or(Error::NotAFile)?;
        let known = self.known();
        let newest = known.keys.first().ok_or(Error::NotAFile)?;
        keys::remove_old(path, newest.id())?;
        self.current().map(drop)
    }

    /// The keys as they were last read.
    fn known(&self) -> Arc<KeySet> {
        Arc::clone(&self.shared.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys, read again if their file has changed.
    fn current(&self) -> Result<Arc<KeySet>, Error> {
        let known = self.known();
        let Some(path) = &self.shared.file else { return Ok(known) };
        if known.file_state == Some(keys::file_state(path)?) {
            return Ok(known);
        }
        let read = Arc::new(KeySet::read(path)?);
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&read);
        Ok(read)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("file", &self.shared.file)
            .field("keys", &self.known().keys)
            .finish()
    }
}

impl KeySet {
    fn read(path: &std::path::Path) -> Result<Self, Error> {
        let (keys, file_state) = keys::read(path)?;
        Ok(Self { keys, file_state: Some(file_state) })
    }

    fn find(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id() == id)
    }
}

/// Id of the key of a sealed value, if its format is known.
fn key_id(sealed: &[u8]) -> Option<KeyId> {
    let (&version, rest) = sealed.split_first()?;
    (version == FORMAT_VERSION).then(|| rest.first_chunk().copied()).flatten()
}

/// Data that the tag authenticates beside the ciphertext. The header has a fixed length, so no two contexts give the same.
fn associated_data(header: &[u8], context: &str) -> Vec<u8> {
    [header, context.as_bytes()].concat()
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*expand(key, "seal", "")).into())
}

/// Derives a subkey: no key is used directly or for two purposes.
fn expand(key: &Key, operation: &str, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut subkey = Zeroizing::new([0; 32]);
    let info: [&[u8]; 4] = [b"wenyuan ", operation.as_bytes(), b":", purpose.as_bytes()];
    let expanded = Hkdf::<Sha256>::new(None, key.bytes()).expand_multi_info(&info, &mut *subkey);
    debug_assert!(expanded.is_ok(), "HKDF-SHA256 can output 32 bytes");
    subkey
}

#[cfg(test)]
mod tests;
