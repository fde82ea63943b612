//! Uploads: puts bytes into the object store and registers them as documents.
//!
//! This module owns the order of the steps. Bytes are staged (or in memory), their rows are marked as used, they are
//! promoted under their hash and flushed to disk, and only then does a transaction refer to them. Marked rows are left
//! alone by [garbage collection](crate::gc) for [`GRACE`](crate::gc::GRACE), so that transaction must commit within it.

use bytes::Bytes;
use extract::model::DocumentType;
use kernel::actor::Actor;
use sqlx::PgPool;
use store::objects::{Hash, Objects, Staged, Stored};

use crate::documents::{self, AddedDocument, NewDocument, Target};
use crate::names::DocumentPath;
use crate::{Error, access, gc};

/// Bytes of an upload.
#[derive(Debug)]
pub enum Content {
    /// Streamed to the staging area of the object store.
    Staged(Staged),
    /// In memory.
    Memory(Bytes),
}

/// A document to upload.
#[derive(Debug)]
pub struct Upload {
    /// Path in the library.
    pub path: DocumentPath,
    /// Document type, if the uploader declares it rather than leaving it to detection.
    pub declared_type: Option<DocumentType>,
    /// Bytes.
    pub content: Content,
}

impl Upload {
    /// Makes an upload of bytes in memory, whose type is detected.
    pub fn from_bytes(path: DocumentPath, bytes: Bytes) -> Self {
        Self { path, declared_type: None, content: Content::Memory(bytes) }
    }
}

/// Stores the bytes and adds the documents, with the jobs that ingest them, in a transaction of its own.
///
/// Returns what [`documents::add`] returns. Nothing stays staged when the actor may not add documents.
///
/// # Errors
///
/// Fails unless the actor can write to the library, or create it if it does not exist.
pub async fn add(
    pool: &PgPool,
    objects: &Objects,
    actor: &Actor,
    target: &Target,
    uploads: Vec<Upload>,
) -> Result<Vec<AddedDocument>, Error> {
    // Checked before bytes are stored, and again by the transaction that adds the documents.
    if let Err(refused) = require_add(pool, actor, target).await {
        discard(objects, uploads.into_iter().map(|upload| upload.content)).await?;
        return Err(refused);
    }
    let mut documents = Vec::with_capacity(uploads.len());
    let mut contents = Vec::with_capacity(uploads.len());
    for Upload { path, declared_type, content } in uploads {
        documents.push((path, declared_type));
        contents.push(content);
    }
    let stored = store(pool, objects, contents).await?;
    let documents: Vec<NewDocument> = documents
        .into_iter()
        .zip(stored)
        .map(|((path, declared_type), file)| NewDocument { path, declared_type, file })
        .collect();
    let mut transaction = store::postgres::begin(pool).await?;
    let added = documents::add(&mut transaction, actor, target, &documents).await?;
    transaction.commit().await?;
    Ok(added)
}

async fn require_add(pool: &PgPool, actor: &Actor, target: &Target) -> Result<(), Error> {
    let mut connection = store::postgres::acquire(pool).await?;
    access::require_add(&mut connection, actor, &target.library).await
}

/// Stores bytes for a transaction that refers to them, in the order given.
///
/// The caller checks that the actor may add them first, and commits that transaction within
/// [`GRACE`](crate::gc::GRACE).
///
/// # Errors
///
/// Fails if the database or the object store fails.
pub async fn store(pool: &PgPool, objects: &Objects, contents: Vec<Content>) -> Result<Vec<Stored>, Error> {
    let stored: Vec<Stored> = contents
        .iter()
        .map(|content| match content {
            Content::Staged(staged) => staged.stored,
            Content::Memory(bytes) => Stored { hash: Hash::of(bytes), size: bytes.len() as u64 },
        })
        .collect();
    gc::mark_used(pool, &stored).await?;
    for (stored, content) in stored.iter().zip(contents) {
        match content {
            Content::Staged(staged) => drop(objects.promote(staged).await?),
            Content::Memory(bytes) => objects.put(stored.hash, bytes).await?,
        }
    }
    objects.flush().await?;
    Ok(stored)
}

/// Removes bytes from the staging area that will not be stored.
///
/// # Errors
///
/// Fails if the object store fails.
pub async fn discard(objects: &Objects, contents: impl IntoIterator<Item = Content>) -> Result<(), Error> {
    for content in contents {
        if let Content::Staged(staged) = content {
            objects.discard(staged).await?;
        }
    }
    Ok(())
}
