//! Change sequences: what read models follow, and what caches are valid by.
//!
//! A sequence numbers changes. Its row stays locked until the transaction of the change commits, so a reader of the number `n` sees
//! every change up to `n`, in order and without gaps. To keep that lock short, a change is recorded last in its transaction. The
//! sequences of one crate (the part of the name before the dot) are locked together: transactions that advance several of them, in
//! whatever order, cannot wait for each other.
//!
//! A read model keeps the [`Position`] that it was built at. It reads [`ChangeSequence::since`] when [`CHANNEL`] is notified, and
//! begins anew when the position is of another database or ahead of this one (a backup was restored).

use sqlx::PgConnection;
use uuid::Uuid;

/// Channel on which followers are notified of changes; the payload is the name of the sequence.
pub const CHANNEL: &str = "wenyuan_changes";

/// Named sequence of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeSequence {
    name: &'static str,
}

/// Newest change of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Ids that name what has changed.
    pub subject: Vec<Uuid>,
    /// Number of the change.
    pub number: i64,
}

/// Numbers of several sequences, read at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<const N: usize> {
    /// Id of the database, which differs after it was created anew.
    pub database_id: Uuid,
    /// Number of the last change of each sequence, 0 before the first.
    pub numbers: [i64; N],
}

impl ChangeSequence {
    /// Names a sequence: the crate, a dot, and 1 to 64 of `a-z` and `_`. It exists from its first change on.
    pub const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// Advances the sequence in the caller's transaction, without naming what has changed, and returns its number.
    ///
    /// # Errors
    ///
    /// Fails when the database does.
    pub async fn advance(self, connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar!(
            r#"-- changes.advance
             with locked as materialized (
               select name from store.change_sequences
               where split_part(name, '.', 1) = split_part($1, '.', 1) order by name for update
             ), notified as (
               select pg_notify('wenyuan_changes', $1)
             )
             insert into store.change_sequences as sequence (name, value)
             select $1, 1 from notified where (select count(*) from locked) >= 0
             on conflict (name) do update set value = sequence.value + 1
             returning value"#,
            self.name,
        )
        .fetch_one(connection)
        .await
    }

    /// Records changed subjects in the caller's transaction, last before it commits. Each has a number of its own, so that a follower
    /// can stop between any two.
    ///
    /// # Errors
    ///
    /// Fails when the database does.
    pub async fn record(
        self,
        connection: &mut PgConnection,
        subjects: &[Vec<Uuid>],
    ) -> Result<(), sqlx::Error> {
        if subjects.is_empty() {
            return Ok(());
        }
        // Sorted, so that two transactions write the rows in one order; as text, because a statement takes no array of arrays.
        let mut subjects = subjects.to_vec();
        subjects.sort_unstable();
        subjects.dedup();
        let texts: Vec<String> = subjects.iter().map(|subject| array_text(subject)).collect();
        sqlx::query!(
            "-- changes.record
             with locked as materialized (
               select name from store.change_sequences
               where split_part(name, '.', 1) = split_part($1, '.', 1) order by name for update
             ), notified as (
               select pg_notify('wenyuan_changes', $1)
             ), advanced as (
               insert into store.change_sequences as sequence (name, value)
               select $1, cardinality($2::text[]) from notified where (select count(*) from locked) >= 0
               on conflict (name) do update set value = sequence.value + cardinality($2::text[])
               returning value
             )
             insert into store.changes (sequence, subject, number)
             select $1, subject::uuid[], advanced.value - cardinality($2::text[]) + place
             from advanced, unnest($2::text[]) with ordinality as changed (subject, place)
             on conflict (sequence, subject) do update set number = excluded.number",
            self.name,
            &texts,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Returns up to `limit` changes after `number`, oldest first.
    ///
    /// # Errors
    ///
    /// Fails when the database does.
    pub async fn since(
        self,
        connection: &mut PgConnection,
        number: i64,
        limit: i64,
    ) -> Result<Vec<Change>, sqlx::Error> {
        sqlx::query_as!(
            Change,
            "-- changes.since
             select subject, number from store.changes where sequence = $1 and number > $2 order by number limit $3",
            self.name,
            number,
            limit,
        )
        .fetch_all(connection)
        .await
    }
}

/// Reads where several sequences stand, in one statement.
///
/// # Errors
///
/// Fails when the database does.
pub async fn position<const N: usize>(
    connection: &mut PgConnection,
    sequences: [ChangeSequence; N],
) -> Result<Position<N>, sqlx::Error> {
    let names = sequences.map(|sequence| sequence.name.to_owned());
    let row = sqlx::query!(
        r#"-- changes.position
         select database_id, array(
           select coalesce(sequence.value, 0)
           from unnest($1::text[]) with ordinality as asked (name, place)
           left join store.change_sequences as sequence on sequence.name = asked.name
           order by place
         ) as "numbers!"
         from store.database_identity"#,
        &names[..],
    )
    .fetch_one(connection)
    .await?;
    let numbers = row.numbers.try_into().map_err(|_wrong_length| sqlx::Error::RowNotFound)?;
    Ok(Position { database_id: row.database_id, numbers })
}

/// Formats ids as an array in PostgreSQL's text form.
fn array_text(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
    format!("{{{}}}", ids.join(","))
}
