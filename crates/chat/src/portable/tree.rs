//! From what another program wrote of a chat to a chat: messages with ids of ours, each after its parent.
//!
//! What is not taken (a system's message, one that is too long) leaves no gap: what followed it follows what it followed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::loose::{clean, clean_members, line, sane};
use super::{Chat, LONGEST_TEXT, MOST_MESSAGES, MOST_SOURCES, Message, NAMESPACE, Report, Role, Status};
use super::{chat_id, message_id};
use crate::source::Source;

/// A chat as it was written elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) external_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) focus_mode: Option<String>,
    pub(crate) pinned: bool,
    pub(crate) archived: bool,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) updated_at: Option<DateTime<Utc>>,
    /// The id of the last message of the branch that was shown.
    pub(crate) current: Option<String>,
    pub(crate) nodes: Vec<Node>,
}

/// A message as it was written elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) id: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) what: What,
    pub(crate) content: String,
    pub(crate) created_at: Option<DateTime<Utc>>,
    pub(crate) status: Status,
    pub(crate) metadata: BTreeMap<String, Value>,
    pub(crate) sources: Vec<Source>,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum What {
    /// It is taken.
    Said(Role),
    /// It is none, and nothing is lost.
    #[default]
    Nothing,
    /// It is not taken, for this reason.
    Dropped(String),
}

impl What {
    /// By the name of a role.
    pub(crate) fn of(role: &str) -> Self {
        match role {
            "user" | "human" => Self::Said(Role::User),
            "assistant" | "ai" | "bot" | "model" => Self::Said(Role::Assistant),
            "" => Self::Dropped("it does not say whose message it is".to_owned()),
            other => Self::Dropped(format!("messages of the role {:?} are not taken", line(other, 30))),
        }
    }
}

/// Makes a chat of it; `None`, with the reason in the report, where there is nothing to keep. `now` stands in for times that
/// are missing.
pub(crate) fn finish(draft: Draft, now: DateTime<Utc>, report: &mut Report) -> Option<Chat> {
    let place = draft
        .external_id
        .clone()
        .or_else(|| draft.title.clone())
        .unwrap_or_else(|| "a chat without an id".to_owned());
    let mut nodes = draft.nodes;
    if nodes.len() > MOST_MESSAGES {
        report.drop(
            &place,
            format!("{} messages beyond the first {MOST_MESSAGES}", nodes.len() - MOST_MESSAGES),
        );
        nodes.truncate(MOST_MESSAGES);
    }
    let names = unique_names(&mut nodes);
    refuse(&mut nodes, &place, report);
    if !nodes.iter().any(|node| matches!(node.what, What::Said(_))) {
        report.drop(&place, "it has no messages that can be kept");
        return None;
    }
    // A chat without an id is told by how it begins, so that it is the same one the next time.
    let own_name = draft.external_id.clone().unwrap_or_else(|| {
        let first = nodes.first().map(|node| node.content.as_str()).unwrap_or_default();
        let begin = format!("{}\n{}\n{first}", draft.title.as_deref().unwrap_or_default(), names.order[0]);
        Uuid::new_v5(&NAMESPACE, begin.as_bytes()).to_string()
    });
    let parents = parents(&nodes, &names.by_name, &place, report);
    let order = order(&parents);
    let id = chat_id(&own_name);
    let created_at =
        draft.created_at.or_else(|| nodes.iter().filter_map(|node| node.created_at).min()).unwrap_or(now);
    let ids: Vec<Uuid> = names.order.iter().map(|name| message_id(&own_name, name)).collect();
    let current = draft
        .current
        .and_then(|name| names.by_name.get(&name).copied())
        .and_then(|place| kept(place, &nodes, &parents))
        .or_else(|| (0..nodes.len()).rev().find(|place| matches!(nodes[*place].what, What::Said(_))));
    let mut messages: Vec<Message> = Vec::with_capacity(nodes.len());
    let mut times: Vec<DateTime<Utc>> = vec![created_at; nodes.len()];
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    for place in order {
        let parent = parents[place];
        let Some(node) = nodes[place].take() else { continue };
        times[place] = node.created_at.or(parent.map(|parent| times[parent])).unwrap_or(created_at);
        let What::Said(role) = node.what else { continue };
        messages.push(message(
            node,
            role,
            ids[place],
            parent.map(|parent| ids[parent]),
            times[place],
            &names.order[place],
        ));
    }
    let newest = messages.iter().map(|message| message.created_at).max().unwrap_or(created_at);
    Some(Chat {
        id,
        external_id: draft
            .external_id
            .filter(|external| *external != id.to_string())
            .map(|text| cut(text, 200)),
        title: title(draft.title.as_deref(), &messages),
        focus_mode: draft.focus_mode.map_or_else(|| "librarySearch".to_owned(), |text| cut(text, 50)),
        library: None,
        version: None,
        model: None,
        pinned: draft.pinned,
        archived: draft.archived,
        created_at,
        updated_at: draft.updated_at.unwrap_or(newest).max(created_at),
        current: current.map(|place| ids[place]),
        messages,
        files: Vec::new(),
    })
}

