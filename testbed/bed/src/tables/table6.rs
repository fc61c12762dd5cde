//! Table 6 of the paper: real modules at work beside a background load, and what they do to it.
//!
//! The client and server of real content ([`super::adapted`], `real`) ask through the same proxy as the background. First
//! the compressor is asked for all it can beside the background: its two loads keep the paper's ratio of 75 to 95 to that.

use super::{
    adapted::{Adaptation, Pace},
    background::{Background, LoadArgs, module},
    beside::Bench,
    findings,
    real::{HOST, Real},
    row::{ADAPTED, FIGURES, Row},
    sheet::{Model, Sheet},
};

/// What `table6` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Table6Args {
    #[command(flatten)]
    load: LoadArgs,
    /// Which columns
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "baseline,ads,images25,images,nice,text75,text95"
    )]
    columns: Vec<Column>,
    /// Requests always under way at full demand
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    demand: u16,
    /// Objects a second that saturate the machine with the compressor; found out first, if left out
    #[arg(long)]
    saturating: Option<f64>,
}

/// The paper's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs)]
pub enum Column {
    Baseline,
    Ads,
    #[value(name = "images25")]
    Images25,
    Images,
    Nice,
    #[value(name = "text75")]
    Text75,
    #[value(name = "text95")]
    Text95,
}

const COLUMNS: [Column; 7] = [
    Column::Baseline,
    Column::Ads,
    Column::Images25,
    Column::Images,
    Column::Nice,
    Column::Text75,
    Column::Text95,
];

const HEADS: [&str; 7] = [
    "Baseline",
    "Ad remover",
    "Images 25/s",
    "Images max",
    "Images max, nice 19",
    "Compress 75/95",
    "Compress 95/95",
];

/// What the paper measured; its transcoder made 30 images a second at full demand.
pub(super) const PAPER: [Row; 7] = [
    Row::paper([1452.87, 1248.99, 2742.53, 19.82, 57.81], None),
    Row::paper([1452.72, 1248.87, 2743.55, 20.42, 57.81], None),
    Row::paper([1452.65, 1256.60, 2753.47, 23.21, 57.74], Some(25.0)),
    Row::paper([1452.73, 1277.76, 2778.09, 43.30, 57.80], Some(30.0)),
    Row::paper([1452.68, 1250.69, 2744.60, 20.15, 57.78], None),
    Row::paper([1452.73, 1252.24, 2745.63, 23.44, 57.81], Some(75.0)),
    Row::paper([1452.88, 1258.34, 2752.63, 28.69, 57.78], Some(95.0)),
];

/// The paper's images a second.
const IMAGES: f64 = 25.0;
/// The compressor's lighter load as a share of the heavier.
const LIGHTER: f64 = 75.0 / 95.0;

/// Measures and prints the table; with it the exit code.
///
/// # Errors
/// What could not be run, in words.
pub fn table(args: Table6Args) -> Result<(String, u8), String> {
    let asked = |columns: &[Column]| columns.iter().any(|c| args.columns.contains(c));
    let images = asked(&[Column::Images25, Column::Images, Column::Nice]);
    let texts = asked(&[Column::Text75, Column::Text95]);
    let bench = Bench {
        background: Background::new(args.load.clone())?,
        real: Real::start(args.load.seed, images, texts)?,
        demand: usize::from(args.demand),
    };
    let mut sheet = Sheet::default();
    let mut saturating: Vec<(Model, f64)> = Vec::new();
    if texts {
        for &model in &args.load.models {
            let rate = match args.saturating {
                Some(rate) => rate,
                None => bench.saturating(&mut sheet, model)?,
            };
            let (word, lighter) = (model.word(), rate * LIGHTER);
            sheet.notes.push(format!(
                "Compressor, {word}: {rate:.1} objects/s are all there is beside the background; the loads are {lighter:.1} and {rate:.1}."
            ));
            saturating.push((model, rate));
        }
    }
    let runs = runs(&args.columns, &args.load.models);
    if args.columns.contains(&Column::Baseline) && !bench.background.has_without() {
        let why =
            "The baseline has the interface and no module: `--without` names no build without it.";
        sheet.notes.push(why.to_owned());
    }
    'rounds: for round in 0..args.load.rounds {
        let order: Vec<_> = match round % 2 {
            0 => runs.clone(),
            _ => runs.iter().rev().copied().collect(),
        };
        for (number, model) in order {
            let word = model.map_or_else(String::new, |m| format!(" {}", m.word()));
            let name = format!("{}{word}, round {}", HEADS[number], round + 1);
            let saturating = saturating.iter().find(|(m, _)| Some(*m) == model);
            let column = COLUMNS[number];
            let measured = bench.run(
                &mut sheet,
                &name,
                column,
                model,
                saturating.map(|(_, rate)| *rate),
            );
            match measured {
                Ok(row) => sheet.add(number, model, row),
                Err(why) => {
                    sheet.end_early(why)?;
                    break 'rounds;
                }
            }
        }
    }
    let text = print(&sheet, &args.load.models, args.load.markdown);
    Ok((text, sheet.code()))
}

