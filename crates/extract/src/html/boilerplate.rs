//! Boilerplate of a page: navigation, menus, page headers and footers, controls and hidden elements.
//!
//! Only elements that are known by name (an element, a role, a class of a well-known generator) are dropped. Text
//! density is not used: it drops short sections, tables of types and whole Chinese chapters.

use html5ever::{LocalName, local_name};

use super::dom::{Dom, NodeData, NodeId};

/// Whether the element, with everything in it, is not part of the text of the page.
pub(crate) fn is_boilerplate(dom: &Dom, node: NodeId) -> bool {
    let NodeData::Element { name, attributes } = dom.data(node) else { return false };
    if is_non_text_element(&name.local) && !is_text_after_all(dom, node, &name.local) {
        return true;
    }
    if name.local == local_name!("a") && is_permalink(dom, node) || dom.panels().is_tab_list(node) {
        return true;
    }
    let is_openable = dom.panels().is_openable(node);
    let mut role = "";
    for attribute in attributes {
        let value = &*attribute.value;
        match attribute.name.local {
            local_name!("class") if value.split_ascii_whitespace().any(is_boilerplate_class) => return true,
            // Texinfo, gtk-doc and Doxygen give general names to their navigation; others give them to content.
            local_name!("class")
                if value
                    .split_ascii_whitespace()
                    .any(|class| matches!(class, "header" | "navigation" | "footer" | "banner"))
                    && is_link_bar(dom, node) =>
            {
                return true;
            }
            local_name!("hidden") if value != "until-found" && !is_openable => return true,
            local_name!("aria-hidden") if value == "true" && !is_openable => return true,
            local_name!("style") if !is_openable && is_hidden(value) => return true,
            local_name!("role") => role = value,
            local_name!("id") if is_boilerplate_id(dom, node, value) => return true,
            _ => {}
        }
    }
    match role {
        "navigation" | "search" | "menu" | "menubar" | "toolbar" | "tablist" | "contentinfo"
        | "complementary" | "dialog" | "alertdialog" => return true,
        // A banner may contain the only title of the page.
        "banner" => return !contains_title(dom, node),
        _ => {}
    }
    name.local == local_name!("header") && !in_content(dom, node) && !contains_title(dom, node)
}

fn is_non_text_element(name: &LocalName) -> bool {
    matches!(
        *name,
        local_name!("script")
            | local_name!("style")
            | local_name!("noscript")
            | local_name!("template")
            | local_name!("head")
            | local_name!("svg")
            | local_name!("iframe")
            | local_name!("nav")
            | local_name!("footer")
            | local_name!("button")
            | local_name!("input")
            | local_name!("select")
            | local_name!("textarea")
            | local_name!("datalist")
            | local_name!("dialog")
            | local_name!("canvas")
            | local_name!("audio")
            | local_name!("video")
            | local_name!("noframes")
            | local_name!("rp")
    )
}

/// Whether an element is text although its kind is not: the button of an accordion in its heading, a template that is
/// the content of its parent.
fn is_text_after_all(dom: &Dom, node: NodeId, name: &LocalName) -> bool {
    match *name {
        local_name!("button") => {
            let opens = ["aria-expanded", "aria-controls", "data-bs-toggle", "data-toggle"]
                .iter()
                .any(|attribute| dom.attribute(node, &LocalName::from(*attribute)).is_some());
            opens
                && dom.ancestors(node).take(3).any(|above| {
                    dom.is(above, &local_name!("summary"))
                        || dom.name(above).is_some_and(super::is_heading_name)
                })
        }
        local_name!("template") => dom.attribute(node, &LocalName::from("shadowrootmode")).is_some(),
        _ => false,
    }
}

/// Whether a link only leads to the place where it stands: its text is a sign such as `¶`, or it has the class of such
/// links and stands beside the text of a heading.
fn is_permalink(dom: &Dom, node: NodeId) -> bool {
    let has_class = dom.classes(node).any(|class| {
        matches!(
            class,
            "headerlink"
                | "header-anchor"
                | "hash-link"
                | "anchor"
                | "anchorjs-link"
                | "anchor-link"
                | "anchorlink"
                | "heading-anchor"
                | "heading-link"
                | "permalink"
                | "doc-anchor"
                | "sl-anchor-link"
                | "td-heading-self-link"
        )
    });
    let Some(target) = dom.attribute(node, &local_name!("href")) else { return false };
    if !target.contains('#') {
        return false;
    }
    let mut text = String::new();
    for inner in dom.descendants(node) {
        match dom.data(inner) {
            NodeData::Text(part) => text.push_str(part),
            // Code, such as the name of an operator, is text.
            NodeData::Element { name, .. }
                if inner != node && !has_class && name.local == local_name!("code") =>
            {
                return false;
            }
            _ => {}
        }
        if text.len() > 200 {
            return false;
        }
    }
    let text = text.trim_matches(|character: char| {
        character.is_whitespace()
            || matches!(character, '\u{200b}' | '\u{200c}' | '\u{feff}' | '\u{fe0f}' | '\u{fe0e}')
    });
    if matches!(text, "¶" | "§" | "#" | "🔗" | "⚓" | "⚓︎" | "∞" | "\u{f0c1}") {
        return true;
    }
    if !has_class {
        return false;
    }
    if text.is_empty() {
        return true;
    }
    // Some generators put the whole heading into such a link.
    let own = text.chars().filter(|character| character.is_alphanumeric()).count();
    let heading =
        dom.ancestors(node).take(3).find(|above| dom.name(*above).is_some_and(super::is_heading_name));
    match heading {
        Some(heading) => has_more_text(dom, heading, own),
        None => own == 0,
    }
}

