//! The end of a visit: `free`, once, when any hook of the module was called.

use super::Link;
use crate::inline::Instance;
use crate::runtime::Far;
use crate::visit::Visit;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use understudy_module::{Hook, Opaque, Panicked, guard};

impl Link {
    /// The transaction is over for this module: `free`, when any hook of it was called. Calls under way must have been dropped.
    #[inline]
    pub fn leave(&self, visit: &mut Visit, transaction: u64) {
        if let Some(instance) = visit.leave_here() {
            if !visit.has_failed() {
                self.worked();
            }
            if self.frees || !visit.opaque.is_none() {
                self.free(&instance, visit, transaction);
            }
        } else if let Some(far) = visit.far.take() {
            if !visit.has_failed() {
                self.worked();
            }
            self.free_far(&*far, visit, transaction);
        }
        visit.close();
    }

    /// A whole transaction went well: a hook that does says nothing of the next one.
    #[inline]
    fn worked(&self) {
        if self.in_a_row.get() != 0 {
            self.in_a_row.set(0);
            self.broken_until.set(None);
        }
    }

    #[inline(never)]
    fn free_far(&self, far: &dyn Far, visit: &mut Visit, transaction: u64) {
        // Who saw no hook has nothing to free; a call that is away is begun, or will be.
        let frees = (visit.forget_heard() || visit.is_away()) && self.frees;
        if frees {
            self.accounts.hooks[Hook::Free as usize].calls.add(1);
        }
        let opaque = visit.opaque.take();
        let wanted = frees || !opaque.is_none() || !far.carries() || visit.is_ahead();
        if !visit.is_away() && wanted {
            far.free(transaction, opaque);
        }
    }

    /// Frees what an inline module kept of a transaction.
    #[inline(always)]
    fn free(&self, instance: &Instance, visit: &mut Visit, transaction: u64) {
        let opaque = visit.opaque.take();
        self.marker.store(self.number, Relaxed);
        let freed = if self.frees {
            self.accounts.hooks[Hook::Free as usize].calls.add(1);
            if visit.is_timed() {
                self.free_timed(instance, visit, opaque, transaction)
            } else {
                guard(|| instance.module().free(transaction, opaque))
            }
        } else {
            // Its drop is the module's code, too.
            guard(|| drop(opaque))
        };
        self.marker.store(0, Relaxed);
        if let Err(panicked) = freed {
            self.free_panicked(instance, panicked);
        }
    }

    /// The `free` of a visit that is timed.
    #[inline(never)]
    fn free_timed(
        &self,
        instance: &Instance,
        visit: &Visit,
        opaque: Opaque,
        transaction: u64,
    ) -> Result<(), Panicked> {
        let began = Instant::now();
        let freed = guard(|| instance.module().free(transaction, opaque));
        self.timed(visit, Hook::Free, began.elapsed());
        freed
    }

    #[cold]
    fn free_panicked(&self, instance: &Instance, panicked: Panicked) {
        instance.poison();
        self.accounts.hooks[Hook::Free as usize].failures.add(1);
        self.accounts.failures[0].add(1);
        tracing::warn!(module = %self.loaded.name(), "free panicked: {}", panicked.0);
    }
}
