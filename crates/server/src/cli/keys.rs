//! `wenyuan keys`: API keys for agents and scripts.

use std::process::ExitCode;

use chrono::SecondsFormat;
use clap::{Args, Subcommand};
use identity::keys::{self, Key, NewKey};
use identity::{Username, users};
use kernel::actor::{Actor, KeyId, Scope};
use library::catalogue;
use library::names::LibraryName;
use serde_json::json;
use sqlx::PgConnection;

use super::show::{self, BOLD, DIM, WRONG, styled};
use crate::app::App;

/// Arguments of `wenyuan keys`; lists keys by default.
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
    /// List keys (default)
    List,
    /// Create a key; it is shown once
    Create(Create),
    /// Enable a key
    Enable {
        /// Id, name or first characters
        key: String,
    },
    /// Disable a key
    Disable {
        /// Id, name or first characters
        key: String,
    },
    /// Delete a key
    Delete {
        /// Id, name or first characters
        key: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// Name, such as claude-code or ci
    #[arg(long)]
    name: String,

    /// Only this library; repeatable [default: all that its user can read]
    #[arg(long = "library", short, value_name = "LIBRARY")]
    libraries: Vec<String>,

    /// Scope; repeatable, read is always included
    #[arg(
        long = "scope",
        value_name = "read|write|notes|chats",
        default_value = "read",
        value_delimiter = ','
    )]
    scopes: Vec<Scope>,

    /// Expires after: 90d, 12h, 1y [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    expires: Option<i64>,

    /// Rate limit in requests per minute [default: the server's]
    #[arg(long, value_name = "NUMBER")]
    rate: Option<i32>,

    /// User that the key acts as [default: the library's owner]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    let mut transaction = app.begin().await?;
    match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            let all = keys::list(&mut transaction, &owner).await?;
            if arguments.json {
                show::line(&serde_json::to_string_pretty(&all)?);
            } else if all.is_empty() {
                show::note("no keys yet; create one: wenyuan keys create --name NAME");
            } else {
                all.iter().for_each(print);
            }
        }
        Action::Create(create) => {
            let (key, token) = make(&mut transaction, &owner, create).await?;
            if arguments.json {
                show::line(&serde_json::to_string_pretty(&json!({ "key": token.reveal(), "details": key }))?);
            } else {
                show::note(&format!("key {}, shown only once:", styled(BOLD, &key.name)));
                show::line(token.reveal());
            }
        }
        Action::Enable { key } => {
            let id = find(&mut transaction, &owner, &key).await?;
            let key = keys::enable(&mut transaction, &owner, id, true).await?;
            show::note(&format!("key {} enabled", key.name));
        }
        Action::Disable { key } => {
            let id = find(&mut transaction, &owner, &key).await?;
            let key = keys::enable(&mut transaction, &owner, id, false).await?;
            show::note(&format!("key {} disabled", key.name));
        }
        Action::Delete { key } => {
            let id = find(&mut transaction, &owner, &key).await?;
            keys::delete(&mut transaction, &owner, id).await?;
            show::note(&format!("deleted key {key}"));
        }
    }
    transaction.commit().await?;
    Ok(ExitCode::SUCCESS)
}

async fn make(
    connection: &mut PgConnection,
    owner: &Actor,
    create: Create,
) -> anyhow::Result<(Key, kernel::secret::Token)> {
    let names: Result<Vec<LibraryName>, _> = create.libraries.iter().map(|name| name.parse()).collect();
    let names = names?;
    let catalogue = catalogue::read(connection).await?;
    for name in &names {
        // A misspelt name would create a key that reaches nothing.
        catalogue.library(owner, name)?;
    }
    let user = match create.user {
        None => None,
        Some(name) => {
            let name: Username = name.parse()?;
            Some(users::find_id(connection, owner, &name).await?)
        }
    };
    let new = NewKey {
        name: create.name,
        scopes: create.scopes.into_iter().collect(),
        libraries: (!names.is_empty()).then(|| names.iter().map(ToString::to_string).collect()),
        rate_limit: create.rate,
        seconds: create.expires,
    };
    Ok(keys::create(connection, owner, user, new).await?)
}

async fn find(connection: &mut PgConnection, owner: &Actor, wanted: &str) -> anyhow::Result<KeyId> {
    let all = keys::list(connection, owner).await?;
    let names_it = |key: &&Key| {
        key.id.to_string() == wanted
            || key.name == wanted
            || (wanted.len() > 6 && key.prefix.starts_with(wanted))
    };
    let found: Vec<&Key> = all.iter().filter(names_it).collect();
    match found.as_slice() {
        [] => anyhow::bail!("there is no key {wanted}; `wenyuan keys` lists all"),
        [one] => Ok(one.id),
        _ => anyhow::bail!("{wanted} matches several keys: use the id (`wenyuan keys --json`)"),
    }
}

fn print(key: &Key) {
    let day = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut line = format!("{}  {}…  {}", styled(BOLD, &key.name), key.prefix, key.scopes.join(","));
    if let Some(user) = &key.user {
        line.push_str(&format!("  of {user}"));
    }
    if let Some(libraries) = &key.libraries {
        line.push_str(&format!("  only {}", libraries.join(",")));
    }
    if let Some(time) = key.expires_at {
        line.push_str(&format!("  until {}", day(time)));
    }
    let used = key.last_used.map_or_else(|| "never used".to_owned(), |time| format!("used {}", day(time)));
    line.push_str(&styled(DIM, format!("  {used}")));
    if !key.enabled {
        line.push_str(&styled(WRONG, "  disabled"));
    }
    show::line(&line);
}

/// Parses `90d`, `12h`, `30m`, `1y` as seconds.
fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is not a time: write a number and m, h, d, w or y (90d)");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<i64>().ok()).ok_or_else(wrong)?;
    let seconds = match unit {
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'y' => 365 * 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn times_are_read() {
        assert_eq!(duration("90d"), Ok(90 * 86_400));
        assert_eq!(duration("12h"), Ok(12 * 3600));
        for text in ["", "d", "90", "-1d", "0d", "9999999999999999y", "1月"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
