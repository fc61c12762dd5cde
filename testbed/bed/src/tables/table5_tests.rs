//! The layout, from rows that were not measured.
#![allow(clippy::unwrap_used)]

use super::*;

fn row(hit: f64) -> Row {
    Row {
        processor: Some(hit * 20.0),
        ..Row::paper([500.0, 1000.0, 2500.0, hit, 57.0], None)
    }
}

fn sheet() -> Sheet {
    let mut sheet = Sheet::default();
    for hits in [1.0, 3.0, 1.02] {
        sheet.add(0, None, row(hits));
    }
    sheet.add(1, None, row(1.01));
    sheet.add(2, Some(Model::Inline), row(4.0));
    sheet.add(2, Some(Model::Process), row(8.0));
    sheet
}

#[test]
fn each_figure_has_the_papers_line_and_one_of_each_model() {
    let models = [Model::Inline, Model::Process];
    let text = print(&sheet(), &models, false);
    let line = |figure: &str, who: &str| {
        let mut lines = text.lines().skip_while(|l| !l.starts_with(figure));
        let found = lines.find(|l| l.contains(who)).unwrap();
        let cells = found.split(who).nth(1).unwrap().split_whitespace();
        cells.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        line("Hit time", "the paper"),
        ["19.820", "19.860", "20.870", "20.850", "22.100"]
    );
    // The median of rounds; columns without a module are of every model.
    assert_eq!(
        line("Hit time", "inline"),
        ["1.020", "1.010", "4.000", "-", "-"]
    );
    assert_eq!(
        line("Hit time", "process"),
        ["1.020", "1.010", "8.000", "-", "-"]
    );
    // What the paper has not measured has no line of it.
    let processor: Vec<&str> = text
        .lines()
        .skip_while(|l| !l.starts_with("Processor"))
        .collect();
    assert!(
        processor[0].contains("inline") && processor[1].contains("process"),
        "{text}"
    );
    let markdown = print(&sheet(), &models, true);
    assert!(
        markdown
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("|---|---|--:|--:|")
    );
}

#[test]
fn what_a_column_adds_is_told_beside_the_paper() {
    let found = print(&sheet(), &[Model::Inline], false);
    assert!(found.contains("- Empty callback, inline: hits +292.2 %, the paper +5.3 %; misses +0.0 % (within noise), the paper +0.1 %; processor time +292.2 %."), "{found}");
    // Rounds of the baseline are 2 ms apart: nothing less can be told.
    assert!(
        found.contains("- API enabled: hits -1.0 % (within noise)"),
        "{found}"
    );
}

#[test]
fn what_has_no_module_is_told_once() {
    let models = [Model::Inline, Model::Threads, Model::Process];
    let found = print(&sheet(), &models, false);
    for (line, times) in [
        ("- Baseline:", 1),
        ("- API enabled", 1),
        ("- Empty callback,", 2),
    ] {
        assert_eq!(found.matches(line).count(), times, "{line}: {found}");
    }
}

#[test]
fn noise_is_the_larger_spread_of_the_two_columns() {
    // Rounds of the baseline are 0.01 apart, those of columns 2 and 3 so far as they say.
    let mut sheet = Sheet::default();
    let rounds = |column, model, hits: [f64; 3], sheet: &mut Sheet| {
        for hit in hits {
            sheet.add(column, model, row(hit));
        }
    };
    rounds(0, None, [1.0, 1.01, 1.005], &mut sheet);
    rounds(2, Some(Model::Inline), [0.9, 1.1, 1.3], &mut sheet);
    rounds(3, Some(Model::Inline), [1.1, 1.1, 1.11], &mut sheet);
    let found = print(&sheet, &[Model::Inline], false);
    for part in [
        "- Baseline: its rounds are apart by hits 1.0 %; misses 0.0 %; processor time 1.0 %.",
        "- Empty callback, inline: hits +9.5 % (within noise),",
        "Its rounds are apart by hits 36.4 %;",
        "- Add headers, inline: hits +9.5 %, the paper",
        "Its rounds are apart by hits 0.9 %;",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

#[test]
fn nothing_measured_prints_the_paper_alone() {
    let text = print(&Sheet::default(), &[Model::Inline], false);
    assert!(
        text.contains("2742.53") && !text.contains("inline"),
        "{text}"
    );
}
