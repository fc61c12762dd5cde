//! The transactions that are with the child: opaque values, pieces held, tokens.
//!
//! Owns the opaque values. Invariant: while a hook runs, its transaction's value is with it; `free` takes the visit out of the
//! table, so it happens once. Awkward case: a resume can come, from any thread, while the hook that took the token still runs.

use super::doors::Door;
use crate::failure::Failure;
use crate::life::Life;
use crate::process::child::lock;
use crate::process::event::Id;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use understudy_module::{Bytes, Hook, Opaque, Verdict};

/// A transaction.
pub(super) struct Visit {
    pub(super) door: Arc<Door>,
    pub(super) life: Arc<Life>,
    pub(super) opaque: Opaque,
    /// Pieces held, and the last one when it may turn out to be: by body hook.
    pub(super) kept: [Vec<Bytes>; 3],
    /// The call whose token was taken and not resumed.
    pub(super) token: Option<Id>,
    /// What came of events that went ahead of the next.
    pub(super) ahead: Ahead,
}

/// Events that were not answered: the time they took, and what the module said of one where it broke its promise.
#[derive(Default)]
pub(super) struct Ahead {
    pub(super) spent: Duration,
    pub(super) broken: Option<(Hook, Result<Verdict, Failure>)>,
}

/// Which of a visit's lists is a body hook's.
pub(super) fn body(hook: Hook) -> Option<usize> {
    match hook {
        Hook::RequestBody => Some(0),
        Hook::ResponseBody => Some(1),
        Hook::ReturnBody => Some(2),
        _ => None,
    }
}

pub(super) type Table = HashMap<u64, Visit, FixedState>;

/// All of them.
#[derive(Default)]
pub(super) struct Visits {
    table: Mutex<Table>,
    /// Transactions that lost an event that went ahead, for there was no instance to hear it: they get none behind it either. With
    /// the numbers of their doors.
    missed: Mutex<HashMap<u64, u64, FixedState>>,
}

impl Visits {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    /// A transaction lost an event that went ahead.
    pub(super) fn miss(&self, transaction: u64, door: &Door) {
        lock(&self.missed).insert(transaction, door.number);
    }

    /// Whether it did.
    pub(super) fn missed(&self, transaction: u64) -> bool {
        lock(&self.missed).contains_key(&transaction)
    }

    /// It is over.
    pub(super) fn forget_missed(&self, transaction: u64) {
        lock(&self.missed).remove(&transaction);
    }

    /// All of a door are over.
    pub(super) fn forget_missed_of(&self, door: &Door) {
        lock(&self.missed).retain(|_, number| *number != door.number);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table().is_empty()
    }

    /// The token of a call is taken.
    pub(super) fn take_token(&self, transaction: u64, id: Id) {
        if let Some(visit) = self.table().get_mut(&transaction) {
            visit.token = Some(id);
        }
    }

    /// Whether the token of a call was taken and not resumed.
    pub(super) fn awaits(&self, transaction: u64, id: Id) -> bool {
        let table = self.table();
        let visit = table.get(&transaction);
        visit.is_some_and(|visit| visit.token == Some(id))
    }

    /// The call of a token, once.
    pub(super) fn resume(&self, transaction: u64, call: u64) -> Option<(Id, Arc<Door>)> {
        let mut table = self.table();
        let visit = table.get_mut(&transaction)?;
        let id = visit.token.take_if(|id| id.call == call)?;
        Some((id, visit.door.clone()))
    }

    /// The door of a transaction.
    pub(super) fn door(&self, transaction: u64) -> Option<Arc<Door>> {
        Some(self.table().get(&transaction)?.door.clone())
    }

    /// The transactions of a door.
    pub(super) fn of(&self, door: &Door) -> Vec<u64> {
        let table = self.table();
        let of = table.iter().filter(|(_, v)| v.door.number == door.number);
        of.map(|(transaction, _)| *transaction).collect()
    }
}
