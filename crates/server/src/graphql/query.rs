//! Queries of search, people, discussions and answers.

use std::sync::Arc;

use async_graphql::{Context, Enum, Error, ID, InputObject, Interface, Object, SimpleObject, Union};
use chat::chats::{self, ChatId, MessageId};
use chat::transfer::shares;
use chat::{history, stale};
use futures::future::try_join_all;
use kernel::actor::UserId;
use library::ids::DocumentId;
use library::label::VersionRequest;
use library::names::LibraryName;
use library::search::{self, SearchRequest};
use social::ids::{CommentId, ConversationId, PostId, Target};
use social::posts::PostList;
use social::{
    comments, conversations, feed, follows, likes, messages, notifications, people, posts, relations,
};
use uuid::Uuid;

use super::administration::UserRole;
use super::community::{
    Comment, Conversation, DirectMessage, EarlierText, Follow, Notification, Person, Post, Suggestion,
    load_comment, load_conversation, load_person, load_post,
};
use super::connection::{Nodes, PageArguments, checked, read_page, size};
use super::error::{failed, if_allowed};
use super::history::{
    Chat, ChatMessage, ChatMessages, ChatState, Share, SourceChange, load_chat, load_chat_message,
};
use super::library::{Document, Library, Passage, SearchHit, SearchResult, load_document, load_passage};
use super::mutation::PostOrCommentInput;
use super::request::{Request, id};
use crate::app::names;
use crate::http::input;
use crate::http::problem::Problem;

/// Number of things of each kind that words find, if none is given.
const DEFAULT_FOUND: i32 = 5;

/// Part of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[graphql(remote = "social::feed::FeedFilter")]
pub(super) enum FeedFilter {
    /// Everything that is followed, and own posts.
    #[default]
    All,
    /// Posts of people who are followed.
    People,
    /// Posts about libraries that are followed.
    Libraries,
    /// Questions without an accepted answer.
    Unanswered,
}

/// Which posts to list: one member at most.
#[derive(Debug, Default, InputObject)]
pub(super) struct PostFilter {
    /// Posts about this library or anything in it.
    library: Option<String>,
    /// Posts about this document or its passages.
    document: Option<ID>,
    /// Posts of the person with this user name.
    author: Option<String>,
    /// Posts with this tag.
    tag: Option<String>,
    /// Whether to list questions without an accepted answer only.
    #[graphql(default)]
    unanswered: bool,
}

/// Caller.
#[derive(SimpleObject)]
pub(super) struct Viewer {
    /// User name; null for a key of the library's owner.
    username: Option<String>,
    /// Caller as others see them; null for a key of the library's owner.
    person: Option<Person>,
    /// Role.
    role: Option<UserRole>,
    /// Number of unread notifications.
    unread_notifications: i64,
    /// Number of conversations with unread messages.
    unread_conversations: i64,
}

/// Anything that has an id, which is the id that it has in REST.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Id."))]
#[expect(clippy::large_enum_variant, reason = "made once for a response")]
pub(super) enum Node {
    Library(Library),
    Document(Document),
    Passage(Passage),
    Post(Post),
    Comment(Comment),
    Person(Person),
    Conversation(Conversation),
    Chat(Chat),
    ChatMessage(ChatMessage),
}

/// Thing that words find.
#[derive(Union)]
pub(super) enum SearchItem {
    /// Library with the words in its name or title.
    Library(Library),
    /// Document with the words in its title or path.
    Document(Document),
    /// Passage that is about them.
    Hit(SearchHit),
    /// Question or answer of the caller with the words.
    ChatMessage(ChatMessage),
}

/// Returns what has this id. All loaders are asked at once, each for all ids of the request.
async fn find_node(context: &Context<'_>, id: Uuid) -> Result<Option<Node>, Error> {
    let request = Request::of(context);
    let catalogue = request.catalogue().await?;
    let libraries = catalogue.libraries(request.actor());
    if let Some(library) = libraries.into_iter().find(|library| library.id.0 == id) {
        return Ok(Some(Node::Library(Library(Arc::clone(library)))));
    }
    let (document, passage, post, comment, person, conversation, chat, message) = tokio::try_join!(
        load_document(context, DocumentId(id)),
        load_passage(context, id),
        load_post(context, PostId(id)),
        load_comment(context, CommentId(id)),
        load_person(context, UserId(id)),
        load_conversation(context, ConversationId(id)),
        load_chat(context, ChatId(id)),
        load_chat_message(context, MessageId(id)),
    )?;
    let found = [
        document.map(Node::Document),
        passage.map(Node::Passage),
        post.map(Node::Post),
        comment.map(Node::Comment),
        person.map(Node::Person),
        conversation.map(Node::Conversation),
        chat.map(Node::Chat),
        message.map(Node::ChatMessage),
    ];
    Ok(found.into_iter().flatten().next())
}

