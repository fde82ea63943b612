//! What a search costs through HTTP: by words in the whole corpus, and by words and meaning where there are vectors.

use crate::figures::Table;
use crate::lab::{Lab, WHOLE, WITH_VECTORS};
use crate::load::ask;
use crate::server::Door;

/// Questions of each kind from each set.
const EACH: usize = 50;
/// How often known questions are asked again.
const ROUNDS: usize = 4;

/// Full text, then hybrid.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    Ok(vec![full_text(lab).await?, hybrid(lab).await?])
}

async fn full_text(lab: &mut Lab) -> anyhow::Result<Table> {
    lab.whole().await?;
    let questions = lab.questions(EACH)?;
    let texts: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
    let (warming, texts) = texts.split_at(20);
    let mut table = Table::new(
        "Search by words, over HTTP",
        "Headings and first sentences of the whole corpus as questions, English and Chinese, all libraries, limit 10, \
         kept connections. CPU-ms a query. `first asked`: the passages come from PostgreSQL; `again`: they are \
         remembered.",
    );
    let server = lab.program.start(WHOLE, false).await?;
    ask(&server, warming, Door::Rest("text"), 8, 1).await?;
    for (subject, connections, rounds) in [
        ("first asked, 1 connection", 1, 1),
        ("again, 1 connection", 1, ROUNDS),
        ("again, 8 connections", 8, ROUNDS),
    ] {
        let mut load = ask(&server, texts, Door::Rest("text"), connections, rounds).await?;
        table.row(subject, load.figures(Some(0.2)));
    }
    server.stop().await?;
    Ok(table)
}

async fn hybrid(lab: &mut Lab) -> anyhow::Result<Table> {
    lab.with_vectors().await?;
    let questions = lab.questions_of_small(2 * EACH)?;
    let texts: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
    let (warming, texts) = texts.split_at(20);
    let (one, other) = texts.split_at(texts.len() / 2);
    let mut table = Table::new(
        "Search by words and meaning, over HTTP",
        "The small sets, whose vectors are all made. `new` questions must be embedded; `again`: their vectors are \
         remembered.",
    );
    let server = lab.program.start(WITH_VECTORS, true).await?;
    server.until_model_is_there().await?;
    ask(&server, warming, Door::Rest("hybrid"), 8, 1).await?;
    for (subject, questions, connections, rounds, target) in [
        ("new, 1 connection", one, 1, 1, 6.0),
        ("new, 8 connections", other, 8, 1, 6.0),
        ("again, 1 connection", texts, 1, ROUNDS, 0.4),
        ("again, 8 connections", texts, 8, ROUNDS, 0.4),
    ] {
        let mut load = ask(&server, questions, Door::Rest("hybrid"), connections, rounds).await?;
        table.row(subject, load.figures(Some(target)));
    }
    let mut load = ask(&server, texts, Door::Rest("text"), 1, ROUNDS).await?;
    table.row("by words alone, 1 connection", load.figures(None));
    server.stop().await?;
    Ok(table)
}
