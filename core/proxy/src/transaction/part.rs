//! Parts: a range out of what is stored of a response, and the errands for what is not (RFC 9111 sections 3.3 and 3.4).
//!
//! Invariant: a part never answers a request for the whole, and no range beyond what is stored of it. Awkward case: whoever asks for
//! a range while the whole is being fetched follows that, unless the range is far from what has come. What becomes of an errand is
//! in `lead_part.rs`.

use super::ranged::{asked, is_here};
use super::request_out::Purpose;
use super::{Step, Transaction, complete};
use crate::record::Outcome;
use crate::settings::RangeMiss;
use bytes::Bytes;
use std::sync::Arc;
use understudy_cache::{Answer, Ask, FillReader, Prepared, Slot, Stored};
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::range::{self, Asked, ByteSpan, RangeAnswer};
use understudy_http::semantics::reuse::{Reuse, Stale, ValidateReason, may_reuse};
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::{Method, Name};

/// A range that begins no further than this behind what has come of a whole waits for it; one beyond is fetched by itself.
const NEAR: u64 = 1024 * 1024;

/// What is wanted of the origin where parts are concerned.
#[derive(Debug, Clone)]
pub(super) enum Errand {
    /// The range the client asks for, to be put to the parts that are held.
    Range(Option<Arc<Stored>>),
    /// Whether the parts that answer it are still good.
    Validate(Arc<Stored>),
    /// What is missing of the whole.
    Complete(Arc<Stored>, ByteSpan),
}

impl Errand {
    pub(super) fn purpose(&self) -> Purpose<'_> {
        match self {
            Errand::Range(_) => Purpose::Range,
            Errand::Validate(held) => Purpose::Validate(held),
            Errand::Complete(held, missing) => Purpose::Complete(held, *missing),
        }
    }

    pub(super) fn validates(&self) -> Option<Arc<Stored>> {
        match self {
            Errand::Validate(held) => Some(held.clone()),
            Errand::Range(_) | Errand::Complete(..) => None,
        }
    }

    pub(super) fn held(self) -> Option<Arc<Stored>> {
        match self {
            Errand::Range(held) => held,
            Errand::Validate(held) | Errand::Complete(held, _) => Some(held),
        }
    }
}

impl Transaction {
    /// The parts this request selects.
    fn parts_held(&self) -> Option<Arc<Stored>> {
        let slot: &Slot = self.seen.as_deref()?;
        slot.select_part(self.head.fields()).cloned()
    }

    /// The parts that have the range this request asks for.
    pub(super) fn parts_here(&self) -> Option<Arc<Stored>> {
        let fields = self.head.fields();
        if !fields.has(Name::Range) || self.head.method() != Method::Get {
            return None;
        }
        let held = self.parts_held()?;
        let complete = held.complete_length();
        let answer = asked(Method::Get, fields, held.prepared(), complete);
        is_here(&held, &answer).then_some(held)
    }

    /// A range that lies in what is stored. `None`: it does not, or is none.
    pub(super) fn look_up_part(&mut self) -> Option<Step> {
        let held = self.parts_here()?;
        let prepared = held.prepared();
        if self.is_personal_with(prepared) {
            return None;
        }
        let reuse = may_reuse(
            &self.directives,
            &prepared.directives,
            &prepared.freshness,
            self.now(),
        );
        let reason = match reuse {
            Reuse::Fresh => {
                return Some(Step::Hit {
                    stored: held,
                    how: Outcome::Hit,
                });
            }
            Reuse::StaleAllowed => return Some(self.stale(held, Stale::MaxStale)),
            // Behind an answer the whole would be asked about: parts are validated in front of it.
            Reuse::StaleWhileRevalidate => ValidateReason::Stale,
            Reuse::Validate(reason) => reason,
        };
        if self.directives.only_if_cached || !self.body.is_empty() {
            // What a miss answers to that is right here as well.
            return None;
        }
        let forward = match reason {
            ValidateReason::Stale | ValidateReason::ResponseNoCache => Forward::Stale,
            _ => Forward::Request,
        };
        Some(Step::AskPart {
            errand: Errand::Validate(held),
            alone: reason == ValidateReason::RequestNoCache,
            forward,
        })
    }

