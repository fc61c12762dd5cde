//! What was seen of each URL: how often, how long ago, what it is, whether a cache had it.
//!
//! Invariant: no more than [`MOST`] URLs are remembered. Beyond that every second one is forgotten and no longer counted, by a bit of its
//! hash, so what is left is the whole history of a random part of all URLs (Waldspurger and others, SHARDS, FAST 2015): shares and slopes
//! stay what they were, and counts of objects are multiplied.

use super::{
    entry::{Entry, Outcome, hash},
    kinds::{Kind, kind},
    popularity::EARLY,
};
use hdrhistogram::Histogram;
use std::{borrow::Cow, collections::HashMap};

/// The most URLs remembered; about 200 MB.
const MOST: usize = 1 << 22;

/// What is remembered of a URL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Requests.
    pub(super) count: u32,
    /// How many URLs came before it.
    order: u32,
    pub(super) kind: Kind,
    /// Whether the kind is the origin's word.
    sure: bool,
    /// Whether its size was taken.
    pub(super) sized: bool,
    /// Whether a cache had it, or says that it may be stored.
    pub(super) stored: bool,
    /// Whether a cache says that it may not be stored.
    pub(super) refused: bool,
    /// Plain fetches of it, up to 255.
    pub(super) fetched: u8,
    pub(super) query: bool,
}

#[derive(Debug)]
pub(super) struct Urls {
    seen: HashMap<u64, Seen>,
    most: usize,
    /// Bits of a hash that are 0 in those remembered.
    mask: u64,
    /// URLs so far, those not remembered included.
    pub(super) distinct: u64,
    /// Requests that were counted: all, while all URLs are remembered.
    pub(super) counted: u64,
    /// Those of them to a URL seen before.
    pub(super) again: u64,
    /// Requests for each URL among the log's first ones.
    pub(super) early: HashMap<u64, u32>,
    /// URLs that were new since the one asked for again was.
    pub(super) ages: Histogram<u64>,
}

impl Urls {
    pub(super) fn new() -> Self {
        Self::with_most(MOST)
    }

    pub(super) fn with_most(most: usize) -> Self {
        Self {
            seen: HashMap::new(),
            most,
            mask: 0,
            distinct: 0,
            counted: 0,
            again: 0,
            early: HashMap::new(),
            // Two digits, and 2 to the 40 URLs: a histogram of these bounds can be made.
            ages: Histogram::new_with_bounds(1, 1 << 40, 2).unwrap_or_else(|_| unreachable!()),
        }
    }

    /// Counts a request; what is remembered of its URL, with this request in it.
    pub(super) fn ask(&mut self, entry: &Entry<'_>) -> Option<&mut Seen> {
        let key = key(&entry.url);
        if key & self.mask != 0 {
            return None;
        }
        self.counted += 1;
        if self.counted <= EARLY && self.mask == 0 {
            *self.early.entry(key).or_insert(0) += 1;
        }
        if !self.seen.contains_key(&key) && self.seen.len() >= self.most {
            self.forget();
            if key & self.mask != 0 {
                self.counted -= 1;
                return None;
            }
        }
        let (found, sure) = kind(entry);
        let order = u32::try_from(self.distinct).unwrap_or(u32::MAX);
        let mut new = false;
        let seen = self.seen.entry(key).or_insert_with(|| {
            new = true;
            Seen {
                count: 0,
                order,
                kind: found,
                sure,
                sized: false,
                stored: false,
                refused: false,
                fetched: 0,
                query: entry.url.contains(&b'?'),
            }
        });
        if new {
            self.distinct += self.mask + 1;
        } else {
            self.again += 1;
            // One request of those still counted stands for as many as their part of all is small.
            let age = self.distinct.saturating_sub(u64::from(seen.order)).max(1);
            self.ages.saturating_record_n(age, self.mask + 1);
        }
        seen.count = seen.count.saturating_add(1);
        // A guess by the path gives way to a type; of two types the first stays.
        if sure && !seen.sure {
            (seen.kind, seen.sure) = (found, true);
        }
        match (entry.outcome, entry.storable) {
            (Outcome::Hit | Outcome::Unmodified, _) | (_, Some(true)) => seen.stored = true,
            (_, Some(false)) => seen.refused = true,
            (Outcome::Miss, None) => seen.fetched = seen.fetched.saturating_add(1),
            _ => {}
        }
        Some(seen)
    }

