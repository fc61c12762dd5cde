//! A whole out of parts that are stored and what is fetched of the rest (RFC 9111 sections 3.3 and 3.4).
//!
//! Invariant: the bytes before, of and behind what was missing make exactly the whole, and all are of the representation whose
//! strong validator the origin confirmed. Awkward case: an origin that answers with another range than the one asked for, or a
//! longer body than its Content-Range says: the first is fetched again, whole; the second breaks off.

use super::exchange::Exchanged;
use super::{Step, Transaction};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use understudy_cache::{Fill, Stored};
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::date::Seconds;
use understudy_http::semantics::range::ByteSpan;
use understudy_http::semantics::range::content_range::storable;
use understudy_http::semantics::range::parts::{Strong, missing};
use understudy_http::wire::body::Decoded;

/// What is to be asked for to complete these parts, if asking for it can do any good.
pub(super) fn worth_asking(held: &Stored, now: Seconds) -> Option<ByteSpan> {
    let complete = held.complete_length();
    let missing = missing(held.spans()?, complete)?;
    if missing.len() == complete {
        return None;
    }
    let prepared = held.prepared();
    let strong = prepared.with_fields(|fields| Strong::of(fields).is_some());
    // Without a strong validator the origin may still have learnt one, or answer with the whole, which it may when it is asked
    // for a range as well: asked is once, as long as what is here is fresh.
    let fresh = prepared.freshness.ttl(now) > 0;
    (strong || (fresh && missing.end() == complete)).then_some(missing)
}

/// The lines that ask for it: Range, and If-Range with the strong validator of what is held (RFC 9110 section 13.1.5).
pub(super) fn range_lines(held: &Stored, missing: ByteSpan, out: &mut Vec<u8>) {
    let range = if missing.end() == held.complete_length() {
        format!("bytes={}-", missing.first())
    } else {
        format!("bytes={}-{}", missing.first(), missing.last())
    };
    super::request_out::line(out, b"Range", range.as_bytes());
    held.prepared().with_fields(|fields| {
        if let Some(validator) = Strong::of(fields) {
            super::request_out::line(out, b"If-Range", validator.value());
        }
    });
}

/// The bytes of a part on their way to the whole: those before it, as many as were asked for, and those behind it.
#[derive(Debug)]
pub(super) struct Splice {
    before: VecDeque<Bytes>,
    /// What is still to come from the origin.
    left: u64,
    after: VecDeque<Bytes>,
    /// The origin's part has ended.
    ended: bool,
}

/// The word for an origin whose part is not as long as its Content-Range.
const UNTRUE: &str = "content-range-untrue";

impl Splice {
    fn of(held: &Stored, missing: ByteSpan) -> Splice {
        let (mut before, mut after) = (VecDeque::new(), VecDeque::new());
        if let Some(span) = ByteSpan::head(missing.first()) {
            held.slice(span, |block| before.push_back(block));
        }
        let behind = held.complete_length().checked_sub(1);
        if let Some(span) = behind.and_then(|last| ByteSpan::of(missing.end(), last)) {
            held.slice(span, |block| after.push_back(block));
        }
        Splice {
            before,
            left: missing.len(),
            after,
            ended: false,
        }
    }

    /// What is here without the origin.
    pub(super) fn here(&mut self) -> Option<Decoded> {
        if let Some(block) = self.before.pop_front() {
            return Some(Decoded::Data(block));
        }
        if !self.ended {
            return None;
        }
        Some(match self.after.pop_front() {
            Some(block) => Decoded::Data(block),
            None => Decoded::End(Bytes::new()),
        })
    }

    /// What a piece of the origin's becomes.
    pub(super) fn pass(&mut self, piece: Decoded) -> Result<Decoded, &'static str> {
        match piece {
            Decoded::Data(piece) => {
                self.left = self.left.checked_sub(piece.len() as u64).ok_or(UNTRUE)?;
                Ok(Decoded::Data(piece))
            }
            Decoded::End(_) if self.left > 0 => Err(UNTRUE),
            Decoded::End(_) => {
                self.ended = true;
                Ok(self.here().unwrap_or(Decoded::More))
            }
            Decoded::More => Ok(Decoded::More),
        }
    }
}

impl Transaction {
    /// A 206 to a request for what is missing.
    pub(super) async fn completed(
        &mut self,
        mut fill: Fill,
        mut exchanged: Box<Exchanged>,
        held: Arc<Stored>,
        missing: ByteSpan,
    ) -> Step {
        let complete = held.complete_length();
        let content = exchanged.origin.body_length();
        let fits = storable(exchanged.head.fields(), content) == Ok((missing, complete))
            && !exchanged.origin.is_filtered()
            && self.combines(&held, &exchanged, complete);
        let prepared = fits.then(|| self.joined(&held, &exchanged).ok()).flatten();
        let Some(prepared) = prepared else {
            return self.whole_instead(fill, exchanged);
        };
        let prepared = Arc::new(prepared);
        if fill.respond(prepared.clone()).await.is_err() {
            // No room for the whole: past the store.
            return self.whole_instead(fill, exchanged);
        }
        self.trace("store");
        if content.is_some() {
            fill.keep_incomplete(true);
        }
        exchanged.origin.splice(Splice::of(&held, missing));
        self.deliver_fill(fill, exchanged, prepared).await
    }

    /// What came does not complete what is held: the whole is fetched.
    pub(super) fn whole_instead(&mut self, fill: Fill, exchanged: Box<Exchanged>) -> Step {
        drop((fill, exchanged));
        self.detours += 1;
        Step::Ask {
            validate: None,
            alone: true,
            forward: Forward::Partial,
        }
    }
}
