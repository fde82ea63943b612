//! What a page costs the server that makes it.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use identity::users::{self, NewUser};
use identity::{Passwords, Signing, sessions};
use kernel::actor::{Actor, Role};
use sqlx::Executor as _;
use store::{Database, DatabaseConfig};

use crate::figures::{Table, count, less, plain, quantile, wall};
use crate::lab::{Lab, WHOLE};
use crate::server::Server;

/// How often each page is asked for.
const TIMES: usize = 100;
/// What a page may cost the server's own process, in milliseconds.
const MOST: f64 = 5.0;

/// Each room's page, as somebody who administers sees it.
pub(crate) async fn measure(lab: &mut Lab) -> anyhow::Result<Vec<Table>> {
    lab.whole().await?;
    let mut table = Table::new(
        "Pages",
        "Each page with the whole corpus behind it, asked for by an administrator who is signed in, compressed, over one \
         kept connection. `server` is the processor time of the server's own process for one page, compressing \
         included; `bytes` is what crosses the network.",
    );
    let server = lab.program.start(WHOLE, false).await?;
    server.until_searchable().await?;
    let session = session(lab, &server).await?;
    let questions: Vec<String> =
        lab.questions(20)?.into_iter().map(|question| encoded(&question.text)).collect();
    let mut pages = vec![("search, nothing asked", vec!["/".to_owned()])];
    pages.push(("search", questions.iter().map(|question| format!("/?q={question}")).collect()));
    pages.push(("libraries", vec!["/libraries".to_owned()]));
    let documents = documents(lab, &server).await?;
    let (_, longest) = documents.last().context("no document")?;
    let place: Vec<&str> = longest.split('/').collect();
    pages.push(("library", vec![format!("/l/{}", place[2])]));
    pages.push(("version", vec![format!("/l/{}/{}", place[2], place[3])]));
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
            bytes += server.page(path, &session).await.with_context(|| path.clone())?;
        }
        let (cpu, mut times) = (server.cpu(), Vec::new());
        for path in paths.iter().cycle().take(TIMES) {
            let begun = Instant::now();
            server.page(path, &session).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        let cpu = server.cpu() - cpu;
        let each = |seconds: f64| seconds * 1e3 / count(TIMES);
        table.row(
            subject,
            vec![
                plain("bytes", count(bytes) / count(paths.len())),
                less("server CPU-ms", each(cpu.server)).target(MOST),
                less("PostgreSQL CPU-ms", each(cpu.postgres)),
                wall("p50 ms", quantile(&mut times, 0.5)),
                wall("p99 ms", quantile(&mut times, 0.99)),
            ],
        );
    }
    server.stop().await?;
    Ok(vec![table])
}

/// The session of an administrator.
async fn session(lab: &Lab, server: &Server) -> anyhow::Result<String> {
    let database = Database::open(&DatabaseConfig::embedded(server.data(), lab.postgres.clone())).await?;
    let passwords = Passwords::new(1);
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
    let signing = Signing::new(&[[7; 32]]).context("a signing key")?;
    let origin = sessions::Origin::default();
    let signed_in =
        sessions::sign_in(database.pool(), &passwords, &signing, &name, password, &origin).await?;
    database.close().await;
    Ok(signed_in.token.reveal().to_owned())
}

/// The active documents, the shortest first, with the addresses of their pages.
async fn documents(lab: &Lab, server: &Server) -> anyhow::Result<Vec<(i64, String)>> {
    let database = Database::open(&DatabaseConfig::embedded(server.data(), lab.postgres.clone())).await?;
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
            let path: Vec<String> = text(3)?.split('/').map(encoded).collect();
            let address = format!("/l/{}/{}/{}", encoded(&text(1)?), encoded(&text(2)?), path.join("/"));
            Ok((row.try_get(0)?, address))
        })
        .collect()
}

fn encoded(text: &str) -> String {
    reqwest::Url::parse_with_params("http://x/", [("q", text)])
        .ok()
        .and_then(|url| url.query().map(|query| query[2..].replace('+', "%20")))
        .unwrap_or_default()
}
