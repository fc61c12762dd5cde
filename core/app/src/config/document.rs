//! A configuration file: its text, its shape, and where in the text each key and value stands.
//!
//! Invariant: a document that was read has only known keys with values of the right type.
//! Awkward case: serde stops at the first mistake, so keys and types are first checked against the schema, which finds all of them.

use super::{
    layers::{Origin, Said},
    problem::{Fault, Place, Problems},
    schema,
    shape::Shape,
    suggest::nearest,
};
use serde_json::Value;
use std::{collections::HashMap, ops::Range, path::Path};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A file that was read; the default is no file at all.
#[derive(Debug, Default)]
pub(crate) struct Document {
    file: String,
    text: String,
    spans: HashMap<String, usize>,
    /// What is written in it.
    pub(crate) shape: Shape,
}

/// The most a configuration file may measure: a mistaken path must not fill the memory.
const LARGEST: u64 = 16 << 20;

impl Document {
    /// Reads the file that was named.
    pub(crate) fn read(said: &Said) -> Result<Document, Problems> {
        let path = Path::new(&said.text);
        let unreadable = |why: String| {
            let cure = match &said.origin {
                Origin::Flag(name) | Origin::Environment(name) => {
                    format!("check the path given by {name} and its permissions")
                }
                _ => "check the path and its permissions".to_owned(),
            };
            Problems::one(
                Place::file(path, None),
                "",
                Fault::new(format!("cannot read the file: {why}"), cure),
            )
        };
        let meta = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?;
        if meta.is_dir() {
            return Err(unreadable("it is a directory".to_owned()));
        }
        if meta.len() > LARGEST {
            return Err(unreadable("it is larger than 16M".to_owned()));
        }
        let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
        match String::from_utf8(bytes) {
            Ok(text) => Document::parse(path, text),
            Err(e) => {
                let good = e.utf8_error().valid_up_to();
                let at = position(&String::from_utf8_lossy(&e.as_bytes()[..good]), good);
                Err(Problems::one(
                    Place::file(path, Some(at)),
                    "",
                    Fault::new("the file is not UTF-8 here", "save it as UTF-8"),
                ))
            }
        }
    }

    /// Parses the text of a file.
    pub(crate) fn parse(path: &Path, text: String) -> Result<Document, Problems> {
        let mut document = Document {
            file: path.display().to_string(),
            text,
            ..Document::default()
        };
        let mut problems = Problems::default();
        let text = std::mem::take(&mut document.text);
        let (table, errors) = DeTable::parse_recoverable(&text);
        for e in errors {
            let at = position(&text, e.span().map_or(0, |span| span.start));
            problems.push(
                Place::file(path, Some(at)),
                "",
                Fault::new(
                    format!("not TOML: {}", e.message()),
                    "see toml.io for how it is written",
                ),
            );
        }
        if !problems.is_empty() {
            return Err(problems.sorted());
        }
        let root = schema::schema();
        let mut walk = Walk {
            path,
            text: &text,
            root: &root,
            spans: HashMap::new(),
            problems,
        };
        walk.table("", table.get_ref(), &root);
        let Walk {
            spans,
            mut problems,
            ..
        } = walk;
        if !problems.is_empty() {
            return Err(problems.sorted());
        }
        match toml::from_str::<Shape>(&text) {
            Ok(shape) => document.shape = shape,
            Err(e) => {
                let at = e.span().map(|span| position(&text, span.start));
                problems.push(
                    Place::file(path, at),
                    "",
                    Fault::new(
                        e.message(),
                        "see `understudy schema` for what may be written",
                    ),
                );
                return Err(problems);
            }
        }
        document.text = text;
        document.spans = spans;
        Ok(document)
    }

    /// The folder of the file, empty for the working directory: paths in the file are relative to it.
    pub(crate) fn dir(&self) -> &Path {
        Path::new(&self.file).parent().unwrap_or(Path::new(""))
    }

    /// Whether the key is written in the file.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.spans.contains_key(key)
    }

    /// The origin of a key: its place in the file, or that of the nearest section it would stand in.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(start) = self.spans.get(key) {
                return Origin::File {
                    file: self.file.clone(),
                    at: position(&self.text, *start),
                };
            }
            match key.rfind(['.', '[']) {
                Some(end) if end > 0 => key = &key[..end],
                _ => return Origin::Default,
            }
        }
    }
}

/// Line and column, both from 1, of a byte of the text.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    (line, column)
}

/// The check of keys and types.
struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    root: &'a Value,
    spans: HashMap<String, usize>,
    problems: Problems,
}

