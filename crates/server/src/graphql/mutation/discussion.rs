//! Changes of posts, comments, likes and follows.

use async_graphql::{Context, Error, ID, InputObject, Object, OneofObject};
use kernel::actor::Actor;
use library::ids::DocumentId;
use social::follows::{self, FollowStatus, FollowTarget};
use social::ids::{CommentId, PostId, Target};
use social::likes::LikeStatus;
use social::posts::{NewPost, NewSubject, PostChange};
use social::{comments, likes, posts};
use sqlx::PgConnection;

use super::{CHANGE, Done, DonePayload, begin, change, end, payload};
use crate::app::community;
use crate::graphql::community::{Comment, Following, Likes, Post};
use crate::graphql::error::{Outcome, failed, outcome};
use crate::graphql::request::{Request, id};
use crate::http::input;

payload!(
    #[expect(clippy::large_enum_variant, reason = "made once for a response")]
    PostPayload,
    Post,
    "Post, or why the change was not made."
);
payload!(CommentPayload, Comment, "Comment, or why the change was not made.");
payload!(LikePayload, Likes, "Likes, or why the change was not made.");
payload!(FollowPayload, Following, "State of following, or why the change was not made.");

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

/// Post or comment.
#[derive(OneofObject)]
pub(crate) enum PostOrCommentInput {
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

impl PostOrCommentInput {
    pub(crate) fn target(&self) -> Result<Target, Error> {
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
    connection: &mut PgConnection,
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
            return outcome(community::answer_subject(connection, actor, id(&answer)?).await);
        }
    };
    Ok(Ok(about))
}

/// Changes of posts, comments, likes and follows.
#[derive(Default)]
pub(crate) struct DiscussionMutation;

/// Changes of posts, comments, likes and follows.
#[Object]
impl DiscussionMutation {
    /// Adds a post.
    #[graphql(complexity = "child_complexity + CHANGE")]
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
            Err(refusal) => return Ok(Err(refusal).into()),
        };
        let new = NewPost { about, text, question };
        let result = outcome(posts::add(&mut transaction, actor, &new).await.map(Post));
        end(transaction, result).await
    }

    /// Changes a post of the caller. The earlier text is kept.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn edit_post(
        &self,
        context: &Context<'_>,
        id: ID,
        text: Option<String>,
        question: Option<bool>,
    ) -> Result<PostPayload, Error> {
        let (id, new) = (PostId(self::id(&id)?), PostChange { text, question });
        change!(context, posts::change, id, &new => Post)
    }

    /// Deletes a post of the caller. It can be restored.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_post(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let post = PostId(self::id(&id)?);
        change!(context, posts::delete, post => |()| Done::of(id))
    }

    /// Restores a deleted post of the caller.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn restore_post(&self, context: &Context<'_>, id: ID) -> Result<PostPayload, Error> {
        let id = PostId(self::id(&id)?);
        change!(context, posts::restore, id => Post)
    }

    /// Adds a comment on a post, or a reply to one of its comments.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn add_comment(
        &self,
        context: &Context<'_>,
        post: ID,
        parent: Option<ID>,
        text: String,
    ) -> Result<CommentPayload, Error> {
        let post = PostId(id(&post)?);
        let parent = parent.as_ref().map(id).transpose()?.map(CommentId);
        change!(context, comments::add, post, parent, &text => Comment)
    }

    /// Changes a comment of the caller. The earlier text is kept.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn edit_comment(
        &self,
        context: &Context<'_>,
        id: ID,
        text: String,
    ) -> Result<CommentPayload, Error> {
        let id = CommentId(self::id(&id)?);
        change!(context, comments::change, id, &text => Comment)
    }

    /// Deletes a comment of the caller. Replies to it stay.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_comment(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let comment = CommentId(self::id(&id)?);
        change!(context, comments::delete, comment => |()| Done::of(id))
    }

    /// Restores a deleted comment of the caller.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn restore_comment(&self, context: &Context<'_>, id: ID) -> Result<CommentPayload, Error> {
        let id = CommentId(self::id(&id)?);
        change!(context, comments::restore, id => Comment)
    }

    /// Accepts a comment as the answer to a question.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn accept_answer(&self, context: &Context<'_>, comment: ID) -> Result<PostPayload, Error> {
        let comment = CommentId(id(&comment)?);
        change!(context, comments::accept, comment => Post)
    }

    /// Takes back that a comment is the accepted answer.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn unaccept_answer(&self, context: &Context<'_>, comment: ID) -> Result<PostPayload, Error> {
        let comment = CommentId(id(&comment)?);
        change!(context, comments::unaccept, comment => Post)
    }

    /// Likes a post or a comment. Liking it twice changes nothing.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn like(&self, context: &Context<'_>, target: PostOrCommentInput) -> Result<LikePayload, Error> {
        let target = target.target()?;
        let payload = change!(context, likes::like, target => likes_of);
        forget(context, target).await;
        payload
    }

    /// Takes a like back. Taking back one that is not there changes nothing.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn unlike(&self, context: &Context<'_>, target: PostOrCommentInput) -> Result<LikePayload, Error> {
        let target = target.target()?;
        let payload = change!(context, likes::unlike, target => likes_of);
        forget(context, target).await;
        payload
    }

    /// Follows a person, a library, a document or a tag. Following it twice changes nothing.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn follow(&self, context: &Context<'_>, target: FollowInput) -> Result<FollowPayload, Error> {
        let target = target.target()?;
        change!(context, follows::follow, &target => following)
    }

    /// Stops following.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn unfollow(&self, context: &Context<'_>, target: FollowInput) -> Result<FollowPayload, Error> {
        let target = target.target()?;
        change!(context, follows::unfollow, &target => following)
    }
}

fn following(status: FollowStatus) -> Following {
    Following { following: status.following, follower_count: status.followers }
}

fn likes_of(status: LikeStatus) -> Likes {
    Likes { liked: status.liked, like_count: status.likes }
}

/// Forgets the cached number of likes, also of a change that failed on its way.
async fn forget(context: &Context<'_>, target: Target) {
    if let Target::Post(post) = target {
        Request::of(context).app().likes.forget(post).await;
    }
}
