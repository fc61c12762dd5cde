//! The list that ships: every line of it does something.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use understudy_ad_remover::AdRemover;
use understudy_module::kit::{Bare, Case, Chunking, Job, Random, Stage, run_all};

/// A URL that the rule is for.
fn example(rule: &str) -> String {
    let pattern = rule.split('$').next().unwrap();
    match pattern.strip_prefix("||") {
        Some(host) => format!("http://any.{}/x", host.trim_end_matches('^')),
        None => format!("http://any.example{pattern}x"),
    }
}

#[test]
fn every_rule_of_it_takes_what_it_is_for() {
    let stage = Bare::new(AdRemover::default);
    let mut seated = stage.open(&BTreeMap::new()).unwrap();
    let list = include_str!("../../../config/ads.txt");
    let rules: Vec<&str> = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('!'))
        .collect();
    assert!(rules.len() > 50, "{}", rules.len());
    for rule in rules {
        let case = Case::new(rule, "GET", &example(rule)).asks("Referer", "http://news.test/");
        let job = Job {
            case: &case,
            chunking: &Chunking::default(),
            tables: true,
        };
        let after = run_all(&mut *seated, &[job], 1, &mut Random::new(1)).remove(0);
        assert!(
            after.notes.iter().any(|(name, _)| name == b"removed"),
            "{rule}: {}",
            example(rule)
        );
    }
}
