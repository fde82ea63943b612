//! A message as a page shows it: an answer's Markdown as harmless HTML, its sources with where they are from, and what was found
//! out about it.

use std::borrow::Cow;

use chat::chats::ChatId;
use chat::messages::Message;
use chat::messages::{MessageRole, MessageStatus};
use chat::source::{Source, SourceKind, Staleness};
use chrono::{DateTime, Utc};
use library::search::{INDEX_BUILDING_NOTICE, TEXT_ONLY_NOTICE};
use serde_json::Value;
use uuid::Uuid;

use crate::pages::frame::Frame;

/// A message of a chat.
pub(crate) struct MessageView {
    pub(crate) chat: ChatId,
    pub(crate) message: Message,
    /// The answer as HTML; empty for a question, which is shown as it was written.
    pub(crate) html: String,
    /// The sources that the answer cites, and those that it was given as well.
    pub(crate) cited: Vec<Cited>,
    pub(crate) given: Vec<Cited>,
    /// Sentences that share no word with what they cite.
    pub(crate) unsupported: Vec<String>,
}

/// A source of an answer.
pub(crate) struct Cited {
    pub(crate) number: i32,
    pub(crate) kind: SourceKind,
    pub(crate) title: String,
    /// Library and version, section: whatever there is of it.
    pub(crate) origin: Vec<String>,
    pub(crate) pages: Option<String>,
    /// Where it can be opened here.
    pub(crate) passage: Option<Uuid>,
    /// Where it can be opened elsewhere.
    pub(crate) url: Option<String>,
    /// The very text that the model was given.
    pub(crate) text: String,
    pub(crate) instruction: Option<String>,
    pub(crate) stale: Option<Staleness>,
}

impl MessageView {
    pub(crate) fn of(chat: ChatId, message: Message) -> Self {
        let is_answer = message.role == MessageRole::Assistant;
        let is_passages = message.metadata.get("mode").and_then(Value::as_str) == Some("passages");
        // Where passages stand in for an answer, they are shown as sources are, and not quoted once more.
        let html = if is_answer && !is_passages { rendered(&message) } else { String::new() };
        let is_shown = |source: &&Source| source.cited || is_passages;
        let (cited, given) = message.sources.iter().partition::<Vec<&Source>, _>(is_shown);
        // While it is written nobody knows what it will cite.
        let (cited, given) = if message.status == MessageStatus::Answering {
            ([cited, given].concat(), Vec::new())
        } else {
            (cited, given)
        };
        let unsupported = unsupported(&message);
        Self {
            chat,
            html,
            cited: cited.into_iter().map(Cited::of).collect(),
            given: given.into_iter().map(Cited::of).collect(),
            unsupported,
            message,
        }
    }

    pub(crate) fn is_answer(&self) -> bool {
        self.message.role == MessageRole::Assistant
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.message.status == MessageStatus::Answering
    }

    pub(crate) fn id(&self) -> Uuid {
        self.message.message_id
    }

    fn told(&self, name: &str) -> &str {
        self.message.metadata.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// How it came about: `model`, `passages` or `nothing_found`.
    pub(crate) fn mode(&self) -> &str {
        self.told("mode")
    }

    pub(crate) fn model(&self) -> &str {
        self.told("model")
    }

    /// Whether passages stand in for an answer.
    pub(crate) fn is_passages(&self) -> bool {
        self.mode() == "passages"
    }

    /// The search query, if it is not the question.
    pub(crate) fn query(&self) -> &str {
        self.told("query")
    }

    /// Why it broke off, or why passages stand in for it.
    pub(crate) fn error(&self) -> &str {
        self.told("error")
    }

    pub(crate) fn is_uncited(&self) -> bool {
        self.message.metadata.get("uncited").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Numbers that the model cited and that there are not.
    pub(crate) fn dropped(&self) -> u64 {
        self.message.metadata.get("dropped_citations").and_then(Value::as_u64).unwrap_or_default()
    }

    /// Notices about the searches, each with whether it is in English regardless of the page's language.
    pub(crate) fn notices(&self, frame: &Frame) -> Vec<(Cow<'_, str>, bool)> {
        let notices = self.message.metadata.get("notices").and_then(Value::as_array);
        let notices = notices.into_iter().flatten().filter_map(Value::as_str).take(20);
        notices
            .map(|notice| {
                if notice.starts_with(TEXT_ONLY_NOTICE) {
                    (frame.t("ask-by-words"), false)
                } else if notice.starts_with(INDEX_BUILDING_NOTICE) {
                    (frame.t("search-index-building"), false)
                } else {
                    (Cow::Borrowed(notice), true)
                }
            })
            .collect()
    }

    /// The library and version that answered.
    pub(crate) fn answered_from(&self) -> Option<String> {
        let resolved = self.message.metadata.get("resolved")?;
        let library = resolved.get("library").and_then(Value::as_str)?;
        let version = resolved.get("version").and_then(Value::as_str).unwrap_or_default();
        Some(format!("{library} {version}").trim().to_owned())
    }

    /// Whether something that it cites has changed since.
    pub(crate) fn is_stale(&self) -> bool {
        self.message.is_stale()
    }

    pub(crate) fn verdict(&self) -> &str {
        self.message.verdict.as_ref().map_or("", |verdict| &verdict.verdict)
    }

    pub(crate) fn reason(&self) -> &str {
        self.message.verdict.as_ref().map_or("", |verdict| &verdict.reason)
    }

    pub(crate) fn correction(&self) -> &str {
        self.message.verdict.as_ref().map_or("", |verdict| &verdict.correction)
    }

    /// Its place among what stands beside it in other branches, from 1.
    pub(crate) fn place(&self) -> usize {
        self.message.siblings.iter().position(|id| *id == self.id()).map_or(1, |place| place + 1)
    }

    pub(crate) fn branches(&self) -> usize {
        self.message.siblings.len().max(1)
    }

    pub(crate) fn before(&self) -> Option<Uuid> {
        self.place().checked_sub(2).and_then(|place| self.message.siblings.get(place).copied())
    }

    pub(crate) fn after(&self) -> Option<Uuid> {
        self.message.siblings.get(self.place()).copied()
    }

    /// The language of its text, where that can be told and is not the page's.
    pub(crate) fn language(&self, frame: &Frame) -> &'static str {
        language(frame, &self.message.content)
    }

    pub(crate) fn at(&self) -> &DateTime<Utc> {
        &self.message.created_at
    }

    pub(crate) fn status(&self) -> &'static str {
        self.message.status.as_str()
    }
}

