//! Connecting to a registered server, with the official client: over Streamable HTTP, within limits on time and size.
//!
//! What the other side answers is foreign: none of it goes into the log, and into a result only names and descriptions,
//! clipped. The credential goes into a header of the request, marked as secret, and nowhere else: redirects are not followed.

use std::error::Error as _;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rmcp::model::{
    CallToolRequestParams, ContentBlock, JsonObject, PaginatedRequestParams, ResourceContents,
};
use rmcp::service::{ClientInitializeError, RoleClient, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::asking::AskTarget;
use crate::servers::Target;

/// How long a test takes at most.
const LONGEST_TEST: Duration = Duration::from_secs(10);
/// How long a question takes at most.
const LONGEST_QUESTION: Duration = Duration::from_secs(15);
/// The most texts of an answer to a question, and the most characters of each.
const MOST_ANSWERS: usize = 10;
const LONGEST_ANSWER: usize = 8000;
/// How long the farewell takes at most.
const LONGEST_FAREWELL: Duration = Duration::from_secs(1);
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// The longest single answer, in bytes.
const LARGEST_ANSWER: usize = 1 << 20;
/// The most tools that are listed, and the most pages they are asked for in.
const MOST_TOOLS: usize = 200;
const MOST_PAGES: usize = 20;
/// Characters of a foreign text that are shown.
const LONGEST_TEXT: usize = 300;

/// What a test of a server has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = McpServerTest)]
pub struct Found {
    /// Whether the server can be used.
    pub works: bool,
    /// Why not, and what to do; null where it works.
    pub problem: Option<String>,
    /// What the server calls itself, with its version.
    pub server: Option<String>,
    /// The revision of the protocol that was agreed on.
    pub protocol: Option<String>,
    /// Its tools, the first 200.
    pub tools: Vec<Tool>,
    /// Whether it has more tools than are listed.
    pub more_tools: bool,
    /// How long it took.
    pub milliseconds: u64,
}

/// A tool of a server, in that server's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = McpServerTool)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: Option<String>,
}

/// Connects, introduces itself, asks for the tools, and takes its leave.
pub async fn test(target: &Target) -> Found {
    let begun = Instant::now();
    let mut found = Found {
        works: false,
        problem: None,
        server: None,
        protocol: None,
        tools: Vec::new(),
        more_tools: false,
        milliseconds: 0,
    };
    let asked = tokio::time::timeout(LONGEST_TEST, look(target, &mut found)).await;
    match asked {
        Ok(Ok(())) => found.works = true,
        Ok(Err(problem)) => found.problem = Some(problem),
        Err(_elapsed) => found.problem = Some(late(LONGEST_TEST)),
    }
    found.milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    found
}

/// Puts a question to a server: calls the one tool it may be asked by, and returns the texts of its answer, at most 10 of at
/// most 8,000 characters each. They are foreign: data, never instructions. An error says what to do, in words of ours.
pub async fn ask(target: &AskTarget, query: &str) -> Result<Vec<String>, String> {
    let asked = tokio::time::timeout(LONGEST_QUESTION, call(target, query)).await;
    asked
        .unwrap_or_else(|_elapsed| Err(late(LONGEST_QUESTION)))
        .map_err(|problem| format!("the MCP server {} cannot be asked: {problem}", target.name))
}

async fn call(target: &AskTarget, query: &str) -> Result<Vec<String>, String> {
    let mut service = connect(&target.server, LONGEST_QUESTION).await?;
    let arguments = JsonObject::from_iter([(target.argument.clone(), query.into())]);
    let request = CallToolRequestParams::new(target.tool.clone()).with_arguments(arguments);
    let answered = service.call_tool(request).await;
    let _left = service.close_with_timeout(LONGEST_FAREWELL).await;
    let result = answered.map_err(|error| match &error {
        ServiceError::TransportSend(fault) => cause(fault.error.as_ref()),
        ServiceError::McpError(_) => format!(
            "it refuses the tool {} or its argument {}: look at its tools with `wenyuan mcp-servers test`",
            target.tool, target.argument
        ),
        _ => "it answers, and not with what a tool finds: see its own log".to_owned(),
    })?;
    if result.is_error == Some(true) {
        return Err(format!("its tool {} failed: see its own log", target.tool));
    }
    let texts = result.content.into_iter().filter_map(|block| match block {
        ContentBlock::Text(text) => Some(text.text),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { text, .. } => Some(text),
            _ => None,
        },
        _ => None,
    });
    let texts = texts.map(|text| clean(&text)).filter(|text| !text.trim().is_empty());
    Ok(texts.take(MOST_ANSWERS).collect())
}

fn late(after: Duration) -> String {
    format!(
        "it did not answer within {} seconds: look whether the address is right and the server well",
        after.as_secs()
    )
}

async fn look(target: &Target, found: &mut Found) -> Result<(), String> {
    let mut service = connect(target, LONGEST_TEST).await?;
    let listed = list(&service, found).await;
    // A server that keeps sessions is told that this one is over; whether it hears is its own affair.
    let _left = service.close_with_timeout(LONGEST_FAREWELL).await;
    listed
}

async fn connect(target: &Target, longest: Duration) -> Result<RunningService<RoleClient, ()>, String> {
    let client = reqwest::Client::builder()
        .default_headers(headers(target)?)
        .redirect(Policy::none())
        // The endpoint and nobody else is shown the credential.
        .no_proxy()
        .connect_timeout(LONGEST_CONNECT)
        .timeout(longest)
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|_no_client| {
            "no TLS client can be made on this machine: see to its root certificates".to_owned()
        })?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(target.endpoint.as_str());
    config.max_json_response_size = LARGEST_ANSWER;
    config.max_sse_event_size = LARGEST_ANSWER;
    config.max_error_response_size = 1024;
    config.reinit_on_expired_session = false;
    let transport = StreamableHttpClientTransport::with_client(client, config);
    rmcp::serve_client((), transport).await.map_err(|error| refusal(&error))
}

