//! Rendering of code blocks from Markdown events.

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

use crate::escape::escape;
use crate::highlight;

/// Bytes of code that are highlighted per text. Bounds the cost of a page; the rest stays plain.
const MAX_HIGHLIGHTED_BYTES: usize = 40_000;

/// Maximum length of a language name in bytes.
const MAX_LANGUAGE_BYTES: usize = 30;

/// Collects the text of each code block until it ends.
pub(crate) struct CodeBlocks {
    /// Bytes that can still be highlighted.
    budget_bytes: usize,
    /// Language and text of the open block.
    open: Option<(String, String)>,
}

/// Outcome of an event.
pub(crate) enum Outcome<'event> {
    /// The event is part of a code block that has not ended.
    Consumed,
    /// A code block ended: its HTML.
    Block(String),
    /// The event is not part of a code block.
    Other(Event<'event>),
}

impl CodeBlocks {
    /// Without highlighting.
    pub(crate) fn plain() -> Self {
        Self { budget_bytes: 0, open: None }
    }

    /// With highlighting.
    pub(crate) fn highlighted() -> Self {
        Self { budget_bytes: MAX_HIGHLIGHTED_BYTES, open: None }
    }

    /// Consumes an event if it belongs to a code block.
    pub(crate) fn process<'event>(&mut self, event: Event<'event>) -> Outcome<'event> {
        match (event, &mut self.open) {
            (Event::Start(Tag::CodeBlock(kind)), _) => {
                self.open = Some((language(&kind), String::new()));
                Outcome::Consumed
            }
            (Event::End(TagEnd::CodeBlock), open) => match open.take() {
                Some((language, text)) => Outcome::Block(self.html(&language, &text)),
                None => Outcome::Consumed,
            },
            (Event::Text(text), Some((_, code))) => {
                code.push_str(&text);
                Outcome::Consumed
            }
            (_, Some(_)) => Outcome::Consumed,
            (event, None) => Outcome::Other(event),
        }
    }

    /// Whether a code block is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn html(&mut self, language: &str, text: &str) -> String {
        let mut highlighted = None;
        if text.len() <= self.budget_bytes && !language.is_empty() {
            highlighted = highlight::code(text, language);
            if highlighted.is_some() {
                self.budget_bytes -= text.len();
            }
        }
        let code = highlighted.map_or_else(|| escape(text), Into::into);
        let class =
            if language.is_empty() { String::new() } else { format!(" class=\"language-{language}\"") };
        // Focusable, because a block wider than the page is scrolled by keyboard.
        format!("<pre tabindex=\"0\"><code{class}>{code}</code></pre>\n")
    }
}

/// Returns the language of a code block; empty if it names none.
fn language(kind: &CodeBlockKind<'_>) -> String {
    let CodeBlockKind::Fenced(info) = kind else { return String::new() };
    // `rust,ignore`, `js {1,3}`, `python title="x"`: the language comes first.
    let name = info.split([',', ' ', '{', '\t', ':']).find(|part| !part.is_empty()).unwrap_or_default();
    let is_name = name.len() <= MAX_LANGUAGE_BYTES
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+#.-".contains(&byte));
    if is_name { name.to_owned() } else { String::new() }
}
