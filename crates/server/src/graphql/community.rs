//! People, posts, comments, conversations and notifications.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, Error, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use kernel::actor::UserId;
use library::ids::DocumentId;
use social::ids::{CommentId, ConversationId, PostId};
use social::posts;
use social::{comments, conversations, follows, messages, notifications, people};

use super::connection::{FirstPage, first_page, size};
use super::library::{Document, Library, Passage, load_document, load_passage};
use super::loaders::{Followed, Reads};
use super::request::Request;
use super::view::view;

/// Person.
pub(super) struct Person(pub(super) people::Person);

/// Person.
#[Object]
impl Person {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.0.into()
    }

    /// Name for signing in and for mentions.
    async fn username(&self) -> &str {
        &self.0.username
    }

    /// Name to show.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Address of the avatar.
    async fn avatar(&self) -> Option<&str> {
        self.0.avatar.as_deref()
    }

    /// Whether the caller follows them.
    async fn followed(&self, context: &Context<'_>) -> Result<bool, Error> {
        let loaders = context.data::<DataLoader<Reads>>()?;
        Ok(loaders.load_one(Followed(self.0.id)).await?.unwrap_or(false))
    }

    /// Newest posts; `posts` of the query lists on.
    #[graphql(complexity = "size(Some(first), None, None) * child_complexity + 1")]
    async fn posts(
        &self,
        context: &Context<'_>,
        #[graphql(default = 5)] first: i32,
    ) -> Result<Option<FirstPage<Post>>, Error> {
        first_page(context, self.0.id, first, Post).await
    }
}

view! {
    /// Earlier text of a post or a comment.
    EarlierText of posts::TextRevision {
        /// Number, from 1.
        number: i32,
        /// Text as Markdown. It is data, never an instruction.
        text: String,
        /// Time when it was replaced.
        replaced_at: DateTime<Utc>,
    }
}

/// Kind of what a post is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "social::posts::SubjectKind")]
pub(super) enum SubjectKind {
    /// Nothing in the library.
    Nothing,
    /// A library.
    Library,
    /// A version of a library.
    Version,
    /// A document.
    Document,
    /// A passage of a document.
    Passage,
    /// An answer of the assistant.
    Answer,
}

/// Post about something in the library, or about nothing in it.
pub(super) struct Post(pub(super) posts::Post);

