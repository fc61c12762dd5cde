//! The origin as a run sees it: one of its own, or one on another machine, asked over its control.
//!
//! Awkward case: the other machine is asked on a thread, four times a second, for a question over a network may take longer than
//! robots can wait; what is told of it is then so much older.

use crate::{
    origin::{self, Reading, Running, Statistics, remote::Remote},
    record::OriginSide,
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{JoinHandle, spawn},
    time::Duration,
};

/// Between two questions.
const EACH: Duration = Duration::from_millis(250);

/// Where answers come from.
pub(crate) enum Side {
    /// This program.
    Here(Running),
    /// Another machine.
    There(Asking),
}

/// A thread that asks the other machine.
pub(crate) struct Asking {
    latest: Arc<Mutex<(Statistics, Option<Reading>)>>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Asking {
    /// Asks from now on.
    pub(crate) fn start(remote: Remote) -> Self {
        let latest = Arc::new(Mutex::new((Statistics::default(), None)));
        let shared = Arc::clone(&latest);
        let (end, ended) = channel::<()>();
        let thread = spawn(move || {
            // It may have served other runs.
            let mut begin = None;
            while ended.recv_timeout(EACH) == Err(RecvTimeoutError::Timeout) {
                // A question that fails is asked again; what was last known stays.
                if let Ok(clock) = remote.clock(1) {
                    shared.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(clock);
                }
                if let Ok(mut statistics) = remote.statistics() {
                    let begin = *begin.get_or_insert(statistics.processor_micros);
                    statistics.processor_micros = statistics.processor_micros.saturating_sub(begin);
                    shared.lock().unwrap_or_else(PoisonError::into_inner).0 = statistics;
                }
            }
        });
        Self {
            latest,
            end: Some(end),
            thread: Some(thread),
        }
    }

    fn latest(&self) -> (Statistics, Option<Reading>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Side {
    /// What the origin counted until now.
    pub(crate) fn statistics(&self) -> Statistics {
        match self {
            Self::Here(running) => running.statistics(),
            Self::There(asking) => asking.latest().0,
        }
    }

    /// Processor seconds of an origin elsewhere, of each of its workers in the mean, since it was asked first; what one here takes is of this program's own.
    pub(crate) fn processor(&self) -> Option<f64> {
        match self {
            Self::Here(_) => None,
            Self::There(asking) => Some(asking.latest().0.processor_micros as f64 / 1e6),
        }
    }

    /// What its clock said when it was looked at last, if it was.
    pub(crate) fn clock(&self) -> Option<Reading> {
        match self {
            Self::Here(running) => Some(running.clock()),
            Self::There(asking) => asking.latest().1,
        }
    }

    /// What it counted, as results tell it.
    pub(crate) fn counted(&self) -> OriginSide {
        let origin::Statistics {
            requests,
            conditional,
            not_modified,
            bytes,
            connections,
            late_micros,
            ..
        } = self.statistics();
        OriginSide {
            requests,
            conditional,
            not_modified,
            bytes,
            connections,
            late: late_micros,
        }
    }
}
