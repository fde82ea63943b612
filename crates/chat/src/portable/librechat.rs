//! Chats of LibreChat: a plain list (`messages`), or messages nested in each other (`messagesTree`, `children`), to any
//! depth.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::Role;
use super::Status;
use super::loose::{self, first_text, member, text, time};
use super::tree::{Draft, Node, What};

/// What stands for no parent.
const NONE: &str = "00000000-0000-0000-0000-000000000000";

/// Reads a chat whose messages are in one list.
pub(crate) fn read(value: &Value) -> Draft {
    let nodes: Vec<Node> = member(value, "messages").as_array().into_iter().flatten().map(node).collect();
    // It says nothing of the branch that was shown: the newest message is on it.
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

/// Messages that are nested in each other, each as a text without those below it. No depth is too deep: nothing here calls
/// itself.
pub(crate) fn taken_apart(tree: &str) -> Result<Vec<String>, String> {
    let mut messages = Vec::new();
    let mut waiting = vec![tree];
    // Walks are over text that shrinks at each level, so the work is bounded by text times depth: by this many bytes.
    let mut work = 2_usize << 30;
    while let Some(text) = waiting.pop() {
        work = work.saturating_sub(text.len());
        if work == 0 {
            return Err("its messages are nested too deeply".to_owned());
        }
        if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) {
            waiting.extend(items.into_iter().rev().map(RawValue::get));
        } else if let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
            if let Some(children) = members.remove("children") {
                waiting.push(children.get());
            }
            messages.extend(serde_json::to_string(&members));
        }
    }
    Ok(messages)
}

fn node(message: &Value) -> Node {
    let by_user = member(message, "isCreatedByUser").as_bool();
    let role = match by_user {
        Some(true) => What::Said(Role::User),
        Some(false) => What::Said(Role::Assistant),
        None => match first_text(message, &["sender", "role"]).as_deref() {
            Some("User" | "user") => What::Said(Role::User),
            Some(_) => What::Said(Role::Assistant),
            None => What::of(""),
        },
    };
    let content = text(member(message, "text")).unwrap_or_else(|| of_parts(member(message, "content")));
    let mut sources = Vec::new();
    for attachment in member(message, "attachments").as_array().into_iter().flatten() {
        let found = member(attachment, "web_search");
        for page in member(found, "organic").as_array().into_iter().flatten() {
            let content = first_text(page, &["content", "snippet"]).unwrap_or_default();
            sources.push(loose::source(text(member(page, "title")), text(member(page, "link")), &content));
        }
    }
    loose::number(&mut sources, &content);
    let failed = member(message, "error").as_bool() == Some(true);
    let unfinished = member(message, "unfinished").as_bool() == Some(true);
    let mut node = Node {
        id: text(member(message, "messageId")),
        parent: text(member(message, "parentMessageId")).filter(|parent| parent != NONE),
        what: role,
        content,
        created_at: time(member(message, "createdAt")),
        status: if failed {
            Status::Failed
        } else if unfinished {
            Status::Interrupted
        } else {
            Status::Complete
        },
        sources,
        ..Node::default()
    };
    if let Some(model) = text(member(message, "model")) {
        node.metadata.insert("model".to_owned(), Value::String(loose::line(&model, 200)));
    }
    node
}

/// `[{type: "text", text: "…" | {value: "…"}}, {type: "think", …}, {type: "tool_call", …}]`: what was answered, and not how
/// it was thought of.
fn of_parts(content: &Value) -> String {
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
