//! The modules' part of one transaction: what each has seen and kept, and the order in which they are asked.
//!
//! Life: 1. made when the request's head is there; 2. asked hook by hook; 3. `log`; 4. dropped, with `free` for each module that was
//! called. One event of a module is in flight at a time: a body that is stored and one that is returned wait for each other, and so
//! does the log; a call that nobody waits for any more is waited for in the background. Invariant: whoever holds the last handle (the transaction, a fill that is pumped on, a log that waits) ends it, so
//! `free` is last and once, also for a transaction that is cut.

use super::ServerTiming;
use super::chain::{Chain, Place};
use bytes::Bytes;
use smallvec::SmallVec;
use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use understudy_http::Fields;
use understudy_module::{Edit, Edits, Event, Hook, Mark, Part, Response, Verdict};
use understudy_runtimes::{Call, Called, Failure, OnFailure, Visit};

/// The party.
#[derive(Debug)]
pub(crate) struct Party {
    pub(super) chain: Rc<Chain>,
    id: u64,
    client: SocketAddr,
    /// As many as there are modules.
    pub(super) members: RefCell<Vec<Seen>>,
    /// The type of what the answer here validates.
    validated: RefCell<Option<Box<Bytes>>>,
}

/// One module's part.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) visit: Visit,
    /// Why it is not simply asked: [`OFF`], [`OFF_RESPONSE`], [`BUSY`].
    shut: u8,
    /// It keeps the length of the body behind the head it saw last.
    pub(super) keeps_length: bool,
    /// The body hook that the head it saw last waits for.
    pub(super) withholds: Option<Hook>,
    /// The body hook that is not to be called, by its word on the head it saw last.
    skips: Option<Hook>,
    /// What few transactions have.
    rare: Option<Box<Rare>>,
}

/// Its `match` leaves this host out.
const OFF: u8 = 1;
/// Its `match` leaves this type out: no hooks on the answer.
const OFF_RESPONSE: u8 = 2;
/// A call is on its way.
const BUSY: u8 = 4;

/// What transactions before kept of each module, fresh again: so making a party makes nothing of that anew.
#[derive(Debug, Default)]
pub(super) struct Spare(RefCell<Vec<Vec<Seen>>>);

/// Most that are kept.
const SPARES: usize = 64;

impl Spare {
    /// Fresh ones for so many modules.
    #[inline]
    fn take(&self, modules: usize) -> Vec<Seen> {
        let kept = self.0.borrow_mut().pop();
        kept.unwrap_or_else(|| {
            std::iter::repeat_with(Seen::default)
                .take(modules)
                .collect()
        })
    }

    /// These are fresh.
    #[inline]
    fn give_back(&self, members: Vec<Seen>) {
        let mut kept = self.0.borrow_mut();
        if kept.len() < SPARES {
            kept.push(members);
        }
    }
}

#[derive(Debug, Default)]
struct Rare {
    failed: Option<&'static str>,
    /// Who waits for a call to end.
    waiting: SmallVec<[Waker; 1]>,
    notes: Vec<(Vec<u8>, Vec<u8>)>,
    /// What they weigh.
    noted: usize,
}

/// What a note weighs beside its bytes.
const NOTE: usize = 64;

impl Rare {
    /// Keeps a note while there is room: hooks on bodies may make some for every piece, and bodies may be without end.
    fn note(&mut self, name: &[u8], value: &[u8]) {
        let weight = NOTE + name.len() + value.len();
        if self.noted + weight <= understudy_module::MAX_BYTES {
            self.noted += weight;
            self.notes.push((name.to_vec(), value.to_vec()));
        }
    }
}

/// What a hook is about; the rest of the event is the transaction's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a [u8],
    /// The key.
    pub(crate) url: &'a [u8],
    pub(crate) part: Part<'a>,
}

