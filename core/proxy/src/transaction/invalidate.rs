//! What the answer to an unsafe request invalidates (RFC 9111 section 4.4, RFC 9875 section 3).
//!
//! The target's URL, those in Location and Content-Location, and groups. Invariant: an answer invalidates what is its own origin's, from
//! the same upstream, and nothing else. Awkward case: rules may have parted one URL into several keys. Then all of them go, wherever
//! they lie, while without such rules one message to one shard does.

use super::{Transaction, partition, ruled};
use bytes::Bytes;
use understudy_cache::{Scope, Selector};
use understudy_http::semantics::groups;
use understudy_http::semantics::key::{resolve, same_origin};
use understudy_http::{Name, ResponseHead};

impl Transaction {
    /// Invalidates, if this request was unsafe.
    pub(super) async fn invalidate(&mut self, head: &ResponseHead<Bytes>) {
        if !self.is_unsafe() {
            return;
        }
        // RFC 9875 asks for nothing but an unsafe request: the origin says what changed, also when it failed half way.
        let groups = groups::invalidated(head.fields());
        let urls = self.invalidated_urls(head);
        if urls.is_empty() && groups.is_empty() {
            return;
        }
        if !self.host_belongs().await {
            // What is stored under the name is not this origin's to throw away.
            return;
        }
        let cache = self.worker.cache.clone();
        let scope = Scope::Exactly(partition::scope(&self.key()).into());
        let groups = groups.into_iter().map(Bytes::from);
        let mut selected: Vec<Selector> = groups
            .map(|group| Selector::Group(group, scope.clone()))
            .collect();
        if self.live.settings.rules.speak_of_keys() {
            selected.extend(urls.iter().flat_map(|key| partition::everywhere(key)));
        } else {
            for key in urls {
                cache.invalidate(self.id, key).await;
            }
        }
        if !selected.is_empty() {
            cache.invalidate_selected(self.id, selected).await;
        }
    }

    /// Keys of the URLs that a non-error answer invalidates (RFC 9111 section 4.4: 2xx and 3xx are none).
    fn invalidated_urls(&self, head: &ResponseHead<Bytes>) -> Vec<Bytes> {
        if !matches!(head.status(), 200..=399) {
            return Vec::new();
        }
        let key = self.key();
        let url = partition::url(&key);
        let named = [Name::Location, Name::ContentLocation].map(|name| {
            let value = head.fields().get(name)?;
            let named = resolve(url, value)?;
            // "A cache MUST NOT invalidate under these conditions if the origin [...] differs from that of the target URI".
            same_origin(url, &named).then_some(named)
        });
        let named = named.into_iter().flatten().map(|named| {
            let mut named = partition::beside(&key, named);
            ruled::rekey(&self.live.settings.rules, self.head.fields(), &mut named);
            named.into()
        });
        named.chain([key.clone()]).collect()
    }
}
