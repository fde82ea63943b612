//! Chats of Perplexica, as its routes answer (`GET /api/chats/{id}`): three generations of rows.
//!
//! 1. Rows of `user` and `assistant` (as `role`), whose `metadata` is a JSON text, at times stringified twice, that holds the
//!    time and the sources.
//! 2. The same as `type`, with the sources in rows of their own (`source`).
//! 3. One row a turn: the question as `query`, the answer as blocks.
//!
//! Its ids are no UUIDs, and its times what `Date.toString()` writes.

use serde_json::{Value, json};

use super::loose::{self, first_text, member, text, time, unwrapped};
use super::tree::{Draft, Node, What};
use super::{Role, Status};
use crate::source::Source;

/// Reads `{"chat": …, "messages": […]}`.
pub(crate) fn read(value: &Value) -> Draft {
    let chat = member(value, "chat");
    let mut draft = Draft {
        external_id: text(member(chat, "id")),
        title: text(member(chat, "title")),
        focus_mode: first_text(chat, &["focusMode", "focus_mode"])
            .or_else(|| of_sources(member(chat, "sources"))),
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

/// What was searched, as the newest generation names it.
fn of_sources(value: &Value) -> Option<String> {
    let value = unwrapped(value);
    let first = value.as_array()?.first()?.as_str()?.to_owned();
    Some(match first.as_str() {
        "academic" => "academicSearch".to_owned(),
        "discussions" => "redditSearch".to_owned(),
        _ => "webSearch".to_owned(),
    })
}

/// A row of the first two generations. Each follows the one before.
fn message(row: &Value, nodes: &mut Vec<Node>) {
    let metadata = unwrapped(member(row, "metadata"));
    let role = first_text(row, &["role", "type"]).unwrap_or_default();
    if role == "source" {
        // They stand before the answer that they belong to: kept for it in a node that is none.
        let sources = unwrapped(row.get("sources").filter(|value| !value.is_null()).unwrap_or(&metadata));
        let parent = nodes.last().and_then(|node| node.id.clone());
        let id = first_text(row, &["messageId", "id"]).map(|id| format!("{id}/sources"));
        nodes.push(Node { id, parent, sources: sources_of(&sources), ..Node::default() });
        return;
    }
    let what = What::of(&role);
    let content = row.get("content").and_then(Value::as_str).map(loose::clean).unwrap_or_default();
    let mut sources = sources_of(row.get("sources").unwrap_or_else(|| member(&metadata, "sources")));
    if sources.is_empty() && what == What::Said(Role::Assistant) {
        let before = nodes.last_mut().filter(|node| node.what == What::Nothing);
        sources = before.map(|node| std::mem::take(&mut node.sources)).unwrap_or_default();
    }
    loose::number(&mut sources, &content);
    let parent = last_name(nodes);
    nodes.push(Node {
        id: Some(name(first_text(row, &["messageId", "message_id", "id"]), nodes.len())),
        parent,
        what,
        content,
        created_at: time(member(&metadata, "createdAt")).or_else(|| time(member(row, "createdAt"))),
        sources,
        ..Node::default()
    });
}

/// A row of the newest generation: a question and its answer.
fn turn(row: &Value, nodes: &mut Vec<Node>) {
    let created_at = time(member(row, "createdAt"));
    let own = name(first_text(row, &["messageId", "id"]), nodes.len());
    let parent = last_name(nodes);
    nodes.push(Node {
        id: Some(own.clone()),
        parent,
        what: What::Said(Role::User),
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
                content.push_str(&loose::clean(data.as_str().unwrap_or_default()));
            }
            Some("source") => sources.extend(sources_of(data)),
            // How it was found, what might be asked next, little pictures: not what was answered.
            _ => {}
        }
    }
    loose::number(&mut sources, &content);
    let status = match member(row, "status").as_str() {
        Some("error") => Status::Failed,
        Some("answering") => Status::Interrupted,
        _ => Status::Complete,
    };
    let mut node = Node {
        id: Some(text(member(row, "backendId")).unwrap_or_else(|| format!("{own}/answer"))),
        parent: Some(own),
        what: What::Said(Role::Assistant),
        content,
        created_at,
        status,
        sources,
        ..Node::default()
    };
    if node.content.is_empty() && node.sources.is_empty() && status != Status::Complete {
        node.what = What::Dropped("the question was not answered".to_owned());
    }
    if status == Status::Failed {
        node.metadata.insert("error".to_owned(), json!("it failed where it was asked"));
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
            loose::source(text(member(&metadata, "title")), text(member(&metadata, "url")), &content)
        })
        .collect()
}

/// A name for a message, so that the next one can say what it follows.
fn name(given: Option<String>, place: usize) -> String {
    given.unwrap_or_else(|| format!("#{place}"))
}

fn last_name(nodes: &[Node]) -> Option<String> {
    nodes.last().and_then(|node| node.id.clone())
}
