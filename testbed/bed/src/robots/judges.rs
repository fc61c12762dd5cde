//! The threads that decode what was adapted.
//!
//! Invariant: they give way to everything else (nice), hold a bounded number of bytes, and are gone when they are dropped: none goes on
//! into another run. Behind an interrupt there is no other run, and nobody waits for them. Their processor time is counted as theirs while they take it, not when they are done: what is nobody's is taken
//! for the origin's. Awkward case: an answer that makes a decoder panic is a wrong one, and the thread goes on.

use super::adapting::Gathered;
use crate::{oracle::through::Judged, watch::Thread};
use rustix::process::nice;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle, available_parallelism},
};
use tokio::sync::oneshot;

/// The most bytes that wait for a judge.
const WAITING: usize = 256 << 20;
/// The most threads: as many as there are cores but one, and no more than this.
const THREADS: usize = 4;
/// How much they give way.
const NICE: i32 = 10;

/// What a judge decodes.
pub(crate) trait Case: Send + 'static {
    /// Bytes that wait with it.
    fn size(&self) -> usize;
    /// Judges it; takes long.
    fn judged(&self) -> Judged;
    /// What is to be thought of it if judging it made a decoder panic.
    fn unreadable(&self) -> Judged;
}

type Work<C> = (Box<C>, oneshot::Sender<Judged>);

/// The threads, and what they have to do.
pub(crate) struct Judges<C = Gathered> {
    /// None when they are to end.
    work: Option<Sender<Work<C>>>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads tell.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    waiting: AtomicUsize,
    lost: AtomicU64,
    /// Those that have begun.
    threads: Mutex<Vec<Thread>>,
    /// What waits is not judged any more.
    over: AtomicBool,
}

impl Shared {
    /// Processor seconds of all threads together until now, in the middle of a decode too.
    pub(crate) fn seconds(&self) -> f64 {
        lock(&self.threads).iter().filter_map(Thread::seconds).sum()
    }

    /// Answers that nobody had time for.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

impl<C: Case> Judges<C> {
    /// Starts them.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (work, receiver) = channel::<Work<C>>();
        let receiver = Arc::new(Mutex::new(receiver));
        let cores = available_parallelism().map_or(1, usize::from);
        let mut judges = Self {
            work: Some(work),
            shared,
            threads: Vec::new(),
        };
        for _ in 0..(cores.saturating_sub(1)).clamp(1, THREADS) {
            let (shared, receiver) = (judges.shared(), Arc::clone(&receiver));
            let thread = thread::Builder::new()
                .name("judge".to_owned())
                .spawn(move || sit(&receiver, &shared))?;
            judges.threads.push(thread);
        }
        Ok(judges)
    }

    /// Judges without threads: what there is to judge comes out here.
    #[cfg(test)]
    pub(crate) fn played() -> (Self, Receiver<Work<C>>) {
        let (work, receiver) = channel();
        let judges = Self {
            work: Some(work),
            shared: Arc::default(),
            threads: Vec::new(),
        };
        (judges, receiver)
    }

    /// What they tell.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Has this judged; gives it back if too much waits already.
    pub(crate) fn judge(&self, case: Box<C>) -> Result<oneshot::Receiver<Judged>, Box<C>> {
        let Some(work) = &self.work else {
            return Err(case);
        };
        let size = case.size();
        if self.shared.waiting.load(Relaxed).saturating_add(size) > WAITING {
            self.shared.lost.fetch_add(1, Relaxed);
            return Err(case);
        }
        let (tell, told) = oneshot::channel();
        self.shared.waiting.fetch_add(size, Relaxed);
        work.send((case, tell)).map_err(|e| e.0.0)?;
        Ok(told)
    }
}

impl<C> Drop for Judges<C> {
    /// Waits for what is being decoded, unless an interrupt ends all: the results wait for this, and a decode may take long.
    fn drop(&mut self) {
        self.end(!super::interrupt::asked());
    }
}

impl<C> Judges<C> {
    /// Ends them; what is being decoded is waited for or left to the program's end, for no decoder can be broken off.
    fn end(&mut self, wait: bool) {
        self.shared.over.store(true, Relaxed);
        drop(self.work.take());
        for thread in self.threads.drain(..) {
            if wait {
                // Panics of decoders are caught: it has ended well.
                let _ = thread.join();
            }
        }
    }
}

