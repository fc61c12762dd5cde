//! The report of one run, as one page.

use super::{
    faults,
    page::{WORDS, cell, page, table, tile},
    plots,
    words::{self, bytes, count, digits, escape, micros, or_dash, percent},
};
use crate::record::{Figures, Results, Share, Times};
use std::fmt::Write;

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
        plots::by_phase,
        plots::hits,
        plots::by_content,
        plots::processor,
        plots::memory,
    ] {
        body.push_str(&plot(r));
    }
    body.push_str(&phases(r));
    body.push_str(&contents(r));
    body.push_str(&mix(r));
    body.push_str(&fault_table(r));
    body.push_str(&details(r));
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
    format!(
        "<div class=\"verdict {class}\"><strong>{}</strong>{reasons}<p>{}</p></div>\n",
        escape(&what),
        escape(&more)
    )
}

fn share(s: Share) -> String {
    or_dash(s.value(), percent)
}

fn half(t: &Times) -> String {
    or_dash((t.count > 0).then_some(t.p50 as f64), micros)
}

fn most(t: &Times) -> String {
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
            &format!("99 % within {}", most(&l.hit)),
        ),
        tile(
            "miss",
            "Miss, half within",
            &half(&l.miss),
            &format!("99 % within {}", most(&l.miss)),
        ),
        tile(
            if failures > 0 { "fault" } else { "" },
            "Failures, whole run",
            &count(failures),
            &format!("in {} requests", count(r.total.requests)),
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
            &or_dash(f.hits.spared, share),
            "counted at both sides",
        ),
    ] {
        out.push_str(&t);
    }
    out.push_str("</div>\n");
    out
}

/// The cells that tables of phases and of kinds of content share.
fn cells(f: &Figures) -> String {
    let l = &f.latency;
    let mut out: String = [
        count(f.requests),
        or_dash(f.rate(), digits),
        share(f.hits.documents),
        share(f.hits.ideal),
        half(&l.hit),
        most(&l.hit),
        half(&l.miss),
        most(&l.miss),
    ]
    .iter()
    .map(|text| cell(text))
    .collect();
    let failures = f.failures();
    let class = if failures > 0 { " class=\"some\"" } else { "" };
    let _ = write!(out, "<td{class}>{}</td>", count(failures));
    out
}

const HEADS: [&str; 9] = [
    "Requests",
    "a second",
    "Hit ratio",
    "possible",
    "Hit 50 %",
    "Hit 99 %",
    "Miss 50 %",
    "Miss 99 %",
    "Failures",
];

fn phases(r: &Results) -> String {
    let mut rows = String::new();
    for p in &r.phases {
        let class = if p.measured { " class=\"quoted\"" } else { "" };
        let per = p.figures.processor().map(|(u, s)| u + s);
        let _ = writeln!(
            rows,
            "<tr{class}>{}{}{}{}</tr>",
            cell(&p.name),
            cell(&words::seconds(p.end - p.begin)),
            cells(&p.figures),
            cell(&or_dash(per, micros))
        );
    }
    let heads: Vec<_> = ["Phase", "Lasted"]
        .into_iter()
        .chain(HEADS)
        .chain(["Processor a request"])
        .collect();
    format!(
        "<section><h2>Phases</h2>\n{}<p class=\"gloss\">Figures are quoted from the phases in bold; the others warm the proxy up, fill its \
         cache, or move the rate. 50 % and 99 %: so many answers were there within this time.</p></section>\n",
        table(&heads, &rows)
    )
}

fn contents(r: &Results) -> String {
    let mut rows = String::new();
    for c in &r.contents {
        let f = &c.figures;
        let mean = (f.requests > 0).then(|| f.bytes as f64 / f.requests as f64);
        let _ = writeln!(
            rows,
            "<tr>{}{}{}</tr>",
            cell(&c.name),
            cell(&or_dash(mean, bytes)),
            cells(f)
        );
    }
    let heads: Vec<_> = ["Content", "Mean answer"]
        .into_iter()
        .chain(HEADS)
        .collect();
    format!(
        "<section><h2>Kinds of content</h2>\n{}</section>\n",
        table(&heads, &rows)
    )
}

