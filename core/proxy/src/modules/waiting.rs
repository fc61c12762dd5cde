//! What modules did not answer at once.
//!
//! Invariant: a call on its way is waited for to its end, by its transaction or behind it; until then its module is asked nothing else
//! of this transaction.

use super::handle::Handle;
use super::party::{Ran, Subject, Suspended};
use std::future::poll_fn;
use std::task::{Context, Poll};
use understudy_module::{Edits, Hook, Verdict};
use understudy_runtimes::{Call, Failure};

impl Handle {
    /// Goes on with what was suspended until all have answered: neither `Later` nor `Busy`. Dropped before that, the call on its
    /// way is waited for in the background.
    pub(crate) async fn finish<'a>(
        &self,
        hook: Hook,
        mut ran: Ran,
        subject: impl Fn() -> Subject<'a>,
        edits: &mut Edits,
    ) -> Ran {
        loop {
            ran = match ran {
                Ran::Later(suspended) => {
                    let Suspended { place, call, mark } = *suspended;
                    let index = self.chain.at(hook, place);
                    let mut kept = Kept {
                        party: self,
                        index,
                        hook,
                        call: Some(call),
                    };
                    let outcome = poll_fn(|cx| kept.poll(edits, cx)).await;
                    drop(kept);
                    let settled = {
                        let mut members = self.members.borrow_mut();
                        self.settle(index, &mut members[index], hook, outcome, edits, mark)
                    };
                    settled.unwrap_or_else(|| self.run(hook, place + 1, subject(), edits))
                }
                Ran::Busy(place) => {
                    let index = self.chain.at(hook, place);
                    poll_fn(|cx| self.members.borrow_mut()[index].poll_free(cx)).await;
                    self.run(hook, place, subject(), edits)
                }
                ran => return ran,
            };
        }
    }

    /// Nobody asks what comes of this: a call on its way is waited for in the background.
    pub(crate) fn give_up(&self, hook: Hook, ran: Ran) {
        if let Ran::Later(suspended) = ran {
            let Suspended { place, call, .. } = *suspended;
            self.finish_behind(self.chain.at(hook, place), call);
        }
    }

    /// Waits in the background for a call that nobody waits for any more; then the module may hear the next event.
    pub(super) fn finish_behind(&self, index: usize, mut call: Call) {
        let party = self.clone();
        self.chain.afterwards.add(async move {
            let mut edits = Edits::new();
            let _ = poll_fn(|cx| party.poll_call(index, &mut call, &mut edits, cx)).await;
        });
    }

    fn poll_call(
        &self,
        index: usize,
        call: &mut Call,
        edits: &mut Edits,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Verdict, Failure>> {
        let mut members = self.members.borrow_mut();
        let seen = &mut members[index];
        let outcome = self.chain.links[index].poll(call, &mut seen.visit, edits, cx);
        if outcome.is_ready() {
            seen.be_free();
        }
        outcome
    }
}

/// A call on its way, kept when whoever waits for it goes away.
struct Kept<'a> {
    party: &'a Handle,
    index: usize,
    hook: Hook,
    call: Option<Call>,
}

impl Kept<'_> {
    fn poll(&mut self, edits: &mut Edits, cx: &mut Context<'_>) -> Poll<Result<Verdict, Failure>> {
        let Some(call) = &mut self.call else {
            return Poll::Ready(Ok(Verdict::Continue));
        };
        let outcome = self.party.poll_call(self.index, call, edits, cx);
        if outcome.is_ready() {
            self.call = None;
        }
        outcome
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            tracing::debug!(
                hook = self.hook.name(),
                "a call is waited for behind its transaction"
            );
            self.party.finish_behind(self.index, call);
        }
    }
}
