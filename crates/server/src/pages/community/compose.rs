//! Form that writes a post, and the subject that its fields name.

use askama::Template;
use kernel::actor::Actor;
use library::ids::DocumentId;
use library::{documents, search};
use serde::Deserialize;
use social::posts::NewSubject;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::{accounts, address};
use crate::http::input;
use crate::http::problem::{Problem, Result};
use crate::pages::forms::SubmittedForm;
use crate::pages::frame::Frame;

/// Subject of a new post as fields of a form: at most one is set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SubjectFields {
    pub(super) library: String,
    pub(super) document: String,
    pub(super) passage: String,
}

/// Form that writes a post.
#[derive(Template)]
#[template(path = "compose.html")]
pub(super) struct Compose<'page> {
    frame: &'page Frame,
    fields: &'page SubjectFields,
    /// Page to return to; empty for that of the post.
    back: &'page str,
}

impl<'page> Compose<'page> {
    pub(super) fn new(frame: &'page Frame, fields: &'page SubjectFields, back: &'page str) -> Self {
        Self { frame, fields, back }
    }
}

impl SubjectFields {
    pub(super) fn of(form: &SubmittedForm) -> Self {
        let field = |name: &str| form.field(name).to_owned();
        Self { library: field("library"), document: field("document"), passage: field("passage") }
    }

    /// Returns the subject, the most specific first.
    pub(super) fn subject(&self) -> Result<NewSubject> {
        if !self.passage.is_empty() {
            return Ok(NewSubject::Passage(id(&self.passage)?));
        }
        if !self.document.is_empty() {
            return Ok(NewSubject::Document(DocumentId(id(&self.document)?)));
        }
        if !self.library.is_empty() {
            return Ok(NewSubject::Library(input::library(&self.library)?));
        }
        Ok(NewSubject::Nothing)
    }
}

/// Returns name and address of a subject, if it is something.
///
/// # Errors
///
/// Fails if it does not exist for the actor.
pub(super) async fn describe(
    connection: &mut PgConnection,
    actor: &Actor,
    subject: &NewSubject,
) -> Result<Option<(String, String)>> {
    Ok(match subject {
        NewSubject::Passage(id) => {
            let passage = search::find_passage(connection, actor, *id).await?;
            let passage = passage.ok_or_else(|| Problem::not_found("there is no such passage"))?;
            let section: Vec<&str> = [passage.title.as_str()]
                .into_iter()
                .chain(passage.section.iter().map(String::as_str))
                .collect();
            Some((format!("{} · {}", passage.library, section.join(" › ")), format!("/passages/{id}")))
        }
        NewSubject::Document(id) => {
            let document = documents::find(connection, actor, *id).await?;
            let document = document.ok_or(library::Error::NoDocument)?;
            let library = input::library(&document.library)?;
            let link =
                format!("{}/active/{}", address::of_library(&library), address::escaped(&document.path));
            Some((format!("{} · {}", document.library, document.name), link))
        }
        NewSubject::Library(name) => {
            let library = accounts::find_library(connection, actor, name.as_str()).await?;
            Some((library.title.clone(), address::of_library(&library.name)))
        }
        _ => None,
    })
}

fn id(text: &str) -> Result<Uuid> {
    text.parse().map_err(|_invalid| Problem::invalid("the form cannot be read"))
}