/// Returns what words find: see [`CommunityQuery::find`].
async fn find_all(
    context: &Context<'_>,
    words: &str,
    library: Option<LibraryName>,
    limit: usize,
) -> Result<Vec<SearchItem>, Error> {
    let request = Request::of(context);
    let (app, actor) = (request.app(), request.actor());
    let limits = (limit, i64::try_from(limit).unwrap_or(i64::MAX));
    // Longer words are a question, and no name.
    let named = if words.chars().count() > names::MAX_TEXT_CHARS {
        names::Named::default()
    } else {
        names::find(app, actor, words, library.as_ref(), limits).await.map_err(failed)?
    };
    let asked = SearchRequest { library: library.clone(), limit, ..SearchRequest::new(words.to_owned()) };
    let hits = app.engine.search(actor, &asked).await.map_err(failed)?.hits;
    let mut connection = request.connection().await?;
    let found = history::search(&mut connection, actor, words, None, limit).await;
    let messages = if_allowed(found.map(|page| page.items))?;
    drop(connection);
    let documents = named
        .documents
        .iter()
        .filter(|document| library.as_ref().is_none_or(|library| document.library == library.as_str()));
    let documents = try_join_all(documents.map(|document| load_document(context, document.id)));
    let messages = messages.iter().map(|hit| load_chat_message(context, MessageId(hit.message_id)));
    let (documents, messages) = tokio::try_join!(documents, try_join_all(messages))?;
    let libraries = named.libraries.into_iter().filter(|_| library.is_none()).map(Library);
    Ok(libraries
        .map(SearchItem::Library)
        .chain(documents.into_iter().flatten().map(SearchItem::Document))
        .chain(hits.into_iter().filter(|hit| hit.relevant).map(SearchHit).map(SearchItem::Hit))
        .chain(messages.into_iter().flatten().map(SearchItem::ChatMessage))
        .collect())
}

/// Queries of search, people, discussions and answers.
#[derive(Default)]
pub(super) struct CommunityQuery;

/// Queries of search, people, discussions and answers.
#[Object]
impl CommunityQuery {
    /// Caller; null without signing in.
    async fn viewer(&self, context: &Context<'_>) -> Result<Option<Viewer>, Error> {
        let request = Request::of(context);
        let actor = request.actor();
        if actor.is_anonymous() {
            return Ok(None);
        }
        let person = match actor.user_id() {
            Some(user) => load_person(context, user).await?,
            None => None,
        };
        let (mut unread_notifications, mut unread_conversations) = (0, 0);
        if actor.in_person() && actor.user_id().is_some() {
            let mut connection = request.connection().await?;
            unread_notifications = notifications::unread(&mut connection, actor).await.map_err(failed)?;
            unread_conversations = conversations::unread(&mut connection, actor).await.map_err(failed)?;
        }
        Ok(Some(Viewer {
            username: actor.user_id().map(|_| actor.name().to_owned()),
            person,
            role: actor.role().map(Into::into),
            unread_notifications,
            unread_conversations,
        }))
    }

    /// Anything by its id; null if it does not exist for the caller.
    async fn node(&self, context: &Context<'_>, id: ID) -> Result<Option<Node>, Error> {
        find_node(context, self::id(&id)?).await
    }

    /// Things by their ids, in that order; null where one does not exist for the caller.
    #[graphql(complexity = "ids.len() * child_complexity + 1")]
    async fn nodes(
        &self,
        context: &Context<'_>,
        #[graphql(validator(max_items = 100))] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>, Error> {
        let ids: Vec<Uuid> = ids.iter().map(id).collect::<Result<_, _>>()?;
        try_join_all(ids.into_iter().map(|id| find_node(context, id))).await
    }

