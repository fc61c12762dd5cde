//! The hook `response_head`, and the way of the body behind it.
//!
//! Awkward case: an origin that answers before it has the whole request. A module that still has a piece of that is asked nothing
//! else until it gave it back, and nobody else would take it meanwhile.

use super::Step;
use super::Transaction;
use super::exchange::Exchanged;
use super::hooks::{Said, closed, key_of};
use super::withheld::Unheard;
use crate::modules::edited;
use crate::modules::filter::Asked;
use crate::modules::party::{Ran, Subject};
use bytes::Bytes;
use std::future::poll_fn;
use understudy_cache::Fill;
use understudy_http::Name;
use understudy_module::{Edits, Head, Hook, Hooks, Lines, Part};

/// What is left when modules did not all answer at once.
pub(super) enum Rest {
    /// One may have a piece of the request.
    Request,
    /// They were asked about the head.
    Head(Box<(Ran, Box<Edits>)>),
    /// The head waits for what they make of the body.
    Body,
}

impl Transaction {
    /// What modules make of an origin's head, and of the body behind it, as far as they answer at once; what is left is for
    /// [`Transaction::hear_on`]. `fill`: whose followers wait for it.
    #[inline]
    pub(super) fn hear_head(
        &mut self,
        exchanged: &mut Exchanged,
        fill: Option<&Fill>,
    ) -> Option<Rest> {
        self.said = Said::default();
        if self.party.is_none() || exchanged.head.status() == 101 {
            return None;
        }
        if self.body.is_filtered() {
            return Some(Rest::Request);
        }
        self.hear_at_once(exchanged, fill)
    }

    fn hear_at_once(&mut self, exchanged: &mut Exchanged, fill: Option<&Fill>) -> Option<Rest> {
        let party = self.party.as_ref()?;
        if party.wants(Hook::ResponseHead) {
            let stored = fill.filter(|_| exchanged.head.status() == 304);
            party.validates(stored.and_then(Fill::validates).and_then(|stored| {
                let stored = stored.prepared();
                stored.with_fields(|f| f.get(Name::ContentType).map(Bytes::copy_from_slice))
            }));
            let mut edits = self.worker.edits.take();
            let subject = self.subject_heard(exchanged);
            let ran = party.run(Hook::ResponseHead, 0, subject, &mut edits);
            if !matches!(ran, Ran::Through) {
                return Some(Rest::Head(Box::new((ran, edits))));
            }
            self.heard_head(exchanged, edits);
        }
        self.hear_body(exchanged).then_some(Rest::Body)
    }

    /// Goes on where [`Transaction::hear_head`] ended.
    pub(super) async fn hear_on(
        &mut self,
        exchanged: &mut Exchanged,
        fill: Option<&Fill>,
        mut rest: Rest,
    ) -> Result<(), Unheard> {
        if let Rest::Request = rest {
            let next = Hooks::of(&[Hook::ResponseHead]);
            poll_fn(|cx| self.body.poll_free(next, cx)).await;
            rest = match self.hear_at_once(exchanged, fill) {
                Some(rest) => rest,
                None => return Ok(()),
            };
        }
        if let (Rest::Head(asked), Some(party)) = (rest, &self.party) {
            let (ran, mut edits) = *asked;
            let subject = || self.subject_heard(exchanged);
            let ran = party.finish(Hook::ResponseHead, ran, subject, &mut edits);
            match ran.await {
                Ran::Answer(response) => return Err(Unheard::Ends(Step::Respond(response))),
                Ran::Closed => return Err(Unheard::Ends(closed())),
                Ran::Through | Ran::Later(_) | Ran::Busy(_) => {}
            }
            self.heard_head(exchanged, edits);
            if !self.hear_body(exchanged) {
                return Ok(());
            }
        }
        // In a box, as it is rare.
        Box::pin(self.withheld_response(exchanged, fill)).await
    }

    #[inline(always)]
    fn subject_heard<'a>(&'a self, exchanged: &'a Exchanged) -> Subject<'a> {
        let head = &exchanged.head;
        Subject {
            method: self.head.method_bytes(),
            url: key_of(&self.route),
            part: Part::Head(Head::Response {
                status: head.status(),
                lines: Lines::Table(head.fields()),
            }),
        }
    }

    /// Puts what modules made of the head to use.
    // With what comes next within the asking: a call of its own costs as much as it does.
    #[inline(always)]
    fn heard_head(&mut self, exchanged: &mut Exchanged, edits: Box<Edits>) {
        if !edits.is_empty() {
            edited::response(&mut exchanged.head, &edits);
            self.said.hear(&edits);
        }
        self.worker.edits.set(edits);
    }

    /// Puts modules in the way of the body; says whether the head waits for what they make of it.
    #[inline(always)]
    fn hear_body(&mut self, exchanged: &mut Exchanged) -> bool {
        let Some(party) = &self.party else {
            return false;
        };
        if matches!(exchanged.head.status(), 204 | 304) {
            return false;
        }
        let asked = || Asked {
            method: self.head.method_bytes(),
            key: key_of(&self.route),
        };
        let origin = &mut exchanged.origin;
        match party.filter(Hook::ResponseBody, asked) {
            Some(filter) => {
                let filter = origin.through(filter);
                filter.withholds_head() && !self.is_head()
            }
            None => false,
        }
    }
}
