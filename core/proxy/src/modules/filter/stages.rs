//! A body between modules that do not all answer at once, or say more than yes.
//!
//! Owns what is between the modules: pieces that wait, pieces that are held, calls on their way. Invariant: pieces stay in order and
//! each module has one call at a time; nothing more is taken from the source while a piece is anywhere in between. Awkward case: a module
//! fails. While it gave every piece on as it took it, the proxy still has them all, and the body goes on without it when its policy
//! is open; once it changed something the body can only be broken off.

use super::super::handle::Handle;
use super::super::party::Party;
use super::super::seen::Seen;
use super::terms::Terms;
use super::{Break, MOST, Way};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::task::{Context, Poll};
use understudy_http::wire::body::Decoded;
use understudy_module::{Edit, Edits, Hook, Hooks, Refused, Response, Verdict};
use understudy_runtimes::{Call, Called, Failure, Kind, Link};

/// Pieces that wait for a module that is busy are joined up to this size: tiny chunks would each cost a crossing.
const JOIN: usize = 64 * 1024;

/// The stages of a body, one a module.
#[derive(Debug)]
pub(super) struct Stages {
    /// Whoever drops this leaves calls on their way behind.
    party: Handle,
    stages: SmallVec<[Stage; 1]>,
    out: VecDeque<Bytes>,
    /// A piece taken from the source, until it is known whether it is the last.
    ahead: Option<Bytes>,
    /// The source has ended, with these trailers.
    trailers: Option<Bytes>,
    /// The end was passed on to the first module.
    closed: bool,
    /// Something is in between: a piece waits, or a module has one.
    between: bool,
    /// Bytes the source still has to give, when that is known: then the last piece is known by it.
    left: Option<u64>,
    /// A module failed while nobody took what comes out.
    broken: bool,
}

/// How far a body came through modules that said yes at once.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    /// Bytes that each took and gave.
    pub(super) through: u64,
    /// Those that gave something else, by their place.
    pub(super) changed: u64,
    /// The piece that one did not say yes to at once.
    pub(super) at: Option<At>,
    pub(super) left: Option<u64>,
    pub(super) trailers: Option<Bytes>,
    /// What was settled when its way began; `None`: it begins now.
    pub(super) terms: Option<Terms>,
}

/// A piece in the middle of the modules.
#[derive(Debug)]
pub(super) struct At {
    /// Of the module that has it.
    pub(super) place: usize,
    pub(super) piece: Bytes,
    pub(super) last: bool,
    /// What that said, when it was asked.
    pub(super) answered: Option<Box<(Called, Edits)>>,
}

#[derive(Debug, Default)]
struct Stage {
    /// Which module.
    index: usize,
    /// Pieces that wait for it, when it is not asked about each at once.
    waiting: VecDeque<(Bytes, bool)>,
    held: Vec<Bytes>,
    held_bytes: u64,
    /// In a box: most stages never have one.
    call: Option<Box<(Call, Bytes, bool)>>,
    edits: Edits,
    /// It is not asked any more: pieces pass.
    passing: bool,
    /// It gave something else than it took.
    changed: bool,
    /// Its bodies keep their length.
    keeps: bool,
    taken: u64,
    given: u64,
    ended: bool,
    /// The module gave the first part of a piece, and is asked for the rest.
    again: bool,
    /// It is not to be asked about another piece just now.
    rests: bool,
    /// What the module said of the piece that waits first.
    answered: Option<Box<Called>>,
    /// The head waits until it gave something.
    withholds: bool,
    /// What it made of the head.
    late: Edits,
}

