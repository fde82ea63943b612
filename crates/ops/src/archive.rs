//! Continuous archiving: the write-ahead log goes into the repository between backups, so that a library can be recovered to any moment.
//!
//! The archiver reads complete segments from the server through a connection, as a backup does, and stores each of them once. A
//! replication slot keeps the log for it, and is moved on only when a segment is on the disk of the repository: whatever is killed,
//! nothing is lost or skipped. `pg_receivewal` would keep a second copy in a folder of its own, move the slot on when that is written, and
//! leave the question how much may pile up there; `archive_command` would have the server's user, which cannot read the public keys, write
//! to the repository, and lets the log pile up without a bound while that is away. `max_slot_wal_keep_size` bounds what the slot keeps.
//!
//! A round switches to the next segment if anything was committed since the last one, and first writes a transaction that is empty: recovery to
//! a time ends at the first commit after it, so there has to be one. New objects are copied before the segments that refer to them.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{Connection as _, PgConnection};
use store::objects::Objects;
use store::postgres::Cluster;

use crate::Error;
use crate::backup::objects::Copied;
use crate::backup::{archived, read_segment};
use crate::keys::Recipients;
use crate::progress::Progress;
use crate::repository::Repository;
use crate::wal::{self, Archive, Layout, position};

/// Name of the replication slot.
const SLOT: &str = "wenyuan_archive";
/// Time after which a segment is stored although nothing was committed, so that recovery reaches a time not long ago.
const MAX_QUIET: Duration = Duration::from_mins(10);

/// Outcome of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Round {
    /// There is no backup that the log would continue; it is kept by the slot until there is one, up to its limit.
    NoBackup,
    /// Another program uses the archive for the moment.
    Busy,
    /// Everything that was committed until `until` can be recovered.
    Archived {
        /// Time by the database's clock.
        until: DateTime<Utc>,
        /// Number of segments that were stored.
        segments: u64,
        /// First segment that the server had removed before it was stored, if any: recovery past it begins with the next backup.
        lost: Option<String>,
    },
}

/// Archiver of one library. Its state can be lost at any time.
#[derive(Debug)]
pub struct Archiver {
    cluster: Cluster,
    objects: Objects,
    connection: Option<PgConnection>,
    /// Kept while the repository and the keys are the same.
    copied: Option<(String, Copied)>,
    /// Whether the repository has a backup that the log continues.
    has_backup: bool,
    /// Point up to which the log is to be stored.
    pending: Option<Mark>,
    /// Last point up to which it is stored.
    stored: Option<Mark>,
    /// Whether the slot was invalidated, and the log behind it is lost.
    has_lost_slot: bool,
}

/// Point in the log.
#[derive(Debug, Clone)]
struct Mark {
    /// Everything that was committed until then is before it, by the database's clock.
    time: DateTime<Utc>,
    /// End of the last complete segment.
    position: u64,
    /// Transaction that was written for it.
    transaction: i64,
    created: Instant,
}

/// State of the server.
struct Server {
    time: DateTime<Utc>,
    position: u64,
    /// First transaction that is neither committed nor aborted, if none is running.
    next_transaction: i64,
    system: String,
    layout: Layout,
}

impl Archiver {
    /// Creates an archiver.
    pub fn new(cluster: Cluster, objects: Objects) -> Self {
        Self {
            cluster,
            objects,
            connection: None,
            copied: None,
            has_backup: false,
            pending: None,
            stored: None,
            has_lost_slot: false,
        }
    }

    /// Has the server keep the log from now on, if it does not, and returns how many bytes it keeps.
    ///
    /// # Errors
    ///
    /// Fails when the database does.
    pub async fn keep(&mut self) -> Result<u64, Error> {
        let mut connection = self.connect().await?;
        // A connection that failed is not used again.
        let (bytes, has_lost) = keep(&mut connection).await?;
        self.connection = Some(connection);
        if has_lost {
            self.has_lost_slot = true;
            self.stored = None;
            self.pending = None;
        }
        Ok(bytes)
    }

    /// Stores what was written since the last round. [`keep`](Self::keep) comes before.
    ///
    /// # Errors
    ///
    /// Fails when the database, the objects or the repository do. The next round stores the rest.
    pub async fn round(&mut self, repository: &Repository, recipients: &Recipients) -> Result<Round, Error> {
        let _lock = match repository.lock_archive() {
            Ok(lock) => lock,
            Err(Error::Busy) => return Ok(Round::Busy),
            Err(error) => return Err(error),
        };
        self.store(repository, recipients).await
    }

