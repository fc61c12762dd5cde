//! Between the mirrors and what the rest of the crate speaks.

use super::{Address, Completion, Field, Listed, Owned, Slice, code};
use crate::edits::{Edits, Refused};
use crate::host::{self, ObjectId, ObjectInfo};
use crate::verdict::Response;
use bytes::Bytes;
use std::ffi::c_void;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

impl Refused {
    /// Its number, `enum us_error`.
    pub fn code(self) -> i32 {
        match self {
            Refused::Name => 1,
            Refused::Value => 2,
            Refused::Framing => 3,
            Refused::Sealed => 4,
            Refused::Place => 5,
            Refused::Status => 6,
            Refused::Target => 7,
            Refused::TooMuch => 8,
        }
    }

    /// What a number says; whatever else went wrong is that there is nothing to edit here.
    ///
    /// # Errors
    /// Unless the number is 0.
    pub fn of_code(number: i32) -> Result<(), Refused> {
        Err(match number {
            code::OK => return Ok(()),
            1 => Refused::Name,
            2 => Refused::Value,
            3 => Refused::Framing,
            4 => Refused::Sealed,
            6 => Refused::Status,
            7 => Refused::Target,
            8 => Refused::TooMuch,
            _ => Refused::Place,
        })
    }
}

impl Slice {
    /// No bytes.
    pub const NONE: Slice = Slice {
        ptr: std::ptr::null(),
        len: 0,
    };

    /// These bytes, for as long as they are there.
    pub fn of(bytes: &[u8]) -> Slice {
        Slice {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// The bytes; `None` for a length without a place, or one that no memory has.
    ///
    /// # Safety
    /// What it points to must be there, unchanged, as long as the answer is used.
    pub unsafe fn get<'a>(self) -> Option<&'a [u8]> {
        match (self.ptr.is_null(), self.len) {
            (_, 0) => Some(&[]),
            (true, _) => None,
            (false, len) if len > isize::MAX as usize => None,
            // SAFETY: the caller's promise; the length was checked.
            (false, len) => Some(unsafe { std::slice::from_raw_parts(self.ptr, len) }),
        }
    }
}

impl Owned {
    /// Nothing.
    pub const NONE: Owned = Owned {
        ptr: std::ptr::null(),
        len: 0,
        owner: std::ptr::null_mut(),
        release: None,
    };

    /// Gives these bytes away, without a copy.
    pub fn give(bytes: Bytes) -> Owned {
        unsafe extern "C" fn release(owner: *mut c_void) {
            // SAFETY: the owner is what `give` made, and is released once.
            drop(unsafe { Box::from_raw(owner.cast::<Bytes>()) });
        }
        let owner = Box::new(bytes);
        Owned {
            ptr: owner.as_ptr(),
            len: owner.len(),
            owner: Box::into_raw(owner).cast(),
            release: Some(release),
        }
    }

    /// Takes them, without a copy; they are released when the last clone of the answer is dropped, or here when they are not
    /// there at all (`None`).
    ///
    /// # Safety
    /// They must be there until they are released, and `release` be callable from any thread.
    pub unsafe fn take(self) -> Option<Bytes> {
        struct Keeper(Owned);
        // SAFETY: the caller's promise.
        unsafe impl Send for Keeper {}
        impl AsRef<[u8]> for Keeper {
            fn as_ref(&self) -> &[u8] {
                let slice = Slice {
                    ptr: self.0.ptr,
                    len: self.0.len,
                };
                // SAFETY: the caller's promise: they are there until released.
                unsafe { slice.get() }.unwrap_or_default()
            }
        }
        impl Drop for Keeper {
            fn drop(&mut self) {
                if let Some(release) = self.0.release {
                    // SAFETY: as the interface says: once, with the owner.
                    unsafe { release(self.0.owner) }
                }
            }
        }
        let there = !self.ptr.is_null() || self.len == 0;
        let keeper = Keeper(self);
        there.then(|| Bytes::from_owner(keeper))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        let mut raw = Address::from(address.ip());
        raw.port = address.port();
        raw
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        let (family, bytes) = match address {
            IpAddr::V4(v4) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&v4.octets());
                (4, bytes)
            }
            IpAddr::V6(v6) => (6, v6.octets()),
        };
        Address {
            family,
            reserved: 0,
            port: 0,
            bytes,
        }
    }
}

impl Address {
    /// No address.
    pub const NONE: Address = Address {
        family: 0,
        reserved: 0,
        port: 0,
        bytes: [0; 16],
    };

    /// The address, if its family is one.
    pub fn ip(&self) -> Option<IpAddr> {
        let [a, b, c, d, ..] = self.bytes;
        match self.family {
            4 => Some(Ipv4Addr::new(a, b, c, d).into()),
            6 => Some(Ipv6Addr::from(self.bytes).into()),
            _ => None,
        }
    }
}