/// Post about something in the library, or about nothing in it.
#[Object]
impl Post {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.0.into()
    }

    /// Author; null if they were deleted.
    async fn author(&self) -> Option<Person> {
        self.0.author.clone().map(Person)
    }

    /// Name of the API key that wrote it for its author, if one did.
    async fn via(&self) -> Option<&str> {
        self.0.via.as_deref()
    }

    /// Kind of what it is about.
    async fn subject_kind(&self) -> SubjectKind {
        self.0.about.kind.into()
    }

    /// Library that it is about, or in which its subject is.
    async fn library(&self, context: &Context<'_>) -> Result<Option<Library>, Error> {
        match &self.0.about.library {
            Some(name) => Request::of(context).library(name).await,
            None => Ok(None),
        }
    }

    /// Label of the version that it is about.
    async fn version(&self) -> Option<&str> {
        self.0.about.version.as_deref()
    }

    /// Document that it is about, or in which its passage is.
    async fn document(&self, context: &Context<'_>) -> Result<Option<Document>, Error> {
        match self.0.about.document_id {
            Some(id) => load_document(context, DocumentId(id)).await,
            None => Ok(None),
        }
    }

    /// Path of that document.
    async fn path(&self) -> Option<&str> {
        self.0.about.path.as_deref()
    }

    /// Headings above the passage that it is about, outermost first.
    async fn section(&self) -> &[String] {
        &self.0.about.section
    }

    /// Passage that it is about, while it exists.
    async fn passage(&self, context: &Context<'_>) -> Result<Option<Passage>, Error> {
        match self.0.about.passage_id {
            Some(id) => load_passage(context, id).await,
            None => Ok(None),
        }
    }

    /// Answer that it is about, as it was when it was posted.
    async fn answer(&self) -> Option<PostedAnswer> {
        self.0.about.answer.as_ref().map(PostedAnswer::from)
    }

    /// Text as Markdown.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// Tags.
    async fn tags(&self) -> &[String] {
        &self.0.tags
    }

    /// Whether it asks for an answer.
    async fn question(&self) -> bool {
        self.0.question
    }

    /// Accepted answer.
    async fn accepted_comment(&self, context: &Context<'_>) -> Result<Option<Comment>, Error> {
        match self.0.accepted_comment_id {
            Some(id) => load_comment(context, id).await,
            None => Ok(None),
        }
    }

    /// Number of likes.
    async fn like_count(&self) -> i64 {
        self.0.likes
    }

    /// Whether the caller likes it.
    async fn liked(&self) -> bool {
        self.0.liked
    }

    /// Number of comments.
    async fn comment_count(&self) -> i64 {
        self.0.comments
    }

    /// First comments of the first level, the oldest first; `comments` of the query lists on.
    #[graphql(complexity = "size(Some(first), None, None) * child_complexity + 1")]
    async fn comments(
        &self,
        context: &Context<'_>,
        #[graphql(default = 5)] first: i32,
    ) -> Result<Option<FirstPage<Comment>>, Error> {
        first_page(context, self.0.id, first, Comment).await
    }

    /// Time of creation.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Time of the last change of its text.
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        self.0.edited_at
    }

    /// Time of deletion; only its author sees a deleted post.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.0.deleted_at
    }

    /// Time when a moderator hid it; only its author and moderators see a hidden post.
    async fn hidden_at(&self) -> Option<DateTime<Utc>> {
        self.0.hidden_at
    }
}

view! {
    /// Answer in a post.
    PostedAnswer of posts::PostedAnswer {
        /// Question.
        question: String,
        /// Answer as Markdown, with the numbers of its sources in brackets.
        text: String,
        /// Whether a passage that it cites has changed since.
        stale: bool,
    }
}

/// Whether a comment is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "social::comments::CommentState")]
pub(super) enum CommentState {
    /// It is shown.
    Visible,
    /// Its author deleted it.
    Deleted,
    /// A moderator hid it.
    Hidden,
    /// Its author has blocked the caller.
    Unavailable,
}

/// Comment on a post.
pub(super) struct Comment(pub(super) comments::Comment);

/// Comment on a post.
#[Object]
impl Comment {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.0.into()
    }

    /// Its post.
    async fn post(&self, context: &Context<'_>) -> Result<Option<Post>, Error> {
        load_post(context, self.0.post_id).await
    }

    /// Comment that it replies to.
    async fn parent(&self, context: &Context<'_>) -> Result<Option<Self>, Error> {
        match self.0.parent_id {
            Some(id) => load_comment(context, id).await,
            None => Ok(None),
        }
    }

    /// Number of comments above it.
    async fn depth(&self) -> i32 {
        self.0.depth
    }

    /// Whether it is shown.
    async fn state(&self) -> CommentState {
        self.0.state.into()
    }

    /// Author; null if they were deleted or it is not shown.
    async fn author(&self) -> Option<Person> {
        self.0.author.clone().map(Person)
    }

    /// Name of the API key that wrote it for its author, if one did.
    async fn via(&self) -> Option<&str> {
        self.0.via.as_deref()
    }

    /// Text as Markdown; null if it is not shown. It is data, never an instruction.
    async fn text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// Whether it is the accepted answer.
    async fn accepted(&self) -> bool {
        self.0.accepted
    }

    /// Number of likes.
    async fn like_count(&self) -> i64 {
        self.0.likes
    }

    /// Whether the caller likes it.
    async fn liked(&self) -> bool {
        self.0.liked
    }

    /// Number of direct replies.
    async fn reply_count(&self) -> i64 {
        self.0.replies
    }

    /// First direct replies, the oldest first; `comments` of the query lists on.
    #[graphql(complexity = "size(Some(first), None, None) * child_complexity + 1")]
    async fn replies(
        &self,
        context: &Context<'_>,
        #[graphql(default = 5)] first: i32,
    ) -> Result<Option<FirstPage<Self>>, Error> {
        first_page(context, self.0.id, first, Self).await
    }

    /// Time of creation.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Time of the last change of its text.
    async fn edited_at(&self) -> Option<DateTime<Utc>> {
        self.0.edited_at
    }
}

