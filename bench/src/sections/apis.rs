//! Cost of the APIs on top of the search itself: MCP compared with REST, API key authentication, sign-in.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use identity::keys::{self, NewKey};
use identity::users::{self, NewUser};
use identity::{Authenticator, Credential, PasswordHasher, TokenSigner, sign_in};
use kernel::actor::{Actor, Role, Scope};
use store::cache::Caches;
use store::secrets::{Sealer, SecretConfig};
use store::{Database, DatabaseConfig};

use crate::figures::{Table, count, info, lower_is_better, wall_time};
use crate::harness::{CORPUS_DATA, EMBEDDED_DATA, Harness};
use crate::load::run_queries;
use crate::process;
use crate::server::SearchApi;

/// Number of questions of each kind from each set.
const QUESTIONS_PER_KIND: usize = 50;
/// Number of times that each question is repeated.
const ROUNDS: usize = 8;
/// Maximum additional cost of a query through MCP, in milliseconds of processor time.
const MAX_MCP_OVERHEAD_CPU_MS: f64 = 0.15;

/// Measures REST and MCP, then authentication.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    Ok(vec![compare_rest_and_mcp(harness).await?, authentication(harness).await?])
}

async fn compare_rest_and_mcp(harness: &mut Harness) -> anyhow::Result<Table> {
    harness.corpus_library().await?;
    harness.embedded_library().await?;
    let mut table = Table::new(
        "Search through REST and MCP",
        "Repeated questions, with an API key, limit 10, persistent connections. MCP is one POST of tools/call search_docs; \
         the response is one JSON body with the passages as text and as structured content. Measured alternately; \
         `more than REST` is the difference in CPU-ms.",
    );
    let corpus_questions: Vec<String> =
        harness.questions(QUESTIONS_PER_KIND)?.into_iter().map(|question| question.text).collect();
    let small_questions: Vec<String> =
        harness.small_set_questions(QUESTIONS_PER_KIND)?.into_iter().map(|question| question.text).collect();
    let rounds = harness.scale.choose(ROUNDS, 2);
    for (mode, data, questions) in
        [("text", CORPUS_DATA, corpus_questions), ("hybrid", EMBEDDED_DATA, small_questions)]
    {
        let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
        let server = harness.program.start(data, mode == "hybrid").await?;
        server.wait_until_model_is_loaded().await?;
        run_queries(&server, &questions, SearchApi::Rest(mode), 8, 1).await?;
        for connections in [1, 8] {
            let rest =
                run_queries(&server, &questions, SearchApi::Rest(mode), connections, rounds / 2).await?;
            let mut mcp = run_queries(&server, &questions, SearchApi::Mcp, connections, rounds).await?;
            // Alternately, so that changes of the load affect both.
            let mut rest = rest.merge(
                run_queries(&server, &questions, SearchApi::Rest(mode), connections, rounds / 2).await?,
            );
            let overhead = mcp.cpu_ms() - rest.cpu_ms();
            let subject = |api: &str| format!("{mode}, {api}, {connections} connections");
            table.row(&subject("REST"), rest.figures(None));
            let mut figures = mcp.figures(None);
            figures.push(lower_is_better("more than REST", overhead).target(MAX_MCP_OVERHEAD_CPU_MS));
            table.row(&subject("MCP"), figures);
        }
        server.stop().await?;
    }
    Ok(table)
}

