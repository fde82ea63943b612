//! Code blocks of a page: language, and whether a block is a Java declaration.

use html5ever::{LocalName, local_name};

use super::dom::{Dom, NodeId};

/// Returns the language of a code block, from the classes of its element and its ancestors; empty if unknown.
pub(crate) fn code_language(dom: &Dom, node: NodeId) -> String {
    let child = dom.children(node).find(|child| dom.is(*child, &local_name!("code")));
    let ancestors = dom.ancestors(node).take(3);
    for element in child.into_iter().chain(std::iter::once(node)).chain(ancestors) {
        let mut next_is_language = false;
        for class in dom.classes(element) {
            let prefixed = ["language-", "lang-", "highlight-", "brush:", "source-"]
                .iter()
                .find_map(|prefix| class.strip_prefix(prefix));
            let language = if next_is_language { Some(class) } else { prefixed };
            match language {
                Some("default" | "none" | "plaintext" | "text" | "notranslate") => return String::new(),
                Some(language) if is_language(language) => return language.trim_end_matches('3').to_owned(),
                _ => next_is_language = matches!(class, "sourceCode" | "brush:"),
            }
        }
        if let Some(language) =
            dom.attribute(element, &LocalName::from("data-lang")).filter(|name| is_language(name))
        {
            return language.to_owned();
        }
    }
    String::new()
}

/// Whether a class may name a programming language.
fn is_language(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 20
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'#' | b'-' | b'_'))
}

/// Whether the code is a Java declaration, which older `javadoc` layouts write as plain preformatted text.
pub(crate) fn is_declaration(code: &str) -> bool {
    let first = code.split_whitespace().next().unwrap_or_default();
    matches!(
        first,
        "public" | "protected" | "private" | "static" | "abstract" | "final" | "default" | "@Deprecated"
    )
}

/// Removes trailing white space from every line.
pub(crate) fn trim_lines(code: &str) -> String {
    let mut trimmed = String::with_capacity(code.len());
    for line in code.lines() {
        trimmed.push_str(line.trim_end());
        trimmed.push('\n');
    }
    trimmed
}
