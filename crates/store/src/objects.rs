//! Object store: bytes under their SHA-256 in a local folder, behind an interface that S3 implements too.
//!
//! Equal bytes are stored once. The crates that use the store know what refers to an object and when it can be deleted.

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
use sqlx::PgConnection;

/// Number of the advisory lock of [`hold`]: `wybackup` in ASCII.
const HOLD_LOCK_ID: i64 = 0x7779_6261_636b_7570;
const HOLD_ATTEMPTS: u32 = 25;
const HOLD_PAUSE: Duration = Duration::from_millis(200);
/// Folder of bytes whose hash is not known yet.
const STAGING: &str = "staging";
/// Size up to which an upload is held in memory rather than in a file, in bytes.
const MAX_IN_MEMORY_BYTES: u64 = 1 << 20;
/// Age at which a staged file is abandoned: no upload takes longer.
const ABANDONED_AFTER: Duration = Duration::from_hours(24);

/// SHA-256 of an object, which is its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Hashes bytes.
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

/// Object in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Name of the object.
    pub hash: Hash,
    /// Size in bytes.
    pub size: u64,
}

/// Upload that is complete but not under its hash yet.
#[derive(Debug)]
#[must_use = "promote or discard a staged upload"]
pub struct Staged {
    /// Object that it becomes.
    pub stored: Stored,
    location: StagingLocation,
}

/// Location of a staged upload: a small one is not worth a file that is renamed a moment later.
#[derive(Debug)]
enum StagingLocation {
    Memory(Bytes),
    File(Path),
}

/// Error of the object store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The upload exceeds its limit.
    #[error("larger than the limit of {limit} bytes")]
    TooLarge {
        /// Limit in bytes.
        limit: u64,
    },
    /// The sender stopped before the end.
    #[error("upload interrupted: {0}")]
    Interrupted(String),
    /// There is no such object.
    #[error("object {0} is not in the store")]
    Absent(Hash),
    /// The store failed.
    #[error("the object store failed")]
    Store(#[source] object_store::Error),
}

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Handle to the store; clones share it.
#[derive(Debug, Clone)]
pub struct Objects {
    inner: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

impl Objects {
    /// Opens a local folder, creates it if it is missing, and removes uploads that were interrupted with their program.
    ///
    /// # Errors
    ///
    /// Fails when the folder cannot be created or opened.
    pub fn in_folder(folder: &FilePath) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(local_error)?;
        remove_abandoned(&folder.join(STAGING));
        let inner = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        Ok(Self { inner: Arc::new(inner), folder: folder.to_owned() })
    }

    /// Flushes stored objects to disk, so that they survive a loss of power as the database does. Call it before committing rows
    /// that refer to them.
    ///
    /// # Errors
    ///
    /// Fails when the file system does.
    pub async fn flush(&self) -> Result<(), Error> {
        let folder = self.folder.clone();
        let flushed = tokio::task::spawn_blocking(move || flush(&folder)).await;
        flushed.map_err(std::io::Error::other).and_then(|flushed| flushed).map_err(local_error)
    }

    /// Stores bytes in memory under the hash that the caller has computed of them.
    ///
    /// # Errors
    ///
    /// Fails when the store does.
    pub async fn put(&self, hash: Hash, bytes: Bytes) -> Result<(), Error> {
        // Content under its own hash never changes.
        if !self.exists(hash).await? {
            self.inner.put(&path_of(hash), bytes.into()).await?;
        }
        Ok(())
    }

