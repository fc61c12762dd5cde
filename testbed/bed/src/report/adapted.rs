//! The table of what became of answers that the proxy was to change on purpose.

use super::{
    page::{cell, table},
    words::count,
};
use crate::record::Results;
use std::fmt::Write;

/// What became of answers that the proxy was to change, phase by phase; nothing where nothing was to be changed.
pub(crate) fn adapted(r: &Results) -> String {
    if r.total.adapted.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    let phases = r.phases.iter().map(|p| (p.name.as_str(), &p.figures));
    for (phase, f) in phases.chain([("whole run", &r.total)]) {
        for (adaptation, counts) in &f.adapted {
            let class = match counts.wrong {
                0 => "",
                _ => " class=\"some\"",
            };
            let _ = writeln!(
                rows,
                "<tr>{}{}{}{}<td{class}>{}</td>{}{}</tr>",
                cell(phase),
                cell(adaptation.name()),
                cell(&count(counts.adapted)),
                cell(&count(counts.passed)),
                count(counts.wrong),
                cell(&count(counts.unasked)),
                cell(&count(counts.unjudged)),
            );
        }
    }
    let heads = [
        "Phase",
        "Adaptation",
        "Adapted",
        "As they were",
        "Wrong",
        "Not asked for",
        "Not judged",
    ];
    format!(
        "<section><h2>Adapted content</h2>\n{}<p class=\"gloss\">Answers that the proxy was to change on purpose, judged through the change: a \
         gray picture by the original's gray, a compressed body by what comes out of it, a page by what is left without the text. What \
         passes as it was is no fault: a proxy may have no time for it. Not asked for: the robot accepts no coding, and got plain bytes. Not \
         judged: the answer had no end, as origin or robot broke it off, or it does not come out of its coding, or no judge had time.</p></section>\n",
        table(&heads, &rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{Adaptation, Adapted},
        report::tests::{Made, made},
    };

    #[test]
    fn each_phase_has_a_row_for_each_adaptation_and_a_run_without_has_no_table() {
        let mut results = made(&Made::default());
        assert_eq!(adapted(&results), "");
        let counts = Adapted {
            adapted: 5,
            passed: 4,
            unasked: 3,
            wrong: 2,
            unjudged: 1,
        };
        let found = [(Adaptation::Gray, counts), (Adaptation::Injected, counts)];
        results.total.adapted = found.into();
        results.phases[0].figures.adapted = found[..1].iter().copied().collect();
        let table = adapted(&results);
        assert_eq!(table.matches("<td>gray</td>").count(), 2, "{table}");
        assert_eq!(table.matches("<td>injected</td>").count(), 1, "{table}");
        let row = "<td>5</td><td>4</td><td class=\"some\">2</td><td>3</td><td>1</td>";
        assert_eq!(table.matches(row).count(), 3, "{table}");
    }
}
