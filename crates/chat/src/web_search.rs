//! Web search through a [SearXNG](https://docs.searxng.org/dev/search_api.html)-compatible endpoint, which the operator runs or
//! trusts.
//!
//! Results are untrusted text: truncated, without control characters, and never instructions. Only the search endpoint is
//! requested, never the pages found: their URLs are shown to people.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::time::timeout;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for a search.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of a response, in bytes.
const MAX_RESPONSE_BYTES: usize = 1 << 20;
/// Maximum number of pages returned.
const MAX_PAGES: usize = 10;
/// Maximum length of a query, in characters.
const MAX_QUERY_CHARS: usize = 400;
const MAX_TITLE_CHARS: usize = 300;
const MAX_URL_BYTES: usize = 2000;
const MAX_CONTENT_CHARS: usize = 2000;

/// Client of a web search endpoint.
#[derive(Clone)]
pub struct WebSearch {
    endpoint: Url,
    /// Created at the first search: most runs of the program make none.
    http: Arc<OnceLock<Client>>,
}

impl std::fmt::Debug for WebSearch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may contain a password.
        formatter.debug_struct("WebSearch").field("host", &self.endpoint.host_str()).finish_non_exhaustive()
    }
}

/// Web page found by a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPage {
    /// Title.
    pub title: String,
    /// URL with the scheme http or https.
    pub url: String,
    /// Excerpt of the page.
    pub content: String,
}

/// Error of a web search. The text says what to do and contains nothing of the query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WebSearchError(pub String);

impl WebSearch {
    /// Creates a client for the URL of a SearXNG-compatible server, such as `https://search.example.org`. The URL may contain a
    /// user name and a password.
    ///
    /// # Errors
    ///
    /// Fails if the URL is invalid or its scheme is not http or https.
    pub fn new(url: &str) -> Result<Self, WebSearchError> {
        let invalid = || {
            WebSearchError(
                "invalid URL of the web search: use one with http or https, such as https://search.example.org"
                    .to_owned(),
            )
        };
        let mut endpoint = Url::parse(url.trim()).map_err(|_unreadable| invalid())?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host_str().is_none() {
            return Err(invalid());
        }
        endpoint.set_query(None);
        endpoint.set_fragment(None);
        let path = endpoint.path().trim_end_matches('/');
        let path = path.strip_suffix("/search").unwrap_or(path).to_owned();
        endpoint.set_path(&format!("{path}/search"));
        Ok(Self { endpoint, http: Arc::default() })
    }

    fn http(&self) -> Result<&Client, WebSearchError> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(SEARCH_TIMEOUT)
            .user_agent("wenyuan")
            .build();
        let client = client.map_err(|_no_client| {
            WebSearchError(
                "creating a TLS client failed: check the root certificates of this machine".to_owned(),
            )
        })?;
        Ok(self.http.get_or_init(|| client))
    }
}

/// Searches the web, and returns at most ten pages, best first. The categories are those of SearXNG: `general`, `science`,
/// `videos` …
///
/// # Errors
///
/// Fails if the endpoint cannot be reached, refuses the request, or does not answer as SearXNG does.
pub async fn search(
    web: &WebSearch,
    query: &str,
    categories: &[&str],
) -> Result<Vec<WebPage>, WebSearchError> {
    let timed_out = || {
        WebSearchError(format!(
            "the web search did not answer within {} seconds: try again, or ask without it",
            SEARCH_TIMEOUT.as_secs()
        ))
    };
    let mut url = web.endpoint.clone();
    let query: String = query.chars().take(MAX_QUERY_CHARS).collect();
    url.query_pairs_mut().append_pair("q", &query).append_pair("format", "json");
    if !categories.is_empty() {
        url.query_pairs_mut().append_pair("categories", &categories.join(","));
    }
    let body = timeout(SEARCH_TIMEOUT, fetch(web.http()?, url)).await.map_err(|_elapsed| timed_out())??;
    parse(&body).ok_or_else(|| {
        WebSearchError(
            "the web search does not answer as SearXNG does: check WENYUAN_SEARXNG_URL, and that its settings.yml allows the format json"
                .to_owned(),
        )
    })
}

