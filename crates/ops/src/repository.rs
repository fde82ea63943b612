//! Repository of backups: a folder, reached through the interface that object stores share. [`manifest`](crate::manifest) describes its
//! layout.
//!
//! Files are written under names that were never used, and never changed. A backup exists when its manifest does, which is written last,
//! after everything else is on the disk.

use std::fs::File;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::codec::{self, sha256};
use crate::keys::{Identity, Recipients};
use crate::manifest::{FORMAT, Manifest, ObjectEntry, Piece};
use crate::verify::Report;

/// Name of the file that makes a folder a repository.
const HEAD: &str = "repository.json";

/// Content of the repository's own file.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: u32,
}

/// Opened repository; clones share it.
#[derive(Debug, Clone)]
pub struct Repository {
    inner: Arc<dyn ObjectStore>,
    /// Writes wait for the disk.
    durable: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

/// Lock held while a program writes to a repository or reads a backup; released with its value, and by the kernel with its process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Backup as a list shows it.
#[derive(Debug)]
pub enum Listed {
    /// A complete backup, with the report of its last verification.
    Complete(Box<Manifest>, Option<Report>),
    /// A backup whose manifest cannot be read.
    Damaged {
        /// Id.
        id: String,
        /// Reason.
        fault: String,
    },
}

impl Repository {
    /// Opens a repository, and creates it in a folder that is empty or missing.
    ///
    /// # Errors
    ///
    /// Fails when the folder holds something else, or a repository of a newer format.
    pub async fn create(folder: &FilePath) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let mut entries = std::fs::read_dir(folder).map_err(Error::io(folder))?;
        // A new file system has `lost+found`; a program that was killed here has left a head that is not in its place yet.
        let is_nothing = |name: &str| name == "lost+found" || name.starts_with(&format!("{HEAD}#"));
        let is_empty =
            entries.all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_nothing)));
        let repository = Self::at(folder)?;
        if is_empty {
            let head = serde_json::to_vec(&Head { format: FORMAT }).unwrap_or_default();
            repository.put_durably(HEAD, head).await?;
        }
        repository.check_head().await?;
        Ok(repository)
    }

    /// Opens an existing repository.
    ///
    /// # Errors
    ///
    /// Fails when the folder holds none, or one of a newer format.
    pub async fn open(folder: &FilePath) -> Result<Self, Error> {
        if !folder.join(HEAD).is_file() {
            return Err(Error::NoRepository(folder.to_owned()));
        }
        let repository = Self::at(folder)?;
        repository.check_head().await?;
        Ok(repository)
    }

    fn at(folder: &FilePath) -> Result<Self, Error> {
        let folder = folder.canonicalize().map_err(Error::io(folder))?;
        let store =
            || LocalFileSystem::new_with_prefix(&folder).map(|store| store.with_automatic_cleanup(true));
        let (inner, durable) = (Arc::new(store()?), Arc::new(store()?.with_fsync(true)));
        Ok(Self { inner, durable, folder })
    }

    async fn check_head(&self) -> Result<(), Error> {
        let bytes = match self.inner.get(&Path::from(HEAD)).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::NoRepository(self.folder.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        let head: Head = serde_json::from_slice(&bytes)
            .map_err(|error| Error::damaged(HEAD, format!("it is not readable ({error})")))?;
        if head.format > FORMAT {
            return Err(Error::NewerFormat { found: head.format, known: FORMAT });
        }
        Ok(())
    }

    /// Folder of the repository.
    pub fn folder(&self) -> &FilePath {
        &self.folder
    }

    /// Locks the repository for writing.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Busy`] while another program writes.
    pub fn lock(&self) -> Result<Lock, Error> {
        self.lock_file("lock", File::try_lock)
    }

    /// Keeps backups from being removed while one is read. There is no lock where this program cannot write, as on a copy that is mounted
    /// to be read.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Busy`] while another program removes some.
    pub(crate) fn lock_for_reading(&self) -> Result<Option<Lock>, Error> {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self.lock_file("readers.lock", File::try_lock_shared) {
            Ok(lock) => Ok(Some(lock)),
            Err(Error::Io { source, .. })
                if [PermissionDenied, ReadOnlyFilesystem].contains(&source.kind()) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Locks the repository for removing backups.
    pub(crate) fn lock_readers_out(&self) -> Result<Lock, Error> {
        self.lock_file("readers.lock", File::try_lock)
    }

    /// Locks the archive of the write-ahead log, for storing segments or removing some. It is held for moments by the archiver.
    pub(crate) fn lock_archive(&self) -> Result<Lock, Error> {
        self.lock_file("archive.lock", File::try_lock)
    }

    fn lock_file(
        &self,
        name: &str,
        take: impl FnOnce(&File) -> Result<(), std::fs::TryLockError>,
    ) -> Result<Lock, Error> {
        let path = self.folder.join(name);
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(Error::io(&path))?;
        match take(&file) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Busy),
            Err(std::fs::TryLockError::Error(source)) => Err(Error::Io { path, source }),
        }
    }

    /// Returns the complete backups, oldest first.
    ///
    /// # Errors
    ///
    /// Fails when one cannot be read; [`list`](Self::list) shows which.
    pub async fn backups(&self) -> Result<Vec<Manifest>, Error> {
        let mut manifests = Vec::new();
        for id in self.ids().await? {
            if let Some(manifest) = self.manifest(&id).await? {
                manifests.push(manifest);
            }
        }
        Ok(manifests)
    }

    /// Lists backups with their verification, oldest first. A damaged one does not hide the others.
    ///
    /// # Errors
    ///
    /// Fails when the repository does.
    pub async fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut listed = Vec::new();
        for id in self.ids().await? {
            match self.manifest(&id).await {
                Ok(None) => {}
                Ok(Some(manifest)) => {
                    listed.push(Listed::Complete(Box::new(manifest), self.report(&id).await?));
                }
                Err(fault @ (Error::Damaged { .. } | Error::NewerFormat { .. })) => {
                    listed.push(Listed::Damaged { id, fault: fault.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(listed)
    }

    /// Finds a backup: `latest`, an id, or the beginning of one.
    ///
    /// # Errors
    ///
    /// Fails when there is none, or several, or when it is damaged.
    pub async fn find(&self, wanted: &str) -> Result<Manifest, Error> {
        let missing = || Error::NoBackup(wanted.to_owned());
        if wanted == "latest" {
            for id in self.ids().await?.into_iter().rev() {
                if let Some(manifest) = self.manifest(&id).await? {
                    return Ok(manifest);
                }
            }
            return Err(missing());
        }
        let ids = self.ids().await?;
        let matching: Vec<&String> = ids.iter().filter(|id| id.starts_with(wanted)).collect();
        match matching.as_slice() {
            [id] if !wanted.is_empty() => self.manifest(id).await?.ok_or_else(missing),
            [_, _, ..] if !wanted.is_empty() => Err(Error::Ambiguous(wanted.to_owned())),
            _ => Err(missing()),
        }
    }

    /// Ids of all folders of backups, complete or not, oldest first: ids begin with the time.
    async fn ids(&self) -> Result<Vec<String>, Error> {
        let found = self.inner.list_with_delimiter(Some(&Path::from("backups"))).await?;
        let mut ids: Vec<String> =
            found.common_prefixes.iter().filter_map(|path| path.filename().map(ToOwned::to_owned)).collect();
        ids.sort();
        Ok(ids)
    }

    /// Reads a manifest; `None` if the backup is not complete.
    async fn manifest(&self, id: &str) -> Result<Option<Manifest>, Error> {
        let path = manifest_path(id);
        let bytes = match self.inner.get(&Path::from(path.as_str())).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let manifest = Manifest::from_bytes(&bytes, &path)?;
        if manifest.id == id {
            Ok(Some(manifest))
        } else {
            Err(Error::damaged(path, format!("it is of the backup {}", manifest.id)))
        }
    }

    /// Makes a backup exist: everything it refers to is on the disk before.
    pub(crate) async fn complete(&self, manifest: &Manifest) -> Result<(), Error> {
        self.flush().await?;
        self.put_durably(&manifest_path(&manifest.id), manifest.to_bytes()?).await
    }

    /// Report of the last verification of a backup, if there was one. One that cannot be read counts as none.
    ///
    /// # Errors
    ///
    /// Fails when the repository does.
    pub async fn report(&self, id: &str) -> Result<Option<Report>, Error> {
        match self.inner.get(&Path::from(report_path(id))).await {
            Ok(found) => Ok(serde_json::from_slice(&found.bytes().await?).ok()),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn put_report(&self, id: &str, report: &Report) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(report).map_err(|error| Error::Failed(error.to_string()))?;
        self.put_durably(&report_path(id), bytes).await
    }

    /// Codes and stores a piece whose name has not its hash.
    pub(crate) async fn put_piece(
        &self,
        path: String,
        plain: Bytes,
        recipients: &Recipients,
    ) -> Result<Piece, Error> {
        let plain_size = plain.len() as u64;
        let stored = encode(plain, recipients).await?;
        let piece = Piece { path, size: stored.len() as u64, sha256: sha256(&stored), plain_size };
        self.put_bytes(&piece.path, stored).await?;
        Ok(piece)
    }

    /// Codes and stores a piece that backups share: its name is `name` and the hash of the stored file.
    pub(crate) async fn put_shared(
        &self,
        folder: &str,
        name: &str,
        plain: Bytes,
        recipients: &Recipients,
    ) -> Result<Piece, Error> {
        let (piece, stored) = encode_shared(folder, name, plain, recipients).await?;
        self.put_bytes(&piece.path, stored).await?;
        Ok(piece)
    }

    /// Like [`put_shared`](Self::put_shared), and waits for the disk: once the file has its name, its bytes are right, even after a loss of
    /// power.
    pub(crate) async fn put_shared_durably(
        &self,
        folder: &str,
        name: &str,
        plain: Bytes,
        recipients: &Recipients,
    ) -> Result<Piece, Error> {
        let (piece, stored) = encode_shared(folder, name, plain, recipients).await?;
        self.put_durably(&piece.path, stored).await?;
        Ok(piece)
    }

    async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<(), Error> {
        self.inner.put(&Path::from(path), PutPayload::from(bytes)).await?;
        Ok(())
    }

    /// Writes a small file and waits for the disk. In one step: it is there whole, or not at all.
    async fn put_durably(&self, path: &str, bytes: Vec<u8>) -> Result<(), Error> {
        self.durable.put(&Path::from(path), PutPayload::from(bytes)).await?;
        Ok(())
    }

    /// Returns the stored files in a folder whose names begin with `name` and a dot, with their hash.
    pub(crate) async fn shared_in(&self, folder: &str) -> Result<Vec<(String, String, u64)>, Error> {
        let found = self.inner.list_with_delimiter(Some(&Path::from(folder))).await?;
        let files = found.objects.into_iter().filter_map(|meta| {
            let (name, digest) = meta.location.filename()?.rsplit_once('.')?;
            Some((name.to_owned(), digest.to_owned(), meta.size))
        });
        Ok(files.collect())
    }

    /// Reads the stored bytes of a piece and compares them with its size and hash.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Damaged`], which names the piece, when it is missing or different.
    pub async fn read_stored(&self, piece: &Piece) -> Result<Bytes, Error> {
        let stored = match self.inner.get(&Path::from(piece.path.as_str())).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::damaged(&piece.path, "it is missing"));
            }
            Err(error) => return Err(error.into()),
        };
        let (expected, found) = (piece.size, stored.len() as u64);
        if found != expected {
            return Err(Error::damaged(&piece.path, format!("it has {found} bytes instead of {expected}")));
        }
        let (digest, stored) = tokio::task::spawn_blocking(move || (sha256(&stored), stored)).await?;
        if digest != piece.sha256 {
            return Err(Error::damaged(&piece.path, "its bytes have changed: the SHA-256 differs"));
        }
        Ok(stored)
    }

    /// Reads the content of a piece.
    ///
    /// # Errors
    ///
    /// Fails when it is damaged, or the key does not open it.
    pub async fn read(&self, piece: &Piece, identity: Option<&Identity>) -> Result<Vec<u8>, Error> {
        let stored = self.read_stored(piece).await?;
        let (identity, name, size) = (identity.cloned(), piece.path.clone(), piece.plain_size);
        tokio::task::spawn_blocking(move || codec::decode(&stored, identity.as_ref(), size, &name)).await?
    }

    /// Reads the list of a backup's objects, which is not encrypted.
    ///
    /// # Errors
    ///
    /// Fails when it is damaged.
    pub async fn object_list(&self, manifest: &Manifest) -> Result<Vec<ObjectEntry>, Error> {
        self.read_list(&manifest.objects.list).await
    }

    /// Reads a list of objects.
    pub(crate) async fn read_list(&self, piece: &Piece) -> Result<Vec<ObjectEntry>, Error> {
        let text = self.read(piece, None).await?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let entries: Result<Vec<ObjectEntry>, _> = lines.map(serde_json::from_slice).collect();
        entries.map_err(|error| Error::damaged(&piece.path, format!("it is not readable ({error})")))
    }

    /// Returns the names of the folders in a folder.
    pub(crate) async fn folders_in(&self, folder: &str) -> Result<Vec<String>, Error> {
        let found = self.inner.list_with_delimiter(Some(&Path::from(folder))).await?;
        let names = found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned));
        Ok(names.collect())
    }

    /// Returns the path and size of every file.
    pub(crate) async fn files(&self) -> Result<Vec<(String, u64)>, Error> {
        let found = self.inner.list(None).map_ok(|meta| (meta.location.to_string(), meta.size));
        Ok(found.try_collect().await?)
    }

    /// Returns the size of all files, in bytes.
    ///
    /// # Errors
    ///
    /// Fails when the repository does.
    pub async fn size(&self) -> Result<u64, Error> {
        Ok(self.files().await?.into_iter().map(|(_, size)| size).sum())
    }

    /// Removes a file. An absent one is no error.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Error> {
        match self.inner.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes files that a killed program was writing: they have a name of their own (`NAME#NUMBER`) until they are complete.
    pub(crate) fn remove_unfinished_files(&self) -> Result<(), Error> {
        let mut folders = vec![self.folder.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).map_err(Error::io(&folder))? {
                let path = entry.map_err(Error::io(&folder))?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let is_unfinished =
                    name.rsplit_once('#').is_some_and(|(_, number)| number.parse::<u64>().is_ok());
                if path.is_dir() {
                    folders.push(path);
                } else if is_unfinished {
                    std::fs::remove_file(&path).map_err(Error::io(&path))?;
                }
            }
        }
        Ok(())
    }

    /// Waits until everything that was written is on the disk.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        let folder = self.folder.clone();
        let flushed = tokio::task::spawn_blocking({
            let folder = folder.clone();
            move || flush(&folder)
        })
        .await?;
        flushed.map_err(Error::io(&folder))
    }
}

async fn encode(plain: Bytes, recipients: &Recipients) -> Result<Vec<u8>, Error> {
    let recipients = recipients.clone();
    tokio::task::spawn_blocking(move || codec::encode(&plain, &recipients)).await?
}

async fn encode_shared(
    folder: &str,
    name: &str,
    plain: Bytes,
    recipients: &Recipients,
) -> Result<(Piece, Vec<u8>), Error> {
    let plain_size = plain.len() as u64;
    let stored = encode(plain, recipients).await?;
    let digest = sha256(&stored);
    let path = format!("{folder}/{name}.{digest}");
    Ok((Piece { path, size: stored.len() as u64, sha256: digest, plain_size }, stored))
}

fn manifest_path(id: &str) -> String {
    format!("backups/{id}/manifest.json")
}

fn report_path(id: &str) -> String {
    format!("backups/{id}/verification.json")
}

/// Flushes the whole file system in one call: separate calls take a second for each hundred small files.
#[cfg(target_os = "linux")]
pub(crate) fn flush(folder: &FilePath) -> std::io::Result<()> {
    Ok(nix::unistd::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn flush(_folder: &FilePath) -> std::io::Result<()> {
    nix::unistd::sync();
    Ok(())
}
