//! Keeps lists and contents up to date: on a thread that is started when something is due, and ends.
//!
//! Invariant: one such thread at a time, and transactions never wait for it: the new set of rules takes the place of the old in one step.
//! Awkward case: what fails. A bad download is dropped and its URL left alone for a while, and a file that was made unreadable is
//! told once, not at every ring.

use crate::fetch;
use crate::place::{Place, Stamp};
use crate::setup::{self, Setup};
use arc_swap::ArcSwapOption;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use understudy_module::{Host, Level};

/// A URL that failed is asked again after this, or sooner if it is refreshed more often.
const RETRY: Duration = Duration::from_secs(600);

/// What is in force, and the work on what will be.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    pub(crate) setup: ArcSwapOption<Setup>,
    at_work: AtomicBool,
    /// The state in which files were last seen, and were read or could not be.
    seen: Mutex<Vec<Stamp>>,
    /// When URLs that failed may be asked again.
    later: Mutex<HashMap<String, Instant>>,
}

/// While it is there the thread is at work, also when that ends in a panic.
struct AtWork(Arc<Keeper>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.at_work.store(false, Ordering::Release);
    }
}

impl Keeper {
    /// Puts this in force.
    pub(crate) fn put(self: &Arc<Self>, setup: Setup, host: &Host) {
        setup.blanks.store(host);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = setup.stamps.clone();
        self.setup.store(Some(Arc::new(setup)));
        self.look(host);
    }

    /// Has somebody look whether there is work: a file system that hangs is not for whoever calls this.
    pub(crate) fn look(self: &Arc<Self>, host: &Host) {
        let Some(setup) = self.setup.load_full() else {
            return;
        };
        if setup.options.places().next().is_none() || self.at_work.swap(true, Ordering::AcqRel) {
            return;
        }
        let (mine, its_host) = (AtWork(self.clone()), host.clone());
        let work = move || mine.0.work(&setup, &its_host);
        if let Err(why) = std::thread::Builder::new()
            .name("ad-lists".to_owned())
            .spawn(work)
        {
            host.log(Level::Warn, &format!("no thread to fetch lists: {why}"));
        }
    }

    fn is_due(&self, place: &Place, setup: &Setup) -> bool {
        let later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        place.is_due(setup.options.refresh)
            && later
                .get(&place.name())
                .is_none_or(|at| *at <= Instant::now())
    }

    fn work(&self, setup: &Arc<Setup>, host: &Host) {
        for place in setup
            .options
            .places()
            .filter(|place| self.is_due(place, setup))
        {
            let is_list = setup.options.lists.contains(place);
            let later = || self.later.lock().unwrap_or_else(PoisonError::into_inner);
            match fetched(place, is_list, setup) {
                Ok(()) => {
                    later().remove(&place.name());
                    host.count("fetched", 1);
                }
                Err(why) => {
                    let again = Instant::now() + setup.options.refresh.min(RETRY);
                    later().insert(place.name(), again);
                    host.count("fetches_failed", 1);
                    host.log(
                        Level::Warn,
                        &format!("{}: {why}; what there is stays", place.name()),
                    );
                }
            }
        }
        let stamps = setup::stamps(&setup.options);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, stamps.clone()) == stamps || stamps == setup.stamps {
            return;
        }
        drop(seen);
        match Setup::new(setup.options.clone()) {
            Ok(new) => {
                let new = Arc::new(new);
                // Other options that came meanwhile are newer than this.
                let before = self.setup.compare_and_swap(setup, Some(new.clone()));
                if before
                    .as_ref()
                    .is_some_and(|before| Arc::ptr_eq(before, setup))
                {
                    new.blanks.store(host);
                    host.count("swapped", 1);
                    host.log(Level::Info, "other lists are in force");
                }
            }
            Err(why) => host.log(Level::Warn, &format!("{why}; what was in force stays")),
        }
    }
}

/// Fetches a place if it changed, and keeps what is good.
fn fetched(place: &Place, is_list: bool, setup: &Setup) -> Result<(), String> {
    let Place::Url { url, .. } = place else {
        return Ok(());
    };
    let kept = |done: std::io::Result<()>| done.map_err(|why| format!("its copy: {why}"));
    let Some((validators, bytes)) =
        fetch::changed(url, &place.validators(), setup.options.tls.clone())?
    else {
        return kept(place.touch());
    };
    if is_list {
        setup::list(&bytes)?;
    } else {
        setup::content(place, &bytes)?;
    }
    kept(place.keep(&validators, &bytes))
}
