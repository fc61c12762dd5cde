//! The workload that a survey's figures are of, with a note at each figure: measured from how much, or assumed.
//!
//! What a log cannot tell is taken from PolyMix (lives of objects, lengths of POSTs, connections of the origin) and said to be.
//!
//! Awkward case: nothing is embedded in a fitted page. Logs do not say what embeds what, so images are asked for directly, at their share.
//! So a fitted workload is also what a replay of the log needs: every request of the log is one arrival.

use super::{
    choose::{Chosen, Curve, choose, round},
    kinds::Kind,
    phases,
    survey::Survey,
    zipf,
};
use crate::workload::{
    Aborts, Bodies, Connections, Content, Demand, Distribution, Life, Methods, Network, Popularity,
    Types, Workload,
};
use std::collections::BTreeMap;

/// The fewest objects that a share is told from.
const FEW: u64 = 30;

/// A workload and where its figures come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The workload.
    pub workload: Workload,
    /// Comments, by the part or key of the file that they stand above.
    pub notes: BTreeMap<String, Vec<String>>,
    /// Frequencies of objects over their ranks, if there is a line through them.
    pub slope: Option<zipf::Slope>,
}

/// Why no workload can be made of a log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// No line could be used.
    #[error(
        "no usable request in {lines} lines ({bad} could not be read, {left_out} are of no use): is the format right? (--format)"
    )]
    Empty {
        /// Lines of the log.
        lines: u64,
        /// Those that are no entry.
        bad: u64,
        /// Those of requests that robots do not make.
        left_out: u64,
    },
    /// What was made is no workload: a defect of this program.
    #[error("the fitted workload is refused: {0}")]
    Workload(#[from] crate::workload::Error),
}

/// The workload of a survey.
///
/// # Errors
/// Nothing of the log could be used.
pub fn build(survey: &Survey) -> Result<Fitted, Error> {
    let requests = survey.requests;
    if requests.used == 0 {
        return Err(Error::Empty {
            lines: survey.unread.lines,
            bad: survey.unread.bad,
            left_out: survey.left_out.all(),
        });
    }
    let mut notes = Notes::default();
    let content = content(survey, &mut notes);
    let (phases, peak) = phases::phases(survey, &mut |key, note| notes.add(key, note));
    let (demand, slope) = demand(survey, peak, &mut notes);
    let share = |part: u64| round(part as f64 / requests.used as f64);
    let asked = (requests.used - requests.post).max(1);
    notes.add(
        "types",
        format!(
            "Of {asked} GET and HEAD requests: {} were answered 304, {} said no-cache (only a cache's log tells). Conditions that are \
             answered 200 leave no trace in a log: assumed none.",
            requests.not_modified, requests.reload
        ),
    );
    let types = Types {
        ims200: 0.0,
        ims304: round(requests.not_modified as f64 / asked as f64),
        reload: round(requests.reload as f64 / asked as f64),
    };
    notes.add("methods", format!("Of {} requests.", requests.used));
    let post_size = choose(
        &survey.posts,
        &[Curve::Exp, Curve::LogNormal, Curve::Uniform],
    );
    notes.chosen("post_size", post_size.as_ref(), "bodies of requests");
    let methods = Methods {
        head: share(requests.head),
        post: share(requests.post),
        post_size: post_size.map_or(Distribution::Uniform(0.0, 8192.0), |c| c.distribution),
    };
    notes.add(
        "aborts",
        format!(
            "{} of {} requests were broken off, taken to be by the client.",
            requests.aborted, requests.used
        ),
    );
    let aborts = Aborts {
        robot: share(requests.aborted),
        server: 0.0,
    };
    let connections = connections(survey, &mut notes);
    let network = network(survey, &mut notes);
    let workload = Workload {
        name: "fitted".to_owned(),
        about: format!(
            "fitted to {} requests of an access log of {:.1} hours",
            requests.used,
            survey.length().as_secs_f64() / 3600.0
        ),
        content,
        demand,
        types,
        methods,
        aborts,
        connections,
        network,
        phases,
    };
    Ok(Fitted {
        workload,
        notes: notes.0,
        slope,
    })
}

#[derive(Default)]
struct Notes(BTreeMap<String, Vec<String>>);

impl Notes {
    fn add(&mut self, key: &str, note: String) {
        self.0.entry(key.to_owned()).or_default().push(note);
    }

    fn chosen(&mut self, key: &str, chosen: Option<&Chosen>, what: &str) {
        let note = match chosen {
            None => format!("Assumed, as PolyMix has it: the log does not tell {what}."),
            Some(Chosen {
                distance: Some(d),
                of,
                ..
            }) => {
                format!("Of {of} {what}; Kolmogorov-Smirnov distance {d:.3}.")
            }
            Some(Chosen {
                distribution: Distribution::Table(t),
                of,
                ..
            }) => {
                format!(
                    "Of {of} {what}; no curve is within a distance of 0.05, so {} means of quantiles.",
                    t.len()
                )
            }
            Some(Chosen { of, .. }) => format!("Of {of} {what}, all alike."),
        };
        self.add(key, note);
    }
}

