//! Moment that a restoration leads to, and what of the repository it takes: a backup, and the log and objects that came after it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};

use super::Request;
use crate::Error;
use crate::manifest::{Manifest, ObjectEntry};
use crate::repository::{Listed, Repository};
use crate::wal::{self, Archive, Continuation, Layout, Period};

/// Timelines that are looked at, at most.
const MAX_TIMELINES: u32 = 1000;

/// State that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// That of the backup.
    Backup,
    /// Everything that was committed until this time, and nothing later.
    Time(DateTime<Utc>),
    /// The last one that the repository has.
    Latest,
}

impl Moment {
    /// Time of the restored state.
    pub(super) fn time(self, log: &Continuation) -> DateTime<Utc> {
        match self {
            Self::Time(time) => time,
            Self::Backup | Self::Latest => log.until,
        }
    }

    /// Settings that end recovery there.
    pub(super) fn recovery_target(self, manifest: &Manifest) -> Option<(&'static str, String)> {
        match self {
            Self::Time(time) if time > manifest.consistent_at => {
                Some(("recovery_target_time", time.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()))
            }
            Self::Backup | Self::Time(_) => {
                Some(("recovery_target_name", manifest.wal.restore_point.clone()))
            }
            // The end of the log.
            Self::Latest => None,
        }
    }
}

/// Chooses the backup that a restoration begins with: the one that `id` names, or else the newest from which the log leads to the moment.
///
/// # Errors
///
/// Fails when there is none; the error says which moments can be recovered.
pub async fn choose(repository: &Repository, id: Option<&str>, moment: Moment) -> Result<Manifest, Error> {
    let Moment::Time(time) = moment else { return repository.find(id.unwrap_or("latest")).await };
    if let Some(id) = id {
        return repository.find(id).await;
    }
    let backups = readable(repository).await?;
    let periods = wal::periods(repository, &backups.iter().collect::<Vec<_>>()).await?;
    let reaches = |period: &Period| period.from <= time && time <= period.until;
    let best = backups.iter().zip(&periods).filter(|(_, period)| reaches(period));
    match best.max_by_key(|(manifest, _)| manifest.consistent_at) {
        Some((manifest, _)) => Ok(manifest.clone()),
        None => Err(out_of_range(time, periods)),
    }
}

/// Backups whose manifest can be read.
async fn readable(repository: &Repository) -> Result<Vec<Manifest>, Error> {
    let listed = repository.list().await?.into_iter();
    let readable = listed.filter_map(|backup| match backup {
        Listed::Complete(manifest, _) => Some(*manifest),
        Listed::Damaged { .. } => None,
    });
    Ok(readable.collect())
}

fn out_of_range(wanted: DateTime<Utc>, periods: Vec<Period>) -> Error {
    let periods: Vec<String> = wal::join(periods).into_iter().map(|period| period.to_string()).collect();
    let kept = if periods.is_empty() { "no backup".to_owned() } else { periods.join(", ") };
    Error::OutOfRange { wanted: wal::shown(wanted), kept }
}

/// Returns the write-ahead log behind the backup that leads to the moment.
pub(super) async fn log(request: &Request<'_>) -> Result<Continuation, Error> {
    let manifest = &request.manifest;
    let mut log =
        Continuation { segments: Vec::new(), lists: Vec::new(), until: manifest.consistent_at, gap: None };
    if request.moment == Moment::Backup || request.moment == Moment::Time(manifest.consistent_at) {
        return Ok(log);
    }
    let layout = Layout::of(manifest)?;
    let archive = Archive::load(request.repository, &manifest.system, layout.segment_bytes).await?;
    log = archive.continuation(manifest)?;
    if let Moment::Time(time) = request.moment {
        if time < manifest.consistent_at || time > log.until {
            let period = Period { from: manifest.consistent_at, until: log.until };
            return Err(out_of_range(time, vec![period]));
        }
        log.cut(time);
    }
    Ok(log)
}

/// Returns the objects to restore: those of the backup, and those that came since. Some of them can have come later than the moment, and
/// are removed like others without a row.
pub(super) async fn objects(request: &Request<'_>, log: &Continuation) -> Result<Vec<ObjectEntry>, Error> {
    let (repository, manifest) = (request.repository, &request.manifest);
    let own = repository.object_list(manifest).await?;
    let found = own.len() as u64;
    if found != manifest.objects.count {
        let fault = format!("it has {found} objects instead of {}", manifest.objects.count);
        return Err(Error::damaged(&manifest.objects.list.path, fault));
    }
    if log.segments.is_empty() {
        return Ok(own);
    }
    let mut entries: BTreeMap<String, ObjectEntry> = BTreeMap::new();
    for list in &log.lists {
        for entry in repository.read_list(&list.piece).await? {
            entries.insert(entry.hash.clone(), entry);
        }
    }
    // What came while no log was stored is in the next backup.
    let next = readable(repository).await?.into_iter().find(|next| {
        next.system == manifest.system
            && next.recipients == manifest.recipients
            && next.consistent_at > manifest.consistent_at
    });
    if let Some(next) = next {
        let listed = repository.object_list(&next).await.unwrap_or_default();
        entries.extend(listed.into_iter().map(|entry| (entry.hash.clone(), entry)));
    }
    entries.extend(own.into_iter().map(|entry| (entry.hash.clone(), entry)));
    Ok(entries.into_values().collect())
}

/// Timelines behind that of the backup of which the repository has something: the restored database must not go on with one of them.
pub(super) async fn used_timelines(request: &Request<'_>) -> Result<RangeInclusive<u32>, Error> {
    let manifest = &request.manifest;
    let own = manifest.wal.timeline;
    let archive =
        Archive::load(request.repository, &manifest.system, Layout::of(manifest)?.segment_bytes).await?;
    let newest = archive.newest_timeline().min(own + MAX_TIMELINES);
    Ok(own + 1..=newest)
}
