//! Libraries and their versions: what there is, which version answers, and what a request for one means.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use serde::Serialize;
use sqlx::PgConnection;

use crate::Error;
use crate::access::{self, Level, Visibility};
use crate::changes::{self, Sequence, VersionId};
use crate::documents::DocumentId;
use crate::label::{self, Label, Request};
use crate::names::LibraryName;

kernel::id! {
    /// A library.
    LibraryId
}

/// A library and its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its id.
    pub id: LibraryId,
    /// Its name.
    pub name: LibraryName,
    /// What people call it.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who may read it without a grant.
    pub visibility: Visibility,
    /// What it grants to whom.
    pub grants: HashMap<UserId, Level>,
    /// The version that answers when none is asked for.
    pub active: Option<VersionId>,
    /// Its versions, the highest first.
    pub versions: Vec<Version>,
}

/// A version of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// Its label.
    pub label: Label,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// How many documents and passages a version holds, and how many are still on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The version.
    #[serde(skip)]
    pub version: VersionId,
    /// Documents that answer.
    pub documents: i64,
    /// Documents being read.
    pub processing: i64,
    /// Documents that could not be read.
    pub failed: i64,
    /// Passages that answer.
    pub passages: i64,
    /// Passages that search by meaning finds.
    pub vectors: i64,
}

impl Library {
    /// The version that a request means; an absent one is refused with those present, and never replaced.
    pub fn resolve(&self, request: &Request) -> Result<&Version, Error> {
        let found = match request {
            Request::Active => {
                self.active.and_then(|id| self.versions.iter().find(|version| version.id == id))
            }
            other => {
                let labels: Vec<Label> = self.versions.iter().map(|version| version.label.clone()).collect();
                other
                    .choose(&labels)
                    .and_then(|label| self.versions.iter().find(|version| version.label == *label))
            }
        };
        found.ok_or_else(|| self.no_version(request))
    }

    fn no_version(&self, request: &Request) -> Error {
        let present: Vec<Label> = self.versions.iter().map(|version| version.label.clone()).collect();
        if present.is_empty() {
            return Error::EmptyLibrary(self.name.clone());
        }
        let nearest = label::nearest(request, &present).cloned();
        let wanted = match request {
            Request::Active => "active".to_owned(),
            Request::Latest => "latest".to_owned(),
            Request::Exact(label) => label.to_string(),
            Request::Prefix(numbers) => format!("{}.x", join(numbers)),
            Request::Compatible(numbers) => format!("^{}", join(numbers)),
        };
        Error::NoVersion { library: self.name.clone(), wanted, present, nearest }
    }
}

fn join(numbers: &[u64]) -> String {
    let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
    texts.join(".")
}

/// All libraries, as they stood at one point of the change sequence.
#[derive(Debug, Default)]
pub struct Catalogue {
    libraries: HashMap<LibraryName, Arc<Library>>,
}

impl Catalogue {
    /// The library of this name that exists for the actor; an absent one is refused with the nearest name.
    pub fn library(&self, actor: &Actor, name: &LibraryName) -> Result<&Arc<Library>, Error> {
        self.libraries.get(name).filter(|library| access::level(actor, library).is_some()).ok_or_else(|| {
            Error::NoLibrary { name: name.to_string(), nearest: self.nearest(actor, name).cloned() }
        })
    }

    /// All libraries that exist for the actor, by name.
    pub fn libraries(&self, actor: &Actor) -> Vec<&Arc<Library>> {
        let mut all: Vec<&Arc<Library>> = self.visible(actor).collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        all
    }

    /// The active version of each library that has one and exists for the actor.
    pub fn active_versions(&self, actor: &Actor) -> impl Iterator<Item = (&Arc<Library>, VersionId)> {
        self.visible(actor).filter_map(|library| library.active.map(|version| (library, version)))
    }

    fn visible(&self, actor: &Actor) -> impl Iterator<Item = &Arc<Library>> {
        self.libraries.values().filter(move |library| access::level(actor, library).is_some())
    }

    fn nearest(&self, actor: &Actor, name: &LibraryName) -> Option<&LibraryName> {
        self.visible(actor)
            .map(|library| &library.name)
            .map(|present| (distance(name.as_str(), present.as_str()), present))
            .filter(|(distance, present)| *distance <= 1 + present.as_str().len() / 4)
            .min()
            .map(|(_, present)| present)
    }
}

