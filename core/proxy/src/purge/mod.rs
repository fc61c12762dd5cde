//! Purging as an operator asks for it: in URLs, keys, prefixes, tags and groups; answered by a receipt.
//!
//! Owns what a purge may name and what that means for keys. Invariant: what is named is understood whole, or nothing is purged and the
//! reasons are told. Awkward case: a prefix is a piece of a URL as people write it, while keys have a host in lower case and a port
//! always; so it must reach at least to the end of the host, and `http://a.example` means that host and not `a.example.org`.

mod receipt;

pub use receipt::{Fills, Receipt};

use crate::transaction;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use understudy_cache::{Cache, Purge, Scope, Selector, TransactionId};
use understudy_http::semantics::date::Seconds;
use understudy_http::semantics::key::write_key;
use understudy_http::semantics::policy::Rules;
use understudy_http::wire::target::{Scheme, Target, parse_target};
use understudy_http::{Fields, Method};

/// Most that one purge may name.
pub(crate) const MOST: usize = 256;

/// What is to be purged: all that any of these names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    /// URLs: every variant, whatever upstream it is from.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "one_or_many")]
    pub url: Vec<String>,
    /// Keys, as receipts write them: this one alone.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "one_or_many")]
    pub key: Vec<String>,
    /// Beginnings of URLs.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "one_or_many")]
    pub prefix: Vec<String>,
    /// Tags.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        with = "one_or_many",
        alias = "tags"
    )]
    pub tag: Vec<String>,
    /// Cache groups (RFC 9875), of `origin` or of all.
    #[serde(skip_serializing_if = "Vec::is_empty", with = "one_or_many")]
    pub group: Vec<String>,
    /// Whose groups are meant, such as `http://www.example.org`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What is found stays, and is stale.
    pub soft: bool,
    /// What is found stays, and is told.
    pub dry_run: bool,
}

impl Request {
    /// What it means, or a sentence for each thing that is wrong.
    ///
    /// # Errors
    /// The sentences.
    pub fn selectors(&self) -> Result<Vec<Selector>, Vec<String>> {
        let (mut what, mut wrong) = (Vec::new(), Vec::new());
        let mut add = |selector: Result<Selector, String>| match selector {
            Ok(selector) => what.push(selector),
            Err(why) => wrong.push(why),
        };
        let bytes = |text: &String| bytes::Bytes::copy_from_slice(text.as_bytes());
        for text in &self.url {
            add(url(text).map(Selector::Url));
        }
        for text in &self.key {
            add(named("key", text).map(|()| Selector::Key(bytes(text))));
        }
        for text in &self.prefix {
            add(prefix(text).map(Selector::Prefix));
        }
        for text in &self.tag {
            add(named("tag", text).map(|()| Selector::Tag(bytes(text))));
        }
        let scope = match &self.origin {
            None => Ok(Scope::Any),
            Some(_) if self.group.is_empty() => {
                Err("`origin` says whose `group` is meant; there is none".to_owned())
            }
            Some(text) => url(text).map(|url| Scope::Origin(origin(&url))),
        };
        match scope {
            Ok(scope) => {
                for text in &self.group {
                    let group = named("group", text);
                    add(group.map(|()| Selector::Group(bytes(text), scope.clone())));
                }
            }
            Err(why) => add(Err(why)),
        }
        if what.is_empty() && wrong.is_empty() {
            wrong.push(
                "nothing is named: say what goes by `url`, `key`, `prefix`, `tag` or `group`"
                    .to_owned(),
            );
        }
        if what.len() > MOST {
            wrong.push(format!("at most {MOST} things may be named in one purge"));
        }
        if wrong.is_empty() {
            Ok(what)
        } else {
            Err(wrong)
        }
    }
}

/// With the URLs that rules make of those that are meant: a rule may drop parameters of a query, or put them in order.
pub(crate) fn ruled(mut selectors: Vec<Selector>, rules: &Rules) -> Vec<Selector> {
    let rewritten: Vec<Selector> = selectors
        .iter()
        .filter_map(|selector| match selector {
            Selector::Url(url) => {
                let mut key = url.to_vec();
                transaction::rekey(rules, Fields::new(&[], &[], &[]), &mut key);
                let rewritten = transaction::url_of(&key);
                let differs = rewritten != &url[..];
                differs.then(|| Selector::Url(bytes::Bytes::copy_from_slice(rewritten)))
            }
            _ => None,
        })
        .collect();
    selectors.extend(rewritten);
    selectors
}

/// Purges what a request means, and accounts for it. `selectors` are the request's.
pub(crate) async fn perform(
    cache: &Cache,
    id: TransactionId,
    now: Seconds,
    asked: Request,
    selectors: Vec<Selector>,
) -> Receipt {
    let started = Instant::now();
    let purge = Purge {
        what: selectors,
        soft: asked.soft,
        dry_run: asked.dry_run,
        now,
    };
    let purged = cache.purge(id, purge).await;
    let receipt = Receipt::new(id, now, asked, purged, started.elapsed());
    tracing::info!(
        id = receipt.id,
        asked = ?receipt.asked,
        matched = receipt.matched,
        removed = receipt.removed,
        "purge"
    );
    receipt
}

