//! How many passages get their vectors in a second of processor time: the model alone, and through the product.

use std::time::Instant;

use anyhow::Context as _;
use embedding::Model;

use super::memory;
use crate::corpus::SMALL;
use crate::figures::{Table, count, less, more, plain, wall};
use crate::lab::{Lab, WITH_VECTORS, rest, say, watched};

/// The length of a passage that the target is about, in tokens.
const TOKENS: f64 = 210.0;

/// The model alone, and through the product.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    let mut table = Table::new(
        "Embedding",
        "The crate's example on its passages of about 210 tokens; and the server on the small sets, CPU of server and \
         PostgreSQL, whose passages are shorter, hence the column for as many tokens as 210 would be.",
    );
    say("measuring the model alone");
    let output = tokio::process::Command::new(lab.examples.join("measure")).arg(&lab.model).output().await?;
    let example: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("the embedding crate's example says nothing")?;
    let number = |name: &str| example[name].as_f64().with_context(|| format!("no {name}"));
    let passages = number("passages_per_cpu_s")?;
    table.row(
        "the model alone",
        vec![
            plain("tokens/passage", number("tokens_per_passage")?),
            more("passages/CPU-s", passages),
            more("passages of 210 tokens/CPU-s", number("tokens_per_cpu_s")? / TOKENS).target(16.0),
            less("question CPU-ms", number("query_cpu_ms")?),
        ],
    );
    table.rows.extend(lab.with_vectors().await?.iter().take(1).flat_map(|made| made.rows.clone()));
    Ok(vec![table])
}

/// Makes the library with vectors: full text first, then, by a server with the model, the vectors.
pub(crate) async fn make(lab: &Lab) -> anyhow::Result<Vec<Table>> {
    lab.program.forget(WITH_VECTORS).await?;
    let server = lab.program.start(WITH_VECTORS, false).await?;
    for set in SMALL {
        server.add(set, &lab.corpus.documents(set)?).await?;
    }
    rest().await;
    server.stop().await?;
    let server = lab.program.start(WITH_VECTORS, true).await?;
    let begun = Instant::now();
    server.until_model_is_there().await?;
    let loaded = server.start + begun.elapsed();
    let work = server.until_embedded(&SMALL);
    let (passages, cpu, seconds, most) = watched(&server, work).await?;
    let tokens = tokens(lab)?;
    let mut table = Table::new("made", "");
    table.row(
        "through the server",
        vec![
            plain("passages", count(passages)),
            plain("tokens/passage", tokens / count(passages)),
            plain("CPU-s", cpu.sum()),
            plain("of it PostgreSQL", cpu.postgres),
            more("passages/CPU-s", count(passages) / cpu.sum()),
            more("passages of 210 tokens/CPU-s", tokens / TOKENS / cpu.sum()).target(16.0),
            wall("wall s", seconds),
            wall("start until the model is loaded, s", loaded.as_secs_f64()),
        ],
    );
    rest().await;
    let mut memory =
        Table::new("Memory with the model, MB", "The small sets with their vectors; the model is loaded.");
    memory.row("peak while vectors are made", memory::figures(most));
    memory.row("at rest after it", memory::figures(server.memory()));
    server.stop().await?;
    Ok(vec![table, memory])
}

/// Tokens of all passages as they are embedded: with the headings above them and the model's own marks.
fn tokens(lab: &Lab) -> anyhow::Result<f64> {
    let model = Model::load(&lab.model)?;
    let mut tokens = 0;
    for set in SMALL {
        for (_, passage) in lab.corpus.passages(set)? {
            let text = format!("{}\n{}", passage.headings.join(" › "), passage.content);
            tokens += model.count_tokens(&text) + 4;
        }
    }
    Ok(count(tokens))
}
