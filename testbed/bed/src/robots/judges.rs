//! The threads that decode what was adapted.
//!
//! Invariant: they give way to everything else (nice), hold a bounded number of bytes, and end when they are dropped. Their processor
//! time is counted as theirs. Awkward case: an answer that makes a decoder panic is a wrong one, and the thread goes on.

use super::adapting::Gathered;
use crate::oracle::through::Judged;
use rustix::{
    process::nice,
    time::{ClockId, clock_gettime},
};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, available_parallelism},
};
use tokio::sync::oneshot;

/// The most bytes that wait for a judge.
const WAITING: usize = 256 << 20;
/// The most threads: as many as there are cores but one, and no more than this.
const THREADS: usize = 4;
/// How much they give way.
const NICE: i32 = 10;

type Work = (Box<Gathered>, oneshot::Sender<Judged>);

/// The threads, and what they have to do.
pub(crate) struct Judges {
    work: Sender<Work>,
    shared: Arc<Shared>,
}

/// What the threads tell.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    waiting: AtomicUsize,
    nanoseconds: AtomicU64,
    lost: AtomicU64,
}

impl Shared {
    /// Processor seconds of all threads together.
    pub(crate) fn seconds(&self) -> f64 {
        self.nanoseconds.load(Relaxed) as f64 / 1e9
    }

    /// Answers that nobody had time for.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

impl Judges {
    /// Starts them.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (work, receiver) = channel::<Work>();
        let receiver = Arc::new(Mutex::new(receiver));
        let cores = available_parallelism().map_or(1, usize::from);
        for _ in 0..(cores.saturating_sub(1)).clamp(1, THREADS) {
            let (shared, receiver) = (Arc::clone(&shared), Arc::clone(&receiver));
            thread::Builder::new()
                .name("judge".to_owned())
                .spawn(move || sit(&receiver, &shared))?;
        }
        Ok(Self { work, shared })
    }

    /// What they tell.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Has this judged; gives it back if too much waits already.
    pub(crate) fn judge(
        &self,
        gathered: Box<Gathered>,
    ) -> Result<oneshot::Receiver<Judged>, Box<Gathered>> {
        let size = gathered.size();
        if self.shared.waiting.load(Relaxed).saturating_add(size) > WAITING {
            self.shared.lost.fetch_add(1, Relaxed);
            return Err(gathered);
        }
        let (tell, told) = oneshot::channel();
        self.shared.waiting.fetch_add(size, Relaxed);
        self.work.send((gathered, tell)).map_err(|e| e.0.0)?;
        Ok(told)
    }
}

/// One thread, until nobody has work for it.
fn sit(receiver: &Mutex<Receiver<Work>>, shared: &Shared) {
    // On Linux that is of this thread alone. Who may not give way judges all the same.
    let _ = nice(NICE);
    loop {
        let next = receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok((gathered, tell)) = next else {
            return;
        };
        let begin = processor();
        let judged = catch_unwind(AssertUnwindSafe(|| gathered.judged()));
        let judged = judged.unwrap_or_else(|_| gathered.unreadable());
        shared.waiting.fetch_sub(gathered.size(), Relaxed);
        shared
            .nanoseconds
            .fetch_add(processor().saturating_sub(begin), Relaxed);
        // The run may have ended meanwhile.
        let _ = tell.send(judged);
    }
}

/// Processor nanoseconds of this thread.
fn processor() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::record::{Adaptation, Fate, Fault};
    use std::io::Write;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        out.write_all(body).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn judges_tell_what_they_found_and_how_long_they_were_at_it() {
        let judges = Judges::start().unwrap();
        for (came, fate, faults) in [
            (gzip(b"a text"), Fate::Adapted, &[][..]),
            (gzip(b"a test"), Fate::Wrong, &[Fault::WronglyAdapted]),
        ] {
            let soon = judges.judge(Gathered::text(b"a text", &came)).unwrap();
            let judged = soon.blocking_recv().unwrap();
            assert_eq!(judged.fates, [(Adaptation::Compressed, fate)]);
            assert_eq!(judged.faults, faults);
        }
        assert!(judges.shared().seconds() > 0.0);
        assert_eq!(judges.shared().waiting.load(Relaxed), 0);
    }

    #[test]
    fn what_finds_no_room_is_given_back_and_counted() {
        let judges = Judges::start().unwrap();
        judges.shared.waiting.store(WAITING, Relaxed);
        let given = judges.judge(Gathered::text(b"a text", &gzip(b"a text")));
        assert!(given.is_err());
        assert_eq!(judges.shared().lost(), 1);
    }

    #[test]
    fn more_than_anything_makes_of_the_object_is_not_kept() {
        let mut gathered = Gathered::text(b"a text", b"");
        for _ in 0..10 {
            gathered.feed(&[b'a'; 100]);
        }
        assert_eq!(gathered.size(), 1000);
        gathered.feed(b"a");
        gathered.feed(b"a");
        assert_eq!(gathered.size(), 0);
    }
}
