//! Importers of other programs' exports: detect the format by content, and parse one chat at a time.
//!
//! A file is an array of chats, an object with such an array as `chats`, a sequence of values (NDJSON), or a single chat. Each chat
//! is first read as raw text, so that one that is invalid, nested too deeply or too large is reported and skipped, and parsing
//! continues with the next one.

mod chatgpt;
mod cleanup;
mod librechat;
mod open_webui;
mod perplexica;
mod tree;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{ChatRecord, ImportReport, MAX_CHATS};

/// Maximum size of a chat in the file, in bytes.
const MAX_CHAT_BYTES: u64 = 128 << 20;
/// Maximum estimated size of a chat in memory, in bytes.
const MAX_CHAT_MEMORY: usize = 256 << 20;
/// Estimated size of a JSON value in memory besides its text, in bytes.
const VALUE_BYTES: usize = 100;

/// Format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One chat of Wenyuan as JSON.
    Own,
    /// Responses of Perplexica's API.
    Perplexica,
    /// Open WebUI.
    OpenWebUi,
    /// LibreChat.
    LibreChat,
    /// ChatGPT: `conversations.json`.
    ChatGpt,
}

/// Reason why parsing ended before the end of the file.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// The consumer accepts no more chats.
    #[error("stopped by the consumer")]
    Stopped,
    /// The file is not JSON from here on; the chats before were passed on.
    #[error("invalid JSON at line {line}, column {column}: {reason}")]
    Invalid {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// Reason.
        reason: String,
    },
}

/// Returns the format of a chat; `None` if it is unknown.
pub fn detect(value: &Value) -> Option<Format> {
    let object = value.as_object()?;
    let is_list = |name: &str| object.get(name).is_some_and(|value| value.is_array() || value.is_object());
    if object.contains_key("focus_mode") && is_list("messages") {
        Some(Format::Own)
    } else if object.get("mapping").is_some_and(Value::is_object) {
        Some(Format::ChatGpt)
    } else if object.contains_key("conversationId") && (is_list("messages") || is_list("messagesTree")) {
        Some(Format::LibreChat)
    } else if object.get("chat").is_some_and(Value::is_object)
        && object.get("messages").is_some_and(Value::is_array)
    {
        Some(Format::Perplexica)
    } else if object.get("chat").is_some_and(open_webui::is_chat) || open_webui::is_chat(value) {
        Some(Format::OpenWebUi)
    } else {
        None
    }
}

/// Parses chats and passes them to `consume`, until that returns `false`. `now` replaces missing times.
///
/// # Errors
///
/// Fails if the file is not JSON or `consume` returns `false`.
pub fn read(
    input: impl BufRead,
    now: DateTime<Utc>,
    report: &mut ImportReport,
    consume: &mut dyn FnMut(ChatRecord) -> bool,
) -> Result<(), ParseError> {
    let chat_bytes = Rc::new(Cell::new(0));
    let limited = LimitedReader { input, chat_bytes: Rc::clone(&chat_bytes) };
    let mut deserializer = serde_json::Deserializer::from_reader(limited);
    let mut parser = Parser { chat_bytes, now, report, consume, chats: 0, stopped: false };
    while deserializer.end().is_err() {
        if let Err(error) = TopLevel(&mut parser).deserialize(&mut deserializer) {
            if parser.stopped {
                return Err(ParseError::Stopped);
            }
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
            return Err(ParseError::Invalid { line: error.line(), column: error.column(), reason });
        }
    }
    Ok(())
}

/// Like [`read`], but an error is reported as the rest of the file that was skipped.
pub(crate) fn read_to_end(
    input: impl BufRead,
    now: DateTime<Utc>,
    report: &mut ImportReport,
    consume: &mut dyn FnMut(ChatRecord) -> bool,
) {
    match read(input, now, report, consume) {
        Ok(()) | Err(ParseError::Stopped) => {}
        Err(error) => report.skip("the rest of the file", error.to_string()),
    }
}

struct Parser<'a> {
    /// Bytes read since the start of the current chat.
    chat_bytes: Rc<Cell<u64>>,
    now: DateTime<Utc>,
    report: &'a mut ImportReport,
    consume: &'a mut dyn FnMut(ChatRecord) -> bool,
    chats: u64,
    stopped: bool,
}

impl Parser<'_> {
    /// Parses one chat and passes it on. Returns `false` if the consumer accepts no more.
    fn chat(&mut self, text: &str) -> bool {
        self.chats += 1;
        let location = format!("chat {} of the file", self.chats);
        if self.chats > MAX_CHATS {
            self.report.skip(&location, format!("an import has at most {MAX_CHATS} chats"));
            return true;
        }
        let value = match flatten_nested(text) {
            Ok(Some(flat)) => Ok(flat),
            Ok(None) => parse_bounded(text),
            Err(reason) => Err(reason),
        };
        let value = match value {
            Ok(value) => value,
            Err(reason) => {
                self.report.skip(&location, reason);
                return true;
            }
        };
        let Some(chat) = self.convert(&value, &location) else { return true };
        if (self.consume)(chat) {
            return true;
        }
        self.stopped = true;
        false
    }

    fn convert(&mut self, value: &Value, location: &str) -> Option<ChatRecord> {
        let draft = match detect(value) {
            Some(Format::Own) => return super::ndjson::parse_chat(value, location, self.report),
            Some(Format::Perplexica) => perplexica::read(value),
            Some(Format::OpenWebUi) => open_webui::read(value),
            Some(Format::LibreChat) => librechat::read(value),
            Some(Format::ChatGpt) => chatgpt::read(value, location, self.report),
            None => {
                let reason = "not a chat of Wenyuan, Perplexica, Open WebUI, LibreChat or ChatGPT";
                self.report.skip(location, reason);
                return None;
            }
        };
        tree::finish(draft, self.now, self.report)
    }
}

