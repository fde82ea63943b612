//! User that PostgreSQL runs as where this program is root, and the programs that run as that user.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Stdio;

use nix::unistd::{Gid, Uid, User};
use tokio::process::Command;

use super::files::{Owner, give_away};
use super::{ClusterConfig, Error, SYSTEM_USER};

impl ClusterConfig {
    /// Builds the command of a PostgreSQL program that reads or writes the cluster's files, run as the user that the server runs as.
    ///
    /// # Errors
    ///
    /// Fails when the program or a usable user is missing.
    pub fn tool(&self, program: &str) -> Result<Command, Error> {
        if !self.programs.join("bin").join(program).is_file() {
            return Err(Error::NoPrograms(self.programs.clone()));
        }
        Ok(tool_command(&self.programs, program, unprivileged_user(self)?))
    }

    /// Lets the user that the server runs as pass the folders above the cluster's.
    ///
    /// # Errors
    ///
    /// Fails when a usable user is missing, or cannot enter one of them.
    pub fn open_ancestors(&self) -> Result<(), Error> {
        allow_ancestors(&self.folder, unprivileged_user(self)?)
    }

    /// Gives a folder with all it contains to the user that the server runs as, for data that were written by this program. Until
    /// then, no other user may be able to enter the folder: see [`files`](super::files).
    ///
    /// # Errors
    ///
    /// Fails when a usable user is missing, or the files cannot be given away.
    pub fn give_to_server(&self, folder: &Path) -> Result<(), Error> {
        let owner = unprivileged_user(self)?;
        give_away(folder, owner)
    }
}

/// Builds the command of a program, run as `owner` in a process group of its own, out of reach of Ctrl-C.
pub(super) fn tool_command(programs: &Path, program: &str, owner: Owner) -> Command {
    let mut command = Command::new(programs.join("bin").join(program));
    // A working folder that the unprivileged user can read.
    command.current_dir("/").stdin(Stdio::null()).process_group(0);
    // A PGHOST or PGDATA of the caller must not lead the programs elsewhere.
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
    if let Some((uid, gid)) = owner {
        command.uid(uid.as_raw()).gid(gid.as_raw());
    }
    command
}

/// Returns the user to run the server as, if this program is root: the owner of existing data, else the system user.
pub(super) fn unprivileged_user(config: &ClusterConfig) -> Result<Owner, Error> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    let data = std::fs::symlink_metadata(config.folder.join("data")).ok();
    if let Some(data) = data.filter(|data| data.is_dir() && data.uid() != 0) {
        let uid = Uid::from_raw(data.uid());
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
        if name.as_deref() != Some(SYSTEM_USER) {
            tracing::warn!(
                user = name,
                "the database belongs to a user that other programs run as, too: stop wenyuan, create the user {SYSTEM_USER}, and \
                 give the folders postgres/data and postgres/socket to it (chown -R)"
            );
        }
        return Ok(Some((uid, Gid::from_raw(data.gid()))));
    }
    let user = User::from_name(SYSTEM_USER).ok().flatten().ok_or(Error::NoUser)?;
    Ok(Some((user.uid, user.gid)))
}

/// Lets the unprivileged user pass every folder above the cluster's. The one right above, the data folder, is opened to the user's
/// group alone where it is closed to all; others are the operator's.
pub(super) fn allow_ancestors(folder: &Path, owner: Owner) -> Result<(), Error> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    for (height, ancestor) in folder.ancestors().skip(1).enumerate() {
        let Ok(metadata) = std::fs::metadata(ancestor) else { continue };
        let (mode, by_user, by_group) =
            (metadata.mode(), metadata.uid() == uid.as_raw(), metadata.gid() == gid.as_raw());
        let can_enter =
            mode & 0o001 != 0 || (by_user && mode & 0o100 != 0) || (by_group && mode & 0o010 != 0);
        if can_enter {
            continue;
        }
        if height != 0 || metadata.uid() != Uid::effective().as_raw() {
            return Err(Error::InaccessibleFolder(ancestor.to_owned()));
        }
        let io = |source| Error::Io { path: ancestor.to_owned(), source };
        std::os::unix::fs::chown(ancestor, None, Some(gid.as_raw())).map_err(io)?;
        std::fs::set_permissions(ancestor, Permissions::from_mode((mode & 0o7700) | 0o010)).map_err(io)?;
    }
    Ok(())
}
