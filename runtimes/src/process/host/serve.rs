//! Answering events, one after the other: the fast case. A batch is read, answered, and written, each in one system call.

use super::desk::Desk;
use super::doors::{Door, Input, Mentioned};
use super::pool;
use super::visits::{Ahead, Visit, body};
use crate::attention::broken;
use crate::failure::Failure;
use crate::life::Life;
use crate::process::event::{Id, Place, Sent, SentPart, Told, get_told};
use crate::process::reply::{put_counted, put_reply};
use crate::process::wire::next_frame;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use understudy_module::{
    Bytes, Edits, Event, Level, Opaque, Part, Piece, Token, Tokens, Verdict, guard, invoke,
};

/// Answers that are ready wait no longer for the rest of their batch than this.
const GATHER: Duration = Duration::from_micros(100);

/// Answers events for ever, on so many threads, this one among them.
///
/// Each has doors of its own, and nothing is handed from one to another. Only where hooks may wait are events dealt out to
/// whichever thread is free.
pub(super) fn run(desk: &Arc<Desk>, threads: usize) {
    let waits = desk.blocking.load(Ordering::Relaxed);
    let pool = (waits && threads > 1).then(|| Arc::new(pool::Pool::start(desk, threads)));
    for reader in 1..threads {
        let (of, pool) = (desk.clone(), pool.clone());
        let started = std::thread::Builder::new()
            .name(format!("hooks-{reader}"))
            .spawn(move || read(&of, reader, pool.as_deref(), !waits));
        if let Err(why) = started {
            // Its doors would never be read.
            desk.refuse(&format!("no thread: {why}"));
        }
    }
    read(desk, 0, pool.as_deref(), !waits);
}

fn read(desk: &Arc<Desk>, reader: usize, pool: Option<&pool::Pool>, patient: bool) {
    Desk::answers();
    let mut inputs: HashMap<u64, Input> = HashMap::new();
    let mut ready = Vec::new();
    let mut mentioned = Mentioned::default();
    loop {
        desk.doors
            .wait(reader, mentioned.tell(desk.latest), &mut ready);
        for door in ready.drain(..) {
            let input = inputs.entry(door.number).or_default();
            let open = door.read(input);
            match pool {
                Some(pool) => pool.batch(desk, &door, input),
                None => batch(desk, &door, input, patient),
            }
            mentioned.look(&door);
            if !open {
                inputs.remove(&door.number);
                gone(desk, &door, pool);
            }
        }
    }
}

/// Takes the whole frames of what was read.
pub(super) fn frames(desk: &Desk, input: &mut Input, mut each: impl FnMut(&[u8])) {
    let mut done = 0;
    loop {
        match next_frame(&input.bytes[done..input.filled]) {
            Ok(Some((content, took))) => {
                each(content);
                done += took;
            }
            Ok(None) => return input.consume(done),
            Err(why) => desk.refuse(&format!("the proxy sent garbage: {why}")),
        }
    }
}

fn batch(desk: &Arc<Desk>, door: &Arc<Door>, input: &mut Input, patient: bool) {
    door.serving();
    let mut clock = Instant::now();
    let mut flushed = clock;
    frames(desk, input, |content| {
        clock = one(desk, door, content, clock);
        if !patient || clock - flushed > GATHER {
            door.flush();
            flushed = clock;
        }
    });
    door.served();
}

/// A worker let go of its door: whatever it did not free is freed here.
fn gone(desk: &Arc<Desk>, door: &Arc<Door>, pool: Option<&pool::Pool>) {
    desk.doors.close(door);
    desk.visits.forget_missed_of(door);
    match pool {
        Some(pool) => pool.gone(desk, door),
        None => {
            for transaction in desk.visits.of(door) {
                free(desk, transaction, Instant::now());
            }
        }
    }
    desk.tell_counts();
    desk.end_if_over();
}

/// Deals with one frame; what time it is behind that.
pub(super) fn one(desk: &Arc<Desk>, door: &Arc<Door>, content: &[u8], began: Instant) -> Instant {
    match get_told(content) {
        Ok(Told::Free(transaction)) => {
            let now = free(desk, transaction, began);
            if desk.counts.is_told() {
                door.say(|out| put_counted(out, &desk.counts.take()));
            }
            now
        }
        Ok(Told::Event(sent)) => event(desk, door, sent, began),
        Err(why) => desk.refuse(&format!("the proxy sent garbage: {why}")),
    }
}

