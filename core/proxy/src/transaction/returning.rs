//! An answer on its way to this client alone: `response_return` on its head, `return_body` on its body, and what is injected.
//!
//! Asked before the answer is framed, since modules on the body decide whether its length can be told. What comes of it is never
//! stored. Without modules on answers all of this is one comparison.

use super::deliver::{Broken, Framed};
use super::exchange::{Upload, push_end, push_piece};
use super::hearing::Rest;
use super::hooks::{FAILED, closed};
use super::origin::Origin;
use super::route::Route;
use super::{Step, Transaction};
use crate::client::{Gone, Queue};
use crate::modules::edited::{self, Made};
use crate::modules::filter::{Asked, Break, Filter};
use crate::modules::party::{Party, Ran, Subject};
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};
use understudy_cache::{FillEvent, FillReader};
use understudy_http::wire::body::Decoded;
use understudy_module::{Edits, Head, Hook, Hooks, Lines, Part};
use understudy_runtimes::Seat;

/// Most bytes gathered for one write.
const GATHER: usize = 256 * 1024;

/// An answer's head as this client gets it, and the way of its body.
#[derive(Debug)]
pub(super) struct Returning {
    /// Start line and lines.
    pub(super) head: Bytes,
    /// Lines that are added to it.
    pub(super) added: Vec<u8>,
    pub(super) status: u16,
    /// Where lines stand in the head that modules set, if no other line has one of their names.
    pub(super) set: Range<usize>,
    pub(super) body: Option<Way>,
    /// The body may come out at another length, also one that does not go with this head (HEAD, 304).
    changes_length: bool,
}

/// The way of a body through modules.
#[derive(Debug)]
pub(super) struct Way {
    filter: Filter,
    injections: Option<Injections>,
}

/// Open as long as the answer is in progress.
#[derive(Debug)]
struct Injections {
    seat: Rc<Seat>,
    transaction: u64,
}

impl Injections {
    #[inline(never)]
    fn open(party: &Party) -> Injections {
        party.seat().open_for_injection(party.id());
        Injections {
            seat: party.seat().clone(),
            transaction: party.id(),
        }
    }
}

impl Drop for Injections {
    fn drop(&mut self) {
        self.seat.close_for_injection(self.transaction);
    }
}

/// Where the bytes of a body come from.
pub(super) enum From<'a> {
    /// The store: what is left of these.
    Blocks(VecDeque<Bytes>),
    Fill(&'a mut FillReader),
    Origin(&'a mut Origin, &'a mut Upload),
}

impl Returning {
    /// As it is.
    pub(super) fn plain(head: Bytes, status: u16) -> Returning {
        Returning {
            head,
            added: Vec::new(),
            status,
            set: 0..0,
            body: None,
            changes_length: false,
        }
    }

    /// The length as it can be told beforehand.
    pub(super) fn length(&self, length: Option<u64>) -> Option<u64> {
        length.filter(|_| !self.changes_length)
    }

    /// Whether the body may come out at another length.
    pub(super) fn changes_length(&self) -> bool {
        self.changes_length
    }

    /// The body may come out at another length than the head says.
    #[inline(never)]
    fn change_length(&mut self) {
        self.changes_length = true;
        self.head = edited::text(&self.head, &Edits::new(), Some(b"content-length")).into();
    }

    /// Queues head and lines; answers how many bytes that is.
    pub(super) fn push(&mut self, lines: Bytes, queue: &mut Queue) -> u64 {
        let overhead = self.head.len() + self.added.len() + lines.len();
        queue.push(std::mem::take(&mut self.head));
        queue.push(std::mem::take(&mut self.added).into());
        queue.push(lines);
        overhead as u64
    }
}

impl Transaction {
    /// What modules make of an answer's head for this client. `empty`: no body goes with it.
    pub(super) async fn returning(
        &mut self,
        head: Bytes,
        status: u16,
        empty: bool,
    ) -> Result<Returning, Step> {
        let mut returning = Returning::plain(head, status);
        if let Some(rest) = self.return_head(&mut returning, empty) {
            self.return_on(&mut returning, empty, rest).await?;
        }
        Ok(returning)
    }

