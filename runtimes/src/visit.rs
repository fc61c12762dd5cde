//! One module's part of one transaction.
//!
//! Life: 1. fresh; 2. entered with its first hook; 3. done or failed: no hook but `free`; 4. left: `free`, once; then it may be made
//! fresh for another transaction. Invariant: a visit that was entered is left once. What stands between a module and a plain call is
//! in one byte, so that finding out that nothing does is one comparison.

use crate::costs::{Costs, HookCost};
use crate::inline::Instance;
use crate::runtime::Far;
use std::rc::Rc;
use understudy_module::{Hook, Opaque};

/// One module's part of one transaction.
#[derive(Debug, Default)]
pub struct Visit {
    /// Where it is entered: here, to be called directly,
    pub(crate) inline: Option<Rc<Instance>>,
    /// or on another stack.
    pub(crate) far: Option<Rc<dyn Far>>,
    pub(crate) opaque: Opaque,
    state: u8,
    /// For how many visits the time of this one stands, where it is entered here and timed.
    pub(crate) stands_for: u8,
    /// What the transaction cost so far, when it is asked for ([`crate::Link::be_precise`]).
    pub cost: Cost,
    /// The same by hook, where that is asked for.
    costs: Option<Box<Costs>>,
}

/// What one module cost one transaction.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Calls.
    pub calls: u32,
    /// Nanoseconds in the module.
    pub time: u64,
    /// Nanoseconds waited for it otherwise.
    pub wait: u64,
}

/// Entered here.
const HERE: u8 = 1;
/// It wants to hear no more.
const DONE: u8 = 2;
/// It failed.
const FAILED: u8 = 4;
/// Its calls here are timed.
const TIMED: u8 = 8;
/// Whoever asks has something to say first ([`Visit::put_aside`]).
const ASIDE: u8 = 16;
/// The opaque value is with a call that was given up: it is freed when that comes back.
const AWAY: u8 = 32;
/// Events went ahead, and none came behind them yet.
const AHEAD: u8 = 64;
/// An event was given to another stack: one that is entered there may have been passed by all along, by its own promise.
const HEARD: u8 = 128;

