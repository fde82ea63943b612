//! MCP client of the registered servers (Streamable HTTP, the official SDK), with limits on time and size.
//!
//! Answers are untrusted. They are never logged; a [`TestReport`] holds only names and descriptions, shortened, and problems
//! are described in our own words, because a server may repeat the credential it was sent. The credential is sent in one
//! header, marked as sensitive; redirects are not followed, so it reaches the endpoint only.

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

use crate::servers::ServerTarget;
use crate::tool_call::ToolTarget;

/// Time limit of a test.
const TEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of a tool call.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_RESPONSE_BYTES: usize = 1 << 20;
const MAX_ERROR_RESPONSE_BYTES: usize = 1024;
/// Bounds of a tool's result: texts, and characters of each.
const MAX_RESULT_TEXTS: usize = 10;
const MAX_RESULT_TEXT_CHARS: usize = 8000;
/// Bounds of a list of tools: tools, and pages requested.
const MAX_TOOLS: usize = 200;
const MAX_TOOL_PAGES: usize = 20;
/// Characters of a name, description or cause that are shown.
const MAX_LABEL_CHARS: usize = 300;

/// Result of a connection test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = McpServerTest)]
pub struct TestReport {
    /// Whether the server can be used.
    pub works: bool,
    /// Why the test failed, and what to do; null if the server works.
    pub problem: Option<String>,
    /// Name and version that the server reports.
    pub server: Option<String>,
    /// Negotiated protocol version.
    pub protocol: Option<String>,
    /// First 200 tools.
    pub tools: Vec<Tool>,
    /// Whether the server has more tools than are listed.
    pub more_tools: bool,
    /// Duration of the test in milliseconds.
    pub milliseconds: u64,
}

/// Tool of a server, as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = McpServerTool)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// Description.
    pub description: Option<String>,
}

/// Connects to a server, initializes the protocol and lists the tools, within 10 seconds.
pub async fn test(target: &ServerTarget) -> TestReport {
    let started = Instant::now();
    let mut report = TestReport {
        works: false,
        problem: None,
        server: None,
        protocol: None,
        tools: Vec::new(),
        more_tools: false,
        milliseconds: 0,
    };
    match tokio::time::timeout(TEST_TIMEOUT, fill_report(target, &mut report)).await {
        Ok(Ok(())) => report.works = true,
        Ok(Err(problem)) => report.problem = Some(problem),
        Err(_elapsed) => report.problem = Some(timed_out(TEST_TIMEOUT)),
    }
    report.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    report
}

/// Calls the tool of a server with a question, within 15 seconds, and returns the texts of the result: at most 10, of at
/// most 8000 characters each. The texts are untrusted data, never instructions.
///
/// # Errors
///
/// If the server cannot be reached or the tool fails. The text says what to do and holds nothing that the server sent.
pub async fn call_tool(target: &ToolTarget, question: &str) -> Result<Vec<String>, String> {
    tokio::time::timeout(CALL_TIMEOUT, connect_and_call(target, question))
        .await
        .unwrap_or_else(|_elapsed| Err(timed_out(CALL_TIMEOUT)))
        .map_err(|problem| format!("the MCP server {} cannot be asked: {problem}", target.name))
}

async fn connect_and_call(target: &ToolTarget, question: &str) -> Result<Vec<String>, String> {
    let mut service = connect(&target.server, CALL_TIMEOUT).await?;
    let arguments = JsonObject::from_iter([(target.argument.clone(), question.into())]);
    let request = CallToolRequestParams::new(target.tool.clone()).with_arguments(arguments);
    let response = service.call_tool(request).await;
    let _closed = service.close_with_timeout(CLOSE_TIMEOUT).await;
    let result = response.map_err(|error| match &error {
        ServiceError::TransportSend(source) => describe(source.error.as_ref()),
        ServiceError::McpError(_) => format!(
            "it refuses the tool {} or its argument {}: list its tools with `wenyuan mcp-servers test`",
            target.tool, target.argument
        ),
        _ => "its answer is not a tool result: check its log".to_owned(),
    })?;
    if result.is_error == Some(true) {
        return Err(format!("its tool {} failed: check its log", target.tool));
    }
    let texts = result.content.into_iter().filter_map(|block| match block {
        ContentBlock::Text(text) => Some(text.text),
        ContentBlock::Resource(resource) => match resource.resource {
            ResourceContents::TextResourceContents { text, .. } => Some(text),
            _ => None,
        },
        _ => None,
    });
    let texts = texts.map(|text| sanitize(&text)).filter(|text| !text.trim().is_empty());
    Ok(texts.take(MAX_RESULT_TEXTS).collect())
}

fn timed_out(limit: Duration) -> String {
    format!(
        "it did not answer within {} seconds: check that the address is right and the server is running",
        limit.as_secs()
    )
}

async fn fill_report(target: &ServerTarget, report: &mut TestReport) -> Result<(), String> {
    let mut service = connect(target, TEST_TIMEOUT).await?;
    let listed = list_tools(&service, report).await;
    // Ends the session on servers that keep one. Whether that succeeds does not affect the test.
    let _closed = service.close_with_timeout(CLOSE_TIMEOUT).await;
    listed
}

