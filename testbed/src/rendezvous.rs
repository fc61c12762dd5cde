//! A service that answers nobody before it is told to: who waits for it waits together with all the others.
//!
//! Each connection is one asker, answered `so`. Invariant: until [`Rendezvous::open`] no byte is written, so whatever needs an
//! answer before the next can ask never gets the last one here; [`Rendezvous::wait_for`] says then how many came.

use crate::{PATIENCE, origin::listener};
use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{Arc, Condvar, Mutex},
};

/// The service; it ends with the process.
#[derive(Debug)]
pub struct Rendezvous {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    came: usize,
    open: bool,
    waiting: Vec<TcpStream>,
}

impl Rendezvous {
    /// Starts it, closed.
    pub fn start() -> Rendezvous {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let state = Arc::<(Mutex<State>, Condvar)>::default();
        let theirs = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // Without descriptors, say, nobody comes any more.
                let stream = stream.unwrap_or_else(|e| panic!("cannot accept: {e}"));
                let mut state = theirs.0.lock().unwrap();
                state.came += 1;
                if state.open {
                    answer(stream);
                } else {
                    state.waiting.push(stream);
                }
                theirs.1.notify_all();
            }
        });
        Rendezvous { address, state }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many came so far.
    pub fn came(&self) -> usize {
        self.state.0.lock().unwrap().came
    }

    /// Waits until so many wait here, none of them answered.
    #[track_caller]
    pub fn wait_for(&self, all: usize) {
        let guard = self.state.0.lock().unwrap();
        let few = |state: &mut State| state.waiting.len() < all;
        let waited = self.state.1.wait_timeout_while(guard, PATIENCE, few);
        let here = waited.unwrap().0.waiting.len();
        assert!(
            here >= all,
            "only {here} of {all} came within {PATIENCE:?}: the others wait for one of these to be answered"
        );
    }

    /// Answers all who wait, and at once whoever comes later.
    pub fn open(&self) {
        let mut state = self.state.0.lock().unwrap();
        state.open = true;
        state.waiting.drain(..).for_each(answer);
    }
}

fn answer(mut stream: TcpStream) {
    // Whoever asked may be gone already when a test failed.
    let _ = stream.write_all(b"so");
}