impl Stages {
    /// Goes on where the quick way ends.
    pub(super) fn new(way: &Way<'_>, so_far: SoFar) -> Stages {
        let SoFar {
            through,
            changed,
            at,
            left,
            trailers,
            terms,
        } = so_far;
        let (passed, length, last) = match &at {
            Some(at) => (at.place, at.piece.len() as u64, at.last),
            None => (0, 0, false),
        };
        let links = &way.party.chain.links;
        let members = way.party.members.borrow();
        let mut stages: SmallVec<[Stage; 1]> = way
            .order()
            .enumerate()
            .map(|(place, index)| {
                let total = through + if place < passed { length } else { 0 };
                let seen = members.get(index);
                let withholds = seen.is_some_and(|seen| seen.withholds == Some(way.hook));
                let has = |bits: u64| place < MOST && bits & (1 << place) != 0;
                let (hears, keeps) = match terms {
                    Some(terms) => (has(terms.heard), has(terms.keeps)),
                    None => (
                        seen.is_some_and(|seen| seen.hears(way.hook)),
                        seen.is_some_and(|seen| seen.keeps_length)
                            || links
                                .get(index)
                                .is_some_and(|link| link.loaded().about().only_looks),
                    ),
                };
                Stage {
                    index,
                    keeps,
                    // Who withholds is on this way from the start.
                    withholds: withholds && hears && terms.is_none(),
                    // Those that do not hear of this body at all let it pass.
                    passing: !hears,
                    changed: has(changed),
                    taken: total,
                    given: total,
                    ended: last && place < passed,
                    ..Stage::default()
                }
            })
            .collect();
        drop(members);
        let between = at.is_some();
        if let Some(at) = at
            && let Some(stage) = stages.get_mut(at.place)
        {
            stage.waiting.push_back((at.piece, at.last));
            if let Some(answered) = at.answered {
                let (called, edits) = *answered;
                stage.answered = Some(Box::new(called));
                stage.edits = edits;
            }
        }
        Stages {
            party: way.party.clone(),
            stages,
            out: VecDeque::new(),
            ahead: None,
            trailers,
            closed: last,
            between,
            left,
            broken: false,
        }
    }

    /// The source has so many bytes.
    pub(super) fn expect(&mut self, left: Option<u64>) {
        self.left = left;
    }

    /// Whether a module has bytes of which nothing came out yet. What one gave as the first part of a piece is not to wait.
    pub(super) fn withholds(&self) -> bool {
        let mut stages = self.stages.iter();
        stages.any(|stage| {
            // What one said of its first piece on the quick way was not put to use yet.
            let has = stage.call.is_some() || stage.answered.is_some();
            (has && !stage.again) || !stage.held.is_empty()
        })
    }

    /// Whether a module has a piece, or one waits for it.
    pub(super) fn is_away(&self) -> bool {
        self.between
    }

    /// Whether a module may still have a say on the head.
    pub(super) fn withholds_head(&self) -> bool {
        self.stages.iter().any(|stage| stage.withholds)
    }

    /// The head waits no longer: what modules said of it; an error when that is too much for one head.
    pub(super) fn release_head(&mut self) -> Result<Edits, Refused> {
        let mut all = Edits::new();
        for stage in &mut self.stages {
            stage.withholds = false;
            let late = std::mem::take(&mut stage.late);
            late.iter().try_for_each(|edit| all.repeat(edit))?;
        }
        Ok(all)
    }

