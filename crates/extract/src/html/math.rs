//! Formulas of a page: TeX where the page contains it, else `MathML` as one line of text.
//!
//! Programs that typeset formulas write each of them two or three times: for the eye, for screen readers, and as its
//! source. Only one of these is text. TeX is written between dollar signs, `MathML` in the notation `a = 1/2`, `m^2`,
//! `√(b^2 - 4ac)`.

use html5ever::{LocalName, local_name};

use super::dom::{Dom, NodeData, NodeId};
use crate::builder::one_line;

/// Maximum length of a superscript or subscript that is written with `^` or `_`.
const MAX_SCRIPT_CHARS: usize = 16;

/// Maximum number of nodes searched for the source of a formula.
const MAX_FORMULA_NODES: usize = 20_000;

/// Returns the text of an element that is a formula; empty for the copies of a formula. `None` for other elements.
pub(crate) fn formula(dom: &Dom, node: NodeId) -> Option<String> {
    let name = dom.name(node)?;
    match *name {
        local_name!("math") => return Some(of_math(dom, node)),
        local_name!("script") => {
            let kind = dom.attribute(node, &local_name!("type"))?;
            return kind.starts_with("math/tex").then(|| tex(&dom.text(node), kind.contains("display")));
        }
        local_name!("img") => {
            return dom
                .classes(node)
                .any(|class| {
                    matches!(class, "math" | "tex" | "latex") || class.starts_with("mwe-math-fallback-image")
                })
                .then(|| tex(dom.attribute(node, &local_name!("alt")).unwrap_or_default(), false));
        }
        _ => {}
    }
    if &**name == "mjx-container" {
        // Without `math` inside, only the description for screen readers tells the formula.
        let label = || dom.attribute(node, &LocalName::from("aria-label")).unwrap_or_default().to_owned();
        return Some(first_math(dom, node).map_or_else(label, |math| of_math(dom, math)));
    }
    let kind = dom.classes(node).find_map(|class| match class {
        "katex" | "katex-display" | "katex-error" => Some(Kind::Katex),
        "mwe-math-element" => Some(Kind::MediaWiki),
        "MathJax"
        | "MathJax_Display"
        | "MathJax_Preview"
        | "MathJax_SVG"
        | "MathJax_SVG_Display"
        | "MathJax_CHTML" => Some(Kind::MathJax),
        "math" | "arithmatex" => Some(Kind::Delimited),
        _ => None,
    })?;
    match kind {
        Kind::Katex => {
            Some(first_math(dom, node).map_or_else(|| visible_katex(dom, node), |math| of_math(dom, math)))
        }
        Kind::MediaWiki => Some(first_math(dom, node).map_or_else(String::new, |math| of_math(dom, math))),
        Kind::MathJax if is_followed_by_tex(dom, node) => Some(String::new()),
        Kind::MathJax => first_math(dom, node).map(|math| of_math(dom, math)),
        Kind::Delimited => delimited(&dom.text(node)),
    }
}

/// Programs that typeset formulas.
#[derive(Clone, Copy)]
enum Kind {
    Katex,
    MediaWiki,
    MathJax,
    /// TeX between delimiters, which a script typesets in the browser.
    Delimited,
}

/// Returns the text of a superscript or subscript after the character `last`: `^2`, `_10`, `[3]` for the mark of a
/// footnote. `None` if its text is written like any other.
pub(crate) fn script(dom: &Dom, node: NodeId, last: Option<char>) -> Option<String> {
    // Not the visible text, which would ask for scripts in scripts again at each level.
    let content = one_line(&dom.text(node));
    let last = last.filter(|last| last.is_alphanumeric() || matches!(last, ')' | ']' | '}' | '`'))?;
    let is_superscript = dom.is(node, &local_name!("sup"));
    let count = content.chars().count();
    if count == 0
        || count > MAX_SCRIPT_CHARS
        || content.contains(' ') && !content.contains(['+', '-', '−', '='])
    {
        return None;
    }
    let is_letters = content.chars().all(char::is_alphabetic);
    if is_superscript {
        let has_link = dom.descendants(node).any(|inner| dom.is(inner, &local_name!("a")))
            || dom.parent(node).is_some_and(|parent| {
                dom.is(parent, &local_name!("a")) && dom.text(parent).trim() == dom.text(node).trim()
            });
        if has_link {
            let is_mark = content.chars().all(char::is_alphanumeric);
            return is_mark.then(|| format!("[{content}]"));
        }
        let is_ordinal =
            last.is_ascii_digit() && matches!(&*content, "st" | "nd" | "rd" | "th" | "er" | "re" | "ème");
        if is_ordinal || is_letters && count > 1 || !content.chars().any(char::is_alphanumeric) {
            return None;
        }
    } else if !content.chars().any(char::is_alphanumeric) {
        return None;
    }
    Some(format!("{}{}", if is_superscript { '^' } else { '_' }, group(&content)))
}

