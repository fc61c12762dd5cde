//! What was asked and answered before, for each object: what a store can hold, and what it must not.
//!
//! Invariant: an object's entry names every request whose answer a store may still hold, those under way included; when there are
//! more than [`REMEMBERED`], the oldest are given up and `forgotten` says so, so that no answer is called false for want of memory.
//!
//! Awkward case: a request answered by another's answer never reached the origin, so nothing can be stored under its number, and it
//! is struck off: a hot object's entry stays as short as a cold one's. Unless what it was answered by was stale, or nearly: a proxy may
//! then ask the origin for itself, in the background, under the number of the request that it had answered already.

use crate::world::Object;
use smallvec::SmallVec;
use std::{collections::HashMap, num::NonZeroU64};

/// The most requests remembered for an object.
const REMEMBERED: usize = 16;
/// Into how many parts objects are divided. A map that grows moves all it has at once, so each is to be small: a run of hours knows
/// ten million objects, and robots that stand still for half a second are late.
const PARTS: usize = 256;
/// The moment of what has not ended.
const UNDER_WAY: u64 = u64::MAX;

/// What is known of the request that an answer names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It is the very request that was answered.
    Own,
    /// Another, under way while this one was.
    UnderWay,
    /// Another, over before this one was sent.
    Earlier,
    /// No such request was made for this object.
    Never,
}

/// The last whole answer of the origin that may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Until when it is fresh, Unix seconds.
    pub until: i64,
    /// Until which moment of the run it is fresh at least, by the time that it had when it was asked for.
    pub fresh: u64,
    /// When it was there, microseconds from the run's beginning.
    pub done: u64,
    /// Bytes that everyone fetched since it was last used.
    pub since: u64,
    /// Whether every store takes it: it answers a request without a condition.
    pub certain: bool,
}

#[derive(Debug)]
struct Stored {
    until: i64,
    fresh: u64,
    done: u64,
    /// The count of fetched bytes at the last use.
    used: u64,
    certain: bool,
    variant: u8,
}

/// A request.
#[derive(Debug, Clone, Copy)]
struct Asked {
    number: u64,
    /// The moment it was made: the origin answered it no earlier.
    made: u64,
    /// The moment it ended.
    done: u64,
    /// The moment the origin's answer to it was there, if this robot had it.
    there: Option<NonZeroU64>,
}

#[derive(Debug, Default)]
struct Entry {
    asked: SmallVec<[Asked; 2]>,
    /// Numbers were given up.
    forgotten: bool,
    stored: Option<Stored>,
    /// The newest object of direct requests when this one was asked for last.
    newest: u64,
}

/// What all robots together remember.
#[derive(Debug)]
pub struct Memory {
    parts: Vec<HashMap<Object, Entry>>,
    /// How many newer objects there are when one is never asked for again.
    window: u64,
    /// The newest object that was asked for directly: those are numbered in their order.
    newest: u64,
    /// The part that is looked through next.
    next: usize,
    /// Bytes of storable answers that came from the origin.
    fetched: u64,
}

