//! Understudy's own log in JSON: an object a line. Only what its manual names is known of it; keys that are not are passed over.

use super::entry::{Bad, Entry, Outcome, Verb, hash};
use serde::Deserialize;
use std::{borrow::Cow, net::SocketAddr};

#[derive(Deserialize)]
struct Line<'a> {
    time: f64,
    #[serde(default)]
    elapsed: Option<f64>,
    #[serde(borrow, default)]
    client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    body_out: u64,
    #[serde(default)]
    body_in: Option<u64>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(borrow, default)]
    forward: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    not_stored: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content_type: Option<Cow<'a, str>>,
    #[serde(default)]
    aborted: bool,
}

pub(super) fn parse(line: &[u8]) -> Result<Entry<'_>, Bad> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|_| Bad::Json)?;
    if !(0.0..1e11).contains(&line.time) {
        return Err(Bad::Time);
    }
    if line.elapsed.is_some_and(|e| !(0.0..1e11).contains(&e)) {
        return Err(Bad::Elapsed);
    }
    if line.status != 0 && !(100..=999).contains(&line.status) {
        return Err(Bad::Status);
    }
    let client = line.client.as_deref();
    // A port tells connections apart, and an address clients.
    let address = client.and_then(|c| c.parse::<SocketAddr>().ok());
    let outcome = match (&*line.outcome, line.forward.as_deref()) {
        // The client wanted it validated: `no-cache`, whatever the origin said then.
        ("miss" | "collapsed" | "revalidated", Some("request")) => Outcome::Reload,
        ("hit" | "hit-not-modified" | "stale", _) => Outcome::Hit,
        ("revalidated", _) => Outcome::Unmodified,
        ("miss" | "collapsed", Some("stale")) => Outcome::Modified,
        ("miss" | "collapsed" | "pass", _) => Outcome::Miss,
        ("tunnel", _) => Outcome::Tunnel,
        ("denied" | "local", _) => Outcome::Own,
        _ => Outcome::Unknown,
    };
    let storable = match (outcome, line.not_stored.as_deref()) {
        (Outcome::Hit | Outcome::Unmodified, _) => Some(true),
        _ if line.outcome == "revalidated" => Some(true),
        // What only this proxy, or this one exchange, had no room or time for says nothing of the object.
        (_, Some("no-room" | "incomplete" | "disabled" | "rule" | "partial" | "method")) => None,
        (_, Some(_)) => Some(false),
        (Outcome::Miss | Outcome::Modified, None) if line.status == 200 => Some(true),
        _ => None,
    };
    Ok(Entry {
        end: line.time,
        exact: true,
        elapsed: line.elapsed,
        client: address
            .map(|a| hash(a.ip().to_string().as_bytes()))
            .or(client.map(|c| hash(c.as_bytes()))),
        connection: address.and(client).map(|c| hash(c.as_bytes())),
        method: Verb::from(line.method.as_bytes()),
        url: bytes(line.url),
        status: line.status,
        body: line.body_out,
        sent: line.body_in,
        media: line.content_type.map(bytes),
        outcome,
        storable,
        aborted: line.aborted,
    })
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}