    /// Searches for passages, as `GET /api/v1/search` does.
    #[graphql(complexity = "size(first, None, None) * child_complexity + 50")]
    async fn search(
        &self,
        context: &Context<'_>,
        query: String,
        library: Option<String>,
        version: Option<String>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<SearchResult>, Error> {
        let request = Request::of(context);
        let first = first.unwrap_or(10);
        let maximum = i32::try_from(search::MAX_PAGE_SIZE).unwrap_or(i32::MAX);
        if !(1..=maximum).contains(&first) {
            return Err(failed(Problem::invalid(format!("first is 1 to {maximum}")).about("first")));
        }
        let version: VersionRequest = input::version(version.as_deref()).map_err(failed)?;
        let asked = SearchRequest {
            library: library.as_deref().map(input::library).transpose().map_err(failed)?,
            version,
            limit: usize::try_from(first).unwrap_or(10),
            after: after.as_deref().map(input::cursor).transpose().map_err(failed)?,
            ..SearchRequest::new(query)
        };
        let found = request.app().engine.search(request.actor(), &asked).await.map_err(failed)?;
        Ok(Some(SearchResult {
            version: found.resolved.map(|resolved| resolved.version.to_string()),
            notices: found.notices,
            changes_behind: found.changes_behind,
            more: found.more,
            end_cursor: found.next.map(|next| next.to_string()),
            hits: found.hits.into_iter().map(SearchHit).collect(),
        }))
    }

    /// Everything that words find, in one library or in all: libraries and documents by name, passages, and questions and answers of the
    /// caller; of each kind at most `first`.
    #[graphql(complexity = "4 * size(first, None, None) * child_complexity + 300")]
    async fn find(
        &self,
        context: &Context<'_>,
        words: String,
        library: Option<String>,
        first: Option<i32>,
    ) -> Result<Option<Vec<SearchItem>>, Error> {
        let limit = checked(first.or(Some(DEFAULT_FOUND)), "first")?;
        let library = library.as_deref().map(input::library).transpose().map_err(failed)?;
        find_all(context, &words, library, limit).await.map(Some)
    }

    /// Posts, the newest first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn posts(
        &self,
        context: &Context<'_>,
        #[graphql(default)] filter: PostFilter,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Post>, Error> {
        let request = Request::of(context);
        let mut lists = Vec::new();
        if let Some(name) = &filter.library {
            let name = input::library(name).map_err(failed)?;
            let catalogue = request.catalogue().await?;
            let library = catalogue.library(request.actor(), &name).map_err(failed)?;
            lists.push(PostList::Library(library.id));
        }
        if let Some(document) = &filter.document {
            lists.push(PostList::Document(DocumentId(id(document)?)));
        }
        if let Some(author) = &filter.author {
            let mut connection = request.connection().await?;
            let author = people::find_by_name(&mut connection, request.actor(), author).await;
            let absent = || failed(Problem::not_found("there is no such person"));
            lists.push(PostList::Author(author.map_err(failed)?.ok_or_else(absent)?.id));
        }
        lists.extend(filter.tag.map(|tag| PostList::Tag(tag.to_lowercase())));
        lists.extend(filter.unanswered.then_some(PostList::Unanswered));
        if lists.len() > 1 {
            return Err(failed(Problem::invalid("give one member of the filter only").about("filter")));
        }
        let which = lists.pop().unwrap_or(PostList::All);
        read_page!(context, (first, after, last, before), posts::list, &which => Post)
    }

    /// Post by its id.
    async fn post(&self, context: &Context<'_>, id: ID) -> Result<Option<Post>, Error> {
        load_post(context, PostId(self::id(&id)?)).await
    }

    /// Comments on a post, or direct replies to one of them, the oldest first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn comments(
        &self,
        context: &Context<'_>,
        post: ID,
        parent: Option<ID>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Comment>, Error> {
        let post = PostId(id(&post)?);
        let parent = parent.as_ref().map(id).transpose()?.map(CommentId);
        read_page!(context, (first, after, last, before), comments::list, post, parent => Comment)
    }

