//! Asking the modules of a transaction about one thing: a head, a block of a body, an address, the end.
//!
//! Those that simply say yes are asked in a row, within one guard against panics. Invariant: they are asked in order, each once; what one
//! said is heeded before the next is asked. Awkward case: a module that panics in the middle of a row: how far it came is kept outside the
//! guard, and the rest is asked in another.

use super::chain::Place;
use super::party::{Party, Ran, Subject, Suspended};
use super::seen::{OFF, OFF_RESPONSE, Seen};
use understudy_module::{Edits, Event, Hook, Mark, Panicked, Part, Said, Verdict, guard};
use understudy_runtimes::{Called, Failure, OnFailure};

/// How a module that is not simply asked is met.
enum Way {
    /// It is simply asked after all.
    Plain,
    /// It is passed by.
    Past,
    /// It is asked by itself; or it is busy.
    Alone,
}

/// Why a row ended: what the guard gave, and what was said within it. Nothing said: the next one is asked by itself.
struct Ended {
    guarded: Result<bool, Panicked>,
    said: Option<Said>,
    /// The edits of others end here.
    mark: Mark,
}

impl Party {
    /// Asks the modules from this place on, as far as they answer at once.
    // The event is put together where the caller has its parts, and never moved.
    #[inline(always)]
    pub(crate) fn run(
        &self,
        hook: Hook,
        from: usize,
        subject: Subject<'_>,
        edits: &mut Edits,
    ) -> Ran {
        let event = Event {
            hook,
            id: self.id(),
            client: self.client(),
            method: subject.method,
            url: subject.url,
            part: subject.part,
        };
        self.ask(&event, from, edits)
    }

    fn ask(&self, event: &Event<'_>, from: usize, edits: &mut Edits) -> Ran {
        let mut members = self.members.borrow_mut();
        let members = &mut members[..];
        let places = self.chain.places(event.hook);
        // Somebody may have said of the head that it skips the body.
        let skips = self.is_odd() && event.hook.is_body();
        let mut at = from;
        loop {
            let mut mark = Mark::NONE;
            let mut said = None;
            // Whether all were asked.
            let guarded = guard(|| {
                while let Some(place) = places.get(at)
                    && let Some(seen) = members.get_mut(usize::from(place.index))
                {
                    // First of all: should anything panic here, what others said stays.
                    mark = edits.mark();
                    if place.chooses || skips || !seen.visit.is_plain() {
                        match self.way(place, seen, event, edits) {
                            Way::Plain => {}
                            Way::Past => {
                                at += 1;
                                continue;
                            }
                            Way::Alone => return false,
                        }
                    } else if place.renews {
                        seen.renew_head();
                    }
                    if !place.link.within(&mut seen.visit, event, edits, &mut said) {
                        return false;
                    }
                    if edits.says_more_since(mark) {
                        said = Some(Said::yes());
                        return false;
                    }
                    // By far the commonest is a plain yes.
                    at += 1;
                }
                true
            });
            if let Ok(true) = guarded {
                return Ran::Through;
            }
            let ended = Ended {
                guarded,
                said,
                mark,
            };
            if let Some(ran) = self.go_on(at, members, event, edits, ended) {
                return ran;
            }
            at += 1;
        }
    }

    /// How a module is met that is not simply asked: it was not entered yet, is left out, busy or done, or it depends on what the hook is
    /// about.
    #[inline(never)]
    fn way(&self, place: &Place, seen: &mut Seen, event: &Event<'_>, edits: &Edits) -> Way {
        if place.chooses || event.hook.is_body() || seen.is_shut() || !seen.visit.is_open() {
            if seen.is_busy() {
                return Way::Alone;
            }
            if !self.listens(place, seen, event, edits) {
                return Way::Past;
            }
        } else if place.renews {
            seen.renew_head();
        }
        if seen.visit.is_plain() || place.link.enter_again(&mut seen.visit) {
            Way::Plain
        } else {
            Way::Alone
        }
    }

