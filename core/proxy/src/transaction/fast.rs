//! Plain hits, on the spot: the steps `request_head`, `look_up`, `hit`, `deliver` and `log` in one go, on the worker's stack.
//!
//! Parse, key, read the published index, one vectored write: no allocation, no message, no wait. Whatever is not a plain hit
//! (fresh, or stale and validated behind the answer) for a plain GET is left to a transaction, which decides everything anew.

use super::hooks::Handed;
use super::{hit, internal, may_persist, on_the_spot, partition, ruled};
use crate::client::Client;
use crate::modules::FIRE;
use crate::modules::party::{Party, Ran};
use crate::modules::whence::NOWHERE;
use crate::record::{Outcome, Record};
use crate::settings::{HostMode, Mode};
use crate::via;
use crate::worker::{Live, Source, Worker};
use bytes::Bytes;
use smallvec::SmallVec;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::AsyncWrite;
use understudy_cache::Stored;
use understudy_http::semantics::cache_control::RequestDirectives;
use understudy_http::semantics::cache_status::CacheStatus;
use understudy_http::semantics::date::Seconds;
use understudy_http::semantics::key::write_key;
use understudy_http::semantics::reuse::{Reuse, Stale, may_reuse};
use understudy_http::wire::target::{Authority, Scheme, Target, host, parse_target};
use understudy_http::{Fields, Method, Name, RequestHead};
use understudy_module::{Edits, Hook, LogEntry};

/// What became of a request.
pub(crate) enum Fast {
    /// Answered whole.
    Answered { persist: bool },
    /// A hit that the socket did not take at once, or that waits for a module.
    Blocked(Box<BlockedHit>),
    /// Not a plain hit; what modules said of it, when they were asked.
    No(Option<Handed>),
}

/// A plain hit in the middle of its answer.
pub(crate) struct BlockedHit {
    pub(super) stored: Arc<Stored>,
    /// The head when modules changed it; else it is the stored one.
    pub(super) head: Option<Bytes>,
    pub(super) lines: Bytes,
    /// Bytes of the answer written.
    pub(super) sent: usize,
    pub(super) url: Bytes,
    pub(super) persist: bool,
    /// Modules that look at the body wait at this block, with what they said of it so far.
    pub(super) look: Option<(usize, Ran, Box<Edits>)>,
    pub(crate) handed: Option<Handed>,
}

/// Blocks of a body written at once; the rest follows when the socket takes more.
const SLICES: usize = 16;

/// What answering on the spot needs of its surroundings.
pub(super) struct Spot<'a, 'c> {
    pub(super) worker: &'a Worker,
    pub(super) live: &'a Live,
    pub(super) source: &'a Source,
    pub(super) peer: SocketAddr,
    pub(super) now: Instant,
    pub(super) cx: &'a mut Context<'c>,
}

/// Answers a plain hit.
pub(crate) fn answer(
    worker: &Worker,
    source: &Source,
    peer: SocketAddr,
    client: &mut Client,
    head: &mut RequestHead<&[u8]>,
    now: Instant,
    cx: &mut Context<'_>,
) -> Fast {
    if head.method() != Method::Get || !is_plain(head.fields()) {
        return Fast::No(None);
    }
    worker.with_live(|live| {
        let hooks = FIRE && live.chain.on_hits;
        if live.settings.cache.is_none() || (hooks && !live.chain.on_the_spot) {
            return Fast::No(None);
        }
        let mut spot = Spot {
            worker,
            live,
            source,
            peer,
            now,
            cx,
        };
        let mut key = worker.key.take();
        let answer = if write_fast_key(live, source, peer, head, &mut key).is_none() {
            Fast::No(None)
        } else if hooks {
            on_the_spot::answer(&mut spot, client, head, &key)
        } else {
            match spot.find(head, &key) {
                Some(found) => {
                    spot.put_to_use(&found, &key);
                    let stored = found.stored;
                    let prepared = stored.prepared();
                    let send = Send {
                        head: &prepared.head,
                        added: &[],
                        party: None,
                    };
                    spot.send(client, head, &key, &stored, send)
                        .unwrap_or_else(Fast::Blocked)
                }
                None => Fast::No(None),
            }
        };
        worker.key.set(key);
        answer
    })
}

/// Whether a request has nothing that wants thinking about.
pub(super) fn is_plain(fields: Fields<'_>) -> bool {
    // RFC 9110 sections 10.1.1, 13, 14, 7.8; RFC 9112 section 6.
    !fields.iter().any(|(id, _, _)| {
        matches!(
            id,
            Name::ContentLength
                | Name::TransferEncoding
                | Name::Expect
                | Name::Range
                | Name::IfRange
                | Name::IfMatch
                | Name::IfNoneMatch
                | Name::IfModifiedSince
                | Name::IfUnmodifiedSince
                | Name::Upgrade
        )
    })
}

