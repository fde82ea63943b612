//! Client of embedding endpoints (`POST …/embeddings` of OpenAI) and re-ranking endpoints (`POST …/rerank` of Jina, Cohere, TEI and
//! llama.cpp).
//!
//! Responses are untrusted: the number of vectors, their dimension and every value are checked, bodies are bounded, and nothing of them is
//! repeated in a message. A variant of the protocol that one provider refuses is tried the other way once, and the one that works is
//! remembered ([`Dialect`]). The API key is sent in a request header marked as sensitive and nowhere else: redirects are not followed
//! and proxies not used. Searches wait no longer than the endpoint's time limit, and after a failure they do without it for
//! [`PAUSE`], so that an endpoint that is down delays one of them and not all.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Target;
use crate::budget;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for a request with passages, behind which nobody waits.
const PASSAGES_TIMEOUT: Duration = Duration::from_mins(3);
/// Time after a failure for which searches do not ask the endpoint.
const PAUSE: Duration = Duration::from_secs(10);
/// Maximum size of a response: 256 vectors of 4000 values of 15 characters are 15 MB.
const MAX_RESPONSE_BYTES: usize = 32 << 20;
/// Maximum number of bytes read of an error response.
const MAX_ERROR_BYTES: usize = 64 << 10;
/// Maximum estimated tokens of the texts of one request.
const MAX_REQUEST_TOKENS: usize = 100_000;
/// Number of times that a text which the endpoint refuses as too long is halved.
const MAX_HALVINGS: u32 = 5;

/// Error of an endpoint. The text says what to do and contains nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct EndpointError {
    /// Text: the failure and what to do.
    pub text: String,
    /// Kind of the failure, for notices in other languages.
    pub kind: EndpointErrorKind,
}

/// Kind of an endpoint's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointErrorKind {
    /// It cannot be reached, or failed.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
    /// It refused the API key, the model or the request.
    Refused,
    /// The request is too large for it.
    TooLarge,
    /// The response does not follow the protocol.
    Unreadable,
}

/// An endpoint in use.
#[derive(Debug)]
pub struct Endpoint {
    target: Target,
    service: &'static str,
    dialect: Mutex<Dialect>,
    /// Time until which searches do not ask, and why.
    paused: Mutex<Option<(Instant, EndpointError)>>,
}

/// Variant of the protocol that a provider accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Dialect {
    /// Whether `/v1` is appended to the endpoint.
    under_v1: bool,
    /// Whether the dimension is requested: for models that can shorten their vectors.
    names_dimensions: bool,
    /// Whether the documents are `texts`, as TEI calls them.
    has_texts: bool,
}

/// Role of texts to embed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRole {
    /// A query.
    Query,
    /// Passages.
    Passage,
}

impl Endpoint {
    /// Makes the client of an embedding endpoint.
    pub fn embedding(target: Target) -> Self {
        Self::new(target, "embedding endpoint")
    }

    /// Makes the client of a re-ranking endpoint.
    pub fn reranking(target: Target) -> Self {
        Self::new(target, "re-ranking endpoint")
    }

    fn new(target: Target, service: &'static str) -> Self {
        Self { target, service, dialect: Mutex::default(), paused: Mutex::default() }
    }

    /// Returns the connection parameters.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Embeds a query, within the time limit of searches. The vector has length 1.
    ///
    /// # Errors
    ///
    /// Fails if the endpoint fails, or has failed within the last ten seconds.
    pub async fn embed_query(&self, text: &str) -> Result<Vec<f32>, EndpointError> {
        let text = [self.prepared(TextRole::Query, text)];
        let mut vectors = self.within_limit(self.embed_batch(&text, self.target.timeout)).await?;
        vectors.pop().ok_or_else(|| self.unreadable("returned no vector"))
    }