    /// Goes on where a row ended; says whether the asking ends with it.
    #[inline(never)]
    fn go_on(
        &self,
        at: usize,
        members: &mut [Seen],
        event: &Event<'_>,
        edits: &mut Edits,
        ended: Ended,
    ) -> Option<Ran> {
        let hook = event.hook;
        let place = self.chain.places(hook).get(at)?;
        let index = usize::from(place.index);
        let seen = members.get_mut(index)?;
        let mut mark = ended.mark;
        let called = match (ended.guarded, ended.said) {
            (Err(panicked), _) => {
                edits.undo(mark);
                Called::Now(Err(place.link.panicked(&mut seen.visit, hook, panicked)))
            }
            (_, Some(said)) => place.link.heard(&mut seen.visit, hook, edits, &mark, said),
            (_, None) if seen.is_busy() => return Some(Ran::Busy(at)),
            (_, None) => {
                mark = edits.mark();
                let mut called = None;
                let visit = &mut seen.visit;
                let plain = place.link.ask(visit, event, edits, &mark, &mut called);
                if plain && !edits.says_more_since(mark) {
                    return None;
                }
                called.unwrap_or(Called::Now(Ok(Verdict::Continue)))
            }
        };
        self.be_odd();
        match called {
            Called::Now(outcome) => self.settle(index, seen, hook, outcome, edits, mark),
            Called::Later(call) => {
                seen.be_busy();
                let place = at;
                Some(Ran::Later(Box::new(Suspended { place, call, mark })))
            }
        }
    }

    /// Whether a module is to be asked where that is not plain: it is left out or done, or it depends on what the hook is about.
    fn listens(&self, place: &Place, seen: &mut Seen, event: &Event<'_>, edits: &Edits) -> bool {
        if seen.is(OFF) || !seen.visit.is_open() {
            return false;
        }
        match event.hook {
            Hook::Resolve => {
                let ordering = matches!(event.part, Part::Host { found, .. } if !found.is_empty());
                return !ordering || place.link.loaded().about().orders_addresses;
            }
            Hook::ResponseHead | Hook::ResponseReturn => {}
            hook if hook.is_body() => return seen.hears(hook),
            _ => return true,
        }
        seen.renew_head();
        let Some(matcher) = self.chain.matchers.get(usize::from(place.index)) else {
            return false;
        };
        if matcher.has_types()
            && let Part::Head(head) = event.part
        {
            let kind = understudy_module::values(head.lines(), edits, b"content-type");
            let validated = self.validated.borrow();
            let stored = validated
                .as_ref()
                .map(|kind| &kind[..])
                .filter(|_| event.hook == Hook::ResponseHead);
            let fits = matcher.content_type(kind.first().copied().or(stored));
            seen.shut(OFF_RESPONSE, !fits);
            self.be_odd();
            // It may be here for the type alone, and want the body only.
            return fits && place.link.loaded().hooks().has(event.hook);
        }
        !seen.is(OFF_RESPONSE)
    }

    /// Takes note of an outcome; says whether the asking ends with it.
    pub(super) fn settle(
        &self,
        index: usize,
        seen: &mut Seen,
        hook: Hook,
        outcome: Result<Verdict, Failure>,
        edits: &Edits,
        mark: Mark,
    ) -> Option<Ran> {
        if edits.says_more_since(mark) {
            seen.note(hook, edits, mark);
        }
        match outcome {
            Ok(Verdict::Continue | Verdict::Done) => None,
            Ok(Verdict::Respond(response)) => Some(Ran::Answer(response)),
            Ok(Verdict::Replace(_) | Verdict::First(_) | Verdict::Drop) => {
                // Of bodies only those that are looked at come here.
                let why = "a module that only looks changed a body".to_owned();
                let link = &self.chain.links[index];
                let failure = link.failed(&mut seen.visit, hook, Failure::Fail(why));
                (!self.goes_on(index, seen, &failure)).then_some(Ran::Closed)
            }
            // `Said` and `Link` let no other verdict through.
            Ok(_) => None,
            Err(failure) => {
                if hook == Hook::Log {
                    seen.fail(failure.word());
                    return None;
                }
                (!self.goes_on(index, seen, &failure)).then_some(Ran::Closed)
            }
        }
    }

    /// A module failed: whether the transaction goes on without it.
    #[cold]
    pub(super) fn goes_on(&self, index: usize, seen: &mut Seen, failure: &Failure) -> bool {
        seen.fail(failure.word());
        let link = &self.chain.links[index];
        let open = link.loaded().spec().limits.on_failure == OnFailure::Open;
        let accounts = link.accounts();
        if open {
            accounts.opened.add(1);
        } else {
            accounts.closed.add(1);
        }
        open
    }
}
