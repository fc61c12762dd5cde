//! The modules' part of one transaction: made, looked at, and ended here; asked in `round`, waited for in `waiting`.
//!
//! Life: 1. made when the request's head is there; 2. asked hook by hook; 3. `log`; 4. ended, with `free` for each module that was
//! called, and fresh for another transaction. One event of a module is in flight at a time: a body that is stored and one that is returned wait for each other, and so
//! does the log; a call that nobody waits for any more is waited for in the background. Invariant: whoever lets the last
//! [`Handle`](super::handle::Handle) go (the transaction, a fill that is pumped on, a log that waits) ends it, so `free` is last and once,
//! also for a transaction that is cut.

use super::ServerTiming;
use super::chain::Chain;
use super::seen::{OFF, Seen};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use understudy_http::Fields;
use understudy_module::{Hook, Mark, Part, Response};
use understudy_runtimes::Call;

/// The party.
#[derive(Debug)]
pub(crate) struct Party {
    pub(super) chain: Rc<Chain>,
    id: Cell<u64>,
    client: Cell<SocketAddr>,
    /// As many as there are modules.
    pub(super) members: RefCell<Vec<Seen>>,
    /// Not all are as their chain says: one is left out, busy, done, or had a word on the body behind its head.
    odd: Cell<bool>,
    /// The type of what the answer here validates.
    pub(super) validated: RefCell<Option<Box<Bytes>>>,
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
    pub(super) place: usize,
    pub(super) call: Call,
    pub(super) mark: Mark,
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
    /// Of these modules, for no transaction yet.
    #[cold]
    pub(super) fn fresh(chain: &Rc<Chain>) -> Party {
        let modules = 0..chain.links.len();
        Party {
            chain: chain.clone(),
            id: Cell::new(0),
            client: Cell::new((Ipv4Addr::UNSPECIFIED, 0).into()),
            members: RefCell::new(modules.map(|_| Seen::default()).collect()),
            odd: Cell::new(false),
            validated: RefCell::default(),
        }
    }

    /// Begins with the transaction of this id. `key` says which host it is for.
    #[inline]
    pub(super) fn begin(&self, id: u64, client: SocketAddr, key: &[u8]) {
        self.id.set(id);
        self.client.set(client);
        if self.chain.chooses {
            self.be_odd();
            self.choose(key);
        }
    }

    /// The transaction is over: `free` for each module that was called. Then it is fresh again.
    pub(super) fn end(&self) {
        let mut members = self.members.borrow_mut();
        for (link, seen) in self.chain.links.iter().zip(members.iter_mut()) {
            link.leave(&mut seen.visit, self.id.get());
            seen.renew();
        }
        self.odd.set(false);
        self.validates(None);
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
    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.id.get()
    }

    /// The client's address.
    #[inline]
    pub(crate) fn client(&self) -> SocketAddr {
        self.client.get()
    }

    /// Where an answer of this origin came from, as the log says it.
    #[inline]
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

    /// Whether any may be other than its chain says.
    #[inline]
    pub(super) fn is_odd(&self) -> bool {
        self.odd.get()
    }

    /// One may be other than its chain says.
    #[inline]
    pub(super) fn be_odd(&self) {
        self.odd.set(true);
    }

    /// Who hears the body behind a head that was shown.
    #[inline]
    pub(crate) fn audience(&self) -> Audience {
        if self.is_odd() {
            self.audience_found()
        } else {
            self.chain.audience
        }
    }

    #[inline(never)]
    fn audience_found(&self) -> Audience {
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

    /// Whether a module wants to see the addresses that were found.
    pub(crate) fn orders_addresses(&self) -> bool {
        let mut links = self.chain.links.iter();
        links.any(|link| link.loaded().about().orders_addresses)
    }

    /// How long a call of any of them may take.
    pub(crate) fn longest(&self) -> Duration {
        self.chain.longest
    }

    /// What the log says of the modules that were called.
    pub(crate) fn told(&self) -> Vec<Told> {
        let members = self.members.borrow();
        let called = members.iter().zip(&self.chain.links);
        called
            .filter(|(seen, _)| seen.is_told())
            .map(|(seen, link)| {
                let name = link.loaded().name().clone();
                let (notes, hooks) = (seen.notes().to_vec(), seen.visit.costs().to_vec());
                (name, seen.visit.cost, seen.failed(), notes, hooks)
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
    #[inline]
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