    fn forget(&mut self) {
        // The mask's next bit; counts of a part of all are made those of the part that is left.
        self.mask = (self.mask << 1) | 1;
        let mask = self.mask;
        self.seen.retain(|key, _| key & mask == 0);
        self.counted = self.seen.values().map(|s| u64::from(s.count)).sum();
        self.again = self.counted - self.seen.len() as u64;
    }

    /// What share of all URLs is remembered.
    pub(super) fn share(&self) -> f64 {
        1.0 / (self.mask + 1) as f64
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Seen> {
        self.seen.values()
    }
}

/// A hash that is the same for all spellings of a URL that RFC 3986, 6.2.2 calls equal: the case of scheme and host, and what need not
/// be percent-encoded; a fragment is not asked for.
pub(super) fn key(url: &[u8]) -> u64 {
    hash(&normal(url))
}

fn normal(url: &[u8]) -> Cow<'_, [u8]> {
    let url = url.split(|b| *b == b'#').next().unwrap_or_default();
    let authority = url.windows(3).position(|w| w == b"://").map(|n| {
        let rest = &url[n + 3..];
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?'));
        end.map_or(url.len(), |end| n + 3 + end)
    });
    if !url.contains(&b'%')
        && !url[..authority.unwrap_or(0)]
            .iter()
            .any(u8::is_ascii_uppercase)
    {
        return Cow::Borrowed(url);
    }
    let mut out = Vec::with_capacity(url.len());
    let mut at = 0;
    while at < url.len() {
        let byte = url[at];
        let pair = url
            .get(at + 1..at + 3)
            .filter(|_| byte == b'%')
            .and_then(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok());
        match pair {
            Some(plain) if plain.is_ascii_alphanumeric() || b"-._~".contains(&plain) => {
                out.push(plain);
                at += 3;
            }
            Some(_) => {
                out.extend(url[at..at + 3].iter().map(u8::to_ascii_uppercase));
                at += 3;
            }
            None => {
                let host = authority.is_some_and(|end| at < end);
                out.push(if host {
                    byte.to_ascii_lowercase()
                } else {
                    byte
                });
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn forgetting_half_of_all_urls_changes_no_share() {
        let mut stream = Seed(1).stream(&[]);
        let (mut all, mut few) = (Urls::new(), Urls::with_most(4000));
        let mut urls = 0u64;
        for _ in 0..60_000 {
            let again = urls > 0 && crate::workload::uniform(&mut stream) < 0.6;
            let which = if again {
                (crate::workload::uniform(&mut stream) * urls as f64) as u64
            } else {
                urls += 1;
                urls - 1
            };
            let line = format!("1.0 1 c TCP_MISS/200 400 GET http://a/{which}.gif");
            let entry = super::super::squid::parse(line.as_bytes()).unwrap();
            all.ask(&entry);
            few.ask(&entry);
        }
        assert_eq!((all.distinct, all.share()), (urls, 1.0));
        assert!(few.all().count() <= 4000 && few.share() < 0.2);
        let recurrence = |urls: &Urls| urls.again as f64 / urls.counted as f64;
        assert!((recurrence(&all) - recurrence(&few)).abs() < 0.02);
        let distinct = few.distinct as f64 / all.distinct as f64;
        assert!((distinct - 1.0).abs() < 0.1, "{distinct}");
        let reach = |urls: &Urls| urls.ages.value_at_quantile(0.99) as f64;
        assert!((reach(&few) / reach(&all) - 1.0).abs() < 0.1);
    }

    #[test]
    fn spellings_of_one_url_are_one_url() {
        for (a, b, same) in [
            ("http://A.example/x", "http://a.example/x", true),
            ("http://a.example/X", "http://a.example/x", false),
            ("/%7euser/%2f", "/~user/%2F", true),
            ("/a#part", "/a", true),
            ("/a?b", "/a", false),
            ("/%zz", "/%ZZ", false),
            ("/%", "/%25", false),
        ] {
            assert_eq!(key(a.as_bytes()) == key(b.as_bytes()), same, "{a} {b}");
        }
    }
}
