//! The definition of a setting: a clap argument whose id is its key in the configuration file.
//!
//! Flag, environment variable, default, help and parser are those of the argument, so that a setting is defined in one
//! place: the field of its group. [`prepare`] applies what all settings have in common.

use std::any::TypeId;
use std::error::Error as _;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{OsStr, Resettable};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};

use super::Secret;

/// A visible setting. Hidden ones have no definition and no key in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition<'command>(&'command Arg);

/// Type of a setting's value in the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// A path; in a configuration file it is relative to the directory of that file.
    Path,
    Integer,
    Float,
    Boolean,
    /// One of a few values.
    Choice,
    /// An array of strings.
    List,
}

/// Makes all settings available to every command, outside its own help, and hides the values of those that may hold secrets.
pub(crate) fn prepare(command: Command) -> Command {
    command.mut_args(|argument| {
        if !is_setting(&argument) {
            return argument;
        }
        let is_secret = Definition(&argument).is_secret();
        argument
            .global(true)
            .hide_short_help(true)
            .hide_long_help(true)
            .hide_env_values(is_secret)
            .hide_default_value(is_secret)
    })
}

/// Returns the help of the settings: flag, variable, explanation and default of each, by group.
pub(crate) fn help(command: &Command) -> String {
    let mut text = String::from(
        "Settings of every command: flags, environment variables, and keys of the configuration file.\n\
         `wenyuan config show` shows those in effect, `wenyuan config template` prints a file to start from.\n\n\
         --config FILE (WENYUAN_CONFIG)\n    \
         Configuration file [default: wenyuan.toml in the user's configuration directory or in /etc/wenyuan]\n",
    );
    let mut section = "";
    for setting in definitions(command) {
        if setting.section() != section {
            section = setting.section();
            text.push_str(&format!("\n[{section}]\n"));
        }
        let names = setting.0.get_value_names().unwrap_or_default();
        let value = names.first().filter(|_| setting.kind() != Kind::Boolean);
        let value = value.map(|name| format!(" {name}")).unwrap_or_default();
        let default = setting.default().filter(|_| !setting.is_secret());
        let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
        text.push_str(&format!(
            "{}{value} ({})\n    {}{default}\n",
            setting.flag(),
            setting.variable(),
            setting.help()
        ));
    }
    text.trim_end().to_owned()
}

/// Returns the settings of a command, in the order of their groups.
pub(crate) fn definitions(command: &Command) -> impl Iterator<Item = Definition<'_>> {
    command.get_arguments().filter(|argument| is_setting(argument) && !argument.is_hide_set()).map(Definition)
}

/// Whether an argument is a setting: its id names a section and a key.
pub(crate) fn is_setting(argument: &Arg) -> bool {
    argument.get_id().as_str().contains('.')
}

