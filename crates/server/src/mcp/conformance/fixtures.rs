//! Tools, resources and prompts that the scenarios of the conformance suite call, as the suite's documentation describes them.
//!
//! They are written as JSON, since the suite compares JSON, and have no connection with the library.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, CompleteRequestParams,
    CompleteResult, CustomRequest, CustomResult, ErrorCode, GetPromptRequestParams, GetPromptResponse,
    GetPromptResult, Implementation, InitializeRequestParams, InitializeResult, InputRequiredResult,
    InputResponses, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
    PaginatedRequestParams, Prompt, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
    Resource, ResourceTemplate, ServerCapabilities, ServerConfig, ServerRequest, SubscribeRequestParams,
    Tool, UnsubscribeRequestParams,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::mcp::{is_older, unreadable_request};

/// An image of one pixel, and a sound without samples (base64).
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/// State that the client must send back unchanged.
const STATE: &str = "wenyuan-fixture-state-1";
const SECOND_STATE: &str = "wenyuan-fixture-state-2";

/// Tools that take no arguments.
const TOOLS_WITHOUT_ARGUMENTS: [&str; 21] = [
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
    "test_tool_with_progress",
    "test_tool_with_logging",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
];

/// MCP server that offers the fixtures.
#[derive(Clone)]
pub(super) struct FixtureServer;

impl ServerHandler for FixtureServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_prompts()
            .enable_resources()
            .enable_tools()
            .build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("fixtures", "1"))
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let mut result = self.negotiate_initialize(&request)?;
        result.capabilities = from_json(json!({
            "completions": {}, "logging": {}, "prompts": {}, "resources": { "subscribe": true }, "tools": {},
        }))?;
        Ok(result)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match self.get_tool(&request.name) {
            Some(_) => call(request, context).await,
            None => Err(ErrorData::invalid_params("unknown tool", None)),
        }
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources()))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(vec![template()]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let result = read(&request.uri);
        result.map(ReadResourceResponse::from).ok_or_else(|| {
            ErrorData::resource_not_found("unknown resource", Some(json!({ "uri": request.uri })))
        })
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompt(&request).unwrap_or_else(|| Err(ErrorData::invalid_params("unknown prompt", None)))
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(CompleteResult::default())
    }

    #[expect(deprecated, reason = "the older revisions have it")]
    async fn set_level(
        &self,
        _request: rmcp::model::SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        only_older("logging/setLevel", &context)
    }

    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        only_older("resources/subscribe", &context)
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        only_older("resources/unsubscribe", &context)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(unreadable_request(&request, &context))
    }
}

/// Accepts a method that the revision 2026-07-28 removed.
fn only_older(method: &'static str, context: &RequestContext<RoleServer>) -> Result<(), ErrorData> {
    if is_older(context) { Ok(()) } else { Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None)) }
}

/// Tools.
fn tools() -> Vec<Tool> {
    let empty = json!({ "type": "object", "properties": {} });
    let one = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
    let mut described: Vec<(&str, Value)> =
        TOOLS_WITHOUT_ARGUMENTS.iter().map(|name| (*name, empty.clone())).collect();
    described.push(("test_sampling", one("prompt")));
    described.push(("test_elicitation", one("message")));
    described.push(("json_schema_2020_12_tool", schema_2020_12()));
    let described = described.into_iter().map(|(name, schema)| {
        from_json(json!({ "name": name, "description": "For the conformance suite.", "inputSchema": schema }))
    });
    described.filter_map(Result::ok).collect()
}

fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
        } },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

