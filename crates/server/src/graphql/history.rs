//! Chats of the caller: questions and answers with their sources.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, Error, ID, Object, SimpleObject};
use chat::chats::{self, ChatId, MessageId};
use chat::messages;
use chrono::{DateTime, Utc};

use super::loaders::Reads;
use super::view::name_of;

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

/// Question or answer in a chat.
pub(super) struct ChatMessage(pub(super) messages::Message);

/// Question or answer in a chat.
#[Object]
impl ChatMessage {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.message_id.into()
    }

    /// Role of its writer: `user` or `assistant`.
    async fn role(&self) -> String {
        name_of(&self.0.role)
    }

    /// Text as Markdown; `[1]` cites the source of this number.
    async fn content(&self) -> &str {
        &self.0.content
    }

    /// State of an answer.
    async fn status(&self) -> String {
        name_of(&self.0.status)
    }

    /// Whether a passage that it cites has changed or disappeared since.
    async fn stale(&self) -> bool {
        self.0.is_stale()
    }

    /// Sources, by number.
    async fn sources(&self) -> Vec<Source> {
        let source = |source: &chat::source::Source| Source {
            number: source.number,
            title: source.title.clone(),
            library_name: source.library.clone(),
            version: source.version.clone(),
            path: source.path.clone(),
            section: source.section.clone(),
            sha256: source.sha256.clone(),
            cited: source.cited,
            url: source.url.clone(),
        };
        self.0.sources.iter().map(source).collect()
    }

    /// Time of creation.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Source of an answer.
#[derive(SimpleObject)]
pub(super) struct Source {
    /// Number that the text cites.
    number: i32,
    /// Title of the document or page.
    title: String,
    /// Name of the library.
    library_name: Option<String>,
    /// Label of the version.
    version: Option<String>,
    /// Path of the document.
    path: Option<String>,
    /// Headings above the passage, outermost first.
    section: Vec<String>,
    /// SHA-256 of the text that the model read.
    sha256: String,
    /// Whether the answer cites it.
    cited: bool,
    /// Address.
    url: Option<String>,
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
