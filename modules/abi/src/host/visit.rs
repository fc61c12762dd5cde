//! The transaction of the call in progress, as the proxy's functions find it.
//!
//! Invariant: a handle stands for a transaction only on its thread and during its call; another is told to be stale, by comparing
//! pointers, without looking at what it points to. What is lent to the module stays until the call ends: values that
//! lie in the record of edits, which moves as it grows, are copied into an arena first.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use understudy_module::raw::{Entry, ProxyHandle, Slice, TransactionHandle, code};
use understudy_module::{Bytes, Response, Transaction};

/// What goes with a verdict.
#[derive(Debug, Default)]
pub(crate) enum Payload {
    #[default]
    None,
    Response(Box<Response>),
    Bytes(Bytes),
}

pub(crate) struct Visit<'a, 'b> {
    pub(super) tx: &'a mut Transaction<'b>,
    pub(super) proxy: *mut ProxyHandle,
    pub(super) payload: Payload,
    pub(super) entry: Option<Box<Entry>>,
    arena: Vec<Vec<u8>>,
}

thread_local! {
    static CURRENT: Cell<*mut TransactionHandle> = const { Cell::new(null_mut()) };
}

/// The handle before is current again, also when something unwinds.
struct Restore(*mut TransactionHandle);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl<'a, 'b> Visit<'a, 'b> {
    /// Calls with a handle of this transaction; answers what the call does, and what was told to go with it.
    pub(crate) fn enter(
        tx: &'a mut Transaction<'b>,
        proxy: *mut ProxyHandle,
        call: impl FnOnce(*mut TransactionHandle) -> i32,
    ) -> (i32, Payload) {
        let mut visit = Visit {
            tx,
            proxy,
            payload: Payload::None,
            entry: None,
            arena: Vec::new(),
        };
        let handle = (&raw mut visit).cast();
        let _restore = Restore(CURRENT.replace(handle));
        let answer = call(handle);
        // SAFETY: the call is over, so this is the only way to the visit again.
        let payload = unsafe { std::mem::take(&mut (*handle.cast::<Visit<'_, '_>>()).payload) };
        (answer, payload)
    }

    /// A copy that stays until the call ends.
    pub(super) fn lend(&mut self, bytes: &[u8]) -> Slice {
        const CHUNK: usize = 1024;
        let fits = |chunk: &Vec<u8>| chunk.capacity() - chunk.len() >= bytes.len();
        if !self.arena.last().is_some_and(fits) {
            self.arena.push(Vec::with_capacity(CHUNK.max(bytes.len())));
        }
        let Some(chunk) = self.arena.last_mut() else {
            return Slice::NONE;
        };
        let start = chunk.len();
        // Within its capacity, so it does not move.
        chunk.extend_from_slice(bytes);
        Slice::of(&chunk[start..])
    }
}

/// Calls with the transaction of a handle; the error is a number of `enum us_error`. A panic stops here.
pub(super) fn with<R>(
    handle: *mut TransactionHandle,
    call: impl FnOnce(&mut Visit<'_, '_>) -> R,
) -> Result<R, i32> {
    if handle.is_null() {
        return Err(code::ARGUMENT);
    }
    if handle != CURRENT.get() {
        return Err(code::STALE);
    }
    // SAFETY: the handle is that of `enter` further up this stack, which does not touch the visit meanwhile; and no `call` here calls
    // the module, so there is no second one.
    let visit = unsafe { &mut *handle.cast::<Visit<'_, '_>>() };
    caught(|| call(visit))
}

/// Calls, and keeps a panic from crossing into the module.
pub(super) fn caught<R>(call: impl FnOnce() -> R) -> Result<R, i32> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| {
        tracing::error!("a function of the module interface panicked");
        code::INTERNAL
    })
}