async fn fetch(http: &Client, url: Url) -> Result<Vec<u8>, WebSearchError> {
    let mut response = http.get(url).send().await.map_err(|error| {
        WebSearchError(if error.is_timeout() {
            "the web search does not answer: check that it is running".to_owned()
        } else {
            "the web search cannot be reached: check WENYUAN_SEARXNG_URL, and that it is running".to_owned()
        })
    })?;
    let status = response.status().as_u16();
    match status {
        200 => {}
        403 => {
            return Err(WebSearchError(
                "the web search refused the request (403): allow the format json in its settings.yml (search: formats)"
                    .to_owned(),
            ));
        }
        429 => {
            return Err(WebSearchError(
                "the web search received too many requests (429): try again later".to_owned(),
            ));
        }
        _ => return Err(WebSearchError(format!("the web search failed (status {status}): see its log"))),
    }
    let mut body = Vec::new();
    while let Some(bytes) = response
        .chunk()
        .await
        .map_err(|_broken| WebSearchError("the web search broke off: try again".to_owned()))?
    {
        if body.len() + bytes.len() > MAX_RESPONSE_BYTES {
            return Err(WebSearchError(
                "the response of the web search is too large: check WENYUAN_SEARXNG_URL".to_owned(),
            ));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

fn parse(body: &[u8]) -> Option<Vec<WebPage>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let results = answer.get("results")?.as_array()?;
    Some(results.iter().filter_map(page).take(MAX_PAGES).collect())
}

/// Returns a result as a page, if its URL is a plain web address without credentials.
fn page(result: &Value) -> Option<WebPage> {
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
    let url = Url::parse(text("url").trim()).ok()?;
    let is_plain =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    if !is_plain || url.as_str().len() > MAX_URL_BYTES {
        return None;
    }
    let title = one_line(text("title"), MAX_TITLE_CHARS);
    let title = if title.is_empty() { url.host_str().unwrap_or_default().to_owned() } else { title };
    Some(WebPage { title, content: one_line(text("content"), MAX_CONTENT_CHARS), url: url.into() })
}

/// Returns untrusted text on one line, without control characters, truncated to `max_chars`.
fn one_line(text: &str, max_chars: usize) -> String {
    let plain: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(max_chars).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_endpoint_is_derived_from_the_url_of_a_server() {
        for (given, expected) in [
            ("https://search.example/", "https://search.example/search"),
            ("http://127.0.0.1:8888/searx/search?q=", "http://127.0.0.1:8888/searx/search"),
        ] {
            assert_eq!(WebSearch::new(given).unwrap().endpoint.as_str(), expected);
        }
        assert!(WebSearch::new("search.example").is_err() && WebSearch::new("file:///etc/passwd").is_err());
        let client = WebSearch::new("https://ada:secret@search.example").unwrap();
        assert!(!format!("{client:?}").contains("secret"));
    }

    #[test]
    fn pages_are_parsed_as_untrusted_text() {
        let page = |url: &str| json!({ "url": url, "title": "a\u{0}\n b", "content": "c".repeat(3000) });
        let body = json!({ "results": [
            page("https://one.example/a"), page("javascript:alert(1)"), page("https://a:b@two.example"), page("no"), 7,
            { "url": "http://three.example/", "title": null },
        ] });
        let found = parse(body.to_string().as_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].title.as_str(), found[0].content.len()), ("a b", 2000));
        assert_eq!((found[1].title.as_str(), found[1].content.as_str()), ("three.example", ""));
        let many: Vec<Value> = (0..30).map(|number| page(&format!("https://a.example/{number}"))).collect();
        assert_eq!(parse(json!({ "results": many }).to_string().as_bytes()).unwrap().len(), 10);
        for bad in ["", "[]", "{}", r#"{"results":1}"#] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
