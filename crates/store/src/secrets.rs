//! Secrets at rest: what must be kept so that it can be read again (credentials of other servers, keys of language models)
//! is sealed with XChaCha20-Poly1305 under a key that is not in the database.
//!
//! A sealed value is one byte of version, eight that name the key, a nonce of 24, and the ciphertext with its tag. It is
//! bound to its place, such as `registry.servers/credential/<id>`, and opens nowhere else. Several keys may be known: the
//! newest seals, all of them open. To change the key: [`Sealer::add_key`], seal every row again that is not
//! [current](Sealer::is_current), look once more, then [`Sealer::drop_old`]. Each step may be interrupted and repeated.

mod keys;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use keys::{Key, KeyId, Stamp};

const VERSION: u8 = 1;
const NONCE: usize = 24;
/// Version and name of the key; with the place, what the tag vouches for beside the text.
const HEADER: usize = 1 + size_of::<KeyId>();

/// Where the keys come from.
#[derive(Clone)]
pub struct SecretConfig {
    /// `WENYUAN_SECRET_KEY`: the keys themselves, separated by commas, newest first.
    pub keys: Option<Zeroizing<String>>,
    /// `WENYUAN_SECRET_KEY_FILE`: a file of keys, which must exist.
    pub file: Option<PathBuf>,
    /// The file that is used, and made, where neither is given.
    pub default_file: PathBuf,
}

impl fmt::Debug for SecretConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SecretConfig").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Why something cannot be sealed or opened. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness: {0}")]
    NoRandomness(String),
    /// What should be a key is none. The text never repeats it.
    #[error(
        "{place} does not hold secret keys: a key is 32 bytes in base64 or hexadecimal, one a line or separated by \
         commas, the newest first; to make one: openssl rand -base64 32"
    )]
    BadKey { place: String },
    /// The file is open to others.
    #[error(
        "the secret keys in {path} are open to others (mode {mode:03o}): chmod 600 {path}, and consider them known"
    )]
    OpenToOthers { path: PathBuf, mode: u32 },
    /// The file that was named does not exist.
    #[error(
        "there is no file of secret keys at {0}, which WENYUAN_SECRET_KEY_FILE names; to make one: (umask 077; openssl rand -base64 32 > {0})"
    )]
    Missing(PathBuf),
    /// The file cannot be used.
    #[error("cannot use the secret keys in {path}")]
    Io { path: PathBuf, source: std::io::Error },
    /// The key of a sealed value is not known.
    #[error(
        "this was sealed with the secret key {0}, which is not among the keys: put that key back as the last line of \
         the key file (or at the end of WENYUAN_SECRET_KEY); if it is lost, enter the secret anew"
    )]
    UnknownKey(String),
    /// The value was changed, or belongs to another place.
    #[error(
        "a sealed secret does not open: it was changed, or moved from another row; enter the secret anew"
    )]
    Refused,
    /// Not a sealed value of this release.
    #[error(
        "this is not a sealed secret that this release knows: use the release that sealed it, or enter the secret anew"
    )]
    Unreadable,
    /// The keys cannot be changed by the program.
    #[error(
        "the secret keys are given in WENYUAN_SECRET_KEY, which this program cannot change: put a new key in front of \
         it on every node, start them again, seal again, and then remove the old key"
    )]
    NotAFile,
    /// Another program has changed the keys meanwhile.
    #[error("another program has changed the secret keys meanwhile: rotate again")]
    Overtaken,
}

/// Seals and opens. Cheap to clone. Shows no key.
#[derive(Clone)]
pub struct Sealer {
    shared: Arc<Shared>,
}

struct Shared {
    /// The file the keys are in, if they are in one.
    file: Option<PathBuf>,
    known: RwLock<Arc<Known>>,
}

/// The keys as they were last read, newest first and never none.
struct Known {
    keys: Vec<Key>,
    stamp: Option<Stamp>,
}

impl Sealer {
    /// Reads the keys; makes the default file where none are given and it does not exist.
    pub fn open(config: &SecretConfig) -> Result<Self, Error> {
        if let Some(text) = config.keys.as_ref().filter(|text| !text.trim().is_empty()) {
            let keys = keys::parse(text, "WENYUAN_SECRET_KEY")?;
            return Ok(Self::with(None, Known { keys, stamp: None }));
        }
        let path = match &config.file {
            Some(file) if !file.exists() => return Err(Error::Missing(file.clone())),
            Some(file) => file,
            None => {
                if !config.default_file.exists() {
                    keys::make(&config.default_file)?;
                }
                &config.default_file
            }
        };
        let known = Known::read(path)?;
        Ok(Self::with(Some(path.clone()), known))
    }

    fn with(file: Option<PathBuf>, known: Known) -> Self {
        Self { shared: Arc::new(Shared { file, known: RwLock::new(Arc::new(known)) }) }
    }

