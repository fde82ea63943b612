//! Cost of discussions: lists of posts and comments, and likes, through REST and GraphQL.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use store::{Database, DatabaseConfig};

use crate::figures::{Figure, Table, count, higher_is_better, info, lower_is_better, quantile, wall_time};
use crate::harness::Harness;
use crate::server::Server;

/// Data folder of the server.
const DATA: &str = "community";
/// People, posts, and comments on each post.
const PEOPLE: usize = 1000;
const POSTS: usize = 100_000;
const COMMENTS: usize = 10;
/// Numbers of concurrent connections.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Requests of each kind for each number of connections.
const REQUESTS: usize = 3000;
/// Target of ten posts with their authors by GraphQL, in milliseconds of processor time.
const GRAPHQL_CPU_MS: f64 = 0.15;

/// Kinds of requests: name, path, and document if it is GraphQL.
const KINDS: [(&str, &str, Option<&str>); 5] = [
    (
        "GraphQL: 10 posts",
        "/graphql",
        Some("{ posts(first: 10) { nodes { id author { username } likeCount } } }"),
    ),
    (
        "GraphQL: 20 posts with 3 comments",
        "/graphql",
        Some(
            "{ posts(first: 20) { nodes { id text author { username } comments(first: 3) { nodes { text author { username } } } } } }",
        ),
    ),
    ("REST: 10 posts", "/api/v1/posts?limit=10", None),
    ("REST: 20 comments", "/api/v1/posts/{post}/comments?limit=20", None),
    ("REST: likes of a post", "/api/v1/posts/{post}/like", None),
];

/// Measures each kind of request.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    harness.program.remove_data(DATA).await?;
    let server = harness.program.start(DATA, false).await?;
    server.wait_until_searchable().await?;
    let posts = harness.scale.choose(POSTS, 100);
    fill(harness, &server, posts).await?;
    let page = server.get("/api/v1/posts?limit=1").await?;
    let post = page["items"][0]["id"].as_str().context("there is no post")?.to_owned();
    let mut table = Table::new(
        "Discussions",
        "A community of a thousand people, with an API key, over persistent connections.",
    );
    for connections in harness.scale.choose(&CONNECTIONS[..], &[2]) {
        for (name, path, document) in KINDS {
            let path = path.replace("{post}", &post);
            let requests = harness.scale.choose(REQUESTS, *connections);
            let figures = load(&server, &path, document, *connections, requests).await?;
            let target = (name == KINDS[0].0).then_some(GRAPHQL_CPU_MS);
            table.row(&format!("{name}, {connections} connections"), figures.figures(target));
        }
    }
    server.stop().await?;
    Ok(vec![table])
}

/// Writes people, posts and comments.
async fn fill(harness: &Harness, server: &Server, posts: usize) -> anyhow::Result<()> {
    let database = Database::open(&DatabaseConfig::embedded(server.data(), harness.postgres.clone())).await?;
    let people = PEOPLE.min(posts);
    let statements = format!(
        "begin;
         insert into identity.users (id, username)
         select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'person-' || n from generate_series(1, {people}) n;
         insert into library.libraries (id, name, title, visibility)
         values ('00000000-0000-7000-8000-000000000001', 'talk', 'Talk', 'public');
         insert into social.posts (id, author_id, about, library_id, text)
         select ('00000000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid,
           ('00000000-0000-7000-8000-' || lpad((1 + n % {people})::text, 12, '0'))::uuid, 'library',
           '00000000-0000-7000-8000-000000000001', repeat('Which part of the gateway waits for the service? ', 4) || n
         from generate_series(1, {posts}) n;
         insert into social.comments (id, post_id, author_id, depth, text)
         select ('00000000-0000-7000-a000-' || lpad((n * {COMMENTS} + c)::text, 12, '0'))::uuid,
           ('00000000-0000-7000-9000-' || lpad(n::text, 12, '0'))::uuid,
           ('00000000-0000-7000-8000-' || lpad((1 + (n + c) % {people})::text, 12, '0'))::uuid, 0, 'It waits as long as it is told to. ' || c
         from generate_series(1, {posts}) n, generate_series(1, {COMMENTS}) c;
         insert into social.post_counters (post_id, comments) select id, {COMMENTS} from social.posts;
         insert into social.comment_counters (comment_id) select id from social.comments;
         commit"
    );
    database.pool().execute(AssertSqlSafe(statements)).await?;
    database
        .pool()
        .execute("analyze social.posts, social.comments, social.post_counters, social.comment_counters")
        .await?;
    database.close().await;
    Ok(())
}

/// Cost of a number of requests.
struct Load {
    requests: usize,
    cpu_ms: [f64; 2],
    seconds: f64,
    /// Wall time of each request, in milliseconds.
    latencies: Vec<f64>,
}

impl Load {
    fn figures(mut self, target: Option<f64>) -> Vec<Figure> {
        let [server, postgres] = self.cpu_ms;
        let cpu = lower_is_better("CPU-ms", server + postgres);
        vec![
            info("requests", count(self.requests)),
            target.into_iter().fold(cpu, Figure::target),
            lower_is_better("server", server),
            lower_is_better("PostgreSQL", postgres),
            wall_time("p50 ms", quantile(&mut self.latencies, 0.5)),
            wall_time("p99 ms", quantile(&mut self.latencies, 0.99)),
            Figure { judged: false, ..higher_is_better("requests/s", count(self.requests) / self.seconds) },
        ]
    }
}

async fn load(
    server: &Server,
    path: &str,
    document: Option<&str>,
    connections: usize,
    requests: usize,
) -> anyhow::Result<Load> {
    let body: Option<Value> = document.map(|document| json!({ "query": document }));
    let one = || async {
        match &body {
            Some(body) => server.post(path, body).await,
            None => server.get_bytes(path).await,
        }
    };
    let first = one().await?;
    ensure!(!String::from_utf8_lossy(&first).contains("\"errors\""), "{path} failed: {first:?}");
    let next = AtomicUsize::new(0);
    let (cpu, start) = (server.cpu(), Instant::now());
    let connection = || async {
        let mut latencies = Vec::new();
        while next.fetch_add(1, Ordering::Relaxed) < requests {
            let start = Instant::now();
            one().await?;
            latencies.push(start.elapsed().as_secs_f64() * 1e3);
        }
        anyhow::Ok(latencies)
    };
    let latencies = futures::future::try_join_all((0..connections).map(|_| connection())).await?.concat();
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), server.cpu() - cpu);
    let each = |seconds: f64| seconds * 1e3 / count(requests);
    Ok(Load { requests, cpu_ms: [each(cpu.server), each(cpu.postgres)], seconds, latencies })
}