/// Calls a tool.
#[expect(clippy::too_many_lines, reason = "one arm a tool of the suite")]
async fn call(
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    if let Some(name) = request.name.strip_prefix("test_input_required_result_") {
        return call_with_input(name, &request, &context);
    }
    let argument = |name: &str| {
        let value = request.arguments.as_ref().and_then(|arguments| arguments.get(name));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let image = json!({ "type": "image", "data": PNG, "mimeType": "image/png" });
    match &*request.name {
        "test_image_content" => blocks(json!([image])),
        "test_audio_content" => blocks(json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }])),
        "test_embedded_resource" => blocks(json!([{ "type": "resource", "resource": {
            "uri": "test://embedded-resource",
            "mimeType": "text/plain",
            "text": "This is an embedded resource content.",
        } }])),
        "test_multiple_content_types" => blocks(json!([
            { "type": "text", "text": "Multiple content types test:" },
            image,
            { "type": "resource", "resource": {
                "uri": "test://mixed-content-resource",
                "mimeType": "application/json",
                "text": "{\"test\":\"data\",\"value\":123}",
            } },
        ])),
        "test_error_handling" => {
            let text = "This tool intentionally returns an error for testing";
            Ok(CallToolResult::error(from_json(json!([{ "type": "text", "text": text }]))?).into())
        }
        "test_tool_with_progress" => {
            if let Some(token) = context.meta.get_progress_token() {
                for progress in [0, 50, 100] {
                    let params = json!({ "progressToken": token, "progress": progress, "total": 100 });
                    sent(context.peer.notify_progress(from_json(params)?).await)?;
                    pause().await;
                }
            }
            text("Tool with progress executed successfully")
        }
        "test_tool_with_logging" => {
            for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                log(&context, text).await?;
                pause().await;
            }
            text("Tool with logging executed successfully")
        }
        "test_sampling" => {
            let params = json!({ "messages": [message(&argument("prompt"))], "maxTokens": 100 });
            let answer = request_client(&context, "sampling/createMessage", &params).await?;
            text(&format!("LLM response: {}", answer["content"]["text"].as_str().unwrap_or_default()))
        }
        "test_elicitation" => {
            let schema = json!({
                "type": "object",
                "properties": {
                    "username": { "type": "string", "description": "User's response" },
                    "email": { "type": "string", "description": "User's email address" },
                },
                "required": ["username", "email"],
            });
            elicit(&context, &argument("message"), schema, "User response: ").await
        }
        "test_elicitation_sep1034_defaults" => {
            let schema = json!({ "type": "object", "properties": {
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
                "verified": { "type": "boolean", "default": true },
            } });
            elicit(&context, "Please review the defaults", schema, "Elicitation completed: ").await
        }
        "test_elicitation_sep1330_enums" => {
            let titled = |word: &str| {
                json!([
                    { "const": "value1", "title": format!("First {word}") },
                    { "const": "value2", "title": format!("Second {word}") },
                    { "const": "value3", "title": format!("Third {word}") },
                ])
            };
            let schema = json!({ "type": "object", "properties": {
                "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
                "titledSingle": { "type": "string", "oneOf": titled("Option") },
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {
                    "type": "array",
                    "items": { "type": "string", "enum": ["option1", "option2", "option3"] },
                },
                "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
            } });
            elicit(&context, "Please choose", schema, "Elicitation completed: ").await
        }
        "test_missing_capability" => {
            let declares =
                context.client_capabilities().is_some_and(|client| json!(client)["sampling"].is_object());
            if !declares {
                let needed: ClientCapabilities = from_json(json!({ "sampling": {} }))?;
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            text("The client has declared sampling")
        }
        _ => text("This is a simple text response for testing."),
    }
}

