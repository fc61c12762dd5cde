//! Where the operator's rules meet a transaction: the key, what may be used, what is stored.
//!
//! What rules mean is `semantics::policy`'s; here is only who asks when. Invariant: a rule is matched by the URL in the key, so
//! that a hit on the spot, a transaction and `explain` match alike. Awkward case: a proxy's own requests. They insist on the
//! origin's word because they were told to, so no rule makes them deaf.

use super::look_up::only_if_cached;
use super::{Step, Transaction, partition};
use crate::settings::Settings;
use bytes::Bytes;
use understudy_cache::Prepared;
use understudy_http::semantics::cache_control::RequestDirectives;
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::policy::{self, Cookies, Matched, Policy, Rules};
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::{Fields, Name, ResponseHead};

/// The rules whose conditions on the request hold for the URL in this key.
pub(crate) fn matched(rules: &Rules, key: &[u8]) -> Matched {
    let url = partition::url(key);
    let rest = memchr::memmem::find(url, b"://").map_or(url, |at| &url[at + 3..]);
    let slash = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(slash);
    let colon = memchr::memrchr(b':', authority).unwrap_or(authority.len());
    rules.for_request(&authority[..colon], path)
}

/// What rules make of a key.
#[inline]
pub(crate) fn rekey(rules: &Rules, request: Fields<'_>, key: &mut Vec<u8>) {
    if rules.speak_of_keys() {
        rewrite(rules, request, key);
    }
}

fn rewrite(rules: &Rules, request: Fields<'_>, key: &mut Vec<u8>) {
    let policy = rules.request_policy(matched(rules, key));
    if !policy.changes_key() {
        return;
    }
    let group = key.split_off(partition::url(key).len());
    policy::rewrite_query(&policy, key);
    key.extend_from_slice(&group);
    let mut parts = Vec::new();
    policy::write_parts(&policy, request, &mut parts);
    partition::append_parts(&parts, key);
}

/// The same for a key that a transaction keeps.
pub(super) fn rekeyed(settings: &Settings, request: Fields<'_>, key: &Bytes) -> Option<Bytes> {
    let rules = &settings.rules;
    rules.speak_of_keys().then(|| {
        let mut key = key.to_vec();
        rekey(rules, request, &mut key);
        key.into()
    })
}

/// Whether a plain hit may go out, as far as rules and cookies have a say. Asked only when there are rules on that, or when a
/// response with a guessed lifetime meets a request with cookies.
#[cold]
pub(super) fn lets_out(
    rules: &Rules,
    key: &[u8],
    request: Fields<'_>,
    prepared: &Prepared,
    directives: &mut RequestDirectives,
    internal: bool,
) -> bool {
    let policy = rules.request_policy(matched(rules, key));
    if !internal {
        policy.hear(directives);
    }
    policy.store && !policy.is_personal(request, &prepared.directives, &prepared.freshness)
}

/// The names of the rules that apply, for the log: between commas.
pub(super) fn names(
    rules: &Rules,
    key: &[u8],
    status: u16,
    content_type: Option<&[u8]>,
    length: u64,
) -> String {
    if rules.is_empty() {
        return String::new();
    }
    let names = rules.names_of(matched(rules, key), status, content_type, Some(length));
    names.collect::<Vec<_>>().join(",")
}

/// The lines of a head without Set-Cookie.
pub(super) fn without_cookies(head: &[u8]) -> Vec<u8> {
    let lines = head.split_inclusive(|b| *b == b'\n');
    let kept = lines.filter(|line| {
        let end = memchr::memchr(b':', line).unwrap_or(0);
        Name::of(&line[..end]) != Name::SetCookie
    });
    kept.flatten().copied().collect()
}

impl Transaction {
    /// What is known of the policy without a response.
    pub(super) fn request_policy(&self) -> Policy {
        let rules = &self.live.settings.rules;
        if !rules.speak_of_requests() {
            return Policy::default();
        }
        rules.request_policy(matched(rules, &self.key()))
    }

    /// The policy for a response with these fields.
    pub(super) fn policy(&self, status: u16, fields: Fields<'_>, length: Option<u64>) -> Policy {
        let rules = &self.live.settings.rules;
        if rules.is_empty() {
            return Policy::default();
        }
        let matched = matched(rules, &self.key());
        rules.policy(matched, status, fields.get(Name::ContentType), length)
    }

    /// Takes the rules on requests to heart: the step, when they leave nothing to be looked up.
    pub(super) fn ruled_out(&mut self, policy: &Policy) -> Option<Step> {
        if !self.source.internal || self.source.explains {
            policy.hear(&mut self.directives);
        }
        let why = if !policy.store {
            NoStoreReason::Rule
        } else if policy.cookies == Cookies::Refuse && self.head.fields().has(Name::Cookie) {
            NoStoreReason::Cookie
        } else {
            return None;
        };
        if self.directives.only_if_cached {
            // RFC 9111 section 5.2.1.7: there is nothing stored that it may have.
            return Some(only_if_cached());
        }
        Some(self.bypass(Forward::Bypass, why))
    }

    /// Whether a response that may be shared is not for this request, because of its cookies.
    pub(super) fn is_personal_with(&self, prepared: &Prepared) -> bool {
        let policy = self.request_policy();
        let fields = self.head.fields();
        policy.is_personal(fields, &prepared.directives, &prepared.freshness)
    }

    /// Counts a head's Set-Cookie out where the policy wants it stored without.
    pub(super) fn uncookied(
        policy: &Policy,
        head: &ResponseHead<Bytes>,
        written: Vec<u8>,
    ) -> Vec<u8> {
        if policy.strips_cookies() && head.fields().has(Name::SetCookie) {
            without_cookies(&written)
        } else {
            written
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_set_cookie_go() {
        let head = b"HTTP/1.1 200 OK\r\nA: Set-Cookie: x\r\nset-cookie: a=b\r\nSET-COOKIE: c\r\nSet-Cookie2: d\r\n";
        let kept = b"HTTP/1.1 200 OK\r\nA: Set-Cookie: x\r\nSet-Cookie2: d\r\n";
        assert_eq!(without_cookies(head), kept);
    }
}
