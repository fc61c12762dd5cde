//! What the shape of a workload must also be: shares within 0 and 1, distributions that have numbers, names that are there.
//!
//! Invariant: what passes here makes no part of the testbed panic or run without end. Every refusal names the key as the file would
//! (`content[2].size.exp`), says what it must be and what it is.

mod value;

use super::{Bodies, Content, Demand, PhaseShape, Popularity, Types, Workload};
use std::collections::HashSet;
use value::{Checked, MOST, above, distribution, number, positive, share, shares, that};

/// The most kinds of content; a kind's number is a byte.
const MOST_KINDS: usize = 200;
/// The most phases.
const MOST_PHASES: usize = 1000;
/// The highest rate, requests a second, and the most seconds of a phase.
const MOST_RATE: f64 = 1e7;

pub(super) fn check(workload: &Workload) -> Checked {
    that(
        !workload.name.trim().is_empty(),
        "name",
        "must not be empty",
    )?;
    contents(&workload.content)?;
    demand(&workload.demand)?;
    types(&workload.types)?;
    let methods = &workload.methods;
    shares("methods", &[("head", methods.head), ("post", methods.post)])?;
    distribution("methods.post_size", &methods.post_size)?;
    let size = methods.post_size.mean();
    let biggest = "must have a mean of at most 1 MiB";
    that(size <= 1048576.0, "methods.post_size", biggest)?;
    share("aborts.robot", workload.aborts.robot)?;
    share("aborts.server", workload.aborts.server)?;
    connections(workload)?;
    network(workload)?;
    phases(workload)
}

fn contents(contents: &[Content]) -> Checked {
    let some = (1..=MOST_KINDS).contains(&contents.len());
    that(some, "content", &format!("must be 1 to {MOST_KINDS} kinds"))?;
    let mut seen = HashSet::new();
    for (n, content) in contents.iter().enumerate() {
        let at = |key: &str| format!("content[{n}].{key}");
        let name = content.name.as_str();
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        that(
            (1..=32).contains(&name.len()) && name.bytes().all(plain) && name != "ads",
            &at("name"),
            "must be 1 to 32 lower-case letters, digits and `-`, and not \"ads\", which paths of advertisements begin with",
        )?;
        that(
            seen.insert(name),
            &at("name"),
            &format!("is a second {name:?}: names must differ"),
        )?;
        number(&at("direct"), content.direct, 0.0, MOST)?;
        positive(&at("size"), &content.size)?;
        share(&at("cachable"), content.cachable)?;
        positive(&at("life.length"), &content.life.length)?;
        share(&at("life.variance"), content.life.variance)?;
        share(&at("ads"), content.ads)?;
        let page = content.bodies == Bodies::Html;
        that(
            page || content.embeds.is_empty(),
            &at("embeds"),
            "must be left out: only `bodies = \"html\"` can embed",
        )?;
        that(
            content.embeds.len() <= MOST_KINDS,
            &at("embeds"),
            &format!("must be at most {MOST_KINDS}"),
        )?;
        for (m, embeds) in content.embeds.iter().enumerate() {
            let at = |key: &str| format!("content[{n}].embeds[{m}].{key}");
            let Some(found) = contents.iter().find(|c| c.name == embeds.content) else {
                let what = format!("is {:?}, and no content has that name", embeds.content);
                return that(false, &at("content"), &what);
            };
            that(
                found.embeds.is_empty(),
                &at("content"),
                &format!(
                    "is {:?}, which itself embeds: one level is all there is",
                    embeds.content
                ),
            )?;
            distribution(&at("count"), &embeds.count)?;
        }
    }
    let direct: f64 = contents.iter().map(|c| c.direct).sum();
    that(
        direct > 0.0,
        "content",
        "must have a kind of `direct` above 0: nothing is asked for",
    )
}

