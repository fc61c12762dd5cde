//! The figures that two runs are compared by.

use super::words;
use crate::record::{Fault, Results, Times};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// Less is.
    Lower,
    /// More is.
    Higher,
    /// It is what was asked for, not what the proxy made of it.
    Neither,
}

/// One figure of a run, over its measured phases.
#[derive(Debug, Clone)]
pub(crate) struct Quantity {
    /// What it is, for people.
    pub(crate) name: &'static str,
    /// Its value, if the run has one.
    pub(crate) value: Option<f64>,
    /// How it is written.
    pub(crate) text: fn(f64) -> String,
    /// Which way is better.
    pub(crate) better: Better,
}

/// All of a run's figures, always the same ones in the same order.
pub(crate) fn quantities(r: &Results) -> Vec<Quantity> {
    use Better::{Higher, Lower, Neither};
    let f = &r.measured;
    let l = &f.latency;
    let of = |t: &Times, value: fn(&Times) -> f64| (t.count > 0).then(|| value(t));
    let processor = f.processor();
    let fault = |fault| f.faults.get(&fault).copied().unwrap_or(0) as f64;
    let q = |name, value, text, better| Quantity {
        name,
        value,
        text,
        better,
    };
    vec![
        q("requests a second", f.rate(), words::digits, Neither),
        q(
            "hit ratio",
            f.hits.documents.value(),
            words::percent,
            Higher,
        ),
        q(
            "hit ratio, bytes",
            f.hits.bytes.value(),
            words::percent,
            Higher,
        ),
        q(
            "hit ratio, possible",
            f.hits.ideal.value(),
            words::percent,
            Neither,
        ),
        q(
            "requests kept from the origin",
            f.hits.spared.and_then(|s| s.value()),
            words::percent,
            Higher,
        ),
        q("hit, mean", of(&l.hit, |t| t.mean), words::micros, Lower),
        q(
            "hit, 50 % within",
            of(&l.hit, |t| t.p50 as f64),
            words::micros,
            Lower,
        ),
        q(
            "hit, 90 % within",
            of(&l.hit, |t| t.p90 as f64),
            words::micros,
            Lower,
        ),
        q(
            "hit, 99 % within",
            of(&l.hit, |t| t.p99 as f64),
            words::micros,
            Lower,
        ),
        q(
            "hit, first byte, 50 % within",
            of(&f.first_byte.hit, |t| t.p50 as f64),
            words::micros,
            Lower,
        ),
        q("miss, mean", of(&l.miss, |t| t.mean), words::micros, Lower),
        q(
            "miss, 50 % within",
            of(&l.miss, |t| t.p50 as f64),
            words::micros,
            Lower,
        ),
        q(
            "miss, 99 % within",
            of(&l.miss, |t| t.p99 as f64),
            words::micros,
            Lower,
        ),
        q(
            "hit since sent, mean",
            of(&f.service.hit, |t| t.mean),
            words::micros,
            Lower,
        ),
        q(
            "hit since sent, 50 % within",
            of(&f.service.hit, |t| t.p50 as f64),
            words::micros,
            Lower,
        ),
        q(
            "hit since sent, 99 % within",
            of(&f.service.hit, |t| t.p99 as f64),
            words::micros,
            Lower,
        ),
        q(
            "miss since sent, mean",
            of(&f.service.miss, |t| t.mean),
            words::micros,
            Lower,
        ),
        q(
            "miss since sent, 50 % within",
            of(&f.service.miss, |t| t.p50 as f64),
            words::micros,
            Lower,
        ),
        q("all, mean", of(&l.all, |t| t.mean), words::micros, Lower),
        q(
            "processor a request",
            processor.map(|(u, s)| u + s),
            words::micros,
            Lower,
        ),
        q(
            "processor a request, user",
            processor.map(|p| p.0),
            words::micros,
            Lower,
        ),
        q(
            "processor a request, system",
            processor.map(|p| p.1),
            words::micros,
            Lower,
        ),
        q(
            "memory, at most",
            r.total.proxy.map(|p| p.memory as f64),
            words::bytes,
            Lower,
        ),
        q(
            "memory, at most, quoted phases",
            f.proxy.map(|p| p.memory as f64),
            words::bytes,
            Lower,
        ),
        q(
            "failures, whole run",
            Some(r.total.failures() as f64),
            words::digits,
            Lower,
        ),
        q(
            "false misses",
            r.identity.cache.map(|_| fault(Fault::FalseMiss)),
            words::digits,
            Lower,
        ),
    ]
}

/// Whether both tell of the whole workload and of all options: results of older programs do not.
pub(crate) fn known(a: &Results, b: &Results) -> bool {
    [a, b].iter().all(|r| r.identity.digest.is_some())
}

/// What else was asked of one, and not of the other.
fn others(a: &Results, b: &Results) -> Vec<String> {
    let (i, j) = (&a.identity, &b.identity);
    let mut found = Vec::new();
    if i.workload == j.workload && i.digest != j.digest {
        found.push(format!("another workload of the name {}", i.workload));
    }
    let mut names: Vec<&String> = i.options.keys().chain(j.options.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let told = |value: Option<&String>| words::or_dash(value, String::clone);
    for name in names {
        let (in_a, in_b) = (i.options.get(name), j.options.get(name));
        if in_a != in_b {
            found.push(format!(
                "another {name}: {} in A, {} in B",
                told(in_a),
                told(in_b)
            ));
        }
    }
    if i.version != j.version {
        found.push(format!(
            "another version of this program: {} in A, {} in B",
            told(i.version.as_ref()),
            told(j.version.as_ref())
        ));
    }
    found
}

/// Why two runs are not to be compared; nothing when they are.
pub(crate) fn differences(a: &Results, b: &Results) -> Vec<String> {
    let (i, j) = (&a.identity, &b.identity);
    let cache = |c: Option<u64>| words::or_dash(c, |c| words::bytes(c as f64));
    let host = |r: &Results| {
        format!(
            "{} cores of {} with {}",
            r.host.cores, r.host.processor, r.host.kernel
        )
    };
    let mut found: Vec<String> = [
        ("workload", i.workload.clone(), j.workload.clone()),
        (
            "peak rate",
            words::digits(a.schedule.peak),
            words::digits(b.schedule.peak),
        ),
        (
            "number of robots",
            a.schedule.robots.to_string(),
            b.schedule.robots.to_string(),
        ),
        (
            "working set",
            a.schedule.working_set.to_string(),
            b.schedule.working_set.to_string(),
        ),
        ("seed", i.seed.to_string(), j.seed.to_string()),
        ("scale", words::digits(i.scale), words::digits(j.scale)),
        ("mode", i.mode.clone(), j.mode.clone()),
        ("cache size", cache(i.cache), cache(j.cache)),
        ("machine", host(a), host(b)),
    ]
    .into_iter()
    .filter(|(_, a, b)| a != b)
    .map(|(what, a, b)| format!("another {what}: {a} in A, {b} in B"))
    .collect();
    if known(a, b) {
        found.extend(others(a, b));
    }
    let phases = |r: &Results| {
        let shape = r.schedule.phases.iter();
        shape
            .map(|p| (p.name.clone(), p.measured, p.seconds, p.from, p.to))
            .collect::<Vec<_>>()
    };
    if phases(a) != phases(b) {
        found.push("other phases, or of other lengths or rates".to_owned());
    }
    for (name, r) in [("A", a), ("B", b)] {
        let reasons = r.validity.reasons.iter();
        found.extend(reasons.map(|reason| format!("{name} is not valid: {reason}")));
    }
    found
}