/// Returns the text of a `math` element.
fn of_math(dom: &Dom, math: NodeId) -> String {
    let is_display = dom.attribute(math, &LocalName::from("display")) == Some("block")
        || dom.ancestors(math).take(4).any(|above| dom.classes(above).any(|class| class == "katex-display"));
    let annotation = dom.descendants(math).take(MAX_FORMULA_NODES).find(|node| {
        dom.name(*node).is_some_and(|name| &**name == "annotation")
            && dom.attribute(*node, &LocalName::from("encoding")).is_some_and(|encoding| {
                let encoding = encoding.to_ascii_lowercase();
                encoding.contains("tex")
            })
    });
    if let Some(annotation) = annotation {
        return tex(&dom.text(annotation), is_display);
    }
    match dom.attribute(math, &LocalName::from("alttext")) {
        Some(source) if !source.trim().is_empty() => tex(source, is_display),
        _ => linear_children(dom, math),
    }
}

/// Returns TeX between dollar signs, on one line.
fn tex(source: &str, is_display: bool) -> String {
    let mut source = one_line(source);
    // MediaWiki wraps each formula.
    for prefix in ["{\\displaystyle ", "{\\textstyle "] {
        if let Some(inner) = source.strip_prefix(prefix).and_then(|inner| inner.strip_suffix('}')) {
            source = inner.trim().to_owned();
        }
    }
    if source.is_empty() {
        return source;
    }
    // A formula must not be read as the tag of an element.
    let source = source.replace('<', "\\lt ").replace("\\lt  ", "\\lt ");
    let mark = if is_display { "$$" } else { "$" };
    format!("{mark}{source}{mark}")
}

/// Returns the formula in the text of an element: `\(…\)` or `\[…\]`.
fn delimited(text: &str) -> Option<String> {
    let text = text.trim();
    let inline = text.strip_prefix("\\(").and_then(|rest| rest.strip_suffix("\\)"));
    let display = text
        .strip_prefix("\\[")
        .and_then(|rest| rest.strip_suffix("\\]"))
        .or_else(|| text.strip_prefix("$$").and_then(|rest| rest.strip_suffix("$$")));
    match (inline, display) {
        (Some(source), _) => Some(tex(source, false)),
        (_, Some(source)) => Some(tex(source, true)),
        _ => None,
    }
}

/// Returns the text of a formula that was typeset without `math` beside it.
fn visible_katex(dom: &Dom, node: NodeId) -> String {
    one_line(&dom.text(node).replace(['\u{200b}', '\u{200c}'], ""))
}

fn first_math(dom: &Dom, node: NodeId) -> Option<NodeId> {
    dom.descendants(node).take(MAX_FORMULA_NODES).find(|inner| dom.is(*inner, &local_name!("math")))
}

/// Whether one of the next two elements is the source of the formula.
fn is_followed_by_tex(dom: &Dom, node: NodeId) -> bool {
    std::iter::successors(dom.next_sibling(node), |next| dom.next_sibling(*next))
        .filter(|next| dom.name(*next).is_some())
        .take(2)
        .any(|next| {
            dom.is(next, &local_name!("script"))
                && dom.attribute(next, &local_name!("type")).is_some_and(|kind| kind.starts_with("math/tex"))
        })
}

