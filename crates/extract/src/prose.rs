//! Text that comes from outside as Markdown: what would be read as a mark is escaped, nothing else changes.

/// Keeps a paragraph from being read as Markdown that it is not: a heading, a quotation, an HTML element.
pub(crate) fn escape(text: &str) -> String {
    let block =
        text.starts_with(['#', '>', '|', '+', '=']) || text.starts_with("```") || text.starts_with("~~~");
    let escaped = escape_inline(text);
    if block { format!("\\{escaped}") } else { escaped }
}

/// The same for a piece of a paragraph that is not its beginning.
pub(crate) fn escape_inline(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let element = character == '<'
            && rest.peek().is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'));
        if element {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
