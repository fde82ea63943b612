//! `GET /api/v1/search` and the passages it finds.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use library::Error;
use library::documents::Category;
use library::names::Tag;
use library::search::{self, Passage, SearchMode, SearchRequest, SearchResponse};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::passages;
use crate::http::authentication::Caller;
use crate::http::input::{self, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::{AppState, accept};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(passage)))
        .merge(bounded(OpenApiRouter::new().routes(routes!(search))))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// Query: words, a question, `"an exact phrase"`, an identifier.
    #[param(max_length = 2000, example = "how to restore a backup")]
    q: String,
    /// In this library; everywhere where none is given.
    library: Option<String>,
    /// In this version: a label, `5.x`, `^5.2` or `latest`; the active one where none is given.
    version: Option<String>,
    /// Only documents of these types, separated by commas.
    r#type: Option<String>,
    /// Only passages that hold this: `text`, `code`, `table`, `api`, separated by commas.
    content_type: Option<String>,
    /// Only documents of this category.
    #[param(inline)]
    category: Option<Category>,
    /// Only documents with all of these tags, separated by commas.
    tag: Option<String>,
    /// By words and meaning, or by one of them.
    #[param(inline)]
    mode: Option<SearchMode>,
    /// Passages on a page.
    #[param(minimum = 1, maximum = 100, default = 10)]
    limit: Option<usize>,
    /// Where the page begins: `next` of the page before.
    cursor: Option<String>,
}

/// Finds passages. An absent version is refused with those present, and never answered from another. With
/// `Accept: text/markdown` each passage comes in a fence, under a line that says where it is from.
#[utoipa::path(get, path = "/api/v1/search", tag = "search", params(Parameters),
    responses((status = 200, content((SearchResponse = "application/json"), (String = "text/markdown")))))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(parameters): Query<Parameters>,
    OriginalUri(address): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let tags: std::result::Result<Vec<Tag>, _> =
        input::list(parameters.tag.as_deref()).iter().map(|tag| tag.parse()).collect();
    let question = SearchRequest {
        library: parameters.library.as_deref().map(input::library).transpose()?,
        version: input::version(parameters.version.as_deref())?,
        types: input::list(parameters.r#type.as_deref()),
        content_types: input::list(parameters.content_type.as_deref()),
        category: parameters.category,
        tags: tags.map_err(Error::from)?,
        mode: parameters.mode.unwrap_or_default(),
        limit: parameters.limit.unwrap_or(10),
        after: parameters.cursor.as_deref().map(input::cursor).transpose()?,
        ..SearchRequest::new(parameters.q)
    };
    let answer = state.app.engine.search(&actor, &question).await?;
    if !accept::prefers_markdown(&headers) {
        let next = answer.next.as_ref().map(ToString::to_string);
        return Ok(([(header::VARY, "accept")], Paged::new(&address, next, answer)).into_response());
    }
    let text = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
    Ok((text, careful(), passages::of_answer(&answer)).into_response())
}

/// A passage, whether or not its revision still answers: a citation opens what it cited. With `Accept: text/markdown` it
/// comes as it does in a search.
#[utoipa::path(
    get, path = "/api/v1/passages/{id}", tag = "search",
    params(("id" = Uuid, Path, description = "The passage")),
    responses((status = 200, content((Passage = "application/json"), (String = "text/markdown")))),
)]
pub(crate) async fn passage(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response> {
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let passage = search::find_passage(&mut connection, &actor, id).await?;
    let passage = passage.ok_or_else(|| Problem::not_found("there is no such passage"))?;
    if !accept::prefers_markdown(&headers) {
        return Ok(([(header::VARY, "accept")], Json(passage)).into_response());
    }
    let text = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
    Ok((text, careful(), passages::passage(&passage)).into_response())
}

/// Headers that keep browsers from running content.
fn careful() -> [(HeaderName, &'static str); 3] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
        (header::VARY, "accept"),
    ]
}
