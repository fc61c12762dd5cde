//! The families of `/metrics` that are about modules.
//!
//! Invariant: names of modules come from whoever configures the proxy, never from a client; so they may be labels.
//! Awkward case: a module that was replaced counts on beside its successor until its last transaction left: both are one series, so
//! they are summed. When it has left, the series begins anew, as after a restart.

use super::metrics::Families;
use crate::modules::report::ModuleReport;
use std::collections::BTreeMap;
use understudy_module::Hook;
use understudy_runtimes::{Failure, accounts::HookSum};

/// Adds them all.
pub(super) fn add(families: &mut Families, modules: &[ModuleReport]) {
    if modules.is_empty() {
        return;
    }
    per_hook(families, modules);
    let by_word = modules.iter().flat_map(|m| {
        let words = Failure::WORDS.iter().zip(m.sum.failures);
        words.map(|(word, n)| {
            (
                vec![("module", m.name.as_str()), ("reason", *word)],
                n as f64,
            )
        })
    });
    families.counter(
        "understudy_module_failures_total",
        "Calls of modules that came to nothing, by reason.",
        summed(by_word),
    );
    let stray = modules.iter().map(|m| {
        (
            vec![("module", m.name.as_str())],
            m.sum.stray_resumes as f64,
        )
    });
    families.counter(
        "understudy_module_stray_resumes_total",
        "Answers of modules that came late, twice or to nothing.",
        summed(stray),
    );
    let dropped = modules.iter().map(|m| {
        (
            vec![("module", m.name.as_str())],
            m.sum.injections_dropped as f64,
        )
    });
    families.counter(
        "understudy_module_injections_dropped_total",
        "Pieces that modules injected into answers faster than their clients took them.",
        summed(dropped),
    );
    let overdue = modules
        .iter()
        .map(|m| (vec![("module", m.name.as_str())], m.sum.overdue as f64));
    families.counter(
        "understudy_module_overdue_total",
        "Inline calls beyond the deadline, of those that were timed: they cannot be interrupted.",
        summed(overdue),
    );
    let unwatchable = modules
        .iter()
        .map(|m| (vec![("module", m.name.as_str())], m.unwatchable as f64));
    families.counter(
        "understudy_module_unwatchable_total",
        "Descriptors that modules wanted watched and that cannot be.",
        summed(unwatchable),
    );
    let outcomes = modules.iter().flat_map(|m| {
        [
            ("cut", m.sum.cut),
            ("opened", m.sum.opened),
            ("closed", m.sum.closed),
        ]
        .map(|(word, n)| {
            (
                vec![("module", m.name.as_str()), ("outcome", word)],
                n as f64,
            )
        })
    });
    families.counter(
        "understudy_module_transactions_total",
        "Transactions whose module failed: went on without it (opened), were answered 502 (closed), or were broken off (cut).",
        summed(outcomes),
    );
    let held = modules
        .iter()
        .map(|m| (vec![("module", m.name.as_str())], m.held as f64));
    families.gauge(
        "understudy_module_held_bytes",
        "Bytes of bodies that modules hold.",
        summed(held),
    );
    let demoted = modules.iter().map(|m| {
        (
            vec![("module", m.name.as_str())],
            f64::from(u8::from(m.state == "demoted")),
        )
    });
    families.gauge(
        "understudy_module_demoted",
        "1 for a module that runs as a process because it ended the proxy before.",
        summed(demoted),
    );
    let counts = modules.iter().flat_map(|m| {
        let counts = m.sum.counts.iter();
        counts.map(|(name, n)| {
            (
                vec![("module", m.name.as_str()), ("count", name.as_str())],
                *n as f64,
            )
        })
    });
    let counts = summed(counts);
    // A family without a series would be no valid text; most modules count nothing themselves.
    if !counts.is_empty() {
        families.counter(
            "understudy_module_count_total",
            "What modules count themselves, by the names they give.",
            counts,
        );
    }
    let gauges = modules.iter().flat_map(|m| {
        m.gauges.iter().map(|(name, n)| {
            (
                vec![("module", m.name.as_str()), ("gauge", *name)],
                *n as f64,
            )
        })
    });
    families.gauge(
        "understudy_module_runtime",
        "What the runtime of a module counts, such as restarts.",
        summed(gauges),
    );
}

