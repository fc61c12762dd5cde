//! What a line of a log says of one exchange, whatever its format.
//!
//! Invariant: every number in an entry is finite and within what a date, a status or a length can be; parsers refuse others, so what
//! counts them need not look again.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

/// One exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// When it was logged or over, Unix seconds.
    pub end: f64,
    /// Whether `end` tells parts of a second.
    pub exact: bool,
    /// Seconds it took, where the log has it.
    pub elapsed: Option<f64>,
    /// A hash of who asked; nothing where the log leaves it out.
    pub client: Option<u64>,
    /// A hash of the connection it was asked on, where the log tells connections apart.
    pub connection: Option<u64>,
    /// The method.
    pub method: Verb,
    /// What was asked for, as the log has it.
    pub url: Cow<'a, [u8]>,
    /// The answer's status; 0 where there was none.
    pub status: u16,
    /// Bytes of the answer's body.
    pub body: u64,
    /// Bytes of the request's body, where the log has them.
    pub sent: Option<u64>,
    /// The answer's media type, where the log has it.
    pub media: Option<Cow<'a, [u8]>>,
    /// What the cache did, where a cache wrote the log.
    pub outcome: Outcome,
    /// Whether the answer may be stored, where the log says so outright.
    pub storable: Option<bool>,
    /// Whether it was broken off.
    pub aborted: bool,
}

/// The longest time an exchange is taken to have lasted, in seconds: logs are in the order of ends, and replays sort over this time.
pub const LONGEST: f64 = 120.0;

impl Entry<'_> {
    /// When it began, Unix seconds; no more than [`LONGEST`] before its end.
    #[must_use]
    pub fn begin(&self) -> f64 {
        self.end - self.elapsed.unwrap_or(0.0).clamp(0.0, LONGEST)
    }
}

/// A request's method, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// CONNECT: a tunnel, not content.
    Connect,
    /// Any other.
    Other,
}

impl From<&[u8]> for Verb {
    fn from(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// What a cache did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered out of the store.
    Hit,
    /// Stored, asked for again at the origin, and still good.
    Unmodified,
    /// Stored, asked for again at the origin, and replaced.
    Modified,
    /// Fetched.
    Miss,
    /// Fetched because the client said `no-cache`.
    Reload,
    /// A tunnel.
    Tunnel,
    /// Refused, or made by the proxy itself.
    Own,
    /// No cache wrote this log.
    Unknown,
}

/// Why a line is no entry. Says nothing of what is in the line: it may be shown to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Bad {
    /// Fewer fields than the format has.
    #[error("too few fields")]
    Fields,
    /// The time is no time.
    #[error("the time cannot be read")]
    Time,
    /// The elapsed time is no number.
    #[error("the elapsed time is not a number of milliseconds")]
    Elapsed,
    /// The status is no number of three digits.
    #[error("the status is not one")]
    Status,
    /// The size is no number.
    #[error("the size is not a number of bytes")]
    Size,
    /// A quoted field has no end.
    #[error("a quoted field does not end")]
    Quote,
    /// The request line is not a method and a target.
    #[error("the request line is not one")]
    Request,
    /// It is no JSON, or has not the fields of this proxy's log.
    #[error("not a JSON object of this proxy's access log")]
    Json,
    /// It is longer than any log's line.
    #[error("longer than 64 KiB")]
    Long,
    /// It is of none of the formats known.
    #[error("of none of the formats known")]
    Format,
}

/// A hash that is the same in every run.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Unix seconds out of a number's text: up to the year 5138, so that no sum of them overflows anything.
pub(super) fn seconds(text: &[u8]) -> Option<f64> {
    number(text).filter(|t| (0.0..1e11).contains(t))
}

/// A finite number.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    let found: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    found.is_finite().then_some(found)
}

/// A whole number.
pub(super) fn whole(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A status: three digits (RFC 9110, 15), or 0 for none.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    let found = whole(text).and_then(|n| u16::try_from(n).ok())?;
    (text.len() <= 3 && (found == 0 || (100..=999).contains(&found))).then_some(found)
}

/// A field that is not `-`.
pub(super) fn known(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty() && text != b"-").then_some(text)
}
