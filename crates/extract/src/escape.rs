//! Escaping of plain text for Markdown: escapes what would be read as markup, and changes nothing else.

/// Escapes a paragraph, so that it is not read as a heading, a quotation, a table or an HTML element.
pub(crate) fn escape_paragraph(text: &str) -> String {
    let starts_block =
        text.starts_with(['#', '>', '|', '+', '=']) || text.starts_with("```") || text.starts_with("~~~");
    let escaped = escape_inline(text);
    if starts_block { format!("\\{escaped}") } else { escaped }
}

/// Escapes a part of a paragraph other than its beginning.
pub(crate) fn escape_inline(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let is_tag = character == '<'
            && rest.peek().is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'));
        if is_tag {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
