//! A gate for hooks that are to take as long as a test wants.

use std::sync::{Arc, Condvar, Mutex};

/// A gate that hooks stand at until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    pub fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.1 += 1;
        while !state.0 {
            state = changed.wait(state).unwrap();
        }
    }
    pub fn open(&self) {
        self.0.0.lock().unwrap().0 = true;
        self.0.1.notify_all();
    }
    /// How many came to it so far.
    pub fn came(&self) -> usize {
        self.0.0.lock().unwrap().1
    }
}
