//! Embedding throughput per second of processor time: the model alone, and through the server.

use std::time::Instant;

use anyhow::Context as _;
use embedding::Model;

use super::memory;
use crate::corpus::SMALL_SETS;
use crate::figures::{Table, count, higher_is_better, info, lower_is_better, wall_time};
use crate::harness::{EMBEDDED_DATA, Harness, measure_usage, progress};

/// Length of a passage in the target, in tokens.
const TOKENS_PER_PASSAGE: f64 = 210.0;

/// Measures the model alone and through the server.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    let mut table = Table::new(
        "Embedding",
        "The example of the crate, on passages of about 210 tokens; and the server on the small sets, CPU of server and \
         PostgreSQL. Their passages are shorter, so one column converts tokens to passages of 210 tokens.",
    );
    progress("measuring the model alone");
    let factor = harness.scale.choose("1", "0.02");
    let output = tokio::process::Command::new(harness.examples.join("measure"))
        .arg(&harness.model)
        .arg(factor)
        .output()
        .await?;
    let example: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("the example `measure` printed no JSON")?;
    let number =
        |name: &str| example[name].as_f64().with_context(|| format!("the output of `measure` has no {name}"));
    let passages = number("passages_per_cpu_s")?;
    table.row(
        "the model alone",
        vec![
            info("tokens/passage", number("tokens_per_passage")?),
            higher_is_better("passages/CPU-s", passages),
            higher_is_better(
                "passages of 210 tokens/CPU-s",
                number("tokens_per_cpu_s")? / TOKENS_PER_PASSAGE,
            )
            .target(16.0),
            lower_is_better("question CPU-ms", number("query_cpu_ms")?),
        ],
    );
    table.rows.extend(harness.embedded_library().await?.iter().take(1).flat_map(|table| table.rows.clone()));
    Ok(vec![table])
}

/// Creates the library with vectors: first full text, then the vectors, by a server with the model.
pub(crate) async fn create_library(harness: &Harness) -> anyhow::Result<Vec<Table>> {
    harness.program.remove_data(EMBEDDED_DATA).await?;
    let server = harness.program.start(EMBEDDED_DATA, false).await?;
    for set in SMALL_SETS {
        server.add(set, &harness.corpus.documents(set)?).await?;
    }
    harness.scale.settle().await;
    server.stop().await?;
    let server = harness.program.start(EMBEDDED_DATA, true).await?;
    let started = Instant::now();
    server.wait_until_model_is_loaded().await?;
    let loaded = server.start + started.elapsed();
    let work = server.wait_until_embedded(&SMALL_SETS);
    let (passages, cpu, seconds, peak) = measure_usage(&server, work).await?;
    server.wait_until_hybrid().await?;
    let tokens = tokens(harness)?;
    let mut table = Table::new("Embedding through the server", "");
    table.row(
        "through the server",
        vec![
            info("passages", count(passages)),
            info("tokens/passage", tokens / count(passages)),
            info("CPU-s", cpu.sum()),
            info("of it PostgreSQL", cpu.postgres),
            higher_is_better("passages/CPU-s", count(passages) / cpu.sum()),
            higher_is_better("passages of 210 tokens/CPU-s", tokens / TOKENS_PER_PASSAGE / cpu.sum())
                .target(16.0),
            wall_time("wall s", seconds),
            wall_time("start until the model is loaded, s", loaded.as_secs_f64()),
        ],
    );
    harness.scale.settle().await;
    let mut memory =
        Table::new("Memory with the model, MB", "The small sets with their vectors; the model is loaded.");
    memory.row("peak while vectors are computed", memory::figures(peak));
    memory.row("at rest after it", memory::figures(server.memory()));
    server.stop().await?;
    Ok(vec![table, memory])
}

/// Counts the tokens of all passages as they are embedded: with their headings and the special tokens of the model.
fn tokens(harness: &Harness) -> anyhow::Result<f64> {
    let model = Model::load(&harness.model)?;
    let mut tokens = 0;
    for set in SMALL_SETS {
        for (_, passage) in harness.corpus.passages(set)? {
            let text = format!("{}\n{}", passage.headings.join(" › "), passage.content);
            tokens += model.count_tokens(&text) + 4;
        }
    }
    Ok(count(tokens))
}
