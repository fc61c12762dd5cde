//! The workload that a survey's figures are of, with a note at each figure: measured from how much, or assumed.
//!
//! What a log cannot tell is taken from PolyMix (lives of objects, lengths of POSTs, connections of the origin) and said to be.
//!
//! Awkward case: nothing is embedded in a fitted page. Logs do not say what embeds what, so images are asked for directly, at their share.
//! So a fitted workload is also what a replay of the log needs: every request of the log is one arrival.

use super::{
    asked::{demand, popularity},
    choose::{Curve, choose, round},
    contents::content,
    notes::{Notes, long},
    phases,
    survey::Survey,
    zipf,
};
use crate::workload::{Aborts, Connections, Distribution, Methods, Network, Types, Workload};
use std::collections::BTreeMap;

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
    let mut workload = Workload {
        name: "fitted".to_owned(),
        about: format!(
            "fitted to {} requests of an access log of {}",
            requests.used,
            long(survey.length().as_secs())
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
    workload.demand.popularity = popularity(survey, &workload, slope, &mut notes);
    Ok(Fitted {
        workload,
        notes: notes.0,
        slope,
    })
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
        "times of fetches, in seconds, the network and the body included (so no delay is added)",
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
