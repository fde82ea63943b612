//! Chats of LibreChat: a plain list (`messages`), or nested messages (`messagesTree`, `children`) of any depth.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::tree::{self, Draft, Node, NodeKind};
use crate::messages::MessageRole;
use crate::transfer::lenient_json::{self, first_text, member, text, time};

/// Parent id of messages without a parent.
const NO_PARENT: &str = "00000000-0000-0000-0000-000000000000";

/// Parses a chat whose messages are in one list.
pub(crate) fn read(value: &Value) -> Draft {
    let nodes: Vec<Node> = member(value, "messages").as_array().into_iter().flatten().map(node).collect();
    // The export does not contain the branch that was shown: the newest message is assumed to be on it.
    let newest = nodes.iter().max_by_key(|node| node.created_at).and_then(|node| node.id.clone());
    Draft {
        external_id: text(member(value, "conversationId")),
        title: text(member(value, "title")),
        created_at: time(member(value, "createdAt"))
            .or_else(|| nodes.iter().filter_map(|node| node.created_at).min()),
        updated_at: time(member(value, "updatedAt")),
        archived: member(value, "isArchived").as_bool().unwrap_or(false),
        current: newest,
        nodes,
        ..Draft::default()
    }
}

/// Flattens nested messages, and returns each as JSON without its children. Not recursive, so any depth is accepted.
pub(crate) fn flatten(tree: &str) -> Result<Vec<String>, String> {
    let mut messages = Vec::new();
    let mut waiting: Vec<(&str, Option<String>)> = vec![(tree, None)];
    // Each level parses its text again, so the work is text times depth, limited to this number of bytes.
    let mut work = 2_usize << 30;
    while let Some((json, parent)) = waiting.pop() {
        work = work.saturating_sub(json.len());
        if work == 0 {
            return Err("messages nested too deeply".to_owned());
        }
        if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) {
            waiting.extend(items.into_iter().rev().map(|item| (item.get(), parent.clone())));
        } else if let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) {
            let id = members.get("messageId").and_then(|id| serde_json::from_str::<Value>(id.get()).ok());
            let id = id.as_ref().and_then(text);
            if let Some(children) = members.remove("children") {
                waiting.push((children.get(), id));
            }
            let Ok(mut message) = serde_json::to_string(&members) else { continue };
            // Nesting alone may say whose child a message is.
            if let Some(parent) = parent.filter(|_| !members.contains_key("parentMessageId")) {
                let comma = if members.is_empty() { "" } else { "," };
                message.insert_str(1, &format!("\"parentMessageId\":{}{comma}", Value::String(parent)));
            }
            messages.push(message);
        }
    }
    Ok(messages)
}

fn node(message: &Value) -> Node {
    let by_user = member(message, "isCreatedByUser").as_bool();
    let role = match by_user {
        Some(true) => NodeKind::Message(MessageRole::User),
        Some(false) => NodeKind::Message(MessageRole::Assistant),
        None => match first_text(message, &["sender", "role"]).as_deref() {
            Some("User" | "user") => NodeKind::Message(MessageRole::User),
            Some(_) => NodeKind::Message(MessageRole::Assistant),
            None => NodeKind::of(""),
        },
    };
    let content = text(member(message, "text")).unwrap_or_else(|| text_of_parts(member(message, "content")));
    let mut sources = Vec::new();
    for attachment in member(message, "attachments").as_array().into_iter().flatten() {
        let results = member(attachment, "web_search");
        for page in member(results, "organic").as_array().into_iter().flatten() {
            let content = first_text(page, &["content", "snippet"]).unwrap_or_default();
            sources.push(lenient_json::source(
                text(member(page, "title")),
                text(member(page, "link")),
                &content,
            ));
        }
    }
    lenient_json::number(&mut sources, &content);
    let failed = member(message, "error").as_bool() == Some(true);
    let finished = member(message, "unfinished").as_bool() != Some(true);
    Node {
        id: text(member(message, "messageId")),
        parent: text(member(message, "parentMessageId")).filter(|parent| parent != NO_PARENT),
        kind: role,
        content,
        created_at: time(member(message, "createdAt")),
        status: tree::status(failed, finished),
        sources,
        ..Node::default()
    }
    .with_model(text(member(message, "model")))
}

/// Returns the text of `[{type: "text", text: "…" | {value: "…"}}, {type: "think", …}, {type: "tool_call", …}]`, without thinking
/// and tool calls.
fn text_of_parts(content: &Value) -> String {
    let texts: Vec<String> = content
        .as_array()
        .into_iter()
        .flatten()
        .filter(|part| member(part, "type") == "text" || part.get("type").is_none())
        .filter_map(|part| {
            let inner = member(part, "text");
            text(inner).or_else(|| text(member(inner, "value")))
        })
        .collect();
    texts.join("\n\n")
}
