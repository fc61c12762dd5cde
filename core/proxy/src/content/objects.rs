//! What modules ask of an object that is stored: its state, its bytes, another expiration, its removal.
//!
//! Of several variants the newest is meant, but an expiration and a removal mean all of them.

use crate::worker::Worker;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use understudy_cache::{Prepared, Stored};
use understudy_http::Name;
use understudy_http::semantics::date::Seconds;
use understudy_http::semantics::freshness::Freshness;
use understudy_module::{Completion, ObjectInfo, Response};

/// Greatest age and lifetime there is (RFC 9111 section 1.2.2).
const FOREVER: i64 = 1 << 31;
/// Looks at an object that changes while its expiration is set.
const LOOKS: usize = 8;

/// The newest variant.
pub(super) fn newest(worker: &Worker, key: &[u8]) -> Option<Arc<Stored>> {
    worker.cache.find(key)?.variants().first().cloned()
}

/// How it is.
pub(super) fn query(worker: &Worker, key: &[u8]) -> Completion {
    info(worker, key).map_or(Completion::Absent, Completion::Found)
}

/// What is known of it, if it is there.
pub(super) fn info(worker: &Worker, key: &[u8]) -> Option<ObjectInfo> {
    let stored = newest(worker, key)?;
    let prepared = stored.prepared();
    let now = worker.clock.now();
    let content_type = prepared.with_fields(|fields| {
        fields
            .get(Name::ContentType)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    });
    Some(ObjectInfo {
        status: prepared.status,
        length: stored.length(),
        age: prepared.freshness.age(now),
        ttl: prepared.freshness.ttl(now),
        content_type,
    })
}

/// Its head, and its body when that is wanted. The framing's lines are not among the fields, and trailers are not given.
pub(super) fn object(stored: &Stored, body: bool) -> Completion {
    let body = if body { whole(stored) } else { Bytes::new() };
    let prepared = stored.prepared();
    let Ok(mut response) = Response::new(prepared.status, body) else {
        return Completion::Failed("status".to_owned());
    };
    prepared.with_fields(|fields| {
        for (_, name, value) in fields.iter() {
            // What a response may not hold is the framing's.
            let _ = response.add(name, value);
        }
    });
    stored.touch();
    Completion::Object(Box::new(response))
}

fn whole(stored: &Stored) -> Bytes {
    match stored.blocks() {
        [] => Bytes::new(),
        [block] => block.clone(),
        blocks => {
            let mut whole = BytesMut::with_capacity(stored.length() as usize);
            for block in blocks {
                whole.extend_from_slice(block);
            }
            whole.freeze()
        }
    }
}

/// Removes it.
pub(super) async fn delete(worker: &Worker, key: Bytes) -> Completion {
    worker.cache.invalidate(worker.transaction_id(), key).await;
    Completion::Done
}

/// It is fresh until this time: every variant gets a head that says so.
pub(super) async fn expire_at(worker: &Worker, key: Bytes, at: Seconds) -> Completion {
    let id = worker.transaction_id();
    // A variant that is replaced meanwhile is met again in its new form, if the object does not change all the time.
    for _ in 0..LOOKS {
        let Some(slot) = worker.cache.find(&key) else {
            return Completion::Absent;
        };
        let mut settled = true;
        for stored in slot.all() {
            let prepared = until(stored.prepared(), at, worker.clock.now());
            match worker.cache.renew(id, key.clone(), stored, prepared).await {
                Ok(renewed) => settled &= renewed,
                Err(why) => return Completion::Failed(why.as_str().to_owned()),
            }
        }
        if settled {
            return Completion::Done;
        }
    }
    Completion::Failed("busy".to_owned())
}

/// The same head, fresh until this time: the lifetime is what its age will be then.
fn until(old: &Prepared, at: Seconds, now: Seconds) -> Prepared {
    let age = i64::from(old.freshness.age(now));
    let lifetime = age.saturating_add(at.saturating_sub(now)).clamp(0, FOREVER);
    Prepared {
        freshness: Freshness {
            lifetime: u32::try_from(lifetime).unwrap_or(0),
            heuristic: false,
            ..old.freshness
        },
        ..old.clone()
    }
}
