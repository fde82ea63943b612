//! Backup of a library on the built-in PostgreSQL, while it runs.
//!
//! The database is copied by `pg_basebackup` and made complete by the write-ahead log up to a restore point, whose rows are counted. The
//! objects are copied twice: all of them first, and after the restore point those that came since, so that every row finds its bytes.
//! While a backup runs, unreferenced objects are not deleted ([`store::objects::hold`]). The manifest is written last.
//!
//! A backup that is killed leaves pieces without a manifest, which no program reads. Shared pieces among them are used by the next.

pub(crate) mod objects;

use std::collections::BTreeMap;
use std::process::Stdio;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::{Connection as _, PgConnection};
use store::Database;
use store::objects::Objects;
use store::postgres::Cluster;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::Error;
use crate::keys::Recipients;
use crate::manifest::{self, FORMAT, Manifest, Piece, Wal, WalSegment};
use crate::progress::{Progress, Step};
use crate::repository::Repository;
use crate::tables;
use crate::wal::{self, Archive, Layout, position};

/// Size of a piece of the base backup before it is compressed, in bytes.
const PIECE_BYTES: usize = 32 << 20;
/// Pieces that are coded and written at once.
const PARALLEL: usize = 3;
/// Longest part of a program's messages that an error repeats, in characters.
const MAX_OUTPUT_CHARS: usize = 2000;

/// Library to be backed up.
#[derive(Debug)]
pub struct Source<'library> {
    /// Its database, on the built-in PostgreSQL.
    pub database: &'library Database,
    /// Its objects.
    pub objects: &'library Objects,
    /// Embedding model whose vectors the database has.
    pub model: Option<String>,
}

/// Additional data that the caller saves with a backup.
pub trait Extras {
    /// Returns named bytes. Called when the restore point exists: what is derived from the database can be of a later state than
    /// `consistent_at`.
    fn collect(
        &self,
        consistent_at: DateTime<Utc>,
    ) -> impl Future<Output = Result<BTreeMap<String, Vec<u8>>, Error>> + Send;
}

/// Writes a backup and returns its manifest.
///
/// # Errors
///
/// Fails when the database is not the built-in one, when another backup runs, and when the database, the objects or the repository do.
/// The repository has no new backup then.
pub async fn run(
    repository: &Repository,
    source: &Source<'_>,
    recipients: &Recipients,
    extras: &impl Extras,
    progress: &Progress,
) -> Result<Manifest, Error> {
    let cluster = source.database.cluster().ok_or(Error::NotBuiltIn)?;
    progress.begin(Step::Preparing, 0);
    let _lock = repository.lock()?;
    let mut owner = PgConnection::connect_with(&cluster.connect_options()).await?;
    let mut reader = PgConnection::connect_with(&cluster.connect_options()).await?;
    let start = Start::begin(&mut owner).await?;
    let folder = format!("backups/{}", start.id);
    tracing::info!(backup.id = start.id, repository = %repository.folder().display(), "backup started");

    let mut copied = objects::Copied::load(repository, recipients).await?;
    copied.copy_new(repository, source.objects, recipients, progress).await?;
    let database = copy_database(repository, cluster, &start, &folder, recipients, progress).await?;
    progress.begin(Step::Counting, 0);
    let restore_point = format!("wenyuan {}", start.id);
    let point = tables::create_restore_point(&mut owner, &mut reader, &restore_point).await?;
    let segments = copy_wal(repository, &mut owner, &start, &point.lsn, recipients).await?;
    let object_list = copied.copy_new(repository, source.objects, recipients, progress).await?;
    let list_path = format!("{folder}/objects");
    // Not encrypted: the next backup reads it, without the secret key. It has hashes and sizes.
    let list = repository.put_piece(list_path, object_list.lines()?.into(), &Recipients::none()).await?;
    let mut pieces = BTreeMap::new();
    for (name, bytes) in extras.collect(point.time).await? {
        let path = format!("{folder}/{name}");
        pieces.insert(name, repository.put_piece(path, bytes.into(), recipients).await?);
    }
    let manifest = Manifest {
        format: FORMAT,
        id: start.id.clone(),
        started_at: start.time,
        consistent_at: point.time,
        finished_at: now(&mut owner).await?,
        program: manifest::program_version().to_owned(),
        schema: start.schema,
        postgres: start.postgres,
        system: start.system,
        model: source.model.clone(),
        recipients: recipients.names(),
        database,
        wal: Wal {
            timeline: start.timeline,
            start_lsn: start.lsn,
            end_lsn: point.lsn,
            restore_point: point.name,
            segments,
        },
        objects: manifest::Objects {
            count: object_list.count(),
            bytes: object_list.bytes(),
            damaged: copied.damaged(),
            list,
        },
        extras: pieces,
        tables: point.tables,
        tables_are_exact: point.is_exact,
    };
    repository.complete(&manifest).await?;
    reader.close().await?;
    owner.close().await?;
    tracing::info!(
        backup.id = manifest.id,
        rows = manifest.rows(),
        objects = manifest.objects.count,
        "backup complete"
    );
    Ok(manifest)
}

