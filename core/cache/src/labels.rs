//! What a stored response can be purged by beside its key: tags, and groups of its origin.
//!
//! Owns the labels of one response, and a shard's table from label to the places of the responses that have it. Invariant: the table has
//! exactly the labels of the responses in the eviction queue, so it is empty when the queue is. A response without labels owns nothing
//! here and costs nothing.
//! Awkward case: the table holds hashes, so two labels may meet in it; whoever finds a place compares the labels themselves. A group's
//! hash is made of two halves, the group and whose it is, so that one range of the table is that group of every origin.

use foldhash::fast::RandomState;
use std::{collections::BTreeSet, hash::BuildHasher, ops::RangeInclusive, sync::Arc};
use understudy_store::footprint::footprint;

/// Budget bytes of one member of an ordered table of 16-byte members: eleven to a node, of which five are certain, and the nodes above.
pub(crate) const MEMBER_COST: u64 = 48;

/// The labels of a response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Option<Arc<Inner>>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    /// Whose the groups are.
    scope: Box<[u8]>,
    /// The labels, one behind the other.
    text: Box<[u8]>,
    /// What each is, and where it ends; in order and each once.
    ends: Box<[(Kind, u32)]>,
}

/// What a label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Tag,
    Group,
}

impl Labels {
    /// These tags, and these groups of `scope` (RFC 9875 section 2.1: a group is one origin's).
    pub fn new<'a>(
        tags: impl IntoIterator<Item = &'a [u8]>,
        groups: impl IntoIterator<Item = &'a [u8]>,
        scope: &[u8],
    ) -> Labels {
        let tags = tags.into_iter().map(|tag| (Kind::Tag, tag));
        let groups = groups.into_iter().map(|group| (Kind::Group, group));
        let mut all: Vec<(Kind, &[u8])> = tags.chain(groups).collect();
        if all.is_empty() {
            return Labels::default();
        }
        all.sort_unstable();
        all.dedup();
        let mut text = Vec::with_capacity(all.iter().map(|(_, label)| label.len()).sum());
        let mut ends = Vec::with_capacity(all.len());
        for (kind, label) in all {
            text.extend_from_slice(label);
            // A head, which they all come from, is shorter than that.
            ends.push((kind, u32::try_from(text.len()).unwrap_or(u32::MAX)));
        }
        Labels(Some(Arc::new(Inner {
            scope: scope.into(),
            text: text.into(),
            ends: ends.into(),
        })))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Its tags.
    pub fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.of_kind(Kind::Tag)
    }

    /// Its groups.
    pub fn groups(&self) -> impl Iterator<Item = &[u8]> {
        self.of_kind(Kind::Group)
    }

    /// Whose the groups are.
    pub fn scope(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |inner| &inner.scope)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        let labels = self.iter();
        labels.filter_map(move |(of, label)| (of == kind).then_some(label))
    }

    fn iter(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let inner = self.0.as_deref();
        let mut start = 0;
        let ends = inner.map_or(&[][..], |inner| &inner.ends);
        ends.iter().map(move |(kind, end)| {
            let end = *end as usize;
            let label = inner.and_then(|inner| inner.text.get(start..end));
            start = end;
            (*kind, label.unwrap_or_default())
        })
    }

    /// Budget bytes they take, their places in the table included.
    pub(crate) fn cost(&self) -> u64 {
        let Some(inner) = &self.0 else {
            return 0;
        };
        let (counters, ends) = (2 * size_of::<usize>(), size_of_val(&*inner.ends));
        footprint((counters + size_of::<Inner>()) as u64)
            + footprint(inner.scope.len() as u64)
            + footprint(inner.text.len() as u64)
            + footprint(ends as u64)
            + MEMBER_COST * inner.ends.len() as u64
    }
}

/// A shard's table from label to places in its queue.
#[derive(Debug, Default)]
pub(crate) struct LabelTable {
    hasher: RandomState,
    places: BTreeSet<(u64, u32)>,
}

impl LabelTable {
    pub(crate) fn insert(&mut self, labels: &Labels, place: u32) {
        for (kind, label) in labels.iter() {
            let code = self.code(kind, label, labels.scope());
            self.places.insert((code, place));
        }
    }

    pub(crate) fn remove(&mut self, labels: &Labels, place: u32) {
        for (kind, label) in labels.iter() {
            let code = self.code(kind, label, labels.scope());
            self.places.remove(&(code, place));
        }
    }

    /// Members of the table.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Where in the table a tag is.
    pub(crate) fn tag(&self, tag: &[u8]) -> RangeInclusive<u64> {
        let code = self.code(Kind::Tag, tag, &[]);
        code..=code
    }

    /// Where in the table a group is: of this scope, or of all.
    pub(crate) fn group(&self, group: &[u8], scope: Option<&[u8]>) -> RangeInclusive<u64> {
        let code = self.code(Kind::Group, group, scope.unwrap_or_default());
        match scope {
            Some(_) => code..=code,
            None => code & !u64::from(u32::MAX)..=code | u64::from(u32::MAX),
        }
    }

    /// The places in a part of the table, behind the one that was given last.
    pub(crate) fn places(
        &self,
        codes: RangeInclusive<u64>,
        behind: Option<(u64, u32)>,
    ) -> impl Iterator<Item = (u64, u32)> {
        let (first, last) = (codes.start(), codes.end());
        // No response has the last place there could be.
        let start = behind.map_or((*first, 0), |(code, place)| (code, place + 1));
        self.places
            .range(start.min((*last, u32::MAX))..=(*last, u32::MAX))
            .copied()
    }

    fn code(&self, kind: Kind, label: &[u8], scope: &[u8]) -> u64 {
        let whole = self.hasher.hash_one((kind as u8, label));
        match kind {
            Kind::Tag => whole,
            Kind::Group => {
                let scope = self.hasher.hash_one(scope);
                (whole & !u64::from(u32::MAX)) | (scope >> 32)
            }
        }
    }
}
