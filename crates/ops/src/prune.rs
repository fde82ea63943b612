//! Retention: removes backups that are too old, and the files that no kept backup needs.
//!
//! The newest backup and the newest verified one are always kept. A backup ceases to exist with its manifest, which is removed first:
//! whenever a removal is interrupted, what is left is whole, and the next one removes the rest. While a backup is restored or verified,
//! nothing is removed.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;

use crate::Error;
use crate::manifest::Manifest;
use crate::repository::{Listed, Repository};
use crate::verify::State;

/// Which backups are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Days for which every backup is kept.
    pub all_days: u32,
    /// Days for which the last backup of each day is kept.
    pub daily_days: u32,
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
    for ((manifest, _), is_kept) in backups.iter().zip(keep) {
        if is_kept {
            kept.push(manifest.id.clone());
            needed.extend(files_of(repository, manifest).await?);
        } else {
            removed.push(manifest.id.clone());
        }
    }
    let folders: BTreeSet<String> = kept.iter().map(|id| format!("backups/{id}/")).collect();
    let (mut paths, mut bytes) = (Vec::new(), 0);
    for (path, size) in repository.files().await? {
        let is_piece = ["backups/", "objects/", "wal/"].iter().any(|folder| path.starts_with(folder));
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

/// Says of each backup, oldest first, whether it is kept. `backups` has their times, and whether they are verified.
fn choose(backups: &[(DateTime<Utc>, bool)], policy: Policy, now: DateTime<Utc>) -> Vec<bool> {
    let since = |days: u32| now.checked_sub_days(Days::new(days.into())).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let (all_since, daily_since) = (since(policy.all_days), since(policy.daily_days));
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
        choose(&times, Policy { all_days, daily_days }, "2026-11-29T12:00:00Z".parse().unwrap())
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
    fn the_newest_verified_backup_is_kept_however_old() {
        let times =
            [("2025-01-01T03:00:00Z", true), ("2025-02-01T03:00:00Z", true), ("2026-11-28T03:00:00Z", false)];
        assert_eq!(kept(&times, 1, 1), [false, true, true]);
        assert_eq!(kept(&[], 1, 1), Vec::<bool>::new());
    }
}
