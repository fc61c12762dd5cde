//! The plots of a report, each a section of the page.

use super::{
    page::figure,
    svg::{Plot, Scale},
    words::{self, bytes, count, digits, micros, or_dash, percent},
};
use crate::record::{BySource, Figures, Results, Slot, Times};

/// Tooltips over time: no more than these, so a long run's page stays small.
const TIPS: usize = 200;

/// Where the middle of a slot lies.
fn middle(results: &Results, number: usize) -> f64 {
    (number as f64 + 0.5) * results.slot
}

fn end(results: &Results) -> f64 {
    let slots = results.series.len() as f64 * results.slot;
    results.phases.last().map_or(slots, |p| p.end.max(slots))
}

/// A line over time: its class, and its value in a slot.
type Line<'a> = (&'a str, &'a dyn Fn(&Slot) -> Option<f64>);

/// A plot over time with its bands, axes and tooltips; `lines` are class and value.
fn over_time(
    results: &Results,
    label: &str,
    scale: Scale,
    text: impl Fn(f64) -> String,
    lines: &[Line<'_>],
    tip: impl Fn(&Slot) -> String,
) -> String {
    let mut plot = Plot::new(300.0, (0.0, end(results)), scale, label);
    let bands = results.phases.iter();
    plot.bands(bands.map(|p| (p.begin, p.end, p.name.as_str(), p.measured)));
    plot.heights(text);
    plot.clock();
    for (class, value) in lines {
        let points = results.series.iter().enumerate();
        plot.line(class, points.map(|(n, s)| (middle(results, n), value(s))));
    }
    let step = results.series.len().div_ceil(TIPS).max(1);
    let tips = results.series.iter().enumerate().step_by(step);
    plot.tips(tips.map(|(n, slot)| {
        let begin = n as f64 * results.slot;
        let at = words::seconds(begin);
        (
            begin,
            begin + step as f64 * results.slot,
            format!("at {at}\n{}", tip(slot)),
        )
    }));
    plot.finish()
}

/// The largest of these values, with some room above.
fn top(values: impl Iterator<Item = Option<f64>>) -> f64 {
    values
        .flatten()
        .filter(|v| v.is_finite())
        .fold(0.0, f64::max)
        * 1.08
}

/// A logarithmic scale around all these times (microseconds), from a round number to a whole decade.
pub(crate) fn around(times: impl Iterator<Item = u64>) -> Scale {
    let (mut low, mut high) = (f64::MAX, 1.0f64);
    for time in times.filter(|t| *t > 0) {
        (low, high) = (low.min(time as f64), high.max(time as f64));
    }
    if low > high {
        return Scale::Log(100.0, 1e7);
    }
    // Room for a number below the lowest mark.
    let power = 10f64.powf((low / 2.5).log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|m| m * power);
    let low = steps.into_iter().find(|s| *s <= low / 2.5).unwrap_or(power);
    Scale::Log(low, 10f64.powf(high.log10().ceil()).max(low * 10.0))
}

/// Requests a second.
pub(crate) fn rate(r: &Results) -> String {
    let per = move |n: u64| n as f64 / r.slot;
    let highest = top(r.series.iter().map(|s| Some(per(s.due.max(s.done)))));
    let svg = over_time(
        r,
        "Requests a second over time",
        Scale::Linear(highest),
        digits,
        &[
            ("ideal dashed", &|s| Some(per(s.due))),
            ("other", &|s| Some(per(s.done))),
            ("failure", &|s| (s.failures > 0).then(|| per(s.failures))),
        ],
        |s| {
            format!(
                "{} due, {} answered a second\n{} failures\n{} connections open",
                digits(per(s.due)),
                digits(per(s.done)),
                count(s.failures),
                or_dash(s.connections, count)
            )
        },
    );
    figure(
        "Load",
        &[
            ("other", "answered a second"),
            ("ideal dashed", "due a second"),
            ("failure", "failures a second"),
            ("bandkey block", "phases that figures are quoted from"),
        ],
        &svg,
        "What the schedule asked for and what was answered. While answers follow what is due, later by as long as a miss takes, the proxy \
         keeps up; where they stay behind, requests wait, and the waiting is in the times below.",
    )
}

/// Response times over time.
pub(crate) fn times(r: &Results) -> String {
    let all = r.series.iter();
    let all = all.flat_map(|s| [s.hit_p50, s.hit_p99, s.miss_p50, s.miss_p99]);
    let value = |t: Option<u64>| t.map(|t| t as f64);
    let svg = over_time(
        r,
        "Response times of hits and misses over time",
        around(all.flatten()),
        micros,
        &[
            ("miss thin", &|s| value(s.miss_p99)),
            ("hit thin", &|s| value(s.hit_p99)),
            ("miss", &|s| value(s.miss_p50)),
            ("hit", &|s| value(s.hit_p50)),
        ],
        |s| {
            let pair = |a, b| {
                let text = |t: Option<u64>| or_dash(t, |t| micros(t as f64));
                format!("{}, 99 % within {}", text(a), text(b))
            };
            format!(
                "hits: half within {}\nmisses: half within {}",
                pair(s.hit_p50, s.hit_p99),
                pair(s.miss_p50, s.miss_p99)
            )
        },
    );
    figure(
        "Response times",
        &[
            ("hit", "hit, half within"),
            ("hit thin", "hit, 99 % within"),
            ("miss", "miss, half within"),
            ("miss thin", "miss, 99 % within"),
        ],
        &svg,
        "From the moment a request was due to the last byte of its answer; each step up the axis is ten times as long. A hit comes from \
         the proxy's store; a miss is fetched from the origin, whose own thinking and network are most of its time.",
    )
}

/// Hit ratio over time.
pub(crate) fn hits(r: &Results) -> String {
    let share = |part: u64, s: &Slot| (s.done > 0).then(|| part as f64 / s.done as f64);
    let looked = r.identity.cache.is_some();
    let svg = over_time(
        r,
        "Hit ratio over time",
        Scale::Linear(1.0),
        |v| format!("{:.0} %", v * 100.0),
        &[
            ("ideal dashed", &|s| share(s.ideal, s)),
            ("hit", &|s| share(s.hits, s)),
        ],
        |s| {
            format!(
                "hit ratio {}, possible {}{}",
                or_dash(share(s.hits, s), percent),
                or_dash(share(s.ideal, s), percent),
                match looked {
                    true => format!("\n{} false misses", count(s.false_misses)),
                    false => String::new(),
                }
            )
        },
    );
    figure(
        "Hit ratio",
        &[
            ("hit", "answered from the store"),
            ("ideal dashed", "possible with room for everything"),
        ],
        &svg,
        "The share of all requests that the proxy answered from its store alone. The dashed line counts what had been asked for before, \
         may be stored and was still fresh: no cache can be above it for long, and a cache of limited size is below it.",
    )
}

/// The proxy's memory over time.
pub(crate) fn memory(r: &Results) -> String {
    let value = |s: &Slot| s.memory.map(|m| m as f64);
    if !r.series.iter().any(|s| s.memory.is_some()) {
        return String::new();
    }
    // Lines across at whole units.
    let highest = top(r.series.iter().map(value));
    let unit = 1024f64.powf((highest.max(1.0).log2() / 10.0).floor().min(3.0));
    let svg = over_time(
        r,
        "Memory of the proxy over time",
        Scale::Linear(highest / unit),
        |v| bytes(v * unit),
        &[("other", &|s| value(s).map(|v| v / unit))],
        |s| or_dash(value(s), bytes),
    );
    figure(
        "Memory of the proxy",
        &[("other", "memory of all its processes")],
        &svg,
        "What its processes had of the machine's memory; pages that several of them share are counted once (PSS). A cache in memory grows \
         until it is full.",
    )
}

/// The proxy's processor time over time.
pub(crate) fn processor(r: &Results) -> String {
    if !r.series.iter().any(|s| s.processor.is_some()) {
        return String::new();
    }
    let svg = over_time(
        r,
        "Processor time of the proxy over time",
        Scale::Linear(top(r.series.iter().map(|s| s.processor))),
        digits,
        &[("other", &|s| s.processor)],
        |s| format!("{} cores busy", or_dash(s.processor, digits)),
    );
    figure(
        "Processor time of the proxy",
        &[("other", "cores that it kept busy")],
        &svg,
        "How many cores its processes kept busy, user and system time together; 1 is a whole core.",
    )
}

/// Response times of parts of the run side by side.
fn side_by_side(label: &str, parts: &[(String, &BySource)]) -> String {
    let marks = parts.iter().flat_map(|(_, l)| [&l.hit, &l.miss]);
    let marks = marks.filter(|t| t.count > 0).flat_map(|t| [t.p5, t.p99]);
    let width = parts.len().max(1) as f64;
    let mut plot = Plot::new(300.0, (0.0, width), around(marks), label);
    plot.heights(micros);
    plot.names(
        &parts
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>(),
    );
    for (n, (name, latency)) in parts.iter().enumerate() {
        for (class, what, times, at) in [
            ("hit", "hits", &latency.hit, 0.27),
            ("miss", "misses", &latency.miss, 0.53),
        ] {
            if times.count == 0 {
                continue;
            }
            range(
                &mut plot,
                class,
                &format!("{name}: {what}"),
                times,
                n as f64 + at,
            );
        }
    }
    plot.finish()
}

fn range(plot: &mut Plot, class: &str, what: &str, t: &Times, at: f64) {
    let place = (at, 0.2);
    let title = format!(
        "{what}, {} answers\n5 % within {}\nhalf within {}\n95 % within {}\n99 % within {}",
        count(t.count),
        micros(t.p5 as f64),
        micros(t.p50 as f64),
        micros(t.p95 as f64),
        micros(t.p99 as f64),
    );
    let class_range = format!("{class} range");
    plot.bar(&class_range, place, (t.p5 as f64, t.p95 as f64), &title);
    plot.tick(class, place, t.p50 as f64, &title);
    plot.tick(
        &format!("{class} thin"),
        (at + 0.05, 0.1),
        t.p99 as f64,
        &title,
    );
    // Hits are below misses nearly always, so their numbers are out of each other's way.
    let (edge, below) = if class == "hit" {
        (t.p5, true)
    } else {
        (t.p99, false)
    };
    plot.note(at + 0.1, edge as f64, below, &micros(t.p50 as f64));
}

const RANGES: [(&str, &str); 4] = [
    ("hit", "hit, half within (number below)"),
    ("hit block faint", "hit, 5 % to 95 %"),
    ("miss", "miss, half within (number above)"),
    ("miss block faint", "miss, 5 % to 95 %"),
];

/// Response times of parts of the run, since requests were due and since they were sent: a figure of each. `of` is what they are by.
fn both(of: &str, parts: &[(&str, &Figures)], gloss: &str) -> String {
    let figure_of = |since: &str, times: fn(&Figures) -> &BySource, more: &str| {
        let parts: Vec<_> = parts
            .iter()
            .map(|(name, figures)| ((*name).to_owned(), times(figures)))
            .collect();
        let label = format!("Response times of hits and misses by {of}, since {since}");
        figure(
            &format!("Response times by {of}, since {since}"),
            &RANGES,
            &side_by_side(&label, &parts),
            &format!("{gloss}{more}"),
        )
    };
    let due = figure_of("due", |f| &f.latency, "");
    let sent = figure_of(
        "sent",
        |f| &f.service,
        " Without how long requests waited for a free connection of their robot, or for one to be made: the proxy's own time, and that of \
         what is behind it.",
    );
    due + &sent
}

/// Response times by phase.
pub(crate) fn by_phase(r: &Results) -> String {
    let phases = r.phases.iter().filter(|p| p.figures.latency.all.count > 0);
    let parts: Vec<_> = phases.map(|p| (p.name.as_str(), &p.figures)).collect();
    both(
        "phase",
        &parts,
        "Each block reaches from the time that 5 % of answers were within to the time that 95 % were within; the thick line is the half, \
         the thin line above it is where 99 % were within. Longer blocks are less steady answers.",
    )
}

/// Response times by kind of content.
pub(crate) fn by_content(r: &Results) -> String {
    let contents = r.contents.iter();
    let parts: Vec<_> = contents.map(|c| (c.name.as_str(), &c.figures)).collect();
    both(
        "kind of content",
        &parts,
        "Over the phases that figures are quoted from. Larger objects take longer to send, so downloads stand above images.",
    )
}
