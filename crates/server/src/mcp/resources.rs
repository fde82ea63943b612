//! Resources: what can be read by its address. Lists are JSON, documents the Markdown that was made of them.

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

use super::uri::{self, Named};
use super::{McpServer, refused};
use crate::app::passages;
use crate::http::input;
use crate::http::problem::Problem;

const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown";
/// Libraries on a page of resources.
const LIBRARIES: usize = 50;
/// Documents in a page of a version.
const DOCUMENTS: usize = 200;
/// The largest document that is read in one piece, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// Lists the resources: libraries, their versions, and the contents of the active ones.
pub(super) async fn list(
    librarian: &McpServer,
    actor: &Actor,
    cursor: Option<String>,
) -> Result<ListResourcesResult, ErrorData> {
    let after: Option<String> = match cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        Some(text) => {
            let cursor = input::cursor(text).map_err(refused)?;
            Some(cursor.decode().map_err(|bad| refused(Problem::invalid(bad.to_string())))?)
        }
        None => None,
    };
    let catalogue = librarian.app.engine.catalogue().await.map_err(refused)?;
    let mut libraries: Vec<_> = catalogue
        .libraries(actor)
        .into_iter()
        .filter(|library| after.as_deref().is_none_or(|after| library.name.as_str() > after))
        .take(LIBRARIES + 1)
        .collect();
    let goes_on = libraries.len() > LIBRARIES;
    libraries.truncate(LIBRARIES);
    let mut resources = Vec::new();
    if after.is_none() {
        resources
            .push(Resource::new(uri::LIBRARIES, "libraries").with_title("Libraries").with_mime_type(JSON));
    }
    for library in &libraries {
        let name = library.name.as_str();
        resources.push(
            Resource::new(uri::of_versions(&library.name), format!("{name} versions"))
                .with_title(passages::one_line(&library.title, 200))
                .with_mime_type(JSON),
        );
        let active = library.versions.iter().find(|version| library.active == Some(version.id));
        if let Some(version) = active {
            let label = version.label.as_str();
            resources.push(
                Resource::new(uri::of_documents(name, label, None), format!("{name} {label} documents"))
                    .with_mime_type(JSON),
            );
        }
    }
    let mut result = ListResourcesResult::with_all_items(resources);
    result.next_cursor = libraries
        .last()
        .filter(|_| goes_on)
        .map(|library| Cursor::encode(&library.name.as_str()).to_string());
    Ok(result)
}

/// How addresses are made.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new("docs://libraries/{library}/versions", "versions")
            .with_title("Versions of a library")
            .with_description("The versions of a library, the highest first, and the active one.")
            .with_mime_type(JSON),
        ResourceTemplate::new("docs://libraries/{library}/{version}/documents{?cursor}", "documents")
            .with_title("Documents of a version")
            .with_description("The documents of a version by path, in pages.")
            .with_mime_type(JSON),
        ResourceTemplate::new("docs://libraries/{library}/{version}/{+path}", "document")
            .with_title("Document")
            .with_description("The Markdown of a document.")
            .with_mime_type(MARKDOWN),
    ]
}

/// Reads what an address names. What does not exist for the actor is not there.
pub(super) async fn read(
    librarian: &McpServer,
    actor: &Actor,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let named = uri::parse(uri).ok_or_else(|| absent(uri, "no resource of this server has this address"))?;
    let contents = contents(librarian, actor, uri, named).await.map_err(|problem| {
        if problem.is_fault() { refused(problem) } else { absent(uri, &problem.user_message()) }
    })?;
    Ok(ReadResourceResult::new(vec![contents]))
}

fn absent(uri: &str, text: &str) -> ErrorData {
    ErrorData::resource_not_found(text.to_owned(), Some(json!({ "uri": uri })))
}

async fn contents(
    librarian: &McpServer,
    actor: &Actor,
    uri: &str,
    named: Named,
) -> Result<ResourceContents, Problem> {
    let catalogue = librarian.app.engine.catalogue().await?;
    match named {
        Named::Libraries => {
            let libraries: Vec<Value> = catalogue
                .libraries(actor)
                .iter()
                .map(|library| {
                    json!({
                        "name": library.name,
                        "title": library.title,
                        "versions": labels(library),
                        "uri": uri::of_versions(&library.name),
                    })
                })
                .collect();
            Ok(list_of(uri, &json!({ "libraries": libraries })))
        }
        Named::Versions { library } => {
            let library = catalogue.library(actor, &input::library(&library)?)?;
            let versions: Vec<Value> = library
                .versions
                .iter()
                .map(|version| {
                    json!({
                        "version": version.label,
                        "active": library.active == Some(version.id),
                        "uri": uri::of_documents(library.name.as_str(), version.label.as_str(), None),
                    })
                })
                .collect();
            Ok(list_of(uri, &json!({ "library": library.name, "versions": versions })))
        }
        Named::Documents { library, version, cursor } => {
            let library = catalogue.library(actor, &input::library(&library)?)?;
            let version = library.resolve(&input::version(Some(&version))?)?;
            let (name, label) = (library.name.as_str(), version.label.as_str());
            let filter = DocumentFilter {
                library: Some(name.to_owned()),
                version: Some(label.to_owned()),
                ..DocumentFilter::default()
            };
            let after = cursor.as_deref().map(input::cursor).transpose()?;
            let mut connection = acquire(librarian.app.pool()).await?;
            let page = documents::list(&mut connection, actor, &filter, after.as_ref(), DOCUMENTS).await?;
            let documents: Vec<Value> = page
                .items
                .iter()
                .map(|document| {
                    json!({
                        "path": document.path,
                        "title": document.name,
                        "document_id": document.id,
                        "uri": uri::of_document(name, label, &document.path, None),
                    })
                })
                .collect();
            let next = page.next.map(|cursor| uri::of_documents(name, label, Some(&cursor.to_string())));
            let list = json!({ "library": name, "version": label, "documents": documents, "next": next });
            Ok(list_of(uri, &list))
        }
        Named::Document { library, version, path } => {
            let library = catalogue.library(actor, &input::library(&library)?)?;
            let path: DocumentPath = path.parse().map_err(library::Error::from)?;
            let mut connection = acquire(librarian.app.pool()).await?;
            let request = input::version(Some(&version))?;
            let document = reading::find(&mut connection, actor, library, &request, &path).await?;
            let text = documents::content(&mut connection, document.revision_id).await?.unwrap_or_default();
            if text.len() > MAX_BYTES {
                return Err(Problem::too_large(
                    "this document is too large to be read in one piece: read it in parts with get_document",
                ));
            }
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

fn list_of(uri: &str, value: &Value) -> ResourceContents {
    ResourceContents::text(value.to_string(), uri).with_mime_type(JSON)
}
