//! A shard's part of a purge: marking fills, finding what is meant, and doing it, some at a time.
//!
//! Invariant: of one sweep each response is met once: what an earlier selector means a later one passes by, and what was stored after
//! the sweep began is not met at all. Awkward case: a response made stale keeps its place in queue and tables, or the walk over places
//! would meet it again, or never end.

use actix::Handler;
use bytes::Bytes;
use smallvec::SmallVec;
use std::{
    ops::Bound,
    sync::{Arc, atomic::Ordering},
};
use understudy_http::semantics::date::Seconds;

use crate::{
    FillHead, Stored,
    index::{Key, Slot},
    messages::Sweep,
    purge::{Cursor, Purge, Purged, Scope, Selector, Swept},
    shard::{EVICT_AFTER_COMMIT, Shard},
};

/// Keys or responses that one part of a sweep looks at: an arbiter also serves hits.
const PART: usize = 256;

/// A response that is meant, with its key.
type Meant = (Key, Arc<Stored>);

impl Handler<Sweep> for Shard {
    type Result = Swept;

    fn handle(&mut self, sweep: Sweep, _: &mut Self::Context) -> Swept {
        let mut found = Purged::default();
        let newest = match sweep.newest {
            Some(newest) => newest,
            None => {
                self.mark_fills(&sweep.purge, &mut found);
                self.newest
            }
        };
        let (mut next, mut left) = (Some(sweep.cursor), PART);
        while let Some(cursor) = next.take_if(|_| left > 0) {
            let (meant, seen, behind) = self.part(&sweep.purge, cursor, newest, left);
            found.looked_at += seen as u64;
            // A selector that means nothing is work, too.
            left -= seen.max(1);
            next = behind;
            for (key, stored) in meant {
                self.purge_one(&sweep.purge, sweep.verify, &key, &stored, &mut found);
                let named = found.keys.last().is_some_and(|last| *last == *key);
                match named {
                    true => {}
                    false if found.keys.len() < sweep.keys => {
                        found.keys.push(Bytes::copy_from_slice(&key));
                    }
                    false => found.more_keys = true,
                }
            }
        }
        self.trace(sweep.transaction, "purge");
        Swept {
            found,
            newest,
            next,
        }
    }
}

impl Shard {
    /// What is fetched already is not to be published.
    fn mark_fills(&mut self, purge: &Purge, found: &mut Purged) {
        for fill in self.fills.values().flatten() {
            let mut state = fill.lock();
            if state.is_over() || state.invalidated {
                continue;
            }
            let labels = match &state.head {
                Some(FillHead::Shared(prepared)) => Some(&prepared.labels),
                // Nothing of it will be stored.
                Some(_) => continue,
                None => None,
            };
            let validates = fill.validate.as_ref().map(|old| &old.prepared().labels);
            let meant = purge.what.iter().any(|selector| {
                selector.means_key(&fill.key)
                    || [labels, validates]
                        .into_iter()
                        .flatten()
                        .any(|labels| selector.means(&fill.key, labels))
            });
            if meant {
                found.fills += 1;
                state.invalidated |= !purge.dry_run;
            } else if labels.is_none() && purge.what.iter().any(Selector::is_label) {
                found.fills_watched += 1;
                if !purge.dry_run {
                    state.watch(&purge.what);
                }
            }
        }
    }

