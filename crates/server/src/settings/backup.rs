//! `[backup]`: where backups are written, what verifies them, and what a drill is measured against.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use clap::builder::BoolishValueParser;
use ops::drills::DrillTargets;
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

    /// Write the server's own backups without encryption
    #[arg(
        id = "backup.unencrypted",
        long = "backup-unencrypted",
        env = "WENYUAN_BACKUP_UNENCRYPTED",
        value_parser = BoolishValueParser::new()
    )]
    unencrypted: bool,

    /// Seconds between two times that the write-ahead log of the built-in PostgreSQL goes into the repository, for recovery to any
    /// moment; 0 to leave it out
    #[arg(
        id = "backup.wal_seconds",
        long = "backup-wal-seconds",
        env = "WENYUAN_BACKUP_WAL_SECONDS",
        default_value_t = 60,
        value_name = "SECONDS"
    )]
    wal_seconds: u64,

    /// Write-ahead log that is kept while it cannot go into the repository, and for a running backup, in MiB; beyond it, the oldest is given
    /// up: recovery to a moment begins anew with the next backup, and a running backup fails
    #[arg(
        id = "backup.wal_limit_mib",
        long = "backup-wal-limit-mib",
        env = "WENYUAN_BACKUP_WAL_LIMIT_MIB",
        default_value_t = 4096,
        value_name = "MIB",
        value_parser = clap::value_parser!(u64).range(256..=1_000_000)
    )]
    wal_limit_mib: u64,

    /// Days to each moment of which the library can be recovered
    #[arg(
        id = "backup.keep_wal_days",
        long = "backup-keep-wal-days",
        env = "WENYUAN_BACKUP_KEEP_WAL_DAYS",
        default_value_t = 7,
        value_name = "DAYS"
    )]
    keep_wal_days: u32,

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

    /// Maximum age of the last recoverable state in a drill, in minutes
    #[arg(
        id = "backup.drill_rpo_minutes",
        long = "backup-drill-rpo-minutes",
        env = "WENYUAN_BACKUP_DRILL_RPO_MINUTES",
        default_value_t = 15,
        value_name = "MINUTES"
    )]
    drill_rpo_minutes: u32,

    /// Maximum time until a restored library answers in a drill, in minutes
    #[arg(
        id = "backup.drill_rto_minutes",
        long = "backup-drill-rto-minutes",
        env = "WENYUAN_BACKUP_DRILL_RTO_MINUTES",
        default_value_t = 30,
        value_name = "MINUTES"
    )]
    drill_rto_minutes: u32,
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
        Policy {
            all_days: self.keep_all_days,
            daily_days: self.keep_daily_days,
            wal_days: self.keep_wal_days,
        }
    }

    /// Targets of a drill.
    pub(crate) fn drill_targets(&self) -> DrillTargets {
        DrillTargets {
            rpo_seconds: f64::from(self.drill_rpo_minutes) * 60.0,
            rto_seconds: f64::from(self.drill_rto_minutes) * 60.0,
        }
    }

    /// Time between two rounds of archiving the write-ahead log; `None` if it is not archived.
    pub(crate) fn wal_interval(&self) -> Option<Duration> {
        (self.wal_seconds > 0 && self.repository().is_some()).then(|| Duration::from_secs(self.wal_seconds))
    }

    /// Settings of the built-in PostgreSQL.
    pub(super) fn postgres(&self) -> Vec<(String, String)> {
        // Applies to the archiver's slot also while the server does not run.
        vec![("max_slot_wal_keep_size".to_owned(), format!("{}MB", self.wal_limit_mib))]
    }
}

fn set(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
}

impl Group for BackupSettings {
    fn check(&self, problems: &mut Problems) {
        problems.note("backup.key_file", self.key_file().map_or(Ok(()), must_exist));
    }
}

fn must_exist(file: &Path) -> anyhow::Result<()> {
    if !file.is_file() {
        bail!("{} is no file", file.display());
    }
    Ok(())
}