fn named(what: &str, text: &str) -> Result<(), String> {
    match text {
        "" => Err(format!("an empty {what} names nothing")),
        _ => Ok(()),
    }
}

/// The URL as keys write it.
fn url(text: &str) -> Result<bytes::Bytes, String> {
    let cure = "write one such as http://www.example.org/path";
    // A fragment is the reader's own: no request has one.
    let whole = text.split('#').next().unwrap_or(text);
    match parse_target(Method::Get, whole.as_bytes()) {
        Ok(Target::Absolute {
            scheme: Scheme::Http,
            authority,
            path,
        }) => {
            let mut key = Vec::new();
            write_key(Scheme::Http, authority, path, &mut key);
            Ok(key.into())
        }
        Ok(Target::Absolute { .. }) => Err(format!(
            "{text:?}: only what http URLs name is stored here; {cure}"
        )),
        _ => Err(format!("{text:?} is not a URL; {cure}")),
    }
}

/// The beginning of a URL as keys write it.
fn prefix(text: &str) -> Result<bytes::Bytes, String> {
    if text.eq_ignore_ascii_case("http://") {
        return Ok(bytes::Bytes::from_static(b"http://"));
    }
    url(text).map_err(|why| {
        format!("{why}; a prefix reaches to the end of the host at least, or is http:// for all")
    })
}

/// `scheme://host:port` of a URL as keys write it.
fn origin(url: &bytes::Bytes) -> bytes::Bytes {
    const SCHEME: usize = "http://".len();
    let end = url.iter().skip(SCHEME).position(|byte| *byte == b'/');
    end.map_or_else(|| url.clone(), |end| url.slice(..SCHEME + end))
}

/// A string, or a list of strings.
mod one_or_many {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Strings {
        One(String),
        Many(Vec<String>),
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
        Ok(match Strings::deserialize(from)? {
            Strings::One(one) => vec![one],
            Strings::Many(many) => many,
        })
    }

    pub(super) fn serialize<S: Serializer>(many: &[String], to: S) -> Result<S::Ok, S::Error> {
        many.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Request};
    use understudy_cache::{Scope, Selector};

    fn selector(json: &str) -> Result<Vec<Selector>, Vec<String>> {
        serde_json::from_str::<Request>(json)
            .map_err(|why| vec![why.to_string()])?
            .selectors()
    }

    #[test]
    fn what_is_named_is_understood_as_keys_are_written() {
        let key = |text: &'static str| bytes::Bytes::from_static(text.as_bytes());
        for (json, want) in [
            (
                r#"{"url": "http://A.example"}"#,
                Selector::Url(key("http://a.example:80/")),
            ),
            (
                r#"{"url": ["http://a.example:8080/x?y#z"]}"#,
                Selector::Url(key("http://a.example:8080/x?y")),
            ),
            (
                r#"{"prefix": "http://A.example"}"#,
                Selector::Prefix(key("http://a.example:80/")),
            ),
            (
                r#"{"prefix": "http://a.example/img/"}"#,
                Selector::Prefix(key("http://a.example:80/img/")),
            ),
            (r#"{"prefix": "http://"}"#, Selector::Prefix(key("http://"))),
            (
                r#"{"key": "http://a:80/x\nup"}"#,
                Selector::Key(key("http://a:80/x\nup")),
            ),
            (r#"{"tags": ["a b"]}"#, Selector::Tag(key("a b"))),
            (r#"{"group": "g"}"#, Selector::Group(key("g"), Scope::Any)),
            (
                r#"{"group": "g", "origin": "http://A.example/x"}"#,
                Selector::Group(key("g"), Scope::Origin(key("http://a.example:80"))),
            ),
        ] {
            assert_eq!(selector(json), Ok(vec![want]), "{json}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (json, why) in [
            (r#"{}"#, "nothing is named"),
            (r#"{"soft": true}"#, "nothing is named"),
            (r#"{"url": "/x"}"#, "is not a URL"),
            (r#"{"url": "https://a/x"}"#, "only what http URLs name"),
            (r#"{"prefix": "http://exam ple"}"#, "is not a URL"),
            (r#"{"prefix": ""}"#, "is not a URL"),
            (r#"{"tag": ""}"#, "an empty tag"),
            (r#"{"tag": ["a", ""]}"#, "an empty tag"),
            (r#"{"tag": "a", "origin": "http://a/"}"#, "there is none"),
            (r#"{"tga": "a"}"#, "unknown field"),
        ] {
            let wrong = selector(json).expect_err(json);
            assert!(wrong.iter().any(|one| one.contains(why)), "{wrong:?}");
        }
        let many = Request {
            tag: vec!["a".to_owned(); MOST + 1],
            ..Request::default()
        };
        assert!(many.selectors().is_err());
    }
}
