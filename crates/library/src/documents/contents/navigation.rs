//! Orders that a version's own documents give: `mkdocs.yml`, `llms.txt`, and the tables of contents of Sphinx.

use std::collections::{HashMap, HashSet};

use percent_encoding::percent_decode_str;

/// Limit on the tables of contents within tables of contents.
const MAX_DEPTH: usize = 20;

/// Returns the known paths that a list names, in its order.
pub(super) fn of_list(path: &str, text: &str, known: &HashSet<&str>) -> Vec<String> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_mkdocs = name.to_ascii_lowercase().starts_with("mkdocs.");
    let (targets, folders) = if is_mkdocs {
        let (targets, docs) = mkdocs(text);
        (targets, vec![joined(folder, &docs), folder.to_owned()])
    } else {
        (extract::llms_txt::parse(text).links, vec![folder.to_owned()])
    };
    let mut paths: Vec<String> = Vec::new();
    for target in targets {
        let plain =
            percent_decode_str(target.split(['#', '?']).next().unwrap_or_default()).decode_utf8_lossy();
        let found = folders.iter().find_map(|folder| find(folder, &plain, known));
        // A site lists its pages by their addresses: the end of one names the document.
        let found = found.or_else(|| {
            let (_, rest) = plain.split_once("://")?;
            let (_, mut rest) = rest.split_once('/')?;
            loop {
                if let Some(found) = find(folder, rest, known) {
                    return Some(found);
                }
                (_, rest) = rest.split_once('/')?;
            }
        });
        if let Some(found) = found.filter(|found| !paths.contains(found)) {
            paths.push(found);
        }
    }
    paths
}

/// Finds the document that a target means, itself or with an extension that addresses leave out.
fn find(folder: &str, target: &str, known: &HashSet<&str>) -> Option<String> {
    let path = joined(folder, target);
    let bare = path.trim_end_matches('/');
    let endings = [
        "",
        ".md",
        ".mdx",
        ".rst",
        ".html",
        ".txt",
        "/index.md",
        "/README.md",
        "/index.mdx",
        "/index.rst",
        "/index.html",
    ];
    endings.iter().map(|ending| format!("{bare}{ending}")).find(|path| known.contains(path.as_str()))
}

/// Resolves a target relative to a folder.
fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// Returns the targets below `nav` of a `mkdocs.yml`, and its folder of documents. Read line by line: of the file only this is needed, and
/// its tags of Python are no plain YAML.
fn mkdocs(text: &str) -> (Vec<String>, String) {
    let (mut targets, mut docs, mut is_nav) = (Vec::new(), "docs".to_owned(), false);
    for line in text.lines() {
        let is_top = line.starts_with(|first: char| !first.is_whitespace() && first != '-' && first != '#');
        if is_top {
            is_nav = line.trim_end() == "nav:" || line.trim_end() == "pages:";
            if let Some(folder) = line.strip_prefix("docs_dir:") {
                unquoted(folder).clone_into(&mut docs);
            }
            continue;
        }
        let Some(item) = line.trim_start().strip_prefix("- ").filter(|_| is_nav) else { continue };
        // `Title: page.md`, or a page alone; `Title:` opens a section.
        let target = match item.rsplit_once(": ") {
            Some((_, target)) => target,
            None if item.trim_end().ends_with(':') => continue,
            None => item,
        };
        let target = unquoted(target);
        if !target.is_empty() && !target.contains("://") {
            targets.push(target.to_owned());
        }
    }
    (targets, docs)
}

fn unquoted(text: &str) -> &str {
    text.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\''])
}

