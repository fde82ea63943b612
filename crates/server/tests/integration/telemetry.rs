//! Telemetry: spans from the request to the statement, the trace context of callers, a collector that is away; metrics.

use std::time::{Duration, Instant};

use reqwest::Method;
use testkit::{Collector, TestApp, eventually};

use crate::PROGRAM;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_request_is_traced_down_to_its_statements() {
    let collector = Collector::start().await;
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_OTLP_ENDPOINT", collector.url());
    let server = app.serve().await;
    server.add("traced", "1", "a.md", "# A\n\nThe hushword.").await;
    let search = server
        .request(Method::GET, "/api/v1/search", &[("q", "hushword"), ("library", "traced")])
        .header("x-request-id", "of-the-test")
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(server.send(search).await.status, 200);
    // The last spans are sent when the server stops; the log is read before.
    eventually("the request's log line", async || {
        let log = server.log();
        let line =
            log.lines().find(|line| line.contains("of-the-test") && line.contains("http.status=200"))?;
        assert!(line.contains(&format!("trace.id={TRACE}")), "{line}");
        Some(())
    })
    .await;
    server.stop().await;
    let spans =
        collector.spans_of(TRACE, |spans| spans.iter().any(|span| span.name == "GET /api/v1/search")).await;
    let request = spans.iter().find(|span| span.name == "GET /api/v1/search").expect("the request");
    assert_eq!((request.parent_id.as_str(), request.kind), (CALLER, 2), "{request:?}");
    let attribute = |name: &str| request.attributes.get(name).map(String::as_str);
    assert_eq!(attribute("http.response.status_code"), Some("200"), "{request:?}");
    assert_eq!(attribute("http.route"), Some("/api/v1/search"), "{request:?}");
    assert_eq!(attribute("request.id"), Some("of-the-test"), "{request:?}");
    assert_eq!(request.resource.get("service.name").map(String::as_str), Some("wenyuan"), "{request:?}");
    // Each span's parent is in the trace, up to the request; statements are among them, by name.
    for span in spans.iter().filter(|span| span.id != request.id) {
        assert!(spans.iter().any(|parent| parent.id == span.parent_id), "{span:?} of {spans:?}");
    }
    let search = spans.iter().find(|span| span.name == "search").expect("the search");
    assert_eq!(search.parent_id, request.id, "{spans:?}");
    let statements: Vec<_> =
        spans.iter().filter(|span| span.attributes.contains_key("db.query.summary")).collect();
    assert!(statements.iter().any(|span| span.name == "changes.position" && span.kind == 3), "{spans:?}");
    assert!(statements.iter().all(|span| span.nanoseconds > 0 && span.nanoseconds <= request.nanoseconds));
    // What is searched for is in no span.
    assert!(!format!("{:?}", collector.spans()).contains("hushword"));
    // The work behind the request has spans of its own.
    assert!(collector.spans().iter().any(|span| span.name == "ingest"), "{:?}", collector.spans());
}

#[tokio::test]
async fn without_a_collector_the_trace_id_of_the_caller_is_logged() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_LOG_FORMAT", "text");
    let server = app.serve().await;
    let traced = server
        .request(Method::GET, "/api/v1/libraries", &[])
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    assert_eq!(server.send(traced).await.status, 200);
    eventually("a trace id", async || server.log().contains(&format!("trace.id={TRACE}")).then_some(()))
        .await;
    // A malformed header is ignored.
    let malformed = server
        .request(Method::GET, "/api/v1/libraries", &[])
        .header("x-request-id", "malformed")
        .header("traceparent", "00-xyz-1-01");
    assert_eq!(server.send(malformed).await.status, 200);
    let line = eventually("a log line", async || {
        server.log().lines().find(|line| line.contains("malformed")).map(str::to_owned)
    })
    .await;
    assert!(!line.contains("trace.id"), "{line}");
    assert!(!server.get("/metrics", &[]).await.text().contains("wenyuan_trace_exports_total"));
}

#[tokio::test]
async fn a_collector_that_is_away_loses_spans_and_nothing_else() {
    // A port on which nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
    drop(listener);
    let app = TestApp::new(PROGRAM)
        .await
        .set("WENYUAN_OTLP_ENDPOINT", endpoint)
        // Variables of OpenTelemetry are read by its own library.
        .set("OTEL_BSP_SCHEDULE_DELAY", "100");
    let server = app.serve().await;
    let lost = "wenyuan_trace_exports_total{outcome=\"lost\"}";
    eventually("lost spans", async || {
        assert_eq!(server.get("/api/v1/libraries", &[]).await.status, 200);
        let metrics = server.get("/metrics", &[]).await.text();
        let count = metrics.lines().find_map(|line| line.strip_prefix(lost)?.trim().parse::<u32>().ok())?;
        (count >= 3).then_some(())
    })
    .await;
    let warnings = server.log().matches("failed to export spans").count();
    assert_eq!(warnings, 1, "{}", server.log());
    let begun = Instant::now();
    assert!(server.stop().await.success());
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_running_server_emits_described_metrics_alone() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("measured", "1", "a.md", "# A\n\nThe measured word.").await;
    server.search(&[("q", "measured")]).await;
    let reference = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    let reference = std::fs::read_to_string(reference).expect("the reference");
    let metrics = server.get("/metrics", &[]).await.text();
    let emitted: Vec<(&str, &str)> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(emitted.len() > 10, "{metrics}");
    for (name, kind) in emitted {
        assert!(
            reference.contains(&format!("| `{name}` | {kind} |")),
            "{name} {kind} is not in the reference"
        );
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} has no description");
    }
}
