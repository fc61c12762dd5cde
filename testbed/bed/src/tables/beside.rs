//! The real client beside the background: both ask through one proxy, and what the client has is counted over the plateau.
//!
//! Invariant: the client asks from before the background begins until behind its end, so the plateau is under its load from edge to
//! edge; only what was answered within it is quoted. Awkward case: behind the plateau the background waits for answers under way,
//! and what the client has meanwhile, on a proxy that has little else to do, must not count.

use super::{
    adapted::{Adaptation, Load, Pace, Running, Tally},
    background::Background,
    real::Real,
    row::Row,
    sheet::Sheet,
};
use crate::record::Progress;
use std::{cell::RefCell, rc::Rc};

/// What all columns share.
pub(super) struct Bench {
    pub(super) background: Background,
    pub(super) real: Real,
    pub(super) demand: usize,
}

impl Bench {
    /// A column: the background through a fresh proxy with these modules, and this load beside it.
    pub(super) fn measure(
        &self,
        sheet: &mut Sheet,
        name: &str,
        modules: &str,
        without: bool,
        load: Option<(Adaptation, Pace)>,
    ) -> Result<Row, String> {
        let mut proxy = self.background.proxy(modules, without)?;
        let running = load
            .map(|(adaptation, pace)| {
                let objects = match adaptation {
                    Adaptation::Gray => &self.real.images,
                    Adaptation::Compressed => &self.real.texts,
                };
                let load = Load {
                    proxy: proxy.address,
                    origin: self.real.address()?,
                    objects: objects.clone(),
                    adaptation,
                    pace,
                };
                load.start()
            })
            .transpose()?;
        let window = Rc::new(RefCell::new(Window::new(running)));
        let watching = window.clone();
        let results = self.background.run(&mut proxy, name, move |progress| {
            eprintln!("  {progress}");
            watching.borrow_mut().look(progress);
        })?;
        sheet.judge(name, &results);
        let row = Row::of(&results);
        let tally = window.borrow_mut().close();
        let Some(tally) = tally else {
            return Ok(row);
        };
        for wrong in &tally.wrong {
            sheet.notes.push(format!("{name}: {wrong}."));
        }
        let (rate, passed) = (tally.rate(), tally.passed);
        eprintln!(
            "{name}: {rate:.1} objects/s adapted, {passed} passed, {} faults",
            tally.faults
        );
        Ok(row.beside(&tally))
    }
}

/// Counts what the real client has while the background is on its plateau.
struct Window {
    running: Option<Running>,
    counted: Counted,
}

impl Window {
    fn new(running: Option<Running>) -> Self {
        Self {
            running,
            counted: Counted::default(),
        }
    }

    fn look(&mut self, progress: &Progress) {
        if let Some(running) = &self.running {
            self.counted.add(progress, running.take());
        }
    }

    fn close(&mut self) -> Option<Tally> {
        let running = self.running.take()?;
        let rest = running.take();
        running.stop();
        Some(self.counted.close(rest))
    }
}

/// What was counted from look to look: pieces of about a second, of which those within the plateau are quoted.
#[derive(Default)]
struct Counted {
    /// What the phase was called when it was looked at last.
    phase: Option<String>,
    plateau: Option<Tally>,
    /// Pieces of other times: their faults are faults too.
    beside: Option<Tally>,
}

impl Counted {
    /// A piece that ends here. A phase begins where its name changes; the last one there is is the plateau. There is a look at its
    /// end, and one when no answer is under way any more: the piece between is not the plateau's.
    fn add(&mut self, progress: &Progress, piece: Tally) {
        if self.phase.as_ref() != Some(&progress.phase) {
            self.phase = Some(progress.phase.clone());
            join(&mut self.beside, self.plateau.take());
            join(&mut self.beside, Some(piece));
        } else if progress.at < progress.of + 0.1 {
            join(&mut self.plateau, Some(piece));
        } else {
            join(&mut self.beside, Some(piece));
        }
    }

    /// All that is quoted; of a plateau too short for a piece within it, what there is.
    fn close(&mut self, rest: Tally) -> Tally {
        join(&mut self.beside, Some(rest));
        match (self.plateau.take(), self.beside.take()) {
            (Some(plateau), Some(beside)) => plateau.with_faults_of(beside),
            (None, Some(beside)) => beside,
            (plateau, None) => plateau.unwrap_or_else(Tally::new),
        }
    }
}

fn join(sum: &mut Option<Tally>, piece: Option<Tally>) {
    *sum = match (sum.take(), piece) {
        (Some(sum), Some(piece)) => Some(sum.with(piece)),
        (sum, piece) => sum.or(piece),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::adapted::Seen;
    use std::time::Duration;

    /// A piece of so many seconds in which so many objects were adapted, and one was wrong.
    fn piece(adapted: u64, seconds: f64) -> Tally {
        let mut tally = Tally::new();
        for _ in 0..adapted {
            tally.count("/a", Ok(Seen::Adapted), Duration::from_millis(adapted));
        }
        tally.count("/b", Err("wrong".to_owned()), Duration::ZERO);
        tally.seconds = seconds;
        tally
    }

    #[test]
    fn only_what_was_answered_within_the_plateau_is_quoted_and_no_fault_is_lost() {
        let mut counted = Counted::default();
        // Behind the plateau answers under way are waited for, and the next look comes when they are there: the proxy has time then.
        for (at, phase, adapted, seconds) in [
            (1.0, "warm", 40, 1.0),
            (2.0, "plateau", 40, 1.0),
            (3.0, "plateau", 10, 1.0),
            (4.0, "plateau", 10, 1.0),
            (5.0003, "plateau", 10, 1.0),
            (9.5, "plateau", 300, 4.5),
        ] {
            let progress = Progress {
                at,
                of: 5.0,
                phase: phase.to_owned(),
                ..Progress::default()
            };
            counted.add(&progress, piece(adapted, seconds));
        }
        let tally = counted.close(piece(90, 0.1));
        assert_eq!((tally.adapted, tally.seconds), (30, 3.0));
        assert_eq!(tally.rate(), 10.0);
        assert!(
            tally
                .latency()
                .is_some_and(|(mean, _)| (mean - 10.0).abs() < 0.1)
        );
        assert_eq!((tally.faults, tally.wrong.len()), (7, 7));
    }

    #[test]
    fn a_plateau_too_short_to_be_told_apart_is_all_there_is() {
        let tally = Counted::default().close(piece(5, 0.5));
        assert_eq!((tally.adapted, tally.rate(), tally.faults), (5, 10.0, 1));
    }
}
