//! What others export: told by its content, read one chat at a time.
//!
//! A file is an array of chats, an object that holds one as `chats`, one value after another (NDJSON), or a single chat. Each
//! chat is first taken as the text that it is, so that one which is broken inside, nested without end or too large is noted and
//! passed over, and the next one is read.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Chat, MOST_CHATS, Report, chatgpt, librechat, open_webui, perplexica, tree};

/// The longest chat, as the text that it is in the file.
const LONGEST_CHAT: u64 = 128 << 20;
/// What a chat may take in memory, in bytes and as a rough estimate.
const MOST_MEMORY: usize = 256 << 20;
/// What a value takes besides its text.
const OF_A_VALUE: usize = 100;

/// Whose export it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A chat of ours, as JSON.
    Own,
    /// Perplexica, and what its routes answer.
    Perplexica,
    /// Open WebUI.
    OpenWebUi,
    /// LibreChat.
    LibreChat,
    /// ChatGPT: `conversations.json`.
    ChatGpt,
}

/// Why reading ended before the end of the file.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// Whoever takes the chats takes no more.
    #[error("nobody takes what is read")]
    NotTaken,
    /// The file is not JSON from here on; what came before was taken.
    #[error("the file cannot be read from line {line}, column {column} on: {why}")]
    Broken {
        /// The line, from 1.
        line: usize,
        /// The column.
        column: usize,
        /// Why.
        why: String,
    },
}

/// Whose chat this is; `None` where it is nobody's that is known.
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

/// Reads chats and hands on each. `now` stands in for times that are missing.
pub fn read(
    input: impl BufRead,
    now: DateTime<Utc>,
    report: &mut Report,
    take: &mut dyn FnMut(Chat) -> bool,
) -> Result<(), Stopped> {
    let since = Rc::new(Cell::new(0));
    let limited = Limited { input, since: Rc::clone(&since) };
    let mut deserializer = serde_json::Deserializer::from_reader(limited);
    let mut reading = Reading { since, now, report, take, chats: 0, stopped: false };
    while deserializer.end().is_err() {
        if let Err(error) = Top(&mut reading).deserialize(&mut deserializer) {
            if reading.stopped {
                return Err(Stopped::NotTaken);
            }
            let why = error.to_string();
            let why = why.split(" at line ").next().unwrap_or_default().to_owned();
            return Err(Stopped::Broken { line: error.line(), column: error.column(), why });
        }
    }
    Ok(())
}

struct Reading<'a> {
    since: Rc<Cell<u64>>,
    now: DateTime<Utc>,
    report: &'a mut Report,
    take: &'a mut dyn FnMut(Chat) -> bool,
    chats: u64,
    stopped: bool,
}

impl Reading<'_> {
    /// Takes one chat. `false` where nothing more is wanted.
    fn chat(&mut self, text: &str) -> bool {
        self.chats += 1;
        let place = format!("chat {} of the file", self.chats);
        if self.chats > MOST_CHATS {
            self.report.drop(&place, format!("an import brings at most {MOST_CHATS} chats"));
            return true;
        }
        let read = match parts(text) {
            Ok(Some(deep)) => Ok(deep),
            Ok(None) => value(text),
            Err(why) => Err(why),
        };
        let value = match read {
            Ok(value) => value,
            Err(why) => {
                self.report.drop(&place, why);
                return true;
            }
        };
        let Some(chat) = self.made(&value, &place) else { return true };
        if (self.take)(chat) {
            return true;
        }
        self.stopped = true;
        false
    }

    fn made(&mut self, value: &Value, place: &str) -> Option<Chat> {
        let draft = match detect(value) {
            Some(Format::Own) => return super::history::of_json(value, place, self.report),
            Some(Format::Perplexica) => perplexica::read(value),
            Some(Format::OpenWebUi) => open_webui::read(value),
            Some(Format::LibreChat) => librechat::read(value),
            Some(Format::ChatGpt) => chatgpt::read(value, place, self.report),
            None => {
                let why = "this is no chat of Wenyuan, Perplexica, Open WebUI, LibreChat or ChatGPT";
                self.report.drop(place, why);
                return None;
            }
        };
        tree::finish(draft, self.now, self.report)
    }
}

