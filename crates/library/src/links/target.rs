//! Targets of links: how a target is read, which paths it can mean, and which of the documents with a similar name it means.
//!
//! Manuals link to the addresses of their site, whose pages have other names than the files: without endings and numbers
//! (`02-setup.mdx` is `setup`), index pages under the name of their folder, all of it below a base.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

/// Maximum length of a target; a longer one leads nowhere.
const MAX_TARGET_BYTES: usize = 2_000;
/// Maximum number of segments of a path.
const MAX_SEGMENTS: usize = 64;
/// Schemes of links that lead elsewhere.
const EXTERNAL_SCHEMES: [&str; 3] = ["http", "https", "mailto"];
/// Endings of documents.
const ENDINGS: [&str; 18] = [
    "md", "mdx", "markdown", "mkd", "mdown", "htm", "html", "xhtml", "rst", "rest", "txt", "text", "adoc",
    "pdf", "docx", "json", "yml", "yaml",
];
/// Names of index pages.
const INDEX_NAMES: [&str; 3] = ["index", "_index", "readme"];

/// A target as it is written, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Address on the web, also mail.
    External,
    /// Neither a document nor an address: `javascript:`, `data:`, an address without a host.
    Other,
    /// Label of reStructuredText, in any document of the version.
    Label(String),
    /// Path, which can be empty: the document itself.
    Path(TargetPath),
}

/// Path of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about what is written")]
pub(super) struct TargetPath {
    /// Paths in the library that the target can mean, the likeliest first.
    pub(super) meanings: Vec<String>,
    /// Whether a document whose path ends like the target is meant, if no meaning exists.
    by_suffix: bool,
    /// Whether the target leads out of the library.
    leads_out: bool,
    /// Whether the target ends with a slash.
    is_folder: bool,
    /// Whether the target is a fragment alone.
    pub(super) is_here: bool,
    /// Fragment, decoded; `None` if there is none.
    pub(super) fragment: Option<String>,
}

/// Reads a target in the document `from`, in a library whose links begin with `base`.
pub(super) fn parse(target: &str, from: &str, base: &str) -> Target {
    let target = target.trim();
    if target.starts_with("data:") {
        return Target::Other;
    }
    if target.is_empty() || target.len() > MAX_TARGET_BYTES || target.contains(char::is_control) {
        return Target::Other;
    }
    if let Some(label) = target.strip_prefix("ref:") {
        return Target::Label(label.to_owned());
    }
    // Targets with a scheme and with a host are addresses; the base can make them paths.
    let scheme = target.find([':', '/', '?', '#']).filter(|end| target[*end..].starts_with(':'));
    let base = base.trim_end_matches('/');
    let (_, base_path) = split_address(base);
    if let Some(end) = scheme {
        if base.contains("://")
            && let Some(rest) = strip_prefix_ignoring_scheme(target, base)
            && (rest.is_empty() || rest.starts_with(['/', '?', '#']))
        {
            return Target::Path(path(&format!("{base_path}{rest}"), from, base_path, true));
        }
        let is_external = EXTERNAL_SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(&target[..end]));
        return if is_external { Target::External } else { Target::Other };
    }
    if target.starts_with("//") || target.contains('\\') {
        return Target::Other;
    }
    Target::Path(path(target, from, base_path, target.starts_with('/')))
}

/// Splits an address into scheme with host, and path.
fn split_address(address: &str) -> (&str, &str) {
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address[host..].find('/').map_or(address.len(), |at| host + at);
    if host == 0 { ("", address) } else { address.split_at(end) }
}

fn strip_prefix_ignoring_scheme<'target>(target: &'target str, base: &str) -> Option<&'target str> {
    let (_, target) = target.split_once("://")?;
    let (_, base) = base.split_once("://")?;
    target.strip_prefix(base)
}

