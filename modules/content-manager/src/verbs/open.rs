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
