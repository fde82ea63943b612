//! Cost of ingest, from the file to the full-text index, for each set of the corpus.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::time::sleep;

use super::memory;
use crate::corpus::SETS;
use crate::figures::{Table, count, higher_is_better, info, lower_is_better, megabytes, wall_time};
use crate::harness::{CORPUS_DATA, Harness, measure_usage};
use crate::process;
use crate::server::Server;

/// Measures ingest over HTTP and by the command line.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    let mut tables: Vec<Table> = harness.corpus_library().await?.iter().take(1).cloned().collect();
    tables.push(measure_command(harness).await?);
    Ok(tables)
}

/// Creates the library of the whole corpus, set by set. Returns the tables of time and memory.
pub(crate) async fn create_library(harness: &Harness) -> anyhow::Result<Vec<Table>> {
    let mut table = Table::new(
        "Ingest, over HTTP",
        "From the first byte sent until the full-text index contains every passage; embedding is off. CPU of server, readers \
         and PostgreSQL. `afterwards` is the CPU of the three in the following 3 s.",
    );
    harness.program.remove_data(CORPUS_DATA).await?;
    let server = harness.program.start(CORPUS_DATA, false).await?;
    let mut memory = memory::MemoryRecorder::begin(harness.scale, &server).await?;
    for set in SETS {
        let documents = harness.corpus.documents(set)?;
        let ((), cpu, seconds, peak) = measure_usage(&server, server.add(set, &documents)).await?;
        let cpu_at_end = server.cpu();
        harness.scale.settle().await;
        let afterwards = (server.cpu() - cpu_at_end).sum();
        memory.record_peak(peak);
        let (passages, _) = server.counts(set).await?;
        let size = megabytes(documents.iter().map(|document| document.bytes).sum());
        let total = lower_is_better("CPU-s", cpu.sum());
        table.row(
            set,
            vec![
                info("documents", count(documents.len())),
                info("MB", size),
                info("passages", count(passages)),
                if set == "html-postgresql" { total.target(1.5) } else { total },
                lower_is_better("server", cpu.server),
                lower_is_better("readers", cpu.readers),
                lower_is_better("PostgreSQL", cpu.postgres),
                info("afterwards", afterwards),
                higher_is_better("MB/CPU-s", size / cpu.sum()),
                higher_is_better("passages/CPU-s", count(passages) / cpu.sum()),
                wall_time("wall s", seconds),
            ],
        );
    }
    let memory = memory.end(&server).await?;
    server.stop().await?;
    Ok(vec![table, memory])
}

/// Measures `wenyuan add` while a server is running, including the processor time of the command.
async fn measure_command(harness: &Harness) -> anyhow::Result<Table> {
    const SET: &str = "html-postgresql";
    let mut table = Table::new(
        "Ingest, by `wenyuan add`",
        "The same pages added to a new library by the command; includes the CPU of the command and its readers.",
    );
    harness.program.remove_data("command").await?;
    let server = harness.program.start("command", false).await?;
    harness.scale.settle().await;
    let (cpu, start) = (server.cpu(), Instant::now());
    let mut command = tokio::process::Command::new(&harness.program.binary)
        .args(["add", "--library", SET, "--version", "1"])
        .arg(harness.corpus.set_folder(SET))
        .env("WENYUAN_DATA_DIR", server.data())
        .env("WENYUAN_EMBEDDING", "none")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Sampled while it runs: the time of readers for which the command does not wait is lost at its end.
    let process = command.id().context("wenyuan add exited immediately")?;
    let mut own = 0.0_f64;
    let status = loop {
        own = own.max(process::cpu_of_tree(process));
        if let Some(status) = command.try_wait()? {
            break status;
        }
        sleep(Duration::from_millis(10)).await;
    };
    ensure!(status.success(), "wenyuan add failed");
    server.wait_until_searchable().await?;
    let used = server.cpu() - cpu;
    let total = used.sum() + own;
    table.row(
        "html-postgresql, beside a server",
        vec![
            lower_is_better("CPU-s", total).target(1.5),
            lower_is_better("command and its readers", own),
            lower_is_better("server and its readers", used.server + used.readers),
            lower_is_better("PostgreSQL", used.postgres),
            wall_time("wall s", start.elapsed().as_secs_f64()),
        ],
    );
    ensure_passages(&server).await?;
    server.stop().await?;
    harness.program.remove_data("command").await?;
    Ok(table)
}

async fn ensure_passages(server: &Server) -> anyhow::Result<()> {
    let (passages, _) = server.counts("html-postgresql").await?;
    ensure!(passages > 0, "wenyuan add added no passages");
    Ok(())
}
