//! Contents of a version: all its documents in reading order, and the tree of their folders.
//!
//! The order is that of the first of these that the version has: the list that it was added from (`llms.txt`), a document `mkdocs.yml`
//! or `llms.txt`, the tables of contents of Sphinx. What that leaves out follows by the order that front matter gives and by name,
//! numbers by their value, index pages first.

mod navigation;
mod order;

use std::collections::{HashMap, HashSet};

use kernel::actor::Actor;
use sqlx::PgConnection;
use store::objects::{Hash, Objects};

use crate::access::Level;
use crate::catalogue::{Library, Version};
use crate::ids::VersionId;
use crate::{Error, changes};

/// Limit on the size of a document with a table of contents.
const MAX_NAVIGATION_BYTES: i64 = 1 << 20;
/// Limit on the documents of Sphinx whose tables of contents are read.
const MAX_TOCTREES: usize = 500;

/// A document of the contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentsEntry {
    /// Path in the library.
    pub path: String,
    /// Title.
    pub title: String,
    /// Language of its text: `en` or `zh`.
    language: Option<String>,
    /// Place that its front matter gives it among its neighbours, in thousandths.
    position: Option<i64>,
}

/// Contents of a version.
#[derive(Debug, Default)]
pub struct Contents {
    /// Documents in the order of the tree: those of a folder together.
    entries: Vec<ContentsEntry>,
    /// Indices into `entries` in reading order, which can leave a folder and come back to it.
    reading: Vec<usize>,
    /// Place in `reading` by path.
    places: HashMap<String, usize>,
}

/// A line of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreeItem<'contents> {
    /// A folder: its path, without a slash at the end, and the number of documents below it.
    Folder(&'contents str, usize),
    /// A document.
    Document(&'contents ContentsEntry),
}

/// Identifies the active revisions of a version: contents read at an equal state are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentsState(i64, String);

impl Contents {
    fn new(entries: Vec<ContentsEntry>, listed: &[String]) -> Self {
        let ranks: HashMap<&str, usize> =
            listed.iter().enumerate().rev().map(|(rank, path)| (path.as_str(), rank)).collect();
        let entries = order::sorted(entries, &ranks);
        let mut reading: Vec<usize> = (0..entries.len()).collect();
        let rank = |place: &usize| {
            entries
                .get(*place)
                .and_then(|entry| ranks.get(entry.path.as_str()).copied())
                .unwrap_or(usize::MAX)
        };
        // Stable: documents that are not listed follow in the order of the tree.
        reading.sort_by_key(rank);
        let places = reading
            .iter()
            .enumerate()
            .filter_map(|(place, entry)| Some((entries.get(*entry)?.path.clone(), place)));
        let places = places.collect();
        Self { entries, reading, places }
    }

    /// Returns all documents in the order of the tree.
    pub fn entries(&self) -> &[ContentsEntry] {
        &self.entries
    }

    /// Returns the documents before and after one in reading order.
    pub fn neighbours(&self, path: &str) -> (Option<&ContentsEntry>, Option<&ContentsEntry>) {
        let at = |place: Option<usize>| self.entries.get(*self.reading.get(place?)?);
        let place = self.places.get(path).copied();
        (at(place.and_then(|place| place.checked_sub(1))), at(place.map(|place| place + 1)))
    }

    /// Returns the folders and documents directly in a folder; the empty path is the root.
    pub fn folder<'contents>(&'contents self, folder: &str) -> Vec<TreeItem<'contents>> {
        let mut items: Vec<TreeItem<'_>> = Vec::new();
        for entry in &self.entries {
            let Some(rest) = below(&entry.path, folder) else { continue };
            let Some((name, _)) = rest.split_once('/') else {
                items.push(TreeItem::Document(entry));
                continue;
            };
            let inner = entry.path.get(..entry.path.len() - rest.len() + name.len()).unwrap_or_default();
            match items.last_mut() {
                Some(TreeItem::Folder(last, documents)) if *last == inner => *documents += 1,
                _ => items.push(TreeItem::Folder(inner, 1)),
            }
        }
        items
    }

    /// Returns the documents that say the same in other languages, with the tag of each language: `x.md`, `x.zh-CN.md`, `zh/x.md`. The tag
    /// is empty where neither path nor text tells it.
    pub fn twins(&self, path: &str) -> Vec<(&str, &ContentsEntry)> {
        let (bare, own) = language_of(path);
        let candidates = self.entries.iter().filter(|entry| entry.path != path);
        let twins = candidates.filter_map(|entry| {
            let (other, language) = language_of(&entry.path);
            // Without a language in its path a document is in the main one, which its twins are not in.
            (other == bare && language != own).then_some((language.unwrap_or(entry.language()), entry))
        });
        let mut twins: Vec<_> = twins.collect();
        let mut seen = HashSet::new();
        twins.retain(|(language, _)| seen.insert(*language));
        twins
    }

    /// Returns the approximate size in bytes, for caches.
    pub fn weight(&self) -> usize {
        self.entries.iter().map(|entry| 2 * entry.path.len() + entry.title.len() + 160).sum()
    }
}

