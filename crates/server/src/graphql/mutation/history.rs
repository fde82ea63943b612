//! Changes of the caller's chats: questions, answers and verdicts.

use async_graphql::{Context, Enum, Error, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chat::answer::{AnswerOptions, ChatQuestion};
use chat::chats::{self, Change, ChatId, MessageId, NewChat};
use chat::focus::Focus;
use chat::messages::{self, QuestionAction, Verdict};
use chat::transfer::shares::ShareId;

use super::{CHANGE, Done, DonePayload, begin, change, end, given, payload, told, update};
use crate::app::{address, shares};
use crate::graphql::error::{failed, outcome};
use crate::graphql::history::{Chat, ChatMessage, Share};
use crate::graphql::request::{Request, id};
use crate::http::problem::Problem;

payload!(ChatPayload, Chat, "Chat, or why the change was not made.");
payload!(AskPayload, StartedAnswer, "Question and answer, or why it was not asked.");
payload!(SharePayload, CreatedShare, "Link to a chat, or why it was not created.");
payload!(ChatMessagePayload, ChatMessage, "Answer, or why the change was not made.");

/// Question that was asked. Its answer is written meanwhile: subscribe to it, or read it by its id.
#[derive(SimpleObject)]
pub(super) struct StartedAnswer {
    /// Id of the question.
    question: ID,
    /// Id of the answer.
    answer: ID,
}

/// Title of a chat, and the scope of its questions.
#[derive(Default, InputObject)]
pub(super) struct ChatInput {
    /// Title; derived from the first question by default.
    title: Option<String>,
    /// Focus mode: `librarySearch` by default.
    focus_mode: Option<String>,
    /// Name of the library to search; null for all.
    library: MaybeUndefined<String>,
    /// Version to search, with a library; null for its active version.
    version: MaybeUndefined<String>,
    /// Language model that answers; null for the default.
    model: MaybeUndefined<String>,
}

/// Scope of one question, where it differs from that of its chat.
#[derive(Default, InputObject)]
pub(super) struct QuestionInput {
    /// Message that the question follows; by default the last one of the current branch.
    after: Option<ID>,
    /// Focus mode.
    focus_mode: Option<String>,
    /// Name of the library to search.
    library: Option<String>,
    /// Version to search.
    version: Option<String>,
    /// Language model that answers.
    model: Option<String>,
    /// Names of MCP servers to ask as well.
    #[graphql(default)]
    servers: Vec<String>,
}

/// New link to a chat. Its address is not shown again.
#[derive(SimpleObject)]
pub(super) struct CreatedShare {
    /// Address.
    url: String,
    /// Link.
    share: Share,
}

/// Verdict on an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum VerdictKind {
    /// It is right.
    Good,
    /// It is wrong.
    Wrong,
}

fn focus(name: Option<&str>) -> Result<Option<Focus>, Error> {
    let focus: Result<Option<Focus>, chat::Error> = name.map(str::parse).transpose();
    focus.map_err(failed)
}

/// Changes of the caller's chats.
#[derive(Default)]
pub(crate) struct ChatMutation;

