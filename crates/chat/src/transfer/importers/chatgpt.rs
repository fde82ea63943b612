//! Chats of ChatGPT: `conversations.json` of its export. The messages are a tree (`mapping`), with nodes without a message.
//! Images, audio and tool messages are skipped and reported.

use serde_json::Value;

use super::tree::{Draft, Node, NodeKind};
use crate::messages::MessageRole;
use crate::transfer::ImportReport;
use crate::transfer::lenient_json::{self, member, text, time};

/// Parses one conversation.
pub(crate) fn read(value: &Value, location: &str, report: &mut ImportReport) -> Draft {
    let mut nodes: Vec<Node> = member(value, "mapping")
        .as_object()
        .into_iter()
        .flatten()
        .map(|(id, entry)| node(id, entry, location, report))
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

fn node(id: &str, entry: &Value, location: &str, report: &mut ImportReport) -> Node {
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
            Value::String(part) if !part.is_empty() => parts.push(lenient_json::clean(part)),
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
        // Not visible in ChatGPT either.
        return node;
    }
    node.kind = match NodeKind::of(role) {
        NodeKind::Message(MessageRole::Assistant) if recipient != "all" => {
            NodeKind::Skipped("tool call".to_owned())
        }
        NodeKind::Message(_) if matches!(kind, "thoughts" | "reasoning_recap" | "user_editable_context") => {
            NodeKind::Skipped(format!("content of the type {kind} is not imported"))
        }
        kind => kind,
    };
    if others > 0 && matches!(node.kind, NodeKind::Message(_)) {
        report.skip(
            format!("{location}, message {id}"),
            format!("{others} parts that are not text (images, audio)"),
        );
    }
    if let Some(model) = text(member(metadata, "model_slug")) {
        node.metadata.insert("model".to_owned(), Value::String(lenient_json::line(&model, 200)));
    }
    node
}
