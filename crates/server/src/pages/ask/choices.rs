//! Options of a question: library and version, focus, model, external servers. Only available ones are offered.

use chat::answer::AnswerOptions;
use chat::chats::{Chat, NewChat};
use chat::focus::Focus;
use chat::models::{self, ModelChoice};
use kernel::actor::Actor;
use library::catalogue::Catalogue;
use sqlx::PgConnection;

use crate::http::AppState;
use crate::http::problem::{Problem, Result};
use crate::pages::forms::SubmittedForm;

/// Versions of one library that are offered: the newest.
const MAX_VERSIONS: usize = 12;
/// Libraries whose versions are all offered; with more, only those of the one that is chosen are.
const MAX_VERSIONED: usize = 40;
/// Stands between library and version in what a form sends; no name of a library holds it.
const AT: char = '@';

/// Available options, and the selected ones.
pub(crate) struct Choices {
    pub(crate) libraries: Vec<Offered>,
    pub(crate) models: Vec<ModelChoice>,
    pub(crate) servers: Vec<String>,
    pub(crate) focuses: Vec<&'static str>,
    pub(crate) chosen: Chosen,
}

/// A library that may be asked.
pub(crate) struct Offered {
    pub(crate) name: String,
    pub(crate) title: String,
    /// The version that answers where none is named.
    pub(crate) active: Option<String>,
    pub(crate) versions: Vec<String>,
}

/// Selected options.
#[derive(Default, Clone)]
pub(crate) struct Chosen {
    pub(crate) library: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) focus: Focus,
    pub(crate) model: Option<String>,
    pub(crate) servers: Vec<String>,
}

impl Chosen {
    /// Options of a chat.
    pub(crate) fn of(chat: &Chat) -> Self {
        Self {
            library: chat.library.clone(),
            version: chat.version.clone(),
            focus: chat.focus_mode.parse().unwrap_or_default(),
            model: chat.model.clone(),
            servers: Vec::new(),
        }
    }

    /// Options of a form.
    pub(crate) fn said(posted: &SubmittedForm) -> Result<Self> {
        let written = Self::written(posted.field("scope"), posted.field("focus"), posted.field("model"))?;
        Ok(Self { servers: posted.ticked("server:"), ..written })
    }

    /// Parses the fields of a form; empty ones take the default.
    pub(crate) fn written(scope: &str, focus: &str, model: &str) -> Result<Self> {
        let (library, version) = self::scope(scope);
        Ok(Self {
            library,
            version,
            focus: if focus.is_empty() { Focus::default() } else { focus.parse()? },
            model: some(model),
            servers: Vec::new(),
        })
    }

    /// Query: `?library=&version=`.
    pub(crate) fn named(library: &str, version: &str) -> Self {
        let library = some(library);
        Self { version: some(version).filter(|_| library.is_some()), library, ..Self::default() }
    }

    /// A chat that is to ask so.
    pub(crate) fn begun(&self) -> NewChat {
        NewChat {
            focus: self.focus,
            library: self.library.clone(),
            version: self.version.clone(),
            model: self.model.clone(),
            ..NewChat::default()
        }
    }

    pub(crate) fn means(&self) -> AnswerOptions {
        AnswerOptions {
            focus: Some(self.focus),
            library: self.library.clone(),
            version: self.version.clone(),
            model: self.model.clone(),
            servers: self.servers.clone(),
        }
    }

    /// As a form sends it.
    pub(crate) fn scope(&self) -> String {
        match (&self.library, &self.version) {
            (Some(library), Some(version)) => format!("{library}{AT}{version}"),
            (Some(library), None) => library.clone(),
            (None, _) => String::new(),
        }
    }

    pub(crate) fn focus(&self) -> &'static str {
        self.focus.as_str()
    }
}

fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Splits the scope of a form into library and version.
fn scope(text: &str) -> (Option<String>, Option<String>) {
    match text.split_once(AT) {
        Some((library, version)) => (some(library), some(version)),
        None => (some(text), None),
    }
}

impl Choices {
    /// All that the actor may choose from.
    pub(crate) async fn read(
        state: &AppState,
        connection: &mut PgConnection,
        catalogue: &Catalogue,
        actor: &Actor,
        chosen: Chosen,
    ) -> Result<Self> {
        let models = models::choices(&mut *connection, actor).await?;
        let servers = registry::tool_call::choices(connection, actor).await.map_err(Problem::from)?;
        let libraries = catalogue.libraries(actor);
        let few = libraries.len() <= MAX_VERSIONED;
        let libraries = libraries.into_iter().map(|library| {
            let is_chosen = chosen.library.as_deref() == Some(library.name.as_str());
            let active = library.versions.iter().find(|version| Some(version.id) == library.active);
            Offered {
                name: library.name.to_string(),
                title: library.title.clone(),
                active: active.map(|version| version.label.to_string()),
                versions: library
                    .versions
                    .iter()
                    .take(if few || is_chosen { MAX_VERSIONS } else { 0 })
                    .map(|known| known.label.to_string())
                    .collect(),
            }
        });
        let searches_web = state.app.answers.searches_web();
        let focuses = Focus::ALL.into_iter().filter(|focus| match focus {
            Focus::LibrarySearch => true,
            // There is no engine for calculations: it would be the web once more.
            Focus::WolframAlphaSearch => false,
            Focus::WritingAssistant => !models.is_empty(),
            _ => searches_web,
        });
        Ok(Self {
            libraries: libraries.collect(),
            focuses: focuses.map(Focus::as_str).collect(),
            models,
            servers,
            chosen,
        })
    }

    /// Whether what is chosen stands among what is offered; a range of versions, or an old one, does not.
    pub(crate) fn is_offered(&self) -> bool {
        let Some(library) = &self.chosen.library else { return true };
        self.libraries.iter().any(|offered| {
            offered.name == *library
                && self.chosen.version.as_ref().is_none_or(|version| offered.versions.contains(version))
        })
    }

    /// Whether this is what is chosen.
    pub(crate) fn is(&self, library: &str, version: Option<&str>) -> bool {
        self.chosen.library.as_deref() == Some(library) && self.chosen.version.as_deref() == version
    }

    pub(crate) fn is_model(&self, name: &str) -> bool {
        self.chosen.model.as_deref() == Some(name)
    }

    pub(crate) fn is_server(&self, name: &str) -> bool {
        self.chosen.servers.iter().any(|server| server == name)
    }

    /// The model that answers where none is chosen.
    pub(crate) fn usual(&self) -> &str {
        self.models.iter().find(|model| model.is_default).map_or("", |model| &model.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_and_its_version_come_as_one() {
        for (text, library, version) in [
            ("", None, None),
            ("gate", Some("gate"), None),
            ("vercel/next.js@15.1", Some("vercel/next.js"), Some("15.1")),
            ("gate@", Some("gate"), None),
            ("gate@a@b", Some("gate"), Some("a@b")),
        ] {
            assert_eq!(scope(text), (library.map(str::to_owned), version.map(str::to_owned)), "{text}");
        }
    }
}
