//! The leader's end of a fill.
//!
//! Owns the right to write one response: head, body, end. Phases: 1. `respond`; 2. `append` as
//! `poll_room` allows; 3. one of the consuming ends (`commit`, `refuse`, `fail`, `broken`,
//! `freshen`), or being dropped, which is an end too. Invariant: whatever happens to the leader,
//! the fill ends: readers are woken and the shard forgets it. The awkward case is a body whose room
//! runs out half way: appending cannot wait, so room for the next piece is asked for in
//! `poll_room`, and when there is none the body goes on as a stream that is not stored.

mod part;
pub(crate) mod reader;
pub(crate) mod state;

use bytes::Bytes;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use understudy_http::semantics::{range::ByteSpan, storing::NoStoreReason};
use understudy_store::{
    blocks::{block_cost, body_cost},
    budget::Reservation,
    footprint::footprint,
};

use self::state::{End, Inner};
use crate::{
    Cache, FillHead, FillReader, Prepared, Stored,
    messages::{Commit, Ended, Freshen},
    parts::SPANS_COST,
};

/// Room kept reserved for the next pieces of a body, in bytes; more than one read from an origin brings.
const AHEAD: usize = 64 * 1024;

type RoomFuture = Pin<Box<dyn Future<Output = Option<Reservation>> + Send>>;

/// The leader's end of a fill. Dropped without an end it is abandoned: followers ask again, nothing is stored.
pub struct Fill {
    inner: Arc<Inner>,
    cache: Cache,
    /// Reserved and not yet used.
    credit: Reservation,
    prepared: Option<Arc<Prepared>>,
    /// Where in the body the fill's bytes belong, when they are only a part of it.
    pub(crate) part: Option<ByteSpan>,
    /// Whether what is here when it breaks off may be kept as a part.
    keeps: Keeps,
    room: Option<RoomFuture>,
    /// No room was found: do not ask again.
    starved: bool,
    /// The body is complete: to be dropped now (a cancelled commit) is no reason to break the readers off.
    complete: Option<Bytes>,
    /// The shard has forgotten the fill already.
    forgotten: bool,
    mark: bool,
    /// Which of several stored responses an origin chose, where none was to be validated.
    chosen: Option<Arc<Stored>>,
}

/// What becomes of a body that broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Nothing,
    /// It is kept when its head says that its origin knows ranges.
    IfRanged,
    /// Its origin has shown that it knows ranges.
    Ranged,
}

