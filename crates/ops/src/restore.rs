//! Restoration of a backup into an empty data folder.
//!
//! [`plan`] says what would be done and checks what can be checked before. [`prepare`] does it in the subfolder `restoring`: the objects,
//! the base backup, the write-ahead log, recovery to the restore point. [`Prepared::finish`] moves the result into place, in one step
//! after another, the database last. While `restoring` exists, the folder holds no library: [`is_unfinished`]. A restoration that was
//! killed is begun anew by the next one, which removes what it left.

mod folder;
mod moment;
mod unpack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use sqlx::{Connection as _, PgConnection};
use store::objects::{Hash, Objects};
use store::postgres::cluster::MAJOR_VERSION;
use store::postgres::{Cluster, ClusterConfig};

use crate::Error;
use crate::keys::Identity;
use crate::manifest::{Manifest, ObjectEntry, Piece};
use crate::progress::{Progress, Step};
use crate::repository::Repository;
use crate::wal::{Continuation, StoredSegment, is_segment_name};

use folder::Target;
pub use folder::is_unfinished;
pub use moment::{Moment, choose};

/// Pieces that are read and decoded at once.
const PARALLEL: usize = 3;
/// Room for what recovery and the first start write, in bytes.
const EXTRA_BYTES: u64 = 256 << 20;
/// Time within which recovery has to end.
const RECOVERY_TIMEOUT: Duration = Duration::from_hours(24);
/// Pause between two looks whether it has ended.
const RECOVERY_PAUSE: Duration = Duration::from_millis(100);
/// Longest part of a program's messages that an error repeats, in characters.
const MAX_OUTPUT_CHARS: usize = 2000;

/// Backup to restore, and the folder for it.
#[derive(Debug)]
pub struct Request<'repository> {
    /// Repository.
    pub repository: &'repository Repository,
    /// Backup.
    pub manifest: Manifest,
    /// State that is restored from it.
    pub moment: Moment,
    /// Keys that open it; not needed for one that is not encrypted.
    pub identity: Option<Identity>,
    /// Data folder of the restored library.
    pub data: PathBuf,
    /// Folder of the PostgreSQL programs.
    pub programs: PathBuf,
}

/// Plan of a restoration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Id of the backup.
    pub backup: String,
    /// The state of the backup is that of this time.
    pub consistent_at: DateTime<Utc>,
    /// The restored state is that of this time; what was written later is lost.
    pub state_at: DateTime<Utc>,
    /// Segments of the write-ahead log behind the backup that lead to it.
    pub log_segments: u64,
    /// Version of the program that wrote it.
    pub program: String,
    /// Number of its newest migration.
    pub schema: i64,
    /// Number of the newest migration that this program knows; it applies those that are missing at its first start.
    pub known_schema: i64,
    /// Version of PostgreSQL.
    pub postgres: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// First and last position in the write-ahead log.
    pub wal: (String, String),
    /// Number of rows.
    pub rows: i64,
    /// Number of objects.
    pub objects: u64,
    /// Bytes that are read.
    pub read_bytes: u64,
    /// Bytes that are needed on the disk.
    pub needed_bytes: u64,
    /// Bytes that are free there.
    pub free_bytes: u64,
    /// Data folder of the restored library.
    pub folder: PathBuf,
}