/// Calls a tool of 2026-07-28 that requests input of the client, which repeats the call with it.
fn call_with_input(
    name: &str,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let answers = Answers(request.input_responses.as_ref());
    let state = request.request_state.as_deref();
    if state.is_some_and(|state| state != STATE && state != SECOND_STATE) {
        return Err(ErrorData::invalid_params("unknown request state", None));
    }
    let ok = || form("Please confirm", "ok", "boolean");
    match name {
        "elicitation" => match answers.accepted("user_name", "name") {
            Some(user) => text(&format!("Hello, {user}!")),
            None => ask(&json!({ "user_name": form("What is your name?", "name", "string") }), None),
        },
        "sampling" => match answers.text("capital_question") {
            Some(answer) => text(&answer),
            None => {
                ask(&json!({ "capital_question": sampling("What is the capital of France?", 100) }), None)
            }
        },
        "list_roots" => match answers.roots("client_roots") {
            Some(roots) => text(&roots),
            None => ask(&json!({ "client_roots": { "method": "roots/list", "params": {} } }), None),
        },
        "request_state" | "tampered_state" => match (state, answers.accepted("confirm", "ok")) {
            (Some(STATE), Some(_)) => text("state-ok"),
            _ => ask(&json!({ "confirm": ok() }), Some(STATE)),
        },
        "multiple_inputs" => {
            match (
                answers.accepted("user_name", "name"),
                answers.text("greeting"),
                answers.roots("client_roots"),
            ) {
                (Some(user), Some(greeting), Some(roots)) => text(&format!("{greeting} {user}: {roots}")),
                _ => ask(
                    &json!({
                        "user_name": form("What is your name?", "name", "string"),
                        "greeting": sampling("Generate a greeting", 50),
                        "client_roots": { "method": "roots/list", "params": {} },
                    }),
                    Some(STATE),
                ),
            }
        }
        "multi_round" => match (answers.accepted("step1", "name"), answers.accepted("step2", "color")) {
            (_, Some(color)) if state == Some(SECOND_STATE) => {
                text(&format!("Your favorite color is {color}"))
            }
            (Some(_), _) if state == Some(STATE) => ask(
                &json!({ "step2": form("Step 2: What is your favorite color?", "color", "string") }),
                Some(SECOND_STATE),
            ),
            _ => ask(&json!({ "step1": form("Step 1: What is your name?", "name", "string") }), Some(STATE)),
        },
        _ => {
            let declared = json!(context.client_capabilities());
            if declared["sampling"].is_object() {
                ask(&json!({ "question": sampling("May I ask?", 50) }), None)
            } else if declared["elicitation"].is_object() {
                ask(&json!({ "question": form("May I ask?", "answer", "string") }), None)
            } else {
                text("The client supports no requests")
            }
        }
    }
}

/// Input that the client sends with a repeated call.
struct Answers<'answers>(Option<&'answers InputResponses>);

impl Answers<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0?.get(key)
    }

    fn accepted(&self, key: &str, field: &str) -> Option<String> {
        let answer = self.get(key)?;
        if answer["action"] != "accept" {
            return None;
        }
        match &answer["content"][field] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key)?["content"]["text"].as_str().map(str::to_owned)
    }

    fn roots(&self, key: &str) -> Option<String> {
        self.get(key)?["roots"].as_array().map(|roots| json!(roots).to_string())
    }
}

fn form(message: &str, field: &str, kind: &str) -> Value {
    json!({ "method": "elicitation/create", "params": {
        "mode": "form",
        "message": message,
        "requestedSchema": { "type": "object", "properties": { field: { "type": kind } }, "required": [field] },
    } })
}

fn sampling(question: &str, tokens: u32) -> Value {
    json!({ "method": "sampling/createMessage", "params": { "messages": [message(question)], "maxTokens": tokens } })
}

fn message(message: &str) -> Value {
    json!({ "role": "user", "content": { "type": "text", "text": message } })
}

fn ask(requests: &Value, state: Option<&str>) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResponse::InputRequired(required(requests, state)?))
}

fn required(requests: &Value, state: Option<&str>) -> Result<InputRequiredResult, ErrorData> {
    let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        result["requestState"] = json!(state);
    }
    from_json(result)
}

/// Sends a request to the client within the call; only the older revisions allow that, and only with a session.
async fn request_client(
    context: &RequestContext<RoleServer>,
    method: &str,
    params: &Value,
) -> Result<Value, ErrorData> {
    let request: ServerRequest = from_json(json!({ "method": method, "params": params }))?;
    Ok(json!(sent(context.peer.send_request(request).await)?))
}

async fn elicit(
    context: &RequestContext<RoleServer>,
    message: &str,
    schema: Value,
    before: &str,
) -> Result<CallToolResponse, ErrorData> {
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let answer = request_client(context, "elicitation/create", &params).await?;
    let action = answer["action"].as_str().unwrap_or_default();
    text(&format!("{before}action={action}, content={}", answer["content"]))
}