impl<'command> Definition<'command> {
    /// Section and name, as in `server.listen`.
    pub(crate) fn key(self) -> &'command str {
        self.0.get_id().as_str()
    }

    /// Table in the configuration file.
    pub(crate) fn section(self) -> &'command str {
        self.key().split_once('.').map_or("", |(section, _)| section)
    }

    /// Key within its table.
    pub(crate) fn name(self) -> &'command str {
        self.key().split_once('.').map_or("", |(_, name)| name)
    }

    /// Flag, with its dashes.
    pub(crate) fn flag(self) -> String {
        format!("--{}", self.0.get_long().unwrap_or_default())
    }

    /// Environment variable.
    pub(crate) fn variable(self) -> String {
        self.0.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Heading of its group in `--help`.
    #[cfg(test)]
    pub(crate) fn heading(self) -> &'command str {
        self.0.get_help_heading().unwrap_or_default()
    }

    /// Explanation in English, without the default.
    pub(crate) fn help(self) -> String {
        let help = self.whole_help();
        help.split_once(" [default:").map_or(help.clone(), |(before, _)| before.to_owned())
    }

    /// Explanation in English; a computed default is at its end, in brackets.
    pub(super) fn whole_help(self) -> String {
        self.0.get_long_help().or(self.0.get_help()).map(ToString::to_string).unwrap_or_default()
    }

    /// Default value, or the description of one that is computed.
    pub(crate) fn default(self) -> Option<String> {
        let values = self.0.get_default_values();
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
            return Some(values.join(", "));
        }
        if self.kind() == Kind::Boolean {
            return Some("false".to_owned());
        }
        let help = self.whole_help();
        let (_, default) = help.split_once("[default: ")?;
        Some(default.trim_end_matches(']').to_owned())
    }

    /// Default value in the syntax of the configuration file; `None` if there is none.
    pub(crate) fn default_in_file(self) -> Option<String> {
        let is_computed = self.0.get_default_values().is_empty() && self.kind() != Kind::Boolean;
        let default = self.default().filter(|_| !is_computed)?;
        Some(match self.kind() {
            Kind::Integer | Kind::Float | Kind::Boolean => default,
            Kind::Text | Kind::Path | Kind::Choice | Kind::List => format!("{default:?}"),
        })
    }

    /// Possible values; empty if the setting is not a choice.
    pub(crate) fn choices(self) -> Vec<String> {
        let choices = self.0.get_possible_values();
        let is_choice = self.kind() == Kind::Choice;
        choices.iter().filter(|_| is_choice).map(|choice| choice.get_name().to_owned()).collect()
    }

    /// Whether its value may hold a secret and is never shown.
    pub(crate) fn is_secret(self) -> bool {
        self.is_of::<Secret>()
    }

    /// Type of its value in the configuration file.
    pub(crate) fn kind(self) -> Kind {
        match self.0.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => Kind::Boolean,
            ArgAction::Append => Kind::List,
            _ if self.is_of::<PathBuf>() => Kind::Path,
            _ if self.is_of::<f64>() => Kind::Float,
            _ if self.is_of::<u32>() || self.is_of::<u64>() || self.is_of::<usize>() => Kind::Integer,
            _ if !self.0.get_possible_values().is_empty() => Kind::Choice,
            _ => Kind::Text,
        }
    }

    fn is_of<T: 'static>(self) -> bool {
        self.0.get_value_parser().type_id() == TypeId::of::<T>()
    }

    /// Checks a value with the parser of the argument.
    ///
    /// # Errors
    ///
    /// Fails with the reason; the value is quoted unless it can be a secret.
    pub(super) fn check(self, value: &std::ffi::OsStr) -> Result<(), String> {
        let mut argument = self.0.clone().env(Resettable::<OsStr>::Reset).global(false);
        if self.kind() == Kind::Boolean {
            // A flag takes no value by itself.
            argument = argument.action(ArgAction::Set);
        }
        let mut text = OsString::from(format!("{}=", self.flag()));
        text.push(value);
        match Command::new("setting").no_binary_name(true).arg(argument).try_get_matches_from([text]) {
            Ok(_) => Ok(()),
            Err(error) if self.is_secret() => Err(format!("invalid value: {}", explanation(&error))),
            Err(error) => {
                Err(format!("invalid value {:?}: {}", value.to_string_lossy(), explanation(&error)))
            }
        }
    }
}

fn explanation(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(choices)) = error.get(ContextKind::ValidValue)
        && !choices.is_empty()
    {
        return format!("use one of {}", choices.join(", "));
    }
    error.source().map_or_else(
        || error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        ToString::to_string,
    )
}

impl Kind {
    /// Name of the type, for the reference.
    #[cfg(test)]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text | Self::Choice => "string",
            Self::Path => "path",
            Self::Integer => "integer",
            Self::Float => "number",
            Self::Boolean => "boolean",
            Self::List => "array of strings",
        }
    }

    /// Empty value of this type, which sets nothing.
    pub(crate) fn empty(self) -> &'static str {
        match self {
            Self::List => "[]",
            _ => "\"\"",
        }
    }

    /// Example of this type in the configuration file, for errors.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Text | Self::Choice => "a string: \"…\"",
            Self::Path => "a path: \"…\"",
            Self::Integer => "an integer: 20",
            Self::Float => "a number: 2.5",
            Self::Boolean => "true or false",
            Self::List => "an array of strings: [\"…\"]",
        }
    }
}
