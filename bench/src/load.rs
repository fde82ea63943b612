//! Questions put to a server over connections that stay open, and what they cost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::figures::{Figure, count, less, more, plain, quantile, wall};
use crate::process::Shares;
use crate::server::{Door, Server};

/// What a number of questions cost.
pub(crate) struct Load {
    questions: usize,
    cpu: Shares,
    seconds: f64,
    /// Milliseconds of each.
    times: Vec<f64>,
}

/// Puts each question `rounds` times, over this many connections at once.
pub(crate) async fn ask(
    server: &Server,
    questions: &[&str],
    door: Door<'_>,
    connections: usize,
    rounds: usize,
) -> anyhow::Result<Load> {
    let (next, all) = (AtomicUsize::new(0), questions.len() * rounds);
    let (cpu, begun) = (server.cpu(), Instant::now());
    let connection = || async {
        let mut times = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= all {
                return anyhow::Ok(times);
            }
            let begun = Instant::now();
            server.ask(questions[place % questions.len()], door).await?.bytes().await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    };
    let times = futures::future::try_join_all((0..connections).map(|_| connection())).await?.concat();
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), server.cpu() - cpu);
    Ok(Load { questions: all, cpu, seconds, times })
}

impl Load {
    /// This and another of the same kind, as one.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.questions += other.questions;
        self.cpu = self.cpu + other.cpu;
        self.seconds += other.seconds;
        self.times.extend(other.times);
        self
    }

    /// Processor time of a question, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        self.cpu.sum() * 1e3 / count(self.questions)
    }

    /// The time, in milliseconds, within which this share of the questions was answered.
    pub(crate) fn time(&mut self, share: f64) -> f64 {
        quantile(&mut self.times, share)
    }

    /// The figures of a row. CPU is milliseconds a question.
    pub(crate) fn figures(&mut self, target: Option<f64>) -> Vec<Figure> {
        let each = |seconds: f64| seconds * 1e3 / count(self.questions);
        let cpu = less("CPU-ms", self.cpu_ms());
        vec![
            plain("queries", count(self.questions)),
            target.into_iter().fold(cpu, Figure::target),
            less("server", each(self.cpu.server)),
            less("PostgreSQL", each(self.cpu.postgres)),
            wall("p50 ms", self.time(0.5)),
            wall("p99 ms", self.time(0.99)),
            Figure { judged: false, ..more("requests/s", count(self.questions) / self.seconds) },
        ]
    }
}
