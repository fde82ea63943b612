//! JSON Schemas of tools, generated from the types of their arguments and results.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Returns the schema of a tool's arguments. An optional argument is not required; the schema does not mention `null`, though it is
/// accepted.
pub(super) fn of_arguments<T: JsonSchema>() -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema, true);
    object(schema)
}

/// Returns the schema of a tool's `structuredContent`.
pub(super) fn of_output<T: JsonSchema>() -> Arc<JsonObject> {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema, false);
    object(schema)
}

fn object(schema: Value) -> Arc<JsonObject> {
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    };
    schema.remove("title");
    schema.remove("$schema");
    // Tools without arguments need it too.
    schema.entry("properties").or_insert_with(|| JsonObject::new().into());
    Arc::new(schema)
}

/// Removes what confuses validators and models: the formats of Rust's numbers, and `null` for absent arguments.
fn tidy(schema: &mut Value, arguments: bool) {
    match schema {
        Value::Object(object) => {
            let is_rust = |format: &Value| {
                format.as_str().is_some_and(|format| {
                    ["uint", "int", "float", "double"].iter().any(|kind| format.starts_with(kind))
                })
            };
            object.retain(|key, value| match key.as_str() {
                "format" => !is_rust(value),
                "default" => !(arguments && value.is_null()),
                _ => true,
            });
            if arguments && let Some(Value::Array(kinds)) = object.get_mut("type") {
                kinds.retain(|kind| kind != "null");
                if let [kind] = kinds.as_slice() {
                    let kind = kind.clone();
                    object.insert("type".to_owned(), kind);
                }
            }
            object.values_mut().for_each(|value| tidy(value, arguments));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| tidy(value, arguments)),
        _ => {}
    }
}
