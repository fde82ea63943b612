//! Kinds of elements that generators mark by class: tables of contents, signatures, notes, items of a layout.

use html5ever::local_name;

use super::dom::{Dom, NodeId};

/// Whether the first child of the node is a list.
pub(super) fn begins_with_list(dom: &Dom, node: NodeId) -> bool {
    let is_space = |child: &NodeId| dom.name(*child).is_none() && dom.text(*child).trim().is_empty();
    let first = dom.children(node).find(|child| !is_space(child));
    first.is_some_and(|first| dom.is(first, &local_name!("ul")) || dom.is(first, &local_name!("ol")))
}

/// Whether a list item contains a section or member of a `javadoc` page and is not an item of a real list.
pub(super) fn is_layout_item(dom: &Dom, item: NodeId) -> bool {
    dom.parent(item).is_some_and(|list| {
        dom.classes(list).any(|class| {
            matches!(
                class,
                "summary-list"
                    | "details-list"
                    | "member-list"
                    | "blockList"
                    | "blockListLast"
                    | "block-list"
                    | "summaryList"
                    | "detailsList"
                    | "memberList"
                    | "inheritance"
            )
        })
    })
}

/// Whether the element is a table of contents of DocBook.
pub(super) fn is_toc(dom: &Dom, node: NodeId) -> bool {
    dom.is(node, &local_name!("div"))
        && dom
            .classes(node)
            .any(|class| matches!(class, "toc" | "list-of-tables" | "list-of-figures" | "list-of-examples"))
}

/// Whether the element is a signature of newer `javadoc`.
pub(super) fn is_signature(dom: &Dom, node: NodeId) -> bool {
    if !dom.is(node, &local_name!("div")) {
        return false;
    }
    dom.classes(node).any(|class| {
        matches!(
            class,
            "member-signature"
                | "memberSignature"
                | "type-signature"
                | "typeSignature"
                | "module-signature"
                | "moduleSignature"
                | "package-signature"
                | "packageSignature"
        )
    })
}

/// Whether the element is a note, tip, warning or similar.
pub(super) fn is_admonition(dom: &Dom, node: NodeId) -> bool {
    if !matches!(dom.name(node), Some(&(local_name!("div") | local_name!("aside") | local_name!("section"))))
    {
        return false;
    }
    dom.classes(node).any(|class| {
        matches!(
            class,
            "note"
                | "tip"
                | "warning"
                | "caution"
                | "important"
                | "danger"
                | "hint"
                | "attention"
                | "error"
                | "admonition"
                | "sidebar"
                | "alert"
                | "callout"
                | "theme-admonition"
                | "starlight-aside"
        )
    })
}