/// Returns a chat with nested messages as one with a list of messages; `None` if they are not nested.
fn flatten_nested(text: &str) -> Result<Option<Value>, String> {
    let has_tree = text.contains("\"messagesTree\"");
    let may_be_nested = text.contains("\"conversationId\"") && text.contains("\"children\"");
    if !(has_tree || may_be_nested) {
        return Ok(None);
    }
    let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else { return Ok(None) };
    if !members.contains_key("messagesTree") && !members.contains_key("conversationId") {
        return Ok(None);
    }
    let nested = members.remove("messagesTree").or_else(|| members.remove("messages"));
    let Some(nested) = nested else { return Ok(None) };
    let mut object = Map::new();
    for (name, raw) in members {
        object.insert(name, parse_bounded(raw.get())?);
    }
    let mut messages = Vec::new();
    for message in librechat::flatten(nested.get())? {
        messages.push(parse_bounded(&message)?);
    }
    object.insert("messages".to_owned(), Value::Array(messages));
    Ok(Some(Value::Object(object)))
}

/// Parses a value, unless it takes more than [`MAX_CHAT_MEMORY`].
fn parse_bounded(text: &str) -> Result<Value, String> {
    let budget = Cell::new(MAX_CHAT_MEMORY);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match Bounded(&budget).deserialize(&mut deserializer) {
        Ok(_) if budget.get() == 0 => Err("too large".to_owned()),
        Ok(value) => Ok(value),
        Err(error) => Err(format!("invalid JSON: {error}")),
    }
}

/// Top-level value of a file, or one of several.
struct TopLevel<'a, 'b>(&'a mut Parser<'b>);

impl<'de> DeserializeSeed<'de> for TopLevel<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TopLevel<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("chats")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.chat_bytes.set(0);
        while let Some(raw) = items.next_element::<Box<RawValue>>()? {
            if !self.0.chat(raw.get()) {
                return Err(A::Error::custom("stopped"));
            }
            self.0.chat_bytes.set(0);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.chat_bytes.set(0);
        let mut object: BTreeMap<String, Box<RawValue>> = BTreeMap::new();
        let mut has_list = false;
        while let Some(name) = members.next_key::<String>()? {
            if name == "chats" && !has_list {
                has_list = true;
                members.next_value_seed(TopLevel(&mut *self.0))?;
            } else {
                object.insert(name, members.next_value()?);
            }
        }
        if has_list {
            return Ok(());
        }
        let text = serde_json::to_string(&object).map_err(A::Error::custom)?;
        drop(object);
        let accepted = self.0.chat(&text);
        self.0.chat_bytes.set(0);
        if accepted { Ok(()) } else { Err(A::Error::custom("stopped")) }
    }

    fn visit_bool<E>(self, _value: bool) -> Result<(), E> {
        self.skip();
        Ok(())
    }

    fn visit_i64<E>(self, _value: i64) -> Result<(), E> {
        self.skip();
        Ok(())
    }

    fn visit_u64<E>(self, _value: u64) -> Result<(), E> {
        self.skip();
        Ok(())
    }

    fn visit_f64<E>(self, _value: f64) -> Result<(), E> {
        self.skip();
        Ok(())
    }

    fn visit_str<E>(self, _value: &str) -> Result<(), E> {
        self.skip();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.skip();
        Ok(())
    }
}

impl TopLevel<'_, '_> {
    fn skip(self) {
        self.0.chat_bytes.set(0);
        self.0.report.skip("the file", "contains a value that is not a chat");
    }
}

/// Deserializer of a value within a memory budget, in bytes. What exceeds it is skipped, and the budget is then 0.
struct Bounded<'a>(&'a Cell<usize>);

impl Bounded<'_> {
    fn take(&self, bytes: usize, value: impl FnOnce() -> Value) -> Value {
        self.0.set(self.0.get().saturating_sub(VALUE_BYTES + bytes));
        if self.0.get() == 0 { Value::Null } else { value() }
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(self.take(0, || value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(self.take(0, || value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(self.take(0, || value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(self.take(0, || value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(self.take(value.len(), || value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(self.take(0, || Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while self.0.get() > 0 {
            match items.next_element_seed(Bounded(self.0))? {
                Some(item) => array.push(item),
                None => return Ok(self.take(0, || Value::Array(array))),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while self.0.get() > 0 {
            let Some(name) = members.next_key::<String>()? else {
                return Ok(self.take(0, || Value::Object(object)));
            };
            self.take(name.len(), || Value::Null);
            object.insert(name, members.next_value_seed(Bounded(self.0))?);
        }
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }
}

/// Reader that fails if a single chat exceeds [`MAX_CHAT_BYTES`].
struct LimitedReader<R> {
    input: R,
    chat_bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(into)?;
        self.chat_bytes.set(self.chat_bytes.get() + read as u64);
        if self.chat_bytes.get() > MAX_CHAT_BYTES {
            return Err(std::io::Error::other(format!("a chat is longer than {MAX_CHAT_BYTES} bytes")));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
