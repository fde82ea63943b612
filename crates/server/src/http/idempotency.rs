//! `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header): a POST that is repeated under the same key is executed once,
//! and its response is replayed.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use kernel::actor::Actor;
use kernel::chain::Chain;
use store::idempotency::{self, Claim, StoredResponse};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::AppState;
use super::problem::{Problem, Result};
use super::schema::described;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Length of a key.
const MAX_KEY_BYTES: usize = 255;
/// Interval at which the claim of a request is renewed while it is executed; a claim lasts two minutes.
const RENEWAL: Duration = Duration::from_secs(30);
/// Marks a response that is replayed.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Size of the body of a request with a key.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Headers that are stored and replayed.
static REPLAYED_HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::LOCATION, header::ETAG, header::CACHE_CONTROL];

described! {
    /// Key of a request.
    IdempotencyKey = kernel::schema::text(1..=MAX_KEY_BYTES, "^[!-~]+$");
}

/// Middleware that executes a POST with a key once.
pub(crate) async fn once(State(state): State<AppState>, request: Request, next: Next) -> Response {
    match actor_of(&request) {
        Some(actor) => match begin(&state, request, actor).await {
            Ok((claimed, request)) => match claimed.claim {
                Claim::Claimed(claim) => execute(state, claimed.request, claim, request, next).await,
                other => claimed_before(other),
            },
            Err(problem) => problem.into_response(),
        },
        None => next.run(request).await,
    }
}

/// Returns the actor that the key belongs to, if the request has a key that applies. Anonymous callers have none, and uploads need
/// none: the same bytes change nothing again, and the response says so.
fn actor_of(request: &Request) -> Option<String> {
    let has_key = request.headers().contains_key(&KEY);
    let path = request.uri().path();
    // Subscriptions are no changes, and have no end.
    let is_of_the_api =
        path.starts_with("/api/v1/") || path == "/graphql" && !accepts_events(request.headers());
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if request.method() != Method::POST || !has_key || !is_of_the_api || kind.starts_with(b"multipart/") {
        return None;
    }
    let actor = request.extensions().get::<Actor>()?;
    let key = actor.key_id().map(|key| format!("key:{key}"));
    key.or_else(|| actor.user_id().map(|user| format!("user:{user}")))
}

struct ClaimedRequest {
    request: idempotency::Request,
    claim: Claim,
}

async fn begin(state: &AppState, request: Request, actor: String) -> Result<(ClaimedRequest, Request)> {
    let key = key(request.headers())?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_longer| {
        Problem::too_large(format!("a request with an Idempotency-Key has at most {MAX_BODY_BYTES} bytes"))
    })?;
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let kind = parts.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let claimed = idempotency::Request::new(
        actor,
        &key,
        &[parts.method.as_str().as_bytes(), target.as_bytes(), kind, &body],
    );
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let claim = idempotency::claim(&mut connection, &state.app.secrets, &claimed).await?;
    Ok((ClaimedRequest { request: claimed, claim }, Request::from_parts(parts, Body::from(body))))
}

/// Returns the key: 1 to 255 visible ASCII characters, bare or as a quoted string (RFC 9651).
pub(super) fn key(headers: &HeaderMap) -> Result<String> {
    let mut all = headers.get_all(&KEY).iter();
    let text = match (all.next(), all.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default().trim(),
        _ => "",
    };
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if bare.is_empty() || bare.len() > MAX_KEY_BYTES || !bare.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::invalid(format!(
            "invalid Idempotency-Key: send one text of 1 to {MAX_KEY_BYTES} visible ASCII characters, such as a UUID"
        )));
    }
    Ok(bare.to_owned())
}

fn claimed_before(claim: Claim) -> Response {
    match claim {
        Claim::Completed(stored) => replay(stored),
        Claim::CompletedWithoutResponse => Problem::conflict(
            "the request was already executed, and its response is not stored: GET the result",
        )
        .into_response(),
        Claim::InProgress => Problem::in_progress(
            "a request with this Idempotency-Key is being executed: retry in a second",
        )
        .into_response(),
        Claim::KeyReused => Problem::key_reused(
            "this Idempotency-Key was used for another request: use a new key for each request, and the same one only to repeat it",
        )
        .into_response(),
        Claim::TooManyRequests | Claim::Claimed(_) => Problem::too_many(
            60,
            "too many of your Idempotency-Keys are stored, each for a day: send this request without one",
        )
        .into_response(),
    }
}