/// `free`, once: the visit leaves the table. Answers what time it is behind that.
pub(super) fn free(desk: &Desk, transaction: u64, began: Instant) -> Instant {
    let visit = desk.visits.table().remove(&transaction);
    desk.given_up.forget(transaction);
    if visit.is_none() {
        desk.visits.forget_missed(transaction);
    }
    let mut now = began;
    if let Some(visit) = visit {
        let Visit {
            life,
            opaque,
            kept,
            door,
            ahead,
            ..
        } = visit;
        drop(kept);
        if let Some((hook, said)) = ahead.broken {
            // No event comes behind it whose answer that could be.
            life.broke(hook, &said);
            let why = match said {
                Err(failure) => failure.to_string(),
                Ok(verdict) => format!("it said {}", verdict.name()),
            };
            desk.log(
                Level::Info,
                &format!("{} ahead of free: {why}", hook.name()),
            );
        }
        let freed = guard(|| life.module().free(transaction, opaque));
        now = Instant::now();
        if desk.frees.load(Ordering::Relaxed) {
            door.freed(now - began);
        }
        if let Err(panicked) = freed {
            life.free_panicked();
            desk.poison(&life);
            desk.log(Level::Warn, &format!("free panicked: {}", panicked.0));
        }
        // The last of an instance that was replaced gets its `fini` here, so not under the lock.
        drop(life);
        desk.end_if_over();
    }
    now
}

/// The token of the call in progress.
struct Taken<'d> {
    desk: &'d Desk,
    transaction: u64,
    id: Id,
}

impl Tokens for Taken<'_> {
    fn token(&self, _: u64) -> Token {
        self.desk.visits.take_token(self.transaction, self.id);
        Token {
            transaction: self.transaction,
            call: self.id.call,
        }
    }
}

/// What a hook gets of its transaction's visit.
struct Entered {
    life: Arc<Life>,
    opaque: Opaque,
    kept: Vec<Bytes>,
    /// What came of events ahead of this one.
    before: Ahead,
}

/// Takes what a hook gets of its transaction's visit, which is made if there is none.
fn enter(desk: &Desk, door: &Arc<Door>, sent: &Sent<'_>) -> Option<Entered> {
    if let Some(visit) = desk.visits.table().get_mut(&sent.transaction) {
        visit.token = None;
        let kept = match body(sent.hook) {
            Some(which) => std::mem::take(&mut visit.kept[which]),
            None => Vec::new(),
        };
        return Some(Entered {
            life: visit.life.clone(),
            opaque: visit.opaque.take(),
            kept,
            before: std::mem::take(&mut visit.ahead),
        });
    }
    if desk.visits.missed(sent.transaction) {
        return None;
    }
    // Not under the lock of the table: the module's code may run in here.
    let life = desk.current()?;
    let visit = Visit {
        door: door.clone(),
        life: life.clone(),
        opaque: Opaque::None,
        kept: Default::default(),
        token: None,
        ahead: Ahead::default(),
    };
    desk.visits.table().insert(sent.transaction, visit);
    Some(Entered {
        life,
        opaque: Opaque::None,
        kept: Vec::new(),
        before: Ahead::default(),
    })
}

/// A call for which nobody waits any more: its hook is not called, and its part of the arena is given back. Answered in its turn, so that
/// no thread seems to live that hangs.
#[cold]
fn pass_by(desk: &Desk, door: &Arc<Door>, sent: &Sent<'_>) {
    if let SentPart::Piece {
        place: Place::There { offset, len },
        ..
    } = sent.part
        && door.part(offset, len).is_none()
    {
        desk.refuse("the proxy sent a piece outside of its arena");
    }
    let outcome = Ok(Verdict::fail("it was given up before it was begun"));
    door.say(|out| put_reply(out, sent.id, Duration::ZERO, &outcome, Edits::new().iter()));
}

