//! Puts into the program what its pages load and others have made: htmx, as `scripts/setup` has fetched and checked it.

#![expect(clippy::disallowed_methods, reason = "the environment of a build is where it is told things")]

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Names the file by itself, where it is not where `scripts/setup` puts it.
const VARIABLE: &str = "WENYUAN_HTMX";

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed={}", root.join("setup.lock").display());
    println!("cargo::rerun-if-changed=web");
    let lock = fs::read_to_string(root.join("setup.lock")).expect("setup.lock");
    let file = env::var_os(VARIABLE).map_or_else(|| kept(&lock), PathBuf::from);
    let Ok(script) = fs::read(&file) else {
        println!(
            "cargo::error=htmx is not at {}: run ./run or ./test once, which fetch it, or name the file in {VARIABLE}",
            file.display()
        );
        return;
    };
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("htmx.js"), script).expect("the folder is cargo's");
}

/// Where `scripts/setup` puts it.
fn kept(lock: &str) -> PathBuf {
    let row: Vec<&str> = lock
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|row| row.first() == Some(&"htmx"))
        .unwrap_or_default();
    let (version, hash) = (row.get(2).copied().unwrap_or("?"), row.get(5).copied().unwrap_or("?"));
    let folder = format!("runtime/htmx-{version}-{}", hash.get(..12).unwrap_or(hash));
    caches()
        .into_iter()
        .map(|cache| cache.join(&folder).join("package/dist/htmx.min.js"))
        .find(|file| Path::exists(file))
        .unwrap_or_else(|| PathBuf::from(folder))
}

fn caches() -> Vec<PathBuf> {
    let named = env::var_os("WENYUAN_CACHE_DIR").map(PathBuf::from);
    let shared = Some(PathBuf::from("/var/cache/wenyuan"));
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let own = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or(home).map(|cache| cache.join("wenyuan"));
    [named, shared, own].into_iter().flatten().collect()
}
