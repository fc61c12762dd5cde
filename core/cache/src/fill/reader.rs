//! The reading end of a fill: the leader's own client and every follower read alike.
//!
//! Owns one place among the fill's readers and gives it back when dropped. Invariant: it is given
//! every byte once and in order, then exactly how the body ended. The awkward case is dropping it:
//! the leader may have waited for just this reader, and is woken.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::state::Inner;
use crate::{FillEvent, FillHead};

/// A reader of a fill.
#[derive(Debug)]
pub struct FillReader {
    pub(crate) fill: Arc<Inner>,
    pub(crate) place: usize,
}

impl FillReader {
    /// Waits for the head.
    pub async fn head(&mut self) -> FillHead {
        poll_fn(|cx| self.poll_head(cx)).await
    }

    /// [`FillReader::head`] as a poll.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<FillHead> {
        self.fill.lock().poll_head(self.place, cx)
    }

    /// How often the leader heard of it while there was nothing for us ([`crate::Fill::heard`]).
    pub fn heard(&self) -> u64 {
        self.fill.lock().heard
    }

    /// Whether it goes on though nothing comes: the leader heard of it since this was asked last, or a module has what comes next
    /// and may still keep it ([`crate::Fill::away`]). The leader's worker may stand still, and with it what holds that module to its time.
    pub fn goes_on(&self, heard: &mut u64) -> bool {
        let state = self.fill.lock();
        let away = state.away.is_some_and(|until| Instant::now() < until);
        std::mem::replace(heard, state.heard) != state.heard || away
    }

    /// Whether all of the body is here and its last piece is held back until it is published, which is soon: what else there is
    /// to write may wait for it. An empty body has no piece; of that its end is held back.
    pub fn withholds(&self) -> bool {
        self.fill.lock().is_unpublished()
    }

    /// The next piece after those already given. Of a body of known length the last one comes when the whole is published (or
    /// will not be), so that whoever has it and asks again gets a hit.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<FillEvent> {
        let (event, leader) = self.fill.lock().poll_next(self.place, cx);
        if let Some(leader) = leader {
            leader.wake();
        }
        event
    }
}

impl Drop for FillReader {
    fn drop(&mut self) {
        let leader = self.fill.lock().remove_reader(self.place);
        leader.into_iter().for_each(Waker::wake);
    }
}
