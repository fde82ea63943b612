//! Memory at rest and at the peak of an ingest, recorded while the libraries are created.

use crate::figures::{Figure, Table, lower_is_better};
use crate::harness::{Harness, SETTLE, Scale};
use crate::process::Usage;
use crate::server::Server;

/// Returns the memory tables of the two libraries.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    let mut table = harness.corpus_library().await?.iter().skip(1).take(1).cloned().collect::<Vec<_>>();
    table.extend(harness.embedded_library().await?.iter().skip(1).cloned());
    Ok(table)
}

/// Memory of a server from an empty library to the end of an ingest.
pub(crate) struct MemoryRecorder {
    scale: Scale,
    empty: Usage,
    peak: Usage,
}

impl MemoryRecorder {
    /// Records the memory of an empty library.
    pub(crate) async fn begin(scale: Scale, server: &Server) -> anyhow::Result<Self> {
        scale.settle().await;
        Ok(Self { scale, empty: server.memory(), peak: Usage::default() })
    }

    /// Records the peak of a piece of work.
    pub(crate) fn record_peak(&mut self, peak: Usage) {
        self.peak = self.peak.max(peak);
    }

    /// Records the memory at rest and returns the table.
    pub(crate) async fn end(self, server: &Server) -> anyhow::Result<Table> {
        let cpu = server.cpu();
        self.scale.settle().await;
        let idle = (server.cpu() - cpu).sum() / SETTLE.as_secs_f64() * 1e3;
        let mut table = Table::new(
            "Memory, MB",
            "Proportional set size: shared pages count once. The three peaks can be from different moments. `idle` is CPU-ms \
             per second without requests.",
        );
        table.row("empty library", figures(self.empty));
        table.row("peak while the corpus is read", figures(self.peak));
        let mut after = figures(server.memory());
        after.push(lower_is_better("idle CPU-ms/s", idle));
        table.row("at rest after it", after);
        Ok(table)
    }
}

/// Returns the figures of a row of memory.
pub(crate) fn figures(memory: Usage) -> Vec<Figure> {
    vec![
        lower_is_better("total", memory.sum()),
        lower_is_better("server", memory.server),
        lower_is_better("readers", memory.readers),
        lower_is_better("PostgreSQL", memory.postgres),
    ]
}
