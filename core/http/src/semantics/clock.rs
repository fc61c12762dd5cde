//! A wall clock that is set while an exchange is under way.
//!
//! Ages need the time a request went out and the time its answer came (RFC 9111 section 4.2.3), and only their difference counts.
//! Invariant: that difference is what a clock that nobody sets has measured, give or take the second in which it began.
//! Awkward case: whole seconds. An exchange of a moment may pass from one second into the next, and that is no jump.

use super::date::Seconds;
use std::time::Duration;

/// When a request went out, by the clock as it is `now` that the answer is there. `then` is what the clock said when the request
/// went out, `elapsed` the time since, measured.
pub fn request_time(then: Seconds, now: Seconds, elapsed: Duration) -> Seconds {
    let measured = Seconds::try_from(elapsed.as_secs()).unwrap_or(Seconds::MAX);
    let passed = now.saturating_sub(then);
    if passed < measured || passed > measured.saturating_add(1) {
        return now.saturating_sub(measured);
    }
    then
}
