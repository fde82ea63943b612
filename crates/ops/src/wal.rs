//! Write-ahead log in a repository: names of segments, and those that lead from a backup to a later moment.
//!
//! The [archiver](crate::archive) stores segments between backups. Names of its files say until when they are complete, so that listing
//! a folder tells to which moments a library can be recovered. Nothing else records that: a file that is missing is a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::Error;
use crate::keys::Recipients;
use crate::manifest::{Manifest, Piece};
use crate::repository::Repository;

/// Folder of all segments.
pub(crate) const FOLDER: &str = "wal";
/// First part of the name of a list of objects.
const LIST: &str = "objects";
/// How many times larger the log is than its compressed form, at most.
const MAX_COMPRESSION: u64 = 16;
/// Sizes of segments that PostgreSQL allows, in bytes.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 30;

/// Reads a position in the write-ahead log: two hexadecimal numbers of 32 bits.
pub(crate) fn position(lsn: &str) -> Result<u64, Error> {
    let parse = |text| u64::from_str_radix(text, 16).ok();
    let parts = lsn.split_once('/').and_then(|(high, low)| Some((parse(high)?, parse(low)?)));
    let (high, low) =
        parts.ok_or_else(|| Error::Failed(format!("{lsn:?} is no position in the write-ahead log")))?;
    Ok((high << 32) | low)
}

/// Writes a position as PostgreSQL does.
pub(crate) fn lsn(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF)
}

/// Timeline and size of segments, which their names depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) timeline: u32,
    pub(crate) segment_bytes: u64,
}

impl Layout {
    /// Layout of the log that a backup has.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self, Error> {
        let bytes = manifest.wal.segments.first().map_or(0, |segment| segment.piece.plain_size);
        if !bytes.is_power_of_two() || !SEGMENT_BYTES.contains(&bytes) {
            let path = format!("the manifest of the backup {}", manifest.id);
            return Err(Error::damaged(path, "it has no segment of the write-ahead log"));
        }
        Ok(Self { timeline: manifest.wal.timeline, segment_bytes: bytes })
    }

    /// Name of the segment with a number.
    pub(crate) fn name(self, number: u64) -> String {
        let per_file = (1_u64 << 32) / self.segment_bytes;
        format!("{:08X}{:08X}{:08X}", self.timeline, number / per_file, number % per_file)
    }

    /// Number of a segment, and its timeline.
    pub(crate) fn parse(self, name: &str) -> Option<(u32, u64)> {
        if !is_segment_name(name) {
            return None;
        }
        let timeline = u32::from_str_radix(&name[..8], 16).ok()?;
        let high = u64::from_str_radix(&name[8..16], 16).ok()?;
        let low = u64::from_str_radix(&name[16..], 16).ok()?;
        Some((timeline, high * ((1_u64 << 32) / self.segment_bytes) + low))
    }

    /// Number of the segment with the first byte that a backup needs.
    pub(crate) fn first_of(self, manifest: &Manifest) -> Result<u64, Error> {
        Ok(position(&manifest.wal.start_lsn)? / self.segment_bytes)
    }

    /// Number of the segment behind the last one of a backup.
    fn behind(self, manifest: &Manifest) -> Result<u64, Error> {
        let last = position(&manifest.wal.end_lsn)?.saturating_sub(1) / self.segment_bytes;
        Ok(last + 1)
    }
}

