//! `wenyuan libraries`: lists, shows and deletes libraries, and activates versions.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use kernel::actor::Actor;
use library::catalogue::{self, Library, Version};
use library::label::{Label, VersionRequest};
use library::{libraries, overview};
use serde_json::json;

use super::show::{self, BOLD, DIM, WELL, styled};
use crate::app::{App, community};

/// Arguments of `wenyuan libraries`; lists libraries by default.
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
    /// List libraries (default)
    List,
    /// Show the versions of a library with their counts
    Show {
        /// Library
        name: String,
    },
    /// Choose the active version, which is used when none is given
    Activate {
        /// Library
        name: String,
        /// Version: a label, or latest
        version: String,
    },
    /// Delete a library, or one version of it
    Delete {
        /// Library
        name: String,
        /// Only this version
        #[arg(long)]
        version: Option<String>,
        /// Delete without confirmation
        #[arg(long)]
        yes: bool,
    },
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    let mut transaction = store::postgres::begin(app.pool()).await?;
    let catalogue = catalogue::read(&mut transaction).await?;
    match arguments.action.unwrap_or(Action::List) {
        Action::List => {
            let all: Vec<&Library> =
                catalogue.libraries(&owner).into_iter().map(|library| &**library).collect();
            if arguments.json {
                let all: Vec<_> = all.iter().map(|library| as_json(library)).collect();
                show::line(&serde_json::to_string_pretty(&all)?);
            } else if all.is_empty() {
                show::note("no libraries yet; add documents: wenyuan add PATH --library NAME");
            } else {
                for library in all {
                    print(library);
                }
            }
        }
        Action::Show { name } => {
            let library = catalogue.library(&owner, &name.parse().map_err(library::Error::from)?)?;
            let versions: Vec<_> = library.versions.iter().collect();
            let counts = overview::counts(&mut transaction, &versions).await?;
            if arguments.json {
                let versions: Vec<_> = library
                    .versions
                    .iter()
                    .filter_map(|version| {
                        let counts = counts.iter().find(|counts| counts.version == version.id)?;
                        let active = library.active == Some(version.id);
                        Some(json!({ "label": version.label, "active": active, "counts": counts }))
                    })
                    .collect();
                show::line(&serde_json::to_string_pretty(
                    &json!({ "name": library.name, "versions": versions }),
                )?);
            } else {
                print(library);
                for version in &library.versions {
                    let Some(counts) = counts.iter().find(|counts| counts.version == version.id) else {
                        continue;
                    };
                    let mut line = format!(
                        "  {:<16} {:>7} documents {:>9} passages {:>9} vectors",
                        version.label.as_str(),
                        counts.documents,
                        counts.passages,
                        counts.vectors
                    );
                    if counts.processing > 0 {
                        line.push_str(&format!("  {} being read", counts.processing));
                    }
                    if counts.skipped > 0 {
                        line.push_str(&format!("  {} skipped", counts.skipped));
                    }
                    if counts.failed > 0 {
                        line.push_str(&format!("  {} failed", counts.failed));
                    }
                    show::line(&line);
                }
            }
        }
        Action::Activate { name, version } => {
            let library = catalogue.library(&owner, &name.parse().map_err(library::Error::from)?)?;
            let request: VersionRequest = version.parse().map_err(library::Error::from)?;
            let version = library.resolve(&request)?;
            libraries::activate_version(&mut transaction, &owner, library, version.id).await?;
            show::note(&format!("{} {} is active", library.name, version.label));
        }
        Action::Delete { name, version, yes } => {
            let library = catalogue.library(&owner, &name.parse().map_err(library::Error::from)?)?;
            let version = version.map(|label| find(library, &label)).transpose()?;
            let what = version.map_or_else(
                || format!("{} with all its versions", library.name),
                |version| format!("version {} of {}", version.label, library.name),
            );
            if !yes {
                anyhow::bail!("this deletes {what}; confirm with --yes");
            }
            match version {
                Some(version) => {
                    libraries::delete_version(&mut transaction, &owner, library, version).await?;
                }
                None => community::delete_library(&mut transaction, &owner, library).await?,
            }
            show::note(&format!("deleted {what}"));
        }
    }
    transaction.commit().await?;
    Ok(ExitCode::SUCCESS)
}

fn find<'library>(library: &'library Library, label: &str) -> anyhow::Result<&'library Version> {
    let label: Label = label.parse()?;
    Ok(library.resolve(&VersionRequest::Exact(label))?)
}

fn as_json(library: &Library) -> serde_json::Value {
    let active = library.versions.iter().find(|version| library.active == Some(version.id));
    json!({
        "name": library.name,
        "title": library.title,
        "description": library.description,
        "active_version": active.map(|version| &version.label),
        "versions": library.versions.iter().map(|version| &version.label).collect::<Vec<_>>(),
    })
}

fn print(library: &Library) {
    let versions: Vec<String> = library
        .versions
        .iter()
        .map(|version| {
            let label = version.label.to_string();
            if library.active == Some(version.id) { styled(WELL, format!("{label}*")) } else { label }
        })
        .collect();
    let mut line = format!("{}  {}", styled(BOLD, &library.name), versions.join(" "));
    if library.title != library.name.as_str() {
        line.push_str(&styled(DIM, format!("  {}", library.title)));
    }
    show::line(&line);
}
