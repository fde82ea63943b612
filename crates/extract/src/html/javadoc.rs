//! Pages made by `javadoc`, from the layouts of the nineties to that of JDK 17 and later.
//!
//! The page is written as any other ([`crate::html`]); this only finds the members on it: each constructor, method
//! and field becomes one block with its signature, its fragment and the names it may be searched by. Nothing is
//! rebuilt from parts, so nothing can be lost.

use html5ever::local_name;

use super::dom::{Data, Dom, NodeId, ROOT};
use crate::builder::one_line;
use crate::html::{self, Member, Members, heading_text};
use crate::model::{Error, Limits, ParsedDocument};

/// Reads a page.
pub(crate) fn read(page: &str, limits: &Limits) -> Result<ParsedDocument, Error> {
    let dom = Dom::parse(page, limits)?;
    let class = Class::of(&dom);
    let heading = dom.descendants(ROOT).find(|node| {
        matches!(dom.name(*node), Some(&(local_name!("h1") | local_name!("h2"))))
            && is_page_heading(&dom, *node)
    });
    let mut members = Members { is_javadoc: true, heading, ..Members::default() };
    for node in dom.descendants(ROOT) {
        let Some(name) = dom.name(node) else { continue };
        match *name {
            local_name!("section") if class.is_some() && has_class(&dom, node, "detail") => {
                members.by_node.insert(node, member(&dom, node, class.as_ref()));
            }
            // Up to JDK 15 a member is an item of a list, its anchor before the list.
            local_name!("li") if class.is_some() && is_old_member(&dom, node) => {
                members.by_node.insert(node, member(&dom, node, class.as_ref()));
            }
            local_name!("section") | local_name!("div")
                if ["class-description", "classDescription", "description"]
                    .iter()
                    .any(|wanted| has_class(&dom, node, wanted)) =>
            {
                let is_block = class.is_some() && !has_sections(&dom, node);
                let keywords = class.as_ref().map(Class::names).unwrap_or_default();
                let anchor = dom.attribute(node, &local_name!("id")).map(str::to_owned);
                members.by_node.insert(node, Member { anchor, keywords, is_block });
                members.opening = members.opening.or(Some(node));
            }
            _ => {}
        }
    }
    let title = match &class {
        Some(class) if !class.package.is_empty() => Some(format!("{} ({})", class.heading, class.package)),
        Some(class) => Some(class.heading.clone()),
        // The title element names the release too, in brackets.
        None => heading.map(|heading| heading_text(&dom, heading)).or_else(|| html::title(&dom)),
    };
    html::write(&dom, &members, title.as_deref(), limits)
}

/// The class, interface, enum, record or annotation that the page describes.
struct Class {
    /// As the page says it: `Class Optional<T>`.
    heading: String,
    /// `Map.Entry`.
    name: String,
    package: String,
}

impl Class {
    fn of(dom: &Dom) -> Option<Self> {
        let heading = dom
            .descendants(ROOT)
            .find(|node| matches!(dom.name(*node), Some(&(local_name!("h1") | local_name!("h2")))))?;
        let text = heading_text(dom, heading);
        let kinds = [
            "Class ",
            "Interface ",
            "Enum ",
            "Record ",
            "Annotation ",
            "Exception ",
            "Error ",
            "@interface ",
        ];
        if !kinds.iter().any(|kind| text.starts_with(kind)) {
            return None;
        }
        let plain = text.split('<').next().unwrap_or_default().trim();
        let name = plain.rsplit(' ').next()?.to_owned();
        Some(Self { package: package(dom, heading), heading: text, name })
    }

    fn names(&self) -> Vec<String> {
        let mut names = vec![self.name.clone()];
        if !self.package.is_empty() {
            names.push(format!("{}.{}", self.package, self.name));
        }
        names
    }

    /// The names of a member with this fragment: `String.format`, `java.lang.String.format(String,Object...)`.
    fn names_of(&self, fragment: &str) -> Vec<String> {
        let (name, parameters) = parts(fragment);
        let simple = self.name.rsplit('.').next().unwrap_or(&self.name);
        let is_constructor = name == "<init>" || name == simple;
        let path = |class: &str| if is_constructor { class.to_owned() } else { format!("{class}.{name}") };
        let call = parameters.map_or_else(String::new, |parameters| format!("({parameters})"));
        let mut names = vec![path(&self.name)];
        if !call.is_empty() {
            names.push(format!("{}{call}", path(&self.name)));
        }
        if !self.package.is_empty() {
            names.push(format!("{}{call}", path(&format!("{}.{}", self.package, self.name))));
        }
        names
    }
}