    /// Embeds texts in their order, in requests of bounded size. Each vector has length 1.
    ///
    /// # Errors
    ///
    /// Fails if the endpoint fails for one of the requests.
    pub async fn embed(&self, role: TextRole, texts: &[String]) -> Result<Vec<Vec<f32>>, EndpointError> {
        let texts: Vec<String> = texts.iter().map(|text| self.prepared(role, text)).collect();
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest = &*texts;
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = |text: &&String| {
                tokens += budget::tokens(text);
                tokens <= MAX_REQUEST_TOKENS
            };
            let size = rest.iter().take(self.target.batch_size).take_while(fits).count().max(1);
            let (batch, further) = rest.split_at(size);
            match self.embed_batch(batch, PASSAGES_TIMEOUT).await {
                Ok(made) => vectors.extend(made),
                // Some servers take one long text and not several, or fail at one of them.
                Err(error) if batch.len() > 1 && error.kind == EndpointErrorKind::TooLarge => {
                    for text in batch {
                        vectors.push(self.embed_one(text).await?);
                    }
                }
                Err(error) if error.kind == EndpointErrorKind::TooLarge => {
                    vectors.push(self.embed_one(&batch[0]).await?);
                }
                Err(error) => return Err(error),
            }
            rest = further;
        }
        Ok(vectors)
    }

    /// Embeds one text, and the beginning of it if the whole is too long for the model.
    async fn embed_one(&self, text: &str) -> Result<Vec<f32>, EndpointError> {
        let mut part = text;
        for _halving in 0..=MAX_HALVINGS {
            match self.embed_batch(&[part.to_owned()], PASSAGES_TIMEOUT).await {
                Ok(mut vectors) => {
                    return vectors.pop().ok_or_else(|| self.unreadable("returned no vector"));
                }
                Err(error) if error.kind == EndpointErrorKind::TooLarge => {
                    part = budget::prefix(part, (budget::tokens(part) / 2).max(1));
                }
                Err(error) => return Err(error),
            }
        }
        Err(self.failure(
            EndpointErrorKind::Refused,
            "refuses texts as too long even when they are cut: set a smaller input_tokens",
        ))
    }

    /// Returns the text to send: with the prefix of its role, and no longer than the model reads.
    fn prepared(&self, role: TextRole, text: &str) -> String {
        let prefix = match role {
            TextRole::Query => &self.target.query_prefix,
            TextRole::Passage => &self.target.passage_prefix,
        };
        let text = format!("{prefix}{text}");
        budget::prefix(&text, self.target.input_tokens).to_owned()
    }

    async fn embed_batch(&self, texts: &[String], limit: Duration) -> Result<Vec<Vec<f32>>, EndpointError> {
        let mut dialect = *lock(&self.dialect);
        let mut tried = vec![dialect];
        loop {
            let mut body = json!({ "model": self.target.model, "input": texts, "encoding_format": "float" });
            if dialect.names_dimensions {
                body["dimensions"] = json!(self.target.dimensions);
            }
            let (next, result) = match self.post("embeddings", dialect, &body, limit).await {
                Ok(value) => {
                    let vectors = self.vectors(&value, texts.len());
                    let is_longer =
                        matches!(&vectors, Err(Vectors::OfDimension(made)) if *made > self.target.dimensions);
                    let other = Dialect { names_dimensions: true, ..dialect };
                    (is_longer.then_some(other), vectors.map_err(|wrong| self.of_vectors(&wrong)))
                }
                Err((error, status)) => (self.under_v1(dialect, status), Err(error)),
            };
            let Some(next) = next.filter(|next| !tried.contains(next)) else {
                if result.is_ok() {
                    *lock(&self.dialect) = dialect;
                }
                return result;
            };
            dialect = next;
            tried.push(next);
        }
    }

    /// Scores documents by how well they answer a query, within the time limit of searches: pairs of index and score, each index once.
    ///
    /// # Errors
    ///
    /// Fails if the endpoint fails, or has failed within the last ten seconds.
    pub async fn rerank(
        &self,
        query: &str,
        documents: &[String],
    ) -> Result<Vec<(usize, f32)>, EndpointError> {
        let documents: Vec<&str> =
            documents.iter().map(|text| budget::prefix(text, self.target.input_tokens)).collect();
        self.within_limit(self.rerank_batch(query, &documents)).await
    }

    async fn rerank_batch(
        &self,
        query: &str,
        documents: &[&str],
    ) -> Result<Vec<(usize, f32)>, EndpointError> {
        let mut dialect = *lock(&self.dialect);
        let mut tried = vec![dialect];
        loop {
            let body = if dialect.has_texts {
                json!({ "query": query, "texts": documents, "truncate": true })
            } else {
                json!({ "model": self.target.model, "query": query, "documents": documents,
                    "top_n": documents.len(), "return_documents": false })
            };
            let (next, result) = match self.post("rerank", dialect, &body, self.target.timeout).await {
                Ok(value) => (None, self.scores(&value, documents.len())),
                Err((error, status)) => {
                    let is_refused = matches!(status.map(|status| status.as_u16()), Some(400 | 422));
                    let other = Dialect { has_texts: !dialect.has_texts, ..dialect };
                    (self.under_v1(dialect, status).or(is_refused.then_some(other)), Err(error))
                }
            };
            let Some(next) = next.filter(|next| !tried.contains(next)) else {
                if result.is_ok() {
                    *lock(&self.dialect) = dialect;
                }
                return result;
            };
            dialect = next;
            tried.push(next);
        }
    }

    /// Returns the dialect to try when the path is unknown to the endpoint.
    fn under_v1(&self, dialect: Dialect, status: Option<StatusCode>) -> Option<Dialect> {
        let is_unknown = matches!(status.map(|status| status.as_u16()), Some(404 | 405));
        let has_version = self.target.endpoint.path().trim_end_matches('/').ends_with("/v1");
        (is_unknown && !has_version).then_some(Dialect { under_v1: true, ..dialect })
    }

    /// Runs the request of a search within its time limit, unless the endpoint has just failed.
    async fn within_limit<T>(
        &self,
        request: impl Future<Output = Result<T, EndpointError>>,
    ) -> Result<T, EndpointError> {
        if let Some((until, error)) = &*lock(&self.paused)
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        let result = tokio::time::timeout(self.target.timeout, request).await;
        let result = result.unwrap_or_else(|_elapsed| Err(self.timed_out(self.target.timeout)));
        *lock(&self.paused) = result.as_ref().err().map(|error| (Instant::now() + PAUSE, error.clone()));
        result
    }

    async fn post(
        &self,
        path: &str,
        dialect: Dialect,
        body: &Value,
        limit: Duration,
    ) -> Result<Value, (EndpointError, Option<StatusCode>)> {
        let http = http().ok_or_else(|| {
            let what =
                "cannot be used: creating a TLS client failed; check the root certificates of this machine";
            (self.failure(EndpointErrorKind::Unreachable, what), None)
        })?;
        let headers = self.headers().map_err(|error| (error, None))?;
        let mut url: Url = self.target.endpoint.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        let version = if dialect.under_v1 { "/v1" } else { "" };
        url.set_path(&format!("{base}{version}/{path}"));
        let request = http.post(url).headers(headers).timeout(limit).json(body);
        let mut response = request.send().await.map_err(|error| (self.of_request(&error, limit), None))?;
        let status = response.status();
        if !status.is_success() {
            let start = read(&mut response, MAX_ERROR_BYTES).await.unwrap_or_default();
            return Err((self.of_status(status, &start), Some(status)));
        }
        let body = read(&mut response, MAX_RESPONSE_BYTES).await;
        let body = body.map_err(|error| {
            let unreadable = || self.unreadable("sent a response that is too large");
            (error.map_or_else(unreadable, |error| self.of_request(&error, limit)), None)
        })?;
        serde_json::from_slice(&body).map_err(|_not_json| {
            (self.unreadable("does not answer in the expected protocol: check its address"), None)
        })
    }

    fn headers(&self) -> Result<HeaderMap, EndpointError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(api_key) = &self.target.api_key {
            let value = HeaderValue::from_str(&format!("Bearer {}", api_key.as_str()));
            let mut value = value.map_err(|_bytes| {
                let what =
                    "has an API key with characters that an HTTP header cannot contain: enter it again";
                self.failure(EndpointErrorKind::Refused, what)
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(headers)
    }

    /// Returns the vectors of a response, in the order of the texts, each with length 1.
    fn vectors(&self, value: &Value, texts: usize) -> Result<Vec<Vec<f32>>, Vectors> {
        let data = value.get("data").and_then(Value::as_array).ok_or(Vectors::Absent)?;
        if data.len() != texts {
            return Err(Vectors::OfNumber(data.len()));
        }
        let mut ordered: Vec<Option<Vec<f32>>> = vec![None; texts];
        for (position, entry) in data.iter().enumerate() {
            let index = entry.get("index").and_then(Value::as_u64);
            let index = index.map_or(position, |index| usize::try_from(index).unwrap_or(usize::MAX));
            let values = entry.get("embedding").and_then(Value::as_array).ok_or(Vectors::Absent)?;
            let expected = self.target.dimensions;
            if values.is_empty() || (expected > 0 && values.len() != expected) {
                return Err(Vectors::OfDimension(values.len()));
            }
            #[expect(clippy::cast_possible_truncation, reason = "vectors are stored in half precision")]
            let numbers: Option<Vec<f32>> =
                values.iter().map(|value| value.as_f64().map(|number| number as f32)).collect();
            let vector = numbers.and_then(normalised).ok_or(Vectors::NoNumbers)?;
            match ordered.get_mut(index) {
                Some(place @ None) => *place = Some(vector),
                _ => return Err(Vectors::Absent),
            }
        }
        ordered.into_iter().collect::<Option<Vec<_>>>().ok_or(Vectors::Absent)
    }

    fn of_vectors(&self, wrong: &Vectors) -> EndpointError {
        match wrong {
            Vectors::Absent => {
                self.unreadable("does not answer in the protocol of OpenAI's embeddings: check its address")
            }
            Vectors::OfNumber(number) => {
                self.unreadable(&format!("returned {number} vectors, which is not the number of texts"))
            }
            Vectors::OfDimension(made) => self.unreadable(&format!(
                "returned vectors of {made} values, and {} are set: correct the dimensions",
                self.target.dimensions
            )),
            Vectors::NoNumbers => self.unreadable(
                "returned a vector with values that are no finite numbers, or all zero: see its log",
            ),
        }
    }

    /// Returns the scores of a response, the best first.
    fn scores(&self, value: &Value, documents: usize) -> Result<Vec<(usize, f32)>, EndpointError> {
        let wrong =
            || self.unreadable("does not answer in a known protocol of re-ranking: check its address");
        let results = value.get("results").or_else(|| value.get("data")).unwrap_or(value);
        let results = results.as_array().filter(|results| !results.is_empty()).ok_or_else(wrong)?;
        let mut is_known = vec![false; documents];
        let mut scores = Vec::with_capacity(results.len());
        for result in results {
            let index =
                result.get("index").and_then(Value::as_u64).and_then(|index| usize::try_from(index).ok());
            let score = result.get("relevance_score").or_else(|| result.get("score")).and_then(Value::as_f64);
            let (Some(index), Some(score)) = (index, score) else { return Err(wrong()) };
            match is_known.get_mut(index) {
                Some(known) if !*known && score.is_finite() => *known = true,
                _ => return Err(wrong()),
            }
            #[expect(clippy::cast_possible_truncation, reason = "only the order matters")]
            scores.push((index, score as f32));
        }
        scores.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        Ok(scores)
    }

    fn failure(&self, kind: EndpointErrorKind, what: &str) -> EndpointError {
        EndpointError { text: format!("the {} {what}", self.service), kind }
    }

    fn unreadable(&self, what: &str) -> EndpointError {
        self.failure(EndpointErrorKind::Unreadable, what)
    }

    fn timed_out(&self, limit: Duration) -> EndpointError {
        let what = format!("did not answer within {} ms: check that it is healthy", limit.as_millis());
        self.failure(EndpointErrorKind::TimedOut, &what)
    }

    fn of_request(&self, error: &reqwest::Error, limit: Duration) -> EndpointError {
        if error.is_timeout() && !error.is_connect() {
            return self.timed_out(limit);
        }
        // The innermost cause comes from the operating system or the TLS library, and contains nothing that was sent.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let cause = if error.is_timeout() { "timed out".to_owned() } else { cause.to_string() };
        self.failure(
            EndpointErrorKind::Unreachable,
            &format!(
                "cannot be reached ({cause}): check its address, its certificate and that it is running"
            ),
        )
    }

    fn of_status(&self, status: StatusCode, start: &[u8]) -> EndpointError {
        use EndpointErrorKind::{Refused, TooLarge, Unreachable};
        let number = status.as_u16();
        let told = String::from_utf8_lossy(start).to_lowercase();
        let is_length = ["too large", "too long", "too many", "exceed", "maximum", "context", "batch size"]
            .iter()
            .any(|sign| told.contains(sign));
        match number {
            413 => self.failure(TooLarge, "refused texts of this length (413): set a smaller input_tokens"),
            400 | 422 | 500 if is_length => {
                let what =
                    format!("refused texts of this length ({number}): set a smaller input_tokens or batch_size");
                self.failure(TooLarge, &what)
            }
            401 | 403 => {
                self.failure(Refused, &format!("refused the API key, or needs one ({number}): enter the right one"))
            }
            404 | 405 => self.failure(
                Refused,
                &format!("was not found, or has no such model ({number}): check address (it often ends in /v1) and model"),
            ),
            300..=399 => self.failure(
                Refused,
                &format!("redirects elsewhere ({number}), where the API key is not sent: enter the target of the redirect"),
            ),
            408 | 425 | 429 | 503 | 529 => {
                self.failure(Unreachable, &format!("is overloaded ({number}): try again shortly"))
            }
            500..=599 => self.failure(Unreachable, &format!("failed (status {number}): see its log")),
            _ => self.failure(Refused, &format!("refused the request (status {number}): check the model")),
        }
    }
}

/// Fault of the vectors in a response.
enum Vectors {
    /// There are none, or not one for each text.
    Absent,
    /// There are so many.
    OfNumber(usize),
    /// One has so many values.
    OfDimension(usize),
    /// Values are no finite numbers, or all zero.
    NoNumbers,
}

/// Returns the vector with length 1; `None` if it has none.
fn normalised(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    // By the greatest value first, so that no square overflows.
    let greatest = vector.iter().map(|value| value.abs()).fold(0.0, f32::max);
    if !vector.iter().all(|value| value.is_finite()) || greatest <= 0.0 {
        return None;
    }
    let length = vector.iter().map(|value| (value / greatest).powi(2)).sum::<f32>().sqrt() * greatest;
    for value in &mut vector {
        *value /= length;
    }
    vector.iter().all(|value| value.is_finite()).then_some(vector)
}

/// Reads a body of at most `max` bytes; fails without an error if it is longer.
async fn read(response: &mut Response, max: usize) -> Result<Vec<u8>, Option<reqwest::Error>> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(Some)? {
        if body.len() + bytes.len() > max {
            return Err(None);
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

/// Returns the HTTP client of all endpoints, made at the first request.
fn http() -> Option<&'static reqwest::Client> {
    static HTTP: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    HTTP.get_or_init(|| {
        reqwest::Client::builder()
            .redirect(Policy::none())
            // The API key goes to the endpoint and to no proxy.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent("wenyuan")
            .build()
            .ok()
    })
    .as_ref()
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(dimensions: usize) -> Endpoint {
        Endpoint::embedding(Target {
            endpoint: Url::parse("http://127.0.0.1:1/v1").unwrap(),
            model: "m".to_owned(),
            api_key: None,
            dimensions,
            query_prefix: "query: ".to_owned(),
            passage_prefix: String::new(),
            input_tokens: 64,
            batch_size: 2,
            timeout: Duration::from_secs(1),
            vector_model: "m/2".to_owned(),
        })
    }

    #[test]
    fn vectors_are_checked_ordered_and_of_length_1() {
        let of = |value: Value| endpoint(2).vectors(&value, 2).ok();
        let entry = |index: u64, values: Value| json!({ "index": index, "embedding": values });
        let good = json!({ "data": [entry(1, json!([0, 2])), entry(0, json!([3e30, 4e30]))] });
        let rounded = |vector: Vec<f32>| vector.iter().map(|value| (value * 1e4).round()).collect::<Vec<_>>();
        let found: Vec<_> = of(good).unwrap().into_iter().map(rounded).collect();
        assert_eq!(found, [[6e3, 8e3], [0.0, 1e4]]);
        for bad in [
            json!({}),
            json!([[1, 2], [3, 4]]),
            json!({ "data": [] }),
            json!({ "data": [entry(0, json!([1, 2]))] }),
            json!({ "data": [entry(0, json!([1, 2])), entry(0, json!([1, 2]))] }),
            json!({ "data": [entry(0, json!([1, 2])), entry(7, json!([1, 2]))] }),
            json!({ "data": [entry(0, json!([1, 2])), entry(1, json!([1, 2, 3]))] }),
            json!({ "data": [entry(0, json!([1, 2])), entry(1, json!([1, null]))] }),
            json!({ "data": [entry(0, json!([1, 2])), entry(1, json!([1, "NaN"]))] }),
            json!({ "data": [entry(0, json!([1, 2])), entry(1, json!([1e300, 2]))] }),
            json!({ "data": [entry(0, json!([1, 2])), entry(1, json!([0, 0]))] }),
        ] {
            assert!(of(bad.clone()).is_none(), "{bad}");
        }
    }

    #[test]
    fn scores_are_read_from_all_protocols() {
        let reranker = Endpoint::reranking(endpoint(0).target);
        let of = |value: Value| reranker.scores(&value, 2).ok();
        let expected = vec![(1, 0.9), (0, 0.1)];
        for good in [
            json!({ "results": [{ "index": 0, "relevance_score": 0.1 }, { "index": 1, "relevance_score": 0.9 }] }),
            json!({ "data": [{ "index": 1, "relevance_score": 0.9 }, { "index": 0, "relevance_score": 0.1 }] }),
            json!([{ "index": 1, "score": 0.9 }, { "index": 0, "score": 0.1 }]),
        ] {
            assert_eq!(of(good).unwrap(), expected);
        }
        for bad in [
            json!({}),
            json!({ "results": [] }),
            json!([{ "index": 2, "score": 1 }]),
            json!([{ "index": 0, "score": 1 }, { "index": 0, "score": 1 }]),
            json!([{ "index": 0, "score": null }]),
        ] {
            assert!(of(bad.clone()).is_none(), "{bad}");
        }
    }

    #[test]
    fn texts_get_their_prefix_and_are_cut() {
        let endpoint = endpoint(2);
        assert_eq!(endpoint.prepared(TextRole::Query, "a"), "query: a");
        assert_eq!(endpoint.prepared(TextRole::Passage, "a"), "a");
        let long = endpoint.prepared(TextRole::Passage, &"word ".repeat(1000));
        assert!(budget::tokens(&long) <= 64, "{long}");
    }
}
