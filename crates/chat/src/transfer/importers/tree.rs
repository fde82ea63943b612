//! Conversion of a chat in another program's format into our own: messages with our ids, each after its parent.
//!
//! A skipped message (of the system, or too long) leaves no gap: its children become children of its parent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::cleanup;
use crate::messages::{MessageRole, MessageStatus};
use crate::source::Source;
use crate::transfer::lenient_json::{clean, clean_members, line, sane};
use crate::transfer::{
    ChatRecord, ID_NAMESPACE, ImportReport, MAX_CHAT_MESSAGES, MAX_MESSAGE_SOURCES, MAX_TEXT_BYTES,
    MessageRecord, chat_id, message_id,
};

/// Chat as parsed from another format.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) external_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) focus_mode: Option<String>,
    pub(crate) pinned: bool,
    pub(crate) archived: bool,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
    /// External id of the last message of the branch that was shown.
    pub(crate) current: Option<String>,
    pub(crate) nodes: Vec<Node>,
}

/// Message as parsed from another format. Ids are external.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) id: Option<String>,
    pub(crate) parent: Option<String>,
    /// Ids of the messages that answer it, which say whose child a message without a parent is.
    pub(crate) children: Vec<String>,
    pub(crate) kind: NodeKind,
    pub(crate) content: String,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) status: MessageStatus,
    pub(crate) metadata: BTreeMap<String, Value>,
    pub(crate) sources: Vec<Source>,
}

impl Node {
    /// Returns the node with the name of the language model that wrote it.
    pub(crate) fn with_model(mut self, model: Option<String>) -> Self {
        if let Some(model) = model {
            self.metadata.insert("model".to_owned(), Value::String(line(&model, 200)));
        }
        self
    }
}

/// Returns the status of an imported message.
pub(crate) fn status(failed: bool, finished: bool) -> MessageStatus {
    match (failed, finished) {
        (true, _) => MessageStatus::Failed,
        (false, false) => MessageStatus::Interrupted,
        (false, true) => MessageStatus::Complete,
    }
}

/// Whether a node is imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum NodeKind {
    /// Imported as a message of this author.
    Message(MessageRole),
    /// No message; nothing is lost.
    #[default]
    Ignored,
    /// Skipped for this reason.
    Skipped(String),
}

impl NodeKind {
    /// Returns the kind of a node by the name of its role.
    pub(crate) fn of(role: &str) -> Self {
        match role {
            "user" | "human" => Self::Message(MessageRole::User),
            "assistant" | "ai" | "bot" | "model" => Self::Message(MessageRole::Assistant),
            "" => Self::Skipped("missing role".to_owned()),
            other => Self::Skipped(format!("messages of the role {:?} are not imported", line(other, 30))),
        }
    }

    fn is_message(&self) -> bool {
        matches!(self, Self::Message(_))
    }
}

