//! Links of documents: what a reader has kept of them, and where they lead within the same version.
//!
//! [`resolve`] is the one place that decides this, for pages, Markdown, agents and the list of [broken] links: by one statement for
//! all links at once. The text of a document is not changed by its links: a target says nothing that anybody searches for.

pub mod broken;
pub mod pictures;
mod target;

use std::collections::{BTreeSet, HashMap};

use kernel::actor::Actor;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;
use crate::catalogue::{Catalogue, Library};
use crate::documents::VisibleRevision;
use crate::ids::VersionId;
use target::Target;

/// A link or picture of a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Link {
    /// First character of its label in the revision's text, from 0.
    pub from: i32,
    /// Character after the last; the same as `from` for a picture without a description.
    pub to: i32,
    /// Target as the document wrote it.
    pub target: String,
}

/// Links, pictures and places of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct References {
    /// Links in order.
    pub links: Vec<Link>,
    /// Pictures in order.
    pub pictures: Vec<Link>,
    /// Character at which each named place begins.
    pub anchors: HashMap<String, i32>,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To a document of the same version.
    Document {
        /// Its path.
        path: String,
        /// Place in it, decoded.
        fragment: Option<String>,
    },
    /// To another server, or to a mail address.
    External,
    /// Nowhere, although it should lead to a document.
    Broken,
    /// Nowhere by its nature, such as `javascript:`.
    None,
}

/// Returns what the reader has kept of a revision. Revisions that were read by an earlier release have nothing.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn of_revision(
    connection: &mut PgConnection,
    revision: VisibleRevision,
) -> Result<References, Error> {
    let row = sqlx::query!(
        "-- links.of_revision
         select links, pictures, anchors from library.document_references where document_version_id = $1",
        revision.id().0,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(References::default()) };
    Ok(References {
        links: links_from_json(row.links)?,
        pictures: links_from_json(row.pictures)?,
        anchors: serde_json::from_value(row.anchors).map_err(|error| malformed(&error))?,
    })
}

/// Determines where links of documents of a version lead. Each is given as the path of its document and its target.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn resolve(
    connection: &mut PgConnection,
    library: &Library,
    version: VersionId,
    links: &[(&str, &str)],
) -> Result<Vec<Destination>, Error> {
    let targets: Vec<Target> =
        links.iter().map(|(from, target)| target::parse(target, from, &library.link_base)).collect();
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let mut labels: BTreeSet<&str> = BTreeSet::new();
    for target in &targets {
        match target {
            Target::Path(path) if !path.is_here => wanted.extend(path.meanings.iter().map(String::as_str)),
            Target::Label(label) => drop(labels.insert(label)),
            _ => {}
        }
    }
    let found = candidates(connection, library, version, &wanted, &labels).await?;
    let mut by_meaning: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut by_label: HashMap<&str, &str> = HashMap::new();
    for row in &found {
        if row.is_label {
            by_label.entry(&row.wanted).or_insert(&row.path);
        } else {
            by_meaning.entry(&row.wanted).or_default().push(&row.path);
        }
    }
    let destination = |(target, (from, _)): (Target, &(&str, &str))| match target {
        Target::External => Destination::External,
        Target::Other => Destination::None,
        Target::Label(label) => match by_label.get(label.as_str()) {
            Some(path) => Destination::Document { path: (*path).to_owned(), fragment: Some(label) },
            None => Destination::Broken,
        },
        Target::Path(path) if path.is_here => match path.fragment {
            Some(fragment) => Destination::Document { path: (*from).to_owned(), fragment: Some(fragment) },
            None => Destination::None,
        },
        Target::Path(path) => match target::choose(&path, from, &by_meaning) {
            Some(found) => Destination::Document { path: found.to_owned(), fragment: path.fragment },
            None => Destination::Broken,
        },
    };
    let mut destinations: Vec<Destination> = targets.into_iter().zip(links).map(destination).collect();
    // An address of the manual's own site that is not in the library leads to the site.
    for (destination, (_, target)) in destinations.iter_mut().zip(links) {
        if *destination == Destination::Broken && target.contains("://") {
            *destination = Destination::External;
        }
    }
    Ok(destinations)
}

/// A link of a passage that leads to a document of the same version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassageLink {
    /// Label, on one line.
    pub text: String,
    /// Path of the document.
    pub path: String,
    /// Place in it.
    pub fragment: Option<String>,
}