fn demand(demand: &Demand) -> Checked {
    above("demand.robot_rate", demand.robot_rate, MOST_RATE)?;
    above("demand.peak", demand.peak, MOST_RATE)?;
    share("demand.recurrence", demand.recurrence)?;
    match demand.popularity {
        Popularity::Uniform { hot_set, hot_share } => {
            share("demand.popularity.uniform.hot_set", hot_set)?;
            share("demand.popularity.uniform.hot_share", hot_share)?;
            let both = (hot_set > 0.0) == (hot_share > 0.0);
            let cure = "must be above 0 when `hot_share` is, and 0 when that is 0";
            that(both, "demand.popularity.uniform.hot_set", cure)?;
        }
        Popularity::Zipf { exponent } => {
            number("demand.popularity.zipf.exponent", exponent, 0.0, 10.0)?;
        }
    }
    above("demand.working_set", demand.working_set, MOST)?;
    above("demand.working_set_share", demand.working_set_share, MOST)?;
    (demand.working_set_bytes).map_or(Ok(()), |b| above("demand.working_set_bytes", b, 1e18))
}

fn types(types: &Types) -> Checked {
    let all = [
        ("ims200", types.ims200),
        ("ims304", types.ims304),
        ("reload", types.reload),
    ];
    shares("types", &all)
}

fn connections(workload: &Workload) -> Checked {
    let connections = &workload.connections;
    for (key, dist) in [
        ("connections.robot", &connections.robot),
        ("connections.server", &connections.server),
    ] {
        distribution(key, dist)?;
        that(
            dist.mean() >= 1.0,
            key,
            "must have a mean of at least 1: a connection carries a request",
        )?;
    }
    let open = (1..=1000).contains(&connections.robot_open);
    that(open, "connections.robot_open", "must be 1 to 1000")?;
    above("connections.server_idle", connections.server_idle, 86400.0)
}

fn network(workload: &Workload) -> Checked {
    let network = &workload.network;
    distribution("network.think", &network.think)?;
    that(
        network.think.mean() <= 3600.0,
        "network.think",
        "must have a mean of at most an hour, 3600",
    )?;
    number("network.server_delay", network.server_delay, 0.0, 60.0)?;
    number("network.client_delay", network.client_delay, 0.0, 60.0)?;
    number("network.server_loss", network.server_loss, 0.0, 0.5)?;
    number("network.client_loss", network.client_loss, 0.0, 0.5)
}

fn phases(workload: &Workload) -> Checked {
    let phases = &workload.phases;
    let some = (1..=MOST_PHASES).contains(&phases.len());
    that(some, "phases", &format!("must be 1 to {MOST_PHASES}"))?;
    let mut seen = HashSet::new();
    for (n, phase) in phases.iter().enumerate() {
        let at = |key: &str| format!("phases[{n}].{key}");
        let name = phase.name.trim();
        that(
            (1..=64).contains(&name.len()),
            &at("name"),
            "must be 1 to 64 bytes",
        )?;
        that(
            seen.insert(name),
            &at("name"),
            &format!("is a second {name:?}: names must differ"),
        )?;
        above(&at("seconds"), phase.seconds, MOST_RATE)?;
        share(&at("from"), phase.from)?;
        share(&at("to"), phase.to)?;
        phase
            .until_fill
            .map_or(Ok(()), |f| above(&at("until_fill"), f, 1000.0))?;
        factors(workload, phase, &at)?;
    }
    that(
        phases.iter().any(|p| p.from + p.to > 0.0),
        "phases",
        "must have one whose `from` or `to` is above 0: nothing is asked for",
    )
}

/// A factor must leave a share a share; else what runs is not what the file says.
fn factors(workload: &Workload, phase: &PhaseShape, at: &dyn Fn(&str) -> String) -> Checked {
    number(&at("recurrence"), phase.recurrence, 0.0, MOST)?;
    number(&at("special"), phase.special, 0.0, MOST)?;
    // A little more than 1 is a factor like 55/5 that a file has rounded.
    let whole = 1.0 + 1e-6;
    let recurrence = workload.demand.recurrence * phase.recurrence;
    that(
        recurrence <= whole,
        &at("recurrence"),
        &format!("makes `demand.recurrence` {recurrence}: it must be at most 1"),
    )?;
    let types = &workload.types;
    let special = (types.ims200 + types.ims304 + types.reload) * phase.special;
    that(
        special <= whole,
        &at("special"),
        &format!("makes the sum of `types` {special}: it must be at most 1"),
    )
}

#[cfg(test)]
mod tests;
