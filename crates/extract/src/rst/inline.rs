//! Inline markup of reStructuredText, converted to Markdown.

/// Whether the text of a role is a name or code.
fn is_code_role(role: &str) -> bool {
    let role = role.rsplit(':').next().unwrap_or(role);
    matches!(
        role,
        "func"
            | "meth"
            | "class"
            | "mod"
            | "attr"
            | "data"
            | "exc"
            | "obj"
            | "const"
            | "option"
            | "program"
            | "command"
            | "file"
            | "envvar"
            | "code"
            | "literal"
            | "samp"
            | "kbd"
            | "macro"
            | "type"
            | "member"
            | "keyword"
            | "token"
            | "mimetype"
            | "cpp"
            | "c"
            | "py"
            | "confval"
            | "setting"
            | "djadmin"
            | "lookup"
            | "tfilter"
            | "ttag"
    )
}

/// Converts inline markup: roles become their text or code, literals become code, links become Markdown links.
pub(crate) fn convert(text: &str) -> String {
    if !text.contains(['`', '|', '_', '\\']) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['`', ':', '|', '_', '\\']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match rest.as_bytes()[0] {
            b'`' if rest.starts_with("``") => literal(rest, &mut out),
            b'`' => interpreted("", rest, &mut out),
            b':' => role(rest, &mut out),
            b'|' => substitution(rest, &mut out),
            b'_' => reference(rest, &out),
            // `*args`\\ s: an escaped space is removed.
            _ if rest[1..].starts_with([' ', '*', '`', '|', '_']) => {
                if !rest[1..].starts_with(' ') {
                    out.push_str(&rest[..2]);
                }
                2
            }
            _ => 0,
        };
        if taken == 0 {
            out.push_str(&rest[..1]);
        }
        rest = &rest[taken.max(1)..];
    }
    out.push_str(rest);
    out
}

/// Converts ``code``. Like the next functions, returns the number of bytes taken, 0 if the text is not such markup.
fn literal(rest: &str, out: &mut String) -> usize {
    let Some(end) = within_paragraph(&rest[2..]).find("``") else { return 0 };
    let code = &rest[2..2 + end];
    if code.contains('`') {
        out.push_str("`` ");
        out.push_str(code);
        out.push_str(" ``");
    } else {
        out.push('`');
        out.push_str(code);
        out.push('`');
    }
    end + 4
}

/// Converts :role:`text`.
fn role(rest: &str, out: &mut String) -> usize {
    let Some(tick) = rest[1..].find(|character: char| {
        !(character.is_ascii_alphanumeric() || matches!(character, ':' | '-' | '_' | '.' | '+'))
    }) else {
        return 0;
    };
    let name = &rest[1..=tick];
    if !rest[1 + tick..].starts_with('`') || !name.ends_with(':') || name.len() < 2 {
        return 0;
    }
    let used = interpreted(name.trim_end_matches(':'), &rest[1 + tick..], out);
    if used == 0 { 0 } else { 1 + tick + used }
}

/// Converts `text`, `text`_ and `text <target>`_.
fn interpreted(role: &str, rest: &str, out: &mut String) -> usize {
    let Some(end) = within_paragraph(&rest[1..]).find('`') else { return 0 };
    let inner = &rest[1..=end];
    let mut used = end + 2;
    let underscores = rest[used..].bytes().take(2).take_while(|byte| *byte == b'_').count();
    used += underscores;
    let (text, target) = match inner.rsplit_once('<') {
        Some((text, target)) if target.ends_with('>') && !text.is_empty() => {
            (text.trim_end(), Some(target.trim_end_matches('>')))
        }
        _ => (inner, None),
    };
    if is_code_role(role) {
        let text = text.strip_prefix('!').unwrap_or(text);
        // `~package.module.name` displays only the last component.
        let text = match text.strip_prefix('~') {
            Some(path) => path.rsplit('.').next().unwrap_or(path),
            None => text,
        };
        out.push('`');
        out.push_str(text);
        out.push('`');
    } else {
        match target.filter(|target| target.starts_with("http") && underscores > 0) {
            Some(target) => {
                out.push('[');
                out.push_str(text);
                out.push_str("](");
                out.push_str(target);
                out.push(')');
            }
            None => out.push_str(text),
        }
    }
    used
}

/// Converts |name|.
fn substitution(rest: &str, out: &mut String) -> usize {
    let Some(end) = rest[1..].find('|') else { return 0 };
    let name = &rest[1..=end];
    let is_name = !name.is_empty() && !name.starts_with(' ') && !name.ends_with(' ') && !name.contains('\n');
    if !is_name {
        return 0;
    }
    out.push_str(name);
    end + 2
}

/// Skips the underscore of a reference: word_ and [1]_.
fn reference(rest: &str, out: &str) -> usize {
    let after_word = out.ends_with(|last: char| last.is_alphanumeric() || last == ']');
    let ends = !rest[1..].starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '`');
    // Also drops the underscore of a name such as `HTTP_`, which is rarer than a reference.
    usize::from(after_word && ends)
}

/// Returns the part of the text that inline markup can extend over: at most the paragraph and 2,000 bytes.
fn within_paragraph(text: &str) -> &str {
    let text = &text[..text.floor_char_boundary(2000)];
    text.split("\n\n").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::convert;

    #[test]
    fn inline_markup_is_converted() {
        assert_eq!(convert("a :py:meth:`~x.Y.run` b"), "a `run` b");
        assert_eq!(convert(":doc:`/a/b` and :term:`word`"), "/a/b and word");
        assert_eq!(convert("|version| of word_ in a_name, [1]_"), "version of word in a_name, [1]");
        assert_eq!(convert("open `` ` `` tick ` and 12:30 | x"), "open ``  `  `` tick ` and 12:30 | x");
    }
}
