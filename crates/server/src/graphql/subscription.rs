//! Subscriptions: notifications, messages of a conversation, comments on a post, and an answer as it is written.
//!
//! Who waits holds no connection of the database ([`Watchers`](crate::app::watch::Watchers)). Each event is read with the authority that
//! the session or key has then, and a subscription ends with it. A subscription goes on after the event that its argument `after` names.

use std::collections::BTreeSet;
use std::time::Duration;

use async_graphql::{Context, Error, ID, SimpleObject, Subscription as GraphqlSubscription};
use chat::answer::AnswerFollower;
use chat::answer::stream::{Event, StreamPosition};
use chat::chats::MessageId;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt as _};
use identity::KeyRateLimit;
use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use social::ids::{CommentId, ConversationId, PostId};
use social::positions::Watched;
use social::{comments, messages, notifications};
use sqlx::PgConnection;
use uuid::Uuid;

use super::community::{Comment, DirectMessage, Notification};
use super::error::failed;
use super::request::{Request, id};
use crate::app::App;
use crate::app::watch::Watcher;
use crate::http::authentication::LastingCredential;
use crate::http::problem::Problem;

/// Number of events that one statement reads.
const EVENTS: usize = 100;
/// Maximum number of events that a subscription catches up with.
const MAX_BACKLOG: usize = 1000;
/// Interval at which the credential of a silent subscription is checked.
const CHECK: Duration = Duration::from_secs(15);

/// Subscriber, checked again before each event.
#[derive(Clone)]
pub(super) struct Session {
    app: App,
    credential: Option<LastingCredential>,
    pub(super) actor: Actor,
}

