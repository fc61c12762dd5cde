//! The hook `request_out`: the head an origin gets, with what modules make of it.
//!
//! Awkward case: a module that sends credentials for the client; whether what comes of them is for others as well is asked later.

use super::hooks::{closed, key_of};
use super::request_out::Purpose;
use super::{Step, Transaction};
use crate::modules::edited::{self, Made};
use crate::modules::party::{Ran, Subject};
use bytes::Bytes;
use understudy_http::Name;
use understudy_http::wire::hop::Crossing;
use understudy_module::{Edits, Head, Hook, Lines, Part};

/// A head on its way out, at a module that did not say yes at once.
pub(super) struct Unsent {
    head: Bytes,
    ran: Ran,
    edits: Box<Edits>,
}

impl Transaction {
    /// The head an origin gets, when modules answer at once; what is left otherwise is for [`Transaction::send_on`].
    pub(super) fn send_head(&mut self, purpose: Purpose<'_>) -> Result<Bytes, Box<Unsent>> {
        let head = self.request_out(purpose);
        self.lent = false;
        let Some(party) = self.party.as_ref().filter(|p| p.wants(Hook::RequestOut)) else {
            return Ok(head);
        };
        let mut edits = self.worker.edits.take();
        let subject = self.subject_out(&head);
        match party.run(Hook::RequestOut, 0, subject, &mut edits) {
            // By far the commonest.
            Ran::Through => Ok(self.sent_head(head, edits)),
            ran => Err(Box::new(Unsent { head, ran, edits })),
        }
    }

    /// Goes on where [`Transaction::send_head`] ended; a step when the request ends there.
    pub(super) async fn send_on(&mut self, unsent: Box<Unsent>) -> Result<Bytes, Step> {
        let Unsent {
            head,
            ran,
            mut edits,
        } = *unsent;
        let Some(party) = &self.party else {
            return Ok(head);
        };
        let subject = || self.subject_out(&head);
        let ran = party.finish(Hook::RequestOut, ran, subject, &mut edits);
        match ran.await {
            Ran::Answer(response) => Err(Step::Respond(response)),
            Ran::Closed => Err(closed()),
            Ran::Through | Ran::Later(_) | Ran::Busy(_) => Ok(self.sent_head(head, edits)),
        }
    }

    #[inline(always)]
    fn subject_out<'a>(&'a self, head: &'a Bytes) -> Subject<'a> {
        Subject {
            method: self.head.method_bytes(),
            url: key_of(&self.route),
            part: Part::Head(Head::Request {
                target: self.route.as_ref().map_or(&b""[..], |route| &route.path),
                lines: Lines::Whole(head),
            }),
        }
    }

    /// Puts what modules made of it to use.
    #[inline]
    fn sent_head(&mut self, head: Bytes, edits: Box<Edits>) -> Bytes {
        if edits.is_empty() {
            self.worker.edits.set(edits);
            return head;
        }
        self.lent = edits.lines().has_known(Name::Authorization);
        let whole = head.strip_suffix(b"\r\n").unwrap_or(&head);
        // What was set in the request as it came, and stayed in it.
        let (fields, mut set) = self.head.parted();
        if !Crossing::of(fields).nominates_nothing() {
            set = b"";
        }
        let out = match edited::made(whole, &edits, set) {
            Made::Same | Made::Stands(_) => head,
            Made::More(lines) => [whole, lines, b"\r\n"].concat().into(),
            Made::Anew(mut out) => {
                out.extend_from_slice(b"\r\n");
                out.into()
            }
        };
        self.worker.edits.set(edits);
        out
    }
}
