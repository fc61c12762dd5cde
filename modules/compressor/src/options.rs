//! The options, checked.
//!
//! Invariant: what is here may be used as it stands. Awkward case: a list comes as an array from the configuration (`types.0`, ...) and
//! as one text with commas from the command line.

use crate::coder::Coding;
use std::ops::RangeInclusive;
use std::str::FromStr;
use understudy_module::Host;

/// Types that gain. An entry may begin or end with `*`; one that begins with `!` is an exception: events of a stream are not to wait
/// until there are `min_length` bytes of them.
const TYPES: &str = "!text/event-stream, text/*, *+json, *+xml, *+text, application/json, application/javascript, \
    application/x-javascript, application/ecmascript, application/xml, application/rtf, application/sql, application/graphql, \
    application/wasm, application/x-ndjson, application/manifest+json, application/vnd.ms-fontobject, application/x-font-ttf, \
    application/x-sh, application/x-perl, application/x-python, application/postscript, font/ttf, font/otf, font/collection, \
    font/sfnt, image/bmp, image/x-icon, image/vnd.microsoft.icon, model/*";

/// Their names.
const KNOWN: &str =
    "codings, level, types, min_length, flush, budget, streams, ask_identity, max_ratio";

/// The options in force. Those of `default` do nothing: `init` reads the real ones.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub(crate) struct Options {
    /// The codings that are made, the favourite first.
    pub(crate) codings: Vec<Coding>,
    /// Of each coding, by its number.
    pub(crate) levels: [u32; Coding::ALL.len()],
    pub(crate) types: Vec<String>,
    pub(crate) min_length: usize,
    pub(crate) flush: bool,
    /// Of a core.
    pub(crate) budget: f64,
    pub(crate) streams: usize,
    pub(crate) ask_identity: bool,
    pub(crate) max_ratio: usize,
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// A sentence that names the first that is wrong.
    pub(crate) fn read(host: &Host) -> Result<Options, String> {
        for (name, _) in host.options() {
            if !KNOWN
                .split(", ")
                .any(|known| name.split('.').next() == Some(known))
            {
                return Err(format!("there is no option `{name}`; there are {KNOWN}"));
            }
        }
        let codings = list(host, "codings", "zstd, br, gzip")
            .into_iter()
            .map(|name| {
                let coding = Coding::named(name.as_bytes());
                coding
                    .ok_or_else(|| format!("option `codings`: `{name}` is none of gzip, br, zstd"))
            });
        let mut levels = [6, 4, 3];
        for (coding, level) in Coding::ALL.into_iter().zip(&mut levels) {
            *level = number(
                host,
                &format!("level.{}", coding.name()),
                *level,
                coding.levels(),
            )?;
        }
        Ok(Options {
            codings: codings.collect::<Result<_, _>>()?,
            levels,
            types: list(host, "types", TYPES),
            min_length: number(host, "min_length", 256, 0..=1 << 20)?,
            flush: number(host, "flush", true, false..=true)?,
            budget: number(host, "budget", 0.5, 0.0..=1024.0)?,
            streams: number(host, "streams", 128, 0..=1 << 20)?,
            ask_identity: number(host, "ask_identity", false, false..=true)?,
            max_ratio: number(host, "max_ratio", 200, 1..=1000)?,
        })
    }

    /// Whether this type (RFC 9110 section 8.3.1) gains.
    pub(crate) fn gains(&self, content_type: &[u8]) -> bool {
        let kind = content_type
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default();
        let kind = String::from_utf8_lossy(kind).trim().to_ascii_lowercase();
        let is = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(end), _) => kind.ends_with(end),
            (_, Some(start)) => kind.starts_with(start),
            _ => kind == pattern,
        };
        let (mut plain, mut excepted) = (false, false);
        for entry in &self.types {
            match entry.strip_prefix('!') {
                Some(pattern) => excepted |= is(pattern),
                None => plain |= is(entry),
            }
        }
        plain && !excepted
    }
}

fn list(host: &Host, name: &str, default: &str) -> Vec<String> {
    let entries: Vec<String> = (0..)
        .map_while(|n| host.option(&format!("{name}.{n}")))
        .collect();
    let text = match entries.is_empty() {
        false => entries.join(","),
        true => host.option(name).unwrap_or_else(|| default.to_owned()),
    };
    let entries = text
        .split(',')
        .map(|entry| entry.trim().to_ascii_lowercase());
    entries.filter(|entry| !entry.is_empty()).collect()
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    host: &Host,
    name: &str,
    default: T,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let Some(text) = host.option(name) else {
        return Ok(default);
    };
    let value = text
        .trim()
        .parse()
        .ok()
        .filter(|value| range.contains(value));
    value.ok_or_else(|| {
        format!(
            "option `{name}`: `{text}` is not from {} to {}",
            range.start(),
            range.end()
        )
    })
}
