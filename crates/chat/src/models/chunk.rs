//! Chunks of a model's answer: parses the loose variants of the protocol, and removes the thinking of a model before its answer.

use serde_json::Value;

use super::client::Usage;

/// Content of one event of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chunk {
    /// Piece of the answer's text.
    pub(super) text: String,
    /// Token usage.
    pub(super) usage: Option<Usage>,
    /// Reason why the model ends.
    pub(super) finish_reason: Option<String>,
}

/// Parses an event; `None` if it does not belong to the protocol.
pub(super) fn parse(event: &Value) -> Option<Chunk> {
    let usage = event.get("usage").and_then(usage);
    let Some(choices) = event.get("choices").and_then(Value::as_array) else {
        // Some providers send the usage, or a keep-alive, as an event of its own.
        let is_known = usage.is_some() || event.get("object").is_some() || event.get("model").is_some();
        return is_known.then_some(Chunk { usage, ..Chunk::default() });
    };
    // Only one choice was requested.
    let choice = choices.first();
    let part = choice.and_then(|choice| {
        let delta = choice.get("delta").filter(|part| !part.is_null());
        delta.or_else(|| choice.get("message").filter(|part| !part.is_null()))
    });
    let content =
        part.and_then(|part| part.get("content")).or_else(|| choice.and_then(|choice| choice.get("text")));
    let finish_reason = choice.and_then(|choice| choice.get("finish_reason")).and_then(Value::as_str);
    Some(Chunk {
        text: content.map(text).unwrap_or_default(),
        usage,
        finish_reason: finish_reason.filter(|reason| is_identifier(reason)).map(str::to_owned),
    })
}

/// Returns the error that an event reports, if any.
pub(super) fn error(event: &Value) -> Option<&Value> {
    let error = event.get("error").filter(|error| !error.is_null());
    error.or_else(|| (event.get("object").and_then(Value::as_str) == Some("error")).then_some(event))
}

/// Returns text given as one string or as parts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.as_str().or_else(|| part.get("text").and_then(Value::as_str)))
            .collect(),
        _ => String::new(),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let (prompt_tokens, completion_tokens) =
        (count("prompt_tokens")?, count("completion_tokens").unwrap_or(0));
    // Some servers send zeros in place of numbers that they do not know.
    let is_known = prompt_tokens > 0 || completion_tokens > 0;
    is_known.then_some(Usage { prompt_tokens, completion_tokens, estimated: false })
}

