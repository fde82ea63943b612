//! The REST API under `/api/v1`. Each file exports its routes.

mod archives;
mod ask;
mod backups;
mod chat_files;
mod chats;
mod comments;
mod conversations;
mod documents;
mod drills;
mod follows;
mod golden_questions;
mod grants;
mod jobs;
mod keys;
mod language_models;
mod libraries;
mod mcp_servers;
mod notes;
mod notifications;
mod personal_data;
mod portable;
mod posts;
mod reports;
mod search;
mod search_endpoints;
mod session;
mod upload;
mod users;
mod version_changes;
mod worklist;

use utoipa_axum::router::OpenApiRouter;

use crate::http::AppState;

/// Returns all routes of the API.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(archives::routes())
        .merge(ask::routes())
        .merge(backups::routes())
        .merge(chat_files::routes())
        .merge(chats::routes())
        .merge(comments::routes())
        .merge(conversations::routes())
        .merge(documents::routes())
        .merge(drills::routes())
        .merge(follows::routes())
        .merge(golden_questions::routes())
        .merge(grants::routes())
        .merge(jobs::routes())
        .merge(keys::routes())
        .merge(language_models::routes())
        .merge(search_endpoints::routes())
        .merge(libraries::routes())
        .merge(mcp_servers::routes())
        .merge(notes::routes())
        .merge(notifications::routes())
        .merge(personal_data::routes())
        .merge(portable::routes())
        .merge(posts::routes())
        .merge(reports::routes())
        .merge(search::routes())
        .merge(session::routes())
        .merge(upload::routes())
        .merge(users::routes())
        .merge(version_changes::routes())
        .merge(worklist::routes())
}
