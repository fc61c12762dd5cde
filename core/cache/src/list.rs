//! Listing: the keys of what is stored, in their order, some at a time.
//!
//! Each shard has the keys that hash to it in order; a page is the first of what they all have to tell, merged. Invariant: a page costs
//! each shard at most as many keys as it may name, and the walk from page to page needs nothing but the last key.

use actix::{Handler, Message};
use bytes::Bytes;
use std::ops::Bound;

use crate::{Cache, shard::Shard};

/// Name the first keys of a slice that begin like this and stand behind that.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Vec<Bytes>")]
pub(crate) struct List {
    prefix: Bytes,
    after: Option<Bytes>,
    most: usize,
}

impl Handler<List> for Shard {
    type Result = Vec<Bytes>;

    fn handle(&mut self, list: List, _: &mut Self::Context) -> Vec<Bytes> {
        let from = match &list.after {
            Some(after) if **after >= *list.prefix => Bound::Excluded(&after[..]),
            _ => Bound::Included(&list.prefix[..]),
        };
        self.keys
            .range::<[u8], _>((from, Bound::Unbounded))
            .take_while(|key| key.starts_with(&list.prefix))
            .take(list.most)
            .map(|key| Bytes::copy_from_slice(key))
            .collect()
    }
}

impl Cache {
    /// The first keys, `limit` at most, that begin with `prefix` and come behind `after`; and whether there are more.
    pub async fn list(
        &self,
        prefix: Bytes,
        after: Option<Bytes>,
        limit: usize,
    ) -> (Vec<Bytes>, bool) {
        let list = List {
            prefix,
            after,
            // One more than is told says whether there is more.
            most: limit.saturating_add(1),
        };
        let mut keys = Vec::new();
        for shard in &self.handle.shards {
            // A stopped shard has nothing left that could be found.
            keys.extend(shard.send(list.clone()).await.unwrap_or_default());
        }
        keys.sort_unstable();
        let more = keys.len() > limit;
        keys.truncate(limit);
        (keys, more)
    }
}