/// Whether the element has more letters and digits than this number. Reads no more of it than needed.
fn has_more_text(dom: &Dom, node: NodeId, count: usize) -> bool {
    let mut rest = count;
    for inner in dom.descendants(node) {
        if let NodeData::Text(text) = dom.data(inner) {
            let letters = text.chars().filter(|character| character.is_alphanumeric()).take(rest + 1).count();
            if letters > rest {
                return true;
            }
            rest -= letters;
        }
    }
    false
}

/// Whether an element of this id is boilerplate.
fn is_boilerplate_id(dom: &Dom, node: NodeId, id: &str) -> bool {
    match id {
        "cookie-banner"
        | "cookie-consent"
        | "cookie-notice"
        // Doxygen.
        | "titlearea"
        | "nav-path"
        | "side-nav"
        | "MSearchBox"
        | "MSearchSelectWindow"
        | "MSearchResultsWindow"
        // mdBook.
        | "menu-bar"
        | "mdbook-menu-bar"
        | "mdbook-help-container"
        | "mdbook-help-popup" => true,
        // Publican writes links to its sites above the first heading.
        "title" | "banner" | "footer" => is_link_bar(dom, node),
        _ => id.starts_with("navrow"),
    }
}

/// Maximum length of the text of a bar of links.
const MAX_LINK_BAR_BYTES: usize = 800;

/// Maximum number of nodes of a bar of links.
const MAX_LINK_BAR_NODES: usize = 500;

/// Whether the text has a mark of copyright. The text is that of a bar, so it is short.
fn has_copyright(dom: &Dom, node: NodeId) -> bool {
    let text = dom.text(node);
    text.contains('©') || text.contains("Copyright")
}

/// Whether an element has links, little other text and no heading, as the navigation of a page has.
fn is_link_bar(dom: &Dom, node: NodeId) -> bool {
    let is_bar = matches!(
        dom.name(node),
        Some(
            &(local_name!("div")
                | local_name!("p")
                | local_name!("table")
                | local_name!("ul")
                | local_name!("address"))
        )
    );
    if !is_bar {
        return false;
    }
    let (mut bytes, mut linked_bytes, mut links) = (0, 0, 0_usize);
    for (number, inner) in dom.descendants(node).enumerate() {
        match dom.data(inner) {
            NodeData::Text(text) => bytes += text.trim().len(),
            NodeData::Element { name, .. } => {
                // Doxygen writes the title of a page below the links to its parts.
                let is_title = inner != node && dom.classes(inner).any(|class| class == "title");
                if is_title
                    || super::is_heading_name(&name.local)
                    || matches!(name.local, local_name!("pre") | local_name!("code"))
                {
                    return false;
                }
                if name.local == local_name!("a") && dom.attribute(inner, &local_name!("href")).is_some() {
                    links += 1;
                    linked_bytes += dom.text(inner).trim().len();
                }
            }
            _ => {}
        }
        if bytes > MAX_LINK_BAR_BYTES || number > MAX_LINK_BAR_NODES {
            return false;
        }
    }
    // The footer of Doxygen has its link on an image, those of Sphinx and others tell of rights.
    links > 0
        && (linked_bytes * 3 >= bytes
            || dom.is(node, &local_name!("address"))
            || dom.classes(node).any(|class| class == "footer") && has_copyright(dom, node))
}

fn is_boilerplate_class(class: &str) -> bool {
    BOILERPLATE_CLASSES.binary_search(&class).is_ok()
}

