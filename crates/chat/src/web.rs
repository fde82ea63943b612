//! Searching the web through a SearXNG-compatible endpoint, which the operator runs or trusts.
//!
//! What it finds is foreign text: clipped, without control characters, and never an instruction. Only the search endpoint is
//! asked, not the pages it finds: their addresses are shown to people, and this program does not go there.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::Value;
use tokio::time::timeout;

const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// How long a search takes at most.
const LONGEST_SEARCH: Duration = Duration::from_secs(10);
/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 1 << 20;
/// The most pages that are returned.
const MOST: usize = 10;
/// The longest query that is sent, in characters.
const LONGEST_QUERY: usize = 400;
const LONGEST_TITLE: usize = 300;
const LONGEST_ADDRESS: usize = 2000;
const LONGEST_CONTENT: usize = 2000;

/// Where the web is searched.
#[derive(Clone)]
pub struct Web {
    endpoint: Url,
    /// Made with the first search: most runs of the program do none.
    http: Arc<OnceLock<Client>>,
}

impl std::fmt::Debug for Web {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its address may hold a password.
        formatter.debug_struct("Web").field("host", &self.endpoint.host_str()).finish_non_exhaustive()
    }
}

/// A page of the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its title.
    pub title: String,
    /// Its address, with http or https.
    pub url: String,
    /// What the search engines show of it.
    pub content: String,
}

/// Why the web cannot be searched; the text says what to do, and holds nothing of what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

impl Web {
    /// Reads the address of a SearXNG-compatible server: `https://search.example.org`. It may hold a name and a password.
    pub fn at(address: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure(
                "the address of the web search is one with http or https: https://search.example.org"
                    .to_owned(),
            )
        };
        let mut endpoint = Url::parse(address.trim()).map_err(|_unreadable| wrong())?;
        if !matches!(endpoint.scheme(), "http" | "https") || endpoint.host_str().is_none() {
            return Err(wrong());
        }
        endpoint.set_query(None);
        endpoint.set_fragment(None);
        let path = endpoint.path().trim_end_matches('/');
        let path = path.strip_suffix("/search").unwrap_or(path).to_owned();
        endpoint.set_path(&format!("{path}/search"));
        Ok(Self { endpoint, http: Arc::default() })
    }

    fn http(&self) -> Result<&Client, Failure> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(LONGEST_CONNECT)
            .timeout(LONGEST_SEARCH)
            .user_agent("wenyuan")
            .build();
        let client = client.map_err(|_no_client| {
            Failure("no TLS client can be made on this machine: see to its root certificates".to_owned())
        })?;
        Ok(self.http.get_or_init(|| client))
    }
}

/// Searches the web: at most ten pages, the best first. Categories are those of SearXNG: `general`, `science`, `videos` …
pub async fn search(web: &Web, query: &str, categories: &[&str]) -> Result<Vec<Found>, Failure> {
    let late = || {
        Failure(format!(
            "the web search did not answer within {} seconds: try again, or ask without it",
            LONGEST_SEARCH.as_secs()
        ))
    };
    let mut url = web.endpoint.clone();
    let query: String = query.chars().take(LONGEST_QUERY).collect();
    url.query_pairs_mut().append_pair("q", &query).append_pair("format", "json");
    if !categories.is_empty() {
        url.query_pairs_mut().append_pair("categories", &categories.join(","));
    }
    let body = timeout(LONGEST_SEARCH, ask(web.http()?, url)).await.map_err(|_elapsed| late())??;
    read(&body).ok_or_else(|| {
        Failure(
            "what answers there is no SearXNG: look at WENYUAN_SEARXNG_URL, and whether its settings.yml allows the format json"
                .to_owned(),
        )
    })
}

async fn ask(http: &Client, url: Url) -> Result<Vec<u8>, Failure> {
    let mut response = http.get(url).send().await.map_err(|error| {
        Failure(if error.is_timeout() {
            "the web search does not answer: look whether it runs".to_owned()
        } else {
            "the web search cannot be reached: look at WENYUAN_SEARXNG_URL, and whether it runs".to_owned()
        })
    })?;
    let status = response.status().as_u16();
    match status {
        200 => {}
        403 => {
            return Err(Failure(
                "the web search refuses (403): allow the format json in its settings.yml (search: formats)"
                    .to_owned(),
            ));
        }
        429 => {
            return Err(Failure(
                "the web search has had too many requests (429): try again later".to_owned(),
            ));
        }
        _ => return Err(Failure(format!("the web search failed (status {status}): see its own log"))),
    }
    let mut body = Vec::new();
    while let Some(bytes) =
        response.chunk().await.map_err(|_broken| Failure("the web search broke off: try again".to_owned()))?
    {
        if body.len() + bytes.len() > LARGEST_ANSWER {
            return Err(Failure("the web search answers more than is read: it is none, or ill".to_owned()));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(body)
}

fn read(body: &[u8]) -> Option<Vec<Found>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let results = answer.get("results")?.as_array()?;
    Some(results.iter().filter_map(page).take(MOST).collect())
}

/// A page that can be shown: with an address that a browser opens and nothing else does.
fn page(result: &Value) -> Option<Found> {
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap_or_default();
    let url = Url::parse(text("url").trim()).ok()?;
    let is_plain =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    if !is_plain || url.as_str().len() > LONGEST_ADDRESS {
        return None;
    }
    let title = clipped(text("title"), LONGEST_TITLE);
    let title = if title.is_empty() { url.host_str().unwrap_or_default().to_owned() } else { title };
    Some(Found { title, content: clipped(text("content"), LONGEST_CONTENT), url: url.into() })
}

/// A foreign text on one line, without control characters and not too long.
fn clipped(text: &str, most: usize) -> String {
    let plain: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(most).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_address_is_that_of_a_server() {
        for (given, asked) in [
            ("https://search.example/", "https://search.example/search"),
            ("http://127.0.0.1:8888/searx/search?q=", "http://127.0.0.1:8888/searx/search"),
        ] {
            assert_eq!(Web::at(given).unwrap().endpoint.as_str(), asked);
        }
        assert!(Web::at("search.example").is_err() && Web::at("file:///etc/passwd").is_err());
        assert!(!format!("{:?}", Web::at("https://ada:secret@search.example").unwrap()).contains("secret"));
    }

    #[test]
    fn pages_are_read_as_foreign_text() {
        let page = |url: &str| json!({ "url": url, "title": "a\u{0}\n b", "content": "c".repeat(3000) });
        let body = json!({ "results": [
            page("https://one.example/a"), page("javascript:alert(1)"), page("https://a:b@two.example"), page("no"), 7,
            { "url": "http://three.example/", "title": null },
        ] });
        let found = read(body.to_string().as_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].title.as_str(), found[0].content.len()), ("a b", 2000));
        assert_eq!((found[1].title.as_str(), found[1].content.as_str()), ("three.example", ""));
        let many: Vec<Value> = (0..30).map(|number| page(&format!("https://a.example/{number}"))).collect();
        assert_eq!(read(json!({ "results": many }).to_string().as_bytes()).unwrap().len(), 10);
        for bad in ["", "[]", "{}", r#"{"results":1}"#] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }
}
