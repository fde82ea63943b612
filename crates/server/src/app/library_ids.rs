//! Library ids of Context7 (`/owner/project`, `/owner/project/version`), in both directions, and the search for libraries by name.
//! All APIs share them, so that an id has one meaning.
//!
//! Clients require two parts (`^/[^/]+/[^/]+([/@][^/]+)?$`), and many of our names have one. Those have the reserved owner `docs`:
//! `postgresql` is `/docs/postgresql`. A library whose own owner is `docs` is written with `~`, which no name contains, so that
//! every id is that of exactly one library.

use kernel::actor::Actor;
use library::Error;
use library::catalogue::{Catalogue, Library};
use library::label::{Label, VersionRequest};
use library::names::{InvalidName, LibraryName};

/// Owner of libraries whose names have none.
const RESERVED_OWNER: &str = "docs";

/// Returns the id of a library, or of a version of it.
pub(crate) fn id_of(library: &LibraryName, version: Option<&Label>) -> String {
    let name = match library.as_str().split_once('/') {
        Some((RESERVED_OWNER, project)) => format!("/{RESERVED_OWNER}/{RESERVED_OWNER}~{project}"),
        Some((owner, project)) => format!("/{owner}/{project}"),
        None => format!("/{RESERVED_OWNER}/{library}"),
    };
    match version {
        Some(label) => format!("{name}/{label}"),
        None => name,
    }
}

/// Parses an id. Besides the form of [`id_of`] it accepts a plain name with or without a leading slash (`postgresql`,
/// `/postgresql`), a version after `@`, and any version request (`5.x`, `latest`).
///
/// # Errors
/// Fails if the name or the version is malformed.
pub(crate) fn parse(id: &str) -> Result<(LibraryName, VersionRequest), Error> {
    let id = id.trim();
    let path = id.strip_prefix('/').unwrap_or(id);
    let invalid = || Error::from(InvalidName::Library(id.chars().take(120).collect()));
    let (path, version) = match path.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (path, None),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let (name, version) = match (parts.as_slice(), version) {
        ([name], version) => ((*name).to_owned(), version),
        ([owner, project], version) => (name_of(owner, project), version),
        ([owner, project, version], None) => (name_of(owner, project), Some(*version)),
        _ => return Err(invalid()),
    };
    if version.is_some_and(|version| version.trim().is_empty()) {
        return Err(invalid());
    }
    Ok((name.parse()?, version.unwrap_or_default().parse()?))
}

/// Returns the libraries whose name or title matches, best match first; if there are none, the one with the nearest name; else those
/// whose description contains a word of the query.
pub(crate) fn matching<'catalogue>(
    catalogue: &'catalogue Catalogue,
    actor: &Actor,
    name: &str,
    query: &str,
) -> Vec<&'catalogue Library> {
    let name_key = normalized(name);
    let all = || catalogue.libraries(actor).into_iter().map(AsRef::as_ref);
    let mut ranked: Vec<(usize, &Library)> =
        all().filter_map(|library| Some((rank(library, &name_key)?, library))).collect();
    if !ranked.is_empty() {
        // A stable sort keeps the order of names among equals.
        ranked.sort_by_key(|(rank, _)| *rank);
        return ranked.into_iter().map(|(_, library)| library).collect();
    }
    if let Ok(name) = name.parse()
        && let Err(Error::NoLibrary { nearest: Some(near), .. }) = catalogue.library(actor, &name)
        && let Ok(library) = catalogue.library(actor, &near)
    {
        return vec![library];
    }
    let words: Vec<String> = query
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| word.chars().count() > 3)
        .map(str::to_lowercase)
        .collect();
    all()
        .filter(|library| {
            let description = library.description.to_lowercase();
            words.iter().any(|word| description.contains(word.as_str()))
        })
        .collect()
}

/// Returns how well a library matches a normalized name: 0 is best.
fn rank(library: &Library, name_key: &str) -> Option<usize> {
    if name_key.is_empty() {
        return None;
    }
    let (name, title) = (normalized(library.name.as_str()), normalized(&library.title));
    let project = library.name.as_str().rsplit('/').next().map(normalized).unwrap_or_default();
    [
        name == name_key,
        project == name_key || title == name_key,
        project.starts_with(name_key) || title.starts_with(name_key),
        name.contains(name_key) || title.contains(name_key),
        project.len() > 2 && name_key.contains(&project),
    ]
    .iter()
    .position(|matches| *matches)
}

/// Normalizes a name: `Next.js`, `nextjs` and `next-js` are equal.
fn normalized(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn name_of(owner: &str, project: &str) -> String {
    if !owner.eq_ignore_ascii_case(RESERVED_OWNER) {
        return format!("{owner}/{project}");
    }
    project.replacen('~', "/", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> LibraryName {
        text.parse().unwrap()
    }

    #[test]
    fn ids_round_trip() {
        for library in ["postgresql", "vercel/next.js", "docs", "docs/postgresql", "docs/docs", "a-b_c.d/1"] {
            let library = name(library);
            assert_eq!(
                parse(&id_of(&library, None)).unwrap(),
                (library.clone(), VersionRequest::Active),
                "{library}"
            );
            for label in ["15", "v3.0.0-rc.1+5", "current"] {
                let label: Label = label.parse().unwrap();
                let id = id_of(&library, Some(&label));
                assert_eq!(parse(&id).unwrap(), (library.clone(), VersionRequest::Exact(label)), "{id}");
            }
        }
    }

    #[test]
    fn ids_match_the_pattern_of_clients() {
        for (library, id) in [
            ("postgresql", "/docs/postgresql"),
            ("vercel/next.js", "/vercel/next.js"),
            ("docs/x", "/docs/docs~x"),
        ] {
            assert_eq!(id_of(&name(library), None), id);
            let parts: Vec<&str> = id.split('/').collect();
            assert!(parts.len() == 3 && parts[0].is_empty() && !parts[1].is_empty() && !parts[2].is_empty());
        }
        assert_eq!(id_of(&name("x"), Some(&"5.2.1".parse().unwrap())), "/docs/x/5.2.1");
    }

    #[test]
    fn informal_ids_are_accepted() {
        let label = |text: &str| text.parse::<VersionRequest>().unwrap();
        for (id, library, version) in [
            ("postgresql", "postgresql", ""),
            ("/PostgreSQL", "postgresql", ""),
            ("/postgresql@15", "postgresql", "15"),
            ("vercel/next.js", "vercel/next.js", ""),
            ("/vercel/next.js@15.x", "vercel/next.js", "15.x"),
            ("/vercel/next.js/latest", "vercel/next.js", "latest"),
            ("/docs/fastify/^5.2", "fastify", "^5.2"),
            (" /Docs/fastify ", "fastify", ""),
        ] {
            assert_eq!(parse(id).unwrap(), (name(library), label(version)), "{id}");
        }
        for id in ["", "/", "//", "/a/b/c/d", "/a/b/1@2", "/a/b@", "/a/b/", "a b", "/docs/", "/../etc"] {
            assert!(parse(id).is_err(), "{id:?}");
        }
    }
}
