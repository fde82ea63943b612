//! The events of a model's answer, from bytes that come in pieces of any size.
//!
//! Server-sent events (HTML Living Standard, section 9.2), read as loosely as providers write them: any end of line, comments,
//! fields nobody knows, events that are not divided by an empty line, an end without one, plain lines of JSON, or one JSON
//! value in place of a stream. A strict reader refuses half of that, and loses what else came with it.

use std::collections::VecDeque;

use serde_json::Value;

/// The largest single event, in bytes.
pub(super) const LARGEST_EVENT: usize = 1 << 20;
const DONE: &[u8] = b"[DONE]";

/// What a model sends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// A value.
    Value(Value),
    /// That it has said everything.
    Done,
    /// What is no JSON.
    Unreadable,
    /// More than is taken at once; nothing is read after it.
    TooLarge,
}

/// Makes events of bytes.
#[derive(Debug, Default)]
pub(super) struct Reader {
    form: Form,
    /// What has come of a line, or of the one value.
    line: Vec<u8>,
    /// What has come of an event whose lines make sense only together.
    data: Vec<u8>,
    after_return: bool,
    events: VecDeque<Event>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing has come that tells.
    #[default]
    Unknown,
    /// Lines of an event stream.
    Lines,
    /// One JSON value, or one on each line.
    Json,
    /// Nothing is read any more.
    Ended,
}

impl Reader {
    /// Takes further bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.form {
                Form::Ended => return,
                // White space, and the mark of the byte order.
                Form::Unknown if byte.is_ascii_whitespace() || b"\xEF\xBB\xBF".contains(&byte) => continue,
                Form::Unknown if byte == b'{' || byte == b'[' => self.form = Form::Json,
                Form::Unknown => self.form = Form::Lines,
                Form::Lines | Form::Json => {}
            }
            if self.form == Form::Json {
                self.keep(byte);
                continue;
            }
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => self.end_of_line(),
                _ => self.keep(byte),
            }
            self.after_return = byte == b'\r';
        }
    }

    /// Takes that nothing more comes.
    pub(super) fn end(&mut self) {
        match self.form {
            Form::Lines => {
                self.end_of_line();
                self.end_of_event();
            }
            Form::Json => {
                let text = std::mem::take(&mut self.line);
                match serde_json::from_slice(&text) {
                    Ok(value) => self.events.push_back(Event::Value(value)),
                    Err(_several) => text.split(|byte| *byte == b'\n').for_each(|line| self.push(line)),
                }
            }
            Form::Unknown | Form::Ended => {}
        }
        self.form = Form::Ended;
    }

    /// The next event that is whole.
    pub(super) fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn keep(&mut self, byte: u8) {
        if self.line.len() + self.data.len() >= LARGEST_EVENT {
            self.events.push_back(Event::TooLarge);
            *self = Self { form: Form::Ended, events: std::mem::take(&mut self.events), ..Self::default() };
            return;
        }
        self.line.push(byte);
    }

    fn end_of_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.end_of_event();
            return;
        }
        let data = match line.strip_prefix(b"data:") {
            Some(data) => data.trim_ascii(),
            // A provider that fails in the middle may forget the form.
            None if line.starts_with(b"{") => line.trim_ascii(),
            None => return,
        };
        if self.data.is_empty() {
            match whole(data) {
                Some(event) => self.events.push_back(event),
                None => self.data.extend_from_slice(data),
            }
        } else {
            self.data.push(b'\n');
            self.data.extend_from_slice(data);
        }
    }

    fn end_of_event(&mut self) {
        let data = std::mem::take(&mut self.data);
        self.push(&data);
    }

    fn push(&mut self, data: &[u8]) {
        let data = data.trim_ascii();
        if !data.is_empty() {
            self.events.push_back(whole(data).unwrap_or(Event::Unreadable));
        }
    }
}

/// The event that a text is by itself, if it is one.
fn whole(data: &[u8]) -> Option<Event> {
    if data == DONE { Some(Event::Done) } else { serde_json::from_slice(data).ok().map(Event::Value) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut reader = Reader::default();
        for piece in pieces {
            reader.feed(piece);
        }
        reader.end();
        std::iter::from_fn(|| reader.next()).collect()
    }

    fn one(name: &str) -> Event {
        Event::Value(json!({ "a": name }))
    }

    #[test]
    fn events_are_read_however_they_are_written() {
        for text in [
            "data: {\"a\":\"x\"}\n\ndata: [DONE]\n\n",
            "data:{\"a\":\"x\"}\r\n\r\ndata:[DONE]\r\n\r\n",
            "data: {\"a\":\"x\"}\r\rdata: [DONE]\r\r",
            "\u{feff}: keep-alive\n\nevent: message\nid: 1\nid: 2\nretry: soon\nnonsense\ndata: {\"a\":\"x\"}\n\ndata: [DONE]",
            "data: {\"a\":\"x\"}\ndata: [DONE]\n",
            "data: {\ndata: \"a\":\ndata: \"x\"}\n\ndata\ndata:\n\ndata: [DONE] \n\n",
            ": first\n{\"a\":\"x\"}\ndata: [DONE]\n",
        ] {
            assert_eq!(read(&[text.as_bytes()]), [one("x"), Event::Done], "{text:?}");
        }
        assert_eq!(read(&[b" \n{\n \"a\": \"x\"\n}\n"]), [one("x")]);
        assert_eq!(read(&[b"{\"a\":\"x\"}\n{\"a\":\"y\"}\n"]), [one("x"), one("y")]);
        assert_eq!(read(&[b"data: {\"a\":\n\n", b"data: {\"a\":\"x\"}\n\n"]), [Event::Unreadable, one("x")]);
        assert_eq!(read(&[b"<html>no</html>"]), []);
        assert_eq!(read(&[b"{\"a\""]), [Event::Unreadable]);
    }

    #[test]
    fn what_has_no_end_has_one_here() {
        for start in ["data: ", "{", ": "] {
            let mut reader = Reader::default();
            reader.feed(start.as_bytes());
            reader.feed(&vec![b'a'; 3 << 20]);
            reader.end();
            assert_eq!(reader.next(), Some(Event::TooLarge), "{start:?}");
            assert!(reader.next().is_none() && reader.line.capacity() == 0);
        }
    }

    /// Bytes that look like a stream often enough.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            Just(b"data: {\"a\":\"\xE6\x96\x87\"}".to_vec()),
            Just(b"data: {\"a\":".to_vec()),
            Just(b"data: [DONE]".to_vec()),
            Just(b"data:".to_vec()),
            Just(b": x".to_vec()),
            Just(b"{\"a\":1}".to_vec()),
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\n\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..8),
        ];
        proptest::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn cuts_make_no_difference(bytes in stream(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[&bytes]));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _events = read(&[&bytes]);
        }
    }
}
