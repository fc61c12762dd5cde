//! A module's options, and the settings modules may look up: any TOML as dotted names with texts.
//!
//! Invariant: a text is what was written without its quotes; tables are dotted, members of arrays numbered from 0.
//! Awkward case: an empty table or array leaves no name at all.

use super::resolve::Entry;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Every value of the table under its dotted name.
pub(crate) fn flatten(table: &Table) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for (name, value) in table {
        put(name.clone(), value, &mut flat);
    }
    flat
}

fn put(name: String, value: &Value, flat: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (inner, value) in table {
                put(format!("{name}.{inner}"), value, flat);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                put(format!("{name}.{i}"), value, flat);
            }
        }
        Value::String(text) => {
            flat.insert(name, text.clone());
        }
        Value::Integer(n) => {
            flat.insert(name, n.to_string());
        }
        Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            flat.insert(name, value.to_string());
        }
    }
}

/// The settings in force under the names by which modules look them up. Modules' own tables are left out: what one was told is
/// none of another's business.
pub(crate) fn settings(entries: &[Entry]) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    for entry in entries.iter().filter(|e| !e.key.starts_with("module[")) {
        let name = entry.key.replace('[', ".").replace(']', "");
        match format!("v = {}", entry.value).parse::<Table>() {
            Ok(table) => table.values().for_each(|value| put(name.clone(), value, &mut flat)),
            Err(_) => {
                flat.insert(name, entry.value.clone());
            }
        }
    }
    flat
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{flatten, settings};
    use crate::config::{layers::Origin, resolve::Entry};

    #[test]
    fn tables_are_dotted_and_arrays_numbered() {
        let table = "a = \"x\"\nb = 3\nc = 1.5\nd = true\ne = [\"p\", { q = 2 }]\nf.g.h = 1979-05-27\ni = []\n";
        let flat = flatten(&table.parse().unwrap());
        let pairs: Vec<(&str, &str)> = flat.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("a", "x"),
                ("b", "3"),
                ("c", "1.5"),
                ("d", "true"),
                ("e.0", "p"),
                ("e.1.q", "2"),
                ("f.g.h", "1979-05-27"),
            ]
        );
    }

    #[test]
    fn modules_look_settings_up_and_not_each_other() {
        let entry = |key: &str, value: &str| Entry {
            key: key.to_owned(),
            value: value.to_owned(),
            origin: Origin::Default,
        };
        let flat = settings(&[
            entry("cache.memory", "\"128M\""),
            entry("listen[1].name", "\"site\""),
            entry("access.connect_ports", "[443, 8443]"),
            entry("module[0].options.secret", "\"x\""),
        ]);
        let pairs: Vec<(&str, &str)> = flat.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("access.connect_ports.0", "443"),
                ("access.connect_ports.1", "8443"),
                ("cache.memory", "128M"),
                ("listen.1.name", "site"),
            ]
        );
    }
}
