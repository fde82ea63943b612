//! Code blocks of a page: their lines, their language, and whether a block is a Java declaration.

use html5ever::{LocalName, local_name};

use super::boilerplate::is_boilerplate;
use super::dom::{Dom, NodeData, NodeId, Step};

/// Maximum number of nodes searched for lines of code outside `pre`.
const MAX_SEARCHED_NODES: usize = 64;

/// Returns the text of a code block. Elements that stand for lines are lines; line numbers are left out.
pub(crate) fn code_text(dom: &Dom, root: NodeId) -> String {
    let mut code = CodeText { dom, text: String::new(), needs_break: false, starts: Vec::new() };
    let has_code_lines =
        dom.children(root).filter(|child| dom.is(*child, &local_name!("code"))).take(2).count() > 1;
    let mut step = Some(Step::Enter(root));
    while let Some(current) = step {
        let mut done = current;
        match current {
            Step::Enter(node) => match dom.data(node) {
                NodeData::Text(text) => code.push(text),
                NodeData::Element { name, .. } if name.local == local_name!("br") => code.push("\n"),
                NodeData::Element { name, .. } if name.local == local_name!("img") => {
                    code.push(dom.attribute(node, &local_name!("alt")).unwrap_or_default());
                }
                NodeData::Element { .. }
                    if node != root && (is_boilerplate(dom, node) || is_line_number(dom, node)) =>
                {
                    done = Step::Leave(node);
                }
                NodeData::Element { .. } if node != root => code.enter(node, has_code_lines),
                _ => {}
            },
            Step::Leave(node) => code.leave(node),
        }
        step = dom.next(done, root);
    }
    let text = code.text;
    if text.contains('\u{a0}') { text.replace('\u{a0}', " ") } else { text }
}

/// Text of a code block under construction.
struct CodeText<'d> {
    dom: &'d Dom,
    text: String,
    /// Whether a line has ended and its line break was not written.
    needs_break: bool,
    /// Lines that the walk is in, with the length of the text before them.
    starts: Vec<(NodeId, usize)>,
}

impl CodeText<'_> {
    fn push(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.needs_break && !text.starts_with(['\n', '\r']) {
            self.text.push('\n');
        }
        self.needs_break = false;
        self.text.push_str(text);
    }

    fn enter(&mut self, node: NodeId, has_code_lines: bool) {
        let is_block = is_line_block(self.dom, node);
        let is_code_line = has_code_lines && self.dom.is(node, &local_name!("code"));
        if !is_block && !is_code_line && !is_inline_line(self.dom, node) {
            return;
        }
        if self.needs_break || is_block && !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
            self.needs_break = false;
        }
        self.starts.push((node, self.text.len()));
    }

    fn leave(&mut self, node: NodeId) {
        let Some((_, start)) = self.starts.pop_if(|(line, _)| *line == node) else { return };
        if self.text.len() == start {
            // An empty line.
            if is_line_block(self.dom, node) {
                self.text.push('\n');
                self.needs_break = false;
            }
        } else if !self.text.ends_with('\n') {
            self.needs_break = true;
        }
    }
}

/// Whether the element begins and ends a line of code.
fn is_line_block(dom: &Dom, node: NodeId) -> bool {
    matches!(
        dom.name(node),
        Some(&(local_name!("div") | local_name!("li") | local_name!("p") | local_name!("tr")))
    )
}

/// Whether an inline element is a line of code: by its class, and nothing but a line follows it on its line.
fn is_inline_line(dom: &Dom, node: NodeId) -> bool {
    let is_line = |node: NodeId| {
        // Some generators mark lines by an attribute, or make them blocks.
        let is_marked = dom.attribute(node, &LocalName::from("data-line")).is_some()
            || dom
                .attribute(node, &local_name!("style"))
                .is_some_and(|style| style.contains("display:block") || style.contains("display: block"));
        is_marked
            || dom.classes(node).any(|class| {
                class == "line"
                    || class == "code-line"
                    || class == "loc"
                    || class
                        .strip_suffix("-line")
                        .is_some_and(|kind| !kind.ends_with("under") && !kind.ends_with("in"))
            })
    };
    if !is_line(node) {
        return false;
    }
    let mut next = dom.next_sibling(node);
    while let Some(sibling) = next {
        match dom.data(sibling) {
            NodeData::Text(text) if text.starts_with(['\n', '\r']) => return true,
            NodeData::Text(text) if text.trim().is_empty() => {}
            NodeData::Element { .. } => return is_line(sibling),
            NodeData::Comment => {}
            _ => return false,
        }
        next = dom.next_sibling(sibling);
    }
    true
}

/// Whether the element is a line number, or a column of them.
fn is_line_number(dom: &Dom, node: NodeId) -> bool {
    let is_named = dom.classes(node).any(|class| {
        let class = class.to_ascii_lowercase();
        matches!(&*class, "lnt" | "ln" | "lnum" | "ln-num" | "gl" | "blob-num" | "hljs-ln-numbers")
            || ["lineno", "linenum", "line-no", "line-num", "gutter"].iter().any(|part| class.contains(part))
    }) || dom
        .attribute(node, &local_name!("style"))
        .is_some_and(|style| style.contains("user-select:none") || style.contains("user-select: none"));
    is_named && is_only_numbers(dom, node)
}