    /// The same, as far as modules answer at once; what is left is for [`Transaction::return_on`].
    #[inline]
    pub(super) fn return_head(&mut self, returning: &mut Returning, empty: bool) -> Option<Rest> {
        let party = self.party.as_ref()?;
        if party.wants(Hook::ResponseReturn) && self.body.is_filtered() {
            return Some(Rest::Request);
        }
        self.return_at_once(returning, empty)
    }

    fn return_at_once(&mut self, returning: &mut Returning, empty: bool) -> Option<Rest> {
        let party = self.party.as_ref()?;
        if party.wants(Hook::ResponseReturn) {
            let (ran, edits) = match self.returned.take() {
                Some(before) => *before,
                None => {
                    let mut edits = self.worker.edits.take();
                    let subject = self.subject_returned(returning);
                    let ran = party.run(Hook::ResponseReturn, 0, subject, &mut edits);
                    (ran, edits)
                }
            };
            if !matches!(ran, Ran::Through) {
                return Some(Rest::Head(Box::new((ran, edits))));
            }
            returning.edit(&edits);
            self.worker.edits.set(edits);
        }
        self.return_body(returning, empty);
        None
    }

    /// Goes on where [`Transaction::return_head`] ended; a step when something else is answered.
    pub(super) async fn return_on(
        &mut self,
        returning: &mut Returning,
        empty: bool,
        mut rest: Rest,
    ) -> Result<(), Step> {
        if let Rest::Request = rest {
            // A module may have a piece of the request still, and here nobody else would take it back.
            let next = Hooks::of(&[Hook::ResponseReturn]);
            poll_fn(|cx| self.body.poll_free(next, cx)).await;
            rest = match self.return_at_once(returning, empty) {
                Some(rest) => rest,
                None => return Ok(()),
            };
        }
        if let (Rest::Head(asked), Some(party)) = (rest, &self.party) {
            let (ran, mut edits) = *asked;
            let subject = || self.subject_returned(returning);
            let ran = party.finish(Hook::ResponseReturn, ran, subject, &mut edits);
            match ran.await {
                Ran::Answer(response) => return Err(Step::Respond(response)),
                Ran::Closed => return Err(closed()),
                Ran::Through | Ran::Later(_) | Ran::Busy(_) => {}
            }
            returning.edit(&edits);
            self.worker.edits.set(edits);
            self.return_body(returning, empty);
        }
        Ok(())
    }

    #[inline(always)]
    fn subject_returned<'a>(&'a self, returning: &'a Returning) -> Subject<'a> {
        Subject {
            method: self.head.method_bytes(),
            url: self.key_asked(),
            part: Part::Head(Head::Response {
                status: returning.status,
                lines: Lines::Whole(&returning.head),
            }),
        }
    }

    /// Puts modules in the way of the body.
    // Within the asking: a call of its own costs as much as it does.
    #[inline(always)]
    fn return_body(&self, returning: &mut Returning, empty: bool) {
        let Some(party) = &self.party else { return };
        let Some(filter) = party.filter(Hook::ReturnBody, || self.asked()) else {
            return;
        };
        let changes = filter.changes_length();
        if changes {
            returning.change_length();
        }
        if empty {
            return;
        }
        // There is none yet: nothing is dropped for it.
        returning.body.get_or_insert_with(|| Way {
            filter,
            injections: changes.then(|| Injections::open(party)),
        });
    }

