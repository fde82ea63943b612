//! What becomes of ingest and search as the library grows.

use crate::corpus::{Document, shuffle};
use crate::figures::{Table, count, less, plain, wall};
use crate::lab::{Lab, say, watched};
use crate::load::ask;
use crate::sections::memory;
use crate::server::Door;
use crate::server::{Program, Server};

const DATA: &str = "growth";
const SIZES: [usize; 3] = [10_000, 100_000, 300_000];
/// Documents that are added at once.
const CHUNK: usize = 400;
/// The sets that are copied, in one order for all copies.
const COPIED: [&str; 6] =
    ["html-postgresql", "html-javadoc", "html-debref-zh", "md-fastify", "md-npm", "txt-man-zh"];

/// Full text at each size, and what reading the last documents before it has cost.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    let mut table = Table::new(
        "Growth",
        "The prose of the corpus, shuffled, as often as needed under other libraries' names; all of them are searched. \
         Ingest is that of the last 400 documents before the size is reached; search as above, 1 connection, by a \
         server started anew.",
    );
    let questions = lab.questions(50)?;
    let texts: Vec<&str> = questions.iter().map(|question| question.text.as_str()).collect();
    let (warming, texts) = texts.split_at(20);
    lab.program.forget(DATA).await?;
    let mut server = lab.program.start(DATA, false).await?;
    let mut copies = Copies::new(lab)?;
    for size in SIZES {
        say(&format!("growing to {size} passages"));
        let ingest = copies.grow(&server, size).await?;
        crate::lab::rest().await;
        server = again(server, &lab.program).await?;
        ask(&server, warming, Door::Rest("text"), 8, 1).await?;
        let first = ask(&server, texts, Door::Rest("text"), 1, 1).await?.cpu_ms();
        let mut load = ask(&server, texts, Door::Rest("text"), 1, 4).await?;
        let together = memory::figures(server.memory()).swap_remove(0);
        table.row(
            &format!("{} k", size / 1000),
            vec![
                plain("passages", count(copies.passages())),
                less("ingest CPU-ms/passage", ingest * 1e3),
                less("first asked CPU-ms", first).target(0.2),
                less("again CPU-ms", load.cpu_ms()).target(0.2),
                wall("p50 ms", load.time(0.5)),
                wall("p99 ms", load.time(0.99)),
                less("memory MB", together.value),
                wall("start s", server.start.as_secs_f64()),
            ],
        );
    }
    server.stop().await?;
    lab.program.forget(DATA).await?;
    Ok(vec![table])
}

async fn again(server: Server, program: &Program) -> anyhow::Result<Server> {
    server.stop().await?;
    program.start(DATA, false).await
}

/// Documents without end: the same ones again under another library's name.
struct Copies {
    documents: Vec<Document>,
    given: usize,
    /// Passages of each library so far.
    sizes: Vec<usize>,
}

impl Copies {
    fn new(lab: &Lab) -> anyhow::Result<Self> {
        let mut documents = Vec::new();
        for set in COPIED {
            let of_set = lab.corpus.documents(set)?.into_iter();
            documents.extend(of_set.map(|document| {
                let path = format!("{set}/{}", document.path);
                Document { path, ..document }
            }));
        }
        shuffle(&mut documents);
        Ok(Self { documents, given: 0, sizes: Vec::new() })
    }

    fn passages(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// Adds documents until there are as many passages; processor time a passage of the last ones.
    async fn grow(&mut self, server: &Server, size: usize) -> anyhow::Result<f64> {
        let mut last = 0.0;
        while self.passages() < size {
            let (copy, from) = (self.given / self.documents.len(), self.given % self.documents.len());
            let chunk = &self.documents[from..(from + CHUNK).min(self.documents.len())];
            let library = format!("copy-{copy}");
            let ((), cpu, _, _) = watched(server, server.add(&library, chunk)).await?;
            self.given += chunk.len();
            let before = self.passages();
            self.sizes.resize(copy + 1, 0);
            self.sizes[copy] = server.counts(&library).await?.0;
            last = cpu.sum() / count(self.passages() - before);
        }
        Ok(last)
    }
}
