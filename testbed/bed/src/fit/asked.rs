//! How a log's clients choose: recurrence, working set, popularity, and how fast one asks.

use super::{choose::round, notes::Notes, popularity, survey::Survey, zipf};
use crate::workload::{Demand, Popularity, Workload};

/// How a log's clients choose and how fast; the popularity is to be found yet.
pub(super) fn demand(
    survey: &Survey,
    peak: f64,
    notes: &mut Notes,
) -> (Demand, Option<zipf::Slope>) {
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
    if survey.requests.cut > 0 {
        notes.add(
            "demand.recurrence",
            format!(
                "{} of them had a query that the log leaves out (Squid: strip_query_terms): URLs that differ there alone count as one, so \
                 recurrence is less than this says.",
                survey.requests.cut
            ),
        );
    }
    let frequencies = urls.all().map(|s| s.count.saturating_sub(1)).collect();
    let slope = zipf::slope(frequencies);
    let (window, share) = working_set(survey, peak, notes);
    let demand = Demand {
        robot_rate: round(peak / clients),
        peak: round(peak),
        recurrence,
        // Known when the rest is.
        popularity: Popularity::Uniform {
            hot_set: 0.0,
            hot_share: 0.0,
        },
        working_set: round(window as f64 / peak),
        working_set_bytes: None,
        working_set_share: share,
    };
    (demand, slope)
}

/// How popular objects are: by making the log's beginning again, where it is long enough; else by the slope.
pub(super) fn popularity(
    survey: &Survey,
    workload: &Workload,
    slope: Option<zipf::Slope>,
    notes: &mut Notes,
) -> Popularity {
    let window = (workload.demand.working_set * workload.demand.peak).round() as u64;
    let found = popularity::find(&survey.urls.early, workload, window, slope);
    if let Some(line) = slope {
        notes.add(
            "demand.popularity",
            format!(
                "The slope of repeated requests over rank is {:.3} through {} objects asked for five times or more; R squared {:.3}.",
                line.exponent, line.ranks, line.fits
            ),
        );
    }
    if let Some(found) = found {
        notes.add(
            "demand.popularity",
            format!(
                "Made again this way, the log's first {} requests have popular parts of objects within {:.3} of their shares of repeated \
                 requests; the best of the other kind (uniform, Zipf) {:.3}.",
                popularity::EARLY.min(survey.urls.counted), found.off, found.other
            ),
        );
        return found.popularity;
    }
    match slope {
        Some(line) if line.exponent >= 0.3 && line.fits >= 0.8 => Popularity::Zipf {
            exponent: round(line.exponent),
        },
        _ => {
            notes.add(
                "demand.popularity",
                "Too few repeated requests, and no line through them: all alike.".to_owned(),
            );
            Popularity::Uniform {
                hot_set: 0.0,
                hot_share: 0.0,
            }
        }
    }
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
