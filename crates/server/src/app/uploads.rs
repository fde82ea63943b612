//! Uploads: from the fields of a form and staged bytes to documents that wait to be ingested.
//!
//! The target of an upload is built here and nowhere else. Staged bytes are promoted or discarded, whatever happens.

use extract::model::DocumentType;
use kernel::actor::{Actor, Scope};
use library::documents::{AddedDocument, Category, Target};
use library::label::Label;
use library::names::{DocumentPath, LibraryName};
use library::uploads::{Content, Upload};
use library::{Error as LibraryError, access};
use store::objects::{Staged, Stored};

use super::App;
use super::error::{Error, Result};
use super::staging::Allowance;

/// Fields of an upload, as they were sent.
#[derive(Debug, Default)]
pub(crate) struct UploadFields {
    pub(crate) library: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) path: Option<String>,
    /// Separated by commas.
    pub(crate) tags: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) declared_type: Option<String>,
}

impl UploadFields {
    /// Stores a field by its name; returns whether there is one of that name.
    pub(crate) fn set(&mut self, name: &str, value: String) -> bool {
        let field = match name {
            "library" => &mut self.library,
            "version" => &mut self.version,
            "path" => &mut self.path,
            "tags" | "tag" => &mut self.tags,
            "category" => &mut self.category,
            "type" => &mut self.declared_type,
            _ => return false,
        };
        *field = Some(value);
        true
    }

    /// Returns library, version and tags as sent, for a form that is shown again.
    pub(crate) fn as_written(&self) -> [String; 3] {
        [&self.library, &self.version, &self.tags].map(|field| field.clone().unwrap_or_default())
    }

    /// Returns the library, version, tags and category that documents are added to.
    ///
    /// # Errors
    /// Fails if the library is missing or a field is malformed.
    pub(crate) fn target(&self) -> Result<Target> {
        let library = self.library.as_deref().ok_or_else(|| Error::invalid("missing field library"))?;
        let category = match self.category.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some("code") => Some(Category::Code),
            Some("document") => Some(Category::Document),
            Some(_) => return Err(Error::invalid("unknown category: use code or document")),
        };
        let tags = self.tags.as_deref().unwrap_or_default().split(',').map(str::trim);
        let tags: std::result::Result<_, _> = tags.filter(|tag| !tag.is_empty()).map(str::parse).collect();
        let version = match self.version.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => text.parse().map_err(LibraryError::from)?,
            None => Label::current(),
        };
        Ok(Target {
            library: library.parse::<LibraryName>().map_err(LibraryError::from)?,
            version,
            tags: tags.map_err(LibraryError::from)?,
            category,
        })
    }

    fn declared_type(&self) -> Result<Option<DocumentType>> {
        let declared = self.declared_type.as_deref().filter(|text| !text.is_empty());
        declared
            .map(|name| {
                DocumentType::parse(name)
                    .ok_or_else(|| Error::invalid(format!("unknown document type {name:?}")))
            })
            .transpose()
    }

    fn paths(&self, names: &[&str]) -> Result<Vec<DocumentPath>> {
        if names.is_empty() {
            return Err(Error::invalid("missing field file"));
        }
        if self.path.is_some() && names.len() > 1 {
            return Err(Error::invalid("path applies to one file: leave it out to upload several"));
        }
        let paths = names.iter().map(|name| self.path.as_deref().unwrap_or(name).parse());
        Ok(paths.collect::<std::result::Result<_, _>>().map_err(LibraryError::from)?)
    }
}

/// Begins an upload of an actor who can add to some library, before any of its bytes are read.
///
/// # Errors
/// Fails if the actor can add to no library at all, or has too many uploads under way.
pub(crate) fn begin(app: &App, actor: &Actor) -> Result<Allowance> {
    require_writer(actor)?;
    app.staging.begin(actor)
}

fn require_writer(actor: &Actor) -> Result<()> {
    if actor.is_anonymous() {
        return Err(LibraryError::SignIn.into());
    }
    if !actor.has_scope(Scope::Write) {
        let why = "this API key is read-only: use one with the scope write".to_owned();
        return Err(LibraryError::NotAllowed(why).into());
    }
    Ok(())
}

/// Refuses an actor who cannot add to this library: checked before any byte of a file is read, and again when documents are
/// added.
pub(crate) async fn require_adding(app: &App, actor: &Actor, target: &Target) -> Result<()> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    Ok(access::require_add(&mut connection, actor, &target.library).await?)
}

/// Adds files, each with its name, as documents. They are ingested in the background.
pub(crate) async fn add(
    app: &App,
    actor: &Actor,
    fields: &UploadFields,
    files: Vec<(String, Staged)>,
) -> Result<(Target, Vec<AddedDocument>)> {
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let (target, declared_type, paths) = match check(fields, &names) {
        Ok(checked) => checked,
        Err(error) => {
            discard(app, files).await?;
            return Err(error);
        }
    };
    let documents = paths
        .into_iter()
        .zip(files)
        .map(|(path, (_, staged))| Upload { path, declared_type, content: Content::Staged(staged) })
        .collect();
    let added = library::uploads::add(app.pool(), &app.objects, actor, &target, documents).await?;
    Ok((target, added))
}

fn check(fields: &UploadFields, names: &[&str]) -> Result<(Target, Option<DocumentType>, Vec<DocumentPath>)> {
    let paths = fields.paths(names)?;
    Ok((fields.target()?, fields.declared_type()?, paths))
}

/// Moves staged bytes into the object store, for a transaction that refers to them.
pub(crate) async fn promote(app: &App, files: Vec<(String, Staged)>) -> Result<Vec<(String, Stored)>> {
    let (names, contents): (Vec<_>, Vec<_>) =
        files.into_iter().map(|(name, staged)| (name, Content::Staged(staged))).unzip();
    let stored = library::uploads::store(app.pool(), &app.objects, contents).await?;
    Ok(names.into_iter().zip(stored).collect())
}

/// Deletes staged bytes that are not needed.
pub(crate) async fn discard(app: &App, files: Vec<(String, Staged)>) -> Result<()> {
    for (_, staged) in files {
        app.objects.discard(staged).await?;
    }
    Ok(())
}
