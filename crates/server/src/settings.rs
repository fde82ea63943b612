//! Settings: flags, environment variables and a configuration file, read once at the start.
//!
//! Each group of settings is a file here: a struct of clap arguments, whose ids are their keys in the configuration file, with
//! methods that return the values in the types the program uses. To add a setting, add a field to its group and its
//! explanation in Chinese to `zh-CN/settings.ftl`. [`load()`] applies the precedence, [`definition`] describes a setting,
//! [`effective`] tells which value holds and why.

mod backup;
mod chat;
mod database;
mod definition;
mod documents;
pub(crate) mod effective;
mod file;
mod graphql;
mod installed;
mod limits;
mod load;
mod logging;
mod mail;
mod redis;
mod search;
mod secret;
mod server;
mod storage;
mod tracing;

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use store::DatabaseConfig;

pub(crate) use chat::ShareLinks;
#[cfg(test)]
pub(crate) use definition::Kind;
pub(crate) use definition::{Definition, definitions, help, is_setting, prepare};
pub(crate) use graphql::GraphqlSettings;
pub(crate) use load::{Loaded, Problem, load};
pub(crate) use logging::LogFormat;
use secret::Secret;

use effective::{EffectiveSetting, Source};

/// Settings of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) server: server::ServerSettings,
    #[command(flatten)]
    pub(crate) storage: storage::StorageSettings,
    #[command(flatten)]
    pub(crate) database: database::DatabaseSettings,
    #[command(flatten)]
    pub(crate) redis: redis::RedisSettings,
    #[command(flatten)]
    pub(crate) mail: mail::MailSettings,
    #[command(flatten)]
    pub(crate) search: search::SearchSettings,
    #[command(flatten)]
    pub(crate) documents: documents::DocumentSettings,
    #[command(flatten)]
    pub(crate) backup: backup::BackupSettings,
    #[command(flatten)]
    pub(crate) chat: chat::ChatSettings,
    #[command(flatten)]
    pub(crate) graphql: graphql::GraphqlSettings,
    #[command(flatten)]
    pub(crate) limits: limits::LimitSettings,
    #[command(flatten)]
    pub(crate) logging: logging::LoggingSettings,
    #[command(flatten)]
    pub(crate) tracing: tracing::TracingSettings,

    #[arg(skip)]
    effective: Arc<Vec<EffectiveSetting>>,
}

/// A group of settings: a table in the configuration file.
trait Group {
    /// Checks what no parser of a single value can: values that belong together, files that must exist.
    fn check(&self, _problems: &mut Problems) {}

    /// Values that hold where nothing is set and the default depends on the machine, by key.
    fn computed_defaults(&self, _data_dir: &Path) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

impl Settings {
    fn groups(&self) -> [&dyn Group; 13] {
        [
            &self.server,
            &self.storage,
            &self.database,
            &self.redis,
            &self.mail,
            &self.search,
            &self.documents,
            &self.backup,
            &self.chat,
            &self.graphql,
            &self.limits,
            &self.logging,
            &self.tracing,
        ]
    }

    /// Adds the effective settings, completed by the defaults that depend on this machine.
    pub(crate) fn with_effective(self, mut effective: Vec<EffectiveSetting>) -> Self {
        let data_dir = self.storage.data_dir();
        for (key, value) in self.groups().iter().flat_map(|group| group.computed_defaults(&data_dir)) {
            let unset = effective.iter_mut().filter(|setting| setting.source == Source::Default);
            if let Some(setting) = unset.filter(|setting| setting.value.is_none()).find(|it| it.key == key) {
                setting.value = Some(value);
            }
        }
        Self { effective: Arc::new(effective), ..self }
    }

    /// Returns each setting with its value and source, in the order of the groups.
    pub(crate) fn effective(&self) -> &[EffectiveSetting] {
        &self.effective
    }

    /// Configuration of the database.
    pub(crate) fn database(&self) -> DatabaseConfig {
        let mut config = self.database.config(&self.storage.data_dir());
        config.cluster.settings.extend(self.backup.postgres());
        config
    }

    /// Returns the settings for a restored copy of the library in another data directory: its own database and secrets, and nothing
    /// that it would share with this library.
    pub(crate) fn for_copy(&self, data_dir: &Path) -> Self {
        Self {
            storage: self.storage.for_copy(data_dir),
            database: self.database.for_copy(&self.storage.data_dir()),
            redis: redis::RedisSettings::none(),
            ..self.clone()
        }
    }

    /// Checks the settings as a whole; `file` is the configuration file they come from.
    pub(crate) fn check(&self, file: Option<&Path>) -> Vec<Problem> {
        let mut problems = Problems(Vec::new());
        for group in self.groups() {
            group.check(&mut problems);
        }
        let located = problems.0.into_iter().map(|(key, message)| {
            let setting = self.effective.iter().find(|setting| setting.key == key);
            let location = setting.map_or_else(|| key.to_owned(), |setting| location(setting, file));
            Problem { location, message: format!("`{key}`: {message}") }
        });
        located.collect()
    }
}

fn location(setting: &EffectiveSetting, file: Option<&Path>) -> String {
    match (setting.source, setting.line, file) {
        (Source::Flag, ..) => setting.flag.clone(),
        (Source::Environment, ..) => setting.variable.clone(),
        (Source::File, Some(line), Some(file)) => format!("{}:{line}", file.display()),
        _ => setting.key.clone(),
    }
}

/// Problems of settings, by key.
struct Problems(Vec<(&'static str, String)>);

impl Problems {
    fn add(&mut self, key: &'static str, message: &str) {
        self.0.push((key, message.to_owned()));
    }

    /// Adds the error, if it is one.
    fn note<T>(&mut self, key: &'static str, result: anyhow::Result<T>) {
        if let Err(error) = result {
            self.add(key, &format!("{error:#}"));
        }
    }
}
