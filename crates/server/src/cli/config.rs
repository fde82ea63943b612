//! `wenyuan config`: the configuration file and the effective settings.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::show::{self, DIM, WELL, styled};
use crate::settings::effective::{EffectiveSetting, Source};
use crate::settings::{Definition, Problem, Settings, definitions};

/// Arguments of `wenyuan config`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check the configuration file and the environment. Exits with 1 if anything is wrong.
    Check,
    /// Show every setting with its value and source; secrets are hidden.
    Show {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a configuration file with every setting commented out.
    Template,
}

/// Loaded settings, with what is wrong with them.
pub(super) struct Configuration<'load> {
    pub(super) settings: &'load Settings,
    pub(super) file: Option<&'load Path>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// Runs the command. Exits with 1 if the configuration is checked and invalid.
pub(super) fn run(arguments: &Arguments, configuration: Configuration<'_>) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Check => return Ok(check(configuration)),
        Action::Show { json } => show(&configuration, json)?,
        Action::Template => show::line(template().trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

fn check(configuration: Configuration<'_>) -> ExitCode {
    let Configuration { settings, file, mut problems, warnings } = configuration;
    problems.extend(settings.check(file));
    for warning in &warnings {
        show::note(&format!("{} {warning}", styled(show::BOLD, "warning:")));
    }
    report(&problems);
    let source = file.map_or_else(
        || "no configuration file; environment and defaults".to_owned(),
        |file| file.display().to_string(),
    );
    if problems.is_empty() {
        show::note(&format!("{} ({source})", styled(WELL, "the configuration is valid")));
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Tells all problems of a configuration.
pub(super) fn report(problems: &[Problem]) {
    for problem in problems {
        show::error(&problem.to_string());
    }
}

fn show(configuration: &Configuration<'_>, json: bool) -> anyhow::Result<()> {
    report(&configuration.problems);
    let settings = configuration.settings.effective();
    if json {
        let file = configuration.file.map(|file| file.display().to_string());
        show::line(&serde_json::to_string_pretty(&json!({ "file": file, "settings": settings }))?);
        return Ok(());
    }
    if let Some(file) = configuration.file {
        show::note(&format!("configuration file: {}", file.display()));
    }
    let width = settings.iter().map(|setting| setting.key.len()).max().unwrap_or_default();
    for setting in settings {
        show::line(&format!("{:<width$}  {}  {}", setting.key, value(setting), styled(DIM, source(setting))));
    }
    Ok(())
}

fn value(setting: &EffectiveSetting) -> String {
    match &setting.value {
        Some(value) => value.clone(),
        None if setting.is_secret => "(hidden)".to_owned(),
        None => "-".to_owned(),
    }
}

fn source(setting: &EffectiveSetting) -> String {
    match (setting.source, setting.line) {
        (Source::Flag, _) => setting.flag.clone(),
        (Source::Environment, _) => setting.variable.clone(),
        (Source::File, Some(line)) => format!("file, line {line}"),
        (source, _) => source.name().to_owned(),
    }
}

/// Renders a configuration file that changes nothing: each setting is commented out and set to its default.
fn template() -> String {
    let mut text = String::from(
        "# Configuration of Wenyuan. Flags and environment variables win over this file.\n\
         # Check it with: wenyuan config check\n",
    );
    let command = super::command();
    let mut section = "";
    for definition in definitions(&command) {
        if definition.section() != section {
            section = definition.section();
            text.push_str(&format!("\n[{section}]\n"));
        }
        text.push_str(&entry(definition));
    }
    text
}

fn entry(definition: Definition<'_>) -> String {
    let mut about = definition.help();
    if let (None, Some(default)) = (definition.default_in_file(), definition.default()) {
        about = format!("{about}. Default: {default}");
    }
    let choices = definition.choices();
    if !choices.is_empty() {
        about = format!("{about}: {}", choices.join(", "));
    }
    let value = definition.default_in_file().unwrap_or_else(|| definition.kind().empty().to_owned());
    format!("# {about}\n#{} = {value}\n", definition.name())
}
