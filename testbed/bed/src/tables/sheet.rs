//! Measured columns in the paper's layout: a block of lines for each figure, the paper's first, then each execution model's.

use super::{
    layout,
    row::{Figure, Of, Row, spread},
};
use crate::record::Results;
use std::collections::BTreeMap;

/// Where a module runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Model {
    /// On the worker's own stack.
    Inline,
    /// In a pool of threads.
    Threads,
    /// In a child process.
    Process,
}

impl Model {
    /// What the configuration calls it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Threads => "threads",
            Self::Process => "process",
        }
    }
}

/// A table in the making: rounds of each column in each model. A column that needs no model is of all of them.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    rounds: BTreeMap<(usize, Option<Model>), Vec<Row>>,
    /// What is told below the table.
    pub(super) notes: Vec<String>,
    invalid: bool,
    early: bool,
}

impl Sheet {
    /// One more round of the column of this number.
    pub fn add(&mut self, column: usize, model: Option<Model>, row: Row) {
        self.rounds.entry((column, model)).or_default().push(row);
    }

    /// Notes that these results do not count for the proxy, if they do not.
    pub(super) fn judge(&mut self, name: &str, results: &Results) {
        if !results.validity.valid {
            self.invalid = true;
            let reasons = results.validity.reasons.join("; ");
            self.notes.push(format!("**Invalid**: {name}: {reasons}."));
        }
    }

    /// It ends here for this reason. What was measured is kept: it may have taken hours.
    ///
    /// # Errors
    /// Nothing was measured: the reason itself.
    pub(super) fn end_early(&mut self, why: String) -> Result<(), String> {
        if self.rounds.is_empty() {
            return Err(why);
        }
        self.early = true;
        self.notes.push(format!("**Ended early**: {why}."));
        Ok(())
    }

    /// The exit code: 2 it ended early, 1 there were faults, 3 a run does not count, 0 all is well.
    pub(super) fn code(&self) -> u8 {
        let mut rows = self.rounds.values().flatten();
        match rows.any(|row| row.faults.is_some_and(|n| n > 0.0)) {
            _ if self.early => 2,
            true => 1,
            false if self.invalid => 3,
            false => 0,
        }
    }

    /// The notes, as a list.
    pub(super) fn noted(&self) -> String {
        let notes = self.notes.iter().map(|note| format!("- {note}\n"));
        notes.collect()
    }

    /// The medians of a column in a model, or of a column without one.
    #[must_use]
    pub fn row(&self, column: usize, model: Model) -> Option<Row> {
        self.of(column, model).map(Row::median)
    }

    /// How many rounds a column has in a model.
    pub(super) fn rounds(&self, column: usize, model: Model) -> usize {
        self.of(column, model).map_or(0, <[Row]>::len)
    }

    fn of(&self, column: usize, model: Model) -> Option<&[Row]> {
        let own = self.rounds.get(&(column, Some(model)));
        let found = own.or_else(|| self.rounds.get(&(column, None)));
        found.map(Vec::as_slice)
    }

    /// Whether a column is the same in every model, having no module.
    pub(super) fn is_of_all(&self, column: usize) -> bool {
        self.rounds.contains_key(&(column, None))
    }

    /// What in a figure of two columns cannot be told from chance: the larger of the two spreads.
    pub(super) fn noise(&self, columns: [usize; 2], model: Model, figure: Of) -> Option<f64> {
        let [a, b] = columns.map(|column| self.spread(column, model, figure));
        Some(a?.max(b?))
    }

    /// How far rounds of this column are apart in a figure, or 2 % of it when there is one round.
    pub(super) fn spread(&self, column: usize, model: Model, figure: Of) -> Option<f64> {
        let rows = self.of(column, model)?;
        let median = figure(&Row::median(rows))?;
        Some(spread(rows, figure).unwrap_or(median * 0.02))
    }

    /// The table: heads, the paper's rows for them, the models that were measured.
    pub(super) fn print(
        &self,
        heads: &[&str],
        paper: &[Row],
        models: &[Model],
        figures: &[Figure],
        markdown: bool,
    ) -> String {
        let mut head = vec![String::new(), String::new()];
        head.extend(heads.iter().map(|h| (*h).to_owned()));
        let mut cells = vec![head];
        for (name, digits, figure) in figures {
            let mut lines = Vec::new();
            let papers: Vec<Option<f64>> = paper.iter().map(figure).collect();
            if papers.iter().any(Option::is_some) {
                lines.push(("the paper", papers));
            }
            for &model in models {
                let columns = 0..heads.len();
                let ours: Vec<Option<f64>> = columns
                    .map(|column| self.row(column, model).as_ref().and_then(figure))
                    .collect();
                if ours.iter().any(Option::is_some) {
                    lines.push((model.word(), ours));
                }
            }
            for (n, (who, values)) in lines.into_iter().enumerate() {
                let title = if n == 0 { *name } else { "" };
                let mut line = vec![title.to_owned(), who.to_owned()];
                line.extend(values.into_iter().map(|v| layout::number(v, *digits)));
                cells.push(line);
            }
        }
        layout::print(&cells, 2, markdown)
    }
}