    /// Whether modules were told that the body is over: what they made of that is given once.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Waits until no module that wants one of these hooks has a piece, and gives them no other: what comes out meanwhile is there for
    /// the next `poll`. For whoever is about to ask them something else while nobody polls this.
    pub(super) fn poll_free(
        &mut self,
        way: &Way<'_>,
        hooks: Hooks,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let links = &way.party.chain.links;
        for stage in &mut self.stages {
            let link = links.get(stage.index);
            stage.rests = link.is_some_and(|link| link.loaded().hooks().any(hooks));
        }
        let asked = |stage: &Stage| stage.rests && stage.call.is_some();
        if !self.broken && self.stages.iter().any(asked) {
            self.broken = self.advance(way, cx).is_err();
        }
        let busy = !self.broken && self.stages.iter().any(asked);
        self.stages.iter_mut().for_each(|stage| stage.rests = false);
        match busy {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// The next piece of what comes out.
    pub(super) fn poll<E>(
        &mut self,
        way: &Way<'_>,
        cx: &mut Context<'_>,
        mut source: impl FnMut(&mut Context<'_>) -> Poll<Result<Decoded, E>>,
    ) -> Poll<Result<Decoded, Break<E>>> {
        if self.broken {
            return Poll::Ready(Err(Break::Module));
        }
        loop {
            let busy = self.between
                && self.advance(way, cx).map_err(|stopped| match stopped {
                    Stopped::Failed => Break::Module,
                    Stopped::Answer(response) => Break::Answer(response),
                })?;
            self.between &= busy || !self.is_idle();
            if let Some(piece) = self.out.pop_front() {
                return Poll::Ready(Ok(Decoded::Data(piece)));
            }
            if busy {
                return Poll::Pending;
            }
            if self.closed
                && let Some(trailers) = &self.trailers
            {
                return Poll::Ready(Ok(Decoded::End(trailers.clone())));
            }
            match source(cx) {
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Break::Source(error))),
                Poll::Ready(Ok(Decoded::More)) => {}
                Poll::Ready(Ok(Decoded::Data(piece))) => {
                    let length = piece.len() as u64;
                    let mut through = None;
                    if let Some(before) = self.ahead.replace(piece) {
                        through = self.enter(way, before, false);
                    }
                    self.left = self.left.map(|left| left.saturating_sub(length));
                    if self.left == Some(0) && !self.closed && !self.between {
                        self.closed = true;
                        let last = self.ahead.take().unwrap_or_default();
                        self.out.extend(through.take());
                        through = self.enter(way, last, true);
                    }
                    if !self.out.is_empty() {
                        self.out.extend(through.take());
                    }
                    if let Some(through) = through {
                        return Poll::Ready(Ok(Decoded::Data(through)));
                    }
                }
                Poll::Ready(Ok(Decoded::End(trailers))) => {
                    self.trailers = Some(trailers);
                    if std::mem::replace(&mut self.closed, true) {
                        continue;
                    }
                    let last = self.ahead.take().unwrap_or_default();
                    if let Some(through) = self.enter(way, last, true) {
                        return Poll::Ready(Ok(Decoded::Data(through)));
                    }
                }
                Poll::Pending => match self.ahead.take() {
                    // Not kept waiting only to learn whether it is the last.
                    Some(piece) => {
                        if let Some(through) = self.enter(way, piece, false) {
                            return Poll::Ready(Ok(Decoded::Data(through)));
                        }
                    }
                    None => return Poll::Pending,
                },
            }
        }
    }

    /// Gives a piece to the first module; nothing is in between.
    #[inline]
    fn enter(&mut self, way: &Way<'_>, mut piece: Bytes, last: bool) -> Option<Bytes> {
        for at in 0..self.stages.len() {
            let stage = &mut self.stages[at];
            piece = match stage.quick(way, piece, last) {
                Ok(piece) => piece,
                Err(piece) => {
                    self.stages[at].waiting.push_back((piece, last));
                    self.between = true;
                    return None;
                }
            };
        }
        (!piece.is_empty()).then_some(piece)
    }

    /// Whether no module has a piece, and none waits.
    fn is_idle(&self) -> bool {
        let mut stages = self.stages.iter();
        stages.all(|stage| stage.call.is_none() && stage.waiting.is_empty())
    }

    /// Moves everything as far as it goes; says whether a module is being waited for.
    fn advance(&mut self, way: &Way<'_>, cx: &mut Context<'_>) -> Result<bool, Stopped> {
        let mut busy = false;
        for at in 0..self.stages.len() {
            loop {
                let (before, behind) = self.stages.split_at_mut(at + 1);
                let stage = &mut before[at];
                let mut given = SmallVec::<[Bytes; 4]>::new();
                let went = stage.step(way, &mut given, cx)?;
                let ended = stage.ended;
                match behind.first_mut() {
                    Some(next) => {
                        let count = given.len();
                        for (n, piece) in given.into_iter().enumerate() {
                            next.waiting.push_back((piece, ended && n + 1 == count));
                        }
                        if ended && count == 0 && !next.closes() {
                            next.waiting.push_back((Bytes::new(), true));
                        }
                    }
                    None => self
                        .out
                        .extend(given.into_iter().filter(|piece| !piece.is_empty())),
                }
                match went {
                    Went::On => {}
                    Went::Idle => break,
                    Went::Waits => {
                        busy = true;
                        break;
                    }
                }
            }
        }
        Ok(busy)
    }
}

/// The body goes no further.
enum Stopped {
    /// A module failed.
    Failed,
    /// A module answers in its place.
    Answer(Box<Response>),
}

enum Went {
    /// One piece further.
    On,
    /// Nothing is there.
    Idle,
    /// The module has it.
    Waits,
}

impl Stage {
    /// Asks about a piece, if nothing is before it; when the answer is there at once, and plainly yes, the piece comes back to
    /// go on. `Err` gives back a piece that was not asked about.
    #[inline]
    fn quick(&mut self, way: &Way<'_>, piece: Bytes, last: bool) -> Result<Bytes, Bytes> {
        let party = way.party;
        let link = &party.chain.links[self.index];
        let idle = self.call.is_none() && self.waiting.is_empty() && self.held.is_empty();
        // A body that is at odds with its promised length has its end looked at.
        let even = !self.keeps || self.given == self.taken;
        if !idle || !even || link.loaded().spec().kind != Kind::Inline {
            return Err(piece);
        }
        let mut members = party.members.borrow_mut();
        let seen = &mut members[self.index];
        if seen.is_busy() && !self.passing {
            return Err(piece);
        }
        let length = piece.len() as u64;
        let mut given = None;
        if !self.passing && seen.visit.is_open() {
            let event = way.event(&piece, last, &[], self.waits());
            self.edits.clear();
            match link.call(&mut seen.visit, &event, &mut self.edits) {
                Called::Now(Ok(Verdict::Continue)) if self.edits.is_empty() => {}
                // One of the same length, which cannot be wrong about the length of the whole.
                Called::Now(Ok(Verdict::Replace(other)))
                    if self.edits.is_empty()
                        && other.len() == piece.len()
                        && self.given == self.taken
                        && !link.loaded().about().only_looks =>
                {
                    self.changed = true;
                    given = Some(other);
                }
                answer => {
                    // The rest of the way is for answers that want thinking about.
                    self.answered = Some(Box::new(answer));
                    return Err(piece);
                }
            }
        }
        self.taken += length;
        self.given += length;
        self.ended = last;
        Ok(given.unwrap_or(piece))
    }

