//! Cost of a search through HTTP: full text on the whole corpus, and hybrid on the sets with vectors.

use crate::figures::Table;
use crate::harness::{CORPUS_DATA, EMBEDDED_DATA, Harness};
use crate::load::run_queries;
use crate::server::SearchApi;

/// Number of questions of each kind from each set.
const QUESTIONS_PER_KIND: usize = 50;
/// Number of times that each question is repeated.
const ROUNDS: usize = 4;

/// Maximum number of questions that warm up the server before the measurement.
const MAX_WARM_UP_QUESTIONS: usize = 20;

/// Measures full text, then hybrid search.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    Ok(vec![full_text(harness).await?, hybrid(harness).await?])
}

async fn full_text(harness: &mut Harness) -> anyhow::Result<Table> {
    harness.corpus_library().await?;
    let questions = harness.questions(QUESTIONS_PER_KIND)?;
    let texts: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
    let (warm_up, texts) = texts.split_at(MAX_WARM_UP_QUESTIONS.min(texts.len() / 2));
    let mut table = Table::new(
        "Full-text search over HTTP",
        "Headings and first sentences of the whole corpus as questions, English and Chinese, all libraries, limit 10, \
         persistent connections. CPU-ms per query. `first`: the passages come from PostgreSQL; `repeated`: they are \
         cached.",
    );
    let server = harness.program.start(CORPUS_DATA, false).await?;
    run_queries(&server, warm_up, SearchApi::Rest("text"), 8, 1).await?;
    for (subject, connections, rounds) in [
        ("first, 1 connection", 1, 1),
        ("repeated, 1 connection", 1, harness.scale.repetitions(ROUNDS)),
        ("repeated, 8 connections", 8, harness.scale.repetitions(ROUNDS)),
    ] {
        let mut load = run_queries(&server, texts, SearchApi::Rest("text"), connections, rounds).await?;
        table.row(subject, load.figures(Some(0.2)));
    }
    server.stop().await?;
    Ok(table)
}

async fn hybrid(harness: &mut Harness) -> anyhow::Result<Table> {
    harness.embedded_library().await?;
    let questions = harness.small_set_questions(2 * QUESTIONS_PER_KIND)?;
    let texts: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
    let (warm_up, texts) = texts.split_at(MAX_WARM_UP_QUESTIONS.min(texts.len() / 2));
    let (first_half, second_half) = texts.split_at(texts.len() / 2);
    let rounds = harness.scale.repetitions(ROUNDS);
    let mut table = Table::new(
        "Hybrid search over HTTP",
        "The small sets, with all their vectors. `new` questions must be embedded; `repeated`: their vectors are cached.",
    );
    let server = harness.program.start(EMBEDDED_DATA, true).await?;
    server.wait_until_model_is_loaded().await?;
    run_queries(&server, warm_up, SearchApi::Rest("hybrid"), 8, 1).await?;
    for (subject, questions, connections, rounds, target) in [
        ("new, 1 connection", first_half, 1, 1, 6.0),
        ("new, 8 connections", second_half, 8, 1, 6.0),
        ("repeated, 1 connection", texts, 1, rounds, 0.4),
        ("repeated, 8 connections", texts, 8, rounds, 0.4),
    ] {
        let mut load =
            run_queries(&server, questions, SearchApi::Rest("hybrid"), connections, rounds).await?;
        table.row(subject, load.figures(Some(target)));
    }
    let mut load = run_queries(&server, texts, SearchApi::Rest("text"), 1, rounds).await?;
    table.row("full text only, 1 connection", load.figures(None));
    server.stop().await?;
    Ok(table)
}
