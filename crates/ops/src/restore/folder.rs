//! Folder of a restoration: claimed when it is empty, filled in a subfolder, and complete when that subfolder is gone.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use nix::unistd::Uid;
use store::postgres::ClusterConfig;

use crate::Error;

/// Subfolder in which a library is restored.
const RESTORING: &str = "restoring";
/// File in it that is locked while a program works there.
const LOCK: &str = "restoring.lock";
/// Time for which files that appear during a removal are removed, too, and the pause before that.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);
/// Folder of the database, moved last.
const POSTGRES: &str = "postgres";
/// Everything that a restoration moves into the folder. What a killed one moved is removed by these names, and nothing else is.
const MOVED: [&str; 4] = ["objects", "secret.key", "restored-settings.json", POSTGRES];

/// Whether a restoration into this folder was begun and not finished. Such a folder holds no library.
pub fn is_unfinished(data: &Path) -> bool {
    data.join(RESTORING).exists()
}

/// Claimed folder. The claim ends with the value, or with the process.
#[derive(Debug)]
pub(super) struct Target {
    data: PathBuf,
    restoring: PathBuf,
    _lock: File,
}

impl Target {
    /// Checks that the folder is missing, empty, or has an unfinished restoration alone.
    pub(super) fn check(data: &Path) -> Result<(), Error> {
        let entries = match std::fs::read_dir(data) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(Error::Io { path: data.to_owned(), source }),
        };
        // A new file system has `lost+found`.
        let mut harmless = vec![LOCK, "lost+found"];
        if is_unfinished(data) {
            harmless.extend(MOVED);
            harmless.push(RESTORING);
        }
        let is_ours = entries.flatten().all(|entry| harmless.iter().any(|name| entry.file_name() == *name));
        if is_ours { Ok(()) } else { Err(Error::NotEmpty(data.to_owned())) }
    }

    /// Claims the folder, creates it if it is missing, and removes what an unfinished restoration left.
    pub(super) async fn claim(data: &Path, programs: &Path) -> Result<Self, Error> {
        create_missing(data)?;
        let data = data.canonicalize().map_err(Error::io(data))?;
        let path = data.join(LOCK);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Error::Busy),
            Err(std::fs::TryLockError::Error(source)) => return Err(Error::Io { path, source }),
        }
        Self::check(&data)?;
        let restoring = data.join(RESTORING);
        let target = Self { data, restoring, _lock: lock };
        if target.restoring.exists() {
            target.clear(programs).await?;
        }
        ClusterConfig::new(target.data.join(POSTGRES), programs.to_owned()).open_ancestors()?;
        create_with_mode(&target.restoring, 0o711)?;
        create_with_mode(&target.restoring.join(POSTGRES), 0o711)?;
        Ok(target)
    }

    pub(super) fn restoring(&self) -> &Path {
        &self.restoring
    }

    /// Private cluster of the restored database.
    pub(super) fn cluster(&self, programs: &Path) -> ClusterConfig {
        ClusterConfig::new(self.restoring.join(POSTGRES), programs.to_owned())
    }

    pub(super) fn add_file(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        if !MOVED.contains(&name) {
            return Err(Error::Failed(format!("{name} is no file that belongs to a restored library")));
        }
        let path = self.restoring.join(name);
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&path).map_err(Error::io(&path))?;
        io::Write::write_all(&mut file, bytes).map_err(Error::io(&path))
    }

    /// Moves what was restored into the folder. The database is last: without it, nothing starts on the rest.
    pub(super) fn finish(self) -> Result<(), Error> {
        crate::repository::flush(&self.restoring).map_err(Error::io(&self.restoring))?;
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.restoring).map_err(Error::io(&self.restoring))? {
            names.push(entry.map_err(Error::io(&self.restoring))?.file_name());
        }
        names.sort_by_key(|name| name == POSTGRES);
        for name in names {
            let (from, to) = (self.restoring.join(&name), self.data.join(&name));
            std::fs::rename(&from, &to).map_err(Error::io(&to))?;
        }
        std::fs::remove_dir(&self.restoring).map_err(Error::io(&self.restoring))?;
        let lock = self.data.join(LOCK);
        std::fs::remove_file(&lock).map_err(Error::io(&lock))?;
        crate::repository::flush(&self.data).map_err(Error::io(&self.data))
    }

    pub(super) async fn discard(self, programs: &Path) -> Result<(), Error> {
        self.clear(programs).await?;
        let lock = self.data.join(LOCK);
        std::fs::remove_file(&lock).map_err(Error::io(&lock))
    }

    /// Removes what was restored: the folder was empty when it was claimed first.
    async fn clear(&self, programs: &Path) -> Result<(), Error> {
        // A killed program leaves the database running.
        for folder in [self.restoring.join(POSTGRES), self.data.join(POSTGRES)] {
            if folder.is_dir() {
                ClusterConfig::new(folder, programs.to_owned()).stop_leftover().await?;
            }
        }
        let mut paths: Vec<PathBuf> = MOVED.iter().map(|name| self.data.join(name)).collect();
        // Last, so that this can be interrupted, too.
        paths.push(self.restoring.clone());
        for path in paths {
            let deadline = Instant::now() + REMOVAL_TIMEOUT;
            loop {
                let removed =
                    if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                match removed.map_err(|source| (source.kind(), source)) {
                    Ok(()) | Err((io::ErrorKind::NotFound, _)) => break,
                    // A server that gives up by itself writes a moment longer.
                    Err((io::ErrorKind::DirectoryNotEmpty, _)) if Instant::now() < deadline => {
                        tokio::time::sleep(REMOVAL_PAUSE).await;
                    }
                    Err((_, source)) => return Err(Error::Io { path, source }),
                }
            }
        }
        Ok(())
    }
}