/// A part of a formula as text.
struct Part {
    text: String,
    /// Whether it is a fraction, a root or has scripts: a letter after it would be read as part of it.
    is_compound: bool,
    is_operator: bool,
}

/// Returns the children of an element on one line. The depth of a page is bounded, so recursion is.
fn linear_children(dom: &Dom, node: NodeId) -> String {
    let mut line = String::new();
    let mut last_length = 0;
    let mut is_last_compound = false;
    let mut is_last_operator = true;
    let parts: Vec<Part> = dom.children(node).filter_map(|child| part(dom, child)).collect();
    let count = parts.len();
    for (number, part) in parts.into_iter().enumerate() {
        let Some(first) = part.text.chars().next() else { continue };
        if part.is_operator {
            let operator = part.text.trim();
            if matches!(operator, "," | ";") {
                line.push_str(operator);
                line.push(' ');
            } else if !is_last_operator && is_infix(operator) && number + 1 < count {
                line.push(' ');
                line.push_str(operator);
                line.push(' ');
            } else {
                line.push_str(operator);
            }
            is_last_operator = !matches!(operator, ")" | "]" | "}" | "!" | "|" | "′" | "'" | "‖" | "⟩");
            is_last_compound = false;
            last_length = 0;
            continue;
        }
        let length = part.text.chars().take_while(|character| character.is_alphanumeric()).count();
        let last = line.chars().next_back();
        let needs_space = last.is_some_and(char::is_alphanumeric)
            && first.is_alphanumeric()
            && (is_last_compound
                || first.is_numeric()
                || length > 1 && first.is_alphabetic()
                || last_length > 1 && last.is_some_and(char::is_alphabetic));
        if needs_space || is_last_compound && first == '(' {
            line.push(' ');
        }
        last_length = part.text.chars().rev().take_while(|character| character.is_alphanumeric()).count();
        is_last_compound = part.is_compound;
        is_last_operator = false;
        line.push_str(&part.text);
    }
    line.trim().to_owned()
}

/// Returns one node of a formula as text, `None` if it is nothing.
fn part(dom: &Dom, node: NodeId) -> Option<Part> {
    let simple = |text: String| Some(Part { text, is_compound: false, is_operator: false });
    let compound = |text: String| Some(Part { text, is_compound: true, is_operator: false });
    let name = match dom.data(node) {
        NodeData::Text(text) => {
            let text = one_line(text);
            return if text.is_empty() { None } else { simple(text) };
        }
        NodeData::Element { name, .. } => &*name.local,
        _ => return None,
    };
    let children =
        || -> Vec<NodeId> { dom.children(node).filter(|child| dom.name(*child).is_some()).collect() };
    let argument = |children: &[NodeId], number: usize| {
        children.get(number).map_or_else(String::new, |child| linear(dom, *child))
    };
    match name {
        "mo" => {
            let operator: String = one_line(&dom.text(node))
                .chars()
                .filter(|character| !matches!(character, '\u{2061}'..='\u{2064}' | '\u{200b}'))
                .collect();
            (!operator.is_empty()).then_some(Part { text: operator, is_compound: false, is_operator: true })
        }
        "mfrac" => {
            let children = children();
            let (top, bottom) = (argument(&children, 0), argument(&children, 1));
            if dom
                .attribute(node, &LocalName::from("linethickness"))
                .is_some_and(|width| width.starts_with('0'))
            {
                return compound(format!("binom({top}, {bottom})"));
            }
            compound(format!("{}/{}", group(&top), group(&bottom)))
        }
        "msqrt" => compound(format!("√{}", group(&linear_children(dom, node)))),
        "mroot" => {
            let children = children();
            compound(format!("{}^(1/{})", group(&argument(&children, 0)), group(&argument(&children, 1))))
        }
        "msup" | "msub" | "msubsup" | "munder" | "mover" | "munderover" => {
            let children = children();
            let base = argument(&children, 0);
            let base = if base.contains(' ') { group(&base) } else { base };
            let (below, above) = match name {
                "msub" | "munder" => (argument(&children, 1), String::new()),
                "msup" | "mover" => (String::new(), argument(&children, 1)),
                _ => (argument(&children, 1), argument(&children, 2)),
            };
            let mut text = base;
            let combining = if name == "mover" { combining_mark(&above) } else { None };
            if !below.is_empty() {
                text.push('_');
                text.push_str(&group(&below));
            }
            if let Some(mark) = combining {
                text.push(mark);
            } else if above.chars().all(|character| matches!(character, '′' | '″' | '‴' | '\'')) {
                text.push_str(&above);
            } else {
                text.push('^');
                text.push_str(&group(&above));
            }
            compound(text)
        }
        "mmultiscripts" => compound(multiscripts(dom, &children())),
        "mtable" => simple(matrix(dom, &children())),
        "mfenced" => {
            let attribute = |name: &str, default: &'static str| {
                dom.attribute(node, &LocalName::from(name)).map_or_else(|| default.to_owned(), str::to_owned)
            };
            let (open, close) = (attribute("open", "("), attribute("close", ")"));
            let items: Vec<String> = children().into_iter().map(|child| linear(dom, child)).collect();
            simple(format!("{open}{}{close}", items.join(", ")))
        }
        "semantics" | "maction" => {
            let first = children().first().copied()?;
            part(dom, first)
        }
        "mspace" => simple(" ".to_owned()),
        "annotation" | "annotation-xml" | "mphantom" | "none" | "mprescripts" | "malignmark"
        | "maligngroup" => None,
        _ => simple(linear_children(dom, node)),
    }
}

