//! `wenyuan secrets`: rotates the master key while servers run; an interrupted rotation can be repeated.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use sqlx::PgConnection;
use store::sealed::{self, ResealReport};
use store::secrets::Sealer;

use super::show;
use crate::app::App;

/// Arguments of `wenyuan secrets`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a new master key, re-encrypt all secrets, and drop the old key; repeat it if it was interrupted
    Rotate,
    /// Re-encrypt all secrets with the newest key, if you manage the keys yourself (`WENYUAN_SECRET_KEY`)
    Reseal,
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Rotate => {
            app.secrets.add_key()?;
            let resealed = reseal(app).await?;
            // Only after everything is committed and nothing is written with the old key any more.
            app.secrets.remove_old_keys()?;
            tell(&resealed);
            show::note("master key rotated; copies of the old key open nothing any more");
        }
        Action::Reseal => {
            tell(&reseal(app).await?);
            show::note("older keys can be removed once every node has the newest");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Re-encrypts the secrets of every crate: first while others write, then the rest while they wait.
async fn reseal(app: &App) -> anyhow::Result<ResealReport> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let early = reseal_rooms(&mut transaction, &app.secrets).await?;
    transaction.commit().await?;
    let mut transaction = store::postgres::begin(app.pool()).await?;
    sealed::lock_keys_exclusive(&mut transaction).await?;
    let late = reseal_rooms(&mut transaction, &app.secrets).await?;
    transaction.commit().await?;
    Ok(ResealReport { resealed: early.resealed + late.resealed, unreadable: late.unreadable })
}

/// Every crate that seals secrets is listed here.
async fn reseal_rooms(connection: &mut PgConnection, sealer: &Sealer) -> anyhow::Result<ResealReport> {
    let servers = registry::servers::reseal(connection, sealer).await?;
    let answers = store::idempotency::reseal(connection, sealer).await?;
    let models = chat::models::reseal(connection, sealer).await?;
    let endpoints = library::endpoints::reseal(connection, sealer).await?;
    Ok(ResealReport {
        resealed: servers.resealed + models.resealed + endpoints.resealed + answers.resealed,
        unreadable: [servers.unreadable, models.unreadable, endpoints.unreadable, answers.unreadable]
            .concat(),
    })
}

fn tell(report: &ResealReport) {
    show::note(&format!("re-encrypted {} secrets", report.resealed));
    for name in &report.unreadable {
        show::error(&format!("{name} does not open with any key: enter it anew"));
    }
}
