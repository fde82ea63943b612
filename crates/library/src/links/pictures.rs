//! Pictures of documents: which of them can be shown, and their bytes.
//!
//! A picture is a file of the version, or part of the document itself. What is shown was decoded and encoded anew when it was read
//! ([`crate::ingest`]).

use std::collections::{BTreeSet, HashMap};

use kernel::actor::Actor;
use sqlx::PgConnection;
use store::objects::Hash;
use uuid::Uuid;

use super::target::{self, Target};
use crate::access::{Level, LibraryAccess, Visibility};
use crate::catalogue::Library;
use crate::documents::reading::VisibleDocument;
use crate::{Error, gc};

/// A picture that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownPicture {
    /// Revision of the picture's file, or of the document that it is part of.
    pub revision: Uuid,
    /// Number in that revision.
    pub number: i32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Bytes of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureFile {
    /// Name in the object store.
    pub hash: Hash,
    /// Media type.
    pub media_type: String,
}

/// Returns those of the targets of a document that are pictures which can be shown, by target.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn of_document(
    connection: &mut PgConnection,
    library: &Library,
    document: &VisibleDocument,
    targets: &[String],
) -> Result<HashMap<String, ShownPicture>, Error> {
    let mut paths = Vec::new();
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut embedded = Vec::new();
    for text in targets {
        match target::parse(text, &document.path, &library.link_base) {
            Target::Path(path) if !path.is_here => {
                wanted.extend(path.meanings.iter().cloned());
                paths.push((text, path));
            }
            Target::Other => embedded.push(embedded_name(text)),
            _ => {}
        }
    }
    if wanted.is_empty() && embedded.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted: Vec<String> = wanted.into_iter().collect();
    let rows = sqlx::query!(
        r#"-- pictures.of_document
         with present as (
           select document.path, picture.document_version_id, picture.picture_number, picture.width, picture.height
           from library.pictures as picture
           join library.document_versions d on d.id = picture.document_version_id and d.version_id = $2
           join library.documents as document on document.id = d.document_id and document.library_id = $1
           where picture.picture_number = 0
             and library.link_name(document.path) in (select library.link_name(path) from unnest($3::text[]) as path)
             and not exists (select from library.document_versions newer
               where newer.document_id = d.document_id and newer.version_id = $2 and newer.revision > d.revision)
           limit 5000
         )
         select path as "path!", true as "is_file!", document_version_id as "revision!", picture_number as "number!",
           width as "width!", height as "height!" from present
         union all
         select target, false, document_version_id, picture_number, width, height from library.pictures
         where document_version_id = $4 and target = any ($5)"#,
        library.id.0,
        document.version_id.0,
        &wanted,
        document.revision_id.id().0,
        &embedded,
    )
    .fetch_all(connection)
    .await?;
    let mut shown = HashMap::new();
    let mut files: HashMap<&str, ShownPicture> = HashMap::new();
    for row in &rows {
        let picture = ShownPicture {
            revision: row.revision,
            number: row.number,
            width: row.width.unsigned_abs(),
            height: row.height.unsigned_abs(),
        };
        if row.is_file {
            files.insert(&row.path, picture);
        } else {
            shown.insert(row.path.clone(), picture);
        }
    }
    for text in targets {
        if let Some(picture) = shown.get(&embedded_name(text)).copied() {
            shown.insert(text.clone(), picture);
        }
    }
    let all: Vec<&str> = files.keys().copied().collect();
    for (text, path) in paths {
        let candidates = path.meanings.iter().map(|meaning| (meaning.as_str(), all.clone())).collect();
        if let Some(picture) =
            target::choose(&path, &document.path, &candidates).and_then(|found| files.get(found))
        {
            shown.insert(text.clone(), *picture);
        }
    }
    Ok(shown)
}

/// Returns the name under which a document's own picture is kept: that of its part, or of an address that holds it.
fn embedded_name(target: &str) -> String {
    // A name is shorter than any picture.
    let is_address = target.starts_with("data:") && target.len() > "data:".len() + 64;
    if is_address { extract::data_name(target) } else { target.to_owned() }
}

/// Returns the bytes of a picture; `None` if it does not exist for the actor.
///
/// # Errors
///
/// Fails if the database fails.
pub async fn find(
    connection: &mut PgConnection,
    actor: &Actor,
    revision: Uuid,
    number: i32,
) -> Result<Option<PictureFile>, Error> {
    let row = sqlx::query!(
        r#"-- pictures.find
         select picture.sha256, picture.media_type, library.name, library.visibility as "visibility: Visibility",
           (select level from library.grants where library_id = library.id and user_id = $3) as "granted: Level"
         from library.pictures as picture
         join library.document_versions d on d.id = picture.document_version_id
         join library.versions as version on version.id = d.version_id
         join library.libraries as library on library.id = version.library_id
         where picture.document_version_id = $1 and picture.picture_number = $2"#,
        revision,
        number,
        actor.user_id().map(|user| user.0),
    )
    .fetch_optional(connection)
    .await?;
    let visible =
        row.filter(|row| LibraryAccess::new(&row.name, row.visibility, row.granted).level(actor).is_some());
    visible
        .map(|row| Ok(PictureFile { hash: gc::hash_from_column(&row.sha256)?, media_type: row.media_type }))
        .transpose()
}
