//! Imports among the modules of `server`: what the HTTP APIs share knows none of them, and no API knows another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules of `server/src` and the modules that each can import. `routes`, `cli` and `reference` put the others together.
const IMPORTS: [(&str, &[&str]); 6] = [
    ("app", &["settings"]),
    ("http", &["app", "settings", "telemetry"]),
    ("api", &["app", "http", "settings"]),
    ("compat", &["app", "http", "settings"]),
    ("mcp", &["app", "http", "settings"]),
    ("pages", &["app", "http", "settings"]),
];

/// Files of a module: `NAME.rs` and all below `NAME/`, test modules apart.
fn files(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut found = vec![source.join(format!("{module}.rs"))];
    let mut folders = vec![source.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_name().is_some_and(|name| name != "tests.rs")
            {
                found.push(path);
            }
        }
    }
    found
}

/// Top-level modules that a file names after `crate::`, in code and in documentation.
fn imports(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        let names: Vec<&str> = match rest.strip_prefix('{') {
            // `use crate::{app, http::input};`
            Some(group) => group.split('}').next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        for name in names {
            let name = name.trim_start();
            let end = name.find(|character: char| !character.is_ascii_lowercase() && character != '_');
            found.insert(&name[..end.unwrap_or(name.len())]);
        }
    }
    found
}

#[test]
fn no_api_imports_another_and_the_http_layer_imports_none() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, allowed) in IMPORTS {
        let files = files(&source, module);
        assert!(files.len() > 5, "{module} has moved: {files:?}");
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source file");
            for import in imports(&text) {
                let is_allowed = import.is_empty() || import == module || allowed.contains(&import);
                assert!(is_allowed, "{} imports {import}, which {module} must not know", file.display());
            }
        }
    }
}
