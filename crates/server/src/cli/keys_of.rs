//! Keys of other programs, which come from a file or standard input: what stands on a command line is seen by others.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

/// The longest file of a key, in bytes.
const LONGEST_FILE: u64 = 64 * 1024;

/// Reads a key from a file, or from standard input where the file is `-`.
pub(super) fn read_key(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let unreadable = || format!("the key in {} cannot be read", file.display());
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        std::io::stdin().take(LONGEST_FILE).read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file).with_context(unreadable)?;
        opened.take(LONGEST_FILE).read_to_string(&mut text)
    };
    read.with_context(unreadable)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
