#![allow(clippy::unwrap_used)]
use super::*;
use crate::workload::{Distribution, Expected, Popularity, Workload};

const KB: f64 = 1024.0;
const DAY: f64 = 86400.0;

fn near(what: &str, is: f64, should: f64, error: f64) {
    assert!(
        (is - should).abs() <= error,
        "{what} is {is}, not {should} to {error}"
    );
}

#[test]
fn every_standard_workload_loads_and_survives_being_written() {
    for name in STANDARD {
        let workload = Workload::load(name).unwrap();
        assert_eq!(workload.name, name);
        let written = toml::to_string(&workload).unwrap();
        assert_eq!(Workload::parse(&written).unwrap(), workload, "{name}");
    }
    assert!(standard("polymix-1").is_none());
    let error = Workload::load("polymix-1").unwrap_err().to_string();
    assert!(error.contains("polymix-3, polymix-4, webaxe-4"), "{error}");
}

#[test]
fn content_is_that_of_the_table() {
    let lognormal = |mean, sd| Distribution::LogNormal { mean, sd };
    let rows = [
        (
            "image",
            0.0,
            Distribution::Exp(4.5 * KB),
            0.80,
            lognormal(30.0 * DAY, 7.0 * DAY),
            0.50,
        ),
        (
            "html",
            15.0,
            Distribution::Exp(8.5 * KB),
            0.90,
            lognormal(7.0 * DAY, DAY),
            0.33,
        ),
        (
            "download",
            0.5,
            lognormal(300.0 * KB, 300.0 * KB),
            0.95,
            lognormal(182.5 * DAY, 30.0 * DAY),
            0.33,
        ),
        (
            "other",
            19.5,
            lognormal(25.0 * KB, 10.0 * KB),
            0.72,
            Distribution::Uniform(DAY, 365.0 * DAY),
            0.50,
        ),
    ];
    for name in STANDARD {
        let content = Workload::load(name).unwrap().content;
        assert_eq!(content.len(), rows.len());
        for (content, (kind, direct, size, cachable, length, variance)) in content.iter().zip(&rows)
        {
            assert_eq!(content.name, *kind, "{name}");
            assert_eq!(content.direct, *direct, "{name} {kind}");
            assert_eq!(content.size, *size, "{name} {kind}");
            assert_eq!(content.cachable, *cachable, "{name} {kind}");
            assert_eq!(content.life.length, *length, "{name} {kind}");
            assert_eq!(content.life.variance, *variance, "{name} {kind}");
        }
        assert_eq!(content[1].embeds[0].content, "image");
        assert_eq!(content[1].embeds[0].count, Distribution::Zipf(13));
    }
}

#[test]
fn what_the_table_derives_follows_from_the_files() {
    for (name, hits) in [
        ("polymix-3", 0.55),
        ("polymix-4", 0.52),
        ("webaxe-4", 0.719),
    ] {
        let expected = Expected::new(&Workload::load(name).unwrap());
        // The shares of the table are those of content; requests come within a percent of them, since a page embeds 4.45 images.
        for (is, should) in expected.shares.iter().zip([0.65, 0.15, 0.005, 0.195]) {
            near(name, *is, should, 0.012);
        }
        near(name, expected.cachable, 0.800, 0.002);
        near(name, expected.size / KB, 10.6, 0.15);
        // PolyMix-4 reckons its recurrence without the 5 % of reloads and without POST.
        near(name, expected.hits, hits, 0.005);
    }
}

#[test]
fn demand_is_that_of_the_table() {
    for (name, recurrence, post, head, abort, working_set) in [
        ("polymix-3", 0.55 / (0.80 * 0.95), 0.0, 0.0, 0.0, 4860.0),
        ("polymix-4", 0.55 / 0.80, 0.015, 0.001, 0.001, 5184.0),
        ("webaxe-4", 0.95, 0.015, 0.001, 0.001, 86400.0),
    ] {
        let w = Workload::load(name).unwrap();
        near(name, w.demand.recurrence, recurrence, 1e-9);
        assert_eq!(w.demand.robot_rate, 0.4);
        let hot = Popularity::Uniform {
            hot_set: 0.01,
            hot_share: 0.10,
        };
        assert_eq!(w.demand.popularity, hot);
        assert_eq!(w.demand.working_set, working_set);
        assert_eq!(w.demand.working_set_share, 0.36);
        assert_eq!(
            (w.types.ims200, w.types.ims304, w.types.reload),
            (0.05, 0.10, 0.05)
        );
        assert_eq!((w.methods.post, w.methods.head), (post, head));
        assert_eq!((w.aborts.robot, w.aborts.server), (abort, abort));
        assert_eq!(
            (w.connections.robot_open, w.connections.server_idle),
            (4, 15.0)
        );
        // Filling has recurrence x 5/55 and a tenth of the special requests.
        let fill = w.phases.iter().find(|p| p.until_fill.is_some()).unwrap();
        near(name, fill.recurrence, 5.0 / 55.0, 1e-9);
        assert_eq!((fill.special, fill.until_fill), (0.1, Some(2.0)));
        let measured: Vec<_> = w.phases.iter().filter(|p| p.measured).collect();
        assert_eq!(measured.len(), 2);
        assert!(
            measured
                .iter()
                .all(|p| p.seconds == 14400.0 && p.from == 1.0 && p.to == 1.0)
        );
    }
}