fn headers(target: &Target) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    if let Some(api_key) = &target.api_key {
        let unusable = |_bytes| "the API key holds characters that no header can: give it again".to_owned();
        let (name, value) = match &target.header {
            Some(name) => (name.clone(), HeaderValue::from_str(api_key)),
            None => (AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {}", api_key.as_str()))),
        };
        let mut value = value.map_err(unusable)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

async fn list(service: &RunningService<RoleClient, ()>, found: &mut Found) -> Result<(), String> {
    if let Some(info) = service.peer_info() {
        found.protocol = Some(clipped(&info.protocol_version.to_string()));
        found.server =
            info.server_info.as_ref().map(|server| clipped(&format!("{} {}", server.name, server.version)));
        if info.capabilities.tools.is_none() {
            return Ok(());
        }
    }
    let mut cursor = None;
    for _page in 0..MOST_PAGES {
        let asked = PaginatedRequestParams::default().with_cursor(cursor.take());
        let page = service.list_tools(Some(asked)).await.map_err(|error| match &error {
            ServiceError::TransportSend(fault) => cause(fault.error.as_ref()),
            _ => "it answers, and cannot list its tools: see its own log".to_owned(),
        })?;
        for tool in page.tools {
            if found.tools.len() == MOST_TOOLS {
                found.more_tools = true;
                return Ok(());
            }
            let description = tool.description.as_deref().map(clipped);
            found.tools.push(Tool { name: clipped(&tool.name), description });
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
    found.more_tools = true;
    Ok(())
}

/// Why a server did not become one, in words of ours.
fn refusal(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => cause(error.error.as_ref()),
        ClientInitializeError::JsonRpcError(_)
        | ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            "it speaks MCP, and refuses the protocol's revision or the introduction: see its own log"
                .to_owned()
        }
        _ => not_mcp(),
    }
}

fn not_mcp() -> String {
    "what answers there does not speak MCP over Streamable HTTP: look whether the path is right (often /mcp)"
        .to_owned()
}

/// Why a request failed. The other side's own words are left out: they may repeat what was shown to it.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut link = Some(error);
    while let Some(current) = link {
        if let Some(fault) = current.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            match fault {
                StreamableHttpError::Client(fault) => return of_http(fault),
                StreamableHttpError::AuthRequired(_) => return of_status(401),
                StreamableHttpError::InsufficientScope(_) => return of_status(403),
                StreamableHttpError::HttpStatus(fault) => return of_status(fault.status),
                StreamableHttpError::ResponseBodyTooLarge { .. } | StreamableHttpError::Sse(_) => {
                    return format!(
                        "its answer is broken, or larger than the {} KiB that are read",
                        LARGEST_ANSWER / 1024
                    );
                }
                StreamableHttpError::UnexpectedServerResponse(text) => {
                    // The client says the status in words alone: "HTTP 401 Unauthorized: …".
                    let status = text.strip_prefix("HTTP ").and_then(|rest| rest.get(..3)?.parse().ok());
                    return status.map_or_else(not_mcp, of_status);
                }
                _ => return not_mcp(),
            }
        }
        if let Some(fault) = current.downcast_ref::<reqwest::Error>() {
            return of_http(fault);
        }
        link = current.source();
    }
    not_mcp()
}

fn of_status(status: u16) -> String {
    match status {
        401 => "it wants another API key, or one at all (401): give it the right one".to_owned(),
        403 => "it knows the API key and does not allow this (403), or refuses this server's address: ask who runs it".to_owned(),
        404 => "there is nothing at this path (404): look whether it is right (often /mcp)".to_owned(),
        429 => "it has had too many requests (429): try again later".to_owned(),
        300..=399 => format!(
            "it sends us elsewhere ({status}), and the API key is not carried there: enter the address it sends to as the \
             endpoint"
        ),
        500..=599 => format!("it failed (status {status}): see its own log"),
        _ => format!("it refused (status {status}): look whether the address is that of an MCP server"),
    }
}

fn of_http(fault: &reqwest::Error) -> String {
    if fault.is_timeout() {
        return "it did not answer in time: look whether the address is right and the server well".to_owned();
    }
    if let Some(status) = fault.status() {
        return of_status(status.as_u16());
    }
    let mut words = String::new();
    let mut link = fault.source();
    while let Some(current) = link {
        words = current.to_string();
        link = current.source();
    }
    // The innermost cause is the operating system's or the TLS library's, and holds nothing that was sent.
    let words = clipped(&words);
    if fault.is_connect() {
        format!(
            "no connection could be made ({words}): look whether the address is right, the server runs and its certificate is good"
        )
    } else {
        format!("the connection broke ({words}): try again, and see the server's own log")
    }
}

/// A foreign text, without control characters and not too long.
fn clipped(text: &str) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut short: String = plain.take(LONGEST_TEXT).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        short.push('…');
    }
    short
}

/// A foreign text that is read by more than eyes: its lines stay, other control characters go, and it is not too long.
fn clean(text: &str) -> String {
    let kept = text.chars().filter(|letter| matches!(letter, '\n' | '\t') || !letter.is_control());
    kept.take(LONGEST_ANSWER).collect()
}
