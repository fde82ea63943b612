//! `wenyuan users`: accounts. Passwords are never given on the command line: people set their own by a link.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use identity::links;
use identity::users::{self, NewUser, User, UserUpdate};
use identity::{Email, Username};
use kernel::actor::{Actor, Role, UserId};
use serde_json::json;
use sqlx::PgConnection;

use super::show::{self, BOLD, DIM, WRONG, styled};
use crate::app::{App, accounts, address};

/// Arguments of `wenyuan users`; lists users by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List users (default)
    List,
    /// Create a user and a link to set their password
    Create(Create),
    /// Create a link to set a new password
    Link {
        /// User name
        name: String,
    },
    /// Change a user
    Change(ChangeArguments),
    /// Delete a user with their sessions and keys
    Delete {
        /// User name
        name: String,
        /// Delete without confirmation
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// User name for signing in
    name: String,

    /// Email address
    #[arg(long)]
    email: Option<String>,

    /// Role: user, editor or admin
    #[arg(long, default_value = "user")]
    role: Role,

    /// Short for --role admin
    #[arg(long, conflicts_with = "role")]
    admin: bool,

    /// Password hash from another system (Argon2 or bcrypt)
    #[arg(long, value_name = "HASH")]
    password_hash: Option<String>,
}

#[derive(Debug, Args)]
struct ChangeArguments {
    /// User name
    name: String,

    /// Role: user, editor or admin
    #[arg(long)]
    role: Option<Role>,

    /// Email address; empty for none
    #[arg(long)]
    email: Option<String>,

    /// Whether they can sign in
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    let mut transaction = app.begin().await?;
    match arguments.action.unwrap_or(Action::List) {
        Action::List => list(&mut transaction, &owner, arguments.json).await?,
        Action::Create(create) => {
            let new = NewUser {
                username: create.name.parse::<Username>()?,
                email: create.email.as_deref().map(str::parse::<Email>).transpose()?,
                role: if create.admin { Role::Admin } else { create.role },
                first_name: String::new(),
                last_name: String::new(),
                password_hash: create.password_hash,
            };
            let has_password = new.password_hash.is_some();
            let user = users::create(&mut transaction, &owner, new).await?;
            let url =
                if has_password { None } else { Some(link(app, &mut transaction, &owner, user.id).await?) };
            if arguments.json {
                show::line(&serde_json::to_string_pretty(&json!({ "user": user, "link": url }))?);
            } else {
                show::note(&format!("made the {} {}", user.role, styled(BOLD, &user.username)));
                if let Some(url) = url {
                    show::note("link to set the password, valid for 3 days:");
                    show::line(&url);
                }
            }
        }
        Action::Link { name } => {
            let id = id_of(&mut transaction, &owner, &name).await?;
            let url = link(app, &mut transaction, &owner, id).await?;
            if arguments.json {
                show::line(&serde_json::to_string_pretty(&json!({ "link": url }))?);
            } else {
                show::note("valid for 3 days and one use; earlier links stop working:");
                show::line(&url);
            }
        }
        Action::Change(change) => {
            let id = id_of(&mut transaction, &owner, &change.name).await?;
            let change = UserUpdate {
                email: change.email,
                role: change.role,
                is_active: change.active,
                ..UserUpdate::default()
            };
            let user = accounts::change_in(&mut transaction, &owner, id, &change).await?;
            if arguments.json {
                show::line(&serde_json::to_string_pretty(&user)?);
            } else {
                print(&user);
            }
        }
        Action::Delete { name, yes } => {
            let id = id_of(&mut transaction, &owner, &name).await?;
            if !yes {
                anyhow::bail!("this deletes {name} with their sessions and keys; confirm with --yes");
            }
            users::delete(&mut transaction, &owner, id).await?;
            show::note(&format!("deleted {name}"));
        }
    }
    transaction.commit().await?;
    Ok(ExitCode::SUCCESS)
}

async fn list(connection: &mut PgConnection, owner: &Actor, json: bool) -> anyhow::Result<()> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = users::list(connection, owner, after.as_ref(), 200).await?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if json {
        show::line(&serde_json::to_string_pretty(&all)?);
    } else if all.is_empty() {
        show::note("no users yet; create the first: wenyuan users create NAME --admin");
    } else {
        all.iter().for_each(print);
    }
    Ok(())
}

async fn id_of(connection: &mut PgConnection, owner: &Actor, name: &str) -> anyhow::Result<UserId> {
    let name: Username = name.parse()?;
    Ok(users::find_id(connection, owner, &name).await?)
}

async fn link(
    app: &App,
    connection: &mut PgConnection,
    owner: &Actor,
    user: UserId,
) -> anyhow::Result<String> {
    let link = links::create_for_user(connection, owner, user).await?;
    let base = app
        .settings
        .server
        .public_url()?
        .map_or_else(|| "http://127.0.0.1:8080".to_owned(), |url| url.to_string());
    Ok(address::of_password_link(&base, &link))
}

fn print(user: &User) {
    let mut line = format!("{}  {}", styled(BOLD, &user.username), user.role);
    if let Some(email) = &user.email {
        line.push_str(&format!("  {email}"));
    }
    let last = user.last_login.map_or_else(|| "never signed in".to_owned(), |time| format!("last {time:.0}"));
    line.push_str(&styled(DIM, format!("  {last}")));
    if !user.is_active {
        line.push_str(&styled(WRONG, "  inactive"));
    }
    show::line(&line);
}
