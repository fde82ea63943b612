//! Library ids as Context7's clients write them (`/owner/project`, `/owner/project/version`), in both directions, and which
//! library a name means. One place, so that an id which one door gave out means the same at every other.
//!
//! Their pattern wants two parts (`^/[^/]+/[^/]+([/@][^/]+)?$`), and many of our names have one. Those stand under the reserved
//! owner `docs`: `postgresql` is `/docs/postgresql`. A library whose own owner is called `docs` is written with `~`, which no
//! name contains, so that every id leads back to exactly one library.

use kernel::actor::Actor;
use library::Error;
use library::catalogue::{Catalogue, Library};
use library::label::{Label, VersionRequest};
use library::names::{InvalidName, LibraryName};

/// The owner of libraries whose names have none.
const RESERVED_OWNER: &str = "docs";

/// The id of a library, or of one version of it.
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

/// The library and the version that an id means. Taken besides what [`id_of`] gives out: a plain name with or without the
/// slash before it (`postgresql`, `/postgresql`), a version after `@`, and whatever may stand for a version (`5.x`, `latest`).
pub(crate) fn parse(id: &str) -> Result<(LibraryName, VersionRequest), Error> {
    let id = id.trim();
    let path = id.strip_prefix('/').unwrap_or(id);
    let bad = || Error::from(InvalidName::Library(id.chars().take(120).collect()));
    let (path, version) = match path.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (path, None),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let (name, version) = match (parts.as_slice(), version) {
        ([name], version) => ((*name).to_owned(), version),
        ([owner, project], version) => (name_of(owner, project), version),
        ([owner, project, version], None) => (name_of(owner, project), Some(*version)),
        _ => return Err(bad()),
    };
    if version.is_some_and(|version| version.trim().is_empty()) {
        return Err(bad());
    }
    Ok((name.parse()?, version.unwrap_or_default().parse()?))
}

/// Libraries whose name or title resembles a name as people write it, the best first. Where none does, the one whose name is
/// nearest; where there is none either, those whose description holds a word of the question.
pub(crate) fn matching<'catalogue>(
    catalogue: &'catalogue Catalogue,
    actor: &Actor,
    name: &str,
    query: &str,
) -> Vec<&'catalogue Library> {
    let wanted = plain(name);
    let all = || catalogue.libraries(actor).into_iter().map(AsRef::as_ref);
    let mut ranked: Vec<(usize, &Library)> =
        all().filter_map(|library| Some((rank(library, &wanted)?, library))).collect();
    if !ranked.is_empty() {
        // Sorting keeps the order of names among equals.
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

/// How well a library's name fits, 0 best.
fn rank(library: &Library, wanted: &str) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    let (name, title) = (plain(library.name.as_str()), plain(&library.title));
    let project = library.name.as_str().rsplit('/').next().map(plain).unwrap_or_default();
    [
        name == wanted,
        project == wanted || title == wanted,
        project.starts_with(wanted) || title.starts_with(wanted),
        name.contains(wanted) || title.contains(wanted),
        project.len() > 2 && wanted.contains(&project),
    ]
    .iter()
    .position(|fits| *fits)
}

/// Names without what people write differently: `Next.js`, `nextjs` and `next-js` are one.
fn plain(name: &str) -> String {
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
    fn an_id_leads_back_to_its_library_and_version() {
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
    fn ids_have_the_form_that_clients_check() {
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
    fn what_people_and_models_write_is_understood() {
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