/// State of the database when the backup begins.
struct Start {
    id: String,
    time: DateTime<Utc>,
    system: String,
    postgres: String,
    schema: i64,
    timeline: u32,
    /// Position from which the write-ahead log is kept.
    lsn: String,
    segment_bytes: u64,
    database_bytes: u64,
}

impl Start {
    /// Keeps the write-ahead log and the objects, as long as `owner` is connected.
    async fn begin(owner: &mut PgConnection) -> Result<Self, Error> {
        if !store::objects::hold(owner).await? {
            return Err(Error::Busy);
        }
        // A temporary slot goes with the connection, however it ends: nothing is kept for a backup that was killed.
        let lsn: String = sqlx::query_scalar(
            "-- backup.slot
             select lsn::text from pg_create_physical_replication_slot('wenyuan_backup_' || pg_backend_pid(), true, true)",
        )
        .fetch_one(&mut *owner)
        .await?;
        let (time, system, postgres, schema, timeline, segment_bytes, database_bytes): (
            DateTime<Utc>,
            String,
            String,
            i64,
            i32,
            i64,
            i64,
        ) = sqlx::query_as(
            "-- backup.state
             select clock_timestamp(), (select system_identifier::text from pg_control_system()),
               current_setting('server_version'),
               (select coalesce(max(version), 0) from public._sqlx_migrations where success),
               (select timeline_id from pg_control_checkpoint()),
               (select setting::int8 from pg_settings where name = 'wal_segment_size'),
               (select sum(pg_database_size(oid))::int8 from pg_database)",
        )
        .fetch_one(&mut *owner)
        .await?;
        let random = kernel::id::new().simple().to_string();
        let letters = &random[random.len() - 4..];
        Ok(Self {
            id: format!("{}-{letters}", time.format("%Y%m%d-%H%M%S")),
            time,
            system,
            postgres,
            schema,
            timeline: timeline.unsigned_abs(),
            lsn,
            segment_bytes: segment_bytes.unsigned_abs(),
            database_bytes: database_bytes.unsigned_abs(),
        })
    }

    fn layout(&self) -> Layout {
        Layout { timeline: self.timeline, segment_bytes: self.segment_bytes }
    }
}

async fn now(connection: &mut PgConnection) -> Result<DateTime<Utc>, Error> {
    Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(connection).await?)
}

