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

/// Limit on the versions of a library that are offered, the newest first.
const MAX_VERSIONS: usize = 12;
/// Limit on libraries whose versions are offered; if there are more, only those of the selected one are.
const MAX_VERSIONED_LIBRARIES: usize = 40;
/// Separates library and version in a form field; no library name contains it.
const SEPARATOR: char = '@';

/// Available options, and the selected ones.
pub(crate) struct Choices {
    pub(crate) libraries: Vec<LibraryChoice>,
    pub(crate) models: Vec<ModelChoice>,
    pub(crate) servers: Vec<String>,
    pub(crate) focuses: Vec<&'static str>,
    pub(crate) selection: Selection,
}

/// Library that can be asked.
pub(crate) struct LibraryChoice {
    pub(crate) name: String,
    pub(crate) title: String,
    /// Label of the active version.
    pub(crate) active: Option<String>,
    pub(crate) versions: Vec<String>,
}

/// Selected options.
#[derive(Default, Clone)]
pub(crate) struct Selection {
    pub(crate) library: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) focus: Focus,
    pub(crate) model: Option<String>,
    pub(crate) servers: Vec<String>,
}

impl Selection {
    /// Returns the options of a chat.
    pub(crate) fn of_chat(chat: &Chat) -> Self {
        Self {
            library: chat.library.clone(),
            version: chat.version.clone(),
            focus: chat.focus_mode.parse().unwrap_or_default(),
            model: chat.model.clone(),
            servers: Vec::new(),
        }
    }

    /// Parses the options of a form.
    pub(crate) fn of_form(form: &SubmittedForm) -> Result<Self> {
        let selection = Self::parse(form.field("scope"), form.field("focus"), form.field("model"))?;
        Ok(Self { servers: form.ticked("server:"), ..selection })
    }

    /// Parses the fields of a form; empty ones take the default.
    pub(crate) fn parse(scope: &str, focus: &str, model: &str) -> Result<Self> {
        let (library, version) = split_scope(scope);
        Ok(Self {
            library,
            version,
            focus: if focus.is_empty() { Focus::default() } else { focus.parse()? },
            model: non_empty(model),
            servers: Vec::new(),
        })
    }

    /// Returns the options of a query, `?library=&version=`.
    pub(crate) fn of_query(library: &str, version: &str) -> Self {
        let library = non_empty(library);
        Self { version: non_empty(version).filter(|_| library.is_some()), library, ..Self::default() }
    }

    /// Returns a new chat with these options.
    pub(crate) fn to_chat(&self) -> NewChat {
        NewChat {
            focus: self.focus,
            library: self.library.clone(),
            version: self.version.clone(),
            model: self.model.clone(),
            ..NewChat::default()
        }
    }

    /// Returns the options of an answer.
    pub(crate) fn to_answer_options(&self) -> AnswerOptions {
        AnswerOptions {
            focus: Some(self.focus),
            library: self.library.clone(),
            version: self.version.clone(),
            model: self.model.clone(),
            servers: self.servers.clone(),
        }
    }

    /// Returns library and version as one form field.
    pub(crate) fn scope(&self) -> String {
        match (&self.library, &self.version) {
            (Some(library), Some(version)) => format!("{library}{SEPARATOR}{version}"),
            (Some(library), None) => library.clone(),
            (None, _) => String::new(),
        }
    }

    pub(crate) fn focus(&self) -> &'static str {
        self.focus.as_str()
    }
}

fn non_empty(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Splits the scope of a form into library and version.
fn split_scope(text: &str) -> (Option<String>, Option<String>) {
    match text.split_once(SEPARATOR) {
        Some((library, version)) => (non_empty(library), non_empty(version)),
        None => (non_empty(text), None),
    }
}

impl Choices {
    /// Reads the options that are available to the actor.
    pub(crate) async fn read(
        state: &AppState,
        connection: &mut PgConnection,
        catalogue: &Catalogue,
        actor: &Actor,
        selection: Selection,
    ) -> Result<Self> {
        let models = models::choices(&mut *connection, actor).await?;
        let servers = registry::tool_call::choices(connection, actor).await.map_err(Problem::from)?;
        let libraries = catalogue.libraries(actor);
        let are_few = libraries.len() <= MAX_VERSIONED_LIBRARIES;
        let libraries = libraries.into_iter().map(|library| {
            let is_selected = selection.library.as_deref() == Some(library.name.as_str());
            let active = library.versions.iter().find(|version| Some(version.id) == library.active);
            LibraryChoice {
                name: library.name.to_string(),
                title: library.title.clone(),
                active: active.map(|version| version.label.to_string()),
                versions: library
                    .versions
                    .iter()
                    .take(if are_few || is_selected { MAX_VERSIONS } else { 0 })
                    .map(|known| known.label.to_string())
                    .collect(),
            }
        });
        let searches_web = state.app.answers.searches_web();
        let focuses = Focus::ALL.into_iter().filter(|focus| match focus {
            Focus::LibrarySearch => true,
            // There is no engine for calculations; it would search the web again.
            Focus::WolframAlphaSearch => false,
            Focus::WritingAssistant => !models.is_empty(),
            _ => searches_web,
        });
        Ok(Self {
            libraries: libraries.collect(),
            focuses: focuses.map(Focus::as_str).collect(),
            models,
            servers,
            selection,
        })
    }

    /// Whether the selected version is among the choices; a range or an old version is not.
    pub(crate) fn is_offered(&self) -> bool {
        let Some(library) = &self.selection.library else { return true };
        self.libraries.iter().any(|choice| {
            choice.name == *library
                && self.selection.version.as_ref().is_none_or(|version| choice.versions.contains(version))
        })
    }

    /// Whether this library and version are selected.
    pub(crate) fn is_selected(&self, library: &str, version: Option<&str>) -> bool {
        self.selection.library.as_deref() == Some(library) && self.selection.version.as_deref() == version
    }

    pub(crate) fn is_model(&self, name: &str) -> bool {
        self.selection.model.as_deref() == Some(name)
    }

    pub(crate) fn is_server(&self, name: &str) -> bool {
        self.selection.servers.iter().any(|server| server == name)
    }

    /// Returns the name of the default model.
    pub(crate) fn default_model(&self) -> &str {
        self.models.iter().find(|model| model.is_default).map_or("", |model| &model.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_split_into_library_and_version() {
        for (text, library, version) in [
            ("", None, None),
            ("gate", Some("gate"), None),
            ("vercel/next.js@15.1", Some("vercel/next.js"), Some("15.1")),
            ("gate@", Some("gate"), None),
            ("gate@a@b", Some("gate"), Some("a@b")),
        ] {
            assert_eq!(split_scope(text), (library.map(str::to_owned), version.map(str::to_owned)), "{text}");
        }
    }
}