    async fn store(&mut self, repository: &Repository, recipients: &Recipients) -> Result<Round, Error> {
        let mut connection = self.connect().await?;
        let server = Server::read(&mut connection).await?;
        if !self.has_backup {
            let backups = repository.backups().await?;
            self.has_backup = backups.iter().any(|manifest| {
                manifest.system == server.system && manifest.wal.timeline == server.layout.timeline
            });
        }
        if !self.has_backup {
            self.connection = Some(connection);
            return Ok(Round::NoBackup);
        }
        if self.pending.is_none() {
            if !self.has_news(&server) {
                self.connection = Some(connection);
                return Ok(Round::Archived { until: server.time, segments: 0, lost: None });
            }
            // As long as it is not stored, no other is made: with the repository away, the log grows by what is written alone.
            self.pending = Some(switch(&mut connection, &server).await?);
        }
        let Some(mark) = self.pending.clone() else { return Ok(Round::Busy) };
        self.copy_objects(repository, recipients, &server, &mark).await?;
        let (segments, lost) =
            self.copy_segments(&mut connection, repository, recipients, &server, &mark).await?;
        advance(&mut connection, mark.position).await?;
        self.connection = Some(connection);
        let until = mark.time;
        self.stored = self.pending.take();
        self.has_lost_slot = false;
        Ok(Round::Archived { until, segments, lost })
    }

    /// Whether something was committed since the last round, or a segment is complete.
    fn has_news(&self, server: &Server) -> bool {
        let Some(stored) = &self.stored else { return true };
        server.next_transaction > stored.transaction + 1
            || server.position >= stored.position + server.layout.segment_bytes
            || stored.created.elapsed() > MAX_QUIET
    }

    /// Copies the objects that came since the last round, and stores the list of them.
    async fn copy_objects(
        &mut self,
        repository: &Repository,
        recipients: &Recipients,
        server: &Server,
        mark: &Mark,
    ) -> Result<(), Error> {
        let folder = wal::folder(recipients, &server.system);
        let mut copied = match self.copied.take() {
            Some((keys, copied)) if keys == folder => copied,
            _ => Copied::load(repository, recipients).await?,
        };
        copied.copy_new(repository, &self.objects, recipients, &Progress::default()).await?;
        let added = copied.added();
        if added.count() > 0 {
            repository.flush().await?;
            let lines = added.lines()?;
            let name = wal::list_name(mark.time, lines.len());
            // Not encrypted, as the lists of backups are not.
            repository.put_shared_durably(&folder, &name, lines.into(), &Recipients::none()).await?;
            copied.forget_added();
        }
        self.copied = Some((folder, copied));
        Ok(())
    }

    /// Stores the segments from the slot's position to the mark, and returns how many, and the first that the server has no more.
    async fn copy_segments(
        &self,
        connection: &mut PgConnection,
        repository: &Repository,
        recipients: &Recipients,
        server: &Server,
        mark: &Mark,
    ) -> Result<(u64, Option<String>), Error> {
        let (layout, folder) = (server.layout, wal::folder(recipients, &server.system));
        let archive = Archive::load(repository, &server.system, layout.segment_bytes).await?;
        let newest = archive.segments.keys().filter_map(|name| layout.parse(name));
        let newest =
            newest.filter(|(timeline, _)| *timeline == layout.timeline).map(|(_, number)| number).max();
        let first = position(&slot_position(connection).await?)? / layout.segment_bytes;
        let mut lost = None;
        if self.has_lost_slot && newest.is_some_and(|newest| newest + 1 < first) {
            lost = newest.map(|newest| layout.name(newest + 1));
        }
        // Of a segment before the last one it is not known when it was complete: later than the round before.
        let known = archive.segments.values().flatten().filter_map(|segment| segment.complete).max();
        let before = self.stored.as_ref().map(|stored| stored.time).or(known);
        let behind = mark.position / layout.segment_bytes;
        let mut stored = 0;
        for number in first..behind {
            let name = layout.name(number);
            if archived(repository, &archive, &folder, &name).await.is_some() {
                continue;
            }
            let Some(bytes) = read_segment(connection, &name).await? else {
                lost.get_or_insert(name);
                continue;
            };
            let complete = if number + 1 == behind { Some(mark.time) } else { before };
            let name = wal::stored_name(&name, complete);
            repository.put_shared_durably(&folder, &name, bytes, recipients).await?;
            stored += 1;
        }
        Ok((stored, lost))
    }

