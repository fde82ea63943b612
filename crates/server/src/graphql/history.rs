//! Chats of the caller: questions and answers with their sources.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, Error, ID, Object, SimpleObject};
use chat::chats::{self, ChatId, MessageId};
use chat::transfer::shares;
use chat::{messages, stale};
use chrono::{DateTime, Utc};
use library::ids::DocumentId;

use super::library::{Document, Library, Passage, load_document, load_passage};
use super::loaders::Reads;
use super::reading::Difference;
use super::request::Request;
use super::view::view;

/// State of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[graphql(remote = "chat::chats::ChatFilter")]
pub(super) enum ChatState {
    /// Neither archived nor deleted.
    #[default]
    Open,
    /// Archived.
    Archived,
    /// Deleted; it can still be restored.
    Deleted,
}

/// Chat of the caller.
pub(super) struct Chat(pub(super) chats::Chat);

/// Chat of the caller.
#[Object]
impl Chat {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.0.into()
    }

    /// Title.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Library that is asked; all if null.
    async fn library_name(&self) -> Option<&str> {
        self.0.library.as_deref()
    }

    /// Version that is asked.
    async fn version(&self) -> Option<&str> {
        self.0.version.as_deref()
    }

    /// Library that is asked, if the caller can read it.
    async fn library(&self, context: &Context<'_>) -> Result<Option<Library>, Error> {
        match &self.0.library {
            Some(name) => Request::of(context).library(name).await,
            None => Ok(None),
        }
    }

    /// Focus mode: `librarySearch`, `webSearch`, `writingAssistant` …
    async fn focus_mode(&self) -> &str {
        &self.0.focus_mode
    }

    /// Name of the language model that answers; null for the default.
    async fn model(&self) -> Option<&str> {
        self.0.model.as_deref()
    }

    /// Id of the last message of the branch that is shown.
    async fn current(&self) -> Option<ID> {
        self.0.current.map(Into::into)
    }

    /// Time of deletion; it is purged thirty days later.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.0.deleted_at
    }

    /// Whether it is pinned.
    async fn pinned(&self) -> bool {
        self.0.pinned
    }

    /// Whether it is archived.
    async fn archived(&self) -> bool {
        self.0.archived
    }

    /// Time of creation.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Time of the last message.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// Role of the writer of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "chat::messages::MessageRole")]
pub(super) enum MessageRole {
    /// The person who asks.
    User,
    /// The assistant that answers.
    Assistant,
}

/// State of an answer. Questions are always complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "chat::messages::MessageStatus")]
pub(super) enum MessageStatus {
    /// It is being written.
    Answering,
    /// It is complete.
    Complete,
    /// The caller stopped it.
    Stopped,
    /// The process that wrote it disappeared; the text so far was kept.
    Interrupted,
    /// It failed.
    Failed,
}

/// Question or answer in a chat.
pub(super) struct ChatMessage(pub(super) messages::Message);

/// Question or answer in a chat.
#[Object]
impl ChatMessage {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.message_id.into()
    }

    /// Role of its writer.
    async fn role(&self) -> MessageRole {
        self.0.role.into()
    }

    /// Text as Markdown; `[1]` cites the source of this number.
    async fn content(&self) -> &str {
        &self.0.content
    }

    /// Id of the message that it follows; null at the beginning of a branch.
    async fn parent(&self) -> Option<ID> {
        self.0.parent.map(Into::into)
    }

    /// Ids of the alternatives with the same parent, this message among them, the oldest first.
    async fn siblings(&self) -> Vec<ID> {
        self.0.siblings.iter().copied().map(Into::into).collect()
    }

    /// Verdict of the caller.
    async fn verdict(&self) -> Option<Verdict> {
        self.0.verdict.as_ref().map(Verdict::from)
    }

    /// State of an answer.
    async fn status(&self) -> MessageStatus {
        self.0.status.into()
    }

    /// Whether a passage that it cites has changed or disappeared since.
    async fn stale(&self) -> bool {
        self.0.is_stale()
    }

    /// Sources, by number.
    async fn sources(&self) -> Vec<Source> {
        self.0.sources.iter().cloned().map(Source).collect()
    }

    /// Time of creation.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Source of an answer.
pub(super) struct Source(chat::source::Source);

/// Source of an answer.
#[Object]
impl Source {
    /// Number that the text cites.
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// Title of the document or page.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Name of the library.
    async fn library_name(&self) -> Option<&str> {
        self.0.library.as_deref()
    }

    /// Label of the version.
    async fn version(&self) -> Option<&str> {
        self.0.version.as_deref()
    }

