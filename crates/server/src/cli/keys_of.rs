//! API keys of external services, read from a file or standard input: other users can see command lines.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

/// Size of a key file, in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Reads a key from a file, or from standard input if the file is `-`.
pub(super) fn read_key(file: &Path) -> anyhow::Result<Zeroizing<String>> {
    let unreadable = || format!("failed to read the key in {}", file.display());
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        std::io::stdin().take(MAX_FILE_BYTES).read_to_string(&mut text)
    } else {
        let opened = std::fs::File::open(file).with_context(unreadable)?;
        opened.take(MAX_FILE_BYTES).read_to_string(&mut text)
    };
    read.with_context(unreadable)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
