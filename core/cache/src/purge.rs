//! Purging: what is asked for, and what became of it.
//!
//! Owns the words of a purge and the walk over the shards. Each shard first marks the fills under way, then goes through what it has
//! found by its tables, some at a time, so that a large purge holds nobody up; at the end it looks a second time. Invariant: nothing
//! that was fetched before the purge is served as fresh once the purge has ended; what is fetched after it began is not touched. The
//! cost is that of what matches, and of the fills under way.
//! Awkward case: a fill whose head has not come yet may turn out to have the tag. It is given the purge to keep, and looks when it
//! knows.

use actix::Addr;
use bytes::Bytes;
use std::sync::{Arc, atomic::Ordering};
use understudy_http::semantics::date::Seconds;

use crate::{Cache, Labels, TransactionId, index::Key, messages::Sweep, shard::Shard};

/// Most keys that an account of a purge names.
pub const MOST_KEYS: usize = 100;

/// Ends the URL in a key; behind it stands what parts the keys of one URL. No URL holds it.
const BREAK: u8 = b'\n';

/// What a purge means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// This key alone.
    Key(Bytes),
    /// Every key of this URL, written as in a key.
    Url(Bytes),
    /// Every key that begins like this.
    Prefix(Bytes),
    /// Every response with this tag.
    Tag(Bytes),
    /// Every response in this group (RFC 9875), of some origin or of all.
    Group(Bytes, Scope),
}

/// Whose group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every origin's that has one of this name.
    Any,
    /// An origin's, whatever upstream answers for it.
    Origin(Bytes),
    /// Just this scope's.
    Exactly(Bytes),
}

/// A purge.
#[derive(Debug, Clone)]
pub struct Purge {
    /// What goes: all that any of these means.
    pub what: Vec<Selector>,
    /// It only becomes stale.
    pub soft: bool,
    /// It stays, and is counted.
    pub dry_run: bool,
    /// The time that it is.
    pub now: Seconds,
}

/// What became of a purge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purged {
    /// Responses that it meant.
    pub matched: u64,
    /// Of those, removed. A soft purge removes what it has no room to mark.
    pub removed: u64,
    /// Of those, made stale.
    pub staled: u64,
    /// Bytes that went with the removed ones; what is being sent just now is free when that is done.
    pub bytes: u64,
    /// Members of the tables that it looked at for that.
    pub looked_at: u64,
    /// Keys of what it meant, [`MOST_KEYS`] at most.
    pub keys: Vec<Bytes>,
    /// Whether there were more.
    pub more_keys: bool,
    /// Fetches under way that will not be stored.
    pub fills: u64,
    /// Fetches under way that have no head yet, and will not be stored if it says that they are meant.
    pub fills_watched: u64,
    /// At a second look: responses that should have gone and have not.
    pub remain: u64,
}

impl Selector {
    /// Whether it means this response.
    pub(crate) fn means(&self, key: &[u8], labels: &Labels) -> bool {
        match self {
            Selector::Key(_) | Selector::Url(_) | Selector::Prefix(_) => self.means_key(key),
            Selector::Tag(tag) => labels.tags().any(|other| other == tag),
            Selector::Group(group, scope) => {
                let scope = match scope {
                    Scope::Any => true,
                    Scope::Exactly(scope) => labels.scope() == scope,
                    Scope::Origin(origin) => of_url(origin, labels.scope()),
                };
                scope && labels.groups().any(|other| other == group)
            }
        }
    }

    /// Whether it means all that is stored under this key.
    pub(crate) fn means_key(&self, key: &[u8]) -> bool {
        match self {
            Selector::Key(exactly) => key == exactly,
            Selector::Url(url) => of_url(url, key),
            Selector::Prefix(prefix) => key.starts_with(prefix),
            Selector::Tag(_) | Selector::Group(..) => false,
        }
    }

    /// Whether it looks at labels rather than keys.
    pub(crate) fn is_label(&self) -> bool {
        matches!(self, Selector::Tag(_) | Selector::Group(..))
    }

    /// Where the keys it means begin, in their order, if it looks at keys. They stand together: a URL ends in what no URL holds and
    /// what comes before all that it can hold.
    pub(crate) fn first_key(&self) -> Option<&[u8]> {
        match self {
            Selector::Key(first) | Selector::Url(first) | Selector::Prefix(first) => Some(first),
            Selector::Tag(_) | Selector::Group(..) => None,
        }
    }
}

