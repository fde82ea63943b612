//! Completion of what prompts and addresses take: names of libraries, their versions, paths of documents. Only what exists for the
//! actor is offered.

use kernel::actor::Actor;
use library::catalogue::{Catalogue, Library};
use library::documents::reading;
use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};
use store::postgres::acquire;

use super::{McpServer, prompts, refused, resources};
use crate::http::input;

/// Offers what the argument may become.
pub(super) async fn complete(
    librarian: &McpServer,
    actor: &Actor,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let known = match &request.r#ref {
        Reference::Prompt(prompt) => {
            librarian.app.settings.mcp.fixtures()
                || prompts::all().iter().any(|known| known.name == prompt.name)
        }
        Reference::Resource(resource) => {
            librarian.app.settings.mcp.fixtures()
                || resources::templates().iter().any(|known| known.uri_template == resource.uri)
        }
        _ => false,
    };
    if !known {
        return Err(ErrorData::invalid_params("there is no such prompt or resource template", None));
    }
    let catalogue = librarian.app.engine.catalogue().await.map_err(refused)?;
    let begun = request.argument.value.as_str();
    let given = |name: &str| {
        request.context.as_ref().and_then(|context| context.get_argument(name)).map(String::as_str)
    };
    let values = match request.argument.name.as_str() {
        "library" => libraries(&catalogue, actor, begun),
        "version" | "from" | "to" => match library(&catalogue, actor, given("library")) {
            Some(library) => versions(library, begun),
            None => Vec::new(),
        },
        "path" => match library(&catalogue, actor, given("library")) {
            Some(library) => paths(librarian, actor, library, given("version"), begun).await?,
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    Ok(CompleteResult::new(page(values)))
}

/// As many values as the protocol allows, and whether there are more.
fn page(mut values: Vec<String>) -> CompletionInfo {
    let goes_on = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    CompletionInfo::with_pagination(values, None, goes_on).unwrap_or_default()
}

/// A library that is named so far; one that may not be seen is like one that is absent.
fn library<'catalogue>(
    catalogue: &'catalogue Catalogue,
    actor: &Actor,
    name: Option<&str>,
) -> Option<&'catalogue Library> {
    catalogue.library(actor, &name?.parse().ok()?).ok().map(|library| &**library)
}

fn libraries(catalogue: &Catalogue, actor: &Actor, begun: &str) -> Vec<String> {
    let begun = begun.trim_start_matches('/').to_lowercase();
    let names = catalogue.libraries(actor);
    let names = names.iter().map(|library| library.name.as_str());
    names.filter(|name| name.contains(&begun)).map(str::to_owned).collect()
}

fn versions(library: &Library, begun: &str) -> Vec<String> {
    let labels = library.versions.iter().map(|version| version.label.as_str());
    labels.filter(|label| label.starts_with(begun)).map(str::to_owned).collect()
}

async fn paths(
    librarian: &McpServer,
    actor: &Actor,
    library: &Library,
    version: Option<&str>,
    begun: &str,
) -> Result<Vec<String>, ErrorData> {
    let request = input::version(version).map_err(refused)?;
    // A version that is absent has no documents.
    let Ok(version) = library.resolve(&request) else { return Ok(Vec::new()) };
    let limit = i64::try_from(CompletionInfo::MAX_VALUES + 1).unwrap_or(i64::MAX);
    let mut connection = acquire(librarian.app.pool()).await.map_err(refused)?;
    reading::paths_containing(&mut connection, actor, library, version, begun, limit).await.map_err(refused)
}
