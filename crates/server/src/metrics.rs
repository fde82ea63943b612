//! Metrics: their definitions, the Prometheus recorder, and the gauges that are refreshed on a timer.
//!
//! Each metric that any crate emits is defined in [`METRICS`]. `docs/reference/metrics.md` is generated from it, and tests
//! check that sources and a running server emit no other metrics.

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;
use tokio::task::JoinHandle;

/// Upper bounds of the histogram buckets, in seconds.
const BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Interval at which jobs are counted.
const JOB_GAUGE_INTERVAL: Duration = Duration::from_secs(10);

/// Definition of a metric.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Labels, each with its values if they are few.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the generated reference"))]
    pub(crate) labels: &'static [(&'static str, &'static str)],
    pub(crate) description: &'static str,
}

/// Type of a metric, as Prometheus names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

const fn counter(
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
    description: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Counter, labels, description }
}

const fn gauge(
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
    description: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, description }
}

const fn histogram(
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
    description: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, description }
}

/// All metrics. Histograms are in seconds.
pub(crate) const METRICS: &[Metric] = &[
    counter(
        "wenyuan_http_requests_total",
        &[("method", ""), ("route", "the pattern of the path"), ("status", "")],
        "HTTP requests",
    ),
    histogram(
        "wenyuan_http_request_seconds",
        &[("route", "the pattern of the path")],
        "Time until the response headers",
    ),
    counter(
        "wenyuan_connections_refused_total",
        &[],
        "Connections closed at once because their address had its share",
    ),
    counter(
        "wenyuan_mcp_requests_total",
        &[("method", ""), ("tool", ""), ("outcome", "`ok`, `refused`, `failed`")],
        "MCP requests",
    ),
    histogram(
        "wenyuan_mcp_request_seconds",
        &[("method", ""), ("tool", "")],
        "Time to answer an MCP request",
    ),
    histogram(
        "wenyuan_statement_seconds",
        &[("statement", "its name, `thing.verb`")],
        "Time of a database statement",
    ),
    gauge("wenyuan_pool_connections", &[("state", "`idle`, `active`")], "Pooled database connections"),
    gauge("wenyuan_pool_connections_max", &[], "Maximum number of pooled database connections"),
    counter(
        "wenyuan_pool_exhausted_total",
        &[],
        "Requests that found no free database connection in time; absent until the first",
    ),
    counter(
        "wenyuan_cache_lookups_total",
        &[
            ("cache", "`keys`, `sessions`, `post_likes`"),
            ("level", "`local`, `redis`, `database`"),
            ("outcome", "`hit`, `miss`, `stale`, `error`"),
        ],
        "Cache look-ups; each level is used when the previous one has no hit",
    ),
    counter(
        "wenyuan_cache_invalidations_total",
        &[("cache", "`keys`, `sessions`, `post_likes`"), ("scope", "`key`, `namespace`, `all`")],
        "Cache invalidations that this node applied; `all` at each reconnection to the notifications",
    ),
    gauge(
        "wenyuan_cache_entries",
        &[("cache", "`keys`, `sessions`, `post_likes`")],
        "Cache entries in the process",
    ),
    gauge(
        "wenyuan_cache_listening",
        &[],
        "1 while cache invalidations are received, else 0: then values are cached for two seconds",
    ),
    counter("wenyuan_cache_redis_failures_total", &[], "Failures of Redis; the database was used instead"),
    gauge(
        "wenyuan_tasks",
        &[],
        "Live asynchronous tasks: about one for each open connection, and a few permanent ones",
    ),
    gauge(
        "wenyuan_jobs",
        &[("kind", ""), ("state", "`waiting`, `running`, `dead`")],
        "Jobs, counted every ten seconds",
    ),
    histogram("wenyuan_job_seconds", &[("kind", "")], "Time to run a batch of jobs"),
    gauge(
        "wenyuan_index_changes_behind",
        &[],
        "Committed changes that the full-text index does not contain yet",
    ),
    gauge(
        "wenyuan_index_stalled",
        &[],
        "1 while the full-text index is behind and nobody brings it up to date, because another program holds its lock",
    ),
    histogram("wenyuan_index_commit_seconds", &[], "Time of a commit of the full-text index"),
    histogram(
        "wenyuan_search_seconds",
        &[("stage", "`scope`, `text`, `embed`, `vector`, `read`, `whole`")],
        "Time of a search, by stage",
    ),
    counter(
        "wenyuan_graphql_n_plus_one_total",
        &[("field", "type and field")],
        "GraphQL requests in which a field ran the same statement more than five times: a read for each node of a list",
    ),
    counter(
        "wenyuan_misses_dropped_total",
        &[],
        "Searches without results that were not recorded for the work list, because too many came at once",
    ),
    histogram("wenyuan_read_seconds", &[], "Time to parse a document"),
    counter(
        "wenyuan_documents_read_total",
        &[("outcome", "`completed`, `failed`, `skipped`")],
        "Documents parsed by this process",
    ),
    counter(
        "wenyuan_requests_run_again_total",
        &[],
        "Requests run once more after PostgreSQL had rolled their transaction back for another one",
    ),
    counter("wenyuan_passages_embedded_total", &[], "Passages embedded by this process"),
    histogram("wenyuan_embedding_seconds", &[], "Time to embed a batch of up to 32 passages"),
    counter(
        "wenyuan_model_questions_total",
        &[("outcome", "`begun`, `busy`, `unreachable`, `refused`, `timed_out`, `broke_off`, `unreadable`")],
        "Requests to language models",
    ),
    counter(
        "wenyuan_trace_exports_total",
        &[("outcome", "`sent`, `lost`")],
        "Batches of spans exported to the collector",
    ),
    counter(
        "wenyuan_backups_total",
        &[("outcome", "`succeeded`, `failed`")],
        "Backups that this process wrote on schedule, or failed to",
    ),
    gauge(
        "wenyuan_backup_last_timestamp_seconds",
        &[],
        "Time of the state that the newest backup restores, in seconds since 1970: what was written since would be lost",
    ),
    gauge("wenyuan_backup_last_duration_seconds", &[], "Time to write the newest backup"),
    gauge(
        "wenyuan_backup_last_bytes",
        &[],
        "Bytes of the newest backup, objects that it shares with others included",
    ),
    gauge(
        "wenyuan_backup_verified_timestamp_seconds",
        &[],
        "Time of the state that the newest verified backup restores, in seconds since 1970",
    ),
    gauge(
        "wenyuan_backup_verified_duration_seconds",
        &[],
        "Time to restore and check the newest verified backup",
    ),
    gauge(
        "wenyuan_backups_failed",
        &[],
        "Backups whose verification has not succeeded, or whose manifest cannot be read",
    ),
    gauge("wenyuan_backup_repository_bytes", &[], "Bytes of the repository"),
    counter(
        "wenyuan_drills_total",
        &[("outcome", "`passed`, `degraded`, `failed`")],
        "Drills that this process carried out as jobs",
    ),
    gauge("wenyuan_drill_timestamp_seconds", &[], "Time of the newest drill, in seconds since 1970"),
    gauge(
        "wenyuan_drill_passed",
        &[],
        "Whether the newest drill passed every check within its targets: 1 or 0",
    ),
    gauge(
        "wenyuan_drill_rpo_seconds",
        &[],
        "Age of the last recoverable state in the newest drill; NaN if it did not get so far",
    ),
    gauge(
        "wenyuan_drill_rto_seconds",
        &[],
        "Time until the restored library answered in the newest drill; NaN if it did not",
    ),
    gauge(
        "wenyuan_backup_wal_timestamp_seconds",
        &[],
        "Time until which everything that was committed is in the repository, in seconds since 1970: what was written since would be lost",
    ),
    gauge(
        "wenyuan_backup_wal_kept_bytes",
        &[],
        "Bytes of write-ahead log that PostgreSQL keeps until they are in the repository; beyond WENYUAN_BACKUP_WAL_LIMIT_MIB they are given up",
    ),
    counter(
        "wenyuan_backup_wal_segments_total",
        &[],
        "Segments of the write-ahead log that this process stored",
    ),
    counter(
        "wenyuan_backup_wal_failures_total",
        &[],
        "Failed attempts to store the write-ahead log; the next one stores it, as long as it is kept",
    ),
    counter(
        "wenyuan_backup_wal_gaps_total",
        &[],
        "Times that write-ahead log was given up before it was stored: recovery past it begins with the next backup",
    ),
    counter(
        "wenyuan_social_writing_refused_total",
        &[("kind", "`post`, `comment`, `like`, `follow`, `message`, `report`")],
        "Texts refused because their author had written too many in a short time",
    ),
    counter(
        "wenyuan_mail_digests_total",
        &[("outcome", "`sent`, `failed`, `empty`: all was read or is not visible any more")],
        "Mails about notifications; `failed` counts attempts",
    ),
    counter(
        "wenyuan_social_counters_repaired_total",
        &[],
        "Counters that `wenyuan recount` found wrong and repaired",
    ),
    counter("wenyuan_answers_total", &[("mode", ""), ("status", "")], "Answers written"),
    histogram(
        "wenyuan_answer_seconds",
        &[("stage", "`search`, `before_model`, `first_text`, `whole`")],
        "Time of an answer, by stage",
    ),
];

