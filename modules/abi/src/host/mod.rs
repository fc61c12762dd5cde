//! The proxy's side of the C interface: the table of its functions.
//!
//! Invariant: each function is `extern "C"`, stops panics, and answers NULL and numbers out of range with an error.
#![allow(unsafe_code)] // It serves the C interface: each block says why it is sound.

mod answer;
mod objects;
pub(crate) mod proxy;
mod transaction;
pub(crate) mod visit;
pub(crate) mod words;

use understudy_module::raw::{FEATURES, HostTable, MAJOR, MINOR, Slice, code, verdict};

/// The table that every module is given.
pub(crate) fn table() -> &'static HostTable {
    static TABLE: HostTable = HostTable {
        size: size_of::<HostTable>() as u32,
        major: MAJOR,
        minor: MINOR,
        features: FEATURES,
        id: transaction::id,
        hook: transaction::hook,
        client: transaction::client,
        method: transaction::method,
        url: transaction::url,
        key: transaction::key,
        object: transaction::object,
        proxy: transaction::proxy,
        token: transaction::token,
        header_find: transaction::header_find,
        header_line: transaction::header_line,
        header_add: transaction::header_add,
        header_set: transaction::header_set,
        header_delete: transaction::header_delete,
        header_done: transaction::header_done,
        target: transaction::target,
        set_target: transaction::set_target,
        status: transaction::status,
        set_status: transaction::set_status,
        no_store: transaction::no_store,
        set_freshness: transaction::set_freshness,
        keep_length: transaction::keep_length,
        piece: transaction::piece,
        is_last: transaction::is_last,
        held_count: transaction::held_count,
        held: transaction::held,
        keep: transaction::keep,
        host_name: transaction::host_name,
        address_count: transaction::address_count,
        address: transaction::address,
        add_address: transaction::add_address,
        entry: transaction::entry,
        note: transaction::note,
        respond: transaction::respond,
        replace: transaction::replace,
        replace_owned: transaction::replace_owned,
        fail,
        panicked,
        answer_make: answer::answer_make,
        answer_drop: answer::answer_drop,
        answer_edit: answer::answer_edit,
        answer_respond: answer::answer_respond,
        answer_replace: answer::answer_replace,
        answer_replace_owned: answer::answer_replace_owned,
        answer_fail: answer::answer_fail,
        resume: answer::resume,
        inject: proxy::inject,
        object_make: objects::object_make,
        object_of_key: objects::object_of_key,
        object_ref: objects::object_ref,
        object_unref: objects::object_unref,
        object_key: objects::object_key,
        number: proxy::number,
        submit: objects::submit,
        perform: objects::perform,
        completion_drop: objects::completion_drop,
        watch: proxy::watch,
        unwatch: proxy::unwatch,
        closing: proxy::closing,
        option: proxy::option,
        option_count: proxy::option_count,
        option_at: proxy::option_at,
        setting: proxy::setting,
        log: proxy::log,
        status_text,
        proxy_ref: proxy::proxy_ref,
        proxy_unref: proxy::unref,
        withhold_head: transaction::withhold_head,
        count: proxy::count,
        skip_body: transaction::skip_body,
        attend: Some(proxy::attend),
    };
    &TABLE
}

/// Bytes that a module lends for the length of a call.
fn lent<'a>(slice: Slice) -> Result<&'a [u8], i32> {
    // SAFETY: the interface asks that they be there until the function returns; nobody keeps them longer.
    unsafe { slice.get() }.ok_or(code::ARGUMENT)
}

fn text_of(slice: Slice) -> String {
    String::from_utf8_lossy(lent(slice).unwrap_or_default()).into_owned()
}

/// Writes what a function gives, if there is a place for it.
fn put<T>(place: *mut T, value: T) -> i32 {
    if place.is_null() || !place.is_aligned() {
        return code::ARGUMENT;
    }
    // SAFETY: the interface asks for a place for it or NULL.
    unsafe { place.write(value) };
    code::OK
}

/// The number of an outcome.
fn number(outcome: Result<i32, i32>) -> i32 {
    outcome.unwrap_or_else(|code| code)
}

unsafe extern "C" fn fail(why: Slice) -> i32 {
    let _ = visit::caught(|| words::reason(text_of(why)));
    verdict::FAIL
}

unsafe extern "C" fn panicked(why: Slice) {
    let _ = visit::caught(|| words::panicked(text_of(why)));
}

unsafe extern "C" fn status_text(status: u32) -> Slice {
    let text = u16::try_from(status).map_or("", understudy_module::words::status);
    Slice::of(text.as_bytes())
}
