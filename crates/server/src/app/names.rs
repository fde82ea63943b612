//! Libraries and documents by a part of their names.

use std::sync::Arc;

use kernel::actor::Actor;
use library::catalogue::Library;
use library::names::LibraryName;
use library::overview::{self, FoundDocument};

use super::App;
use super::error::Result;

/// Limit on the text that is looked for, in characters.
pub(crate) const MAX_TEXT_CHARS: usize = 200;

/// Libraries and documents that were found.
#[derive(Default)]
pub(crate) struct Named {
    /// Libraries, by name.
    pub(crate) libraries: Vec<Arc<Library>>,
    /// Documents of active versions, the best first.
    pub(crate) documents: Vec<FoundDocument>,
}

/// Finds the first libraries and documents whose name, title or path contains a text, in any case. Documents of the library `first` come
/// first.
///
/// # Errors
///
/// Fails if the text is too long.
pub(crate) async fn find(
    app: &App,
    actor: &Actor,
    text: &str,
    first: Option<&LibraryName>,
    (libraries, documents): (usize, i64),
) -> Result<Named> {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return Ok(Named::default());
    }
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(super::Error::invalid(format!("a name to find has at most {MAX_TEXT_CHARS} characters")));
    }
    let catalogue = app.engine.catalogue().await?;
    let is_match = |field: &str| field.to_lowercase().contains(&text);
    let all = catalogue.libraries(actor).into_iter();
    let matching = all.filter(|library| is_match(library.name.as_str()) || is_match(&library.title));
    let libraries = matching.take(libraries).cloned().collect();
    let mut connection = store::postgres::acquire(app.pool()).await?;
    let found = overview::find_documents(&mut connection, actor, &catalogue, &text, first, documents).await?;
    Ok(Named { libraries, documents: found })
}
