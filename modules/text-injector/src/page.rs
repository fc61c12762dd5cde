//! Which answers are pages that a text may go into, and what that makes of their heads.
//!
//! Invariant: a head that is edited here speaks of a body that may be another than the origin's: its validator is weak, and what was
//! computed over the bytes is gone. Awkward case: 304. It speaks of the page that the asker holds, which is ours when the validator it
//! asked with is the weak one that we made; then the answer has to name that (RFC 9110 section 15.4.5, RFC 9111 section 4.3.4).

use crate::options::Options;
use crate::scan::charset_in;
use encoding_rs::Encoding;
use understudy_module::{Refused, Transaction};

/// What a head says of a page.
#[derive(Debug)]
pub(crate) struct Page {
    /// The encoding that the header names.
    pub(crate) encoding: Option<&'static Encoding>,
    /// Its Content-Security-Policy fields.
    pub(crate) policies: Vec<String>,
}

/// Fields over the bytes of the body, or about parts of it.
const GONE: [&str; 5] = [
    "Content-MD5",
    "Digest",
    "Content-Digest",
    "Repr-Digest",
    "Accept-Ranges",
];

/// Whether the answer is of a type that texts go into.
pub(crate) fn is_page(tx: &Transaction<'_>, options: &Options) -> bool {
    let kind = lower(tx.find("content-type").unwrap_or_default());
    let kind = kind.split(';').next().unwrap_or_default().trim();
    // What has no body, or a part of one, is none (RFC 9110 sections 15.3.5, 15.3.7, 15.4).
    let status = matches!(tx.status(), 200 | 203 | 400..=599);
    status && options.types.iter().any(|one| one == kind)
}

/// What the head of a page says; or the word for why no text goes in.
pub(crate) fn read(tx: &Transaction<'_>) -> Result<Page, &'static str> {
    // A compressed page cannot be read; `identity` asks for another.
    if tx
        .find_all("content-encoding")
        .any(|coding| !lower(coding).trim().eq("identity"))
    {
        return Err("skipped_encoded");
    }
    // RFC 9110 section 7.7.
    if forbids_transforming(tx) {
        return Err("skipped_no_transform");
    }
    let disposition = lower(tx.find("content-disposition").unwrap_or_default());
    if tx.find("content-range").is_some() || disposition.trim_start().starts_with("attachment") {
        return Err("skipped_download");
    }
    let kind = lower(tx.find("content-type").unwrap_or_default());
    let encoding = match charset_in(&kind) {
        Some(label) => match Encoding::for_label_no_replacement(label.as_bytes()) {
            Some(encoding) if encoding.is_ascii_compatible() => Some(encoding),
            _ => return Err("skipped_charset"),
        },
        None => None,
    };
    let policies = tx
        .find_all("content-security-policy")
        .map(|value| String::from_utf8_lossy(value).into_owned());
    Ok(Page {
        encoding,
        policies: policies.collect(),
    })
}

/// Whether this head has `no-transform` (RFC 9111 sections 5.2.1.6 and 5.2.2.6).
pub(crate) fn forbids_transforming(tx: &Transaction<'_>) -> bool {
    let mut lines = tx.find_all("cache-control").map(lower);
    lines.any(|line| {
        line.split(',')
            .any(|directive| directive.trim() == "no-transform")
    })
}

/// Makes the head that of a page with a text in it. `personal`: in which the text is for this client.
pub(crate) fn edit(
    tx: &mut Transaction<'_>,
    options: &Options,
    personal: bool,
) -> Result<(), Refused> {
    weaken(tx)?;
    for name in GONE {
        if tx.find(name).is_some() {
            tx.delete(name)?;
        }
    }
    if options.store {
        return vary(tx, options);
    }
    if personal {
        // For no shared cache behind this one (RFC 9111 section 5.2.2.7), also where the origin allowed it by a field that speaks to some
        // cache alone and overrules this (RFC 9213 section 2.2).
        tx.add("Cache-Control", "private")?;
        let targeted: Vec<String> = tx
            .lines()
            .map(|(name, _)| lower(name))
            .filter(|name| name.ends_with("-cache-control") || name == "surrogate-control")
            .collect();
        targeted.iter().try_for_each(|name| tx.delete(name))?;
    }
    Ok(())
}

/// What the text depends on, beside what the page does.
pub(crate) fn vary(tx: &mut Transaction<'_>, options: &Options) -> Result<(), Refused> {
    if options.vary.is_empty() {
        return Ok(());
    }
    let own = options.vary.join(", ");
    let all: Vec<&[u8]> = tx.find_all("vary").chain([own.as_bytes()]).collect();
    let all = all.join(&b", "[..]);
    tx.set("Vary", all)
}

/// Whether the asker would go on with what it has by its date, which an origin's page and ours share.
pub(crate) fn goes_on_by_date(tx: &Transaction<'_>) -> bool {
    tx.find("if-range")
        .is_some_and(|value| !value.ends_with(b"\""))
}

/// A strong validator promises the origin's bytes (RFC 9110 section 8.8.1).
pub(crate) fn weaken(tx: &mut Transaction<'_>) -> Result<(), Refused> {
    match tx.find("etag") {
        Some(tag) if tag.starts_with(b"\"") => {
            let weak = [b"W/", tag].concat();
            tx.set("ETag", weak)
        }
        _ => Ok(()),
    }
}

/// Whether an `If-None-Match` asks for the weak form of the strong validator that is here.
pub(crate) fn asked_weakly(tx: &Transaction<'_>, asked: &[u8]) -> bool {
    let Some(tag) = tx.find("etag").filter(|tag| tag.starts_with(b"\"")) else {
        return false;
    };
    let weak = [b"W/", tag].concat();
    asked.windows(weak.len()).any(|part| part == weak)
}

/// The name of a page, in a request: what a browser asks for to show it, not to work with it.
pub(crate) fn asks_for_page(tx: &Transaction<'_>) -> bool {
    match tx.find("sec-fetch-dest") {
        Some(dest) => matches!(
            dest,
            b"document" | b"iframe" | b"frame" | b"embed" | b"object"
        ),
        None => tx
            .find_all("accept")
            .any(|accept| lower(accept).contains("text/html")),
    }
}

/// Whether a script of a page asks, for a fragment of one.
pub(crate) fn asks_for_fragment(tx: &Transaction<'_>) -> bool {
    tx.find("x-requested-with").is_some()
        || (tx.find("sec-fetch-dest").is_some() && !asks_for_page(tx))
}

fn lower(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).to_ascii_lowercase()
}
