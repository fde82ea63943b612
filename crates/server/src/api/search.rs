//! `GET /api/v1/search`, and the passages that it returns.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use kernel::page::Cursor;
use library::Error;
use library::documents::Category;
use library::label::VersionRequest;
use library::names::{LibraryName, Tag};
use library::search::{self, Passage, SearchMode, SearchRequest, SearchResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::{links, passages};
use crate::http::authentication::Caller;
use crate::http::input::{self, Path, Query};
use crate::http::paging::Paged;
use crate::http::problem::{Problem, Result};
use crate::http::router::{bounded, tagged};
use crate::http::schema::{ContentTypeList, DocumentTypeList, SearchPageSize, SearchQuery, TagList};
use crate::http::{AppState, accept};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    tagged(OpenApiRouter::new().routes(routes!(passage)))
        .merge(bounded(OpenApiRouter::new().routes(routes!(search))))
}

/// Maximum number of links of a passage.
const MAX_LINKS: usize = 100;

/// Query and filters of a search.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParameters {
    /// Query: words, a question, `"an exact phrase"`, an identifier.
    #[param(value_type = SearchQuery, inline)]
    q: String,
    /// Library; all by default.
    #[param(value_type = Option<LibraryName>, inline)]
    library: Option<String>,
    /// Version, with a library; its active version by default.
    #[param(value_type = Option<VersionRequest>, inline)]
    version: Option<String>,
    /// Types of documents, comma-separated; any of them.
    #[param(value_type = Option<DocumentTypeList>, inline)]
    r#type: Option<String>,
    /// Content types of passages, comma-separated; any of them.
    #[param(value_type = Option<ContentTypeList>, inline)]
    content_type: Option<String>,
    /// Category of documents.
    #[param(inline)]
    category: Option<Category>,
    /// Tags of documents, comma-separated; all of them.
    #[param(value_type = Option<TagList>, inline)]
    tag: Option<String>,
    /// Retrieval method.
    #[param(inline)]
    mode: Option<SearchMode>,
    /// Passages per page.
    #[param(value_type = Option<SearchPageSize>, inline)]
    limit: Option<usize>,
    /// Start of the page: `next` of the previous one.
    #[param(value_type = Option<Cursor>, inline)]
    cursor: Option<String>,
}

/// Searches for passages.
///
/// A version that does not exist is refused with a list of those that do; no other version is searched instead. With
/// `Accept: text/markdown` each passage is fenced, under a line with its provenance.
#[utoipa::path(get, path = "/api/v1/search", tag = "search", params(SearchParameters),
    responses((status = 200, content((SearchResponse = "application/json"), (String = "text/markdown"))), (status = 404), (status = 409)))]
pub(crate) async fn search(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Query(parameters): Query<SearchParameters>,
    OriginalUri(address): OriginalUri,
    headers: HeaderMap,
) -> Result<Response> {
    let tags: std::result::Result<Vec<Tag>, _> =
        input::list_parameter("tag", parameters.tag.as_deref())?.iter().map(|tag| tag.parse()).collect();
    let request = SearchRequest {
        library: parameters.library.as_deref().map(input::library).transpose()?,
        version: input::version(parameters.version.as_deref())?,
        types: input::list_parameter("type", parameters.r#type.as_deref())?,
        content_types: input::list_parameter("content_type", parameters.content_type.as_deref())?,
        category: parameters.category,
        tags: tags.map_err(Error::from)?,
        mode: parameters.mode.unwrap_or_default(),
        limit: parameters.limit.unwrap_or(10),
        after: parameters.cursor.as_deref().map(input::cursor).transpose()?,
        ..SearchRequest::new(parameters.q)
    };
    let response = state.app.engine.search(&actor, &request).await?;
    if !accept::prefers_markdown(&headers) {
        let next = response.next.as_ref().map(ToString::to_string);
        return Ok(([(header::VARY, "accept")], Paged::new(&address, next, response)).into_response());
    }
    let text = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
    Ok((text, no_scripts(), passages::of_response(&response)).into_response())
}

/// A passage, and where its links lead.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CitedPassage {
    #[serde(flatten)]
    passage: Passage,
    /// Links to documents of the same version.
    links: Vec<CitedLink>,
}

/// A link of a passage.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CitedLink {
    /// Text of the link.
    text: String,
    /// URL path of the document, at its place.
    url: String,
}

/// Returns a passage.
///
/// Passages of earlier revisions are kept, so that citations open. With `Accept: text/markdown` it is formatted as in a search.
#[utoipa::path(
    get, path = "/api/v1/passages/{id}", tag = "search",
    params(("id" = Uuid, Path, description = "Id of the passage")),
    responses((status = 200, content((CitedPassage = "application/json"), (String = "text/markdown")))),
)]
pub(crate) async fn passage(
    State(state): State<AppState>,
    Caller(actor): Caller,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response> {
    let catalogue = state.app.engine.catalogue().await?;
    let mut connection = store::postgres::acquire(state.app.pool()).await?;
    let passage = search::find_passage(&mut connection, &actor, id).await?;
    let passage = passage.ok_or_else(|| Problem::not_found("there is no such passage"))?;
    let found = library::links::of_passages(&mut connection, &actor, &catalogue, &[id], MAX_LINKS).await?;
    drop(connection);
    let cited = |link: &library::links::PassageLink| {
        let url = links::url(&passage.library, &passage.version, link)?;
        Some(CitedLink { text: link.text.clone(), url })
    };
    let links: Vec<CitedLink> = found.get(&id).into_iter().flatten().filter_map(cited).collect();
    if !accept::prefers_markdown(&headers) {
        return Ok(([(header::VARY, "accept")], Json(CitedPassage { passage, links })).into_response());
    }
    let content_type = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
    let mut text = passages::passage(&passage);
    if !links.is_empty() {
        text.push_str("\nLinks:\n");
        for link in &links {
            text.push_str(&format!("- {}: {}\n", passages::one_line(&link.text, 200), link.url));
        }
    }
    Ok((content_type, no_scripts(), text).into_response())
}

/// Returns headers that keep browsers from running content.
fn no_scripts() -> [(HeaderName, &'static str); 3] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
        (header::VARY, "accept"),
    ]
}