impl Memory {
    /// Nothing yet. An object is never asked for again when there are `window` newer ones.
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self {
            parts: (0..PARTS).map(|_| HashMap::new()).collect(),
            window,
            newest: 0,
            next: 0,
            fetched: 0,
        }
    }

    fn get(&self, object: Object) -> Option<&Entry> {
        self.parts[part(object)].get(&object)
    }

    fn get_mut(&mut self, object: Object) -> Option<&mut Entry> {
        self.parts[part(object)].get_mut(&object)
    }

    /// A request is about to be sent, at `made`.
    pub fn asked(&mut self, object: Object, number: u64, made: u64) {
        // What pages embed is numbered otherwise, and its requests above 2 to the 63; it is asked for as long as its page is.
        if number >> 63 == 0 {
            self.newest = self.newest.max(object.id);
        }
        let entry = self.parts[part(object)].entry(object).or_default();
        entry.newest = self.newest;
        if entry.asked.len() >= REMEMBERED
            && let Some(oldest) = entry.asked.iter().position(|asked| asked.done != UNDER_WAY)
        {
            entry.asked.remove(oldest);
            entry.forgotten = true;
        }
        entry.asked.push(Asked {
            number,
            made,
            done: UNDER_WAY,
            there: None,
        });
    }

    /// What is known of the request `named` by the answer to `own`, which was sent at `sent`.
    #[must_use]
    pub fn known(&self, object: Object, own: u64, named: u64, sent: u64) -> Known {
        if own == named {
            return Known::Own;
        }
        let Some(entry) = self.get(object) else {
            return Known::Never;
        };
        match entry.asked.iter().find(|asked| asked.number == named) {
            Some(asked) if asked.done >= sent => Known::UnderWay,
            Some(_) => Known::Earlier,
            None if entry.forgotten => Known::Earlier,
            None => Known::Never,
        }
    }

    /// When the origin's answer to this request was there, if a robot had it: the origin gave it no later.
    #[must_use]
    pub fn there(&self, object: Object, number: u64) -> Option<u64> {
        let entry = self.get(object)?;
        let asked = entry.asked.iter().find(|asked| asked.number == number)?;
        asked.there.map(NonZeroU64::get)
    }

    /// When this request was made, if it is remembered: the origin answered it no earlier, whoever had the answer.
    #[must_use]
    pub fn made(&self, object: Object, number: u64) -> Option<u64> {
        let asked = &self.get(object)?.asked;
        asked.iter().find(|a| a.number == number).map(|a| a.made)
    }

    /// Whether a request of another number is or was made for the object, under way since `sent` or earlier: somebody a store may
    /// have its answer from.
    #[must_use]
    pub fn others(&self, object: Object, own: u64) -> bool {
        self.get(object)
            .is_some_and(|e| e.forgotten || e.asked.iter().any(|asked| asked.number != own))
    }

    /// Those requests for the object that were under way since `sent`, other than `own`.
    pub fn under_way(&self, object: Object, own: u64, sent: u64) -> impl Iterator<Item = u64> {
        let asked = self.get(object).map(|e| e.asked.as_slice());
        asked
            .unwrap_or_default()
            .iter()
            .filter(move |asked| asked.number != own && asked.done >= sent)
            .map(|asked| asked.number)
    }

    /// The last answer that a store should have, for who accepts this variant.
    #[must_use]
    pub fn earlier(&self, object: Object, variant: u8) -> Option<Earlier> {
        let stored = self.get(object)?.stored.as_ref()?;
        Some(Earlier {
            until: stored.until,
            fresh: stored.fresh,
            done: stored.done,
            since: self.fetched.saturating_sub(stored.used),
            certain: stored.certain && stored.variant == variant,
        })
    }

    /// The request is over at `done`, and it may have reached the origin, whose answer to it was `there` then, if it was that one.
    pub fn ended(&mut self, object: Object, number: u64, done: u64, there: Option<u64>) {
        if let Some(entry) = self.get_mut(object)
            && let Some(place) = entry.asked.iter_mut().find(|a| a.number == number)
        {
            place.done = done;
            place.there = there.and_then(NonZeroU64::new);
        }
    }

    /// The request is over at `done`, answered by another's answer: what is stored was used. It never reached the origin, unless what
    /// is stored was so `old` that the proxy may have asked under its number for itself.
    pub fn served(&mut self, object: Object, number: u64, done: u64, old: bool) {
        if old {
            self.ended(object, number, done, None);
        }
        let fetched = self.fetched;
        if let Some(entry) = self.get_mut(object) {
            if !old {
                entry.asked.retain(|asked| asked.number != number);
            }
            if let Some(stored) = &mut entry.stored {
                stored.used = fetched;
            }
        }
    }

    /// A request brought a whole answer from the origin that may be stored; its `since` are the bytes that it has, if they were
    /// fetched. If it is certain, it is for who accepts this variant.
    pub fn stored(&mut self, object: Object, answer: Earlier, variant: u8) {
        self.fetched += answer.since;
        let stored = Stored {
            until: answer.until,
            fresh: answer.fresh,
            done: answer.done,
            used: self.fetched,
            certain: answer.certain,
            variant,
        };
        let entry = self.parts[part(object)].entry(object).or_default();
        entry.stored = Some(stored);
    }

    /// Every store takes the answer that was there at `done`, as is known only now; none, if it is not the last one any more. It is for
    /// who accepts this variant.
    pub fn certain(&mut self, object: Object, done: u64, variant: u8) {
        if let Some(stored) = self.get_mut(object).and_then(|e| e.stored.as_mut())
            && stored.done == done
        {
            stored.certain = true;
            stored.variant = variant;
        }
    }

    /// A request other than GET and HEAD was made: stores give up what they have of the object (RFC 9111 4.4).
    pub fn invalidated(&mut self, object: Object) {
        if let Some(entry) = self.get_mut(object) {
            entry.stored = None;
        }
    }

    /// Forgets what is never asked for again, a part at each call.
    pub fn forget(&mut self) {
        let (newest, window) = (self.newest, self.window);
        let gone = |entry: &Entry| {
            newest.saturating_sub(entry.newest) > window
                && entry.asked.iter().all(|asked| asked.done != UNDER_WAY)
        };
        self.parts[self.next].retain(|_, entry| !gone(entry));
        self.next = (self.next + 1) % PARTS;
    }
}

