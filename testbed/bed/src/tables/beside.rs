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
    /// What the phase was called when it was looked at last.
    phase: Option<String>,
    plateau: Option<Tally>,
}

impl Window {
    fn new(running: Option<Running>) -> Self {
        Self {
            running,
            phase: None,
            plateau: None,
        }
    }

    /// A phase begins where its name changes; the last one there is is the plateau.
    fn look(&mut self, progress: &Progress) {
        let Some(running) = &self.running else {
            return;
        };
        if self.phase.as_ref() != Some(&progress.phase) {
            self.phase = Some(progress.phase.clone());
            running.take();
        } else if progress.at >= progress.of && self.plateau.is_none() {
            // Behind its end only answers under way are waited for.
            self.plateau = Some(running.take());
        }
    }

    fn close(&mut self) -> Option<Tally> {
        let running = self.running.take()?;
        let tally = self.plateau.take().unwrap_or_else(|| running.take());
        running.stop();
        Some(tally)
    }
}
