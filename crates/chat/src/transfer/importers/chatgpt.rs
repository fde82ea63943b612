//! Chats of ChatGPT: `conversations.json` of its export. The messages are a tree (`mapping`), with nodes without a message.
//! Images, audio and tool messages are skipped and reported.

use std::collections::HashMap;

use serde_json::Value;

use super::tree::{Draft, Node, NodeKind};
use crate::messages::MessageRole;
use crate::source::Source;
use crate::transfer::ImportReport;
use crate::transfer::lenient_json::{self, first_text, member, text, time};

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
        children: member(entry, "children").as_array().into_iter().flatten().filter_map(text).collect(),
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
    node.sources = sources(metadata, &node.content);
    node.with_model(text(member(metadata, "model_slug")))
}

/// Returns the web pages and files that an answer refers to, each once.
fn sources(metadata: &Value, content: &str) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    let mut positions: HashMap<String, usize> = HashMap::new();
    let mut add = |item: &Value, is_cited: bool| {
        let title = first_text(item, &["title", "name"]);
        let url = first_text(item, &["url", "link"]);
        let Some(name) = url.clone().filter(|url| lenient_json::is_web(url)).or_else(|| title.clone()) else {
            return;
        };
        let position = *positions.entry(name).or_insert_with(|| {
            let text = first_text(item, &["snippet", "text", "quote"]).unwrap_or_default();
            sources.push(lenient_json::source(title, url, &text));
            sources.len() - 1
        });
        sources[position].cited |= is_cited;
    };
    for reference in member(metadata, "content_references").as_array().into_iter().flatten() {
        let mark = member(reference, "matched_text").as_str().unwrap_or_default();
        let is_cited = !mark.trim().is_empty() && content.contains(mark);
        for name in ["items", "sources", "fallback_items"] {
            for item in member(reference, name).as_array().into_iter().flatten() {
                add(item, is_cited);
                for website in member(item, "supporting_websites").as_array().into_iter().flatten() {
                    add(website, is_cited);
                }
            }
        }
        if matches!(member(reference, "type").as_str(), Some("webpage" | "webpage_extended" | "file")) {
            add(reference, is_cited);
        }
    }
    for citation in member(metadata, "citations").as_array().into_iter().flatten() {
        add(member(citation, "metadata"), true);
    }
    for group in member(metadata, "search_result_groups").as_array().into_iter().flatten() {
        for entry in member(group, "entries").as_array().into_iter().flatten() {
            add(entry, false);
        }
    }
    for (number, source) in (1..).zip(&mut sources) {
        source.number = number;
        source.rank = number;
    }
    sources
}
