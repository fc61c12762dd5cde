//! Answers: which are compressed or decompressed, and how their heads and bodies become so.
//!
//! Invariant: a body is compressed exactly when its head says so, since both are written by the same decision. Awkward case: a body
//! whose length is not known. Its head waits until there is enough of it, or all.

use crate::Compressor;
use crate::accept::Accept;
use crate::coder::{Coding, Decoder, Encoder};
use crate::head;
use std::sync::Arc;
use std::time::Instant;
use understudy_module::{Bytes, Refused, Transaction, Verdict};

/// What is kept of a transaction.
#[derive(Default)]
pub(crate) struct Visit {
    /// What the client said.
    pub(crate) accept: Accept,
    /// The coding that everybody gets who has the same in Accept-Encoding.
    pub(crate) chosen: Option<Coding>,
    /// The client wants nothing transformed (RFC 9111 section 5.2.1.6).
    pub(crate) hands_off: bool,
    /// The origin was told other tags than the client's or the store's.
    pub(crate) renamed: bool,
    pub(crate) stream: Option<Box<Stream>>,
    pub(crate) decoder: Option<Box<Decoder>>,
}

/// A body that is compressed.
pub(crate) struct Stream {
    coding: Coding,
    /// None before the first bytes.
    encoder: Option<Encoder>,
    /// The head waits for the body, and gets this tag.
    waits: Option<Option<Vec<u8>>>,
    bytes: [u64; 2],
    _one_of: Arc<()>,
}

pub(crate) fn visit<'a>(tx: &'a mut Transaction<'_>) -> &'a mut Visit {
    tx.opaque().get_or_insert_with(Visit::default)
}

pub(crate) fn verdict(outcome: Result<Verdict, Refused>) -> Verdict {
    outcome.unwrap_or_else(|refused| Verdict::fail(refused.to_string()))
}

impl Compressor {
    /// A new answer of the origin. What is not to be changed for anybody is `Done`: its body comes by no more.
    pub(crate) fn answered(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        let options = self.options();
        let (status, head_only) = (tx.status(), tx.method() == b"HEAD");
        if !head::may_change(tx, &options) {
            return Ok(Verdict::Done);
        }
        let Visit { accept, chosen, .. } = *visit(tx);
        match head::coding(tx) {
            // The origin's own coding is stored; whoever cannot read it is seen to on return.
            Ok(Some(coding)) if !accept.takes(coding) => {
                return tx.keep_length().map(|()| Verdict::Continue);
            }
            Ok(_) => return Ok(Verdict::Done),
            Err(()) => {}
        }
        let length = tx
            .find("Content-Length")
            .and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
        let least = options.min_length.max(1);
        if status == 200 && length.is_some_and(|length: usize| length < least) {
            return Ok(Verdict::Done);
        }
        // Also of what stays plain: the next client may get the other form.
        head::vary(tx)?;
        let Some(coding) = chosen.filter(|_| status == 200) else {
            return Ok(Verdict::Done);
        };
        let full = Arc::strong_count(&self.streams) > options.streams;
        if full || !self.budget.allows(Instant::now(), options.budget) {
            tx.count("saturated", 1);
            return Ok(Verdict::Done);
        }
        let tag = head::weakened(tx);
        let mut waits = None;
        if head_only || length.is_some() || options.min_length == 0 {
            head::recode(tx, Some(coding), tag)?;
        } else {
            tx.withhold_head()?;
            waits = Some(tag);
        }
        visit(tx).stream = (!head_only).then(|| {
            Box::new(Stream {
                coding,
                encoder: None,
                waits,
                bytes: [0, 0],
                _one_of: self.streams.clone(),
            })
        });
        Ok(Verdict::Continue)
    }

    /// The origin confirms what is stored, or what the client has: this head becomes part of that one (RFC 9111 section 3.2).
    pub(crate) fn validated(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        // Its Vary takes the place of what is stored, which may be any form, and without a tag nothing tells which.
        let gains = |kind: &[u8]| self.options().gains(kind);
        if tx.find("Vary").is_some() && tx.find("Content-Type").is_none_or(gains) {
            head::vary(tx)?;
        }
        if visit(tx).renamed {
            let tag = head::weakened(tx);
            head::retag(tx, tag)?;
        }
        Ok(Verdict::Continue)
    }

