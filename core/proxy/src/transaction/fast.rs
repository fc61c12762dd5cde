//! Plain hits, on the spot: the steps `request_head`, `look_up`, `hit`, `deliver` and `log` in one go, on the worker's stack.
//!
//! Parse, key, read the published index, one vectored write: no allocation, no message, no wait. Whatever is not a plain,
//! fresh hit for a plain GET is left to a transaction, which decides everything anew.

use super::{hit, may_persist, partition};
use crate::client::Client;
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
use understudy_http::semantics::key::write_key;
use understudy_http::semantics::reuse::{Reuse, may_reuse};
use understudy_http::wire::target::{Authority, Scheme, Target, host, parse_target};
use understudy_http::{Fields, Method, Name, RequestHead};

/// What became of a request.
pub(crate) enum Fast {
    /// Answered whole.
    Answered { persist: bool },
    /// A hit that the socket did not take at once.
    Blocked(BlockedHit),
    /// Not a plain hit.
    No,
}

/// A plain hit in the middle of its answer.
pub(crate) struct BlockedHit {
    pub(super) stored: Arc<Stored>,
    pub(super) lines: Bytes,
    /// Bytes of the answer written.
    pub(super) sent: usize,
    pub(super) url: Bytes,
    pub(super) persist: bool,
}

/// Blocks of a body written at once; the rest follows when the socket takes more.
const SLICES: usize = 16;

/// Answers a plain hit.
pub(crate) fn answer(
    worker: &Worker,
    source: &Source,
    peer: SocketAddr,
    client: &mut Client,
    head: &RequestHead<&[u8]>,
    now: Instant,
    cx: &mut Context<'_>,
) -> Fast {
    let fields = head.fields();
    if head.method() != Method::Get || !is_plain(fields) {
        return Fast::No;
    }
    worker.with_live(|live| {
        if live.settings.cache.is_none() {
            return Fast::No;
        }
        let mut key = worker.key.take();
        let found = write_fast_key(live, source, peer, head, &mut key)
            .and_then(|()| worker.cache.find(&key))
            .and_then(|slot| slot.select(fields).cloned());
        let answer = match found {
            Some(stored) => write(
                worker, live, source, peer, client, head, now, cx, &key, stored,
            ),
            None => Fast::No,
        };
        worker.key.set(key);
        answer
    })
}

/// Whether a request has nothing that wants thinking about.
fn is_plain(fields: Fields<'_>) -> bool {
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
    Some(())
}

#[allow(clippy::too_many_arguments)]
fn write(
    worker: &Worker,
    live: &Live,
    source: &Source,
    peer: SocketAddr,
    client: &mut Client,
    head: &RequestHead<&[u8]>,
    now: Instant,
    cx: &mut Context<'_>,
    key: &[u8],
    stored: Arc<Stored>,
) -> Fast {
    let fields = head.fields();
    let prepared = stored.prepared();
    let unix = worker.clock.now();
    let directives = RequestDirectives::parse(fields);
    let reuse = may_reuse(&directives, &prepared.directives, &prepared.freshness, unix);
    if reuse != Reuse::Fresh || via::names_us(fields, &live.pseudonym) {
        return Fast::No;
    }
    stored.touch();
    let persist = may_persist(live, worker, source, client, head.version(), fields);
    let cache = CacheStatus {
        hit: true,
        fwd: None,
        fwd_status: None,
        ttl: Some(prepared.freshness.ttl(unix)),
        stored: false,
        collapsed: false,
        detail: None,
    };
    let bodyless = prepared.status == 204;
    let length = (prepared.length.is_none() && !bodyless).then(|| stored.length());
    let mut lines = worker.lines.take();
    lines.clear();
    let age = prepared.freshness.age(unix);
    hit::plain_lines(
        age,
        length,
        &cache,
        &live.settings.name,
        persist,
        head.version(),
        &mut lines,
    );

    // Counted before the client can know of its answer.
    worker.stats.requests.add(1);
    let mut slices: SmallVec<[IoSlice<'_>; SLICES]> = SmallVec::new();
    slices.push(IoSlice::new(&prepared.head));
    slices.push(IoSlice::new(&lines));
    slices.extend(
        stored
            .blocks()
            .iter()
            .take(SLICES - 2)
            .map(|b| IoSlice::new(b)),
    );
    let written = Pin::new(&mut client.io).poll_write_vectored(cx, &slices);
    drop(slices);

    let overhead = prepared.head.len() + lines.len();
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
        return Fast::Blocked(BlockedHit {
            stored,
            lines,
            sent,
            url: Bytes::copy_from_slice(key),
            persist,
        });
    }
    worker.lines.set(lines);
    client.served += 1;
    let elapsed = now.elapsed();
    let stats = &worker.stats;
    stats.bytes_in.add(head.size() as u64);
    stats.bytes_out.add(total as u64);
    stats.finished(Outcome::Hit, prepared.status, elapsed);
    let told = tracing::enabled!(tracing::Level::DEBUG);
    let id = if told || live.log.is_some() {
        worker.transaction_id()
    } else {
        0
    };
    if told {
        for step in ["request_head", "look_up", "hit", "deliver", "log"] {
            tracing::debug!(id = %super::Id(id), step, "step");
        }
    }
    if let Some(log) = &live.log {
        let content_type = prepared
            .with_fields(|fields| fields.get(Name::ContentType).map(Bytes::copy_from_slice));
        log.log(&Record {
            id,
            at: std::time::SystemTime::now(),
            elapsed,
            listener: &source.listener.name,
            client: peer,
            method: head.method_bytes(),
            url: &partition::shown(key),
            version: head.version(),
            status: prepared.status,
            bytes_out: total as u64,
            body_out: stored.length(),
            body_in: 0,
            outcome: Outcome::Hit,
            forward: None,
            not_stored: None,
            origin: None,
            content_type: content_type.as_deref(),
            referer: fields.get(Name::Referer),
            user_agent: fields.get(Name::UserAgent),
            error: None,
            aborted: false,
            modules: &[],
        });
    }
    Fast::Answered { persist }
}
