//! The processor time of this program's own threads, each apart.
//!
//! `schedstat` counts nanoseconds; where the kernel has it not, `stat` counts ticks.

use super::Stat;
use std::path::PathBuf;

/// A thread of this program. May be looked at from any other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    directory: PathBuf,
}

impl Thread {
    /// The thread that calls this.
    #[must_use]
    pub fn current() -> Self {
        // `thread-self` means whoever reads it, so what it means is kept.
        let own = std::fs::read_link("/proc/thread-self").unwrap_or_default();
        Self {
            directory: PathBuf::from("/proc").join(own),
        }
    }

    /// All threads that this program has now, but the one that calls this.
    #[must_use]
    pub fn others() -> Vec<Self> {
        let own = Self::current();
        // `/proc/PID/task`, which has a directory for each.
        let Some(list) = own.directory.parent().and_then(|d| d.read_dir().ok()) else {
            return Vec::new();
        };
        let all = list.filter_map(|entry| {
            let directory = entry.ok()?.path();
            Some(Self { directory })
        });
        all.filter(|thread| *thread != own).collect()
    }

    /// Processor seconds that it took; `None` when it has ended.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        let read = |file| std::fs::read_to_string(self.directory.join(file)).ok();
        let nanos = read("schedstat").and_then(|text| {
            let first = text.split_ascii_whitespace().next()?;
            first.parse::<u64>().ok()
        });
        let ticks = || read("stat").and_then(|text| Stat::parse(&text));
        nanos
            .map(|n| n as f64 / 1e9)
            .or_else(|| ticks().map(|s| (s.own.0 + s.own.1) as f64 / super::tree::TICKS))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_thread_is_seen_by_another_and_its_time_rises_with_its_work() {
        let thread = Thread::current();
        let seconds = || {
            let thread = thread.clone();
            std::thread::spawn(move || thread.seconds().unwrap())
                .join()
                .unwrap()
        };
        let before = seconds();
        while seconds() < before + 0.02 {
            std::hint::black_box((0..100_000u64).fold(0, |a, b| a ^ b));
        }
    }

    #[test]
    fn all_threads_but_the_one_that_asks_are_others() {
        let own = Thread::current();
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            tell.send(Thread::current()).unwrap();
            ended.recv().unwrap_err();
            Thread::others()
        });
        let other = told.recv().unwrap();
        let others = Thread::others();
        assert!(others.contains(&other), "{others:?}");
        assert!(!others.contains(&own), "{others:?}");
        drop(end);
        let others = thread.join().unwrap();
        assert!(others.contains(&own), "{others:?}");
        assert!(!others.contains(&other), "{others:?}");
    }

    #[test]
    fn a_thread_that_ended_has_none() {
        let thread = std::thread::spawn(Thread::current).join().unwrap();
        assert_eq!(thread.seconds(), None);
    }
}
