//! Resources: libraries, versions and documents by URI. Lists are JSON, documents Markdown.

use kernel::actor::Actor;
use kernel::page::Cursor;
use library::documents::{self, DocumentFilter, reading};
use library::names::DocumentPath;
use rmcp::ErrorData;
use rmcp::model::{
    ListResourcesResult, MetaObject, ReadResourceResult, Resource, ResourceContents, ResourceTemplate,
};
use serde_json::{Value, json};
use store::postgres::acquire;

use super::uri::{self, ResourceUri};
use super::{McpServer, to_error_data};
use crate::app::{links, passages};
use crate::http::input;
use crate::http::problem::Problem;

const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown";
/// Number of libraries on a page of resources.
const LIBRARIES: usize = 50;
/// Number of documents on a page of a version.
const DOCUMENTS: usize = 200;
/// Size of a document that is read as one resource.
const MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// Lists the resources: all libraries, and for each its versions and the documents of the active one.
pub(super) async fn list(
    server: &McpServer,
    actor: &Actor,
    cursor: Option<String>,
) -> Result<ListResourcesResult, ErrorData> {
    let after: Option<String> = match cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        Some(text) => {
            let cursor = input::cursor(text).map_err(to_error_data)?;
            Some(cursor.decode().map_err(|bad| to_error_data(Problem::invalid(bad.to_string())))?)
        }
        None => None,
    };
    let catalogue = server.app.engine.catalogue().await.map_err(to_error_data)?;
    let mut libraries: Vec<_> = catalogue
        .libraries(actor)
        .into_iter()
        .filter(|library| after.as_deref().is_none_or(|after| library.name.as_str() > after))
        .take(LIBRARIES + 1)
        .collect();
    let has_more = libraries.len() > LIBRARIES;
    libraries.truncate(LIBRARIES);
    let mut resources = Vec::new();
    if after.is_none() {
        resources
            .push(Resource::new(uri::LIBRARIES, "libraries").with_title("Libraries").with_mime_type(JSON));
    }
    for library in &libraries {
        let name = library.name.as_str();
        resources.push(
            Resource::new(uri::versions(&library.name), format!("{name} versions"))
                .with_title(passages::one_line(&library.title, 200))
                .with_mime_type(JSON),
        );
        let active = library.versions.iter().find(|version| library.active == Some(version.id));
        if let Some(version) = active {
            let label = version.label.as_str();
            resources.push(
                Resource::new(uri::documents(name, label, None), format!("{name} {label} documents"))
                    .with_mime_type(JSON),
            );
        }
    }
    let mut result = ListResourcesResult::with_all_items(resources);
    result.next_cursor = libraries
        .last()
        .filter(|_| has_more)
        .map(|library| Cursor::encode(&library.name.as_str()).to_string());
    Ok(result)
}

/// Returns the templates of the URIs.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("docs://libraries/{library}/versions", "versions")
            .with_title("Versions of a library")
            .with_description("Versions of a library, the highest first, and which one is active.")
            .with_mime_type(JSON),
        ResourceTemplate::new("docs://libraries/{library}/{version}/documents{?cursor}", "documents")
            .with_title("Documents of a version")
            .with_description("Documents of a version by path, in pages.")
            .with_mime_type(JSON),
        ResourceTemplate::new("docs://libraries/{library}/{version}/{+path}", "document")
            .with_title("Document")
            .with_description("Markdown of a document.")
            .with_mime_type(MARKDOWN),
    ]
}

/// Reads a resource. A resource that is hidden from the actor is reported as absent.
pub(super) async fn read(
    server: &McpServer,
    actor: &Actor,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let target = uri::parse(uri).ok_or_else(|| absent(uri, "no resource has this URI"))?;
    let contents = contents(server, actor, uri, target).await.map_err(|problem| {
        if problem.is_fault() { to_error_data(problem) } else { absent(uri, &problem.user_message()) }
    })?;
    Ok(ReadResourceResult::new(vec![contents]))
}

fn absent(uri: &str, text: &str) -> ErrorData {
    ErrorData::resource_not_found(text.to_owned(), Some(json!({ "uri": uri })))
}

