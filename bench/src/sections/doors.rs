//! What the doors cost beside the search behind them: a key's check, a sign-in, MCP.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use identity::keys::{self, NewKey};
use identity::users::{self, NewUser};
use identity::{Gate, Passwords, Shown, Signing, sessions};
use kernel::actor::{Actor, Role, Scope};
use store::cache::Caches;
use store::secrets::{Sealer, SecretConfig};
use store::{Database, DatabaseConfig};

use crate::figures::{Table, count, less, plain, wall};
use crate::lab::{Lab, WHOLE, WITH_VECTORS};
use crate::load::ask;
use crate::process;
use crate::server::Door;

/// Questions of each kind from each set.
const EACH: usize = 50;
/// How often they are asked again.
const ROUNDS: usize = 8;
/// What a question through MCP may cost beyond the plain search, in milliseconds of processor time.
const MORE: f64 = 0.15;

/// MCP beside the plain search, then who asks.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    Ok(vec![beside_each_other(lab).await?, who_asks(lab).await?])
}

async fn beside_each_other(lab: &mut Lab) -> anyhow::Result<Table> {
    lab.whole().await?;
    lab.with_vectors().await?;
    let mut table = Table::new(
        "The same search through REST and through MCP",
        "Questions asked again, with a key, limit 10, kept connections. MCP is one POST of tools/call search_docs, its \
         answer one JSON body with the passages as text and as structured content. Measured by turns; `more than REST` is \
         the difference in CPU-ms.",
    );
    let of_all: Vec<String> = lab.questions(EACH)?.into_iter().map(|question| question.text).collect();
    let of_small: Vec<String> =
        lab.questions_of_small(EACH)?.into_iter().map(|question| question.text).collect();
    for (kind, data, questions) in [("text", WHOLE, of_all), ("hybrid", WITH_VECTORS, of_small)] {
        let questions: Vec<&str> = questions.iter().map(String::as_str).collect();
        let server = lab.program.start(data, kind == "hybrid").await?;
        server.until_model_is_there().await?;
        ask(&server, &questions, Door::Rest(kind), 8, 1).await?;
        for connections in [1, 8] {
            let rest = ask(&server, &questions, Door::Rest(kind), connections, ROUNDS / 2).await?;
            let mut mcp = ask(&server, &questions, Door::Mcp, connections, ROUNDS).await?;
            // By turns, so that what changes meanwhile falls on both.
            let mut rest =
                rest.and(ask(&server, &questions, Door::Rest(kind), connections, ROUNDS / 2).await?);
            let more = mcp.cpu_ms() - rest.cpu_ms();
            let subject = |door: &str| format!("{kind}, {door}, {connections} connections");
            table.row(&subject("REST"), rest.figures(None));
            let mut figures = mcp.figures(None);
            figures.push(less("more than REST", more).target(MORE));
            table.row(&subject("MCP"), figures);
        }
        server.stop().await?;
    }
    Ok(table)
}

async fn who_asks(lab: &mut Lab) -> anyhow::Result<Table> {
    const CACHED: usize = 200_000;
    const READ: usize = 3_000;
    const SIGN_INS: usize = 40;
    lab.whole().await?;
    let server = lab.program.start(WHOLE, false).await?;
    let database = Database::open(&DatabaseConfig::embedded(server.data(), lab.postgres.clone())).await?;
    let pool = database.pool();
    let mut table = Table::new(
        "Who asks",
        "In the room of identity, one after another: a key that is remembered, one that is read from the database (one \
         statement), and a sign-in by name and password (Argon2id, 19 MiB, two passes) with the session it begins.",
    );
    let signing = Signing::new(&[[7; 32]]).context("a signing key")?;
    let sealer = Sealer::open(&SecretConfig {
        keys: None,
        file: None,
        default_file: server.data().join("secret.key"),
    })?;
    let caches = Caches::new(None, &sealer)?;
    // Remembers for as long as it hears what is revoked.
    let listener = store::workers::spawn_listener(pool.clone(), Vec::new(), caches.clone());
    while !caches.is_hearing() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let gate = Gate::new(pool.clone(), signing.clone(), &caches);
    let name = format!("bench {}", kernel::id::new());
    let new =
        NewKey { name, scopes: [Scope::Read].into(), libraries: None, rate_limit: None, seconds: Some(3600) };
    let mut connection = store::postgres::acquire(pool).await?;
    let (_, key) = keys::create(&mut connection, &Actor::owner(), None, new).await?;
    for (subject, times, forget) in [("key, remembered", CACHED, false), ("key, read", READ, true)] {
        gate.verify(Shown::Bearer(key.reveal())).await?;
        let (own, begun, cpu) = (own_cpu(), Instant::now(), server.cpu());
        for _ in 0..times {
            if forget {
                gate.forget();
            }
            gate.verify(Shown::Bearer(key.reveal())).await?;
        }
        let (seconds, cpu) = (begun.elapsed(), own_cpu() - own + (server.cpu() - cpu).postgres);
        table.row(subject, costs(times, cpu, seconds));
    }
    let passwords = Passwords::new(1);
    let name = format!("bench-{}", kernel::id::new());
    let new = NewUser {
        username: name.parse()?,
        email: None,
        role: Role::User,
        first_name: String::new(),
        last_name: String::new(),
        password_hash: Some(passwords.hash("correct horse battery staple").await?),
    };
    let user = users::create(&mut connection, &Actor::owner(), new).await?;
    let origin = sessions::Origin::default();
    let (own, begun, cpu) = (own_cpu(), Instant::now(), server.cpu());
    for _ in 0..SIGN_INS {
        let password = "correct horse battery staple";
        sessions::sign_in(pool, &passwords, &signing, &name, password, &origin).await?;
    }
    let (seconds, cpu) = (begun.elapsed(), own_cpu() - own + (server.cpu() - cpu).postgres);
    table.row("sign-in", costs(SIGN_INS, cpu, seconds));
    users::delete(&mut connection, &Actor::owner(), user.id).await?;
    drop(connection);
    listener.abort();
    database.close().await;
    server.stop().await?;
    Ok(table)
}

fn costs(times: usize, cpu: f64, seconds: Duration) -> Vec<crate::figures::Figure> {
    vec![
        plain("times", count(times)),
        less("CPU-µs", cpu * 1e6 / count(times)),
        wall("µs", seconds.as_secs_f64() * 1e6 / count(times)),
    ]
}

fn own_cpu() -> f64 {
    process::cpu(std::process::id(), 0).server
}
