//! How far another machine's clock is ahead, told from a few exchanges (RFC 5905 8, without its own clock's discipline).
//!
//! Invariant: the true offset is within `error` of the one told, if neither clock was set meanwhile: the other clock was read at some
//! time between sending and receiving. Awkward case: an exchange that waited somewhere is wide, so the narrowest alone counts.

use std::time::Instant;

/// What a clock said at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The moment.
    pub at: Instant,
    /// Unix microseconds.
    pub unix: i64,
    /// How many microseconds this may be wrong at most.
    pub error: i64,
}

impl Reading {
    /// Of a clock of this machine, read here and now. Who is put aside in the middle of it does not know when he looked.
    #[must_use]
    pub fn here(read: impl FnOnce() -> i64) -> Self {
        let at = Instant::now();
        let unix = read();
        Self {
            at,
            unix,
            error: i64::try_from(at.elapsed().as_micros()).unwrap_or(i64::MAX),
        }
    }
}

/// One look at another clock: all in microseconds, of two clocks that each count from where they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// When it was asked, by the own clock.
    pub sent: i64,
    /// What the other clock said.
    pub theirs: i64,
    /// When the answer was there, by the own clock.
    pub received: i64,
}

/// How far another clock is ahead of the own one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Microseconds; below 0 it is behind.
    pub ahead: i64,
    /// How many microseconds this may be wrong at most.
    pub error: i64,
}

/// The offset that the narrowest of these tells; none if none was received after it was sent.
#[must_use]
pub fn offset(sights: &[Sight]) -> Option<Offset> {
    let width = |s: &Sight| s.received.saturating_sub(s.sent);
    let best = sights
        .iter()
        .filter(|s| s.received >= s.sent)
        .min_by_key(|s| width(s))?;
    let half = width(best) / 2;
    Some(Offset {
        ahead: best.theirs.saturating_sub(best.sent.saturating_add(half)),
        // Rounded up, so that the bound holds.
        error: width(best) - half,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn sight(sent: i64, theirs: i64, received: i64) -> Sight {
        Sight {
            sent,
            theirs,
            received,
        }
    }

    #[test]
    fn the_narrowest_exchange_tells_the_offset() {
        for (sights, expected) in [
            (vec![], None),
            (vec![sight(10, 0, 9)], None),
            (vec![sight(10, 20, 10)], Some((10, 0))),
            (vec![sight(100, 1150, 200)], Some((1000, 50))),
            (vec![sight(100, 40, 201)], Some((-110, 51))),
            (
                vec![sight(0, 900, 1000), sight(2000, 2010, 2020), sight(9, 5, 2)],
                Some((0, 10)),
            ),
        ] {
            let found = offset(&sights).map(|o| (o.ahead, o.error));
            assert_eq!(found, expected, "{sights:?}");
        }
    }

    #[test]
    fn a_reading_that_was_held_up_says_by_how_much_it_may_be_wrong() {
        let held = Reading::here(|| {
            std::thread::sleep(std::time::Duration::from_millis(3));
            7
        });
        assert!(held.unix == 7 && held.error >= 3000, "{held:?}");
    }

    proptest! {
        #[test]
        fn the_true_offset_is_within_the_error(
            ahead in -1_000_000_000i64..1_000_000_000,
            exchanges in prop::collection::vec((0i64..1_000_000_000, 0i64..100_000, 0i64..100_000), 1..8),
        ) {
            let sights: Vec<_> = exchanges
                .into_iter()
                .map(|(sent, there, back)| sight(sent, sent + there + ahead, sent + there + back))
                .collect();
            let found = offset(&sights).unwrap();
            prop_assert!((found.ahead - ahead).abs() <= found.error);
        }
    }
}