impl Session {
    /// Checks a credential; `None` if it authenticates nobody any more. Returns the rate limit of a key, too.
    pub(super) async fn begin(
        app: App,
        credential: Option<LastingCredential>,
    ) -> Result<Option<(Self, Option<KeyRateLimit>)>, Error> {
        let Some(checked) = &credential else {
            return Ok(Some((Self { app, credential, actor: Actor::anonymous() }, None)));
        };
        match checked.check(&app.authenticator).await {
            Ok(found) => Ok(Some((Self { app, credential, actor: found.actor }, found.limit))),
            Err(identity::Error::InvalidCredential(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether the credential still authenticates.
    ///
    /// # Errors
    ///
    /// Fails if it authenticates somebody with other rights: all that is read for the subscriber is read with those of the beginning.
    async fn goes_on(&self) -> Result<bool, Error> {
        match Self::begin(self.app.clone(), self.credential.clone()).await? {
            None => Ok(false),
            Some((now, _)) if now.actor == self.actor => Ok(true),
            Some(_) => Err(failed(Problem::forbidden("your role or key has changed: subscribe again"))),
        }
    }
}

/// Part of an answer.
#[derive(SimpleObject)]
pub(super) struct AnswerPart {
    /// Position behind this part, for `after`.
    position: String,
    /// Text that follows the parts before.
    text: String,
    /// Whether the answer has ended.
    ended: bool,
}

/// Reads what is new of something that is watched.
trait News: Send + 'static {
    type Item: Send + 'static;

    /// Returns what is new since the last call, the oldest first.
    fn read<'call>(
        &'call mut self,
        connection: &'call mut PgConnection,
        actor: &'call Actor,
    ) -> BoxFuture<'call, Result<Vec<Self::Item>, social::Error>>;
}

/// New items of a list whose newest come first.
struct Backlog<T> {
    new: Vec<T>,
    /// Cursor of the page to read.
    cursor: Option<Cursor>,
    /// Whether all new items are here.
    is_whole: bool,
}

impl<T> Backlog<T> {
    fn new() -> Self {
        Self { new: Vec::new(), cursor: None, is_whole: false }
    }

    /// Whether all new items are here.
    ///
    /// # Errors
    ///
    /// Fails if there are too many.
    fn is_whole(&self) -> Result<bool, social::Error> {
        if !self.is_whole && self.new.len() > MAX_BACKLOG {
            return Err(too_many());
        }
        Ok(self.is_whole)
    }

    fn add(&mut self, page: Page<T>, is_new: impl FnMut(&T) -> bool) {
        let whole = self.new.len() + page.items.len();
        self.new.extend(page.items.into_iter().take_while(is_new));
        self.is_whole = self.new.len() < whole || page.next.is_none();
        self.cursor = page.next;
    }

    fn oldest_first(mut self) -> Vec<T> {
        self.new.reverse();
        self.new
    }
}

/// Items seen of a list that is in the order of times that are taken before the transaction that writes commits, by the clock of any
/// node: something earlier may appear behind something later.
struct Seen {
    newest: DateTime<Utc>,
    items: BTreeSet<(DateTime<Utc>, Uuid)>,
}

impl Seen {
    /// Time that a transaction and the difference of two clocks take at most.
    const WINDOW: TimeDelta = TimeDelta::minutes(1);

    fn new(newest: DateTime<Utc>) -> Self {
        Self { newest, items: BTreeSet::new() }
    }

    /// Returns the time after which something unseen may appear.
    fn floor(&self) -> DateTime<Utc> {
        self.newest.checked_sub_signed(Self::WINDOW).unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// Adds what was read, and returns what was not seen before.
    fn add<T>(&mut self, items: Vec<T>, key: impl Fn(&T) -> (DateTime<Utc>, Uuid)) -> Vec<T> {
        let new: Vec<T> = items.into_iter().filter(|item| self.items.insert(key(item))).collect();
        self.newest = self.items.last().map_or(self.newest, |(time, _)| self.newest.max(*time));
        self.items = self.items.split_off(&(self.floor(), Uuid::nil()));
        new
    }
}

struct NewNotifications {
    seen: Seen,
}

impl NewNotifications {
    const KEY: fn(&notifications::Notification) -> (DateTime<Utc>, Uuid) =
        |notification| (notification.updated_at, notification.id.0);

    /// Begins behind a time.
    async fn begin(
        connection: &mut PgConnection,
        actor: &Actor,
        after: DateTime<Utc>,
    ) -> Result<Self, social::Error> {
        let mut seen = Seen::new(after);
        let mut known = Self::since(connection, actor, seen.floor()).await?;
        known.retain(|notification| notification.updated_at <= after);
        seen.add(known, Self::KEY);
        Ok(Self { seen })
    }

    async fn since(
        connection: &mut PgConnection,
        actor: &Actor,
        time: DateTime<Utc>,
    ) -> Result<Vec<notifications::Notification>, social::Error> {
        let mut backlog = Backlog::new();
        while !backlog.is_whole()? {
            let page = notifications::list(connection, actor, false, backlog.cursor.as_ref(), EVENTS).await?;
            backlog.add(page, |notification| notification.updated_at > time);
        }
        Ok(backlog.oldest_first())
    }
}

impl News for NewNotifications {
    type Item = Notification;

    fn read<'call>(
        &'call mut self,
        connection: &'call mut PgConnection,
        actor: &'call Actor,
    ) -> BoxFuture<'call, Result<Vec<Notification>, social::Error>> {
        Box::pin(async move {
            let found = Self::since(connection, actor, self.seen.floor()).await?;
            Ok(self.seen.add(found, Self::KEY).into_iter().map(Notification).collect())
        })
    }
}

fn too_many() -> social::Error {
    social::Error::Invalid(format!(
        "more than {MAX_BACKLOG} events have been since: read the list, and subscribe without `after`"
    ))
}

struct NewMessages {
    conversation: ConversationId,
    after: i64,
}

impl News for NewMessages {
    type Item = DirectMessage;

