//! The REST API under `/api/v1`. Each file exports its routes.

mod archives;
mod ask;
mod chat_files;
mod chats;
mod documents;
mod grants;
mod jobs;
mod keys;
mod language_models;
mod libraries;
mod mcp_servers;
mod portable;
mod search;
mod session;
mod upload;
mod users;
mod worklist;

use utoipa_axum::router::OpenApiRouter;

use crate::http::AppState;

/// Returns all routes of the API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    [
        archives::routes(),
        ask::routes(),
        chat_files::routes(),
        chats::routes(),
        documents::routes(),
        grants::routes(),
        jobs::routes(),
        keys::routes(),
        language_models::routes(),
        libraries::routes(),
        mcp_servers::routes(),
        portable::routes(),
        search::routes(),
        session::routes(),
        upload::routes(),
        users::routes(),
        worklist::routes(),
    ]
    .into_iter()
    .fold(OpenApiRouter::new(), OpenApiRouter::merge)
}
