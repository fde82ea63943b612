//! The task that writes one answer: searches, asks the model, passes its text on, and saves it meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::chain::Chain;
use library::search::ResolvedVersion;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::filter::Filter;
use super::retrieval::{self, Retrieval};
use super::stream::{AnswerStream, Outcome};
use super::{Conversation, Inner, MAX_HISTORY_MESSAGES, Task, fallback, prompt, support};
use crate::Error;
use crate::focus::Focus;
use crate::messages::{self, FinishedAnswer, Message, MessageStatus, PendingAnswer};
use crate::models::Target;
use crate::models::client::{ModelError, PromptMessage, TextStream, Usage};
use crate::source::Source;

/// Limits assumed without a model: they decide how much is quoted.
const DEFAULT_CONTEXT_TOKENS: usize = 8192;
const DEFAULT_ANSWER_TOKENS: usize = 1024;
/// Maximum length of a query that the model condenses from the conversation, in tokens.
const MAX_QUERY_TOKENS: usize = 80;
/// Time limit for condensing; after it the words of the questions are searched.
const CONDENSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Interval at which new text is saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which the writer's lease is extended without new text.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(4);
/// Maximum number of retries to record the end of an answer.
const MAX_RETRIES: u32 = 5;

/// Provenance of an answer: the metadata of its message.
#[derive(Debug, Default, Serialize)]
struct AnswerMetadata {
    /// `model`, `passages` if passages replace an answer, or `nothing_found`.
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    focus_mode: &'static str,
    /// Query that was searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<ResolvedVersion>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
    /// Whether a model was given sources and cites none of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    uncited: bool,
    /// Number of citations dropped because there is no such source.
    #[serde(skip_serializing_if = "is_zero")]
    dropped_citations: usize,
    /// Sentences that share no word with what they cite, as half-open ranges of characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unsupported: Vec<(usize, usize)>,
    /// Number of sentences not checked because their sources are in another script.
    #[serde(skip_serializing_if = "is_zero")]
    unjudged: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    /// Error because of which it broke off or passages replace it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "signature required by serde")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Writes an answer to its end and saves its text meanwhile.
#[tracing::instrument(skip_all)]
pub(super) async fn answer(inner: &Arc<Inner>, task: &Task, stream: &Arc<AnswerStream>) -> Outcome {
    let started_at = Instant::now();
    let written = {
        let work = write(inner, task, stream, started_at);
        tokio::select! {
            outcome = work => outcome,
            () = save_periodically(inner, task, stream) => {
                Err(Error::Internal("answer persistence task exited unexpectedly".to_owned()))
            }
        }
    };
    let outcome = written.unwrap_or_else(|error| {
        let text = if let Error::Model(failure) = &error {
            failure.text.clone()
        } else {
            tracing::error!(error = %Chain(&error), "failed to write an answer");
            "the server failed to write the answer: ask again".to_owned()
        };
        let failure = if let Error::Model(failure) = error { Some(failure) } else { None };
        let metadata = json!({ "mode": "model", "focus_mode": task.focus.as_str(), "error": text });
        Outcome {
            text: stream.text(),
            status: MessageStatus::Failed,
            metadata,
            sources: stream.sources(),
            usage: None,
            finish_reason: None,
            failure,
        }
    });
    let mode = outcome.metadata.get("mode").and_then(Value::as_str).unwrap_or("model").to_owned();
    let status = outcome.status.as_str();
    metrics::counter!("wenyuan_answers_total", "mode" => mode, "status" => status).increment(1);
    record_seconds("whole", started_at);
    outcome
}

fn record_seconds(stage: &'static str, since: Instant) {
    metrics::histogram!("wenyuan_answer_seconds", "stage" => stage).record(since.elapsed().as_secs_f64());
}

/// Saves new text, extends the writer's lease and takes requests to stop, until it is dropped.
async fn save_periodically(inner: &Inner, task: &Task, stream: &AnswerStream) {
    let Some(pending) = &task.pending else { return std::future::pending().await };
    let (mut saved_bytes, mut saved_at) = (0, Instant::now());
    loop {
        tokio::time::sleep(SAVE_INTERVAL).await;
        if stream.text_bytes() == saved_bytes && saved_at.elapsed() < HEARTBEAT_INTERVAL {
            continue;
        }
        let text = stream.text();
        let saved = async {
            let mut connection = store::postgres::acquire(&inner.resources.pool).await?;
            messages::save_progress(&mut connection, pending, &text).await
        };
        match saved.await {
            Ok(stop) => {
                (saved_bytes, saved_at) = (text.len(), Instant::now());
                if stop {
                    stream.stop();
                }
            }
            Err(error) => tracing::warn!(error = %Chain(&error), "failed to save the progress of an answer"),
        }
    }
}

/// Records the end of an answer; retried, since its asker returns to it.
pub(super) async fn record_end(
    pool: &PgPool,
    pending: &PendingAnswer,
    outcome: &Outcome,
) -> Result<(), Error> {
    let finished = FinishedAnswer {
        text: outcome.text.clone(),
        status: outcome.status,
        metadata: outcome.metadata.clone(),
        cited: outcome.sources.iter().filter(|source| source.cited).map(|source| source.number).collect(),
    };
    let mut retries = 0;
    loop {
        let written = async {
            let mut connection = store::postgres::acquire(pool).await?;
            messages::finish_answer(&mut connection, pending, &finished).await
        };
        match written.await {
            Err(_passing) if retries < MAX_RETRIES => {
                retries += 1;
                tokio::time::sleep(Duration::from_millis(200 * u64::from(retries))).await;
            }
            other => return other,
        }
    }
}

async fn write(
    inner: &Arc<Inner>,
    task: &Task,
    stream: &Arc<AnswerStream>,
    started_at: Instant,
) -> Result<Outcome, Error> {
    let history = history(inner, task).await?;
    let mut metadata = AnswerMetadata { focus_mode: task.focus.as_str(), ..AnswerMetadata::default() };
    metadata.model = task.target.as_ref().map(|target| target.name.clone());
    let (context_tokens, answer_tokens) =
        task.target.as_ref().map_or((DEFAULT_CONTEXT_TOKENS, DEFAULT_ANSWER_TOKENS), |target| {
            (target.context_tokens, target.answer_tokens)
        });
    if task.focus == Focus::WritingAssistant {
        let Some(target) = &task.target else {
            return Err(Error::Model(ModelError::not_configured()));
        };
        stream.set_sources(Arc::default());
        let prompt = prompt::writing(&history, &task.question, context_tokens, answer_tokens);
        return ask(inner, task, stream, target, &prompt, metadata, started_at).await;
    }
    let words = prompt::joined(&history, &task.question);
    let condensed = condense(inner, task, stream, &history).await;
    let search_started_at = Instant::now();
    let query = condensed.clone().unwrap_or_else(|| words.clone());
    let retrieval = retrieval::retrieve(inner, task, condensed.as_deref(), &words, stream.stopped()).await?;
    if stream.stopped().is_cancelled() {
        // An unfinished search does not tell what there is.
        stream.set_sources(Arc::default());
        return Ok(broken_off(stream, metadata, None));
    }
    let Retrieval { sources, nearest, notices, resolved } = retrieval;
    record_seconds("search", search_started_at);
    metadata.query = Some(query);
    metadata.notices = notices;
    metadata.resolved = resolved;
    let mut sources = prompt::pack(sources, &task.question, context_tokens, answer_tokens);
    if sources.is_empty() {
        stream.set_sources(Arc::default());
        metadata.mode = "nothing_found";
        let searched =
            metadata.resolved.as_ref().map(|resolved| format!("{} {}", resolved.library, resolved.version));
        let text = fallback::nothing_found(&task.question, searched.as_deref(), &nearest);
        stream.push(&text);
        return Ok(complete(text, metadata, Arc::default()));
    }
    let Some(target) = &task.target else {
        let quoted = fallback::quoted_numbers(&sources);
        mark_cited(&mut sources, &quoted);
        return quote_passages(inner, task, stream, sources, metadata, None).await;
    };
    write_sources(inner, task, &sources).await?;
    let sources: Arc<[Source]> = sources.into();
    stream.set_sources(Arc::clone(&sources));
    let prompt = prompt::answering(&history, &task.question, &sources, context_tokens, answer_tokens);
    record_seconds("before_model", started_at);
    ask(inner, task, stream, target, &prompt, metadata, started_at).await
}

/// Returns the conversation before the question.
async fn history(inner: &Inner, task: &Task) -> Result<Vec<Message>, Error> {
    match (&task.conversation, &task.pending) {
        (Conversation::Stored(Some(parent)), Some(pending)) => {
            let mut connection = store::postgres::acquire(&inner.resources.pool).await?;
            let chat = pending.chat.id;
            let until = Some(*parent);
            let page =
                messages::branch(&mut connection, &task.actor, chat, until, None, MAX_HISTORY_MESSAGES)
                    .await?;
            Ok(page.items)
        }
        (Conversation::Provided(messages), _) => {
            Ok(messages.iter().rev().take(MAX_HISTORY_MESSAGES).rev().cloned().collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// Has the model condense a follow-up question and its conversation into one query. Returns `None` without a conversation or if
/// the model does not deliver a query.
async fn condense(inner: &Inner, task: &Task, stream: &AnswerStream, history: &[Message]) -> Option<String> {
    let target = task.target.as_ref().filter(|_| !history.is_empty())?;
    let prompt = prompt::condensing(history, &task.question);
    let request = async {
        let mut pieces = inner.resources.models.ask(target, &prompt, MAX_QUERY_TOKENS).await?;
        let mut text = String::new();
        while let Some(piece) = pieces.next().await {
            text.push_str(&piece?);
        }
        Ok::<_, ModelError>(text)
    };
    let condensed = tokio::select! {
        condensed = tokio::time::timeout(CONDENSE_TIMEOUT, request) => condensed.ok().and_then(Result::ok),
        () = stream.stopped().cancelled() => None,
    };
    condensed.and_then(|text| prompt::parse_query(&text))
}

async fn write_sources(inner: &Inner, task: &Task, sources: &[Source]) -> Result<(), Error> {
    let Some(pending) = &task.pending else { return Ok(()) };
    let mut connection = store::postgres::acquire(&inner.resources.pool).await?;
    messages::write_sources(&mut connection, pending, sources).await
}

/// Answers with the passages themselves.
async fn quote_passages(
    inner: &Inner,
    task: &Task,
    stream: &AnswerStream,
    sources: Vec<Source>,
    mut metadata: AnswerMetadata,
    failure: Option<ModelError>,
) -> Result<Outcome, Error> {
    metadata.mode = "passages";
    metadata.error = failure.as_ref().map(|failure| failure.text.clone());
    let text = fallback::passages(&task.question, &sources, failure.as_ref());
    if failure.is_none() {
        write_sources(inner, task, &sources).await?;
        stream.set_sources(sources.clone().into());
    }
    stream.push(&text);
    Ok(Outcome { failure, ..complete(text, metadata, sources.into()) })
}

fn complete(text: String, metadata: AnswerMetadata, sources: Arc<[Source]>) -> Outcome {
    Outcome {
        text,
        status: MessageStatus::Complete,
        metadata: serde_json::to_value(metadata).unwrap_or_default(),
        sources,
        usage: None,
        finish_reason: Some("stop".to_owned()),
        failure: None,
    }
}

/// Asks the model and passes its filtered text on.
async fn ask(
    inner: &Inner,
    task: &Task,
    stream: &Arc<AnswerStream>,
    target: &Target,
    prompt: &[PromptMessage],
    mut metadata: AnswerMetadata,
    started_at: Instant,
) -> Result<Outcome, Error> {
    metadata.mode = "model";
    let sources = stream.sources();
    let result = tokio::select! {
        result = inner.resources.models.ask(target, prompt, target.answer_tokens) => result,
        () = stream.stopped().cancelled() => return Ok(broken_off(stream, metadata, None)),
    };
    let mut pieces = match result {
        Ok(pieces) => pieces,
        Err(failure) => return fall_back(inner, task, stream, sources, metadata, failure).await,
    };
    let mut filter = Filter::new(sources.len());
    let mut is_first = true;
    let failure = loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            () = stream.stopped().cancelled() => {
                stream.push(&filter.finish());
                metadata.dropped_citations = filter.dropped();
                return Ok(with_citations(broken_off(stream, metadata, None), &filter.cited()));
            }
        };
        match piece {
            None => break None,
            Some(Err(failure)) => break Some(failure),
            Some(Ok(text)) => {
                if is_first {
                    is_first = false;
                    record_seconds("first_text", started_at);
                }
                stream.push(&filter.push(&text));
            }
        }
    };
    stream.push(&filter.finish());
    metadata.dropped_citations = filter.dropped();
    if let Some(failure) = failure {
        if stream.text_bytes() == 0 {
            return fall_back(inner, task, stream, sources, metadata, failure).await;
        }
        return Ok(with_citations(broken_off(stream, metadata, Some(failure)), &filter.cited()));
    }
    if stream.text_bytes() == 0 {
        let failure = ModelError::empty_answer(&target.name);
        return fall_back(inner, task, stream, sources, metadata, failure).await;
    }
    let text = stream.text();
    let excerpts: Vec<String> = sources.iter().map(|source| prompt::excerpt(source).to_owned()).collect();
    let support = support::check_support(&text, &excerpts);
    metadata.unsupported = support.unsupported;
    metadata.unjudged = support.unchecked;
    metadata.uncited = !sources.is_empty() && filter.cited().is_empty();
    let contents = prompt.iter().map(|message| message.content.as_str());
    metadata.usage = pieces.usage().or_else(|| Some(Usage::estimate(contents, &text)));
    metadata.finish_reason = finish_reason(&pieces);
    let (usage, finish_reason) = (metadata.usage, metadata.finish_reason.clone());
    let outcome = Outcome { usage, finish_reason, ..complete(text, metadata, sources) };
    Ok(with_citations(outcome, &filter.cited()))
}

fn finish_reason(pieces: &TextStream) -> Option<String> {
    pieces.finish_reason().map(|reason| reason.chars().take(40).collect())
}

/// Answers with the passages in place of a model that failed. Without sources the failure is returned.
async fn fall_back(
    inner: &Inner,
    task: &Task,
    stream: &AnswerStream,
    sources: Arc<[Source]>,
    metadata: AnswerMetadata,
    failure: ModelError,
) -> Result<Outcome, Error> {
    if sources.is_empty() {
        return Err(Error::Model(failure));
    }
    let mut sources = sources.to_vec();
    let quoted = fallback::quoted_numbers(&sources);
    mark_cited(&mut sources, &quoted);
    quote_passages(inner, task, stream, sources, metadata, Some(failure)).await
}

/// Returns the outcome of an answer that was stopped or broke off.
fn broken_off(stream: &AnswerStream, mut metadata: AnswerMetadata, failure: Option<ModelError>) -> Outcome {
    metadata.error = failure.as_ref().map(|failure| failure.text.clone());
    let status = if failure.is_some() || stream.is_closing() {
        MessageStatus::Interrupted
    } else {
        MessageStatus::Stopped
    };
    Outcome { status, failure, ..complete(stream.text(), metadata, stream.sources()) }
}

fn with_citations(outcome: Outcome, numbers: &[i32]) -> Outcome {
    let mut sources = outcome.sources.to_vec();
    mark_cited(&mut sources, numbers);
    Outcome { sources: sources.into(), ..outcome }
}

fn mark_cited(sources: &mut [Source], numbers: &[i32]) {
    for source in sources {
        source.cited = numbers.contains(&source.number);
    }
}