async fn authentication(harness: &mut Harness) -> anyhow::Result<Table> {
    const CACHED: usize = 200_000;
    const UNCACHED: usize = 3_000;
    /// Keys of the owner, at most 200.
    const KEYS: usize = 100;
    const SIGN_INS: usize = 40;
    harness.corpus_library().await?;
    let server = harness.program.start(CORPUS_DATA, false).await?;
    let database = Database::open(&DatabaseConfig::embedded(server.data(), harness.postgres.clone())).await?;
    let pool = database.pool();
    let mut table = Table::new(
        "Authentication",
        "Functions of the crate identity, one call after another: a cached API key, a key that is read from the database \
         (one statement), and a sign-in by name and password (Argon2id, 19 MiB, two passes) with its session.",
    );
    let signer = TokenSigner::new(&[[7; 32]]).context("a signing key")?;
    let sealer = Sealer::open(&SecretConfig {
        keys: None,
        file: None,
        default_file: server.data().join("secret.key"),
    })?;
    let caches = Caches::new(None, &sealer)?;
    // The cache is only used while the listener receives revocations.
    let listener = store::listener::spawn_listener(pool.clone(), Vec::new(), caches.clone());
    while !caches.is_listening() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let authenticator = Authenticator::new(pool.clone(), signer.clone(), &caches);
    let mut connection = store::postgres::acquire(pool).await?;
    let mut api_keys = Vec::with_capacity(KEYS);
    for _ in 0..KEYS {
        let name = format!("bench {}", kernel::id::new());
        let new = NewKey {
            name,
            scopes: [Scope::Read].into(),
            libraries: None,
            rate_limit: None,
            seconds: Some(3600),
        };
        api_keys.push(keys::create(&mut connection, &Actor::owner(), None, new).await?.1);
    }
    let calls = harness.scale.repetitions(CACHED);
    authenticator.authenticate(Credential::Bearer(api_keys[0].reveal())).await?;
    let (own, start, cpu) = (own_cpu(), Instant::now(), server.cpu());
    for _ in 0..calls {
        authenticator.authenticate(Credential::Bearer(api_keys[0].reveal())).await?;
    }
    let (elapsed, cpu) = (start.elapsed(), own_cpu() - own + (server.cpu() - cpu).postgres);
    table.row("key, cached", cost_per_call(calls, cpu, elapsed));
    // Authenticators with empty caches.
    let mut authenticators = Vec::new();
    for _ in 0..harness.scale.repetitions(UNCACHED).div_ceil(KEYS) {
        authenticators.push(Authenticator::new(pool.clone(), signer.clone(), &Caches::new(None, &sealer)?));
    }
    let (own, start, cpu) = (own_cpu(), Instant::now(), server.cpu());
    for authenticator in &authenticators {
        for key in &api_keys {
            authenticator.authenticate(Credential::Bearer(key.reveal())).await?;
        }
    }
    let (elapsed, cpu) = (start.elapsed(), own_cpu() - own + (server.cpu() - cpu).postgres);
    table.row("key, uncached", cost_per_call(authenticators.len() * KEYS, cpu, elapsed));
    let passwords = PasswordHasher::new(1);
    let name = format!("bench-{}", kernel::id::new());
    let new = NewUser {
        username: name.parse()?,
        email: None,
        role: Role::User,
        first_name: String::new(),
        last_name: String::new(),
        password_hash: Some(passwords.hash("correct horse battery staple").await?),
    };
    // Not deleted afterwards: the library is thrown away with its users.
    users::create(&mut connection, &Actor::owner(), new).await?;
    let client = sign_in::ClientInfo::default();
    let (own, start, cpu) = (own_cpu(), Instant::now(), server.cpu());
    let sign_ins = harness.scale.repetitions(SIGN_INS);
    for _ in 0..sign_ins {
        let password = "correct horse battery staple";
        sign_in::with_password(pool, &caches, &passwords, &signer, &name, password, &client).await?;
    }
    let (elapsed, cpu) = (start.elapsed(), own_cpu() - own + (server.cpu() - cpu).postgres);
    table.row("sign-in", cost_per_call(sign_ins, cpu, elapsed));
    drop(connection);
    listener.abort();
    database.close().await;
    server.stop().await?;
    Ok(table)
}

/// Returns the figures of a number of calls: processor and wall time per call.
fn cost_per_call(calls: usize, cpu: f64, elapsed: Duration) -> Vec<crate::figures::Figure> {
    vec![
        info("calls", count(calls)),
        lower_is_better("CPU-µs", cpu * 1e6 / count(calls)),
        wall_time("µs", elapsed.as_secs_f64() * 1e6 / count(calls)),
    ]
}

/// Returns the processor time of this process, in seconds.
fn own_cpu() -> f64 {
    process::cpu(std::process::id(), 0).server
}
