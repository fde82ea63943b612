//! What tests share: databases and folders of their own, the real program, documents made in code.
//!
//! ```text
//! let place = Place::new(env!("CARGO_BIN_EXE_wenyuan")).await;    a data folder and a database, both gone at the end
//! let server = place.serve().await;                               the program, until it is ready
//! server.add("fastify", "5.2.1", "a.md", "# A").await;            over HTTP, until it can be found
//! let answer = server.search(&[("q", "a")]).await;
//! place.run(&["libraries"]).await.succeeded();                    the command line beside it
//! ```

mod database;
pub mod documents;
pub mod language_model;
mod llama;
mod mail;
mod people;
mod place;
mod programs;
mod redis;
mod server;
mod visitor;

use std::time::{Duration, Instant};

pub use database::Database;
pub use language_model::{Answer, Asked, Gate, LanguageModel};
pub use llama::LlamaServer;
pub use mail::MailServer;
pub use people::{PASSWORD, Person};
pub use place::{Place, Run, kill_process};
pub use programs::Program;
pub use redis::Redis;
pub use server::{Reply, Server, each};
pub use visitor::Visitor;

/// A folder that goes with the test.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// How many files lie under a folder.
pub fn files_under(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| {
        entries
            .flatten()
            .map(|entry| if entry.path().is_dir() { files_under(&entry.path()) } else { 1 })
            .sum()
    })
}

/// How long a condition may take that should hold soon, on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer. Panics with `what` when there is none in [`SOON`].
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(SOON, what, ask).await
}

/// Asks again and again until there is an answer. Panics with `what` when there is none in time.
pub async fn within<T>(time: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < time, "{what} did not happen in {time:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A variable that `./test` sets, or its caller.
fn variable(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "tests are told by ./test where their programs are")]
    let value = std::env::var(name);
    value.unwrap_or_else(|_| panic!("{name} is not set: run the tests with ./test"))
}
