//! Idempotency keys: a request that is sent again gets the response of the first, and is not executed again
//! ([draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)).
//!
//! Only successful requests are stored. One that was refused or interrupted has changed nothing, and its key can be used again.
//! [`executing`] sees to it that the transaction of a request's effect also marks the request as executed.

use std::time::Duration;

use kernel::secret::Token;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::sealed::{self, ResealReport};
use crate::secrets::{self, Sealer};

/// Longest response that is stored, headers included.
const MAX_RESPONSE_BYTES: usize = 16 * 1024;
/// Maximum number of stored requests of one actor.
const MAX_REQUESTS_PER_ACTOR: i64 = 10_000;
/// How often, and after which pauses, a request is marked as executed.
const MARK_ATTEMPTS: u32 = 5;
const MARK_PAUSE: Duration = Duration::from_millis(20);
/// Rows that are resealed by one query.
const RESEAL_BATCH: i64 = 500;

/// A request with an idempotency key.
#[derive(Debug, Clone)]
pub struct Request {
    /// Actor who sent it. Keys of different actors are different keys.
    pub actor: String,
    key_hash: [u8; 32],
    fingerprint: [u8; 32],
}

/// Stored response of a completed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    /// HTTP status, 200 to 299.
    pub status: u16,
    /// Headers to repeat. No value contains a line break.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// Decision about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The caller executes it, and completes or releases it by this id.
    Claimed(Uuid),
    /// It was completed with this response.
    Completed(StoredResponse),
    /// It was completed; the response was too long to store or cannot be opened any more.
    CompletedWithoutResponse,
    /// Another caller is executing it.
    InProgress,
    /// The key was used for a different request.
    KeyReused,
    /// The actor has the maximum number of stored requests.
    TooManyRequests,
}

/// Failure to look up or store a request.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// Sealing failed.
    #[error(transparent)]
    Secrets(#[from] secrets::Error),
}

impl Request {
    /// Identifies a request by its key and `parts`: method, path, body and whatever else makes it a different request.
    pub fn new(actor: String, key: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // The lengths keep two lists of parts with the same concatenation apart.
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Self { actor, key_hash: Token::from_text(key).hash(), fingerprint: hash.finalize().into() }
    }

    fn context(&self) -> String {
        context(&self.actor, &self.key_hash)
    }
}

fn context(actor: &str, key_hash: &[u8]) -> String {
    format!("store.idempotency/answer/{actor}/{}", hex::encode(key_hash))
}

/// Claims a request for execution, unless it is stored. A claim that was not renewed for two minutes is taken over, because its
/// process is gone, unless its effect has been committed.
///
/// # Errors
/// When the database fails.
pub async fn claim(connection: &mut PgConnection, keys: &Sealer, request: &Request) -> Result<Claim, Error> {
    // Looked up first: an insertion would wait for the transaction in which another caller executes the request.
    if let Some(decision) = find(connection, keys, request).await? {
        return Ok(decision);
    }
    let claimed = sqlx::query_scalar!(
        "-- idempotency.claim
         insert into store.idempotency as held (actor, key_hash, fingerprint, claim)
         select $1, $2, $3, $4
         where (select count(*) from (select from store.idempotency where actor = $1 limit $5) as all_of_the_actor) < $5
           or exists (select from store.idempotency where actor = $1 and key_hash = $2)
         on conflict (actor, key_hash) do update
           set fingerprint = excluded.fingerprint, claim = excluded.claim, status = null, answer = null, executed_at = null,
             created_at = now(), renewed_at = now()
           where held.created_at < now() - interval '24 hours'
             or (held.status is null and held.executed_at is null and held.renewed_at < now() - interval '2 minutes')
         returning claim",
        request.actor,
        &request.key_hash,
        &request.fingerprint,
        kernel::id::new(),
        MAX_REQUESTS_PER_ACTOR,
    )
    .fetch_optional(&mut *connection)
    .await?;
    match claimed {
        Some(claim) => Ok(Claim::Claimed(claim)),
        None => Ok(find(connection, keys, request).await?.unwrap_or(Claim::TooManyRequests)),
    }
}

