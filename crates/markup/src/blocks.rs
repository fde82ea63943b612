//! Blocks of code on their way from Markdown to HTML.

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};

use crate::escape::escaped;
use crate::highlight;

/// Bytes of code that are coloured for one text; what comes after them stays as it is. It bounds what a page may cost.
const MOST: usize = 40_000;

/// Code that is gathered until its block ends.
pub(crate) struct Blocks {
    /// Bytes that may still be coloured.
    left: usize,
    /// The language and the text of the block that is open.
    open: Option<(String, String)>,
}

/// What became of a piece of Markdown.
pub(crate) enum Taken<'event> {
    /// It is part of a block of code that has not ended.
    Nothing,
    /// A block of code ended: its HTML.
    Block(String),
    /// It has nothing to do with code.
    Other(Event<'event>),
}

impl Blocks {
    /// Code that stays as it is.
    pub(crate) fn plain() -> Self {
        Self { left: 0, open: None }
    }

    /// Code in colours.
    pub(crate) fn coloured() -> Self {
        Self { left: MOST, open: None }
    }

    /// Takes what belongs to a block of code.
    pub(crate) fn take<'event>(&mut self, event: Event<'event>) -> Taken<'event> {
        match (event, &mut self.open) {
            (Event::Start(Tag::CodeBlock(kind)), _) => {
                self.open = Some((language(&kind), String::new()));
                Taken::Nothing
            }
            (Event::End(TagEnd::CodeBlock), open) => match open.take() {
                Some((language, text)) => Taken::Block(self.html(&language, &text)),
                None => Taken::Nothing,
            },
            (Event::Text(text), Some((_, code))) => {
                code.push_str(&text);
                Taken::Nothing
            }
            (_, Some(_)) => Taken::Nothing,
            (event, None) => Taken::Other(event),
        }
    }

    /// Whether a block of code has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn html(&mut self, language: &str, text: &str) -> String {
        let mut coloured = None;
        if text.len() <= self.left && !language.is_empty() {
            coloured = highlight::code(text, language);
            if coloured.is_some() {
                self.left -= text.len();
            }
        }
        let code = coloured.map_or_else(|| escaped(text), Into::into);
        let class =
            if language.is_empty() { String::new() } else { format!(" class=\"language-{language}\"") };
        // It may be wider than the page, and has to be reached by the keyboard to be scrolled.
        format!("<pre tabindex=\"0\"><code{class}>{code}</code></pre>\n")
    }
}

/// The language of a block of code, if it is the name of one.
fn language(kind: &CodeBlockKind<'_>) -> String {
    let CodeBlockKind::Fenced(words) = kind else { return String::new() };
    // `rust,ignore`, `js {1,3}`, `python title="x"`: the language comes first.
    let name = words.split([',', ' ', '{', '\t', ':']).find(|word| !word.is_empty()).unwrap_or_default();
    let is_name =
        name.len() <= 30 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+#.-".contains(&byte));
    if is_name { name.to_owned() } else { String::new() }
}
