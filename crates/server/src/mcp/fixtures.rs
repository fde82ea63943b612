//! Fixtures of the protocol's conformance suite (`@modelcontextprotocol/conformance`): empty tools, resources and prompts, in a mode
//! for tests only (`WENYUAN_MCP_FIXTURES=1`), which is refused unless the server listens on loopback.
//!
//! They are written as the suite describes them, as JSON: nothing here is a part of the library. Only this mode keeps sessions,
//! for the four scenarios of 2025-11-25 in which a server asks its client; the library asks nothing of its clients.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, InputRequiredResult, InputResponses, Prompt, ReadResourceResult,
    Resource, ResourceTemplate, ServerCapabilities, ServerRequest, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A picture of one pixel, and a sound of no samples.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

/// State that the client must send back unchanged.
const STATE: &str = "wenyuan-fixture-state-1";
const SECOND_STATE: &str = "wenyuan-fixture-state-2";

/// The tools that take no arguments.
const PLAIN: [&str; 21] = [
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

/// Capabilities declared to clients that begin with `initialize`.
pub(super) fn older_capabilities() -> Result<ServerCapabilities, ErrorData> {
    made(json!({
        "completions": {}, "logging": {}, "prompts": {}, "resources": { "subscribe": true }, "tools": {},
    }))
}

/// The tools.
pub(super) fn tools() -> Vec<Tool> {
    let nothing = json!({ "type": "object", "properties": {} });
    let one = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
    let mut described: Vec<(&str, Value)> = PLAIN.iter().map(|name| (*name, nothing.clone())).collect();
    described.push(("test_sampling", one("prompt")));
    described.push(("test_elicitation", one("message")));
    described.push(("json_schema_2020_12_tool", dialect()));
    let described = described.into_iter().map(|(name, schema)| {
        made(json!({ "name": name, "description": "For the conformance suite.", "inputSchema": schema }))
    });
    described.filter_map(Result::ok).collect()
}

/// The tool of this name.
pub(super) fn tool(name: &str) -> Option<Tool> {
    tools().into_iter().find(|tool| tool.name == name)
}

fn dialect() -> Value {
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
pub(super) async fn call(
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    if let Some(name) = request.name.strip_prefix("test_input_required_result_") {
        return in_rounds(name, &request, &context);
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
            let words = "This tool intentionally returns an error for testing";
            Ok(CallToolResult::error(made(json!([{ "type": "text", "text": words }]))?).into())
        }
        "test_tool_with_progress" => {
            if let Some(token) = context.meta.get_progress_token() {
                for progress in [0, 50, 100] {
                    let told = json!({ "progressToken": token, "progress": progress, "total": 100 });
                    sent(context.peer.notify_progress(made(told)?).await)?;
                    pause().await;
                }
            }
            text("Tool with progress executed successfully")
        }
        "test_tool_with_logging" => {
            for words in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                log(&context, words).await?;
                pause().await;
            }
            text("Tool with logging executed successfully")
        }
        "test_sampling" => {
            let asked = json!({ "messages": [message(&argument("prompt"))], "maxTokens": 100 });
            let answer = asked_of_client(&context, "sampling/createMessage", &asked).await?;
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
                let needed: ClientCapabilities = made(json!({ "sampling": {} }))?;
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            text("The client has declared sampling")
        }
        _ => text("This is a simple text response for testing."),
    }
}

