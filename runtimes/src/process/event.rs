//! Events as bytes: what a worker sends through a door, and how the child sees it.
//!
//! The child sees the record in the bytes it received, without a copy, but for the edits made before and a piece of a body.

use super::edits::{get_edits, put_edits};
use super::wire::{Get, Malformed, Put, frame};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use understudy_module::{Edits, Event, Head, Hook, Lines, LogEntry, Part};

pub(crate) const EVENT: u8 = 1;
pub(crate) const FREE: u8 = 2;

/// Which call an event or a reply is of: `slot` is the connection's, `call` the seat's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) slot: u32,
    pub(crate) call: u64,
}

impl Id {
    /// Of an event that goes ahead of another, by the promise of these bits: nobody waits for its answer, and it gets none.
    pub(crate) fn ahead(promised: u64) -> Id {
        Id {
            slot: u32::MAX,
            call: promised,
        }
    }

    /// The promise by which an event goes ahead, if it does.
    pub(crate) fn promised(self) -> Option<u64> {
        (self.slot == u32::MAX).then_some(self.call)
    }
}

/// Where the bytes of a piece are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// In the frame.
    Here(&'a [u8]),
    /// In the arena.
    There {
        /// From the arena's beginning.
        offset: u32,
        /// How many.
        len: u32,
    },
}

/// What the child is told. It lives for one call, on the stack.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Told<'a> {
    Event(Sent<'a>),
    Free(u64),
}

/// An event as it arrives.
#[derive(Debug)]
pub(crate) struct Sent<'a> {
    pub(crate) id: Id,
    pub(crate) hook: Hook,
    pub(crate) transaction: u64,
    pub(crate) client: SocketAddr,
    pub(crate) method: &'a [u8],
    pub(crate) url: &'a [u8],
    pub(crate) part: SentPart<'a>,
    pub(crate) edits: Edits,
}

#[derive(Debug)]
pub(crate) enum SentPart<'a> {
    Head(Head<'a>),
    Piece {
        place: Place<'a>,
        last: bool,
        head_waits: bool,
        /// How many pieces are held: the child has them.
        held: u32,
    },
    Host {
        name: &'a str,
        port: u16,
        found: Vec<IpAddr>,
    },
    Log(LogEntry<'a>),
}

/// Appends an event; a piece's bytes are where `place` says.
pub(crate) fn put_event(
    out: &mut Vec<u8>,
    id: Id,
    event: &Event<'_>,
    edits: &Edits,
    place: Place<'_>,
) -> bool {
    frame(out, EVENT, |out| {
        out.u8(event.hook as u8);
        out.u32(id.slot);
        out.u64(id.call);
        out.u64(event.id);
        out.socket(event.client);
        out.bytes(event.method);
        out.bytes(event.url);
        match &event.part {
            Part::Head(Head::Request { target, lines }) => {
                out.u8(0);
                out.bytes(target);
                put_lines(out, *lines);
            }
            Part::Head(Head::Response { status, lines }) => {
                out.u8(1);
                out.u16(*status);
                put_lines(out, *lines);
            }
            Part::Piece(piece) => {
                match place {
                    Place::Here(bytes) => {
                        out.u8(2);
                        out.bytes(bytes);
                    }
                    Place::There { offset, len } => {
                        out.u8(3);
                        out.u32(offset);
                        out.u32(len);
                    }
                }
                out.flag(piece.last);
                out.flag(piece.head_waits);
                out.u32(piece.held.len() as u32);
            }
            Part::Host { name, port, found } => {
                out.u8(4);
                out.text(name);
                out.u16(*port);
                out.u32(found.len() as u32);
                found.iter().for_each(|address| out.address(*address));
            }
            Part::Log(entry) => {
                out.u8(5);
                put_entry(out, entry);
            }
        }
        put_edits(out, edits.iter());
    })
}

pub(crate) fn put_free(out: &mut Vec<u8>, transaction: u64) {
    frame(out, FREE, |out| out.u64(transaction));
}

/// The lines as text, with their length before them.
fn put_lines(out: &mut Vec<u8>, lines: Lines<'_>) {
    let start = out.len();
    out.u32(0);
    lines.write(out);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
}

fn put_entry(out: &mut Vec<u8>, entry: &LogEntry<'_>) {
    out.u16(entry.status);
    out.u64(u64::try_from(entry.elapsed.as_nanos()).unwrap_or(u64::MAX));
    out.u64(entry.bytes_out);
    out.u64(entry.body_out);
    out.u64(entry.body_in);
    out.text(entry.code);
    out.text(entry.hierarchy);
    out.text(entry.timeout);
    out.text(entry.error);
    out.flag(entry.aborted);
}

/// Reads what came through a door, in the child.
pub(crate) fn get_told(content: &[u8]) -> Result<Told<'_>, Malformed> {
    let mut get = Get::new(content);
    let told = match get.u8()? {
        EVENT => Told::Event(get_event(&mut get)?),
        FREE => Told::Free(get.u64()?),
        _ => return Err(Malformed("a frame of no kind")),
    };
    get.end()?;
    Ok(told)
}

fn get_event<'a>(get: &mut Get<'a>) -> Result<Sent<'a>, Malformed> {
    Ok(Sent {
        hook: Hook::of(get.u8()?).ok_or(Malformed("an event of no hook"))?,
        id: Id {
            slot: get.u32()?,
            call: get.u64()?,
        },
        transaction: get.u64()?,
        client: get.socket()?,
        method: get.bytes()?,
        url: get.bytes()?,
        part: get_part(get)?,
        edits: get_edits(get)?,
    })
}

fn get_part<'a>(get: &mut Get<'a>) -> Result<SentPart<'a>, Malformed> {
    Ok(match get.u8()? {
        0 => SentPart::Head(Head::Request {
            target: get.bytes()?,
            lines: Lines::Text(get.bytes()?),
        }),
        1 => SentPart::Head(Head::Response {
            status: get.u16()?,
            lines: Lines::Text(get.bytes()?),
        }),
        2 => SentPart::Piece {
            place: Place::Here(get.bytes()?),
            last: get.flag()?,
            head_waits: get.flag()?,
            held: get.u32()?,
        },
        3 => SentPart::Piece {
            place: Place::There {
                offset: get.u32()?,
                len: get.u32()?,
            },
            last: get.flag()?,
            head_waits: get.flag()?,
            held: get.u32()?,
        },
        4 => SentPart::Host {
            name: get.text()?,
            port: get.u16()?,
            found: (0..get.count(5)?)
                .map(|_| get.address())
                .collect::<Result<_, _>>()?,
        },
        5 => SentPart::Log(LogEntry {
            status: get.u16()?,
            elapsed: Duration::from_nanos(get.u64()?),
            bytes_out: get.u64()?,
            body_out: get.u64()?,
            body_in: get.u64()?,
            code: get.text()?,
            hierarchy: get.text()?,
            timeout: get.text()?,
            error: get.text()?,
            aborted: get.flag()?,
        }),
        _ => return Err(Malformed("an event about nothing")),
    })
}
