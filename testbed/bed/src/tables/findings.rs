//! The paper's finding of Table 6 looked for: a transcoder at full demand slows the background down, and niced to 19 it gives the
//! background's times back.
//!
//! Invariant: each word is decided by figures. A difference that rounds of either of two columns have among
//! themselves is none.

use super::{
    row::Of,
    sheet::{Model, Sheet},
    table6::PAPER,
};
use std::fmt::Write;

/// What nice 19 does, in words; nothing where one of the columns (baseline, full demand, niced) was not measured in this model.
pub(super) fn nice(sheet: &Sheet, model: Model, columns: (usize, usize, usize)) -> String {
    let (base, full_demand, niced) = columns;
    let of = |column| sheet.row(column, model);
    let (Some(baseline), Some(at_full), Some(at_nice)) = (of(base), of(full_demand), of(niced))
    else {
        return String::new();
    };
    let mut out = String::new();
    let figures: [(&str, Of); 2] = [("hit", |r| r.hit), ("miss", |r| r.miss)];
    for (name, figure) in figures {
        let told = (|| {
            let noise = |a, b| sheet.noise([a, b], model, figure);
            let noise = Noise {
                added: noise(base, full_demand)?,
                left: noise(base, niced)?,
                back: noise(full_demand, niced)?,
            };
            let (baseline, full) = (figure(&baseline)?, figure(&at_full)?);
            let (added, left) = (full - baseline, figure(&at_nice)? - baseline);
            let paper = |column: usize| Some(figure(&PAPER[column])? - figure(&PAPER[base])?);
            let paper = given_back(paper(columns.1)?, paper(niced)?);
            Some(sentence(name, model, added, left, noise, paper))
        })();
        out.push_str(&told.unwrap_or_default());
    }
    if let (Some(full), Some(nice)) = (at_full.adapted, at_nice.adapted)
        && full > 0.0
    {
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "- Images, {}: {full:.1}/s at full demand, {nice:.1}/s niced to 19, {:.0} % of it.",
            model.word(),
            nice / full * 100.0
        );
    }
    out
}

/// What cannot be told from chance of what full demand adds, of what of it is left when niced, and of what that gives back.
#[derive(Debug, Clone, Copy)]
struct Noise {
    added: f64,
    left: f64,
    back: f64,
}

/// Per cent of what was added that is gone.
fn given_back(added: f64, left: f64) -> f64 {
    (1.0 - left / added) * 100.0
}

/// One time's sentence.
fn sentence(name: &str, model: Model, added: f64, left: f64, noise: Noise, paper: f64) -> String {
    let model = model.word();
    let figures = format!("full demand {added:+.3} ms, niced to 19 {left:+.3} ms");
    if added <= noise.added {
        return format!(
            "- The {name} time, {model}: {figures}; nothing to give back, as full demand adds no more than chance ({:.3} ms).\n",
            noise.added
        );
    }
    let back = given_back(added, left);
    let verdict = if left <= noise.left {
        "as the paper found, nice 19 gives the background's time back"
    } else if back >= 50.0 {
        "as the paper found, though not all of it, nice 19 gives the background's time back"
    } else if back > 0.0 && added - left > noise.back {
        "otherwise than the paper found, nice 19 gives little of the background's time back"
    } else {
        "otherwise than the paper found, nice 19 gives nothing back"
    };
    format!(
        "- The {name} time, {model}: {figures}; {verdict}: {back:.0} % of what was added (the paper: {paper:.0} %).\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_follow_from_the_figures() {
        for (added, left, noise, part) in [
            (10.0, 0.1, 0.2, "gives the background's time back: 99 %"),
            (10.0, -0.5, 0.2, "gives the background's time back: 105 %"),
            (10.0, 2.0, 0.2, "though not all of it"),
            (10.0, 8.0, 0.2, "gives little"),
            (10.0, 9.9, 0.2, "gives nothing back"),
            (10.0, 12.0, 0.2, "gives nothing back: -20 %"),
            (0.1, 0.05, 0.2, "nothing to give back"),
            (-1.0, 0.05, 0.2, "nothing to give back"),
        ] {
            let noise = Noise {
                added: noise,
                left: noise,
                back: noise,
            };
            let told = sentence("hit", Model::Process, added, left, noise, 98.6);
            assert!(told.contains(part), "{added} {left}: {told}");
        }
    }

    #[test]
    fn the_papers_own_figures_are_its_finding() {
        let mut sheet = Sheet::default();
        for (column, row) in PAPER.into_iter().enumerate() {
            sheet.add(column, (column > 0).then_some(Model::Process), row);
        }
        let told = nice(&sheet, Model::Process, (0, 3, 4));
        assert!(told.contains("The hit time, process: full demand +23.480 ms, niced to 19 +0.330 ms; as the paper found, nice 19 gives the background's time back: 99 % of what was added (the paper: 99 %)"), "{told}");
        assert_eq!(nice(&sheet, Model::Threads, (0, 3, 4)), "");
    }
}
