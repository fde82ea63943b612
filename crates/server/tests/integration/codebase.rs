//! Rules of the codebase that a test can hold: dependencies between crates, the shape of files and migrations, the page of
//! components. `layout.rs` holds the imports between modules of the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Crates of the workspace that a crate may depend on. Never sideways, never up; `extract`, `embedding` and `markup` depend
/// on none.
const CRATES: [(&str, &[&str]); 14] = [
    ("kernel", &[]),
    ("extract", &[]),
    ("embedding", &[]),
    ("markup", &[]),
    ("store", &["kernel"]),
    ("identity", &["kernel", "store"]),
    ("ops", &["kernel", "store"]),
    ("library", &["embedding", "extract", "kernel", "store"]),
    ("registry", &["kernel", "store"]),
    ("chat", &["extract", "kernel", "library", "markup", "registry", "store"]),
    ("social", &["kernel", "library", "store"]),
    (
        "server",
        &[
            "chat",
            "embedding",
            "extract",
            "identity",
            "kernel",
            "library",
            "markup",
            "ops",
            "registry",
            "social",
            "store",
        ],
    ),
    ("testkit", &[]),
    // Measures the program from outside, or one crate by itself.
    ("bench", &["embedding", "extract", "identity", "kernel", "library", "store", "testkit"]),
];

/// Libraries that only `server` may depend on.
const SERVER_LIBRARIES: [&str; 9] = [
    "askama",
    "axum",
    "lettre",
    "clap",
    "utoipa-axum",
    "tower",
    "tower-http",
    "indicatif",
    "metrics-exporter-prometheus",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// All Rust files under a folder of the workspace.
pub(crate) fn rust_files(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() && entry.file_name() != "target" {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    files
}

/// Tests that the documentation's tables name exist, in the files that the tables name.
#[test]
fn tests_that_are_named_exist() {
    let read = |path: &Path| std::fs::read_to_string(path).expect("a file");
    let all: String = rust_files("crates").iter().map(|file| read(file)).collect();
    let mut missing = Vec::new();
    for page in
        ["crates/server/tests/README.md", "docs/guide/threat-model.md", "docs/guide/threat-model.zh-CN.md"]
    {
        let text = read(&root().join(page));
        for cell in text.lines().filter_map(|line| line.strip_suffix('|')?.rsplit('|').next()) {
            let mut source = None;
            for name in cell.split('`').skip(1).step_by(2) {
                if Path::new(name).extension().is_some_and(|extension| extension == "rs") {
                    source = Some(read(&root().join("crates").join(name)));
                } else if name.contains('_')
                    && !source.as_ref().unwrap_or(&all).contains(&format!("fn {name}("))
                {
                    missing.push(format!("{page}: {name}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn crates_depend_only_on_crates_below_them() {
    let cargo = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo");
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let table: BTreeMap<&str, &[&str]> = CRATES.into_iter().collect();
    assert_eq!(names, table.keys().copied().collect(), "CRATES does not list the crates of the workspace");
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            let is_for_tests = dependency["kind"] == "dev";
            if names.contains(on) && is_for_tests {
                assert!(on == "testkit" || table[name].contains(&on), "the tests of {name} depend on {on}");
            } else if names.contains(on) {
                assert!(table[name].contains(&on), "{name} must not depend on {on}");
            }
            // The benchmarks have a command line too.
            let may = name == "server" || (name == "bench" && on == "clap");
            assert!(may || !SERVER_LIBRARIES.contains(&on), "{name} depends on {on}, which is for `server`");
        }
    }
}

#[test]
fn files_open_with_a_module_doc_and_are_short() {
    let files = rust_files("crates");
    assert!(files.len() > 50);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a source file");
        assert!(text.starts_with("//! "), "{} does not open with //!", file.display());
        let lines = text.lines().count();
        assert!(lines <= 700, "{} has {lines} lines: are there two things in it?", file.display());
    }
}

#[test]
fn each_migration_can_be_reverted() {
    let names: BTreeSet<String> = std::fs::read_dir(root().join("migrations"))
        .expect("migrations")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("a name"))
        .collect();
    let up: Vec<&String> = names.iter().filter(|name| name.ends_with(".up.sql")).collect();
    assert_eq!(up.len() * 2, names.len(), "{names:?}");
    for (number, up) in (1..).zip(up) {
        assert!(up.starts_with(&format!("{number:04}_")), "{up} is not number {number}");
        assert!(names.contains(&up.replace(".up.", ".down.")), "{up} has no .down.sql");
    }
}

#[test]
fn the_page_of_components_shows_every_token_and_class() {
    let style = |name: &str| {
        let text = std::fs::read_to_string(root().join("crates/server/web/style").join(name))
            .expect("a style sheet");
        text.split("/*")
            .map(|part| part.split_once("*/").map_or(part, |(_, after)| after))
            .collect::<String>()
    };
    let page = std::fs::read_to_string(root().join("docs/components.html")).expect("the page of components");
    let name = |rest: &str| {
        let end =
            rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    let shown: BTreeSet<&str> = page
        .split("class=\"")
        .skip(1)
        .flat_map(|rest| rest.split('"').next().unwrap_or_default().split(' '))
        .collect();
    // In selectors a name follows the dot at once, in numbers a digit.
    let classes: BTreeSet<String> = style("30-parts.css")
        .split('.')
        .skip(1)
        .filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(name)
        .collect();
    let missing: Vec<&String> = classes.iter().filter(|class| !shown.contains(class.as_str())).collect();
    assert!(classes.len() > 30 && missing.is_empty(), "not on docs/components.html: {missing:?}");
    let tokens: BTreeSet<String> = style("10-tokens.css")
        .split("--")
        .skip(1)
        .filter(|rest| name(rest).len() < rest.find(':').unwrap_or(0) + 1)
        .map(name)
        .collect();
    let missing: Vec<&String> =
        tokens.iter().filter(|token| !page.contains(&format!("<code>--{token}</code>"))).collect();
    assert!(tokens.len() > 30 && missing.is_empty(), "not on docs/components.html: {missing:?}");
}