/// Returns the entries of the tables of contents of a reStructuredText, in order.
pub(super) fn toctree_entries(text: &str) -> Vec<String> {
    let mut entries = Vec::new();
    // Indentation of the directive while its lines are read.
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim();
        let indentation = line.len() - line.trim_start().len();
        if content.starts_with(".. toctree::") {
            open = Some(indentation);
            continue;
        }
        match open {
            Some(outer) if content.is_empty() || indentation > outer => {
                if content.is_empty() || content.starts_with(':') {
                    continue;
                }
                // `Title <target>` or the target alone.
                let target = content.strip_suffix('>').and_then(|content| content.rsplit_once('<'));
                let target = target.map_or(content, |(_, target)| target);
                if !target.contains("://") && target != "self" && !target.contains('*') {
                    entries.push(target.to_owned());
                }
            }
            _ => open = None,
        }
    }
    entries
}

/// Returns the known paths in the order of the tables of contents, from the outermost page, each followed by those that it names.
pub(super) fn of_toctrees(toctrees: &HashMap<String, Vec<String>>, known: &HashSet<&str>) -> Vec<String> {
    // The page of contents nearest to the root.
    let root = toctrees.keys().min_by_key(|path| (path.matches('/').count(), path.len(), path.as_str()));
    let Some(root) = root else { return Vec::new() };
    let mut paths = Vec::new();
    let mut seen = HashSet::new();
    // A stack of pages to visit, the next last.
    let mut next = vec![(root.clone(), 0)];
    while let Some((path, depth)) = next.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        if let Some(entries) = toctrees.get(&path).filter(|_| depth < MAX_DEPTH) {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let inner = entries.iter().filter_map(|entry| find(folder, entry, known));
            let inner: Vec<(String, usize)> = inner.map(|path| (path, depth + 1)).collect();
            next.extend(inner.into_iter().rev());
        }
        paths.push(path);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mkdocs_names_pages_in_sections() {
        let text = "site_name: x\nnav:\n  - Home: index.md\n  - Guide:\n    - 'Start: here': \"guide/start.md\"\n    - guide/more.md  # later\n  - Code: https://example.org\nplugins:\n  - search\n";
        let known =
            HashSet::from(["docs/index.md", "docs/guide/start.md", "docs/guide/more.md", "docs/search.md"]);
        assert_eq!(
            of_list("mkdocs.yml", text, &known),
            ["docs/index.md", "docs/guide/start.md", "docs/guide/more.md"]
        );
        // Added from its own folder of documents.
        let known = HashSet::from(["index.md", "guide/more.md"]);
        assert_eq!(of_list("mkdocs.yml", text, &known), ["index.md", "guide/more.md"]);
    }

    #[test]
    fn a_list_of_a_site_names_pages_by_address() {
        let text =
            "# X\n\n- [B](https://x.example/docs/b)\n- [A](a.md#top)\n- [A](a.md)\n- [None](none.md)\n";
        let known = HashSet::from(["a.md", "b.md"]);
        assert_eq!(of_list("llms.txt", text, &known), ["b.md", "a.md"]);
    }

    #[test]
    fn tables_of_contents_are_followed_in_depth() {
        let root = "Title\n=====\n\n.. toctree::\n   :maxdepth: 2\n   :caption: Guide\n\n   intro\n   Using it <usage/index>\n   https://example.org\n\nText\n\n.. toctree::\n\n   api\n";
        assert_eq!(toctree_entries(root), ["intro", "usage/index", "api"]);
        let toctrees = HashMap::from([
            ("doc/index.rst".to_owned(), toctree_entries(root)),
            (
                "doc/usage/index.rst".to_owned(),
                vec!["second".to_owned(), "/doc/usage/first".to_owned(), "/doc/index".to_owned()],
            ),
        ]);
        let known = HashSet::from([
            "doc/index.rst",
            "doc/intro.rst",
            "doc/usage/index.rst",
            "doc/usage/first.rst",
            "doc/usage/second.rst",
            "doc/api.rst",
        ]);
        assert_eq!(
            of_toctrees(&toctrees, &known),
            [
                "doc/index.rst",
                "doc/intro.rst",
                "doc/usage/index.rst",
                "doc/usage/second.rst",
                "doc/usage/first.rst",
                "doc/api.rst"
            ]
        );
    }
}