/// What an answer out of the store on the spot is: stale only where it is validated in the background.
pub(super) fn outcome(stored: &Stored, now: Seconds) -> Outcome {
    if stored.prepared().freshness.ttl(now) > 0 {
        Outcome::Hit
    } else {
        Outcome::Stale
    }
}

/// The key of a request that is well-formed for this listener and allowed here; anything else is a transaction's to refuse.
fn write_fast_key(
    live: &Live,
    source: &Source,
    peer: SocketAddr,
    head: &RequestHead<&[u8]>,
    key: &mut Vec<u8>,
) -> Option<()> {
    let named = host(head.version(), head.fields()).ok()?;
    match (
        &source.listener.mode,
        parse_target(Method::Get, head.target()).ok()?,
    ) {
        (Mode::Reverse { host: mode, .. }, Target::Origin(path)) => {
            let authority = match mode {
                HostMode::Keep => named?,
                HostMode::Set(value) => Authority::parse(value.as_bytes()).ok()?,
            };
            write_key(Scheme::Http, authority, path, key);
            partition::append(&source.listener.mode, key);
        }
        (
            Mode::Forward,
            Target::Absolute {
                scheme: Scheme::Http,
                authority,
                path,
            },
        ) => {
            if !live.settings.access.client(peer.ip()) {
                return None;
            }
            write_key(Scheme::Http, authority, path, key);
        }
        // Transparent: whose name it is must be verified first.
        _ => return None,
    }
    ruled::rekey(&live.settings.rules, head.fields(), key);
    Some(())
}

/// What is sent beside the stored body.
#[derive(Clone, Copy)]
pub(super) struct Send<'a> {
    /// The stored head, or what modules made of it.
    pub(super) head: &'a [u8],
    /// Lines that modules add.
    pub(super) added: &'a [u8],
    pub(super) party: Option<&'a Party>,
}

/// What is stored for a request.
pub(super) struct Found {
    pub(super) stored: Arc<Stored>,
    /// The request's fields could have selected something else.
    pub(super) varies: bool,
    /// It is stale, and to be validated behind the answer.
    behind: bool,
}

impl Spot<'_, '_> {
    /// What is stored for this request, when it may be served at once.
    // Twice in the program, with and without modules: so that the way without them has nothing of the other.
    #[inline(always)]
    pub(super) fn find(&self, head: &RequestHead<&[u8]>, key: &[u8]) -> Option<Found> {
        let fields = head.fields();
        let slot = self.worker.cache.find(key)?;
        let stored = slot.select(fields)?;
        let prepared = stored.prepared();
        let unix = self.worker.clock.now();
        let mut directives = RequestDirectives::parse(fields);
        let rules = &self.live.settings.rules;
        let personal = prepared.freshness.heuristic && fields.has(Name::Cookie);
        if (personal || rules.speak_of_requests())
            && !ruled::lets_out(
                rules,
                key,
                fields,
                prepared,
                &mut directives,
                self.source.internal,
            )
        {
            return None;
        }
        let reuse = may_reuse(&directives, &prepared.directives, &prepared.freshness, unix);
        if via::names_us(fields, &self.live.pseudonym) {
            return None;
        }
        let behind = reuse != Reuse::Fresh;
        if behind && !self.may_serve_behind(reuse, stored) {
            return None;
        }
        Some(Found {
            stored: stored.clone(),
            varies: !slot.is_unvaried(),
            behind,
        })
    }

    /// Whether what is stale may be served at once.
    #[cold]
    fn may_serve_behind(&self, reuse: Reuse, stored: &Stored) -> bool {
        reuse == Reuse::StaleWhileRevalidate
            && !self.source.refreshes
            && internal::can_be_validated(stored)
    }

    /// It is served.
    #[inline(always)]
    pub(super) fn put_to_use(&self, found: &Found, key: &[u8]) {
        found.stored.touch();
        if found.behind {
            let now = self.worker.clock.now();
            self.worker.background.ask(&found.stored, key, now);
        }
    }

    /// Writes the lines of this answer alone; says whether the connection persists.
    #[inline(always)]
    pub(super) fn lines(
        &self,
        client: &Client,
        head: &RequestHead<&[u8]>,
        stored: &Stored,
        send: Send<'_>,
        lines: &mut Vec<u8>,
    ) -> bool {
        let prepared = stored.prepared();
        let unix = self.worker.clock.now();
        let fields = head.fields();
        let (live, worker) = (self.live, self.worker);
        let persist = may_persist(live, worker, self.source, client, head.version(), fields);
        let ttl = prepared.freshness.ttl(unix);
        let cache = CacheStatus {
            hit: true,
            fwd: None,
            fwd_status: None,
            ttl: Some(ttl),
            stored: false,
            collapsed: false,
            // Nothing else that is stale is answered here.
            detail: (ttl <= 0).then_some(Stale::WhileRevalidate.as_str()),
        };
        let bodyless = prepared.status == 204;
        let length = (prepared.length.is_none() && !bodyless).then(|| stored.length());
        lines.clear();
        lines.extend_from_slice(send.added);
        if let Some(party) = send.party {
            party.tell_timing(fields, lines);
        }
        hit::plain_lines(
            prepared.freshness.age(unix),
            length,
            &cache,
            &live.settings.name,
            persist,
            head.version(),
            lines,
        );
        persist
    }

