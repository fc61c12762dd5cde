//! The tables of a report.

use super::{
    faults,
    html::{half, most, share},
    page::{WORDS, cell, table},
    words::{self, bytes, count, digits, escape, micros, or_dash, percent},
};
use crate::record::{Fault, Figures, Results, Share, Spared, Times};
use std::fmt::Write;

/// The cells that tables of phases and of kinds of content share.
fn cells(f: &Figures) -> String {
    let (l, sent) = (&f.latency, &f.service);
    let mut out: String = [
        count(f.requests),
        or_dash(f.rate(), digits),
        share(f.hits.documents),
        share(f.hits.ideal),
        half(&l.hit),
        most(&l.hit),
        half(&l.miss),
        most(&l.miss),
        half(&sent.hit),
        most(&sent.hit),
        half(&sent.miss),
        most(&sent.miss),
    ]
    .iter()
    .map(|text| cell(text))
    .collect();
    let failures = f.failures();
    let class = if failures > 0 { " class=\"some\"" } else { "" };
    let _ = write!(out, "<td{class}>{}</td>", count(failures));
    out
}

const HEADS: [&str; 13] = [
    "Requests",
    "a second",
    "Hit ratio",
    "possible",
    "Hit 50 %",
    "Hit 99 %",
    "Miss 50 %",
    "Miss 99 %",
    "Hit sent 50 %",
    "Hit sent 99 %",
    "Miss sent 50 %",
    "Miss sent 99 %",
    "Failures",
];

/// Each phase in a row.
pub(crate) fn phases(r: &Results) -> String {
    let mut rows = String::new();
    for p in &r.phases {
        let class = if p.measured { " class=\"quoted\"" } else { "" };
        let per = p.figures.processor().map(|(u, s)| u + s);
        let _ = writeln!(
            rows,
            "<tr{class}>{}{}{}{}{}</tr>",
            cell(&p.name),
            cell(&words::seconds(p.end - p.begin)),
            cells(&p.figures),
            cell(&or_dash(per, micros)),
            cell(&or_dash(p.figures.proxy, |p| bytes(p.memory as f64)))
        );
    }
    let heads: Vec<_> = ["Phase", "Lasted"]
        .into_iter()
        .chain(HEADS)
        .chain(["Processor a request", "Memory, at most"])
        .collect();
    format!(
        "<section><h2>Phases</h2>\n{}<p class=\"gloss\">Figures are quoted from the phases in bold; the others warm the proxy up, fill its \
         cache, or move the rate. 50 % and 99 %: so many answers were there within this time since they were due; under \"sent\", since the \
         request was sent, without how long it waited for a free connection of its robot or for one to be made.</p></section>\n",
        table(&heads, &rows)
    )
}