/// One thread, until nobody has work for it or it is to end.
fn sit<C: Case>(receiver: &Mutex<Receiver<Work<C>>>, shared: &Shared) {
    // On Linux that is of this thread alone. Who may not give way judges all the same.
    let _ = nice(NICE);
    lock(&shared.threads).push(Thread::current());
    loop {
        let next = lock(receiver).recv();
        let Ok((case, tell)) = next else {
            return;
        };
        if shared.over.load(Relaxed) {
            return;
        }
        let judged = catch_unwind(AssertUnwindSafe(|| case.judged()));
        let judged = judged.unwrap_or_else(|_| case.unreadable());
        shared.waiting.fetch_sub(case.size(), Relaxed);
        // The run may have ended meanwhile.
        let _ = tell.send(judged);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::record::{Adaptation, Fate, Fault};
    use std::{
        io::Write,
        time::{Duration, Instant},
    };

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        out.write_all(body).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn judges_tell_what_they_found() {
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
        assert_eq!(judges.shared().waiting.load(Relaxed), 0);
    }

    /// The most that a test waits for what does not come.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Takes processor time until it may end.
    #[derive(Debug, Default)]
    struct Burns {
        begun: Arc<AtomicBool>,
        may_end: Arc<AtomicBool>,
    }

    impl Case for Burns {
        fn size(&self) -> usize {
            1
        }

        fn judged(&self) -> Judged {
            self.begun.store(true, Relaxed);
            let begun = Instant::now();
            while !self.may_end.load(Relaxed) && begun.elapsed() < PATIENCE {
                std::hint::spin_loop();
            }
            Judged::default()
        }

        fn unreadable(&self) -> Judged {
            Judged::default()
        }
    }

    /// Lets what burns end, also when the test fails.
    struct LetEnd(Arc<AtomicBool>);

    impl Drop for LetEnd {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }

    #[test]
    fn time_is_counted_as_the_judges_while_they_take_it() {
        let judges = Judges::start().unwrap();
        let burns = Burns::default();
        // Dropped before the judges, who wait for what burns.
        let may_end = LetEnd(Arc::clone(&burns.may_end));
        let soon = judges.judge(Box::new(burns)).unwrap();
        let shared = judges.shared();
        // The decode has no end before this has, so this needs one of its own.
        let begun = Instant::now();
        while shared.seconds() < 0.05 {
            assert!(begun.elapsed() < PATIENCE, "it is not counted");
            thread::yield_now();
        }
        drop(may_end);
        soon.blocking_recv().unwrap();
    }

    #[test]
    fn behind_an_interrupt_nobody_waits_for_what_is_being_decoded() {
        let mut judges = Judges::start().unwrap();
        let burns = Burns::default();
        let may_end = LetEnd(Arc::clone(&burns.may_end));
        let begun = Arc::clone(&burns.begun);
        let soon = judges.judge(Box::new(burns)).unwrap();
        while !begun.load(Relaxed) {
            thread::yield_now();
        }
        let shared = judges.shared();
        judges.end(false);
        // The thread that burns has it still.
        assert!(Arc::strong_count(&shared) > 2);
        drop(may_end);
        soon.blocking_recv().unwrap();
    }

    /// Takes until judges are to end, and counts itself.
    #[derive(Debug)]
    struct Last(Arc<Shared>, Arc<AtomicUsize>);

    impl Case for Last {
        fn size(&self) -> usize {
            1
        }

        fn judged(&self) -> Judged {
            self.1.fetch_add(1, Relaxed);
            while !self.0.over.load(Relaxed) {
                thread::yield_now();
            }
            Judged::default()
        }

        fn unreadable(&self) -> Judged {
            Judged::default()
        }
    }

    #[test]
    fn judges_that_are_dropped_end_what_they_have_begun_and_leave_what_waits() {
        let judges = Judges::start().unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..THREADS * 2 {
            let last = Last(judges.shared(), Arc::clone(&begun));
            drop(judges.judge(Box::new(last)).unwrap());
        }
        while begun.load(Relaxed) == 0 {
            thread::yield_now();
        }
        let shared = judges.shared();
        drop(judges);
        assert!(begun.load(Relaxed) <= THREADS);
        // Each thread and all that waits had one, so none is left.
        assert_eq!(Arc::strong_count(&shared), 1);
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