    fn read<'call>(
        &'call mut self,
        connection: &'call mut PgConnection,
        actor: &'call Actor,
    ) -> BoxFuture<'call, Result<Vec<DirectMessage>, social::Error>> {
        Box::pin(async move {
            let mut backlog = Backlog::new();
            while !backlog.is_whole()? {
                let page =
                    messages::list(connection, actor, self.conversation, backlog.cursor.as_ref(), EVENTS)
                        .await?;
                backlog.add(page, |message| message.number > self.after);
            }
            let new = backlog.oldest_first();
            self.after = new.last().map_or(self.after, |last| last.number);
            Ok(new.into_iter().map(DirectMessage).collect())
        })
    }
}

struct NewComments {
    post: PostId,
    seen: Seen,
}

impl NewComments {
    const KEY: fn(&comments::Comment) -> (DateTime<Utc>, Uuid) = |comment| (comment.id.time(), comment.id.0);

    /// Begins behind a comment.
    async fn begin(
        connection: &mut PgConnection,
        actor: &Actor,
        post: PostId,
        after: CommentId,
    ) -> Result<Self, social::Error> {
        let mut seen = Seen::new(after.time());
        let mut known = Self::since(connection, actor, post, seen.floor()).await?;
        known.retain(|comment| comment.id <= after);
        seen.add(known, Self::KEY);
        Ok(Self { post, seen })
    }

    async fn since(
        connection: &mut PgConnection,
        actor: &Actor,
        post: PostId,
        time: DateTime<Utc>,
    ) -> Result<Vec<comments::Comment>, social::Error> {
        let (mut found, mut after) = (Vec::new(), CommentId::first_at(time));
        loop {
            let limit = i64::try_from(EVENTS).unwrap_or(i64::MAX);
            let page = comments::since(connection, actor, post, after, limit).await?;
            let is_last = page.len() < EVENTS;
            after = page.last().map_or(after, |last| last.id);
            found.extend(page);
            if is_last {
                return Ok(found);
            }
            if found.len() > MAX_BACKLOG {
                return Err(too_many());
            }
        }
    }
}

impl News for NewComments {
    type Item = Comment;

    fn read<'call>(
        &'call mut self,
        connection: &'call mut PgConnection,
        actor: &'call Actor,
    ) -> BoxFuture<'call, Result<Vec<Comment>, social::Error>> {
        Box::pin(async move {
            let found = Self::since(connection, actor, self.post, self.seen.floor()).await?;
            Ok(self.seen.add(found, Self::KEY).into_iter().map(Comment).collect())
        })
    }
}

/// Returns the news as they come.
fn follow<N: News>(
    session: Session,
    watcher: Watcher,
    news: N,
) -> impl Stream<Item = Result<N::Item, Error>> + Send + 'static {
    let found = stream::unfold(Some((session, watcher, news)), async |state| {
        let (session, mut watcher, mut news) = state?;
        // A silent subscription ends with its credential, too.
        if let Ok(false) = tokio::time::timeout(CHECK, watcher.changed()).await {
            return None;
        }
        let read = async {
            if !session.goes_on().await? {
                return Ok(None);
            }
            let acquired = store::postgres::acquire(session.app.pool()).await;
            let mut connection = acquired.map_err(|error| failed(social::Error::from(error)))?;
            news.read(&mut connection, &session.actor).await.map(Some).map_err(failed)
        };
        match read.await {
            Ok(Some(items)) => {
                let items: Vec<_> = items.into_iter().map(Ok).collect();
                Some((items, Some((session, watcher, news))))
            }
            Ok(None) => None,
            Err(error) => Some((vec![Err(error)], None)),
        }
    });
    found.flat_map(stream::iter)
}

/// News, as they come. A subscription ends with its session or key.
#[derive(Default)]
pub(crate) struct Subscription;