    /// What a miss becomes where a range is asked for or parts are held; `None`: nothing else than a miss.
    pub(super) fn miss_part(&mut self, forward: Forward) -> Option<Step> {
        let held = self.parts_held();
        let errand = match range::asked(self.head.fields()) {
            // Not for a cache that knows bytes alone: as it is, to who may know.
            Asked::Other => return Some(self.bypass(forward, NoStoreReason::Partial)),
            Asked::Bytes => match (self.live.settings.range_miss, held) {
                (RangeMiss::Whole { .. }, None) if !self.too_long => return None,
                (_, held) => Errand::Range(held),
            },
            Asked::Whole => {
                let held = held.filter(|held| held.complete_length() <= self.most_stored())?;
                let missing = complete::worth_asking(&held, self.now())?;
                Errand::Complete(held, missing)
            }
        };
        let forward = match &errand {
            Errand::Range(None) => forward,
            _ => Forward::Partial,
        };
        Some(Step::AskPart {
            errand,
            alone: self.detours > 2 || self.directives.no_cache,
            forward,
        })
    }

    /// The step `ask`, for an errand.
    pub(super) async fn ask_part(&mut self, errand: Errand, alone: bool, forward: Forward) -> Step {
        self.tally.forward = Some(forward);
        let cache = &self.worker.cache;
        let ask = Ask {
            transaction: self.id,
            key: self.key(),
            validate: errand.validates(),
            alone,
        };
        let seen = self.seen.clone();
        let answer = match &errand {
            // What is completed is the whole, and so for anybody.
            Errand::Complete(..) => cache.ask_after(ask, seen).await,
            Errand::Range(_) | Errand::Validate(_) => {
                cache.ask_part(ask, seen, self.range_name()).await
            }
        };
        match answer {
            Ok(Answer::Lead(fill)) => Step::LeadPart { fill, errand },
            Ok(Answer::Follow(reader)) => Step::Follow { reader },
            Ok(Answer::Again) => self.again(forward),
            Err(why) => self.bypass(forward, why),
        }
    }

    /// What others have to ask for to get the same part: the same Range, and no If-Range, which may make it a whole for one of
    /// them.
    fn range_name(&self) -> Option<Bytes> {
        /// A longer one is not what many ask for.
        const LONGEST: usize = 256;
        let fields = self.head.fields();
        let range = fields
            .get(Name::Range)
            .filter(|range| range.len() <= LONGEST)?;
        (!fields.has(Name::IfRange)).then(|| Bytes::copy_from_slice(range))
    }

    /// A follower whose range is not near what has come of the whole fetches it by itself.
    pub(super) fn leaves(&self, reader: &FillReader, prepared: &Prepared) -> bool {
        if self.live.settings.range_miss != RangeMiss::Range {
            return false;
        }
        let fields = self.head.fields();
        if !self.wants_range() || reader.part().is_some() {
            // A part that is followed is the one that is asked for.
            return false;
        }
        let Some(length) = prepared.length else {
            return true;
        };
        match asked(Method::Get, fields, prepared, length) {
            RangeAnswer::Part { first, .. } => first > reader.filled().saturating_add(NEAR),
            RangeAnswer::Parts(_) => true,
            RangeAnswer::Whole | RangeAnswer::Unsatisfiable => false,
        }
    }

    /// The client's range, by itself, whoever fetches what.
    pub(super) fn range_alone(&mut self, forward: Forward) -> Step {
        self.detours += 1;
        Step::AskPart {
            errand: Errand::Range(self.parts_held()),
            alone: true,
            forward,
        }
    }

    /// Whether the client asks for byte ranges.
    pub(super) fn wants_range(&self) -> bool {
        self.head.method() == Method::Get
            && self.body.is_empty()
            && range::asked(self.head.fields()) == Asked::Bytes
    }

    /// Whether a whole that is fetched for a range is longer than the settings allow. Then the range is fetched after all.
    pub(super) fn is_too_long(&mut self, prepared: &Prepared) -> bool {
        let RangeMiss::Whole { up_to } = self.live.settings.range_miss else {
            return false;
        };
        if self.too_long || prepared.status != 200 || !self.wants_range() {
            // Asked for by itself the origin sent the whole all the same.
            return false;
        }
        let most = up_to.min(self.most_stored());
        self.too_long = prepared.length.is_none_or(|length| length > most);
        self.too_long
    }
}