/// Whether a name is that of a segment.
pub(crate) fn is_segment_name(name: &str) -> bool {
    name.len() == 24 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Folder of the segments of a database cluster that are encrypted to these keys.
pub(crate) fn folder(recipients: &Recipients, system: &str) -> String {
    format!("{FOLDER}/{}/{system}", recipients.key_set())
}

/// Name of a stored segment, without the hash. Every transaction that was committed until `complete` is in it or in one before it.
pub(crate) fn stored_name(segment: &str, complete: Option<DateTime<Utc>>) -> String {
    complete.map_or_else(|| segment.to_owned(), |time| format!("{segment}.{}", time.timestamp_micros()))
}

/// Name of a stored list of objects, without the hash: those that were copied for the log until `time`.
pub(crate) fn list_name(time: DateTime<Utc>, plain_size: usize) -> String {
    format!("{LIST}.{}.{plain_size}", time.timestamp_micros())
}

/// Segment of the write-ahead log in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredSegment {
    pub(crate) name: String,
    pub(crate) piece: Piece,
    /// Every transaction that was committed until then is in it or in one before it, and one after that time is, too.
    pub(crate) complete: Option<DateTime<Utc>>,
    /// Folder of the keys that it is encrypted to.
    keys: String,
}

impl StoredSegment {
    /// Whether it is not encrypted.
    pub(crate) fn is_plain(&self) -> bool {
        self.keys == Recipients::none().key_set()
    }
}

/// List of objects that were copied between backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredList {
    pub(crate) time: DateTime<Utc>,
    pub(crate) piece: Piece,
    keys: String,
}

/// Stored file of the archive.
enum StoredFile {
    Segment(StoredSegment),
    List(StoredList),
}

impl StoredFile {
    /// Reads the name of a file in the folder `wal/KEYS/SYSTEM`.
    fn parse(folder: &str, name: &str, digest: String, size: u64, segment_bytes: u64) -> Option<Self> {
        let keys = folder.split('/').nth(1)?.to_owned();
        let path = format!("{folder}/{name}.{digest}");
        let piece = |plain_size| Piece { path, size, sha256: digest, plain_size };
        let time = |text: &str| DateTime::from_timestamp_micros(text.parse().ok()?);
        let parts: Vec<&str> = name.split('.').collect();
        Some(match parts.as_slice() {
            [LIST, micros, plain_size] => {
                Self::List(StoredList { time: time(micros)?, piece: piece(plain_size.parse().ok()?), keys })
            }
            [segment] if is_segment_name(segment) => Self::Segment(StoredSegment {
                name: (*segment).to_owned(),
                piece: piece(segment_bytes),
                complete: None,
                keys,
            }),
            [segment, micros] if is_segment_name(segment) => Self::Segment(StoredSegment {
                name: (*segment).to_owned(),
                piece: piece(segment_bytes),
                complete: Some(time(micros)?),
                keys,
            }),
            _ => return None,
        })
    }
}

/// Write-ahead log of one database cluster in a repository.
#[derive(Debug)]
pub(crate) struct Archive {
    /// Files of each segment: several if backups to other keys have it, too.
    pub(crate) segments: BTreeMap<String, Vec<StoredSegment>>,
    /// Lists of objects, oldest first.
    pub(crate) lists: Vec<StoredList>,
}

impl Archive {
    /// Lists the segments of a database cluster.
    pub(crate) async fn load(
        repository: &Repository,
        system: &str,
        segment_bytes: u64,
    ) -> Result<Self, Error> {
        let (mut segments, mut lists) = (BTreeMap::<String, Vec<StoredSegment>>::new(), Vec::new());
        for keys in repository.folders_in(FOLDER).await? {
            let folder = format!("{FOLDER}/{keys}/{system}");
            for (name, digest, size) in repository.shared_in(&folder).await? {
                match StoredFile::parse(&folder, &name, digest, size, segment_bytes) {
                    Some(StoredFile::Segment(segment)) => {
                        segments.entry(segment.name.clone()).or_default().push(segment);
                    }
                    Some(StoredFile::List(list)) => lists.push(list),
                    None => {}
                }
            }
        }
        lists.sort_by_key(|list| list.time);
        Ok(Self { segments, lists })
    }

    /// Newest timeline of which there is a segment.
    pub(crate) fn newest_timeline(&self) -> u32 {
        let newest = self.segments.keys().next_back();
        newest.and_then(|name| u32::from_str_radix(&name[..8], 16).ok()).unwrap_or(0)
    }

