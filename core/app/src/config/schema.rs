//! The JSON schema, made from the shape. It is printed by `understudy schema`, and the same schema drives the check of keys and types.

use super::shape::Shape;
use serde_json::Value;

/// The schema of the configuration file.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(Shape).to_value()
}

/// The schema as published.
pub(crate) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&schema())
        .expect("a schema made of plain values is serialisable");
    text.push('\n');
    text
}

/// Follows references and the `anyOf` that stands for an optional value.
pub(crate) fn resolve<'s>(root: &'s Value, mut node: &'s Value) -> &'s Value {
    loop {
        let optional = || {
            node.get("anyOf").and_then(Value::as_array).and_then(|any| {
                any.iter()
                    .find(|s| s.get("type").is_none_or(|t| t != "null"))
            })
        };
        if let Some(name) = node
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|r| r.strip_prefix("#/$defs/"))
        {
            node = &root["$defs"][name];
        } else if let Some(inner) = optional() {
            node = inner;
        } else {
            return node;
        }
    }
}

/// The words of an enumeration, if the schema is one.
pub(crate) fn words(node: &Value) -> Option<Vec<&str>> {
    if let Some(all) = node.get("enum").and_then(Value::as_array) {
        return Some(all.iter().filter_map(Value::as_str).collect());
    }
    let all = node.get("oneOf").and_then(Value::as_array)?;
    Some(
        all.iter()
            .filter_map(|s| s.get("const").and_then(Value::as_str))
            .collect(),
    )
}

/// Whether the schema allows a value of this JSON type.
pub(crate) fn allows(node: &Value, kind: &str) -> bool {
    match node.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(many)) => many.iter().any(|t| t == kind),
        _ => true,
    }
}
