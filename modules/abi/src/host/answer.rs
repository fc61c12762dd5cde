//! The end of a `Pending`: an answer is built, and resumes its call.

use super::visit::{Payload, caught};
use super::{lent, number, proxy, text_of};
use crate::module::verdict_of;
use std::ptr::null_mut;
use understudy_module::raw::{
    self, AnswerHandle, Field, Owned, ProxyHandle, Slice, Token, code, verdict,
};
use understudy_module::{Answer, Bytes, Edits, Verdict};

type Handle = *mut AnswerHandle;

#[derive(Default)]
struct Builder {
    edits: Edits,
    payload: Payload,
    why: Option<String>,
}

fn with(handle: Handle, call: impl FnOnce(&mut Builder) -> Result<(), i32>) -> i32 {
    // SAFETY: NULL or what `answer_make` gave, in the hands of one thread, says the interface.
    let Some(builder) = (unsafe { handle.cast::<Builder>().as_mut() }) else {
        return code::ARGUMENT;
    };
    number(caught(|| call(builder)).and_then(|done| done.map(|()| code::OK)))
}

pub(super) unsafe extern "C" fn answer_make() -> Handle {
    caught(|| Box::into_raw(Box::<Builder>::default()).cast()).unwrap_or(null_mut())
}

pub(super) unsafe extern "C" fn answer_drop(handle: Handle) {
    if !handle.is_null() {
        // SAFETY: what `answer_make` gave, and not given to `resume`.
        drop(unsafe { Box::from_raw(handle.cast::<Builder>()) });
    }
}

pub(super) unsafe extern "C" fn answer_edit(
    handle: Handle,
    kind: i32,
    name: Slice,
    value: Slice,
    number: u32,
) -> i32 {
    with(handle, |builder| {
        let (name, value) = (lent(name)?, lent(value)?);
        match raw::edit_of(&mut builder.edits, kind, name, value, number) {
            code::OK => Ok(()),
            code => Err(code),
        }
    })
}

pub(super) unsafe extern "C" fn answer_respond(
    handle: Handle,
    status: u32,
    fields: *const Field,
    count: usize,
    body: Slice,
) -> i32 {
    with(handle, |builder| {
        let body = Bytes::copy_from_slice(lent(body)?);
        // SAFETY: the interface asks that they be there until the function returns.
        let response = unsafe { raw::response(status, fields, count, body) }?;
        builder.payload = Payload::Response(Box::new(response));
        Ok(())
    })
}

pub(super) unsafe extern "C" fn answer_replace(handle: Handle, bytes: Slice) -> i32 {
    with(handle, |builder| {
        builder.payload = Payload::Bytes(Bytes::copy_from_slice(lent(bytes)?));
        Ok(())
    })
}

pub(super) unsafe extern "C" fn answer_replace_owned(handle: Handle, bytes: Owned) -> i32 {
    // SAFETY: the interface gives the bytes away with their release.
    let bytes = unsafe { bytes.take() };
    with(handle, |builder| {
        builder.payload = Payload::Bytes(bytes.ok_or(code::ARGUMENT)?);
        Ok(())
    })
}

pub(super) unsafe extern "C" fn answer_fail(handle: Handle, why: Slice) -> i32 {
    with(handle, |builder| {
        builder.why = Some(text_of(why));
        Ok(())
    })
}

pub(super) unsafe extern "C" fn resume(
    handle: *mut ProxyHandle,
    token: Token,
    answer: i32,
    builder: Handle,
) -> i32 {
    let builder = match builder.is_null() {
        true => Builder::default(),
        // SAFETY: what `answer_make` gave; it is ours now.
        false => *unsafe { Box::from_raw(builder.cast::<Builder>()) },
    };
    let resumed = proxy::with(handle, |host| {
        let (verdict, fits) = match (answer, builder.why) {
            (verdict::FAIL, why) => (
                Verdict::fail(why.unwrap_or_else(|| "it gave no reason".to_owned())),
                true,
            ),
            (number, _) => {
                // Also one that will not do is told, as a failure: the transaction is not to wait for its deadline.
                let verdict = verdict_of(number, builder.payload);
                let fits = !matches!(verdict, Verdict::Fail(_) | Verdict::Pending);
                (verdict, fits)
            }
        };
        let token = understudy_module::Token {
            transaction: token.transaction,
            call: token.call,
        };
        host.resume(
            token,
            Answer {
                verdict,
                edits: builder.edits,
            },
        );
        if fits { code::OK } else { code::ARGUMENT }
    });
    number(resumed)
}
