//! Operations whose response goes on: over WebSocket by the protocol
//! [graphql-transport-ws](https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md), and as [server-sent
//! events](https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md) on a connection of their own.

use std::any::TypeId;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::http::{WebSocket as Protocol, WebSocketProtocols, WsMessage};
use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Executor, Pos, Request as GraphqlRequest, Response as GraphqlResponse};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::sink::SinkExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::Value;
use store::statements::StatementCounts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::cost::Budget;
use super::http::{Endpoint, Parameters, Prepared, Refusal, add_codes, failure};
use super::limits;
use super::loaders::loaders;
use super::request::Request;
use super::rounds::Rounds;
use super::subscription::Session;
use crate::http::AppState;
use crate::http::authentication::LastingCredential;
use crate::http::connections::HeldPlace;
use crate::http::router::RESPONSE_TIMEOUT;

/// Name of the protocol.
const PROTOCOL: &str = "graphql-transport-ws";
/// Maximum number of operations on a connection at a time.
const MAX_OPERATIONS: usize = 50;
/// Interval of comments on a silent stream: proxies close silent connections.
const KEEP_ALIVE: Duration = Duration::from_secs(12);
/// Interval of pings to a client.
const PING: Duration = Duration::from_secs(30);
/// Time within which a client has to send something: if nothing else, the answer to a ping.
const SILENCE: Duration = Duration::from_secs(90);

/// Executes the operations of a connection.
#[derive(Clone)]
pub(super) struct Live {
    endpoint: Endpoint,
    state: AppState,
    credential: Option<LastingCredential>,
    operations: Arc<Semaphore>,
    /// Place of the connection, which goes on after its request.
    _place: Option<HeldPlace>,
}

impl Live {
    pub(super) fn new(
        endpoint: Endpoint,
        state: AppState,
        credential: Option<LastingCredential>,
        place: Option<HeldPlace>,
    ) -> Self {
        let operations = Arc::new(Semaphore::new(MAX_OPERATIONS));
        Self { endpoint, state, credential, operations, _place: place }
    }

    /// Answers with server-sent events: `next` for each response, then `complete`.
    pub(super) fn events(self, parameters: Parameters) -> Response {
        // The request was counted as every other.
        let responses = self.run(parameters, None, 0);
        let events = responses.map(|response| Event::default().event("next").data(body(&response)));
        let events = events.chain(stream::once(async { Event::default().event("complete").data("") }));
        let mut response = Sse::new(events.map(Ok::<_, Infallible>))
            .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
            .into_response();
        // nginx buffers responses otherwise.
        response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
        response
    }

    /// Opens a connection; `None` if the client does not speak the protocol.
    pub(super) fn connect(self, upgrade: WebSocketUpgrade) -> Option<Response> {
        let upgrade = upgrade
            .protocols([PROTOCOL])
            .max_message_size(limits::MAX_BYTES)
            .max_frame_size(limits::MAX_BYTES);
        upgrade.selected_protocol()?;
        Some(upgrade.on_upgrade(|socket| self.serve(socket)))
    }

    async fn serve(self, socket: WebSocket) {
        let (mut sink, source) = socket.split();
        let texts = source.take_while(|message| {
            let is_open = matches!(message, Ok(message) if !matches!(message, Message::Close(_)));
            async move { is_open }
        });
        let texts = texts.filter_map(|message| async move {
            match message {
                Ok(Message::Text(text)) => Some(text.to_string()),
                Ok(Message::Binary(bytes)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
                _ => None,
            }
        });
        let app = self.state.app.clone();
        let protocol = Protocol::new(self, texts.boxed(), WebSocketProtocols::GraphQLWS)
            .keepalive_timeout(SILENCE)
            .on_connection_init(move |payload| async move {
                let mut data = Data::default();
                if let Some(credential) = credential_in(&payload) {
                    // A wrong one is told at once, not at the first operation.
                    credential.check(&app.authenticator).await.map_err(|error| error.to_string())?;
                    data.insert(credential);
                }
                Ok(data)
            });
        let mut messages = std::pin::pin!(protocol);
        let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
        loop {
            let message = tokio::select! {
                message = messages.next() => match message {
                    Some(WsMessage::Text(text)) => Message::Text(text.into()),
                    Some(WsMessage::Close(code, reason)) => {
                        Message::Close(Some(CloseFrame { code, reason: reason.into() }))
                    }
                    None => break,
                },
                _ = ping.tick() => Message::Text(r#"{"type":"ping"}"#.into()),
            };
            if sink.send(message).await.is_err() {
                return;
            }
        }
        // The client is gone where this fails.
        let _closed = sink.close().await;
    }

    /// Runs an operation, which costs a key these points besides its complexity, and returns its responses.
    fn run(
        &self,
        parameters: Parameters,
        credential: Option<LastingCredential>,
        points: u32,
    ) -> BoxStream<'static, GraphqlResponse> {
        let refused = |code: &'static str, why: &str| {
            let response = failure(code, why);
            stream::once(async move { response }).boxed()
        };
        let Ok(permit) = Arc::clone(&self.operations).try_acquire_owned() else {
            return refused("too-many-requests", "too many operations on one connection: complete one first");
        };
        let prepared = match self.endpoint.prepare(parameters, "", false) {
            Ok(prepared) => prepared,
            Err(Refusal { code, why, .. }) => return refused(code, &why),
        };
        let credential = credential.or_else(|| self.credential.clone());
        let this = self.clone();
        let responses = async move { this.execute(prepared, credential, points, permit).await };
        stream::once(responses).flatten().boxed()
    }

