//! Measures Wenyuan: `bench/run` starts this with what it needs. README.md says what each figure means.
#![expect(clippy::print_stdout, reason = "the report goes to standard output")]

mod corpus;
mod figures;
mod lab;
mod load;
mod process;
mod sections;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use crate::corpus::Corpus;
use crate::figures::{Report, Table};
use crate::lab::{Lab, say};
use crate::sections::{chats, doors, embed, growth, ingest, memory, pages, recall, search, start};
use crate::server::Program;

/// Measure Wenyuan on real documents.
#[derive(Debug, Parser)]
#[command(name = "bench/run")]
struct Arguments {
    /// What to measure; everything where nothing is said.
    #[arg(value_enum, value_name = "SECTION")]
    sections: Vec<Section>,

    /// Folder of the corpus, made by bench/corpus.sh.
    #[arg(long, env = "WENYUAN_CORPUS")]
    corpus: PathBuf,

    /// Compare with baseline.json, fail on what is worse than 1.3 times, and, if nothing is, write it anew.
    #[arg(long)]
    baseline: bool,

    /// Folder for the libraries that are measured.
    #[arg(long, env = "WENYUAN_BENCH_DIR")]
    work: PathBuf,

    /// Folder of the release build.
    #[arg(long, env = "WENYUAN_RELEASE")]
    release: PathBuf,

    /// The embedding model.
    #[arg(long, env = "WENYUAN_MODEL")]
    model: PathBuf,

    /// Folder of the built-in PostgreSQL's programs.
    #[arg(long, env = "WENYUAN_POSTGRES")]
    postgres: PathBuf,

    /// Name of the results' files.
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
    Doors,
    Chats,
    Pages,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let corpus = Corpus::open(&arguments.corpus)?;
    let mut report = Report { machine: process::machine(), corpus: corpus.fingerprint(), tables: Vec::new() };
    let program = Program { binary: arguments.release.join("wenyuan"), work: arguments.work };
    let mut lab =
        Lab::new(corpus, program, arguments.model, arguments.postgres, arguments.release.join("examples"));
    let all = Section::value_variants();
    let sections = if arguments.sections.is_empty() { all } else { &arguments.sections };
    let mut failed = false;
    for section in sections {
        say(&format!("{section:?}").to_lowercase());
        // What was measured before is worth keeping.
        match measure(*section, &mut lab).await {
            Ok(tables) => report.tables.extend(tables),
            Err(error) => {
                say(&format!("{section:?} could not be measured: {error:#}"));
                failed = true;
            }
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let baseline = read_baseline(&folder.join("baseline.json"))?;
    let (comparison, worse) = match &baseline {
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
    if arguments.baseline && !worse && !failed {
        let report = report.over(baseline);
        std::fs::write(folder.join("baseline.json"), serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(if worse || failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(section: Section, lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    match section {
        Section::Ingest => ingest::measure(lab).await,
        Section::Embed => embed::measure(lab).await,
        Section::Search => search::measure(lab).await,
        Section::Memory => memory::measure(lab).await,
        Section::Start => start::measure(lab).await,
        Section::Growth => growth::measure(lab).await,
        Section::Recall => recall::measure(lab).await,
        Section::Doors => doors::measure(lab).await,
        Section::Chats => chats::measure(lab).await,
        Section::Pages => pages::measure(lab).await,
    }
}

fn read_baseline(path: &Path) -> anyhow::Result<Option<Report>> {
    match std::fs::read(path) {
        Ok(json) => Ok(Some(serde_json::from_slice(&json).context("baseline.json cannot be read")?)),
        Err(_absent) => Ok(None),
    }
}