/// Whether the text of the element is digits only. Reads no more of it than needed.
fn is_only_numbers(dom: &Dom, node: NodeId) -> bool {
    dom.descendants(node).all(|inner| match dom.data(inner) {
        NodeData::Text(text) => text.chars().all(|character| {
            character.is_ascii_digit() || character.is_whitespace() || matches!(character, '.' | ':' | '|')
        }),
        _ => true,
    })
}

/// Whether a `pre` is the column of line numbers beside code: consecutive numbers in a cell whose neighbour has code.
pub(crate) fn is_number_column(dom: &Dom, pre: NodeId) -> bool {
    if !is_only_numbers(dom, pre) {
        return false;
    }
    if dom.classes(pre).any(|class| matches!(class, "lineno" | "linenos" | "line-numbers" | "gutter")) {
        return true;
    }
    let is_cell = |node: &NodeId| matches!(dom.name(*node), Some(&(local_name!("td") | local_name!("div"))));
    let Some(cell) = dom.ancestors(pre).take(3).find(is_cell) else { return false };
    let text = dom.text(pre);
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let Some(Ok(mut last)) = numbers.next() else { return false };
    let is_consecutive = numbers.all(|number| {
        let is_next = number.as_ref().is_ok_and(|number| *number == last.saturating_add(1));
        last = number.unwrap_or(0);
        is_next
    });
    is_consecutive
        && std::iter::successors(dom.next_sibling(cell), |next| dom.next_sibling(*next)).take(4).any(|next| {
            dom.descendants(next)
                .take(MAX_SEARCHED_NODES)
                .any(|inner| matches!(dom.name(inner), Some(&(local_name!("pre") | local_name!("code")))))
        })
}

/// Whether an element outside `pre` is a code block: `code` with lines in it, or the view of a code editor.
pub(crate) fn is_code_block(dom: &Dom, node: NodeId) -> bool {
    if dom.is(node, &local_name!("code")) {
        let mut inner = dom.descendants(node).skip(1).take(MAX_SEARCHED_NODES);
        return inner.any(|inner| {
            dom.is(inner, &local_name!("br"))
                || dom.is(inner, &local_name!("div"))
                || is_classed_line(dom, inner)
        });
    }
    if dom.is(node, &local_name!("table")) {
        return dom.descendants(node).take(MAX_SEARCHED_NODES).any(|cell| {
            dom.is(cell, &local_name!("td"))
                && dom.classes(cell).any(|class| {
                    matches!(class, "blob-code" | "lines-code" | "hljs-ln-code" | "line-content")
                })
        });
    }
    dom.is(node, &local_name!("div"))
        && dom.classes(node).any(|class| {
            matches!(class, "syntaxhighlighter" | "CodeMirror-code" | "cm-content" | "view-lines")
        })
}

fn is_classed_line(dom: &Dom, node: NodeId) -> bool {
    dom.classes(node).any(|class| matches!(class, "line" | "code-line" | "token-line"))
}

/// Returns the language of a code block, from its element, its `code` and its ancestors; empty if unknown.
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
            match language.map(|language| language.trim_end_matches(';')) {
                Some("default" | "none" | "plaintext" | "text" | "notranslate") => return String::new(),
                Some(language) if is_language(language) => return language.trim_end_matches('3').to_owned(),
                _ => next_is_language = matches!(class, "sourceCode" | "brush:" | "syntaxhighlighter"),
            }
        }
        for name in ["data-lang", "data-language"] {
            let language = dom.attribute(element, &LocalName::from(name)).map(str::trim);
            if let Some(language) = language.filter(|name| is_language(name)) {
                let is_text = matches!(language, "plaintext" | "text" | "txt" | "plain" | "none");
                return if is_text { String::new() } else { language.to_ascii_lowercase() };
            }
        }
        if let Some(language) = bare_language(dom, element) {
            return language.to_owned();
        }
    }
    String::new()
}

/// Returns the language that stands beside the class `hljs` without a prefix.
fn bare_language(dom: &Dom, element: NodeId) -> Option<&str> {
    const LANGUAGES: [&str; 32] = [
        "bash",
        "c",
        "cpp",
        "csharp",
        "css",
        "diff",
        "dockerfile",
        "go",
        "graphql",
        "html",
        "http",
        "ini",
        "java",
        "javascript",
        "json",
        "jsx",
        "kotlin",
        "lua",
        "makefile",
        "php",
        "powershell",
        "python",
        "ruby",
        "rust",
        "scala",
        "shell",
        "sql",
        "swift",
        "toml",
        "typescript",
        "xml",
        "yaml",
    ];
    dom.classes(element)
        .any(|class| class == "hljs")
        .then(|| dom.classes(element).find(|class| LANGUAGES.contains(class)))?
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