async fn contents(
    server: &McpServer,
    actor: &Actor,
    uri: &str,
    target: ResourceUri,
) -> Result<ResourceContents, Problem> {
    let catalogue = server.app.engine.catalogue().await?;
    match target {
        ResourceUri::Libraries => {
            let libraries: Vec<Value> = catalogue
                .libraries(actor)
                .iter()
                .map(|library| {
                    json!({
                        "name": library.name,
                        "title": library.title,
                        "versions": labels(library),
                        "uri": uri::versions(&library.name),
                    })
                })
                .collect();
            Ok(json_contents(uri, &json!({ "libraries": libraries })))
        }
        ResourceUri::Versions { library } => {
            let library = catalogue.library(actor, &input::library(&library)?)?;
            let versions: Vec<Value> = library
                .versions
                .iter()
                .map(|version| {
                    json!({
                        "version": version.label,
                        "active": library.active == Some(version.id),
                        "uri": uri::documents(library.name.as_str(), version.label.as_str(), None),
                    })
                })
                .collect();
            Ok(json_contents(uri, &json!({ "library": library.name, "versions": versions })))
        }
        ResourceUri::Documents { library, version, cursor } => {
            let library = catalogue.library(actor, &input::library(&library)?)?;
            let version = library.resolve(&input::version(Some(&version))?)?;
            let (name, label) = (library.name.as_str(), version.label.as_str());
            let filter = DocumentFilter {
                library: Some(name.to_owned()),
                version: Some(label.to_owned()),
                ..DocumentFilter::default()
            };
            let after = cursor.as_deref().map(input::cursor).transpose()?;
            let mut connection = acquire(server.app.pool()).await?;
            let page = documents::list(&mut connection, actor, &filter, after.as_ref(), DOCUMENTS).await?;
            let documents: Vec<Value> = page
                .items
                .iter()
                .map(|document| {
                    json!({
                        "path": document.path,
                        "title": document.name,
                        "document_id": document.id,
                        "uri": uri::document(name, label, &document.path, None),
                    })
                })
                .collect();
            let next = page.next.map(|cursor| uri::documents(name, label, Some(&cursor.to_string())));
            let list = json!({ "library": name, "version": label, "documents": documents, "next": next });
            Ok(json_contents(uri, &list))
        }
        ResourceUri::Document { library, version, path } => {
            let library = catalogue.library(actor, &input::library(&library)?)?;
            let path: DocumentPath = path.parse().map_err(library::Error::from)?;
            let mut connection = acquire(server.app.pool()).await?;
            let request = input::version(Some(&version))?;
            let document = reading::find(&mut connection, actor, library, &request, &path).await?;
            let text = documents::content(&mut connection, document.revision_id).await?.unwrap_or_default();
            if text.len() > MAX_DOCUMENT_BYTES {
                return Err(Problem::too_large(
                    "the document is larger than 1 MiB: read it in parts with get_document",
                ));
            }
            let (name, label) = (document.library.clone(), document.version.clone());
            let text = links::with_links(&mut connection, library, &document, text, move |path, fragment| {
                uri::document(name.as_str(), label.as_str(), path, fragment)
            })
            .await?;
            let flagged = reading::instruction_flags(&mut connection, &document).await?;
            let mut meta = MetaObject::new();
            for (key, value) in [
                ("library", json!(document.library)),
                ("version", json!(document.version)),
                ("revision", json!(document.revision)),
                ("sha256", json!(document.sha256)),
                ("indexed_at", json!(passages::time(document.indexed_at))),
                ("flagged", json!(flagged)),
            ] {
                meta.insert(format!("wenyuan/{key}"), value);
            }
            Ok(ResourceContents::text(text, uri).with_mime_type(MARKDOWN).with_meta(meta))
        }
    }
}

fn labels(library: &library::catalogue::Library) -> Vec<&str> {
    library.versions.iter().map(|version| version.label.as_str()).collect()
}

fn json_contents(uri: &str, value: &Value) -> ResourceContents {
    ResourceContents::text(value.to_string(), uri).with_mime_type(JSON)
}
