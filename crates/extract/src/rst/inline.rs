//! Inline markup of reStructuredText, converted to Markdown.

use super::definitions::Definitions;
use super::section_id;
use crate::marks;

/// Maximum length of the name of a reference without backticks.
const MAX_REFERENCE_CHARS: usize = 100;

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
///
/// Substitutions are replaced, and references to targets outside the document become links.
pub(super) fn convert(text: &str, definitions: &Definitions) -> String {
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
            b'`' => interpreted("", rest, &mut out, definitions),
            b':' => role(rest, &mut out, definitions),
            b'|' => substitution(rest, &mut out, definitions),
            // An inline target: _`name`.
            b'_' if rest.starts_with("_`") && !out.ends_with(char::is_alphanumeric) => {
                let name = rest[2..].split('`').next().unwrap_or_default();
                out.push_str(&marks::anchor(&section_id(name)));
                1
            }
            b'_' => reference(rest, &mut out, definitions),
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
fn role(rest: &str, out: &mut String, definitions: &Definitions) -> usize {
    let Some(tick) = rest[1..].find(|character: char| {
        !(character.is_ascii_alphanumeric() || matches!(character, ':' | '-' | '_' | '.' | '+'))
    }) else {
        return 0;
    };
    let name = &rest[1..=tick];
    if !rest[1 + tick..].starts_with('`') || !name.ends_with(':') || name.len() < 2 {
        return 0;
    }
    let used = interpreted(name.trim_end_matches(':'), &rest[1 + tick..], out, definitions);
    if used == 0 { 0 } else { 1 + tick + used }
}

/// Converts `text`, `text`_ and `text <target>`_.
fn interpreted(role: &str, rest: &str, out: &mut String, definitions: &Definitions) -> usize {
    let Some(end) = within_paragraph(&rest[1..]).find('`') else { return 0 };
    let inner = &rest[1..=end];
    let mut used = end + 2;
    let underscores = rest[used..].bytes().take(2).take_while(|byte| *byte == b'_').count();
    used += underscores;
    let (text, target) = match inner.rsplit_once('<') {
        Some((text, target))
            if target.ends_with('>') && !text.is_empty() && !is_placeholder(text, target) =>
        {
            (text.trim_end(), Some(target.trim_end_matches('>')))
        }
        // Without a text, the address is the text.
        _ if underscores > 0 && inner.starts_with('<') && inner.ends_with('>') => {
            (&inner[1..inner.len() - 1], None)
        }
        _ => (inner, None),
    };
    if text.contains('\n') && is_code_role(role) {
        out.push('`');
        out.push_str(&crate::builder::one_line(text));
        out.push('`');
        return used;
    }
    match role.rsplit(':').next().unwrap_or(role) {
        "math" => {
            out.push('$');
            out.push_str(inner);
            out.push('$');
            return used;
        }
        "sup" | "superscript" | "sub" | "subscript" => {
            let sign = if role.contains("sup") { '^' } else { '_' };
            // An escaped space before the role joins it with its word.
            if out.ends_with(|last: char| last.is_alphanumeric() || last == ')') {
                out.push(sign);
            }
            out.push_str(inner);
            return used;
        }
        "pep" | "rfc" if target.is_none() && inner.starts_with(|first: char| first.is_ascii_digit()) => {
            out.push_str(&role.to_ascii_uppercase());
            out.push(' ');
            out.push_str(inner);
            return used;
        }
        "guilabel" | "menuselection" => {
            out.push_str(&inner.replace('&', "").replace("-->", "→"));
            return used;
        }
        _ => {}
    }
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
        let address = match target {
            // `text <name_>`_ refers to the target `name`.
            Some(target) if !target.contains(':') => {
                target.strip_suffix('_').and_then(|name| definitions.address(name.trim_matches('`')))
            }
            Some(target) => {
                Some(target).filter(|target| target.starts_with("http") || target.starts_with("mailto:"))
            }
            None if underscores == 2 => definitions.next_anonymous(),
            None => definitions.address(text),
        };
        match address.filter(|_| underscores > 0 && role.is_empty()) {
            Some(target) => {
                out.push('[');
                out.push_str(text);
                out.push_str("](");
                out.push_str(target);
                out.push(')');
            }
            None => match inner_target(role, text, target, underscores, definitions) {
                Some(target) => out.push_str(&marks::linked(text, &target)),
                None => out.push_str(text),
            },
        }
    }
    used
}

/// Returns the target of a reference within the manual: a document, a label, a section, or an address relative to the document.
fn inner_target(
    role: &str,
    text: &str,
    target: Option<&str>,
    underscores: usize,
    definitions: &Definitions,
) -> Option<String> {
    let name = target.unwrap_or(text);
    match role.rsplit(':').next().unwrap_or(role) {
        "doc" | "download" => Some(name.to_owned()),
        "ref" | "numref" => Some(format!("ref:{}", section_id(name.strip_prefix('!').unwrap_or(name)))),
        "" if underscores > 0 => match target.and_then(|target| target.strip_suffix('_')).or(target) {
            Some(path) if target == Some(path) => Some(path.to_owned()),
            Some(name) => Some(format!("#{}", section_id(name.trim_matches('`')))),
            None => definitions.has_place(text).then(|| format!("#{}", section_id(text))),
        },
        _ => None,
    }
}

