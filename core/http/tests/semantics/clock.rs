//! Clocks that are set during an exchange: cases in a table, and every case at once.

use proptest::prelude::*;
use std::time::Duration;
use understudy_http::semantics::clock::request_time;

const THEN: i64 = 1_800_000_000;

#[test]
fn a_clock_that_runs_on_is_believed_and_one_that_jumps_is_not() {
    for (passed, millis, delay) in [
        (0, 0, 0),
        (0, 999, 0),
        // From one second into the next.
        (1, 10, 1),
        (1, 1000, 1),
        (6, 5500, 6),
        (5, 5500, 5),
        // Forward, by more than that.
        (2, 10, 0),
        (3600, 10, 0),
        (3605, 5500, 5),
        // Back, also by less than the exchange took.
        (-3600, 10, 0),
        (-1, 0, 0),
        (2, 5500, 5),
        (-3600, 5500, 5),
    ] {
        let now = THEN + passed;
        let sent = request_time(THEN, now, Duration::from_millis(millis));
        assert_eq!(now - sent, delay, "{passed} s by the clock, {millis} ms");
    }
}

proptest! {
    #[test]
    fn the_delay_is_what_was_measured(then: i64, now: i64, millis in 0_u64..1 << 40) {
        let elapsed = Duration::from_millis(millis);
        let delay = now.saturating_sub(request_time(then, now, elapsed));
        let measured = elapsed.as_secs() as i64;
        prop_assert!(delay == measured || delay == measured + 1 || now < i64::MIN + measured);
    }
}