    /// Whether it may edit the head.
    fn waits(&self) -> bool {
        self.withholds && self.given == 0 && !self.ended
    }

    /// Whether the end is on its way to it, or was there.
    fn closes(&self) -> bool {
        self.ended
            || self.waiting.back().is_some_and(|(_, last)| *last)
            || self.call.as_ref().is_some_and(|away| away.2)
    }

    fn step(
        &mut self,
        way: &Way<'_>,
        given: &mut SmallVec<[Bytes; 4]>,
        cx: &mut Context<'_>,
    ) -> Result<Went, Stopped> {
        let (party, hook) = (way.party, way.hook);
        let link = &party.chain.links[self.index];
        let mut members = party.members.borrow_mut();
        let seen = &mut members[self.index];
        let (outcome, piece, last) = match self.call.take() {
            Some(mut away) => {
                // Its own call: no other is on its way.
                match link.poll(&mut away.0, &mut seen.visit, &mut self.edits, cx) {
                    Poll::Pending => {
                        self.call = Some(away);
                        return Ok(Went::Waits);
                    }
                    Poll::Ready(outcome) => {
                        seen.be_free();
                        // Who waits between the parts it gives is no loop.
                        self.again = false;
                        let (_, piece, last) = *away;
                        (outcome, piece, last)
                    }
                }
            }
            None if self.rests => return Ok(Went::Idle),
            None => {
                // Of a piece that it was asked about already the answer is to be taken.
                let asks = !self.waiting.is_empty() && !self.passing && self.answered.is_none();
                if asks && seen.poll_free(cx).is_pending() {
                    return Ok(Went::Waits);
                }
                let Some((piece, last)) = self.next() else {
                    return Ok(Went::Idle);
                };
                self.taken += piece.len() as u64;
                if let Some(answer) = self.answered.take() {
                    match *answer {
                        Called::Now(outcome) => {
                            return self
                                .settle(party, link, seen, hook, outcome, piece, last, given);
                        }
                        Called::Later(call) => {
                            seen.be_busy();
                            self.call = Some(Box::new((call, piece, last)));
                            return Ok(Went::On);
                        }
                    }
                }
                if self.passing || !seen.visit.is_open() {
                    self.passing = true;
                    self.release(link, given);
                    self.give(given, piece);
                    self.ended = last;
                    if self.is_off(last) {
                        // It was done with it too early.
                        link.accounts().cut.add(1);
                        return Err(Stopped::Failed);
                    }
                    return Ok(Went::On);
                }
                let event = way.event(&piece, last, &self.held, self.waits());
                self.edits.clear();
                match link.call(&mut seen.visit, &event, &mut self.edits) {
                    Called::Now(outcome) => (outcome, piece, last),
                    Called::Later(call) => {
                        seen.be_busy();
                        self.call = Some(Box::new((call, piece, last)));
                        return Ok(Went::On);
                    }
                }
            }
        };
        self.settle(party, link, seen, hook, outcome, piece, last, given)
    }

