//! Cost of rendering each page.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use identity::users::{self, NewUser};
use identity::{PasswordHasher, TokenSigner, sign_in};
use kernel::actor::{Actor, Role};
use sqlx::Executor as _;
use store::cache::Caches;
use store::secrets::{Sealer, SecretConfig};
use store::{Database, DatabaseConfig};

use crate::figures::{Table, count, info, lower_is_better, quantile, wall_time};
use crate::harness::{CORPUS_DATA, Harness};
use crate::server::Server;

/// Number of requests of each page.
const REQUESTS: usize = 100;
/// Maximum cost of a page in the server process, in milliseconds of processor time.
const MAX_SERVER_CPU_MS: f64 = 5.0;

/// Measures each page as an administrator.
pub(crate) async fn measure(harness: &mut Harness) -> anyhow::Result<Vec<Table>> {
    harness.corpus_library().await?;
    let mut table = Table::new(
        "Pages",
        "Each page on the library of the whole corpus, requested by a signed-in administrator, compressed, over one \
         persistent connection. `server` is the processor time of the server process for one page, compression included; \
         `bytes` is the size transferred.",
    );
    let server = harness.program.start(CORPUS_DATA, false).await?;
    server.wait_until_searchable().await?;
    let session = create_session(harness, &server).await?;
    let questions: Vec<String> =
        harness.questions(20)?.into_iter().map(|question| url_encoded(&question.text)).collect();
    let mut pages = vec![("search, no query", vec!["/".to_owned()])];
    pages.push(("search", questions.iter().map(|question| format!("/?q={question}")).collect()));
    pages.push(("libraries", vec!["/libraries".to_owned()]));
    let documents = documents(harness, &server).await?;
    let (_, longest) = documents.last().context("the library has no documents")?;
    let segments: Vec<&str> = longest.split('/').collect();
    pages.push(("library", vec![format!("/l/{}", segments[2])]));
    pages.push(("version", vec![format!("/l/{}/{}", segments[2], segments[3])]));
    for (subject, at) in
        [("document, median", documents.len() / 2), ("document, longest", documents.len() - 1)]
    {
        pages.push((subject, vec![documents[at].1.clone()]));
    }
    for (subject, path) in [
        ("ask", "/ask"),
        ("history", "/ask/history"),
        ("add", "/add"),
        ("account", "/account"),
        ("administration", "/admin"),
        ("people", "/admin/users"),
        ("jobs", "/admin/jobs"),
    ] {
        pages.push((subject, vec![path.to_owned()]));
    }
    for (subject, paths) in pages {
        let mut bytes = 0;
        for path in &paths {
            bytes += server.page_bytes(path, &session).await.with_context(|| path.clone())?;
        }
        let requests = harness.scale.repetitions(REQUESTS);
        let (cpu, mut latencies) = (server.cpu(), Vec::new());
        for path in paths.iter().cycle().take(requests) {
            let start = Instant::now();
            server.page_bytes(path, &session).await?;
            latencies.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let cpu = server.cpu() - cpu;
        let each = |seconds: f64| seconds * 1e3 / count(requests);
        table.row(
            subject,
            vec![
                info("bytes", count(bytes) / count(paths.len())),
                lower_is_better("server CPU-ms", each(cpu.server)).target(MAX_SERVER_CPU_MS),
                lower_is_better("PostgreSQL CPU-ms", each(cpu.postgres)),
                wall_time("p50 ms", quantile(&mut latencies, 0.5)),
                wall_time("p99 ms", quantile(&mut latencies, 0.99)),
            ],
        );
    }
    server.stop().await?;
    Ok(vec![table])
}

/// Creates an administrator and returns a session token.
async fn create_session(harness: &Harness, server: &Server) -> anyhow::Result<String> {
    let database = Database::open(&DatabaseConfig::embedded(server.data(), harness.postgres.clone())).await?;
    let passwords = PasswordHasher::new(1);
    let (name, password) = (format!("bench-{}", kernel::id::new()), "correct horse battery staple");
    let mut connection = store::postgres::acquire(database.pool()).await?;
    let new = NewUser {
        username: name.parse()?,
        email: None,
        role: Role::Admin,
        first_name: String::new(),
        last_name: String::new(),
        password_hash: Some(passwords.hash(password).await?),
    };
    users::create(&mut connection, &Actor::owner(), new).await?;
    drop(connection);
    let signer = TokenSigner::new(&[[7; 32]]).context("a signing key")?;
    let client = sign_in::ClientInfo::default();
    let default_file = server.data().join("secret.key");
    let caches = Caches::new(None, &Sealer::open(&SecretConfig { keys: None, file: None, default_file })?)?;
    let signed_in =
        sign_in::with_password(database.pool(), &caches, &passwords, &signer, &name, password, &client)
            .await?;
    database.close().await;
    Ok(signed_in.token.reveal().to_owned())
}

/// Returns the active documents, shortest first: length in characters and path of the page.
async fn documents(harness: &Harness, server: &Server) -> anyhow::Result<Vec<(i64, String)>> {
    let database = Database::open(&DatabaseConfig::embedded(server.data(), harness.postgres.clone())).await?;
    let rows = database
        .pool()
        .fetch_all(
            "select length(revision.content)::int8, library.name, version.label, document.path
             from library.document_versions revision
             join library.documents document on document.id = revision.document_id
             join library.versions version on version.id = revision.version_id
             join library.libraries library on library.id = document.library_id
             where revision.active and revision.content is not null
             order by 1",
        )
        .await?;
    database.close().await;
    ensure!(!rows.is_empty(), "the corpus has no documents");
    rows.iter()
        .map(|row| {
            use sqlx::Row as _;
            let text = |column: usize| row.try_get::<String, _>(column);
            let path: Vec<String> = text(3)?.split('/').map(url_encoded).collect();
            let address =
                format!("/l/{}/{}/{}", url_encoded(&text(1)?), url_encoded(&text(2)?), path.join("/"));
            Ok((row.try_get(0)?, address))
        })
        .collect()
}

fn url_encoded(text: &str) -> String {
    reqwest::Url::parse_with_params("http://x/", [("q", text)])
        .ok()
        .and_then(|url| url.query().map(|query| query[2..].replace('+', "%20")))
        .unwrap_or_default()
}
