#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    demand::Demand as Asked,
    seed::Seed,
    workload::{Distribution, Embeds, Life, Schedule, describe},
    world::World,
};
use proptest::prelude::*;
use std::sync::Arc;

fn polymix() -> Workload {
    Workload::load("polymix-4").unwrap()
}

/// A change of PolyMix-4, and how its refusal begins.
fn refused(change: impl Fn(&mut Workload), begin: &str) {
    let mut workload = polymix();
    change(&mut workload);
    let error = check(&workload).map_or_else(|e| e.to_string(), |()| "accepted".to_owned());
    assert!(
        error.starts_with(begin),
        "{error:?} does not begin with {begin:?}"
    );
}

#[test]
fn content_that_cannot_be_is_refused_by_key() {
    use Distribution::{Constant, Exp, LogNormal, Table, Uniform, Zipf};
    refused(|w| w.name = " ".into(), "`name` must not be empty");
    refused(|w| w.content.clear(), "`content` must be 1 to 200 kinds");
    refused(
        |w| w.content[0].name = "Image".into(),
        "`content[0].name` must be 1 to 32 lower-case",
    );
    refused(
        |w| w.content[0].name = "ads".into(),
        "`content[0].name` must be",
    );
    refused(
        |w| w.content[0].name = "html".into(),
        "`content[1].name` is a second \"html\"",
    );
    refused(
        |w| w.content[2].size = Exp(0.0),
        "`content[2].size.exp` must be above 0",
    );
    refused(
        |w| w.content[2].size = Exp(f64::NAN),
        "`content[2].size.exp` must be above 0",
    );
    refused(
        |w| w.content[2].size = Constant(0.0),
        "`content[2].size` must have a mean above 0",
    );
    refused(
        |w| w.content[2].size = Uniform(2.0, 1.0),
        "`content[2].size.uniform[1]` must be 2 to",
    );
    refused(
        |w| w.content[2].size = Zipf(0),
        "`content[2].size.zipf` must be 1 to",
    );
    refused(
        |w| w.content[2].size = Table(vec![]),
        "`content[2].size.table` must have 1 to 4096",
    );
    refused(
        |w| w.content[2].size = Table(vec![(1.0, -1.0)]),
        "`content[2].size.table[0][1]` must be 0 to",
    );
    refused(
        |w| w.content[2].size = Table(vec![(1.0, 0.0)]),
        "`content[2].size.table` must have a weight",
    );
    refused(
        |w| w.content[2].size = LogNormal { mean: 0.0, sd: 1.0 },
        "`content[2].size.lognormal.mean` must be above 0",
    );
    refused(
        |w| {
            w.content[2].size = LogNormal {
                mean: 1e-300,
                sd: 1.0,
            }
        },
        "`content[2].size.lognormal.sd` must be at most 1000",
    );
    refused(
        |w| w.content[1].cachable = 1.1,
        "`content[1].cachable` must be 0 to 1, and is 1.1",
    );
    refused(
        |w| w.content[1].life.length = Exp(f64::INFINITY),
        "`content[1].life.length.exp` must be",
    );
    refused(
        |w| w.content[1].life.variance = 2.0,
        "`content[1].life.variance` must be 0 to 1",
    );
    refused(
        |w| w.content[1].ads = -0.1,
        "`content[1].ads` must be 0 to 1",
    );
    refused(
        |w| w.content[1].embeds[0].content = "video".into(),
        "`content[1].embeds[0].content` is \"video\", and no content",
    );
    refused(
        |w| w.content[1].embeds[0].content = "html".into(),
        "`content[1].embeds[0].content` is \"html\", which itself embeds",
    );
    refused(
        |w| w.content[1].embeds[0].count = Zipf(0),
        "`content[1].embeds[0].count.zipf` must be",
    );
    refused(
        |w| w.content[3].embeds = w.content[1].embeds.clone(),
        "`content[3].embeds` must be left out",
    );
    refused(
        |w| w.content.iter_mut().for_each(|c| c.direct = 0.0),
        "`content` must have a kind of `direct`",
    );
}