    /// What becomes of a piece.
    #[allow(clippy::too_many_arguments)]
    fn settle(
        &mut self,
        party: &Party,
        link: &Link,
        seen: &mut Seen,
        hook: Hook,
        outcome: Result<Verdict, Failure>,
        piece: Bytes,
        last: bool,
        given: &mut SmallVec<[Bytes; 4]>,
    ) -> Result<Went, Stopped> {
        seen.note_all(hook, &self.edits);
        let outcome = match outcome {
            Ok(verdict) => self
                .about_head(&verdict)
                .map(|()| verdict)
                .map_err(|why| link.failed(&mut seen.visit, hook, Failure::Fail(why))),
            failed => failed,
        };
        let failure = match outcome {
            Ok(Verdict::Respond(response)) => return Err(Stopped::Answer(response)),
            Ok(Verdict::Hold) if !last => {
                if link.loaded().hold(piece.len() as u64) {
                    self.held_bytes += piece.len() as u64;
                    self.held.push(piece);
                    return Ok(Went::On);
                }
                link.failed(&mut seen.visit, hook, Failure::Budget)
            }
            Ok(Verdict::Replace(_) | Verdict::First(_) | Verdict::Drop)
                if link.loaded().about().only_looks =>
            {
                let why = "a module that only looks changed a body".to_owned();
                link.failed(&mut seen.visit, hook, Failure::Fail(why))
            }
            Ok(Verdict::First(_)) if self.again && piece.is_empty() => {
                let why = "it gave the first part of a piece twice without waiting".to_owned();
                link.failed(&mut seen.visit, hook, Failure::Fail(why))
            }
            Ok(verdict) => {
                self.again = matches!(verdict, Verdict::First(_));
                match verdict {
                    Verdict::First(bytes) => {
                        self.changed = true;
                        self.forget(link);
                        self.give(given, bytes);
                        // For what follows it is asked again; the end is still to come, if this was the last piece.
                        self.waiting.push_front((Bytes::new(), last));
                    }
                    Verdict::Replace(bytes) => {
                        self.changed = true;
                        self.forget(link);
                        self.give(given, bytes);
                    }
                    Verdict::Drop => {
                        self.changed = true;
                        self.forget(link);
                    }
                    _ => {
                        self.release(link, given);
                        self.give(given, piece);
                    }
                }
                self.ended = last && !self.again;
                if self.is_off(self.ended) {
                    let why = "the body did not keep its length".to_owned();
                    let failure = link.failed(&mut seen.visit, hook, Failure::Fail(why));
                    party.goes_on(self.index, seen, &failure);
                    link.accounts().cut.add(1);
                    return Err(Stopped::Failed);
                }
                return Ok(Went::On);
            }
            Err(failure) => failure,
        };
        let open = party.goes_on(self.index, seen, &failure);
        if !open || self.changed {
            link.accounts().cut.add(1);
            return Err(Stopped::Failed);
        }
        self.passing = true;
        // Nothing of what it made of the head stays, either.
        self.late.clear();
        self.release(link, given);
        self.give(given, piece);
        self.ended = last;
        Ok(Went::On)
    }