fn event(desk: &Arc<Desk>, door: &Arc<Door>, mut sent: Sent<'_>, began: Instant) -> Instant {
    // Nobody waits for what the module says of it.
    let promised = sent.id.promised();
    let ahead = promised.is_some();
    if !ahead && desk.given_up.met(sent.transaction, sent.id.call) {
        pass_by(desk, door, &sent);
        return began;
    }
    let Some(entered) = enter(desk, door, &sent) else {
        if ahead {
            desk.visits.miss(sent.transaction, door);
            return began;
        }
        door.say(|out| {
            let unavailable = Err(Failure::Unavailable);
            let none = Edits::new();
            put_reply(out, sent.id, Duration::ZERO, &unavailable, none.iter());
        });
        return began;
    };
    let Entered {
        life,
        mut opaque,
        mut kept,
        mut before,
    } = entered;
    let mut edits = std::mem::take(&mut sent.edits);
    let mark = edits.mark();
    let broke = before.broken.as_ref().map_or(sent.hook, |(hook, _)| *hook);
    let bytes = match &sent.part {
        SentPart::Piece {
            place: Place::Here(bytes),
            ..
        } => Bytes::copy_from_slice(bytes),
        SentPart::Piece {
            place: Place::There { offset, len },
            ..
        } => match door.part(*offset, *len) {
            Some(bytes) => bytes,
            None => desk.refuse("the proxy sent a piece outside of its arena"),
        },
        _ => Bytes::new(),
    };
    let mut lost = false;
    if let SentPart::Piece { held, .. } = &sent.part {
        match *held as usize {
            0 => kept.clear(),
            held => lost = held != kept.len(),
        }
    }
    let part = match &sent.part {
        SentPart::Head(head) => Part::Head(*head),
        SentPart::Piece {
            last, head_waits, ..
        } => Part::Piece(Piece {
            bytes: &bytes,
            last: *last,
            held: &kept,
            head_waits: *head_waits,
        }),
        SentPart::Host { name, port, found } => Part::Host {
            name,
            port: *port,
            found,
        },
        SentPart::Log(entry) => Part::Log(entry),
    };
    let event = Event {
        hook: sent.hook,
        id: sent.transaction,
        client: sent.client,
        method: sent.method,
        url: sent.url,
        part,
    };
    let tokens = Taken {
        desk,
        transaction: sent.transaction,
        id: sent.id,
    };
    let held = promised.map(|bits| life.word().hold(bits));
    // One that broke a promise by a panic was counted then.
    let runs = before.broken.is_none();
    let outcome = if lost {
        Ok(Verdict::fail(
            "the pieces it holds are not those the proxy holds",
        ))
    } else if let Some((_, broken)) = before.broken.take() {
        broken
    } else {
        invoke(
            life.module(),
            life.host(),
            &event,
            &mut opaque,
            &mut edits,
            &tokens,
        )
        .map_err(|panicked| Failure::Panic(panicked.0))
    };
    let now = Instant::now();
    let spent = before.spent + (now - began);
    let panicked = runs && outcome.is_err();
    let keeps = matches!(outcome, Ok(Verdict::Hold | Verdict::Pending));
    if let Some(visit) = desk.visits.table().get_mut(&sent.transaction) {
        visit.opaque = opaque;
        if ahead || !matches!(outcome, Ok(Verdict::Pending)) {
            visit.token = None;
        }
        if keeps && let Some(which) = body(sent.hook) {
            kept.push(bytes.clone());
            visit.kept[which] = std::mem::take(&mut kept);
        }
    }
    if panicked {
        desk.poison(&life);
    }
    // Behind the last look at the pieces, so that what they take of the arena is given back with this answer.
    drop((bytes, kept));
    if ahead {
        let held = held.is_some_and(|held| life.word().holds(held));
        let broken = broken(outcome, &edits, mark, held).map(|said| (broke, said));
        if let Some(visit) = desk.visits.table().get_mut(&sent.transaction) {
            visit.ahead = Ahead { spent, broken };
        }
        return now;
    }
    let put = |out: &mut Vec<u8>| {
        put_counted(out, &desk.counts.take());
        put_reply(out, sent.id, spent, &outcome, edits.since(mark));
    };
    if !matches!(outcome, Ok(Verdict::Pending)) {
        door.say(put);
        return now;
    }
    // It goes with the resume, unless that was said already, or is never to come.
    door.mention(put);
    if !desk.visits.awaits(sent.transaction, sent.id) {
        door.flush();
    }
    now
}
