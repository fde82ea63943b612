//! Completion of arguments of prompts and of resource templates: names of libraries, their versions, paths of documents. Suggests
//! only what exists for the actor.

use kernel::actor::Actor;
use library::catalogue::{Catalogue, Library};
use library::documents::reading;
use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};
use store::postgres::acquire;

use super::{McpServer, prompts, resources, to_error_data};
use crate::http::input;

/// Suggests values of an argument.
pub(super) async fn complete(
    server: &McpServer,
    actor: &Actor,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let exists = match &request.r#ref {
        Reference::Prompt(prompt) => prompts::all().iter().any(|other| other.name == prompt.name),
        Reference::Resource(resource) => {
            resources::templates().iter().any(|template| template.uri_template == resource.uri)
        }
        _ => false,
    };
    if !exists {
        return Err(ErrorData::invalid_params("there is no such prompt or resource template", None));
    }
    let catalogue = server.app.engine.catalogue().await.map_err(to_error_data)?;
    let prefix = request.argument.value.as_str();
    let context = |name: &str| {
        request.context.as_ref().and_then(|context| context.get_argument(name)).map(String::as_str)
    };
    let values = match request.argument.name.as_str() {
        "library" => libraries(&catalogue, actor, prefix),
        "version" | "from" | "to" => match library(&catalogue, actor, context("library")) {
            Some(library) => versions(library, prefix),
            None => Vec::new(),
        },
        "path" => match library(&catalogue, actor, context("library")) {
            Some(library) => paths(server, actor, library, context("version"), prefix).await?,
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    Ok(CompleteResult::new(page(values)))
}

/// Limits the values to the protocol's maximum, and tells whether there are more.
fn page(mut values: Vec<String>) -> CompletionInfo {
    let has_more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    CompletionInfo::with_pagination(values, None, has_more).unwrap_or_default()
}

/// Returns the library of this name, if it exists for the actor.
fn library<'catalogue>(
    catalogue: &'catalogue Catalogue,
    actor: &Actor,
    name: Option<&str>,
) -> Option<&'catalogue Library> {
    catalogue.library(actor, &name?.parse().ok()?).ok().map(|library| &**library)
}

fn libraries(catalogue: &Catalogue, actor: &Actor, prefix: &str) -> Vec<String> {
    let part = prefix.trim_start_matches('/').to_lowercase();
    let names = catalogue.libraries(actor);
    let names = names.iter().map(|library| library.name.as_str());
    names.filter(|name| name.contains(&part)).map(str::to_owned).collect()
}

fn versions(library: &Library, prefix: &str) -> Vec<String> {
    let labels = library.versions.iter().map(|version| version.label.as_str());
    labels.filter(|label| label.starts_with(prefix)).map(str::to_owned).collect()
}

async fn paths(
    server: &McpServer,
    actor: &Actor,
    library: &Library,
    version: Option<&str>,
    prefix: &str,
) -> Result<Vec<String>, ErrorData> {
    let request = input::version(version).map_err(to_error_data)?;
    // An absent version has no documents.
    let Ok(version) = library.resolve(&request) else { return Ok(Vec::new()) };
    let limit = i64::try_from(CompletionInfo::MAX_VALUES + 1).unwrap_or(i64::MAX);
    let mut connection = acquire(server.app.pool()).await.map_err(to_error_data)?;
    reading::paths_containing(&mut connection, actor, library, version, prefix, limit)
        .await
        .map_err(to_error_data)
}
