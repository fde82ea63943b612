//! Metrics: what is counted, and the page where Prometheus reads it.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tokio::task::JoinHandle;

/// Starts counting. The handle renders the page.
pub(crate) fn start() -> anyhow::Result<PrometheusHandle> {
    let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("wenyuan_http_requests_total", "Requests by method, route and status");
    describe_histogram!("wenyuan_http_request_seconds", "Time to answer, by route");
    describe_counter!("wenyuan_mcp_requests_total", "MCP requests by method, tool and outcome");
    describe_histogram!("wenyuan_mcp_request_seconds", "Time to answer an MCP request, by method and tool");
    describe_histogram!("wenyuan_statement_seconds", "Time of each database statement, by its name");
    describe_gauge!("wenyuan_pool_connections", "Database connections, by state");
    describe_gauge!("wenyuan_pool_connections_max", "Database connections at most");
    describe_counter!("wenyuan_pool_exhausted_total", "Requests that found no database connection in time");
    describe_counter!(
        "wenyuan_cache_lookups_total",
        "Answers of caches, by cache and by where they came from"
    );
    describe_counter!(
        "wenyuan_cache_redis_failures_total",
        "Failures of Redis, in whose place the database answered"
    );
    describe_gauge!("wenyuan_tasks", "Asynchronous tasks that are alive");
    describe_gauge!("wenyuan_jobs", "Jobs, by kind and state");
    describe_gauge!("wenyuan_index_changes_behind", "Changes that full text does not show yet");
    describe_histogram!("wenyuan_index_commit_seconds", "Time of each commit of the full-text index");
    describe_histogram!("wenyuan_search_seconds", "Time of a search, by stage");
    describe_histogram!("wenyuan_read_seconds", "Time to read a document");
    describe_counter!("wenyuan_documents_read_total", "Documents read, by outcome");
    describe_counter!("wenyuan_passages_embedded_total", "Passages given a vector");
    describe_histogram!("wenyuan_embedding_seconds", "Time to embed a batch of passages");
}

/// Keeps the gauges true that nobody sets in passing.
pub(crate) fn spawn_job_gauges(pool: PgPool) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_secs(10));
        let mut known: Vec<(String, &'static str)> = Vec::new();
        loop {
            tick.tick().await;
            let Ok(counts) = store::jobs::counts(&pool).await else { continue };
            // A state that has emptied is not among the counts any more.
            for (kind, state) in &known {
                metrics::gauge!("wenyuan_jobs", "kind" => kind.clone(), "state" => *state).set(0.0);
            }
            known.clear();
            for (kind, state, count) in counts {
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                let count = count as f64;
                metrics::gauge!("wenyuan_jobs", "kind" => kind.clone(), "state" => state.as_str()).set(count);
                known.push((kind, state.as_str()));
            }
        }
    })
}