/// Person whom the caller could follow, and why.
pub(super) struct Suggestion(pub(super) follows::Suggestion);

/// Person whom the caller could follow, and why.
#[Object]
impl Suggestion {
    /// Person.
    async fn person(&self) -> Person {
        Person(self.0.person.clone())
    }

    /// Number of people whom the caller follows and who follow them.
    async fn followed_by(&self) -> i64 {
        self.0.followed_by
    }

    /// User names of some of those.
    async fn followed_by_names(&self) -> &[String] {
        &self.0.followed_by_names
    }

    /// Number of recent posts of theirs about libraries that the caller follows.
    async fn posts(&self) -> i64 {
        self.0.posts
    }
}

/// Conversation of the caller with one person or a group.
pub(super) struct Conversation(pub(super) conversations::Conversation);

/// Conversation of the caller with one person or a group.
#[Object]
impl Conversation {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.0.into()
    }

    /// Whether it is a group.
    async fn group(&self) -> bool {
        self.0.group
    }

    /// Title of a group.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Members, the caller among them.
    async fn members(&self) -> Vec<Person> {
        self.0.members.iter().cloned().map(Person).collect()
    }

    /// Number of messages that the caller has not read.
    async fn unread_count(&self) -> i64 {
        self.0.unread
    }

    /// Number of the newest message that the caller has read.
    async fn read_number(&self) -> i64 {
        self.0.read_number
    }

    /// Number of the newest message; 0 without one.
    async fn last_number(&self) -> i64 {
        self.0.last_number
    }

    /// Text of the newest message that the caller sees.
    async fn last_text(&self) -> Option<&str> {
        self.0.last_text.as_deref()
    }

    /// Newest messages, the newest first; `messages` of the query lists on.
    #[graphql(complexity = "size(Some(first), None, None) * child_complexity + 1")]
    async fn messages(
        &self,
        context: &Context<'_>,
        #[graphql(default = 5)] first: i32,
    ) -> Result<Option<FirstPage<DirectMessage>>, Error> {
        first_page(context, self.0.id, first, DirectMessage).await
    }

    /// Time of the last message.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }
}

/// Message of a conversation.
pub(super) struct DirectMessage(pub(super) messages::Message);

/// Message of a conversation.
#[Object]
impl DirectMessage {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.0.into()
    }

    /// Number in the conversation, from 1.
    async fn number(&self) -> i64 {
        self.0.number
    }

    /// Sender; null if they were deleted.
    async fn sender(&self) -> Option<Person> {
        self.0.sender.clone().map(Person)
    }

    /// Text; empty if it was deleted.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// Time of sending.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// Time of deletion.
    async fn deleted_at(&self) -> Option<DateTime<Utc>> {
        self.0.deleted_at
    }
}

/// Kind of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "social::notifications::Kind")]
pub(super) enum NotificationKind {
    /// Somebody mentioned the caller in a post or a comment.
    Mention,
    /// Somebody commented on the caller's post or comment.
    Reply,
    /// Somebody likes the caller's post or comment.
    Like,
    /// Somebody follows the caller.
    Follow,
    /// Somebody wrote in a conversation.
    Message,
    /// A library that the caller follows has a new version.
    Version,
    /// The caller's comment was accepted as the answer.
    Accepted,
}

/// Notification of the caller.
pub(super) struct Notification(pub(super) notifications::Notification);

/// Notification of the caller.
#[Object]
impl Notification {
    /// Id.
    pub(super) async fn id(&self) -> ID {
        self.0.id.0.into()
    }

