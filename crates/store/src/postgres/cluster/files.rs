//! Files and folders of the cluster, opened so that the cluster's user cannot lead root elsewhere.
//!
//! Where this program is root, PostgreSQL runs as an unprivileged user, who owns and can replace everything in the data folder. A
//! link planted there would make root write, truncate or give away the file it points to. So what root opens is opened without
//! following links, and type, owner and number of links are checked on the descriptor before anything is done with it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown,
};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Uid};

use super::Error;

/// User and group that PostgreSQL runs as where this program is root; `None` where both run as one user.
pub(super) type Owner = Option<(Uid, Gid)>;

/// Maximum bytes read of a file: far above any configuration or pid file, so that a huge one does not fill the memory.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Creates a folder with this mode, or opens the existing one, and gives it to `owner`; without one it stays this program's.
///
/// # Errors
///
/// Fails when the path is no folder, or a folder of a third user.
pub(super) fn create_folder(path: &Path, owner: Owner, mode: u32) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {}
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(io(source)),
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let folder = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(io)?;
    let found = folder.metadata().map_err(io)?.uid();
    let us = Uid::effective();
    // An earlier release gave the cluster's folder to the user it ran PostgreSQL as, which need not be today's.
    if found != us.as_raw() && !us.is_root() {
        return Err(Error::ForeignFolder(path.to_owned()));
    }
    let (uid, gid) = owner.unwrap_or((us, Gid::effective()));
    if us.is_root() {
        fchown(&folder, Some(uid.as_raw()), Some(gid.as_raw())).map_err(io)?;
    }
    folder.set_permissions(Permissions::from_mode(mode)).map_err(io)
}

/// Gives a folder and all it contains to `owner`. Links are not followed. The caller makes sure that nobody else can enter the
/// folder yet.
///
/// # Errors
///
/// Fails when the file system does.
pub(super) fn give_away(folder: &Path, owner: Owner) -> Result<(), Error> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let io = |source| Error::Io { path: path.clone(), source };
        std::os::unix::fs::lchown(&path, Some(uid.as_raw()), Some(gid.as_raw())).map_err(io)?;
        if std::fs::symlink_metadata(&path).map_err(io)?.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(io)? {
                waiting.push(entry.map_err(io)?.path());
            }
        }
    }
    Ok(())
}

/// Opens a file for reading and writing, and creates it for `owner` with mode 0600 if it is missing.
///
/// # Errors
///
/// Fails when it is a link, no regular file, or belongs to a third user.
pub(super) fn open_file(path: &Path, owner: Owner) -> Result<File, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(flags()).open(path).map_err(io)?;
    check(&file, path, owner)?;
    if let Some((uid, gid)) = owner {
        fchown(&file, Some(uid.as_raw()), Some(gid.as_raw())).map_err(io)?;
    }
    Ok(file)
}

/// Reads a text file of the cluster; `None` if there is none.
///
/// # Errors
///
/// Fails like [`open_file`].
pub(super) fn read_file(path: &Path, owner: Owner) -> Result<Option<String>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = match OpenOptions::new().read(true).custom_flags(flags()).open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io(source)),
    };
    check(&file, path, owner)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(io)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Flags that keep root's open from following a link and from waiting for a pipe's other end. Of an ordinary user nothing more than
/// their own can be had, and their links are followed.
fn flags() -> i32 {
    if Uid::effective().is_root() { (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits() } else { 0 }
}

fn check(file: &File, path: &Path, owner: Owner) -> Result<(), Error> {
    let us = Uid::effective();
    if !us.is_root() {
        return Ok(());
    }
    let metadata = file.metadata().map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let owner = owner.map_or(us, |(uid, _)| uid);
    let has_known_owner = [us, owner].iter().any(|known| known.as_raw() == metadata.uid());
    if metadata.is_file() && metadata.nlink() == 1 && has_known_owner {
        Ok(())
    } else {
        Err(Error::SuspiciousFile(path.to_owned()))
    }
}
