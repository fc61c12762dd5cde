//! The report of one run, as one page.

use super::{
    adapted::adapted,
    page::{page, tile},
    plots, sections,
    spread::spread,
    words::{self, bytes, count, digits, escape, micros, or_dash, percent},
};
use crate::record::{Results, Share, Spared, Times};

/// The report as one HTML file that names nothing outside itself.
#[must_use]
pub fn html(r: &Results) -> String {
    let mut body = String::new();
    body.push_str(&opening(r));
    body.push_str(&verdict(r));
    body.push_str(&summary(r));
    for plot in [
        plots::rate,
        plots::times,
        spread,
        plots::by_phase,
        plots::hits,
        plots::by_content,
        plots::processor,
        plots::memory,
    ] {
        body.push_str(&plot(r));
    }
    body.push_str(&sections::phases(r));
    body.push_str(&sections::contents(r));
    body.push_str(&sections::mix(r));
    body.push_str(&sections::fault_table(r));
    body.push_str(&adapted(r));
    body.push_str(&sections::details(r));
    page(
        &format!("{} through {}", r.identity.workload, r.identity.proxy),
        &body,
    )
}

fn opening(r: &Results) -> String {
    let i = &r.identity;
    // The year 9999 is the last one that HTTP has a date for (RFC 9110, 5.6.7: four digits).
    let began = u64::try_from(i.began).unwrap_or(0).min(253_402_300_799);
    let began = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(began));
    let date = began.map(httpdate::fmt_http_date).unwrap_or_default();
    let start = i
        .start
        .as_deref()
        .map(|s| format!(" ({s})"))
        .unwrap_or_default();
    format!(
        "<header><h1>{} through {}{}</h1>\n<p class=\"soft\">{} proxy, up to {} requests a second from {} robots, {} long, {}</p></header>\n",
        escape(&i.workload),
        escape(&i.proxy),
        escape(&start),
        escape(&i.mode),
        digits(r.schedule.peak),
        count(u64::from(r.schedule.robots)),
        words::seconds(r.total.seconds),
        escape(&date),
    )
}

fn verdict(r: &Results) -> String {
    let failures = r.total.failures();
    let (class, what, more) = match (r.validity.valid, failures) {
        (true, 0) => (
            "good",
            "A valid run without failures.".to_owned(),
            "The generator kept its schedule, and every answer was what the origin's rules allow, byte for byte.".to_owned(),
        ),
        (true, n) => (
            "bad",
            format!("A valid run, in which the proxy failed {} times.", count(n)),
            "The generator kept its schedule. What went wrong is in the table of faults below.".to_owned(),
        ),
        (false, n) => (
            "warn",
            "Not a valid run: do not quote its figures.".to_owned(),
            match n {
                0 => "No failure was seen.".to_owned(),
                n => format!("There were {} failures beside.", count(n)),
            },
        ),
    };
    let reasons: String = r
        .validity
        .reasons
        .iter()
        .map(|r| format!("<li>{}</li>", escape(r)))
        .collect();
    let reasons = if reasons.is_empty() {
        reasons
    } else {
        format!("<ul>{reasons}</ul>")
    };
    let doubts = r.validity.doubts.iter();
    let doubts: String = doubts
        .map(|doubt| format!("<p>In doubt: {}.</p>", escape(doubt)))
        .collect();
    format!(
        "<div class=\"verdict {class}\"><strong>{}</strong>{reasons}<p>{}</p>{doubts}</div>\n",
        escape(&what),
        escape(&more)
    )
}

/// A share, or a dash.
pub(crate) fn share(s: Share) -> String {
    or_dash(s.value(), percent)
}

/// The median, or a dash.
pub(crate) fn half(t: &Times) -> String {
    or_dash((t.count > 0).then_some(t.p50 as f64), micros)
}

/// The 99th percentile, or a dash.
pub(crate) fn most(t: &Times) -> String {
    or_dash((t.count > 0).then_some(t.p99 as f64), micros)
}

fn summary(r: &Results) -> String {
    let f = &r.measured;
    let quoted: Vec<_> = r
        .phases
        .iter()
        .filter(|p| p.measured)
        .map(|p| p.name.as_str())
        .collect();
    let over = if quoted.is_empty() {
        "all phases".to_owned()
    } else {
        quoted.join(", ")
    };
    let l = &f.latency;
    let processor = f.processor();
    let mut out = format!(
        "<p>Figures are of {} ({}). In that time robots made {} requests. The proxy answered {} of them from its store; a store with room \
         for everything could have answered {}. Half of the hits were there within {}, half of the misses within {}.</p>\n<div class=\"tiles\">\n",
        escape(&over),
        words::seconds(f.seconds),
        count(f.requests),
        share(f.hits.documents),
        share(f.hits.ideal),
        half(&l.hit),
        half(&l.miss),
    );
    let failures = r.total.failures();
    for t in [
        tile(
            "",
            "Requests",
            &count(f.requests),
            &format!("{} a second", or_dash(f.rate(), digits)),
        ),
        tile(
            "hit",
            "Hit ratio",
            &share(f.hits.documents),
            &format!(
                "{} was possible; {} of bytes",
                share(f.hits.ideal),
                share(f.hits.bytes)
            ),
        ),
        tile(
            "hit",
            "Hit, half within",
            &half(&l.hit),
            &format!(
                "99 % within {}; since sent {} and {}",
                most(&l.hit),
                half(&f.service.hit),
                most(&f.service.hit)
            ),
        ),
        tile(
            "miss",
            "Miss, half within",
            &half(&l.miss),
            &format!(
                "99 % within {}; since sent {} and {}",
                most(&l.miss),
                half(&f.service.miss),
                most(&f.service.miss)
            ),
        ),
        tile(
            if failures > 0 { "fault" } else { "" },
            "Failures, whole run",
            &count(failures),
            &format!("in {} requests", count(r.total.requests + r.total.aborted)),
        ),
        tile(
            "",
            "Processor time a request",
            &or_dash(processor, |(u, s)| micros(u + s)),
            &or_dash(processor, |(u, s)| {
                format!("{} user, {} system", micros(u), micros(s))
            }),
        ),
        tile(
            "",
            "Memory, at most",
            &or_dash(r.total.proxy, |p| bytes(p.memory as f64)),
            &or_dash(r.series.iter().rev().find_map(|s| s.memory), |m| {
                format!("{} at the end", bytes(m as f64))
            }),
        ),
        tile(
            "",
            "Requests kept from the origin",
            &or_dash(f.hits.spared.and_then(Spared::value), percent),
            "counted at both sides",
        ),
    ] {
        out.push_str(&t);
    }
    out.push_str("</div>\n");
    out
}