    /// Keeps what a hook said of the head that waits; the error is for the log.
    fn about_head(&mut self, verdict: &Verdict) -> Result<(), String> {
        let mut of_head = self.edits.iter().filter(Edit::is_of_head).peekable();
        if !self.waits() {
            let late = of_head.peek().is_some() || matches!(verdict, Verdict::Respond(_));
            return match late {
                true => Err("it edits or answers in place of a head that does not wait".to_owned()),
                false => Ok(()),
            };
        }
        let late = &mut self.late;
        of_head
            .try_for_each(|edit| late.repeat(edit))
            .map_err(|refused| refused.to_string())
    }

    /// Whether the body breaks the promise to keep its length. More than was taken is noticed at once: behind a length that was
    /// told, these bytes would be taken for what follows this body.
    fn is_off(&self, last: bool) -> bool {
        self.keeps && (self.given > self.taken || (last && self.given < self.taken))
    }

    /// The next piece for the module: small ones that wait together are joined.
    fn next(&mut self) -> Option<(Bytes, bool)> {
        let (first, last) = self.waiting.pop_front()?;
        let fits = |len: usize, next: &(Bytes, bool)| len + next.0.len() <= JOIN;
        if last
            || !self
                .waiting
                .front()
                .is_some_and(|next| fits(first.len(), next))
        {
            return Some((first, last));
        }
        let mut joined = first.to_vec();
        let mut ended = false;
        while self
            .waiting
            .front()
            .is_some_and(|next| fits(joined.len(), next))
            && let Some((piece, last)) = self.waiting.pop_front()
        {
            joined.extend_from_slice(&piece);
            ended = last;
        }
        Some((joined.into(), ended))
    }

    fn give(&mut self, given: &mut SmallVec<[Bytes; 4]>, piece: Bytes) {
        self.given += piece.len() as u64;
        given.push(piece);
    }

    /// What was held goes on.
    fn release(&mut self, link: &Link, given: &mut SmallVec<[Bytes; 4]>) {
        for piece in std::mem::take(&mut self.held) {
            self.give(given, piece);
        }
        self.forget(link);
    }

    /// What was held is gone.
    fn forget(&mut self, link: &Link) {
        self.held.clear();
        if self.held_bytes > 0 {
            link.loaded().release(std::mem::take(&mut self.held_bytes));
        }
    }
}

impl Drop for Stages {
    /// Nobody wants the rest: calls on their way are waited for behind it, and what was held is given back.
    fn drop(&mut self) {
        let Stages { party, stages, .. } = self;
        for stage in stages {
            if let Some(away) = stage.call.take() {
                party.finish_behind(stage.index, away.0);
            }
            // Asked on the quick way, and nobody came for the answer.
            if let Some(Called::Later(call)) = stage.answered.take().map(|answered| *answered) {
                if let Some(seen) = party.members.borrow_mut().get_mut(stage.index) {
                    seen.be_busy();
                }
                party.finish_behind(stage.index, call);
            }
            if let Some(link) = party.chain.links.get(stage.index) {
                stage.forget(link);
            }
        }
    }
}
