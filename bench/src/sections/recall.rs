//! Quality: share of the words of documents that extraction keeps, and retrieval of known documents.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::corpus::Question;
use crate::figures::{Figure, Table, count, higher_is_better, info};
use crate::harness::{CORPUS_DATA, EMBEDDED_DATA, Harness, progress};
use crate::server::Server;

/// Measures word recall, then retrieval.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    Ok(vec![word_recall(harness).await?, retrieval(harness).await?])
}

/// Measures word recall with the examples of the crate `extract`, which parse the originals with other libraries.
async fn word_recall(harness: &Harness) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Word recall",
        "Share of the words of the originals that the extracted text contains: of HTML pages without navigation (parsed by \
         another parser), of PDF as poppler reads it (`of the body`: without tables of contents and running headers).",
    );
    progress("counting words of HTML");
    for set in ["html-postgresql", "html-javadoc", "html-debref-zh"] {
        let output = example(&harness.examples.join("recall"), &harness.corpus.set_folder(set)).await?;
        let line = output.lines().next().context("the example `recall` printed nothing")?;
        let after = |label: &str| {
            let rest = line
                .split_once(label)
                .with_context(|| format!("the output of `recall` has no {label:?}: {line}"))?
                .1;
            anyhow::Ok(rest.split([',', ' ']).next().unwrap_or_default().parse::<f64>()?)
        };
        table.row(
            set,
            vec![
                higher_is_better("recall", after(", recall ")?).target(0.995),
                info("worst page", after(", least ")?),
                higher_is_better("in passages or headings", after(", in passages ")?),
            ],
        );
    }
    progress("counting words of PDF");
    let output = example(&harness.examples.join("pdf_recall"), &harness.corpus.set_folder("pdf")).await?;
    for line in output.lines() {
        let figures: Value = serde_json::from_str(line)?;
        let number = |name: &str| figures[name].as_f64().unwrap_or(0.0);
        let file = figures["file"].as_str().unwrap_or("unreadable file");
        table.row(
            file,
            vec![
                info("recall", number("recall")),
                higher_is_better("of the body", number("recall_body")),
                higher_is_better("of distinct words", number("recall_distinct")),
            ],
        );
    }
    Ok(table)
}

async fn example(program: &Path, argument: &Path) -> anyhow::Result<String> {
    let output = tokio::process::Command::new(program).arg(argument).output().await?;
    ensure!(output.status.success(), "{} failed", program.display());
    Ok(String::from_utf8(output.stdout)?)
}

async fn retrieval(harness: &mut Harness) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Known-item retrieval",
        "The question is a heading, or the first words of a passage, that occurs in a single document, and that document is \
         the answer. All libraries are searched, 10 results, at first two per document. The words are from the document, \
         which favours full text; only one page counts, even if another answers a heading equally well.",
    );
    // Written to a file, for the analysis of misses.
    let mut misses = String::from("subject\tquestion\texpected document\trank\tfirst result\n");
    harness.embedded_library().await?;
    let questions = harness.small_set_questions(harness.scale.choose(150, 3))?;
    let server = harness.program.start(EMBEDDED_DATA, true).await?;
    server.wait_until_model_is_loaded().await?;
    for (mode, name) in [("text", "full text"), ("vector", "semantic"), ("hybrid", "hybrid")] {
        add_rows(&server, &questions, mode, &format!("small sets, {name}"), &mut table, &mut misses).await?;
    }
    server.stop().await?;
    harness.corpus_library().await?;
    // The Chinese handbook exists as HTML and as PDF, and either would be right.
    let mut questions = harness.questions(harness.scale.choose(100, 3))?;
    questions.retain(|question| !["pdf", "html-debref-zh"].contains(&question.library.as_str()));
    let server = harness.program.start(CORPUS_DATA, false).await?;
    add_rows(&server, &questions, "text", "whole corpus, full text", &mut table, &mut misses).await?;
    server.stop().await?;
    std::fs::write(harness.program.work.join("misses.tsv"), misses)?;
    Ok(table)
}

async fn add_rows(
    server: &Server,
    questions: &[Question],
    mode: &str,
    subject: &str,
    table: &mut Table,
    misses: &mut String,
) -> anyhow::Result<()> {
    for (is_chinese, language) in [(false, "English"), (true, "Chinese")] {
        for (is_heading, kind) in [(true, "headings"), (false, "first words")] {
            let of_kind =
                |question: &&Question| question.is_chinese == is_chinese && question.is_heading == is_heading;
            let mut ranks = Vec::new();
            for question in questions.iter().filter(of_kind) {
                let (rank, first) = rank(server, question, mode).await?;
                if rank != Some(1) {
                    let (text, right) = (&question.text, format!("{}/{}", question.library, question.path));
                    let _infallible = writeln!(misses, "{subject}\t{text}\t{right}\t{rank:?}\t{first}");
                }
                ranks.push(rank);
            }
            table.row(&format!("{subject}, {language} {kind}"), figures(&ranks));
        }
    }
    Ok(())
}

/// Returns the rank of the expected document, counted from 1, and the first result.
async fn rank(server: &Server, question: &Question, mode: &str) -> anyhow::Result<(Option<usize>, String)> {
    let answer: Value = server.search(&question.text, mode).await?.json().await?;
    ensure!(
        answer["mode"] == mode,
        "searched in the mode {} instead of {mode}: {}",
        answer["mode"],
        answer["notices"]
    );
    let hits = answer["hits"].as_array().context("the response has no hits")?;
    let name = |hit: &Value| {
        format!(
            "{}/{}",
            hit["library"].as_str().unwrap_or_default(),
            hit["path"].as_str().unwrap_or_default()
        )
    };
    let right = format!("{}/{}", question.library, question.path);
    let index = hits.iter().position(|hit| name(hit) == right);
    Ok((index.map(|index| index + 1), hits.first().map(name).unwrap_or_default()))
}

fn figures(ranks: &[Option<usize>]) -> Vec<Figure> {
    let mean = |value: fn(usize) -> f64| {
        ranks.iter().flatten().map(|rank| value(*rank)).sum::<f64>() / count(ranks.len())
    };
    vec![
        info("questions", count(ranks.len())),
        higher_is_better("recall@1", mean(|rank| f64::from(u8::from(rank <= 1)))),
        higher_is_better("recall@5", mean(|rank| f64::from(u8::from(rank <= 5)))),
        higher_is_better("recall@10", mean(|_| 1.0)),
        higher_is_better("MRR@10", mean(|rank| 1.0 / count(rank))),
        // With one relevant document the ideal gain is 1.
        higher_is_better("nDCG@10", mean(|rank| 1.0 / (count(rank) + 1.0).log2())),
    ]
}