    /// A piece of a body that is compressed.
    pub(crate) fn compress(&self, tx: &mut Transaction<'_>) -> Result<Verdict, String> {
        let Some(mut stream) = visit(tx).stream.take() else {
            return Ok(Verdict::Continue);
        };
        let (options, last) = (self.options(), tx.is_last());
        let length = tx.held().iter().map(Bytes::len).sum::<usize>() + tx.piece().len();
        if let Some(tag) = stream.waits.take() {
            if length < options.min_length && !last {
                stream.waits = Some(tag);
                visit(tx).stream = Some(stream);
                return Ok(Verdict::Hold);
            }
            if length < options.min_length {
                return Ok(Verdict::Continue);
            }
            head::recode(tx, Some(stream.coding), tag).map_err(|why| why.to_string())?;
        }
        let (bytes, began) = (tx.whole(), Instant::now());
        let mut encoder = match stream.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::new(stream.coding, options.levels[stream.coding as usize])
                .map_err(|why| why.to_string())?,
        };
        let out = if last {
            encoder.finish(&bytes)
        } else {
            let out = encoder.push(&bytes, options.flush);
            stream.encoder = Some(encoder);
            out
        };
        let out = out.map_err(|why| why.to_string())?;
        self.budget
            .spend(Instant::now(), options.budget, began.elapsed());
        stream.bytes[0] += length as u64;
        stream.bytes[1] += out.len() as u64;
        if last {
            tx.count("compressed", 1);
            tx.count("bytes_in", stream.bytes[0]);
            tx.count("bytes_out", stream.bytes[1]);
        } else {
            visit(tx).stream = Some(stream);
        }
        Ok(replaced(out))
    }

    /// An answer on its way to a client: decompressed, when the client does not accept its coding.
    pub(crate) fn returned(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        let Visit {
            accept, hands_off, ..
        } = *visit(tx);
        if hands_off {
            return Ok(Verdict::Done);
        }
        let found = head::coding(tx)
            .ok()
            .flatten()
            .filter(|coding| !accept.takes(*coding));
        let Some(coding) =
            found.filter(|_| tx.status() == 200 && head::may_change(tx, &self.options()))
        else {
            // On a miss the body is still to be compressed.
            return match visit(tx).stream {
                Some(_) => tx.keep_length().map(|()| Verdict::Continue),
                None => Ok(Verdict::Done),
            };
        };
        let tag = head::weakened(tx);
        head::vary(tx)?;
        head::recode(tx, None, tag)?;
        match Decoder::new(coding) {
            Ok(decoder) => visit(tx).decoder = Some(Box::new(decoder)),
            Err(why) => return Ok(Verdict::fail(why.to_string())),
        }
        Ok(Verdict::Continue)
    }

    /// A piece for a client that does not accept its coding.
    pub(crate) fn decompress(&self, tx: &mut Transaction<'_>) -> Verdict {
        let Some(mut decoder) = visit(tx).decoder.take() else {
            return Verdict::Continue;
        };
        let (options, last, began) = (self.options(), tx.is_last(), Instant::now());
        let decoded = decoder.push(tx.piece(), options.max_ratio, last);
        self.budget
            .spend(Instant::now(), options.budget, began.elapsed());
        match decoded {
            Ok(out) => {
                if last {
                    tx.count("decompressed", 1);
                } else {
                    visit(tx).decoder = Some(decoder);
                }
                replaced(out)
            }
            Err(why) => {
                tx.count("broken", 1);
                Verdict::fail(format!("what is to be decompressed is broken: {why}"))
            }
        }
    }
}

fn replaced(out: Vec<u8>) -> Verdict {
    match out.is_empty() {
        true => Verdict::Drop,
        false => Verdict::Replace(out.into()),
    }
}
