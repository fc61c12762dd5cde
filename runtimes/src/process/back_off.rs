//! How long a place stays empty before its next child is started: time is an argument.
//!
//! Invariant: a child that lived for [`STEADY`], or the first of its place, is followed by the next at once; each further start
//! waits twice as long, to [`LONGEST`]. Awkward case: a child that dies after a short life and one that never becomes ready are the
//! same here, so a module that crashes at its first transaction is not started in a loop either.

use std::time::Duration;

/// The first wait, behind a restart at once.
pub(super) const FIRST: Duration = Duration::from_millis(100);
/// The longest.
pub(super) const LONGEST: Duration = Duration::from_secs(10);
/// A child that lived so long is as good as new.
pub(super) const STEADY: Duration = Duration::from_secs(10);

/// The waits of one place.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    next: Duration,
}

impl BackOff {
    /// A child that was ready has ended after this life.
    pub(super) fn lived(&mut self, life: Duration) {
        if life >= STEADY {
            self.next = Duration::ZERO;
        }
    }

    /// How long to wait before the start that comes now.
    pub(super) fn start(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).clamp(FIRST, LONGEST);
        wait
    }

    /// How long the start after that will wait, should this one fail.
    pub(super) fn next(&self) -> Duration {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(back_off: &mut BackOff, starts: usize) -> Vec<u128> {
        (0..starts).map(|_| back_off.start().as_millis()).collect()
    }

    #[test]
    fn the_first_restart_is_at_once_and_the_waits_double_to_their_limit() {
        let mut back_off = BackOff::default();
        assert_eq!(
            waits(&mut back_off, 10),
            [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
    }

    #[test]
    fn a_short_life_changes_nothing_and_a_long_one_clears_it() {
        for (life, expected) in [
            (Duration::ZERO, [400, 800]),
            (STEADY - Duration::from_millis(1), [400, 800]),
            (STEADY, [0, 100]),
            (Duration::MAX, [0, 100]),
        ] {
            let mut back_off = BackOff::default();
            assert_eq!(waits(&mut back_off, 3), [0, 100, 200]);
            back_off.lived(life);
            assert_eq!(waits(&mut back_off, 2), expected, "{life:?}");
        }
    }

    #[test]
    fn what_comes_next_is_told_before_it_comes() {
        let mut back_off = BackOff::default();
        for _ in 0..12 {
            back_off.start();
            let told = back_off.next();
            assert_eq!(back_off.start(), told);
        }
    }
}
