//! Unpacks a base backup: the pieces are read and decoded ahead, and one thread writes the files of the tar stream that they make up.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;

use super::PARALLEL;
use crate::Error;
use crate::keys::Identity;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::repository::Repository;

/// Unpacks the base backup into a folder that does not exist yet, and that nobody else can enter.
pub(super) async fn database(
    repository: &Repository,
    manifest: &Manifest,
    identity: Option<&Identity>,
    data: &Path,
    progress: &Progress,
) -> Result<(), Error> {
    super::folder::create_private(data)?;
    let (sender, receiver) = mpsc::channel(1);
    let writer = tokio::task::spawn_blocking({
        let data = data.to_owned();
        move || unpack(receiver, &data)
    });
    let read = futures::stream::iter(&manifest.database)
        .map(|piece| async move { repository.read(piece, identity).await })
        .buffered(PARALLEL)
        .try_for_each(|bytes| {
            let sender = &sender;
            async move {
                progress.add(bytes.len() as u64);
                // The writer has failed and says why.
                let _writer_gone = sender.send(bytes).await;
                Ok(())
            }
        })
        .await;
    drop(sender);
    let written = writer.await?;
    // A damaged piece ends the stream early, which is no fault of the writer.
    read.and(written)
}

fn unpack(receiver: mpsc::Receiver<Vec<u8>>, data: &Path) -> Result<(), Error> {
    let mut archive = tar::Archive::new(PieceReader { receiver, current: io::Cursor::default() });
    // The server reads its files alone.
    archive.set_mask(0o077);
    let unreadable =
        |error: io::Error| Error::damaged("the base backup", format!("its archive cannot be read ({error})"));
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let kind = entry.header().entry_type();
        if !(kind.is_file() || kind.is_dir()) {
            let path = entry.path().map(|path| path.display().to_string()).unwrap_or_default();
            return Err(Error::damaged("the base backup", format!("{path} is neither a file nor a folder")));
        }
        let path: PathBuf = data.join(entry.path().map_err(unreadable)?);
        let is_inside = entry.unpack_in(data).map_err(|source| match source.kind() {
            // An archive that ends early or makes no sense; the operating system's errors have kinds of their own.
            io::ErrorKind::Other | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => {
                unreadable(source)
            }
            _ => Error::Io { path: path.clone(), source },
        })?;
        if !is_inside {
            return Err(Error::damaged("the base backup", format!("{} leads out of it", path.display())));
        }
    }
    // The pieces behind the end of the archive are compared with their hashes, too.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(unreadable)?;
    Ok(())
}

/// The pieces as one stream.
struct PieceReader {
    receiver: mpsc::Receiver<Vec<u8>>,
    current: io::Cursor<Vec<u8>>,
}

impl Read for PieceReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = io::Cursor::new(piece),
                None => return Ok(0),
            }
        }
    }
}
