//! How much of the documents' words is kept, and how often the right document is found.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::corpus::Question;
use crate::figures::{Figure, Table, count, more, plain};
use crate::lab::{Lab, WHOLE, WITH_VECTORS, say};
use crate::server::Server;

/// Words first, then what is found.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    let words = words(lab).await?;
    let found = found(lab).await?;
    Ok(vec![words, found])
}

/// By the measures of the crate `extract`, which parse the originals with other programs than it does.
async fn words(lab: &Lab) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Words kept",
        "Share of the words of the originals that the extracted text has: of HTML pages without navigation (parsed by \
         another parser), of PDF as poppler reads it (`of the body`: without contents pages and running lines).",
    );
    say("counting words of HTML");
    for set in ["html-postgresql", "html-javadoc", "html-debref-zh"] {
        let output = example(&lab.examples.join("recall"), &lab.corpus.set_folder(set)).await?;
        let line = output.lines().next().context("the example `recall` says nothing")?;
        let after = |label: &str| {
            let rest = line.split_once(label).with_context(|| format!("no {label:?} in {line}"))?.1;
            anyhow::Ok(rest.split([',', ' ']).next().unwrap_or_default().parse::<f64>()?)
        };
        table.row(
            set,
            vec![
                more("recall", after(", recall ")?).target(0.995),
                plain("worst page", after(", least ")?),
                more("in passages or headings", after(", in passages ")?),
            ],
        );
    }
    say("counting words of PDF");
    let output = example(&lab.examples.join("pdf_recall"), &lab.corpus.set_folder("pdf")).await?;
    for line in output.lines() {
        let figures: Value = serde_json::from_str(line)?;
        let number = |name: &str| figures[name].as_f64().unwrap_or(0.0);
        let file = figures["file"].as_str().unwrap_or("a file that cannot be read");
        table.row(
            file,
            vec![
                plain("recall", number("recall")),
                more("of the body", number("recall_body")),
                more("of distinct words", number("recall_distinct")),
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

async fn found(lab: &mut Lab) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "The right document found",
        "Known items: a heading, or the first words of a passage, that stands in one document alone is the question, \
         and that document the answer; all libraries are searched, 10 results, at most two of a document. The words \
         stand in the document, which favours full text; two pages may answer a heading equally well, and one counts.",
    );
    // Kept beside the libraries, for who wants to know what went wrong.
    let mut misses = String::from("how\tquestion\tright document\tplace\tfirst found\n");
    lab.with_vectors().await?;
    let questions = lab.questions_of_small(150)?;
    let server = lab.program.start(WITH_VECTORS, true).await?;
    server.until_model_is_there().await?;
    for (mode, name) in [("text", "words"), ("vector", "meaning"), ("hybrid", "both")] {
        rows(&server, &questions, mode, &format!("small sets, by {name}"), &mut table, &mut misses).await?;
    }
    server.stop().await?;
    lab.whole().await?;
    // The Chinese handbook is there as HTML and as PDF: either would be right.
    let mut questions = lab.questions(100)?;
    questions.retain(|question| !["pdf", "html-debref-zh"].contains(&question.library.as_str()));
    let server = lab.program.start(WHOLE, false).await?;
    rows(&server, &questions, "text", "whole corpus, by words", &mut table, &mut misses).await?;
    server.stop().await?;
    std::fs::write(lab.program.work.join("misses.tsv"), misses)?;
    Ok(table)
}

async fn rows(
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

/// The place of the right document among the results, from 1; and the document that comes first.
async fn rank(server: &Server, question: &Question, mode: &str) -> anyhow::Result<(Option<usize>, String)> {
    let answer: Value = server.search(&question.text, mode).await?.json().await?;
    ensure!(
        answer["mode"] == mode,
        "searched by {} instead of {mode}: {}",
        answer["mode"],
        answer["notices"]
    );
    let hits = answer["hits"].as_array().context("an answer without hits")?;
    let name = |hit: &Value| {
        format!(
            "{}/{}",
            hit["library"].as_str().unwrap_or_default(),
            hit["path"].as_str().unwrap_or_default()
        )
    };
    let right = format!("{}/{}", question.library, question.path);
    let place = hits.iter().position(|hit| name(hit) == right);
    Ok((place.map(|place| place + 1), hits.first().map(name).unwrap_or_default()))
}

fn figures(ranks: &[Option<usize>]) -> Vec<Figure> {
    let mean = |value: fn(usize) -> f64| {
        ranks.iter().flatten().map(|rank| value(*rank)).sum::<f64>() / count(ranks.len())
    };
    vec![
        plain("questions", count(ranks.len())),
        more("recall@1", mean(|rank| f64::from(u8::from(rank <= 1)))),
        more("recall@5", mean(|rank| f64::from(u8::from(rank <= 5)))),
        more("recall@10", mean(|_| 1.0)),
        more("MRR@10", mean(|rank| 1.0 / count(rank))),
        // One right answer: the ideal gain is 1.
        more("nDCG@10", mean(|rank| 1.0 / (count(rank) + 1.0).log2())),
    ]
}
