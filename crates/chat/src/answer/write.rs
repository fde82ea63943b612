//! The task that writes an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::chain::Chain;
use library::search::Resolved;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::filter::Filter;
use super::gather::{self, Gathered};
use super::running::{Outcome, Running};
use super::{HISTORY, History, Inner, Kept, Task, compose, prompt, support};
use crate::Error;
use crate::messages::{self, Ending, Message};
use crate::models::Target;
use crate::models::client::{Failure, Pieces, Turn, Usage};
use crate::portable::Status;
use crate::source::Source;

/// What is assumed where there is no model: it decides how much is quoted.
const CONTEXT_TOKENS: usize = 8192;
const ANSWER_TOKENS: usize = 1024;
/// Tokens of a query made of a conversation.
const QUERY_TOKENS: usize = 80;
/// How long a model may take to make one; without it the words of the questions are searched.
const LONGEST_CONDENSING: Duration = Duration::from_secs(20);
/// How often what was written is kept, if there is more of it.
const KEEP: Duration = Duration::from_secs(1);
/// How often it is said that somebody is still at it.
const STILL: Duration = Duration::from_secs(4);
/// Tries to write down an end.
const TRIES: u32 = 5;

/// How an answer came about: the metadata of its message.
#[derive(Debug, Default, Serialize)]
struct Told {
    /// `model`, `passages` where these stand in for it, or `nothing_found`.
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    focus_mode: &'static str,
    /// What was searched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<Resolved>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
    /// Whether a model was given sources and cites none of them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    uncited: bool,
    /// Numbers that the model cited and that there are not.
    #[serde(skip_serializing_if = "is_zero")]
    dropped_citations: usize,
    /// Sentences that share no word with what they cite, as half-open ranges of characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unsupported: Vec<(usize, usize)>,
    /// Sentences whose sources are in another script and that could not be judged.
    #[serde(skip_serializing_if = "is_zero")]
    unjudged: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<String>,
    /// Why it broke off, or why passages stand in for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Writes an answer to its end, and keeps what there is of it meanwhile.
pub(super) async fn answer(inner: &Arc<Inner>, task: &Task, running: &Arc<Running>) -> Outcome {
    let begun = Instant::now();
    let written = {
        let work = write(inner, task, running, begun);
        tokio::select! {
            outcome = work => outcome,
            () = keep(inner, task, running) => Err(Error::Internal("the keeper of an answer ended".to_owned())),
        }
    };
    let outcome = written.unwrap_or_else(|error| {
        let text = if let Error::Model(failure) = &error {
            failure.text.clone()
        } else {
            tracing::error!(error = %Chain(&error), "an answer could not be made");
            "the answer could not be made because the server failed: ask again".to_owned()
        };
        let failure = if let Error::Model(failure) = error { Some(failure) } else { None };
        let told = json!({ "mode": "model", "focus_mode": task.focus.as_str(), "error": text });
        Outcome {
            text: running.text(),
            status: Status::Failed,
            metadata: told,
            sources: running.sources(),
            usage: None,
            finish_reason: None,
            failure,
        }
    });
    let mode = outcome.metadata.get("mode").and_then(Value::as_str).unwrap_or("model").to_owned();
    let status = format!("{:?}", outcome.status).to_lowercase();
    metrics::counter!("wenyuan_answers_total", "mode" => mode, "status" => status).increment(1);
    metrics::histogram!("wenyuan_answer_seconds", "stage" => "whole").record(begun.elapsed().as_secs_f64());
    outcome
}

/// Keeps what was written, says that somebody is at it, and hears whether it is to stop; until it is dropped.
async fn keep(inner: &Inner, task: &Task, running: &Running) {
    let Some(kept) = &task.kept else { return std::future::pending().await };
    let (mut written, mut at) = (0, Instant::now());
    loop {
        tokio::time::sleep(KEEP).await;
        if running.length() == written && at.elapsed() < STILL {
            continue;
        }
        let text = running.text();
        let told = async {
            let mut connection = store::postgres::acquire(&inner.with.pool).await?;
            messages::progress(&mut connection, kept.turn.answer, &text).await
        };
        match told.await {
            Ok(stop) => {
                (written, at) = (text.len(), Instant::now());
                if stop {
                    running.stop();
                }
            }
            Err(error) => tracing::warn!(error = %Chain(&error), "an answer's progress could not be kept"),
        }
    }
}

/// Writes down how an answer ended; tried several times, for this is what its asker comes back to.
pub(super) async fn end(pool: &PgPool, kept: &Kept, outcome: &Outcome) -> Result<(), Error> {
    let ending = Ending {
        text: outcome.text.clone(),
        status: outcome.status,
        metadata: outcome.metadata.clone(),
        cited: outcome.sources.iter().filter(|source| source.cited).map(|source| source.number).collect(),
    };
    let mut tries = 0;
    loop {
        let written = async {
            let mut connection = store::postgres::acquire(pool).await?;
            messages::end(&mut connection, kept.owner, kept.turn.answer, &ending).await
        };
        match written.await {
            Err(_passing) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(200 * u64::from(tries))).await;
            }
            other => return other,
        }
    }
}

