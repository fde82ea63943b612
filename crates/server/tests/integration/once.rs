//! Exactly once: requests that are sent again, that outlive their claim, whose process dies, or that PostgreSQL rolls back.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Gate, LanguageModel, Reply, Server, TestApp, eventually, within};

use crate::PROGRAM;

async fn post(server: &Server, path: &str, key: &str, body: &Value) -> Reply {
    let request = server.request(Method::POST, path, &[]).header("idempotency-key", key);
    server.send(request.json(body)).await
}

#[tokio::test]
async fn a_claim_is_renewed_while_the_model_answers() {
    let app = TestApp::new(PROGRAM).await;
    let model = LanguageModel::start().await;
    let server = app.serve().await;
    server.add("gate", "1", "a.md", "# Timeouts\n\nThe gate waits for ten seconds.").await;
    let added = ["models", "add", "small", &model.url(), "--model", "any", "--default"];
    app.run(&added).await.succeeded();
    let gate = Gate::new();
    model.script([Answer::streaming(&["Ten ", "seconds [1]."]).gated_after(1, &gate)]);
    let question = json!({ "question": "How long does the gate wait?", "library": "gate" });
    let first = post(&server, "/api/v1/ask", "k", &question);
    let others = async {
        gate.reached().await;
        // Begun long ago, and renewed almost two minutes ago.
        app.database()
            .run("update store.idempotency set created_at = now() - interval '10 minutes', renewed_at = now() - interval '115 seconds'")
            .await;
        within(Duration::from_mins(1), "the renewal", async || {
            let renewed =
                "select count(*) from store.idempotency where renewed_at > now() - interval '60 seconds'";
            (app.database().count(renewed).await == 1).then_some(())
        })
        .await;
        let again = post(&server, "/api/v1/ask", "k", &question).await;
        assert_eq!(again.problem(409)["type"], "urn:wenyuan:problem:in-progress");
        gate.open();
    };
    let (first, ()) = tokio::join!(first, others);
    let again = post(&server, "/api/v1/ask", "k", &question).await;
    assert_eq!((again.ok(), again.header("idempotent-replayed")), (first.ok(), Some("true")));
    assert_eq!(model.count(), 1);
}

#[tokio::test]
async fn a_request_whose_response_was_lost_is_not_executed_again() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    // The response is not stored, as when the server dies after the commit.
    app.database()
        .run(
            "create function store.lose() returns trigger language plpgsql as $$ begin raise exception 'lost'; end $$;
             create trigger lose before update of answer on store.idempotency for each row when (new.status is not null)
               execute function store.lose()",
        )
        .await;
    let chat = json!({ "title": "Once" });
    assert_eq!(post(&server, "/api/v1/chats", "k", &chat).await.status, 201);
    let waiting = post(&server, "/api/v1/chats", "k", &chat).await.problem(409);
    assert_eq!(waiting["type"], "urn:wenyuan:problem:in-progress");
    // Long after the server's death.
    app.database().run("update store.idempotency set renewed_at = now() - interval '3 minutes'").await;
    let told = post(&server, "/api/v1/chats", "k", &chat).await.problem(409);
    assert_eq!(told["type"], "urn:wenyuan:problem:conflict");
    assert_eq!(app.database().count("select count(*) from chat.chats").await, 1);
    // A process that died before it had any effect is replaced.
    app.database().run("update store.idempotency set executed_at = null").await;
    assert_eq!(post(&server, "/api/v1/chats", "k", &chat).await.status, 201);
    assert_eq!(app.database().count("select count(*) from chat.chats").await, 2);
}

#[tokio::test]
async fn a_request_that_lost_its_claim_has_no_effect() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    // Another process takes the claim over at once.
    app.database()
        .run(
            "create function store.take_over() returns trigger language plpgsql as $$ begin
               update store.idempotency set claim = gen_random_uuid() where actor = new.actor; return null; end $$;
             create trigger take_over after insert on store.idempotency for each row execute function store.take_over()",
        )
        .await;
    post(&server, "/api/v1/chats", "k", &json!({ "title": "Lost" })).await.problem(500);
    assert_eq!(app.database().count("select count(*) from chat.chats").await, 0);
}

#[tokio::test]
async fn a_transaction_that_was_rolled_back_for_another_is_run_once_more() {
    let app = TestApp::new(PROGRAM).await;
    let server = app.serve().await;
    server.add("gate", "1", "a.md", "# A").await;
    app.database()
        .run(
            "create sequence public.failures;
             create table public.allowed (failures int8);
             insert into public.allowed values (1);
             grant usage on sequence public.failures to public;
             grant select on public.allowed to public;
             create function public.deadlock() returns trigger language plpgsql as $$ begin
               if nextval('public.failures') <= (select failures from public.allowed) then
                 raise exception 'deadlock detected' using errcode = '40P01';
               end if;
               return new; end $$;
             create trigger deadlock before insert on chat.chats for each row execute function public.deadlock()",
        )
        .await;
    let chat = json!({ "title": "Again" });
    let create = async || server.send(server.request(Method::POST, "/api/v1/chats", &[]).json(&chat)).await;
    assert_eq!(create().await.status, 201);
    assert_eq!(app.database().count("select last_value from public.failures").await, 2);
    // Under a key, too.
    app.database().run("alter sequence public.failures restart").await;
    assert_eq!(post(&server, "/api/v1/chats", "k", &chat).await.status, 201);
    assert_eq!(app.database().count("select count(*) from chat.chats").await, 2);
    // Once more, and not for ever.
    app.database()
        .run("alter sequence public.failures restart; update public.allowed set failures = 2")
        .await;
    let busy = create().await;
    assert_eq!(busy.problem(503)["type"], "urn:wenyuan:problem:busy");
    assert_eq!(app.database().count("select count(*) from chat.chats").await, 2);
    eventually("the metric", async || {
        let metrics = server.get("/metrics", &[]).await.text();
        metrics.contains("wenyuan_requests_run_again_total 3").then_some(())
    })
    .await;
}
