//! How much memory processes have.
//!
//! PSS is the honest sum over processes that share pages, and the kernel walks their page tables for it, under a lock that the
//! process itself may want. So a look that took long is not repeated for a hundred times as long: the last sum holds meanwhile.

use std::time::{Duration, Instant};

/// How many times its own length a look is put off.
const PAUSE: u32 = 100;

/// The memory of processes, looked at not too often.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    last: u64,
    next: Option<Instant>,
}

impl Memory {
    /// Bytes that these processes have together.
    pub(crate) fn of(&mut self, pids: impl Iterator<Item = u32>) -> u64 {
        let mut pids = pids.peekable();
        let begun = Instant::now();
        if pids.peek().is_some() && self.next.is_some_and(|next| begun < next) {
            return self.last;
        }
        self.last = pids.map(one).sum();
        self.next = begun.checked_add(
            begun
                .elapsed()
                .saturating_mul(PAUSE)
                .min(Duration::from_secs(60)),
        );
        self.last
    }
}

/// PSS, or RSS where the kernel does not tell PSS to us.
fn one(pid: u32) -> u64 {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let pss = read("smaps_rollup").and_then(|text| kib(&text, "Pss:"));
    let rss = || read("status").and_then(|text| kib(&text, "VmRSS:"));
    pss.or_else(rss).unwrap_or(0).saturating_mul(1024)
}

/// The number behind this key.
fn kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_one_behind_the_whole_key() {
        for (text, expected) in [
            ("Rss: 9 kB\nPss:      42 kB\nPss_Anon: 7 kB\n", Some(42)),
            ("Pss_Dirty: 7 kB\n", None),
            ("Pss:\n", None),
            ("Pss: -1 kB", None),
            ("", None),
        ] {
            assert_eq!(kib(text, "Pss:"), expected, "{text}");
        }
    }

    #[test]
    fn this_process_has_some() {
        assert!(one(std::process::id()) > 100_000);
    }
}