/// Returns what is known about a request; `None` if it can be claimed.
async fn find(
    connection: &mut PgConnection,
    keys: &Sealer,
    request: &Request,
) -> Result<Option<Claim>, Error> {
    let stored = sqlx::query!(
        r#"-- idempotency.find
         select fingerprint, status, answer, executed_at is not null as "is_executed!",
           renewed_at >= now() - interval '2 minutes' as "is_renewed!"
         from store.idempotency
         where actor = $1 and key_hash = $2 and created_at >= now() - interval '24 hours'"#,
        request.actor,
        &request.key_hash,
    )
    .fetch_optional(connection)
    .await?;
    let Some(stored) = stored else { return Ok(None) };
    let is_claimable = stored.status.is_none() && !stored.is_executed && !stored.is_renewed;
    if is_claimable {
        return Ok(None);
    }
    if stored.fingerprint != request.fingerprint {
        return Ok(Some(Claim::KeyReused));
    }
    let Some(status) = stored.status else {
        // Executed by a process that died, or whose database did, before the response was stored.
        let is_over = stored.is_executed && !stored.is_renewed;
        return Ok(Some(if is_over { Claim::CompletedWithoutResponse } else { Claim::InProgress }));
    };
    let opened = stored.answer.and_then(|sealed| keys.open_sealed(&request.context(), &sealed).ok());
    let response = opened.and_then(|bytes| decode(u16::try_from(status).ok()?, &bytes));
    Ok(Some(response.map_or(Claim::CompletedWithoutResponse, Claim::Completed)))
}

tokio::task_local! {
    /// Request that the current task executes, and its claim.
    static EXECUTING: (Request, Uuid);
}

/// Executes a claimed request: transactions that the future begins mark the request as executed when they commit. So a request whose
/// effect was committed is never executed again, whatever ends the process before its response is stored.
pub async fn executing<F: Future>(request: &Request, claim: Uuid, future: F) -> F::Output {
    EXECUTING.scope((request.clone(), claim), future).await
}

/// Marks the request that the current task executes, if there is one, as executed when this transaction commits.
///
/// # Errors
/// Fails if the claim was taken over: the request must not be executed twice.
pub(crate) async fn mark_executed(connection: &mut PgConnection) -> Result<(), crate::postgres::Error> {
    let Ok((request, claim)) = EXECUTING.try_with(Clone::clone) else { return Ok(()) };
    for _ in 0..MARK_ATTEMPTS {
        let marked = sqlx::query!(
            "-- idempotency.mark_executed
             update store.idempotency set executed_at = now() where (actor, key_hash) in
               (select actor, key_hash from store.idempotency
                where actor = $1 and key_hash = $2 and claim = $3 for update skip locked)",
            request.actor,
            &request.key_hash,
            claim,
        )
        .execute(&mut *connection)
        .await?;
        if marked.rows_affected() > 0 {
            return Ok(());
        }
        let is_claimed = sqlx::query_scalar!(
            r#"-- idempotency.is_claimed
             select exists (select from store.idempotency where actor = $1 and key_hash = $2 and claim = $3) as "is_claimed!""#,
            request.actor,
            &request.key_hash,
            claim,
        )
        .fetch_one(&mut *connection)
        .await?;
        if !is_claimed {
            return Err(crate::postgres::Error::Superseded);
        }
        // Another transaction holds the row: one that renews the claim, for a moment, or an outer one of this request, which marks it.
        tokio::time::sleep(MARK_PAUSE).await;
    }
    Ok(())
}

/// Renews a claim, so that it is not taken over while the request is executed. Returns whether it is still the caller's.
///
/// # Errors
/// When the database fails.
pub async fn renew(connection: &mut PgConnection, request: &Request, claim: Uuid) -> Result<bool, Error> {
    let renewed = sqlx::query!(
        "-- idempotency.renew
         update store.idempotency set renewed_at = now() where actor = $1 and key_hash = $2 and claim = $3",
        request.actor,
        &request.key_hash,
        claim,
    )
    .execute(connection)
    .await?;
    Ok(renewed.rows_affected() > 0)
}

