//! Catalogue: all libraries with their versions, in memory.
//!
//! [`Catalogue`] is a snapshot at one state of the [change sequence](crate::changes); [`CatalogueCache`] reads it again
//! when that state has passed. It hands out a [`Library`] only to an actor for whom it exists, and neither a library nor
//! a [`Version`] can be constructed outside this crate: functions that take one need no further check that it may be
//! read. Changes are in [`libraries`](crate::libraries).

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, Utc};
use kernel::actor::{Actor, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::access::{Level, LibraryAccess, Visibility};
use crate::changes::Sequence;
use crate::ids::{LibraryId, VersionId};
use crate::label::{self, Label, VersionRequest};
use crate::names::{self, LibraryName};

/// A library and its versions. Only a [`Catalogue`] returns one, to an actor for whom it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Library {
    /// Id.
    pub id: LibraryId,
    /// Unique name.
    pub name: LibraryName,
    /// Title, at most 200 characters.
    pub title: String,
    /// Description, at most 2,000 characters.
    pub description: String,
    /// Beginning of the addresses of the documents' own site, as `/docs` or `https://example.org/docs`; empty if unknown.
    pub link_base: String,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
    /// Time of the last change to the library itself.
    pub updated_at: DateTime<Utc>,
    /// Audience without grants.
    pub visibility: Visibility,
    /// Grants by user.
    pub grants: HashMap<UserId, Level>,
    /// Version used when a request names none.
    pub active: Option<VersionId>,
    /// Versions, the highest first.
    pub versions: Vec<Version>,
}

/// A version of a [`Library`]: a label under which documents are held.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// Id.
    pub id: VersionId,
    /// Label, unique within the library.
    pub label: Label,
    /// Time of creation.
    pub created_at: DateTime<Utc>,
}

impl Library {
    /// Returns the actor's level of access, or `None` if the library does not exist for them.
    pub fn access_level(&self, actor: &Actor) -> Option<Level> {
        self.access(actor).level(actor)
    }

    /// Requires that the actor has this level of access.
    ///
    /// # Errors
    ///
    /// Fails like an absent library if it does not exist for the actor, and otherwise says who can give access.
    pub fn require(&self, actor: &Actor, needed: Level) -> Result<(), Error> {
        let hidden = || Error::NoLibrary { name: self.name.to_string(), nearest: None };
        self.access(actor).require(actor, needed, hidden)
    }

    fn access(&self, actor: &Actor) -> LibraryAccess<'_> {
        let granted = actor.user_id().and_then(|user| self.grants.get(&user).copied());
        LibraryAccess::new(self.name.as_str(), self.visibility, granted)
    }

    /// Returns the version with this id.
    pub fn version(&self, id: VersionId) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// Returns the version that answers when a request names none.
    pub fn active_version(&self) -> Option<&Version> {
        self.active.and_then(|id| self.version(id))
    }

    /// Returns the version that a request selects. No other version stands in for an absent one.
    ///
    /// # Errors
    ///
    /// Fails if the library has no such version, naming those present, or none at all.
    pub fn resolve(&self, request: &VersionRequest) -> Result<&Version, Error> {
        let found = match request {
            VersionRequest::Active => self.active_version(),
            other => {
                let labels: Vec<Label> = self.versions.iter().map(|version| version.label.clone()).collect();
                other
                    .choose(&labels)
                    .and_then(|label| self.versions.iter().find(|version| version.label == *label))
            }
        };
        found.ok_or_else(|| self.no_version(request))
    }

    fn no_version(&self, request: &VersionRequest) -> Error {
        let present: Vec<Label> = self.versions.iter().map(|version| version.label.clone()).collect();
        if present.is_empty() {
            return Error::EmptyLibrary(self.name.clone());
        }
        let nearest = label::nearest(request, &present).cloned();
        let requested = request.as_written().to_owned();
        Error::NoVersion { library: self.name.clone(), requested, present, nearest }
    }
}

/// Snapshot of all libraries at one state of the change sequence.
#[derive(Debug, Default)]
pub struct Catalogue {
    libraries: HashMap<LibraryName, Arc<Library>>,
}

impl Catalogue {
    /// Returns the library of this name.
    ///
    /// # Errors
    ///
    /// Fails if no such library exists for the actor, suggesting the nearest name that does.
    pub fn library(&self, actor: &Actor, name: &LibraryName) -> Result<&Arc<Library>, Error> {
        self.libraries.get(name).filter(|library| library.access_level(actor).is_some()).ok_or_else(|| {
            Error::NoLibrary { name: name.to_string(), nearest: self.nearest(actor, name).cloned() }
        })
    }

    /// Returns all libraries that exist for the actor, by name.
    pub fn libraries(&self, actor: &Actor) -> Vec<&Arc<Library>> {
        let mut all: Vec<&Arc<Library>> = self.visible(actor).collect();
        all.sort_by(|left, right| left.name.cmp(&right.name));
        all
    }