    /// What modules on a body are told of this request.
    #[inline]
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            method: self.head.method_bytes(),
            key: self.key_asked(),
        }
    }

    /// The key of what was asked for, also where no route was made.
    pub(super) fn key_asked(&self) -> &Bytes {
        asked(&self.route, &self.logged_url)
    }

    /// The Server-Timing line, when it is wanted.
    pub(super) fn timing_line(&self, out: &mut Vec<u8>) {
        let Some(party) = &self.party else { return };
        party.tell_timing(self.head.fields(), out);
    }

    /// Delivers what a fill gives, through the modules on its way if there are any. `length`: of what this client asked for, when known.
    pub(super) async fn deliver_reader(
        &mut self,
        queue: &mut Queue,
        reader: &mut FillReader,
        way: Option<&mut Way>,
        length: Option<u64>,
        framed: Framed,
    ) -> Result<(), Broken> {
        match way {
            Some(way) => {
                way.expect(length);
                self.deliver_through(queue, From::Fill(reader), way, framed)
                    .await
            }
            None => self.drain_reader(queue, reader, framed).await,
        }
    }

    /// Delivers a body through the modules on its way, which were told how long it is.
    pub(super) async fn deliver_through(
        &mut self,
        queue: &mut Queue,
        mut from: From<'_>,
        way: &mut Way,
        framed: Framed,
    ) -> Result<(), Broken> {
        // Whoever fills gets one turn before the head goes out alone: what is here already goes with it, and a module that
        // fails at once can still be told properly.
        let mut yielded = !matches!(from, From::Fill(_));
        let timeouts = &self.live.settings.timeouts;
        let limit = timeouts.body;
        let patience = limit.saturating_add(timeouts.between_bytes);
        let chunked = framed == Framed::Chunked;
        let (mut ended, mut away) = (false, false);
        loop {
            self.client.deadline.arm_now(patience);
            let mut gathered = 0;
            let mut heard = from.heard();
            let outcome = poll_fn(|cx| {
                while gathered < GATHER && !ended {
                    if let Some(pieces) = way.injected(cx) {
                        for piece in pieces {
                            gathered += piece.len();
                            push_piece(queue, piece, chunked);
                        }
                    }
                    if let From::Origin(origin, upload) = &mut from {
                        self.poll_upload(cx, origin.stream(), upload);
                        // One that has a piece on its way in is asked nothing else until then, and would be waited for here for ever.
                        // What comes out is there for the next piece; that it is still away wakes this task.
                        let next = Hooks::of(&[Hook::ReturnBody]);
                        let _ = origin.poll_free(self.asked(), next, cx);
                    }
                    let asked = self.asked();
                    match way.filter.poll(asked, cx, |cx| from.poll(asked, cx)) {
                        Poll::Ready(Ok(Decoded::Data(piece))) => {
                            gathered += piece.len();
                            if let From::Origin(..) = from {
                                let stats = &self.worker.stats;
                                stats.origin_bytes_in.add(piece.len() as u64);
                            }
                            push_piece(queue, piece, chunked);
                        }
                        Poll::Ready(Ok(Decoded::End(trailers))) => {
                            ended = true;
                            if chunked {
                                push_end(queue, &trailers);
                            }
                        }
                        Poll::Ready(Ok(Decoded::More)) => {}
                        Poll::Ready(Err(Break::Source(word))) => return Poll::Ready(Err(word)),
                        Poll::Ready(Err(Break::Module | Break::Answer(_))) => {
                            return Poll::Ready(Err(FAILED));
                        }
                        Poll::Pending if !yielded => {
                            yielded = true;
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        // While a module may still fail before anything is given away, the head waits.
                        Poll::Pending
                            if !queue.is_empty()
                                && (queue.written > 0
                                    || !(way.filter.withholds()
                                        || from.withholds(way.filter.is_away()))) =>
                        {
                            return Poll::Ready(Ok(()));
                        }
                        Poll::Pending => {
                            // While a module has a piece its own deadline holds, here and where the bytes come from.
                            let now = way.filter.is_away() || from.is_away();
                            if std::mem::replace(&mut away, now) || now {
                                self.client.deadline.arm_now(patience);
                            }
                            if self.client.deadline.poll(cx).is_pending() {
                                return Poll::Pending;
                            }
                            if !from.goes_on(&mut heard) {
                                return Poll::Ready(Err("between-bytes-timeout"));
                            }
                            self.client.deadline.arm_now(patience);
                        }
                    }
                }
                Poll::Ready(Ok(()))
            })
            .await;
            if outcome.is_ok() || queue.written > 0 {
                self.client
                    .flush(queue, limit)
                    .await
                    .map_err(|Gone| Broken::Client)?;
            }
            outcome.map_err(Broken::Origin)?;
            if ended {
                return Ok(());
            }
        }
    }
}

