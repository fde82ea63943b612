//! Answering: from a question to a finished answer.
//!
//! Each answer is written by a task of its own ([`write`]), which searches ([`retrieval`]), builds the prompt ([`prompt`]), asks
//! the model and filters its text ([`filter`]). The asker may leave and return ([`stream`]): a process that dies leaves the text
//! written so far, and the answer is marked as interrupted. [`Answers`] starts, follows and stops answers, and limits how many
//! are written at once.

pub(crate) mod fallback;
pub mod filter;
pub(crate) mod prompt;
pub mod retrieval;
pub mod stream;
pub mod support;
mod write;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::actor::Actor;
use kernel::chain::Chain;
use library::search::Engine;
use registry::tool_call::ToolTarget;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use store::secrets::Sealer;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::Error;
use crate::chats::{self, ChatId, MessageId};
use crate::focus::Focus;
use crate::messages::{self, Message, MessageRole, MessageStatus, PendingAnswer, QuestionAction};
use crate::models::client::Client;
use crate::models::{self, Target};
use crate::web_search::WebSearch;
use retrieval::SearchScope;
use stream::{AnswerStream, Event, Outcome, StreamPosition};

/// Maximum number of answers written at once on this node.
const MAX_ANSWERS: usize = 500;
/// Maximum number of answers written at once for one user on this node.
const MAX_ANSWERS_PER_USER: usize = 50;
/// Maximum number of earlier messages considered for an answer.
const MAX_HISTORY_MESSAGES: usize = 20;
/// Time that answers have to record their end at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval at which an answer written on another node is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Service that writes answers. Clones share their state.
#[derive(Clone)]
pub struct Answers {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) resources: Resources,
    /// Answers being written on this node, by their id.
    active: Mutex<HashMap<Uuid, ActiveAnswer>>,
}

/// Answer being written, and the user it is written for.
struct ActiveAnswer {
    owner: Uuid,
    stream: Arc<AnswerStream>,
}

/// Services that answers depend on.
pub struct Resources {
    /// Database.
    pub pool: PgPool,
    /// Search engine of the library.
    pub engine: Arc<Engine>,
    /// Opens the API keys of language models and the credentials of MCP servers.
    pub secrets: Sealer,
    /// Client of the language models.
    pub models: Client,
    /// Web search, if configured.
    pub web: Option<WebSearch>,
}

/// Question to a chat.
#[derive(Debug, Clone)]
pub struct ChatQuestion {
    /// Question and its position in the chat.
    pub action: QuestionAction,
    /// Id of the question; generated if `None`.
    pub message_id: Option<MessageId>,
    /// Options; those that are `None` come from the chat.
    pub options: AnswerOptions,
}

/// Options for answering a question. `None` means the chat's own setting, or the default.
#[derive(Debug, Clone, Default)]
pub struct AnswerOptions {
    /// Focus mode.
    pub focus: Option<Focus>,
    /// Library to search.
    pub library: Option<String>,
    /// Version to search.
    pub version: Option<String>,
    /// Name of the language model.
    pub model: Option<String>,
    /// Names of registered MCP servers that are queried as well.
    pub servers: Vec<String>,
}

/// Question that is answered without storing anything.
#[derive(Debug, Clone, Default)]
pub struct StatelessQuestion {
    /// Question.
    pub question: String,
    /// Conversation before the question, oldest message first.
    pub history: Vec<(MessageRole, String)>,
    /// Options.
    pub options: AnswerOptions,
}

/// Answer whose writing has started.
#[derive(Debug, Clone)]
pub struct StartedAnswer {
    /// Id of the question.
    pub question_id: MessageId,
    /// Id of the answer.
    pub answer_id: MessageId,
    /// The answer as it is written.
    pub stream: Arc<AnswerStream>,
}

/// Input of the task that writes an answer.
pub(crate) struct Task {
    pub(crate) actor: Actor,
    pub(crate) question: String,
    pub(crate) conversation: Conversation,
    pub(crate) focus: Focus,
    pub(crate) scope: SearchScope,
    pub(crate) target: Option<Target>,
    pub(crate) servers: Vec<ToolTarget>,
    /// Record of the answer in the database; `None` if it is not stored.
    pub(crate) pending: Option<PendingAnswer>,
}

