#![allow(clippy::unwrap_used)]
use super::*;

fn polymix() -> Workload {
    Workload::load("polymix-3").unwrap()
}

fn assert_whole(schedule: &Schedule) {
    let mut end = 0.0;
    for phase in &schedule.phases {
        assert!(
            (phase.begin - end).abs() < 1e-6,
            "{} begins at {}, not {end}",
            phase.name,
            phase.begin
        );
        end = phase.begin + phase.seconds;
    }
    assert_eq!(schedule.seconds(), end);
}

#[test]
fn phases_follow_one_another_and_are_scaled() {
    let schedule = Schedule::new(&polymix(), 0.125, Some(200.0), None).unwrap();
    assert_whole(&schedule);
    let top: Vec<_> = schedule.phases.iter().filter(|p| p.measured).collect();
    assert_eq!(top.len(), 2);
    assert!(
        top.iter()
            .all(|p| p.seconds == 1800.0 && p.from == 200.0 && p.to == 200.0)
    );
    assert_eq!(schedule.robots, 500);
    assert_eq!(schedule.peak, 200.0);
}

#[test]
fn filling_is_left_out_without_the_size_of_the_cache() {
    let without = Schedule::new(&polymix(), 1.0, None, None).unwrap();
    assert!(without.phases.iter().all(|p| p.name != "fill"));
    assert_whole(&without);
    let with = Schedule::new(&polymix(), 0.1, None, Some(1000)).unwrap();
    let fill = with.phases.iter().find(|p| p.name == "fill").unwrap();
    assert_eq!(fill.until_stored, Some(2000));
    assert_eq!(
        fill.seconds, 43200.0,
        "how long a cache takes to fill is not scaled"
    );
    assert!(
        with.phases
            .iter()
            .filter(|p| p.name != "fill")
            .all(|p| p.until_stored.is_none())
    );
    assert_whole(&with);
}

#[test]
fn the_working_set_is_that_of_the_table_and_less_where_scaled_down() {
    let set = |name: &str, scale, rate| {
        let workload = Workload::load(name).unwrap();
        Schedule::new(&workload, scale, Some(rate), None)
            .unwrap()
            .working_set
    };
    assert_eq!(set("polymix-3", 1.0, 100.0), 486_000);
    assert_eq!(set("polymix-4", 1.0, 100.0), 518_400);
    // 0.36 x peak x plateau seconds.
    assert_eq!(set("polymix-3", 0.1, 100.0), 51_840);
    // 1 GB, of 10.6 KB each.
    let site = set("webaxe-4", 1.0, 1000.0);
    assert!((98_000..103_000).contains(&site), "{site}");
    assert_eq!(set("webaxe-4", 1.0, 5000.0), site);
}

#[test]
fn a_quick_run_takes_a_minute_or_two_and_fills_its_working_set_before_it_measures() {
    for name in super::super::STANDARD {
        let workload = Workload::load(name).unwrap();
        let schedule = Schedule::quick(&workload, Some(300.0)).unwrap();
        assert_whole(&schedule);
        assert!((60.0..=120.0).contains(&schedule.seconds()));
        let measured: Vec<_> = schedule.phases.iter().filter(|p| p.measured).collect();
        assert_eq!(measured.len(), 1);
        assert_eq!(measured[0].seconds, 60.0);
        assert!(
            filled_before(&workload, &schedule) >= schedule.working_set as f64,
            "{name}"
        );
    }
    assert_eq!(Schedule::quick(&polymix(), None).unwrap().peak, 1000.0);
}

#[test]
fn a_plateau_has_its_length_and_its_working_set() {
    for warm in [1.0, 30.0, 600.0] {
        let workload = polymix();
        let schedule = Schedule::plateau(&workload, 500.0, warm, 120.0).unwrap();
        assert_whole(&schedule);
        let top = schedule.phases.last().unwrap();
        assert!(top.measured);
        assert_eq!(top.seconds, 120.0);
        assert!((top.begin - warm).abs() < 1e-9);
        assert!(filled_before(&workload, &schedule) >= schedule.working_set as f64);
        assert!(schedule.working_set <= (0.36 * 500.0 * 120.0) as u64);
    }
}

fn filled_before(workload: &Workload, schedule: &Schedule) -> f64 {
    (schedule.phases.iter())
        .take_while(|p| !p.measured)
        .map(|p| p.requests() * (1.0 - workload.demand.recurrence * p.recurrence))
        .sum()
}

#[test]
fn scales_and_rates_that_cannot_be_are_refused_by_name() {
    let workload = polymix();
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let scale = Schedule::new(&workload, bad, None, None).unwrap_err();
        assert!(
            scale.to_string().starts_with("`scale` must be above 0"),
            "{scale}"
        );
        let rate = Schedule::new(&workload, 1.0, Some(bad), None).unwrap_err();
        assert!(
            rate.to_string().starts_with("`rate` must be above 0"),
            "{rate}"
        );
        assert!(Schedule::quick(&workload, Some(bad)).is_err());
        assert!(Schedule::plateau(&workload, 1.0, bad, 1.0).is_err());
        assert!(Schedule::plateau(&workload, 1.0, 1.0, bad).is_err());
    }
}
