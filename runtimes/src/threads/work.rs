//! What a pool thread does: one job at a time, and telling the workers.
//!
//! Replies are put into the worker's mailbox at once and told together, while calls are short: at the latest when nothing waits, or
//! after [`UNTOLD`]. Awkward case: a call hangs behind a reply that was not told yet; the worker finds it at its next sweep.

use super::copy::Copied;
use super::pool::{Pool, Stand};
use crate::attention::broken;
use crate::failure::Failure;
use crate::life::Life;
use crate::marker::Lent;
use crate::nursery::Nursery;
use crate::runtime::{Done, Notice};
use crate::seat::{Letter, Mailbox, Reply};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use understudy_module::{Edits, Mark, Opaque, Token, Verdict, guard, invoke};

/// Most replies that lie in mailboxes untold.
const UNTOLD: usize = 16;
/// A call that takes longer is told at once, and its module's next calls get threads of their own sooner.
pub(super) const SHORT: Duration = Duration::from_micros(20);

/// Something to do.
pub(super) enum Job {
    /// Call a hook.
    Call(Box<CallJob>),
    /// Free an opaque value, behind events that nobody waited for.
    Free(Arc<Generation>, u64, Opaque, Vec<Noted>),
    /// Tell the module something.
    Notice(Notice, Done),
    /// Put the options in force that are wanted.
    Change,
}

/// An instance, as the transactions that are with it share it. It is found on a pool thread, with the first call: a worker must
/// not wait while one is made.
#[derive(Debug, Default)]
pub(super) struct Generation(OnceLock<(u64, Arc<Life>)>);

impl Generation {
    /// The instance and its number; found now if need be.
    fn find(&self, nursery: &Nursery) -> Result<&(u64, Arc<Life>), String> {
        if let Some(found) = self.0.get() {
            return Ok(found);
        }
        let current = nursery.current()?;
        Ok(self.0.get_or_init(|| current))
    }
}

/// An event that nobody waits for, and the edits made before it.
#[derive(Debug)]
pub(super) struct Noted {
    pub(super) event: Copied,
    pub(super) edits: Edits,
    /// The promise by which its answer was known.
    pub(super) promised: u64,
}

impl Noted {
    /// Calls its hook; what the module said, where it broke its promise.
    fn call(
        &mut self,
        life: &Life,
        opaque: &mut Opaque,
        call: u64,
    ) -> Option<Result<Verdict, Failure>> {
        let mark = self.edits.mark();
        let token = Token {
            transaction: self.event.id(),
            call,
        };
        let held = life.word().hold(self.promised);
        let edits = &mut self.edits;
        let called = self
            .event
            .with(|event| invoke(life.module(), life.host(), event, opaque, edits, &token));
        let outcome = called.map_err(|panicked| Failure::Panic(panicked.0));
        broken(outcome, &self.edits, mark, life.word().holds(held))
    }
}

/// A call of a hook.
#[derive(Debug)]
pub(super) struct CallJob {
    /// Events that nobody waits for; they come first.
    pub(super) ahead: Vec<Noted>,
    pub(super) generation: Arc<Generation>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) call: u64,
    pub(super) event: Copied,
    pub(super) edits: Edits,
    pub(super) opaque: Opaque,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Job::Call(_) => "Job::Call",
            Job::Free(..) => "Job::Free",
            Job::Notice(..) => "Job::Notice",
            Job::Change => "Job::Change",
        })
    }
}

/// A pool thread's life: until it is given up, or there is nothing more to come.
pub(super) fn live(pool: &Arc<Pool>, stand: &Arc<Stand>) {
    let marker = Lent::new();
    let mut untold = Untold::default();
    while let Some((job, began)) = pool.next(stand, &mut untold) {
        marker.set(pool.terms().number);
        run(pool, job, began, &mut untold);
        marker.set(0);
    }
    untold.tell();
}