/// What came of asking the modules.
#[derive(Debug)]
pub(crate) enum Ran {
    /// All were asked.
    Through,
    /// One answers the client itself.
    Answer(Box<Response>),
    /// One failed, and nothing goes on without it.
    Closed,
    /// One has not answered yet. In a box: rare, and everything that holds an outcome is moved about.
    Later(Box<Suspended>),
    /// One is busy with another event of the transaction: from this place on they are to be asked.
    Busy(usize),
}

/// Who hears the body of an answer on its way to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    Nobody,
    /// Modules that only look.
    Lookers,
    /// One that may change it.
    Changers,
}

/// A hook in the middle of its modules.
#[derive(Debug)]
pub(crate) struct Suspended {
    place: usize,
    call: Call,
    mark: Mark,
}

/// What a record says of a module: name, cost, failure, notes, and the cost of each hook where that is asked for.
pub(crate) type Told = (
    std::sync::Arc<str>,
    understudy_runtimes::Cost,
    Option<&'static str>,
    Vec<(Vec<u8>, Vec<u8>)>,
    Vec<understudy_runtimes::HookCost>,
);

impl Party {
    /// The modules' part of the transaction with this id. `key` says which host it is for.
    #[inline]
    pub(crate) fn new(chain: &Rc<Chain>, id: u64, client: SocketAddr, key: &[u8]) -> Rc<Party> {
        // Counted from the start: what a hit began is often handed to a transaction, and from there to a body's way.
        let party = Rc::new(Party {
            chain: chain.clone(),
            id,
            client,
            members: RefCell::new(chain.spare.take(chain.links.len())),
            validated: RefCell::default(),
        });
        if chain.chooses {
            party.choose(key);
        }
        party
    }

    /// The origin's answer is about what is stored with this type. A 304 need not repeat that (RFC 9110 section 15.4.5), and who heard
    /// the head that is stored is to hear this one.
    #[inline]
    pub(crate) fn validates(&self, kind: Option<Bytes>) {
        // Most validate nothing.
        if kind.is_some() || self.validated.borrow().is_some() {
            self.validated.replace(kind.map(Box::new));
        }
    }

    fn choose(&self, key: &[u8]) {
        let mut host = None;
        for (seen, matcher) in self
            .members
            .borrow_mut()
            .iter_mut()
            .zip(&self.chain.matchers)
        {
            if !matcher.is_open() {
                seen.shut(OFF, !matcher.host(host.get_or_insert_with(|| host_of(key))));
            }
        }
    }

    /// The transaction's id.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The client's address.
    pub(crate) fn client(&self) -> SocketAddr {
        self.client
    }

    /// Where an answer of this origin came from, as the log says it.
    pub(crate) fn whence(&self, origin: SocketAddr) -> Rc<str> {
        self.chain.whence.of(origin)
    }

    /// The worker's seat.
    pub(crate) fn seat(&self) -> &Rc<understudy_runtimes::Seat> {
        &self.chain.seat
    }

    /// Whether any module wants this hook.
    #[inline]
    pub(crate) fn wants(&self, hook: Hook) -> bool {
        self.chain.wants(hook)
    }