struct Names {
    /// The name of each node.
    order: Vec<String>,
    by_name: HashMap<String, usize>,
}

/// Each node has a name of its own: what has none is called by its place, and who comes second with a name by both.
fn unique_names(nodes: &mut [Node]) -> Names {
    let mut names = Names { order: Vec::with_capacity(nodes.len()), by_name: HashMap::new() };
    for (place, node) in nodes.iter_mut().enumerate() {
        let mut name = node.id.take().unwrap_or_else(|| format!("#{place}"));
        if names.by_name.contains_key(&name) {
            name = format!("{name}#{place}");
        }
        names.by_name.entry(name.clone()).or_insert(place);
        names.order.push(name);
    }
    names
}

/// Decides which messages are not taken, and notes why.
fn refuse(nodes: &mut [Node], chat: &str, report: &mut Report) {
    for (place, node) in (1..).zip(nodes) {
        if matches!(node.what, What::Said(_)) {
            if node.content.len() > LONGEST_TEXT {
                node.what = What::Dropped(format!("it is longer than {LONGEST_TEXT} bytes"));
            } else if node.content.trim().is_empty() && node.sources.is_empty() {
                node.what = What::Dropped("it is empty".to_owned());
            }
        }
        if node.sources.len() > MOST_SOURCES {
            report
                .drop(format!("{chat}, message {place}"), format!("sources beyond the first {MOST_SOURCES}"));
            node.sources.truncate(MOST_SOURCES);
        }
        if let What::Dropped(why) = &node.what {
            report.drop(format!("{chat}, message {place}"), why.clone());
        }
    }
}

/// The nearest kept message above each node.
fn parents(
    nodes: &[Node],
    by_name: &HashMap<String, usize>,
    chat: &str,
    report: &mut Report,
) -> Vec<Option<usize>> {
    let mut direct: Vec<Option<usize>> = Vec::with_capacity(nodes.len());
    for (place, node) in nodes.iter().enumerate() {
        let parent = node.parent.as_ref().and_then(|name| by_name.get(name).copied());
        if parent.is_none() && node.parent.is_some() && node.what != What::Nothing {
            let why = "what it follows is missing: it begins a branch of its own";
            report.drop(format!("{chat}, message {}", place + 1), why);
        }
        direct.push(parent);
    }
    break_circles(&mut direct, chat, report);
    // Without circles each way up ends. Ways are kept short as they are walked.
    let mut above: Vec<Option<usize>> = direct.clone();
    for place in 0..nodes.len() {
        let mut walked = Vec::new();
        let mut next = above[place];
        while let Some(parent) = next.filter(|parent| !matches!(nodes[*parent].what, What::Said(_))) {
            walked.push(parent);
            next = above[parent];
        }
        above[place] = next;
        for parent in walked {
            above[parent] = next;
        }
    }
    above
}

/// Where messages are above themselves, one of them is made a beginning.
fn break_circles(parents: &mut [Option<usize>], chat: &str, report: &mut Report) {
    // 0: not seen; otherwise the walk on which it was seen.
    let mut seen = vec![0_usize; parents.len()];
    for start in 0..parents.len() {
        let walk = start + 1;
        let mut at = start;
        while seen[at] == 0 {
            seen[at] = walk;
            match parents[at] {
                Some(parent) if seen[parent] == walk => {
                    let why = "it follows itself: it begins a branch of its own";
                    report.drop(format!("{chat}, message {}", at + 1), why);
                    parents[at] = None;
                }
                Some(parent) => at = parent,
                None => {}
            }
        }
    }
}

/// The nodes, each after its parent, otherwise as they came.
fn order(parents: &[Option<usize>]) -> Vec<usize> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); parents.len()];
    let mut ready = BinaryHeap::new();
    for (place, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(place),
            None => ready.push(Reverse(place)),
        }
    }
    let mut order = Vec::with_capacity(parents.len());
    while let Some(Reverse(place)) = ready.pop() {
        order.push(place);
        ready.extend(children[place].iter().map(|child| Reverse(*child)));
    }
    order
}

