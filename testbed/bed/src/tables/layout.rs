//! Tables as text and as Markdown.

use std::fmt::Write;

/// Lines of cells, the first of them the heads; the first `left` columns begin on the left, the others end on the right.
#[must_use]
pub fn print(cells: &[Vec<String>], left: usize, markdown: bool) -> String {
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| {
        let cells = cells.iter().filter_map(|line| line.get(i));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (n, line) in cells.iter().enumerate() {
        let cells = line.iter().zip(&widths).enumerate();
        let cells = cells.map(|(i, (cell, width))| match i < left {
            true => format!("{cell:width$}"),
            false => format!("{cell:>width$}"),
        });
        let cells: Vec<String> = cells.collect();
        // Writing to a string does not fail.
        if markdown {
            let _ = writeln!(out, "| {} |", cells.join(" | "));
            if n == 0 {
                let rules = [
                    "---|".repeat(left),
                    "--:|".repeat(columns.saturating_sub(left)),
                ];
                let _ = writeln!(out, "|{}", rules.concat());
            }
        } else {
            let _ = writeln!(out, "{}", cells.join("  ").trim_end());
        }
    }
    out
}

/// A number with this many digits behind the point, or a dash.
#[must_use]
pub fn number(value: Option<f64>, digits: usize) -> String {
    match value.filter(|v| v.is_finite()) {
        Some(value) => format!("{value:.digits$}"),
        None => "-".to_owned(),
    }
}
