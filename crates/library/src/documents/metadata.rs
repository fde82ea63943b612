//! What people say about a document beyond its columns: a JSON object, filterable, changed in part.

use kernel::actor::Actor;
use serde_json::{Map, Value};
use sqlx::PgConnection;

use super::DocumentId;
use crate::Error;
use crate::access::{self, Level};

/// The most a document's metadata may take, as JSON.
const LARGEST: usize = 64 * 1024;

/// A document's metadata; empty where none were given.
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

/// A document's metadata before a change and after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Patched {
    /// What they were. Nobody else has changed them between.
    pub before: Value,
    /// What they are.
    pub now: Value,
}

/// Changes part of a document's metadata by a JSON Merge Patch (RFC 7396): members given are set, `null` removes
/// one, the rest stays.
pub async fn patch_metadata(
    connection: &mut PgConnection,
    actor: &Actor,
    id: DocumentId,
    patch: &Value,
) -> Result<Patched, Error> {
    if !patch.is_object() {
        return Err(Error::Invalid("metadata are changed by a JSON object (RFC 7396)".to_owned()));
    }
    access::require_document(connection, actor, id, Level::Write).await?;
    // The document's row is the lock: it is there before the first metadata are.
    sqlx::query!(
        "-- metadata.lock
         select id from library.documents where id = $1 for no key update",
        id.0,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Error::NoDocument)?;
    let before = read(connection, id).await?;
    let mut now = before.clone();
    merge(&mut now, patch);
    if now.to_string().len() > LARGEST {
        return Err(Error::Invalid(format!("metadata take at most {LARGEST} bytes as JSON")));
    }
    sqlx::query!(
        "-- metadata.set
         insert into library.document_metadata (document_id, metadata) values ($1, $2)
         on conflict (document_id) do update set metadata = excluded.metadata, updated_at = now()",
        id.0,
        now,
    )
    .execute(connection)
    .await?;
    Ok(Patched { before, now })
}

/// RFC 7396, section 2. The depth of both values is bounded by the JSON parser they came through.
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
    fn the_examples_of_rfc_7396() {
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