/// A chat whose messages are nested in each other, taken apart; `None` where they are not.
fn parts(text: &str) -> Result<Option<Value>, String> {
    if !text.contains("\"messagesTree\"") {
        return Ok(None);
    }
    let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else { return Ok(None) };
    let Some(nested) = members.remove("messagesTree") else { return Ok(None) };
    let mut object = Map::new();
    for (name, raw) in members {
        object.insert(name, value(raw.get())?);
    }
    let mut messages = Vec::new();
    for message in librechat::taken_apart(nested.get())? {
        messages.push(value(&message)?);
    }
    object.insert("messages".to_owned(), Value::Array(messages));
    Ok(Some(Value::Object(object)))
}

/// A value, provided that it does not take too much memory.
fn value(text: &str) -> Result<Value, String> {
    let room = Cell::new(MOST_MEMORY);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match Bounded(&room).deserialize(&mut deserializer) {
        Ok(_) if room.get() == 0 => Err("it is too large".to_owned()),
        Ok(value) => Ok(value),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

/// The whole of a file, or one of several values in it.
struct Top<'a, 'b>(&'a mut Reading<'b>);

impl<'de> DeserializeSeed<'de> for Top<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("chats")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.since.set(0);
        while let Some(raw) = items.next_element::<Box<RawValue>>()? {
            if !self.0.chat(raw.get()) {
                return Err(A::Error::custom("not taken"));
            }
            self.0.since.set(0);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        self.0.since.set(0);
        let mut object: BTreeMap<String, Box<RawValue>> = BTreeMap::new();
        let mut has_list = false;
        while let Some(name) = members.next_key::<String>()? {
            if name == "chats" && !has_list {
                has_list = true;
                members.next_value_seed(Top(&mut *self.0))?;
            } else {
                object.insert(name, members.next_value()?);
            }
        }
        if has_list {
            return Ok(());
        }
        let text = serde_json::to_string(&object).map_err(A::Error::custom)?;
        drop(object);
        let taken = self.0.chat(&text);
        self.0.since.set(0);
        if taken { Ok(()) } else { Err(A::Error::custom("not taken")) }
    }

    fn visit_bool<E>(self, _value: bool) -> Result<(), E> {
        self.note();
        Ok(())
    }

    fn visit_i64<E>(self, _value: i64) -> Result<(), E> {
        self.note();
        Ok(())
    }

    fn visit_u64<E>(self, _value: u64) -> Result<(), E> {
        self.note();
        Ok(())
    }

    fn visit_f64<E>(self, _value: f64) -> Result<(), E> {
        self.note();
        Ok(())
    }

    fn visit_str<E>(self, _value: &str) -> Result<(), E> {
        self.note();
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.note();
        Ok(())
    }
}

impl Top<'_, '_> {
    fn note(self) {
        self.0.since.set(0);
        self.0.report.drop("the file", "it holds a value that is no chat");
    }
}

/// A value that takes no more room than there is. What is beyond that is passed over, and the room is then 0.
struct Bounded<'a>(&'a Cell<usize>);

impl Bounded<'_> {
    fn take(&self, bytes: usize, value: impl FnOnce() -> Value) -> Value {
        self.0.set(self.0.get().saturating_sub(OF_A_VALUE + bytes));
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

/// Ends where a single chat goes on for longer than any does.
struct Limited<R> {
    input: R,
    since: Rc<Cell<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(into)?;
        self.since.set(self.since.get() + read as u64);
        if self.since.get() > LONGEST_CHAT {
            return Err(std::io::Error::other(format!("a chat is longer than {LONGEST_CHAT} bytes")));
        }
        Ok(read)
    }
}

#[cfg(test)]
#[path = "foreign/tests.rs"]
mod tests;
