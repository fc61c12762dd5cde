//! An image on its way: what is to become of it, and how many bytes it and the others hold.
//!
//! Invariant: what is counted is given back when the image was answered for, passed, or its transaction gone, for it is counted as long as
//! [`Held`] lives. So the module passes images before the proxy's own budget for it (`hold`) makes that a failure.

use crate::InForce;
use crate::options::Options;
use crate::transcode::Want;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An image that is coming: a transaction's opaque value behind the head.
pub(crate) struct Coming {
    pub(crate) now: Arc<InForce>,
    pub(crate) want: Want,
    pub(crate) etag: Option<Vec<u8>>,
    pub(crate) held: Held,
}

/// Bytes that count as held until this is dropped.
pub(crate) struct Held {
    all: Arc<AtomicUsize>,
    own: usize,
}

impl Held {
    /// Nothing yet, of what all hold.
    pub(crate) fn of(all: &Arc<AtomicUsize>) -> Held {
        Held {
            all: all.clone(),
            own: 0,
        }
    }

    /// Counts more bytes, unless they are too many for one image or for all.
    pub(crate) fn add(&mut self, bytes: usize, options: &Options) -> bool {
        let all = self.all.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.own += bytes;
        self.fits(options) && all <= options.max_held
    }

    /// Whether it is not too large by itself.
    pub(crate) fn fits(&self, options: &Options) -> bool {
        self.own <= options.max_bytes.min(options.max_held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}