    /// Returns what follows a backup on its timeline without a gap.
    pub(crate) fn continuation(&self, manifest: &Manifest) -> Result<Continuation, Error> {
        let layout = Layout::of(manifest)?;
        let keys = Recipients::parse(manifest.recipients.iter().map(String::as_str))?.key_set();
        let mut segments = Vec::new();
        let mut number = layout.behind(manifest)?;
        // A file to the keys of the backup is preferred: its reader has them.
        while let Some(files) = self.segments.get(&layout.name(number)) {
            let best = files.iter().max_by_key(|file| (file.keys == keys, file.complete));
            segments.extend(best.cloned());
            number += 1;
        }
        let missing = layout.name(number);
        let end = format!("{:08X}G", layout.timeline);
        let next = self.segments.range(missing.clone()..end).next().map(|(name, _)| name.clone());
        let gap = next.map(|next| Gap { missing, next });
        let until =
            segments.iter().filter_map(|segment| segment.complete).fold(manifest.consistent_at, Ord::max);
        let used: BTreeSet<&String> = segments.iter().map(|segment| &segment.keys).collect();
        let lists = self.lists.iter();
        let lists = lists.filter(|list| {
            list.time > manifest.started_at && list.time <= until && used.contains(&list.keys)
        });
        Ok(Continuation { lists: lists.cloned().collect(), segments, until, gap })
    }
}

/// Segments that are missing between others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    /// First one that is missing.
    pub(crate) missing: String,
    /// First one behind it that is there.
    pub(crate) next: String,
}

/// Write-ahead log behind a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Continuation {
    /// Segments in order, behind those of the backup.
    pub(crate) segments: Vec<StoredSegment>,
    /// Lists of objects that were copied meanwhile.
    pub(crate) lists: Vec<StoredList>,
    /// Time until which everything that was committed can be recovered.
    pub(crate) until: DateTime<Utc>,
    /// Where it ends, if there are segments behind that.
    pub(crate) gap: Option<Gap>,
}

impl Continuation {
    /// Leaves out what is behind the first segment that is complete until `time`.
    pub(crate) fn cut(&mut self, time: DateTime<Utc>) {
        let place = self
            .segments
            .iter()
            .position(|segment| segment.complete.is_some_and(|complete| complete >= time));
        if let Some(place) = place {
            self.segments.truncate(place + 1);
            let until = self.segments[place].complete.unwrap_or(time);
            self.lists.retain(|list| list.time <= until);
        }
    }

    /// Estimate of the space that the segments take on the disk: their zeros at the end take none.
    pub(crate) fn unpacked_bytes(&self) -> u64 {
        let unpacked = |piece: &Piece| piece.plain_size.min(piece.size * MAX_COMPRESSION);
        self.segments.iter().map(|segment| unpacked(&segment.piece)).sum()
    }

    /// Leaves out the segments from `name` on.
    pub(crate) fn cut_before(&mut self, name: &str) {
        self.segments.retain(|segment| segment.name.as_str() < name);
        if self.gap.as_ref().is_some_and(|gap| gap.missing.as_str() >= name) {
            self.gap = None;
        }
    }
}

/// Period to each moment of which a library can be recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = BackupPeriod)]
pub struct Period {
    /// First moment.
    pub from: DateTime<Utc>,
    /// Last moment.
    pub until: DateTime<Utc>,
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to {}", shown(self.from), shown(self.until))
    }
}

/// Writes a time so that it can be given to `--to-time`, and lies in the period that it ends.
pub(crate) fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Returns the period that begins with each of these backups.
///
/// # Errors
///
/// Fails when the repository does.
pub async fn periods(repository: &Repository, backups: &[&Manifest]) -> Result<Vec<Period>, Error> {
    let mut archives: BTreeMap<&str, Archive> = BTreeMap::new();
    let mut periods = Vec::new();
    for manifest in backups {
        let system = manifest.system.as_str();
        // One that says nothing of its log is shown, and found to be damaged when it is used.
        if let (Ok(layout), false) = (Layout::of(manifest), archives.contains_key(system)) {
            archives.insert(system, Archive::load(repository, system, layout.segment_bytes).await?);
        }
        let continuation = archives.get(system).and_then(|archive| archive.continuation(manifest).ok());
        let until = continuation.map_or(manifest.consistent_at, |continuation| continuation.until);
        periods.push(Period { from: manifest.consistent_at, until });
    }
    Ok(periods)
}