/// Installs the recorder; the handle renders the page that Prometheus reads.
///
/// # Errors
///
/// Fails if a recorder is installed already.
pub(crate) fn start() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .install_recorder()?;
    for metric in METRICS {
        let Metric { name, description, .. } = *metric;
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(name, description),
            Kind::Gauge => metrics::describe_gauge!(name, description),
            Kind::Histogram => {
                metrics::describe_histogram!(name, metrics::Unit::Seconds, description);
            }
        }
    }
    Ok(handle)
}

/// Spawns the task that counts jobs.
pub(crate) fn spawn_job_gauges(pool: PgPool) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(JOB_GAUGE_INTERVAL);
        let mut previous: Vec<(String, &'static str)> = Vec::new();
        loop {
            tick.tick().await;
            let Ok(counts) = store::jobs::inspect::counts(&pool).await else { continue };
            // A state without jobs is not among the counts.
            for (kind, state) in &previous {
                metrics::gauge!("wenyuan_jobs", "kind" => kind.clone(), "state" => *state).set(0.0);
            }
            previous.clear();
            for (kind, state, count) in counts {
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                let count = count as f64;
                metrics::gauge!("wenyuan_jobs", "kind" => kind.clone(), "state" => state.as_str()).set(count);
                previous.push((kind, state.as_str()));
            }
        }
    })
}