impl Visit {
    /// Whether nothing stands between it and a call: entered here, open, not timed, not put aside.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.state == HERE
    }

    /// Whether the module wants to hear more of this transaction.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.state & (DONE | FAILED) == 0
    }

    /// Whether it was called at all.
    pub fn was_entered(&self) -> bool {
        self.state & (HERE | HEARD) != 0
    }

    /// Whether it failed in this transaction.
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.state & FAILED != 0
    }

    /// For whoever asks several modules: while it is put aside it is not plain.
    #[inline]
    pub fn put_aside(&mut self, aside: bool) {
        self.put(ASIDE, aside);
    }

    /// Is fresh again, for another transaction. The one before must have left.
    #[inline]
    pub fn renew(&mut self) {
        debug_assert!(self.inline.is_none() && self.far.is_none() && self.opaque.is_none());
        (self.state, self.stands_for) = (0, 0);
        self.cost = Cost::default();
        if let Some(costs) = &mut self.costs {
            costs.clear();
        }
    }

    /// What each hook cost so far, when it is asked for ([`crate::Link::be_precise`]).
    pub fn costs(&self) -> &[HookCost] {
        self.costs.as_deref().map_or(&[], Costs::all)
    }

    /// Whether that is to be kept from now on.
    #[inline]
    pub(crate) fn keep_costs(&mut self, keep: bool) {
        if self.costs.is_some() != keep {
            self.costs = keep.then(Box::default);
        }
    }

    /// Adds to what a hook cost, where that is kept.
    #[inline]
    pub(crate) fn tell(&mut self, hook: Hook, add: impl FnOnce(&mut HookCost)) {
        if let Some(costs) = &mut self.costs {
            add(costs.of(hook));
        }
    }

    /// No hook but `free` any more.
    #[inline]
    pub fn close(&mut self) {
        self.state |= DONE;
    }

    /// It failed: no hook but `free` any more.
    pub(crate) fn fail(&mut self) {
        self.state |= FAILED;
    }

    /// Nothing was asked of it yet.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.inline.is_none() && self.far.is_none()
    }

    /// Is entered here; timed where it stands for others.
    #[inline]
    pub(crate) fn enter_here(&mut self, instance: Rc<Instance>, stands_for: u8) {
        self.inline = Some(instance);
        self.stands_for = stands_for;
        self.state |= HERE;
        self.put(TIMED, stands_for > 0);
    }

    /// Leaves the instance here.
    #[inline]
    pub(crate) fn leave_here(&mut self) -> Option<Rc<Instance>> {
        self.state &= !HERE;
        self.inline.take()
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.state & TIMED != 0
    }

    /// Whether the opaque value is with a call that was given up.
    pub(crate) fn is_away(&self) -> bool {
        self.state & AWAY != 0
    }

    pub(crate) fn be_away(&mut self, away: bool) {
        self.put(AWAY, away);
    }

    /// Whether events went ahead, and none came behind them yet.
    pub(crate) fn is_ahead(&self) -> bool {
        self.state & AHEAD != 0
    }

    /// An event was given to another stack: ahead of another, or by itself.
    pub(crate) fn hear(&mut self, ahead: bool) {
        self.state |= HEARD;
        self.put(AHEAD, ahead);
    }

    /// An event was sent to another stack. A child comes to whatever it is sent, or passes it by, which is not
    /// known here; a thread may not, and then it is taken back.
    pub(crate) fn be_sent(&mut self, carried: bool) {
        self.be_away(carried);
        self.put(AHEAD, false);
        if !carried {
            self.state |= HEARD;
        }
    }

    /// What went ahead of a call that was taken back goes ahead of `free`.
    pub(crate) fn be_ahead_of_free(&mut self) {
        self.put(AHEAD, self.has_heard());
    }

    /// Whether an event was given to another stack.
    pub(crate) fn has_heard(&self) -> bool {
        self.state & HEARD != 0
    }

    /// The same; not any more.
    pub(crate) fn forget_heard(&mut self) -> bool {
        let heard = self.has_heard();
        self.state &= !HEARD;
        heard
    }

    #[inline]
    fn put(&mut self, bit: u8, set: bool) {
        self.state = if set {
            self.state | bit
        } else {
            self.state & !bit
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_transaction_is_left_in_a_visit_that_is_fresh_again() {
        let fresh = format!("{:?}", Visit::default());
        for state in 0..=u8::MAX {
            let mut visit = Visit {
                state,
                stands_for: 1,
                cost: Cost {
                    calls: 1,
                    time: 2,
                    wait: 3,
                },
                ..Visit::default()
            };
            visit.renew();
            assert_eq!(format!("{visit:?}"), fresh);
        }
    }

    #[test]
    fn only_a_visit_that_is_entered_here_and_open_is_plain() {
        assert!(!Visit::default().is_plain());
        for state in 0..=u8::MAX {
            let visit = Visit {
                state,
                ..Visit::default()
            };
            assert_eq!(visit.is_plain(), state == HERE);
            assert!(!visit.is_plain() || visit.is_open() && visit.was_entered());
        }
    }

    #[test]
    fn a_visit_that_is_fresh_again_has_room_for_costs_and_none_in_it() {
        let mut visit = Visit::default();
        visit.tell(Hook::Log, |cost| cost.calls += 1);
        assert!(visit.costs().is_empty(), "nobody asked");
        visit.keep_costs(true);
        for hook in [Hook::Log, Hook::RequestHead, Hook::Log] {
            visit.tell(hook, |cost| cost.calls += 1);
        }
        let calls: Vec<_> = visit.costs().iter().map(|c| (c.hook, c.calls)).collect();
        assert_eq!(calls, [(Hook::Log, 2), (Hook::RequestHead, 1)]);
        visit.renew();
        assert!(visit.costs().is_empty() && visit.costs.is_some());
        visit.keep_costs(false);
        assert!(visit.costs.is_none());
    }
}