/// Creates a folder that only this program's user can enter.
pub(super) fn create_private(path: &Path) -> Result<(), Error> {
    create_with_mode(path, 0o700)
}

fn create_with_mode(path: &Path, mode: u32) -> Result<(), Error> {
    std::fs::DirBuilder::new().mode(mode).create(path).map_err(Error::io(path))?;
    // Whatever the umask.
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Error::io(path))
}

/// Creates a folder and the missing ones above it. PostgreSQL's user, where it is another one, can pass them and see nothing in them.
fn create_missing(path: &Path) -> Result<(), Error> {
    let path = std::path::absolute(path).map_err(Error::io(path))?;
    let missing: Vec<&Path> = path.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    for ancestor in missing.into_iter().rev() {
        create_with_mode(ancestor, if Uid::effective().is_root() { 0o711 } else { 0o700 })?;
    }
    Ok(())
}

/// Bytes that are free on the file system of a folder, which need not exist.
pub(super) fn free_bytes(folder: &Path) -> Result<u64, Error> {
    let absolute = std::path::absolute(folder).map_err(Error::io(folder))?;
    let existing = absolute.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let stat =
        statvfs(existing).map_err(|error| Error::Io { path: existing.to_owned(), source: error.into() })?;
    #[allow(
        clippy::unnecessary_cast,
        clippy::allow_attributes,
        reason = "the types differ between platforms"
    )]
    Ok(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_with_anything_in_it_is_refused() {
        let folder = testkit::folder();
        let programs = Path::new("/nowhere");
        std::fs::write(folder.path().join("secret.key"), "x").unwrap();
        assert!(matches!(Target::claim(folder.path(), programs).await, Err(Error::NotEmpty(_))));
        std::fs::remove_file(folder.path().join("secret.key")).unwrap();
        let target = Target::claim(folder.path(), programs).await.unwrap();
        assert!(is_unfinished(folder.path()));
        // While it is claimed, nobody else works in it.
        assert!(matches!(Target::claim(folder.path(), programs).await, Err(Error::Busy)));
        target.add_file("restored-settings.json", b"{}").unwrap();
        target.finish().unwrap();
        assert!(!is_unfinished(folder.path()));
        assert!(
            folder.path().join("restored-settings.json").is_file() && folder.path().join("postgres").is_dir()
        );
        assert!(matches!(Target::claim(folder.path(), programs).await, Err(Error::NotEmpty(_))));
    }

    #[tokio::test]
    async fn what_a_killed_restoration_left_is_removed() {
        let folder = testkit::folder();
        let programs = Path::new("/nowhere");
        drop(Target::claim(folder.path(), programs).await.unwrap());
        // What somebody else put there since is not removed.
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert!(matches!(Target::claim(folder.path(), programs).await, Err(Error::NotEmpty(_))));
        std::fs::remove_file(folder.path().join("notes.txt")).unwrap();
        // Killed while it moved what was restored into place.
        std::fs::create_dir(folder.path().join("objects")).unwrap();
        std::fs::write(folder.path().join("restoring/secret.key"), "x").unwrap();
        let target = Target::claim(folder.path(), programs).await.unwrap();
        assert!(!folder.path().join("objects").exists() && !target.restoring().join("secret.key").exists());
        target.discard(programs).await.unwrap();
        assert_eq!(testkit::files_under(folder.path()), 0);
    }
}
