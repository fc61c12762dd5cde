//! The body of an answer on its way: slices of the library, at the pace of the emulated network, broken off where that was drawn.
//!
//! Invariant: the slices are not copied here; what is cut of them shares their memory. Awkward case: before a body is broken off, what
//! was sent of it must have left: the server writes when a body is pending, so it is pending once more first.

use super::{
    network::Bursts,
    statistics::{Counters, add, count},
};
use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::FutureExt;
use smallvec::SmallVec;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};

/// A body that is being sent.
pub(super) struct Sent {
    said: BodySize,
    /// What is left, the last slice first.
    slices: SmallVec<[Bytes; 8]>,
    bursts: Bursts,
    /// Bytes that may leave before the next burst.
    allowed: u64,
    /// When the message began to leave: at its head.
    began: Instant,
    waiting: Option<Pin<Box<Sleep>>>,
    /// Bytes until it is broken off.
    breaks: Option<u64>,
    flushed: bool,
    counters: Arc<Counters>,
}

impl Sent {
    /// These slices, from now on. `said` may be more than they are: an answer to HEAD.
    pub(super) fn new(
        said: BodySize,
        mut slices: SmallVec<[Bytes; 8]>,
        bursts: Bursts,
        breaks: Option<u64>,
        counters: &Arc<Counters>,
    ) -> Self {
        slices.reverse();
        Self {
            said,
            slices,
            bursts,
            allowed: 0,
            began: Instant::now(),
            waiting: None,
            breaks,
            flushed: false,
            counters: Arc::clone(counters),
        }
    }
}

impl MessageBody for Sent {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.said
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        let body = self.get_mut();
        if body.breaks == Some(0) {
            if !body.flushed {
                body.flushed = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            count(&body.counters.aborted);
            return Poll::Ready(Some(Err(io::Error::other("broken off on purpose"))));
        }
        let Some(slice) = body.slices.last_mut() else {
            return Poll::Ready(None);
        };
        loop {
            if let Some(wait) = &mut body.waiting {
                std::task::ready!(wait.poll_unpin(context));
                body.waiting = None;
            }
            if body.allowed > 0 {
                break;
            }
            let Some(burst) = body.bursts.next() else {
                return Poll::Ready(None);
            };
            body.allowed = burst.bytes;
            let due = body.began + burst.at;
            body.waiting = (due > Instant::now()).then(|| Box::pin(sleep_until(due)));
        }
        let most = body.allowed.min(body.breaks.unwrap_or(u64::MAX));
        let bytes = if slice.len() as u64 > most {
            // Not above the length of a slice, so it fits.
            slice.split_to(most as usize)
        } else {
            body.slices.pop().unwrap_or_default()
        };
        let length = bytes.len() as u64;
        body.allowed -= length;
        if let Some(breaks) = &mut body.breaks {
            *breaks -= length;
        }
        add(&body.counters.bytes, length);
        Poll::Ready(Some(Ok(bytes)))
    }
}