/// Joins periods that meet.
pub fn join(mut periods: Vec<Period>) -> Vec<Period> {
    periods.sort_by_key(|period| period.from);
    let mut joined: Vec<Period> = Vec::new();
    for period in periods {
        match joined.last_mut() {
            Some(last) if period.from <= last.until => last.until = last.until.max(period.until),
            _ => joined.push(period),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::example;

    fn time(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn positions_and_segments_are_named_as_postgresql_does() {
        assert_eq!(position("0/2000028").unwrap(), 0x200_0028);
        assert_eq!(position("2A/F0000000").unwrap(), 0x2A_F000_0000);
        assert_eq!(lsn(0x2A_F000_0000), "2A/F0000000");
        assert!(position("x").is_err());
        let layout = Layout { timeline: 2, segment_bytes: 16 << 20 };
        assert_eq!(layout.name(258), "000000020000000100000002");
        assert_eq!(layout.parse("000000020000000100000002"), Some((2, 258)));
        assert_eq!(layout.parse("00000002.history"), None);
    }

    /// An archive with these segments behind the example's, which ends in segment 2, 3 for the next.
    fn archive(segments: &[(u64, Option<&str>)]) -> (Manifest, Archive) {
        let mut manifest = example();
        manifest.wal.segments[0].piece.plain_size = 16 << 20;
        let layout = Layout::of(&manifest).unwrap();
        let mut archive = Archive { segments: BTreeMap::new(), lists: Vec::new() };
        for (number, complete) in segments {
            let name = stored_name(&layout.name(*number), complete.map(time));
            let file = StoredFile::parse("wal/plain/7", &name, "ab".to_owned(), 9, layout.segment_bytes);
            let Some(StoredFile::Segment(segment)) = file else { panic!("{name} is no segment") };
            assert_eq!(segment.piece.path, format!("wal/plain/7/{name}.ab"));
            archive.segments.insert(segment.name.clone(), vec![segment]);
        }
        (manifest, archive)
    }

    #[test]
    fn segments_lead_up_to_the_first_gap() {
        let (late, later) = ("2026-11-29T18:00:00Z", "2026-11-29T19:00:00Z");
        let (manifest, whole) = archive(&[(4, Some(late)), (5, None), (6, Some(later))]);
        let mut continuation = whole.continuation(&manifest).unwrap();
        assert_eq!((continuation.until, continuation.segments.len()), (time(later), 3));
        assert_eq!(continuation.gap, None);
        continuation.cut(time("2026-11-29T17:59:00Z"));
        assert_eq!(continuation.segments.len(), 1);

        let (manifest, broken) = archive(&[(4, Some(late)), (6, Some(later))]);
        let continuation = broken.continuation(&manifest).unwrap();
        assert_eq!((continuation.until, continuation.segments.len()), (time(late), 1));
        let gap = continuation.gap.unwrap();
        assert_eq!((&gap.missing[20..], &gap.next[20..]), ("0005", "0006"));

        let (manifest, none) = archive(&[]);
        assert_eq!(none.continuation(&manifest).unwrap().until, manifest.consistent_at);
    }

    #[test]
    fn periods_that_meet_are_one() {
        let period = |from: u32, until: u32| Period {
            from: time(&format!("2026-11-29T{from:02}:00:00Z")),
            until: time(&format!("2026-11-29T{until:02}:00:00Z")),
        };
        assert_eq!(join(vec![period(5, 9), period(1, 4), period(3, 4)]), [period(1, 4), period(5, 9)]);
        assert_eq!(join(vec![period(1, 4), period(4, 9)]), [period(1, 9)]);
    }
}
