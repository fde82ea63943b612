//! `wenyuan serve`: runs the server.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use kernel::actor::Actor;
use tokio::sync::oneshot;

use super::{sandbox, show};
use crate::app::background::BackgroundTasks;
use crate::app::mail::Mail;
use crate::app::{App, guide, shutdown};
use crate::http::guard::Names;
use crate::http::{AppState, connections};
use crate::settings::Settings;
use crate::{metrics, pages, routes};

/// Arguments of `wenyuan serve`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only answer, as a drill needs it: run no jobs and no schedules, and stop at the end of standard input
    #[arg(long, hide = true)]
    for_drill: bool,
}

/// Serves until a signal stops it.
pub(super) async fn run(settings: &Settings, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let listen = settings.server.listen();
    let hosts = settings.server.hosts()?;
    let mail = settings.mail.server_and_sender()?.map(|(url, from)| Mail::new(&url, from)).transpose()?;
    let recorder = metrics::start()?;
    let app = App::open(settings).await?;
    // Before any work starts: a second server on the same port fails at once.
    let listener = match connections::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            app.close().await;
            return Err(error)
                .with_context(|| format!("cannot listen on {listen}; choose another with --listen"));
        }
    };
    let address = listener.local_addr()?;
    warn_of_powers(&app).await;
    if let Some(reason) = sandbox::lacking() {
        tracing::warn!(reason, "documents are parsed in a process without a sandbox");
    }
    let mut background = BackgroundTasks::start(&app);
    background.update_index(&app);
    let public = public_address(settings, address);
    if !arguments.for_drill {
        start_work(&app, &mut background, mail, &public)?;
    }
    let names = Arc::new(Names::new(address, &hosts, settings.server.origins()));
    let router = routes::router(AppState::new(app.clone(), recorder, Arc::clone(&public)), names);
    tracing::info!(address = %address, milliseconds = begun.elapsed().as_millis(), "ready");
    if show::watched() {
        show::note(&format!("{} http://{address}", show::styled(show::BOLD, "文渊 is open at")));
    }
    if !arguments.for_drill {
        offer_setup(&app, &public).await;
    }
    let trusted_proxies = settings.server.trusted_proxies().to_vec();
    connections::serve(listener, router, trusted_proxies, stopping(app.clone(), arguments.for_drill)).await;
    tracing::info!("stopping: finishing or releasing running work");
    background.stop().await;
    app.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Starts the jobs and schedules of the library, and what measures it.
fn start_work(
    app: &App,
    background: &mut BackgroundTasks,
    mail: Option<Mail>,
    public: &Arc<str>,
) -> anyhow::Result<()> {
    background.ingest(app)?;
    background.embed(app);
    background.sweep_objects(app);
    background.maintain(app);
    background.back_up(app);
    background.archive_wal(app);
    background.record_usage(app);
    background.record_zero_results(app);
    background.mark_stale_answers(app);
    if let Some(mail) = mail {
        background.send_mail(app, mail, public, pages::digest::render);
    }
    background.adopt(metrics::spawn_job_gauges(app.pool().clone()));
    let maximum = app.settings.database().pool.maximum;
    background.adopt(store::postgres::spawn_pool_gauges(app.pool().clone(), maximum));
    background.adopt(app.caches.spawn_gauges(app.pool().clone()));
    if let Some(cluster) = app.database.cluster() {
        background.adopt(cluster.spawn_watch());
    }
    let app = app.clone();
    background.adopt(tokio::spawn(async move { guide::add(&app).await }));
    Ok(())
}

/// Returns the public address: the configured one, or where the server listens.
fn public_address(settings: &Settings, address: SocketAddr) -> Arc<str> {
    let public = settings.server.public_url().ok().flatten();
    let public = public.map_or_else(|| format!("http://{address}"), |url| url.to_string());
    public.trim_end_matches('/').into()
}

/// While there is no administrator, prints a link to create one. Without the command line it is the only way:
/// there is no default password.
async fn offer_setup(app: &App, public: &str) {
    let made = async {
        let mut connection = store::postgres::acquire(app.pool()).await?;
        identity::links::create_setup_link(&mut connection, &Actor::owner()).await
    };
    match made.await {
        Ok(Some(link)) => {
            show::note(&format!(
                "{} {}/setup?token={}",
                show::styled(show::BOLD, "no administrator yet; create one at"),
                public,
                link.token.reveal()
            ));
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(error = %kernel::chain::Chain(&error), "failed to create the setup link");
        }
    }
}

/// Warns if the server's database role has more privileges than it needs.
async fn warn_of_powers(app: &App) {
    let Ok(report) = app.database.privilege_report().await else { return };
    if !report.excess.is_empty() {
        tracing::warn!(
            database.role = report.role,
            excess = report.excess.join(", "),
            "the server's database role may do more than the server needs: let DATABASE_URL name a role that owns nothing, \
             and WENYUAN_OWNER_DATABASE_URL the one that migrates (see Roles in the guide Database)"
        );
    }
}

/// Waits for a signal, or for the end of the input if `until_end_of_input`, and ends running answers, whose followers would keep the
/// server up.
async fn stopping(app: App, until_end_of_input: bool) {
    if until_end_of_input {
        tokio::select! {
            () = shutdown::requested() => {}
            () = end_of_input() => {}
        }
    } else {
        shutdown::requested().await;
    }
    app.answers.close().await;
}

/// Waits for the end of standard input. On a thread that nobody waits for: reading cannot be interrupted.
async fn end_of_input() {
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _unreadable = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        sender.send(())
    });
    // A channel that closes says the same.
    let _ended = ended.await;
}