/// A member's name and its parameters' simple types, from its fragment in the form of any release:
/// `format(java.lang.String,java.lang.Object...)`, `format-java.lang.String-java.lang.Object...-`, `CASE_ORDER`.
fn parts(fragment: &str) -> (String, Option<String>) {
    let (name, parameters) = if let Some((name, rest)) = fragment.split_once('(') {
        let rest = rest.trim_end_matches(')');
        (name, Some(rest.split(',').map(str::to_owned).collect::<Vec<_>>()))
    } else if let Some(rest) = fragment.strip_suffix('-')
        && let Some((name, rest)) = rest.split_once('-')
    {
        (name, Some(rest.split('-').map(|part| part.replace(":A", "[]")).collect()))
    } else {
        (fragment, None)
    };
    let parameters = parameters.map(|parameters| {
        let simple = parameters.iter().map(|parameter| {
            let parameter = parameter.trim();
            // The dots of `Object...` are not those of a package.
            let (path, rest) = match parameter.strip_suffix("...") {
                Some(path) => (path, "..."),
                None => (parameter, ""),
            };
            format!("{}{rest}", path.rsplit('.').next().unwrap_or(path))
        });
        simple.collect::<Vec<_>>().join(",")
    });
    (name.to_owned(), parameters)
}

/// The package: a line above the heading, beside the word "Package" in newer layouts.
fn package(dom: &Dom, heading: NodeId) -> String {
    let mut above = dom.previous_sibling(heading);
    while let Some(node) = above {
        let text = one_line(&dom.text(node));
        let text = text.trim_start_matches("Package").trim_matches([' ', '\u{a0}']);
        let is_path = !text.is_empty()
            && text.split('.').all(|part| {
                !part.is_empty()
                    && part.chars().all(|character| character.is_alphanumeric() || character == '_')
            });
        if is_path && matches!(dom.data(node), Data::Element { .. }) {
            return text.to_owned();
        }
        above = dom.previous_sibling(node);
    }
    // Before JDK 7 the package stands in the heading itself, above a line break, or in a smaller font.
    dom.descendants(heading)
        .find(|node| dom.is(*node, &local_name!("font")))
        .map(|node| one_line(&dom.text(node)))
        .unwrap_or_default()
}

/// The heading of the page stands in a block of class `header`.
fn is_page_heading(dom: &Dom, heading: NodeId) -> bool {
    dom.parent(heading).is_some_and(|parent| has_class(dom, parent, "header"))
}

/// A member of the layouts before JDK 16: a list item with a fourth-level heading, among the details.
fn is_old_member(dom: &Dom, item: NodeId) -> bool {
    dom.children(item).any(|child| dom.is(child, &local_name!("h4")))
        && dom.ancestors(item).any(|above| has_class(dom, above, "details"))
}

fn member(dom: &Dom, node: NodeId, class: Option<&Class>) -> Member {
    let own = dom.attribute(node, &local_name!("id"));
    let anchor =
        own.or_else(|| anchor_before(dom, node)).or_else(|| anchor_inside(dom, node)).map(str::to_owned);
    let keywords = match (&anchor, class) {
        (Some(anchor), Some(class)) => class.names_of(anchor),
        _ => Vec::new(),
    };
    Member { anchor, keywords, is_block: true }
}

/// The anchor just before the list that the item is in.
fn anchor_before(dom: &Dom, item: NodeId) -> Option<&str> {
    let mut before = dom.previous_sibling(dom.parent(item)?);
    while let Some(node) = before {
        if dom.is(node, &local_name!("a")) {
            return dom.attribute(node, &local_name!("id")).or(dom.attribute(node, &local_name!("name")));
        }
        if dom.name(node).is_some() {
            return None;
        }
        before = dom.previous_sibling(node);
    }
    None
}

fn anchor_inside(dom: &Dom, node: NodeId) -> Option<&str> {
    dom.descendants(node).filter(|node| dom.is(*node, &local_name!("a"))).find_map(|node| {
        dom.attribute(node, &local_name!("id")).or(dom.attribute(node, &local_name!("name")))
    })
}

fn has_class(dom: &Dom, node: NodeId, wanted: &str) -> bool {
    dom.classes(node).any(|class| class == wanted)
}

/// Whether a description has sections of its own: then it is prose, not one block.
fn has_sections(dom: &Dom, node: NodeId) -> bool {
    dom.descendants(node).any(|inner| {
        matches!(
            dom.name(inner),
            Some(
                &(local_name!("h1")
                    | local_name!("h2")
                    | local_name!("h3")
                    | local_name!("h4")
                    | local_name!("h5"))
            )
        )
    })
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn fragments_of_every_release() {
        let format = ("format".to_owned(), Some("String,Object...".to_owned()));
        assert_eq!(parts("format(java.lang.String,java.lang.Object...)"), format);
        assert_eq!(parts("format(java.lang.String, java.lang.Object...)"), format);
        assert_eq!(parts("format-java.lang.String-java.lang.Object...-"), format);
        assert_eq!(parts("valueOf-char:A-"), ("valueOf".to_owned(), Some("char[]".to_owned())));
        assert_eq!(parts("empty()"), ("empty".to_owned(), Some(String::new())));
        assert_eq!(parts("length--"), ("length".to_owned(), Some(String::new())));
        assert_eq!(parts("MAX_VALUE"), ("MAX_VALUE".to_owned(), None));
    }
}