    /// Takes the connection, or opens another.
    async fn connect(&mut self) -> Result<PgConnection, Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Ok(PgConnection::connect_with(&self.cluster.connect_options()).await?),
        }
    }
}

/// Has the server keep no log for an archiver any more.
///
/// # Errors
///
/// Fails when the database does.
pub async fn end(cluster: &Cluster) -> Result<(), Error> {
    let mut connection = PgConnection::connect_with(&cluster.connect_options()).await?;
    sqlx::query("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1")
        .bind(SLOT)
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// Creates the slot if there is none, anew if it was invalidated. Returns the bytes that it keeps, and whether it was invalidated.
async fn keep(connection: &mut PgConnection) -> Result<(u64, bool), Error> {
    let slot: Option<(bool, i64)> = sqlx::query_as(
        "-- archive.slot
         select wal_status is distinct from 'lost' and restart_lsn is not null,
           coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn), 0)::int8
         from pg_replication_slots where slot_name = $1",
    )
    .bind(SLOT)
    .fetch_optional(&mut *connection)
    .await?;
    if let Some((true, bytes)) = slot {
        return Ok((bytes.unsigned_abs(), false));
    }
    if slot.is_some() {
        sqlx::query("select pg_drop_replication_slot($1)").bind(SLOT).execute(&mut *connection).await?;
    }
    sqlx::query("select pg_create_physical_replication_slot($1, true)")
        .bind(SLOT)
        .execute(connection)
        .await?;
    Ok((0, slot.is_some()))
}

async fn slot_position(connection: &mut PgConnection) -> Result<String, Error> {
    let statement = "-- archive.position
        select restart_lsn::text from pg_replication_slots where slot_name = $1";
    Ok(sqlx::query_scalar(statement).bind(SLOT).fetch_one(connection).await?)
}

/// Lets the server remove the log before a position.
async fn advance(connection: &mut PgConnection, to: u64) -> Result<(), Error> {
    let statement = "-- archive.advance
        select pg_replication_slot_advance(slot_name, $2::text::pg_lsn)
        from pg_replication_slots where slot_name = $1 and restart_lsn < $2::text::pg_lsn";
    sqlx::query(statement).bind(SLOT).bind(wal::lsn(to)).execute(connection).await?;
    Ok(())
}

/// Writes a transaction and switches to the next segment.
async fn switch(connection: &mut PgConnection, server: &Server) -> Result<Mark, Error> {
    let created = Instant::now();
    let transaction: i64 =
        sqlx::query_scalar("select pg_current_xact_id()::text::int8").fetch_one(&mut *connection).await?;
    let end: String = sqlx::query_scalar("select pg_switch_wal()::text").fetch_one(&mut *connection).await?;
    // The position is behind the switch itself, in the segment that it has ended.
    let segment_bytes = server.layout.segment_bytes;
    let position = position(&end)?.div_ceil(segment_bytes) * segment_bytes;
    Ok(Mark { time: server.time, position, transaction, created })
}

impl Server {
    async fn read(connection: &mut PgConnection) -> Result<Self, Error> {
        let (time, position, next_transaction, system, timeline, segment_bytes): (
            DateTime<Utc>,
            String,
            i64,
            String,
            i32,
            i64,
        ) = sqlx::query_as(
            "-- archive.state
             select clock_timestamp(), pg_current_wal_insert_lsn()::text,
               pg_snapshot_xmax(pg_current_snapshot())::text::int8,
               (select system_identifier::text from pg_control_system()),
               (select timeline_id from pg_control_checkpoint()),
               (select setting::int8 from pg_settings where name = 'wal_segment_size')",
        )
        .fetch_one(connection)
        .await?;
        Ok(Self {
            time,
            position: self::position(&position)?,
            next_transaction,
            system,
            layout: Layout { timeline: timeline.unsigned_abs(), segment_bytes: segment_bytes.unsigned_abs() },
        })
    }
}
