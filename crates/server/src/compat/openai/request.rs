//! Requests of OpenAI clients: parsed, or refused with the member that is wrong.

use chat::messages::MessageRole;
use serde_json::Value;

use super::SOURCES;
use crate::http::problem::{Problem, Result};

/// Messages that are taken; a conversation is only looked back upon so far.
const MAX_MESSAGES: usize = 1000;
/// The latest of what was said before that is taken along.
const HISTORY: usize = 100;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) model: String,
    pub(super) text: String,
    /// Earlier messages, oldest first.
    pub(super) history: Vec<(MessageRole, String)>,
    pub(super) streams: bool,
    pub(super) wants_usage: bool,
}

impl Question {
    /// Reads a request. What would make another answer of it than the library gives is refused, not left out silently.
    pub(super) fn read(body: &Value) -> Result<Self> {
        let model = match body.get("model") {
            Some(Value::String(model)) if !model.is_empty() && model.len() <= 300 => model.clone(),
            _ => {
                return Err(wrong(
                    "model",
                    "model is missing: wenyuan, a library, or a library and a version",
                ));
            }
        };
        refuse(body)?;
        let Some(messages) = body.get("messages").and_then(Value::as_array) else {
            return Err(wrong("messages", "messages is missing: a list with the question at its end"));
        };
        if messages.len() > MAX_MESSAGES {
            return Err(wrong(
                "messages",
                &format!("messages has at most {MAX_MESSAGES}: leave out the oldest"),
            ));
        }
        let mut said = Vec::new();
        let mut is_asked = false;
        for (number, message) in messages.iter().enumerate() {
            let at = format!("messages[{number}]");
            let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
            let role = match role {
                "user" => MessageRole::User,
                "assistant" => MessageRole::Assistant,
                // A client's own rules and what its tools found: the library answers by its own rules, from its own sources.
                "system" | "developer" | "tool" | "function" => {
                    text(message, &at)?;
                    continue;
                }
                _ => {
                    let what = "role is one of system, developer, user, assistant and tool";
                    return Err(wrong(&format!("{at}.role"), what));
                }
            };
            let text = text(message, &at)?;
            let text = text
                .rsplit_once(SOURCES)
                .filter(|_| role == MessageRole::Assistant)
                .map_or(&*text, |(text, _)| text);
            is_asked = role == MessageRole::User && !text.trim().is_empty();
            if !text.trim().is_empty() {
                said.push((role, text.to_owned()));
            }
        }
        let question = said.pop().filter(|_| is_asked);
        let Some((_, text)) = question else {
            return Err(wrong("messages", "the last message is the question: of role user, and not empty"));
        };
        let history = said.split_off(said.len().saturating_sub(HISTORY));
        let streams = flag(body, "stream", "stream")?;
        let options = body.get("stream_options").unwrap_or(&Value::Null);
        let wants_usage = flag(options, "include_usage", "stream_options.include_usage")?;
        Ok(Self { model, text, history, streams, wants_usage })
    }
}

/// Refuses what cannot be done and would be missed.
fn refuse(body: &Value) -> Result<()> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    if given("n").is_some_and(|n| n.as_u64() != Some(1)) {
        return Err(wrong("n", "n is 1: there is one answer to a question"));
    }
    let chosen = given("tool_choice").or_else(|| given("function_call"));
    if chosen.is_some_and(|choice| !matches!(choice.as_str(), Some("auto" | "none"))) {
        return Err(wrong("tool_choice", "tool_choice is auto or none: the library calls no tools"));
    }
    let speaks = given("modalities").and_then(Value::as_array);
    if given("audio").is_some() || speaks.is_some_and(|all| all.iter().any(|one| one != "text")) {
        return Err(wrong("modalities", "modalities is [\"text\"]: the library answers in writing"));
    }
    let format = given("response_format").and_then(|format| format.get("type")).and_then(Value::as_str);
    if format.is_some_and(|format| format != "text") {
        return Err(wrong("response_format", "response_format is text: answers are Markdown"));
    }
    if given("logprobs").is_some_and(|wanted| *wanted != Value::Bool(false)) {
        return Err(wrong("logprobs", "logprobs is false: they are not known"));
    }
    Ok(())
}

/// The text of a message: a string, parts that are text, or nothing.
fn text(message: &Value, at: &str) -> Result<String> {
    let parts = match message.get("content") {
        Some(Value::String(text)) => return Ok(text.clone()),
        None | Some(Value::Null) => return Ok(String::new()),
        Some(Value::Array(parts)) => parts,
        Some(_) => return Err(wrong(&format!("{at}.content"), "content is a text, or a list of parts")),
    };
    let mut all = String::new();
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
            let what =
                "only text is read: images, sound and files can be added to the library, or to a chat there";
            return Err(wrong(&format!("{at}.content[{number}]"), what));
        };
        if !all.is_empty() {
            all.push('\n');
        }
        all += text;
    }
    Ok(all)
}

fn flag(within: &Value, name: &str, at: &str) -> Result<bool> {
    match within.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(wrong(at, &format!("{at} is true or false"))),
    }
}

fn wrong(parameter: &str, detail: &str) -> Problem {
    Problem::invalid(detail).about(parameter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(messages: &Value, more: &Value) -> Result<Question> {
        let mut body = json!({ "model": "wenyuan", "messages": messages });
        for (name, value) in more.as_object().expect("members") {
            body[name] = value.clone();
        }
        Question::read(&body)
    }

    #[test]
    fn conversations_are_read_however_clients_write_them() {
        let below = format!("It does [1].{SOURCES}\n[1] a");
        let question = read(
            &json!([
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": [{ "type": "text", "text": "Does" }, { "type": "text", "text": "it?" }] },
                { "role": "assistant", "content": below, "tool_calls": [] },
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
        assert!(question.streams && question.wants_usage);
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_name() {
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
            let refused = read(&messages, &more).unwrap_err();
            assert_eq!(refused.parameter(), Some(parameter), "{refused:?}");
        }
    }
}