    /// Seals with the newest key. `place` names where the value will lie, down to its row; it opens only there.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, Error> {
        // The file is looked at each time: what is sealed with a key that was replaced meanwhile would be lost with it.
        let known = self.newest()?;
        let Some(key) = known.keys.first() else { return Err(Error::NotAFile) };
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| Error::NoRandomness(error.to_string()))?;
        let mut sealed = Vec::with_capacity(HEADER + NONCE + plain.len() + 16);
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id());
        let bound = bound(&sealed, place);
        let text = cipher(key)
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &bound })
            .map_err(|_too_long| Error::Unreadable)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Opens what was sealed for this place.
    pub fn open_sealed(&self, place: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let id = key_of(sealed).ok_or(Error::Unreadable)?;
        let held = self.known();
        let key = match held.find(id) {
            Some(key) => key.clone(),
            // The key may have been changed by another program since.
            None => self.newest()?.find(id).cloned().ok_or_else(|| Error::UnknownKey(hex::encode(id)))?,
        };
        let (header, rest) = sealed.split_at(HEADER);
        let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(Error::Unreadable)?;
        let payload = Payload { msg: text, aad: &bound(header, place) };
        let plain =
            cipher(&key).decrypt(&XNonce::from(*nonce), payload).map_err(|_says_nothing| Error::Refused)?;
        Ok(Zeroizing::new(plain))
    }

    /// Whether a value is sealed with the newest key.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        let known = self.newest().unwrap_or_else(|_unreadable| self.known());
        key_of(sealed).is_some_and(|id| known.keys.first().is_some_and(|key| key.id() == id))
    }

    /// A key of its own for a purpose, such as signing tokens (HKDF-SHA256, RFC 5869). Another newest key gives another.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        self.derive_all(purpose).into_iter().next().unwrap_or_default()
    }

    /// The same for every known key, newest first: what was signed before the key was changed can still be verified.
    pub fn derive_all(&self, purpose: &str) -> Vec<Zeroizing<[u8; 32]>> {
        let known = self.newest().unwrap_or_else(|_unreadable| self.known());
        known.keys.iter().map(|key| expand(key, "derive", purpose)).collect()
    }

    /// How many keys are known: more than one while the key is being changed.
    pub fn number_of_keys(&self) -> usize {
        self.known().keys.len()
    }

    /// First step of changing the key: puts a new one in front, with which everything is sealed from now on, in every
    /// program that uses the file. Where an earlier change was interrupted, that one is gone on with.
    pub fn add_key(&self) -> Result<(), Error> {
        keys::add(self.shared.file.as_ref().ok_or(Error::NotAFile)?)?;
        self.newest().map(drop)
    }

    /// Last step: forgets all keys but the newest. What is still sealed with another can then not be opened any more, so
    /// the caller has looked that there is nothing, *after* its own transaction was committed.
    pub fn drop_old(&self) -> Result<(), Error> {
        let path = self.shared.file.as_ref().ok_or(Error::NotAFile)?;
        let known = self.known();
        let newest = known.keys.first().ok_or(Error::NotAFile)?;
        keys::drop_old(path, newest.id())?;
        self.newest().map(drop)
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.shared.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The keys as the file has them now.
    fn newest(&self) -> Result<Arc<Known>, Error> {
        let held = self.known();
        let Some(path) = &self.shared.file else { return Ok(held) };
        if held.stamp == Some(keys::stamp(path)?) {
            return Ok(held);
        }
        let read = Arc::new(Known::read(path)?);
        *self.shared.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&read);
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

impl Known {
    fn read(path: &std::path::Path) -> Result<Self, Error> {
        let (keys, stamp) = keys::read(path)?;
        Ok(Self { keys, stamp: Some(stamp) })
    }

    fn find(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id() == id)
    }
}

/// The name of the key in a sealed value of this version.
fn key_of(sealed: &[u8]) -> Option<KeyId> {
    let (&version, rest) = sealed.split_first()?;
    (version == VERSION).then(|| rest.first_chunk().copied()).flatten()
}

/// What the tag vouches for beside the text. The header's length is fixed, so no place reads as another.
fn bound(header: &[u8], place: &str) -> Vec<u8> {
    [header, place.as_bytes()].concat()
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*expand(key, "seal", "")).into())
}

/// No key is used for two things: each use expands it under a name of its own.
fn expand(key: &Key, what: &str, purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut made = Zeroizing::new([0; 32]);
    let info: [&[u8]; 4] = [b"wenyuan ", what.as_bytes(), b":", purpose.as_bytes()];
    let expanded = Hkdf::<Sha256>::new(None, key.bytes()).expand_multi_info(&info, &mut *made);
    debug_assert!(expanded.is_ok(), "32 bytes are within what HKDF gives");
    made
}

#[cfg(test)]
mod tests;