fn mix(r: &Results) -> String {
    let f = &r.measured;
    let of = |n: u64| {
        or_dash(
            Share {
                part: n,
                whole: f.requests,
            }
            .value(),
            percent,
        )
    };
    let mut rows = String::new();
    let s = &f.sources;
    for (name, a, t, more) in [
        (
            "Hit",
            s.hit,
            Some(&f.latency.hit),
            "From the store, without a word to the origin.",
        ),
        (
            "Validated",
            s.validated,
            Some(&f.latency.validated),
            "From the store, after the origin had said that it still holds (304).",
        ),
        (
            "Miss",
            s.miss,
            Some(&f.latency.miss),
            "Fetched from the origin for this request.",
        ),
        (
            "Joined",
            s.joined,
            Some(&f.latency.joined),
            "Fetched from the origin for another request that was under way: one fetch answers several.",
        ),
        (
            "No answer",
            s.none,
            None,
            "No whole answer came; the table of faults says why.",
        ),
    ] {
        let _ = writeln!(
            rows,
            "<tr>{}{}{}{}{}{}<td class=\"words\">{}</td></tr>",
            cell(name),
            cell(&count(a.documents)),
            cell(&of(a.documents)),
            cell(&bytes(a.bytes as f64)),
            cell(&or_dash(t, half)),
            cell(&or_dash(t, most)),
            escape(more)
        );
    }
    let t = &f.types;
    format!(
        "<section><h2>Where answers came from</h2>\n{}<p class=\"gloss\">Told by the origin's own fields in the answers, never by the proxy's \
         word. Requests: {} plain, {} If-Modified-Since to be answered in full, {} to be answered 304, {} reloads; {} HEAD, {} POST; {} \
         broken off on purpose and not counted here.</p></section>\n",
        table(
            &["Source", "Answers", "share", "Bytes", "50 %", "99 %", WORDS],
            &rows
        ),
        of(t.plain),
        of(t.ims200),
        of(t.ims304),
        of(t.reload),
        of(f.methods.head),
        of(f.methods.post),
        count(f.aborted),
    )
}

fn fault_table(r: &Results) -> String {
    let mut rows = String::new();
    for fault in faults::ALL {
        let (name, more) = faults::words(fault);
        let of = |f: &Figures| f.faults.get(&fault).copied().unwrap_or(0);
        let (all, measured) = (of(&r.total), of(&r.measured));
        let class = if all > 0 && fault.is_failure() {
            " class=\"some\""
        } else {
            ""
        };
        let _ = writeln!(
            rows,
            "<tr>{}<td{class}>{}</td><td>{}</td><td class=\"words\">{}</td></tr>",
            cell(name),
            count(all),
            count(measured),
            escape(more)
        );
    }
    format!(
        "<section><h2>Faults</h2>\n{}<p class=\"gloss\">The robots know what every answer should be, so they look at each. The exchanges \
         themselves are kept in the run's output directory.</p></section>\n",
        table(&["Fault", "Whole run", "quoted phases", WORDS], &rows)
    )
}

fn details(r: &Results) -> String {
    let (i, h, f) = (&r.identity, &r.host, &r.measured);
    let late = &f.lateness;
    let within = |t: &Times| match t.count {
        0 => words::or_dash(None::<f64>, micros),
        _ => format!(
            "half within {}, 99 % within {}, all within {}",
            half(t),
            most(t),
            micros(t.max as f64)
        ),
    };
    let origin = r.total.origin.map(|o| {
        format!(
            "{} requests ({} with a condition, {} answered 304), {}, {} connections",
            count(o.requests),
            count(o.conditional),
            count(o.not_modified),
            bytes(o.bytes as f64),
            count(o.connections)
        )
    });
    let generator = f.generator.filter(|_| f.seconds > 0.0).map(|g| {
        format!(
            "robots {} of a core, origin {} of a core",
            percent(g.robots / f.seconds),
            percent(g.origin / f.seconds)
        )
    });
    let mut rows = String::new();
    for (name, text) in [
        (
            "Workload",
            format!(
                "{}, seed {}, lengths times {}",
                i.workload,
                i.seed,
                digits(i.scale)
            ),
        ),
        ("Proxy's cache", or_dash(i.cache, |c| bytes(c as f64))),
        (
            "Machine",
            format!(
                "{} cores, {}, {}, {}",
                h.cores,
                h.processor,
                bytes(h.memory as f64),
                h.kernel
            ),
        ),
        ("Generator late by", within(late)),
        ("Waited for a connection", within(&f.queueing)),
        ("Generator's own threads", or_dash(generator, |g| g)),
        ("First byte, hits", within(&f.first_byte.hit)),
        ("First byte, misses", within(&f.first_byte.miss)),
        ("Origin, whole run", or_dash(origin, |o| o)),
        (
            "Hit ratio of plain GETs for what may be stored",
            format!(
                "{}, {} was possible",
                share(f.hits.cachable),
                share(f.hits.ideal_cachable)
            ),
        ),
        (
            "Bytes kept from the origin",
            or_dash(f.hits.spared_bytes, share),
        ),
    ] {
        let _ = writeln!(rows, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&text));
    }
    format!("<section><h2>How it was measured</h2>\n<dl>\n{rows}</dl></section>\n")
}
