//! Chats of ChatGPT: `conversations.json` of its export. The messages are a tree (`mapping`) with nodes that hold none.
//! Pictures, sounds and what tools said are left out, and said to be.

use serde_json::Value;

use super::loose::{self, member, text, time};
use super::tree::{Draft, Node, What};
use super::{Report, Role};

/// Reads one conversation.
pub(crate) fn read(value: &Value, place: &str, report: &mut Report) -> Draft {
    let mut nodes: Vec<Node> = member(value, "mapping")
        .as_object()
        .into_iter()
        .flatten()
        .map(|(id, entry)| node(id, entry, place, report))
        .collect();
    // An object has no order.
    nodes.sort_by_key(|node| node.created_at);
    Draft {
        external_id: text(member(value, "conversation_id")).or_else(|| text(member(value, "id"))),
        title: text(member(value, "title")),
        archived: member(value, "is_archived").as_bool().unwrap_or(false),
        pinned: member(value, "is_starred").as_bool().unwrap_or(false),
        created_at: time(member(value, "create_time")),
        updated_at: time(member(value, "update_time")),
        current: text(member(value, "current_node")),
        nodes,
        ..Draft::default()
    }
}

fn node(id: &str, entry: &Value, place: &str, report: &mut Report) -> Node {
    let message = member(entry, "message");
    let mut node = Node {
        id: text(member(entry, "id")).or_else(|| Some(id.to_owned())),
        parent: text(member(entry, "parent")),
        created_at: time(member(message, "create_time")),
        ..Node::default()
    };
    if !message.is_object() {
        return node;
    }
    let content = member(message, "content");
    let metadata = member(message, "metadata");
    let hidden = member(metadata, "is_visually_hidden_from_conversation").as_bool() == Some(true);
    let role = member(member(message, "author"), "role").as_str().unwrap_or_default();
    let kind = member(content, "content_type").as_str().unwrap_or_default();
    let recipient = member(message, "recipient").as_str().unwrap_or("all");
    let mut parts = Vec::new();
    let mut others = 0;
    for part in member(content, "parts").as_array().into_iter().flatten() {
        match part {
            Value::String(part) if !part.is_empty() => parts.push(loose::clean(part)),
            Value::Object(_) => match text(member(part, "text")) {
                Some(part) => parts.push(part),
                None => others += 1,
            },
            _ => {}
        }
    }
    if kind == "code" {
        parts.extend(text(member(content, "text")).map(|code| format!("```\n{code}\n```")));
    }
    node.content = parts.join("\n\n");
    if hidden || (role == "system" && node.content.is_empty()) {
        // Nobody has seen it there either.
        return node;
    }
    node.what = match What::of(role) {
        What::Said(Role::Assistant) if recipient != "all" => {
            What::Dropped("it is a call of a tool".to_owned())
        }
        What::Said(_) if matches!(kind, "thoughts" | "reasoning_recap" | "user_editable_context") => {
            What::Dropped(format!("content of the type {kind} is not taken"))
        }
        what => what,
    };
    if others > 0 && matches!(node.what, What::Said(_)) {
        report.drop(
            format!("{place}, message {id}"),
            format!("{others} parts that are no text (pictures, sounds)"),
        );
    }
    if let Some(model) = text(member(metadata, "model_slug")) {
        node.metadata.insert("model".to_owned(), Value::String(loose::line(&model, 200)));
    }
    node
}
