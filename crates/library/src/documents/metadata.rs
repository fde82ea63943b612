//! Metadata of documents: a JSON object with fields of the users' choice, filterable, changed by JSON Merge Patch.

use kernel::actor::Actor;
use serde_json::{Map, Value};
use sqlx::PgConnection;

use crate::Error;
use crate::access::{self, Level};
use crate::ids::DocumentId;

/// Maximum size of a document's metadata as JSON text.
const MAX_BYTES: usize = 64 * 1024;

/// Returns a document's metadata, an empty object if it has none.
///
/// # Errors
///
/// Fails if the document does not exist for the actor.
pub async fn metadata(connection: &mut PgConnection, actor: &Actor, id: DocumentId) -> Result<Value, Error> {
    access::require_document(connection, actor, id, Level::Read).await?;
    read(connection, id).await
}

async fn read(connection: &mut PgConnection, id: DocumentId) -> Result<Value, Error> {
    let found = sqlx::query_scalar!(
        "-- metadata.find
         select metadata from library.document_metadata where document_id = $1",
        id.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.unwrap_or_else(|| Value::Object(Map::new())))
}

/// Metadata of a document before and after a change.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataChange {
    /// Metadata before. No other change came between.
    pub before: Value,
    /// Metadata after.
    pub after: Value,
}

/// Applies a JSON Merge Patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)) to a document's metadata: members given
/// are set, `null` removes one, the rest stays.
///
/// # Errors
///
/// Fails unless the actor can write to the document's library, the patch is an object, and the result has at most 64 KiB
/// as JSON.
pub async fn patch_metadata(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
    patch: &Value,
) -> Result<MetadataChange, Error> {
    if !patch.is_object() {
        return Err(Error::Invalid("a change of metadata must be a JSON object (RFC 7396)".to_owned()));
    }
    access::require_document(connection, actor, id, Level::Write).await?;
    // The document's row is the lock: it exists before any metadata do.
    sqlx::query!(
        "-- metadata.lock
         select id from library.documents where id = $1 for no key update",
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Error::NoDocument)?;
    let before = read(connection, id).await?;
    let mut after = before.clone();
    merge(&mut after, patch);
    if after.to_string().len() > MAX_BYTES {
        return Err(Error::Invalid(format!("metadata have at most {MAX_BYTES} bytes as JSON")));
    }
    sqlx::query!(
        "-- metadata.set
         insert into library.document_metadata (document_id, metadata) values ($1, $2)
         on conflict (document_id) do update set metadata = excluded.metadata, updated_at = now()",
        id.0,
        after,
    )
    .execute(connection)
    .await?;
    Ok(MetadataChange { before, after })
}

/// Merges as RFC 7396, section 2, defines. The JSON parser has bounded the depth of both values.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            merge(members.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::merge;

    #[test]
    fn merge_follows_the_examples_of_rfc_7396() {
        for (mut target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            merge(&mut target, &patch);
            assert_eq!(target, result);
        }
    }
}
