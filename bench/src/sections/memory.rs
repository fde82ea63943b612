//! Memory at rest and at the peak of an ingest. The watch is kept while the whole library is made.

use crate::figures::{Figure, Table, less};
use crate::lab::{Lab, rest};
use crate::process::Shares;
use crate::server::Server;

/// The table of the whole library, and of the one with vectors.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    let mut table = lab.whole().await?.iter().skip(1).take(1).cloned().collect::<Vec<_>>();
    table.extend(lab.with_vectors().await?.iter().skip(1).cloned());
    Ok(table)
}

/// Watches a server from an empty library on.
pub(crate) struct Watch {
    rest: Shares,
    most: Shares,
}

impl Watch {
    pub(crate) async fn begin(server: &Server) -> anyhow::Result<Self> {
        rest().await;
        Ok(Self { rest: server.memory(), most: Shares::default() })
    }

    /// Takes note of the most that was seen during a piece of work.
    pub(crate) fn peak(&mut self, most: Shares) {
        self.most = self.most.max(most);
    }

    pub(crate) async fn end(self, server: &Server) -> anyhow::Result<Table> {
        let cpu = server.cpu();
        rest().await;
        let idle = (server.cpu() - cpu).sum() / 3.0 * 1e3;
        let mut table = Table::new(
            "Memory, MB",
            "Proportional set size: shared pages count once. The peaks of the three need not be of the same moment. \
             `idle` is CPU-ms a second with nobody asking.",
        );
        table.row("empty library", figures(self.rest));
        table.row("peak while the corpus is read", figures(self.most));
        let mut after = figures(server.memory());
        after.push(less("idle CPU-ms/s", idle));
        table.row("at rest after it", after);
        Ok(table)
    }
}

/// A row of memory.
pub(crate) fn figures(memory: Shares) -> Vec<Figure> {
    vec![
        less("together", memory.sum()),
        less("server", memory.server),
        less("readers", memory.readers),
        less("PostgreSQL", memory.postgres),
    ]
}
