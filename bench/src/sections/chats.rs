//! What a history costs as it grows, and what an answer costs besides its model.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use store::{Database, DatabaseConfig};
use testkit::{Answer, LanguageModel};

use crate::figures::{Figure, Table, count, less, more, plain, quantile, wall};
use crate::lab::Lab;
use crate::process::Shares;
use crate::server::Server;

/// Messages of each chat.
const LENGTH: usize = 50;
/// Messages that are stored.
const STORED: [usize; 2] = [1_000, 100_000];
const CONNECTIONS: [usize; 3] = [1, 8, 16];
/// Requests of each kind at each width.
const REQUESTS: usize = 3_000;
const APPENDS: usize = 1_000;
/// Requests a second of a popular rival over one connection, and how many times that is aimed at.
const RIVAL: [(&str, f64); 3] = [("list chats", 147.0), ("open a chat", 155.0), ("append", 54.0)];
const TIMES: f64 = 50.0;
/// Answers that are asked for, and their pieces.
const ANSWERS: usize = 300;
const PIECES: usize = 20;
/// What an answer may cost besides its model, in milliseconds of processor time.
const BESIDES: f64 = 15.0;

/// A history of two sizes, then answers.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    let mut history = Table::new(
        "A history as it grows",
        "Chats of 50 messages each, of one owner, with a key, over kept connections. `open a chat` gives its 50 messages with \
         their sources; `append` is a question to which nothing is found and its answer: two messages, a search, and three \
         transactions.",
    );
    for stored in STORED {
        lab.program.forget("chats").await?;
        let server = lab.program.start("chats", false).await?;
        server.until_searchable().await?;
        let chats = fill(lab, &server, stored).await?;
        for connections in CONNECTIONS {
            for (kind, requests) in [("list chats", REQUESTS), ("open a chat", REQUESTS), ("append", APPENDS)]
            {
                let load = put(&server, kind, &chats, connections, requests).await?;
                let subject = format!("{stored} messages, {kind}, {connections} connections");
                let target = RIVAL.iter().find(|(name, _)| *name == kind).filter(|_| connections == 1);
                history.row(&subject, load.figures(target.map(|(_, rival)| rival * TIMES)));
            }
        }
        server.stop().await?;
    }
    Ok(vec![history, answers(lab).await?])
}

/// Writes so many messages, and says which chats they are in.
async fn fill(lab: &Lab, server: &Server, messages: usize) -> anyhow::Result<Vec<String>> {
    let database = Database::open(&DatabaseConfig::embedded(server.data(), lab.postgres.clone())).await?;
    let chats = messages / LENGTH;
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
         from generate_series(1, {chats}) c, generate_series(1, {LENGTH}) n order by c, n;
         update chat.messages as message set parent_id = message.id - 1
         from (select chat_id, min(id) as first from chat.messages group by chat_id) as chat
         where chat.chat_id = message.chat_id and message.id > chat.first;
         update chat.chats set current_id = (select max(id) from chat.messages where chat_id = chats.id);
         commit"
    );
    database.pool().execute(AssertSqlSafe(statements)).await?;
    database.close().await;
    let page = server.get("/api/v1/chats?limit=200").await?;
    let items = page["items"].as_array().context("chats")?;
    let ids: Vec<String> = items.iter().filter_map(|chat| chat["id"].as_str().map(str::to_owned)).collect();
    ensure!(!ids.is_empty(), "no chats were written");
    Ok(ids)
}

struct Load {
    requests: usize,
    cpu: Shares,
    seconds: f64,
    times: Vec<f64>,
}

impl Load {
    fn figures(mut self, target: Option<f64>) -> Vec<Figure> {
        let each = |seconds: f64| seconds * 1e3 / count(self.requests);
        let rate = more("requests/s", count(self.requests) / self.seconds);
        let rate = Figure { judged: false, ..target.into_iter().fold(rate, Figure::target) };
        vec![
            plain("requests", count(self.requests)),
            less("CPU-ms", each(self.cpu.sum())),
            less("server", each(self.cpu.server)),
            less("PostgreSQL", each(self.cpu.postgres)),
            wall("p50 ms", quantile(&mut self.times, 0.5)),
            wall("p99 ms", quantile(&mut self.times, 0.99)),
            rate,
        ]
    }
}

