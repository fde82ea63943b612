//! Requests that are one and the same however often they are sent: the first is done and its answer written down, the
//! others are given that answer (IETF draft-ietf-httpapi-idempotency-key-header).
//!
//! Only what was done is remembered. A request that was refused, or broke off, has changed nothing: its key is free again.

use kernel::secret::Token;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::sealed::{self, Resealed};
use crate::secrets::{self, Sealer};

/// The longest answer that is kept, in bytes.
const LONGEST: usize = 16 * 1024;
/// The most requests that one actor has remembered at a time.
const MOST: i64 = 10_000;
/// Rows that are sealed anew in one go.
const BATCH: i64 = 500;

/// A request under a key.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose key it is.
    pub actor: String,
    key_hash: [u8; 32],
    fingerprint: [u8; 32],
}

/// An answer to be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status, of those that say that something was done.
    pub status: u16,
    /// Those of its headers that belong to it. No value holds a line break.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is to be done, by the holder of this id and nobody else.
    Mine(Uuid),
    /// It was done.
    Done(Answer),
    /// It was done, and its answer was too long to keep or does not open any more.
    DoneUnseen,
    /// Somebody is doing it.
    InProgress,
    /// The key came with another request.
    OfAnother,
    /// The actor has too many requests remembered.
    TooMany,
}

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// The secret keys.
    #[error(transparent)]
    Secrets(#[from] secrets::Error),
}

impl Request {
    /// `parts` are what makes it this request and no other.
    pub fn new(actor: String, key: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // Lengths keep two parts from reading as other two.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Self { actor, key_hash: Token::from_text(key).hash(), fingerprint: hash.finalize().into() }
    }

    fn place(&self) -> String {
        place(&self.actor, &self.key_hash)
    }
}

fn place(actor: &str, key_hash: &[u8]) -> String {
    format!("store.idempotency/answer/{actor}/{}", hex::encode(key_hash))
}