    /// The next of what is meant, and how many members of a table were looked at for it, `most` at most.
    fn part(
        &self,
        purge: &Purge,
        mut cursor: Cursor,
        newest: u64,
        most: usize,
    ) -> (Vec<Meant>, usize, Option<Cursor>) {
        let mut meant = Vec::new();
        let Some(selector) = purge.what.get(cursor.at) else {
            return (meant, 0, None);
        };
        let before = purge.what.get(..cursor.at).unwrap_or_default();
        let mut take = |key: &Key, stored: &Arc<Stored>| {
            let labels = &stored.prepared().labels;
            let is_meant = stored.stamp.load(Ordering::Relaxed) <= newest
                && selector.means(key, labels)
                && !before.iter().any(|earlier| earlier.means(key, labels));
            if is_meant {
                meant.push((Arc::clone(key), Arc::clone(stored)));
            }
        };
        let mut seen = 0;
        match selector.first_key() {
            Some(first) => {
                let from = match &cursor.key {
                    Some(last) => Bound::Excluded(&**last),
                    None => Bound::Included(first),
                };
                let keys = self.keys.range::<[u8], _>((from, Bound::Unbounded));
                let keys = keys.take_while(|key| selector.means_key(key)).take(most);
                let mut last = None;
                for key in keys {
                    seen += 1;
                    last = Some(Arc::clone(key));
                    if let Some(slot) = self.shared.index.get(key) {
                        slot.all().for_each(|stored| take(key, stored));
                    }
                }
                cursor.key = last;
            }
            None => {
                let codes = match selector {
                    Selector::Group(group, Scope::Exactly(scope)) => {
                        self.labels.group(group, Some(scope))
                    }
                    Selector::Group(group, _) => self.labels.group(group, None),
                    Selector::Tag(tag) => self.labels.tag(tag),
                    // They have a first key.
                    Selector::Key(_) | Selector::Url(_) | Selector::Prefix(_) => {
                        return (meant, 0, None);
                    }
                };
                let mut last = None;
                for place in self.labels.places(codes, cursor.place).take(most) {
                    seen += 1;
                    last = Some(place);
                    if let Some((key, stored)) = self.queue.get(place.1) {
                        take(key, stored);
                    }
                }
                cursor.place = last;
            }
        }
        if seen < most {
            cursor = Cursor {
                at: cursor.at + 1,
                ..Cursor::default()
            };
        }
        let more = cursor.at < purge.what.len();
        (meant, seen, more.then_some(cursor))
    }

    fn purge_one(
        &mut self,
        purge: &Purge,
        verify: bool,
        key: &Key,
        stored: &Arc<Stored>,
        found: &mut Purged,
    ) {
        let fresh = stored.prepared().freshness.ttl(purge.now) > 0;
        if verify {
            found.matched += u64::from(!purge.soft || fresh);
            return;
        }
        found.matched += 1;
        if purge.dry_run || (purge.soft && !fresh) {
            return;
        }
        if purge.soft && self.make_stale(key, stored, purge.now) {
            found.staled += 1;
            return;
        }
        found.removed += 1;
        found.bytes += stored.weight();
        self.unpublish(key, stored);
        self.discard(stored);
    }

    /// Publishes a response as one that is stale from now on, in its own place. `false`: there is no room for its new head, not even
    /// when others go.
    fn make_stale(&mut self, key: &Key, old: &Arc<Stored>, now: Seconds) -> bool {
        let prepared = old.prepared().spent(now);
        let cost = old.head_cost(key.len());
        let budget = Arc::clone(&self.shared.budget);
        let share = budget.try_reserve(cost).or_else(|| {
            self.evict_until_free(cost, EVICT_AFTER_COMMIT);
            budget.try_reserve(cost)
        });
        let Some(share) = share else {
            return false;
        };
        let new = Arc::new(old.freshened(Arc::new(prepared), share));
        if !self.queue.replace(old, &new) {
            // It was evicted for the sake of its own new head.
            return false;
        }
        // Looked at now: what was evicted for it may have been a variant beside it.
        let Some(slot) = self.shared.index.get(key) else {
            return false;
        };
        let variants: SmallVec<[Arc<Stored>; 1]> = slot
            .all()
            .map(|variant| {
                Arc::clone(if Arc::ptr_eq(variant, old) {
                    &new
                } else {
                    variant
                })
            })
            .collect();
        self.shared.index.publish(key, Slot::of(variants));
        true
    }
}