/// Levenshtein's edit distance, in bytes: names are ASCII.
fn distance(left: &str, right: &str) -> usize {
    let right = right.as_bytes();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

/// The catalogue, read once for each state of the change sequence.
#[derive(Debug, Default)]
pub struct CatalogueCache {
    held: RwLock<Option<(Sequence, Arc<Catalogue>)>>,
}

impl CatalogueCache {
    /// The catalogue as it stands at `sequence`, which the caller has just read.
    pub async fn at(
        &self,
        connection: &mut PgConnection,
        sequence: Sequence,
    ) -> Result<Arc<Catalogue>, Error> {
        if let Some(catalogue) = self.held_at(sequence) {
            return Ok(catalogue);
        }
        let catalogue = Arc::new(read(connection).await?);
        if let Ok(mut held) = self.held.write() {
            *held = Some((sequence, Arc::clone(&catalogue)));
        }
        Ok(catalogue)
    }

    fn held_at(&self, sequence: Sequence) -> Option<Arc<Catalogue>> {
        let held = self.held.read().ok()?;
        let (at, catalogue) = held.as_ref()?;
        let same = at.catalogue == sequence.catalogue && at.database_id == sequence.database_id;
        same.then(|| Arc::clone(catalogue))
    }
}

/// Reads the catalogue.
pub async fn read(connection: &mut PgConnection) -> Result<Catalogue, Error> {
    // One statement, so that libraries and versions belong together.
    let rows = sqlx::query!(
        r#"-- catalogue.read
         select library.id as "id: LibraryId", library.name, library.title, library.description,
           library.created_at, library.updated_at, library.active_version_id as "active: VersionId",
           library.visibility as "visibility: Visibility",
           version.id as "version_id?: VersionId", version.label as "label?",
           version.created_at as "version_created_at?"
         from library.libraries as library
         left join library.versions as version on version.library_id = library.id
         order by library.id, version.sort_key desc"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut grants = access::all(connection).await?;
    let mut libraries: Vec<Library> = Vec::new();
    for row in rows {
        if libraries.last().is_none_or(|last| last.id != row.id) {
            libraries.push(Library {
                id: row.id,
                name: row.name.parse()?,
                title: row.title,
                description: row.description,
                created_at: row.created_at,
                updated_at: row.updated_at,
                visibility: row.visibility,
                grants: grants.remove(&row.id).unwrap_or_default(),
                active: row.active,
                versions: Vec::new(),
            });
        }
        if let (Some(library), Some(id), Some(label), Some(created_at)) =
            (libraries.last_mut(), row.version_id, row.label, row.version_created_at)
        {
            library.versions.push(Version { id, label: label.parse()?, created_at });
        }
    }
    let libraries = libraries.into_iter().map(|library| (library.name.clone(), Arc::new(library))).collect();
    Ok(Catalogue { libraries })
}

/// Counts what each of these versions holds.
pub async fn counts(connection: &mut PgConnection, versions: &[VersionId]) -> Result<Vec<Counts>, Error> {
    let ids: Vec<uuid::Uuid> = versions.iter().map(|version| version.0).collect();
    Ok(sqlx::query_as!(
        Counts,
        r#"-- catalogue.counts
         select version.id as "version: VersionId",
           (select count(*) from library.document_versions d
            where d.version_id = version.id and d.active) as "documents!",
           (select count(*) from library.document_versions d
            where d.version_id = version.id and d.status in ('uploading', 'processing')) as "processing!",
           (select count(*) from library.document_versions d
            where d.version_id = version.id and d.status = 'failed'
              and not exists (select from library.document_versions newer
                where newer.document_id = d.document_id and newer.version_id = d.version_id
                  and newer.revision > d.revision)) as "failed!",
           (select coalesce(sum(passages.number), 0)::int8 from library.document_versions d
            -- A revision's passages are numbered from 0: the last of each is looked up, not all of them counted.
            cross join lateral (select max(passage_number) + 1 as number
              from library.search_indices where document_version_id = d.id) as passages
            where d.version_id = version.id and d.active) as "passages!",
           (select count(*) from library.vectors v where v.version_id = version.id) as "vectors!"
         from library.versions as version where version.id = any ($1)"#,
        &ids,
    )
    .fetch_all(connection)
    .await?)
}

/// A library's id and its version's, made where they are missing, and whether one was. The first version of a library
/// is active; who makes a library owns it. What was made is recorded by the caller, as the last of its transaction.
pub async fn ensure(
    connection: &mut PgConnection,
    actor: &Actor,
    name: &LibraryName,
    label: &Label,
) -> Result<(LibraryId, VersionId, bool), Error> {
    let found = sqlx::query!(
        r#"-- catalogue.find_version
         select library.id as "library: LibraryId", library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $3) as "granted: Level",
           version.id as "version?: VersionId"
         from library.libraries as library
         left join library.versions as version on version.library_id = library.id and version.label = $2
         where library.name = $1"#,
        name.as_str(),
        label.as_str(),
        actor.user_id().map(|user| user.0),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = found {
        let standing = access::Standing::new(name.as_str(), row.visibility, row.granted);
        // That it is there is not said where it may not be seen, and it is not added to either.
        standing.require(actor, Level::Write, || Error::NameTaken(name.clone()))?;
        if let Some(version) = row.version {
            return Ok((row.library, version, false));
        }
    } else {
        access::require_making(actor, name.as_str())?;
    }
    // Whoever comes second at the same moment waits here and takes what the first has made.
    let made = sqlx::query!(
        r#"-- catalogue.ensure_library
         insert into library.libraries (id, name, title) values ($1, $2, $2)
         on conflict (name) do update set updated_at = now()
         returning id as "id: LibraryId", xmax = 0 as "new!""#,
        LibraryId::new().0,
        name.as_str(),
    )
    .fetch_one(&mut *connection)
    .await?;
    let library = made.id;
    if let Some(user) = actor.user_id().filter(|_| made.new) {
        access::set_grant(connection, library, user, Some(Level::Own)).await?;
    }
    let version = sqlx::query_scalar!(
        r#"-- catalogue.ensure_version
         insert into library.versions (id, library_id, label, sort_key) values ($1, $2, $3, $4)
         on conflict (library_id, label) do update set sort_key = excluded.sort_key
         returning id as "id: VersionId""#,
        VersionId::new().0,
        library.0,
        label.as_str(),
        label.sort_key(),
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!(
        "-- catalogue.activate_first
         update library.libraries set active_version_id = $2 where id = $1 and active_version_id is null",
        library.0,
        version.0,
    )
    .execute(&mut *connection)
    .await?;
    Ok((library, version, true))
}

/// Makes a version the one that answers when none is asked for.
pub async fn activate(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: VersionId,
) -> Result<(), Error> {
    access::require(actor, library, Level::Write)?;
    sqlx::query!(
        "-- catalogue.activate
         update library.libraries set active_version_id = $2, updated_at = now() where id = $1",
        library.id.0,
        version.0,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await
}

/// Keeps a library as it is until the end of the transaction: nobody else changes it, or gives it another version.
pub async fn lock(connection: &mut PgConnection, name: &LibraryName) -> Result<(), Error> {
    sqlx::query!(
        "-- catalogue.lock
         select id from library.libraries where name = $1 for no key update",
        name.as_str(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}

/// Changes what people call a library and what it says of itself.
pub async fn describe(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    title: Option<&str>,
    description: Option<&str>,
) -> Result<(), Error> {
    access::require(actor, library, Level::Write)?;
    let too_long = |text: Option<&str>, most: usize| text.is_some_and(|text| text.chars().count() > most);
    if too_long(title, 200) || too_long(description, 2000) {
        return Err(Error::Invalid("a title has at most 200 characters and a description 2000".to_owned()));
    }
    sqlx::query!(
        "-- catalogue.describe
         update library.libraries
         set title = coalesce($2, title), description = coalesce($3, description), updated_at = now()
         where id = $1",
        library.id.0,
        title,
        description,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await
}

/// Deletes a library and all it holds.
pub async fn delete_library(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
) -> Result<(), Error> {
    access::require(actor, library, Level::Own)?;
    let held = sqlx::query!(
        r#"-- catalogue.held_by_library
         select distinct document_id as "document: DocumentId", version_id as "version: VersionId"
         from library.document_versions
         where version_id in (select id from library.versions where library_id = $1)"#,
        library.id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let documents: Vec<DocumentId> = held.iter().map(|row| row.document).collect();
    crate::documents::lock(connection, &documents).await?;
    crate::sweep::schedule(connection).await?;
    sqlx::query!(
        "-- catalogue.delete_library
         delete from library.libraries where id = $1",
        library.id.0,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await?;
    let held: Vec<_> = held.into_iter().map(|row| (row.document, row.version)).collect();
    changes::record(connection, &held).await
}

/// Deletes a version and what is under its label; documents that are in no other version go with it.
pub async fn delete_version(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
) -> Result<(), Error> {
    access::require(actor, library, Level::Write)?;
    if library.active == Some(version.id) {
        if library.versions.len() > 1 {
            return Err(Error::ActiveVersion(version.label.clone(), library.name.clone()));
        }
        sqlx::query!(
            "-- catalogue.deactivate
             update library.libraries set active_version_id = null where id = $1",
            library.id.0,
        )
        .execute(&mut *connection)
        .await?;
    }
    let held = sqlx::query_scalar!(
        r#"-- catalogue.held_by_version
         select distinct document_id as "document: DocumentId"
         from library.document_versions where version_id = $1"#,
        version.id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    crate::documents::lock(connection, &held).await?;
    crate::sweep::schedule(connection).await?;
    sqlx::query!(
        "-- catalogue.delete_version
         delete from library.versions where id = $1",
        version.id.0,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "-- catalogue.delete_documents_without_version
         delete from library.documents as document
         where library_id = $1
           and not exists (select from library.document_versions v where v.document_id = document.id)",
        library.id.0,
    )
    .execute(&mut *connection)
    .await?;
    changes::record_catalogue(connection).await?;
    let held: Vec<_> = held.into_iter().map(|document| (document, version.id)).collect();
    changes::record(connection, &held).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_close() {
        assert_eq!(distance("postgresql", "postgresql"), 0);
        assert_eq!(distance("postgres", "postgresql"), 2);
        assert_eq!(distance("", "abc"), 3);
    }
}