/// Plans a restoration and checks that it can be done: the folder, the space, the versions, the key, and that each piece is there.
/// `all_bytes` reads every piece and compares its hash; without, that is done as the pieces are read.
///
/// # Errors
///
/// Fails when it cannot be done, with the reason.
pub async fn plan(request: &Request<'_>, all_bytes: bool, progress: &Progress) -> Result<Plan, Error> {
    let manifest = &request.manifest;
    let known_schema = store::migrations::newest();
    if manifest.schema > known_schema {
        let program = manifest.program.clone();
        return Err(Error::NewerSchema { found: manifest.schema, known: known_schema, program });
    }
    if manifest.postgres.split('.').next() != Some(MAJOR_VERSION) {
        let known = MAJOR_VERSION.to_owned();
        return Err(Error::OtherPostgres { found: manifest.postgres.clone(), known });
    }
    progress.begin(Step::Preparing, 0);
    let log = moment::log(request).await?;
    check_key(request, &log)?;
    Target::check(&request.data)?;
    let entries = moment::objects(request, &log).await?;
    let segments = manifest.wal.segments.iter().map(|segment| &segment.piece);
    let segments = segments.chain(log.segments.iter().map(|segment| &segment.piece));
    let pieces: Vec<&Piece> = manifest
        .database
        .iter()
        .chain(segments)
        .chain(manifest.extras.values())
        .chain(entries.iter().map(|entry| &entry.piece))
        .collect();
    let read_bytes = pieces.iter().map(|piece| piece.size).sum();
    if all_bytes {
        progress.begin(Step::Checking, read_bytes);
        check_pieces(request.repository, &pieces, progress).await?;
    }
    let free_bytes = folder::free_bytes(&request.data)?;
    let object_bytes: u64 = entries.iter().map(|entry| entry.piece.plain_size).sum();
    let needed_bytes = manifest.database_bytes()
        + 2 * (manifest.wal_bytes() + log.unpacked_bytes())
        + object_bytes
        + EXTRA_BYTES;
    if free_bytes < needed_bytes {
        let folder = request.data.clone();
        return Err(Error::NoSpace { folder, free: free_bytes, needed: needed_bytes });
    }
    Ok(Plan {
        backup: manifest.id.clone(),
        consistent_at: manifest.consistent_at,
        state_at: request.moment.time(&log),
        log_segments: log.segments.len() as u64,
        program: manifest.program.clone(),
        schema: manifest.schema,
        known_schema,
        postgres: manifest.postgres.clone(),
        encrypted: manifest.is_encrypted(),
        wal: (manifest.wal.start_lsn.clone(), manifest.wal.end_lsn.clone()),
        rows: manifest.rows(),
        objects: manifest.objects.count,
        read_bytes,
        needed_bytes,
        free_bytes,
        folder: request.data.clone(),
    })
}

/// Whether the key opens the backup.
fn check_key(request: &Request<'_>, log: &Continuation) -> Result<(), Error> {
    let manifest = &request.manifest;
    if !manifest.is_encrypted() {
        // The log behind it can be.
        let is_open = log.segments.iter().all(StoredSegment::is_plain);
        return if is_open || request.identity.is_some() { Ok(()) } else { Err(Error::KeyMissing) };
    }
    let identity = request.identity.as_ref().ok_or(Error::KeyMissing)?;
    if !identity.opens(&manifest.recipients) {
        return Err(Error::WrongKey(manifest.recipients.join(", ")));
    }
    Ok(())
}

