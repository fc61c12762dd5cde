//! The options, read and checked once.
//!
//! Invariant: settings that exist can be worked with; what cannot is refused by name, with what is expected.

use crate::uri::Uri;
use std::sync::Arc;
use std::time::Duration;
use understudy_module::{Edits, Host};

/// Servers that offer the same service, in order of preference.
pub(crate) type Group = Vec<Uri>;

/// The options.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) reqmod: Vec<Group>,
    pub(crate) respmod: Vec<Group>,
    /// Requests go round all servers of a group; otherwise to the first that can.
    pub(crate) round: bool,
    /// The longest preview, whatever services ask for; `None`: no previews.
    pub(crate) preview: Option<usize>,
    pub(crate) allow_204: bool,
    pub(crate) allow_206: bool,
    /// Bytes of a body that are kept, so that the original can still be had.
    pub(crate) keep: usize,
    /// Bytes of a response that takes the place of what there was.
    pub(crate) answer: usize,
    pub(crate) bypass: bool,
    pub(crate) connections: usize,
    pub(crate) waiting: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) idle: Duration,
    /// Whether the client's address is told; `None`: to services that ask for it.
    pub(crate) client_ip: Option<bool>,
    /// More lines for each request, with their ends.
    pub(crate) headers: String,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// A sentence that names the first option that cannot be used.
    pub(crate) fn of(host: &Host) -> Result<Settings, String> {
        const KNOWN: [&str; 17] = [
            "reqmod",
            "respmod",
            "spread",
            "preview",
            "allow_204",
            "allow_206",
            "keep",
            "answer",
            "bypass",
            "connections",
            "waiting",
            "connect_timeout",
            "timeout",
            "idle",
            "client_ip",
            "headers",
            "ca",
        ];
        for (name, _) in host.options() {
            let first = name.split('.').next().unwrap_or_default();
            if !KNOWN.contains(&first) {
                return Err(format!(
                    "there is no option `{name}`; there are {}",
                    KNOWN.join(", ")
                ));
            }
        }
        let (reqmod, respmod) = (services(host, "reqmod")?, services(host, "respmod")?);
        let mut all = reqmod.iter().chain(&respmod).flatten();
        let first = all
            .next()
            .ok_or("neither `reqmod` nor `respmod` names a service")?;
        let tls = first.tls || all.any(|uri| uri.tls);
        let round = one_of(host, "spread", &[("first", false), ("round", true)])?;
        let preview = match host.option("preview").as_deref() {
            Some("off" | "false") => None,
            _ => Some(bytes(host, "preview", 64 * 1024)?),
        };
        let asked = [
            ("asked", None),
            ("always", Some(true)),
            ("never", Some(false)),
        ];
        Ok(Settings {
            reqmod,
            respmod,
            round,
            preview,
            allow_204: yes(host, "allow_204", true)?,
            allow_206: yes(host, "allow_206", true)?,
            keep: bytes(host, "keep", 64 * 1024)?,
            answer: bytes(host, "answer", 4 * 1024 * 1024)?,
            bypass: yes(host, "bypass", false)?,
            connections: at_least_one(host, "connections", 64)?,
            waiting: at_least_one(host, "waiting", 1024)?,
            connect_timeout: time(host, "connect_timeout", 2)?,
            timeout: time(host, "timeout", 4)?,
            idle: time(host, "idle", 60)?,
            client_ip: one_of(host, "client_ip", &asked)?,
            headers: headers(host)?,
            tls: if tls {
                Some(crate::stream::tls(host.option("ca").as_deref())?)
            } else {
                None
            },
        })
    }
}

/// The members of an array: an option as it stands, or `name.0` and so on.
fn members(host: &Host, name: &str) -> Vec<String> {
    let many = (0..).map_while(|at| host.option(&format!("{name}.{at}")));
    host.option(name).into_iter().chain(many).collect()
}

fn services(host: &Host, name: &str) -> Result<Vec<Group>, String> {
    let groups = members(host, name).into_iter().map(|text| {
        let group: Result<Group, String> = text.split_whitespace().map(Uri::parse).collect();
        match group {
            Ok(group) if !group.is_empty() => Ok(group),
            Ok(_) => Err(format!("option `{name}`: a service has no server")),
            Err(why) => Err(format!("option `{name}`: {why}")),
        }
    });
    groups.collect()
}

fn one_of<T: Copy>(host: &Host, name: &str, words: &[(&str, T)]) -> Result<T, String> {
    let value = host.option(name);
    let value = value.as_deref().unwrap_or(words[0].0);
    let mut found = words.iter().filter(|(word, _)| *word == value);
    found.next().map(|(_, one)| *one).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("option `{name}`: `{value}` is none of {}", words.join(", "))
    })
}

fn yes(host: &Host, name: &str, usual: bool) -> Result<bool, String> {
    one_of(
        host,
        name,
        if usual {
            &[("true", true), ("false", false)]
        } else {
            &[("false", false), ("true", true)]
        },
    )
}

/// A number of bytes: digits, and perhaps K, M or G behind them.
fn bytes(host: &Host, name: &str, usual: usize) -> Result<usize, String> {
    let Some(value) = host.option(name) else {
        return Ok(usual);
    };
    let digits = value.trim_end_matches(['K', 'M', 'G']);
    let unit = match &value[digits.len()..] {
        "" => Some(1),
        "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1 << 30),
        _ => None,
    };
    let number = digits.parse::<usize>().ok();
    let product = number
        .zip(unit)
        .and_then(|(number, unit)| number.checked_mul(unit));
    product.ok_or_else(|| format!("option `{name}`: `{value}` is no number of bytes, such as 64K"))
}

fn at_least_one(host: &Host, name: &str, usual: usize) -> Result<usize, String> {
    match bytes(host, name, usual)? {
        0 => Err(format!("option `{name}`: 0 is too few")),
        number => Ok(number),
    }
}

/// A time: `500ms`, `4s`, `2m`.
fn time(host: &Host, name: &str, usual: u64) -> Result<Duration, String> {
    let Some(value) = host.option(name) else {
        return Ok(Duration::from_secs(usual));
    };
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number = digits
        .parse::<u64>()
        .ok()
        .filter(|number| (1..100_000_000).contains(number));
    match (number, &value[digits.len()..]) {
        (Some(number), "ms") => Ok(Duration::from_millis(number)),
        (Some(number), "s") => Ok(Duration::from_secs(number)),
        (Some(number), "m") => Ok(Duration::from_secs(number * 60)),
        _ => Err(format!(
            "option `{name}`: `{value}` is no time, such as 500ms or 4s"
        )),
    }
}

fn headers(host: &Host) -> Result<String, String> {
    let mut lines = String::new();
    for text in members(host, "headers") {
        let wrong = || format!("option `headers`: `{text}` is no line `Name: value`");
        let (name, value) = text.split_once(':').ok_or_else(wrong)?;
        // A line that an HTTP head may have an ICAP head may have, too.
        Edits::new()
            .add(name.as_bytes(), value.trim().as_bytes())
            .map_err(|_| wrong())?;
        if ["encapsulated", "preview", "allow"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("option `headers`: {name} is the module's own"));
        }
        lines.push_str(&format!("{name}: {}\r\n", value.trim()));
    }
    Ok(lines)
}