/// Conversation before a question.
pub(crate) enum Conversation {
    /// Branch of the chat that ends with this message.
    Stored(Option<MessageId>),
    /// Messages given by the caller.
    Provided(Vec<Message>),
}

impl Answers {
    /// Creates the service.
    pub fn new(resources: Resources) -> Self {
        Self { inner: Arc::new(Inner { resources, active: Mutex::default() }) }
    }

    /// Asks a question in a chat of the actor. The question and the start of its answer are stored when this returns.
    ///
    /// # Errors
    ///
    /// Fails, before anything is written, if the chat does not exist for the actor, a library, version, model or server does
    /// not exist, or too many answers are being written.
    pub async fn ask(
        &self,
        actor: &Actor,
        chat: ChatId,
        question: ChatQuestion,
    ) -> Result<StartedAnswer, Error> {
        let owner = chats::owner_id(actor)?;
        let pool = &self.inner.resources.pool;
        let mut connection = store::postgres::acquire(pool).await?;
        let known = chats::find(&mut connection, actor, chat).await?;
        let ChatQuestion { action, message_id, options } = question;
        let options = AnswerOptions {
            focus: options.focus.or_else(|| known.focus_mode.parse().ok()),
            // A version belongs to the library it was chosen with.
            version: options.version.or_else(|| known.version.filter(|_| options.library.is_none())),
            library: options.library.or(known.library),
            model: options.model.or(known.model),
            servers: options.servers,
        };
        // Released while other services are waited for: with few connections all requests would wait for each other.
        drop(connection);
        let (focus, scope) = self.resolve_scope(actor, &options, action.text()).await?;
        let mut connection = store::postgres::acquire(pool).await?;
        let (target, servers) = self.resolve_targets(&mut connection, actor, &options).await?;
        drop(connection);
        let stream = Arc::new(AnswerStream::new());
        let mut transaction = store::postgres::begin(pool).await?;
        let pending = messages::start_answer(&mut transaction, actor, chat, &action, message_id).await?;
        let started = StartedAnswer {
            question_id: pending.question_id,
            answer_id: pending.answer_id,
            stream: Arc::clone(&stream),
        };
        self.register(started.answer_id.0, owner, &stream)?;
        if let Err(error) = transaction.commit().await {
            self.unregister(started.answer_id.0);
            return Err(error.into());
        }
        let task = Task {
            actor: actor.clone(),
            question: pending.question.clone(),
            conversation: Conversation::Stored(pending.parent),
            focus,
            scope,
            target,
            servers,
            pending: Some(pending),
        };
        self.spawn(started.answer_id.0, task, stream);
        Ok(started)
    }

    /// Checks that a question could be asked with these options, without asking it.
    ///
    /// # Errors
    ///
    /// Fails if the question is empty or too long, a library, version, model or server does not exist, or web search is not
    /// configured.
    pub async fn check(&self, actor: &Actor, options: &AnswerOptions, question: &str) -> Result<(), Error> {
        messages::validate_question(question)?;
        self.resolve_scope(actor, options, question).await?;
        let mut connection = store::postgres::acquire(&self.inner.resources.pool).await?;
        self.resolve_targets(&mut connection, actor, options).await.map(drop)
    }

    /// Asks a question without storing anything. A caller that drops the stream should stop it: see [`stream::StopOnDrop`].
    ///
    /// # Errors
    ///
    /// Fails like [`Self::check`], or if the actor is anonymous or too many answers are being written.
    pub async fn ask_stateless(
        &self,
        actor: &Actor,
        question: StatelessQuestion,
    ) -> Result<Arc<AnswerStream>, Error> {
        if actor.is_anonymous() {
            return Err(Error::SignIn);
        }
        let StatelessQuestion { question, history, options } = question;
        let length = question.chars().count();
        if question.trim().is_empty() || length > messages::MAX_QUESTION_CHARS {
            return Err(Error::Invalid(format!(
                "a question has 1 to {} characters; this one has {length}",
                messages::MAX_QUESTION_CHARS
            )));
        }
        let (focus, scope) = self.resolve_scope(actor, &options, &question).await?;
        let mut connection = store::postgres::acquire(&self.inner.resources.pool).await?;
        let (target, servers) = self.resolve_targets(&mut connection, actor, &options).await?;
        drop(connection);
        let stream = Arc::new(AnswerStream::new());
        let id = kernel::id::new();
        self.register(id, actor.user_id().map_or(Uuid::nil(), |user| user.0), &stream)?;
        let history = history.into_iter().map(|(role, content)| Message::ephemeral(role, content)).collect();
        let task = Task {
            actor: actor.clone(),
            question: question.trim().to_owned(),
            conversation: Conversation::Provided(history),
            focus,
            scope,
            target,
            servers,
            pending: None,
        };
        self.spawn(id, task, Arc::clone(&stream));
        Ok(stream)
    }

