//! From a file to full text: what each set of the corpus costs.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::time::sleep;

use super::memory;
use crate::corpus::SETS;
use crate::figures::{Table, count, less, megabytes, more, plain, wall};
use crate::lab::{Lab, WHOLE, rest, watched};
use crate::process;
use crate::server::Server;

/// The table of the sets.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    let mut tables: Vec<Table> = lab.whole().await?.iter().take(1).cloned().collect();
    tables.push(by_command(lab).await?);
    Ok(tables)
}

/// Makes the whole library, set by set; what it cost in time and in memory.
pub(crate) async fn make(lab: &Lab) -> anyhow::Result<Vec<Table>> {
    let mut table = Table::new(
        "Ingest, over HTTP",
        "From the first byte sent until full text finds every passage; embedding is off. CPU of server, readers and \
         PostgreSQL. `afterwards` is what the three use in the 3 s that follow, above nothing.",
    );
    lab.program.forget(WHOLE).await?;
    let server = lab.program.start(WHOLE, false).await?;
    let mut memory = memory::Watch::begin(&server).await?;
    for set in SETS {
        let documents = lab.corpus.documents(set)?;
        let ((), cpu, seconds, most) = watched(&server, server.add(set, &documents)).await?;
        let ended = server.cpu();
        rest().await;
        let afterwards = (server.cpu() - ended).sum();
        memory.peak(most);
        let (passages, _) = server.counts(set).await?;
        let size = megabytes(documents.iter().map(|document| document.bytes).sum());
        let whole = less("CPU-s", cpu.sum());
        table.row(
            set,
            vec![
                plain("documents", count(documents.len())),
                plain("MB", size),
                plain("passages", count(passages)),
                if set == "html-postgresql" { whole.target(1.5) } else { whole },
                less("server", cpu.server),
                less("readers", cpu.readers),
                less("PostgreSQL", cpu.postgres),
                plain("afterwards", afterwards),
                more("MB/CPU-s", size / cpu.sum()),
                more("passages/CPU-s", count(passages) / cpu.sum()),
                wall("wall s", seconds),
            ],
        );
    }
    let memory = memory.end(&server).await?;
    server.stop().await?;
    Ok(vec![table, memory])
}

/// The same pages by `wenyuan add`, without a server and beside one: the command's own processor time counts.
async fn by_command(lab: &Lab) -> anyhow::Result<Table> {
    const SET: &str = "html-postgresql";
    let mut table = Table::new(
        "Ingest, by `wenyuan add`",
        "The same pages into a new library by the command, whose own CPU and that of its readers counts.",
    );
    lab.program.forget("command").await?;
    let server = lab.program.start("command", false).await?;
    rest().await;
    let (cpu, begun) = (server.cpu(), Instant::now());
    let mut command = tokio::process::Command::new(&lab.program.binary)
        .args(["add", "--library", SET, "--version", "1"])
        .arg(lab.corpus.set_folder(SET))
        .env("WENYUAN_DATA_DIR", server.data())
        .env("WENYUAN_EMBEDDING", "none")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Looked at while it runs: what its readers used is lost with them when it does not wait for their end.
    let process = command.id().context("wenyuan add has ended at once")?;
    let mut own = 0.0_f64;
    let status = loop {
        own = own.max(process::cpu_of_tree(process));
        if let Some(status) = command.try_wait()? {
            break status;
        }
        sleep(Duration::from_millis(10)).await;
    };
    ensure!(status.success(), "wenyuan add failed");
    server.until_searchable().await?;
    let used = server.cpu() - cpu;
    let whole = used.sum() + own;
    table.row(
        "html-postgresql, beside a server",
        vec![
            less("CPU-s", whole).target(1.5),
            less("command and its readers", own),
            less("server and its readers", used.server + used.readers),
            less("PostgreSQL", used.postgres),
            wall("wall s", begun.elapsed().as_secs_f64()),
        ],
    );
    passages_must_be_there(&server).await?;
    server.stop().await?;
    lab.program.forget("command").await?;
    Ok(table)
}

async fn passages_must_be_there(server: &Server) -> anyhow::Result<()> {
    let (passages, _) = server.counts("html-postgresql").await?;
    ensure!(passages > 0, "wenyuan add has added nothing");
    Ok(())
}