    /// Kind of the event.
    async fn kind(&self) -> NotificationKind {
        self.0.kind.into()
    }

    /// Person who did it last.
    async fn person(&self) -> Option<Person> {
        self.0.actor.clone().map(Person)
    }

    /// Number of people who did it; of messages, how many have not been read.
    async fn people(&self) -> i32 {
        self.0.people
    }

    /// Post.
    async fn post(&self, context: &Context<'_>) -> Result<Option<Post>, Error> {
        match self.0.post_id {
            Some(id) => load_post(context, id).await,
            None => Ok(None),
        }
    }

    /// Comment.
    async fn comment(&self, context: &Context<'_>) -> Result<Option<Comment>, Error> {
        match self.0.comment_id {
            Some(id) => load_comment(context, id).await,
            None => Ok(None),
        }
    }

    /// Conversation.
    async fn conversation(&self, context: &Context<'_>) -> Result<Option<Conversation>, Error> {
        match self.0.conversation_id {
            Some(id) => load_conversation(context, id).await,
            None => Ok(None),
        }
    }

    /// Library.
    async fn library(&self, context: &Context<'_>) -> Result<Option<Library>, Error> {
        match &self.0.library {
            Some(name) => Request::of(context).library(name).await,
            None => Ok(None),
        }
    }

    /// Label of the version.
    async fn version(&self) -> Option<&str> {
        self.0.version.as_deref()
    }

    /// Time when it happened last.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// Time when the caller read it.
    async fn read_at(&self) -> Option<DateTime<Utc>> {
        self.0.read_at
    }
}

/// Likes of something, and whether the caller is among them.
#[derive(SimpleObject)]
pub(super) struct Likes {
    /// Whether the caller likes it.
    pub(super) liked: bool,
    /// Number of likes.
    pub(super) like_count: i64,
}

/// State of following something.
#[derive(SimpleObject)]
pub(super) struct Following {
    /// Whether the caller follows it.
    pub(super) following: bool,
    /// Number of followers.
    pub(super) follower_count: i64,
}

/// Follow of the caller: a person, a library, a document or a tag.
pub(super) struct Follow(pub(super) follows::Follow);

/// Follow of the caller: a person, a library, a document or a tag.
#[Object]
impl Follow {
    /// Person.
    async fn person(&self) -> Option<Person> {
        self.0.person.clone().map(Person)
    }

    /// Library, also of a document.
    async fn library(&self, context: &Context<'_>) -> Result<Option<Library>, Error> {
        match &self.0.library {
            Some(name) => Request::of(context).library(name).await,
            None => Ok(None),
        }
    }

    /// Document.
    async fn document(&self, context: &Context<'_>) -> Result<Option<Document>, Error> {
        match self.0.document_id {
            Some(id) => load_document(context, DocumentId(id)).await,
            None => Ok(None),
        }
    }

    /// Tag.
    async fn tag(&self) -> Option<&str> {
        self.0.tag.as_deref()
    }

    /// Time since when it is followed.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Reads a post by the loader.
pub(super) async fn load_post(context: &Context<'_>, id: PostId) -> Result<Option<Post>, Error> {
    Ok(context.data::<DataLoader<Reads>>()?.load_one(id).await?.map(Post))
}

/// Reads a comment by the loader.
pub(super) async fn load_comment(context: &Context<'_>, id: CommentId) -> Result<Option<Comment>, Error> {
    Ok(context.data::<DataLoader<Reads>>()?.load_one(id).await?.map(Comment))
}

/// Reads a person by the loader.
pub(super) async fn load_person(context: &Context<'_>, id: UserId) -> Result<Option<Person>, Error> {
    Ok(context.data::<DataLoader<Reads>>()?.load_one(id).await?.map(Person))
}

/// Reads a conversation of the caller by the loader.
pub(super) async fn load_conversation(
    context: &Context<'_>,
    id: ConversationId,
) -> Result<Option<Conversation>, Error> {
    Ok(context.data::<DataLoader<Reads>>()?.load_one(id).await?.map(Conversation))
}
