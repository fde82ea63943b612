//! Formulas (OMML) as linear text: `E=1/2 mv^2`, `√(x_1+1)`, `∑_(i=1)^n i`.

use crate::scripts::is_simple;

use super::xml::Element;

/// Maximum length of a formula.
const MAX_BYTES: usize = 64 << 10;

/// Character at both ends of a fraction: it becomes a space next to letters and digits.
const FRACTION_EDGE: char = '\u{1}';

/// Elements of a formula whose end was not reached yet, outermost first.
#[derive(Debug, Default)]
pub(super) struct Formula {
    open: Vec<Node>,
}

/// Open element of a formula.
#[derive(Debug, Default)]
struct Node {
    name: String,
    /// Text of the children that have no name of their own.
    text: String,
    /// Named children: numerator, exponent and so on.
    parts: Vec<(String, String)>,
    /// Values of the properties, by the name of their element.
    properties: Vec<(String, String)>,
}

impl Node {
    fn part(&self, name: &str) -> &str {
        self.parts.iter().find(|(part, _)| part == name).map_or("", |(_, text)| text)
    }

    fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(property, _)| property == name).map(|(_, value)| value.as_str())
    }

    fn elements(&self) -> Vec<&str> {
        self.parts.iter().filter(|(part, _)| part == "e").map(|(_, text)| text.as_str()).collect()
    }
}

impl Formula {
    /// Whether a formula is open.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn start(&mut self, element: &Element<'_>) {
        let is_property = element.name.ends_with("Pr");
        if let Some(node) = self.open.last_mut().filter(|node| node.name.ends_with("Pr")) {
            node.properties.push((element.name.clone(), element.value()));
        }
        let name = if is_property { "Pr" } else { element.name.as_str() };
        self.open.push(Node { name: name.to_owned(), ..Node::default() });
    }

    pub(super) fn text(&mut self, text: &str) {
        if let Some(node) = self.open.last_mut().filter(|node| node.name == "t") {
            // Invisible operators, and the marks by which equations are aligned.
            let is_visible =
                |character: &char| !matches!(*character, '\u{2061}'..='\u{2064}' | '&' | FRACTION_EDGE);
            node.text.extend(text.chars().filter(is_visible));
        }
    }

    /// Ends an element. Returns the text of the formula at its end.
    pub(super) fn end(&mut self) -> Option<String> {
        let mut node = self.open.pop()?;
        if node.name == "Pr" {
            // Properties within properties, such as those of runs, are of no use.
            if let Some(parent) = self.open.last_mut().filter(|parent| parent.name != "Pr") {
                parent.properties = node.properties;
            }
            return None;
        }
        let mut text = linear(&mut node);
        text.truncate(text.floor_char_boundary(MAX_BYTES));
        let Some(parent) = self.open.last_mut() else { return Some(without_edges(&text)) };
        let is_part = matches!(
            node.name.as_str(),
            "e" | "num" | "den" | "sub" | "sup" | "deg" | "fName" | "lim" | "mr"
        );
        if is_part {
            parent.parts.push((node.name, text));
        } else if parent.text.len() < MAX_BYTES && parent.name != "Pr" {
            parent.text.push_str(&text);
        }
        None
    }
}

/// Returns the text of an element from its parts.
fn linear(node: &mut Node) -> String {
    let element = node.part("e");
    match node.name.as_str() {
        "f" => fraction(node),
        "sSup" => format!("{}^{}", group(element), group(node.part("sup"))),
        "sSub" => format!("{}_{}", group(element), group(node.part("sub"))),
        "sSubSup" => format!("{}_{}^{}", group(element), group(node.part("sub")), group(node.part("sup"))),
        "sPre" => format!("_{}^{} {}", group(node.part("sub")), group(node.part("sup")), group(element)),
        "rad" => {
            let degree = node.part("deg").trim();
            let radicand = without_edges(element);
            if degree.is_empty() { format!("√({radicand})") } else { format!("root({degree}, {radicand})") }
        }
        "nary" => {
            let mut text = node.property("chr").unwrap_or("∫").to_owned();
            for (sign, part) in [('_', "sub"), ('^', "sup")] {
                if !node.part(part).is_empty() {
                    text.push(sign);
                    text.push_str(&group(node.part(part)));
                }
            }
            format!("{text} {element}")
        }
        "d" => {
            let separator = node.property("sepChr").filter(|separator| !separator.is_empty()).unwrap_or("|");
            let inner = node.elements().join(separator);
            let (open, close) =
                (node.property("begChr").unwrap_or("("), node.property("endChr").unwrap_or(")"));
            format!("{open}{}{close}", without_edges(&inner))
        }
        "func" => {
            let argument = without_edges(element);
            let is_delimited = argument.starts_with(['(', '[', '{', '|']);
            let name = node.part("fName");
            if is_delimited { format!("{name}{argument}") } else { format!("{name}({argument})") }
        }
        "limLow" => format!("{element}_{}", group(node.part("lim"))),
        "limUpp" => format!("{element}^{}", group(node.part("lim"))),
        "acc" => format!("{element}{}", node.property("chr").unwrap_or("\u{302}")),
        "bar" => format!("{element}\u{305}"),
        "mr" => node.elements().join(", "),
        "m" => {
            let rows: Vec<&str> =
                node.parts.iter().filter(|(part, _)| part == "mr").map(|(_, text)| text.as_str()).collect();
            format!("[{}]", rows.join("; "))
        }
        "eqArr" => node.elements().join("; "),
        _ => {
            let parts: String = node.parts.iter().map(|(_, text)| text.as_str()).collect();
            let mut text = std::mem::take(&mut node.text);
            text.push_str(&parts);
            text
        }
    }
}

fn fraction(node: &Node) -> String {
    let (above, below) = (node.part("num"), node.part("den"));
    if node.property("type") == Some("noBar") {
        return format!("binom({}, {})", without_edges(above), without_edges(below));
    }
    format!("{FRACTION_EDGE}{}/{}{FRACTION_EDGE}", group(above), group(below))
}

/// Returns a term in parentheses unless it needs none.
fn group(term: &str) -> String {
    let term = without_edges(term);
    let term = term.trim();
    let is_delimited = term.starts_with('(') && term.ends_with(')') && closes_at_end(term);
    if is_simple(term) || is_delimited { term.to_owned() } else { format!("({term})") }
}

/// Whether the parenthesis that opens a term closes at its end.
fn closes_at_end(term: &str) -> bool {
    let mut depth = 0_usize;
    for (at, character) in term.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1 == term.len();
        }
    }
    false
}

/// Replaces the edges of fractions: by a space between letters and digits, else by nothing.
fn without_edges(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != FRACTION_EDGE {
            plain.push(character);
            continue;
        }
        while characters.peek() == Some(&FRACTION_EDGE) {
            characters.next();
        }
        let is_inside = plain.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == ')')
            && characters.peek().is_some_and(|next| next.is_alphanumeric() || *next == '(');
        if is_inside {
            plain.push(' ');
        }
    }
    plain
}