/// Returns a base with scripts on both of its sides.
fn multiscripts(dom: &Dom, children: &[NodeId]) -> String {
    let mut text = children.first().map_or_else(String::new, |base| linear(dom, *base));
    let is_mark = |child: &NodeId| dom.name(*child).is_some_and(|name| &**name == "mprescripts");
    for (number, child) in children.iter().skip(1).filter(|child| !is_mark(child)).enumerate() {
        let script = linear(dom, *child);
        if !script.is_empty() {
            text.push(if number % 2 == 0 { '_' } else { '^' });
            text.push_str(&group(&script));
        }
    }
    text
}

/// Returns the rows of a matrix: `[1, 0; 0, 1]`.
fn matrix(dom: &Dom, rows: &[NodeId]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = dom.children(*row).filter(|cell| dom.name(*cell).is_some());
            let cells: Vec<String> = cells.map(|cell| linear_children(dom, cell)).collect();
            cells.join(", ")
        })
        .collect();
    format!("[{}]", rows.join("; "))
}

fn linear(dom: &Dom, node: NodeId) -> String {
    part(dom, node).map_or_else(String::new, |part| part.text.trim().to_owned())
}

/// Returns the text in parentheses unless it is one number, one name or already in parentheses.
fn group(text: &str) -> String {
    let unsigned = text.trim_start_matches(['-', '−', '+']);
    let is_simple = !unsigned.is_empty()
        && unsigned
            .chars()
            .all(|character| character.is_alphanumeric() || matches!(character, '.' | '∞' | '*' | '†'));
    if is_simple || text.chars().count() == 1 || is_enclosed(text) {
        text.to_owned()
    } else {
        format!("({text})")
    }
}

/// Whether the first parenthesis of the text closes at its end.
fn is_enclosed(text: &str) -> bool {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at > 0 && at + 1 == text.len() && character == ')';
        }
    }
    false
}

fn is_infix(operator: &str) -> bool {
    !matches!(
        operator,
        "(" | ")" | "[" | "]" | "{" | "}" | "|" | "‖" | "!" | "/" | "." | "′" | "'" | "⟨" | "⟩" | ":"
    )
}

/// Returns the combining character for an accent above one letter.
fn combining_mark(accent: &str) -> Option<char> {
    Some(match accent {
        "^" | "ˆ" | "\u{302}" => '\u{302}',
        "¯" | "‾" | "―" | "_" | "\u{304}" => '\u{304}',
        "→" | "⃗" => '\u{20d7}',
        "~" | "˜" | "∼" => '\u{303}',
        "˙" | "." => '\u{307}',
        "¨" => '\u{308}',
        _ => return None,
    })
}