impl Cited {
    fn of(source: &Source) -> Self {
        let mut origin = Vec::new();
        if let Some(library) = &source.library {
            origin.push(
                format!("{library} {}", source.version.as_deref().unwrap_or_default()).trim().to_owned(),
            );
        }
        if !source.headings().is_empty() {
            origin.push(source.headings().join(" › "));
        }
        let pages = source.page_from.map(|from| match source.page_to {
            Some(to) if from < to => format!("{from}–{to}"),
            _ => from.to_string(),
        });
        let url = source.url.as_ref().filter(|url| {
            source.kind != SourceKind::Passage
                && ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme))
        });
        let title =
            if source.title.trim().is_empty() { source.path.clone() } else { Some(source.title.clone()) };
        Self {
            number: source.number,
            kind: source.kind,
            title: title.unwrap_or_default(),
            origin,
            pages,
            passage: source.passage_id,
            url: url.cloned(),
            text: given(source),
            instruction: source.instruction.clone(),
            stale: source.stale,
        }
    }

    pub(crate) fn stale(&self) -> Option<&'static str> {
        self.stale.map(|stale| match stale {
            Staleness::Changed => "changed",
            Staleness::Gone => "gone",
        })
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.kind {
            SourceKind::Passage => "passage",
            SourceKind::File => "file",
            SourceKind::Web => "web",
            SourceKind::Server => "server",
        }
    }

    pub(crate) fn language(&self, frame: &Frame) -> &'static str {
        language(frame, &self.text)
    }

    /// Its text laid out.
    pub(crate) fn html(&self) -> String {
        markup::answer::render_passage(&self.text)
    }
}

/// Text of a source that the model was given.
fn given(source: &Source) -> String {
    let from = usize::try_from(source.character_from).unwrap_or(0);
    let length = usize::try_from(source.character_to).unwrap_or(0).saturating_sub(from);
    if length == 0 {
        return source.content.clone();
    }
    source.content.chars().skip(from).take(length).collect()
}

/// An answer's text. A number leads to the passage where there is one, else to its place in the list of sources.
pub(crate) fn rendered(message: &Message) -> String {
    let cite = |number: i32| {
        let source = message.sources.iter().find(|source| source.number == number)?;
        Some(match source.passage_id {
            Some(passage) => format!("/passages/{passage}"),
            None => format!("#s-{}-{number}", message.message_id),
        })
    };
    markup::answer::render(&message.content, &cite)
}

/// The sentences whose ranges were noted.
fn unsupported(message: &Message) -> Vec<String> {
    let ranges = message.metadata.get("unsupported").and_then(Value::as_array);
    let ranges = ranges.into_iter().flatten().take(20).filter_map(|range| {
        let at = |place: usize| usize::try_from(range.get(place)?.as_u64()?).ok();
        Some((at(0)?, at(1)?))
    });
    ranges
        .map(|(from, to)| {
            let sentence = message.content.chars().skip(from).take(to.saturating_sub(from).min(400));
            sentence.collect::<String>().trim().to_owned()
        })
        .filter(|line| !line.is_empty())
        .collect()
}

/// The language of a text where it is surely another than the page's: Chinese has signs that no English text has.
pub(crate) fn language(frame: &Frame, text: &str) -> &'static str {
    let (mut wide, mut letters) = (0_usize, 0_usize);
    for character in text.chars().take(2000) {
        if ('\u{4e00}'..='\u{9fff}').contains(&character) {
            wide += 1;
        } else if character.is_ascii_alphabetic() {
            letters += 1;
        }
    }
    let of_text = match (wide, letters) {
        (0, 0) => return "",
        (wide, letters) if wide * 4 > letters => "zh-CN",
        (0, _) if text.is_ascii() => "en",
        _ => return "",
    };
    if of_text == frame.language().tag() { "" } else { of_text }
}