/// The node itself, or the nearest kept one above it.
fn kept(place: usize, nodes: &[Node], parents: &[Option<usize>]) -> Option<usize> {
    if matches!(nodes[place].what, What::Said(_)) { Some(place) } else { parents[place] }
}

fn message(
    node: Node,
    role: Role,
    id: Uuid,
    parent: Option<Uuid>,
    created_at: DateTime<Utc>,
    name: &str,
) -> Message {
    let mut metadata: BTreeMap<String, Value> = clean_members(node.metadata).into_iter().collect();
    if name != id.to_string() && !name.starts_with('#') {
        metadata.insert("external_id".to_owned(), Value::String(cut(name, 200)));
    }
    Message {
        message_id: id,
        parent,
        role,
        content: node.content,
        // A question is whole, and nobody goes on writing what was imported.
        status: match (role, node.status) {
            (Role::User, _) => Status::Complete,
            (Role::Assistant, Status::Answering) => Status::Interrupted,
            (Role::Assistant, status) => status,
        },
        metadata,
        created_at: sane(created_at).unwrap_or(created_at),
        sources: if role == Role::Assistant { node.sources } else { Vec::new() },
        verdict: None,
    }
}

/// The title given, else the first question.
fn title(given: Option<&str>, messages: &[Message]) -> String {
    let first = messages
        .iter()
        .find(|message| message.role == Role::User)
        .or_else(|| messages.first())
        .map(|message| message.content.as_str())
        .unwrap_or_default();
    [given.unwrap_or_default(), first]
        .into_iter()
        .map(|text| line(text, 300))
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| "Untitled".to_owned())
}

fn cut(text: impl AsRef<str>, most: usize) -> String {
    let text = clean(text.as_ref());
    if text.len() <= most { text } else { text.chars().take(most).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, parent: Option<&str>, role: &str) -> Node {
        Node {
            id: Some(id.to_owned()),
            parent: parent.map(str::to_owned),
            what: What::of(role),
            content: format!("text of {id}"),
            ..Node::default()
        }
    }

    fn made(nodes: Vec<Node>, current: &str) -> (Option<Chat>, Report) {
        let mut report = Report::default();
        let draft = Draft {
            external_id: Some("abc".to_owned()),
            current: Some(current.to_owned()),
            nodes,
            ..Draft::default()
        };
        (finish(draft, DateTime::UNIX_EPOCH, &mut report), report)
    }

    /// The messages as `name>parent`.
    fn shape(chat: &Chat) -> Vec<String> {
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
    fn what_is_dropped_leaves_no_gap() {
        let nodes = vec![
            node("a", Some("t"), "assistant"),
            node("s", None, "system"),
            node("q", Some("s"), "user"),
            node("t", Some("q"), "tool"),
            node("b", Some("q"), "assistant"),
        ];
        let (chat, report) = made(nodes, "t");
        let chat = chat.unwrap();
        assert_eq!(shape(&chat), ["q>", "a>q", "b>q"]);
        assert_eq!(report.dropped_count, 2);
        assert_eq!(chat.current, Some(message_id("abc", "q")));
        assert_eq!(chat.messages[0].metadata["external_id"], "q");
    }

    #[test]
    fn circles_are_broken_and_what_is_missing_begins_a_branch() {
        let nodes = vec![
            node("a", Some("b"), "user"),
            node("b", Some("a"), "assistant"),
            node("c", Some("c"), "user"),
            node("d", Some("nowhere"), "user"),
            node("d", Some("d"), "assistant"),
        ];
        let (chat, report) = made(nodes, "b");
        let chat = chat.unwrap();
        assert_eq!(chat.messages.len(), 5);
        for (place, message) in chat.messages.iter().enumerate() {
            let before = &chat.messages[..place];
            assert!(message.parent.is_none_or(|parent| before.iter().any(|one| one.message_id == parent)));
        }
        assert_eq!(report.dropped_count, 3, "{report:?}");
    }

    #[test]
    fn nothing_is_no_chat() {
        let (chat, report) = made(vec![node("a", None, "system")], "a");
        assert_eq!((chat, report.dropped_count), (None, 2));
        let (chat, _) = made(vec![], "a");
        assert_eq!(chat, None);
    }
}
