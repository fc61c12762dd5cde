//! What nginx has logged of all that was asked of it: its log behind a request of the test's own.
//!
//! nginx writes a line when a request is over, which its client may know earlier; it has one process here, which ends one request before
//! it begins with the next. So the line of a request that came behind all others says that theirs are there.

use crate::{Nginx, PATIENCE, get};
use std::time::{Duration, Instant};

/// The path of the test's own request. Nothing is there.
const LAST: &str = "/behind-all-others";

/// The lines of this nginx's log, once there is one for each request that is over.
#[track_caller]
pub fn settled(nginx: &Nginx) -> Vec<String> {
    let own = |line: &String| line.contains(LAST);
    let before = nginx.log().iter().filter(|line| own(line)).count();
    get(nginx.addr, LAST, "localhost", "Connection: close\r\n");
    let end = Instant::now() + PATIENCE;
    loop {
        let log = nginx.log();
        if log.iter().filter(|line| own(line)).count() > before {
            return log.into_iter().filter(|line| !own(line)).collect();
        }
        assert!(
            Instant::now() < end,
            "nginx does not log: {}",
            log.join("\n")
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