async fn write(
    inner: &Arc<Inner>,
    task: &Task,
    running: &Arc<Running>,
    begun: Instant,
) -> Result<Outcome, Error> {
    let history = history(inner, task).await?;
    let mut told = Told { focus_mode: task.focus.as_str(), ..Told::default() };
    told.model = task.target.as_ref().map(|target| target.name.clone());
    let (context, most) = task
        .target
        .as_ref()
        .map_or((CONTEXT_TOKENS, ANSWER_TOKENS), |target| (target.context_tokens, target.answer_tokens));
    if task.focus == crate::focus::Focus::WritingAssistant {
        let Some(target) = &task.target else {
            return Err(Error::Model(Failure::none_is_set()));
        };
        running.set_sources(Arc::default());
        let turns = prompt::writing(&history, &task.question, context, most);
        return ask(inner, task, running, target, &turns, told, begun).await;
    }
    let words = prompt::joined(&history, &task.question);
    let condensed = condensed(inner, task, running, &history).await;
    let searching = Instant::now();
    let query = condensed.clone().unwrap_or_else(|| words.clone());
    let gathered = gather::all(inner, task, condensed.as_deref(), &words, running.stopped()).await?;
    if running.stopped().is_cancelled() {
        // What was not searched to its end says nothing of what there is.
        running.set_sources(Arc::default());
        return Ok(broken_off(running, told, None));
    }
    let Gathered { sources, nearest, notices, resolved } = gathered;
    metrics::histogram!("wenyuan_answer_seconds", "stage" => "search")
        .record(searching.elapsed().as_secs_f64());
    told.query = Some(query);
    told.notices = notices;
    told.resolved = resolved;
    let mut sources = prompt::pack(sources, &task.question, context, most);
    if sources.is_empty() {
        running.set_sources(Arc::default());
        told.mode = "nothing_found";
        let place =
            told.resolved.as_ref().map(|resolved| format!("{} {}", resolved.library, resolved.version));
        let text = compose::nothing(&task.question, place.as_deref(), &nearest);
        running.push(&text);
        return Ok(whole(text, told, Arc::default()));
    }
    let Some(target) = &task.target else {
        let shown = compose::shown(&sources);
        mark(&mut sources, &shown);
        return passages(inner, task, running, sources, told, None).await;
    };
    keep_sources(inner, task, &sources).await?;
    let sources: Arc<[Source]> = sources.into();
    running.set_sources(Arc::clone(&sources));
    let turns = prompt::answering(&history, &task.question, &sources, context, most);
    metrics::histogram!("wenyuan_answer_seconds", "stage" => "before_model")
        .record(begun.elapsed().as_secs_f64());
    ask(inner, task, running, target, &turns, told, begun).await
}

/// The conversation before the question.
async fn history(inner: &Inner, task: &Task) -> Result<Vec<Message>, Error> {
    match (&task.history, &task.kept) {
        (History::Kept(Some(above)), Some(kept)) => {
            let mut connection = store::postgres::acquire(&inner.with.pool).await?;
            let page =
                messages::branch(&mut connection, &kept.turn.chat, Some(*above), None, HISTORY).await?;
            Ok(page.items)
        }
        (History::Told(messages), _) => Ok(messages.iter().rev().take(HISTORY).rev().cloned().collect()),
        _ => Ok(Vec::new()),
    }
}

/// What a follow-up comes to after what was said before, as the model puts it in one query. Nothing where nothing was said
/// before, or no model says it.
async fn condensed(inner: &Inner, task: &Task, running: &Running, history: &[Message]) -> Option<String> {
    let target = task.target.as_ref().filter(|_| !history.is_empty())?;
    let turns = prompt::condensing(history, &task.question);
    let asked = async {
        let mut pieces = inner.with.models.ask(target, &turns, QUERY_TOKENS).await?;
        let mut text = String::new();
        while let Some(piece) = pieces.next().await {
            text.push_str(&piece?);
        }
        Ok::<_, Failure>(text)
    };
    let condensed = tokio::select! {
        condensed = tokio::time::timeout(LONGEST_CONDENSING, asked) => condensed.ok().and_then(Result::ok),
        () = running.stopped().cancelled() => None,
    };
    condensed.and_then(|text| prompt::condensed(&text))
}

async fn keep_sources(inner: &Inner, task: &Task, sources: &[Source]) -> Result<(), Error> {
    let Some(kept) = &task.kept else { return Ok(()) };
    let mut connection = store::postgres::acquire(&inner.with.pool).await?;
    messages::write_sources(&mut connection, kept.turn.answer, sources).await
}

