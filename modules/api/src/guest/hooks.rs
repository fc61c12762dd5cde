//! The hooks of a loaded module: from the C call to the trait's method.

use super::view::GuestView;
use super::{Guest, caught, fail, table, with};
use crate::about::Hook;
use crate::host::Interest;
use crate::opaque::Opaque;
use crate::raw::{
    self, Completion, Field, Owned, ProxyHandle, Slice, TransactionHandle, verdict as number,
};
use crate::transaction::Transaction;
use crate::verdict::Verdict;
use std::ffi::{c_int, c_void};

macro_rules! hook {
    ($($name:ident => $hook:ident),* $(,)?) => {$(
        pub(super) unsafe extern "C" fn $name(
            this: *mut c_void,
            tx: *mut TransactionHandle,
            opaque: *mut *mut c_void,
        ) -> c_int {
            // SAFETY: the proxy gives the instance, a transaction for this call, and the place of its opaque value.
            unsafe { call(this, tx, opaque, Hook::$hook, |guest, tx| guest.module.$name(tx)) }
        }
    )*};
}

hook!(
    request_head => RequestHead,
    request_body => RequestBody,
    request_out => RequestOut,
    resolve => Resolve,
    response_head => ResponseHead,
    response_body => ResponseBody,
    response_return => ResponseReturn,
    return_body => ReturnBody,
);

pub(super) unsafe extern "C" fn log(
    this: *mut c_void,
    tx: *mut TransactionHandle,
    opaque: *mut *mut c_void,
) {
    let logged = |guest: &Guest, tx: &mut Transaction<'_>| {
        guest.module.log(tx);
        Verdict::Continue
    };
    // SAFETY: as for the other hooks.
    unsafe { call(this, tx, opaque, Hook::Log, logged) };
}

/// The opaque value while a hook has it: out of its box, and back into it also when the hook panics.
struct Loan<'a> {
    place: &'a mut *mut c_void,
    value: Opaque,
}

impl Loan<'_> {
    /// # Safety
    /// What lies there is NULL or what a loan put there.
    unsafe fn new(place: &mut *mut c_void) -> Loan<'_> {
        // SAFETY: the caller's promise; it is looked at, and moved back on drop.
        let value = unsafe { place.cast::<Opaque>().as_mut() };
        let value = value.map(Opaque::take).unwrap_or_default();
        Loan { place, value }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let value = self.value.take();
        match (self.place.is_null(), value.is_none()) {
            (true, true) => {}
            (true, false) => *self.place = Box::into_raw(Box::new(value)).cast(),
            (false, _) => {
                // SAFETY: as in `new`: the box is ours and in nobody else's hands during the call.
                unsafe { *self.place.cast::<Opaque>() = value };
            }
        }
    }
}

unsafe fn call(
    this: *mut c_void,
    tx: *mut TransactionHandle,
    opaque: *mut *mut c_void,
    hook: Hook,
    method: impl FnOnce(&Guest, &mut Transaction<'_>) -> Verdict,
) -> c_int {
    let answer = |guest: &Guest| {
        // SAFETY: the proxy gives the place of the value, which only we write.
        let mut loan = unsafe { Loan::new(&mut *opaque) };
        let mut view = GuestView::new(table(), tx, hook, &guest.host, &mut loan.value);
        let verdict = method(guest, &mut Transaction::new(&mut view));
        drop(view);
        tell(tx, verdict)
    };
    // SAFETY: the proxy gives the instance.
    unsafe { with(this, number::FAIL, answer) }
}

/// The verdict's number, with what belongs to it told to the proxy.
fn tell(tx: *mut TransactionHandle, verdict: Verdict) -> c_int {
    match verdict {
        Verdict::Continue => number::CONTINUE,
        Verdict::Done => number::DONE,
        Verdict::Drop => number::DROP,
        Verdict::Hold => number::HOLD,
        Verdict::Pending => number::PENDING,
        Verdict::Fail(why) => fail(&why),
        // SAFETY: a function of the proxy's table; the bytes are ours until it releases them.
        Verdict::Replace(bytes) => unsafe { (table().replace_owned)(tx, Owned::give(bytes)) },
        // SAFETY: as above.
        Verdict::First(bytes) => match unsafe { (table().replace_owned)(tx, Owned::give(bytes)) } {
            number::REPLACE => number::FIRST,
            refused => refused,
        },
        Verdict::Respond(response) => {
            let fields: Vec<Field> = raw::fields(&response);
            // SAFETY: a function of the proxy's table, which copies what the pointers point to.
            unsafe {
                (table().respond)(
                    tx,
                    response.status().into(),
                    fields.as_ptr(),
                    fields.len(),
                    Slice::of(response.body()),
                )
            }
        }
    }
}

pub(super) unsafe extern "C" fn free(this: *mut c_void, transaction: u64, opaque: *mut c_void) {
    let value = if opaque.is_null() {
        Opaque::None
    } else {
        // SAFETY: the last time the proxy shows it, so the box is ours again.
        *unsafe { Box::from_raw(opaque.cast::<Opaque>()) }
    };
    let freed = |guest: &Guest| {
        if guest.frees {
            guest.module.free(transaction, value);
        }
    };
    // SAFETY: the proxy gives the instance.
    unsafe { with(this, (), freed) }
}

pub(super) unsafe extern "C" fn timer(this: *mut c_void, _: *mut ProxyHandle) {
    // SAFETY: the proxy gives the instance.
    unsafe { with(this, (), |guest| guest.module.timer(&guest.host)) }
}

pub(super) unsafe extern "C" fn completed(
    this: *mut c_void,
    _: *mut ProxyHandle,
    tag: u64,
    completion: *const Completion,
) {
    // SAFETY: the proxy gives a completion that is there during the call, and the instance.
    unsafe {
        let Some(completion) = completion.as_ref() else {
            return;
        };
        let Some(completion) = caught(None, || Some(completion.lower())) else {
            return;
        };
        with(this, (), |guest| {
            guest.module.completed(&guest.host, tag, completion)
        })
    }
}

pub(super) unsafe extern "C" fn ready(
    this: *mut c_void,
    _: *mut ProxyHandle,
    fd: c_int,
    interest: c_int,
    tag: u64,
) {
    let interest = match interest {
        0 => Interest::Read,
        _ => Interest::Write,
    };
    // SAFETY: the proxy gives the instance.
    unsafe {
        with(this, (), |guest| {
            guest.module.ready(&guest.host, fd, interest, tag)
        })
    }
}
