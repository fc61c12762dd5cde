//! The functions on the proxy: options, descriptors, the log, bytes into an answer.
//!
//! Its handle is a counted `Host`.

use super::visit::caught;
use super::{lent, number as outcome, put, text_of};
use std::sync::Arc;
use understudy_module::raw::{self, Owned, ProxyHandle, Slice, code};
use understudy_module::{Attention, Bytes, Hooks, Host, Interest, Level};

type Proxy = *mut ProxyHandle;

/// A handle of this host, counted once.
pub(crate) fn make(host: Host) -> Proxy {
    Arc::into_raw(Arc::new(host)).cast_mut().cast()
}

/// Calls with the host of a handle. A panic stops here.
pub(super) fn with<R>(handle: Proxy, call: impl FnOnce(&Host) -> R) -> Result<R, i32> {
    // SAFETY: NULL or what `make` gave and is still counted, says the interface.
    let host = unsafe { handle.cast::<Host>().as_ref() }.ok_or(code::ARGUMENT)?;
    caught(|| call(host))
}

fn done(handle: Proxy, call: impl FnOnce(&Host)) -> i32 {
    outcome(with(handle, call).map(|()| code::OK))
}

pub(super) unsafe extern "C" fn proxy_ref(handle: Proxy) -> Proxy {
    if !handle.is_null() {
        // SAFETY: what `make` gave and is still counted, says the interface.
        unsafe { Arc::increment_strong_count(handle.cast::<Host>()) }
    }
    handle
}

/// One count less.
pub(crate) extern "C" fn unref(handle: Proxy) {
    if !handle.is_null() {
        // SAFETY: as above; this count is the caller's.
        let _ = caught(|| drop(unsafe { Arc::from_raw(handle.cast::<Host>()) }));
    }
}

pub(super) unsafe extern "C" fn inject(handle: Proxy, transaction: u64, bytes: Slice) -> i32 {
    match lent(bytes) {
        Ok(bytes) => done(handle, |host| {
            host.inject(transaction, Bytes::copy_from_slice(bytes))
        }),
        Err(code) => code,
    }
}

pub(super) unsafe extern "C" fn number(handle: Proxy) -> u64 {
    with(handle, Host::number).unwrap_or(0)
}

pub(super) unsafe extern "C" fn count(handle: Proxy, name: Slice, amount: u64) -> i32 {
    match lent(name).map(std::str::from_utf8) {
        Ok(Ok(name)) if understudy_module::is_count_name(name) => {
            done(handle, |host| host.count(name, amount))
        }
        _ => code::ARGUMENT,
    }
}

pub(super) unsafe extern "C" fn attend(handle: Proxy, attention: *const raw::Attention) -> i32 {
    if attention.is_null() || !attention.is_aligned() {
        return code::ARGUMENT;
    }
    // SAFETY: its size stands first, and no more of it is looked at before that was.
    let size = unsafe { (&raw const (*attention).size).read() };
    if (size as usize) < size_of::<raw::Attention>() {
        return code::ARGUMENT;
    }
    // SAFETY: as large as its size says, and there until this returns.
    let told = unsafe { *attention };
    let promised = Attention {
        unheard: Hooks::from_bits(told.unheard),
        noted: Hooks::from_bits(told.noted),
        withheld: Hooks::from_bits(told.withheld),
    };
    let kept = Attention::from_bits(promised.bits());
    let bits = [kept.unheard, kept.noted, kept.withheld].map(Hooks::bits);
    // A hook of which nothing can be promised, or a number that is none: half a promise is not what was meant.
    match bits == [told.unheard, told.noted, told.withheld] {
        true => done(handle, |host| host.attend(kept)),
        false => code::ARGUMENT,
    }
}

fn interest_of(interest: i32) -> Option<Interest> {
    match interest {
        0 => Some(Interest::Read),
        1 => Some(Interest::Write),
        _ => None,
    }
}

pub(super) unsafe extern "C" fn watch(handle: Proxy, fd: i32, interest: i32, tag: u64) -> i32 {
    match interest_of(interest) {
        Some(interest) if fd >= 0 => done(handle, |host| host.watch(fd, interest, tag)),
        _ => code::ARGUMENT,
    }
}

pub(super) unsafe extern "C" fn unwatch(handle: Proxy, fd: i32, interest: i32) -> i32 {
    match interest_of(interest) {
        Some(interest) if fd >= 0 => done(handle, |host| host.unwatch(fd, interest)),
        _ => code::ARGUMENT,
    }
}

pub(super) unsafe extern "C" fn closing(handle: Proxy, fd: i32) -> i32 {
    match fd {
        0.. => done(handle, |host| host.closing(fd)),
        _ => code::ARGUMENT,
    }
}

/// Gives text away.
fn give(place: *mut Owned, text: String) -> i32 {
    match place.is_null() {
        true => code::ARGUMENT,
        false => put(place, Owned::give(text.into())),
    }
}

pub(super) unsafe extern "C" fn option(handle: Proxy, name: Slice, value: *mut Owned) -> i32 {
    find(handle, name, value, Host::option)
}

pub(super) unsafe extern "C" fn setting(handle: Proxy, name: Slice, value: *mut Owned) -> i32 {
    find(handle, name, value, Host::setting)
}

fn find(
    handle: Proxy,
    name: Slice,
    value: *mut Owned,
    look: impl FnOnce(&Host, &str) -> Option<String>,
) -> i32 {
    let found = with(handle, |host| look(host, &text_of(name)));
    outcome(found.map(|found| found.map_or(code::ABSENT, |found| give(value, found))))
}

pub(super) unsafe extern "C" fn option_count(handle: Proxy) -> usize {
    with(handle, |host| host.options().len()).unwrap_or(0)
}

pub(super) unsafe extern "C" fn option_at(
    handle: Proxy,
    index: usize,
    name: *mut Owned,
    value: *mut Owned,
) -> i32 {
    if name.is_null() || value.is_null() {
        return code::ARGUMENT;
    }
    let found = with(handle, |host| host.options().into_iter().nth(index));
    outcome(found.map(|found| match found {
        Some((n, v)) => give(name, n).max(give(value, v)),
        None => code::ABSENT,
    }))
}

pub(super) unsafe extern "C" fn log(handle: Proxy, level: i32, text: Slice) -> i32 {
    let level = match level {
        0 => Level::Debug,
        1 => Level::Info,
        2 => Level::Warn,
        3 => Level::Error,
        _ => return code::ARGUMENT,
    };
    done(handle, |host| host.log(level, &text_of(text)))
}
