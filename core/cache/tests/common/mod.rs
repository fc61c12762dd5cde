//! What the scenario tests share: a cache of one or more shards, and short words for what a worker does with it.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use actix_rt::{Arbiter, ArbiterHandle};
use bytes::Bytes;
use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use understudy_cache::{
    Answer, Ask, Cache, Config, Fill, FillEvent, FillReader, Prepared, Slot, Stored,
};
use understudy_http::{
    Fields,
    semantics::{cache_control::ResponseDirectives, freshness::Freshness, vary::VaryKey},
    wire::head::{HeadLimits, parse_request, parse_response},
};

pub const MIB: u64 = 1024 * 1024;

pub fn config(memory: u64) -> Config {
    Config {
        memory,
        max_object: memory / 2,
        max_variants: 4,
    }
}

/// A cache with one shard on the current arbiter.
pub fn cache(memory: u64) -> Cache {
    Cache::start(config(memory), &[Arbiter::current()])
}

/// A cache with shards on arbiters of their own.
pub fn cache_on(memory: u64, arbiters: &[Arbiter]) -> Cache {
    let handles: Vec<ArbiterHandle> = arbiters.iter().map(Arbiter::handle).collect();
    Cache::start(config(memory), &handles)
}

pub fn key(name: &str) -> Bytes {
    Bytes::from(format!("http://example.test:80/{name}"))
}

pub fn plain(name: &str) -> Ask {
    Ask {
        transaction: 1,
        key: key(name),
        validate: None,
        alone: false,
    }
}

pub fn alone(name: &str) -> Ask {
    Ask {
        alone: true,
        ..plain(name)
    }
}

pub fn prepared(length: Option<u64>) -> Arc<Prepared> {
    varied(length, VaryKey::default())
}

/// An empty response received at this time.
pub fn received_at(received: i64) -> Arc<Prepared> {
    let mut prepared = Arc::into_inner(prepared(Some(0))).unwrap();
    prepared.freshness.response_time = received;
    prepared.received = received;
    Arc::new(prepared)
}

pub fn varied(length: Option<u64>, vary: VaryKey) -> Arc<Prepared> {
    Arc::new(Prepared {
        head: Bytes::from_static(b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nX-Kept: yes\r\n"),
        status: 200,
        freshness: Freshness {
            response_time: 0,
            corrected_initial_age: 0,
            lifetime: 60,
            heuristic: false,
        },
        directives: ResponseDirectives::default(),
        vary,
        received: 0,
        length,
        labels: Default::default(),
    })
}

const LIMITS: HeadLimits = HeadLimits {
    bytes: 4096,
    target: 1024,
    fields: 64,
};

/// The secondary key of a response with `Vary: Accept-Language` to a request in this language.
pub fn in_language(language: &str) -> VaryKey {
    let response = b"HTTP/1.1 200 OK\r\nVary: Accept-Language\r\n\r\n".as_slice();
    let response = parse_response(response, &LIMITS, Vec::new())
        .unwrap()
        .unwrap()
        .with(response);
    with_request(language, |request| {
        VaryKey::of(response.fields(), request).unwrap()
    })
}

/// Calls `f` with the fields of a request in this language.
pub fn with_request<R>(language: &str, f: impl FnOnce(Fields<'_>) -> R) -> R {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Language: {language}\r\n\r\n");
    let request = parse_request(request.as_bytes(), &LIMITS, Vec::new())
        .unwrap()
        .unwrap()
        .with(request.as_bytes());
    f(request.fields())
}

pub async fn lead(cache: &Cache, ask: Ask) -> Fill {
    match cache.ask(ask).await.unwrap() {
        Answer::Lead(fill) => fill,
        other => panic!("expected to lead: {other:?}"),
    }
}

pub async fn follow(cache: &Cache, ask: Ask) -> FillReader {
    match cache.ask(ask).await.unwrap() {
        Answer::Follow(reader) => reader,
        other => panic!("expected to follow: {other:?}"),
    }
}

/// Stores a body of a known length under a name.
pub async fn store(cache: &Cache, name: &str, body: &[u8]) -> Arc<Stored> {
    store_as(cache, name, body, VaryKey::default()).await
}

pub async fn store_as(cache: &Cache, name: &str, body: &[u8], vary: VaryKey) -> Arc<Stored> {
    let mut fill = lead(cache, alone(name)).await;
    fill.respond(varied(Some(body.len() as u64), vary))
        .await
        .unwrap();
    fill.append(body).unwrap();
    fill.commit(Bytes::new()).await.unwrap()
}

pub fn find(cache: &Cache, name: &str) -> Option<Arc<Slot>> {
    cache.find(&key(name))
}

/// What the cache would answer a request without fields with.
pub fn hit(cache: &Cache, name: &str) -> Option<Arc<Stored>> {
    find(cache, name)?
        .select(Fields::new(&[], &[], &[]))
        .cloned()
}

pub fn body_of(stored: &Stored) -> Vec<u8> {
    stored.blocks().concat()
}

pub async fn next(reader: &mut FillReader) -> FillEvent {
    poll_fn(|cx| reader.poll_next(cx)).await
}

/// Reads to the end: the bytes, and the trailers or `None` when it was broken off.
pub async fn read_all(reader: &mut FillReader) -> (Vec<u8>, Option<Bytes>) {
    let mut body = Vec::new();
    loop {
        match next(reader).await {
            FillEvent::Data(bytes) => body.extend_from_slice(&bytes),
            FillEvent::End(trailers) => return (body, Some(trailers)),
            FillEvent::Broken => return (body, None),
        }
    }
}

/// Bytes that tell their place.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at % 251) as u8 ^ (at / 251 % 256) as u8)
        .collect()
}

/// Lets every shard work off what was sent to it before: an awaited message to each, behind the notices.
pub async fn settle(cache: &Cache) {
    for at in 0..64 {
        cache.invalidate(0, key(&format!("nothing-{at}"))).await;
    }
}

/// Whether the leader may read another piece now.
pub fn has_room(fill: &mut Fill) -> bool {
    fill.poll_room(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

/// The reader's event, if there is one now.
pub fn ready(reader: &mut FillReader) -> Option<FillEvent> {
    match reader.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(event) => Some(event),
        Poll::Pending => None,
    }
}

/// Reads what is there now.
pub fn drain(reader: &mut FillReader) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(FillEvent::Data(bytes)) = ready(reader) {
        body.extend_from_slice(&bytes);
    }
    body
}