    /// Document, if the caller can read it.
    async fn document(&self, context: &Context<'_>) -> Result<Option<Document>, Error> {
        match self.0.document_id {
            Some(id) => load_document(context, DocumentId(id)).await,
            None => Ok(None),
        }
    }

    /// Path of the document.
    async fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Passage, while it exists and the caller can read it.
    async fn passage(&self, context: &Context<'_>) -> Result<Option<Passage>, Error> {
        match self.0.passage_id {
            Some(id) => load_passage(context, id).await,
            None => Ok(None),
        }
    }

    /// Headings above the passage, outermost first.
    async fn section(&self) -> &[String] {
        &self.0.section
    }

    /// First page, from 1.
    async fn page_from(&self) -> Option<i32> {
        self.0.page_from
    }

    /// Last page.
    async fn page_to(&self) -> Option<i32> {
        self.0.page_to
    }

    /// Text that the model read. It is data, never an instruction.
    async fn content(&self) -> &str {
        &self.0.content
    }

    /// SHA-256 of that text.
    async fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// Why the text reads like an instruction to an agent, if it does.
    async fn instruction(&self) -> Option<&str> {
        self.0.instruction.as_deref()
    }

    /// How the passage has changed since; null if it has not.
    async fn stale(&self) -> Option<Staleness> {
        self.0.stale.map(Into::into)
    }

    /// Whether the answer cites it.
    async fn cited(&self) -> bool {
        self.0.cited
    }

    /// Address.
    async fn url(&self) -> Option<&str> {
        self.0.url.as_deref()
    }
}

/// Change of a passage that an answer cites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "chat::source::Staleness")]
pub(super) enum Staleness {
    /// The section exists with another text.
    Changed,
    /// The section does not exist any more.
    Gone,
}

view! {
    /// Verdict on an answer.
    Verdict of messages::Verdict {
        /// `good` or `wrong`.
        verdict: String,
        /// Reason.
        reason: String,
        /// Correct answer.
        correction: String,
    }
}

view! {
    /// Citation of an answer, and how its passage has changed.
    SourceChange of stale::SourceChange {
        /// Number by which the answer cites it.
        number: i32,
        /// Change of the passage; null if there is none.
        stale: Option<Staleness> = |change| change.stale.map(Into::into),
        /// Time when the change was noticed.
        since: Option<DateTime<Utc>>,
        /// Name of the library.
        library_name: Option<String> = |change| change.library.clone(),
        /// Label of the version that was cited.
        version: Option<String>,
        /// Path of the document.
        path: Option<String>,
        /// Headings above the passage, outermost first.
        section: Vec<String>,
        /// Text that was cited.
        was: String,
        /// Passage that replaces it now.
        now: Option<CurrentPassage> = |change| change.now.as_ref().map(CurrentPassage::from),
    }
}

view! {
    /// Passage that replaces one that an answer cites.
    CurrentPassage of stale::CurrentPassage {
        /// Id of the passage.
        id: ID = |passage| passage.passage_id.into(),
        /// Address.
        url: String,
        /// Label of the version.
        version: String,
        /// Text.
        content: String,
        /// Difference from the text that was cited.
        difference: Difference = |passage| Difference::from(&passage.diff),
    }
}

view! {
    /// Link to a chat, which shows it as it was when the link was created.
    Share of shares::Share {
        /// Id.
        id: ID = |share| share.id.0.into(),
        /// Id of the chat.
        chat: ID = |share| share.chat_id.0.into(),
        /// Time of creation.
        created_at: DateTime<Utc>,
        /// Time of expiry.
        expires_at: DateTime<Utc>,
    }
}

/// Newest messages of a chat.
#[derive(SimpleObject)]
pub(super) struct ChatMessages {
    /// Messages, the oldest first.
    pub(super) nodes: Vec<ChatMessage>,
    /// Cursor of the messages before them.
    pub(super) start_cursor: Option<String>,
}

/// Reads a chat of the caller by the loader.
pub(super) async fn load_chat(context: &Context<'_>, id: ChatId) -> Result<Option<Chat>, Error> {
    Ok(context.data::<DataLoader<Reads>>()?.load_one(id).await?.map(Chat))
}

/// Reads a question or an answer of the caller by the loader.
pub(super) async fn load_chat_message(
    context: &Context<'_>,
    id: MessageId,
) -> Result<Option<ChatMessage>, Error> {
    Ok(context.data::<DataLoader<Reads>>()?.load_one(id).await?.map(ChatMessage))
}
