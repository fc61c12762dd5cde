//! Looks at the proxy's processes each second, on a thread of its own: reading `/proc` takes milliseconds, which robots have not.

use crate::{record::Process, watch::Watch};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{JoinHandle, spawn},
    time::Duration,
};

/// Between two looks.
const EACH: Duration = Duration::from_secs(1);

/// The thread that looks.
#[derive(Debug)]
pub(crate) struct Observer {
    latest: Arc<Mutex<Process>>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Looks at these processes and all their children; none if there are none.
    pub(crate) fn start(pids: &[u32]) -> Option<Self> {
        if pids.is_empty() {
            return None;
        }
        let mut watches: Vec<Watch> = pids.iter().map(|pid| Watch::tree(*pid)).collect();
        let latest = Arc::new(Mutex::new(look(&mut watches)));
        let (end, ended) = channel();
        let shared = Arc::clone(&latest);
        let thread = spawn(move || go_on(&mut watches, &shared, &ended));
        Some(Self {
            latest,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// What was seen last.
    pub(crate) fn latest(&self) -> Process {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn go_on(watches: &mut [Watch], latest: &Mutex<Process>, ended: &Receiver<()>) {
    while ended.recv_timeout(EACH) == Err(RecvTimeoutError::Timeout) {
        let seen = look(watches);
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

fn look(watches: &mut [Watch]) -> Process {
    watches
        .iter_mut()
        .map(Watch::look)
        .fold(Process::default(), |sum, one| Process {
            user: sum.user + one.user,
            system: sum.system + one.system,
            memory: sum.memory + one.memory,
            processes: sum.processes + one.processes,
        })
}
