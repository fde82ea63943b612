//! Requests of OpenAI clients: parsed, or refused with the name of the invalid member.

use chat::messages::MessageRole;
use serde_json::Value;

use super::SOURCES;
use crate::http::problem::{Problem, Result};

/// Messages of a request.
pub(super) const MAX_MESSAGES: usize = 1000;
/// Latest messages before the question that are used.
const MAX_HISTORY: usize = 100;
/// Length of a model's id.
pub(super) const MAX_MODEL_CHARS: usize = 300;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) model: String,
    pub(super) text: String,
    /// Earlier messages, oldest first.
    pub(super) history: Vec<(MessageRole, String)>,
    pub(super) streams: bool,
    pub(super) includes_usage: bool,
}

impl Question {
    /// Parses a request. Options that the answer could not honour are refused, not silently ignored.
    ///
    /// # Errors
    /// Fails with the name of the invalid member.
    pub(super) fn parse(body: &Value) -> Result<Self> {
        let model = match body.get("model") {
            Some(Value::String(model)) if !model.is_empty() && model.chars().count() <= MAX_MODEL_CHARS => {
                model.clone()
            }
            _ => {
                return Err(invalid(
                    "model",
                    "missing model: use wenyuan, a library, or a library and a version",
                ));
            }
        };
        check_options(body)?;
        let Some(messages) = body.get("messages").and_then(Value::as_array) else {
            return Err(invalid("messages", "missing messages: send a list that ends with the question"));
        };
        if messages.len() > MAX_MESSAGES {
            return Err(invalid(
                "messages",
                &format!("messages has more than {MAX_MESSAGES} items: leave out the oldest"),
            ));
        }
        let mut conversation = Vec::new();
        let mut ends_with_question = false;
        for (number, message) in messages.iter().enumerate() {
            let at = format!("messages[{number}]");
            let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
            let role = match role {
                "user" => MessageRole::User,
                "assistant" => MessageRole::Assistant,
                // Ignored: the library answers by its own rules, from its own sources.
                "system" | "developer" | "tool" | "function" => {
                    text(message, &at)?;
                    continue;
                }
                _ => {
                    let detail = "unknown role: use system, developer, user, assistant or tool";
                    return Err(invalid(&format!("{at}.role"), detail));
                }
            };
            let text = text(message, &at)?;
            let text = text
                .rsplit_once(SOURCES)
                .filter(|_| role == MessageRole::Assistant)
                .map_or(&*text, |(text, _)| text);
            ends_with_question = role == MessageRole::User && !text.trim().is_empty();
            if !text.trim().is_empty() {
                conversation.push((role, text.to_owned()));
            }
        }
        let question = conversation.pop().filter(|_| ends_with_question);
        let Some((_, text)) = question else {
            return Err(invalid(
                "messages",
                "the last message is not a question: end with a message of role user that is not empty",
            ));
        };
        let history = conversation.split_off(conversation.len().saturating_sub(MAX_HISTORY));
        let streams = flag(body, "stream", "stream")?;
        let options = body.get("stream_options").unwrap_or(&Value::Null);
        let includes_usage = flag(options, "include_usage", "stream_options.include_usage")?;
        Ok(Self { model, text, history, streams, includes_usage })
    }
}

/// Refuses options that the library cannot honour.
fn check_options(body: &Value) -> Result<()> {
    let option = |name: &str| body.get(name).filter(|value| !value.is_null());
    if option("n").is_some_and(|n| n.as_u64() != Some(1)) {
        return Err(invalid("n", "unsupported n: a question has one answer, so n is 1"));
    }
    let tool_choice = option("tool_choice").or_else(|| option("function_call"));
    if tool_choice.is_some_and(|choice| !matches!(choice.as_str(), Some("auto" | "none"))) {
        return Err(invalid(
            "tool_choice",
            "unsupported tool_choice: the library calls no tools, so it is auto or none",
        ));
    }
    let modalities = option("modalities").and_then(Value::as_array);
    if option("audio").is_some() || modalities.is_some_and(|all| all.iter().any(|one| one != "text")) {
        return Err(invalid("modalities", "unsupported modalities: answers are text, so it is [\"text\"]"));
    }
    let format = option("response_format").and_then(|format| format.get("type")).and_then(Value::as_str);
    if format.is_some_and(|format| format != "text") {
        return Err(invalid(
            "response_format",
            "unsupported response_format: answers are Markdown, so it is text",
        ));
    }
    if option("logprobs").is_some_and(|value| *value != Value::Bool(false)) {
        return Err(invalid("logprobs", "unsupported logprobs: probabilities are unknown, so it is false"));
    }
    Ok(())
}