/// The tools of 2026-07-28 that want something of the client, and are called again with it.
fn in_rounds(
    name: &str,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let answers = Answers(request.input_responses.as_ref());
    let state = request.request_state.as_deref();
    if state.is_some_and(|state| state != STATE && state != SECOND_STATE) {
        return Err(ErrorData::invalid_params("the state is not the one that was given", None));
    }
    let ok = || form("Please confirm", "ok", "boolean");
    match name {
        "elicitation" => match answers.accepted("user_name", "name") {
            Some(user) => text(&format!("Hello, {user}!")),
            None => ask(&json!({ "user_name": form("What is your name?", "name", "string") }), None),
        },
        "sampling" => match answers.said("capital_question") {
            Some(words) => text(&words),
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
                answers.said("greeting"),
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
                ask(&json!({ "question": sampling("What may I ask?", 50) }), None)
            } else if declared["elicitation"].is_object() {
                ask(&json!({ "question": form("What may I ask?", "answer", "string") }), None)
            } else {
                text("The client can be asked nothing")
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

    fn said(&self, key: &str) -> Option<String> {
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

fn message(words: &str) -> Value {
    json!({ "role": "user", "content": { "type": "text", "text": words } })
}

fn ask(requests: &Value, state: Option<&str>) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResponse::InputRequired(required(requests, state)?))
}

fn required(requests: &Value, state: Option<&str>) -> Result<InputRequiredResult, ErrorData> {
    let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        result["requestState"] = json!(state);
    }
    made(result)
}

/// Asks the client within the call: the older revisions only, and only with a session.
async fn asked_of_client(
    context: &RequestContext<RoleServer>,
    method: &str,
    params: &Value,
) -> Result<Value, ErrorData> {
    let request: ServerRequest = made(json!({ "method": method, "params": params }))?;
    Ok(json!(sent(context.peer.send_request(request).await)?))
}

async fn elicit(
    context: &RequestContext<RoleServer>,
    words: &str,
    schema: Value,
    before: &str,
) -> Result<CallToolResponse, ErrorData> {
    let asked = json!({ "mode": "form", "message": words, "requestedSchema": schema });
    let answer = asked_of_client(context, "elicitation/create", &asked).await?;
    let action = answer["action"].as_str().unwrap_or_default();
    text(&format!("{before}action={action}, content={}", answer["content"]))
}

#[expect(deprecated, reason = "the suite asks for it")]
async fn log(context: &RequestContext<RoleServer>, words: &str) -> Result<(), ErrorData> {
    let told = json!({ "level": "info", "data": words });
    sent(context.peer.notify_logging_message(made(told)?).await)
}

async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}

/// The resources.
pub(super) fn resources() -> Vec<Resource> {
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

/// The template.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new("test://template/{id}/data", "template")
        .with_description("For the conformance suite.")
        .with_mime_type("application/json")
}

/// Reads a resource.
pub(super) fn read(uri: &str) -> Option<ReadResourceResult> {
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
    Some(ReadResourceResult::new(made(json!([content])).ok()?))
}

/// The prompts.
pub(super) fn prompts() -> Vec<Prompt> {
    let argument = |name: &str| json!({ "name": name, "description": "An argument.", "required": true });
    let described = [
        ("test_simple_prompt", json!([])),
        ("test_prompt_with_arguments", json!([argument("arg1"), argument("arg2")])),
        ("test_prompt_with_embedded_resource", json!([argument("resourceUri")])),
        ("test_prompt_with_image", json!([])),
        ("test_input_required_result_prompt", json!([])),
    ];
    let described = described.into_iter().map(|(name, arguments)| {
        made(json!({ "name": name, "description": "For the conformance suite.", "arguments": arguments }))
    });
    described.filter_map(Result::ok).collect()
}

/// A prompt; `None` where the name is none of these.
pub(super) fn prompt(request: &GetPromptRequestParams) -> Option<Result<GetPromptResponse, ErrorData>> {
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
            let Some(given) = answers.accepted("user_context", "context") else {
                let question = form("What context should the prompt use?", "context", "string");
                let asked = json!({ "user_context": question });
                return Some(required(&asked, None).map(GetPromptResponse::InputRequired));
            };
            json!([message(&format!("The context is: {given}"))])
        }
        _ => return None,
    };
    Some(made(messages).map(|messages| GetPromptResult::new(messages).into()))
}

fn text(words: &str) -> Result<CallToolResponse, ErrorData> {
    blocks(json!([{ "type": "text", "text": words }]))
}

fn blocks(content: Value) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResult::success(made(content)?).into())
}

fn sent<T>(result: Result<T, rmcp::ServiceError>) -> Result<T, ErrorData> {
    result.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn made<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}