/// Asks whether a request is to be done, and takes it on if so. What nobody has finished within two minutes, longer than
/// an answer may take, may be taken on again: who did it is gone.
pub async fn claim(connection: &mut PgConnection, keys: &Sealer, request: &Request) -> Result<Claim, Error> {
    let taken = sqlx::query_scalar!(
        "-- idempotency.claim
         insert into store.idempotency as held (actor, key_hash, fingerprint, claim)
         select $1, $2, $3, $4
         where (select count(*) from (select from store.idempotency where actor = $1 limit $5) as all_of_the_actor) < $5
           or exists (select from store.idempotency where actor = $1 and key_hash = $2)
         on conflict (actor, key_hash) do update
           set fingerprint = excluded.fingerprint, claim = excluded.claim, status = null, answer = null, created_at = now()
           where held.created_at < now() - interval '24 hours'
             or (held.status is null and held.created_at < now() - interval '2 minutes')
         returning claim",
        request.actor,
        &request.key_hash,
        &request.fingerprint,
        kernel::id::new(),
        MOST,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(claim) = taken {
        return Ok(Claim::Mine(claim));
    }
    let held = sqlx::query!(
        "-- idempotency.find
         select fingerprint, status, answer from store.idempotency where actor = $1 and key_hash = $2",
        request.actor,
        &request.key_hash,
    )
    .fetch_optional(connection)
    .await?;
    let Some(held) = held else { return Ok(Claim::TooMany) };
    if held.fingerprint != request.fingerprint {
        return Ok(Claim::OfAnother);
    }
    let Some(status) = held.status else { return Ok(Claim::InProgress) };
    let opened = held.answer.and_then(|sealed| keys.open_sealed(&request.place(), &sealed).ok());
    let answer = opened.and_then(|bytes| read(u16::try_from(status).ok()?, &bytes));
    Ok(answer.map_or(Claim::DoneUnseen, Claim::Done))
}

/// Writes the answer down. To be called in a transaction.
pub async fn complete(
    connection: &mut PgConnection,
    keys: &Sealer,
    request: &Request,
    claim: Uuid,
    answer: &Answer,
) -> Result<(), Error> {
    let bytes = written(answer);
    let sealed = if bytes.len() <= LONGEST {
        sealed::hold_keys(connection).await?;
        Some(keys.seal(&request.place(), &bytes)?)
    } else {
        None
    };
    sqlx::query!(
        "-- idempotency.complete
         update store.idempotency set status = $4, answer = $5 where actor = $1 and key_hash = $2 and claim = $3",
        request.actor,
        &request.key_hash,
        claim,
        i16::try_from(answer.status).unwrap_or(200),
        sealed,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a request back that was not done: the key is free.
pub async fn release(connection: &mut PgConnection, request: &Request, claim: Uuid) -> Result<(), Error> {
    sqlx::query!(
        "-- idempotency.release
         delete from store.idempotency where actor = $1 and key_hash = $2 and claim = $3",
        request.actor,
        &request.key_hash,
        claim,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets what is older than a day.
pub async fn sweep(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "-- idempotency.sweep
         delete from store.idempotency where created_at < now() - interval '24 hours'"
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Seals with the newest key what is sealed with another. An answer that does not open any more is forgotten.
pub async fn reseal(connection: &mut PgConnection, keys: &Sealer) -> Result<Resealed, Error> {
    let mut resealed = Resealed::default();
    let (mut actor, mut key_hash) = (String::new(), Vec::new());
    loop {
        let rows = sqlx::query!(
            r#"-- idempotency.sealed
             select actor, key_hash, answer as "answer!" from store.idempotency
             where answer is not null and (actor, key_hash) > ($1, $2)
             order by actor, key_hash limit $3 for update"#,
            actor,
            &key_hash,
            BATCH,
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { return Ok(resealed) };
        (actor, key_hash) = (last.actor.clone(), last.key_hash.clone());
        for row in rows.into_iter().filter(|row| !keys.is_current(&row.answer)) {
            let place = place(&row.actor, &row.key_hash);
            let sealed = match keys.open_sealed(&place, &row.answer) {
                Ok(plain) => Some(keys.seal(&place, &plain)?),
                Err(_lost) => None,
            };
            resealed.renewed += u64::from(sealed.is_some());
            sqlx::query!(
                "-- idempotency.reseal
                 update store.idempotency set answer = $3 where actor = $1 and key_hash = $2",
                row.actor,
                &row.key_hash,
                sealed,
            )
            .execute(&mut *connection)
            .await?;
        }
    }
}

/// Headers line by line, an empty line, the body: as HTTP itself writes it.
fn written(answer: &Answer) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(answer.body.len() + 200);
    for (name, value) in &answer.headers {
        bytes.extend_from_slice(format!("{name}: {value}\n").as_bytes());
    }
    bytes.push(b'\n');
    bytes.extend_from_slice(&answer.body);
    bytes
}

fn read(status: u16, bytes: &[u8]) -> Option<Answer> {
    let mut headers = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = (rest.get(..end)?, rest.get(end + 1..)?);
        if line.is_empty() {
            return Some(Answer { status, headers, body: after.to_vec() });
        }
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(": ")?;
        headers.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_as_it_was() {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let answer = Answer { status: 201, headers, body: b"{\"a\":\n\n1}".to_vec() };
        assert_eq!(read(201, &written(&answer)), Some(answer));
        let empty = Answer { status: 204, headers: Vec::new(), body: Vec::new() };
        assert_eq!(read(204, &written(&empty)), Some(empty));
        assert_eq!(read(200, b"no end"), None);
    }

    #[test]
    fn another_request_has_another_fingerprint() {
        let of = |parts: &[&[u8]]| Request::new("user".to_owned(), "k", parts).fingerprint;
        assert_eq!(of(&[b"POST", b"/a", b"x"]), of(&[b"POST", b"/a", b"x"]));
        assert_ne!(of(&[b"POST", b"/a", b"x"]), of(&[b"POST", b"/ax", b""]));
    }
}