#[test]
fn demand_that_cannot_be_is_refused_by_key() {
    refused(
        |w| w.demand.robot_rate = 0.0,
        "`demand.robot_rate` must be above 0",
    );
    refused(|w| w.demand.peak = -1.0, "`demand.peak` must be above 0");
    refused(
        |w| w.demand.recurrence = 1.5,
        "`demand.recurrence` must be 0 to 1",
    );
    refused(
        |w| w.demand.working_set = 0.0,
        "`demand.working_set` must be above 0",
    );
    refused(
        |w| w.demand.working_set_share = 0.0,
        "`demand.working_set_share` must be above 0",
    );
    refused(
        |w| w.demand.working_set_bytes = Some(0.0),
        "`demand.working_set_bytes` must be above 0",
    );
    refused(
        |w| w.demand.popularity = Popularity::Zipf { exponent: -1.0 },
        "`demand.popularity.zipf.exponent` must be 0 to 10",
    );
    let uniform = |hot_set, hot_share| Popularity::Uniform { hot_set, hot_share };
    refused(
        |w| w.demand.popularity = uniform(0.0, 0.5),
        "`demand.popularity.uniform.hot_set` must be above 0 when",
    );
    refused(
        |w| w.demand.popularity = uniform(0.5, 2.0),
        "`demand.popularity.uniform.hot_share` must be 0 to 1",
    );
    refused(
        |w| w.types.reload = 0.9,
        "`types` must add up to at most 1, and adds up to 1.05",
    );
    refused(
        |w| w.methods.post = 1.0,
        "`methods` must add up to at most 1",
    );
    refused(
        |w| w.methods.post_size = Distribution::Exp(1e9),
        "`methods.post_size` must have a mean of at most 1 MiB",
    );
    refused(|w| w.aborts.robot = -1.0, "`aborts.robot` must be 0 to 1");
    refused(|w| w.aborts.server = 2.0, "`aborts.server` must be 0 to 1");
    refused(
        |w| w.connections.robot = Distribution::Constant(0.5),
        "`connections.robot` must have a mean of at least 1",
    );
    refused(
        |w| w.connections.robot_open = 0,
        "`connections.robot_open` must be 1 to 1000",
    );
    refused(
        |w| w.connections.server_idle = 0.0,
        "`connections.server_idle` must be above 0",
    );
    refused(
        |w| w.network.think = Distribution::Constant(1e6),
        "`network.think` must have a mean of at most an hour",
    );
    refused(
        |w| w.network.server_delay = 61.0,
        "`network.server_delay` must be 0 to 60",
    );
    refused(
        |w| w.network.client_loss = 0.6,
        "`network.client_loss` must be 0 to 0.5",
    );
}

#[test]
fn phases_that_cannot_be_are_refused_by_key() {
    refused(|w| w.phases.clear(), "`phases` must be 1 to 1000");
    refused(
        |w| w.phases[1].name = "framp".into(),
        "`phases[1].name` is a second \"framp\"",
    );
    refused(
        |w| w.phases[0].name = String::new(),
        "`phases[0].name` must be 1 to 64",
    );
    refused(
        |w| w.phases[2].seconds = 0.0,
        "`phases[2].seconds` must be above 0",
    );
    refused(
        |w| w.phases[2].from = 1.5,
        "`phases[2].from` must be 0 to 1",
    );
    refused(
        |w| w.phases[1].until_fill = Some(0.0),
        "`phases[1].until_fill` must be above 0",
    );
    refused(
        |w| w.phases[1].recurrence = 2.0,
        "`phases[1].recurrence` makes `demand.recurrence` 1.375",
    );
    refused(
        |w| w.phases[1].special = 6.0,
        "`phases[1].special` makes the sum of `types` 1.2",
    );
    let silent = |w: &mut Workload| {
        w.phases
            .iter_mut()
            .for_each(|p| (p.from, p.to) = (0.0, 0.0))
    };
    refused(
        silent,
        "`phases` must have one whose `from` or `to` is above 0",
    );
}

#[test]
fn an_unknown_key_and_a_wrong_type_are_refused_with_their_line() {
    let file = crate::workload::standard("polymix-3").unwrap();
    let misspelt = file.replace("cachable = 0.80", "cacheable = 0.80");
    let error = Workload::parse(&misspelt).unwrap_err().to_string();
    assert!(
        error.contains("unknown field `cacheable`") && error.contains("line"),
        "{error}"
    );
    let wrong = file.replace("exp = 4608", "exp = \"4608\"");
    let error = Workload::parse(&wrong).unwrap_err().to_string();
    assert!(
        error.contains("invalid type") && error.contains("line"),
        "{error}"
    );
}

/// Numbers as a file may have them: most of them sound, some at the edge, some that must be refused.
fn numbers() -> impl Strategy<Value = f64> {
    let edges = [
        0.0,
        1e-300,
        1e-9,
        1.0,
        2.0,
        1e6,
        1e12,
        1e300,
        -1.0,
        f64::NAN,
        f64::INFINITY,
    ];
    prop_oneof![6 => 0.0..1.0, 6 => 1.0..1e6, 1 => proptest::sample::select(edges.to_vec())]
}

fn shares() -> impl Strategy<Value = f64> {
    prop_oneof![20 => 0.0..=1.0, 4 => Just(0.0), 4 => Just(1.0), 1 => numbers()]
}

