//! Whether a child still deals with what it is told: it is asked, one question at a time.
//!
//! Owns the question. Nobody waits for what becomes of a notice (`timer`, `completed`, `reconfigure`), and `ready` a child calls by
//! itself; so it is asked behind what it was told, and answers when it has dealt with that. Invariant: one question is open at most,
//! and its answer settles all that was told before it. A child hangs when for a whole deadline it neither answered nor ended a call.
//! Awkward cases: a thousand quick completions lie before the question, so each call that ends is a sign of life; and a module that
//! only watches descriptors is told nothing, so it is asked now and then. Time is an argument.

use super::wire::Malformed;
use std::time::{Duration, Instant};

/// What is known of one child.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Notices it was told.
    told: u64,
    /// So many of those it has dealt with.
    settled: u64,
    /// How many there were with the last ring of the timer.
    rung: u64,
    /// The open question: how many notices lie before it, and the last sign of life.
    open: Option<(u64, Instant)>,
    /// It watches descriptors; when it was last known not to hang.
    watches: Option<Instant>,
}

impl Pulse {
    /// The timer is to ring. `false`: the ring before is not dealt with, and they must not pile up.
    pub(super) fn rings(&mut self) -> bool {
        if self.rung > self.settled {
            return false;
        }
        self.told();
        self.rung = self.told;
        true
    }

    /// It is told something.
    pub(super) fn told(&mut self) {
        self.told += 1;
    }

    /// It watches descriptors from now on, and may hang in `ready`.
    pub(super) fn watches(&mut self, now: Instant) {
        self.watches.get_or_insert(now);
    }

    /// Whether it is to be asked now; then the question is open.
    pub(super) fn asks(&mut self, now: Instant, deadline: Duration) -> bool {
        let lately = |last| now.saturating_duration_since(last) < deadline / 2;
        let due = self.told > self.settled || self.watches.is_some_and(|last| !lately(last));
        if self.open.is_some() || !due {
            return false;
        }
        self.open = Some((self.told, now));
        true
    }

    /// It answered.
    ///
    /// # Errors
    /// When it was not asked.
    pub(super) fn answered(&mut self, now: Instant) -> Result<(), Malformed> {
        let (told, _) = self
            .open
            .take()
            .ok_or(Malformed("an answer to no question"))?;
        self.settled = told;
        if let Some(last) = &mut self.watches {
            *last = now;
        }
        Ok(())
    }

    /// One of its calls is over.
    pub(super) fn moved(&mut self, now: Instant) {
        if let Some((_, last)) = &mut self.open {
            *last = now;
        }
    }

    /// Whether it hangs, if all that came until then is known.
    pub(super) fn hangs(&self, then: Instant, deadline: Duration) -> bool {
        self.open
            .is_some_and(|(_, last)| then.saturating_duration_since(last) >= deadline)
    }

    /// When to look again.
    pub(super) fn next(&self, deadline: Duration) -> Option<Instant> {
        match (self.open, self.watches) {
            (Some((_, last)), _) => last.checked_add(deadline),
            (None, Some(last)) => last.checked_add(deadline / 2),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(4);

    /// So many milliseconds later.
    fn at(began: Instant, millis: u64) -> Instant {
        began + Duration::from_millis(millis)
    }

    #[test]
    fn who_is_told_nothing_is_not_asked() {
        let (mut pulse, now) = (Pulse::default(), Instant::now());
        assert!(!pulse.asks(at(now, 1_000_000), DEADLINE));
        assert_eq!(pulse.next(DEADLINE), None);
        assert!(!pulse.hangs(at(now, 1_000_000), DEADLINE));
    }

    #[test]
    fn one_question_is_open_and_what_was_told_behind_it_asks_again() {
        let (mut pulse, now) = (Pulse::default(), Instant::now());
        pulse.told();
        assert!(pulse.asks(now, DEADLINE));
        assert!(!pulse.asks(now, DEADLINE));
        pulse.told();
        pulse.answered(now).unwrap();
        assert!(pulse.asks(now, DEADLINE));
        pulse.answered(now).unwrap();
        assert!(!pulse.asks(now, DEADLINE), "all is settled");
    }

    #[test]
    fn a_timer_does_not_ring_again_before_its_ring_was_dealt_with() {
        let (mut pulse, now) = (Pulse::default(), Instant::now());
        pulse.told();
        assert!(pulse.asks(now, DEADLINE));
        assert!(pulse.rings());
        assert!(!pulse.rings());
        // This answer is about what came before the ring.
        pulse.answered(now).unwrap();
        assert!(!pulse.rings());
        assert!(pulse.asks(now, DEADLINE));
        pulse.answered(now).unwrap();
        assert!(pulse.rings());
    }

    #[test]
    fn a_whole_deadline_without_a_sign_of_life_is_a_hang() {
        let (mut pulse, now) = (Pulse::default(), Instant::now());
        pulse.told();
        assert!(pulse.asks(now, DEADLINE));
        assert!(!pulse.hangs(at(now, 3999), DEADLINE));
        assert!(pulse.hangs(at(now, 4000), DEADLINE));
        assert_eq!(pulse.next(DEADLINE), Some(at(now, 4000)));
        // However much lies before the question: as long as calls end, it does not hang.
        pulse.moved(at(now, 3000));
        assert!(!pulse.hangs(at(now, 6999), DEADLINE));
        assert!(pulse.hangs(at(now, 7000), DEADLINE));
        pulse.answered(at(now, 7000)).unwrap();
        assert!(!pulse.hangs(at(now, 100_000), DEADLINE));
    }

    #[test]
    fn who_watches_descriptors_is_asked_now_and_then() {
        let (mut pulse, now) = (Pulse::default(), Instant::now());
        pulse.watches(now);
        assert!(!pulse.asks(at(now, 1999), DEADLINE));
        assert_eq!(pulse.next(DEADLINE), Some(at(now, 2000)));
        assert!(pulse.asks(at(now, 2000), DEADLINE));
        assert!(pulse.hangs(at(now, 6000), DEADLINE));
        pulse.answered(at(now, 2500)).unwrap();
        assert!(!pulse.asks(at(now, 4499), DEADLINE));
        assert!(pulse.asks(at(now, 4500), DEADLINE));
    }

    #[test]
    fn an_answer_to_no_question_is_garbage() {
        let (mut pulse, now) = (Pulse::default(), Instant::now());
        assert!(pulse.answered(now).is_err());
        pulse.told();
        assert!(pulse.asks(now, DEADLINE));
        pulse.answered(now).unwrap();
        assert!(pulse.answered(now).is_err());
    }
}
