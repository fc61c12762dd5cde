//! Calls of a module on another stack, and those that say `Pending`: both are answered later.
//!
//! Invariant: what was put behind the edits of others is undone when the call fails. Awkward case: an event whose answer the module
//! promised before, which goes ahead of the next one.

use super::{Called, Link};
use crate::attention::{Known, Promised, known};
use crate::failure::Failure;
use crate::runtime::Far;
use crate::seat::Waiting;
use crate::visit::Visit;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;
use understudy_module::{Edits, Event, Hook, Mark, Opaque, Verdict};

/// A call on its way.
#[derive(Debug)]
pub struct Call {
    waiting: Waiting,
    hook: Hook,
    /// The edits of others end here: what comes behind is undone when the call fails.
    mark: Mark,
}

impl Call {
    pub(super) fn new(waiting: Waiting, hook: Hook, mark: Mark) -> Call {
        Call {
            waiting,
            hook,
            mark,
        }
    }
}

impl Link {
    /// What was done with an event whose answer the module promised before. Where its opaque value is away nothing can go ahead.
    fn knows(
        &self,
        visit: &mut Visit,
        far: &dyn Far,
        promised: Promised,
        event: &Event<'_>,
        edits: &mut Edits,
    ) -> Option<Known> {
        if visit.is_away() {
            return None;
        }
        let known = known(promised, event, edits, far)?;
        if known == Known::Ahead {
            self.accounts.hooks[event.hook as usize].calls.add(1);
            visit.cost.calls += 1;
            visit.tell(event.hook, |cost| cost.called(event));
            visit.hear(true);
        }
        Some(known)
    }

    /// A call on another stack; `promised`: what the module promised of it.
    pub(super) fn far(
        &self,
        visit: &mut Visit,
        far: Rc<dyn Far>,
        promised: Promised,
        event: &Event<'_>,
        edits: &mut Edits,
    ) -> Called {
        if self.knows(visit, &*far, promised, event, edits).is_some() {
            return Called::Now(Ok(Verdict::Continue));
        }
        self.count(&mut visit.cost, event);
        visit.tell(event.hook, |cost| cost.called(event));
        let limits = &self.loaded.spec().limits;
        let waiting = self
            .seat
            .begin(event.id, Some(far.clone()), Instant::now(), limits.deadline)
            .heard(visit.has_heard());
        let opaque = if far.carries() {
            visit.opaque.take()
        } else {
            Opaque::None
        };
        match far.submit(waiting.call(), event, edits, opaque) {
            Ok(()) => {
                visit.be_sent(far.carries());
                Called::Later(Call::new(waiting, event.hook, edits.mark()))
            }
            Err((failure, opaque)) => {
                visit.opaque = opaque;
                waiting.cancel();
                Called::Now(Err(self.failed(visit, event.hook, failure)))
            }
        }
    }

    /// Goes on with a call that is on its way, with the same record of edits it began with.
    pub fn poll(
        &self,
        call: &mut Call,
        visit: &mut Visit,
        edits: &mut Edits,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Verdict, Failure>> {
        let Poll::Ready((reply, took)) = call.waiting.poll(cx) else {
            return Poll::Pending;
        };
        let account = &self.accounts.hooks[call.hook as usize];
        let spent = reply.spent.as_nanos() as u64;
        let waited = (took.as_nanos() as u64).saturating_sub(spent);
        account.time.add(spent);
        account.wait.add(waited);
        visit.cost.time += spent;
        visit.cost.wait += waited;
        visit.tell(call.hook, |cost| {
            cost.time += spent;
            cost.wait += waited;
        });
        if visit.is_away() && !call.waiting.was_left() {
            visit.be_away(false);
            visit.opaque = reply.opaque;
        }
        if visit.far.is_some() {
            if reply.verdict == Err(Failure::Unavailable) {
                // There is no instance: nobody heard anything, what went ahead included.
                visit.forget_heard();
            } else if call.waiting.was_taken_back() {
                // What went ahead of it goes ahead of `free`.
                visit.be_ahead_of_free();
            } else {
                visit.hear(false);
            }
        }
        let settled = match reply.verdict {
            Ok(verdict) => Self::merge(edits, &reply.edits, verdict, call.hook)
                .map_err(|failure| self.failed(visit, call.hook, failure))
                .and_then(|verdict| self.settle(visit, call.hook, verdict)),
            Err(failure) => Err(self.failed(visit, call.hook, failure)),
        };
        if settled.is_err() {
            edits.undo(call.mark);
        }
        Poll::Ready(settled)
    }

    /// Puts the edits that came back behind the others, and looks whether the verdict fits.
    fn merge(
        edits: &mut Edits,
        came: &Edits,
        verdict: Verdict,
        hook: Hook,
    ) -> Result<Verdict, Failure> {
        for edit in came.iter() {
            // Made without the transaction at hand, so nobody has looked yet which hook it is for.
            if !edit.fits(hook) {
                let why = format!("an edit that is not for {}", hook.name());
                return Err(Failure::Fail(why));
            }
            edits
                .repeat(edit)
                .map_err(|refused| Failure::Fail(refused.to_string()))?;
        }
        if verdict.fits(hook) {
            return Ok(verdict);
        }
        let why = format!("{} is no answer to {}", verdict.name(), hook.name());
        Err(Failure::Fail(why))
    }
}
