//! The layout, from rows that were not measured, and which columns there are.
#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn columns_are_run_in_the_models_that_can_have_them() {
    let all = [Model::Inline, Model::Threads, Model::Process];
    let count = |model| {
        runs(&COLUMNS, &all)
            .iter()
            .filter(|(_, m)| *m == model)
            .count()
    };
    assert_eq!(count(None), 1, "the baseline");
    assert_eq!(count(Some(Model::Inline)), 3, "ads and two of text");
    assert_eq!(count(Some(Model::Threads)), 5, "and two of images");
    assert_eq!(count(Some(Model::Process)), 6, "and niced");
    assert_eq!(runs(&[Column::Nice], &all), [(4, Some(Model::Process))]);
}

#[test]
fn the_modules_own_throughput_stands_below_the_backgrounds_figures() {
    let mut sheet = Sheet::default();
    for (column, paper) in PAPER.into_iter().enumerate() {
        sheet.add(column, (column > 0).then_some(Model::Process), paper);
    }
    let text = print(&sheet, &[Model::Process], false);
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("no {part}: {text}"))
    };
    assert!(at("Throughput") < at("Response time"));
    assert!(at("Hit ratio") < at("Adapted (objects/s)"));
    assert!(at("Adapted (objects/s)") < at("- The hit time, process"));
    let adapted: Vec<&str> = text.lines().filter(|l| l.contains("95.0")).collect();
    assert_eq!(adapted.len(), 2, "the paper's and ours: {text}");
}

#[test]
fn modules_see_the_real_server_alone() {
    for column in [
        Column::Images25,
        Column::Images,
        Column::Nice,
        Column::Text75,
    ] {
        let text = modules(column, Model::Process);
        assert!(text.contains("match.hosts = [\"127.0.0.2\"]"), "{text}");
        assert_eq!(text.contains("nice = 19"), column == Column::Nice, "{text}");
        toml::from_str::<toml::Table>(&text).unwrap();
    }
    let ads = modules(Column::Ads, Model::Inline);
    assert!(!ads.contains("match"), "the ad remover sees all: {ads}");
}
