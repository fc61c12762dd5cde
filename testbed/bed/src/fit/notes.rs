//! What is said at each figure of a fitted workload: measured from how much, or assumed.

use super::choose::Chosen;
use crate::workload::Distribution;
use std::collections::BTreeMap;

/// Comments, by the part or key of the file that they stand above.
#[derive(Debug, Default)]
pub(super) struct Notes(pub(super) BTreeMap<String, Vec<String>>);

impl Notes {
    pub(super) fn add(&mut self, key: &str, note: String) {
        self.0.entry(key.to_owned()).or_default().push(note);
    }

    pub(super) fn chosen(&mut self, key: &str, chosen: Option<&Chosen>, what: &str) {
        let note = match chosen {
            None => {
                format!("Assumed, as PolyMix has it: the log has too few {what}.")
            }
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

/// A length of time in words.
pub(super) fn long(seconds: u64) -> String {
    match seconds {
        0..=299 => format!("{seconds} seconds"),
        300..=17_999 => format!("{} minutes", seconds / 60),
        18_000..=359_999 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
