//! `wenyuan secrets`: changing the key that secrets are sealed with, while servers run, and again where it broke off.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use sqlx::PgConnection;
use store::sealed::{self, Resealed};
use store::secrets::Sealer;

use super::show;
use crate::app::App;

/// What to do with the secret keys.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a new key, seal everything with it, and forget the old one. Where that was interrupted, do it again.
    Rotate,
    /// Seal everything with the newest key, where you change the keys yourself (`WENYUAN_SECRET_KEY`).
    Reseal,
}

/// Does it.
pub(super) async fn run(app: &App, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Rotate => {
            app.secrets.add_key()?;
            let resealed = reseal(app).await?;
            // Only now, when all of it is committed, and nobody writes with the old key any more.
            app.secrets.drop_old()?;
            tell(&resealed);
            show::note("the secret key is another; copies of the old one open nothing here any more");
        }
        Action::Reseal => {
            tell(&reseal(app).await?);
            show::note("older keys are not needed any more, once every node knows the newest");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Seals anew what every room has sealed: first while others write, which may take a while, then the rest while they wait.
async fn reseal(app: &App) -> anyhow::Result<Resealed> {
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let early = reseal_rooms(&mut transaction, &app.secrets).await?;
    transaction.commit().await?;
    let mut transaction = store::postgres::begin(app.pool()).await?;
    sealed::await_writers(&mut transaction).await?;
    let late = reseal_rooms(&mut transaction, &app.secrets).await?;
    transaction.commit().await?;
    Ok(Resealed { renewed: early.renewed + late.renewed, lost: late.lost })
}

/// Each room that seals something is named here.
async fn reseal_rooms(connection: &mut PgConnection, sealer: &Sealer) -> anyhow::Result<Resealed> {
    let servers = registry::servers::reseal(connection, sealer).await?;
    let answers = store::idempotency::reseal(connection, sealer).await?;
    let models = chat::models::reseal(connection, sealer).await?;
    Ok(Resealed {
        renewed: servers.renewed + models.renewed + answers.renewed,
        lost: [servers.lost, models.lost, answers.lost].concat(),
    })
}

fn tell(resealed: &Resealed) {
    show::note(&format!("sealed {} secrets anew", resealed.renewed));
    for lost in &resealed.lost {
        show::error(&format!("{lost} does not open with any key: enter it anew"));
    }
}