#[expect(deprecated, reason = "the suite asks for it")]
async fn log(context: &RequestContext<RoleServer>, message: &str) -> Result<(), ErrorData> {
    let params = json!({ "level": "info", "data": message });
    sent(context.peer.notify_logging_message(from_json(params)?).await)
}

async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}

/// Resources.
fn resources() -> Vec<Resource> {
    [
        ("test://static-text", "text/plain"),
        ("test://static-binary", "image/png"),
        ("test://watched-resource", "text/plain"),
    ]
    .into_iter()
    .map(|(uri, kind)| {
        Resource::new(uri, uri).with_description("For the conformance suite.").with_mime_type(kind)
    })
    .collect()
}

/// Resource template.
fn template() -> ResourceTemplate {
    ResourceTemplate::new("test://template/{id}/data", "template")
        .with_description("For the conformance suite.")
        .with_mime_type("application/json")
}

/// Reads a resource.
fn read(uri: &str) -> Option<ReadResourceResult> {
    let content = if let Some(id) =
        uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"))
    {
        let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
        json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
    } else {
        match uri {
            "test://static-text" | "test://watched-resource" => json!({
                "uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource.",
            }),
            "test://static-binary" => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
            _ => return None,
        }
    };
    Some(ReadResourceResult::new(from_json(json!([content])).ok()?))
}

/// Prompts.
fn prompts() -> Vec<Prompt> {
    let argument = |name: &str| json!({ "name": name, "description": "An argument.", "required": true });
    let described = [
        ("test_simple_prompt", json!([])),
        ("test_prompt_with_arguments", json!([argument("arg1"), argument("arg2")])),
        ("test_prompt_with_embedded_resource", json!([argument("resourceUri")])),
        ("test_prompt_with_image", json!([])),
        ("test_input_required_result_prompt", json!([])),
    ];
    let described = described.into_iter().map(|(name, arguments)| {
        from_json(
            json!({ "name": name, "description": "For the conformance suite.", "arguments": arguments }),
        )
    });
    described.filter_map(Result::ok).collect()
}

/// Returns a prompt by name.
fn prompt(request: &GetPromptRequestParams) -> Option<Result<GetPromptResponse, ErrorData>> {
    let argument = |name: &str| {
        let value = request.arguments.as_ref().and_then(|arguments| arguments.get(name));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let messages = match request.name.as_str() {
        "test_simple_prompt" => json!([message("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => {
            json!([message(&format!(
                "Prompt with arguments: arg1='{}', arg2='{}'",
                argument("arg1"),
                argument("arg2")
            ))])
        }
        "test_prompt_with_embedded_resource" => json!([
            { "role": "user", "content": { "type": "resource", "resource": {
                "uri": argument("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            } } },
            message("Please process the embedded resource above."),
        ]),
        "test_prompt_with_image" => json!([
            { "role": "user", "content": { "type": "image", "data": PNG, "mimeType": "image/png" } },
            message("Please analyze the image above."),
        ]),
        "test_input_required_result_prompt" => {
            let answers = Answers(request.input_responses.as_ref());
            let Some(answer) = answers.accepted("user_context", "context") else {
                let question = form("What context should the prompt use?", "context", "string");
                let params = json!({ "user_context": question });
                return Some(required(&params, None).map(GetPromptResponse::InputRequired));
            };
            json!([message(&format!("The context is: {answer}"))])
        }
        _ => return None,
    };
    Some(from_json(messages).map(|messages| GetPromptResult::new(messages).into()))
}

fn text(message: &str) -> Result<CallToolResponse, ErrorData> {
    blocks(json!([{ "type": "text", "text": message }]))
}

fn blocks(content: Value) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResult::success(from_json(content)?).into())
}

fn sent<T>(result: Result<T, rmcp::ServiceError>) -> Result<T, ErrorData> {
    result.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn from_json<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
