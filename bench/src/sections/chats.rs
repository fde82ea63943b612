//! Cost of the chat history as it grows, and of an answer without its language model.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use store::{Database, DatabaseConfig};
use testkit::{Answer, LanguageModel};

use crate::figures::{Figure, Table, count, higher_is_better, info, lower_is_better, quantile, wall_time};
use crate::harness::Harness;
use crate::process::Usage;
use crate::server::Server;

/// Number of messages of each chat.
const MESSAGES_PER_CHAT: usize = 50;
/// Numbers of stored messages.
const STORED: [usize; 2] = [1_000, 100_000];
/// Numbers of concurrent connections.
const CONNECTIONS: [usize; 3] = [1, 8, 16];
/// Number of requests of each kind for each number of connections.
const REQUESTS: usize = 3_000;
const APPENDS: usize = 1_000;
/// Requests per second of a popular competitor over one connection, and the factor that is the target.
const COMPETITOR: [(&str, f64); 3] = [("list chats", 147.0), ("open a chat", 155.0), ("append", 54.0)];
const TARGET_FACTOR: f64 = 50.0;
/// Number of answers, and of the chunks of each.
const ANSWERS: usize = 300;
const CHUNKS: usize = 20;
/// Maximum cost of an answer without its model, in milliseconds of processor time.
const MAX_ANSWER_CPU_MS: f64 = 15.0;

/// Measures chat histories of two sizes, then answers.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    let mut history = Table::new(
        "Chat history by size",
        "Chats of 50 messages each, of one owner, with an API key, over persistent connections. `open a chat` returns its 50 \
         messages with their sources; `append` is a question without matches and its answer: two messages, a search and \
         three transactions.",
    );
    for &stored in harness.scale.choose(&STORED[..], &[100]) {
        harness.program.remove_data("chats").await?;
        let server = harness.program.start("chats", false).await?;
        server.wait_until_searchable().await?;
        let chats = fill(harness, &server, stored).await?;
        for &connections in harness.scale.choose(&CONNECTIONS[..], &[2]) {
            for (kind, requests) in [("list chats", REQUESTS), ("open a chat", REQUESTS), ("append", APPENDS)]
            {
                let requests = harness.scale.choose(requests, connections);
                let load = run_requests(&server, kind, &chats, connections, requests).await?;
                let subject = format!("{stored} messages, {kind}, {connections} connections");
                let target = COMPETITOR.iter().find(|(name, _)| *name == kind).filter(|_| connections == 1);
                history.row(&subject, load.figures(target.map(|(_, rate)| rate * TARGET_FACTOR)));
            }
        }
        server.stop().await?;
    }
    Ok(vec![history, measure_answers(harness).await?])
}

/// Writes a number of messages. Returns the ids of their chats.
async fn fill(harness: &Harness, server: &Server, messages: usize) -> anyhow::Result<Vec<String>> {
    let database = Database::open(&DatabaseConfig::embedded(server.data(), harness.postgres.clone())).await?;
    let chats = messages / MESSAGES_PER_CHAT;
    let statements = format!(
        "begin;
         insert into chat.chats (id, title, created_at, updated_at)
         select ('00000000-0000-7000-8000-' || lpad(c::text, 12, '0'))::uuid, 'How does part ' || c || ' of the gateway work?',
           now() - make_interval(mins => c), now() - make_interval(mins => c)
         from generate_series(1, {chats}) c;
         insert into chat.messages (message_id, chat_id, role, content, words)
         select gen_random_uuid(), ('00000000-0000-7000-8000-' || lpad(c::text, 12, '0'))::uuid,
           case n % 2 when 1 then 'user' else 'assistant' end,
           repeat('The gateway waits for a service as long as it is told to. ', 8) || n,
           array_to_tsvector(array['owner:00000000-0000-0000-0000-000000000000', 'gateway', 'servic', 'wait', 'w' || n])
         from generate_series(1, {chats}) c, generate_series(1, {MESSAGES_PER_CHAT}) n order by c, n;
         update chat.messages as message set parent_id = message.id - 1
         from (select chat_id, min(id) as first from chat.messages group by chat_id) as chat
         where chat.chat_id = message.chat_id and message.id > chat.first;
         update chat.chats set current_id = (select max(id) from chat.messages where chat_id = chats.id);
         commit"
    );
    database.pool().execute(AssertSqlSafe(statements)).await?;
    database.close().await;
    let page = server.get("/api/v1/chats?limit=200").await?;
    let items = page["items"].as_array().context("the response has no chats")?;
    let ids: Vec<String> = items.iter().filter_map(|chat| chat["id"].as_str().map(str::to_owned)).collect();
    ensure!(!ids.is_empty(), "no chats were written");
    Ok(ids)
}

/// Cost of a number of requests.
struct Load {
    requests: usize,
    cpu: Usage,
    seconds: f64,
    /// Wall time of each request, in milliseconds.
    latencies: Vec<f64>,
}

