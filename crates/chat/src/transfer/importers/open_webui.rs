//! Chats of Open WebUI: an array, one chat per line, or the member `chats` of a request to its import API. The messages are a tree
//! (`history`); older exports have a plain list, beside it or alone.

use serde_json::Value;

use super::tree::{self, Draft, Node, NodeKind};
use crate::source::{Source, SourceKind};
use crate::transfer::lenient_json::{self, first_text, member, text, time};

/// Whether a value looks like the inner `chat`.
pub(crate) fn is_chat(value: &Value) -> bool {
    let history = member(member(value, "history"), "messages");
    history.is_object() || member(value, "messages").is_array()
}

/// Parses a chat, bare or wrapped in the server's record.
pub(crate) fn read(value: &Value) -> Draft {
    let outer = value;
    let chat = value.get("chat").filter(|inner| inner.is_object()).unwrap_or(value);
    let flag = |name| member(outer, name).as_bool().unwrap_or(false);
    let mut draft = Draft {
        external_id: text(member(outer, "id")).or_else(|| text(member(chat, "id"))),
        title: text(member(outer, "title")).or_else(|| text(member(chat, "title"))),
        focus_mode: None,
        pinned: flag("pinned"),
        archived: flag("archived"),
        created_at: time(member(outer, "created_at")).or_else(|| time(member(chat, "timestamp"))),
        updated_at: time(member(outer, "updated_at")),
        current: text(member(member(chat, "history"), "currentId")),
        nodes: Vec::new(),
    };
    if let Some(tree) =
        member(member(chat, "history"), "messages").as_object().filter(|tree| !tree.is_empty())
    {
        draft.nodes = tree.iter().map(|(id, message)| node(Some(id), message)).collect();
        // An object has no order.
        draft.nodes.sort_by_key(|node| node.created_at);
    } else {
        let mut before = None;
        let messages = member(chat, "messages").as_array().map_or(&[][..], Vec::as_slice);
        // A list may be a tree as well; else each message follows the one before.
        let is_tree = messages
            .iter()
            .any(|message| text(member(message, "parentId")).is_some() || !children(message).is_empty());
        for message in member(chat, "messages").as_array().into_iter().flatten() {
            let mut node = node(None, message);
            let id = node.id.clone().unwrap_or_else(|| format!("#{}", draft.nodes.len()));
            node.id = Some(id.clone());
            node.parent = node.parent.or(before.filter(|_| !is_tree));
            before = Some(id);
            draft.nodes.push(node);
        }
        let current = draft.current.take().or_else(|| text(member(chat, "currentId")));
        let is_known = |name: &String| draft.nodes.iter().any(|node| node.id.as_ref() == Some(name));
        draft.current = current.filter(is_known).or(before);
    }
    draft
}

fn node(id: Option<&String>, message: &Value) -> Node {
    let content = match member(message, "content") {
        Value::Array(parts) => {
            let texts: Vec<String> = parts.iter().filter_map(|part| text(member(part, "text"))).collect();
            texts.join("\n\n")
        }
        content => content.as_str().map(lenient_json::clean).unwrap_or_default(),
    };
    let mut sources: Vec<Source> = Vec::new();
    for name in ["sources", "citations"] {
        for source in member(message, name).as_array().into_iter().flatten() {
            parse_source(source, &mut sources);
        }
    }
    lenient_json::number(&mut sources, &content);
    let failed = !member(message, "error").is_null() && member(message, "error") != &Value::Bool(false);
    let finished = member(message, "done") != &Value::Bool(false);
    Node {
        id: text(member(message, "id")).or_else(|| id.cloned()),
        parent: text(member(message, "parentId")),
        children: children(message),
        kind: NodeKind::of(&first_text(message, &["role"]).unwrap_or_default()),
        content,
        created_at: time(member(message, "timestamp")),
        status: tree::status(failed, finished),
        sources,
        ..Node::default()
    }
    .with_model(text(member(message, "model")))
}

/// Returns the ids of the messages that answer one.
fn children(message: &Value) -> Vec<String> {
    let ids = first_list(message, &["childrenIds", "children"]);
    ids.iter().filter_map(|child| text(child).or_else(|| text(member(child, "id")))).collect()
}

/// Returns the first of these members that is a list.
fn first_list<'value>(value: &'value Value, names: &[&str]) -> &'value [Value] {
    names.iter().find_map(|name| member(value, name).as_array()).map_or(&[], Vec::as_slice)
}

/// Parses a source, which contains several passages: `{source: {name, url}, document: [text…], metadata: [{source, name, page}…]}`.
fn parse_source(value: &Value, sources: &mut Vec<Source>) {
    let about = member(value, "source");
    let name = first_text(about, &["name", "title"]).or_else(|| text(about));
    let url = text(member(about, "url")).or_else(|| name.clone().filter(|name| lenient_json::is_web(name)));
    let metadata = member(value, "metadata");
    for (index, document) in member(value, "document").as_array().into_iter().flatten().enumerate() {
        let Some(content) = text(document) else { continue };
        let details = metadata.get(index).unwrap_or(&Value::Null);
        let title = first_text(details, &["title", "name"]).or_else(|| name.clone());
        let page_url =
            text(member(details, "source")).filter(|url| lenient_json::is_web(url)).or_else(|| url.clone());
        let mut source = lenient_json::source(title, page_url, &content);
        if source.url.is_none() {
            source.kind = SourceKind::File;
            source.page_from = page(member(details, "page"));
            source.page_to = source.page_from;
        }
        sources.push(source);
    }
}

/// Returns the page number from 1; Open WebUI counts from 0.
fn page(value: &Value) -> Option<i32> {
    let page = i32::try_from(value.as_i64()?).ok()?;
    (0..1_000_000).contains(&page).then_some(page + 1)
}
