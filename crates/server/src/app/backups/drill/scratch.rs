//! Folder of a drill: used by one drill at a time, and cleared of what a killed one left.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use store::postgres::ClusterConfig;
use uuid::Uuid;

/// File that is locked while a drill works here. A folder that has it belongs to drills, with all that is in it.
const LOCK: &str = "drill.lock";
/// A file system of its own has it.
const LOST_AND_FOUND: &str = "lost+found";
/// Time for which files that appear during a removal are removed, too, and the pause before that.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

/// Claimed folder. The claim ends with the value, or with the process.
pub(super) struct Scratch {
    folder: PathBuf,
    /// Folder of the PostgreSQL programs.
    programs: PathBuf,
    /// Folders that the claim created, the innermost first.
    created: Vec<PathBuf>,
    _lock: File,
}

impl Scratch {
    /// Claims a folder that is missing, empty, or one of drills, and removes what a killed drill left.
    ///
    /// # Errors
    ///
    /// If something else is in it, another drill uses it, or the file system fails.
    pub(super) async fn claim(folder: &Path, programs: PathBuf) -> anyhow::Result<Self> {
        let failed = || format!("cannot use {}", folder.display());
        let folder = std::path::absolute(folder).with_context(failed)?;
        let missing = folder.ancestors().take_while(|path| !path.exists());
        let created: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        for path in created.iter().rev() {
            std::fs::create_dir(path).with_context(failed)?;
            // As root, PostgreSQL runs as another user, who must be able to enter. What is in it is closed to others.
            std::fs::set_permissions(path, Permissions::from_mode(0o711)).with_context(failed)?;
        }
        let path = folder.join(LOCK);
        if !path.exists() && !entries(&folder).with_context(failed)?.is_empty() {
            bail!("{} is not empty: a drill needs an empty folder (--scratch)", folder.display());
        }
        let lock =
            File::options().create(true).truncate(false).write(true).open(&path).with_context(failed)?;
        // A drill that ends removes the file, and another one could begin with a new one.
        let is_in_place = |lock: &File| {
            let numbers = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
            std::fs::metadata(&path).ok().map(numbers) == lock.metadata().ok().map(numbers)
        };
        if lock.try_lock().is_err() || !is_in_place(&lock) {
            bail!("another drill runs: wait until it has finished");
        }
        let scratch = Self { folder, programs, created, _lock: lock };
        scratch.clear().await?;
        Ok(scratch)
    }

    /// Folder for the library of a drill. Each has its own: processes that outlive a killed drill do not meet the next one.
    pub(super) fn library(&self, drill: Uuid) -> PathBuf {
        self.folder.join(drill.to_string())
    }

    /// Removes the folder with all that is in it. The folders above it that were created with it go, too.
    ///
    /// # Errors
    ///
    /// If a database does not stop, or the file system fails. The next drill that claims the folder removes the rest.
    pub(super) async fn remove(self) -> anyhow::Result<()> {
        self.clear().await?;
        let path = self.folder.join(LOCK);
        std::fs::remove_file(&path).with_context(|| format!("failed to remove {}", path.display()))?;
        let created = self.created.iter().filter(|path| **path != self.folder);
        for path in std::iter::once(&self.folder).chain(created) {
            // A mount point stays, and so does what has come into a folder since.
            let _kept = std::fs::remove_dir(path);
        }
        Ok(())
    }

    /// Removes the libraries of drills, whose databases are stopped if they run.
    async fn clear(&self) -> anyhow::Result<()> {
        let failed = || format!("failed to remove what is in {}", self.folder.display());
        for path in entries(&self.folder).with_context(failed)? {
            // A killed drill leaves the database running: while it was restored, or later.
            for postgres in [path.join("restoring/postgres"), path.join("postgres")] {
                ClusterConfig::new(postgres, self.programs.clone()).stop_leftover().await?;
            }
            remove(&path).await.with_context(failed)?;
        }
        Ok(())
    }
}

/// Returns what is in a folder of drills, without the lock.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != LOCK && entry.file_name() != LOST_AND_FOUND {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}

/// Removes a folder, or a file.
async fn remove(path: &Path) -> io::Result<()> {
    if !path.symlink_metadata()?.is_dir() {
        return std::fs::remove_file(path);
    }
    let deadline = Instant::now() + REMOVAL_TIMEOUT;
    loop {
        match std::fs::remove_dir_all(path) {
            // A process that outlives a killed drill writes a moment longer.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && Instant::now() < deadline => {
                tokio::time::sleep(REMOVAL_PAUSE).await;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => return removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_used_by_one_drill_and_cleared_of_a_killed_one() {
        let outer = testkit::folder();
        let folder = outer.path().join("above/drill");
        let claim = || Scratch::claim(&folder, PathBuf::from("/nowhere"));
        let scratch = claim().await.unwrap();
        let refused = claim().await.err().expect("a refusal").to_string();
        assert!(refused.contains("another drill runs"), "{refused}");
        std::fs::create_dir(scratch.library(Uuid::nil())).unwrap();
        drop(scratch);
        let scratch = claim().await.unwrap();
        assert!(!scratch.library(Uuid::nil()).exists());
        std::fs::create_dir(scratch.library(Uuid::nil())).unwrap();
        scratch.remove().await.unwrap();
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_folder_with_anything_else_in_it_is_refused() {
        let outer = testkit::folder();
        let file = outer.path().join("notes.txt");
        std::fs::write(&file, "x").unwrap();
        let refused = Scratch::claim(outer.path(), PathBuf::from("/nowhere")).await.err().expect("a refusal");
        assert!(refused.to_string().contains("is not empty"), "{refused}");
        assert!(file.exists() && !outer.path().join(LOCK).exists());
    }
}