impl Load {
    fn figures(mut self, target: Option<f64>) -> Vec<Figure> {
        let each = |seconds: f64| seconds * 1e3 / count(self.requests);
        let rate = higher_is_better("requests/s", count(self.requests) / self.seconds);
        let rate = Figure { judged: false, ..target.into_iter().fold(rate, Figure::target) };
        vec![
            info("requests", count(self.requests)),
            lower_is_better("CPU-ms", each(self.cpu.sum())),
            lower_is_better("server", each(self.cpu.server)),
            lower_is_better("PostgreSQL", each(self.cpu.postgres)),
            wall_time("p50 ms", quantile(&mut self.latencies, 0.5)),
            wall_time("p99 ms", quantile(&mut self.latencies, 0.99)),
            rate,
        ]
    }
}

/// Runs requests of one kind over a number of connections.
async fn run_requests(
    server: &Server,
    kind: &str,
    chats: &[String],
    connections: usize,
    requests: usize,
) -> anyhow::Result<Load> {
    let next = AtomicUsize::new(0);
    let own_chats = create_chats(server, kind, connections).await?;
    let (cpu, start) = (server.cpu(), Instant::now());
    let connection = |own: Option<String>| {
        let next = &next;
        async move {
            let mut latencies = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= requests {
                    return anyhow::Ok(latencies);
                }
                let start = Instant::now();
                match (&own, kind) {
                    (Some(chat), _) => {
                        let body = json!({ "content": "Zzyzx qwrtpl?" });
                        server.post(&format!("/api/v1/chats/{chat}/messages"), &body).await?;
                    }
                    (None, "list chats") => drop(server.get_bytes("/api/v1/chats").await?),
                    (None, _) => {
                        let chat = &chats[index % chats.len()];
                        server.get_bytes(&format!("/api/v1/chats/{chat}")).await?;
                    }
                }
                latencies.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    };
    let own = (0..connections).map(|number| own_chats.get(number).cloned());
    let latencies = futures::future::try_join_all(own.map(connection)).await?.concat();
    Ok(Load { requests, cpu: server.cpu() - cpu, seconds: start.elapsed().as_secs_f64(), latencies })
}

/// Creates a chat for each connection, if the requests append messages.
async fn create_chats(server: &Server, kind: &str, connections: usize) -> anyhow::Result<Vec<String>> {
    let mut chats = Vec::new();
    if kind == "append" {
        for _ in 0..connections {
            let response = server.post("/api/v1/chats", &json!({ "library": "wenyuan" })).await?;
            let chat: Value = serde_json::from_slice(&response)?;
            chats.push(chat["id"].as_str().context("the response has no chat id")?.to_owned());
        }
    }
    Ok(chats)
}

/// Measures answers of a model that needs no processor time.
async fn measure_answers(harness: &mut Harness) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Answer without its model",
        "Questions about the guide, each in a chat of its own, to a scripted model that answers immediately with 20 chunks: \
         includes search, packing, prompt, filter and persistence. `before the model` is the time from the arrival of the \
         question to the request to the model, measured by the server.",
    );
    let model = LanguageModel::start().await;
    model.answer_with(|_request| {
        let chunks: Vec<String> =
            (0..CHUNKS).map(|number| format!("The folder is walked {number} [1]. ")).collect();
        Answer::streaming(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let server = harness.program.start("chats", false).await?;
    server.wait_until_searchable().await?;
    harness.program.add_model("chats", &model.url()).await?;
    let answers = harness.scale.choose(ANSWERS, 2);
    let before = server.histogram("wenyuan_answer_seconds", "stage=\"before_model\"").await?;
    for connections in [1, 8] {
        let next = AtomicUsize::new(0);
        let (cpu, start) = (server.cpu(), Instant::now());
        let connection = || async {
            let mut latencies = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < answers {
                let start = Instant::now();
                let body = json!({ "question": "How do I add a folder?", "library": "wenyuan" });
                server.post("/api/v1/ask", &body).await?;
                latencies.push(start.elapsed().as_secs_f64() * 1e3);
            }
            anyhow::Ok(latencies)
        };
        let latencies = futures::future::try_join_all((0..connections).map(|_| connection())).await?.concat();
        let load = Load {
            requests: answers,
            cpu: server.cpu() - cpu,
            seconds: start.elapsed().as_secs_f64(),
            latencies,
        };
        let mut figures = load.figures(None);
        figures[1] = figures[1].clone().target(MAX_ANSWER_CPU_MS);
        table.row(&format!("answer, {connections} connections"), figures);
    }
    let after = server.histogram("wenyuan_answer_seconds", "stage=\"before_model\"").await?;
    let each = (after.0 - before.0) * 1e3 / (after.1 - before.1).max(1.0);
    table.row("before the model", vec![wall_time("p50 ms", each)]);
    server.stop().await?;
    Ok(table)
}
