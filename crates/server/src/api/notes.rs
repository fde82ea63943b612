//! `/api/v1/notes`: notes of people and agents on passages, open and resolved ones.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::StatusCode;
use library::ids::NoteId;
use library::label::Label;
use library::names::{DocumentPath, LibraryName};
use library::notes::{self, Category, ListedNote, Note, NoteFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::http::AppState;
use crate::http::authentication::Caller;
use crate::http::input::{self, Json as Body, Paging, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::Result;
use crate::http::router::{bounded, tagged};
use crate::http::schema::NoteText;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(list, add)))
        .merge(bounded(OpenApiRouter::new().routes(routes!(resolve))))
}

/// Filter of the list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NoteParams {
    /// Library. Default: all.
    #[param(value_type = Option<LibraryName>, inline)]
    library: Option<String>,
    /// Label of the version.
    #[param(value_type = Option<Label>, inline)]
    version: Option<String>,
    /// Path of the document.
    #[param(value_type = Option<DocumentPath>, inline)]
    path: Option<String>,
    /// Whether to list resolved notes instead of open ones.
    resolved: Option<bool>,
}

/// A page of notes.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotePage {
    items: Vec<ListedNote>,
    /// Cursor of the next page.
    next: Option<String>,
}

/// A note to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewNote {
    /// Passage.
    passage_id: Uuid,
    category: Category,
    /// Text.
    #[schema(value_type = NoteText)]
    text: String,
}

/// Lists notes on passages, the latest first.
#[utoipa::path(get, path = "/api/v1/notes", tag = "documents", params(NoteParams, Paging),
    responses((status = 200, body = NotePage), (status = 404)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(params): Query<NoteParams>,
    Query(paging): Query<Paging>,
    OriginalUri(address): OriginalUri,
) -> Result<Paged<NotePage>> {
    let filter = NoteFilter {
        library: params.library.as_deref().map(input::library).transpose()?,
        version: params.version.as_deref().map(input::label).transpose()?,
        path: params
            .path
            .as_deref()
            .map(str::parse::<DocumentPath>)
            .transpose()
            .map_err(library::Error::from)?,
        resolved: params.resolved.unwrap_or_default(),
    };
    let (cursor, limit) = (paging.cursor()?, paging.limit()?);
    let catalogue = state.app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let page = notes::list(&mut connection, &actor, &catalogue, &filter, cursor.as_ref(), limit).await?;
    let next = page.next.map(|next| next.to_string());
    Ok(Paged::new(&address, next.clone(), NotePage { items: page.items, next }))
}

/// Adds a note to a passage. A repeated note is stored once.
#[utoipa::path(post, path = "/api/v1/notes", tag = "documents", request_body = NewNote,
    responses((status = 201, body = Note), (status = 404)))]
pub(crate) async fn add(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Body(note): Body<NewNote>,
) -> Result<(StatusCode, Json<Note>)> {
    let note = notes::NewNote { passage: note.passage_id, category: note.category, text: note.text };
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    let (note, _) = notes::add(&mut transaction, &actor, &note).await?;
    transaction.commit().await?;
    Ok((StatusCode::CREATED, Json(note)))
}

/// Resolves a note, for those who can change its library.
#[utoipa::path(post, path = "/api/v1/notes/{id}/resolve", tag = "documents",
    params(("id" = Uuid, Path, description = "Note")), responses((status = 204)))]
pub(crate) async fn resolve(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    let mut transaction = store::postgres::begin(state.app.pool()).await?;
    notes::resolve(&mut transaction, &actor, NoteId(id)).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