    /// Resolves what is searched; refuses a library or version that does not exist.
    async fn resolve_scope(
        &self,
        actor: &Actor,
        options: &AnswerOptions,
        question: &str,
    ) -> Result<(Focus, SearchScope), Error> {
        let Resources { engine, web, .. } = &self.inner.resources;
        let focus = options.focus.unwrap_or_default();
        if focus.web_categories().is_some() && web.is_none() {
            return Err(Error::Conflict(
                "web search is not configured: the operator can name a search engine (WENYUAN_SEARXNG_URL)"
                    .to_owned(),
            ));
        }
        let library = options.library.as_deref().map(str::parse).transpose().map_err(library::Error::from)?;
        let version: library::label::VersionRequest =
            options.version.as_deref().unwrap_or_default().parse().map_err(library::Error::from)?;
        if let Some(name) = &library {
            let catalogue = engine.catalogue().await?;
            if let Err(error) = catalogue.library(actor, name)?.resolve(&version) {
                engine.record_refused(name, question, &error);
                return Err(error.into());
            }
        }
        Ok((focus, SearchScope { library, version }))
    }

    /// Resolves the language model and the MCP servers to be queried.
    async fn resolve_targets(
        &self,
        connection: &mut PgConnection,
        actor: &Actor,
        options: &AnswerOptions,
    ) -> Result<(Option<Target>, Vec<ToolTarget>), Error> {
        let secrets = &self.inner.resources.secrets;
        let target = models::resolve(&mut *connection, secrets, actor, options.model.as_deref()).await?;
        let servers = if options.servers.is_empty() {
            Vec::new()
        } else {
            registry::tool_call::resolve_targets(connection, secrets, actor, &options.servers).await?
        };
        Ok((target, servers))
    }

    fn register(&self, id: Uuid, owner: Uuid, stream: &Arc<AnswerStream>) -> Result<(), Error> {
        let mut active = self.active();
        if active.len() >= MAX_ANSWERS {
            return Err(Error::Exhausted);
        }
        if active.values().filter(|answer| answer.owner == owner).count() >= MAX_ANSWERS_PER_USER {
            return Err(Error::TooManyAnswers(MAX_ANSWERS_PER_USER));
        }
        active.insert(id, ActiveAnswer { owner, stream: Arc::clone(stream) });
        Ok(())
    }

    fn unregister(&self, id: Uuid) {
        self.active().remove(&id);
    }

