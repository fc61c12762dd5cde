//! A 304 in place of an answer that is not stored and that the client has already.
//!
//! A request that may fill the store goes out without its client's conditions, so that what comes is whole. When it turns out that the
//! answer may not be stored, the client would get all of it again, though it asked for a 304 and the origin, had it seen the conditions,
//! had given one (RFC 9110 section 13.2.1: who does not act as a cache forwards them). So they are held against the answer here.
//!
//! Awkward case: a module that hears the body has to hear it: then the answer goes out whole.

use super::deliver::Framed;
use super::exchange::Exchanged;
use super::{Step, Transaction, response_head};
use crate::client::Queue;
use understudy_http::Name;
use understudy_http::semantics::conditional::{self, Outcome};
use understudy_http::semantics::date;

impl Transaction {
    /// Whether the client's conditions, which the origin was not told, make a 304 of this answer.
    pub(super) fn is_known_to_client(&self, exchanged: &Exchanged) -> bool {
        let (head, request) = (&exchanged.head, self.head.fields());
        let modified = head.fields().get(Name::LastModified).and_then(date::parse);
        head.status() == 200
            && conditional::has_preconditions(request)
            // An origin holds a date against Last-Modified alone; that a store takes Date in its place is for what is stored.
            && (request.has(Name::IfNoneMatch) || modified.is_some())
            && !exchanged.origin.is_filtered()
            && conditional::evaluate(self.head.method(), request, head.fields(), self.now())
                == Outcome::NotModified
    }

    /// Answers 304. The origin's connection ends with the body that nobody reads.
    pub(super) async fn confirm(&mut self, exchanged: Box<Exchanged>) -> Step {
        self.trace("deliver");
        self.note_head(&exchanged.head);
        let uploading = !exchanged.upload.is_complete();
        let rendered =
            response_head::render_not_modified(&exchanged.head, &self.live.pseudonym, self.now());
        drop(exchanged);
        let (age, head) = (rendered.age, rendered.head);
        let mut returning = match self.returning(head.into(), 304, true).await {
            Ok(returning) => returning,
            Err(step) => return step,
        };
        self.tally.status = returning.status;
        self.settle(uploading);
        // What the origin said, and not what is said in its place, is told of.
        self.tally.received = Some(200);
        // Told before the client can ask about it.
        self.note_refusal(200);
        let cache = self.forwarded_status(Some(200), false);
        let lines = self.lines(age, Framed::Empty, &cache);
        let mut queue = Queue::default();
        let overhead = returning.push(lines, &mut queue);
        self.flush_hit(queue, overhead).await
    }
}
