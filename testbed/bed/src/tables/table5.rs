//! Table 5 of the paper: what the interface costs, with modules that do nothing, add fields, and copy bodies; here for each execution
//! model.

use super::{
    background::{Background, LoadArgs, module},
    row::{FIGURES, Of, PROCESSOR, Row},
    sheet::{Model, Sheet},
};
use std::fmt::Write;

/// The paper's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)]
pub enum Column {
    Baseline,
    Api,
    Empty,
    Headers,
    Bodies,
}

const COLUMNS: [Column; 5] = [
    Column::Baseline,
    Column::Api,
    Column::Empty,
    Column::Headers,
    Column::Bodies,
];

const HEADS: [&str; 5] = [
    "Baseline",
    "API enabled",
    "Empty callback",
    "Add headers",
    "Body + headers",
];

/// What the paper measured.
const PAPER: [Row; 5] = [
    Row::paper([1452.87, 1248.99, 2742.53, 19.82, 57.81], None),
    Row::paper([1452.75, 1248.95, 2743.18, 19.86, 57.81], None),
    Row::paper([1452.89, 1251.25, 2744.33, 20.87, 57.76], None),
    Row::paper([1452.62, 1251.98, 2745.07, 20.85, 57.74], None),
    Row::paper([1452.84, 1250.14, 2746.98, 22.10, 57.85], None),
];

/// What `table5` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Table5Args {
    #[command(flatten)]
    load: LoadArgs,
    /// Which columns
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "baseline,api,empty,headers,bodies"
    )]
    columns: Vec<Column>,
}

/// Measures and prints the table; with it the exit code.
///
/// # Errors
/// What could not be run, in words.
pub fn table(args: Table5Args) -> Result<(String, u8), String> {
    let background = Background::new(args.load.clone())?;
    let mut sheet = Sheet::default();
    let mut runs = Vec::new();
    for (number, column) in COLUMNS.into_iter().enumerate() {
        match column {
            _ if !args.columns.contains(&column) => {}
            Column::Baseline if !background.has_without() => {
                let why = "No baseline: `--without` names no build without the interface.";
                sheet.notes.push(why.to_owned());
            }
            Column::Baseline | Column::Api => runs.push((number, None)),
            _ => runs.extend(args.load.models.iter().map(|&model| (number, Some(model)))),
        }
    }
    'rounds: for round in 0..args.load.rounds {
        // So that a machine that changes its speed changes it for all.
        let order: Vec<_> = match round % 2 {
            0 => runs.clone(),
            _ => runs.iter().rev().copied().collect(),
        };
        for (number, model) in order {
            let name = match model {
                Some(model) => format!("{} {}, round {}", HEADS[number], model.word(), round + 1),
                None => format!("{}, round {}", HEADS[number], round + 1),
            };
            let modules = modules(COLUMNS[number], model);
            let results = background
                .proxy(&modules, number == 0)
                .and_then(|mut proxy| background.run(&mut proxy, &name, |p| eprintln!("  {p}")));
            let results = match results {
                Ok(results) => results,
                Err(why) => {
                    sheet.end_early(why)?;
                    break 'rounds;
                }
            };
            sheet.judge(&name, &results);
            sheet.add(number, model, Row::of(&results));
        }
    }
    let text = print(&sheet, &args.load.models, args.load.markdown);
    Ok((text, sheet.code()))
}

/// The module of a column.
fn modules(column: Column, model: Option<Model>) -> String {
    let name = match column {
        Column::Baseline | Column::Api => return String::new(),
        Column::Empty => "empty",
        Column::Headers => "add-headers",
        Column::Bodies => "body-and-headers",
    };
    module(name, model.unwrap_or(Model::Inline), "", "")
}

/// The table, and what it shows in words.
pub(super) fn print(sheet: &Sheet, models: &[Model], markdown: bool) -> String {
    let figures = [&FIGURES[..], &[PROCESSOR]].concat();
    let table = sheet.print(&HEADS, &PAPER, models, &figures, markdown);
    let found = found(sheet, models);
    format!("{table}\n{found}{}", sheet.noted())
}

/// What differences are told of.
const TOLD: [(&str, Of); 3] = [
    ("hits", |r| r.hit),
    ("misses", |r| r.miss),
    ("processor time", |r| r.processor),
];

/// What each column adds to hit and miss times, beside the paper, and how far apart its own rounds are.
fn found(sheet: &Sheet, models: &[Model]) -> String {
    let mut out = String::new();
    for (place, &model) in models.iter().enumerate() {
        // Compiled out is the paper's baseline; without such a build, no module.
        let Some(base) = (0..2).find(|&n| sheet.row(n, model).is_some()) else {
            continue;
        };
        for (column, &head) in HEADS.iter().enumerate().skip(base) {
            let Some(row) = sheet.row(column, model) else {
                continue;
            };
            let name = match sheet.is_of_all(column) {
                // It has no module, so it is the same in each model.
                true if place > 0 => continue,
                true => head.to_owned(),
                false => format!("{head}, {}", model.word()),
            };
            let differences = match column == base {
                true => None,
                false => Some(differences(sheet, &row, model, [base, column])),
            };
            let spreads = TOLD.iter().filter_map(|(name, figure)| {
                let share = sheet.spread(column, model, *figure)? / figure(&row)?;
                share
                    .is_finite()
                    .then(|| format!("{name} {:.1} %", share * 100.0))
            });
            let spreads: Vec<String> = spreads.collect();
            let apart = match (sheet.rounds(column, model), &differences) {
                (0 | 1, None) => "of its one round is taken for chance:",
                (0 | 1, Some(_)) => "Of its one round is taken for chance:",
                (_, None) => "its rounds are apart by",
                (_, Some(_)) => "Its rounds are apart by",
            };
            let differences = differences.unwrap_or_default();
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "- {name}: {differences}{apart} {}.",
                spreads.join("; ")
            );
        }
    }
    out
}

/// What the second of two columns adds to the first.
fn differences(sheet: &Sheet, row: &Row, model: Model, columns: [usize; 2]) -> String {
    let [base, column] = columns;
    let change = |row: &Row, base: &Row, figure: Of| {
        let (row, base) = (figure(row)?, figure(base)?);
        (base > 0.0).then(|| (row / base - 1.0) * 100.0)
    };
    let told = TOLD.iter().filter_map(|(name, figure)| {
        let without = sheet.row(base, model)?;
        let ours = change(row, &without, *figure)?;
        let noise = sheet.noise(columns, model, *figure)?;
        let apart = (figure(row)? - figure(&without)?).abs();
        let doubt = if apart <= noise {
            " (within noise)"
        } else {
            ""
        };
        let paper = change(&PAPER[column], &PAPER[base], *figure);
        let paper = paper.map_or_else(String::new, |p| format!(", the paper {p:+.1} %"));
        Some(format!("{name} {ours:+.1} %{doubt}{paper}"))
    });
    let told: Vec<String> = told.collect();
    format!("{}. ", told.join("; "))
}

#[cfg(test)]
#[path = "table5_tests.rs"]
mod tests;
