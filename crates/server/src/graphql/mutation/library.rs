//! Changes of libraries, versions, permissions, documents and notes. Documents are uploaded by REST.

use async_graphql::{Context, Error, ID, Json, MaybeUndefined, Object, SimpleObject};
use library::documents;
use library::ids::{DocumentId, LibraryId, NoteId};
use library::libraries::LibraryDetails;
use library::notes;
use serde_json::Value;

use super::{CHANGE, Done, DonePayload, change, given, payload, told};
use crate::app::libraries::LibraryChange;
use crate::app::{accounts, libraries, revisions};
use crate::graphql::error::failed;
use crate::graphql::library::{Grant, Level, Library, Visibility};
use crate::graphql::reading::{Note, NoteCategory, Revision};
use crate::graphql::request::{Request, id};
use crate::http::input;

payload!(LibraryPayload, Library, "Library, or why the change was not made.");
payload!(GrantPayload, Grant, "Permission, or why the change was not made.");
payload!(RevisionPayload, Revision, "Revision, or why the change was not made.");
payload!(MetadataPayload, Metadata, "Metadata, or why the change was not made.");
payload!(NotePayload, Note, "Note, or why the change was not made.");

/// Metadata of a document.
#[derive(SimpleObject)]
pub(super) struct Metadata {
    /// Members of the callers' choice.
    metadata: Json<Value>,
}

/// Changes of libraries, versions, permissions, documents and notes.
#[derive(Default)]
pub(crate) struct LibraryMutation;

/// Changes of libraries, versions, permissions, documents and notes.
#[Object]
impl LibraryMutation {
    /// Changes a library. Absent arguments leave what they name; visibility is changed by owners only.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn change_library(
        &self,
        context: &Context<'_>,
        name: String,
        title: Option<String>,
        description: Option<String>,
        link_base: Option<String>,
        visibility: Option<Visibility>,
    ) -> Result<LibraryPayload, Error> {
        let name = input::library(&name).map_err(failed)?;
        let details = LibraryDetails {
            title: title.as_deref(),
            description: description.as_deref(),
            link_base: link_base.as_deref(),
        };
        let visibility = visibility.map(Into::into);
        change!(context, libraries::change, &name, details, visibility => |changed: LibraryChange| Library(changed.after))
    }

    /// Deletes a library with all its documents.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_library(&self, context: &Context<'_>, name: String) -> Result<DonePayload, Error> {
        let name = input::library(&name).map_err(failed)?;
        change!(context, libraries::delete, &name => |id: LibraryId| Done::of(id.0.into()))
    }

    /// Activates a version: it is searched by default.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn activate_version(
        &self,
        context: &Context<'_>,
        library: String,
        version: String,
    ) -> Result<LibraryPayload, Error> {
        let name = input::library(&library).map_err(failed)?;
        let version = input::version(Some(&version)).map_err(failed)?;
        change!(context, libraries::activate, &name, &version => Library)
    }

    /// Deletes a version with its revisions. The active version can be deleted only as the last one.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_version(
        &self,
        context: &Context<'_>,
        library: String,
        version: String,
    ) -> Result<LibraryPayload, Error> {
        let name = input::library(&library).map_err(failed)?;
        let label = input::label(&version).map_err(failed)?;
        change!(context, libraries::delete_version, &name, label => Library)
    }

    /// Sets a user's permission in a library, or revokes it with null. Owners only, and not their own.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn set_grant(
        &self,
        context: &Context<'_>,
        library: String,
        username: String,
        level: MaybeUndefined<Level>,
    ) -> Result<GrantPayload, Error> {
        let level = given(level, "level")?;
        let request = Request::of(context);
        let set =
            accounts::set_grant(request.app(), request.actor(), &library, &username, level.map(Into::into));
        told(set.await.map(|username| Grant { username: username.to_string(), level }))
    }

    /// Deletes a document in all versions.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn delete_document(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let document = DocumentId(self::id(&id)?);
        change!(context, documents::delete, document => |()| Done::of(id))
    }

    /// Activates a revision in its version, named as for `documentText`. Activating an earlier one rolls back.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn activate_revision(
        &self,
        context: &Context<'_>,
        document: ID,
        revision: String,
    ) -> Result<RevisionPayload, Error> {
        let document = DocumentId(id(&document)?);
        change!(context, revisions::activate, document, &revision => Revision::from)
    }

    /// Changes a document's metadata by a JSON Merge Patch (RFC 7396): members are set, `null` removes one, and absent ones are kept.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn change_metadata(
        &self,
        context: &Context<'_>,
        document: ID,
        patch: Json<Value>,
    ) -> Result<MetadataPayload, Error> {
        let document = DocumentId(id(&document)?);
        change!(context, documents::patch_metadata, document, &patch.0 => |patched| Metadata { metadata: Json(patched.after) })
    }

    /// Adds a note to a passage. A repeated note is stored once.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn add_note(
        &self,
        context: &Context<'_>,
        passage: ID,
        category: NoteCategory,
        text: String,
    ) -> Result<NotePayload, Error> {
        let new = notes::NewNote { passage: id(&passage)?, category: category.into(), text };
        change!(context, notes::add, &new => |(note, _)| Note(note))
    }

    /// Resolves a note, for those who can change its library.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn resolve_note(&self, context: &Context<'_>, id: ID) -> Result<DonePayload, Error> {
        let note = NoteId(self::id(&id)?);
        change!(context, notes::resolve, note => |()| Done::of(id))
    }
}
