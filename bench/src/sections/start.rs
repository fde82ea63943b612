//! How long a start takes when everything is warm.

use crate::figures::{Figure, Table, less, plain, quantile, wall};
use crate::lab::{Lab, WHOLE};
use crate::server::Server;

const STARTS: usize = 10;

/// Starts on the whole library, with PostgreSQL to be started too and with it running already.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    lab.whole().await?;
    let mut table = Table::new(
        "Start",
        "From the start of the process until /readyz says so, on the whole corpus; ten times. CPU is that of the server \
         and of what it has run to start PostgreSQL.",
    );
    let mut starts = Starts::default();
    for _ in 0..STARTS {
        let server = lab.program.start(WHOLE, false).await?;
        starts.note(&server);
        server.stop().await?;
    }
    table.row("PostgreSQL stopped before", starts.figures());
    let mut starts = Starts::default();
    lab.program.start(WHOLE, false).await?.crash().await?;
    for _ in 0..STARTS {
        let server = lab.program.start(WHOLE, false).await?;
        starts.note(&server);
        server.crash().await?;
    }
    lab.program.start(WHOLE, false).await?.stop().await?;
    table.row("PostgreSQL running, server killed before", starts.figures());
    Ok(vec![table])
}

#[derive(Default)]
struct Starts {
    seconds: Vec<f64>,
    cpu: Vec<f64>,
}

impl Starts {
    fn note(&mut self, server: &Server) {
        let cpu = server.cpu();
        self.seconds.push(server.start.as_secs_f64());
        self.cpu.push(cpu.server + cpu.readers);
    }

    fn figures(&mut self) -> Vec<Figure> {
        vec![
            wall("median s", quantile(&mut self.seconds, 0.5)).target(1.0),
            plain("fastest s", quantile(&mut self.seconds, 0.0)),
            plain("slowest s", quantile(&mut self.seconds, 1.0)),
            less("median CPU-s", quantile(&mut self.cpu, 0.5)),
        ]
    }
}
