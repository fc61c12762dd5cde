//! A door two threads meet at: one waits, another opens it. Once open it stays open.

use crate::PATIENCE;
use std::sync::{Arc, Condvar, Mutex};

/// A door, shared by cloning.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed door.
    pub fn new() -> Gate {
        Gate::default()
    }

    /// Opens it for good.
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open, and fails when that takes too long.
    pub fn wait(&self) {
        let guard = self.0.0.lock().unwrap();
        let (_guard, timeout) = self
            .0
            .1
            .wait_timeout_while(guard, PATIENCE, |open| !*open)
            .unwrap();
        assert!(!timeout.timed_out(), "a gate did not open in time");
    }

    /// Whether it is open now.
    pub fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap()
    }
}