fn run(pool: &Pool, job: Job, began: Instant, untold: &mut Untold) {
    match job {
        Job::Call(job) => call(pool, *job, began, untold),
        Job::Free(generation, transaction, mut opaque, ahead) => {
            if !ahead.is_empty() {
                let _ = generation.find(pool.nursery());
            }
            // Without an instance no hook was called, and there is nothing to free.
            let Some((number, life)) = generation.0.get() else {
                return;
            };
            let mut ahead = ahead.into_iter();
            let broken = ahead.find_map(|mut noted| {
                let said = noted.call(life, &mut opaque, u64::MAX)?;
                Some((noted.event.hook(), said))
            });
            if let Some((hook, said)) = broken {
                // No event comes behind it whose answer that could be.
                life.broke(hook, &said);
                if let Err(Failure::Panic(why)) = &said {
                    panicked(pool, life, *number, why);
                    pool.nursery().restore();
                }
            }
            let freed = if pool.terms().frees {
                let began = Instant::now();
                let freed = guard(|| life.module().free(transaction, opaque));
                life.freed(began.elapsed());
                freed
            } else {
                // Its drop is the module's code, too.
                guard(|| drop(opaque))
            };
            if let Err(panicked) = freed {
                let module = pool.nursery().name();
                tracing::warn!(%module, "free panicked: {}", panicked.0);
                life.free_panicked();
                pool.nursery().poison(life, *number);
                pool.nursery().restore();
            }
        }
        Job::Notice(notice, done) => {
            untold.tell();
            done(pool.nursery().notice(notice));
        }
        Job::Change => {
            untold.tell();
            pool.nursery().change();
        }
    }
}

fn call(pool: &Pool, job: CallJob, began: Instant, untold: &mut Untold) {
    let CallJob {
        ahead,
        generation,
        mailbox,
        call,
        event,
        mut edits,
        mut opaque,
    } = job;
    let token = Token {
        transaction: event.id(),
        call,
    };
    let (number, life) = match generation.find(pool.nursery()) {
        Ok(found) => found,
        Err(why) => {
            let module = pool.nursery().name();
            tracing::debug!(%module, "not running: {why}");
            let mut reply = Reply::failed(Failure::Unavailable);
            reply.opaque = opaque;
            untold.post(mailbox, call, reply, true);
            return;
        }
    };
    let before = edits.mark();
    let mut ahead = ahead.into_iter();
    let broken = ahead.find_map(|mut noted| noted.call(life, &mut opaque, u64::MAX));
    let verdict = broken.unwrap_or_else(|| {
        let called = event.with(|event| {
            invoke(
                life.module(),
                life.host(),
                event,
                &mut opaque,
                &mut edits,
                &token,
            )
        });
        called.map_err(|panicked| Failure::Panic(panicked.0))
    });
    let spent = began.elapsed();
    pool.took(spent);
    if let Err(Failure::Panic(why)) = &verdict {
        panicked(pool, life, *number, why);
    }
    let (verdict, edits) = match verdict {
        Ok(verdict) => since(edits, before).map_or_else(
            |failure| (Err(failure), Edits::new()),
            |edits| (Ok(verdict), edits),
        ),
        Err(failure) => (Err(failure), Edits::new()),
    };
    // The instance must be let go before its transaction can be told that it is over.
    drop(generation);
    let reply = Reply {
        verdict,
        edits,
        opaque,
        spent,
    };
    let panicked = matches!(reply.verdict, Err(Failure::Panic(_)));
    let at_once = spent > SHORT || pool.terms().blocking || panicked;
    untold.post(mailbox, call, reply, at_once);
    if panicked {
        // Its transaction need not wait for that.
        pool.nursery().restore();
    }
}

/// A hook panicked: its instance gets no more transactions.
fn panicked(pool: &Pool, life: &Life, number: u64, why: &str) {
    let module = pool.nursery().name();
    tracing::warn!(%module, "panicked: {why}");
    pool.nursery().poison(life, number);
}

/// The edits the hook made, without those before.
fn since(edits: Edits, before: Mark) -> Result<Edits, Failure> {
    if before == Mark::default() {
        return Ok(edits);
    }
    let mut own = Edits::new();
    for edit in edits.since(before) {
        own.repeat(edit)
            .map_err(|refused| Failure::Fail(refused.to_string()))?;
    }
    Ok(own)
}

/// Mailboxes with letters that their workers were not told of.
#[derive(Debug, Default)]
pub(super) struct Untold {
    mailboxes: Vec<Arc<Mailbox>>,
    replies: usize,
}

impl Untold {
    fn post(&mut self, mailbox: Arc<Mailbox>, call: u64, reply: Reply, at_once: bool) {
        let reply = Box::new(reply);
        mailbox.post_quietly(Letter::Reply { call, reply });
        if !self
            .mailboxes
            .iter()
            .any(|known| Arc::ptr_eq(known, &mailbox))
        {
            self.mailboxes.push(mailbox);
        }
        self.replies += 1;
        if at_once || self.replies >= UNTOLD {
            self.tell();
        }
    }

    /// Whether there is anything to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.replies == 0
    }

    /// Tells them.
    pub(super) fn tell(&mut self) {
        self.replies = 0;
        self.mailboxes.drain(..).for_each(|mailbox| mailbox.tell());
    }
}