/// The columns that there are, each in the models that it can have.
fn runs(columns: &[Column], models: &[Model]) -> Vec<(usize, Option<Model>)> {
    let mut runs = Vec::new();
    for (number, column) in COLUMNS.into_iter().enumerate() {
        let possible = |model: &&Model| match column {
            // A module that blocks is refused inline.
            Column::Images25 | Column::Images => **model != Model::Inline,
            // Threads of the proxy have its own niceness.
            Column::Nice => **model == Model::Process,
            _ => true,
        };
        match column {
            _ if !columns.contains(&column) => {}
            Column::Baseline => runs.push((number, None)),
            _ => runs.extend(models.iter().filter(possible).map(|&m| (number, Some(m)))),
        }
    }
    runs
}

impl Bench {
    /// Objects a second that the compressor makes beside the background at full demand.
    fn saturating(&self, sheet: &mut Sheet, model: Model) -> Result<f64, String> {
        let name = format!("What saturates the compressor {}", model.word());
        let text = modules(Column::Text95, model);
        let pace = Pace::Full(self.demand);
        let load = Some((Adaptation::Compressed, pace));
        let row = self.measure(sheet, &name, &text, false, load)?;
        let rate = row.adapted.filter(|rate| *rate > 0.0);
        rate.ok_or_else(|| format!("{name}: nothing was compressed"))
    }

    fn run(
        &self,
        sheet: &mut Sheet,
        name: &str,
        column: Column,
        model: Option<Model>,
        saturating: Option<f64>,
    ) -> Result<Row, String> {
        let full = Pace::Full(self.demand);
        let rate = |share: f64| saturating.map(|s| (Adaptation::Compressed, Pace::Rate(s * share)));
        let load = match column {
            Column::Baseline | Column::Ads => None,
            Column::Images25 => Some((Adaptation::Gray, Pace::Rate(IMAGES))),
            Column::Images | Column::Nice => Some((Adaptation::Gray, full)),
            Column::Text75 => rate(LIGHTER),
            Column::Text95 => rate(1.0),
        };
        let text = model.map_or_else(String::new, |model| modules(column, model));
        let without = column == Column::Baseline && self.background.has_without();
        self.measure(sheet, name, &text, without, load)
    }
}

/// The module of a column, for answers of the real server alone; the ad remover for all, as the paper's.
fn modules(column: Column, model: Model) -> String {
    let real = format!("match.hosts = [\"{HOST}\"]\n");
    match column {
        Column::Baseline => String::new(),
        Column::Ads => module("ad-remover", model, "", ""),
        Column::Images25 | Column::Images => module(
            "transcoder",
            model,
            &format!("{real}deadline = \"30s\"\n"),
            "",
        ),
        Column::Nice => {
            let keys = format!("{real}deadline = \"30s\"\nnice = 19\n");
            module("transcoder", model, &keys, "")
        }
        // Not bounded by its own budget of half a core: the machine is to be saturated.
        Column::Text75 | Column::Text95 => module("compressor", model, &real, "budget = 1024\n"),
    }
}

/// The table, and what it shows in words.
pub(super) fn print(sheet: &Sheet, models: &[Model], markdown: bool) -> String {
    let figures = [&FIGURES[..], &ADAPTED[..]].concat();
    let table = sheet.print(&HEADS, &PAPER, models, &figures, markdown);
    let found: String = models
        .iter()
        .map(|&model| findings::nice(sheet, model, (0, 3, 4)))
        .collect();
    format!("{table}\n{found}{}", sheet.noted())
}

#[cfg(test)]
#[path = "table6_tests.rs"]
mod tests;