/// The part that an object is in. Numbers in a row go to all of them in turn, hashes anywhere.
fn part(object: Object) -> usize {
    (object.id ^ u64::from(object.kind)) as usize % PARTS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OBJECT: Object = Object { kind: 1, id: 7 };

    #[test]
    fn a_number_is_own_under_way_earlier_or_never() {
        let mut memory = Memory::new(u64::MAX);
        assert_eq!(memory.known(OBJECT, 2, 1, 100), Known::Never);
        memory.asked(OBJECT, 1, 0);
        memory.asked(OBJECT, 2, 0);
        assert_eq!(memory.known(OBJECT, 2, 2, 100), Known::Own);
        assert_eq!(memory.known(OBJECT, 2, 1, 100), Known::UnderWay);
        memory.ended(OBJECT, 1, 150, None);
        assert_eq!(memory.known(OBJECT, 2, 1, 100), Known::UnderWay);
        assert_eq!(memory.known(OBJECT, 2, 1, 151), Known::Earlier);
        let other = Object { kind: 1, id: 8 };
        assert_eq!(memory.known(other, 2, 1, 151), Known::Never);
    }

    #[test]
    fn what_was_served_from_elsewhere_can_not_be_stored() {
        let mut memory = Memory::new(u64::MAX);
        memory.asked(OBJECT, 1, 0);
        memory.ended(OBJECT, 1, 10, Some(9));
        memory.asked(OBJECT, 2, 0);
        memory.served(OBJECT, 2, 20, false);
        assert_eq!(memory.known(OBJECT, 3, 2, 100), Known::Never);
        assert_eq!(memory.known(OBJECT, 3, 1, 100), Known::Earlier);
        assert_eq!(memory.there(OBJECT, 1), Some(9));
    }

    #[test]
    fn what_was_served_stale_may_have_been_fetched_under_its_number_for_the_store() {
        let mut memory = Memory::new(u64::MAX);
        memory.asked(OBJECT, 2, 0);
        memory.served(OBJECT, 2, 20, true);
        assert_eq!(memory.known(OBJECT, 3, 2, 100), Known::Earlier);
        // It came when nobody knows, and while the robot waited or behind that.
        assert_eq!(memory.there(OBJECT, 2), None);
        assert_eq!(memory.known(OBJECT, 3, 2, 15), Known::UnderWay);
        let other = Object { kind: 1, id: 8 };
        assert_eq!(memory.known(other, 3, 2, 100), Known::Never);
    }

    #[test]
    fn a_number_given_up_for_others_is_not_called_false() {
        let mut memory = Memory::new(u64::MAX);
        for number in 0..40 {
            memory.asked(OBJECT, number, 0);
            memory.ended(OBJECT, number, number, None);
        }
        assert_eq!(memory.known(OBJECT, 99, 0, 1000), Known::Earlier);
        assert!(memory.get(OBJECT).unwrap().asked.len() <= REMEMBERED);
    }

    #[test]
    fn bytes_fetched_since_the_last_use_are_told() {
        let mut memory = Memory::new(u64::MAX);
        let answer = |done, since| Earlier {
            until: 50,
            fresh: 50_000_000,
            done,
            since,
            certain: true,
        };
        memory.stored(OBJECT, answer(1, 1000), 0);
        memory.stored(Object { kind: 1, id: 8 }, answer(2, 300), 0);
        assert_eq!(memory.earlier(OBJECT, 0).unwrap().since, 300);
        memory.served(OBJECT, 4, 5, false);
        assert_eq!(memory.earlier(OBJECT, 0).unwrap().since, 0);
    }

    #[test]
    fn what_is_stored_for_others_is_not_certain_for_who_accepts_less() {
        let mut memory = Memory::new(u64::MAX);
        let certain = |m: &Memory, variant| m.earlier(OBJECT, variant).unwrap().certain;
        let answer = |certain| Earlier {
            until: 50,
            fresh: 50_000_000,
            done: 1,
            since: 1000,
            certain,
        };
        memory.stored(OBJECT, answer(true), 3);
        assert!(certain(&memory, 3) && !certain(&memory, 0));
        memory.stored(OBJECT, answer(false), 3);
        assert!(!certain(&memory, 3) && !certain(&memory, 0));
    }

    #[test]
    fn what_becomes_certain_later_is_that_answer_alone() {
        let mut memory = Memory::new(u64::MAX);
        let answer = |done| Earlier {
            until: 50,
            fresh: 50_000_000,
            done,
            since: 1000,
            certain: false,
        };
        let certain = |m: &Memory, variant| m.earlier(OBJECT, variant).unwrap().certain;
        memory.stored(OBJECT, answer(1), 0);
        memory.stored(OBJECT, answer(2), 0);
        memory.certain(OBJECT, 1, 3);
        assert!(!certain(&memory, 3) && !certain(&memory, 0));
        memory.certain(OBJECT, 2, 3);
        assert!(certain(&memory, 3) && !certain(&memory, 0));
        memory.invalidated(OBJECT);
        memory.certain(OBJECT, 2, 3);
        assert_eq!(memory.earlier(OBJECT, 3), None);
    }

    #[test]
    fn what_is_out_of_the_window_is_forgotten_unless_it_is_under_way() {
        let mut memory = Memory::new(10);
        let object = |id| Object { kind: 1, id };
        for id in 0..3 {
            memory.asked(object(id), id, 0);
        }
        memory.ended(object(0), 0, 5, None);
        memory.ended(object(1), 1, 5, None);
        memory.asked(object(11), 11, 0);
        memory.asked(object(1), 12, 0);
        memory.ended(object(1), 12, 6, None);
        for _ in 0..PARTS {
            memory.forget();
        }
        // The newest was 0 when 0 was asked for, 11 when 1 was; 2 is under way.
        let there = |id| memory.get(object(id)).is_some();
        assert_eq!([0, 1, 2, 11].map(there), [false, true, true, true]);
    }
}