fn per_hook(families: &mut Families, modules: &[ModuleReport]) {
    let each = |value: fn(&HookSum) -> f64| {
        let series = modules.iter().flat_map(move |m| {
            let hooks = Hook::ALL.into_iter().zip(&m.sum.hooks);
            let called = hooks.filter(|(hook, sum)| sum.calls > 0 || m.hooks.has(*hook));
            called.map(move |(hook, sum)| {
                let labels = vec![
                    ("module", m.name.as_str()),
                    ("hook", hook.name()),
                    ("runtime", m.runtime),
                ];
                (labels, value(sum))
            })
        });
        summed(series)
    };
    families.counter(
        "understudy_module_calls_total",
        "Calls of hooks.",
        each(|s| s.calls as f64),
    );
    families.counter(
        "understudy_module_seconds_total",
        "Time in modules; inline it is measured in one transaction of sixteen.",
        each(|s| s.time.as_secs_f64()),
    );
    families.counter(
        "understudy_module_wait_seconds_total",
        "Time waited for modules outside of them: queues, crossings, pending answers.",
        each(|s| s.wait.as_secs_f64()),
    );
    families.counter(
        "understudy_module_hook_failures_total",
        "Calls of hooks that came to nothing.",
        each(|s| s.failures as f64),
    );
    let directed = modules.iter().flat_map(|m| {
        let hooks = Hook::ALL.into_iter().zip(&m.sum.hooks);
        // Hooks that bytes of bodies are given to, or that gave some.
        let moved = hooks.filter(|(hook, sum)| {
            sum.bytes_in + sum.bytes_out > 0 || hook.is_body() && m.hooks.has(*hook)
        });
        moved.flat_map(move |(hook, sum)| {
            [("in", sum.bytes_in), ("out", sum.bytes_out)].map(|(word, n)| {
                let labels = vec![
                    ("module", m.name.as_str()),
                    ("hook", hook.name()),
                    ("runtime", m.runtime),
                    ("direction", word),
                ];
                (labels, n as f64)
            })
        })
    });
    let directed = summed(directed);
    // Most modules leave bodies alone.
    if !directed.is_empty() {
        families.counter(
            "understudy_module_hook_bytes_total",
            "Bytes of bodies given to hooks (in) and given by them instead (out).",
            directed,
        );
    }
    let bytes = modules.iter().flat_map(|m| {
        let total = |of: fn(&HookSum) -> u64| m.sum.hooks.iter().map(of).sum::<u64>();
        [
            ("in", total(|s| s.bytes_in)),
            ("out", total(|s| s.bytes_out)),
        ]
        .map(|(word, n)| {
            (
                vec![("module", m.name.as_str()), ("direction", word)],
                n as f64,
            )
        })
    });
    families.counter(
        "understudy_module_bytes_total",
        "Bytes of bodies given to modules (in) and given by them instead (out).",
        summed(bytes),
    );
}

type Series<'a> = (Vec<(&'static str, &'a str)>, f64);

/// One value a set of labels.
fn summed<'a>(series: impl Iterator<Item = Series<'a>>) -> Vec<Series<'a>> {
    let mut sums: BTreeMap<Vec<(&'static str, &'a str)>, f64> = BTreeMap::new();
    for (labels, value) in series {
        *sums.entry(labels).or_default() += value;
    }
    sums.into_iter().collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{ModuleReport, add};
    use crate::admin::metrics::Families;
    use prometheus::TextEncoder;
    use std::time::Duration;
    use understudy_module::{Hook, Hooks};
    use understudy_runtimes::{Failure, accounts::Sum};

    fn report(state: &'static str, calls: u64) -> ModuleReport {
        let mut sum = Sum::default();
        sum.hooks[Hook::Log as usize].calls = calls;
        sum.hooks[Hook::Log as usize].time = Duration::from_millis(250 * calls);
        sum.hooks[Hook::Log as usize].failures = calls;
        sum.hooks[Hook::ResponseBody as usize].bytes_in = 10 * calls;
        sum.failures[Failure::Deadline.kind()] = calls;
        sum.opened = calls;
        sum.counts.insert("hits".to_owned(), 7 * calls);
        ModuleReport {
            name: "m".to_owned(),
            runtime: "process",
            library: "builtin:empty".to_owned(),
            version: "1".to_owned(),
            state,
            on_failure: "open",
            hooks: Hooks::of(&[Hook::Log]),
            sum,
            gauges: vec![("restarts", calls)],
            held: 5,
            unwatchable: 2 * calls,
        }
    }

    #[test]
    fn a_module_and_its_predecessor_that_is_leaving_are_one_series() {
        let mut families = Families::default();
        add(&mut families, &[report("demoted", 3), report("leaving", 1)]);
        let text = TextEncoder::new().encode_to_string(&families.0).unwrap();
        for line in [
            "understudy_module_calls_total{module=\"m\",hook=\"log\",runtime=\"process\"} 4",
            "understudy_module_seconds_total{module=\"m\",hook=\"log\",runtime=\"process\"} 1",
            "understudy_module_bytes_total{module=\"m\",direction=\"in\"} 40",
            "understudy_module_hook_bytes_total{module=\"m\",hook=\"response_body\",runtime=\"process\",direction=\"in\"} 40",
            "understudy_module_hook_bytes_total{module=\"m\",hook=\"response_body\",runtime=\"process\",direction=\"out\"} 0",
            "understudy_module_hook_failures_total{module=\"m\",hook=\"log\",runtime=\"process\"} 4",
            "understudy_module_failures_total{module=\"m\",reason=\"deadline\"} 4",
            "understudy_module_failures_total{module=\"m\",reason=\"panic\"} 0",
            "understudy_module_transactions_total{module=\"m\",outcome=\"opened\"} 4",
            "understudy_module_demoted{module=\"m\"} 1",
            "understudy_module_count_total{module=\"m\",count=\"hits\"} 28",
            "understudy_module_held_bytes{module=\"m\"} 10",
            "understudy_module_unwatchable_total{module=\"m\"} 8",
            "understudy_module_runtime{module=\"m\",gauge=\"restarts\"} 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        assert_eq!(text.matches("hook=\"resolve\"").count(), 0, "{text}");
    }

    #[test]
    fn descriptors_that_cannot_be_watched_are_in_the_document() {
        assert_eq!(report("running", 3).document()["unwatchable"], 6);
    }

    #[test]
    fn without_modules_there_is_nothing_to_say() {
        let mut families = Families::default();
        add(&mut families, &[]);
        assert!(families.0.is_empty());
    }
}
