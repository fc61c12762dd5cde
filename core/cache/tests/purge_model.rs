//! Against a naive model: whatever is stored, tagged, freshened, evicted, purged and marked, what is found afterwards is the same, every
//! receipt counts what the model counts, and with everything gone the tables are empty.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::*;
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc};
use understudy_cache::{Ask, Cache, Config, Labels, Purge, Scope, Selector};
use understudy_http::semantics::vary::VaryKey;

const NOW: i64 = 10;
const LANGUAGES: [&str; 3] = ["", "de", "en"];
const SCOPES: [&str; 3] = ["http://a:80", "http://a:80\nup", "http://b:80"];

/// Names that are prefixes of each other, and such as one URL has in several partitions.
const NAMES: [&str; 8] = ["a", "a/", "a/b", "a/b\nup", "a/b?c", "a/bc", "b", "b\nup"];

#[derive(Debug, Clone)]
struct Tagging {
    tags: BTreeSet<u8>,
    groups: BTreeSet<u8>,
    scope: usize,
}

#[derive(Debug, Clone)]
enum Step {
    /// Stores a response; evicts if there is no room.
    Store(usize, usize, Tagging),
    /// Freshens what is found, with other labels.
    Freshen(usize, usize, Tagging),
    /// Gives what is found another head of the same labels, as modules do.
    Renew(usize, usize),
    Invalidate(usize),
    Purge(Vec<What>, bool, bool),
    /// Lowers the ceiling to this share of what is used, and raises it again.
    Squeeze(u8),
}

#[derive(Debug, Clone)]
enum What {
    Key(usize),
    Url(usize),
    Prefix(usize, usize),
    Tag(u8),
    Group(u8, Option<usize>, bool),
}

/// A stored response, as the model has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    name: usize,
    language: usize,
    fresh: bool,
    tags: BTreeSet<u8>,
    groups: BTreeSet<u8>,
    scope: usize,
}

impl What {
    fn selector(&self) -> Selector {
        let bytes = |n: &u8| Bytes::from(vec![b'a' + n]);
        match self {
            What::Key(name) => Selector::Key(key(NAMES[*name])),
            What::Url(name) => Selector::Url(key(NAMES[*name])),
            What::Prefix(name, short) => {
                let key = key(NAMES[*name]);
                Selector::Prefix(key.slice(..key.len() - short.min(&3)))
            }
            What::Tag(tag) => Selector::Tag(bytes(tag)),
            What::Group(group, scope, exactly) => {
                let scope = match scope {
                    None => Scope::Any,
                    Some(at) if *exactly => Scope::Exactly(SCOPES[*at].into()),
                    Some(at) => Scope::Origin(SCOPES[*at].into()),
                };
                Selector::Group(bytes(group), scope)
            }
        }
    }

    /// The same, said plainly.
    fn means(&self, entry: &Entry) -> bool {
        let mine = key(NAMES[entry.name]);
        match self {
            What::Key(name) => *name == entry.name,
            What::Url(name) => {
                let url = NAMES[*name];
                let mine = NAMES[entry.name];
                mine == url || mine.starts_with(&format!("{url}\n"))
            }
            What::Prefix(name, short) => {
                let key = key(NAMES[*name]);
                mine.starts_with(&key[..key.len() - short.min(&3)])
            }
            What::Tag(tag) => entry.tags.contains(tag),
            What::Group(group, scope, exactly) => {
                let of = SCOPES[entry.scope];
                let scope = match scope.map(|at| SCOPES[at]) {
                    None => true,
                    Some(scope) if *exactly => of == scope,
                    Some(scope) => of == scope || of.starts_with(&format!("{scope}\n")),
                };
                scope && entry.groups.contains(group)
            }
        }
    }
}

fn tagging() -> impl Strategy<Value = Tagging> {
    let some = || prop::collection::btree_set(0..4_u8, 0..4);
    (some(), some(), 0..SCOPES.len()).prop_map(|(tags, groups, scope)| Tagging {
        tags,
        groups,
        scope,
    })
}

