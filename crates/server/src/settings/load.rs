//! Loading of settings: flags, then the environment, then the configuration file, then defaults.
//!
//! The command line is parsed twice. The first pass leaves the environment out: it tells the command, the path of the
//! configuration file, and faults of the command line itself. Each value of the file and of the environment is then
//! checked by itself, so that all problems are known at once and each has its place. The second pass gets the valid
//! ones: those of the file as the defaults of their arguments.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::builder::{OsStr, Resettable};
use clap::{Arg, ArgMatches, Command};

use super::definition::{Definition, definitions, is_setting};
use super::effective::{self, EffectiveSetting};
use super::file::{self, ConfigFile};

/// The command line, read with the settings from all sources.
pub(crate) struct Loaded {
    /// Without the values that have problems.
    pub(crate) matches: ArgMatches,
    pub(crate) effective: Vec<EffectiveSetting>,
    /// The configuration file, if there is one.
    pub(crate) file: Option<PathBuf>,
    /// Errors that make the configuration invalid.
    pub(crate) problems: Vec<Problem>,
    /// Warnings about likely mistakes.
    pub(crate) warnings: Vec<Problem>,
}

/// A fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `FILE:LINE:COLUMN`, a variable, or a flag.
    pub(crate) location: String,
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.location, self.message)
    }
}

/// Reads the arguments, and the settings for them. `needs_settings` decides by the command whether the
/// environment and
/// the configuration file are read.
///
/// # Errors
///
/// If the command line is wrong, or asks for help.
pub(crate) fn load(
    command: &Command,
    arguments: &[OsString],
    needs_settings: impl Fn(&ArgMatches) -> bool,
) -> Result<Loaded, clap::Error> {
    let without_environment =
        command.clone().mut_args(|argument| if is_setting(&argument) { unset(argument) } else { argument });
    let matches = match without_environment.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        // Help shows the values of the environment.
        Err(error) => return Err(command.clone().try_get_matches_from(arguments).err().unwrap_or(error)),
    };
    if !needs_settings(&matches) {
        return Ok(Loaded {
            matches,
            effective: Vec::new(),
            file: None,
            problems: Vec::new(),
            warnings: Vec::new(),
        });
    }
    let definitions: Vec<Definition<'_>> = definitions(command).collect();
    let named = matches.get_one::<PathBuf>("config");
    let mut file = file::find(named.map(PathBuf::as_path)).map(|path| file::read(path, &definitions));
    let mut problems = file.as_mut().map(|file| std::mem::take(&mut file.problems)).unwrap_or_default();
    let mut warnings = file.as_ref().map(|file| open_secrets(file, &definitions)).unwrap_or_default();
    let unused = check_environment(&definitions, &mut problems);
    warnings.extend(unknown_variables(command, &definitions));
    let with_file = command.clone().mut_args(|argument| {
        let argument = if unused.contains(argument.get_id().as_str()) { unset(argument) } else { argument };
        let in_file = file.as_ref().and_then(|file| file.values.get(argument.get_id().as_str()));
        match in_file {
            Some(value) => argument.default_values(value.values.iter().cloned()),
            None => argument,
        }
    });
    let matches = with_file.try_get_matches_from(arguments)?;
    let lines = file.as_ref().map(|file| &file.values);
    let effective = effective::read(&definitions, &matches, |key| Some(lines?.get(key)?.line));
    Ok(Loaded { matches, effective, file: file.map(|file| file.path), problems, warnings })
}

/// Returns the keys whose variables are not used: they are empty, which is as good as unset, or invalid.
fn check_environment<'definition>(
    definitions: &[Definition<'definition>],
    problems: &mut Vec<Problem>,
) -> BTreeSet<&'definition str> {
    let mut unused = BTreeSet::new();
    for definition in definitions {
        let name = definition.variable();
        #[expect(clippy::disallowed_methods, reason = "here the environment is checked before clap reads it")]
        let Some(value) = std::env::var_os(&name) else { continue };
        if value.is_empty() {
            unused.insert(definition.key());
        } else if let Err(message) = definition.check(&value) {
            unused.insert(definition.key());
            problems.push(Problem { location: name, message });
        }
    }
    unused
}

/// Warns of variables that look like settings and are none. Others of the scripts are left alone unless they
/// are
/// almost a setting's.
fn unknown_variables(command: &Command, definitions: &[Definition<'_>]) -> Vec<Problem> {
    const MIN_SIMILARITY: f64 = 0.95;
    let known: BTreeSet<String> = command
        .get_arguments()
        .filter_map(Arg::get_env)
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names
        .filter(|name| name.starts_with("WENYUAN_") && !known.contains(name))
        .filter_map(|name| {
            let near = definitions
                .iter()
                .map(|definition| definition.variable())
                .find(|variable| strsim::jaro_winkler(&name, variable) >= MIN_SIMILARITY)?;
            Some(Problem { location: name, message: format!("unknown variable: did you mean {near}?") })
        })
        .collect()
}

/// Warns of a file that holds secrets and that everyone can read.
fn open_secrets(file: &ConfigFile, definitions: &[Definition<'_>]) -> Vec<Problem> {
    let holds_secrets = definitions
        .iter()
        .any(|definition| definition.is_secret() && file.values.contains_key(definition.key()));
    let location = file.path.display().to_string();
    let is_open = holds_secrets && file::is_readable_by_others(&file.path);
    let message = format!("holds secrets and can be read by everyone: run chmod o-rwx {location}");
    is_open.then_some(Problem { location, message }).into_iter().collect()
}

fn unset(argument: Arg) -> Arg {
    argument.env(Resettable::<OsStr>::Reset)
}
