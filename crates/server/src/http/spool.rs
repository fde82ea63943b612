//! Spool files: request bodies too large for memory, in an unnamed file that is deleted when it is closed.

use std::io::{Seek as _, SeekFrom};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use store::objects::Objects;
use tokio::io::AsyncWriteExt as _;

use super::problem::{Problem, Result};
use crate::app::staging::Allowance;

/// Writes a stream of at most `max_bytes` to a file and rewinds it.
pub(crate) async fn write(
    objects: &Objects,
    chunks: impl Stream<Item = std::result::Result<Bytes, String>>,
    max_bytes: u64,
    allowance: &Allowance,
) -> Result<std::fs::File> {
    let failed = |error: std::io::Error| Problem::internal(error.to_string());
    let mut file = tokio::fs::File::from_std(objects.spool_file()?);
    let mut chunks = std::pin::pin!(chunks);
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Problem::invalid(format!("upload interrupted: {error}")))?;
        allowance.take(chunk.len())?;
        size += chunk.len() as u64;
        if size > max_bytes {
            return Err(Problem::too_large(format!(
                "the file is too large: at most {max_bytes} bytes are accepted"
            )));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}
