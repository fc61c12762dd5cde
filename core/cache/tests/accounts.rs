//! After any sequence of operations the budget is below its ceiling and is the sum of what lives; with everything gone it is nothing.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::*;
use proptest::prelude::*;
use std::{collections::HashMap, future::poll_fn, sync::Arc};
use understudy_cache::{Answer, Ask, Cache, Fill, FillReader, Stored};
use understudy_http::semantics::storing::NoStoreReason;

const CEILING: u64 = 256 * 1024;

#[derive(Debug, Clone)]
enum Step {
    Ask(u8, bool),
    Validate(u8),
    Respond(usize, bool, usize),
    Append(usize, usize),
    Read(usize),
    Commit(usize),
    Freshen(usize),
    Refuse(usize),
    DropFill(usize),
    DropReader(usize),
    Invalidate(u8),
    Touch(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (name, at, size) = (
        0..6_u8,
        0..6_usize,
        prop_oneof![1..200_usize, 1000..40_000_usize],
    );
    prop_oneof![
        4 => (name.clone(), any::<bool>()).prop_map(|(name, alone)| Step::Ask(name, alone)),
        1 => name.clone().prop_map(Step::Validate),
        4 => (at.clone(), any::<bool>(), size.clone()).prop_map(|(at, known, size)| Step::Respond(at, known, size)),
        6 => (at.clone(), size).prop_map(|(at, size)| Step::Append(at, size)),
        4 => at.clone().prop_map(Step::Read),
        4 => at.clone().prop_map(Step::Commit),
        1 => at.clone().prop_map(Step::Freshen),
        1 => at.clone().prop_map(Step::Refuse),
        1 => at.clone().prop_map(Step::DropFill),
        1 => at.prop_map(Step::DropReader),
        1 => name.clone().prop_map(Step::Invalidate),
        1 => name.prop_map(Step::Touch),
    ]
}

/// A fill and what a leader knows about it: the declared length and the bytes so far.
struct Leading {
    fill: Fill,
    declared: Option<Option<u64>>,
    length: u64,
}

#[derive(Default)]
struct World {
    leading: Vec<Leading>,
    readers: Vec<FillReader>,
    ended: Vec<Arc<Stored>>,
}

impl World {
    fn take(&mut self, at: usize) -> Option<Leading> {
        (at < self.leading.len()).then(|| self.leading.remove(at))
    }

    async fn ask(&mut self, cache: &Cache, ask: Ask) {
        match cache.ask(ask).await {
            Ok(Answer::Lead(fill)) => {
                self.readers.push(fill.reader());
                self.leading.push(Leading {
                    fill,
                    declared: None,
                    length: 0,
                });
            }
            Ok(Answer::Follow(reader)) => self.readers.push(reader),
            Ok(Answer::Again) | Err(NoStoreReason::NoRoom) => {}
            Err(other) => panic!("{other}"),
        }
    }

    async fn step(&mut self, cache: &Cache, step: Step) {
        let name = |name: u8| format!("object-{name}");
        match step {
            Step::Ask(at, alone) => {
                self.ask(
                    cache,
                    Ask {
                        alone,
                        ..plain(&name(at))
                    },
                )
                .await
            }
            Step::Validate(at) => {
                if let Some(validate) = hit(cache, &name(at)) {
                    self.ask(
                        cache,
                        Ask {
                            validate: Some(validate),
                            ..plain(&name(at))
                        },
                    )
                    .await;
                }
            }
            Step::Respond(at, known, size) => {
                if let Some(mut leading) = self.take(at) {
                    let declared = known.then_some(size as u64);
                    if leading.declared.is_some()
                        || leading.fill.respond(prepared(declared)).await.is_ok()
                    {
                        leading.declared.get_or_insert(declared);
                        self.leading.push(leading);
                    }
                }
            }
            Step::Append(at, size) => {
                if let Some(leading) = self
                    .leading
                    .get_mut(at)
                    .filter(|leading| leading.declared.is_some())
                {
                    let rest = leading
                        .declared
                        .flatten()
                        .map_or(size as u64, |all| all - leading.length);
                    let piece = pattern(size.min(rest as usize));
                    if leading.fill.followers() == 0 && self.readers.is_empty() {
                        poll_fn(|cx| leading.fill.poll_room(cx)).await;
                    }
                    leading.length += piece.len() as u64;
                    let _outgrown = leading.fill.append(&piece);
                }
            }
            Step::Read(at) => {
                self.readers.get_mut(at).map(drain);
            }
            Step::Commit(at) => {
                if let Some(leading) = self.take(at) {
                    let complete = leading
                        .declared
                        .is_some_and(|all| all.is_none_or(|all| all == leading.length));
                    let committed = leading.fill.commit(Bytes::new()).await;
                    assert!(complete || committed.is_err());
                    self.ended.extend(committed);
                }
            }
            Step::Freshen(at) => {
                if self
                    .leading
                    .get(at)
                    .is_some_and(|leading| leading.fill.validates().is_some())
                    && let Some(leading) = self.take(at)
                {
                    self.ended.push(leading.fill.freshen(prepared(None)).await);
                }
            }
            Step::Refuse(at) => {
                if let Some(leading) = self.take(at) {
                    leading.fill.refuse(NoStoreReason::Private);
                }
            }
            Step::DropFill(at) => drop(self.take(at)),
            Step::DropReader(at) => {
                drop((at < self.readers.len()).then(|| self.readers.remove(at)))
            }
            Step::Invalidate(at) => cache.invalidate(1, key(&name(at))).await,
            Step::Touch(at) => {
                hit(cache, &name(at)).inspect(|stored| stored.touch());
            }
        }
    }
}

fn published(cache: &Cache) -> HashMap<*const Stored, u64> {
    (0..6_u8)
        .filter_map(|at| find(cache, &format!("object-{at}")))
        .flat_map(|slot| {
            slot.variants()
                .iter()
                .map(|stored| (Arc::as_ptr(stored), stored.weight()))
                .collect::<Vec<_>>()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_budget_is_a_ceiling_and_the_sum_of_what_lives(steps in prop::collection::vec(step(), 1..60)) {
        actix_rt::System::new().block_on(async {
            let cache = cache(CEILING);
            let mut world = World::default();
            for step in steps {
                world.step(&cache, step).await;
                // What was returned is let go, so that only the index holds what is stored.
                world.ended.clear();
                assert!(cache.stats().bytes <= CEILING);
            }
            drop(world);
            settle(&cache).await;
            let stats = cache.stats();
            let published = published(&cache);
            assert_eq!(stats.entries, published.len() as u64);
            assert_eq!(stats.fills, 0);
            // Markers are the only other thing that lives on, and there is at most one a name.
            let rest = stats.bytes - published.values().sum::<u64>();
            assert!(rest <= 6 * 100, "{rest} bytes nobody holds: {stats:?}");
            for at in 0..6 {
                store(&cache, &format!("object-{at}"), b"").await;
                cache.invalidate(1, key(&format!("object-{at}"))).await;
            }
            assert_eq!(cache.stats().bytes, 0);
        });
    }
}