impl fmt::Debug for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fill")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl Fill {
    pub(crate) fn new(inner: Arc<Inner>, cache: Cache) -> Fill {
        let credit = cache.budget().empty();
        Fill {
            inner,
            cache,
            credit,
            prepared: None,
            part: None,
            keeps: Keeps::Nothing,
            room: None,
            starved: false,
            complete: None,
            forgotten: false,
            mark: false,
            chosen: None,
        }
    }

    /// The stored response this fill validates, as asked for.
    pub fn validates(&self) -> Option<&Arc<Stored>> {
        self.inner.validate.as_ref()
    }

    /// The origin chose this one among the variants stored: its body answers this request, too (RFC 9111 section 4.3.4).
    /// [`Fill::freshen`] then publishes it a second time, beside what is stored, under the new head's secondary key.
    pub fn choose(&mut self, stored: Arc<Stored>) {
        self.chosen = Some(stored);
    }

    /// The stored response whose body the answer has.
    fn body_of(&self) -> Option<&Arc<Stored>> {
        self.chosen.as_ref().or(self.inner.validate.as_ref())
    }

    /// Tells followers the head and makes room for the body: all of it when the length is known. An
    /// error ends the fill (followers fetch for themselves): `TooLarge` above `max_object` or the
    /// ceiling, `NoRoom` when eviction did not help.
    pub async fn respond(&mut self, prepared: Arc<Prepared>) -> Result<(), NoStoreReason> {
        let room = match self.make_room(&prepared).await {
            Ok(room) => room,
            Err(reason) => {
                self.turn_away(reason);
                return Err(reason);
            }
        };
        self.credit.merge(room);
        let expected = self.expected(&prepared);
        self.prepared = Some(Arc::clone(&prepared));
        let mut state = self.inner.lock();
        // A part in chunks is over with its last chunk only, whatever its Content-Range says.
        state.expected = expected.filter(|_| !matches!(state.part, Some((_, None))));
        // Nobody may join what a purge has meant already.
        state.invalidated |= state.is_void(&self.inner.key, &prepared.labels);
        state.head = Some(FillHead::Shared(prepared));
        state.away = None;
        let wakers = state.take_readers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    async fn make_room(&self, prepared: &Prepared) -> Result<Reservation, NoStoreReason> {
        let body = match self.expected(prepared) {
            Some(length) if length > self.cache.max_object() => {
                return Err(NoStoreReason::TooLarge);
            }
            Some(length) => body_cost(length),
            None => block_cost(AHEAD),
        };
        let spans = self.part.map_or(0, |_| SPANS_COST);
        let cost = (prepared.cost(self.inner.key.len()) + spans).saturating_add(body);
        if cost > self.cache.budget().ceiling() {
            // Found out before everything else was evicted in vain.
            return Err(NoStoreReason::TooLarge);
        }
        self.cache
            .room(self.inner.transaction, &self.inner.key, cost)
            .await
            .ok_or(NoStoreReason::NoRoom)
    }

    /// How long the fill is to become, when that is known.
    fn expected(&self, prepared: &Prepared) -> Option<u64> {
        self.part.map(|span| span.len()).or(prepared.length)
    }

    /// The origin gave something, though there is no head to be put to use yet: followers wait on.
    pub fn heard(&self) {
        let mut state = self.inner.lock();
        state.heard = state.heard.wrapping_add(1);
    }

    /// A module has a piece and may keep it for so long, or it gave it back (`None`): followers wait on for as long as it has it, and
    /// have all their time behind that. With what comes of it, the head or a piece, it has it no more.
    pub fn away(&self, most: Option<Duration>) {
        let until = most.and_then(|most| Instant::now().checked_add(most));
        let mut state = self.inner.lock();
        state.heard = state.heard.wrapping_add(1);
        state.away = until;
    }

    /// A reader for the leader's own client, from the first byte.
    pub fn reader(&self) -> FillReader {
        let place = self.inner.lock().add_reader(true);
        FillReader {
            fill: Arc::clone(&self.inner),
            place,
        }
    }

    /// Ready when another piece may be read from the origin: while storing, when the *fastest*
    /// reader is within the window (or nobody reads any more and the fill is to be finished); once
    /// too large to store (body of unknown length), when the *slowest* is. When all of a known length
    /// is here, only its end is left to be read, and no reader is waited for.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inner.lock().poll_room(cx).is_pending() {
            return Poll::Pending;
        }
        self.poll_credit(cx)
    }

    /// Sees to it that the next piece is paid for, or that it is known that it cannot be.
    fn poll_credit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.room.is_none() {
            let wanted = self.wanted();
            if self.starved
                || self.credit.bytes() >= wanted
                || self.credit.grow(wanted - self.credit.bytes())
            {
                return Poll::Ready(());
            }
            let (cache, inner) = (self.cache.clone(), Arc::clone(&self.inner));
            let missing = wanted - self.credit.bytes();
            self.room = Some(Box::pin(async move {
                cache.room(inner.transaction, &inner.key, missing).await
            }));
        }
        let Some(room) = &mut self.room else {
            return Poll::Ready(());
        };
        match room.as_mut().poll(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(room)) => self.credit.merge(room),
            Poll::Ready(None) => self.starved = true,
        }
        self.room = None;
        Poll::Ready(())
    }

    /// What the credit should hold before the next piece.
    fn wanted(&self) -> u64 {
        let Some(prepared) = &self.prepared else {
            return 0;
        };
        let state = self.inner.lock();
        if state.outgrown.is_some() || state.end.is_some() {
            return 0;
        }
        let rest = self.expected(prepared).map_or(AHEAD as u64, |length| {
            length.saturating_sub(state.body.len())
        });
        if rest == 0 {
            return 0;
        }
        prepared.cost(self.inner.key.len()) + block_cost(rest.min(AHEAD as u64) as usize)
    }

    /// Adds a piece (copied into blocks of the fill's own, accounted). Never fails: a fill that
    /// outgrows its limits goes on as a stream for the readers it has, frees what all have read,
    /// takes no new readers and is not stored. The reason is given once, and again for every piece
    /// that comes when nobody reads any more: a leader without a client of its own ends it then.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), NoStoreReason> {
        if piece.is_empty() {
            return Ok(());
        }
        let prepared = self.prepared.as_ref();
        let known = prepared.and_then(|prepared| self.expected(prepared));
        let mut state = self.inner.lock();
        if state.end.is_some() {
            return Ok(());
        }
        let was_stream = state.outgrown.is_some();
        let length = state.body.len() + piece.len() as u64;
        if !was_stream && length > self.cache.max_object() {
            state.outgrow(NoStoreReason::TooLarge);
        }
        let expected = known.map(|known| known.saturating_sub(state.body.len()));
        if !state.body.append(piece, expected, &mut self.credit) && !was_stream {
            state.outgrow(NoStoreReason::NoRoom);
        }
        state.release();
        state.away = None;
        let outgrown = state.outgrown.filter(|_| !was_stream || !state.is_read());
        self.mark |= outgrown == Some(NoStoreReason::TooLarge) && state.followers() > 0;
        let wakers = state.take_readers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        outgrown.map_or(Ok(()), Err)
    }

    /// Readers other than the leader's own.
    pub fn followers(&self) -> usize {
        self.inner.lock().followers()
    }

    /// Whether anybody reads, the leader's own client included.
    pub fn is_read(&self) -> bool {
        self.inner.lock().is_read()
    }

    /// The body is complete: publishes it. When this returns, the next look-up finds it, and readers are given the last piece
    /// of a body of known length. An error says why it is not stored: it outgrew its limits, its length is not the declared
    /// one (`Incomplete`; readers are broken off), or its key was invalidated meanwhile (`Expired`).
    pub async fn commit(mut self, mut trailers: Bytes) -> Result<Arc<Stored>, NoStoreReason> {
        if !trailers.is_empty() {
            // They come in a buffer that grew as they did, and only their own length is paid for.
            trailers = Bytes::copy_from_slice(&trailers);
        }
        if self.part.is_some() {
            return self.commit_part().await;
        }
        // Dropping self ends the fill, with what `complete` says, whichever way this function is left.
        let stored = self.finish(trailers)?;
        let message = Commit {
            transaction: self.inner.transaction,
            fill: Arc::clone(&self.inner),
            stored: Arc::new(stored),
        };
        let answer = self.cache.shard(&self.inner.key).send(message).await;
        self.forgotten = answer.is_ok();
        // A stopped shard publishes nothing any more.
        answer.unwrap_or(Err(NoStoreReason::NoRoom))
    }

    /// The whole response out of what was appended.
    fn finish(&mut self, trailers: Bytes) -> Result<Stored, NoStoreReason> {
        let prepared = self.prepared.clone().ok_or(NoStoreReason::Incomplete)?;
        let mut state = self.inner.lock();
        if prepared
            .length
            .is_some_and(|length| length != state.body.len())
        {
            return Err(NoStoreReason::Incomplete);
        }
        self.complete = Some(trailers.clone());
        if let Some(reason) = state.outgrown {
            return Err(reason);
        }
        state.body.seal(&mut self.credit);
        let blocks = state.body.handles();
        drop(state);
        let cost = prepared.cost(self.inner.key.len()) + footprint(trailers.len() as u64);
        let share = self.credit.draw(cost).ok_or(NoStoreReason::NoRoom)?;
        self.credit.shrink_to(0);
        Ok(Stored::new(prepared, blocks, trailers, share))
    }

    /// The response is not storable: followers fetch for themselves.
    pub fn refuse(mut self, reason: NoStoreReason) {
        self.turn_away(reason);
    }

    fn turn_away(&mut self, reason: NoStoreReason) {
        // Want of room passes; everything else is the response's nature, and the next one's too.
        self.mark = reason != NoStoreReason::NoRoom && self.followers() > 0;
        self.inner.end(Some(FillHead::Refused(reason)), End::Broken);
        // At once: the leader may keep this for as long as it relays the body.
        self.leave();
    }

    /// Tells the shard that this ended without a commit, once.
    fn leave(&mut self) {
        if !std::mem::replace(&mut self.forgotten, true) {
            self.cache.shard(&self.inner.key).do_send(Ended {
                transaction: self.inner.transaction,
                fill: Arc::clone(&self.inner),
                mark: self.mark,
            });
        }
    }

    /// The origin failed before a head: followers get this status.
    pub fn fail(self, status: u16) {
        self.inner.end(Some(FillHead::Failed(status)), End::Broken);
    }

    /// The origin broke off in the body: readers learn it.
    pub fn broken(mut self) {
        self.salvage();
        self.inner.end(None, End::Broken);
    }

    /// The validated response is good: it is published with this new head and the same body. It is
    /// returned, for this client, even when it could not be published (no room for the head, or
    /// invalidated meanwhile).
    pub async fn freshen(mut self, prepared: Arc<Prepared>) -> Arc<Stored> {
        let extra = self.body_of().map_or(0, |old| old.extra_cost());
        let cost = prepared.cost(self.inner.key.len()) + extra;
        let share = self
            .cache
            .room(self.inner.transaction, &self.inner.key, cost)
            .await;
        let paid = share.is_some();
        let share = share.unwrap_or_else(|| self.cache.budget().empty());
        let Some(old) = self.body_of().cloned() else {
            // Nothing was to be validated, so there is no body to give: a head alone, not published.
            return Arc::new(Stored::new(
                prepared,
                Default::default(),
                Bytes::new(),
                share,
            ));
        };
        let stored = Arc::new(old.freshened(prepared, share));
        if paid {
            let message = Freshen {
                transaction: self.inner.transaction,
                fill: Arc::clone(&self.inner),
                old,
                stays: self.chosen.is_some(),
                stored: Arc::clone(&stored),
            };
            self.forgotten = self
                .cache
                .shard(&self.inner.key)
                .send(message)
                .await
                .is_ok();
        }
        self.inner.end(Some(FillHead::Again), End::Broken);
        stored
    }

    /// The validated response is good, but with this new head it may not be stored: it is for this client alone, and followers
    /// fetch for themselves; or look again, where it was this client's credentials that made it so.
    pub fn unpublished(mut self, prepared: Arc<Prepared>, reason: NoStoreReason) -> Arc<Stored> {
        let share = self.cache.budget().empty();
        let stored = match self.body_of() {
            Some(old) => old.freshened(prepared, share),
            None => Stored::new(prepared, Default::default(), Bytes::new(), share),
        };
        // What one client's credentials made of it tells nothing to others: they look again, and one of them asks without.
        if reason != NoStoreReason::Authorization {
            self.turn_away(reason);
        }
        Arc::new(stored)
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.salvage();
        match self.complete.take() {
            Some(trailers) => self.inner.end(None, End::Complete(trailers)),
            None => self.inner.end(Some(FillHead::Again), End::Broken),
        }
        self.leave();
    }
}
