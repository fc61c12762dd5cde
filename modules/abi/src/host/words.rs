//! What a module says of a failure during a call: for the thread it is said on, until the call returns.

use std::cell::RefCell;
use std::panic::resume_unwind;

thread_local! {
    static REASON: RefCell<Option<String>> = const { RefCell::new(None) };
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Nothing was said yet: a call begins.
pub(crate) fn forget() {
    take_reason();
    take_panic();
}

pub(super) fn reason(text: String) {
    REASON.with(|reason| *reason.borrow_mut() = Some(text));
}

pub(super) fn panicked(text: String) {
    PANIC.with(|panic| *panic.borrow_mut() = Some(text));
}

/// Why it failed, if it said.
pub(crate) fn take_reason() -> Option<String> {
    REASON.with(|reason| reason.borrow_mut().take())
}

/// What it panicked with, if it did.
pub(crate) fn take_panic() -> Option<String> {
    PANIC.with(|panic| panic.borrow_mut().take())
}

/// A panic that was told goes on on this side, where it is caught as that of any module. It was reported where it happened, so the
/// hook for panics is not called again.
pub(crate) fn unwind() {
    if let Some(text) = take_panic() {
        resume_unwind(Box::new(text));
    }
}

/// A call was made where nothing can fail any more: a panic that was told is only logged.
pub(crate) fn at_end(what: &str) {
    if let Some(text) = take_panic() {
        tracing::warn!("a module panicked, {what}: {text}");
    }
}
