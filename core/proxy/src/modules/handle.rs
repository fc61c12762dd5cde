//! Handles to a transaction's party, and the parties that wait for another transaction.
//!
//! Invariant: the last handle to go ends the party, which is fresh then and kept. Awkward case: what is kept holds its chain, which
//! keeps it: the settings in force close the chain when they go, or neither ever would.

use super::chain::Chain;
use super::party::Party;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;

/// A handle: the transaction's own, a body's on its way, a log's that waits.
#[derive(Debug)]
pub(crate) struct Handle(Rc<Party>);

/// Most parties that are kept.
const SPARES: usize = 64;

/// Parties of transactions that are over, fresh again: so beginning another makes nothing anew.
pub(super) struct Spare {
    kept: RefCell<Vec<Rc<Party>>>,
    most: Cell<usize>,
}

impl Default for Spare {
    fn default() -> Spare {
        Spare {
            kept: RefCell::default(),
            most: Cell::new(SPARES),
        }
    }
}

impl std::fmt::Debug for Spare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}

impl Spare {
    #[inline]
    fn take(&self) -> Option<Rc<Party>> {
        self.kept.borrow_mut().pop()
    }

    /// This one is fresh.
    #[inline]
    fn keep(&self, party: &Rc<Party>) {
        let mut kept = self.kept.borrow_mut();
        if kept.len() < self.most.get() {
            kept.push(party.clone());
        }
    }

    /// Keeps none any more.
    pub(super) fn close(&self) {
        self.most.set(0);
        drop(self.kept.take());
    }
}

impl Handle {
    /// The modules' part of the transaction with this id. `key` says which host it is for.
    #[inline]
    pub(crate) fn new(chain: &Rc<Chain>, id: u64, client: SocketAddr, key: &[u8]) -> Handle {
        let kept = chain.spare.take();
        let party = kept.unwrap_or_else(|| Rc::new(Party::fresh(chain)));
        party.begin(id, client, key);
        Handle(party)
    }
}

impl Clone for Handle {
    #[inline]
    fn clone(&self) -> Handle {
        Handle(self.0.clone())
    }
}

impl Deref for Handle {
    type Target = Party;

    #[inline]
    fn deref(&self) -> &Party {
        &self.0
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        if Rc::strong_count(&self.0) == 1 {
            self.0.end();
            self.0.chain.spare.keep(&self.0);
        }
    }
}
