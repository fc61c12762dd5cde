//! What a child says through a door, as bytes. Read by the proxy as hostile input.

use super::edits::{
    get_counts, get_edits, get_outcome, put_counts, put_edits, put_outcome, put_verdict,
};
use super::event::Id;
use super::wire::{Get, Malformed, Put, frame};
use crate::counts::Batch;
use crate::failure::Failure;
use crate::seat::MAX_INJECTED;
use std::time::Duration;
use understudy_module::{Answer, Bytes, Edit, Edits, Verdict};

const REPLY: u8 = 1;
const RESUME: u8 = 2;
const RELEASE: u8 = 3;
const INJECT: u8 = 4;
const COUNTED: u8 = 5;
const FREED: u8 = 6;
const TOO_MUCH: u8 = 7;

/// What came through a door from a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A call is over, or parked.
    Reply {
        /// Which of the connection's calls.
        slot: u32,
        /// Which of the seat's.
        call: u64,
        /// Time in the module.
        spent: Duration,
        /// What came of it.
        outcome: Result<Verdict, Failure>,
        /// Edits the hook made.
        edits: Edits,
    },
    /// A module resumes.
    Resume {
        /// Which of the connection's calls; `u32::MAX` when the child knows of none.
        slot: u32,
        /// Which of the seat's.
        call: u64,
        /// The transaction.
        transaction: u64,
        /// How it goes on.
        answer: Box<Answer>,
    },
    /// A part of the arena is given back: the offset it was sent under.
    Release(u32),
    /// Bytes for an answer in progress.
    Inject(u64, Bytes),
    /// What the module added to counters of its own.
    Counted(Batch),
    /// Time in `free`, of one transaction or of several.
    Freed(Duration),
    /// More bytes for an answer in progress than any takes at once.
    TooMuch(u64),
}

/// Appends a reply. An outcome that is too long for a frame becomes a failure.
pub(crate) fn put_reply<'e>(
    out: &mut Vec<u8>,
    id: Id,
    spent: Duration,
    outcome: &Result<Verdict, Failure>,
    edits: impl ExactSizeIterator<Item = Edit<'e>>,
) {
    let whole = frame(out, REPLY, |out| {
        put_id(out, id, spent);
        put_outcome(out, outcome);
        put_edits(out, edits);
    });
    if !whole {
        let failed = Ok(Verdict::fail("its answer is too long to cross"));
        frame(out, REPLY, |out| {
            put_id(out, id, spent);
            put_outcome(out, &failed);
            put_edits(out, Edits::new().iter());
        });
    }
}

fn put_id(out: &mut Vec<u8>, id: Id, spent: Duration) {
    out.u32(id.slot);
    out.u64(id.call);
    out.u64(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX));
}

/// The answer is borrowed on purpose: pieces in it may be of the arena, and dropping the last of one speaks through the same door.
pub(crate) fn put_resume(out: &mut Vec<u8>, id: Id, transaction: u64, answer: &Answer) {
    let mut put = |answer: &Answer| {
        frame(out, RESUME, |out| {
            out.u32(id.slot);
            out.u64(id.call);
            out.u64(transaction);
            put_verdict(out, &answer.verdict);
            put_edits(out, answer.edits.iter());
        })
    };
    if !put(answer) {
        put(&Verdict::fail("its answer is too long to cross").into());
    }
}

pub(crate) fn put_release(out: &mut Vec<u8>, offset: u32) {
    frame(out, RELEASE, |out| out.u32(offset));
}

/// Bytes for an answer in progress. What would be dropped in any case stays here, and is told to be counted.
pub(crate) fn put_inject(out: &mut Vec<u8>, transaction: u64, bytes: &[u8]) {
    if bytes.len() > MAX_INJECTED {
        frame(out, TOO_MUCH, |out| out.u64(transaction));
    } else {
        put_injected(out, transaction, bytes);
    }
}

fn put_injected(out: &mut Vec<u8>, transaction: u64, bytes: &[u8]) {
    frame(out, INJECT, |out| {
        out.u64(transaction);
        out.bytes(bytes);
    });
}

/// What the module added to counters of its own, if anything: ahead of the answer that it was counted for, unless another thread took
/// it first, which says it by a door of its own.
pub(crate) fn put_counted(out: &mut Vec<u8>, batch: &Batch) {
    if !batch.is_empty() {
        frame(out, COUNTED, |out| put_counts(out, batch));
    }
}

pub(crate) fn put_freed(out: &mut Vec<u8>, spent: Duration) {
    let nanos = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
    frame(out, FREED, |out| out.u64(nanos));
}

/// Reads the content of a frame that a child sent. Everything is checked that can be without knowing what was asked.
///
/// # Errors
/// When no sane child sends it.
pub fn decode_reply(content: &[u8]) -> Result<Heard, Malformed> {
    let mut get = Get::new(content);
    let heard = match get.u8()? {
        REPLY => Heard::Reply {
            slot: get.u32()?,
            call: get.u64()?,
            spent: Duration::from_nanos(get.u64()?),
            outcome: get_outcome(&mut get)?,
            edits: get_edits(&mut get)?,
        },
        RESUME => Heard::Resume {
            slot: get.u32()?,
            call: get.u64()?,
            transaction: get.u64()?,
            answer: Box::new(Answer {
                verdict: get_outcome(&mut get)?.map_err(|_| Malformed("resumed with a panic"))?,
                edits: get_edits(&mut get)?,
            }),
        },
        RELEASE => Heard::Release(get.u32()?),
        INJECT => Heard::Inject(get.u64()?, Bytes::copy_from_slice(get.bytes()?)),
        COUNTED => Heard::Counted(get_counts(&mut get)?),
        FREED => Heard::Freed(Duration::from_nanos(get.u64()?)),
        TOO_MUCH => Heard::TooMuch(get.u64()?),
        _ => return Err(Malformed("a frame of no kind")),
    };
    get.end()?;
    Ok(heard)
}

/// Writes what a child says: the other direction of [`decode_reply`], for tests.
pub fn encode_reply(heard: &Heard) -> Vec<u8> {
    let mut out = Vec::new();
    match heard {
        Heard::Reply {
            slot,
            call,
            spent,
            outcome,
            edits,
        } => put_reply(
            &mut out,
            Id {
                slot: *slot,
                call: *call,
            },
            *spent,
            outcome,
            edits.iter(),
        ),
        Heard::Resume {
            slot,
            call,
            transaction,
            answer,
        } => put_resume(
            &mut out,
            Id {
                slot: *slot,
                call: *call,
            },
            *transaction,
            answer,
        ),
        Heard::Release(offset) => put_release(&mut out, *offset),
        Heard::Inject(transaction, bytes) => put_injected(&mut out, *transaction, bytes),
        Heard::Counted(batch) => put_counted(&mut out, batch),
        Heard::Freed(spent) => put_freed(&mut out, *spent),
        Heard::TooMuch(transaction) => {
            frame(&mut out, TOO_MUCH, |out| out.u64(*transaction));
        }
    }
    out
}
