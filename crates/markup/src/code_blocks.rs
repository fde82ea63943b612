//! Rendering of code blocks from Markdown events.

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

use crate::escape::escape;
use crate::highlight;

/// Bytes of code that are highlighted per text. Bounds the cost of a page; the rest stays plain.
const MAX_HIGHLIGHTED_BYTES: usize = 40_000;

/// Maximum length of a language name in bytes.
const MAX_LANGUAGE_BYTES: usize = 30;

/// Maximum length of a name above a code block, in characters.
const MAX_NAME_CHARS: usize = 120;

/// Collects the text of each code block until it ends.
pub(crate) struct CodeBlocks {
    /// Bytes that can still be highlighted.
    budget_bytes: usize,
    /// The open block.
    open: Option<CodeBlock>,
}

/// A code block that is being read.
struct CodeBlock {
    language: String,
    /// File name or title, shown above the code; empty if there is none.
    name: String,
    text: String,
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
                let language = language(&kind);
                let name = name(&kind, &language);
                self.open = Some(CodeBlock { language, name, text: String::new() });
                Outcome::Consumed
            }
            (Event::End(TagEnd::CodeBlock), open) => match open.take() {
                Some(block) => Outcome::Block(self.html(&block)),
                None => Outcome::Consumed,
            },
            (Event::Text(text), Some(block)) => {
                block.text.push_str(&text);
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

    fn html(&mut self, CodeBlock { language, name, text }: &CodeBlock) -> String {
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
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("<div class=\"code-name\">{}</div>\n", escape(name))
        };
        format!("{name}<pre tabindex=\"0\"><code{class}>{code}</code></pre>\n")
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

/// Returns what is shown above a code block: the file name or title after the language, or the name of a diagram's language.
fn name(kind: &CodeBlockKind<'_>, language: &str) -> String {
    let CodeBlockKind::Fenced(info) = kind else { return String::new() };
    if ["mermaid", "plantuml", "graphviz", "dot", "d2"].contains(&language.to_ascii_lowercase().as_str()) {
        return language.to_owned();
    }
    let quoted = ["title=", "filename=", "file=", "name="].iter().find_map(|attribute| {
        let (before, value) = info.split_once(attribute)?;
        let is_whole = before.is_empty() || before.ends_with([' ', ',', '{', '\t']);
        let quote = value.chars().next().filter(|_| is_whole)?;
        let name = match quote {
            '"' | '\'' => value[1..].split(quote).next(),
            _ => value.split([' ', ',', '}']).next(),
        };
        name.map(str::trim).filter(|name| !name.is_empty())
    });
    let in_brackets = || info.split_once('[')?.1.split_once(']').map(|(name, _)| name.trim());
    let after_colon = || {
        let name = info.strip_prefix(language)?.strip_prefix(':')?;
        name.split([' ', '{']).next().filter(|name| name.contains(['.', '/']))
    };
    let name = quoted.or_else(in_brackets).or_else(after_colon).unwrap_or_default();
    name.chars().filter(|character| !character.is_control()).take(MAX_NAME_CHARS).collect()
}
