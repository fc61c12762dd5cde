//! A fill that goes on beside its client: that one is gone, or has its answer, or reads what modules make of it.
//!
//! What is here already is taken at once; only for the rest a task of its own is begun.

use super::Transaction;
use super::lead::TURN;
use super::origin::Origin;
use crate::clock::Deadline;
use crate::modules::filter::Kept;
use crate::worker::Worker;
use bytes::Bytes;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use understudy_cache::Fill;
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::wire::body::Decoded;

/// What came of taking what is here.
enum Here {
    Whole(Bytes),
    Broken,
    Part,
}

impl Transaction {
    /// Completes a fill whose client does not set its pace: before it is answered, when all is here, else behind it.
    pub(super) async fn fill_apart(
        &mut self,
        mut fill: Fill,
        mut origin: Origin,
        request_complete: bool,
    ) {
        match poll_fn(|cx| Poll::Ready(self.take_what_is_here(cx, &mut fill, &mut origin))).await {
            Here::Whole(trailers) => {
                self.trace("commit");
                if let Err(why) = fill.commit(trailers).await {
                    self.tally.not_stored = Some(why);
                }
                origin.release(request_complete);
            }
            Here::Broken => {
                self.tally.not_stored = Some(NoStoreReason::Incomplete);
                fill.broken_off().await;
            }
            Here::Part => self.pump(fill, origin, request_complete),
        }
    }

    fn take_what_is_here(
        &mut self,
        cx: &mut Context<'_>,
        fill: &mut Fill,
        origin: &mut Origin,
    ) -> Here {
        let mut taken = 0;
        while taken < TURN && fill.poll_room(cx).is_ready() {
            match origin.poll_piece(self.asked(), cx) {
                Poll::Ready(Ok(Decoded::Data(piece))) => {
                    taken += piece.len();
                    self.worker.stats.origin_bytes_in.add(piece.len() as u64);
                    if let Err(why) = fill.append(&piece) {
                        self.tally.not_stored = Some(why);
                    }
                }
                Poll::Ready(Ok(Decoded::End(trailers))) => return Here::Whole(trailers),
                Poll::Ready(Ok(Decoded::More)) => {}
                Poll::Ready(Err(_)) => return Here::Broken,
                Poll::Pending => break,
            }
        }
        Here::Part
    }

    /// Completes a fill without its client, on this worker.
    pub(super) fn pump(&self, fill: Fill, origin: Origin, request_complete: bool) {
        let pump = Pump {
            deadline: self.worker.clock.deadline(),
            patience: self.live.settings.timeouts.between_bytes,
            streaming: self.tally.not_stored.is_some(),
            worker: self.worker.clone(),
            // One may have had a piece when its client went.
            away: origin.is_filtered(),
            kept: match origin.is_filtered() {
                true => self.asked().keep(),
                false => Kept::default(),
            },
        };
        actix_rt::spawn(pump.run(fill, origin, request_complete));
    }
}

/// What goes on with a fill whose client is gone, or has its answer.
struct Pump {
    worker: Rc<Worker>,
    deadline: Deadline,
    patience: Duration,
    /// It is not stored (any more): without readers there is nothing to go on for.
    streaming: bool,
    /// A module has a piece.
    away: bool,
    /// What modules on the body are told of its request.
    kept: Kept,
}

impl Pump {
    async fn run(mut self, mut fill: Fill, mut origin: Origin, request_complete: bool) {
        self.deadline.arm_now(self.patience);
        match poll_fn(|cx| self.poll(cx, &mut fill, &mut origin)).await {
            Some(trailers) => {
                let _ = fill.commit(trailers).await;
                origin.release(request_complete);
            }
            None => fill.broken_off().await,
        }
    }

    /// The trailers, or `None` when the end is not reached.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        fill: &mut Fill,
        origin: &mut Origin,
    ) -> Poll<Option<Bytes>> {
        loop {
            if self.streaming && !fill.is_read() {
                return Poll::Ready(None);
            }
            if fill.poll_room(cx).is_pending() {
                // A reader is waited for, which has a time of its own, and not the origin.
                self.deadline.arm_now(self.patience);
                return Poll::Pending;
            }
            match origin.poll_piece(self.kept.asked(), cx) {
                Poll::Ready(Ok(Decoded::Data(piece))) => {
                    self.worker.stats.origin_bytes_in.add(piece.len() as u64);
                    self.streaming |= fill.append(&piece).is_err();
                    self.deadline.arm_now(self.patience);
                }
                Poll::Ready(Ok(Decoded::End(trailers))) => return Poll::Ready(Some(trailers)),
                Poll::Ready(Ok(Decoded::More)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => {
                    let was = std::mem::replace(&mut self.away, origin.is_away());
                    if was || self.away {
                        fill.away(origin.away_for());
                    }
                    let late = origin.poll_late(&self.deadline, self.patience, cx);
                    return late.map(|()| None);
                }
            }
        }
    }
}
