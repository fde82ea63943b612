//! Test support: temporary databases and folders, the real program as a child process, documents built in code,
//! third-party programs, and a scripted language model.
//!
//! Everything is removed or killed when its value is dropped. Other crates of the workspace are not among this crate's
//! dependencies, so that each of them can test itself with it.
//!
//! ```no_run
//! use testkit::TestApp;
//!
//! # async fn example() {
//! let app = TestApp::new("target/debug/wenyuan").await;         // in a test: env!("CARGO_BIN_EXE_wenyuan")
//! let server = app.serve().await;                               // running and ready
//! server.add("fastify", "5.2.1", "a.md", "# A").await;          // uploaded, and found by searches
//! let found = server.search(&[("q", "a")]).await;
//! assert_eq!(found["hits"][0]["path"], "a.md");
//! app.run(&["libraries"]).await.succeeded();                    // the command line on the same installation
//! # }
//! ```

mod app;
mod collector;
mod conformance;
mod database;
pub mod documents;
mod fuzz;
mod html;
pub mod language_model;
mod llama;
mod mail;
mod page_client;
mod people;
mod process;
mod programs;
mod redis;
mod server;

use std::time::{Duration, Instant};

pub use app::{TestApp, children, kill_process};
pub use collector::{Collector, ReceivedSpan};
pub use conformance::{ConformanceRun, run_conformance_suite};
pub use database::Database;
pub use fuzz::fuzz;
pub use html::HtmlPage;
pub use language_model::{Answer, ChatRequest, Gate, LanguageModel};
pub use llama::LlamaServer;
pub use mail::MailServer;
pub use page_client::PageClient;
pub use people::{PASSWORD, Person};
pub use programs::{Program, Run};
pub use redis::Redis;
pub use server::{Reply, Server, each};

/// Creates a temporary folder.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Folder of the bundled PostgreSQL programs.
pub fn postgres_programs() -> std::path::PathBuf {
    variable("WENYUAN_POSTGRES").into()
}

/// Number of files under a folder, at any depth.
pub fn files_under(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| {
        entries
            .flatten()
            .map(|entry| if entry.path().is_dir() { files_under(&entry.path()) } else { 1 })
            .sum()
    })
}

/// Time in which a condition that should hold soon must hold, on a machine busy with other tests.
pub const SOON: Duration = Duration::from_secs(30);

/// Polls `ask` until it returns a value. Panics with `what` after [`SOON`].
pub async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    within(SOON, what, ask).await
}

/// Polls `ask` until it returns a value. Panics with `what` after `time`.
pub async fn within<T>(time: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < time, "{what} did not happen in {time:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads an environment variable that `./test` sets.
fn variable(name: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "./test passes the paths of programs in the environment")]
    let value = std::env::var(name);
    value.unwrap_or_else(|_| panic!("{name} is not set: run the tests with ./test"))
}
