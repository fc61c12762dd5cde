//! One JSON object a line. Times are seconds, sizes are bytes; what is not known is left out.

use super::escape::{json, number};
use std::{
    io::Write,
    net::SocketAddr,
    time::{Duration, UNIX_EPOCH},
};
use understudy_http::{Version, semantics::cache_status::Forward};
use understudy_proxy::record::{ModuleRecord, Outcome, Record};
use understudy_runtimes::HookCost;

/// The most that is kept of a field a client may fill as it likes.
const LONGEST: usize = 1024;

/// Appends the object with its line end.
pub(crate) fn line(record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":");
    seconds(
        record
            .at
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO),
        out,
    );
    out.extend_from_slice(b",\"elapsed\":");
    seconds(record.elapsed, out);
    // As text: readers that count in doubles would round it.
    let _ = write!(out, ",\"id\":\"{:016x}\"", record.id);
    text("listener", record.listener.as_bytes(), out);
    // An IPv4 client of an IPv6 listener is told as what it is.
    let client = SocketAddr::new(record.client.ip().to_canonical(), record.client.port());
    let _ = write!(out, ",\"client\":\"{client}\"");
    text("method", record.method, out);
    text("url", record.url, out);
    text(
        "version",
        if record.version == Version::Http10 {
            b"HTTP/1.0"
        } else {
            b"HTTP/1.1"
        },
        out,
    );
    count("status", u64::from(record.status), out);
    count("bytes_out", record.bytes_out, out);
    count("body_out", record.body_out, out);
    count("body_in", record.body_in, out);
    text("outcome", outcome(record.outcome).as_bytes(), out);
    if let Some(forward) = record.forward {
        text("forward", self::forward(forward).as_bytes(), out);
    }
    if let Some(reason) = record.not_stored {
        // The reasons are words of ours: nothing to escape.
        let _ = write!(out, ",\"not_stored\":\"{reason}\"");
    }
    if let Some(stale) = record.stale {
        text("stale", stale.as_str().as_bytes(), out);
    }
    if let Some(origin) = record.origin {
        let _ = write!(out, ",\"origin\":\"{origin}\"");
    }
    let said = [
        ("content_type", record.content_type),
        ("referer", record.referer),
        ("user_agent", record.user_agent),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            text(name, value.get(..LONGEST).unwrap_or(value), out);
        }
    }
    if let Some(error) = record.error {
        text("error", error.as_bytes(), out);
    }
    if !record.rules.is_empty() {
        text("rules", record.rules.as_bytes(), out);
    }
    if !record.modules.is_empty() {
        modules(record.modules, out);
    }
    let _ = writeln!(out, ",\"aborted\":{}}}", record.aborted);
}

/// One object a module that was called. Times are microseconds here: they are short, and most are below a millisecond.
fn modules(modules: &[ModuleRecord<'_>], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"modules\":[");
    for (i, module) in modules.iter().enumerate() {
        out.extend_from_slice(if i == 0 {
            b"{\"name\":"
        } else {
            b",{\"name\":"
        });
        json(module.name.as_bytes(), out);
        let cost = module.cost;
        spent(cost.calls, cost.time, cost.wait, out);
        if !module.hooks.is_empty() {
            hooks(module.hooks, out);
        }
        if let Some(failed) = module.failed {
            text("failed", failed.as_bytes(), out);
        }
        if !module.notes.is_empty() {
            notes(module.notes, out);
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// Calls and their time.
fn spent(calls: u32, time: u64, wait: u64, out: &mut Vec<u8>) {
    count("calls", u64::from(calls), out);
    let us = |nanos: u64| nanos as f64 / 1e3;
    let _ = write!(
        out,
        ",\"time_us\":{:.1},\"wait_us\":{:.1}",
        us(time),
        us(wait)
    );
}

/// Bytes of bodies, for the module, and an object by hook. Of a hook on a head there are none to be told.
fn hooks(hooks: &[HookCost], out: &mut Vec<u8>) {
    count(
        "bytes_in",
        hooks.iter().map(|hook| hook.bytes_in).sum(),
        out,
    );
    count(
        "bytes_out",
        hooks.iter().map(|hook| hook.bytes_out).sum(),
        out,
    );
    out.extend_from_slice(b",\"hooks\":{");
    for (i, hook) in hooks.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let _ = write!(
            out,
            "\"{}\":{{\"failures\":{}",
            hook.hook.name(),
            hook.failures
        );
        spent(hook.calls, hook.time, hook.wait, out);
        if hook.bytes_in > 0 || hook.bytes_out > 0 {
            count("bytes_in", hook.bytes_in, out);
            count("bytes_out", hook.bytes_out, out);
        }
        out.push(b'}');
    }
    out.push(b'}');
}

/// What a module noted. Of a name noted twice the last one counts, or the object would have it twice.
fn notes(notes: &[(Vec<u8>, Vec<u8>)], out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"notes\":{");
    let last = |i: usize| {
        notes
            .iter()
            .skip(i + 1)
            .all(|(name, _)| *name != notes[i].0)
    };
    let mut first = true;
    for (_, (name, value)) in notes.iter().enumerate().filter(|(i, _)| last(*i)) {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        json(name.get(..LONGEST).unwrap_or(name), out);
        out.push(b':');
        json(value.get(..LONGEST).unwrap_or(value), out);
    }
    out.push(b'}');
}

/// The word of an outcome, in logs and metrics.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hit => "hit",
        Outcome::HitNotModified => "hit-not-modified",
        Outcome::Stale => "stale",
        Outcome::Revalidated => "revalidated",
        Outcome::Miss => "miss",
        Outcome::Collapsed => "collapsed",
        Outcome::Pass => "pass",
        Outcome::Tunnel => "tunnel",
        Outcome::Denied => "denied",
        Outcome::Local => "local",
    }
}

/// The words of all outcomes, in the order in which they are declared and counted.
pub(crate) fn outcome_words() -> impl Iterator<Item = &'static str> {
    use Outcome::{
        Collapsed, Denied, Hit, HitNotModified, Local, Miss, Pass, Revalidated, Stale, Tunnel,
    };
    [
        Hit,
        HitNotModified,
        Stale,
        Revalidated,
        Miss,
        Collapsed,
        Pass,
        Tunnel,
        Denied,
        Local,
    ]
    .into_iter()
    .map(outcome)
}

/// The words of RFC 9211 section 2.2.
fn forward(forward: Forward) -> &'static str {
    match forward {
        Forward::Bypass => "bypass",
        Forward::Method => "method",
        Forward::UriMiss => "uri-miss",
        Forward::VaryMiss => "vary-miss",
        Forward::Miss => "miss",
        Forward::Request => "request",
        Forward::Stale => "stale",
        Forward::Partial => "partial",
    }
}

fn seconds(d: Duration, out: &mut Vec<u8>) {
    number(d.as_secs(), 1, b'0', out);
    out.push(b'.');
    number(u64::from(d.subsec_micros()), 6, b'0', out);
}

fn text(name: &str, value: &[u8], out: &mut Vec<u8>) {
    key(name, out);
    json(value, out);
}

fn count(name: &str, value: u64, out: &mut Vec<u8>) {
    key(name, out);
    number(value, 1, b'0', out);
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}
