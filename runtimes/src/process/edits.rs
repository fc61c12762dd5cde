//! Edits, verdicts, answers and counts as bytes.
//!
//! Invariant: what is read was checked by the functions a module calls itself ([`Edits`], [`Response`]), so a child's frame can
//! put nothing on the wire that a module may not.

use super::wire::{Get, Malformed, Put};
use crate::counts::Batch;
use crate::failure::Failure;
use understudy_module::{Bytes, COUNTS, Edit, Edits, Response, Verdict, is_count_name};

/// Longest text of a failure that crosses.
const MAX_TEXT: usize = 4096;

pub(crate) fn put_edits<'e>(out: &mut Vec<u8>, edits: impl ExactSizeIterator<Item = Edit<'e>>) {
    out.u32(edits.len() as u32);
    for edit in edits {
        match edit {
            Edit::Add(name, value) => pair(out, 0, name, value),
            Edit::Set(name, value) => pair(out, 1, name, value),
            Edit::Delete(name) => {
                out.u8(2);
                out.bytes(name);
            }
            Edit::Target(target) => {
                out.u8(3);
                out.bytes(target);
            }
            Edit::Status(status) => {
                out.u8(4);
                out.u16(status);
            }
            Edit::NoStore => out.u8(5),
            Edit::Freshness(seconds) => {
                out.u8(6);
                out.u32(seconds);
            }
            Edit::KeepLength => out.u8(7),
            Edit::Address(address) => {
                out.u8(8);
                out.address(address);
            }
            Edit::Note(name, value) => pair(out, 9, name, value),
            Edit::WithholdHead => out.u8(10),
            Edit::SkipBody => out.u8(11),
        }
    }
}

fn pair(out: &mut Vec<u8>, tag: u8, name: &[u8], value: &[u8]) {
    out.u8(tag);
    out.bytes(name);
    out.bytes(value);
}

pub(crate) fn put_counts(out: &mut Vec<u8>, batch: &Batch) {
    out.u32(batch.len() as u32);
    for (name, amount) in batch {
        out.text(name);
        out.u64(*amount);
    }
}

pub(crate) fn get_counts(get: &mut Get<'_>) -> Result<Batch, Malformed> {
    let count = get.count(13)?;
    // Whoever has nothing to tell tells nothing.
    if count == 0 || count > COUNTS {
        return Err(Malformed("no counters, or more than a module has"));
    }
    let one = |_| match get.text()? {
        name if is_count_name(name) => Ok((name.to_owned(), get.u64()?)),
        _ => Err(Malformed("a counter of no name")),
    };
    (0..count).map(one).collect()
}

pub(crate) fn get_edits(get: &mut Get<'_>) -> Result<Edits, Malformed> {
    let mut edits = Edits::new();
    for _ in 0..get.count(1)? {
        let edit = match get.u8()? {
            0 => Edit::Add(get.bytes()?, get.bytes()?),
            1 => Edit::Set(get.bytes()?, get.bytes()?),
            2 => Edit::Delete(get.bytes()?),
            3 => Edit::Target(get.bytes()?),
            4 => Edit::Status(get.u16()?),
            5 => Edit::NoStore,
            6 => Edit::Freshness(get.u32()?),
            7 => Edit::KeepLength,
            8 => Edit::Address(get.address()?),
            9 => Edit::Note(get.bytes()?, get.bytes()?),
            10 => Edit::WithholdHead,
            11 => Edit::SkipBody,
            _ => return Err(Malformed("an edit of no kind")),
        };
        edits
            .repeat(edit)
            .map_err(|_| Malformed("an edit that may not be made"))?;
    }
    Ok(edits)
}

pub(crate) fn put_response(out: &mut Vec<u8>, response: &Response) {
    out.u16(response.status());
    out.u32(response.fields().len() as u32);
    for (name, value) in response.fields() {
        out.bytes(name);
        out.bytes(value);
    }
    out.bytes(response.body());
}

pub(crate) fn get_response(get: &mut Get<'_>) -> Result<Response, Malformed> {
    let status = get.u16()?;
    let fields = get.count(8)?;
    let mut lines = Vec::with_capacity(fields);
    for _ in 0..fields {
        lines.push((get.bytes()?, get.bytes()?));
    }
    let body = Bytes::copy_from_slice(get.bytes()?);
    let mut response =
        Response::new(status, body).map_err(|_| Malformed("an answer of no status"))?;
    for (name, value) in lines {
        response
            .add(name, value)
            .map_err(|_| Malformed("a field line that may not be written"))?;
    }
    Ok(response)
}

/// What a call came to, in the child.
pub(crate) fn put_outcome(out: &mut Vec<u8>, outcome: &Result<Verdict, Failure>) {
    match outcome {
        Ok(verdict) => put_verdict(out, verdict),
        Err(Failure::Panic(why)) => {
            out.u8(8);
            out.text(cut(why));
        }
        Err(Failure::Unavailable) => out.u8(9),
        Err(other) => {
            out.u8(7);
            out.text(cut(&other.to_string()));
        }
    }
}

pub(crate) fn put_verdict(out: &mut Vec<u8>, verdict: &Verdict) {
    match verdict {
        Verdict::Continue => out.u8(0),
        Verdict::Done => out.u8(1),
        Verdict::Respond(response) => {
            out.u8(2);
            put_response(out, response);
        }
        Verdict::Replace(bytes) => {
            out.u8(3);
            out.bytes(bytes);
        }
        Verdict::First(bytes) => {
            out.u8(10);
            out.bytes(bytes);
        }
        Verdict::Drop => out.u8(4),
        Verdict::Hold => out.u8(5),
        Verdict::Pending => out.u8(6),
        Verdict::Fail(why) => {
            out.u8(7);
            out.text(cut(why));
        }
    }
}

pub(crate) fn get_outcome(get: &mut Get<'_>) -> Result<Result<Verdict, Failure>, Malformed> {
    Ok(match get.u8()? {
        0 => Ok(Verdict::Continue),
        1 => Ok(Verdict::Done),
        2 => Ok(Verdict::Respond(Box::new(get_response(get)?))),
        3 => Ok(Verdict::Replace(Bytes::copy_from_slice(get.bytes()?))),
        4 => Ok(Verdict::Drop),
        5 => Ok(Verdict::Hold),
        6 => Ok(Verdict::Pending),
        7 => Ok(Verdict::Fail(why(get)?.into())),
        8 => Err(Failure::Panic(why(get)?)),
        9 => Err(Failure::Unavailable),
        10 => Ok(Verdict::First(Bytes::copy_from_slice(get.bytes()?))),
        _ => return Err(Malformed("a verdict of no kind")),
    })
}

/// A text that was [`cut`].
pub(crate) fn why(get: &mut Get<'_>) -> Result<String, Malformed> {
    let text = get.text()?;
    if text.len() > MAX_TEXT {
        return Err(Malformed("a reason that is too long"));
    }
    Ok(text.to_owned())
}

/// As much of a text as crosses.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
