//! The step `purge`: the method PURGE, on listeners that allow it.
//!
//! What is meant is the URL, or the tags and the groups of the URL's origin when the request names some. Invariant: nobody purges but
//! clients from the listener's networks, and no web page in their browsers. Awkward case: PURGE is no method of any RFC; a listener
//! that does not allow it refuses it (405), since an origin behind it may take it seriously.

use super::refusal::Refusal;
use super::{Step, Transaction, partition};
use crate::purge::{self, Request};
use crate::record::Outcome;
use understudy_cache::{Scope, Selector};
use understudy_http::Name;
use understudy_http::semantics::{groups, tags};

/// Fields of the request that ask for a soft purge, and for a dry run; both with a value other than 0.
const SOFT: [&[u8]; 2] = [b"Purge-Soft", b"Fastly-Soft-Purge"];
const DRY_RUN: [&[u8]; 1] = [b"Purge-Dry-Run"];
/// The field that makes the target the beginning of what is meant.
const PREFIX: [&[u8]; 1] = [b"Purge-Prefix"];
/// Tags as Varnish's xkey is usually asked, hard and soft.
const XKEY_PURGE: &[u8] = b"xkey-purge";
const XKEY_SOFT_PURGE: &[u8] = b"xkey-softpurge";

impl Transaction {
    /// Whether this client may purge here.
    pub(super) fn may_purge(&self) -> Result<Step, Refusal> {
        let networks = &self.source.listener.purge;
        if networks.is_empty() {
            return Err(Refusal::new(405, "purge-not-here"));
        }
        let ip = self.peer.ip().to_canonical();
        let fields = self.head.fields();
        // A page in an operator's browser has the operator's address.
        if fields.has(Name::Origin) || !networks.iter().any(|network| network.contains(&ip)) {
            return Err(Refusal::denied("purge"));
        }
        Ok(Step::Purge)
    }

    pub(super) async fn purge(&mut self) -> Step {
        self.tally.outcome = Outcome::Local;
        let (asked, selectors) = match self.purge_asked() {
            Ok(asked) => asked,
            Err(refusal) => return Step::Answer(refusal),
        };
        let cache = self.worker.cache.clone();
        let receipt = purge::perform(&cache, self.id, self.now(), asked, selectors).await;
        self.own(200, "application/json", b"", receipt.json().into())
            .await
    }

    fn purge_asked(&self) -> Result<(Request, Vec<Selector>), Refusal> {
        let fields = self.head.fields();
        let says = |names: &[&[u8]]| {
            let mut values = names.iter().filter_map(|name| fields.find(name));
            values.any(|value| value != b"0")
        };
        let in_fields = |name| fields.find_all(name).flat_map(tags::in_text);
        let named = tags::of(fields)
            .chain(in_fields(XKEY_PURGE))
            .chain(in_fields(XKEY_SOFT_PURGE));
        let tags: Vec<bytes::Bytes> = named.map(bytes::Bytes::copy_from_slice).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut asked = Request {
            soft: says(&SOFT) || fields.find(XKEY_SOFT_PURGE).is_some(),
            dry_run: says(&DRY_RUN),
            tag: tags.iter().map(|tag| text(tag)).collect(),
            ..Request::default()
        };
        let Some(route) = &self.route else {
            return Err(Refusal::new(400, "target"));
        };
        let groups = groups::invalidated(fields);
        if groups.len() + tags.len() > purge::MOST {
            return Err(Refusal::new(400, "purge-too-much"));
        }
        if !groups.is_empty() || !tags.is_empty() {
            let scope = partition::scope(&route.key);
            asked.origin = (!groups.is_empty()).then(|| text(partition::url(&scope)));
            asked.group = groups;
            let groups = asked.group.iter().cloned().map(bytes::Bytes::from);
            let scope = Scope::Exactly(scope.into());
            let groups = groups.map(|group| Selector::Group(group, scope.clone()));
            return Ok((
                asked.clone(),
                groups.chain(tags.into_iter().map(Selector::Tag)).collect(),
            ));
        }
        let names_some = tags::has(fields)
            || fields.find(XKEY_PURGE).is_some()
            || fields.find(XKEY_SOFT_PURGE).is_some()
            || fields.find(groups::INVALIDATION).is_some();
        if names_some {
            // Whoever sends an empty list does not mean the URL beside it.
            return Err(Refusal::new(400, "purge-of-nothing"));
        }
        let url = route.key.slice_ref(partition::url(&route.key));
        let selector = if says(&PREFIX) {
            asked.prefix.push(text(&url));
            Selector::Prefix(url)
        } else {
            asked.url.push(text(&url));
            Selector::Url(url)
        };
        Ok((asked, vec![selector]))
    }
}
