//! The functions on stored objects. An object's handle is a counted `ObjectId`.

use super::visit::caught;
use super::{lent, number, proxy, put};
use std::ptr::null_mut;
use std::sync::Arc;
use understudy_module::raw::{self, Completion, Lifted, ObjectHandle, ProxyHandle, Slice, code};
use understudy_module::{Bytes, ObjectId, Operation};

type Object = *mut ObjectHandle;

/// A handle of this name, counted once.
pub(super) fn give(object: ObjectId) -> Object {
    Arc::into_raw(Arc::new(object)).cast_mut().cast()
}

fn get<'a>(handle: *const ObjectHandle) -> Result<&'a ObjectId, i32> {
    // SAFETY: NULL or what `give` gave and is still counted, says the interface.
    unsafe { handle.cast::<ObjectId>().as_ref() }.ok_or(code::ARGUMENT)
}

pub(super) unsafe extern "C" fn object_make(url: Slice) -> Object {
    let make = || {
        let url = std::str::from_utf8(lent(url).ok()?).ok()?;
        ObjectId::of_url(url).map(give)
    };
    caught(make).ok().flatten().unwrap_or(null_mut())
}

pub(super) unsafe extern "C" fn object_of_key(key: Slice) -> Object {
    let make = || lent(key).map(|key| give(ObjectId::of_key(key)));
    caught(make).and_then(|made| made).unwrap_or(null_mut())
}

pub(super) unsafe extern "C" fn object_ref(handle: Object) -> Object {
    if !handle.is_null() {
        // SAFETY: what `give` gave and is still counted, says the interface.
        unsafe { Arc::increment_strong_count(handle.cast::<ObjectId>()) }
    }
    handle
}

pub(super) unsafe extern "C" fn object_unref(handle: Object) {
    if !handle.is_null() {
        // SAFETY: as above; this count is the caller's.
        drop(unsafe { Arc::from_raw(handle.cast::<ObjectId>()) });
    }
}

pub(super) unsafe extern "C" fn object_key(handle: *const ObjectHandle) -> Slice {
    get(handle).map_or(Slice::NONE, |object| Slice::of(object.key()))
}

/// The operation of a mirror.
fn operation_of(mirror: *const raw::Operation) -> Result<Operation, i32> {
    // SAFETY: NULL or an operation, says the interface; its size is looked at before what is behind it.
    let mirror = unsafe {
        if mirror.is_null() || ((*mirror).size as usize) < size_of::<raw::Operation>() {
            return Err(code::ARGUMENT);
        }
        &*mirror
    };
    let object = || get(mirror.object).cloned();
    let body = || lent(mirror.body).map(Bytes::copy_from_slice);
    // SAFETY: the interface asks that fields be there until the function returns.
    let response = |body| unsafe {
        raw::response(
            mirror.status,
            mirror.fields,
            mirror.field_count as usize,
            body,
        )
    };
    Ok(match mirror.kind {
        0 => Operation::Query(object()?),
        1 => Operation::Fetch(object()?),
        2 => Operation::Validate(object()?),
        3 => Operation::SetExpiration(object()?, mirror.seconds),
        4 => Operation::Delete(object()?),
        5 => Operation::Inject(object()?, Box::new(response(body()?)?)),
        6 => {
            let head = Box::new(response(body()?)?);
            Operation::InjectStart(object()?, mirror.number, head)
        }
        7 => Operation::InjectBody(mirror.number, body()?),
        8 => Operation::InjectDone(mirror.number),
        9 => Operation::InjectAbort(mirror.number),
        10 => Operation::Read(object()?),
        11 => Operation::ReadStart(object()?, mirror.number),
        12 => {
            let limit = usize::try_from(mirror.limit).unwrap_or(usize::MAX);
            Operation::ReadPart(mirror.number, limit)
        }
        13 => Operation::ReadDone(mirror.number),
        14 => {
            let after = (!mirror.object.is_null()).then(object).transpose()?;
            let limit = usize::try_from(mirror.limit).unwrap_or(usize::MAX);
            Operation::List(body()?, after, limit)
        }
        15 => Operation::Statistics,
        _ => return Err(code::ARGUMENT),
    })
}

pub(super) unsafe extern "C" fn submit(
    handle: *mut ProxyHandle,
    tag: u64,
    operation: *const raw::Operation,
) -> i32 {
    let submit = |host: &understudy_module::Host| {
        host.submit(tag, operation_of(operation)?);
        Ok(code::OK)
    };
    number(proxy::with(handle, submit).and_then(|submitted| submitted))
}

pub(super) unsafe extern "C" fn perform(
    handle: *mut ProxyHandle,
    operation: *const raw::Operation,
    out: *mut *mut Completion,
) -> i32 {
    if out.is_null() {
        return code::ARGUMENT;
    }
    let perform = |host: &understudy_module::Host| {
        let lifted = Lifted::new(host.perform(operation_of(operation)?));
        // The mirror is the first thing in it.
        Ok(put(out, Box::into_raw(lifted).cast()))
    };
    number(proxy::with(handle, perform).and_then(|performed| performed))
}

pub(super) unsafe extern "C" fn completion_drop(completion: *mut Completion) {
    if !completion.is_null() {
        // SAFETY: what `perform` gave, once.
        drop(unsafe { Box::from_raw(completion.cast::<Lifted>()) });
    }
}
