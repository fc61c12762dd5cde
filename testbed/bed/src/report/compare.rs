//! Two runs side by side.
//!
//! Awkward case: runs of other workloads, rates or seeds. Their figures still stand in the table, and above it stands why they do not
//! tell which proxy is better.

use super::{
    page,
    quantity::{Better, Quantity, differences, known, quantities},
    spread,
    words::{self, escape, or_dash},
};
use crate::record::Results;
use std::fmt::Write;

/// Differences smaller than this share are called none: one run says nothing of them.
const NOISE: f64 = 0.02;

/// A table as text: the first column to the left, the others to the right.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column));
        cells.map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..count).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match n {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// What is not known of runs of older programs.
const UNKNOWN: &str =
    "Whether their workload files and all options were the same is not told in these results.";

/// B over A, if both are there and A is not nothing.
fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(b? / a.filter(|a| *a != 0.0)?)
}

fn rows(a: &Results, b: &Results) -> Vec<(Quantity, Quantity)> {
    let pairs = quantities(a).into_iter().zip(quantities(b));
    pairs
        .filter(|(a, b)| a.value.is_some() || b.value.is_some())
        .collect()
}

fn times(ratio: f64) -> String {
    format!("{ratio:.3}")
}

/// The differences of two runs as text.
#[must_use]
pub fn compare(a: &Results, b: &Results) -> String {
    let mut out = String::new();
    let why = differences(a, b);
    if !why.is_empty() {
        out.push_str("These runs are not comparable:\n");
        for reason in &why {
            let _ = writeln!(out, "  - {reason}");
        }
        out.push('\n');
    }
    if !known(a, b) {
        let _ = writeln!(out, "{UNKNOWN}\n");
    }
    let mut table = vec![["", "A", "B", "B/A"].map(str::to_owned).to_vec()];
    for (qa, qb) in rows(a, b) {
        table.push(vec![
            qa.name.to_owned(),
            or_dash(qa.value, qa.text),
            or_dash(qb.value, qb.text),
            or_dash(ratio(qa.value, qb.value), times),
        ]);
    }
    out.push_str(&columns(&table));
    out.push_str("\nOf the measured phases. One run of each says nothing of small differences: `understudy-bed ab` does.\n");
    out
}

/// The differences of two runs as one HTML file that names nothing outside itself.
#[must_use]
pub fn compare_html(a: &Results, b: &Results) -> String {
    let name = |r: &Results| {
        let start = r.identity.start.as_deref();
        let start = start.map(|s| format!(" ({s})")).unwrap_or_default();
        format!(
            "{} through {}{start}",
            r.identity.workload, r.identity.proxy
        )
    };
    let mut body = format!(
        "<header><h1>Two runs compared</h1>\n<p class=\"soft\">A: {}<br>B: {}</p></header>\n",
        escape(&name(a)),
        escape(&name(b))
    );
    let why = differences(a, b);
    let reasons: String = why
        .iter()
        .map(|w| format!("<li>{}</li>", escape(w)))
        .collect();
    if why.is_empty() {
        let more = match known(a, b) {
            true => "The same workload, key for key, options and version of this program.",
            false => UNKNOWN,
        };
        let _ = writeln!(
            body,
            "<div class=\"verdict good\"><strong>The runs are comparable.</strong><p>The same workload by its name, seed, rate and phases, on \
             machines alike, and both are valid. {more}</p></div>"
        );
    } else {
        let _ = writeln!(
            body,
            "<div class=\"verdict warn\"><strong>These runs are not comparable.</strong><ul>{reasons}</ul></div>"
        );
    }
    let mut table = String::new();
    for (qa, qb) in rows(a, b) {
        let ratio = ratio(qa.value, qb.value);
        let gain = match (qa.better, ratio) {
            // What there was none of in A has no ratio, and is worse all the same.
            (Better::Lower, None) if qa.value == Some(0.0) && qb.value > Some(0.0) => {
                " class=\"loss\""
            }
            (Better::Neither, _) | (_, None) => "",
            (_, Some(r)) if (r - 1.0).abs() < NOISE => "",
            (Better::Lower, Some(r)) if r < 1.0 => " class=\"gain\"",
            (Better::Higher, Some(r)) if r > 1.0 => " class=\"gain\"",
            _ => " class=\"loss\"",
        };
        let _ = writeln!(
            table,
            "<tr>{}{}{}<td{gain}>{}</td></tr>",
            page::cell(qa.name),
            page::cell(&or_dash(qa.value, qa.text)),
            page::cell(&or_dash(qb.value, qb.text)),
            or_dash(ratio, times)
        );
    }
    body.push_str(&page::table(&["", "A", "B", "B/A"], &table));
    let _ = writeln!(
        body,
        "<p class=\"gloss\">Figures of the measured phases. Green: B is better, red: A is; differences below {} have no colour. One run of \
         each says nothing of small differences: understudy-bed ab runs pairs and says which are more than chance.</p>",
        words::percent(NOISE)
    );
    body.push_str(&spread::both(a, b));
    page::page("Two runs compared", &body)
}
