//! The step `ask`: one message to the key's shard, answered lead or follow.

use super::{Step, Transaction};
use std::sync::Arc;
use understudy_cache::{Answer, Ask, Stored};
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::storing::NoStoreReason;

/// After this many looks at what others left a transaction goes its own way.
const MAX_DETOURS: u32 = 8;

impl Transaction {
    pub(super) async fn ask(
        &mut self,
        validate: Option<Arc<Stored>>,
        alone: bool,
        forward: Forward,
    ) -> Step {
        self.tally.forward = Some(forward);
        let cache = &self.worker.cache;
        let ask = Ask {
            transaction: self.id,
            key: self.key(),
            validate: validate.clone(),
            alone,
        };
        match cache.ask_after(ask, self.seen.clone()).await {
            Ok(Answer::Lead(fill)) => Step::Lead { fill, validate },
            Ok(Answer::Follow(reader)) => Step::Follow { reader },
            Ok(Answer::Again) => self.again(forward),
            Err(why) => self.bypass(forward, why),
        }
    }

    /// Looks again, a bounded number of times.
    pub(super) fn again(&mut self, forward: Forward) -> Step {
        self.detours += 1;
        if self.detours > MAX_DETOURS {
            return self.bypass(forward, NoStoreReason::NoRoom);
        }
        Step::LookUp
    }
}
