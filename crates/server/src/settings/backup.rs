//! `[backup]`: where backups are written, and what verifies them.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use clap::builder::BoolishValueParser;
use ops::prune::Policy;

use super::{Group, Problems};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Backup")]
pub(crate) struct BackupSettings {
    /// Directory of the backups, on another disk than the data directory
    #[arg(
        id = "backup.repository",
        long = "backup-repository",
        env = "WENYUAN_BACKUP_REPOSITORY",
        value_name = "DIR"
    )]
    repository: Option<PathBuf>,

    /// File with the secret key of the backups, to verify them on this machine; not needed to write them
    #[arg(
        id = "backup.key_file",
        long = "backup-key-file",
        env = "WENYUAN_BACKUP_KEY_FILE",
        value_name = "FILE"
    )]
    key_file: Option<PathBuf>,

    /// File with one question per line, whose search results every verified backup must give; without it, titles of the newest
    /// documents are searched for
    #[arg(
        id = "backup.questions_file",
        long = "backup-questions-file",
        env = "WENYUAN_BACKUP_QUESTIONS_FILE",
        value_name = "FILE"
    )]
    questions_file: Option<PathBuf>,

    /// Write the server's own backups without encryption
    #[arg(
        id = "backup.unencrypted",
        long = "backup-unencrypted",
        env = "WENYUAN_BACKUP_UNENCRYPTED",
        value_parser = BoolishValueParser::new()
    )]
    unencrypted: bool,

    /// Days for which every backup is kept
    #[arg(
        id = "backup.keep_all_days",
        long = "backup-keep-all-days",
        env = "WENYUAN_BACKUP_KEEP_ALL_DAYS",
        default_value_t = 7,
        value_name = "DAYS"
    )]
    keep_all_days: u32,

    /// Days for which the last backup of each day is kept
    #[arg(
        id = "backup.keep_daily_days",
        long = "backup-keep-daily-days",
        env = "WENYUAN_BACKUP_KEEP_DAILY_DAYS",
        default_value_t = 30,
        value_name = "DAYS"
    )]
    keep_daily_days: u32,
}

impl BackupSettings {
    /// Directory of the backups, if one is set.
    pub(crate) fn repository(&self) -> Option<&Path> {
        set(self.repository.as_ref())
    }

    /// File with the secret key, if one is set.
    pub(crate) fn key_file(&self) -> Option<&Path> {
        set(self.key_file.as_ref())
    }

    /// Whether the server's own backups are not encrypted.
    pub(crate) fn unencrypted(&self) -> bool {
        self.unencrypted
    }

    /// Which backups are kept.
    pub(crate) fn policy(&self) -> Policy {
        Policy { all_days: self.keep_all_days, daily_days: self.keep_daily_days }
    }

    /// File with questions, if one is set.
    pub(crate) fn questions_file(&self) -> Option<&Path> {
        set(self.questions_file.as_ref())
    }
}

fn set(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
}

impl Group for BackupSettings {
    fn check(&self, problems: &mut Problems) {
        for (key, file) in
            [("backup.key_file", self.key_file()), ("backup.questions_file", self.questions_file())]
        {
            problems.note(key, file.map_or(Ok(()), must_exist));
        }
    }
}

fn must_exist(file: &Path) -> anyhow::Result<()> {
    if !file.is_file() {
        bail!("{} is no file", file.display());
    }
    Ok(())
}