/// Classes of boilerplate in the output of documentation generators: DocBook, Sphinx and Read the Docs, MkDocs,
/// Docusaurus, VitePress, mdBook, old and new `javadoc`, MediaWiki, and common ones. Sorted.
const BOILERPLATE_CLASSES: [&str; 133] = [
    "VPDocAside",
    "VPDocFooter",
    "VPLocalNav",
    "VPLocalSearchBox",
    "VPNav",
    "VPNavBar",
    "VPSidebar",
    "about-language",
    "aboutLanguage",
    "article-header-buttons",
    "back-to-top",
    "bd-header",
    "bd-sidebar-primary",
    "bd-sidebar-secondary",
    "book-header",
    "book-summary",
    "bottom-nav",
    "bottomNav",
    "bottomnav",
    "breadcrumb",
    "breadcrumbs",
    "bs-sidebar",
    "btn-copy",
    "cc-banner",
    "cc-window",
    "clipboard-button",
    "collapse-toggle",
    "content-icon-container",
    "cookie-banner",
    "cookie-bar",
    "cookie-consent",
    "cookie-notice",
    "copy-button",
    "copybtn",
    "docnav",
    "edit-page-link",
    "edit-this-page",
    "fixedNav",
    "gitbook-header",
    "go-to-top",
    "last-updated",
    "legal-copy",
    "legalCopy",
    "linenos",
    "md-announce",
    "md-clipboard",
    "md-consent",
    "md-content__button",
    "md-footer",
    "md-header",
    "md-header-nav",
    "md-search",
    "md-sidebar",
    "md-skip",
    "md-source",
    "md-tabs",
    "md-top",
    "mobile-header",
    "mw-editsection",
    "mw-jump-link",
    "nav-chapters",
    "nav-container",
    "nav-next",
    "nav-panel",
    "nav-previous",
    "navBarCell1",
    "navbar",
    "navbox",
    "navfooter",
    "navheader",
    "navigation-next",
    "navigation-prev",
    "navpath",
    "nextra-banner",
    "nextra-breadcrumb",
    "nextra-sidebar-container",
    "nextra-toc",
    "page-edit",
    "page-footer",
    "page-nav",
    "pagination-links",
    "pagination-nav",
    "post-navigation",
    "prev-next-area",
    "prev-next-bottom",
    "prev-next-footer",
    "related",
    "related-pages",
    "right-sidebar-container",
    "rst-footer-buttons",
    "rst-versions",
    "side-bar",
    "sidebar-drawer",
    "sidetoc",
    "site-footer",
    "site-header",
    "site-nav",
    "skip-link",
    "skip-nav",
    "skip-to-content",
    "skip-to-main",
    "skipNav",
    "skiplink",
    "sphinxfooter",
    "sphinxsidebar",
    "sr-only",
    "srclink",
    "starlight-menu-button",
    "sub-nav",
    "subNav",
    "td-page-meta",
    "td-sidebar",
    "td-toc",
    "theme-code-block-copy",
    "theme-doc-breadcrumbs",
    "theme-doc-footer",
    "theme-doc-sidebar-container",
    "theme-doc-toc-desktop",
    "theme-doc-toc-mobile",
    "theme-doc-version-banner",
    "theme-edit-this-page",
    "theme-last-updated",
    "toc-drawer",
    "toc-wrapper-mobile",
    "top-nav",
    "topNav",
    "viewcode-back",
    "viewcode-link",
    "visually-hidden",
    "vp-doc-footer",
    "wy-breadcrumbs",
    "wy-nav-side",
    "wy-nav-top",
];

/// Whether an inline style hides the element.
pub(crate) fn is_hidden(style: &str) -> bool {
    style.split(';').any(|declaration| {
        declaration.split_once(':').is_some_and(|(property, value)| {
            let (property, value) = (property.trim(), value.trim());
            (property.eq_ignore_ascii_case("display") && value.eq_ignore_ascii_case("none"))
                || (property.eq_ignore_ascii_case("visibility") && value.eq_ignore_ascii_case("hidden"))
        })
    })
}

fn in_content(dom: &Dom, node: NodeId) -> bool {
    dom.ancestors(node).any(|ancestor| {
        matches!(
            dom.name(ancestor),
            Some(&(local_name!("main") | local_name!("article") | local_name!("section")))
        )
    })
}

fn contains_title(dom: &Dom, node: NodeId) -> bool {
    dom.descendants(node).any(|node| matches!(dom.name(node), Some(&(local_name!("h1") | local_name!("h2")))))
}

#[cfg(test)]
mod tests {
    use super::{BOILERPLATE_CLASSES, is_hidden};

    #[test]
    fn classes_are_sorted() {
        assert!(BOILERPLATE_CLASSES.is_sorted());
    }

    #[test]
    fn elements_can_be_hidden_by_style() {
        assert!(is_hidden("color: red; display: none"));
        assert!(is_hidden("VISIBILITY:hidden"));
        assert!(!is_hidden("display: block"));
    }
}
