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
    /// Where modules run
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "inline,threads,process"
    )]
    models: Vec<Model>,
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
            _ => runs.extend(args.models.iter().map(|&model| (number, Some(model)))),
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
    let text = print(&sheet, &args.models, args.load.markdown);
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

/// What each column adds to hit and miss times, beside the paper.
fn found(sheet: &Sheet, models: &[Model]) -> String {
    let mut out = String::new();
    let change = |row: &Row, base: &Row, figure: Of| {
        let (row, base) = (figure(row)?, figure(base)?);
        (base > 0.0).then(|| (row / base - 1.0) * 100.0)
    };
    for &model in models {
        // Compiled out is the paper's baseline; without such a build, no module.
        let Some((base, column)) = (0..2).find_map(|n| sheet.row(n, model).map(|row| (row, n)))
        else {
            continue;
        };
        for number in column + 1..COLUMNS.len() {
            let Some(row) = sheet.row(number, model) else {
                continue;
            };
            let figures: [(&str, Of); 3] = [
                ("hits", |r| r.hit),
                ("misses", |r| r.miss),
                ("processor time", |r| r.processor),
            ];
            let told = figures.iter().filter_map(|(name, figure)| {
                let ours = change(&row, &base, *figure)?;
                let noise = sheet.noise(column, model, *figure)?;
                let apart = (figure(&row)? - figure(&base)?).abs();
                let doubt = if apart <= noise {
                    " (within noise)"
                } else {
                    ""
                };
                let paper = change(&PAPER[number], &PAPER[column], *figure);
                let paper = paper.map_or_else(String::new, |p| format!(", the paper {p:+.1} %"));
                Some(format!("{name} {ours:+.1} %{doubt}{paper}"))
            });
            let told: Vec<String> = told.collect();
            // Writing to a string does not fail.
            let _ = writeln!(
                out,
                "- {}, {}: {}.",
                HEADS[number],
                model.word(),
                told.join("; ")
            );
        }
    }
    out
}

#[cfg(test)]
#[path = "table5_tests.rs"]
mod tests;