    /// Returns the libraries that exist for the actor and have an active version, with that version, in no order.
    pub fn active_versions(&self, actor: &Actor) -> impl Iterator<Item = (&Arc<Library>, &Version)> {
        self.visible(actor).filter_map(|library| library.active_version().map(|version| (library, version)))
    }

    fn visible(&self, actor: &Actor) -> impl Iterator<Item = &Arc<Library>> {
        self.libraries.values().filter(move |library| library.access_level(actor).is_some())
    }

    fn nearest(&self, actor: &Actor, name: &LibraryName) -> Option<&LibraryName> {
        self.visible(actor)
            .map(|library| &library.name)
            .map(|present| (names::distance(name.as_str(), present.as_str()), present))
            .filter(|(distance, present)| *distance <= 1 + present.as_str().len() / 4)
            .min()
            .map(|(_, present)| present)
    }
}

/// Cache of the latest catalogue, read once for each state of the change sequence.
#[derive(Debug, Default)]
pub struct CatalogueCache {
    cached: RwLock<Option<(Sequence, Arc<Catalogue>)>>,
}

impl CatalogueCache {
    /// Returns the catalogue at `sequence`, which the caller has just read from the database.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn at(
        &self,
        connection: &mut PgConnection,
        sequence: Sequence,
    ) -> Result<Arc<Catalogue>, Error> {
        if let Some(catalogue) = self.cached_at(sequence) {
            return Ok(catalogue);
        }
        let catalogue = Arc::new(read(connection).await?);
        if let Ok(mut cached) = self.cached.write() {
            *cached = Some((sequence, Arc::clone(&catalogue)));
        }
        Ok(catalogue)
    }

    fn cached_at(&self, sequence: Sequence) -> Option<Arc<Catalogue>> {
        let cached = self.cached.read().ok()?;
        let (at, catalogue) = cached.as_ref()?;
        let same = at.catalogue == sequence.catalogue && at.database_id == sequence.database_id;
        same.then(|| Arc::clone(catalogue))
    }
}

/// Reads the catalogue from the database, as the connection's transaction sees it.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn read(connection: &mut PgConnection) -> Result<Catalogue, Error> {
    // One statement, so that libraries and versions are of one state.
    let rows = sqlx::query!(
        r#"-- catalogue.read
         select library.id as "id: LibraryId", library.name, library.title, library.description,
           library.link_base, library.created_at, library.updated_at, library.active_version_id as "active: VersionId",
           library.visibility as "visibility: Visibility",
           version.id as "version_id?: VersionId", version.label as "label?",
           version.created_at as "version_created_at?"
         from library.libraries as library
         left join library.versions as version on version.library_id = library.id
         order by library.id, version.sort_key desc"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut grants = read_grants(connection).await?;
    let mut libraries: Vec<Library> = Vec::new();
    for row in rows {
        if libraries.last().is_none_or(|last| last.id != row.id) {
            libraries.push(Library {
                id: row.id,
                name: row.name.parse()?,
                title: row.title,
                description: row.description,
                link_base: row.link_base,
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

/// A version with its library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryVersion {
    /// Id of the library.
    pub library_id: LibraryId,
    /// Name of the library.
    pub library: LibraryName,
    /// Version.
    pub version: Version,
}

/// Returns the versions with these ids by one statement, in the order of the ids.
///
/// An id whose library does not exist for the actor is left out; an id that is repeated is returned as often.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find_versions(
    connection: &mut PgConnection,
    actor: &Actor,
    ids: &[VersionId],
) -> Result<Vec<LibraryVersion>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"-- catalogue.find_versions
         select version.id as "id: VersionId", version.label, version.created_at,
           library.id as "library_id: LibraryId", library.name as library,
           library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $2) as "granted: Level"
         from unnest($1::uuid[]) with ordinality as requested (id, position)
         join library.versions as version on version.id = requested.id
         join library.libraries as library on library.id = version.library_id
         order by requested.position"#,
        &ids,
        actor.user_id().map(|user| user.0),
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .filter(|row| LibraryAccess::new(&row.library, row.visibility, row.granted).level(actor).is_some())
        .map(|row| {
            let version = Version { id: row.id, label: row.label.parse()?, created_at: row.created_at };
            Ok(LibraryVersion { library_id: row.library_id, library: row.library.parse()?, version })
        })
        .collect()
}

/// Reads all grants, by library.
async fn read_grants(
    connection: &mut PgConnection,
) -> Result<HashMap<LibraryId, HashMap<UserId, Level>>, Error> {
    let rows = sqlx::query!(
        r#"-- access.all
         select library_id as "library: LibraryId", user_id as "user: UserId", level as "level: Level"
         from library.grants"#
    )
    .fetch_all(connection)
    .await?;
    let mut grants: HashMap<LibraryId, HashMap<UserId, Level>> = HashMap::new();
    for row in rows {
        grants.entry(row.library).or_default().insert(row.user, row.level);
    }
    Ok(grants)
}
