//! The receipt of a purge: what was asked, what matched, what went, and what a second look found.
//!
//! Invariant: every number in it was counted, none derived from what should have happened. Awkward case: keys are bytes, and a receipt
//! is text; what is no UTF-8 shows as replacement characters.

use super::Request;
use serde::Serialize;
use std::time::Duration;
use understudy_cache::{Purged, TransactionId};
use understudy_http::semantics::date::{self, Seconds};

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The purge's own name; that of its transaction, if it was a request to a listener.
    pub id: String,
    /// When it was asked for.
    pub time: String,
    /// What was asked.
    pub asked: Request,
    /// Stored responses that were meant; each variant is one.
    pub matched: u64,
    /// Entries of the tables that were looked at for that, all else was not.
    pub looked_at: u64,
    /// Their keys, up to a limit.
    pub keys: Vec<String>,
    /// Whether there were more keys than that.
    pub more_keys: bool,
    /// Responses that were removed.
    pub removed: u64,
    /// Responses that were fresh and are stale now.
    pub made_stale: u64,
    /// Bytes of the cache's memory that went with those removed; of a response that is being sent, when that is done.
    pub bytes_freed: u64,
    /// Fetches that were under way.
    pub fills: Fills,
    /// At a second look: responses that should have gone and had not. 0, or something is wrong. `null` after a dry run.
    pub remained: Option<u64>,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// Fetches that were under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fills {
    /// They were meant: what they bring is not stored.
    pub marked: u64,
    /// Their answer had not begun: what they bring is not stored if it turns out to be meant.
    pub watched: u64,
}

impl Receipt {
    pub(super) fn new(
        id: TransactionId,
        now: Seconds,
        asked: Request,
        purged: Purged,
        took: Duration,
    ) -> Receipt {
        let text = |key: &bytes::Bytes| String::from_utf8_lossy(key).into_owned();
        Receipt {
            id: format!("{id:016x}"),
            time: String::from_utf8_lossy(&date::format(now)).into_owned(),
            matched: purged.matched,
            looked_at: purged.looked_at,
            keys: purged.keys.iter().map(text).collect(),
            more_keys: purged.more_keys,
            removed: purged.removed,
            made_stale: purged.staled,
            bytes_freed: purged.bytes,
            fills: Fills {
                marked: purged.fills,
                watched: purged.fills_watched,
            },
            remained: (!asked.dry_run).then_some(purged.remain),
            took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            asked,
        }
    }

    /// As JSON, with a line break behind it.
    pub(crate) fn json(&self) -> Vec<u8> {
        // Strings and numbers only, so it cannot fail.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}
