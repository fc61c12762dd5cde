//! The injections in pieces that somebody has begun and not ended.
//!
//! Invariant: a number that is here was told to who owns this, and to nobody else. What is not ended is to be aborted when its owner
//! goes ([`Open::abort`]), or when it was left alone for long ([`Open::stale`]).

use super::{Request, Told};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use understudy_module::Operation;

/// Most that may be open at a time.
const MOST_OPEN: usize = 16;

/// The numbers, and when each was last used.
#[derive(Debug, Default)]
pub struct Open(BTreeMap<u64, Instant>);

impl Open {
    /// Whether a request may be begun.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub fn check(&mut self, request: &Request, now: Instant) -> Result<(), String> {
        match request {
            Request::InjectStart { .. } if self.0.len() >= MOST_OPEN => Err(format!(
                "{MOST_OPEN} injections have begun already: end one first"
            )),
            Request::InjectPart { number, .. }
            | Request::InjectDone { number }
            | Request::InjectAbort { number } => match self.0.get_mut(number) {
                Some(used) => {
                    *used = now;
                    Ok(())
                }
                None => Err(format!(
                    "there is no injection {number}; inject-start begins one"
                )),
            },
            _ => Ok(()),
        }
    }

    /// Takes notice of what is told.
    pub fn note(&mut self, told: &Told, now: Instant) {
        match told {
            Told::Begun(number) => {
                self.0.insert(*number, now);
            }
            Told::Ended(number) => {
                self.0.remove(number);
            }
            _ => {}
        }
    }

    /// Gives up those that were not used for so long.
    pub fn stale(&mut self, now: Instant, after: Duration) -> Vec<Operation> {
        let old = |used: &Instant| now.saturating_duration_since(*used) >= after;
        let gone: Vec<u64> = self
            .0
            .iter()
            .filter(|(_, used)| old(used))
            .map(|(number, _)| *number)
            .collect();
        self.0.retain(|number, _| !gone.contains(number));
        gone.into_iter().map(Operation::InjectAbort).collect()
    }

    /// Gives up all.
    pub fn abort(&mut self) -> Vec<Operation> {
        let gone = std::mem::take(&mut self.0);
        gone.into_keys().map(Operation::InjectAbort).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_known_until_it_ends_or_is_left_alone() {
        let start = Instant::now();
        let later = |seconds| start + Duration::from_secs(seconds);
        let mut open = Open::default();
        let done = |number| Request::InjectDone { number };
        assert!(open.check(&done(1), start).is_err());
        open.note(&Told::Begun(1), start);
        open.note(&Told::Begun(2), start);
        // Used, and so not left alone.
        assert_eq!(open.check(&done(2), later(5)), Ok(()));
        assert_eq!(
            open.stale(later(9), Duration::from_secs(9)),
            [Operation::InjectAbort(1)]
        );
        assert!(open.check(&done(1), later(9)).is_err());
        open.note(&Told::Ended(2), later(9));
        assert!(open.check(&done(2), later(9)).is_err());
        assert_eq!(open.abort(), []);
    }

    #[test]
    fn only_so_many_are_open() {
        let now = Instant::now();
        let start: Request =
            match serde_json::from_str(r#"{"verb":"inject-start","url":"http://a/","type":"a/b"}"#)
            {
                Ok(request) => request,
                Err(why) => panic!("{why}"),
            };
        let mut open = Open::default();
        for number in 0..MOST_OPEN as u64 {
            assert_eq!(open.check(&start, now), Ok(()));
            open.note(&Told::Begun(number), now);
        }
        assert!(open.check(&start, now).is_err());
        assert_eq!(open.abort().len(), MOST_OPEN);
    }
}
