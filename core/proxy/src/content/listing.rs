//! What modules ask of everything that is stored: which objects there are, page by page, and figures.
//!
//! Invariant: a page costs as much as it may tell, whatever is stored; the walk from page to page is by key, so it goes on wherever it
//! was left. Awkward case: an object that goes between being named and being looked at is passed over, and a page that has become empty
//! by that still says where the next begins. Of what is stored in parts only a query knows nothing, and so is it not listed.

use super::objects;
use crate::record::Outcome;
use crate::stats::Snapshot;
use crate::worker::Worker;
use bytes::Bytes;
use understudy_module::{Completion, MOST_LISTED, ObjectId};

/// A page of what is stored.
pub(super) async fn list(
    worker: &Worker,
    prefix: Bytes,
    after: Option<ObjectId>,
    limit: usize,
) -> Completion {
    let after = after.map(|after| Bytes::copy_from_slice(after.key()));
    let limit = limit.clamp(1, MOST_LISTED);
    let (keys, more) = worker.cache.list(prefix, after, limit).await;
    let next = keys.last().filter(|_| more);
    let next = next.map(|key| ObjectId::of_key(key));
    let told = |key: &Bytes| Some((ObjectId::of_key(key), objects::info(worker, key)?));
    Completion::Listed(keys.iter().filter_map(told).collect(), next)
}

/// The figures.
pub(super) fn statistics(worker: &Worker) -> Completion {
    let mut of = Snapshot::default();
    worker.all.iter().for_each(|stats| stats.add_to(&mut of));
    let cache = worker.cache.stats();
    let outcome = |outcome: Outcome| of.outcomes.get(outcome as usize).copied();
    let outcome = |which| outcome(which).unwrap_or_default();
    let figures = [
        ("objects", cache.entries),
        ("bytes", cache.bytes),
        ("ceiling", cache.ceiling),
        ("fills", cache.fills),
        ("stored", cache.stored),
        ("evicted", cache.evicted),
        ("expired", cache.expired),
        ("invalidated", cache.invalidated),
        ("freshened", cache.freshened),
        ("purged", cache.purged),
        ("requests", of.requests),
        (
            "hits",
            outcome(Outcome::Hit) + outcome(Outcome::HitNotModified),
        ),
        ("stale", outcome(Outcome::Stale)),
        ("revalidated", outcome(Outcome::Revalidated)),
        ("collapsed", outcome(Outcome::Collapsed)),
        ("misses", outcome(Outcome::Miss)),
        ("passed", outcome(Outcome::Pass)),
        ("tunnels", outcome(Outcome::Tunnel)),
        ("denied", outcome(Outcome::Denied)),
        ("local", outcome(Outcome::Local)),
        ("connections", of.connections_open),
        ("transactions", of.transactions_open),
        ("received", of.bytes_in),
        ("sent", of.bytes_out),
        ("origin_requests", of.origin_requests),
        ("origin_received", of.origin_bytes_in),
        ("origin_failures", of.origin_failures),
    ];
    let figure = |(name, value): (&str, u64)| (name.to_owned(), value);
    Completion::Statistics(figures.into_iter().map(figure).collect())
}
