//! What tests share: folders and databases of their own.

/// A folder that goes with the test.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// How many files lie under a folder.
pub fn files_under(folder: &std::path::Path) -> usize {
    std::fs::read_dir(folder).map_or(0, |entries| {
        entries
            .flatten()
            .map(|entry| if entry.path().is_dir() { files_under(&entry.path()) } else { 1 })
            .sum()
    })
}