impl Walk<'_> {
    fn problem(&mut self, span: &Range<usize>, key: &str, fault: Fault) {
        self.problems.push(
            Place::file(self.path, Some(position(self.text, span.start))),
            key,
            fault,
        );
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>, schema: &Value) {
        let schema = schema::resolve(self.root, schema);
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return;
        };
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            match properties.get(name.get_ref().as_ref()) {
                Some(inner) => {
                    // A section's span is that of its header, which is where its key stands.
                    self.spans.insert(
                        key.clone(),
                        if value.get_ref().is_table() {
                            name.span().start
                        } else {
                            value.span().start
                        },
                    );
                    self.value(&key, value, inner);
                }
                None => {
                    let cure = self.cure(
                        prefix,
                        name.get_ref(),
                        properties.keys().map(String::as_str),
                    );
                    self.problem(&name.span(), &key, Fault::new("unknown key", cure));
                }
            }
        }
    }

    /// A key that is unknown here: misspelt, of another section, or unknown everywhere.
    fn cure<'k>(
        &self,
        prefix: &str,
        name: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) -> String {
        if let Some(near) = nearest(name, known.clone()) {
            return format!("did you mean `{near}`?");
        }
        let sections = self.root["properties"].as_object().into_iter().flatten();
        for (section, inner) in sections {
            let inner = schema::resolve(self.root, inner);
            let header = if schema::allows(inner, "array") {
                format!("[[{section}]]")
            } else {
                format!("[{section}]")
            };
            let of = inner
                .get("items")
                .map_or(inner, |items| schema::resolve(self.root, items));
            if section != prefix && of.get("properties").and_then(|p| p.get(name)).is_some() {
                return format!("`{name}` belongs to {header}");
            }
        }
        if !prefix.is_empty() && self.root["properties"].get(name).is_some() {
            return format!("`{name}` stands at the top of the file, before the first section");
        }
        format!("known here are {}", known.collect::<Vec<_>>().join(", "))
    }

    fn value(&mut self, key: &str, value: &Spanned<DeValue<'_>>, schema: &Value) {
        let schema = schema::resolve(self.root, schema);
        let words = schema::words(schema);
        let lenient = schema.get("pattern").is_some();
        let fits = match value.get_ref() {
            DeValue::String(_) => words.is_some() || schema::allows(schema, "string"),
            // Sizes and durations take numbers here so that values can say what is missing.
            DeValue::Integer(_) => {
                words.is_none() && (lenient || schema::allows(schema, "integer"))
            }
            DeValue::Boolean(_) => words.is_none() && schema::allows(schema, "boolean"),
            DeValue::Array(_) => words.is_none() && schema::allows(schema, "array"),
            DeValue::Table(_) => words.is_none() && schema::allows(schema, "object"),
            DeValue::Float(_) | DeValue::Datetime(_) => false,
        };
        if !fits {
            let (wanted, cure) = wanted(schema, words.is_some(), key);
            let kind = match value.get_ref().type_str() {
                kind @ ("integer" | "array") => format!("an {kind}"),
                kind => format!("a {kind}"),
            };
            self.problem(
                &value.span(),
                key,
                Fault::new(format!("{wanted} is wanted, not {kind}"), cure),
            );
            return;
        }
        match value.get_ref() {
            DeValue::String(text) => {
                if let Some(words) = words.filter(|words| !words.contains(&text.as_ref())) {
                    let fault = not_a_word(text, &words);
                    self.problem(&value.span(), key, fault);
                }
            }
            DeValue::Integer(n) if i64::from_str_radix(n.as_str(), n.radix()).is_err() => {
                self.problem(
                    &value.span(),
                    key,
                    Fault::new(
                        format!("{n} is more than can be counted"),
                        "write a smaller number",
                    ),
                );
            }
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    let key = format!("{key}[{i}]");
                    self.spans.insert(key.clone(), item.span().start);
                    if let Some(inner) = schema.get("items") {
                        self.value(&key, item, inner);
                    }
                }
            }
            DeValue::Table(table) => self.table(key, table, schema),
            _ => {}
        }
    }
}

/// What a value should be, and how that is written.
fn wanted(schema: &Value, word: bool, key: &str) -> (&'static str, String) {
    let last = key.rsplit('.').next().unwrap_or(key);
    // An item of a list has no key of its own to write.
    let item = last.ends_with(']');
    if item && schema::allows(schema, "string") {
        ("a string", "put it in quotes".to_owned())
    } else if item && schema::allows(schema, "integer") {
        (
            "an integer",
            "write a whole number without quotes".to_owned(),
        )
    } else if word || schema::allows(schema, "string") {
        ("a string", format!("put it in quotes: {last} = \"...\""))
    } else if schema::allows(schema, "integer") {
        (
            "an integer",
            format!(
                "write a whole number without quotes: {last} = {}",
                schema.get("default").and_then(Value::as_i64).unwrap_or(1)
            ),
        )
    } else if schema::allows(schema, "boolean") {
        (
            "a boolean",
            format!("write {last} = true or {last} = false"),
        )
    } else if schema::allows(schema, "array") {
        let section = schema
            .get("items")
            .is_some_and(|items| items.get("$ref").is_some());
        (
            "an array",
            if section {
                format!("write [[{last}]] as a header")
            } else {
                format!("put it in brackets: {last} = [...]")
            },
        )
    } else {
        ("a table", format!("write [{last}] as a header"))
    }
}

/// The fault of a word that is none of those known.
pub(crate) fn not_a_word(text: &str, words: &[&str]) -> Fault {
    let all = words
        .iter()
        .map(|w| format!("{w:?}"))
        .collect::<Vec<_>>()
        .join(", ");
    match nearest(text, words.iter().copied()) {
        Some(near) => Fault::new(
            format!("{text:?} is not one of {all}"),
            format!("did you mean {near:?}?"),
        ),
        None => Fault::new(
            format!("{text:?} is not one of {all}"),
            "write one of them".to_owned(),
        ),
    }
}