/// The field lines of an answer, for as long as it is there.
pub fn fields(response: &Response) -> Vec<Field> {
    let line = |(name, value): &(Vec<u8>, Vec<u8>)| Field {
        name: Slice::of(name),
        value: Slice::of(value),
    };
    response.fields().iter().map(line).collect()
}

/// An answer of these parts; the error is a number of `enum us_error`.
///
/// # Safety
/// `fields` must point to `count` of them, or be NULL, and what they point to be there.
pub unsafe fn response(
    status: u32,
    fields: *const Field,
    count: usize,
    body: Bytes,
) -> Result<Response, i32> {
    let status = u16::try_from(status).map_err(|_| Refused::Status.code())?;
    let mut response = Response::new(status, body).map_err(Refused::code)?;
    if count == 0 {
        return Ok(response);
    }
    if fields.is_null() || count > isize::MAX as usize / size_of::<Field>() {
        return Err(code::ARGUMENT);
    }
    // SAFETY: the caller's promise; NULL and a length beyond memory were refused.
    for field in unsafe { std::slice::from_raw_parts(fields, count) } {
        // SAFETY: the caller's promise.
        let (name, value) = unsafe { (field.name.get(), field.value.get()) };
        let (Some(name), Some(value)) = (name, value) else {
            return Err(code::ARGUMENT);
        };
        response.add(name, value).map_err(Refused::code)?;
    }
    Ok(response)
}

/// Makes the edit of this number (`enum us_edit`) in a record; answers a number of `enum us_error`.
pub fn edit_of(edits: &mut Edits, kind: i32, name: &[u8], value: &[u8], number: u32) -> i32 {
    let made = match kind {
        0 => edits.add(name, value),
        1 => edits.set(name, value),
        2 => edits.delete(name),
        3 => edits.target(value),
        4 => u16::try_from(number)
            .map_err(|_| Refused::Status)
            .and_then(|status| edits.status(status)),
        5 => edits.no_store(),
        6 => edits.freshness(number),
        7 => edits.keep_length(),
        8 => match std::str::from_utf8(value).map(str::parse) {
            Ok(Ok(address)) => edits.address(address),
            _ => return code::ARGUMENT,
        },
        9 => edits.note(name, value),
        10 => edits.withhold_head(),
        11 => edits.skip_body(),
        _ => return code::ARGUMENT,
    };
    made.map_or_else(Refused::code, |()| code::OK)
}

/// A completion with the mirror that points into it.
#[derive(Debug)]
#[repr(C)]
pub struct Lifted {
    // First, so that a pointer to the mirror is one to the whole.
    raw: Completion,
    _fields: Vec<Field>,
    _listed: Vec<Listed>,
    _numbers: Vec<String>,
    _completion: host::Completion,
}

impl Lifted {
    /// The mirror of this completion; in a box, so that it stays where it is.
    pub fn new(completion: host::Completion) -> Box<Lifted> {
        let mut raw = Completion {
            size: size_of::<Completion>() as u32,
            kind: 0,
            status: 0,
            flag: 0,
            length: 0,
            ttl: 0,
            age: 0,
            field_count: 0,
            fields: std::ptr::null(),
            body: Slice::NONE,
            text: Slice::NONE,
            listed: std::ptr::null(),
            listed_count: 0,
        };
        let mut lines = Vec::new();
        let (mut listed, mut numbers) = (Vec::new(), Vec::new());
        // What is pointed to is on the heap, and stays there when the completion is moved into the box: a response, a string,
        // shared bytes.
        match &completion {
            host::Completion::Done => raw.kind = 0,
            host::Completion::Found(info) => {
                raw.kind = 1;
                raw.status = info.status.into();
                raw.length = info.length;
                raw.ttl = info.ttl;
                raw.age = info.age;
                if let Some(text) = &info.content_type {
                    raw.text = Slice::of(text.as_bytes());
                    raw.flag = 1;
                }
            }
            host::Completion::Absent => raw.kind = 2,
            host::Completion::Fetched { status, stored } => {
                raw.kind = 3;
                raw.status = (*status).into();
                raw.flag = (*stored).into();
            }
            host::Completion::Object(response) => {
                raw.kind = 4;
                raw.status = response.status().into();
                raw.body = Slice::of(response.body());
                lines = fields(response);
                raw.fields = lines.as_ptr();
                raw.field_count = lines.len() as u32;
            }
            host::Completion::Part(bytes, last) => {
                raw.kind = 5;
                raw.flag = (*last).into();
                raw.body = Slice::of(bytes);
            }
            host::Completion::Failed(why) => {
                raw.kind = 6;
                raw.text = Slice::of(why.as_bytes());
            }
            host::Completion::Listed(objects, next) => {
                raw.kind = 7;
                if let Some(next) = next {
                    raw.flag = 1;
                    raw.body = Slice::of(next.key());
                }
                listed = objects.iter().map(Listed::of).collect();
                raw.listed = listed.as_ptr();
                raw.listed_count = listed.len() as u64;
            }
            host::Completion::Statistics(figures) => {
                raw.kind = 8;
                numbers = figures.iter().map(|(_, n)| n.to_string()).collect();
                let line = |((name, _), number): (&(String, u64), &String)| Field {
                    name: Slice::of(name.as_bytes()),
                    value: Slice::of(number.as_bytes()),
                };
                lines = figures.iter().zip(&numbers).map(line).collect();
                raw.fields = lines.as_ptr();
                raw.field_count = lines.len() as u32;
            }
        }
        Box::new(Lifted {
            raw,
            _fields: lines,
            _listed: listed,
            _numbers: numbers,
            _completion: completion,
        })
    }