/// Whether a key is this URL's.
fn of_url(url: &[u8], key: &[u8]) -> bool {
    key.strip_prefix(url)
        .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == BREAK))
}

/// Where a sweep over a shard goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursor {
    /// Which selector.
    pub(crate) at: usize,
    /// The last key, and the last place in the table of labels.
    pub(crate) key: Option<Key>,
    pub(crate) place: Option<(u64, u32)>,
}

/// One part of a sweep.
#[derive(Debug, Default, actix::MessageResponse)]
pub(crate) struct Swept {
    pub(crate) found: Purged,
    /// The newest response that the purge can mean.
    pub(crate) newest: u64,
    /// There is more.
    pub(crate) next: Option<Cursor>,
}

impl Cache {
    /// Purges.
    pub async fn purge(&self, transaction: TransactionId, purge: Purge) -> Purged {
        if !purge.dry_run {
            let begun = &self.handle.shared.purges_begun;
            begun.fetch_add(1, Ordering::AcqRel);
        }
        let purge = Arc::new(purge);
        let (mut all, newest) = self.sweep(transaction, &purge).await;
        if purge.dry_run {
            return all;
        }
        all.remain = self.remain(transaction, &purge, newest).await;
        self.handle.shared.counts.purge(&all);
        all
    }

    /// How many purges have begun, dry runs and what origins invalidate not counted. What was fetched without a fill may be stored only if none has begun since: a fill that is made
    /// first, and this compared then, leaves no gap.
    pub fn purges_begun(&self) -> u64 {
        self.handle.shared.purges_begun.load(Ordering::Acquire)
    }

    /// Removes what these mean, because their origin says so; fills in progress are marked as by a purge.
    pub async fn invalidate_selected(&self, transaction: TransactionId, what: Vec<Selector>) {
        let purge = Arc::new(Purge {
            what,
            soft: false,
            dry_run: false,
            now: 0,
        });
        let (gone, _) = self.sweep(transaction, &purge).await;
        let invalidated = &self.handle.shared.counts.invalidated;
        invalidated.fetch_add(gone.removed, Ordering::Relaxed);
    }

    /// The shards that may have some of it.
    fn shards_of(&self, purge: &Purge) -> &[Addr<Shard>] {
        let shards = &self.handle.shards;
        match &purge.what[..] {
            [Selector::Key(key)] => {
                let at = self.shard_number(key);
                shards.get(at..=at).unwrap_or_default()
            }
            _ => shards,
        }
    }

    /// One shard after the other; and for each, the newest response that the purge could mean.
    async fn sweep(
        &self,
        transaction: TransactionId,
        purge: &Arc<Purge>,
    ) -> (Purged, Vec<Option<u64>>) {
        let mut all = Purged::default();
        let shards = self.shards_of(purge);
        let mut newest = Vec::with_capacity(shards.len());
        for shard in shards {
            let mut sweep = Sweep::first(transaction, purge);
            loop {
                sweep.keys = MOST_KEYS - all.keys.len();
                // A stopped shard has nothing left that could be found.
                let Ok(swept) = shard.send(sweep.clone()).await else {
                    break;
                };
                all.add(swept.found);
                sweep.newest = Some(swept.newest);
                match swept.next {
                    Some(next) => sweep.cursor = next,
                    None => break,
                }
            }
            newest.push(sweep.newest);
        }
        (all, newest)
    }

    /// The second look: what should have gone and has not.
    async fn remain(
        &self,
        transaction: TransactionId,
        purge: &Arc<Purge>,
        newest: Vec<Option<u64>>,
    ) -> u64 {
        let mut remain = 0;
        for (shard, newest) in self.shards_of(purge).iter().zip(newest) {
            let mut sweep = Sweep::first(transaction, purge);
            (sweep.newest, sweep.verify) = (newest, true);
            while let Ok(swept) = shard.send(sweep.clone()).await {
                remain += swept.found.matched;
                match swept.next {
                    Some(next) => sweep.cursor = next,
                    None => break,
                }
            }
        }
        remain
    }
}

impl Purged {
    fn add(&mut self, other: Purged) {
        self.matched += other.matched;
        self.looked_at += other.looked_at;
        self.removed += other.removed;
        self.staled += other.staled;
        self.bytes += other.bytes;
        self.fills += other.fills;
        self.fills_watched += other.fills_watched;
        self.keys.extend(other.keys);
        self.more_keys |= other.more_keys;
    }
}
