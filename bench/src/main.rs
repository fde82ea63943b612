//! Benchmark of Wenyuan, started by `bench/run`. README.md explains the figures.
#![expect(clippy::print_stdout, reason = "the report goes to standard output")]

mod corpus;
mod figures;
mod harness;
mod load;
mod process;
mod sections;
mod server;
mod smoke;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use crate::corpus::Corpus;
use crate::figures::{Report, Table};
use crate::harness::{Harness, Scale, progress};
use crate::sections::{
    apis, chats, community, connections, embed, growth, ingest, memory, pages, recall, search, start,
};
use crate::server::Program;

/// Measure Wenyuan on real documents
#[derive(Debug, Parser)]
#[command(name = "bench/run")]
struct Arguments {
    /// Sections to run; all by default
    #[arg(value_enum, value_name = "SECTION")]
    sections: Vec<Section>,

    /// Folder of the corpus, created by bench/corpus.sh
    #[arg(long, env = "WENYUAN_CORPUS", required_unless_present = "smoke")]
    corpus: Option<PathBuf>,

    /// Run every section once on a tiny generated corpus, to check that it works; no figures are reported
    #[arg(long, conflicts_with = "baseline")]
    smoke: bool,

    /// Compare with baseline.json, fail if a figure is more than 1.3 times worse, otherwise update it
    #[arg(long)]
    baseline: bool,

    /// Folder for the data folders of the servers
    #[arg(long, env = "WENYUAN_BENCH_DIR")]
    work: PathBuf,

    /// Folder of the build, with the programs and the examples
    #[arg(long, env = "WENYUAN_PROGRAMS")]
    programs: PathBuf,

    /// File of the embedding model
    #[arg(long, env = "WENYUAN_MODEL")]
    model: PathBuf,

    /// Folder with the programs of the bundled PostgreSQL
    #[arg(long, env = "WENYUAN_POSTGRES")]
    postgres: PathBuf,

    /// Name of the result files
    #[arg(long, env = "WENYUAN_STAMP", default_value = "latest")]
    stamp: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    Ingest,
    Embed,
    Search,
    Memory,
    Start,
    Growth,
    Recall,
    Apis,
    Chats,
    Pages,
    Connections,
    Community,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let scale = if arguments.smoke { Scale::Smoke } else { Scale::Full };
    let corpus = match &arguments.corpus {
        Some(folder) if !arguments.smoke => Corpus::open(folder)?,
        _ => smoke::create_corpus(&arguments.work.join("generated-corpus"))?,
    };
    let mut report = Report { machine: process::machine(), corpus: corpus.fingerprint(), tables: Vec::new() };
    let program = Program { binary: arguments.programs.join("wenyuan"), work: arguments.work, scale };
    let mut harness = Harness::new(
        corpus,
        program,
        arguments.model,
        arguments.postgres,
        arguments.programs.join("examples"),
    );
    let all = Section::value_variants();
    let sections = if arguments.sections.is_empty() { all } else { &arguments.sections };
    let mut failed = false;
    for section in sections {
        progress(&format!("{section:?}").to_lowercase());
        // A failed section must not lose the figures of the others.
        match measure(*section, &mut harness).await {
            Ok(tables) => report.tables.extend(tables),
            Err(error) => {
                progress(&format!("section {section:?} failed: {error:#}"));
                failed = true;
            }
        }
    }
    if arguments.smoke {
        let outcome = if failed { "failed" } else { "passed" };
        progress(&format!(
            "smoke run {outcome}: {} sections, {} tables",
            sections.len(),
            report.tables.len()
        ));
        return Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let baseline = read_baseline(&folder.join("baseline.json"))?;
    let (comparison, has_regression) = match &baseline {
        Some(baseline) => report.compare(baseline),
        None => (String::new(), false),
    };
    let markdown = report.markdown() + &comparison;
    println!("{markdown}");
    let results = folder.join("results");
    std::fs::create_dir_all(&results)?;
    std::fs::write(results.join(format!("{}.md", arguments.stamp)), &markdown)?;
    std::fs::write(
        results.join(format!("{}.json", arguments.stamp)),
        serde_json::to_string_pretty(&report)?,
    )?;
    if arguments.baseline && !has_regression && !failed {
        let report = report.merged_into(baseline);
        std::fs::write(folder.join("baseline.json"), serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(if has_regression || failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(section: Section, harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    match section {
        Section::Ingest => ingest::measure(harness).await,
        Section::Embed => embed::measure(harness).await,
        Section::Search => search::measure(harness).await,
        Section::Memory => memory::measure(harness).await,
        Section::Start => start::measure(harness).await,
        Section::Growth => growth::measure(harness).await,
        Section::Recall => recall::measure(harness).await,
        Section::Apis => apis::measure(harness).await,
        Section::Chats => chats::measure(harness).await,
        Section::Pages => pages::measure(harness).await,
        Section::Connections => connections::measure(harness).await,
        Section::Community => community::measure(harness).await,
    }
}

fn read_baseline(path: &Path) -> anyhow::Result<Option<Report>> {
    match std::fs::read(path) {
        Ok(json) => Ok(Some(serde_json::from_slice(&json).context("failed to parse baseline.json")?)),
        Err(_absent) => Ok(None),
    }
}