fn replay(stored: StoredResponse) -> Response {
    let mut response = Response::new(Body::from(stored.body));
    *response.status_mut() = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    for (name, value) in stored.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// Executes the request and stores its response. It goes on when the client disconnects, since that is when it retries.
async fn execute(
    state: AppState,
    claimed: idempotency::Request,
    claim: Uuid,
    request: Request,
    next: Next,
) -> Response {
    let execution = tokio::spawn({
        let (state, claimed) = (state.clone(), claimed.clone());
        async move {
            let _renewal = renew(&state, &claimed, claim);
            let response = idempotency::executing(&claimed, claim, next.run(request)).await;
            let problem = response.extensions().get::<Problem>().map(Problem::status);
            let status = problem.unwrap_or(response.status());
            if !status.is_success() {
                end(&state, &claimed, claim, is_refusal(status)).await;
                return response;
            }
            let (parts, body) = response.into_parts();
            let Ok(body) = to_bytes(body, usize::MAX).await else {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            };
            let headers = REPLAYED_HEADERS.iter().filter_map(|name| {
                let value = parts.headers.get(name)?.to_str().ok()?;
                Some((name.to_string(), value.to_owned()))
            });
            let stored = StoredResponse {
                status: parts.status.as_u16(),
                headers: headers.collect(),
                body: body.to_vec(),
            };
            if let Err(error) = store_response(&state, &claimed, claim, &stored).await {
                // It was executed, so the response is sent; a retry is refused with 409.
                tracing::warn!(error = %Chain(&error), "failed to store the response to an idempotent request");
            }
            Response::from_parts(parts, Body::from(body))
        }
    });
    match execution.await {
        Ok(response) => response,
        Err(error) => {
            end(&state, &claimed, claim, false).await;
            match error.try_into_panic() {
                // Handled like any other panic in a handler.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_stopping) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
    }
}

async fn store_response(
    state: &AppState,
    claimed: &idempotency::Request,
    claim: Uuid,
    response: &StoredResponse,
) -> std::result::Result<(), idempotency::Error> {
    let mut transaction = state.app.pool().begin().await?;
    idempotency::complete(&mut transaction, &state.app.secrets, claimed, claim, response).await?;
    Ok(transaction.commit().await?)
}

/// Whether a handler has refused a request, or a service of others has failed, so that the request can be sent again. After the server's own
/// failure it is unknown whether the effect was committed: a connection can break while it is.
fn is_refusal(status: StatusCode) -> bool {
    !status.is_server_error() || [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT].contains(&status)
}

/// Ends a claim without a response to store.
async fn end(state: &AppState, claimed: &idempotency::Request, claim: Uuid, is_refused: bool) {
    let ended = async {
        let mut connection = state.app.pool().acquire().await?;
        if is_refused {
            idempotency::release(&mut connection, claimed, claim).await
        } else {
            idempotency::give_up(&mut connection, claimed, claim).await
        }
    };
    if let Err(error) = ended.await {
        tracing::warn!(error = %Chain(&error), "failed to release an idempotency key; it becomes free in two minutes");
    }
}

/// Renews a claim until the returned value is dropped: answers of models can take longer than a claim lasts.
fn renew(state: &AppState, claimed: &idempotency::Request, claim: Uuid) -> AbortOnDropHandle<()> {
    let (pool, claimed) = (state.app.pool().clone(), claimed.clone());
    AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::time::sleep(RENEWAL).await;
            let renewed = async {
                let mut connection = pool.acquire().await?;
                idempotency::renew(&mut connection, &claimed, claim).await
            };
            match renewed.await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "failed to renew the claim of an idempotent request");
                }
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_and_without_quotes() {
        let parsed = |text: &'static str| {
            let headers = HeaderMap::from_iter([(KEY, HeaderValue::from_static(text))]);
            key(&headers).ok()
        };
        assert_eq!(parsed("8e03978e-40d5").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(parsed("\"8e03978e-40d5\"").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(parsed("\""), Some("\"".to_owned()));
        for bad in ["", "\"\"", "two words", "\t"] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
    }
}
