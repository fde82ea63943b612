//! Bodies that are larger than memory should hold: written to a file that has no name, and goes with whoever holds it.

use std::io::{Seek as _, SeekFrom};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use store::objects::Objects;
use tokio::io::AsyncWriteExt as _;

use super::problem::{Problem, Result};

/// Writes what comes to a file, and goes back to its beginning. More than `most` bytes are refused.
pub(super) async fn write(
    objects: &Objects,
    pieces: impl Stream<Item = std::result::Result<Bytes, String>>,
    most: u64,
) -> Result<std::fs::File> {
    let full = |error: std::io::Error| Problem::internal(error.to_string());
    let mut file = tokio::fs::File::from_std(objects.scratch()?);
    let mut pieces = std::pin::pin!(pieces);
    let mut size = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Problem::invalid(format!("the upload broke off: {error}")))?;
        size += piece.len() as u64;
        if size > most {
            return Err(Problem::too_large(format!("this may have at most {most} bytes")));
        }
        file.write_all(&piece).await.map_err(full)?;
    }
    file.flush().await.map_err(full)?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(full)?;
    Ok(file)
}
