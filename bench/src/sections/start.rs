//! Start-up time with warm file caches.

use crate::figures::{Figure, Table, info, lower_is_better, quantile, wall_time};
use crate::harness::{CORPUS_DATA, Harness};
use crate::server::Server;

/// Number of starts of each kind.
const STARTS: usize = 10;

/// Measures starts on the library of the whole corpus, with PostgreSQL stopped and with it running.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    harness.corpus_library().await?;
    let mut table = Table::new(
        "Start",
        "From the start of the process until /readyz answers 200, on the whole corpus; ten times. CPU of the server and of \
         the commands that start PostgreSQL.",
    );
    let mut starts = Starts::default();
    for _ in 0..harness.scale.repetitions(STARTS) {
        let server = harness.program.start(CORPUS_DATA, false).await?;
        starts.record(&server);
        server.stop().await?;
    }
    table.row("PostgreSQL stopped before", starts.figures());
    let mut starts = Starts::default();
    harness.program.start(CORPUS_DATA, false).await?.crash().await?;
    for _ in 0..harness.scale.repetitions(STARTS) {
        let server = harness.program.start(CORPUS_DATA, false).await?;
        starts.record(&server);
        server.crash().await?;
    }
    harness.program.start(CORPUS_DATA, false).await?.stop().await?;
    table.row("PostgreSQL running, server killed before", starts.figures());
    Ok(vec![table])
}

/// Times of several starts.
#[derive(Default)]
struct Starts {
    seconds: Vec<f64>,
    cpu: Vec<f64>,
}

impl Starts {
    fn record(&mut self, server: &Server) {
        let cpu = server.cpu();
        self.seconds.push(server.start.as_secs_f64());
        self.cpu.push(cpu.server + cpu.readers);
    }

    fn figures(&mut self) -> Vec<Figure> {
        vec![
            wall_time("median s", quantile(&mut self.seconds, 0.5)).target(1.0),
            info("fastest s", quantile(&mut self.seconds, 0.0)),
            info("slowest s", quantile(&mut self.seconds, 1.0)),
            lower_is_better("median CPU-s", quantile(&mut self.cpu, 0.5)),
        ]
    }
}