/// Returns the text of a message: a string, or its text parts.
fn text(message: &Value, at: &str) -> Result<String> {
    let parts = match message.get("content") {
        Some(Value::String(text)) => return Ok(text.clone()),
        None | Some(Value::Null) => return Ok(String::new()),
        Some(Value::Array(parts)) => parts,
        Some(_) => {
            return Err(invalid(&format!("{at}.content"), "invalid content: send a text or a list of parts"));
        }
    };
    let mut joined = String::new();
    for (number, part) in parts.iter().enumerate() {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
        let text = match kind {
            "text" | "input_text" | "output_text" => {
                part.as_str().or_else(|| part.get("text").and_then(Value::as_str))
            }
            "refusal" => part.get("refusal").and_then(Value::as_str),
            _ => None,
        };
        let Some(text) = text else {
            let detail = "unsupported part: only text is read; add files to a library or to a chat";
            return Err(invalid(&format!("{at}.content[{number}]"), detail));
        };
        if !joined.is_empty() {
            joined.push('\n');
        }
        joined += text;
    }
    Ok(joined)
}

fn flag(object: &Value, name: &str, at: &str) -> Result<bool> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(invalid(at, &format!("invalid {at}: use true or false"))),
    }
}

fn invalid(parameter: &str, detail: &str) -> Problem {
    Problem::invalid(detail).about(parameter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(messages: &Value, more: &Value) -> Result<Question> {
        let mut body = json!({ "model": "wenyuan", "messages": messages });
        for (name, value) in more.as_object().expect("members") {
            body[name] = value.clone();
        }
        Question::parse(&body)
    }

    #[test]
    fn any_body_is_read_or_refused() {
        let examples: [&[u8]; 3] = [
            br#"{"model":"wenyuan","messages":[{"role":"user","content":"How?"}],"stream":true,"stream_options":{"include_usage":true}}"#,
            br#"{"model":"fastify@5.2.1","messages":[{"role":"system","content":"x"},{"role":"user","content":[{"type":"text","text":"How?"}]}],"n":1,"temperature":0.2}"#,
            br#"{"messages":[{"role":"tool","content":null}],"tools":[],"response_format":{"type":"json_object"}}"#,
        ];
        testkit::fuzz("openai", &examples, |body| {
            let Ok(body) = serde_json::from_slice(body) else { return };
            if let Ok(question) = Question::parse(&body) {
                assert!(question.history.len() <= MAX_HISTORY && !question.text.trim().is_empty());
            }
        });
    }

    #[test]
    fn all_forms_of_conversations_are_parsed() {
        let with_sources = format!("It does [1].{SOURCES}\n[1] a");
        let question = parse(
            &json!([
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": [{ "type": "text", "text": "Does" }, { "type": "text", "text": "it?" }] },
                { "role": "assistant", "content": with_sources, "tool_calls": [] },
                { "role": "assistant", "content": null },
                { "role": "tool", "tool_call_id": "1", "content": "no" },
                { "role": "user", "content": "Why?", "name": "ada" },
            ]),
            &json!({ "temperature": 0.2, "tools": [{}], "stream": true, "stream_options": { "include_usage": true } }),
        );
        let question = question.unwrap();
        assert_eq!(question.text, "Why?");
        let history = [
            (MessageRole::User, "Does\nit?".to_owned()),
            (MessageRole::Assistant, "It does [1].".to_owned()),
        ];
        assert_eq!(question.history, history);
        assert!(question.streams && question.includes_usage);
    }

    #[test]
    fn unsupported_options_are_refused_by_name() {
        let one = json!([{ "role": "user", "content": "a" }]);
        for (messages, more, parameter) in [
            (json!([]), json!({}), "messages"),
            (json!("a"), json!({}), "messages"),
            (json!([{ "role": "user", "content": " " }]), json!({}), "messages"),
            (
                json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": "b" }]),
                json!({}),
                "messages",
            ),
            (
                json!([{ "role": "user", "content": "a" }, { "role": "user", "content": "" }]),
                json!({}),
                "messages",
            ),
            (json!([{ "role": "robot", "content": "a" }]), json!({}), "messages[0].role"),
            (json!([{ "role": "user", "content": 7 }]), json!({}), "messages[0].content"),
            (
                json!([{ "role": "user", "content": [{ "type": "image_url" }] }]),
                json!({}),
                "messages[0].content[0]",
            ),
            (one.clone(), json!({ "model": null }), "model"),
            (one.clone(), json!({ "n": 2 }), "n"),
            (one.clone(), json!({ "tool_choice": "required" }), "tool_choice"),
            (one.clone(), json!({ "modalities": ["text", "audio"] }), "modalities"),
            (one.clone(), json!({ "response_format": { "type": "json_object" } }), "response_format"),
            (one.clone(), json!({ "logprobs": true }), "logprobs"),
            (one.clone(), json!({ "stream": "yes" }), "stream"),
            (one, json!({ "stream_options": { "include_usage": 1 } }), "stream_options.include_usage"),
        ] {
            let refused = parse(&messages, &more).unwrap_err();
            assert_eq!(refused.parameter(), Some(parameter), "{refused:?}");
        }
    }
}
