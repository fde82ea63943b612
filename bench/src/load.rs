//! Load: runs queries over persistent connections and measures their cost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::figures::{Figure, count, higher_is_better, info, lower_is_better, quantile, wall_time};
use crate::process::Usage;
use crate::server::{SearchApi, Server};

/// Cost of a number of queries.
pub(crate) struct Load {
    queries: usize,
    cpu: Usage,
    seconds: f64,
    /// Wall time of each query, in milliseconds.
    latencies: Vec<f64>,
}

/// Runs each query `rounds` times, over a number of concurrent connections.
pub(crate) async fn run_queries(
    server: &Server,
    questions: &[&str],
    api: SearchApi<'_>,
    connections: usize,
    rounds: usize,
) -> anyhow::Result<Load> {
    let (next, total) = (AtomicUsize::new(0), questions.len() * rounds);
    let (cpu, start) = (server.cpu(), Instant::now());
    let connection = || async {
        let mut latencies = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= total {
                return anyhow::Ok(latencies);
            }
            let start = Instant::now();
            server.search_through(questions[index % questions.len()], api).await?.bytes().await?;
            latencies.push(start.elapsed().as_secs_f64() * 1e3);
        }
    };
    let latencies = futures::future::try_join_all((0..connections).map(|_| connection())).await?.concat();
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), server.cpu() - cpu);
    Ok(Load { queries: total, cpu, seconds, latencies })
}

impl Load {
    /// Adds another load of the same kind.
    #[must_use]
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.queries += other.queries;
        self.cpu = self.cpu + other.cpu;
        self.seconds += other.seconds;
        self.latencies.extend(other.latencies);
        self
    }

    /// Returns the processor time per query, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.cpu.sum() * 1e3 / count(self.queries)
    }

    /// Returns a quantile of the wall times, in milliseconds.
    pub(crate) fn latency(&mut self, fraction: f64) -> f64 {
        quantile(&mut self.latencies, fraction)
    }

    /// Returns the figures of a table row. CPU is milliseconds per query.
    pub(crate) fn figures(&mut self, target: Option<f64>) -> Vec<Figure> {
        let each = |seconds: f64| seconds * 1e3 / count(self.queries);
        let cpu = lower_is_better("CPU-ms", self.cpu_ms());
        vec![
            info("queries", count(self.queries)),
            target.into_iter().fold(cpu, Figure::target),
            lower_is_better("server", each(self.cpu.server)),
            lower_is_better("PostgreSQL", each(self.cpu.postgres)),
            wall_time("p50 ms", self.latency(0.5)),
            wall_time("p99 ms", self.latency(0.99)),
            Figure { judged: false, ..higher_is_better("requests/s", count(self.queries) / self.seconds) },
        ]
    }
}