/// Whether the brackets are part of a name, as in `POSTFIX_<CONFIG>`.
fn is_placeholder(text: &str, target: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.ends_with(|last: char| last.is_ascii_uppercase() || last == '_')
        && target.len() > 1
        && target.trim_end_matches('>').bytes().all(is_part)
}

/// Converts |name|.
fn substitution(rest: &str, out: &mut String, definitions: &Definitions) -> usize {
    let Some(end) = rest[1..].find('|') else { return 0 };
    let name = &rest[1..=end];
    let is_name = !name.is_empty() && !name.starts_with(' ') && !name.ends_with(' ') && !name.contains('\n');
    if !is_name {
        return 0;
    }
    // The text of a substitution may have roles, but no substitutions.
    match definitions.substitution(name) {
        Some(text) => out.push_str(&convert(text, &Definitions::default())),
        None => out.push_str(name),
    }
    let used = end + 2;
    used + rest[used..].bytes().take(2).take_while(|byte| *byte == b'_').count()
}

/// Converts a reference, word_ or word__ or [1]_, whose word is at the end of `out`.
fn reference(rest: &str, out: &mut String, definitions: &Definitions) -> usize {
    let after_word = out.ends_with(|last: char| last.is_alphanumeric() || last == ']');
    let underscores = rest.bytes().take(3).take_while(|byte| *byte == b'_').count();
    let ends = !rest[underscores..].starts_with(|next: char| next.is_alphanumeric() || next == '`');
    if !after_word || !ends || underscores > 2 {
        return 0;
    }
    let is_part =
        |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | '.' | '+' | ':');
    let word = out.chars().rev().take(MAX_REFERENCE_CHARS).take_while(|last| is_part(*last));
    let start = out.len() - word.map(char::len_utf8).sum::<usize>();
    // `__init__` and the end of an address are no references.
    let before = &out[out.floor_char_boundary(start.saturating_sub(MAX_REFERENCE_CHARS))..];
    let is_address = before.rsplit(char::is_whitespace).next().is_some_and(|word| word.contains("://"));
    if out[start..].starts_with('_') || is_address {
        return 0;
    }
    let address =
        if underscores == 2 { definitions.next_anonymous() } else { definitions.address(&out[start..]) };
    if let Some(address) = address.filter(|_| start < out.len()) {
        out.insert(start, '[');
        out.push_str("](");
        out.push_str(address);
        out.push(')');
    } else if definitions.has_place(&out[start..]) {
        let label = out.split_off(start);
        out.push_str(&marks::linked(&label, &format!("#{}", section_id(&label))));
    }
    // Also drops the underscore of a name such as `HTTP_`, which is rarer than a reference.
    underscores
}

/// Returns the part of the text that inline markup can extend over: at most the paragraph and 2,000 bytes.
fn within_paragraph(text: &str) -> &str {
    let text = &text[..text.floor_char_boundary(2000)];
    text.split("\n\n").next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_markup_is_converted() {
        let definitions = Definitions::collect(&[
            ".. |release| replace:: 4.2",
            ".. |c| unicode:: 0xA9 .. copyright sign",
            ".. |logo| image:: logo.png",
            "   :alt: The logo",
            ".. _var: https://x.org/a_b",
            ".. _other name: var_",
            "__ https://x.org/anonymous",
            "See `Site <https://site.org>`_.",
        ]);
        let convert = |text: &str| marks::without(&convert(text, &definitions));
        assert_eq!(convert("a :py:meth:`~x.Y.run` b"), "a `run` b");
        assert_eq!(convert(":prop_tgt:`POSTFIX_<CONFIG>` of :ref:`text<label>`"), "POSTFIX_<CONFIG> of text");
        assert_eq!(convert(":doc:`/a/b` and :term:`word`"), "/a/b and word");
        assert_eq!(convert("|version| of word_ in a_name, [1]_"), "version of word in a_name, [1]");
        assert_eq!(convert("open `` ` `` tick ` and 12:30 | x"), "open ``  `  `` tick ` and 12:30 | x");
        assert_eq!(
            convert("__init__ and __init__.py, https://x.org/a_b_"),
            "__init__ and __init__.py, https://x.org/a_b_"
        );
        assert_eq!(convert("|release| |c| |logo|"), "4.2 © The logo");
        assert_eq!(
            convert("var_, `Other Name`_"),
            "[var](https://x.org/a_b), [Other Name](https://x.org/a_b)"
        );
        assert_eq!(
            convert("`this`__ and Site_ and `that <var_>`_"),
            "[this](https://x.org/anonymous) and [Site](https://site.org) and [that](https://x.org/a_b)"
        );
        assert_eq!(
            convert("H\\ :sub:`2`\\ O, :math:`a^2`, :pep:`8`, _`target`"),
            "H_2O, $a^2$, PEP 8, target"
        );
    }
}