    /// Streams an upload into the staging folder and computes its hash. The bytes are not in the store until they are
    /// [promoted](Self::promote).
    ///
    /// # Errors
    ///
    /// Fails when the sender stops before the end or sends more than `limit` bytes, and when the store does. Nothing is left then.
    pub async fn stage<E: fmt::Display>(
        &self,
        mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limit: u64,
    ) -> Result<Staged, Error> {
        let mut hasher = Sha256::new();
        let mut size = 0_u64;
        let mut buffer = Vec::new();
        while size <= MAX_IN_MEMORY_BYTES {
            let Some(chunk) = next_chunk(&mut chunks, &mut hasher, &mut size, limit).await? else {
                let stored = Stored { hash: Hash(hasher.finalize().into()), size };
                return Ok(Staged { stored, location: StagingLocation::Memory(buffer.into()) });
            };
            buffer.extend_from_slice(&chunk);
        }
        let path = Path::from(format!("{STAGING}/{}", kernel::id::new()));
        let mut upload = WriteMultipart::new(self.inner.put_multipart(&path).await?);
        upload.put(buffer.into());
        let fault = loop {
            match next_chunk(&mut chunks, &mut hasher, &mut size, limit).await {
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
            // The sender's fault matters more than a failed clean-up, which leaves a file in `staging/` under no hash.
            let _not_cleaned = upload.abort().await;
            return Err(fault);
        }
        upload.finish().await?;
        let stored = Stored { hash: Hash(hasher.finalize().into()), size };
        Ok(Staged { stored, location: StagingLocation::File(path) })
    }

    /// Creates a temporary file without a name, which disappears when it is closed.
    ///
    /// # Errors
    ///
    /// Fails when the file system does.
    pub fn spool_file(&self) -> Result<std::fs::File, Error> {
        let folder = self.folder.join(STAGING);
        std::fs::create_dir_all(&folder).map_err(local_error)?;
        let path = folder.join(kernel::id::new().to_string());
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(local_error)?;
        std::fs::remove_file(&path).map_err(local_error)?;
        Ok(file)
    }

    /// Moves a staged upload under its hash.
    ///
    /// # Errors
    ///
    /// Fails when the store does.
    pub async fn promote(&self, staged: Staged) -> Result<Stored, Error> {
        let path = path_of(staged.stored.hash);
        let is_there = self.exists(staged.stored.hash).await?;
        match staged.location {
            StagingLocation::Memory(_) if is_there => {}
            StagingLocation::Memory(bytes) => drop(self.inner.put(&path, bytes.into()).await?),
            StagingLocation::File(staging) if is_there => self.inner.delete(&staging).await?,
            StagingLocation::File(staging) => self.inner.rename(&staging, &path).await?,
        }
        Ok(staged.stored)
    }

    /// Deletes a staged upload.
    ///
    /// # Errors
    ///
    /// Fails when the store does.
    pub async fn discard(&self, staged: Staged) -> Result<(), Error> {
        match staged.location {
            StagingLocation::Memory(_) => Ok(()),
            StagingLocation::File(staging) => Ok(self.inner.delete(&staging).await?),
        }
    }

    /// Reads a whole object.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Absent`] when there is none, and when the store does.
    pub async fn get(&self, hash: Hash) -> Result<Bytes, Error> {
        match self.inner.get(&path_of(hash)).await {
            Ok(result) => Ok(result.bytes().await?),
            Err(object_store::Error::NotFound { .. }) => Err(Error::Absent(hash)),
            Err(error) => Err(error.into()),
        }
    }

    /// Streams an object.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Absent`] when there is none, and when the store does.
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

    /// Returns whether there is such an object.
    ///
    /// # Errors
    ///
    /// Fails when the store does.
    pub async fn exists(&self, hash: Hash) -> Result<bool, Error> {
        match self.inner.head(&path_of(hash)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists all objects, in no order. Uploads that are not promoted are left out.
    ///
    /// # Errors
    ///
    /// Items are errors when the store fails.
    pub fn list(&self) -> impl Stream<Item = Result<Stored, Error>> + use<> {
        let inner = Arc::clone(&self.inner);
        inner.list(None).filter_map(|found| {
            std::future::ready(match found {
                Ok(meta) => {
                    let hash = meta.location.filename().and_then(|name| name.parse::<Hash>().ok());
                    let is_promoted = !meta.location.as_ref().starts_with(STAGING);
                    hash.filter(|_| is_promoted).map(|hash| Ok(Stored { hash, size: meta.size }))
                }
                Err(error) => Some(Err(error.into())),
            })
        })
    }

    /// Deletes an object. An absent one is no error.
    ///
    /// # Errors
    ///
    /// Fails when the store does.
    pub async fn delete(&self, hash: Hash) -> Result<(), Error> {
        match self.inner.delete(&path_of(hash)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Keeps objects from being deleted while this connection is open, for a backup. Returns false if another connection does so already.
///
/// # Errors
///
/// Fails when the database does.
pub async fn hold(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // A deletion holds the lock for a moment.
    for _ in 0..HOLD_ATTEMPTS {
        let held: bool = sqlx::query_scalar(
            "-- objects.hold
             select pg_try_advisory_lock($1)",
        )
        .bind(HOLD_LOCK_ID)
        .fetch_one(&mut *connection)
        .await?;
        if held {
            return Ok(true);
        }
        tokio::time::sleep(HOLD_PAUSE).await;
    }
    Ok(false)
}

/// Returns whether objects may be deleted, and keeps that so until the transaction ends.
///
/// # Errors
///
/// Fails when the database does.
pub async fn may_delete(transaction: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "-- objects.may_delete
         select pg_try_advisory_xact_lock_shared($1)",
    )
    .bind(HOLD_LOCK_ID)
    .fetch_one(transaction)
    .await
}

/// Reads, counts and hashes the next chunk.
async fn next_chunk<E: fmt::Display>(
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

/// Flushes the whole file system in one call: separate calls take a second for each hundred small files.
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
        if age.is_some_and(|age| age > ABANDONED_AFTER) {
            // A file that cannot be removed is retried at the next start.
            let _left = std::fs::remove_file(entry.path());
        }
    }
}

fn local_error(source: std::io::Error) -> Error {
    Error::Store(object_store::Error::Generic { store: "local folder", source: Box::new(source) })
}

/// Returns `ab/abcdef…`: folders of some hundred files rather than one of a million.
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
    async fn equal_bytes_are_stored_once() {
        let folder = testkit::folder();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let hash = Hash::of(b"hello");
        objects.put(hash, Bytes::from_static(b"hello")).await.unwrap();
        let chunks: Vec<Chunk> = vec![Ok(Bytes::from_static(b"hel")), Ok(Bytes::from_static(b"lo"))];
        let staged = objects.stage(stream::iter(chunks), 100).await.unwrap();
        let stored = objects.promote(staged).await.unwrap();
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
            assert_eq!(objects.promote(staged).await.unwrap().size, 3_600_000);
        }
        let staged = objects.stage(chunks(), 10_000_000).await.unwrap();
        objects.discard(staged).await.unwrap();
        assert!(objects.stage(chunks(), 3_000_000).await.is_err());
        let broken = stream::iter(vec![Ok(chunk.clone()), Ok(chunk.clone()), Err("gone".to_owned())]);
        assert!(objects.stage(broken, 10_000_000).await.is_err());
        assert_eq!(testkit::files_under(folder.path()), 1);
    }

    #[tokio::test]
    async fn an_interrupted_upload_leaves_nothing() {
        let folder = testkit::folder();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let chunks: Vec<Chunk> = vec![Ok(Bytes::from_static(b"hel")), Err("gone".to_owned())];
        let error = objects.stage(stream::iter(chunks), 100).await.unwrap_err();
        assert_eq!(error.to_string(), "upload interrupted: gone");
        let chunks: Vec<Chunk> = vec![Ok(Bytes::from_static(b"hello"))];
        let error = objects.stage(stream::iter(chunks), 4).await.unwrap_err();
        assert_eq!(error.to_string(), "larger than the limit of 4 bytes");
        assert_eq!(testkit::files_under(folder.path()), 0);
    }

    #[tokio::test]
    async fn the_list_has_promoted_objects_alone() {
        let folder = testkit::folder();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let hash = Hash::of(b"hello");
        objects.put(hash, Bytes::from_static(b"hello")).await.unwrap();
        let chunks: Vec<Chunk> = vec![Ok(Bytes::from(vec![7; 2_000_000]))];
        let _staged = objects.stage(stream::iter(chunks), 10_000_000).await.unwrap();
        let listed: Vec<Stored> = objects.list().map(Result::unwrap).collect().await;
        assert_eq!(listed, [Stored { hash, size: 5 }]);
    }

    #[tokio::test]
    async fn deleting_twice_is_no_error() {
        let folder = testkit::folder();
        let objects = Objects::in_folder(folder.path()).unwrap();
        let hash = Hash::of(b"hello");
        objects.put(hash, Bytes::from_static(b"hello")).await.unwrap();
        objects.delete(hash).await.unwrap();
        objects.delete(hash).await.unwrap();
        assert!(matches!(objects.get(hash).await, Err(Error::Absent(_))));
    }
}