    /// Own posts and those of what the caller follows, the newest first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn feed(
        &self,
        context: &Context<'_>,
        #[graphql(default)] filter: FeedFilter,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Post>, Error> {
        read_page!(context, (first, after, last, before), feed::list, filter.into() => Post)
    }

    /// Person by their user name.
    async fn person(&self, context: &Context<'_>, username: String) -> Result<Option<Person>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = people::find_by_name(&mut connection, request.actor(), &username).await;
        Ok(found.map_err(failed)?.map(Person))
    }

    /// People who follow a person, the last first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn followers(
        &self,
        context: &Context<'_>,
        username: String,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Person>, Error> {
        read_page!(context, (first, after, last, before), follows::followers, &username => Person)
    }

    /// People whom a person follows, the last first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn following(
        &self,
        context: &Context<'_>,
        username: String,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Person>, Error> {
        read_page!(context, (first, after, last, before), follows::following, &username => Person)
    }

    /// Comment by its id.
    async fn comment(&self, context: &Context<'_>, id: ID) -> Result<Option<Comment>, Error> {
        load_comment(context, CommentId(self::id(&id)?)).await
    }

    /// People who like a post or a comment, the last first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn likers(
        &self,
        context: &Context<'_>,
        target: PostOrCommentInput,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Person>, Error> {
        read_page!(context, (first, after, last, before), likes::list, target.target()? => Person)
    }

    /// Follows of the caller, the last first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn follows(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Follow>, Error> {
        read_page!(context, (first, after, last, before), follows::list => Follow)
    }

    /// People whom the caller mutes, the last first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn muted(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Person>, Error> {
        read_page!(context, (first, after, last, before), relations::muted => Person)
    }

    /// People whom the caller blocks, the last first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn blocked(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Person>, Error> {
        read_page!(context, (first, after, last, before), relations::blocked => Person)
    }

    /// Chat of the caller by its id.
    async fn chat(&self, context: &Context<'_>, id: ID) -> Result<Option<Chat>, Error> {
        load_chat(context, ChatId(self::id(&id)?)).await
    }

    /// Question or answer of the caller by its id.
    async fn chat_message(&self, context: &Context<'_>, id: ID) -> Result<Option<ChatMessage>, Error> {
        load_chat_message(context, MessageId(self::id(&id)?)).await
    }

    /// People whom the caller could follow.
    #[graphql(complexity = "10 * child_complexity + 1")]
    async fn suggestions(&self, context: &Context<'_>) -> Result<Option<Vec<Suggestion>>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = follows::suggestions(&mut connection, request.actor()).await.map_err(failed)?;
        Ok(Some(found.into_iter().map(Suggestion).collect()))
    }

    /// Notifications of the caller, the newest first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn notifications(
        &self,
        context: &Context<'_>,
        #[graphql(default)] unread: bool,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Notification>, Error> {
        read_page!(context, (first, after, last, before), notifications::list, unread => Notification)
    }

    /// Conversations of the caller, the last one written to first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn conversations(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Conversation>, Error> {
        read_page!(context, (first, after, last, before), conversations::list => Conversation)
    }

    /// Conversation of the caller by its id.
    async fn conversation(&self, context: &Context<'_>, id: ID) -> Result<Option<Conversation>, Error> {
        load_conversation(context, ConversationId(self::id(&id)?)).await
    }

    /// Messages of a conversation of the caller, the newest first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn messages(
        &self,
        context: &Context<'_>,
        conversation: ID,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<DirectMessage>, Error> {
        let conversation = ConversationId(id(&conversation)?);
        read_page!(context, (first, after, last, before), messages::list, conversation => DirectMessage)
    }

    /// Earlier texts of a post or a comment, the newest first.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn earlier_texts(
        &self,
        context: &Context<'_>,
        target: PostOrCommentInput,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<EarlierText>, Error> {
        match target.target()? {
            Target::Post(post) => {
                read_page!(context, (first, after, last, before), posts::revisions, post => EarlierText::from)
            }
            Target::Comment(comment) => {
                read_page!(context, (first, after, last, before), comments::revisions, comment => EarlierText::from)
            }
        }
    }

    /// Chats of the caller: pinned ones first, then by their newest message.
    #[graphql(complexity = "size(first, last, before.as_ref()) * child_complexity + 1")]
    async fn chats(
        &self,
        context: &Context<'_>,
        #[graphql(default)] state: ChatState,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Nodes<Chat>, Error> {
        read_page!(context, (first, after, last, before), chats::list, state.into() => Chat)
    }

    /// Links to a chat of the caller that have not expired, the newest first.
    #[graphql(complexity = "20 * child_complexity + 1")]
    async fn shares(&self, context: &Context<'_>, chat: ID) -> Result<Option<Vec<Share>>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = shares::list(&mut connection, request.actor(), ChatId(id(&chat)?)).await;
        Ok(Some(found.map_err(failed)?.iter().map(Share::from).collect()))
    }

    /// Citations of an answer of the caller, and how each passage has changed since.
    #[graphql(complexity = "20 * child_complexity + 10")]
    async fn source_changes(
        &self,
        context: &Context<'_>,
        answer: ID,
    ) -> Result<Option<Vec<SourceChange>>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let found = stale::source_changes(&mut connection, request.actor(), MessageId(id(&answer)?)).await;
        Ok(Some(found.map_err(failed)?.iter().map(SourceChange::from).collect()))
    }

    /// Newest messages of a chat of the caller, or those before a cursor; null if there is no such chat.
    #[graphql(complexity = "size(last, None, None) * child_complexity + 1")]
    async fn chat_messages(
        &self,
        context: &Context<'_>,
        chat: ID,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Option<ChatMessages>, Error> {
        let limit = checked(last, "last")?;
        let before = before.as_deref().map(input::cursor).transpose().map_err(failed)?;
        let request = Request::of(context);
        let chat = ChatId(id(&chat)?);
        if load_chat(context, chat).await?.is_none() {
            return Ok(None);
        }
        let mut connection = request.connection().await?;
        let page =
            chat::messages::branch(&mut connection, request.actor(), chat, None, before.as_ref(), limit)
                .await;
        let page = page.map_err(failed)?;
        Ok(Some(ChatMessages {
            start_cursor: page.next.map(|next| next.to_string()),
            nodes: page.items.into_iter().map(ChatMessage).collect(),
        }))
    }
}