    async fn execute(
        self,
        prepared: Prepared,
        credential: Option<LastingCredential>,
        points: u32,
        permit: OwnedSemaphorePermit,
    ) -> BoxStream<'static, GraphqlResponse> {
        let app = self.state.app.clone();
        let only = |response: GraphqlResponse| stream::once(async move { response }).boxed();
        let (session, key) = match Session::begin(app.clone(), credential).await {
            Ok(Some(begun)) => begun,
            Ok(None) => return only(failure("sign-in", "the session or key has ended: sign in again")),
            Err(error) => {
                return only(GraphqlResponse::from_errors(vec![error.into_server_error(Pos::default())]));
            }
        };
        if let Some(wait) = key.and_then(|key| self.state.limits.charge(key, points)) {
            let why = format!("the rate limit of this API key is reached: wait {wait} seconds");
            return only(failure("too-many-requests", &why));
        }
        let Prepared { request, kind } = prepared;
        let actor = session.actor.clone();
        let budget = Budget { limits: self.state.limits.clone(), key };
        let (counts, rounds) = (StatementCounts::default(), Rounds::default());
        let request = request
            .data(loaders(app, actor.clone(), counts.clone(), rounds.clone()))
            .data(Request::new(self.state, actor, kind == OperationType::Query))
            .data(counts)
            .data(session)
            .data(budget);
        let responses = self.endpoint.schema.execute_stream(request).boxed();
        stream::unfold((responses, rounds, permit), move |(mut responses, rounds, permit)| async move {
            let next = rounds.run(responses.next());
            // A subscription waits for as long as there is no news.
            let next = if kind == OperationType::Subscription {
                Ok(next.await)
            } else {
                tokio::time::timeout(RESPONSE_TIMEOUT, next).await
            };
            let Ok(next) = next else {
                let response = failure("busy", "the operation took too long: ask for less");
                return Some((response, (stream::empty().boxed(), rounds, permit)));
            };
            let mut response = next?;
            add_codes(&mut response);
            Some((response, (responses, rounds, permit)))
        })
        .boxed()
    }
}

impl Executor for Live {
    async fn execute(&self, request: GraphqlRequest) -> GraphqlResponse {
        let first = self.execute_stream(request, None).next().await;
        first.unwrap_or_else(|| failure("internal", "the operation has no response"))
    }

    fn execute_stream(
        &self,
        request: GraphqlRequest,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, GraphqlResponse> {
        let credential = session_data.and_then(|data| {
            let found = data.get(&TypeId::of::<LastingCredential>())?;
            found.downcast_ref::<LastingCredential>().cloned()
        });
        self.run(Parameters::from(request), credential, 1)
    }
}

/// Returns the credential that a client sends when it connects: browsers send no headers of their own with a WebSocket.
fn credential_in(payload: &Value) -> Option<LastingCredential> {
    let named = |object: &Value| {
        let object = object.as_object()?;
        let (_, value) = object.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
        value.as_str().map(str::to_owned)
    };
    let text = named(payload).or_else(|| named(payload.get("headers")?))?;
    let token = match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim().to_owned(),
        _ => text.trim().to_owned(),
    };
    Some(LastingCredential::Bearer(token))
}

/// Renders a response; data that is absent tells that nothing was executed.
pub(super) fn body(response: &GraphqlResponse) -> String {
    let mut body = serde_json::to_value(response).unwrap_or_default();
    let is_executed =
        response.errors.is_empty() || response.errors.iter().any(|error| !error.path.is_empty());
    if !is_executed && let Some(body) = body.as_object_mut() {
        body.remove("data");
    }
    body.to_string()
}
