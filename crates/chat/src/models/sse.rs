//! Lenient parser of server-sent events, for input in pieces of any size.
//!
//! Accepts what providers send beyond the [standard](https://html.spec.whatwg.org/multipage/server-sent-events.html): any end of
//! line, comments, unknown fields, events not separated by an empty line, a missing end, plain lines of JSON, or one JSON value
//! instead of a stream. A strict parser refuses half of that, and loses the events that came with it.

use std::collections::VecDeque;

use serde_json::Value;

/// Maximum size of one event, in bytes.
pub(super) const MAX_EVENT_BYTES: usize = 1 << 20;
const DONE: &[u8] = b"[DONE]";

/// Event of a model's answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// JSON value.
    Value(Value),
    /// End of the answer, `[DONE]`.
    Done,
    /// Data that is not JSON.
    Unreadable,
    /// Event larger than [`MAX_EVENT_BYTES`]; nothing is parsed after it.
    TooLarge,
}

/// Incremental parser.
#[derive(Debug, Default)]
pub(super) struct SseParser {
    form: Form,
    /// Incomplete line, or the one JSON value.
    line: Vec<u8>,
    /// Data of an event whose lines are not JSON on their own.
    data: Vec<u8>,
    after_return: bool,
    events: VecDeque<Event>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Not decided yet.
    #[default]
    Unknown,
    /// Lines of an event stream.
    Lines,
    /// One JSON value, or one per line.
    Json,
    /// Parsing has ended.
    Ended,
}

impl SseParser {
    /// Parses the next piece of the input.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.form {
                Form::Ended => return,
                // White space and the byte order mark.
                Form::Unknown if byte.is_ascii_whitespace() || b"\xEF\xBB\xBF".contains(&byte) => continue,
                Form::Unknown if byte == b'{' || byte == b'[' => self.form = Form::Json,
                Form::Unknown => self.form = Form::Lines,
                Form::Lines | Form::Json => {}
            }
            if self.form == Form::Json {
                self.push_byte(byte);
                continue;
            }
            match byte {
                b'\n' if self.after_return => {}
                b'\n' | b'\r' => self.end_of_line(),
                _ => self.push_byte(byte),
            }
            self.after_return = byte == b'\r';
        }
    }

    /// Parses the end of the input.
    pub(super) fn finish(&mut self) {
        match self.form {
            Form::Lines => {
                self.end_of_line();
                self.end_of_event();
            }
            Form::Json => {
                let text = std::mem::take(&mut self.line);
                match serde_json::from_slice(&text) {
                    Ok(value) => self.events.push_back(Event::Value(value)),
                    Err(_several) => {
                        text.split(|byte| *byte == b'\n').for_each(|line| self.push_event(line));
                    }
                }
            }
            Form::Unknown | Form::Ended => {}
        }
        self.form = Form::Ended;
    }

    /// Returns the next complete event.
    pub(super) fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn push_byte(&mut self, byte: u8) {
        if self.line.len() + self.data.len() >= MAX_EVENT_BYTES {
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
            // A provider that fails within the stream may send a bare JSON error.
            None if line.starts_with(b"{") => line.trim_ascii(),
            None => return,
        };
        if self.data.is_empty() {
            match complete_event(data) {
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
        self.push_event(&data);
    }

    fn push_event(&mut self, data: &[u8]) {
        let data = data.trim_ascii();
        if !data.is_empty() {
            self.events.push_back(complete_event(data).unwrap_or(Event::Unreadable));
        }
    }
}

/// Returns the event that the data form on their own, if they do.
fn complete_event(data: &[u8]) -> Option<Event> {
    if data == DONE { Some(Event::Done) } else { serde_json::from_slice(data).ok().map(Event::Value) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn any_answer_of_a_model_is_read() {
        let examples: [&[u8]; 3] = [
            b"data: {\"choices\":[{\"delta\":{\"content\":\"Yes\"},\"finish_reason\":null}]}\n\ndata: [DONE]\n\n",
            b"event: error\r\ndata: {\"error\":{\"message\":\"too long\",\"code\":400}}\r\n\r\n: ping\n",
            b"{\"choices\":[{\"message\":{\"content\":\"Yes\"},\"finish_reason\":\"stop\"}],\"usage\":{\"total_tokens\":7}}",
        ];
        testkit::fuzz("answer of a model", &examples, |bytes| {
            for event in read(&[bytes]) {
                if let Event::Value(value) = event {
                    super::super::chunk::parse(&value);
                }
            }
        });
    }

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = SseParser::default();
        for piece in pieces {
            parser.push(piece);
        }
        parser.finish();
        std::iter::from_fn(|| parser.next()).collect()
    }

    fn one(name: &str) -> Event {
        Event::Value(json!({ "a": name }))
    }

    #[test]
    fn variants_of_a_stream_give_the_same_events() {
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
    fn endless_input_is_bounded() {
        for start in ["data: ", "{", ": "] {
            let mut parser = SseParser::default();
            parser.push(start.as_bytes());
            parser.push(&vec![b'a'; 3 << 20]);
            parser.finish();
            assert_eq!(parser.next(), Some(Event::TooLarge), "{start:?}");
            assert!(parser.next().is_none() && parser.line.capacity() == 0);
        }
    }

    /// Bytes that often look like a stream.
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
        fn the_cutting_into_pieces_makes_no_difference(bytes in stream(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6)) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), read(&[&bytes]));
        }

        #[test]
        fn no_input_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _events = read(&[&bytes]);
        }
    }
}