    /// Sends it, in one write. What the socket does not take is given back.
    #[inline(always)]
    pub(super) fn send(
        &mut self,
        client: &mut Client,
        head: &RequestHead<&[u8]>,
        key: &[u8],
        stored: &Arc<Stored>,
        send: Send<'_>,
    ) -> Result<Fast, Box<BlockedHit>> {
        let (worker, live) = (self.worker, self.live);
        let prepared = stored.prepared();
        let fields = head.fields();
        let mut lines = worker.lines.take();
        let persist = self.lines(client, head, stored, send, &mut lines);

        // Counted before the client can know of its answer.
        worker.stats.requests.add(1);
        let mut slices: SmallVec<[IoSlice<'_>; SLICES]> = SmallVec::new();
        slices.push(IoSlice::new(send.head));
        slices.push(IoSlice::new(&lines));
        // Pushed, as `extend` is a call where this stands twice in the program.
        for block in stored.blocks().iter().take(SLICES - 2) {
            slices.push(IoSlice::new(block));
        }
        let written = Pin::new(&mut client.io).poll_write_vectored(self.cx, &slices);
        drop(slices);

        let overhead = send.head.len() + lines.len();
        let total = overhead + stored.length() as usize;
        let sent = match written {
            Poll::Ready(Ok(n)) => n,
            // A client that is gone is met again by the transaction, which logs it.
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        if sent < total {
            // The transaction that goes on with it counts it.
            worker.stats.requests.sub(1);
            let lines = Bytes::copy_from_slice(&lines);
            return Err(Box::new(BlockedHit {
                stored: stored.clone(),
                head: None,
                lines,
                sent,
                url: Bytes::copy_from_slice(key),
                persist,
                look: None,
                handed: None,
            }));
        }
        worker.lines.set(lines);
        client.served += 1;
        let elapsed = self.now.elapsed();
        let stats = &worker.stats;
        stats.bytes_in.add(head.size() as u64);
        stats.bytes_out.add(total as u64);
        let outcome = outcome(stored, worker.clock.now());
        stats.finished(outcome, prepared.status, elapsed);
        let told = tracing::enabled!(tracing::Level::DEBUG);
        let id = match send.party {
            Some(party) => party.id(),
            None if told || live.log.is_some() => worker.transaction_id(),
            None => 0,
        };
        if told {
            for step in ["request_head", "look_up", "hit", "deliver", "log"] {
                tracing::debug!(id = %super::Id(id), step, "step");
            }
        }
        if live.log.is_none() {
            if let Some(party) = send.party.filter(|party| party.wants(Hook::Log)) {
                let entry = LogEntry {
                    status: prepared.status,
                    elapsed,
                    bytes_out: total as u64,
                    body_out: stored.length(),
                    body_in: 0,
                    code: outcome.code(None),
                    hierarchy: NOWHERE,
                    timeout: "",
                    error: "",
                    aborted: false,
                };
                on_the_spot::tell(worker, party, &entry, head.method_bytes(), key);
            }
            return Ok(Fast::Answered { persist });
        }
        let content_type = prepared
            .with_fields(|fields| fields.get(Name::ContentType).map(Bytes::copy_from_slice));
        let url = partition::shown(key);
        let names = &live.settings.rules;
        let length = stored.length();
        let rules = ruled::names(names, key, prepared.status, content_type.as_deref(), length);
        let record = Record {
            id,
            at: std::time::SystemTime::now(),
            elapsed,
            listener: &self.source.listener.name,
            client: self.peer,
            method: head.method_bytes(),
            url: &url,
            version: head.version(),
            status: prepared.status,
            bytes_out: total as u64,
            body_out: stored.length(),
            body_in: 0,
            outcome,
            forward: None,
            not_stored: None,
            stale: (outcome == Outcome::Stale).then_some(Stale::WhileRevalidate),
            origin: None,
            content_type: content_type.as_deref(),
            referer: fields.get(Name::Referer),
            user_agent: fields.get(Name::UserAgent),
            error: None,
            aborted: false,
            modules: &[],
            rules: &rules,
        };
        match send.party {
            Some(party) => on_the_spot::log(worker, party, live, record, key),
            None => {
                if let Some(log) = &live.log {
                    log.log(&record);
                }
            }
        }
        Ok(Fast::Answered { persist })
    }
}