    /// The mirror.
    pub fn raw(&self) -> &Completion {
        &self.raw
    }
}

impl Listed {
    fn of((object, info): &(ObjectId, ObjectInfo)) -> Listed {
        let content_type = info.content_type.as_ref();
        Listed {
            key: Slice::of(object.key()),
            content_type: content_type.map_or(Slice::NONE, |text| Slice::of(text.as_bytes())),
            length: info.length,
            ttl: info.ttl,
            status: info.status.into(),
            age: info.age,
        }
    }

    /// # Safety
    /// What it points to must be there.
    unsafe fn lower(&self) -> (ObjectId, ObjectInfo) {
        // SAFETY: the caller's promise.
        let (key, text) = unsafe { (self.key.get(), self.content_type.get()) };
        let there = !self.content_type.ptr.is_null();
        let text = String::from_utf8_lossy(text.unwrap_or_default());
        let info = ObjectInfo {
            status: u16::try_from(self.status).unwrap_or_default(),
            length: self.length,
            age: self.age,
            ttl: self.ttl,
            content_type: there.then(|| text.into_owned()),
        };
        (ObjectId::of_key(key.unwrap_or_default()), info)
    }
}

/// So many of these; none where that cannot be.
///
/// # Safety
/// They must be there, unless `first` is NULL.
unsafe fn several<'a, T>(first: *const T, count: u64) -> &'a [T] {
    match usize::try_from(count) {
        Ok(count) if !first.is_null() && count <= isize::MAX as usize / size_of::<T>() => {
            // SAFETY: the caller's promise; NULL and a length beyond memory were refused.
            unsafe { std::slice::from_raw_parts(first, count) }
        }
        _ => &[],
    }
}

impl Completion {
    /// What it says, copied.
    ///
    /// # Safety
    /// What it points to must be there.
    pub unsafe fn lower(&self) -> host::Completion {
        // SAFETY: the caller's promise.
        let (body, text) = unsafe { (self.body.get(), self.text.get()) };
        let body = Bytes::copy_from_slice(body.unwrap_or_default());
        let text = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
        let status = u16::try_from(self.status).unwrap_or_default();
        match self.kind {
            0 => host::Completion::Done,
            1 => host::Completion::Found(ObjectInfo {
                status,
                length: self.length,
                age: self.age,
                ttl: self.ttl,
                content_type: (self.flag != 0).then_some(text),
            }),
            2 => host::Completion::Absent,
            3 => host::Completion::Fetched {
                status,
                stored: self.flag != 0,
            },
            // SAFETY: the caller's promise.
            4 => {
                match unsafe { response(self.status, self.fields, self.field_count as usize, body) }
                {
                    Ok(response) => host::Completion::Object(Box::new(response)),
                    Err(code) => {
                        host::Completion::Failed(format!("an object that is none ({code})"))
                    }
                }
            }
            5 => host::Completion::Part(body, self.flag != 0),
            6 => host::Completion::Failed(text),
            7 if self.size as usize >= size_of::<Completion>() => {
                // SAFETY: the caller's promise.
                let listed = unsafe { several(self.listed, self.listed_count) };
                // SAFETY: the same.
                let objects = listed.iter().map(|one| unsafe { one.lower() });
                let next = (self.flag != 0).then(|| ObjectId::of_key(&body));
                host::Completion::Listed(objects.collect(), next)
            }
            8 => {
                // SAFETY: the caller's promise.
                let lines = unsafe { several(self.fields, self.field_count.into()) };
                let figure = |line: &Field| {
                    // SAFETY: the same.
                    let (name, value) = unsafe { (line.name.get()?, line.value.get()?) };
                    let value = std::str::from_utf8(value).ok()?.parse().ok()?;
                    Some((String::from_utf8_lossy(name).into_owned(), value))
                };
                host::Completion::Statistics(lines.iter().filter_map(figure).collect())
            }
            kind => host::Completion::Failed(format!("a completion of unknown kind {kind}")),
        }
    }
}
