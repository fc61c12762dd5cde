//! A workload in words, before it runs: its phases, and what is to be expected of it.

use super::{Expected, Schedule, Workload};
use std::fmt::Write;

/// What will run: phases with their rates, the mix, and the hit ratio of an ideal cache.
#[must_use]
pub fn describe(workload: &Workload, schedule: &Schedule) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut text, workload, schedule);
    text
}

fn write(text: &mut String, workload: &Workload, schedule: &Schedule) -> std::fmt::Result {
    let expected = Expected::new(workload);
    writeln!(text, "{}: {}", workload.name, workload.about)?;
    writeln!(
        text,
        "{} robots, {:.1} requests/s at peak, a working set of {} objects, {} at most",
        schedule.robots,
        schedule.peak,
        schedule.working_set,
        time(schedule.seconds()),
    )?;
    writeln!(
        text,
        "\n{:<10} {:>10} {:>10} {:>17} {:>12} {:>10}",
        "phase", "begins", "lasts", "requests/s", "requests", "ideal hits"
    )?;
    for phase in &schedule.phases {
        let notes = match phase.until_stored {
            Some(bytes) => {
                let rate = phase.requests() / phase.seconds
                    * (1.0 - workload.demand.recurrence * phase.recurrence)
                    * expected.cachable_size;
                let about = time(bytes as f64 / rate);
                format!("  until {} are stored, about {about}", amount(bytes as f64))
            }
            None if phase.measured => "  measured".to_owned(),
            None => String::new(),
        };
        writeln!(
            text,
            "{:<10} {:>10} {:>10} {:>8.1}-{:<8.1} {:>12.0} {:>8.1} %{notes}",
            phase.name,
            time(phase.begin),
            time(phase.seconds),
            phase.from,
            phase.to,
            phase.requests(),
            100.0 * expected.hits * phase.recurrence,
        )?;
    }
    let requests: f64 = schedule.phases.iter().map(super::Phase::requests).sum();
    writeln!(
        text,
        "\n{requests:.0} requests for {} in all, {:.2} embedded to each direct one; on a plateau an ideal cache has {:.1} % hits by \
         documents, {:.1} % by bytes, of {:.1} % that may be stored; mean size {}",
        amount(requests * expected.size),
        expected.embedded,
        100.0 * expected.hits,
        100.0 * expected.hit_bytes,
        100.0 * expected.cachable,
        amount(expected.size),
    )?;
    writeln!(
        text,
        "\n{:<14} {:>8} {:>10} {:>9}",
        "content", "requests", "mean size", "cachable"
    )?;
    for (content, share) in workload.content.iter().zip(&expected.shares) {
        writeln!(
            text,
            "{:<14} {:>6.1} % {:>10} {:>7.1} %",
            content.name,
            100.0 * share,
            amount(content.size.mean()),
            100.0 * content.cachable,
        )?;
    }
    Ok(())
}

/// Seconds as hours, minutes and seconds.
fn time(seconds: f64) -> String {
    // Rounded first, so that no second reads 60.
    let whole = seconds.round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    format!("{hours}:{minutes:02}:{rest:02}")
}

/// Bytes with a unit, 1 KB = 1024.
fn amount(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut left = bytes;
    while left >= 1024.0 && unit + 1 < UNITS.len() {
        left /= 1024.0;
        unit += 1;
    }
    format!("{left:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn says_phases_rates_and_the_ideal_hit_ratio() {
        let workload = Workload::load("polymix-3").unwrap();
        let schedule = Schedule::new(&workload, 1.0, Some(400.0), Some(1 << 30)).unwrap();
        let text = describe(&workload, &schedule);
        for part in [
            "1000 robots, 400.0 requests/s at peak",
            // 2 GB of 80 % of 10.5 KB, of 93.4 % of 200 requests a second.
            "until 2.0 GB are stored, about 0:22:",
            "4:00:00",
            "55.0 % hits by documents",
            "mean size 10.5 KB",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert_eq!(text.matches("  measured").count(), 2, "{text}");
    }

    #[test]
    fn units_and_times_read_well() {
        assert_eq!(amount(0.0), "0.0 B");
        assert_eq!(amount(10_829.0), "10.6 KB");
        assert_eq!(amount(3e18), "2728484.1 TB");
        assert_eq!(time(59.7), "0:01:00");
        assert_eq!(time(44_999.0), "12:29:59");
    }
}