/// Each kind of content in a row.
pub(crate) fn contents(r: &Results) -> String {
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

/// Where answers came from, and what was asked.
pub(crate) fn mix(r: &Results) -> String {
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
            Some((&f.latency.hit, &f.service.hit)),
            "From the store, without a word to the origin.",
        ),
        (
            "Validated",
            s.validated,
            Some((&f.latency.validated, &f.service.validated)),
            "From the store, after the origin had said that it still holds (304).",
        ),
        (
            "Miss",
            s.miss,
            Some((&f.latency.miss, &f.service.miss)),
            "Fetched from the origin for this request.",
        ),
        (
            "Joined",
            s.joined,
            Some((&f.latency.joined, &f.service.joined)),
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
            "<tr>{}{}{}{}{}{}{}{}<td class=\"words\">{}</td></tr>",
            cell(name),
            cell(&count(a.documents)),
            cell(&of(a.documents)),
            cell(&bytes(a.bytes as f64)),
            cell(&or_dash(t, |t| half(t.0))),
            cell(&or_dash(t, |t| most(t.0))),
            cell(&or_dash(t, |t| half(t.1))),
            cell(&or_dash(t, |t| most(t.1))),
            escape(more)
        );
    }
    let t = &f.types;
    format!(
        "<section><h2>Where answers came from</h2>\n{}<p class=\"gloss\">Told by the origin's own fields in the answers, never by the proxy's \
         word. Times are since a request was due; those under \"sent\" leave out how long it waited for a free connection of its robot, and how long \
         one took to make. Requests: {} plain, {} If-Modified-Since to be answered in full, {} to be answered 304, {} reloads; {} HEAD, {} POST; {} \
         broken off on purpose and not counted here.</p></section>\n",
        table(
            &[
                "Source",
                "Answers",
                "share",
                "Bytes",
                "50 %",
                "99 %",
                "sent 50 %",
                "sent 99 %",
                WORDS
            ],
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

/// What went wrong.
pub(crate) fn fault_table(r: &Results) -> String {
    let mut rows = String::new();
    for fault in faults::ALL {
        let (name, more) = faults::words(fault);
        let of = |f: &Figures| f.faults.get(&fault).copied().unwrap_or(0);
        let (all, measured) = (of(&r.total), of(&r.measured));
        if fault == Fault::FalseMiss && r.identity.cache.is_none() && all == 0 {
            let _ = writeln!(
                rows,
                "<tr>{}<td colspan=\"2\">not looked for</td><td class=\"words\">{} Looked for only where a run was told the cache's \
                 size (--cache).</td></tr>",
                cell(name),
                escape(more)
            );
            continue;
        }
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
    let kept = match r.kept {
        Some(n) => format!(
            "The first {} faulty exchanges are in faults.jsonl in the run's output directory, with request, head of the answer, what it \
             should have been, and the bytes around the first difference.",
            count(n)
        ),
        None => {
            "The exchanges themselves are kept only where a run has an output directory (--out)."
                .to_owned()
        }
    };
    format!(
        "<section><h2>Faults</h2>\n{}<p class=\"gloss\">The robots know what every answer should be, so they look at each. {kept}</p></section>\n",
        table(&["Fault", "Whole run", "quoted phases", WORDS], &rows)
    )
}

/// How it was measured.
pub(crate) fn details(r: &Results) -> String {
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
            "{} requests ({} with a condition, {} answered 304), {}, {} connections; answers left {} late in the mean",
            count(o.requests),
            count(o.conditional),
            count(o.not_modified),
            bytes(o.bytes as f64),
            count(o.connections),
            micros(o.late as f64 / o.requests.max(1) as f64)
        )
    });
    let generator = f.generator.filter(|_| f.seconds > 0.0).map(|g| {
        let share = |seconds: f64| percent(seconds / f.seconds);
        let origin = match i.options.get("--origin") {
            None => format!(", origin {} of a core", share(g.origin)),
            // One of before tells none.
            Some(_) if g.origin == 0.0 => String::new(),
            Some(address) => format!(
                ", origin {} of a core of its own machine ({address}) for each of its workers in the mean",
                share(g.origin)
            ),
        };
        let more = [
            (g.judges, "decoding of what was adapted"),
            (g.beside, "what else this program did"),
        ];
        let more = more.into_iter().filter(|(seconds, _)| *seconds > 0.0);
        let more = more.map(|(seconds, what)| format!(", {what} {}", share(seconds)));
        let robots = share(g.robots);
        format!("robots {robots} of a core{origin}{}", more.collect::<String>())
    });
    // Results of before have both in one.
    let waited = match f.queueing.count > 0 && f.connecting.count == 0 {
        true => "Waited for a connection, its making included",
        false => "Waited for a free connection",
    };
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
        (waited, within(&f.queueing)),
        ("Took to make a connection", within(&f.connecting)),
        (
            "Asked again, whole run",
            or_dash(r.total.retried, |n| {
                format!(
                    "{} requests, each once and on a fresh connection: the proxy had closed the old one without an answer",
                    count(n)
                )
            }),
        ),
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
            or_dash(f.hits.spared_bytes.and_then(Spared::value), percent),
        ),
    ] {
        let _ = writeln!(rows, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&text));
    }
    format!("<section><h2>How it was measured</h2>\n<dl>\n{rows}</dl></section>\n")
}
