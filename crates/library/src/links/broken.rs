//! Broken links of a version: those that should lead to a document or to a place in one, and lead nowhere.
//!
//! They are looked for when they are asked for, in pages: what a link leads to changes with every document of the version.

use std::collections::HashSet;

use kernel::actor::Actor;
use kernel::page::{Cursor, Page};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::{Destination, Link, links_from_json, resolve};
use crate::Error;
use crate::access::Level;
use crate::catalogue::{Library, Version};

/// Documents whose links are resolved by one statement.
const BATCH: i64 = 100;
/// Batches that are searched for one page. A page can have fewer links than asked for, and others can follow.
const MAX_BATCHES: usize = 20;

/// A link that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BrokenLink {
    /// Path of the document that has the link.
    pub path: String,
    /// Title of that document.
    pub title: String,
    /// Target as the document wrote it.
    pub target: String,
    /// Missing target.
    pub missing: Missing,
}

/// Missing target of a broken link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// A document.
    Document,
    /// A heading or another place in a document that exists.
    Place,
}

/// A document with its links.
struct Source {
    path: String,
    title: String,
    links: Vec<Link>,
}

/// Lists broken links, by the path of their document. A target that a document repeats is listed once.
///
/// # Errors
///
/// Fails if the library does not exist for the actor, and for an invalid cursor.
pub async fn list(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<BrokenLink>, Error> {
    library.require(actor, Level::Read)?;
    // The document that the page before ended in, and how many of its broken links were listed; `None` if all.
    let (mut after, mut listed): (Option<String>, Option<usize>) = match after {
        Some(cursor) => {
            let (path, listed): (String, Option<usize>) =
                cursor.decode().map_err(|invalid| Error::Invalid(invalid.to_string()))?;
            (Some(path), listed)
        }
        None => (None, None),
    };
    let (mut items, mut cursors): (Vec<BrokenLink>, Vec<Cursor>) = (Vec::new(), Vec::new());
    for _ in 0..MAX_BATCHES {
        // A document whose links were listed in part is read again.
        let sources = sources(connection, library, version, after.as_deref(), listed.is_some()).await?;
        let is_last = sources.len() < usize::try_from(BATCH).unwrap_or(usize::MAX);
        for (path, broken) in of_batch(connection, library, version, &sources).await? {
            let skipped = listed.take().unwrap_or(0);
            for (number, link) in broken.into_iter().enumerate().skip(skipped) {
                if items.len() == limit {
                    return Ok(Page { items, cursors, next: Some(Cursor::encode(&(path, Some(number)))) });
                }
                cursors.push(Cursor::encode(&(&path, Some(number + 1))));
                items.push(link);
            }
            after = Some(path);
        }
        if is_last {
            return Ok(Page { items, cursors, next: None });
        }
    }
    let next = after.map(|path| Cursor::encode(&(path, None::<usize>)));
    Ok(Page { items, cursors, next })
}

/// Reads the links of the next documents by path: after `after`, or from it on.
async fn sources(
    connection: &mut PgConnection,
    library: &Library,
    version: &Version,
    after: Option<&str>,
    inclusive: bool,
) -> Result<Vec<Source>, Error> {
    let rows = sqlx::query!(
        r#"-- links.of_version
         select document.path, coalesce(d.title, document.name) as "title!", kept.links
         from library.documents as document
         join library.document_versions d on d.document_id = document.id and d.version_id = $2 and d.active
         join library.document_references as kept on kept.document_version_id = d.id
         where document.library_id = $1
           and ($3::text is null or document.path > $3 collate "C" or ($4 and document.path = $3))
         order by document.path collate "C" limit $5"#,
        library.id.0,
        version.id.0,
        after,
        inclusive,
        BATCH,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Source { path: row.path, title: row.title, links: links_from_json(row.links)? }))
        .collect()
}

/// Returns the broken links of each of these documents.
async fn of_batch(
    connection: &mut PgConnection,
    library: &Library,
    version: &Version,
    sources: &[Source],
) -> Result<Vec<(String, Vec<BrokenLink>)>, Error> {
    let mut links: Vec<(&str, &str)> = Vec::new();
    let mut owners: Vec<usize> = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let mut known: HashSet<&str> = HashSet::new();
        for link in source.links.iter().filter(|link| known.insert(&link.target)) {
            links.push((&source.path, &link.target));
            owners.push(number);
        }
    }
    let destinations = resolve(connection, library, version.id, &links).await?;
    let mut places: Vec<(&str, &str)> = destinations
        .iter()
        .filter_map(|destination| match destination {
            Destination::Document { path, fragment: Some(fragment) } => {
                Some((path.as_str(), fragment.as_str()))
            }
            _ => None,
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    let absent = absent_places(connection, library, version, &places).await?;
    let mut broken: Vec<(String, Vec<BrokenLink>)> =
        sources.iter().map(|source| (source.path.clone(), Vec::new())).collect();
    for ((destination, owner), (path, target)) in destinations.iter().zip(owners).zip(&links) {
        let missing = match destination {
            Destination::Broken => Missing::Document,
            Destination::Document { path, fragment: Some(fragment) }
                if absent.contains(&(path.clone(), fragment.clone())) =>
            {
                Missing::Place
            }
            _ => continue,
        };
        let title = sources.get(owner).map(|source| source.title.clone()).unwrap_or_default();
        if let Some((_, links)) = broken.get_mut(owner) {
            links.push(BrokenLink { path: (*path).to_owned(), title, target: (*target).to_owned(), missing });
        }
    }
    Ok(broken)
}

/// Returns those of the places, each a path and a fragment, that the documents do not have. Of a document that was read by an
/// earlier release nothing is known.
async fn absent_places(
    connection: &mut PgConnection,
    library: &Library,
    version: &Version,
    places: &[(&str, &str)],
) -> Result<HashSet<(String, String)>, Error> {
    // These lead to the beginning of a page, or to words of it, in every browser.
    let places: Vec<&(&str, &str)> =
        places.iter().filter(|(_, fragment)| *fragment != "top" && !fragment.starts_with(":~:")).collect();
    if places.is_empty() {
        return Ok(HashSet::new());
    }
    let paths: Vec<String> = places.iter().map(|(path, _)| (*path).to_owned()).collect();
    let fragments: Vec<String> = places.iter().map(|(_, fragment)| (*fragment).to_owned()).collect();
    let rows = sqlx::query!(
        r#"-- links.absent_places
         select place.path as "path!", place.fragment as "fragment!"
         from unnest($3::text[], $4::text[]) as place (path, fragment)
         join library.documents as document on document.library_id = $1 and document.path = place.path
         join library.document_versions d on d.document_id = document.id and d.version_id = $2 and d.active
         join library.document_references as kept on kept.document_version_id = d.id
         where not kept.anchors ?| array[place.fragment, lower(place.fragment)]"#,
        library.id.0,
        version.id.0,
        &paths,
        &fragments,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.path, row.fragment)).collect())
}