#[inline]
fn asked<'a>(route: &'a Option<Route>, url: &'a Option<Bytes>) -> &'a Bytes {
    static NOTHING: Bytes = Bytes::new();
    match (route, url) {
        (Some(route), _) => &route.key,
        (None, Some(url)) => url,
        (None, None) => &NOTHING,
    }
}

impl Returning {
    /// Puts modules' edits to use.
    #[inline(always)]
    fn edit(&mut self, edits: &Edits) {
        // By far the commonest is none.
        if !edits.is_empty() {
            self.change(edits);
        }
    }

    #[inline(never)]
    fn change(&mut self, edits: &Edits) {
        let set = self.head.get(std::mem::take(&mut self.set));
        match edited::made(&self.head, edits, set.unwrap_or_default()) {
            Made::Same | Made::Stands(_) => {}
            Made::More(lines) => self.added.extend_from_slice(lines),
            Made::Anew(head) => {
                self.head = head.into();
                self.status = edited::status_in(&self.head).unwrap_or(self.status);
            }
        }
    }
}

impl Way {
    /// So many bytes are to come.
    pub(super) fn expect(&mut self, length: Option<u64>) {
        self.filter.expect(length);
    }

    /// The modules, when pieces take the quick way past them. Where some may be injected they go by their own.
    #[inline]
    pub(super) fn quick(&mut self) -> Option<&mut Filter> {
        let quick = self.injections.is_none() && self.filter.is_quick();
        quick.then_some(&mut self.filter)
    }

    fn injected(&self, cx: &mut Context<'_>) -> Option<Vec<Bytes>> {
        let of = self.injections.as_ref()?;
        of.seat.poll_injected(of.transaction, cx)
    }
}

impl From<'_> {
    /// Whether a module has a piece of it on its way from the origin.
    fn is_away(&self) -> bool {
        matches!(self, From::Origin(origin, _) if origin.is_away())
    }

    /// Whether modules have bytes of it of which nothing came out yet, or its last ones come as soon as it is published; but for that
    /// nobody waits who waits for a module (`away`), and it was not asked.
    fn withholds(&self, away: bool) -> bool {
        match self {
            From::Origin(origin, _) => origin.withholds(),
            From::Fill(reader) => !away && reader.withholds(),
            From::Blocks(_) => false,
        }
    }

    /// How often whoever fills heard of it without a piece for us.
    fn heard(&self) -> u64 {
        match self {
            From::Fill(reader) => reader.heard(),
            From::Blocks(_) | From::Origin(..) => 0,
        }
    }

    /// Whether whoever fills goes on without a piece for us.
    fn goes_on(&self, heard: &mut u64) -> bool {
        match self {
            From::Fill(reader) => reader.goes_on(heard),
            From::Blocks(_) | From::Origin(..) => false,
        }
    }

    fn poll(
        &mut self,
        asked: Asked<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Decoded, &'static str>> {
        match self {
            From::Blocks(blocks) => Poll::Ready(Ok(match blocks.pop_front() {
                Some(block) => Decoded::Data(block),
                None => Decoded::End(Bytes::new()),
            })),
            From::Fill(reader) => reader.poll_next(cx).map(|event| match event {
                FillEvent::Data(piece) => Ok(Decoded::Data(piece)),
                FillEvent::End(trailers) => Ok(Decoded::End(trailers)),
                FillEvent::Broken => Err("origin-broke-off"),
            }),
            From::Origin(origin, _) => origin.poll_piece(asked, cx),
        }
    }
}