/// Converts a draft into a chat; `None`, with the reason in the report, if it has no message to import. `now` replaces missing times.
pub(crate) fn finish(draft: Draft, now: DateTime<Utc>, report: &mut ImportReport) -> Option<ChatRecord> {
    let location = draft
        .external_id
        .clone()
        .or_else(|| draft.title.clone())
        .unwrap_or_else(|| "a chat without an id".to_owned());
    let mut nodes = draft.nodes;
    if nodes.len() > MAX_CHAT_MESSAGES {
        report.skip(
            &location,
            format!("{} messages beyond the first {MAX_CHAT_MESSAGES}", nodes.len() - MAX_CHAT_MESSAGES),
        );
        nodes.truncate(MAX_CHAT_MESSAGES);
    }
    let names = unique_names(&mut nodes);
    adopt_children(&mut nodes, &names);
    clean_answers(&mut nodes, &location, report);
    validate(&mut nodes, &location, report);
    if !nodes.iter().any(|node| node.kind.is_message()) {
        report.skip(&location, "no messages to import");
        return None;
    }
    // The id of a chat without an external one depends on its start, so that a repeated import finds the same chat.
    let chat_name = draft.external_id.clone().unwrap_or_else(|| {
        let first = nodes.first().map(|node| node.content.as_str()).unwrap_or_default();
        let start = format!("{}\n{}\n{first}", draft.title.as_deref().unwrap_or_default(), names.order[0]);
        Uuid::new_v5(&ID_NAMESPACE, start.as_bytes()).to_string()
    });
    let parents = parents(&nodes, &names.by_name, &location, report);
    let order = order(&parents);
    let id = chat_id(&chat_name);
    let created_at =
        draft.created_at.or_else(|| nodes.iter().filter_map(|node| node.created_at).min()).unwrap_or(now);
    let ids: Vec<Uuid> = names.order.iter().map(|name| message_id(&chat_name, name)).collect();
    let current = draft
        .current
        .and_then(|name| names.by_name.get(&name).copied())
        .and_then(|index| nearest_message(index, &nodes, &parents))
        .or_else(|| (0..nodes.len()).rev().find(|index| nodes[*index].kind.is_message()));
    let mut messages: Vec<MessageRecord> = Vec::with_capacity(nodes.len());
    let mut times: Vec<DateTime<Utc>> = vec![created_at; nodes.len()];
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    for index in order {
        let parent = parents[index];
        let Some(node) = nodes[index].take() else { continue };
        times[index] = node.created_at.or(parent.map(|parent| times[parent])).unwrap_or(created_at);
        let NodeKind::Message(role) = node.kind else { continue };
        messages.push(message(
            node,
            role,
            ids[index],
            parent.map(|parent| ids[parent]),
            times[index],
            &names.order[index],
        ));
    }
    let newest = messages.iter().map(|message| message.created_at).max().unwrap_or(created_at);
    Some(ChatRecord {
        id,
        external_id: draft
            .external_id
            .filter(|external| *external != id.to_string())
            .map(|text| truncate(text, 200)),
        title: title(draft.title.as_deref(), &messages),
        focus_mode: draft.focus_mode.map_or_else(|| "librarySearch".to_owned(), |text| truncate(text, 50)),
        library: None,
        version: None,
        model: None,
        pinned: draft.pinned,
        archived: draft.archived,
        created_at,
        updated_at: draft.updated_at.unwrap_or(newest).max(created_at),
        current: current.map(|index| ids[index]),
        messages,
        files: Vec::new(),
    })
}

struct Names {
    /// Name of each node.
    order: Vec<String>,
    by_name: HashMap<String, usize>,
}

/// Gives each node a unique name: its external id, its index without one, both if the id is a duplicate.
fn unique_names(nodes: &mut [Node]) -> Names {
    let mut names = Names { order: Vec::with_capacity(nodes.len()), by_name: HashMap::new() };
    for (index, node) in nodes.iter_mut().enumerate() {
        let mut name = node.id.take().unwrap_or_else(|| format!("#{index}"));
        if names.by_name.contains_key(&name) {
            name = format!("{name}#{index}");
        }
        names.by_name.entry(name.clone()).or_insert(index);
        names.order.push(name);
    }
    names
}

/// Gives each message without a known parent the one that lists it among its children.
fn adopt_children(nodes: &mut [Node], names: &Names) {
    for index in 0..nodes.len() {
        for child in std::mem::take(&mut nodes[index].children) {
            let Some(&at) = names.by_name.get(&child).filter(|at| **at != index) else { continue };
            let has_parent =
                nodes[at].parent.as_ref().is_some_and(|parent| names.by_name.contains_key(parent));
            if !has_parent {
                nodes[at].parent = Some(names.order[index].clone());
            }
        }
    }
}

/// Leaves reasoning, tool calls and citation marks out of the answers, and reports how many.
fn clean_answers(nodes: &mut [Node], chat: &str, report: &mut ImportReport) {
    for (number, node) in (1..).zip(nodes) {
        if node.kind == NodeKind::Message(MessageRole::Assistant)
            && node.content.len() <= MAX_TEXT_BYTES
            && let Some(cleaned) = cleanup::clean(&node.content)
        {
            report.skip(format!("{chat}, message {number}"), cleaned.reason());
            node.content = cleaned.content;
        }
    }
}

