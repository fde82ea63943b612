//! The object store: bytes under their SHA-256, in a local folder now, behind an interface that S3 speaks too.
//! The same bytes are stored once. Who refers to an object, and when it may go, is known by the rooms that use it.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use sha2::{Digest as _, Sha256};

/// Where bytes lie until their hash is known.
const STAGING: &str = "staging";
/// Bytes of an upload that are held in memory rather than in a file.
const SMALL: u64 = 1 << 20;
/// No upload takes longer than this.
const ABANDONED: Duration = Duration::from_hours(24);

/// The SHA-256 of some bytes, which is their name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Hash {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Bytes that are in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Their name.
    pub hash: Hash,
    /// Their number.
    pub size: u64,
}

/// Bytes that have come in whole but are not under their hash yet.
#[derive(Debug)]
#[must_use = "staged bytes are kept or discarded"]
pub struct Staged {
    /// What they will be.
    pub stored: Stored,
    place: Place,
}

/// Where staged bytes are: small ones are not worth a file that is renamed a moment later.
#[derive(Debug)]
enum Place {
    Memory(Bytes),
    File(Path),
}

/// Why the object store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More bytes came than are allowed.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    /// The sender stopped in the middle.
    #[error("the upload broke off: {0}")]
    Interrupted(String),
    /// The object is not there.
    #[error("object {0} is not in the store")]
    Absent(Hash),
    /// The store itself failed.
    #[error("the object store failed")]
    Store(#[source] object_store::Error),
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

/// The store.
#[derive(Debug, Clone)]
pub struct Objects {
    inner: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

impl Objects {
    /// Opens a local folder, making it where it is missing, and clears away uploads that broke off with their program.
    pub fn in_folder(folder: &FilePath) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(local)?;
        remove_abandoned(&folder.join(STAGING));
        let inner = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        Ok(Self { inner: Arc::new(inner), folder: folder.to_owned() })
    }

    /// Makes sure that what was stored survives a loss of power. To be called before the database is told of it: the
    /// database does as much for its own part.
    pub async fn flush(&self) -> Result<(), Error> {
        let folder = self.folder.clone();
        let flushed = tokio::task::spawn_blocking(move || flush(&folder)).await;
        flushed.map_err(std::io::Error::other).and_then(|flushed| flushed).map_err(local)
    }

    /// Stores bytes that are already in memory, under the hash that the caller has computed of them.
    pub async fn put(&self, hash: Hash, bytes: Bytes) -> Result<(), Error> {
        // Content under its own hash never changes: what is there is what would be written.
        if !self.exists(hash).await? {
            self.inner.put(&path_of(hash), bytes.into()).await?;
        }
        Ok(())
    }

    /// Takes bytes as they come, without holding them, while their hash is computed. They are not in the store until
    /// they are [kept](Self::keep). Nothing is left when the sender breaks off or sends more than `limit` bytes.
    pub async fn stage<E: fmt::Display>(
        &self,
        mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limit: u64,
    ) -> Result<Staged, Error> {
        let mut hasher = Sha256::new();
        let mut size = 0_u64;
        let mut held = Vec::new();
        while size <= SMALL {
            let Some(chunk) = next(&mut chunks, &mut hasher, &mut size, limit).await? else {
                let stored = Stored { hash: Hash(hasher.finalize().into()), size };
                return Ok(Staged { stored, place: Place::Memory(held.into()) });
            };
            held.extend_from_slice(&chunk);
        }
        let path = Path::from(format!("{STAGING}/{}", kernel::id::new()));
        let mut upload = WriteMultipart::new(self.inner.put_multipart(&path).await?);
        upload.put(held.into());
        let fault = loop {
            match next(&mut chunks, &mut hasher, &mut size, limit).await {
                Ok(None) => break None,
                Err(fault) => break Some(fault),
                Ok(Some(chunk)) => {
                    // A bounded number of parts in flight: a fast sender must not fill the memory.
                    if let Err(error) = upload.wait_for_capacity(4).await {
                        break Some(error.into());
                    }
                    upload.put(chunk);
                }
            }
        };
        if let Some(fault) = fault {
            // The sender's fault is what matters; what could not be cleaned up lies in `staging/` under no hash.
            let _not_cleaned = upload.abort().await;
            return Err(fault);
        }
        upload.finish().await?;
        let stored = Stored { hash: Hash(hasher.finalize().into()), size };
        Ok(Staged { stored, place: Place::File(path) })
    }

    /// A file for as long as it is open: it has no name, and is gone with whoever has it open.
    pub fn scratch(&self) -> Result<std::fs::File, Error> {
        let folder = self.folder.join(STAGING);
        std::fs::create_dir_all(&folder).map_err(local)?;
        let path = folder.join(kernel::id::new().to_string());
        let file =
            std::fs::File::options().read(true).write(true).create_new(true).open(&path).map_err(local)?;
        std::fs::remove_file(&path).map_err(local)?;
        Ok(file)
    }

    /// Puts staged bytes under their hash.
    pub async fn keep(&self, staged: Staged) -> Result<Stored, Error> {
        let path = path_of(staged.stored.hash);
        let is_there = self.exists(staged.stored.hash).await?;
        match staged.place {
            Place::Memory(_) if is_there => {}
            Place::Memory(bytes) => drop(self.inner.put(&path, bytes.into()).await?),
            Place::File(staging) if is_there => self.inner.delete(&staging).await?,
            Place::File(staging) => self.inner.rename(&staging, &path).await?,
        }
        Ok(staged.stored)
    }

    /// Drops staged bytes.
    pub async fn discard(&self, staged: Staged) -> Result<(), Error> {
        match staged.place {
            Place::Memory(_) => Ok(()),
            Place::File(staging) => Ok(self.inner.delete(&staging).await?),
        }
    }

    /// The whole object.
    pub async fn get(&self, hash: Hash) -> Result<Bytes, Error> {
        match self.inner.get(&path_of(hash)).await {
            Ok(result) => Ok(result.bytes().await?),
            Err(object_store::Error::NotFound { .. }) => Err(Error::Absent(hash)),
            Err(error) => Err(error.into()),
        }
    }

    /// The object piece by piece.
    pub async fn stream(
        &self,
        hash: Hash,
    ) -> Result<impl Stream<Item = Result<Bytes, object_store::Error>> + use<>, Error> {
        match self.inner.get(&path_of(hash)).await {
            Ok(result) => Ok(result.into_stream()),
            Err(object_store::Error::NotFound { .. }) => Err(Error::Absent(hash)),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it is there.
    pub async fn exists(&self, hash: Hash) -> Result<bool, Error> {
        match self.inner.head(&path_of(hash)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes it; removing what is not there is no error.
    pub async fn delete(&self, hash: Hash) -> Result<(), Error> {
        match self.inner.delete(&path_of(hash)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The next chunk, counted and hashed.
async fn next<E: fmt::Display>(
    chunks: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    hasher: &mut Sha256,
    size: &mut u64,
    limit: u64,
) -> Result<Option<Bytes>, Error> {
    let Some(chunk) = chunks.next().await else { return Ok(None) };
    let chunk = chunk.map_err(|error| Error::Interrupted(error.to_string()))?;
    *size += chunk.len() as u64;
    if *size > limit {
        return Err(Error::TooLarge { limit });
    }
    hasher.update(&chunk);
    Ok(Some(chunk))
}

/// One call for the whole file system: a call for each of a thousand small files would take a second each hundred.
#[cfg(target_os = "linux")]
fn flush(folder: &FilePath) -> std::io::Result<()> {
    Ok(nix::unistd::syncfs(std::fs::File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn flush(_folder: &FilePath) -> std::io::Result<()> {
    nix::unistd::sync();
    Ok(())
}

fn remove_abandoned(staging: &FilePath) {
    for entry in std::fs::read_dir(staging).into_iter().flatten().flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            // Whatever cannot be removed is tried again at the next start.
            let _left = std::fs::remove_file(entry.path());
        }
    }
}

fn local(source: std::io::Error) -> Error {
    Error::Store(object_store::Error::Generic { store: "local folder", source: Box::new(source) })
}

/// `ab/abcdef…`: folders of some hundred files rather than one of a million.
fn path_of(hash: Hash) -> Path {
    let name = hash.to_string();
    Path::from(format!("{}/{name}", &name[..2]))
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    type Chunk = Result<Bytes, String>;

    #[tokio::test]
    async fn the_same_bytes_are_stored_once() {
        let folder = testkit::folder();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let hash = Hash::of(b"hello");
        objects.put(hash, Bytes::from_static(b"hello")).await.unwrap();
        let chunks: Vec<Chunk> = vec![Ok(Bytes::from_static(b"hel")), Ok(Bytes::from_static(b"lo"))];
        let staged = objects.stage(stream::iter(chunks), 100).await.unwrap();
        let stored = objects.keep(staged).await.unwrap();
        assert_eq!(stored, Stored { hash, size: 5 });
        assert_eq!(objects.get(hash).await.unwrap(), "hello");
        assert_eq!(testkit::files_under(folder.path()), 1);
    }

    #[tokio::test]
    async fn large_bytes_go_through_a_file() {
        let folder = testkit::folder();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let chunk = Bytes::from(vec![7; 900_000]);
        let chunks = || stream::iter((0..4).map(|_| Chunk::Ok(chunk.clone())).collect::<Vec<_>>());
        for _ in 0..2 {
            let staged = objects.stage(chunks(), 10_000_000).await.unwrap();
            assert_eq!(objects.keep(staged).await.unwrap().size, 3_600_000);
        }
        let staged = objects.stage(chunks(), 10_000_000).await.unwrap();
        objects.discard(staged).await.unwrap();
        assert!(objects.stage(chunks(), 3_000_000).await.is_err());
        let broken = stream::iter(vec![Ok(chunk.clone()), Ok(chunk.clone()), Err("gone".to_owned())]);
        assert!(objects.stage(broken, 10_000_000).await.is_err());
        assert_eq!(testkit::files_under(folder.path()), 1);
    }

    #[tokio::test]
    async fn what_breaks_off_leaves_nothing() {
        let folder = testkit::folder();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let chunks: Vec<Chunk> = vec![Ok(Bytes::from_static(b"hel")), Err("gone".to_owned())];
        let error = objects.stage(stream::iter(chunks), 100).await.unwrap_err();
        assert_eq!(error.to_string(), "the upload broke off: gone");
        let chunks: Vec<Chunk> = vec![Ok(Bytes::from_static(b"hello"))];
        let error = objects.stage(stream::iter(chunks), 4).await.unwrap_err();
        assert_eq!(error.to_string(), "larger than the limit of 4 bytes");
        assert_eq!(testkit::files_under(folder.path()), 0);
    }

    #[tokio::test]
    async fn deleting_twice_is_once() {
        let folder = testkit::folder();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let hash = Hash::of(b"hello");
        objects.put(hash, Bytes::from_static(b"hello")).await.unwrap();
        objects.delete(hash).await.unwrap();
        objects.delete(hash).await.unwrap();
        assert!(matches!(objects.get(hash).await, Err(Error::Absent(_))));
    }
}