impl ContentsEntry {
    /// Returns the tag of the text's language; empty if it is not known.
    fn language(&self) -> &str {
        match self.language.as_deref() {
            Some("zh") => "zh-CN",
            other => other.unwrap_or_default(),
        }
    }
}

/// Returns the path relative to a folder, if it is below it.
fn below<'path>(path: &'path str, folder: &str) -> Option<&'path str> {
    if folder.is_empty() { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}

/// Languages that paths name, and their tags.
const LANGUAGES: [(&str, &str); 22] = [
    ("zh", "zh-CN"),
    ("zh-cn", "zh-CN"),
    ("zh_cn", "zh-CN"),
    ("zh-hans", "zh-CN"),
    ("cn", "zh-CN"),
    ("zh-tw", "zh-TW"),
    ("zh_tw", "zh-TW"),
    ("zh-hant", "zh-TW"),
    ("en", "en"),
    ("en-us", "en"),
    ("en_us", "en"),
    ("en-gb", "en"),
    ("ja", "ja"),
    ("ja-jp", "ja"),
    ("ko", "ko"),
    ("de", "de"),
    ("fr", "fr"),
    ("es", "es"),
    ("it", "it"),
    ("ru", "ru"),
    ("pt", "pt"),
    ("pt-br", "pt-BR"),
];