#[test]
fn phases_of_polymix_3_are_those_of_the_table() {
    const FILLING: f64 = 5.0 / 55.0;
    let phases = Workload::load("polymix-3").unwrap().phases;
    // Name, minutes, rates, what recurrence and special requests are multiplied by.
    let rows = [
        ("warm", 3.0, 0.1, 0.1, FILLING, 0.1),
        ("framp", 30.0, 0.1, 0.5, FILLING, 0.1),
        ("fill", 720.0, 0.5, 0.5, FILLING, 0.1),
        // From the middle of these to the middle of those of a plateau.
        ("fexit", 30.0, 0.5, 0.1, (FILLING + 1.0) / 2.0, 0.55),
        ("inc1", 30.0, 0.1, 1.0, 1.0, 1.0),
        ("top1", 240.0, 1.0, 1.0, 1.0, 1.0),
        ("dec1", 30.0, 1.0, 0.1, 1.0, 1.0),
        ("idle", 30.0, 0.1, 0.1, 1.0, 1.0),
        ("inc2", 30.0, 0.1, 1.0, 1.0, 1.0),
        ("top2", 240.0, 1.0, 1.0, 1.0, 1.0),
        ("dec2", 30.0, 1.0, 0.1, 1.0, 1.0),
        ("cool", 1.0, 0.1, 0.0, 1.0, 1.0),
    ];
    assert_eq!(phases.len(), rows.len());
    for (phase, (name, minutes, from, to, recurrence, special)) in phases.iter().zip(rows) {
        assert_eq!(phase.name, name);
        assert_eq!(phase.seconds, minutes * 60.0, "{name}");
        assert_eq!((phase.from, phase.to), (from, to), "{name}");
        near(name, phase.recurrence, recurrence, 1e-9);
        near(name, phase.special, special, 1e-9);
    }
}

#[test]
fn networks_are_those_of_the_table() {
    for (name, mean, sd, server, client, robot_uses, server_uses) in [
        ("polymix-3", 2.5, 1.0, (0.04, 0.0005), (0.0, 0.0), 64, 16),
        ("polymix-4", 2.5, 1.0, (0.04, 0.0005), (0.0, 0.0), 64, 16),
        ("webaxe-4", 0.3, 0.1, (0.0, 0.0), (0.04, 0.0005), 16, 64),
    ] {
        let w = Workload::load(name).unwrap();
        assert_eq!(w.network.think, Distribution::Normal { mean, sd });
        assert_eq!((w.network.server_delay, w.network.server_loss), server);
        assert_eq!((w.network.client_delay, w.network.client_loss), client);
        assert_eq!(w.connections.robot, Distribution::Zipf(robot_uses));
        assert_eq!(w.connections.server, Distribution::Zipf(server_uses));
    }
}

#[test]
fn rates_of_one_phase_go_on_in_the_next() {
    for name in STANDARD {
        let phases = Workload::load(name).unwrap().phases;
        for pair in phases.windows(2) {
            assert_eq!(
                pair[0].to, pair[1].from,
                "{name}: {} and {}",
                pair[0].name, pair[1].name
            );
        }
    }
}

const MANUAL: &str = include_str!("../../../../../docs/testbed/workloads.md");

#[test]
fn the_manuals_examples_are_workloads() {
    let examples: Vec<&str> = (MANUAL.split("```toml\n").skip(1))
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        let workload = Workload::parse(example).unwrap();
        assert!(Expected::new(&workload).size > 0.0);
    }
}

#[test]
fn the_manual_names_every_key() {
    fn keys(value: &toml::Value, found: &mut Vec<String>) {
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(key, value)| {
                found.push(key.clone());
                keys(value, found);
            }),
            toml::Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for name in STANDARD {
        // Written out, so that what a file leaves to its default has a key too.
        let written = toml::to_string(&Workload::load(name).unwrap()).unwrap();
        keys(&toml::from_str(&written).unwrap(), &mut found);
    }
    assert!(found.iter().any(|key| key == "until_fill"));
    for key in found {
        let named = [
            format!("`{key}"),
            format!(".{key}`"),
            format!("{key} = "),
            format!("[{key}]"),
        ];
        assert!(
            named.iter().any(|n| MANUAL.contains(n.as_str())),
            "the manual does not name {key:?}"
        );
    }
}
