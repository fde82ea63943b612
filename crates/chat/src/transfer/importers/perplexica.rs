//! Chats of Perplexica, as returned by `GET /api/chats/{id}`: three generations of rows.
//!
//! 1. Rows with the `role` `user` or `assistant`, whose `metadata` is JSON in a string, sometimes stringified twice, with the time and
//!    the sources.
//! 2. Rows with a `type` instead, with the sources in rows of their own (`source`).
//! 3. One row per turn: the question as `query`, the answer as blocks.
//!
//! Ids are not UUIDs, and times have the format of JavaScript's `Date.toString()`.

use serde_json::{Value, json};

use super::tree::{Draft, Node, NodeKind};
use crate::messages::{MessageRole, MessageStatus};
use crate::source::Source;
use crate::transfer::lenient_json::{self, first_text, member, text, time, unwrapped};

/// Parses `{"chat": …, "messages": […]}`.
pub(crate) fn read(value: &Value) -> Draft {
    let chat = member(value, "chat");
    let mut draft = Draft {
        external_id: text(member(chat, "id")),
        title: text(member(chat, "title")),
        focus_mode: first_text(chat, &["focusMode", "focus_mode"])
            .or_else(|| focus_of_sources(member(chat, "sources"))),
        created_at: time(member(chat, "createdAt")),
        ..Draft::default()
    };
    for row in member(value, "messages").as_array().into_iter().flatten() {
        if row.get("responseBlocks").is_some() || row.get("query").is_some() {
            turn(row, &mut draft.nodes);
        } else {
            message(row, &mut draft.nodes);
        }
    }
    draft
}

/// Returns the focus mode for the `sources` of the newest generation.
fn focus_of_sources(value: &Value) -> Option<String> {
    let value = unwrapped(value);
    let first = value.as_array()?.first()?.as_str()?.to_owned();
    Some(match first.as_str() {
        "academic" => "academicSearch".to_owned(),
        "discussions" => "redditSearch".to_owned(),
        _ => "webSearch".to_owned(),
    })
}

/// Parses a row of the first two generations. Each follows the preceding one.
fn message(row: &Value, nodes: &mut Vec<Node>) {
    let metadata = unwrapped(member(row, "metadata"));
    let role = first_text(row, &["role", "type"]).unwrap_or_default();
    if role == "source" {
        // The row precedes the answer it belongs to: its sources are kept for it in an ignored node.
        let sources = unwrapped(row.get("sources").filter(|value| !value.is_null()).unwrap_or(&metadata));
        let parent = nodes.last().and_then(|node| node.id.clone());
        let id = first_text(row, &["messageId", "id"]).map(|id| format!("{id}/sources"));
        nodes.push(Node { id, parent, sources: sources_of(&sources), ..Node::default() });
        return;
    }
    let kind = NodeKind::of(&role);
    let content = row.get("content").and_then(Value::as_str).map(lenient_json::clean).unwrap_or_default();
    let mut sources = sources_of(row.get("sources").unwrap_or_else(|| member(&metadata, "sources")));
    if sources.is_empty() && kind == NodeKind::Message(MessageRole::Assistant) {
        let before = nodes.last_mut().filter(|node| node.kind == NodeKind::Ignored);
        sources = before.map(|node| std::mem::take(&mut node.sources)).unwrap_or_default();
    }
    lenient_json::number(&mut sources, &content);
    let parent = last_name(nodes);
    nodes.push(Node {
        id: Some(name(first_text(row, &["messageId", "message_id", "id"]), nodes.len())),
        parent,
        kind,
        content,
        created_at: time(member(&metadata, "createdAt")).or_else(|| time(member(row, "createdAt"))),
        sources,
        ..Node::default()
    });
}

/// Parses a row of the newest generation: a question and its answer.
fn turn(row: &Value, nodes: &mut Vec<Node>) {
    let created_at = time(member(row, "createdAt"));
    let own = name(first_text(row, &["messageId", "id"]), nodes.len());
    let parent = last_name(nodes);
    nodes.push(Node {
        id: Some(own.clone()),
        parent,
        kind: NodeKind::Message(MessageRole::User),
        content: text(member(row, "query")).unwrap_or_default(),
        created_at,
        ..Node::default()
    });
    let (mut content, mut sources) = (String::new(), Vec::new());
    for block in unwrapped(member(row, "responseBlocks")).as_array().into_iter().flatten() {
        let data = member(block, "data");
        match member(block, "type").as_str() {
            Some("text") => {
                if !content.is_empty() {
                    content.push_str("\n\n");
                }
                content.push_str(&lenient_json::clean(data.as_str().unwrap_or_default()));
            }
            Some("source") => sources.extend(sources_of(data)),
            // Research steps, suggestions and widgets are not part of the answer.
            _ => {}
        }
    }
    lenient_json::number(&mut sources, &content);
    let status = match member(row, "status").as_str() {
        Some("error") => MessageStatus::Failed,
        Some("answering") => MessageStatus::Interrupted,
        _ => MessageStatus::Complete,
    };
    let mut node = Node {
        id: Some(text(member(row, "backendId")).unwrap_or_else(|| format!("{own}/answer"))),
        parent: Some(own),
        kind: NodeKind::Message(MessageRole::Assistant),
        content,
        created_at,
        status,
        sources,
        ..Node::default()
    };
    if node.content.is_empty() && node.sources.is_empty() && status != MessageStatus::Complete {
        node.kind = NodeKind::Skipped("unanswered question".to_owned());
    }
    if status == MessageStatus::Failed {
        node.metadata.insert("error".to_owned(), json!("the answer failed in Perplexica"));
    }
    nodes.push(node);
}

fn sources_of(value: &Value) -> Vec<Source> {
    let value = unwrapped(value);
    let items = value.as_array().into_iter().flatten();
    items
        .filter(|item| item.is_object())
        .map(|item| {
            let metadata = unwrapped(member(item, "metadata"));
            let content = first_text(item, &["content", "pageContent"]).unwrap_or_default();
            lenient_json::source(text(member(&metadata, "title")), text(member(&metadata, "url")), &content)
        })
        .collect()
}

/// Returns the name of a message, to which the next one can refer as its parent.
fn name(given: Option<String>, index: usize) -> String {
    given.unwrap_or_else(|| format!("#{index}"))
}

fn last_name(nodes: &[Node]) -> Option<String> {
    nodes.last().and_then(|node| node.id.clone())
}