async fn put(
    server: &Server,
    kind: &str,
    chats: &[String],
    connections: usize,
    requests: usize,
) -> anyhow::Result<Load> {
    let next = AtomicUsize::new(0);
    let append = new_chats(server, kind, connections).await?;
    let (cpu, begun) = (server.cpu(), Instant::now());
    let connection = |own: Option<String>| {
        let next = &next;
        async move {
            let mut times = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                if place >= requests {
                    return anyhow::Ok(times);
                }
                let begun = Instant::now();
                match (&own, kind) {
                    (Some(chat), _) => {
                        let body = json!({ "content": "Zzyzx qwrtpl?" });
                        server.post(&format!("/api/v1/chats/{chat}/messages"), &body).await?;
                    }
                    (None, "list chats") => drop(server.read("/api/v1/chats").await?),
                    (None, _) => {
                        let chat = &chats[place % chats.len()];
                        server.read(&format!("/api/v1/chats/{chat}")).await?;
                    }
                }
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
    };
    let own = (0..connections).map(|number| append.get(number).cloned());
    let times = futures::future::try_join_all(own.map(connection)).await?.concat();
    Ok(Load { requests, cpu: server.cpu() - cpu, seconds: begun.elapsed().as_secs_f64(), times })
}

/// A chat for each connection that appends.
async fn new_chats(server: &Server, kind: &str, connections: usize) -> anyhow::Result<Vec<String>> {
    let mut chats = Vec::new();
    if kind == "append" {
        for _ in 0..connections {
            let made = server.post("/api/v1/chats", &json!({ "library": "wenyuan" })).await?;
            let made: Value = serde_json::from_slice(&made)?;
            chats.push(made["id"].as_str().context("a chat")?.to_owned());
        }
    }
    Ok(chats)
}

/// Answers of a model that costs nothing: what is measured is ours.
async fn answers(lab: &mut Lab) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "An answer besides its model",
        "Questions about the guide, each in a chat of its own, to a model in another process that answers at once with 20 \
         pieces: search, packing, the prompt, the filter, keeping, all of it. `before the model` is from the question's coming \
         to the model's being asked, by the server's own clock.",
    );
    let model = LanguageModel::start().await;
    model.answer_with(|_asked| {
        let pieces: Vec<String> =
            (0..PIECES).map(|number| format!("The folder is walked {number} [1]. ")).collect();
        Answer::saying(&pieces.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let server = lab.program.start("chats", false).await?;
    server.until_searchable().await?;
    lab.program.add_model("chats", &model.url()).await?;
    let before = server.histogram("wenyuan_answer_seconds", "stage=\"before_model\"").await?;
    for connections in [1, 8] {
        let next = AtomicUsize::new(0);
        let (cpu, begun) = (server.cpu(), Instant::now());
        let connection = || async {
            let mut times = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < ANSWERS {
                let begun = Instant::now();
                let body = json!({ "question": "How do I add a folder?", "library": "wenyuan" });
                server.post("/api/v1/ask", &body).await?;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            anyhow::Ok(times)
        };
        let times = futures::future::try_join_all((0..connections).map(|_| connection())).await?.concat();
        let load = Load {
            requests: ANSWERS,
            cpu: server.cpu() - cpu,
            seconds: begun.elapsed().as_secs_f64(),
            times,
        };
        let mut figures = load.figures(None);
        figures[1] = figures[1].clone().target(BESIDES);
        table.row(&format!("answer, {connections} connections"), figures);
    }
    let after = server.histogram("wenyuan_answer_seconds", "stage=\"before_model\"").await?;
    let each = (after.0 - before.0) * 1e3 / (after.1 - before.1).max(1.0);
    table.row("before the model", vec![wall("p50 ms", each)]);
    server.stop().await?;
    Ok(table)
}
