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
        Operation::List(prefix, after, limit) => {
            out.u8(14);
            out.bytes(prefix);
            put_after(out, after.as_ref());
            out.u64(*limit as u64);
        }
        Operation::Statistics => out.u8(15),
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
        14 => Operation::List(
            Bytes::copy_from_slice(get.bytes()?),
            get_after(get)?,
            usize::try_from(get.u64()?).unwrap_or(usize::MAX),
        ),
        15 => Operation::Statistics,
        _ => return Err(Malformed("an operation of no kind")),
    })
}

pub(crate) fn put_completion(out: &mut Vec<u8>, completion: &Completion) {
    match completion {
        Completion::Done => out.u8(0),
        Completion::Found(info) => {
            out.u8(1);
            put_info(out, info);
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
        Completion::Listed(objects, next) => {
            out.u8(7);
            put_after(out, next.as_ref());
            out.u32(objects.len() as u32);
            for (object, info) in objects {
                out.bytes(object.key());
                put_info(out, info);
            }
        }
        Completion::Statistics(figures) => {
            out.u8(8);
            out.u32(figures.len() as u32);
            for (name, value) in figures {
                out.text(name);
                out.u64(*value);
            }
        }
    }
}

/// About how many bytes a completion takes while it waits to be told; not fewer than it is put into.
pub(crate) fn weight(completion: &Completion) -> usize {
    // For lengths, numbers and what holds them.
    const EACH: usize = 64;
    let object = |id: &ObjectId| EACH + id.key().len();
    let of_type = |info: &ObjectInfo| info.content_type.as_ref().map_or(0, String::len);
    EACH + match completion {
        Completion::Done | Completion::Absent | Completion::Fetched { .. } => 0,
        Completion::Found(info) => of_type(info),
        Completion::Object(response) => {
            let fields = response.fields().iter();
            let fields: usize = fields.map(|(n, v)| EACH + n.len() + v.len()).sum();
            fields + response.body().len()
        }
        Completion::Part(bytes, _) => bytes.len(),
        Completion::Failed(why) => why.len(),
        Completion::Listed(objects, next) => {
            let all: usize = objects
                .iter()
                .map(|(id, info)| object(id) + of_type(info))
                .sum();
            all + next.as_ref().map_or(0, object)
        }
        Completion::Statistics(figures) => figures.iter().map(|(name, _)| EACH + name.len()).sum(),
    }
}

pub(crate) fn get_completion(get: &mut Get<'_>) -> Result<Completion, Malformed> {
    Ok(match get.u8()? {
        0 => Completion::Done,
        1 => Completion::Found(get_info(get)?),
        2 => Completion::Absent,
        3 => Completion::Fetched {
            status: get.u16()?,
            stored: get.flag()?,
        },
        4 => Completion::Object(Box::new(get_response(get)?)),
        5 => Completion::Part(Bytes::copy_from_slice(get.bytes()?), get.flag()?),
        6 => Completion::Failed(get.text()?.to_owned()),
        7 => {
            let next = get_after(get)?;
            // Each takes bytes of the frame, so a count that lies ends with it.
            let objects = (0..get.u32()?)
                .map(|_| Ok((ObjectId::of_key(get.bytes()?), get_info(get)?)))
                .collect::<Result<_, Malformed>>()?;
            Completion::Listed(objects, next)
        }
        8 => {
            let figures = (0..get.u32()?)
                .map(|_| Ok((get.text()?.to_owned(), get.u64()?)))
                .collect::<Result<_, Malformed>>()?;
            Completion::Statistics(figures)
        }
        _ => return Err(Malformed("a completion of no kind")),
    })
}

fn put_info(out: &mut Vec<u8>, info: &ObjectInfo) {
    out.u16(info.status);
    out.u64(info.length);
    out.u32(info.age);
    out.u64(info.ttl as u64);
    out.flag(info.content_type.is_some());
    if let Some(content_type) = &info.content_type {
        out.text(content_type);
    }
}

fn get_info(get: &mut Get<'_>) -> Result<ObjectInfo, Malformed> {
    Ok(ObjectInfo {
        status: get.u16()?,
        length: get.u64()?,
        age: get.u32()?,
        ttl: get.u64()? as i64,
        content_type: match get.flag()? {
            true => Some(get.text()?.to_owned()),
            false => None,
        },
    })
}

fn put_after(out: &mut Vec<u8>, after: Option<&ObjectId>) {
    out.flag(after.is_some());
    if let Some(after) = after {
        out.bytes(after.key());
    }
}

fn get_after(get: &mut Get<'_>) -> Result<Option<ObjectId>, Malformed> {
    Ok(match get.flag()? {
        true => Some(ObjectId::of_key(get.bytes()?)),
        false => None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn info(content_type: Option<&str>) -> ObjectInfo {
        ObjectInfo {
            status: 200,
            length: 1 << 40,
            age: 7,
            ttl: -9,
            content_type: content_type.map(str::to_owned),
        }
    }

    #[test]
    fn lists_and_statistics_cross_as_they_are_and_what_is_cut_off_is_an_error() {
        let k = || ObjectId::of_key(b"http://a:80/\nup");
        for operation in [
            Operation::List("http://".into(), Some(k()), 9),
            Operation::List("".into(), None, usize::MAX),
            Operation::Statistics,
        ] {
            let mut out = Vec::new();
            put_operation(&mut out, &operation);
            assert_eq!(get_operation(&mut Get::new(&out)), Ok(operation));
            for end in 0..out.len() {
                assert!(get_operation(&mut Get::new(&out[..end])).is_err(), "{end}");
            }
        }
        for completion in [
            Completion::Listed(Vec::new(), None),
            Completion::Listed(
                vec![(k(), info(None)), (k(), info(Some("text/css")))],
                Some(k()),
            ),
            Completion::Statistics(vec![("hits".to_owned(), u64::MAX), (String::new(), 0)]),
        ] {
            let mut out = Vec::new();
            put_completion(&mut out, &completion);
            assert!(weight(&completion) >= out.len());
            assert_eq!(get_completion(&mut Get::new(&out)), Ok(completion));
            for end in 0..out.len() {
                assert!(get_completion(&mut Get::new(&out[..end])).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn what_waits_weighs_no_less_than_its_bytes() {
        let mut response = understudy_module::Response::new(200, "body").unwrap();
        response.add(b"X-Name", b"value").unwrap();
        for completion in [
            Completion::Done,
            Completion::Absent,
            Completion::Found(info(Some("text/plain"))),
            Completion::Object(Box::new(response)),
            Completion::Part(vec![1; 1000].into(), true),
            Completion::Failed("why".repeat(1000)),
        ] {
            let mut out = Vec::new();
            put_completion(&mut out, &completion);
            assert!(weight(&completion) >= out.len(), "{completion:?}");
        }
        assert!(weight(&Completion::Part(vec![1; 1000].into(), true)) < 2000);
    }

    #[test]
    fn a_count_beyond_what_is_there_is_an_error_and_takes_no_memory() {
        for kind in [7, 8] {
            let bytes = [&[kind][..], &[0; 1], &[0xff; 8]].concat();
            assert!(get_completion(&mut Get::new(&bytes)).is_err());
        }
    }
}