async fn check_pieces(repository: &Repository, pieces: &[&Piece], progress: &Progress) -> Result<(), Error> {
    futures::stream::iter(pieces)
        .map(|piece| async move {
            let bytes = repository.read_stored(piece).await?.len();
            progress.add(bytes as u64);
            Ok::<_, Error>(())
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

/// Restored library that is not in its place yet.
#[derive(Debug)]
pub struct Prepared {
    target: Target,
    /// Additional data of the program, by name.
    pub extras: BTreeMap<String, Vec<u8>>,
}

/// Restores a backup as [`plan`] says, up to the last step.
///
/// # Errors
///
/// Fails when a piece is damaged, the disk is full, or the database does not recover. What was restored so far stays in `restoring`.
pub async fn prepare(request: &Request<'_>, progress: &Progress) -> Result<Prepared, Error> {
    let manifest = &request.manifest;
    let (repository, identity) = (request.repository, identity_for(request)?);
    let _reading = repository.lock_for_reading()?;
    let log = moment::log(request).await?;
    let target = Target::claim(&request.data, &request.programs).await?;
    restore_objects(request, &log, &target, progress).await?;

    progress.begin(Step::Database, manifest.database_bytes());
    let cluster = target.cluster(&request.programs);
    unpack::database(repository, manifest, identity, &cluster.data(), progress).await?;
    let wal = restore_wal(request, &log, &cluster).await?;
    progress.begin(Step::Recovering, 0);
    verify_files(&cluster, &wal).await?;
    recover(&cluster, &wal, request).await?;
    std::fs::remove_dir_all(&wal).map_err(Error::io(&wal))?;

    let mut extras = BTreeMap::new();
    for (name, piece) in &manifest.extras {
        extras.insert(name.clone(), repository.read(piece, identity).await?);
    }
    Ok(Prepared { target, extras })
}

impl Prepared {
    /// Folder of the restored library: its `postgres`, `objects`, and the files that are added.
    pub fn folder(&self) -> &Path {
        self.target.restoring()
    }

    /// Adds a file to the restored library, which only this program's user can read.
    ///
    /// # Errors
    ///
    /// Fails when the file system does.
    pub fn add_file(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.target.add_file(name, bytes)
    }

    /// Moves the restored library into its place.
    ///
    /// # Errors
    ///
    /// Fails when the file system does. The restoration can be begun anew then.
    pub fn finish(self) -> Result<(), Error> {
        self.target.finish()
    }

    /// Removes the restored library, after a verification.
    ///
    /// # Errors
    ///
    /// Fails when the database does not stop or the file system fails.
    pub async fn discard(self, programs: &Path) -> Result<(), Error> {
        self.target.discard(programs).await
    }
}

/// Removes what a verification left that was killed. Does nothing if there is no such folder.
///
/// # Errors
///
/// Fails when the database does not stop, the file system fails, or another program uses the folder.
pub async fn discard_leftover(data: &Path, programs: &Path) -> Result<(), Error> {
    if is_unfinished(data) {
        Target::claim(data, programs).await?.discard(programs).await?;
    }
    Ok(())
}

fn identity_for<'request>(request: &'request Request<'_>) -> Result<Option<&'request Identity>, Error> {
    match (&request.identity, request.manifest.is_encrypted()) {
        (_, false) => Ok(None),
        (Some(identity), true) => Ok(Some(identity)),
        (None, true) => Err(Error::KeyMissing),
    }
}

/// Returns the key that opens a piece: none for one that is not encrypted, which its folder tells.
fn identity_of<'request>(request: &'request Request<'_>, piece: &Piece) -> Option<&'request Identity> {
    let is_plain = piece.path.split('/').nth(1) == Some("plain");
    request.identity.as_ref().filter(|_| !is_plain)
}

async fn restore_objects(
    request: &Request<'_>,
    log: &Continuation,
    target: &Target,
    progress: &Progress,
) -> Result<(), Error> {
    let repository = request.repository;
    let entries: Vec<ObjectEntry> = moment::objects(request, log).await?;
    progress.begin(Step::Objects, entries.iter().map(|entry| entry.piece.plain_size).sum());
    let objects = Objects::in_folder(&target.restoring().join("objects"))?;
    let objects = &objects;
    futures::stream::iter(entries)
        .map(|entry| async move {
            let name = entry.name()?;
            let bytes = repository.read(&entry.piece, identity_of(request, &entry.piece)).await?;
            let (digest, bytes) = tokio::task::spawn_blocking(move || (Hash::of(&bytes), bytes)).await?;
            if digest != name {
                return Err(Error::damaged(
                    &entry.piece.path,
                    "its content has another SHA-256 than its name",
                ));
            }
            objects.put(name, bytes.into()).await?;
            progress.add(entry.piece.plain_size);
            Ok(())
        })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await
}

/// Writes the segments of the write-ahead log beside the data, for recovery to read.
async fn restore_wal(
    request: &Request<'_>,
    log: &Continuation,
    cluster: &ClusterConfig,
) -> Result<PathBuf, Error> {
    let manifest = &request.manifest;
    let folder = cluster.folder.join("wal");
    folder::create_private(&folder)?;
    let own = manifest.wal.segments.iter().map(|segment| (&segment.name, &segment.piece));
    for (name, piece) in own.chain(log.segments.iter().map(|segment| (&segment.name, &segment.piece))) {
        if !is_segment_name(name) {
            return Err(Error::damaged(&piece.path, "its name is none of a segment"));
        }
        let bytes = request.repository.read(piece, identity_of(request, piece)).await?;
        let path = folder.join(name);
        write_without_zeros(&path, &bytes).map_err(Error::io(&path))?;
    }
    for timeline in moment::used_timelines(request).await? {
        // Its presence alone says that the timeline is in use: the restored database begins another one.
        let path = folder.join(format!("{timeline:08X}.history"));
        std::fs::write(&path, []).map_err(Error::io(&path))?;
    }
    cluster.give_to_server(&folder)?;
    Ok(folder)
}

/// Writes a file whose zeros at the end take no space: most of a segment that was ended early.
fn write_without_zeros(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut file = std::fs::File::create(path)?;
    std::io::Write::write_all(&mut file, &bytes[..used])?;
    file.set_len(bytes.len() as u64)
}

/// Compares every file of the base backup with PostgreSQL's own manifest, and reads through the write-ahead log that it needs.
async fn verify_files(cluster: &ClusterConfig, wal: &Path) -> Result<(), Error> {
    cluster.give_to_server(&cluster.data())?;
    let mut command = cluster.tool("pg_verifybackup")?;
    command.arg("--wal-directory").arg(wal).arg(cluster.data()).kill_on_drop(true);
    run_program("pg_verifybackup", command).await
}

/// Runs a PostgreSQL program to its end.
pub(crate) async fn run_program(
    program: &'static str,
    mut command: tokio::process::Command,
) -> Result<(), Error> {
    let output =
        command.output().await.map_err(|error| Error::Program { program, output: error.to_string() })?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let output = String::from_utf8_lossy(&text).trim().chars().take(MAX_OUTPUT_CHARS).collect();
    Err(Error::Program { program, output })
}

/// Starts the database, which replays the write-ahead log up to the wanted state, and stops it.
async fn recover(cluster: &ClusterConfig, wal: &Path, request: &Request<'_>) -> Result<(), Error> {
    let signal = cluster.data().join("recovery.signal");
    std::fs::write(&signal, []).map_err(Error::io(&signal))?;
    cluster.give_to_server(&signal)?;
    // `%` begins a placeholder, and the command is run by a shell.
    let from = wal.display().to_string().replace('%', "%%").replace('\'', "'\\''");
    let mut config = cluster.clone();
    config.start_timeout = RECOVERY_TIMEOUT;
    let mut settings = vec![
        ("restore_command", format!("cp '{from}/%f' '%p'")),
        ("recovery_target_timeline", "current".to_owned()),
        ("recovery_target_action", "promote".to_owned()),
    ];
    settings.extend(request.moment.recovery_target(&request.manifest));
    config.settings.extend(settings.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let running = Cluster::open(&config).await?;
    let recovered = check_recovered(&running, &request.manifest).await;
    running.close().await;
    recovered
}

/// Waits for the end of recovery. The server accepts connections before, as soon as its files agree with each other, and stops if the
/// write-ahead log ends before the restore point.
async fn check_recovered(cluster: &Cluster, manifest: &Manifest) -> Result<(), Error> {
    let stopped = |error: sqlx::Error| {
        Error::Unrecovered(format!("the server stopped before it had recovered ({error})"))
    };
    let mut connection = PgConnection::connect_with(&cluster.connect_options()).await.map_err(stopped)?;
    let deadline = Instant::now() + RECOVERY_TIMEOUT;
    let (in_recovery, system): (bool, String) = loop {
        let state: (bool, String) = sqlx::query_as(
            "-- restore.state
             select pg_is_in_recovery(), (select system_identifier::text from pg_control_system())",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(stopped)?;
        if !state.0 || Instant::now() > deadline {
            break state;
        }
        tokio::time::sleep(RECOVERY_PAUSE).await;
    };
    connection.close().await?;
    if in_recovery {
        return Err(Error::Unrecovered("it still recovers".to_owned()));
    }
    if system != manifest.system {
        return Err(Error::Unrecovered(format!(
            "it is the database {system} instead of {}",
            manifest.system
        )));
    }
    Ok(())
}
