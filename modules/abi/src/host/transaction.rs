//! The functions on a transaction.

use super::visit::{Payload, Visit, with};
use super::{lent, number, put, words};
use std::ptr::{null, null_mut};
use understudy_module::raw::{
    self, Address, Entry, Field, ObjectHandle, Owned, ProxyHandle, Slice, Token, TransactionHandle,
    code, verdict,
};
use understudy_module::{Bytes, Refused, Transaction};

type Tx = *mut TransactionHandle;

/// The number of what an edit answered.
fn edited(outcome: Result<(), Refused>) -> i32 {
    outcome.map_or_else(Refused::code, |()| code::OK)
}

fn name_of<'a>(slice: Slice) -> Result<&'a str, i32> {
    std::str::from_utf8(lent(slice)?).map_err(|_| Refused::Name.code())
}

/// An edit of a transaction.
fn edit(handle: Tx, make: impl FnOnce(&mut Transaction<'_>) -> Result<(), Refused>) -> i32 {
    number(with(handle, |visit| edited(make(visit.tx))))
}

/// Bytes of the event itself: they stay until the call ends.
fn bytes(handle: Tx, look: impl FnOnce(&Transaction<'_>) -> Slice) -> Slice {
    with(handle, |visit| look(visit.tx)).unwrap_or(Slice::NONE)
}

pub(super) unsafe extern "C" fn id(handle: Tx) -> u64 {
    with(handle, |visit| visit.tx.id()).unwrap_or(0)
}

pub(super) unsafe extern "C" fn hook(handle: Tx) -> i32 {
    with(handle, |visit| visit.tx.hook() as i32).unwrap_or(-1)
}

pub(super) unsafe extern "C" fn client(handle: Tx, out: *mut Address) -> i32 {
    number(with(handle, |visit| put(out, visit.tx.client().into())))
}

pub(super) unsafe extern "C" fn method(handle: Tx) -> Slice {
    bytes(handle, |tx| Slice::of(tx.method()))
}

pub(super) unsafe extern "C" fn url(handle: Tx) -> Slice {
    bytes(handle, |tx| Slice::of(tx.url()))
}

pub(super) unsafe extern "C" fn key(handle: Tx) -> Slice {
    bytes(handle, |tx| Slice::of(tx.key()))
}

pub(super) unsafe extern "C" fn object(handle: Tx) -> *mut ObjectHandle {
    with(handle, |visit| super::objects::give(visit.tx.object())).unwrap_or(null_mut())
}

pub(super) unsafe extern "C" fn proxy(handle: Tx) -> *mut ProxyHandle {
    with(handle, |visit| visit.proxy).unwrap_or(null_mut())
}

pub(super) unsafe extern "C" fn token(handle: Tx, out: *mut Token) -> i32 {
    number(with(handle, |visit| {
        if out.is_null() {
            return code::ARGUMENT;
        }
        let token = visit.tx.token();
        put(
            out,
            Token {
                transaction: token.transaction,
                call: token.call,
            },
        )
    }))
}

pub(super) unsafe extern "C" fn header_find(
    handle: Tx,
    name: Slice,
    index: usize,
    value: *mut Slice,
) -> i32 {
    number(
        with(handle, |visit| {
            let found = {
                let name = name_of(name)?;
                visit.tx.find_all(name).nth(index).map(<[u8]>::to_vec)
            };
            let Some(found) = found else {
                return Ok(code::ABSENT);
            };
            let lent = visit.lend(&found);
            Ok(put(value, lent))
        })
        .and_then(|outcome| outcome),
    )
}

pub(super) unsafe extern "C" fn header_line(
    handle: Tx,
    index: usize,
    name: *mut Slice,
    value: *mut Slice,
) -> i32 {
    number(with(handle, |visit| {
        let line = visit.tx.lines().nth(index);
        let Some((n, v)) = line.map(|(n, v)| (n.to_vec(), v.to_vec())) else {
            return code::ABSENT;
        };
        let (n, v) = (visit.lend(&n), visit.lend(&v));
        put(name, n).max(put(value, v))
    }))
}

pub(super) unsafe extern "C" fn header_add(handle: Tx, name: Slice, value: Slice) -> i32 {
    line(handle, name, value, |tx, name, value| tx.add(name, value))
}

pub(super) unsafe extern "C" fn header_set(handle: Tx, name: Slice, value: Slice) -> i32 {
    line(handle, name, value, |tx, name, value| tx.set(name, value))
}

pub(super) unsafe extern "C" fn note(handle: Tx, name: Slice, value: Slice) -> i32 {
    line(handle, name, value, |tx, name, value| tx.note(name, value))
}

fn line(
    handle: Tx,
    name: Slice,
    value: Slice,
    make: impl FnOnce(&mut Transaction<'_>, &str, &[u8]) -> Result<(), Refused>,
) -> i32 {
    number(
        with(handle, |visit| {
            let (name, value) = (name_of(name)?, lent(value)?);
            Ok(edited(make(visit.tx, name, value)))
        })
        .and_then(|outcome| outcome),
    )
}

pub(super) unsafe extern "C" fn header_delete(handle: Tx, name: Slice) -> i32 {
    line(handle, name, Slice::NONE, |tx, name, _| tx.delete(name))
}

pub(super) unsafe extern "C" fn header_done(handle: Tx) -> i32 {
    edit(handle, |tx| {
        tx.headers_done();
        Ok(())
    })
}

pub(super) unsafe extern "C" fn target(handle: Tx) -> Slice {
    with(handle, |visit| {
        let target = visit.tx.target().to_vec();
        visit.lend(&target)
    })
    .unwrap_or(Slice::NONE)
}

pub(super) unsafe extern "C" fn set_target(handle: Tx, target: Slice) -> i32 {
    match lent(target) {
        Ok(target) => edit(handle, |tx| tx.set_target(target)),
        Err(code) => code,
    }
}

pub(super) unsafe extern "C" fn status(handle: Tx) -> u32 {
    with(handle, |visit| visit.tx.status().into()).unwrap_or(0)
}

pub(super) unsafe extern "C" fn set_status(handle: Tx, status: u32) -> i32 {
    // A number too large for a status is no status either.
    let status = u16::try_from(status).unwrap_or(u16::MAX);
    edit(handle, |tx| tx.set_status(status))
}

pub(super) unsafe extern "C" fn no_store(handle: Tx) -> i32 {
    edit(handle, |tx| tx.no_store())
}

pub(super) unsafe extern "C" fn set_freshness(handle: Tx, seconds: u32) -> i32 {
    edit(handle, |tx| tx.set_freshness(seconds))
}

pub(super) unsafe extern "C" fn keep_length(handle: Tx) -> i32 {
    edit(handle, |tx| tx.keep_length())
}

pub(super) unsafe extern "C" fn withhold_head(handle: Tx) -> i32 {
    edit(handle, |tx| tx.withhold_head())
}

pub(super) unsafe extern "C" fn skip_body(handle: Tx) -> i32 {
    edit(handle, |tx| tx.skip_body())
}

pub(super) unsafe extern "C" fn piece(handle: Tx) -> Slice {
    bytes(handle, |tx| Slice::of(tx.piece()))
}

pub(super) unsafe extern "C" fn is_last(handle: Tx) -> i32 {
    with(handle, |visit| visit.tx.is_last().into()).unwrap_or(0)
}

pub(super) unsafe extern "C" fn held_count(handle: Tx) -> usize {
    with(handle, |visit| visit.tx.held().len()).unwrap_or(0)
}

pub(super) unsafe extern "C" fn held(handle: Tx, index: usize, out: *mut Slice) -> i32 {
    number(with(handle, |visit| match visit.tx.held().get(index) {
        Some(piece) => put(out, Slice::of(piece)),
        None => code::ABSENT,
    }))
}

pub(super) unsafe extern "C" fn keep(handle: Tx, index: usize, out: *mut Owned) -> i32 {
    number(with(handle, |visit| {
        let held = visit.tx.held();
        let piece = match held.get(index) {
            Some(piece) => piece,
            None if index == held.len() => visit.tx.piece(),
            None => return code::ABSENT,
        };
        if out.is_null() {
            return code::ARGUMENT;
        }
        put(out, Owned::give(piece.clone()))
    }))
}

pub(super) unsafe extern "C" fn host_name(handle: Tx, name: *mut Slice, port: *mut u16) -> i32 {
    number(with(handle, |visit| {
        let (host, number) = visit.tx.host_name();
        if host.is_empty() {
            return code::ABSENT;
        }
        put(name, Slice::of(host.as_bytes())).max(put(port, number))
    }))
}

pub(super) unsafe extern "C" fn address_count(handle: Tx) -> usize {
    with(handle, |visit| visit.tx.addresses().len()).unwrap_or(0)
}

pub(super) unsafe extern "C" fn address(handle: Tx, index: usize, out: *mut Address) -> i32 {
    number(with(handle, |visit| {
        match visit.tx.addresses().get(index) {
            Some(address) => put(out, (*address).into()),
            None => code::ABSENT,
        }
    }))
}

pub(super) unsafe extern "C" fn add_address(handle: Tx, address: *const Address) -> i32 {
    // SAFETY: the interface asks for an address or NULL.
    match unsafe { address.as_ref() }.and_then(Address::ip) {
        Some(address) => edit(handle, |tx| tx.add_address(address)),
        None => code::ARGUMENT,
    }
}

pub(super) unsafe extern "C" fn entry(handle: Tx) -> *const Entry {
    with(handle, |visit| {
        let Some(entry) = visit.tx.entry() else {
            return null();
        };
        let word = |word: &str| Slice::of(word.as_bytes());
        let mirror = Entry {
            size: size_of::<Entry>() as u32,
            status: entry.status.into(),
            elapsed_ns: u64::try_from(entry.elapsed.as_nanos()).unwrap_or(u64::MAX),
            bytes_out: entry.bytes_out,
            body_out: entry.body_out,
            body_in: entry.body_in,
            code: word(entry.code),
            hierarchy: word(entry.hierarchy),
            timeout: word(entry.timeout),
            error: word(entry.error),
            aborted: entry.aborted.into(),
            reserved: 0,
        };
        &raw const **visit.entry.get_or_insert_with(|| Box::new(mirror))
    })
    .unwrap_or(null())
}

/// Puts what goes with a verdict in its place. What was there before is dropped outside: its release is the module's.
fn tell(handle: Tx, answer: i32, payload: Result<Payload, i32>) -> i32 {
    let placed = payload.and_then(|payload| {
        let place = |visit: &mut Visit<'_, '_>| std::mem::replace(&mut visit.payload, payload);
        with(handle, place)
    });
    match placed {
        Ok(_before) => answer,
        Err(code) => {
            words::reason(format!("an answer that will not do (error {code})"));
            verdict::FAIL
        }
    }
}

pub(super) unsafe extern "C" fn respond(
    handle: Tx,
    status: u32,
    fields: *const Field,
    count: usize,
    body: Slice,
) -> i32 {
    let made = super::visit::caught(|| {
        let body = Bytes::copy_from_slice(lent(body)?);
        // SAFETY: the interface asks that they be there until the function returns.
        unsafe { raw::response(status, fields, count, body) }
    });
    let payload = made.and_then(|made| made.map(|made| Payload::Response(Box::new(made))));
    tell(handle, verdict::RESPOND, payload)
}

pub(super) unsafe extern "C" fn replace(handle: Tx, bytes: Slice) -> i32 {
    let payload = lent(bytes).map(|bytes| Payload::Bytes(Bytes::copy_from_slice(bytes)));
    tell(handle, verdict::REPLACE, payload)
}

pub(super) unsafe extern "C" fn replace_owned(handle: Tx, bytes: Owned) -> i32 {
    // SAFETY: the interface gives the bytes away with their release.
    let payload = unsafe { bytes.take() }.map(Payload::Bytes);
    tell(handle, verdict::REPLACE, payload.ok_or(code::ARGUMENT))
}
