//! How near to the newest responses the hand of an eviction queue goes before it turns back to the oldest.
//!
//! Whoever was spared once lies behind the hand, the newest lie before it and have not been looked at. The hand counts how often it
//! finds either kind used, for the time since it saw them last. Where newcomers are used more than those that were spared (a working
//! set that moves on), they are given longer to prove themselves: the hand turns back earlier, and what is dead behind it goes. Where those
//! that were spared are used more (few popular objects in a stream of others), newcomers are given less. Time is counted in insertions.
//!
//! Invariant: the newest between [`LEAST`] and [`MOST`] of the queue are left alone, and a lap is not longer than [`LONGEST`]. Awkward
//! case: numbers of insertions go round after 2^32; an entry that was spared for so long may make the hand turn back once too early.

/// The least share of the queue that is left alone before the hand turns back.
const LEAST: f64 = 0.05;
/// The most.
const MOST: f64 = 0.8;
/// The share before anything is known.
const FIRST: f64 = 0.2;
/// What it is divided or multiplied by at each turn.
const STEP: f64 = 0.8;
/// What counts of the turns before.
const FADING: f64 = 0.5;
/// Insertions after which the hand turns back in any case, in queues' lengths: where it spares nothing it keeps its distance to the newest.
const LONGEST: f64 = 32.0;
/// In a queue of fewer the hand goes through to the newest: so few say nothing of shares.
const FEW: usize = 32;

/// When an entry came, and when the hand saw it last, in insertions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Age {
    came: u32,
    seen: u32,
}

/// How often entries of one kind were found used.
#[derive(Debug, Clone, Copy, Default)]
struct Use {
    used: f64,
    /// The time over which that was looked for, summed up.
    time: f64,
}

/// The way of the hand from the oldest to where it turns back.
#[derive(Debug)]
pub(crate) struct Lap {
    /// Insertions so far.
    now: u32,
    /// When it began.
    began: u32,
    /// The hand met an entry since.
    met: bool,
    /// The share of the queue that is left alone.
    alone: f64,
    newcomers: Use,
    spared: Use,
}

impl Default for Lap {
    fn default() -> Lap {
        Lap {
            now: 0,
            began: 0,
            met: false,
            alone: FIRST,
            newcomers: Use::default(),
            spared: Use::default(),
        }
    }
}

impl Use {
    fn count(&mut self, used: bool, time: u32) {
        self.used += f64::from(u8::from(used));
        self.time += f64::from(time);
    }

    /// How often one was used in a unit of time, when anything is known.
    fn rate(self) -> Option<f64> {
        (self.time > 0.0).then(|| self.used / self.time)
    }

    fn fade(&mut self) {
        self.used *= FADING;
        self.time *= FADING;
    }
}

impl Lap {
    /// One more entry.
    pub(crate) fn insert(&mut self) -> Age {
        self.now = self.now.wrapping_add(1);
        Age {
            came: self.now,
            seen: self.now,
        }
    }

    /// The hand meets an entry that was `used` since it was met last or came, and spares it if so; whether it does.
    pub(crate) fn meet(&mut self, age: &mut Age, used: bool) -> bool {
        let kind = if age.seen == age.came {
            &mut self.newcomers
        } else {
            &mut self.spared
        };
        self.met = true;
        kind.count(used, self.now.wrapping_sub(age.seen));
        age.seen = self.now;
        used
    }

    /// Whether the hand turns back before this entry of a queue of so many.
    pub(crate) fn is_over(&self, age: &Age, entries: usize) -> bool {
        let since = |then: u32| f64::from(self.now.wrapping_sub(then));
        let length = entries as f64;
        let new = since(age.came) < self.alone * length;
        entries >= FEW && (new || since(self.began) > LONGEST * length)
    }

    /// The hand turns back to the oldest.
    pub(crate) fn begin(&mut self) {
        self.began = self.now;
        // A turn on which all was in use says nothing.
        if !std::mem::take(&mut self.met) {
            return;
        }
        if let (Some(newcomers), Some(spared)) = (self.newcomers.rate(), self.spared.rate()) {
            let share = if spared > newcomers {
                self.alone * STEP
            } else {
                self.alone / STEP
            };
            self.alone = share.clamp(LEAST, MOST);
        }
        self.newcomers.fade();
        self.spared.fade();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lap whose hand met so many newcomers and so many that were spared before, each 10 insertions later, and turned back.
    fn turned(newcomers_used: bool, spared_used: bool) -> Lap {
        let mut lap = Lap::default();
        for _ in 0..40 {
            let mut spared = lap.insert();
            let mut newcomer = lap.insert();
            lap.meet(&mut spared, newcomers_used);
            for _ in 0..10 {
                lap.insert();
            }
            lap.meet(&mut newcomer, newcomers_used);
            lap.meet(&mut spared, spared_used);
            lap.begin();
        }
        lap
    }

    #[test]
    fn newcomers_that_are_used_more_are_left_alone_longer_and_others_less_within_bounds() {
        let cases = [(true, false, MOST), (false, true, LEAST)];
        for (newcomers, spared, share) in cases {
            assert!((turned(newcomers, spared).alone - share).abs() < 1e-9);
        }
    }

    #[test]
    fn the_hand_turns_back_before_the_newest_share_of_a_queue_but_of_a_short_one() {
        let mut lap = Lap::default();
        let ages: Vec<Age> = (0..100).map(|_| lap.insert()).collect();
        let over = |entries| ages.iter().filter(|age| lap.is_over(age, entries)).count();
        assert_eq!((over(100), over(FEW - 1)), (20, 0));
    }

    #[test]
    fn numbers_of_insertions_may_go_round() {
        let mut lap = Lap {
            now: u32::MAX - 1,
            ..Lap::default()
        };
        let mut age = lap.insert();
        for _ in 0..50 {
            lap.insert();
        }
        assert!(!lap.is_over(&age, 100) && lap.is_over(&age, 1000));
        lap.meet(&mut age, false);
        assert!((lap.newcomers.time - 50.0).abs() < 1e-9);
    }
}
