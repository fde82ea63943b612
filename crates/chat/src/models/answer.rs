//! What an event of a model's answer says, however loosely it says it, and what of it is meant for the asker: what a model
//! thinks aloud beforehand is not.

use serde_json::Value;

use super::client::Usage;

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Said {
    /// Text of the answer.
    pub(super) text: String,
    /// What it took.
    pub(super) usage: Option<Usage>,
    /// Why it ends.
    pub(super) finish_reason: Option<String>,
}

/// Reads an event; `None` where it is nothing of the protocol.
pub(super) fn read(event: &Value) -> Option<Said> {
    let usage = event.get("usage").and_then(usage);
    let Some(choices) = event.get("choices").and_then(Value::as_array) else {
        // Some send what it took, or a sign of life, by itself.
        let is_known = usage.is_some() || event.get("object").is_some() || event.get("model").is_some();
        return is_known.then_some(Said { usage, ..Said::default() });
    };
    // One answer was asked for.
    let choice = choices.first();
    let part = choice.and_then(|choice| {
        let of_stream = choice.get("delta").filter(|part| !part.is_null());
        of_stream.or_else(|| choice.get("message").filter(|part| !part.is_null()))
    });
    let content =
        part.and_then(|part| part.get("content")).or_else(|| choice.and_then(|choice| choice.get("text")));
    let finish_reason = choice.and_then(|choice| choice.get("finish_reason")).and_then(Value::as_str);
    Some(Said {
        text: content.map(text).unwrap_or_default(),
        usage,
        finish_reason: finish_reason.filter(|reason| is_word(reason)).map(str::to_owned),
    })
}

/// The error that an event tells of, if it does.
pub(super) fn error(event: &Value) -> Option<&Value> {
    let told = event.get("error").filter(|error| !error.is_null());
    told.or_else(|| (event.get("object").and_then(Value::as_str) == Some("error")).then_some(event))
}

/// Text as one string, or as parts.
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
    Some(Usage { prompt_tokens, completion_tokens })
}

/// Whether a foreign word can be shown and kept.
fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Leaves out what a model thinks aloud at the beginning, `<think>…</think>`, and the white space before its answer.
#[derive(Debug)]
pub(super) enum Thought {
    /// Nothing has come that tells; this has.
    Unknown(String),
    /// It thinks; these are the last characters, in which the end may have begun.
    Thinking(String),
    /// It has thought, and its answer has not begun.
    Before,
    /// It answers.
    Over,
}

impl Default for Thought {
    fn default() -> Self {
        Self::Unknown(String::new())
    }
}

const BEGINS: &str = "<think>";
const ENDS: &str = "</think>";

impl Thought {
    /// What of a piece is answer.
    pub(super) fn leave_out(&mut self, piece: &str) -> String {
        let mut rest = piece.to_owned();
        loop {
            match std::mem::replace(self, Self::Over) {
                Self::Over => return rest,
                Self::Unknown(before) => {
                    let text = before + &rest;
                    let text = text.trim_start();
                    if BEGINS.starts_with(text) && text != BEGINS {
                        *self = Self::Unknown(text.to_owned());
                        return String::new();
                    }
                    let Some(thought) = text.strip_prefix(BEGINS) else { return text.to_owned() };
                    *self = Self::Thinking(String::new());
                    thought.clone_into(&mut rest);
                }
                Self::Thinking(before) => {
                    let text = before + &rest;
                    let Some((_thought, after)) = text.split_once(ENDS) else {
                        let from = text.floor_char_boundary(text.len().saturating_sub(ENDS.len()));
                        *self = Self::Thinking(text[from..].to_owned());
                        return String::new();
                    };
                    *self = Self::Before;
                    after.clone_into(&mut rest);
                }
                Self::Before => {
                    let text = rest.trim_start();
                    if text.is_empty() {
                        *self = Self::Before;
                    }
                    return text.to_owned();
                }
            }
        }
    }

    /// What is left at the end.
    pub(super) fn end(&mut self) -> String {
        match std::mem::replace(self, Self::Over) {
            Self::Unknown(text) => text,
            Self::Thinking(_) | Self::Before | Self::Over => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn texts(event: &Value) -> String {
        read(event).expect("of the protocol").text
    }

    #[test]
    fn loose_forms_say_the_same() {
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
            assert_eq!(read(&event), None, "{event}");
        }
    }

    #[test]
    fn ends_and_costs_are_read_where_they_are_told() {
        let usage = json!({ "prompt_tokens": 3, "completion_tokens": null });
        let said = read(&json!({ "choices": [{ "finish_reason": "length" }], "usage": usage })).unwrap();
        assert_eq!(said.finish_reason.as_deref(), Some("length"));
        assert_eq!(said.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 0 }));
        let odd = read(&json!({ "choices": [{ "finish_reason": "<b>" }], "usage": null })).unwrap();
        assert_eq!((odd.finish_reason, odd.usage), (None, None));
        assert!(error(&json!({ "error": null, "choices": [] })).is_none());
        assert!(error(&json!({ "error": "no" })).is_some() && error(&json!({ "object": "error" })).is_some());
    }

    fn left(pieces: &[&str]) -> String {
        let mut thought = Thought::default();
        let mut text: String = pieces.iter().map(|piece| thought.leave_out(piece)).collect();
        text += &thought.end();
        text
    }

    #[test]
    fn what_is_thought_aloud_at_the_beginning_is_left_out() {
        assert_eq!(left(&["<think>", "文 hm", "</thi", "nk>\n\n", "Yes."]), "Yes.");
        assert_eq!(left(&["<think></think> ", "\n", " Yes <think>."]), "Yes <think>.");
        assert_eq!(left(&["<thin", "g> is one"]), "<thing> is one");
        assert_eq!(left(&["\n", " a <think>b</think>"]), "a <think>b</think>");
        assert_eq!(left(&["<th"]), "<th");
        assert_eq!(left(&["<think>never ends"]), "");
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(text in "(<think>|</think>|<th|文| |a){0,12}", cut in any::<proptest::sample::Index>()) {
            let at = text.floor_char_boundary(cut.index(text.len() + 1));
            let (one, other) = text.split_at(at);
            prop_assert_eq!(left(&[one, other]), left(&[&text]));
        }
    }
}