    /// Who hears the body behind a head that was shown.
    pub(crate) fn audience(&self) -> Audience {
        let mut found = Audience::Nobody;
        if !self.wants(Hook::ReturnBody) {
            return found;
        }
        for (link, seen) in self.chain.links.iter().zip(self.members.borrow().iter()) {
            if link.loaded().hooks().has(Hook::ReturnBody) && seen.hears(Hook::ReturnBody) {
                if !link.loaded().about().only_looks {
                    return Audience::Changers;
                }
                found = Audience::Lookers;
            }
        }
        found
    }

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
            id: self.id,
            client: self.client,
            method: subject.method,
            url: subject.url,
            part: subject.part,
        };
        self.ask(&event, from, edits)
    }

    fn ask(&self, event: &Event<'_>, from: usize, edits: &mut Edits) -> Ran {
        let mut members = self.members.borrow_mut();
        let members = members.as_mut_slice();
        let places = self.chain.places(event.hook);
        let mut said = None;
        let mut at = from;
        while let Some(place) = places.get(at) {
            let Some(seen) = members.get_mut(usize::from(place.index)) else {
                return Ran::Through;
            };
            if place.chooses || seen.shut != 0 || !seen.visit.is_open() {
                if seen.is_busy() {
                    return Ran::Busy(at);
                }
                if !self.listens(place, seen, event, edits) {
                    at += 1;
                    continue;
                }
            } else if place.renews {
                seen.renew_head();
            }
            let others;
            let mark = if edits.is_empty() {
                &Mark::NONE
            } else {
                others = edits.mark();
                &others
            };
            let visit = &mut seen.visit;
            let plain = place.link.ask(visit, event, edits, mark, &mut said);
            // By far the commonest is a plain yes.
            if !plain || edits.says_more_since(*mark) {
                let called = said.take().unwrap_or(Called::Now(Ok(Verdict::Continue)));
                let mark = *mark;
                let index = usize::from(place.index);
                if let Some(ran) = self.heed(index, at, seen, event.hook, called, edits, mark) {
                    return ran;
                }
            }
            at += 1;
        }
        Ran::Through
    }

    /// Takes note of what a module said; says whether the asking ends with it.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn heed(
        &self,
        index: usize,
        place: usize,
        seen: &mut Seen,
        hook: Hook,
        called: Called,
        edits: &Edits,
        mark: Mark,
    ) -> Option<Ran> {
        match called {
            Called::Now(outcome) => self.settle(index, seen, hook, outcome, edits, mark),
            Called::Later(call) => {
                seen.be_busy();
                Some(Ran::Later(Box::new(Suspended { place, call, mark })))
            }
        }
    }

    /// Whether a module is to be asked where that is not plain: it is left out or done, or it depends on what the hook is about.
    #[inline(never)]
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
            Hook::ResponseBody | Hook::ReturnBody => return !seen.is(OFF_RESPONSE),
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
            // It may be here for the type alone, and want the body only.
            return fits && place.link.loaded().hooks().has(event.hook);
        }
        !seen.is(OFF_RESPONSE)
    }

    /// Takes note of an outcome; says whether the asking ends with it.
    #[inline]
    fn settle(
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
            // `invoke` and `Link` let no other verdict through.
            Ok(_) => None,
            Err(failure) => {
                if hook == Hook::Log {
                    seen.rare().failed = Some(failure.word());
                    return None;
                }
                (!self.goes_on(index, seen, &failure)).then_some(Ran::Closed)
            }
        }
    }

    /// A module failed: whether the transaction goes on without it.
    #[cold]
    pub(super) fn goes_on(&self, index: usize, seen: &mut Seen, failure: &Failure) -> bool {
        seen.rare().failed = Some(failure.word());
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

    /// Goes on with what was suspended until all have answered: neither `Later` nor `Busy`. Dropped before that, the call on its
    /// way is waited for in the background.
    pub(crate) async fn finish<'a>(
        self: &Rc<Self>,
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
    pub(crate) fn give_up(self: &Rc<Self>, hook: Hook, ran: Ran) {
        if let Ran::Later(suspended) = ran {
            let Suspended { place, call, .. } = *suspended;
            self.finish_behind(self.chain.at(hook, place), call);
        }
    }

    /// Waits in the background for a call that nobody waits for any more; then the module may hear the next event.
    pub(super) fn finish_behind(self: &Rc<Self>, index: usize, mut call: Call) {
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

    /// Whether a module wants to see the addresses that were found.
    pub(crate) fn orders_addresses(&self) -> bool {
        let mut links = self.chain.links.iter();
        links.any(|link| link.loaded().about().orders_addresses)
    }

    /// What the log says of the modules that were called.
    pub(crate) fn told(&self) -> Vec<Told> {
        let members = self.members.borrow();
        let called = members.iter().zip(&self.chain.links);
        called
            .filter(|(seen, _)| seen.visit.was_entered() || seen.rare.is_some())
            .map(|(seen, link)| {
                let name = link.loaded().name().clone();
                let rare = seen.rare.as_ref();
                let failed = rare.and_then(|rare| rare.failed);
                let notes = rare.map(|rare| rare.notes.clone());
                let hooks = seen.visit.costs().to_vec();
                (
                    name,
                    seen.visit.cost,
                    failed,
                    notes.unwrap_or_default(),
                    hooks,
                )
            })
            .collect()
    }

    /// The Server-Timing line of what the modules cost so far, each and then each of its hooks: milliseconds in the module and waited
    /// for it.
    fn timing_line(&self, out: &mut Vec<u8>) {
        let mut first = true;
        for (name, cost, _, _, hooks) in self.told() {
            out.extend_from_slice(if first { b"Server-Timing: " } else { b", " });
            first = false;
            // A name in the configuration is a token; the metric's name is, too (RFC 9110 section 5.6.2).
            out.extend_from_slice(name.as_bytes());
            took(cost.time + cost.wait, cost.calls, out);
            for cost in hooks {
                out.extend_from_slice(b", ");
                out.extend_from_slice(name.as_bytes());
                out.push(b'.');
                out.extend_from_slice(cost.hook.name().as_bytes());
                took(cost.time + cost.wait, cost.calls, out);
            }
        }
        if !first {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Writes the Server-Timing line into an answer to a request with these fields, when it is wanted.
    pub(crate) fn tell_timing(&self, fields: Fields<'_>, out: &mut Vec<u8>) {
        let wanted = match self.chain.timing {
            ServerTiming::Off => false,
            ServerTiming::Always => true,
            ServerTiming::Asked => fields
                .find(super::edited::TIMING)
                .is_some_and(|value| value == b"1"),
        };
        if wanted {
            self.timing_line(out);
        }
    }
}

/// A call on its way, kept when whoever waits for it goes away.
struct Kept<'a> {
    party: &'a Rc<Party>,
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

impl Seen {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What was said of the head before is void.
    #[inline]
    fn renew_head(&mut self) {
        self.keeps_length = false;
        self.withholds = None;
        self.skips = None;
    }

    /// Is fresh again, for another transaction.
    #[inline]
    fn renew(&mut self) {
        self.visit.renew();
        self.shut = 0;
        self.renew_head();
        if self.rare.is_some() {
            self.rare = None;
        }
    }

    fn is(&self, shut: u8) -> bool {
        self.shut & shut != 0
    }

    fn shut(&mut self, why: u8, shut: bool) {
        self.shut = if shut {
            self.shut | why
        } else {
            self.shut & !why
        };
    }

    /// A call is on its way.
    pub(super) fn be_busy(&mut self) {
        self.shut(BUSY, true);
    }

    /// Whether a call is on its way.
    #[inline]
    pub(super) fn is_busy(&self) -> bool {
        self.is(BUSY)
    }

    /// The call is over: whoever waits may go on.
    pub(super) fn be_free(&mut self) {
        self.shut(BUSY, false);
        if let Some(rare) = &mut self.rare {
            rare.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Whether no call is on its way; else the task is woken when it is over.
    pub(super) fn poll_free(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_busy() {
            return Poll::Ready(());
        }
        let waiting = &mut self.rare().waiting;
        // A body that waits looks whenever anything else wakes its task.
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Keeps what a hook said beside its edits of the head.
    fn note(&mut self, hook: Hook, edits: &Edits, since: Mark) {
        for edit in edits.asides(since) {
            match edit {
                Edit::KeepLength => self.keeps_length = true,
                Edit::WithholdHead => {
                    self.withholds = match hook {
                        Hook::RequestHead => Some(Hook::RequestBody),
                        Hook::ResponseHead => Some(Hook::ResponseBody),
                        _ => None,
                    }
                }
                Edit::SkipBody => {
                    self.skips = match hook {
                        Hook::RequestHead => Some(Hook::RequestBody),
                        Hook::ResponseHead => Some(Hook::ResponseBody),
                        Hook::ResponseReturn => Some(Hook::ReturnBody),
                        _ => None,
                    }
                }
                Edit::Note(name, value) => self.rare().note(name, value),
                _ => {}
            }
        }
    }

    /// Keeps notes made in a body hook.
    pub(super) fn note_all(&mut self, hook: Hook, edits: &Edits) {
        if !edits.is_empty() {
            self.note(hook, edits, Mark::default());
        }
    }

    /// Whether it hears every body, and said nothing of the one behind the head it saw last.
    #[inline(always)]
    pub(super) fn hears_all(&self) -> bool {
        let said = self.keeps_length || self.withholds.is_some() || self.skips.is_some();
        self.shut == 0 && !said && self.visit.is_open()
    }

    /// Whether hooks on a body are called.
    #[inline]
    pub(super) fn hears(&self, hook: Hook) -> bool {
        let response = hook != Hook::RequestBody;
        let off = self.is(OFF) || self.skips == Some(hook);
        !off && self.visit.is_open() && !(response && self.is(OFF_RESPONSE))
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let members = self.members.get_mut();
        for (link, seen) in self.chain.links.iter().zip(members.iter_mut()) {
            link.leave(&mut seen.visit, self.id);
            seen.renew();
        }
        self.chain.spare.give_back(std::mem::take(members));
    }
}

/// The parameters of a metric in Server-Timing.
fn took(nanos: u64, calls: u32, out: &mut Vec<u8>) {
    let millis = nanos as f64 / 1e6;
    out.extend_from_slice(format!(";dur={millis:.3};desc=\"{calls} calls\"").as_bytes());
}

/// The host in a key, without scheme and port.
fn host_of(key: &[u8]) -> &[u8] {
    let rest = key.strip_prefix(b"http://").unwrap_or(key);
    let end = rest
        .iter()
        .position(|b| matches!(b, b'/' | b'?' | b'\n'))
        .unwrap_or(rest.len());
    let authority = &rest[..end];
    match authority.iter().rposition(|b| *b == b':') {
        Some(colon) if !authority[colon..].contains(&b']') => &authority[..colon],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Nobody;

    impl std::task::Wake for Nobody {
        fn wake(self: std::sync::Arc<Self>) {}
    }

    #[test]
    fn notes_about_the_pieces_of_a_long_body_are_bounded() {
        let mut seen = Seen::default();
        let mut edits = Edits::new();
        edits.note(b"word", &[b'x'; 1000]).unwrap();
        for _ in 0..10_000 {
            seen.note_all(Hook::ReturnBody, &edits);
        }
        let notes = &seen.rare().notes;
        let bytes: usize = notes.iter().map(|(n, v)| n.len() + v.len()).sum();
        assert!(bytes > 100_000 && bytes <= understudy_module::MAX_BYTES);
    }

    #[test]
    fn nothing_of_a_transaction_is_left_in_what_the_next_one_gets() {
        let mut seen = Seen::default();
        let fresh = format!("{seen:?}");
        let mut edits = Edits::new();
        edits.note(b"word", b"x").unwrap();
        edits.keep_length().unwrap();
        edits.withhold_head().unwrap();
        edits.skip_body().unwrap();
        seen.note(Hook::ResponseHead, &edits, Mark::NONE);
        seen.shut(OFF, true);
        seen.shut(OFF_RESPONSE, true);
        seen.be_busy();
        seen.rare().failed = Some("panic");
        seen.visit.cost.calls = 1;
        seen.visit.close();
        seen.renew();
        assert_eq!(format!("{seen:?}"), fresh);
    }

    #[test]
    fn one_task_that_waits_is_kept_once_however_often_it_looks() {
        let mut seen = Seen::default();
        seen.be_busy();
        let waker = Waker::from(std::sync::Arc::new(Nobody));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..1000 {
            assert!(seen.poll_free(&mut cx).is_pending());
        }
        assert_eq!(seen.rare().waiting.len(), 1);
        seen.be_free();
        assert!(seen.poll_free(&mut cx).is_ready());
    }
}
