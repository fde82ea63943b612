//! Ingest and search as the library grows.

use crate::corpus::{Document, shuffle};
use crate::figures::{Table, count, info, lower_is_better, wall_time};
use crate::harness::{Harness, measure_usage, progress};
use crate::load::run_queries;
use crate::sections::memory;
use crate::server::SearchApi;
use crate::server::{Program, Server};

/// Data folder of this section.
const DATA: &str = "growth";
/// Sizes of the library, in passages.
const SIZES: [usize; 3] = [10_000, 100_000, 300_000];
/// Number of documents added at once.
const CHUNK_DOCUMENTS: usize = 400;
/// Sets that are copied.
const COPIED_SETS: [&str; 6] =
    ["html-postgresql", "html-javadoc", "html-debref-zh", "md-fastify", "md-npm", "txt-man-zh"];

/// Measures full-text search at each size, and the ingest of the last documents before it.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    let mut table = Table::new(
        "Growth",
        "The prose of the corpus, shuffled, and copied to as many libraries as needed; all of them are searched. Ingest is \
         that of the last 400 documents before the size is reached; search as above, 1 connection, after a restart.",
    );
    let questions = harness.questions(50)?;
    let texts: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
    let (warm_up, texts) = texts.split_at(20.min(texts.len() / 2));
    harness.program.remove_data(DATA).await?;
    let mut server = harness.program.start(DATA, false).await?;
    let mut copies = Copies::new(harness)?;
    for &size in harness.scale.choose(&SIZES[..], &[20]) {
        progress(&format!("growing to {size} passages"));
        let ingest = copies.grow(&server, size).await?;
        harness.scale.settle().await;
        server = restart(server, &harness.program).await?;
        run_queries(&server, warm_up, SearchApi::Rest("text"), 8, 1).await?;
        let first = run_queries(&server, texts, SearchApi::Rest("text"), 1, 1).await?.cpu_ms();
        let mut load =
            run_queries(&server, texts, SearchApi::Rest("text"), 1, harness.scale.repetitions(4)).await?;
        let memory = memory::figures(server.memory()).swap_remove(0);
        table.row(
            &format!("{} k", size / 1000),
            vec![
                info("passages", count(copies.passages())),
                lower_is_better("ingest CPU-ms/passage", ingest * 1e3),
                lower_is_better("first CPU-ms", first).target(0.2),
                lower_is_better("repeated CPU-ms", load.cpu_ms()).target(0.2),
                wall_time("p50 ms", load.latency(0.5)),
                wall_time("p99 ms", load.latency(0.99)),
                lower_is_better("memory MB", memory.value),
                wall_time("start s", server.start.as_secs_f64()),
            ],
        );
    }
    server.stop().await?;
    harness.program.remove_data(DATA).await?;
    Ok(vec![table])
}

async fn restart(server: Server, program: &Program) -> anyhow::Result<Server> {
    server.stop().await?;
    program.start(DATA, false).await
}

/// Endless supply of documents: the same ones again in further libraries.
struct Copies {
    documents: Vec<Document>,
    /// Number of documents added so far.
    added: usize,
    /// Number of passages of each library so far.
    sizes: Vec<usize>,
}

impl Copies {
    fn new(harness: &Harness) -> anyhow::Result<Self> {
        let mut documents = Vec::new();
        for set in COPIED_SETS {
            let set_documents = harness.corpus.documents(set)?.into_iter();
            documents.extend(set_documents.map(|document| {
                let path = format!("{set}/{}", document.path);
                Document { path, ..document }
            }));
        }
        shuffle(&mut documents);
        Ok(Self { documents, added: 0, sizes: Vec::new() })
    }

    fn passages(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// Adds documents until there are `size` passages. Returns the processor time per passage of the last chunk, in seconds.
    async fn grow(&mut self, server: &Server, size: usize) -> anyhow::Result<f64> {
        let mut last = 0.0;
        while self.passages() < size {
            let (copy, from) = (self.added / self.documents.len(), self.added % self.documents.len());
            let chunk = &self.documents[from..(from + CHUNK_DOCUMENTS).min(self.documents.len())];
            let library = format!("copy-{copy}");
            let ((), cpu, _, _) = measure_usage(server, server.add(&library, chunk)).await?;
            self.added += chunk.len();
            let before = self.passages();
            self.sizes.resize(copy + 1, 0);
            self.sizes[copy] = server.counts(&library).await?.0;
            last = cpu.sum() / count(self.passages() - before);
        }
        Ok(last)
    }
}