/// Decides which messages are skipped, and reports why.
fn validate(nodes: &mut [Node], chat: &str, report: &mut ImportReport) {
    for (number, node) in (1..).zip(nodes) {
        if node.kind.is_message() {
            if node.content.len() > MAX_TEXT_BYTES {
                node.kind = NodeKind::Skipped(format!("longer than {MAX_TEXT_BYTES} bytes"));
            } else if node.content.trim().is_empty() && node.sources.is_empty() {
                node.kind = NodeKind::Skipped("empty message".to_owned());
            }
        }
        if node.sources.len() > MAX_MESSAGE_SOURCES {
            let reason = format!("sources beyond the first {MAX_MESSAGE_SOURCES}");
            report.skip(format!("{chat}, message {number}"), reason);
            node.sources.truncate(MAX_MESSAGE_SOURCES);
        }
        if let NodeKind::Skipped(reason) = &node.kind {
            report.skip(format!("{chat}, message {number}"), reason.clone());
        }
    }
}

/// Returns the nearest imported message above each node.
fn parents(
    nodes: &[Node],
    by_name: &HashMap<String, usize>,
    chat: &str,
    report: &mut ImportReport,
) -> Vec<Option<usize>> {
    let mut direct: Vec<Option<usize>> = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let parent = node.parent.as_ref().and_then(|name| by_name.get(name).copied());
        if parent.is_none() && node.parent.is_some() && node.kind != NodeKind::Ignored {
            let reason = "its parent is missing: it starts a branch of its own";
            report.skip(format!("{chat}, message {}", index + 1), reason);
        }
        direct.push(parent);
    }
    break_cycles(&mut direct, chat, report);
    // Without cycles each path ends. Paths are compressed as they are walked.
    let mut above: Vec<Option<usize>> = direct.clone();
    for index in 0..nodes.len() {
        let mut walked = Vec::new();
        let mut next = above[index];
        while let Some(parent) = next.filter(|parent| !nodes[*parent].kind.is_message()) {
            walked.push(parent);
            next = above[parent];
        }
        above[index] = next;
        for parent in walked {
            above[parent] = next;
        }
    }
    above
}

/// Removes one parent of each cycle.
fn break_cycles(parents: &mut [Option<usize>], chat: &str, report: &mut ImportReport) {
    // 0: not visited; else the number of the walk that visited the node.
    let mut visited = vec![0_usize; parents.len()];
    for start in 0..parents.len() {
        let walk = start + 1;
        let mut at = start;
        while visited[at] == 0 {
            visited[at] = walk;
            match parents[at] {
                Some(parent) if visited[parent] == walk => {
                    let reason = "it is its own ancestor: it starts a branch of its own";
                    report.skip(format!("{chat}, message {}", at + 1), reason);
                    parents[at] = None;
                }
                Some(parent) => at = parent,
                None => {}
            }
        }
    }
}

/// Returns the indices of the nodes, each after its parent, otherwise in their original order.
fn order(parents: &[Option<usize>]) -> Vec<usize> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); parents.len()];
    let mut ready = BinaryHeap::new();
    for (index, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(index),
            None => ready.push(Reverse(index)),
        }
    }
    let mut order = Vec::with_capacity(parents.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        ready.extend(children[index].iter().map(|child| Reverse(*child)));
    }
    order
}

/// Returns the node itself if it is imported, else the nearest imported message above it.
fn nearest_message(index: usize, nodes: &[Node], parents: &[Option<usize>]) -> Option<usize> {
    if nodes[index].kind.is_message() { Some(index) } else { parents[index] }
}

fn message(
    node: Node,
    role: MessageRole,
    id: Uuid,
    parent: Option<Uuid>,
    created_at: DateTime<Utc>,
    name: &str,
) -> MessageRecord {
    let mut metadata: BTreeMap<String, Value> = clean_members(node.metadata).into_iter().collect();
    if name != id.to_string() && !name.starts_with('#') {
        metadata.insert("external_id".to_owned(), Value::String(truncate(name, 200)));
    }
    MessageRecord {
        message_id: id,
        parent,
        role,
        content: node.content,
        // Questions are always complete, and no process continues an imported answer.
        status: match (role, node.status) {
            (MessageRole::User, _) => MessageStatus::Complete,
            (MessageRole::Assistant, MessageStatus::Answering) => MessageStatus::Interrupted,
            (MessageRole::Assistant, status) => status,
        },
        metadata,
        created_at: sane(created_at).unwrap_or(created_at),
        sources: if role == MessageRole::Assistant { node.sources } else { Vec::new() },
        verdict: None,
    }
}

