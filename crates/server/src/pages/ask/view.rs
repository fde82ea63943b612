//! View of a message: an answer's Markdown as safe HTML, its sources with their origin, and the results of checks.

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

/// View of a message.
pub(crate) struct MessageView {
    pub(crate) chat: ChatId,
    pub(crate) message: Message,
    /// Answer as HTML; empty for a question, which is shown as plain text.
    pub(crate) html: String,
    /// Sources that the answer cites.
    pub(crate) cited: Vec<SourceView>,
    /// Further sources that the model had.
    pub(crate) uncited: Vec<SourceView>,
    /// Sentences that share no word with the sources they cite.
    pub(crate) unsupported: Vec<String>,
}

/// View of a source.
pub(crate) struct SourceView {
    pub(crate) number: i32,
    pub(crate) kind: SourceKind,
    pub(crate) title: String,
    /// Library and version, then section, as far as known.
    pub(crate) origin: Vec<String>,
    pub(crate) pages: Option<String>,
    /// Passage that can be opened here.
    pub(crate) passage: Option<Uuid>,
    /// Address of a source elsewhere.
    pub(crate) url: Option<String>,
    /// Text that the model had.
    pub(crate) text: String,
    pub(crate) instruction: Option<String>,
    /// Other libraries or versions with the same passage; empty if there are none.
    pub(crate) also_in: String,
    pub(crate) stale: Option<Staleness>,
}

impl MessageView {
    pub(crate) fn of(chat: ChatId, message: Message) -> Self {
        let is_answer = message.role == MessageRole::Assistant;
        let is_passages = message.metadata.get("mode").and_then(Value::as_str) == Some("passages");
        // An answer that only quotes passages is shown as its sources.
        let html = if is_answer && !is_passages { render(&message) } else { String::new() };
        let is_cited = |source: &&Source| source.cited || is_passages;
        let (cited, uncited) = message.sources.iter().partition::<Vec<&Source>, _>(is_cited);
        // Citations are unknown until the answer is complete.
        let (cited, uncited) = if message.status == MessageStatus::Answering {
            ([cited, uncited].concat(), Vec::new())
        } else {
            (cited, uncited)
        };
        let unsupported = unsupported(&message);
        Self {
            chat,
            html,
            cited: cited.into_iter().map(SourceView::of).collect(),
            uncited: uncited.into_iter().map(SourceView::of).collect(),
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

    fn metadata(&self, name: &str) -> &str {
        self.message.metadata.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the mode: `model`, `passages` or `nothing_found`.
    pub(crate) fn mode(&self) -> &str {
        self.metadata("mode")
    }

    pub(crate) fn model(&self) -> &str {
        self.metadata("model")
    }

    /// Whether the answer only quotes passages.
    pub(crate) fn is_passages(&self) -> bool {
        self.mode() == "passages"
    }

    /// Returns the search query, if it differs from the question.
    pub(crate) fn query(&self) -> &str {
        self.metadata("query")
    }

    /// Returns why the answer broke off, or why it only quotes passages.
    pub(crate) fn error(&self) -> &str {
        self.metadata("error")
    }

    pub(crate) fn is_uncited(&self) -> bool {
        self.message.metadata.get("uncited").and_then(Value::as_bool).unwrap_or_default()
    }

    /// Returns the number of citations without a source, which were removed.
    pub(crate) fn dropped(&self) -> u64 {
        self.message.metadata.get("dropped_citations").and_then(Value::as_u64).unwrap_or_default()
    }

    /// Returns the notices about the searches, each with whether it is untranslated English.
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

    /// Returns the library and version that were searched.
    pub(crate) fn answered_from(&self) -> Option<String> {
        let resolved = self.message.metadata.get("resolved")?;
        let library = resolved.get("library").and_then(Value::as_str)?;
        let version = resolved.get("version").and_then(Value::as_str).unwrap_or_default();
        Some(format!("{library} {version}").trim().to_owned())
    }

    /// Whether a cited source has changed since.
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

    /// Returns the position among the alternatives in other branches, from 1.
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

    /// Returns the language tag of the text; empty if it is unknown or that of the page.
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

impl SourceView {
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
            text: excerpt(source),
            instruction: source.instruction.clone(),
            also_in: source.also_in.join(", "),
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

    /// Renders the text.
    pub(crate) fn html(&self) -> String {
        markup::answer::render_passage(&self.text)
    }
}

/// Returns the part of a source that the model had.
fn excerpt(source: &Source) -> String {
    let from = usize::try_from(source.character_from).unwrap_or(0);
    let length = usize::try_from(source.character_to).unwrap_or(0).saturating_sub(from);
    if length == 0 {
        return source.content.clone();
    }
    source.content.chars().skip(from).take(length).collect()
}

/// Renders an answer. A citation links to its passage, or else to its entry in the list of sources.
pub(crate) fn render(message: &Message) -> String {
    let cite = |number: i32| {
        let source = message.sources.iter().find(|source| source.number == number)?;
        Some(match source.passage_id {
            Some(passage) => format!("/passages/{passage}"),
            None => format!("#s-{}-{number}", message.message_id),
        })
    };
    markup::answer::render(&message.content, &cite)
}

/// Returns the sentences that the check found unsupported.
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

/// Guesses the language tag of a text by its script; empty if it is uncertain or that of the page.
pub(crate) fn language(frame: &Frame, text: &str) -> &'static str {
    let (mut han, mut latin) = (0_usize, 0_usize);
    for character in text.chars().take(2000) {
        if ('\u{4e00}'..='\u{9fff}').contains(&character) {
            han += 1;
        } else if character.is_ascii_alphabetic() {
            latin += 1;
        }
    }
    let of_text = match (han, latin) {
        (0, 0) => return "",
        (han, latin) if han * 4 > latin => "zh-CN",
        (0, _) if text.is_ascii() => "en",
        _ => return "",
    };
    if of_text == frame.language().tag() { "" } else { of_text }
}