fn content(survey: &Survey, notes: &mut Notes) -> Vec<Content> {
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
        let mean = format!("objects' sizes (mean {:.0} bytes)", sizes.mean());
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

fn demand(survey: &Survey, peak: f64, notes: &mut Notes) -> (Demand, Option<zipf::Slope>) {
    let urls = &survey.urls;
    let busiest = survey.clients.busiest();
    let clients = f64::from(busiest.clients.max(1));
    notes.add(
        "demand.robot_rate",
        format!(
            "{} clients in the busiest minute, {} in all.",
            busiest.clients,
            survey.clients.distinct()
        ),
    );
    let recurrence = round(urls.again as f64 / urls.counted.max(1) as f64).min(0.999);
    notes.add(
        "demand.recurrence",
        format!(
            "{} of {} GET and HEAD requests were for one of {} URLs seen before in the log{}.",
            urls.again,
            urls.counted,
            urls.distinct,
            if urls.share() < 1.0 {
                format!(" (of a random {:.2} % of all URLs)", 100.0 * urls.share())
            } else {
                String::new()
            }
        ),
    );
    let frequencies = urls.all().map(|s| s.count.saturating_sub(1)).collect();
    let slope = zipf::slope(frequencies);
    let popularity = match slope {
        Some(line) if line.exponent >= 0.3 && line.fits >= 0.8 => {
            notes.add(
                "demand.popularity",
                format!("The slope of repeated requests over rank, of {} objects asked for five times or more; R squared {:.3}.", line.ranks, line.fits),
            );
            Popularity::Zipf {
                exponent: round(line.exponent),
            }
        }
        _ => {
            notes.add(
                "demand.popularity",
                "No line goes through repeated requests over rank: all alike.".to_owned(),
            );
            Popularity::Uniform {
                hot_set: 0.0,
                hot_share: 0.0,
            }
        }
    };
    let (window, share) = working_set(survey, peak, notes);
    let demand = Demand {
        robot_rate: round(peak / clients),
        peak: round(peak),
        recurrence,
        popularity,
        working_set: round(window as f64 / peak),
        working_set_bytes: None,
        working_set_share: share,
    };
    (demand, slope)
}

/// The most objects in the working set, and a share of the longest phase's requests that is no less.
///
/// A choice among the newest W is a number up to W: 99 of 100 are below 0.99 W. While W was not reached yet, that says how long the log is,
/// and all that was seen is the working set.
fn working_set(survey: &Survey, peak: f64, notes: &mut Notes) -> (u64, f64) {
    let urls = &survey.urls;
    let far = if urls.ages.is_empty() {
        0
    } else {
        urls.ages.value_at_quantile(0.99)
    };
    let slides = (far as f64) < 0.8 * urls.distinct as f64 && far > 0;
    let window = if slides {
        (far as f64 / 0.99).round() as u64
    } else {
        urls.distinct.max(1)
    };
    notes.add(
        "demand.working_set",
        if slides {
            format!("99 of 100 repeated requests were for one of the {far} newest objects.")
        } else {
            format!("All {window} objects: repeated requests reach back to the first ones.")
        },
    );
    // The limit by share must not be the lower one in a phase of one part of the log.
    let longest = survey.length().as_secs_f64().max(1.0) / 24.0;
    (
        window,
        round((window as f64 / (peak * longest)).max(1.0) * 1.1),
    )
}

fn connections(survey: &Survey, notes: &mut Notes) -> Connections {
    let told = survey.clients.told;
    // No curve: what counts here is the share of connections with one request and the longest.
    let chosen = choose(&survey.clients.connections, &[]);
    let what = if told {
        "connections"
    } else {
        "runs of one client's requests without a pause of 15 s, taken for connections"
    };
    notes.chosen("connections.robot", chosen.as_ref(), what);
    notes.add(
        "connections.robot_open",
        "Assumed, as PolyMix has them: a log does not tell those of the origin.".to_owned(),
    );
    Connections {
        robot: chosen.map_or(Distribution::Zipf(64), |c| c.distribution),
        robot_open: 4,
        server: Distribution::Zipf(16),
        server_idle: 15.0,
    }
}

fn network(survey: &Survey, notes: &mut Notes) -> Network {
    let chosen = choose(
        &survey.think,
        &[Curve::Normal, Curve::LogNormal, Curve::Exp],
    );
    notes.chosen(
        "network.think",
        chosen.as_ref(),
        "seconds that fetches took, the network and the body included (so no delay is added)",
    );
    let measured = chosen.is_some();
    Network {
        think: chosen.map_or(Distribution::Normal { mean: 2.5, sd: 1.0 }, |c| {
            c.distribution
        }),
        server_delay: if measured { 0.0 } else { 0.04 },
        ..Network::default()
    }
}
