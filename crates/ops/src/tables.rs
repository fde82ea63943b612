//! Tables of the database as a whole: the state that a backup has, the number of rows in each, and foreign keys.
//!
//! The numbers of rows are of exactly the state that is restored. A moment is found in which no transaction is writing: a snapshot
//! before and one after the restore point then see the same, and so does recovery up to that point. A library that is always written to
//! is held for such a moment by a lock on its tables.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::time::sleep;

use crate::Error;

/// Attempts to find a moment without writers, and the pause between them.
const QUIET_ATTEMPTS: u32 = 100;
const QUIET_PAUSE: Duration = Duration::from_millis(20);
/// Attempts to make such a moment by a lock.
const LOCK_ATTEMPTS: u32 = 5;

/// Ordinary tables outside PostgreSQL's own schemas, by name.
const TABLES: &str = "-- tables.list
    select nspname || '.' || relname, format('%I.%I', nspname, relname)
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where relkind = 'r' and relpersistence = 'p' and nspname <> 'information_schema' and nspname not like 'pg\\_%'
    order by 1";

/// Point that a backup restores.
#[derive(Debug)]
pub(crate) struct RestorePoint {
    /// Its name, unique in the log: recovery ends at the first point of a name, which must not be that of an attempt that failed.
    pub(crate) name: String,
    /// Position in the write-ahead log.
    pub(crate) lsn: String,
    /// Time of the database's clock.
    pub(crate) time: DateTime<Utc>,
    /// Number of rows by table.
    pub(crate) tables: BTreeMap<String, i64>,
    /// Whether they are of exactly this point.
    pub(crate) is_exact: bool,
}

/// Creates a restore point and counts the rows that it has. `reader` is a connection of its own, which counts while others write.
pub(crate) async fn create_restore_point(
    owner: &mut PgConnection,
    reader: &mut PgConnection,
    name: &str,
) -> Result<RestorePoint, Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let name = format!("{name} {attempts}");
        let is_locked = attempts > QUIET_ATTEMPTS;
        let mut transaction = owner.begin().await?;
        if is_locked && !lock_writers_out(&mut transaction).await? {
            transaction.rollback().await?;
            if attempts < QUIET_ATTEMPTS + LOCK_ATTEMPTS {
                continue;
            }
            tracing::warn!("writers left no moment to count the rows of the backup exactly");
            let (lsn, time) = mark(owner, &name).await?;
            let tables = count(reader).await?;
            return Ok(RestorePoint { name, lsn, time, tables, is_exact: false });
        }
        // The snapshot is that of the first statement.
        let mut counting = reader.begin().await?;
        counting.execute("set transaction isolation level repeatable read, read only").await?;
        let before = snapshot(&mut counting).await?;
        if !is_locked && has_writers(&mut transaction).await? {
            counting.rollback().await?;
            transaction.rollback().await?;
            sleep(QUIET_PAUSE).await;
            continue;
        }
        let (lsn, time) = mark(&mut transaction, &name).await?;
        // Whoever wrote since the first snapshot either still runs, or has moved the snapshot on.
        let is_quiet = snapshot(&mut transaction).await? == before && !has_writers(&mut transaction).await?;
        // Ends the lock, if there was one: counting needs none.
        transaction.rollback().await?;
        if is_locked || is_quiet {
            let tables = count(&mut counting).await?;
            counting.rollback().await?;
            return Ok(RestorePoint { name, lsn, time, tables, is_exact: true });
        }
        counting.rollback().await?;
        sleep(QUIET_PAUSE).await;
    }
}

async fn mark(connection: &mut PgConnection, name: &str) -> Result<(String, DateTime<Utc>), Error> {
    let statement = "-- tables.restore_point
        select pg_create_restore_point($1)::text, clock_timestamp()";
    Ok(sqlx::query_as(statement).bind(name).fetch_one(connection).await?)
}

/// Returns the snapshot as text: which transactions it sees as running.
async fn snapshot(connection: &mut PgConnection) -> Result<String, Error> {
    let statement = "-- tables.snapshot
        select pg_current_snapshot()::text";
    Ok(sqlx::query_scalar(statement).fetch_one(connection).await?)
}

/// Whether another transaction has written something and has not ended. One that has written its commit to the log but is not visible
/// yet counts as running.
async fn has_writers(connection: &mut PgConnection) -> Result<bool, Error> {
    let statement = "-- tables.writers
        select exists (select from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid())";
    Ok(sqlx::query_scalar(statement).fetch_one(connection).await?)
}

/// Waits until nobody writes to a table any more, and keeps others from beginning, until the transaction ends. Returns whether that was
/// done in time.
async fn lock_writers_out(transaction: &mut PgConnection) -> Result<bool, Error> {
    let names: Vec<(String, String)> = sqlx::query_as(TABLES).fetch_all(&mut *transaction).await?;
    let names: Vec<String> = names.into_iter().map(|(_, quoted)| quoted).collect();
    transaction.execute("set local lock_timeout = '3s'").await?;
    let statement = format!("lock table {} in share mode", names.join(", "));
    match transaction.execute(AssertSqlSafe(statement)).await {
        Ok(_) => Ok(true),
        // Lock timeout or deadlock.
        Err(sqlx::Error::Database(error))
            if ["55P03", "40P01"].map(Some).contains(&error.code().as_deref()) =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Counts the rows of every table. An index would count rows whose block is gone, so the tables themselves are read.
pub(crate) async fn count(connection: &mut PgConnection) -> Result<BTreeMap<String, i64>, Error> {
    connection.execute("set enable_indexscan = off").await?;
    connection.execute("set enable_indexonlyscan = off").await?;
    connection.execute("set enable_bitmapscan = off").await?;
    let names: Vec<(String, String)> = sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
    let mut counts = BTreeMap::new();
    for (name, quoted) in names {
        let statement = format!("select count(*) from {quoted}");
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut *connection).await?;
        counts.insert(name, rows);
    }
    Ok(counts)
}

/// Returns the foreign keys that rows violate, as `TABLE.CONSTRAINT: NUMBER rows`, and how many keys there are.
pub(crate) async fn violated_keys(connection: &mut PgConnection) -> Result<(usize, Vec<String>), Error> {
    // A key with a missing column refers to nothing (MATCH SIMPLE).
    let statement = "-- tables.foreign_keys
        select key.conrelid::regclass::text || '.' || key.conname,
          format('select count(*) from %s as child where %s and not exists (select from %s as parent where %s)',
            key.conrelid::regclass,
            string_agg(format('child.%I is not null', child.attname), ' and ' order by part.position),
            key.confrelid::regclass,
            string_agg(format('parent.%I = child.%I', parent.attname, child.attname), ' and ' order by part.position))
        from pg_constraint as key
        cross join unnest(key.conkey, key.confkey) with ordinality as part (child, parent, position)
        join pg_attribute as child on child.attrelid = key.conrelid and child.attnum = part.child
        join pg_attribute as parent on parent.attrelid = key.confrelid and parent.attnum = part.parent
        where key.contype = 'f'
        group by key.oid, key.conrelid, key.conname, key.confrelid order by 1";
    let keys: Vec<(String, String)> = sqlx::query_as(statement).fetch_all(&mut *connection).await?;
    let mut violated = Vec::new();
    for (name, statement) in &keys {
        let rows: i64 =
            sqlx::query_scalar(AssertSqlSafe(statement.clone())).fetch_one(&mut *connection).await?;
        if rows > 0 {
            violated.push(format!("{name}: {rows} rows"));
        }
    }
    Ok((keys.len(), violated))
}