async fn connect(target: &ServerTarget, timeout: Duration) -> Result<RunningService<RoleClient, ()>, String> {
    let client = reqwest::Client::builder()
        .default_headers(headers(target)?)
        .redirect(Policy::none())
        // A proxy would see the credential.
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(timeout)
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|_no_client| {
            "this machine cannot create a TLS client: check its root certificates".to_owned()
        })?;
    let mut config = StreamableHttpClientTransportConfig::with_uri(target.endpoint.as_str());
    config.max_json_response_size = MAX_RESPONSE_BYTES;
    config.max_sse_event_size = MAX_RESPONSE_BYTES;
    config.max_error_response_size = MAX_ERROR_RESPONSE_BYTES;
    config.reinit_on_expired_session = false;
    let transport = StreamableHttpClientTransport::with_client(client, config);
    rmcp::serve_client((), transport).await.map_err(|error| describe_initialization(&error))
}

fn headers(target: &ServerTarget) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    if let Some(api_key) = &target.api_key {
        let unusable =
            |_bytes| "the API key holds characters that cannot be sent in a header: set it again".to_owned();
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

async fn list_tools(service: &RunningService<RoleClient, ()>, report: &mut TestReport) -> Result<(), String> {
    if let Some(info) = service.peer_info() {
        report.protocol = Some(shorten(&info.protocol_version.to_string()));
        report.server =
            info.server_info.as_ref().map(|server| shorten(&format!("{} {}", server.name, server.version)));
        if info.capabilities.tools.is_none() {
            return Ok(());
        }
    }
    let mut cursor = None;
    for _page in 0..MAX_TOOL_PAGES {
        let params = PaginatedRequestParams::default().with_cursor(cursor.take());
        let page = service.list_tools(Some(params)).await.map_err(|error| match &error {
            ServiceError::TransportSend(source) => describe(source.error.as_ref()),
            _ => "it speaks MCP but cannot list its tools: check its log".to_owned(),
        })?;
        for tool in page.tools {
            if report.tools.len() == MAX_TOOLS {
                report.more_tools = true;
                return Ok(());
            }
            let description = tool.description.as_deref().map(shorten);
            report.tools.push(Tool { name: shorten(&tool.name), description });
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
    report.more_tools = true;
    Ok(())
}

/// Describes why the protocol could not be initialized.
fn describe_initialization(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => describe(error.error.as_ref()),
        ClientInitializeError::JsonRpcError(_)
        | ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            "it speaks MCP but refuses the protocol version or the initialization: check its log".to_owned()
        }
        _ => not_mcp(),
    }
}

fn not_mcp() -> String {
    "the endpoint does not speak MCP over Streamable HTTP: check the path (often /mcp)".to_owned()
}

/// Describes why a request failed. The server's own words are left out: they may repeat the credential.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(error) = current.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
            match error {
                StreamableHttpError::Client(error) => return describe_http(error),
                StreamableHttpError::AuthRequired(_) => return describe_status(401),
                StreamableHttpError::InsufficientScope(_) => return describe_status(403),
                StreamableHttpError::HttpStatus(error) => return describe_status(error.status),
                StreamableHttpError::ResponseBodyTooLarge { .. } | StreamableHttpError::Sse(_) => {
                    return format!(
                        "its answer is malformed, or larger than {} KiB",
                        MAX_RESPONSE_BYTES / 1024
                    );
                }
                StreamableHttpError::UnexpectedServerResponse(text) => {
                    // The SDK reports the status only in its text: "HTTP 401 Unauthorized: …".
                    let status = text.strip_prefix("HTTP ").and_then(|rest| rest.get(..3)?.parse().ok());
                    return status.map_or_else(not_mcp, describe_status);
                }
                _ => return not_mcp(),
            }
        }
        if let Some(error) = current.downcast_ref::<reqwest::Error>() {
            return describe_http(error);
        }
        next = current.source();
    }
    not_mcp()
}

fn describe_status(status: u16) -> String {
    match status {
        401 => "it refuses the API key, or requires one (401): set the right one".to_owned(),
        403 => "it accepts the API key but forbids this, or forbids this server's address (403): ask its operator".to_owned(),
        404 => "there is nothing at this path (404): check it (often /mcp)".to_owned(),
        429 => "it has received too many requests (429): try again later".to_owned(),
        300..=399 => format!(
            "it redirects ({status}), and the API key is not sent to another address: set the address it redirects to as the \
             endpoint"
        ),
        500..=599 => format!("it failed (status {status}): check its log"),
        _ => format!("it refused the request (status {status}): check that the address is that of an MCP server"),
    }
}

fn describe_http(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time: check that the address is right and the server is running"
            .to_owned();
    }
    if let Some(status) = error.status() {
        return describe_status(status.as_u16());
    }
    // The innermost cause is the operating system's or the TLS library's, and holds nothing that was sent.
    let mut cause = String::new();
    let mut next = error.source();
    while let Some(current) = next {
        cause = current.to_string();
        next = current.source();
    }
    let cause = shorten(&cause);
    if error.is_connect() {
        format!("no connection ({cause}): check the address, its certificate, and that the server is running")
    } else {
        format!("the connection broke ({cause}): try again, and check the server's log")
    }
}

/// Replaces the control characters of an untrusted text for display, and shortens it.
fn shorten(text: &str) -> String {
    let plain = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let mut short: String = plain.take(MAX_LABEL_CHARS).collect();
    if text.chars().nth(MAX_LABEL_CHARS).is_some() {
        short.push('…');
    }
    short
}

/// Removes the control characters of a tool's result except line breaks and tabs, and shortens it.
fn sanitize(text: &str) -> String {
    let characters =
        text.chars().filter(|character| matches!(character, '\n' | '\t') || !character.is_control());
    characters.take(MAX_RESULT_TEXT_CHARS).collect()
}
