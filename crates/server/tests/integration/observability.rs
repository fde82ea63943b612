//! Health, metrics, request ids and logs of a running server.

use reqwest::Method;
use serde_json::Value;
use testkit::TestApp;

use crate::PROGRAM;

#[tokio::test]
async fn health_metrics_and_request_ids_are_served() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_LOG_FORMAT", "text");
    let server = app.serve().await;
    assert_eq!(server.get("/healthz", &[]).await.text(), "ok\n");
    server.add("seen", "1", "a.md", "# A\n\nThe seenword.").await;
    server.search(&[("q", "seenword")]).await;
    testkit::eventually("metrics", async || {
        let metrics = server.get("/metrics", &[]).await.text();
        let all = [
            "wenyuan_http_requests_total{",
            "route=\"/api/v1/search\"",
            "wenyuan_http_request_seconds_bucket",
            "statement=\"changes.record\"",
            "wenyuan_pool_connections{state=\"idle\"}",
            "wenyuan_pool_connections_max",
            "wenyuan_index_changes_behind",
            "wenyuan_search_seconds_bucket{stage=\"text\"",
            "wenyuan_documents_read_total{outcome=\"completed\"}",
        ];
        all.iter().all(|name| metrics.contains(name)).then_some(())
    })
    .await;
    // Conditional requests.
    let tag = server.get("/api/v1/libraries", &[]).await.header("etag").unwrap().to_owned();
    let conditional = server.request(Method::GET, "/api/v1/libraries", &[]).header("if-none-match", tag);
    assert_eq!(server.send(conditional).await.status, 304);
    // The client's request id is in the response and in the log.
    let request = server.request(Method::GET, "/api/v1/libraries", &[]).header("x-request-id", "of-the-test");
    assert_eq!(server.send(request).await.header("x-request-id"), Some("of-the-test"));
    testkit::eventually("a log line", async || server.log().contains("of-the-test").then_some(())).await;
}

#[tokio::test]
async fn logs_are_json_when_configured() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_LOG_FORMAT", "json").set("WENYUAN_LOG", "debug");
    let run = app.run(&["libraries"]).await;
    for line in run.errors.lines().filter(|line| line.starts_with('{')) {
        let entry: Value = serde_json::from_str(line).expect(line);
        assert!(entry["timestamp"].is_string() && entry["level"].is_string(), "{line}");
    }
    assert!(run.errors.contains("\"level\":\"DEBUG\""), "{}", run.errors);
}
