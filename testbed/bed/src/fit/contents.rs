//! The kinds of content of a log: shares, sizes, and what of them caches may store. Lives are PolyMix's: no log tells them.

use super::{
    choose::{Curve, choose, round},
    kinds::Kind,
    notes::Notes,
    survey::Survey,
};
use crate::workload::{Bodies, Content, Distribution, Life};

/// The fewest objects that a share or a size is told from.
const FEW: u64 = 30;

/// The kinds of content that a log has.
pub(super) fn content(survey: &Survey, notes: &mut Notes) -> Vec<Content> {
    let all: u64 = survey.kinds.iter().sum();
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let (count, sizes) = survey.of_kind(kind);
        if count == 0 {
            continue;
        }
        let (name, bodies, size, cachable, length, variance) = assumed(kind);
        notes.add(name, format!("{count} of {all} GET and HEAD requests."));
        let chosen = choose(sizes, &[Curve::Exp, Curve::LogNormal]);
        // Of a few objects neither a curve nor a table says anything but which objects they were.
        let chosen = chosen.filter(|c| c.of >= FEW);
        let mean = match &chosen {
            Some(_) => format!("objects' sizes (mean {} bytes)", round(sizes.mean())),
            None => "objects' sizes".to_owned(),
        };
        notes.chosen(&format!("{name}.size"), chosen.as_ref(), &mean);
        found.push(Content {
            name: name.to_owned(),
            bodies,
            direct: round(count as f64 / all as f64),
            size: chosen.map_or(size, |c| c.distribution),
            cachable: storable(survey, kind, name, cachable, notes),
            life: Life { length, variance },
            embeds: Vec::new(),
            ads: 0.0,
        });
    }
    if found.is_empty() {
        // A log of POSTs alone still needs something to post to.
        let (name, bodies, size, cachable, length, variance) = assumed(Kind::Html);
        notes.add(name, "Assumed: the log has no GET.".to_owned());
        found.push(Content {
            name: name.to_owned(),
            bodies,
            direct: 1.0,
            size,
            cachable,
            life: Life { length, variance },
            embeds: Vec::new(),
            ads: 0.0,
        });
    }
    found
}

/// What PolyMix says of a kind: name, bodies, sizes, cachable share, and the life cycle, which no log tells.
fn assumed(kind: Kind) -> (&'static str, Bodies, Distribution, f64, Distribution, f64) {
    const DAY: f64 = 86_400.0;
    let lognormal = |mean, sd| Distribution::LogNormal { mean, sd };
    match kind {
        Kind::Html => (
            "html",
            Bodies::Html,
            Distribution::Exp(8704.0),
            0.9,
            lognormal(7.0 * DAY, DAY),
            0.33,
        ),
        Kind::Image => (
            "image",
            Bodies::Image,
            Distribution::Exp(4608.0),
            0.8,
            lognormal(30.0 * DAY, 7.0 * DAY),
            0.5,
        ),
        Kind::Other => (
            "other",
            Bodies::Other,
            lognormal(25_600.0, 10_240.0),
            0.72,
            Distribution::Uniform(DAY, 365.0 * DAY),
            0.5,
        ),
        Kind::Download => (
            "download",
            Bodies::Download,
            lognormal(307_200.0, 307_200.0),
            0.95,
            lognormal(182.5 * DAY, 30.0 * DAY),
            0.33,
        ),
    }
}

/// The share of a kind's objects that caches may store.
///
/// A log of a cache tells it of objects that were hit (they may), that it says it may not store, or that were fetched twice and never hit (they
/// may not). Of others only the address speaks: with a query they are taken for uncachable, as caches long did (RFC 9111, 4 has
/// no such rule).
fn storable(survey: &Survey, kind: Kind, name: &str, otherwise: f64, notes: &mut Notes) -> f64 {
    let (mut may, mut may_not, mut plain, mut all) = (0u64, 0u64, 0u64, 0u64);
    for seen in survey.urls.all().filter(|s| s.kind == kind) {
        all += 1;
        plain += u64::from(!seen.query);
        may += u64::from(seen.stored);
        may_not += u64::from(!seen.stored && (seen.refused || seen.fetched >= 2));
    }
    let key = format!("{name}.cachable");
    let judged = may + may_not;
    if survey.requests.hits > 0 && judged >= FEW {
        notes.add(
            &key,
            format!("Of {judged} objects that the cache had, would not store, or fetched twice."),
        );
        return round(may as f64 / judged as f64);
    }
    if all >= FEW {
        notes.add(&key, format!("Assumed: the share of {all} objects whose address has no query; the log is not one of a cache, or too short."));
        return round(plain as f64 / all as f64);
    }
    notes.add(
        &key,
        format!("Assumed, as PolyMix has it: {all} objects are too few."),
    );
    otherwise
}