fn what() -> impl Strategy<Value = What> {
    let name = || 0..NAMES.len();
    prop_oneof![
        name().prop_map(What::Key),
        name().prop_map(What::Url),
        (name(), 0..4_usize).prop_map(|(name, short)| What::Prefix(name, short)),
        (0..5_u8).prop_map(What::Tag),
        (0..5_u8, prop::option::of(0..SCOPES.len()), any::<bool>())
            .prop_map(|(group, scope, exactly)| What::Group(group, scope, exactly)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (name, language) = (0..NAMES.len(), 0..LANGUAGES.len());
    prop_oneof![
        8 => (name.clone(), language.clone(), tagging()).prop_map(|(n, l, t)| Step::Store(n, l, t)),
        2 => (name.clone(), language.clone(), tagging()).prop_map(|(n, l, t)| Step::Freshen(n, l, t)),
        1 => (name.clone(), language).prop_map(|(n, l)| Step::Renew(n, l)),
        1 => name.prop_map(Step::Invalidate),
        4 => (prop::collection::vec(what(), 1..4), any::<bool>(), any::<bool>())
            .prop_map(|(what, soft, dry)| Step::Purge(what, soft, dry)),
        1 => (0..101_u8).prop_map(Step::Squeeze),
    ]
}

fn labels(tagging: &Tagging) -> Labels {
    let letters = |set: &BTreeSet<u8>| set.iter().map(|n| vec![b'a' + n]).collect::<Vec<_>>();
    let (tags, groups) = (letters(&tagging.tags), letters(&tagging.groups));
    Labels::new(
        tags.iter().map(Vec::as_slice),
        groups.iter().map(Vec::as_slice),
        SCOPES[tagging.scope].as_bytes(),
    )
}

fn vary(language: usize) -> VaryKey {
    match LANGUAGES[language] {
        "" => VaryKey::default(),
        language => in_language(language),
    }
}

/// What is found under every name.
fn found(cache: &Cache) -> BTreeSet<Entry> {
    let mut all = BTreeSet::new();
    for (name, text) in NAMES.iter().enumerate() {
        let slot = find(cache, text);
        for stored in slot.iter().flat_map(|slot| slot.variants()) {
            let prepared = stored.prepared();
            let language = (0..LANGUAGES.len()).find(|at| vary(*at) == prepared.vary);
            let numbers = |labels: Vec<&[u8]>| labels.iter().map(|label| label[0] - b'a').collect();
            let scope = std::str::from_utf8(prepared.labels.scope()).unwrap();
            all.insert(Entry {
                name,
                language: language.unwrap(),
                fresh: prepared.freshness.ttl(NOW) > 0,
                tags: numbers(prepared.labels.tags().collect()),
                groups: numbers(prepared.labels.groups().collect()),
                scope: SCOPES.iter().position(|other| *other == scope).unwrap_or(0),
            });
        }
    }
    all
}

/// A label has its scope only when there is any label.
fn entry(name: usize, language: usize, tagging: &Tagging) -> Entry {
    let none = tagging.tags.is_empty() && tagging.groups.is_empty();
    Entry {
        name,
        language,
        fresh: true,
        tags: tagging.tags.clone(),
        groups: tagging.groups.clone(),
        scope: if none { 0 } else { tagging.scope },
    }
}

/// Members that the tables should have for these.
fn members(entries: &BTreeSet<Entry>) -> u64 {
    let keys: BTreeSet<usize> = entries.iter().map(|entry| entry.name).collect();
    let labels = entries
        .iter()
        .map(|entry| entry.tags.len() + entry.groups.len());
    (keys.len() + labels.sum::<usize>()) as u64
}

async fn take(cache: &Cache, model: &mut BTreeSet<Entry>, step: Step) {
    const ROOMY: Config = Config {
        memory: MIB,
        max_object: MIB,
        max_variants: 4,
    };
    let prepared = |language, tagging: &Tagging| {
        let mut prepared = Arc::into_inner(varied(Some(4), vary(language))).unwrap();
        prepared.labels = labels(tagging);
        Arc::new(prepared)
    };
    let stored_as = |name: usize, language| {
        let slot = find(cache, NAMES[name])?;
        let wanted = vary(language);
        let mut variants = slot.variants().iter();
        variants
            .find(|stored| stored.prepared().vary == wanted)
            .cloned()
    };
    match step {
        Step::Store(name, language, tagging) => {
            let mut fill = lead(cache, alone(NAMES[name])).await;
            fill.respond(prepared(language, &tagging)).await.unwrap();
            fill.append(b"body").unwrap();
            fill.commit(Bytes::new()).await.unwrap();
            // One without Vary makes the others unreachable.
            model.retain(|e| e.name != name || (language != 0 && e.language != language));
            model.insert(entry(name, language, &tagging));
        }
        Step::Freshen(name, language, tagging) => {
            if let Some(old) = stored_as(name, language) {
                let ask = Ask {
                    validate: Some(old),
                    ..alone(NAMES[name])
                };
                let fill = lead(cache, ask).await;
                fill.freshen(prepared(language, &tagging)).await;
                model.retain(|e| e.name != name || (language != 0 && e.language != language));
                model.insert(entry(name, language, &tagging));
            }
        }
        Step::Renew(name, language) => {
            if let Some(old) = stored_as(name, language) {
                let prepared = old.prepared().clone();
                let renewed = cache.renew(1, key(NAMES[name]), &old, prepared).await;
                assert!(renewed.unwrap());
            }
        }
        Step::Invalidate(name) => {
            cache.invalidate(1, key(NAMES[name])).await;
            model.retain(|e| e.name != name);
        }
        Step::Purge(what, soft, dry_run) => {
            let purge = Purge {
                what: what.iter().map(What::selector).collect(),
                soft,
                dry_run,
                now: NOW,
            };
            let purged = cache.purge(1, purge).await;
            let (meant, rest): (BTreeSet<Entry>, _) = std::mem::take(model)
                .into_iter()
                .partition(|e| what.iter().any(|what| what.means(e)));
            let keys: BTreeSet<usize> = meant.iter().map(|e| e.name).collect();
            assert_eq!(purged.matched, meant.len() as u64);
            assert_eq!(
                purged.keys.iter().collect::<BTreeSet<_>>().len(),
                keys.len()
            );
            assert_eq!(
                (purged.remain, purged.fills, purged.more_keys),
                (0, 0, false)
            );
            *model = rest;
            match (dry_run, soft) {
                (true, _) => {
                    assert_eq!((purged.removed, purged.staled), (0, 0));
                    model.extend(meant);
                }
                (false, false) => assert_eq!(purged.removed, purged.matched),
                (false, true) => {
                    let fresh = meant.iter().filter(|e| e.fresh).count() as u64;
                    assert_eq!((purged.removed, purged.staled), (0, fresh));
                    let stale = meant.into_iter().map(|e| Entry { fresh: false, ..e });
                    model.extend(stale);
                }
            }
        }
        Step::Squeeze(percent) => {
            let used = cache.stats().bytes;
            cache.reconfigure(Config {
                memory: used * u64::from(percent) / 100,
                ..ROOMY
            });
            settle(cache).await;
            // Which ones went is not the model's to know, but nothing else may have come or changed.
            let left = found(cache);
            assert!(left.is_subset(model), "{left:?}\n{model:?}");
            *model = left;
            cache.reconfigure(ROOMY);
        }
    }
}

fn run(steps: Vec<Step>) {
    actix_rt::System::new().block_on(async {
        let cache = cache(MIB);
        let mut model = BTreeSet::new();
        for step in steps {
            take(&cache, &mut model, step.clone()).await;
            assert_eq!(found(&cache), model, "{step:?}");
            let stats = cache.stats();
            assert_eq!(stats.entries, model.len() as u64, "{step:?}");
            assert_eq!(stats.members, members(&model), "{step:?}");
        }
        for name in NAMES {
            cache.invalidate(1, key(name)).await;
        }
        let stats = cache.stats();
        assert_eq!((stats.entries, stats.members, stats.bytes), (0, 0, 0));
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_cache_holds_what_a_list_would(steps in prop::collection::vec(step(), 0..40)) {
        run(steps);
    }
}