fn path(target: &str, from: &str, base_path: &str, is_absolute: bool) -> TargetPath {
    let (rest, fragment) =
        target.split_once('#').map_or((target, None), |(rest, fragment)| (rest, Some(decoded(fragment))));
    let written = decoded(rest.split('?').next().unwrap_or_default());
    let fragment = fragment.filter(|fragment| !fragment.is_empty());
    let mut found = TargetPath {
        meanings: Vec::new(),
        by_suffix: is_absolute,
        leads_out: false,
        is_folder: written.ends_with('/'),
        is_here: rest.is_empty(),
        fragment,
    };
    if rest.is_empty() {
        found.meanings.push(from.to_owned());
        return found;
    }
    let mut push = |meaning: Option<String>| {
        if let Some(meaning) = meaning.filter(|meaning| !found.meanings.contains(meaning)) {
            found.meanings.push(meaning);
        }
    };
    if is_absolute {
        let base = base_path.trim_matches('/');
        let below = written.trim_start_matches('/');
        let below = below.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        push(below.filter(|_| !base.is_empty()).and_then(|below| joined("", below)));
        push(joined("", &written));
        return found;
    }
    push(joined(from, &written));
    // Sites show a page as a folder, and links within it can be relative to that.
    let stem = from.rsplit_once('.').map_or(from, |(stem, _)| stem);
    if !is_index(from) {
        push(joined(&format!("{stem}/page"), &written));
    }
    if found.meanings.is_empty() {
        found.by_suffix = true;
        found.leads_out = true;
        found.meanings.extend(joined("", written.trim_start_matches("../")));
    }
    found
}

/// Decodes percent-escapes.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Resolves a relative path against that of a document; `None` if it leads out of the library.
fn joined(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (parts.len() <= MAX_SEGMENTS).then(|| parts.join("/"))
}

/// Chooses the document that a target means, from those with a similar name by meaning.
pub(super) fn choose<'path>(
    target: &TargetPath,
    from: &str,
    candidates: &HashMap<&str, Vec<&'path str>>,
) -> Option<&'path str> {
    let of = |meaning: &String| candidates.get(meaning.as_str()).map_or(&[][..], Vec::as_slice);
    for meaning in &target.meanings {
        if let Some(exact) = of(meaning).iter().find(|path| **path == meaning.as_str()) {
            return Some(exact);
        }
    }
    // An index that is named is meant before the other index of its folder.
    for meaning in target.meanings.iter().filter(|meaning| is_index(meaning)) {
        let (wanted, name) = (segments(meaning), index_name(meaning));
        let mut same = of(meaning).iter().filter(|path| segments(path) == wanted && index_name(path) == name);
        if let Some(found) = same.next() {
            return Some(found);
        }
    }
    for meaning in &target.meanings {
        let wanted = segments(meaning);
        let same = of(meaning).iter().filter(|path| segments(path) == wanted);
        if let Some(found) = same.min_by_key(|path| (is_index(path) != target.is_folder, path.len(), **path))
        {
            return Some(found);
        }
    }
    if !target.by_suffix {
        return None;
    }
    let file = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut best = None;
    let mut found = None;
    let home = segments(from);
    for meaning in &target.meanings {
        let wanted = segments(meaning);
        for path in of(meaning) {
            let parts = segments(path);
            let same =
                wanted.iter().rev().zip(parts.iter().rev()).take_while(|(one, other)| one == other).count();
            let is_all_of_path = same == parts.len();
            let is_all_of_target = same == wanted.len() && !target.leads_out;
            if same == 0 || !(is_all_of_path || is_all_of_target || same > 1) {
                continue;
            }
            let near = home.iter().zip(&parts).take_while(|(one, other)| one == other).count();
            let is_named = file(path) == file(meaning);
            let rank = (same, std::cmp::Reverse(parts.len()), near, is_named, std::cmp::Reverse(*path));
            if best.as_ref().is_none_or(|best| rank > *best) {
                best = Some(rank);
                found = Some(*path);
            }
        }
    }
    found
}