/// News, as they come. A subscription ends with its session or key.
#[GraphqlSubscription]
impl Subscription {
    /// Notifications of the caller that are newer than a time, by default than now.
    async fn notifications(
        &self,
        context: &Context<'_>,
        after: Option<DateTime<Utc>>,
    ) -> Result<impl Stream<Item = Result<Notification, Error>> + use<>, Error> {
        let request = Request::of(context);
        let mut connection = request.connection().await?;
        let user = social::require_person(request.actor()).map_err(failed)?;
        let after = match after {
            Some(after) => after,
            None => chat::chats::now(&mut connection).await.map_err(failed)?,
        };
        let news = NewNotifications::begin(&mut connection, request.actor(), after).await.map_err(failed)?;
        drop(connection);
        let watcher = request.app().watchers.watch(Watched::Notifications(user)).map_err(failed)?;
        Ok(follow(session(context)?, watcher, news))
    }

    /// Messages of a conversation of the caller behind a number, by default behind the last one.
    async fn messages(
        &self,
        context: &Context<'_>,
        conversation: ID,
        after: Option<i64>,
    ) -> Result<impl Stream<Item = Result<DirectMessage, Error>> + use<>, Error> {
        let request = Request::of(context);
        let conversation = ConversationId(id(&conversation)?);
        let mut connection = request.connection().await?;
        // A conversation that does not exist for the caller is told at once.
        let page = messages::list(&mut connection, request.actor(), conversation, None, 1).await;
        let last = page.map_err(failed)?.items.first().map_or(0, |last| last.number);
        drop(connection);
        let news = NewMessages { conversation, after: after.unwrap_or(last) };
        let watcher = request.app().watchers.watch(Watched::Conversation(conversation)).map_err(failed)?;
        Ok(follow(session(context)?, watcher, news))
    }

    /// Comments on a post that are newer than one, by default than now.
    async fn comments(
        &self,
        context: &Context<'_>,
        post: ID,
        after: Option<ID>,
    ) -> Result<impl Stream<Item = Result<Comment, Error>> + use<>, Error> {
        let request = Request::of(context);
        let post = PostId(id(&post)?);
        let after = after.as_ref().map(id).transpose()?.map_or_else(CommentId::new, CommentId);
        let mut connection = request.connection().await?;
        // A post that does not exist for the caller is told at once.
        let news = NewComments::begin(&mut connection, request.actor(), post, after).await.map_err(failed)?;
        drop(connection);
        let watcher = request.app().watchers.watch(Watched::Comments(post)).map_err(failed)?;
        Ok(follow(session(context)?, watcher, news))
    }

    /// Text of an answer of the caller as it is written, from a position on, by default from its beginning.
    async fn answer(
        &self,
        context: &Context<'_>,
        message: ID,
        after: Option<String>,
    ) -> Result<impl Stream<Item = Result<AnswerPart, Error>> + use<>, Error> {
        let request = Request::of(context);
        let message = MessageId(id(&message)?);
        let follower = request.app().answers.follow(request.actor(), message).await.map_err(failed)?;
        let position = after.as_deref().map(StreamPosition::from_event_id).unwrap_or_default();
        Ok(parts(session(context)?, follower, position))
    }
}

/// Returns the parts of an answer to its end.
fn parts(
    session: Session,
    follower: AnswerFollower,
    position: StreamPosition,
) -> impl Stream<Item = Result<AnswerPart, Error>> + Send + 'static {
    stream::unfold(Some((session, follower, position)), async |state| {
        let (session, mut follower, mut position) = state?;
        loop {
            let next = tokio::time::timeout(CHECK, follower.next(&mut position)).await;
            match session.goes_on().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some((Err(error), None)),
            }
            let (text, ended) = match next {
                Err(_silent) => continue,
                Ok(Ok(Event::Sources(_))) => continue,
                Ok(Ok(Event::Text(text))) => (text, false),
                Ok(Ok(Event::End(_))) => (String::new(), true),
                Ok(Err(error)) => return Some((Err(failed(error)), None)),
            };
            let part = AnswerPart { position: position.event_id(), text, ended };
            return Some((Ok(part), (!ended).then_some((session, follower, position))));
        }
    })
}

fn session(context: &Context<'_>) -> Result<Session, Error> {
    let session = context.data_opt::<Session>().cloned();
    session.ok_or_else(|| failed(Problem::invalid("subscribe by WebSocket or server-sent events")))
}
