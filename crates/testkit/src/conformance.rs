//! The official conformance suite of the Model Context Protocol (`@modelcontextprotocol/conformance`).

use std::path::Path;

use crate::Program;

/// Outcome of a run of the suite.
#[derive(Debug)]
pub struct ConformanceRun {
    /// Exit code of the suite: 0 if all scored scenarios passed.
    pub code: i32,
    /// Name of each scenario, and whether it passed.
    pub scenarios: Vec<(String, bool)>,
    /// All that the suite printed.
    pub output: String,
}

/// Runs the suite's scenarios of a revision of the protocol against the MCP server at `url`. `with_key` is the Node module that
/// adds `key` to every request.
pub async fn run_conformance_suite(with_key: &Path, url: &str, key: &str, revision: &str) -> ConformanceRun {
    let run = Program::node_package_after(with_key, "@modelcontextprotocol/conformance/dist/index.js")
        .set("WENYUAN_TEST_KEY", key)
        .with(&["server", "--url", url, "--requirements", revision])
        .run()
        .await;
    let summary = run.output.split_once("=== SUMMARY ===").map(|(_, after)| after).unwrap_or_default();
    let scenarios = summary.lines().filter_map(scenario).collect();
    ConformanceRun { code: run.code, scenarios, output: format!("{}\n{}", run.output, run.errors) }
}

/// Parses a line such as `✓ tools-list: 1 passed, 0 failed`.
fn scenario(line: &str) -> Option<(String, bool)> {
    let (mark, rest) = line.split_once(' ')?;
    let (name, _) = rest.split_once(':')?;
    match mark {
        "✓" => Some((name.to_owned(), true)),
        "✗" => Some((name.to_owned(), false)),
        _ => None,
    }
}