/// Stores the response of a claimed request. Call it in a transaction.
///
/// # Errors
/// When the database or sealing fails.
pub async fn complete(
    connection: &mut PgConnection,
    keys: &Sealer,
    request: &Request,
    claim: Uuid,
    response: &StoredResponse,
) -> Result<(), Error> {
    let bytes = encode(response);
    let sealed = if bytes.len() <= MAX_RESPONSE_BYTES {
        sealed::lock_keys_shared(connection).await?;
        Some(keys.seal(&request.context(), &bytes)?)
    } else {
        None
    };
    sqlx::query!(
        "-- idempotency.complete
         update store.idempotency set status = $4, answer = $5 where actor = $1 and key_hash = $2 and claim = $3",
        request.actor,
        &request.key_hash,
        claim,
        i16::try_from(response.status).unwrap_or(200),
        sealed,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives up a claimed request that failed. Its key can be used again if no effect was committed; otherwise the request counts as
/// executed without a response.
///
/// # Errors
/// When the database fails.
pub async fn give_up(connection: &mut PgConnection, request: &Request, claim: Uuid) -> Result<(), Error> {
    sqlx::query!(
        "-- idempotency.give_up
         with settled as (
           update store.idempotency set renewed_at = '-infinity'
           where actor = $1 and key_hash = $2 and claim = $3 and executed_at is not null)
         delete from store.idempotency where actor = $1 and key_hash = $2 and claim = $3 and executed_at is null",
        request.actor,
        &request.key_hash,
        claim,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Releases a claimed request that was refused, so that its key can be used again.
///
/// # Errors
/// When the database fails.
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

/// Deletes requests that are older than a day.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!(
        "-- idempotency.sweep
         delete from store.idempotency where created_at < now() - interval '24 hours'"
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Reseals with the newest key the responses that are sealed with another. One that cannot be opened is dropped.
///
/// # Errors
/// When the database or sealing fails.
pub async fn reseal(connection: &mut PgConnection, keys: &Sealer) -> Result<ResealReport, Error> {
    let mut report = ResealReport::default();
    let (mut actor, mut key_hash) = (String::new(), Vec::new());
    loop {
        let rows = sqlx::query!(
            r#"-- idempotency.sealed
             select actor, key_hash, answer as "answer!" from store.idempotency
             where answer is not null and (actor, key_hash) > ($1, $2)
             order by actor, key_hash limit $3 for update"#,
            actor,
            &key_hash,
            RESEAL_BATCH,
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { return Ok(report) };
        (actor, key_hash) = (last.actor.clone(), last.key_hash.clone());
        for row in rows.into_iter().filter(|row| !keys.is_current(&row.answer)) {
            let context = context(&row.actor, &row.key_hash);
            let sealed = match keys.open_sealed(&context, &row.answer) {
                Ok(plain) => Some(keys.seal(&context, &plain)?),
                Err(_unreadable) => None,
            };
            report.resealed += u64::from(sealed.is_some());
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

/// Encodes headers line by line, an empty line and the body, like HTTP/1.1.
fn encode(response: &StoredResponse) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(response.body.len() + 200);
    for (name, value) in &response.headers {
        bytes.extend_from_slice(format!("{name}: {value}\n").as_bytes());
    }
    bytes.push(b'\n');
    bytes.extend_from_slice(&response.body);
    bytes
}

fn decode(status: u16, bytes: &[u8]) -> Option<StoredResponse> {
    let mut headers = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = (rest.get(..end)?, rest.get(end + 1..)?);
        if line.is_empty() {
            return Some(StoredResponse { status, headers, body: after.to_vec() });
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
    fn a_response_decodes_as_it_was_encoded() {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let response = StoredResponse { status: 201, headers, body: b"{\"a\":\n\n1}".to_vec() };
        assert_eq!(decode(201, &encode(&response)), Some(response));
        let empty = StoredResponse { status: 204, headers: Vec::new(), body: Vec::new() };
        assert_eq!(decode(204, &encode(&empty)), Some(empty));
        assert_eq!(decode(200, b"no end"), None);
    }

    #[test]
    fn different_requests_have_different_fingerprints() {
        let of = |parts: &[&[u8]]| Request::new("user".to_owned(), "k", parts).fingerprint;
        assert_eq!(of(&[b"POST", b"/a", b"x"]), of(&[b"POST", b"/a", b"x"]));
        assert_ne!(of(&[b"POST", b"/a", b"x"]), of(&[b"POST", b"/ax", b""]));
    }
}
