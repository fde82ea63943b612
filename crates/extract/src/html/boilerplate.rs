//! Boilerplate of a page: navigation, menus, page headers and footers, controls and hidden elements.
//!
//! Only elements that are known by name (an element, a role, a class of a well-known generator) are dropped. Text
//! density is not used: it drops short sections, tables of types and whole Chinese chapters.

use html5ever::{LocalName, local_name};

use super::dom::{Dom, NodeData, NodeId};

/// Whether the element, with everything in it, is not part of the text of the page.
pub(crate) fn is_boilerplate(dom: &Dom, node: NodeId) -> bool {
    let NodeData::Element { name, attributes } = dom.data(node) else { return false };
    if is_non_text_element(&name.local) {
        return true;
    }
    let mut role = "";
    for attribute in attributes {
        let value = &*attribute.value;
        match attribute.name.local {
            local_name!("class") if value.split_ascii_whitespace().any(is_boilerplate_class) => return true,
            local_name!("hidden") => return value != "until-found",
            local_name!("aria-hidden") if value == "true" => return true,
            local_name!("style") if is_hidden(value) => return true,
            local_name!("role") => role = value,
            local_name!("id") if matches!(value, "cookie-banner" | "cookie-consent" | "cookie-notice") => {
                return true;
            }
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

fn is_boilerplate_class(class: &str) -> bool {
    BOILERPLATE_CLASSES.binary_search(&class).is_ok()
}

/// Classes of boilerplate in the output of documentation generators: DocBook, Sphinx and Read the Docs, MkDocs,
/// Docusaurus, VitePress, mdBook, old and new `javadoc`, MediaWiki, and common ones. Sorted.
const BOILERPLATE_CLASSES: [&str; 84] = [
    "VPDocAside",
    "VPDocFooter",
    "VPLocalNav",
    "VPNav",
    "VPSidebar",
    "about-language",
    "aboutLanguage",
    "bd-header",
    "bd-sidebar-primary",
    "bd-sidebar-secondary",
    "bottom-nav",
    "bottomNav",
    "breadcrumb",
    "breadcrumbs",
    "cc-banner",
    "cc-window",
    "cookie-banner",
    "cookie-bar",
    "cookie-consent",
    "cookie-notice",
    "copybtn",
    "fixedNav",
    "hash-link",
    "header-anchor",
    "headerlink",
    "legal-copy",
    "legalCopy",
    "linenos",
    "md-announce",
    "md-clipboard",
    "md-consent",
    "md-content__button",
    "md-footer",
    "md-header",
    "md-search",
    "md-sidebar",
    "md-skip",
    "md-source",
    "md-tabs",
    "md-top",
    "mw-editsection",
    "mw-jump-link",
    "nav-chapters",
    "navBarCell1",
    "navbar",
    "navbox",
    "navfooter",
    "navheader",
    "page-footer",
    "pagination-nav",
    "prev-next-area",
    "related",
    "rst-footer-buttons",
    "rst-versions",
    "sidebar-drawer",
    "sidetoc",
    "site-footer",
    "site-header",
    "site-nav",
    "skip-link",
    "skip-nav",
    "skip-to-content",
    "skipNav",
    "skiplink",
    "sphinxfooter",
    "sphinxsidebar",
    "sr-only",
    "sub-nav",
    "subNav",
    "theme-doc-breadcrumbs",
    "theme-doc-footer",
    "theme-doc-sidebar-container",
    "theme-doc-toc-desktop",
    "theme-doc-toc-mobile",
    "theme-edit-this-page",
    "toc-drawer",
    "top-nav",
    "topNav",
    "viewcode-back",
    "viewcode-link",
    "visually-hidden",
    "wy-breadcrumbs",
    "wy-nav-side",
    "wy-nav-top",
];

/// Whether an inline style hides the element.
fn is_hidden(style: &str) -> bool {
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