/// Streams a base backup into pieces.
async fn copy_database(
    repository: &Repository,
    cluster: &Cluster,
    start: &Start,
    folder: &str,
    recipients: &Recipients,
    progress: &Progress,
) -> Result<Vec<Piece>, Error> {
    progress.begin(Step::Database, start.database_bytes);
    let mut command = cluster.client("pg_basebackup");
    command.args(["--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast", "--no-password"]);
    command.arg("--manifest-checksums=SHA256").arg(format!("--label=wenyuan {}", start.id));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |output: String| Error::Program { program: "pg_basebackup", output };
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed("its output could not be read".to_owned()));
    };
    let messages = tokio::spawn(async move {
        let mut text = Vec::new();
        let _unreadable = stderr.read_to_end(&mut text).await;
        String::from_utf8_lossy(&text).trim().chars().take(MAX_OUTPUT_CHARS).collect::<String>()
    });
    let blocks = futures::stream::try_unfold(stdout, |mut stdout| async move {
        let block = read_block(&mut stdout).await.map_err(|error| failed(error.to_string()))?;
        Ok::<_, Error>((!block.is_empty()).then_some((block, stdout)))
    });
    let pieces: Vec<Piece> = blocks
        .enumerate()
        .map(|(number, block)| async move {
            let block = block?;
            let bytes = block.len() as u64;
            let path = format!("{folder}/database-{number:05}");
            let piece = repository.put_piece(path, block, recipients).await?;
            progress.add(bytes);
            Ok::<_, Error>(piece)
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
    let messages = messages.await?;
    // The end of the stream alone says nothing: a program that dies closes it, too.
    if status.success() { Ok(pieces) } else { Err(failed(messages)) }
}

/// Reads up to [`PIECE_BYTES`]; less at the end, nothing after it.
async fn read_block(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Bytes> {
    let mut block = Vec::with_capacity(PIECE_BYTES);
    stream.take(PIECE_BYTES as u64).read_to_end(&mut block).await?;
    Ok(block.into())
}

/// Saves the write-ahead log from the beginning of the backup to the restore point. The server reads its own files: they are complete
/// once it has switched to the next segment, and the slot keeps them.
async fn copy_wal(
    repository: &Repository,
    owner: &mut PgConnection,
    start: &Start,
    end: &str,
    recipients: &Recipients,
) -> Result<Vec<WalSegment>, Error> {
    sqlx::query("select pg_switch_wal()").execute(&mut *owner).await?;
    // The position is behind the last byte that is needed.
    let first = position(&start.lsn)? / start.segment_bytes;
    let last = (position(end)? - 1) / start.segment_bytes;
    let folder = wal::folder(recipients, &start.system);
    let archive = Archive::load(repository, &start.system, start.segment_bytes).await?;
    let mut segments = Vec::new();
    for number in first..=last {
        let name = start.layout().name(number);
        let piece = if let Some(piece) = archived(repository, &archive, &folder, &name).await {
            piece
        } else {
            let bytes = read_segment(owner, &name).await?.ok_or_else(|| Error::WalGone(name.clone()))?;
            repository.put_shared(&folder, &name, bytes, recipients).await?
        };
        segments.push(WalSegment { name, piece });
    }
    Ok(segments)
}

/// Returns the file of a segment that the repository has in this folder, if its bytes are right.
pub(crate) async fn archived(
    repository: &Repository,
    archive: &Archive,
    folder: &str,
    name: &str,
) -> Option<Piece> {
    for segment in archive.segments.get(name)? {
        if segment.piece.path.starts_with(folder) && repository.read_stored(&segment.piece).await.is_ok() {
            return Some(segment.piece.clone());
        }
    }
    None
}

/// Reads a segment that is complete; `None` if the server has removed it.
pub(crate) async fn read_segment(owner: &mut PgConnection, name: &str) -> Result<Option<Bytes>, Error> {
    let bytes: Option<Vec<u8>> = sqlx::query_scalar(
        "-- backup.read_wal
         select pg_read_binary_file('pg_wal/' || $1, true)",
    )
    .bind(name)
    .fetch_one(owner)
    .await?;
    Ok(bytes.map(Bytes::from))
}