/// Whether an untrusted text is a plain identifier, which can be shown and stored.
fn is_identifier(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Filter that removes `<think>…</think>` at the start of an answer, and the white space before the answer itself.
#[derive(Debug)]
pub(super) enum ThinkFilter {
    /// Undecided; the text received so far.
    Unknown(String),
    /// Within the thinking; its last characters, which may be the start of the end tag.
    Thinking(String),
    /// After the thinking and before the first character of the answer.
    BeforeAnswer,
    /// Within the answer.
    Answer,
}

impl Default for ThinkFilter {
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}

const START_TAG: &str = "<think>";
const END_TAG: &str = "</think>";

impl ThinkFilter {
    /// Returns the part of a piece that belongs to the answer.
    pub(super) fn push(&mut self, piece: &str) -> String {
        let mut rest = piece.to_owned();
        loop {
            match std::mem::replace(self, Self::Answer) {
                Self::Answer => return rest,
                Self::Unknown(held) => {
                    let text = held + &rest;
                    let text = text.trim_start();
                    if START_TAG.starts_with(text) && text != START_TAG {
                        *self = Self::Unknown(text.to_owned());
                        return String::new();
                    }
                    let Some(thinking) = text.strip_prefix(START_TAG) else { return text.to_owned() };
                    *self = Self::Thinking(String::new());
                    thinking.clone_into(&mut rest);
                }
                Self::Thinking(held) => {
                    let text = held + &rest;
                    let Some((_thinking, after)) = text.split_once(END_TAG) else {
                        let from = text.floor_char_boundary(text.len().saturating_sub(END_TAG.len()));
                        *self = Self::Thinking(text[from..].to_owned());
                        return String::new();
                    };
                    *self = Self::BeforeAnswer;
                    after.clone_into(&mut rest);
                }
                Self::BeforeAnswer => {
                    let text = rest.trim_start();
                    if text.is_empty() {
                        *self = Self::BeforeAnswer;
                    }
                    return text.to_owned();
                }
            }
        }
    }

    /// Returns the text still held back at the end.
    pub(super) fn finish(&mut self) -> String {
        match std::mem::replace(self, Self::Answer) {
            Self::Unknown(text) => text,
            Self::Thinking(_) | Self::BeforeAnswer | Self::Answer => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn texts(event: &Value) -> String {
        parse(event).expect("an event of the protocol").text
    }

    #[test]
    fn variants_of_an_event_give_the_same_text() {
        for event in [
            json!({ "choices": [{ "delta": { "content": "yes" } }] }),
            json!({ "choices": [{ "delta": { "role": "assistant", "content": [{ "type": "text", "text": "y" }, "es"] } }] }),
            json!({ "choices": [{ "message": { "content": "yes" }, "delta": null, "finish_reason": "stop" }] }),
            json!({ "choices": [{ "text": "yes" }] }),
            json!({ "choices": [{ "delta": { "content": "yes", "reasoning_content": "hm" } }, { "delta": { "content": "no" } }] }),
        ] {
            assert_eq!(texts(&event), "yes", "{event}");
        }
        for event in [
            json!({ "choices": [] }),
            json!({ "choices": [{}] }),
            json!({ "choices": [{ "delta": { "content": null, "reasoning_content": "hm" } }] }),
            json!({ "choices": [null] }),
            json!({ "object": "chat.completion.chunk" }),
        ] {
            assert_eq!(texts(&event), "", "{event}");
        }
        for event in [json!({}), json!([]), json!("yes"), json!({ "choices": 1 }), Value::Null] {
            assert_eq!(parse(&event), None, "{event}");
        }
    }

    #[test]
    fn finish_reason_usage_and_errors_are_parsed() {
        let usage = json!({ "prompt_tokens": 3, "completion_tokens": null });
        let chunk = parse(&json!({ "choices": [{ "finish_reason": "length" }], "usage": usage })).unwrap();
        assert_eq!(chunk.finish_reason.as_deref(), Some("length"));
        assert_eq!(chunk.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 0, estimated: false }));
        let odd = parse(&json!({ "choices": [{ "finish_reason": "<b>" }], "usage": null })).unwrap();
        assert_eq!((odd.finish_reason, odd.usage), (None, None));
        assert!(error(&json!({ "error": null, "choices": [] })).is_none());
        assert!(error(&json!({ "error": "no" })).is_some() && error(&json!({ "object": "error" })).is_some());
    }

    fn answer(pieces: &[&str]) -> String {
        let mut filter = ThinkFilter::default();
        let mut text: String = pieces.iter().map(|piece| filter.push(piece)).collect();
        text += &filter.finish();
        text
    }

    #[test]
    fn thinking_before_the_answer_is_removed() {
        assert_eq!(answer(&["<think>", "文 hm", "</thi", "nk>\n\n", "Yes."]), "Yes.");
        assert_eq!(answer(&["<think></think> ", "\n", " Yes <think>."]), "Yes <think>.");
        assert_eq!(answer(&["<thin", "g> is one"]), "<thing> is one");
        assert_eq!(answer(&["\n", " a <think>b</think>"]), "a <think>b</think>");
        assert_eq!(answer(&["<th"]), "<th");
        assert_eq!(answer(&["<think>never ends"]), "");
    }

    proptest! {
        #[test]
        fn the_cutting_into_pieces_makes_no_difference(text in "(<think>|</think>|<th|文| |a){0,12}", cut in any::<proptest::sample::Index>()) {
            let at = text.floor_char_boundary(cut.index(text.len() + 1));
            let (one, other) = text.split_at(at);
            prop_assert_eq!(answer(&[one, other]), answer(&[&text]));
        }
    }
}
