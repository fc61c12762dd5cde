//! The "real" client of the paper's Table 6: asks through the proxy for objects that no cache may store, as fast as they come or at a
//! fixed rate, and checks each answer through its adaptation.
//!
//! - `exchange`: one request and its answer. `judge`: what the answer is. `tally`: what is counted.
//!
//! Invariant: every answer is judged; an object's answer that is byte for byte one judged before is not decoded again. Awkward case:
//! an answer that was not adapted (the module had no time) is right too, so it is counted apart and never as adapted.

mod exchange;
mod judge;
mod tally;

pub use judge::{Adaptation, Object};
pub use tally::Tally;

use exchange::Connection;
use judge::Judge;
use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use tokio::time::Instant;

/// How fast it asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many requests always under way: all that the module can give.
    Full(usize),
    /// So many a second, evenly, whatever comes back. Latency runs from the time due.
    Rate(f64),
}

/// The most connections at a fixed rate: beyond, requests wait, and their latency tells.
const CONNECTIONS: usize = 64;

/// A load, all of it.
#[derive(Debug, Clone)]
pub struct Load {
    /// The proxy, a forward one.
    pub proxy: SocketAddr,
    /// The origin that its requests name.
    pub origin: SocketAddr,
    /// What is asked for, in turn.
    pub objects: Vec<Object>,
    /// What answers should have become.
    pub adaptation: Adaptation,
    /// How fast.
    pub pace: Pace,
}

/// A load under way, on a thread of its own.
#[derive(Debug)]
pub struct Running {
    tally: Arc<Mutex<Tally>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Begins.
    ///
    /// # Errors
    /// There is nothing to ask for, a rate that is none, or the system has no thread for it.
    pub fn start(self) -> Result<Running, String> {
        if self.objects.is_empty() {
            return Err("nothing to ask for".to_owned());
        }
        if let Pace::Rate(rate) = self.pace
            && !(rate > 0.0 && rate.is_finite())
        {
            return Err(format!("{rate} objects a second is no rate"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| format!("no runtime: {e}"))?;
        let tally = Arc::new(Mutex::new(Tally::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (told, ended) = (tally.clone(), over.clone());
        let thread = std::thread::Builder::new()
            .name("real client".to_owned())
            .spawn(move || runtime.block_on(drive(self, &told, &ended)))
            .map_err(|e| format!("no thread: {e}"))?;
        Ok(Running {
            tally,
            over,
            thread: Some(thread),
        })
    }
}

impl Running {
    /// What was counted since the last call, or the beginning.
    pub fn take(&self) -> Tally {
        std::mem::replace(&mut *lock(&self.tally), Tally::new()).closed()
    }

    /// Ends it: answers under way are given up.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic was printed, and its tally is kept.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the connections of a load share.
struct Shared<'a> {
    load: &'a Load,
    begun: Instant,
    next: Cell<u64>,
    judge: RefCell<Judge>,
    tally: &'a Mutex<Tally>,
}

async fn drive(load: Load, tally: &Arc<Mutex<Tally>>, over: &AtomicBool) {
    let shared = Rc::new(Shared {
        begun: Instant::now(),
        next: Cell::new(0),
        judge: RefCell::new(Judge::new(load.adaptation, load.objects.len())),
        load: &load,
        tally,
    });
    let most = match load.pace {
        Pace::Full(most) => most.max(1),
        Pace::Rate(_) => CONNECTIONS,
    };
    let mut connections: futures_util::stream::FuturesUnordered<_> =
        (0..most).map(|_| ask(shared.clone())).collect();
    let looks = async {
        while !over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = looks => {}
        // None of them ends by itself.
        _ = futures_util::StreamExt::next(&mut connections) => {}
    }
}

/// One connection: takes the next request, waits until it is due, asks, and judges.
async fn ask(shared: Rc<Shared<'_>>) {
    let mut connection = Connection::new(shared.load.proxy);
    loop {
        let number = shared.next.get();
        shared.next.set(number + 1);
        let due = match shared.load.pace {
            Pace::Full(_) => Instant::now(),
            Pace::Rate(rate) => shared.begun + Duration::from_secs_f64(number as f64 / rate),
        };
        tokio::time::sleep_until(due).await;
        let place = (number % shared.load.objects.len() as u64) as usize;
        let object = &shared.load.objects[place];
        let request = exchange::request(shared.load.origin, &object.path, number);
        let answer = connection.exchange(&request).await;
        let took = due.elapsed();
        let seen = answer.and_then(|a| shared.judge.borrow_mut().judge(place, object, &a));
        let failed = seen.is_err();
        lock(shared.tally).count(&object.path, seen, took);
        if failed && matches!(shared.load.pace, Pace::Full(_)) {
            // A proxy that is gone is not asked as fast as it refuses.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[cfg(test)]
mod tests;