/// The passages themselves.
async fn passages(
    inner: &Inner,
    task: &Task,
    running: &Running,
    sources: Vec<Source>,
    mut told: Told,
    failure: Option<Failure>,
) -> Result<Outcome, Error> {
    told.mode = "passages";
    told.error = failure.as_ref().map(|failure| failure.text.clone());
    let text = compose::passages(&task.question, &sources, failure.as_ref());
    if failure.is_none() {
        keep_sources(inner, task, &sources).await?;
        running.set_sources(sources.clone().into());
    }
    running.push(&text);
    Ok(Outcome { failure, ..whole(text, told, sources.into()) })
}

fn whole(text: String, told: Told, sources: Arc<[Source]>) -> Outcome {
    Outcome {
        text,
        status: Status::Complete,
        metadata: serde_json::to_value(told).unwrap_or_default(),
        sources,
        usage: None,
        finish_reason: Some("stop".to_owned()),
        failure: None,
    }
}

/// Asks the model and passes on what it writes.
async fn ask(
    inner: &Inner,
    task: &Task,
    running: &Arc<Running>,
    target: &Target,
    turns: &[Turn],
    mut told: Told,
    begun: Instant,
) -> Result<Outcome, Error> {
    told.mode = "model";
    let sources = running.sources();
    let asked = tokio::select! {
        asked = inner.with.models.ask(target, turns, target.answer_tokens) => asked,
        () = running.stopped().cancelled() => return Ok(broken_off(running, told, None)),
    };
    let mut pieces = match asked {
        Ok(pieces) => pieces,
        Err(failure) => return instead(inner, task, running, sources, told, failure).await,
    };
    let mut filter = Filter::new(sources.len());
    let mut is_first = true;
    let failure = loop {
        let piece = tokio::select! {
            piece = pieces.next() => piece,
            () = running.stopped().cancelled() => {
                running.push(&filter.finish());
                told.dropped_citations = filter.dropped();
                return Ok(cited(broken_off(running, told, None), &filter.cited()));
            }
        };
        match piece {
            None => break None,
            Some(Err(failure)) => break Some(failure),
            Some(Ok(text)) => {
                if is_first {
                    is_first = false;
                    metrics::histogram!("wenyuan_answer_seconds", "stage" => "first_text")
                        .record(begun.elapsed().as_secs_f64());
                }
                running.push(&filter.push(&text));
            }
        }
    };
    running.push(&filter.finish());
    told.dropped_citations = filter.dropped();
    if let Some(failure) = failure {
        if running.length() == 0 {
            return instead(inner, task, running, sources, told, failure).await;
        }
        return Ok(cited(broken_off(running, told, Some(failure)), &filter.cited()));
    }
    if running.length() == 0 {
        return instead(inner, task, running, sources, told, Failure::said_nothing(&target.name)).await;
    }
    let text = running.text();
    let quoted: Vec<String> = sources.iter().map(|source| prompt::given(source).to_owned()).collect();
    let judged = support::judge(&text, &quoted);
    told.unsupported = judged.unsupported;
    told.unjudged = judged.unjudged;
    told.uncited = !sources.is_empty() && filter.cited().is_empty();
    told.usage = pieces.usage();
    told.finish_reason = finish_reason(&pieces);
    let (usage, finish_reason) = (told.usage, told.finish_reason.clone());
    let outcome = Outcome { usage, finish_reason, ..whole(text, told, sources) };
    Ok(cited(outcome, &filter.cited()))
}

fn finish_reason(pieces: &Pieces) -> Option<String> {
    pieces.finish_reason().map(|reason| reason.chars().take(40).collect())
}

/// The passages in place of a model that did not answer; nothing where nothing was searched.
async fn instead(
    inner: &Inner,
    task: &Task,
    running: &Running,
    sources: Arc<[Source]>,
    told: Told,
    failure: Failure,
) -> Result<Outcome, Error> {
    if sources.is_empty() {
        return Err(Error::Model(failure));
    }
    let mut sources = sources.to_vec();
    let shown = compose::shown(&sources);
    mark(&mut sources, &shown);
    passages(inner, task, running, sources, told, Some(failure)).await
}

/// What there is of an answer that was stopped or broke off.
fn broken_off(running: &Running, mut told: Told, failure: Option<Failure>) -> Outcome {
    told.error = failure.as_ref().map(|failure| failure.text.clone());
    let status =
        if failure.is_some() || running.is_closing() { Status::Interrupted } else { Status::Stopped };
    Outcome { status, failure, ..whole(running.text(), told, running.sources()) }
}

fn cited(outcome: Outcome, numbers: &[i32]) -> Outcome {
    let mut sources = outcome.sources.to_vec();
    mark(&mut sources, numbers);
    Outcome { sources: sources.into(), ..outcome }
}

fn mark(sources: &mut [Source], numbers: &[i32]) {
    for source in sources {
        source.cited = numbers.contains(&source.number);
    }
}
