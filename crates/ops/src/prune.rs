//! Retention: removes backups that are too old, and the files that no kept backup needs.
//!
//! The newest backup and the newest verified one are always kept. A backup ceases to exist with its manifest, which is removed first:
//! whenever a removal is interrupted, what is left is whole, and the next one removes the rest. While a backup is restored or verified,
//! nothing is removed. The write-ahead log is kept from the backup on with which recovery to the oldest wanted moment begins.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;

use crate::Error;
use crate::manifest::Manifest;
use crate::repository::{Listed, Lock, Repository};
use crate::verify::State;
use crate::wal::{Archive, FOLDER, Layout};

/// Time for which the archiver's lock is waited for, and the pause between two attempts.
const ARCHIVE_TIMEOUT: Duration = Duration::from_secs(30);
const ARCHIVE_PAUSE: Duration = Duration::from_millis(100);

/// Which backups are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Days for which every backup is kept.
    pub all_days: u32,
    /// Days for which the last backup of each day is kept.
    pub daily_days: u32,
    /// Days to each moment of which a library can be recovered.
    pub wal_days: u32,
}

/// Plan of a removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Ids of the backups that are removed, oldest first.
    pub removed: Vec<String>,
    /// Ids of the backups that are kept, oldest first.
    pub kept: Vec<String>,
    /// Number of files that are removed: of those backups, of interrupted ones, and shared ones that no kept backup needs.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    #[serde(skip)]
    paths: Vec<String>,
}

/// Plans what the policy removes, and removes it unless `dry_run`.
///
/// # Errors
///
/// Fails with [`Error::Busy`] while another program writes to the repository or reads a backup, when a kept backup cannot be read, so
/// that what it needs is not known, and when the repository fails.
pub async fn run(
    repository: &Repository,
    policy: Policy,
    now: DateTime<Utc>,
    dry_run: bool,
) -> Result<Plan, Error> {
    let _writing = repository.lock()?;
    let _alone = repository.lock_readers_out()?;
    // What the archiver is writing is neither unfinished nor unneeded.
    let _archiving = lock_archive(repository).await?;
    let plan = plan(repository, policy, now).await?;
    if !dry_run {
        // Manifests come first, and are gone before anything they name is.
        let (manifests, rest): (Vec<&String>, Vec<&String>) =
            plan.paths.iter().partition(|path| path.ends_with("/manifest.json"));
        for path in manifests {
            repository.delete(path).await?;
        }
        repository.flush().await?;
        for path in rest {
            repository.delete(path).await?;
        }
        repository.remove_unfinished_files()?;
        tracing::info!(
            backups = plan.removed.len(),
            files = plan.files,
            bytes = plan.bytes,
            "backups removed"
        );
    }
    Ok(plan)
}

/// Waits for the archiver, which holds its lock for moments.
async fn lock_archive(repository: &Repository) -> Result<Lock, Error> {
    let deadline = Instant::now() + ARCHIVE_TIMEOUT;
    loop {
        match repository.lock_archive() {
            Err(Error::Busy) if Instant::now() < deadline => tokio::time::sleep(ARCHIVE_PAUSE).await,
            locked => return locked,
        }
    }
}

async fn plan(repository: &Repository, policy: Policy, now: DateTime<Utc>) -> Result<Plan, Error> {
    let mut backups = Vec::new();
    for listed in repository.list().await? {
        match listed {
            Listed::Complete(manifest, report) => {
                let is_verified = report.is_some_and(|report| report.state == State::Verified);
                backups.push((*manifest, is_verified));
            }
            Listed::Damaged { id, fault } => {
                return Err(Error::Failed(format!(
                    "nothing was removed: what the backup {id} needs is not known ({fault}); remove backups/{id} from the repository, or \
                     bring its manifest back"
                )));
            }
        }
    }
    let times: Vec<(DateTime<Utc>, bool)> =
        backups.iter().map(|(manifest, is_verified)| (manifest.consistent_at, *is_verified)).collect();
    let keep = choose(&times, policy, now);
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    let mut needed = HashSet::new();
    let mut kept_backups = Vec::new();
    for ((manifest, _), is_kept) in backups.iter().zip(keep) {
        if is_kept {
            kept.push(manifest.id.clone());
            kept_backups.push(manifest);
            needed.extend(files_of(repository, manifest).await?);
        } else {
            removed.push(manifest.id.clone());
        }
    }
    let since = days_before(now, policy.wal_days);
    for base in bases(&kept_backups, since) {
        needed.extend(log_behind(repository, base).await?);
    }
    let folders: BTreeSet<String> = kept.iter().map(|id| format!("backups/{id}/")).collect();
    let (mut paths, mut bytes) = (Vec::new(), 0);
    for (path, size) in repository.files().await? {
        let is_piece =
            ["backups", "objects", FOLDER].iter().any(|folder| path.split('/').next() == Some(folder));
        let is_kept = needed.contains(&path) || folders.iter().any(|folder| path.starts_with(folder));
        if is_piece && !is_kept {
            bytes += size;
            paths.push(path);
        }
    }
    Ok(Plan { removed, kept, files: paths.len() as u64, bytes, paths })
}

