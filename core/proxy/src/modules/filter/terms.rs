//! On what terms a body meets its modules.
//!
//! Settled when its way begins: the next head's hooks may run before its pieces, and are no word on it. What no transaction changes
//! ([`Standing`]) is found out once, when the chain is made.

use super::super::handle::Handle;
use super::super::seen::Seen;
use super::stages::{SoFar, Stages};
use super::{Asked, Filter, MOST};
use std::rc::Rc;
use understudy_module::Hook;
use understudy_runtimes::{Kind, Link};

/// What the head before a body settled, by the modules' places.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Terms {
    /// Modules that hear it.
    pub(super) heard: u64,
    /// Those that keep its length.
    pub(super) keeps: u64,
}

/// What is known of the modules of one hook before any transaction, by their places.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::modules) struct Standing {
    /// All of them.
    all: u64,
    /// Those that only look.
    looks: u64,
    /// Those that are not on the worker's own stack.
    far: u64,
}

impl Standing {
    /// Of the modules that are asked in this order.
    pub(in crate::modules) fn of(links: &[Rc<Link>], order: &[u16]) -> Standing {
        let mut standing = Standing::default();
        for (place, index) in order.iter().enumerate().take(MOST) {
            let Some(link) = links.get(usize::from(*index)) else {
                continue;
            };
            let loaded = link.loaded();
            standing.all |= 1 << place;
            standing.looks |= u64::from(loaded.about().only_looks) << place;
            standing.far |= u64::from(loaded.spec().kind != Kind::Inline) << place;
        }
        standing
    }
}

impl Handle {
    /// The way of a body through the modules that hear this hook; `None` when none does. `asked`: looked up where it is of use.
    #[inline(always)]
    pub(crate) fn filter<'a>(
        &self,
        hook: Hook,
        asked: impl FnOnce() -> Asked<'a>,
    ) -> Option<Filter> {
        if !self.wants(hook) {
            return None;
        }
        let (terms, far) = self.terms(hook);
        if terms.heard == 0 {
            return None;
        }
        Some(Filter {
            party: self.clone(),
            terms,
            through: 0,
            changed: 0,
            left: None,
            stages: match far {
                false => None,
                true => Some(self.far(hook, asked())),
            },
            hook,
            closed: false,
        })
    }

    /// On what terms, and whether it takes the other way from the start.
    #[inline(always)]
    fn terms(&self, hook: Hook) -> (Terms, bool) {
        let standing = self.chain.standing(hook);
        let order = self.chain.order(hook);
        if order.len() <= MOST && (!self.is_odd() || self.all_hear(order)) {
            // By far the commonest: nothing but what stands.
            let (heard, keeps) = (standing.all, standing.looks);
            return (Terms { heard, keeps }, standing.far != 0);
        }
        self.terms_said(hook)
    }

    /// Whether all these hear every body, and said nothing of this one.
    fn all_hear(&self, order: &[u16]) -> bool {
        let members = self.members.borrow();
        let mut seen = order.iter().map(|index| members.get(usize::from(*index)));
        seen.all(|seen| seen.is_some_and(Seen::hears_all))
    }

    /// The same, where modules said something of it, or are left out, or are more than have a bit.
    #[inline(never)]
    fn terms_said(&self, hook: Hook) -> (Terms, bool) {
        let standing = self.chain.standing(hook);
        let order = self.chain.order(hook);
        if order.len() > MOST {
            return (self.terms_of_many(hook), true);
        }
        let members = self.members.borrow();
        let members = members.as_slice();
        let (mut heard, mut keeps, mut waits) = (0, standing.looks, 0);
        for (place, index) in order.iter().enumerate() {
            if let Some(seen) = members.get(usize::from(*index)) {
                heard |= u64::from(seen.hears(hook)) << place;
                keeps |= u64::from(seen.keeps_length) << place;
                // What is said of a head is said on the other way alone.
                waits |= u64::from(seen.withholds == Some(hook)) << place;
            }
        }
        let far = heard & (standing.far | waits) != 0;
        (Terms { heard, keeps }, far)
    }

    /// The same of more than have a bit: those from the last bit on share it, and the other way looks for itself.
    #[cold]
    fn terms_of_many(&self, hook: Hook) -> Terms {
        let (members, mut terms) = (self.members.borrow(), Terms::default());
        for (place, index) in self.chain.order(hook).iter().enumerate() {
            let index = usize::from(*index);
            let (Some(seen), Some(link)) = (members.get(index), self.chain.links.get(index)) else {
                continue;
            };
            if !seen.hears(hook) {
                continue;
            }
            let bit = 1 << place.min(MOST - 1);
            if !(seen.keeps_length || link.loaded().about().only_looks) {
                terms.keeps &= !bit;
            } else if terms.heard & bit == 0 {
                terms.keeps |= bit;
            }
            terms.heard |= bit;
        }
        terms
    }

    /// Elsewhere no piece is answered at once, and each crossing costs: a piece that is not known to be the last waits there until it
    /// is.
    #[inline(never)]
    fn far(&self, hook: Hook, asked: Asked<'_>) -> Box<Stages> {
        self.be_odd();
        let way = self.way(hook, asked);
        Box::new(Stages::new(&way, SoFar::default()))
    }
}

impl Terms {
    /// Whether the body may come out at another length.
    #[inline]
    pub(super) fn change_length(&self) -> bool {
        self.heard & !self.keeps != 0
    }
}