/// Changes of the caller's chats.
#[Object]
impl ChatMutation {
    /// Creates a chat.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn create_chat(
        &self,
        context: &Context<'_>,
        #[graphql(default)] chat: ChatInput,
    ) -> Result<ChatPayload, Error> {
        let new = NewChat {
            id: None,
            title: chat.title,
            focus: focus(chat.focus_mode.as_deref())?.unwrap_or_default(),
            library: chat.library.take(),
            version: chat.version.take(),
            model: chat.model.take(),
        };
        change!(context, chats::create, &new => Chat)
    }

    /// Changes a chat: what it asks, or its place in lists. What is absent is kept.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn change_chat(
        &self,
        context: &Context<'_>,
        id: ID,
        #[graphql(default)] chat: ChatInput,
        pinned: Option<bool>,
        archived: Option<bool>,
        #[graphql(desc = "Last message of the branch to show.")] current: Option<ID>,
    ) -> Result<ChatPayload, Error> {
        let new = Change {
            title: chat.title,
            focus: focus(chat.focus_mode.as_deref())?,
            library: update(chat.library),
            version: update(chat.version),
            model: update(chat.model),
            pinned,
            archived,
            current: current.as_ref().map(self::id).transpose()?,
        };
        let id = ChatId(self::id(&id)?);
        change!(context, chats::change, id, &new => Chat)
    }

    /// Deletes a chat. It can be restored for thirty days.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_chat(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let chat = ChatId(self::id(&id)?);
        change!(context, chats::delete, chat => |()| Done::of(id))
    }

    /// Restores a deleted chat.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn restore_chat(&self, context: &Context<'_>, id: ID) -> Result<ChatPayload, Error> {
        let id = ChatId(self::id(&id)?);
        change!(context, chats::restore, id => Chat)
    }

    /// Asks a question in a chat, or with `again` lets an earlier question or answer be answered again. With `edit` the question
    /// rephrases an earlier one; both are kept.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn ask(
        &self,
        context: &Context<'_>,
        chat: ID,
        question: Option<String>,
        edit: Option<ID>,
        again: Option<ID>,
        #[graphql(default)] options: QuestionInput,
    ) -> Result<AskPayload, Error> {
        let message = |id: Option<ID>| id.as_ref().map(self::id).transpose();
        let (edit, after) = (message(edit)?.map(MessageId), message(options.after)?.map(MessageId));
        let action = match (question, message(again)?, edit) {
            (None, Some(message), None) => QuestionAction::Regenerate { message: MessageId(message) },
            (Some(content), None, Some(message)) => QuestionAction::Edit { message, content },
            (Some(content), None, None) => QuestionAction::Ask { content, after },
            _ => return Err(failed(Problem::invalid("send either a question or again").about("question"))),
        };
        let options = AnswerOptions {
            focus: focus(options.focus_mode.as_deref())?,
            library: options.library,
            version: options.version,
            model: options.model,
            servers: options.servers,
        };
        let request = Request::of(context);
        let asked = ChatQuestion { action, message_id: None, options };
        let started = request.app().answers.ask(request.actor(), ChatId(id(&chat)?), asked).await;
        told(started.map(|started| StartedAnswer {
            question: started.question_id.0.into(),
            answer: started.answer_id.0.into(),
        }))
    }

    /// Creates a link to the present state of a chat. Only this response has its address.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn create_share(
        &self,
        context: &Context<'_>,
        chat: ID,
        #[graphql(desc = "Lifetime: 1 to 8,760 hours; a week by default.")] hours: Option<u32>,
    ) -> Result<SharePayload, Error> {
        let request = Request::of(context);
        let chat = ChatId(id(&chat)?);
        let created = shares::create(request.app(), request.actor(), chat, hours.map(u64::from)).await;
        told(created.map(|(share, token)| CreatedShare {
            url: address::of_share(request.address(), &token),
            share: share.into(),
        }))
    }

    /// Revokes a link to a chat.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn revoke_share(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let share = ShareId(self::id(&id)?);
        change!(context, chat::transfer::shares::revoke, share => |()| Done::of(id))
    }

    /// Stops an answer. The text so far is kept.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn stop_answer(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let request = Request::of(context);
        let stopped = request.app().answers.stop(request.actor(), MessageId(self::id(&id)?)).await;
        told(stopped.map(|()| Done::of(id)))
    }

    /// Marks an answer as good or wrong, with the reason and the correct answer; null removes the verdict.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn set_verdict(
        &self,
        context: &Context<'_>,
        answer: ID,
        verdict: MaybeUndefined<VerdictKind>,
        #[graphql(default)] reason: String,
        #[graphql(default, desc = "Correct answer, for the owners of the library.")] correction: String,
    ) -> Result<ChatMessagePayload, Error> {
        let verdict = given(verdict, "verdict")?.map(|kind| {
            let name = match kind {
                VerdictKind::Good => "good",
                VerdictKind::Wrong => "wrong",
            };
            Verdict { verdict: name.to_owned(), reason, correction }
        });
        let answer = MessageId(id(&answer)?);
        let request = Request::of(context);
        let catalogue = request.catalogue().await?;
        let mut transaction = begin(context).await?;
        let set =
            messages::set_verdict(&mut transaction, &catalogue, request.actor(), answer, verdict.as_ref());
        let result = outcome(set.await.map(ChatMessage));
        end(transaction, result).await
    }
}
