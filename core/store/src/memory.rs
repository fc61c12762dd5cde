//! The memory tier behind the common seam.
//!
//! Owns a table of resident objects whose bodies are the same budgeted [`Blocks`] a fill writes.
//! Invariant: key, head, trailers and table place are in the budget as long as the object is in the
//! table, the blocks as long as anybody holds them. It does not evict: `NoRoom` is answered, and
//! who goes is decided above.
//!
//! The cache's own memory is not reached through here: a published entry holds its blocks directly,
//! so that a hit is one look-up in one table. This tier is for what stacks tiers, and the yardstick
//! their shared tests are written against. The awkward case is therefore the same body in both:
//! blocks are shared handles, paid for once.

use bytes::Bytes;
use smallvec::SmallVec;
use std::{
    collections::HashMap,
    future::ready,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    task::{Context, Poll},
};

use crate::{
    blocks::{Blocks, body_cost},
    budget::{Budget, Reservation},
    footprint::footprint,
    tier::{Answer, Body, Each, Object, Put, Store, StoreError, TierStats},
};

/// Budget bytes of an object beside its key, head, trailers and blocks; the table doubles as it grows.
const OBJECT_OVERHEAD: u64 = footprint((size_of::<Resident>() + 2 * size_of::<usize>()) as u64)
    + 2 * (size_of::<(Box<[u8]>, Arc<Resident>)>() as u64 + 1);

#[derive(Debug)]
struct Resident {
    head: Bytes,
    blocks: SmallVec<[Bytes; 1]>,
    trailers: Bytes,
    length: u64,
    _share: Reservation,
}

type Table = HashMap<Box<[u8]>, Arc<Resident>>;

/// Objects in memory, under a budget that may be shared.
#[derive(Debug, Clone)]
pub struct Memory {
    budget: Arc<Budget>,
    table: Arc<RwLock<Table>>,
}

impl Memory {
    /// An empty tier that reserves from this budget.
    pub fn new(budget: Arc<Budget>) -> Memory {
        Memory {
            budget,
            table: Arc::default(),
        }
    }

    // A panic elsewhere leaves the table usable: every change to it is one insert or one remove.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Object>> {
        let object = self.read().get(key).map(|resident| Object {
            head: resident.head.clone(),
            length: resident.length,
            trailers: resident.trailers.clone(),
            body: Box::new(Reading(resident.blocks.clone().into_iter())),
        });
        Box::pin(ready(Ok(object)))
    }

    fn put<'a>(
        &'a self,
        key: &'a [u8],
        head: Bytes,
        length: Option<u64>,
    ) -> Answer<'a, Box<dyn Put>> {
        let own = OBJECT_OVERHEAD + footprint(key.len() as u64) + footprint(head.len() as u64);
        let cost = own.saturating_add(length.map_or(0, body_cost));
        let writing = self.budget.try_reserve(cost).map(|credit| {
            let (tier, key) = (self.clone(), Box::from(key));
            Box::new(Writing {
                tier,
                key,
                head,
                length,
                own,
                credit,
                blocks: Blocks::default(),
            }) as Box<dyn Put>
        });
        Box::pin(ready(writing.ok_or(StoreError::NoRoom)))
    }

    fn remove<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool> {
        let removed = self.write().remove(key);
        Box::pin(ready(Ok(removed.is_some())))
    }

    fn iterate<'a>(&'a self, each: Each<'a>) -> Answer<'a, ()> {
        // A copy of the handles: `each` may call the tier again.
        let all: Vec<_> = self
            .read()
            .iter()
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        for (key, object) in all {
            if each(&key, &object.head, object.length).is_break() {
                break;
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn stats(&self) -> TierStats {
        let objects = self.read().len() as u64;
        TierStats {
            objects,
            bytes: self.budget.used(),
            ceiling: self.budget.ceiling(),
        }
    }
}

struct Reading(smallvec::IntoIter<[Bytes; 1]>);

impl Body for Reading {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}

struct Writing {
    tier: Memory,
    key: Box<[u8]>,
    head: Bytes,
    length: Option<u64>,
    /// What of the credit is for the object itself.
    own: u64,
    credit: Reservation,
    blocks: Blocks,
}

impl Put for Writing {
    fn append(&mut self, piece: Bytes) -> Answer<'_, ()> {
        let expected = self
            .length
            .map(|length| length.saturating_sub(self.blocks.len()));
        let counted = self.blocks.append(&piece, expected, &mut self.credit);
        Box::pin(ready(if counted {
            Ok(())
        } else {
            Err(StoreError::NoRoom)
        }))
    }

    fn commit(mut self: Box<Self>, trailers: Bytes) -> Answer<'static, ()> {
        if self
            .length
            .is_some_and(|length| length != self.blocks.len())
        {
            return Box::pin(ready(Err(StoreError::Damaged)));
        }
        self.blocks.seal(&mut self.credit);
        let Some(share) = self
            .credit
            .draw(self.own + footprint(trailers.len() as u64))
        else {
            return Box::pin(ready(Err(StoreError::NoRoom)));
        };
        let resident = Resident {
            head: self.head,
            blocks: self.blocks.handles(),
            trailers,
            length: self.blocks.len(),
            _share: share,
        };
        let replaced = self.tier.write().insert(self.key, Arc::new(resident));
        drop(replaced);
        Box::pin(ready(Ok(())))
    }
}
