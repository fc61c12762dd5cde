//! What each fault means, for people.

use crate::record::Fault;

/// All faults, worst first.
pub(crate) const ALL: [Fault; 15] = [
    Fault::WrongBytes,
    Fault::WronglyAdapted,
    Fault::NotAdapted,
    Fault::Truncated,
    Fault::StaleHit,
    Fault::UncachableHit,
    Fault::ReloadHit,
    Fault::FalseHit,
    Fault::Status,
    Fault::Fields,
    Fault::Protocol,
    Fault::Connection,
    Fault::TimedOut,
    Fault::FalseMiss,
    Fault::Unconfirmed,
];

/// Its name and what it means.
pub(crate) fn words(fault: Fault) -> (&'static str, &'static str) {
    match fault {
        Fault::FalseHit => (
            "False hit",
            "Came from the store though nobody had asked for the object before: an answer to something else.",
        ),
        Fault::UncachableHit => (
            "Uncachable hit",
            "Came from the store though the origin had said that it may not be stored.",
        ),
        Fault::ReloadHit => (
            "Reload hit",
            "Came from the store though the client had asked for the origin's own answer (no-cache).",
        ),
        Fault::StaleHit => (
            "Stale hit",
            "Came from the store after the time at which the origin had said that it expires.",
        ),
        Fault::FalseMiss => (
            "False miss",
            "Was fetched from the origin though it was in the store and fresh, and less than a quarter of the cache's size had been fetched since it was last used. It costs time and breaks no rule, so it is no failure.",
        ),
        Fault::WrongBytes => (
            "Wrong bytes",
            "The body is not the object's: every byte is known from the address, the version and the seed.",
        ),
        Fault::WronglyAdapted => (
            "Wrongly adapted",
            "The answer was changed on purpose, and is not the object through that change: another picture, a body that is another when unpacked, a page that is more or less than itself and the text.",
        ),
        Fault::NotAdapted => (
            "Not adapted",
            "The answer was to be changed whatever happens (--must-adapt), and came as it was.",
        ),
        Fault::Truncated => (
            "Truncated",
            "The body ended before its end, or went on behind it.",
        ),
        Fault::Status => (
            "Wrong status",
            "Another status than the request should have had, such as 200 for 304, or 502.",
        ),
        Fault::Unconfirmed => (
            "Unconfirmed",
            "All of an object that was fetched, where 304 (not modified) would have done. It costs bytes and breaks no rule, so it is no failure.",
        ),
        Fault::Fields => (
            "Wrong fields",
            "Header fields were missing, doubled, or changed on the way.",
        ),
        Fault::Protocol => (
            "Protocol",
            "What came cannot be read as HTTP, or more came than the answer has.",
        ),
        Fault::Connection => (
            "Connection",
            "The connection to the proxy could not be made, or broke off.",
        ),
        Fault::TimedOut => ("Timed out", "No answer within the time that was allowed."),
    }
}
