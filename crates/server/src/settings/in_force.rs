//! Which settings are in force and where each comes from, for people to look at. A secret's value is not among it.

use std::ffi::OsStr;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Flag,
    Environment,
    Default,
}

/// A setting, as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InForce {
    /// Its flag, with its dashes.
    pub(crate) flag: String,
    /// Its variable in the environment.
    pub(crate) variable: String,
    /// What it is for, in English.
    pub(crate) help: String,
    /// What it is set to; none where it is not set, or may not be shown.
    pub(crate) value: Option<String>,
    /// Whether it is set to something that may not be shown.
    pub(crate) is_secret: bool,
    pub(crate) source: Source,
}

impl Source {
    /// Its name in the catalogue of words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::Default => "default",
        }
    }
}

/// Reads from a parsed command line which settings it has put in force: the library's own and those of `serve`.
pub(crate) fn read(command: &Command, matches: &ArgMatches) -> Vec<InForce> {
    let of_server = command.find_subcommand("serve").zip(matches.subcommand_matches("serve"));
    let own = command.get_arguments().filter_map(|argument| one(argument, matches));
    let more = of_server.into_iter().flat_map(|(command, matches)| {
        command
            .get_arguments()
            .filter(|argument| !argument.is_global_set())
            .filter_map(|argument| one(argument, matches))
    });
    more.chain(own).collect()
}

fn one(argument: &Arg, matches: &ArgMatches) -> Option<InForce> {
    if argument.is_hide_set() {
        return None;
    }
    let (long, variable) = (argument.get_long()?, argument.get_env()?);
    let id = argument.get_id().as_str();
    let given: Vec<String> = matches
        .try_get_raw(id)
        .ok()
        .flatten()
        .into_iter()
        .flatten()
        .map(OsStr::to_string_lossy)
        .map(std::borrow::Cow::into_owned)
        .collect();
    // An empty variable is one that is not set.
    let value = Some(given.join(", ")).filter(|value| !value.is_empty());
    let source = match matches.value_source(id) {
        Some(ValueSource::CommandLine) if value.is_some() => Source::Flag,
        Some(ValueSource::EnvVariable) if value.is_some() => Source::Environment,
        _ => Source::Default,
    };
    // What `--help` does not show of the environment is not shown here either.
    let is_secret = argument.is_hide_env_values_set() && value.is_some();
    Some(InForce {
        flag: format!("--{long}"),
        variable: variable.to_string_lossy().into_owned(),
        help: argument.get_help().map(ToString::to_string).unwrap_or_default(),
        value: value.filter(|_| !is_secret),
        is_secret,
        source,
    })
}
