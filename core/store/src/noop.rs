//! The tier that keeps nothing: what stands behind memory when no other tier is configured.
//!
//! Invariant: every look-up misses. The awkward case is a writer that streams into it all the same:
//! the bytes are dropped and the commit succeeds, so nothing above has to ask whether there is a
//! tier.

use bytes::Bytes;
use std::future::ready;

use crate::tier::{Answer, Each, Object, Put, Store, TierStats};

/// A tier without storage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noop;

impl Store for Noop {
    fn get<'a>(&'a self, _: &'a [u8]) -> Answer<'a, Option<Object>> {
        Box::pin(ready(Ok(None)))
    }

    fn put<'a>(&'a self, _: &'a [u8], _: Bytes, _: Option<u64>) -> Answer<'a, Box<dyn Put>> {
        Box::pin(ready(Ok(Box::new(Noop) as Box<dyn Put>)))
    }

    fn remove<'a>(&'a self, _: &'a [u8]) -> Answer<'a, bool> {
        Box::pin(ready(Ok(false)))
    }

    fn iterate<'a>(&'a self, _: Each<'a>) -> Answer<'a, ()> {
        Box::pin(ready(Ok(())))
    }

    fn stats(&self) -> TierStats {
        TierStats::default()
    }
}

impl Put for Noop {
    fn append(&mut self, _: Bytes) -> Answer<'_, ()> {
        Box::pin(ready(Ok(())))
    }

    fn commit(self: Box<Self>, _: Bytes) -> Answer<'static, ()> {
        Box::pin(ready(Ok(())))
    }
}
