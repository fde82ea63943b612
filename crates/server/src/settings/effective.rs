//! Effective settings: value and source of each, for `config show` and the settings page. Secrets have no value here.

use std::ffi::OsStr;

use clap::ArgMatches;
use clap::parser::ValueSource;
use serde::Serialize;

use super::definition::Definition;

/// Source of a setting's value, from the strongest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Flag,
    Environment,
    File,
    Default,
}

/// A setting with its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct EffectiveSetting {
    /// Section and key in the configuration file: `server.listen`.
    pub(crate) key: String,
    /// Flag, with its dashes.
    pub(crate) flag: String,
    /// Environment variable.
    pub(crate) variable: String,
    /// Explanation in English.
    #[serde(skip)]
    pub(crate) help: String,
    /// `None` if it is not set, or is a secret.
    pub(crate) value: Option<String>,
    /// Whether it is set to a value that is not shown.
    #[serde(rename = "secret")]
    pub(crate) is_secret: bool,
    pub(crate) source: Source,
    /// Line in the configuration file, if that is its source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
}

impl Source {
    /// Name of the source, also in the catalogue of the pages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
        }
    }
}

/// Returns the value and source of each setting of a parsed command line. `line_of` returns the line of a key in the
/// configuration file, whose values are the arguments' defaults at this point.
pub(super) fn read(
    definitions: &[Definition<'_>],
    matches: &ArgMatches,
    line_of: impl Fn(&str) -> Option<usize>,
) -> Vec<EffectiveSetting> {
    definitions.iter().map(|definition| one(*definition, matches, line_of(definition.key()))).collect()
}

fn one(definition: Definition<'_>, matches: &ArgMatches, line: Option<usize>) -> EffectiveSetting {
    let values = matches.get_raw(definition.key()).into_iter().flatten();
    let values: Vec<_> = values.map(OsStr::to_string_lossy).collect();
    // An empty value counts as absent.
    let value = Some(values.join(", ")).filter(|value| !value.is_empty());
    let source = match (matches.value_source(definition.key()), &value) {
        (_, None) => Source::Default,
        (Some(ValueSource::CommandLine), _) => Source::Flag,
        (Some(ValueSource::EnvVariable), _) => Source::Environment,
        _ if line.is_some() => Source::File,
        _ => Source::Default,
    };
    let is_secret = definition.is_secret() && value.is_some();
    EffectiveSetting {
        key: definition.key().to_owned(),
        flag: definition.flag(),
        variable: definition.variable(),
        help: definition.whole_help(),
        value: value.filter(|_| !is_secret),
        is_secret,
        source,
        line: line.filter(|_| source == Source::File),
    }
}
