//! Operations on stored objects, and how they ended, as bytes.

use super::edits::{cut, get_response, put_response};
use super::wire::{Get, Malformed, Put};
use understudy_module::{Bytes, Completion, ObjectId, ObjectInfo, Operation};

pub(crate) fn put_operation(out: &mut Vec<u8>, operation: &Operation) {
    let object = |out: &mut Vec<u8>, tag: u8, object: &ObjectId| {
        out.u8(tag);
        out.bytes(object.key());
    };
    let number = |out: &mut Vec<u8>, tag: u8, number: u64| {
        out.u8(tag);
        out.u64(number);
    };
    match operation {
        Operation::Query(id) => object(out, 0, id),
        Operation::Fetch(id) => object(out, 1, id),
        Operation::Validate(id) => object(out, 2, id),
        Operation::SetExpiration(id, until) => {
            object(out, 3, id);
            out.u64(*until as u64);
        }
        Operation::Delete(id) => object(out, 4, id),
        Operation::Inject(id, response) => {
            object(out, 5, id);
            put_response(out, response);
        }
        Operation::InjectStart(id, of, response) => {
            object(out, 6, id);
            out.u64(*of);
            put_response(out, response);
        }
        Operation::InjectBody(of, bytes) => {
            number(out, 7, *of);
            out.bytes(bytes);
        }
        Operation::InjectDone(of) => number(out, 8, *of),
        Operation::InjectAbort(of) => number(out, 9, *of),
        Operation::Read(id) => object(out, 10, id),
        Operation::ReadStart(id, of) => {
            object(out, 11, id);
            out.u64(*of);
        }
        Operation::ReadPart(of, most) => {
            number(out, 12, *of);
            out.u64(*most as u64);
        }
        Operation::ReadDone(of) => number(out, 13, *of),
    }
}

pub(crate) fn get_operation(get: &mut Get<'_>) -> Result<Operation, Malformed> {
    let object = |get: &mut Get<'_>| get.bytes().map(ObjectId::of_key);
    Ok(match get.u8()? {
        0 => Operation::Query(object(get)?),
        1 => Operation::Fetch(object(get)?),
        2 => Operation::Validate(object(get)?),
        3 => Operation::SetExpiration(object(get)?, get.u64()? as i64),
        4 => Operation::Delete(object(get)?),
        5 => Operation::Inject(object(get)?, Box::new(get_response(get)?)),
        6 => Operation::InjectStart(object(get)?, get.u64()?, Box::new(get_response(get)?)),
        7 => Operation::InjectBody(get.u64()?, Bytes::copy_from_slice(get.bytes()?)),
        8 => Operation::InjectDone(get.u64()?),
        9 => Operation::InjectAbort(get.u64()?),
        10 => Operation::Read(object(get)?),
        11 => Operation::ReadStart(object(get)?, get.u64()?),
        12 => Operation::ReadPart(
            get.u64()?,
            usize::try_from(get.u64()?).unwrap_or(usize::MAX),
        ),
        13 => Operation::ReadDone(get.u64()?),
        _ => return Err(Malformed("an operation of no kind")),
    })
}

pub(crate) fn put_completion(out: &mut Vec<u8>, completion: &Completion) {
    match completion {
        Completion::Done => out.u8(0),
        Completion::Found(info) => {
            out.u8(1);
            out.u16(info.status);
            out.u64(info.length);
            out.u32(info.age);
            out.u64(info.ttl as u64);
            out.flag(info.content_type.is_some());
            if let Some(content_type) = &info.content_type {
                out.text(content_type);
            }
        }
        Completion::Absent => out.u8(2),
        Completion::Fetched { status, stored } => {
            out.u8(3);
            out.u16(*status);
            out.flag(*stored);
        }
        Completion::Object(response) => {
            out.u8(4);
            put_response(out, response);
        }
        Completion::Part(bytes, last) => {
            out.u8(5);
            out.bytes(bytes);
            out.flag(*last);
        }
        Completion::Failed(why) => {
            out.u8(6);
            out.text(cut(why));
        }
    }
}

pub(crate) fn get_completion(get: &mut Get<'_>) -> Result<Completion, Malformed> {
    Ok(match get.u8()? {
        0 => Completion::Done,
        1 => Completion::Found(ObjectInfo {
            status: get.u16()?,
            length: get.u64()?,
            age: get.u32()?,
            ttl: get.u64()? as i64,
            content_type: match get.flag()? {
                true => Some(get.text()?.to_owned()),
                false => None,
            },
        }),
        2 => Completion::Absent,
        3 => Completion::Fetched {
            status: get.u16()?,
            stored: get.flag()?,
        },
        4 => Completion::Object(Box::new(get_response(get)?)),
        5 => Completion::Part(Bytes::copy_from_slice(get.bytes()?), get.flag()?),
        6 => Completion::Failed(get.text()?.to_owned()),
        _ => return Err(Malformed("a completion of no kind")),
    })
}