/// Paths of the files that a backup shares with others.
async fn files_of(repository: &Repository, manifest: &Manifest) -> Result<Vec<String>, Error> {
    let objects = repository.object_list(manifest).await?.into_iter().map(|entry| entry.piece.path);
    let segments = manifest.wal.segments.iter().map(|segment| segment.piece.path.clone());
    Ok(objects.chain(segments).collect())
}

/// Returns the backup of each database cluster with which recovery to a moment since then begins: the newest one before, or the oldest.
/// `backups` are those that are kept, oldest first.
fn bases<'backups>(backups: &[&'backups Manifest], since: DateTime<Utc>) -> Vec<&'backups Manifest> {
    let mut bases: BTreeMap<&str, &Manifest> = BTreeMap::new();
    for backup in backups {
        let base = bases.entry(&backup.system).or_insert(backup);
        if backup.consistent_at <= since {
            *base = backup;
        }
    }
    bases.into_values().collect()
}

/// Paths of the log from a backup on, and of the objects that came with it.
async fn log_behind(repository: &Repository, base: &Manifest) -> Result<Vec<String>, Error> {
    let layout = Layout::of(base)?;
    let first = (layout.timeline, layout.first_of(base)?);
    let archive = Archive::load(repository, &base.system, layout.segment_bytes).await?;
    let mut paths = Vec::new();
    for (name, files) in &archive.segments {
        // A later timeline begins with a restored library.
        if layout.parse(name).is_some_and(|segment| segment >= first) {
            paths.extend(files.iter().map(|file| file.piece.path.clone()));
        }
    }
    for list in archive.lists.iter().filter(|list| list.time > base.started_at) {
        paths.push(list.piece.path.clone());
        let entries = repository.read_list(&list.piece).await.map_err(|error| {
            Error::Failed(format!(
                "nothing was removed: which objects the log needs is not known ({error}); remove {} from the repository",
                list.piece.path
            ))
        })?;
        paths.extend(entries.into_iter().map(|entry| entry.piece.path));
    }
    Ok(paths)
}

fn days_before(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    now.checked_sub_days(Days::new(days.into())).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// Says of each backup, oldest first, whether it is kept. `backups` has their times, and whether they are verified.
fn choose(backups: &[(DateTime<Utc>, bool)], policy: Policy, now: DateTime<Utc>) -> Vec<bool> {
    let (all_since, daily_since) = (days_before(now, policy.all_days), days_before(now, policy.daily_days));
    let mut keep = vec![false; backups.len()];
    let (mut has_newest, mut has_verified) = (false, false);
    let mut days: BTreeSet<NaiveDate> = BTreeSet::new();
    for (place, (time, is_verified)) in backups.iter().enumerate().rev() {
        let is_last_of_day = days.insert(time.date_naive());
        keep[place] = !has_newest
            || (*is_verified && !has_verified)
            || *time >= all_since
            || (is_last_of_day && *time >= daily_since);
        has_newest = true;
        has_verified |= is_verified;
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(times: &[(&str, bool)], all_days: u32, daily_days: u32) -> Vec<bool> {
        let times: Vec<(DateTime<Utc>, bool)> =
            times.iter().map(|(time, is_verified)| (time.parse().unwrap(), *is_verified)).collect();
        choose(&times, Policy { all_days, daily_days, wal_days: 7 }, "2026-11-29T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn recent_backups_are_kept_then_one_a_day_then_none() {
        let times = [
            ("2026-10-01T03:00:00Z", false),
            ("2026-11-10T03:00:00Z", false),
            ("2026-11-10T15:00:00Z", false),
            ("2026-11-28T03:00:00Z", false),
            ("2026-11-28T15:00:00Z", false),
        ];
        assert_eq!(kept(&times, 7, 30), [false, false, true, true, true]);
        assert_eq!(kept(&times, 0, 0), [false, false, false, false, true]);
        assert_eq!(kept(&times, 100, 100), [true; 5]);
    }

    #[test]
    fn the_log_begins_with_the_backup_before_the_wanted_days() {
        let backup = |time: &str, system: &str| Manifest {
            consistent_at: time.parse().unwrap(),
            system: system.to_owned(),
            ..crate::manifest::tests::example()
        };
        let backups = [
            backup("2026-11-20T03:00:00Z", "1"),
            backup("2026-11-21T03:00:00Z", "1"),
            backup("2026-11-22T03:00:00Z", "1"),
            backup("2026-11-22T04:00:00Z", "2"),
        ];
        let backups: Vec<&Manifest> = backups.iter().collect();
        let begins = |since: &str| {
            let bases = bases(&backups, since.parse().unwrap());
            bases.into_iter().map(|base| base.consistent_at.format("%d %H").to_string()).collect::<Vec<_>>()
        };
        assert_eq!(begins("2026-11-21T12:00:00Z"), ["21 03", "22 04"]);
        assert_eq!(begins("2026-11-01T00:00:00Z"), ["20 03", "22 04"]);
        assert_eq!(begins("2026-11-29T00:00:00Z"), ["22 03", "22 04"]);
    }

    #[test]
    fn the_newest_verified_backup_is_kept_however_old() {
        let times =
            [("2025-01-01T03:00:00Z", true), ("2025-02-01T03:00:00Z", true), ("2026-11-28T03:00:00Z", false)];
        assert_eq!(kept(&times, 1, 1), [false, true, true]);
        assert_eq!(kept(&[], 1, 1), Vec::<bool>::new());
    }
}
