//! Response heads as clients get them and as they are stored: hop-by-hop fields gone, Via and Date there, framing left to
//! the line writer.

use super::request_out::{line, via_line};
use crate::via;
use bytes::Bytes;
use std::ops::Range;
use understudy_http::semantics::conditional::in_not_modified;
use understudy_http::semantics::{date, tags};
use understudy_http::wire::hop::{Crossing, strip_response};
use understudy_http::wire::keep::Kept;
use understudy_http::{Name, ResponseHead};

/// A response head on its way to clients.
#[derive(Debug, Clone)]
pub(super) struct Rendered {
    /// Status line and end-to-end fields, without framing, Age and the final empty line.
    pub(super) head: Vec<u8>,
    /// Age as received.
    pub(super) age: Option<u32>,
    /// Where lines stand that modules set, if no other line has one of their names.
    pub(super) set: Range<usize>,
}

/// Makes a head that is sent and possibly stored, in one pass over the origin's. `length` is written as Content-Length when
/// known. Date is added when the origin has none (RFC 9110 section 6.6.1).
pub(super) fn render(
    head: &ResponseHead<Bytes>,
    length: Option<u64>,
    pseudonym: &str,
    now: date::Seconds,
) -> Rendered {
    // What modules set is no part of the size.
    let mut out = Vec::with_capacity(head.size() + 256);
    head.write_status_line(&mut out);
    write(head, |_| true, length, pseudonym, now, out)
}

/// The head of a 304 in place of a 200 that the client has already (RFC 9110 section 15.4.5).
pub(super) fn render_not_modified(
    head: &ResponseHead<Bytes>,
    pseudonym: &str,
    now: date::Seconds,
) -> Rendered {
    let mut out = Vec::with_capacity(head.size() + 128);
    out.extend_from_slice(b"HTTP/1.1 304 Not Modified\r\n");
    write(head, in_not_modified, None, pseudonym, now, out)
}

/// Writes behind the status line in `out` the fields that cross and are to be kept, and ours.
#[inline(always)]
fn write(
    head: &ResponseHead<Bytes>,
    keep: impl Fn(Name) -> bool,
    length: Option<u64>,
    pseudonym: &str,
    now: date::Seconds,
    mut out: Vec<u8>,
) -> Rendered {
    // What was set last has no known name, and stays together.
    let (mut fields, mut set) = head.parted();
    let crossing = Crossing::of(fields);
    let stays = crossing.nominates_nothing() && keep(Name::Other);
    if !stays && !set.is_empty() {
        (fields, set) = (head.fields(), b"");
    }
    let mut dated = false;
    fields.write(&mut out, |id, name, _| match id {
        // Written below, with ours; Age is this answer's own.
        Name::Via | Name::Age => Kept::Not,
        // Tags are for caches in front of the origin; clients get none.
        _ if tags::is_tag_field(id) => Kept::Not,
        _ if keep(id) && crossing.crosses(id, name) => {
            dated |= id == Name::Date;
            Kept::Whole
        }
        _ => Kept::Not,
    });
    let set_at = out.len();
    if !set.is_empty() {
        out.extend_from_slice(set);
    }
    let set = set_at..out.len();
    if !dated {
        line(&mut out, b"Date", &date::format(now));
    }
    via_line(fields, head.version(), pseudonym, &mut out);
    if let Some(length) = length {
        line(
            &mut out,
            b"Content-Length",
            itoa::Buffer::new().format(length).as_bytes(),
        );
    }
    Rendered {
        head: out,
        age: age(head),
        set,
    }
}

/// Strips what is for the last hop, adds Date when the origin has none (RFC 9110 section 6.6.1) and our Via member.
pub(super) fn own(head: &mut ResponseHead<Bytes>, pseudonym: &str, now: date::Seconds) {
    strip_response(head);
    head.remove_if(|id, _, _| tags::is_tag_field(id));
    if !head.fields().has(Name::Date) {
        add(head, b"Date", &date::format(now));
    }
    let member = via::member(head.version(), pseudonym);
    if head.fields().has(Name::Via) {
        let mut all = Vec::new();
        for value in head.fields().all(Name::Via) {
            all.extend_from_slice(value);
            all.extend_from_slice(b", ");
        }
        all.extend_from_slice(&member);
        if let Err(error) = head.set(b"Via", &all) {
            tracing::warn!(%error, "Via could not be extended");
        }
    } else {
        add(head, b"Via", &member);
    }
}

fn add(head: &mut ResponseHead<Bytes>, name: &[u8], value: &[u8]) {
    if let Err(error) = head.append(name, value) {
        tracing::warn!(%error, "a field of our own is malformed");
    }
}

/// Age as received, when it is a number: the first member where there are several (RFC 9111 section 5.1), and the greatest
/// age there is when it is beyond that (section 1.2.2). Left out, it would make an old response look new.
pub(super) fn age<B: AsRef<[u8]>>(head: &ResponseHead<B>) -> Option<u32> {
    const GREATEST: u32 = 1 << 31;
    let digits = head.fields().list(Name::Age).next()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let age = std::str::from_utf8(digits).ok()?.parse::<u32>();
    Some(age.map_or(GREATEST, |age| age.min(GREATEST)))
}

/// Content-Length as received, for answers that have none of the body it speaks of (HEAD, 304).
pub(super) fn declared_length(head: &ResponseHead<Bytes>) -> Option<u64> {
    std::str::from_utf8(head.fields().get(Name::ContentLength)?)
        .ok()?
        .parse()
        .ok()
}

/// An interim response as it is passed on, empty line included.
pub(super) fn interim(mut head: ResponseHead<Bytes>, pseudonym: &str) -> Bytes {
    strip_response(&mut head);
    let member = via::member(head.version(), pseudonym);
    if head.status() != 100 {
        add(&mut head, b"Via", &member);
    }
    let mut out = Vec::with_capacity(head.size() + 64);
    head.write(&mut out);
    out.extend_from_slice(b"\r\n");
    out.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use understudy_http::wire::lines::FieldLines;

    #[test]
    fn lines_that_were_set_are_said_to_stand_only_where_they_came_out() {
        let mut set = FieldLines::new();
        set.push(b"X-1", b"a").unwrap();
        set.push(b"D", b"b").unwrap();
        for (name, value, stands) in [
            ("Server", "s", true),
            ("Connection", "close", true),
            ("Connection", "D", false),
            ("d", "other", false),
        ] {
            let mut head = ResponseHead::new(200, b"OK");
            head.append(name.as_bytes(), value.as_bytes()).unwrap();
            head.set_lines(&set).unwrap();
            for length in [None, Some(5)] {
                let out = render(&head, length, "here", 0);
                let text = out.head.get(out.set).unwrap();
                assert_eq!(
                    text,
                    if stands { set.text() } else { b"" },
                    "{name}: {value}"
                );
            }
        }
    }
}
