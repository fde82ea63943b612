//! One chat as a Markdown file: questions as headings, answers verbatim, and below each its sources, quoted in fences that
//! nothing in them can end.

use chrono::{DateTime, SecondsFormat, Utc};

use super::lenient_json::line;
use super::{ChatRecord, MessageRecord, MessageRole, MessageStatus};
use crate::source::{Source, Staleness};

/// Renders the branch of the chat that is shown. `address` is the public URL of this server.
pub fn render(chat: &ChatRecord, address: &str) -> String {
    let mut text = String::from("---\n");
    let mut head = |name: &str, value: &str| {
        // A JSON string is a YAML string.
        text.push_str(&format!("{name}: {}\n", serde_json::Value::from(value)));
    };
    head("title", &chat.title);
    head("chat", &chat.id.to_string());
    head("created_at", &time(chat.created_at));
    head("updated_at", &time(chat.updated_at));
    for (name, value) in [("library", &chat.library), ("version", &chat.version), ("model", &chat.model)] {
        if let Some(value) = value {
            head(name, value);
        }
    }
    text.push_str(&format!("---\n\n# {}\n", heading(&chat.title)));
    let branch = chat.shown();
    for message in &branch {
        match message.role {
            MessageRole::User => question(&mut text, message),
            MessageRole::Assistant => answer(&mut text, message, address),
        }
    }
    let others = chat.messages.len().saturating_sub(branch.len());
    if others > 0 {
        text.push_str(&format!("\n---\n\n{others} messages of other branches are not shown.\n"));
    }
    text
}

/// Renders one answer and the origins of the sources it cites, without quotations, to be pasted into another text.
pub fn render_answer(content: &str, sources: &[Source]) -> String {
    let mut text = format!("{}\n", content.trim_end());
    if has_open_fence(content) {
        text.push_str("```\n");
    }
    for (index, source) in sources.iter().filter(|source| source.cited).enumerate() {
        text.push_str(if index == 0 { "\n" } else { "" });
        text.push_str(&format!("{}. {}", source.number, heading(&source.title)));
        for part in origin(source) {
            text.push_str(&format!(" · {}", heading(&part)));
        }
        text.push('\n');
    }
    text
}

fn question(text: &mut String, message: &MessageRecord) {
    let whole = message.content.trim();
    let first = whole.lines().next().unwrap_or_default();
    text.push_str(&format!("\n## {}\n", heading(first)));
    if whole.lines().nth(1).is_some() || first.chars().count() > 200 {
        let quoted: Vec<String> =
            whole.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect();
        text.push_str(&format!("\n{}\n", quoted.join("\n")));
    }
}

fn answer(text: &mut String, message: &MessageRecord, address: &str) {
    let content = message.content.trim_end();
    text.push_str(&format!("\n{content}\n"));
    if has_open_fence(content) {
        text.push_str("```\n");
    }
    if let Some(notice) = status_notice(message.status) {
        text.push_str(&format!("\n*{notice}*\n"));
    }
    if let Some(verdict) = &message.verdict {
        text.push_str(&format!("\n*Marked {}", verdict.verdict));
        for (before, words) in [(": ", &verdict.reason), ("; right would be: ", &verdict.correction)] {
            if !words.is_empty() {
                text.push_str(&format!("{before}{}", heading(words)));
            }
        }
        text.push_str("*\n");
    }
    if message.sources.is_empty() {
        return;
    }
    text.push_str("\n### Sources\n");
    for source in &message.sources {
        text.push_str(&format!("\n{}. **{}**", source.number, heading(&source.title)));
        for part in origin(source) {
            text.push_str(&format!(" · {}", heading(&part)));
        }
        if let Some(url) = source_url(source, address) {
            text.push_str(&format!(" · <{url}>"));
        }
        text.push('\n');
        if let Some(reason) = &source.instruction {
            text.push_str(&format!("\n   [flagged: reads like an instruction ({})]\n", heading(reason)));
        }
        let fence = library::budget::fence_around(&source.content);
        text.push_str(&format!("\n   {fence}text\n"));
        for line in source.content.lines() {
            text.push_str(&format!("   {line}\n"));
        }
        text.push_str(&format!("   {fence}\n"));
    }
}

/// Returns the parts of a source's origin.
pub(crate) fn origin(source: &Source) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(library) = &source.library {
        let version = source.version.as_deref().unwrap_or_default();
        parts.push(format!("{library} {version}").trim().to_owned());
    }
    if !source.headings().is_empty() {
        parts.push(source.headings().join(" › "));
    }
    match (source.page_from, source.page_to) {
        (Some(from), Some(to)) if from < to => parts.push(format!("p. {from}–{to}")),
        (Some(page), _) => parts.push(format!("p. {page}")),
        _ => {}
    }
    parts.extend(source.path.clone());
    match source.stale {
        Some(Staleness::Changed) => parts.push("changed since".to_owned()),
        Some(Staleness::Gone) => parts.push("gone since".to_owned()),
        None => {}
    }
    parts
}

/// Returns the URL of a source: a passage of this server, or a web page.
pub(crate) fn source_url(source: &Source, address: &str) -> Option<String> {
    match source.passage_id {
        Some(id) => Some(format!("{address}/api/v1/passages/{id}")),
        None => {
            source.url.clone().filter(|url| super::lenient_json::is_web(url) && !url.contains(['<', '>']))
        }
    }
}

/// Returns the notice for an answer that is not complete.
fn status_notice(status: MessageStatus) -> Option<&'static str> {
    match status {
        MessageStatus::Complete => None,
        MessageStatus::Stopped => Some("This answer was stopped."),
        MessageStatus::Answering | MessageStatus::Interrupted => Some("This answer broke off."),
        MessageStatus::Failed => Some("This question was not answered."),
    }
}

/// Returns a text on one line, with Markdown escaped.
fn heading(text: &str) -> String {
    let mut safe = String::new();
    for one in line(text, 300).chars() {
        if "\\`*_[]<>#|".contains(one) {
            safe.push('\\');
        }
        safe.push(one);
    }
    safe
}

/// Whether a fence is still open at the end of the text.
fn has_open_fence(text: &str) -> bool {
    text.lines().filter(|line| line.trim_start().starts_with("```")).count() % 2 == 1
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