/// Returns the name of a file without its ending, in lower case.
fn index_name(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// Returns the segments of a path in the form in which paths are compared. The last one is that of `library.link_name`.
fn segments(path: &str) -> Vec<String> {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if is_index(path) {
        parts.pop();
    }
    let last = parts.len().saturating_sub(1);
    let segment = |(number, part): (usize, &&str)| {
        // Folders in parentheses only group pages.
        if number < last && part.starts_with('(') && part.ends_with(')') {
            return None;
        }
        let part = part.to_lowercase();
        let part = if number == last { without_endings(&part) } else { &part };
        Some(without_number(part).to_owned())
    };
    parts.iter().enumerate().filter_map(segment).collect()
}

/// Whether a path is that of the index page of its folder.
fn is_index(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let mut parts = file.split('.');
    let is_name = parts.next().is_some_and(|name| INDEX_NAMES.contains(&name));
    is_name
        && parts
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn without_endings(file: &str) -> &str {
    let mut stem = file;
    while let Some((rest, ending)) = stem.rsplit_once('.') {
        if !ENDINGS.contains(&ending) {
            break;
        }
        stem = rest;
    }
    stem
}

fn without_number(part: &str) -> &str {
    let rest = part.trim_start_matches(|character: char| character.is_ascii_digit());
    let digits = part.len() - rest.len();
    match rest.strip_prefix(['-', '_']).filter(|rest| (1..=4).contains(&digits) && !rest.is_empty()) {
        Some(rest) => rest,
        None => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 12] = [
        "index.mdx",
        "01-app/02-guides/auth.mdx",
        "01-app/02-guides/index.mdx",
        "02-pages/02-guides/auth.mdx",
        "api/java/util/List.html",
        "api/java/util/package-summary.html",
        "guide/setup.md",
        "guide/setup.html",
        "guide/README.md",
        "manual/index.rst.txt",
        "指南/安装.md",
        "pricing/plans.md",
    ];

    fn resolve(target: &str, from: &str, base: &str) -> Option<&'static str> {
        let Target::Path(target) = parse(target, from, base) else { return None };
        let all: Vec<&str> = PATHS.to_vec();
        let candidates = target.meanings.iter().map(|meaning| (meaning.as_str(), all.clone())).collect();
        choose(&target, from, &candidates)
    }

    #[test]
    fn targets_mean_documents() {
        for (from, target, expected) in [
            ("guide/setup.md", "README.md", Some("guide/README.md")),
            ("guide/setup.md", "./", Some("guide/README.md")),
            ("guide/README.md", "setup#x", Some("guide/setup.md")),
            ("guide/README.md", "setup.html", Some("guide/setup.html")),
            ("guide/README.md", "../api/java/util/List.html#add(E)", Some("api/java/util/List.html")),
            ("api/java/util/List.html", "package-summary.html", Some("api/java/util/package-summary.html")),
            ("guide/README.md", "../manual/", Some("manual/index.rst.txt")),
            ("guide/README.md", "../manual/index.html", Some("manual/index.rst.txt")),
            ("guide/README.md", "../%E6%8C%87%E5%8D%97/%E5%AE%89%E8%A3%85.md?x=1#y", Some("指南/安装.md")),
            ("guide/README.md", "#x", Some("guide/README.md")),
            // A page as a folder of its site.
            ("guide/setup.md", "../../manual", Some("manual/index.rst.txt")),
            ("guide/setup.md", "../README", Some("guide/README.md")),
            // Site-absolute: by the longest suffix.
            ("index.mdx", "/docs/app/guides/auth", Some("01-app/02-guides/auth.mdx")),
            ("index.mdx", "/docs/pages/guides/auth#x", Some("02-pages/02-guides/auth.mdx")),
            ("index.mdx", "/docs/app/guides", Some("01-app/02-guides/index.mdx")),
            ("02-pages/02-guides/x.mdx", "/guides/auth", Some("02-pages/02-guides/auth.mdx")),
            ("index.mdx", "/", Some("index.mdx")),
            ("index.mdx", "/guide/setup", Some("guide/setup.md")),
            ("index.mdx", "/en/latest/guide/setup.html", Some("guide/setup.html")),
            // One name in common is not enough.
            ("index.mdx", "/shop/plans", None),
            ("index.mdx", "/plans", Some("pricing/plans.md")),
            ("index.mdx", "other.md", None),
            ("index.mdx", "plans.md", None),
            ("index.mdx", "../plans.md", None),
            ("index.mdx", "../repo/guide/setup.md", Some("guide/setup.md")),
        ] {
            assert_eq!(resolve(target, from, ""), expected, "{from} {target}");
        }
        assert_eq!(resolve("/docs/guide/setup", "index.mdx", "/docs"), Some("guide/setup.md"));
        assert_eq!(resolve("/docs", "guide/setup.md", "/docs/"), Some("index.mdx"));
        let site = "https://example.org/docs";
        for (target, expected) in [
            ("https://example.org/docs/guide/setup#x", Some("guide/setup.md")),
            ("http://example.org/docs", Some("index.mdx")),
            ("/docs/guide/setup", Some("guide/setup.md")),
            ("https://example.org/docsgate/guide/setup", None),
            ("https://elsewhere.org/docs/guide/setup", None),
        ] {
            assert_eq!(resolve(target, "pricing/plans.md", site), expected, "{target}");
        }
    }

    #[test]
    fn addresses_are_no_paths() {
        for (target, expected) in [
            ("https://example.org/x", Target::External),
            ("MAILTO:a@example.org", Target::External),
            ("javascript:alert(1)", Target::Other),
            ("data:text/html,x", Target::Other),
            ("//example.org/x", Target::Other),
            ("a\\b", Target::Other),
            ("", Target::Other),
            ("ref:setup", Target::Label("setup".to_owned())),
        ] {
            assert_eq!(parse(target, "a.md", ""), expected, "{target}");
        }
    }
}
