//! Changes. Their payload is the result or a [`Refusal`]: what a client can act on is no error.

use async_graphql::{Context, Error, ID, InputObject, Object, OneofObject, SimpleObject, Union};
use kernel::actor::Actor;
use library::ids::DocumentId;
use social::follows::{self, FollowTarget};
use social::ids::{CommentId, ConversationId, NotificationId, PostId, Target};
use social::posts::{NewPost, NewSubject, PostChange};
use social::{comments, conversations, likes, messages, notifications, posts};
use sqlx::{Postgres, Transaction};

use super::community::{Comment, Conversation, DirectMessage, Following, Likes, Post};
use super::error::{Outcome, Refusal, failed, outcome};
use super::query::{Request, id};
use crate::app::community;
use crate::http::input;

/// Declares the payload of a change: its result or a refusal.
macro_rules! payload {
    ($(#[$attribute:meta])* $name:ident, $value:ident, $documentation:literal) => {
        #[doc = $documentation]
        #[derive(Union)]
        $(#[$attribute])*
        pub(super) enum $name {
            /// Result.
            Done($value),
            /// Why the change was not made.
            Refused(Refusal),
        }

        impl From<Result<$value, Refusal>> for $name {
            fn from(result: Result<$value, Refusal>) -> Self {
                match result {
                    Ok(value) => Self::Done(value),
                    Err(refusal) => Self::Refused(refusal),
                }
            }
        }
    };
}

/// That a change was made.
#[derive(SimpleObject)]
pub(super) struct Done {
    /// Id of what was changed.
    id: Option<ID>,
}

payload!(
    #[expect(clippy::large_enum_variant, reason = "made once for a response")]
    PostPayload,
    Post,
    "Post, or why the change was not made."
);
payload!(CommentPayload, Comment, "Comment, or why the change was not made.");
payload!(LikePayload, Likes, "Likes, or why the change was not made.");
payload!(FollowPayload, Following, "State of following, or why the change was not made.");
payload!(ConversationPayload, Conversation, "Conversation, or why the change was not made.");
payload!(MessagePayload, DirectMessage, "Message, or why it was not sent.");
payload!(DonePayload, Done, "That the change was made, or why not.");

/// Subject of a post.
#[derive(OneofObject)]
pub(super) enum SubjectInput {
    /// Library, by name.
    Library(String),
    /// Version of a library.
    Version(VersionInput),
    /// Document.
    Document(ID),
    /// Passage.
    Passage(ID),
    /// Answer in a chat of the caller.
    Answer(ID),
}

/// Version of a library.
#[derive(InputObject)]
pub(super) struct VersionInput {
    /// Name of the library.
    library: String,
    /// Label of the version.
    version: String,
}

/// Target of a like.
#[derive(OneofObject)]
pub(super) enum LikeInput {
    /// Post.
    Post(ID),
    /// Comment.
    Comment(ID),
}

/// Target of a follow.
#[derive(OneofObject)]
pub(super) enum FollowInput {
    /// Person, by user name.
    Person(String),
    /// Library, by name.
    Library(String),
    /// Document.
    Document(ID),
    /// Tag.
    Tag(String),
}

impl LikeInput {
    pub(super) fn target(&self) -> Result<Target, Error> {
        Ok(match self {
            Self::Post(post) => PostId(id(post)?).into(),
            Self::Comment(comment) => CommentId(id(comment)?).into(),
        })
    }
}

impl FollowInput {
    fn target(self) -> Result<FollowTarget, Error> {
        Ok(match self {
            Self::Person(name) => FollowTarget::Person(name),
            Self::Library(name) => FollowTarget::Library(input::library(&name).map_err(failed)?),
            Self::Document(document) => FollowTarget::Document(DocumentId(id(&document)?)),
            Self::Tag(tag) => FollowTarget::Tag(tag.to_lowercase()),
        })
    }
}

async fn subject(
    transaction: &mut Transaction<'static, Postgres>,
    actor: &Actor,
    about: Option<SubjectInput>,
) -> Outcome<NewSubject> {
    let about = match about {
        None => NewSubject::Nothing,
        Some(SubjectInput::Library(name)) => NewSubject::Library(input::library(&name).map_err(failed)?),
        Some(SubjectInput::Version(version)) => NewSubject::Version(
            input::library(&version.library).map_err(failed)?,
            input::label(&version.version).map_err(failed)?,
        ),
        Some(SubjectInput::Document(document)) => NewSubject::Document(DocumentId(id(&document)?)),
        Some(SubjectInput::Passage(passage)) => NewSubject::Passage(id(&passage)?),
        Some(SubjectInput::Answer(answer)) => {
            return outcome(community::answer_subject(transaction, actor, id(&answer)?).await);
        }
    };
    Ok(Ok(about))
}

async fn begin(context: &Context<'_>) -> Result<Transaction<'static, Postgres>, Error> {
    let begun = store::postgres::begin(Request::of(context).app().pool()).await;
    begun.map_err(|error| failed(library::Error::from(error)))
}

/// Commits a change that was made; one that was refused leaves nothing.
async fn end<T, P: From<Result<T, Refusal>>>(
    transaction: Transaction<'static, Postgres>,
    result: Outcome<T>,
) -> Result<P, Error> {
    let result = result?;
    if result.is_ok() {
        transaction.commit().await.map_err(|error| failed(library::Error::from(error)))?;
    }
    Ok(result.into())
}

/// Changes, one after another. Each is made whole or not at all.
pub(crate) struct Mutation;

/// Changes, one after another. Each is made whole or not at all.
#[Object]
impl Mutation {
    /// Adds a post.
    async fn create_post(
        &self,
        context: &Context<'_>,
        text: String,
        about: Option<SubjectInput>,
        #[graphql(default)] question: bool,
    ) -> Result<PostPayload, Error> {
        let actor = Request::of(context).actor();
        let mut transaction = begin(context).await?;
        let about = match subject(&mut transaction, actor, about).await? {
            Ok(about) => about,
            Err(refusal) => return Ok(PostPayload::Refused(refusal)),
        };
        let new = NewPost { about, text, question };
        let result = outcome(posts::add(&mut transaction, actor, &new).await.map(Post));
        end(transaction, result).await
    }

    /// Changes a post of the caller. The earlier text is kept.
    async fn edit_post(
        &self,
        context: &Context<'_>,
        id: ID,
        text: Option<String>,
        question: Option<bool>,
    ) -> Result<PostPayload, Error> {
        let (id, change) = (PostId(self::id(&id)?), PostChange { text, question });
        let mut transaction = begin(context).await?;
        let actor = Request::of(context).actor();
        let result = outcome(posts::change(&mut transaction, actor, id, &change).await.map(Post));
        end(transaction, result).await
    }

    /// Deletes a post of the caller. It can be restored.
    async fn delete_post(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let post = PostId(self::id(&id)?);
        let mut transaction = begin(context).await?;
        let deleted = posts::delete(&mut transaction, Request::of(context).actor(), post).await;
        end(transaction, outcome(deleted.map(|()| Done { id: Some(id) }))).await
    }

    /// Restores a deleted post of the caller.
    async fn restore_post(&self, context: &Context<'_>, id: ID) -> Result<PostPayload, Error> {
        let id = PostId(self::id(&id)?);
        let mut transaction = begin(context).await?;
        let restored = posts::restore(&mut transaction, Request::of(context).actor(), id).await;
        end(transaction, outcome(restored.map(Post))).await
    }

    /// Adds a comment on a post, or a reply to one of its comments.
    async fn add_comment(
        &self,
        context: &Context<'_>,
        post: ID,
        parent: Option<ID>,
        text: String,
    ) -> Result<CommentPayload, Error> {
        let post = PostId(id(&post)?);
        let parent = parent.as_ref().map(id).transpose()?.map(CommentId);
        let mut transaction = begin(context).await?;
        let actor = Request::of(context).actor();
        let result = outcome(comments::add(&mut transaction, actor, post, parent, &text).await.map(Comment));
        end(transaction, result).await
    }

    /// Changes a comment of the caller. The earlier text is kept.
    async fn edit_comment(
        &self,
        context: &Context<'_>,
        id: ID,
        text: String,
    ) -> Result<CommentPayload, Error> {
        let id = CommentId(self::id(&id)?);
        let mut transaction = begin(context).await?;
        let changed = comments::change(&mut transaction, Request::of(context).actor(), id, &text).await;
        end(transaction, outcome(changed.map(Comment))).await
    }

    /// Deletes a comment of the caller. Replies to it stay.
    async fn delete_comment(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let comment = CommentId(self::id(&id)?);
        let mut transaction = begin(context).await?;
        let deleted = comments::delete(&mut transaction, Request::of(context).actor(), comment).await;
        end(transaction, outcome(deleted.map(|()| Done { id: Some(id) }))).await
    }

    /// Accepts a comment as the answer to a question.
    async fn accept_answer(&self, context: &Context<'_>, comment: ID) -> Result<PostPayload, Error> {
        let comment = CommentId(id(&comment)?);
        let mut transaction = begin(context).await?;
        let accepted = comments::accept(&mut transaction, Request::of(context).actor(), comment).await;
        end(transaction, outcome(accepted.map(Post))).await
    }

    /// Likes a post or a comment. Liking it twice changes nothing.
    async fn like(&self, context: &Context<'_>, target: LikeInput) -> Result<LikePayload, Error> {
        set_like(context, &target, true).await
    }

    /// Takes a like back. Taking back one that is not there changes nothing.
    async fn unlike(&self, context: &Context<'_>, target: LikeInput) -> Result<LikePayload, Error> {
        set_like(context, &target, false).await
    }

    /// Follows a person, a library, a document or a tag. Following it twice changes nothing.
    async fn follow(&self, context: &Context<'_>, target: FollowInput) -> Result<FollowPayload, Error> {
        let target = target.target()?;
        let mut transaction = begin(context).await?;
        let status = follows::follow(&mut transaction, Request::of(context).actor(), &target).await;
        end(transaction, outcome(status.map(following))).await
    }

    /// Stops following.
    async fn unfollow(&self, context: &Context<'_>, target: FollowInput) -> Result<FollowPayload, Error> {
        let target = target.target()?;
        let mut transaction = begin(context).await?;
        let status = follows::unfollow(&mut transaction, Request::of(context).actor(), &target).await;
        end(transaction, outcome(status.map(following))).await
    }

    /// Starts a conversation with one person, or with a group; the one there is with one person is returned again.
    async fn start_conversation(
        &self,
        context: &Context<'_>,
        usernames: Vec<String>,
        #[graphql(default)] title: String,
    ) -> Result<ConversationPayload, Error> {
        let mut transaction = begin(context).await?;
        let actor = Request::of(context).actor();
        let started = conversations::start(&mut transaction, actor, &usernames, &title).await;
        end(transaction, outcome(started.map(Conversation))).await
    }

    /// Sends a message.
    async fn send_message(
        &self,
        context: &Context<'_>,
        conversation: ID,
        text: String,
    ) -> Result<MessagePayload, Error> {
        let conversation = ConversationId(id(&conversation)?);
        let mut transaction = begin(context).await?;
        let sent = messages::send(&mut transaction, Request::of(context).actor(), conversation, &text).await;
        end(transaction, outcome(sent.map(DirectMessage))).await
    }

    /// Marks notifications as read: these, or all.
    async fn mark_notifications_read(
        &self,
        context: &Context<'_>,
        ids: Option<Vec<ID>>,
    ) -> Result<DonePayload, Error> {
        let read = |ids: Vec<ID>| ids.iter().map(|id| self::id(id).map(NotificationId)).collect();
        let ids: Option<Vec<NotificationId>> = ids.map(read).transpose()?;
        let mut transaction = begin(context).await?;
        let actor = Request::of(context).actor();
        let marked = notifications::mark_read(&mut transaction, actor, ids.as_deref()).await;
        end(transaction, outcome(marked.map(|()| Done { id: None }))).await
    }
}

fn following(status: follows::FollowStatus) -> Following {
    Following { following: status.following, follower_count: status.followers }
}

async fn set_like(context: &Context<'_>, target: &LikeInput, is_liked: bool) -> Result<LikePayload, Error> {
    let target = target.target()?;
    let request = Request::of(context);
    let mut transaction = begin(context).await?;
    let status = if is_liked {
        likes::like(&mut transaction, request.actor(), target).await
    } else {
        likes::unlike(&mut transaction, request.actor(), target).await
    };
    let likes = status.map(|status| Likes { liked: status.liked, like_count: status.likes });
    let payload = end(transaction, outcome(likes)).await?;
    if let Target::Post(post) = target {
        request.app().likes.forget(post).await;
    }
    Ok(payload)
}
