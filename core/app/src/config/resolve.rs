//! Decides each setting among flag, environment, file and default, and remembers where it came from.
//!
//! Invariant: every setting asked for leaves exactly one entry, and every text that does not parse leaves exactly one problem.
//! Awkward case: after a problem the default goes on standing in, so that the settings after it are checked too.

use super::{
    document::{Document, not_a_word},
    layers::{Layers, Origin, Said},
    problem::{Fault, Place, Problems},
};

/// One setting as it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The dotted key.
    pub(crate) key: String,
    /// The value, written as in TOML.
    pub(crate) value: String,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// The settings being decided.
#[derive(Debug)]
pub(crate) struct Resolver<'a> {
    /// Flags and environment.
    pub(crate) layers: &'a Layers,
    /// The file.
    pub(crate) document: &'a Document,
    problems: Problems,
    entries: Vec<Entry>,
}

/// What is known of one setting's text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources<'a> {
    /// From a flag or the environment.
    pub(crate) over: Option<&'a Said>,
    /// From the file.
    pub(crate) file: Option<String>,
}

impl<'a> Sources<'a> {
    /// Only the file can say this.
    pub(crate) fn file(text: Option<impl ToString>) -> Sources<'a> {
        Sources {
            over: None,
            file: text.map(|t| t.to_string()),
        }
    }

    /// A flag or variable over the file.
    pub(crate) fn over(over: Option<&'a Said>, text: Option<impl ToString>) -> Sources<'a> {
        Sources {
            over,
            file: text.map(|t| t.to_string()),
        }
    }
}

impl<'a> Resolver<'a> {
    /// Nothing is decided yet.
    pub(crate) fn new(layers: &'a Layers, document: &'a Document) -> Resolver<'a> {
        Resolver {
            layers,
            document,
            problems: Problems::default(),
            entries: Vec::new(),
        }
    }

    /// The entries, or everything that is wrong.
    pub(crate) fn finish(self) -> Result<Vec<Entry>, Problems> {
        if self.problems.is_empty() {
            Ok(self.entries)
        } else {
            Err(self.problems.sorted())
        }
    }

    /// Decides one setting.
    pub(crate) fn pick<T>(
        &mut self,
        key: &str,
        sources: Sources<'_>,
        default: T,
        parse: impl Fn(&str) -> Result<T, Fault>,
        show: impl Fn(&T) -> String,
    ) -> T {
        let said = match (sources.over, sources.file) {
            (Some(said), _) => Some(said.clone()),
            (None, Some(text)) => Some(Said {
                text,
                origin: self.document.origin(key),
            }),
            (None, None) => None,
        };
        let origin = said
            .as_ref()
            .map_or(Origin::Default, |said| said.origin.clone());
        let value = match said.map(|said| parse(&said.text)) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(fault)) => {
                self.fault(key, &origin, fault);
                default
            }
        };
        self.enter(key, show(&value), origin);
        value
    }

    /// Decides a list, item by item.
    pub(crate) fn pick_list<T>(
        &mut self,
        key: &str,
        over: Option<&Said<Vec<String>>>,
        file: Option<Vec<String>>,
        default: &[&str],
        parse: impl Fn(&str) -> Result<Vec<T>, Fault>,
        quoted: bool,
    ) -> Vec<T> {
        let written = over.is_none() && file.is_some();
        let (texts, origin) = match (over, file) {
            (Some(said), _) => (said.text.clone(), said.origin.clone()),
            (None, Some(texts)) => (texts, self.document.origin(key)),
            (None, None) => (
                default.iter().map(|&w| w.to_owned()).collect(),
                Origin::Default,
            ),
        };
        let mut values = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            match parse(text) {
                Ok(some) => values.extend(some),
                Err(fault) => {
                    let item = format!("{key}[{i}]");
                    let origin = if written {
                        self.document.origin(&item)
                    } else {
                        origin.clone()
                    };
                    self.fault(&item, &origin, fault);
                }
            }
        }
        let shown: Vec<String> = texts
            .iter()
            .map(|t| if quoted { quote(t) } else { t.clone() })
            .collect();
        self.enter(key, format!("[{}]", shown.join(", ")), origin);
        values
    }

    /// Says that a setting is wrong.
    pub(crate) fn fault(&mut self, key: &str, origin: &Origin, fault: Fault) {
        self.problems.push(Place::of(origin), key, fault);
    }

    /// Whether this setting was wrong already: what depends on it need not be checked.
    pub(crate) fn faulted(&self, key: &str) -> bool {
        self.problems.0.iter().any(|p| p.key == key)
    }

    /// Says that a setting is wrong where it is written, or where its section is.
    pub(crate) fn fault_at(&mut self, key: &str, fault: Fault) {
        let origin = match self.entries.iter().find(|e| e.key == key) {
            Some(Entry { origin, .. }) if *origin != Origin::Default => origin.clone(),
            _ => self.document.origin(key),
        };
        self.fault(key, &origin, fault);
    }

    /// Remembers a value that was decided elsewhere.
    pub(crate) fn enter(&mut self, key: &str, value: String, origin: Origin) {
        self.entries.push(Entry {
            key: key.to_owned(),
            value,
            origin,
        });
    }
}

/// Text as a TOML string.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A whole number between two bounds.
pub(crate) fn number<T: TryFrom<i64>>(least: i64, most: i64) -> impl Fn(&str) -> Result<T, Fault> {
    move |text| {
        let n = text.parse::<i64>().map_err(|_| {
            Fault::new(
                format!("{text:?} is not a whole number"),
                format!("write a number from {least} to {most}"),
            )
        })?;
        let fault = || {
            Fault::new(
                format!("{n} is out of bounds"),
                format!("write a number from {least} to {most}"),
            )
        };
        if n < least || n > most {
            return Err(fault());
        }
        T::try_from(n).map_err(|_| fault())
    }
}

/// One of the words of an enumeration.
pub(crate) fn word<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl Fn(&str) -> Result<T, Fault> {
    move |text| match words.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => Err(not_a_word(
            text,
            &words.iter().map(|(word, _)| *word).collect::<Vec<_>>(),
        )),
    }
}

/// The word of a value of an enumeration.
pub(crate) fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words
        .iter()
        .find(|(_, v)| v == value)
        .map_or("", |(word, _)| word)
}
