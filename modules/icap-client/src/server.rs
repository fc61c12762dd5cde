//! A server of a service: its terms, its connections, and whether it is left alone for a while. Time is an argument.
//!
//! Invariant: a server that failed [`STRIKES`] times in a row, or cannot be asked for its options, is left alone, twice as long each
//! time; then it is asked for its options before any message. Awkward case: one that answers OPTIONS and fails every message: the next
//! failure sends it away again, for longer.

use crate::terms::Terms;
use crate::uri::Uri;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row after which it is left alone.
const STRIKES: u32 = 3;
/// For how long at first.
const FIRST: Duration = Duration::from_secs(1);
/// And at most.
const LONGEST: Duration = Duration::from_secs(60);

/// Options are believed for so long, whatever a server says: or each message would ask for them.
const SHORTEST: Duration = Duration::from_secs(1);

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) uri: Uri,
    /// What its name stands for; another thread looks it up.
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    next: usize,
    pub(crate) terms: Option<Arc<Terms>>,
    /// When it said them, and when they are too old.
    said: Instant,
    expires: Instant,
    /// A connection asks for its options.
    pub(crate) asking: bool,
    /// Idle connections, the last used last.
    pub(crate) idle: Vec<u64>,
    /// All connections.
    pub(crate) open: usize,
    failures: u32,
    away: Option<Instant>,
    pause: Duration,
}

impl Server {
    pub(crate) fn new(uri: Uri, now: Instant) -> Server {
        let addresses = uri.addresses();
        Server {
            uri,
            addresses: Arc::new(Mutex::new(addresses)),
            next: 0,
            terms: None,
            said: now,
            expires: now,
            asking: false,
            idle: Vec::new(),
            open: 0,
            failures: 0,
            away: None,
            pause: FIRST,
        }
    }

    /// One of its addresses: the same until it fails. A name may stand for some where nobody listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        addresses.get(self.next % addresses.len().max(1)).copied()
    }

    /// Whether it is left alone.
    pub(crate) fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Whether it should be asked for its options: it was left alone for long enough, or they are not known, or too old.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let back = self.away.is_none_or(|until| until <= now);
        back && !self.asking && (self.away.is_some() || self.terms.is_none() || self.expires <= now)
    }

    /// It said its options. Says whether its ISTag is another than before.
    pub(crate) fn options(&mut self, terms: Terms, now: Instant) -> bool {
        let before = self.terms.as_ref().map(|terms| &terms.istag);
        let changed = before.is_some_and(|istag| *istag != terms.istag);
        (self.said, self.expires) = (now, now + terms.ttl.max(SHORTEST));
        self.away = None;
        self.terms = Some(Arc::new(terms));
        changed
    }

    /// Its ISTag, seen with an answer (RFC 3507 section 4.7). Says whether it is another: then its options may be others, too.
    pub(crate) fn istag(&mut self, istag: &str) -> bool {
        let Some(terms) = self.terms.as_mut().filter(|terms| terms.istag != istag) else {
            return false;
        };
        Arc::make_mut(terms).istag = istag.to_owned();
        self.expires = self.expires.min(self.said + SHORTEST);
        true
    }

    /// It adapted a message.
    pub(crate) fn worked(&mut self) {
        (self.failures, self.pause) = (0, FIRST);
    }

    /// It failed, and `at_once` it is to be left alone. Says whether it is from now on.
    pub(crate) fn failed(&mut self, now: Instant, at_once: bool) -> bool {
        self.failures = self.failures.saturating_add(1);
        // Messages that were under way together fail together: that is one reason, not many.
        let alone = self.away.is_some_and(|until| until > now);
        if alone {
            return false;
        }
        self.next = self.next.wrapping_add(1);
        let addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        // Another of its addresses may do.
        let at_once = at_once && self.failures as usize >= addresses;
        if !at_once && self.failures < STRIKES {
            return false;
        }
        let fresh = self.away.is_none();
        self.away = Some(now + self.pause);
        self.pause = (self.pause * 2).min(LONGEST);
        if self.uri.host.parse::<std::net::IpAddr>().is_err() {
            let (uri, addresses) = (self.uri.clone(), self.addresses.clone());
            // Its name may stand for something else by now; looking it up may take long.
            std::thread::spawn(move || {
                let found = uri.addresses();
                if !found.is_empty() {
                    *addresses.lock().unwrap_or_else(PoisonError::into_inner) = found;
                }
            });
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn server() -> (Server, Instant) {
        let now = Instant::now();
        let uri = Uri::parse("icap://127.0.0.1:1/x").unwrap();
        (Server::new(uri, now), now)
    }

    fn terms(istag: &str) -> Terms {
        let mut terms = Terms::default();
        (terms.istag, terms.ttl) = (istag.to_owned(), Duration::from_secs(10));
        terms
    }

    #[test]
    fn options_are_asked_for_when_unknown_and_when_old() {
        let (mut server, now) = server();
        assert!(server.is_due(now));
        assert!(!server.options(terms("a"), now));
        assert!(!server.is_due(now + Duration::from_secs(9)));
        assert!(server.is_due(now + Duration::from_secs(10)));
        assert!(server.options(terms("b"), now));
        assert!(!server.istag("b") && server.istag("c"));
        assert!(!server.is_due(now), "not with each message");
        assert!(
            server.is_due(now + SHORTEST),
            "another ISTag is a reason to ask"
        );
    }

    #[test]
    fn three_failures_in_a_row_are_a_reason_to_leave_it_alone_longer_each_time() {
        let (mut server, now) = server();
        server.options(terms("a"), now);
        assert!(!server.failed(now, false) && !server.failed(now, false));
        server.worked();
        assert!(
            !server.failed(now, false) && !server.failed(now, false) && server.failed(now, false)
        );
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            let pause = Duration::from_secs(pause);
            assert!(server.is_away() && !server.is_due(now + pause - Duration::from_millis(1)));
            assert!(server.is_due(now + pause));
            server.options(terms("a"), now);
            assert!(!server.is_away());
            assert!(server.failed(now, false));
        }
    }

    #[test]
    fn messages_that_fail_together_are_one_reason_to_leave_it_alone() {
        let (mut server, now) = server();
        server.options(terms("a"), now);
        for at in 0..64 {
            assert_eq!(server.failed(now, true), at == 0, "{at}");
        }
        assert!(server.is_due(now + FIRST), "for no longer than at first");
        let later = now + FIRST;
        assert!(!server.failed(later, true), "it was not back");
        assert!(!server.is_due(later + FIRST) && server.is_due(later + FIRST * 2));
    }

    #[test]
    fn an_address_that_does_is_stayed_at_and_another_is_tried_before_it_is_left_alone() {
        let (mut server, now) = server();
        let addresses: Vec<SocketAddr> = ["[::1]:1344", "127.0.0.1:1344"]
            .map(|address| address.parse().unwrap())
            .into();
        *server.addresses.lock().unwrap() = addresses.clone();
        // A name that stands for both, where the server listens at the second alone.
        assert_eq!(server.address(), Some(addresses[0]));
        assert!(!server.failed(now, true) && !server.is_away() && server.is_due(now));
        assert_eq!(server.address(), Some(addresses[1]));
        server.options(terms("a"), now);
        server.worked();
        for _ in 0..3 {
            assert_eq!(server.address(), Some(addresses[1]));
        }
        assert!(
            !server.failed(now, true) && server.failed(now, true),
            "neither does"
        );
    }
}
