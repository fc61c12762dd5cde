//! On what terms a body meets its modules.
//!
//! Settled when its way begins: the next head's hooks may run before its pieces, and are no word on it. What no transaction changes
//! ([`Standing`]) is found out once, when the chain is made.

use super::super::party::Party;
use super::stages::{SoFar, Stages};
use super::{Asked, Filter, MOST, Way};
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
            standing.looks |= u64::from(loaded.about().only_looks) << place;
            standing.far |= u64::from(loaded.spec().kind != Kind::Inline) << place;
        }
        standing
    }
}

impl Party {
    /// The way of a body through the modules that hear this hook; `None` when none does.
    #[inline]
    pub(crate) fn filter(self: &Rc<Self>, hook: Hook, asked: Asked<'_>) -> Option<Filter> {
        if !self.wants(hook) {
            return None;
        }
        let chain = &*self.chain;
        let standing = chain.standing(hook);
        let mut terms = Terms::default();
        let (mut heard, mut changes_length, mut far) = (false, false, false);
        let members = self.members.borrow();
        let members = members.as_slice();
        for (place, index) in chain.order(hook).iter().enumerate() {
            let Some(seen) = members.get(usize::from(*index)) else {
                continue;
            };
            if !seen.hears(hook) {
                continue;
            }
            heard = true;
            // What is said of a head is said on the other way alone.
            far |= seen.withholds == Some(hook);
            if place < MOST {
                terms.heard |= 1 << place;
                terms.keeps |= u64::from(seen.keeps_length) << place;
            } else {
                far = true;
                let link = chain.links.get(usize::from(*index));
                let looks = link.is_some_and(|link| link.loaded().about().only_looks);
                changes_length |= !(seen.keeps_length || looks);
            }
        }
        if !heard {
            return None;
        }
        terms.keeps |= terms.heard & standing.looks;
        changes_length |= terms.heard & !terms.keeps != 0;
        far |= terms.heard & standing.far != 0;
        let mut filter = Filter {
            party: self.clone(),
            terms,
            through: 0,
            changed: 0,
            left: None,
            stages: None,
            hook,
            changes_length,
            closed: false,
        };
        if far {
            filter.begin_far(asked);
        }
        Some(filter)
    }
}

impl Filter {
    /// Elsewhere no piece is answered at once, and each crossing costs: a piece that is not known to be the last waits there until it
    /// is.
    #[inline(never)]
    fn begin_far(&mut self, asked: Asked<'_>) {
        let way = Way {
            party: &self.party,
            hook: self.hook,
            asked,
        };
        self.stages = Some(Box::new(Stages::new(&way, SoFar::default())));
    }
}