    fn active(&self) -> MutexGuard<'_, HashMap<Uuid, ActiveAnswer>> {
        self.inner.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, id: Uuid, task: Task, stream: Arc<AnswerStream>) {
        let answers = self.clone();
        let writing = async move {
            let outcome = write::answer(&answers.inner, &task, &stream).await;
            if let Some(pending) = &task.pending
                && let Err(error) = write::record_end(&answers.inner.resources.pool, pending, &outcome).await
            {
                tracing::error!(message.id = %pending.answer_id, error = %Chain(&error), "failed to record the end of an answer");
            }
            stream.end(outcome);
            answers.unregister(id);
        };
        // In the span of the request that asks.
        tokio::spawn(writing.in_current_span());
    }

    /// Follows an answer of the actor, on whichever node it is written. An answer that has ended is delivered from the database.
    ///
    /// # Errors
    ///
    /// Fails if the message does not exist for the actor or is a question.
    pub async fn follow(&self, actor: &Actor, message: MessageId) -> Result<AnswerFollower, Error> {
        let mut connection = store::postgres::acquire(&self.inner.resources.pool).await?;
        let (_, found) = messages::find(&mut connection, actor, message).await?;
        if found.role != MessageRole::Assistant {
            return Err(Error::Invalid("only an answer can be followed".to_owned()));
        }
        Ok(match self.stream(message.0) {
            Some(stream) => AnswerFollower::Local(stream),
            None => AnswerFollower::Stored {
                answers: self.clone(),
                actor: actor.clone(),
                message,
                latest: Some(Box::new(found)),
            },
        })
    }

    fn stream(&self, id: Uuid) -> Option<Arc<AnswerStream>> {
        self.active().get(&id).map(|answer| Arc::clone(&answer.stream))
    }

    /// Replaces the text and sources of a message by what this node has written since the row was saved.
    pub fn refresh(&self, message: &mut Message) {
        if message.status == MessageStatus::Answering
            && let Some(stream) = self.stream(message.message_id)
        {
            message.content = stream.text();
            message.sources = stream.sources().to_vec();
        }
    }

    /// Whether web search is configured.
    pub fn searches_web(&self) -> bool {
        self.inner.resources.web.is_some()
    }

    /// Stops an answer of the actor, on whichever node it is written.
    ///
    /// # Errors
    ///
    /// Fails if the message does not exist for the actor.
    pub async fn stop(&self, actor: &Actor, message: MessageId) -> Result<(), Error> {
        let mut connection = store::postgres::acquire(&self.inner.resources.pool).await?;
        messages::stop(&mut connection, actor, message).await?;
        if let Some(stream) = self.stream(message.0) {
            stream.stop();
        }
        Ok(())
    }

    /// Ends the answers being written; their text so far is stored, and they are marked as interrupted.
    pub async fn close(&self) {
        let streams: Vec<Arc<AnswerStream>> =
            self.active().values().map(|answer| Arc::clone(&answer.stream)).collect();
        for stream in &streams {
            stream.close();
        }
        let ended = futures::future::join_all(streams.iter().map(|stream| stream.ended()));
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await.is_err() {
            tracing::warn!("some answers did not end before shutdown; they are marked as interrupted later");
        }
    }
}

/// Follower of an answer.
pub enum AnswerFollower {
    /// The answer is written on this node.
    Local(Arc<AnswerStream>),
    /// The answer has ended or is written on another node; its row is polled.
    Stored {
        /// Service that polls.
        answers: Answers,
        /// Actor the answer belongs to.
        actor: Actor,
        /// Id of the answer.
        message: MessageId,
        /// State read last and not delivered completely yet.
        latest: Option<Box<Message>>,
    },
}

impl AnswerFollower {
    /// Waits for the next event after `position`, and advances it. After the end it returns the end again.
    ///
    /// # Errors
    ///
    /// Fails if the answer was deleted or the database fails.
    pub async fn next(&mut self, position: &mut StreamPosition) -> Result<Event, Error> {
        let (answers, actor, message, latest) = match self {
            Self::Local(stream) => return Ok(stream.next(position).await),
            Self::Stored { answers, actor, message, latest } => (answers, actor, *message, latest),
        };
        loop {
            let now = if let Some(latest) = latest.take() {
                *latest
            } else {
                tokio::time::sleep(POLL_INTERVAL).await;
                let mut connection = store::postgres::acquire(&answers.inner.resources.pool).await?;
                messages::find(&mut connection, actor, message).await?.1
            };
            let is_ended = now.status != MessageStatus::Answering;
            let event = if !position.has_sources && (!now.sources.is_empty() || is_ended) {
                position.has_sources = true;
                Some(Event::Sources(now.sources.clone().into()))
            } else if let Some(more) = now.content.get(position.text_bytes..).filter(|more| !more.is_empty())
            {
                position.text_bytes = now.content.len();
                Some(Event::Text(more.to_owned()))
            } else if is_ended {
                Some(Event::End(Arc::new(Outcome::of(&now))))
            } else {
                None
            };
            if let Some(event) = event {
                *latest = Some(Box::new(now));
                return Ok(event);
            }
        }
    }
}

impl Outcome {
    /// Returns the outcome of a stored answer.
    fn of(message: &Message) -> Self {
        Self {
            text: message.content.clone(),
            status: message.status,
            metadata: message.metadata.clone(),
            sources: message.sources.clone().into(),
            usage: None,
            finish_reason: message.metadata.get("finish_reason").and_then(Value::as_str).map(str::to_owned),
            failure: None,
        }
    }
}