fn distributions() -> impl Strategy<Value = Distribution> {
    prop_oneof![
        numbers().prop_map(Distribution::Constant),
        numbers().prop_map(Distribution::Exp),
        (numbers(), numbers()).prop_map(|(a, b)| Distribution::Uniform(a.min(b), a.max(b))),
        (numbers(), numbers()).prop_map(|(mean, sd)| Distribution::Normal { mean, sd }),
        (numbers(), numbers()).prop_map(|(mean, sd)| Distribution::LogNormal { mean, sd }),
        (0u64..5000).prop_map(Distribution::Zipf),
        proptest::collection::vec((numbers(), numbers()), 0..4).prop_map(Distribution::Table),
    ]
}

fn contents() -> impl Strategy<Value = Content> {
    let bodies = proptest::sample::select(vec![Bodies::Image, Bodies::Other, Bodies::Download]);
    (
        bodies,
        numbers(),
        distributions(),
        shares(),
        distributions(),
        shares(),
        shares(),
    )
        .prop_map(
            |(bodies, direct, size, cachable, length, variance, ads)| Content {
                name: "part".to_owned(),
                bodies,
                direct,
                size,
                cachable,
                life: Life { length, variance },
                embeds: Vec::new(),
                ads,
            },
        )
}

prop_compose! {
    fn workloads()(
        part in contents(),
        page in contents(),
        count in distributions(),
        recurrence in shares(),
        rates in (numbers(), numbers(), numbers(), numbers()),
        popularity in prop_oneof![
            (shares(), shares()).prop_map(|(hot_set, hot_share)| Popularity::Uniform { hot_set, hot_share }),
            shares().prop_map(|exponent| Popularity::Zipf { exponent }),
        ],
        post in shares(),
        post_size in (0.0..1e6).prop_map(Distribution::Exp),
        abort in shares(),
        phases in proptest::collection::vec((numbers(), shares(), shares(), shares(), shares()), 1..4),
    ) -> Workload {
        let mut workload = polymix();
        let embeds = vec![Embeds { content: "part".to_owned(), count }];
        let page = Content { name: "page".to_owned(), bodies: Bodies::Html, embeds, ..page };
        workload.content = vec![part, page];
        workload.demand = Demand {
            robot_rate: rates.0,
            peak: rates.1,
            recurrence,
            popularity,
            working_set: rates.2,
            working_set_share: rates.3,
            working_set_bytes: None,
        };
        (workload.methods.post, workload.methods.head) = (post, 0.0);
        workload.methods.post_size = post_size;
        workload.aborts.robot = abort;
        workload.phases = phases.into_iter().enumerate().map(|(n, (seconds, from, to, recurrence, special))| PhaseShape {
            name: n.to_string(),
            seconds,
            from,
            to,
            until_fill: (n == 0).then_some(1.0),
            recurrence,
            special,
            measured: n == 1,
        }).collect();
        workload
    }
}

/// All that world and demand say of the beginning of a run.
fn walk(workload: Workload) {
    let workload = Arc::new(workload);
    for schedule in [
        Schedule::new(&workload, 0.5, None, Some(1 << 20)),
        Schedule::new(&workload, 1.0, Some(1e4), None),
        Schedule::quick(&workload, None),
        Schedule::plateau(&workload, 10.0, 1.0, 10.0),
    ] {
        let schedule = schedule.unwrap();
        assert!(schedule.working_set >= 1 && schedule.robots >= 1);
        assert!(describe(&workload, &schedule).contains("requests"));
        let world = World::new(workload.clone(), Seed(1), 1_700_000_000);
        let mut demand = Asked::new(world.clone(), schedule);
        let mut last = 0.0;
        for step in 0..40 {
            let Some(arrival) = demand.next() else { break };
            assert!(
                arrival.due >= last && arrival.due.is_finite(),
                "{} behind {last}",
                arrival.due
            );
            last = arrival.due;
            let parts = demand.embedded(&arrival, last, arrival.phase);
            assert!(parts.len() <= 256);
            for request in parts.iter().take(3).chain([&arrival]) {
                let object = request.object;
                assert!((1..=64 << 20).contains(&world.size(object)));
                assert_eq!(world.object(&world.path(object)), Some(object));
                for now in [0, 1_700_000_000, 1_800_000_000] {
                    let version = world.version(object, now);
                    assert!(version.modified <= now && now < version.until);
                }
            }
            if step == 20 {
                demand.end_phase(arrival.phase, last);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_runs(workload in workloads()) {
        prop_assume!(check(&workload).is_ok());
        walk(workload);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}", at in 0usize..4000, cut in 0usize..40) {
        let _ = Workload::parse(&text);
        let file = crate::workload::standard("polymix-4").unwrap();
        let (at, end) = (at.min(file.len()), (at + cut).min(file.len()));
        let _ = Workload::parse(&format!("{}{text}{}", &file[..at], &file[end..]));
    }
}