/// Returns the links of passages that lead to documents, by passage: each destination once, at most `max_each` of a passage.
///
/// A passage that does not exist for the actor has none.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn of_passages(
    connection: &mut PgConnection,
    actor: &Actor,
    catalogue: &Catalogue,
    passages: &[Uuid],
    max_each: usize,
) -> Result<HashMap<Uuid, Vec<PassageLink>>, Error> {
    if passages.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"-- links.of_passages
         select passage.id as "id!", library.name as "library!", d.version_id as "version!: VersionId",
           document.path as "path!", link ->> 2 as "target!",
           substr(passage.content, (link ->> 0)::int4 - passage.character_from + 1,
             least((link ->> 1)::int4 - (link ->> 0)::int4, 200)) as "text!"
         from library.search_indices as passage
         join library.document_references as kept on kept.document_version_id = passage.document_version_id
         cross join lateral jsonb_array_elements(kept.links) with ordinality as kept_link (link, position)
         join library.document_versions d on d.id = passage.document_version_id
         join library.documents as document on document.id = d.document_id
         join library.libraries as library on library.id = document.library_id
         where passage.id = any ($1)
           and (link ->> 0)::int4 >= passage.character_from and (link ->> 1)::int4 <= passage.character_to
         order by passage.id, position"#,
        passages,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut found: HashMap<Uuid, Vec<PassageLink>> = HashMap::new();
    let mut places: Vec<(&str, VersionId)> =
        rows.iter().map(|row| (row.library.as_str(), row.version)).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        let Ok(library) = catalogue.library(actor, &place.0.parse()?) else { continue };
        let of_place: Vec<_> =
            rows.iter().filter(|row| (row.library.as_str(), row.version) == place).collect();
        let links: Vec<(&str, &str)> =
            of_place.iter().map(|row| (row.path.as_str(), row.target.as_str())).collect();
        let destinations = resolve(connection, library, place.1, &links).await?;
        for (row, destination) in of_place.iter().zip(destinations) {
            let Destination::Document { path, fragment } = destination else { continue };
            let links = found.entry(row.id).or_default();
            let text: Vec<&str> = row.text.split(['`', '*', '\\']).collect();
            let text = text.concat().split_whitespace().collect::<Vec<_>>().join(" ");
            let is_known = links.iter().any(|link| link.path == path && link.fragment == fragment);
            if links.len() < max_each && !is_known && !text.is_empty() {
                links.push(PassageLink { text, path, fragment });
            }
        }
    }
    Ok(found)
}

/// A document that a link can mean.
struct Candidate {
    /// Path that a link means, or label.
    wanted: String,
    is_label: bool,
    path: String,
}

/// Finds the documents of a version with these paths, or else with such names, and those with these labels.
async fn candidates(
    connection: &mut PgConnection,
    library: &Library,
    version: VersionId,
    wanted: &BTreeSet<&str>,
    labels: &BTreeSet<&str>,
) -> Result<Vec<Candidate>, Error> {
    if wanted.is_empty() && labels.is_empty() {
        return Ok(Vec::new());
    }
    let strings = |set: &BTreeSet<&str>| set.iter().map(|one| (*one).to_owned()).collect::<Vec<String>>();
    Ok(sqlx::query_as!(
        Candidate,
        r#"-- links.candidates
         with wanted as (select path from unnest($3::text[]) as path),
         exact as (
           select wanted.path from wanted
           join library.documents as document on document.library_id = $1 and document.path = wanted.path
           join library.document_versions d on d.document_id = document.id and d.version_id = $2 and d.active
         )
         select path as "wanted!", false as "is_label!", path as "path!" from exact
         union all
         select wanted.path, false, namesake.path
         from wanted cross join lateral (
           select document.path from library.documents as document
           join library.document_versions d on d.document_id = document.id and d.version_id = $2 and d.active
           where document.library_id = $1 and library.link_name(document.path) = library.link_name(wanted.path)
           limit 500
         ) as namesake
         where not exists (select from exact where exact.path = wanted.path)
         union all
         select label, true, labelled.path
         from unnest($4::text[]) as label cross join lateral (
           select document.path from library.document_references as kept
           join library.document_versions d on d.id = kept.document_version_id and d.version_id = $2 and d.active
           join library.documents as document on document.id = d.document_id
           where kept.anchors ? label
           order by document.path limit 1
         ) as labelled"#,
        library.id.0,
        version.0,
        &strings(wanted),
        &strings(labels),
    )
    .fetch_all(connection)
    .await?)
}

fn links_from_json(value: serde_json::Value) -> Result<Vec<Link>, Error> {
    serde_json::from_value(value).map_err(|error| malformed(&error))
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::Internal(format!("the stored links of a document cannot be read: {error}"))
}