/// Returns a path without its language, and the tag of the language: that of a folder, or of an ending before the extension.
fn language_of(path: &str) -> (String, Option<&'static str>) {
    let tag = |name: &str| {
        let name = name.to_ascii_lowercase();
        LANGUAGES.iter().find(|(known, _)| *known == name).map(|(_, tag)| *tag)
    };
    let (folder, file) = path.rsplit_once('/').map_or((None, path), |(folder, file)| (Some(folder), file));
    if let Some((stem, extension)) = file.rsplit_once('.')
        && let Some((stem, language)) = stem.rsplit_once(['.', '_']).filter(|(stem, _)| !stem.is_empty())
        && let Some(language) = tag(language)
    {
        let file = format!("{stem}.{extension}");
        return (folder.map_or_else(|| file.clone(), |folder| format!("{folder}/{file}")), Some(language));
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    let folders = parts.len() - 1;
    let named = parts.iter().take(folders).enumerate().find_map(|(place, part)| Some((place, tag(part)?)));
    let Some((place, language)) = named else { return (path.to_owned(), None) };
    parts.remove(place);
    (parts.join("/"), Some(language))
}

/// Returns the state of a version's active revisions.
///
/// # Errors
///
/// Fails if the library does not exist for the actor.
pub async fn state(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
) -> Result<ContentsState, Error> {
    library.require(actor, Level::Read)?;
    let row = sqlx::query!(
        r#"-- contents.state
         select count(*) as "count!",
           coalesce(sum(hashtextextended(id::text, 0)::numeric), 0)::text
             || (select md5(reading_order::text) from library.versions where id = $1) as "sum"
         from library.document_versions where version_id = $1 and active"#,
        version.id.0,
    )
    .fetch_one(connection)
    .await?;
    Ok(ContentsState(row.count, row.sum.unwrap_or_default()))
}

/// Reads the contents of a version.
///
/// # Errors
///
/// Fails if the library does not exist for the actor. Originals that cannot be read are left out of the order.
pub async fn read(
    connection: &mut PgConnection,
    objects: &Objects,
    actor: &Actor,
    library: &Library,
    version: &Version,
) -> Result<Contents, Error> {
    library.require(actor, Level::Read)?;
    let rows = sqlx::query!(
        r#"-- contents.read
         select document.path, coalesce(d.title, document.name) as "title!", d.language,
           case when d.type = 'markdown' and left(d.content, 3) in ('---', '+++') then
             substring(left(d.content, 2000)
               from '\n(?:sidebar_position|sidebar_order|nav_order|weight|order|position)[ \t]*[:=][ \t]*["'']?(-?[0-9]{1,9}(?:\.[0-9]{1,3})?)')
           end as position
         from library.document_versions d
         join library.documents as document on document.id = d.document_id
         where document.library_id = $1 and d.version_id = $2 and d.active
         order by document.path collate "C""#,
        library.id.0,
        version.id.0,
    )
    .fetch_all(&mut *connection)
    .await?;
    let entries: Vec<ContentsEntry> = rows
        .into_iter()
        .map(|row| ContentsEntry {
            path: row.path,
            title: row.title,
            language: row.language,
            position: row.position.as_deref().and_then(thousandths),
        })
        .collect();
    let listed = listed(connection, objects, version.id, &entries).await?;
    Ok(Contents::new(entries, &listed))
}

/// Converts a decimal number.
fn thousandths(number: &str) -> Option<i64> {
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let whole: i64 = whole.parse().ok()?;
    let rest: i64 = format!("{rest:0<3}").parse().ok()?;
    Some(whole * 1000 + if number.starts_with('-') { -rest } else { rest })
}

/// Returns the paths in the order that a list of the version gives; empty if it has none.
async fn listed(
    connection: &mut PgConnection,
    objects: &Objects,
    version: VersionId,
    entries: &[ContentsEntry],
) -> Result<Vec<String>, Error> {
    let known: HashSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    // Two at least: one document alone has no order.
    let is_order =
        |paths: &Vec<String>| paths.iter().filter(|path| known.contains(path.as_str())).take(2).count() == 2;
    let added = sqlx::query_scalar!(
        "-- contents.order
         select reading_order from library.versions where id = $1",
        version.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(added) = added.filter(&is_order) {
        return Ok(added);
    }
    let lists = sqlx::query!(
        r#"-- contents.lists
         select document.path, d.content as "content!"
         from library.document_versions d
         join library.documents as document on document.id = d.document_id
         where d.version_id = $1 and d.active and d.content is not null and octet_length(d.content) <= $2
           and document.path ~* '(^|/)(mkdocs[.]ya?ml|llms[.]txt)$'
         order by lower(document.path) !~ 'mkdocs', length(document.path), document.path limit 20"#,
        version.0,
        i32::try_from(MAX_NAVIGATION_BYTES).unwrap_or(i32::MAX),
    )
    .fetch_all(&mut *connection)
    .await?;
    for list in lists {
        let paths = navigation::of_list(&list.path, &list.content, &known);
        if is_order(&paths) {
            return Ok(paths);
        }
    }
    let toctrees = toctrees(connection, objects, version).await?;
    let paths = navigation::of_toctrees(&toctrees, &known);
    Ok(if is_order(&paths) { paths } else { Vec::new() })
}

/// Reads the originals of a version in reStructuredText that have a table of contents, by path.
async fn toctrees(
    connection: &mut PgConnection,
    objects: &Objects,
    version: VersionId,
) -> Result<HashMap<String, Vec<String>>, Error> {
    // Only pages of contents are read, which have this name in Sphinx, or the root of another name.
    let originals = sqlx::query!(
        r#"-- contents.toctrees
         select document.path, encode(d.file_hash, 'hex') as "hash!"
         from library.document_versions d
         join library.documents as document on document.id = d.document_id
         where d.version_id = $1 and d.active and d.type = 'rst' and d.file_size <= $2
           and document.path ~ '(^|/)(index|contents|toc)[.](rst|txt|rest)$'
         order by length(document.path), document.path limit $3"#,
        version.0,
        MAX_NAVIGATION_BYTES,
        i64::try_from(MAX_TOCTREES).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut toctrees = HashMap::new();
    for original in originals {
        let Ok(hash) = original.hash.parse::<Hash>() else { continue };
        // One that is gone only loses its order.
        let Ok(bytes) = objects.get(hash).await else { continue };
        let entries = navigation::toctree_entries(&String::from_utf8_lossy(&bytes));
        if !entries.is_empty() {
            toctrees.insert(original.path, entries);
        }
    }
    Ok(toctrees)
}

/// Stores the order in which a list names the documents of a version; replaces that of an earlier list.
///
/// # Errors
///
/// Fails unless the actor can write to the library.
pub async fn set_order(
    connection: &mut PgConnection,
    actor: &Actor,
    library: &Library,
    version: &Version,
    paths: &[String],
) -> Result<(), Error> {
    library.require(actor, Level::Write)?;
    let updated = sqlx::query!(
        "-- contents.set_order
         update library.versions set reading_order = $2 where id = $1 and reading_order <> $2",
        version.id.0,
        paths,
    )
    .execute(&mut *connection)
    .await?;
    if updated.rows_affected() > 0 {
        // Contents that are cached are outdated.
        changes::record_catalogue(connection).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(paths: &[&str], listed: &[&str]) -> Contents {
        let entries = paths
            .iter()
            .map(|path| ContentsEntry {
                path: (*path).to_owned(),
                title: path.to_uppercase(),
                language: None,
                position: None,
            })
            .collect();
        let listed: Vec<String> = listed.iter().map(ToString::to_string).collect();
        Contents::new(entries, &listed)
    }

    fn reading(contents: &Contents) -> Vec<&str> {
        contents.reading.iter().map(|place| contents.entries[*place].path.as_str()).collect()
    }

    #[test]
    fn without_a_list_names_decide_and_numbers_count_by_value() {
        let contents = contents(
            &["b/10-z.md", "b/2-a.md", "a.md", "b/index.md", "README.md", "c/x/deep.md", "c/first.md"],
            &[],
        );
        assert_eq!(
            reading(&contents),
            ["README.md", "a.md", "b/index.md", "b/2-a.md", "b/10-z.md", "c/first.md", "c/x/deep.md"]
        );
        assert_eq!(
            contents.folder(""),
            [
                TreeItem::Document(&contents.entries[0]),
                TreeItem::Document(&contents.entries[1]),
                TreeItem::Folder("b", 3),
                TreeItem::Folder("c", 2)
            ]
        );
        assert_eq!(contents.folder("c").len(), 2);
        assert_eq!(contents.folder("c/x"), [TreeItem::Document(&contents.entries[6])]);
        assert!(contents.folder("nothing").is_empty());
    }

    #[test]
    fn a_list_decides_and_the_rest_follows() {
        let contents = contents(
            &["guide/a.md", "guide/b.md", "index.md", "ref/x.md", "zz.md"],
            &["index.md", "guide/b.md", "ref/x.md", "guide/a.md", "absent.md"],
        );
        assert_eq!(reading(&contents), ["index.md", "guide/b.md", "ref/x.md", "guide/a.md", "zz.md"]);
        let paths: Vec<&str> = contents.entries().iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["index.md", "guide/b.md", "guide/a.md", "ref/x.md", "zz.md"]);
        let (before, after) = contents.neighbours("ref/x.md");
        assert_eq!(before.map(|entry| entry.path.as_str()), Some("guide/b.md"));
        assert_eq!(after.map(|entry| entry.path.as_str()), Some("guide/a.md"));
        assert_eq!(contents.neighbours("index.md").0, None);
        assert_eq!(contents.neighbours("zz.md").1, None);
        assert_eq!(contents.neighbours("absent.md"), (None, None));
    }

    #[test]
    fn front_matter_orders_neighbours() {
        let entry = |path: &str, position: Option<&str>| ContentsEntry {
            path: path.to_owned(),
            title: String::new(),
            language: None,
            position: position.and_then(thousandths),
        };
        let contents = Contents::new(
            vec![
                entry("a/one.md", Some("2")),
                entry("a/two.md", Some("1.5")),
                entry("a/zero.md", Some("-1")),
                entry("a/rest.md", None),
                entry("b/index.md", Some("0")),
                entry("b/x.md", None),
            ],
            &[],
        );
        assert_eq!(
            reading(&contents),
            ["b/index.md", "b/x.md", "a/zero.md", "a/two.md", "a/one.md", "a/rest.md"]
        );
    }

    #[test]
    fn twins_are_found_by_ending_and_by_folder() {
        let contents = contents(
            &[
                "x.md",
                "x.zh-CN.md",
                "x.ja.md",
                "zh/y.md",
                "en/y.md",
                "docs/y.md",
                "z.md",
                "a/zh/z.md",
                "readme_zh.md",
                "readme.md",
            ],
            &[],
        );
        let twins = |path: &str| {
            contents
                .twins(path)
                .into_iter()
                .map(|(tag, entry)| (tag, entry.path.as_str()))
                .collect::<Vec<_>>()
        };
        assert_eq!(twins("x.md"), [("ja", "x.ja.md"), ("zh-CN", "x.zh-CN.md")]);
        assert_eq!(twins("x.zh-CN.md"), [("ja", "x.ja.md"), ("", "x.md")]);
        assert_eq!(twins("en/y.md"), [("zh-CN", "zh/y.md")]);
        assert_eq!(twins("readme.md"), [("zh-CN", "readme_zh.md")]);
        assert!(twins("docs/y.md").is_empty() && twins("z.md").is_empty());
    }
}
