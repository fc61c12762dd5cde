//! What one module cost one transaction, hook by hook: kept where somebody asks for it (Server-Timing, the JSON log).
//!
//! Invariant: a hook has one entry, in the order of their first calls. Awkward case: a visit that is made fresh keeps its room, so the
//! next transaction needs none.

use understudy_module::{Event, Hook, Part};

/// One hook of one module in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookCost {
    /// Which.
    pub hook: Hook,
    /// Calls.
    pub calls: u32,
    /// Nanoseconds in the module.
    pub time: u64,
    /// Nanoseconds waited for it otherwise.
    pub wait: u64,
    /// Bytes of bodies given to it.
    pub bytes_in: u64,
    /// Bytes it gave instead.
    pub bytes_out: u64,
    /// Calls that failed.
    pub failures: u32,
}

impl HookCost {
    /// A hook that was not called yet.
    pub fn new(hook: Hook) -> HookCost {
        HookCost {
            hook,
            calls: 0,
            time: 0,
            wait: 0,
            bytes_in: 0,
            bytes_out: 0,
            failures: 0,
        }
    }

    /// It is called with this.
    pub(crate) fn called(&mut self, event: &Event<'_>) {
        self.calls += 1;
        if let Part::Piece(piece) = &event.part {
            self.bytes_in += piece.bytes.len() as u64;
        }
    }
}

/// Those of a visit.
#[derive(Debug, Default)]
pub(crate) struct Costs(Vec<HookCost>);

impl Costs {
    /// A hook's.
    pub(crate) fn of(&mut self, hook: Hook) -> &mut HookCost {
        let at = self.0.iter().position(|cost| cost.hook == hook);
        let at = at.unwrap_or_else(|| {
            self.0.push(HookCost::new(hook));
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    pub(crate) fn all(&self) -> &[HookCost] {
        &self.0
    }

    /// Nothing was called yet.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
