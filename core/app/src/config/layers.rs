//! What was said outside the file: flags over environment variables.
//!
//! Invariant: for each setting at most one text remains, the strongest, with its origin; nothing is parsed here.
//! Awkward case: an environment variable that is empty counts as not set.

use super::problem::{Fault, Place, Problems};
use std::{ffi::OsString, fmt};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag.
    Flag(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// The file, at this line and column.
    File {
        /// Its path as given.
        file: String,
        /// Line and column, from 1.
        at: (usize, usize),
    },
    /// Nobody said anything.
    Default,
}

/// A text and who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said<T = String> {
    /// What was said.
    pub(crate) text: T,
    /// Who said it.
    pub(crate) origin: Origin,
}

/// Everything said by flags and environment.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub(crate) struct Layers {
    pub(crate) config: Option<Said>,
    pub(crate) listen: Option<Said>,
    pub(crate) mode: Option<Said>,
    pub(crate) to: Option<Said>,
    pub(crate) workers: Option<Said>,
    pub(crate) memory: Option<Said>,
    pub(crate) allow_to: Option<Said<Vec<String>>>,
    pub(crate) admin: Option<Said>,
    pub(crate) access_log: Option<Said>,
    pub(crate) log_format: Option<Said>,
    pub(crate) level: Option<Said>,
}

/// The flags, as the command line gives them.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub(crate) struct Flags {
    pub(crate) config: Option<String>,
    pub(crate) listen: Option<String>,
    pub(crate) mode: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) workers: Option<String>,
    pub(crate) memory: Option<String>,
    pub(crate) allow_to: Vec<String>,
    pub(crate) admin: Option<String>,
    pub(crate) access_log: Option<String>,
    pub(crate) log_format: Option<String>,
    pub(crate) verbose: u8,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "flag {name}"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::File { file, at } => write!(f, "file {file}:{}", at.0),
            Origin::Default => f.write_str("default"),
        }
    }
}

impl Layers {
    /// Lays flags over the environment, read by `env`.
    pub(crate) fn new(
        flags: &Flags,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Layers, Problems> {
        let mut problems = Problems::default();
        let mut pick = |flag: &'static str,
                        said: &Option<String>,
                        variable: &'static str|
         -> Option<Said> {
            if let Some(text) = said {
                return Some(Said {
                    text: text.clone(),
                    origin: Origin::Flag(flag),
                });
            }
            let value = env(variable).filter(|v| !v.is_empty())?;
            match value.into_string() {
                Ok(text) => Some(Said {
                    text,
                    origin: Origin::Environment(variable),
                }),
                Err(_) => {
                    let fault =
                        Fault::new("the value is not UTF-8", "set it to plain text or unset it");
                    problems.push(Place::Environment(variable), "", fault);
                    None
                }
            }
        };
        let allow_to = if flags.allow_to.is_empty() {
            pick("", &None, "UNDERSTUDY_ALLOW_TO").map(|said| Said {
                text: words(&said.text),
                origin: said.origin,
            })
        } else {
            let all = flags.allow_to.iter().flat_map(|text| words(text)).collect();
            Some(Said {
                text: all,
                origin: Origin::Flag("--allow-to"),
            })
        };
        let level = match flags.verbose {
            0 => None,
            1 => Some("debug"),
            _ => Some("trace"),
        };
        let layers = Layers {
            config: pick("--config", &flags.config, "UNDERSTUDY_CONFIG"),
            listen: pick("--listen", &flags.listen, "UNDERSTUDY_LISTEN"),
            mode: pick("--mode", &flags.mode, "UNDERSTUDY_MODE"),
            to: pick("--to", &flags.to, "UNDERSTUDY_TO"),
            workers: pick("--workers", &flags.workers, "UNDERSTUDY_WORKERS"),
            memory: pick("--memory", &flags.memory, "UNDERSTUDY_MEMORY"),
            allow_to,
            admin: pick("--admin", &flags.admin, "UNDERSTUDY_ADMIN"),
            access_log: pick("--access-log", &flags.access_log, "UNDERSTUDY_ACCESS_LOG"),
            log_format: pick("--log-format", &flags.log_format, "UNDERSTUDY_LOG_FORMAT"),
            level: level.map(|text| Said {
                text: text.to_owned(),
                origin: Origin::Flag("-v"),
            }),
        };
        if problems.is_empty() {
            Ok(layers)
        } else {
            Err(problems)
        }
    }
}

/// The words of a list as written in one variable or flag: parted by commas or blanks.
fn words(text: &str) -> Vec<String> {
    text.split([',', ' ', '\t'])
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}