/// Returns the given title, else the first question.
fn title(given: Option<&str>, messages: &[MessageRecord]) -> String {
    let first = messages
        .iter()
        .find(|message| message.role == MessageRole::User)
        .or_else(|| messages.first())
        .map(|message| message.content.as_str())
        .unwrap_or_default();
    [given.unwrap_or_default(), first]
        .into_iter()
        .map(|text| line(text, 300))
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| "Untitled".to_owned())
}

/// Returns a text truncated to `max` characters if it is longer than as many bytes.
fn truncate(text: impl AsRef<str>, max: usize) -> String {
    let text = clean(text.as_ref());
    if text.len() <= max { text } else { text.chars().take(max).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parent: Option<&str>, role: &str) -> Node {
        Node {
            id: Some(id.to_owned()),
            parent: parent.map(str::to_owned),
            kind: NodeKind::of(role),
            content: format!("text of {id}"),
            ..Node::default()
        }
    }

    fn convert(nodes: Vec<Node>, current: &str) -> (Option<ChatRecord>, ImportReport) {
        let mut report = ImportReport::default();
        let draft = Draft {
            external_id: Some("abc".to_owned()),
            current: Some(current.to_owned()),
            nodes,
            ..Draft::default()
        };
        (finish(draft, DateTime::UNIX_EPOCH, &mut report), report)
    }

    /// Returns the messages as `name>parent`.
    fn shape(chat: &ChatRecord) -> Vec<String> {
        let name = |id: Uuid| {
            let found = chat.messages.iter().find(|message| message.message_id == id);
            found.map_or("?", |message| message.content.trim_start_matches("text of ")).to_owned()
        };
        chat.messages
            .iter()
            .map(|message| {
                format!("{}>{}", name(message.message_id), message.parent.map(name).unwrap_or_default())
            })
            .collect()
    }

    #[test]
    fn skipped_messages_leave_no_gap() {
        let nodes = vec![
            node("a", Some("t"), "assistant"),
            node("s", None, "system"),
            node("q", Some("s"), "user"),
            node("t", Some("q"), "tool"),
            node("b", Some("q"), "assistant"),
        ];
        let (chat, report) = convert(nodes, "t");
        let chat = chat.unwrap();
        assert_eq!(shape(&chat), ["q>", "a>q", "b>q"]);
        assert_eq!(report.dropped_count, 2);
        assert_eq!(chat.current, Some(message_id("abc", "q")));
        assert_eq!(chat.messages[0].metadata["external_id"], "q");
    }

    #[test]
    fn cycles_are_broken_and_missing_parents_start_a_branch() {
        let nodes = vec![
            node("a", Some("b"), "user"),
            node("b", Some("a"), "assistant"),
            node("c", Some("c"), "user"),
            node("d", Some("nowhere"), "user"),
            node("d", Some("d"), "assistant"),
        ];
        let (chat, report) = convert(nodes, "b");
        let chat = chat.unwrap();
        assert_eq!(chat.messages.len(), 5);
        for (index, message) in chat.messages.iter().enumerate() {
            let before = &chat.messages[..index];
            assert!(message.parent.is_none_or(|parent| before.iter().any(|one| one.message_id == parent)));
        }
        assert_eq!(report.dropped_count, 3, "{report:?}");
    }

    #[test]
    fn a_chat_without_messages_is_skipped() {
        let (chat, report) = convert(vec![node("a", None, "system")], "a");
        assert_eq!((chat, report.dropped_count), (None, 2));
        let (chat, _) = convert(vec![], "a");
        assert_eq!(chat, None);
    }
}
