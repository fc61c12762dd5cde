//! What would become of a request, and why: the question, and the answer as data.
//!
//! Invariant: nothing is decided here. A transaction takes its steps up to where it would answer or ask (`transaction/foretell.rs`),
//! and this is what it found. Awkward case: what is not stored leaves nothing to look at; so the last refusals are remembered.

mod refusals;

pub(crate) use refusals::Refusals;

use serde::{Deserialize, Serialize};

/// A request that is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The URL, `http://...`.
    pub url: String,
    /// GET when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Fields: names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The listener it would come in on; the first when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The URL as the proxy has it.
    pub url: String,
    /// The method.
    pub method: String,
    /// The listener that was taken.
    pub listener: String,
    /// The key, with a line break before what parts it from others of the same URL.
    pub key: String,
    /// The names of the rules whose conditions on the request hold.
    pub rules: Vec<String>,
    /// What is stored under the key, newest first.
    pub variants: Vec<Variant>,
    /// Why the last response that was not stored was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_stored: Option<NotStored>,
    /// What would happen.
    pub next: Next,
    /// What was left out of the account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<&'static str>,
}

/// A stored response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// Whether the request selects it.
    pub selected: bool,
    /// Its status.
    pub status: u16,
    /// Bytes of its body; of the whole, where only parts are here.
    pub length: u64,
    /// First and last byte of each part, where only parts are here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<[u64; 2]>>,
    /// When it came, as an HTTP date.
    pub received: String,
    /// The fields that its Vary names and that its request had, as they were normalised.
    pub vary: Vec<(String, String)>,
    /// Its ETag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its Last-Modified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The names of the rules that apply to it.
    pub rules: Vec<String>,
    /// The directives that count, as they were stored.
    pub directives: Vec<String>,
    /// The tags it can be purged by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The groups it is in (RFC 9875).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The arithmetic.
    pub freshness: Arithmetic,
}

/// How fresh a stored response is: `ttl = lifetime - age`, `age = on_arrival + here`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arithmetic {
    /// Seconds.
    pub lifetime: u32,
    /// A word for where the lifetime comes from.
    pub from: &'static str,
    /// Where that is written.
    pub clause: &'static str,
    /// Seconds: how old it is.
    pub age: u32,
    /// Seconds: how old it was when it came (RFC 9111 section 4.2.3, corrected_initial_age).
    pub on_arrival: u32,
    /// Seconds: how long it has been here (resident_time).
    pub here: u32,
    /// Seconds left; stale at 0 and below.
    pub ttl: i64,
}

/// Why a response was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotStored {
    /// The word, as in Cache-Status and the log.
    pub reason: &'static str,
    /// Where it is written.
    pub clause: &'static str,
    /// The status that was answered.
    pub status: u16,
    /// When, as an HTTP date.
    pub at: String,
}

/// What would happen to the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// `hit`, `stale`, `validate`, `fetch`, `pass`, `refuse` or `other`.
    pub does: &'static str,
    /// The status, where it is known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it is forwarded, as in Cache-Status (`fwd=`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fwd: Option<&'static str>,
    /// The word that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Where it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause: Option<&'static str>,
}
