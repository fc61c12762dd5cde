//! The options: read once when they change, refused with the name of the first that is wrong.
//!
//! Invariant: what is kept here can be used as it stands; a selector parses, a template names nothing unknown, a field name is a token.
//! Awkward case: a text that is stored is for besidebody whose request has the same fields, so it may depend on those alone, and they
//! are named in `Vary`.

use crate::template::Template;
use lol_html::Selector;
use std::path::PathBuf;
use std::time::Duration;
use understudy_module::{Edits, Host};

/// All that there are.
const NAMES: [&str; 16] = [
    "ask",
    "command",
    "csp",
    "helper",
    "identity",
    "limit",
    "on",
    "position",
    "processes",
    "queue",
    "selector",
    "socket",
    "text",
    "timeout",
    "types",
    "vary",
];

/// Where the text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The option itself.
    Text(String),
    /// A command that is run for each page.
    Command(Vec<String>),
    /// A command that is kept running and speaks lines.
    Helper(Vec<String>),
    /// A Unix socket that speaks lines.
    Socket(PathBuf),
}

/// Where the text goes, as seen from the element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    Before,
    Prepend,
    Append,
    After,
}

/// What is done where a page's Content-Security-Policy forbids what the text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Csp {
    /// It gets a nonce of that policy, or is left out when that has none.
    Nonce,
    /// It is left out.
    Skip,
    /// Policies are not looked at.
    Ignore,
}

/// The options in force.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) source: Source,
    /// Inserted before it is stored, not on return.
    pub(crate) store: bool,
    /// For `Vary`: those that were named, and those that the template takes.
    pub(crate) vary: Vec<String>,
    pub(crate) ask: Template,
    pub(crate) selector: Selector,
    /// The selector of what is looked at beside: all that may end a head, or what a page says of itself.
    pub(crate) beside: Selector,
    /// The place is the head, which a page may have without saying so.
    pub(crate) head: bool,
    pub(crate) position: Position,
    pub(crate) types: Vec<String>,
    pub(crate) csp: Csp,
    pub(crate) identity: bool,
    pub(crate) timeout: Duration,
    /// Most bytes of a text.
    pub(crate) limit: usize,
    /// Most questions that wait for a helper.
    pub(crate) queue: usize,
    /// Most commands at once.
    pub(crate) processes: usize,
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub(crate) fn of(host: &Host) -> Result<Options, String> {
        for (name, _) in host.options() {
            let base = name.split('.').next().unwrap_or_default();
            if !NAMES.contains(&base) {
                return Err(format!(
                    "there is no option `{name}`; there are {}",
                    NAMES.join(", ")
                ));
            }
        }
        let one = |name: &str, usual: &str| host.option(name).unwrap_or_else(|| usual.to_owned());
        let store = choice(
            &one("on", "return"),
            "on",
            &[("return", false), ("store", true)],
        )?;
        let ask = Template::of(&one("ask", "{client} {host} {url}"))?;
        if store && ask.names_client() && host.option("text").is_none() {
            return Err("option `ask`: a text that is stored cannot depend on {client}; take it out, or choose on = \"return\"".to_owned());
        }
        let mut vary = list(host, "vary");
        vary.extend(ask.fields().iter().cloned());
        for name in &vary {
            if Edits::new().set(name.as_bytes(), b"").is_err() {
                return Err(format!(
                    "option `vary`: {name:?} is not the name of a field"
                ));
            }
        }
        let selector = one("selector", "head");
        let position = [
            ("before", Position::Before),
            ("prepend", Position::Prepend),
            ("append", Position::Append),
            ("after", Position::After),
        ];
        let csp = [
            ("nonce", Csp::Nonce),
            ("skip", Csp::Skip),
            ("ignore", Csp::Ignore),
        ];
        let mut types = list(host, "types");
        if types.is_empty() {
            types.push("text/html".to_owned());
        }
        Ok(Options {
            source: source(host)?,
            store,
            vary,
            ask,
            head: selector == "head",
            selector: selector
                .parse()
                .map_err(|why| format!("option `selector`: {why}"))?,
            beside: if selector == "head" { "*" } else { "meta" }
                .parse()
                .map_err(|why| format!("option `selector`: {why}"))?,
            position: choice(&one("position", "append"), "position", &position)?,
            types: types.iter().map(|name| name.to_ascii_lowercase()).collect(),
            csp: choice(&one("csp", "nonce"), "csp", &csp)?,
            identity: choice(
                &one("identity", "false"),
                "identity",
                &[("false", false), ("true", true)],
            )?,
            timeout: duration(&one("timeout", "250ms"))?,
            limit: number(host, "limit", 64 * 1024, 1 << 20)?,
            queue: number(host, "queue", 256, 65_536)?,
            processes: number(host, "processes", 4, 64)?,
        })
    }
}

fn source(host: &Host) -> Result<Source, String> {
    let (command, helper) = (list(host, "command"), list(host, "helper"));
    let all = [
        host.option("text").map(Source::Text),
        (!command.is_empty()).then_some(Source::Command(command)),
        (!helper.is_empty()).then_some(Source::Helper(helper)),
        host.option("socket")
            .map(|path| Source::Socket(path.into())),
    ];
    let mut given = all.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(source), None) => Ok(source),
        _ => Err("one of the options `text`, `command`, `helper` and `socket` says where the text comes from".to_owned()),
    }
}

/// The members of an array, or a word by itself.
fn list(host: &Host, name: &str) -> Vec<String> {
    let members = (0..).map_while(|at| host.option(&format!("{name}.{at}")));
    host.option(name).into_iter().chain(members).collect()
}

fn choice<T: Copy>(word: &str, name: &str, all: &[(&str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(known, _)| *known == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
        format!("option `{name}`: {word:?} is none of {}", words.join(", "))
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let millis = match text.strip_suffix("ms") {
        Some(number) => number.parse().ok(),
        None => text
            .strip_suffix('s')
            .and_then(|number| number.parse::<u64>().ok())
            .map(|seconds| seconds.saturating_mul(1000)),
    };
    let millis = millis.filter(|millis| (1..=60_000).contains(millis));
    millis
        .map(Duration::from_millis)
        .ok_or_else(|| format!("option `timeout`: {text:?} is no time from 1ms to 60s"))
}

fn number(host: &Host, name: &str, usual: usize, most: usize) -> Result<usize, String> {
    let Some(text) = host.option(name) else {
        return Ok(usual);
    };
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("option `{name}`: {text:?} is no number from 1 to {most}"))
}
