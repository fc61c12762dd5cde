//! The testbed's own fields: how robots and origin know each other's exchanges through a proxy.
//!
//! A request carries its number, an answer the number of the request it was made for, the object's version and the time. A stored
//! answer keeps them, so a robot knows where an answer came from without the proxy's word. Awkward case: a 304 updates the stored
//! fields (RFC 9111 3.2), so a stored body then carries a 304's reply; the reply says so.

use super::drawn;
use crate::seed::Seed;
use rand_xoshiro::rand_core::Rng;
use std::{fmt, str::FromStr};

/// The field of a request: its number, in hexadecimal digits.
pub const REQUEST: &str = "x-bed-request";

/// The field of an answer: a [`Reply`].
pub const REPLY: &str = "x-bed-reply";

/// What the origin says of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The number of the request it answered.
    pub request: u64,
    /// The number of the object's version.
    pub version: i64,
    /// When it answered: Unix milliseconds of the origin's clock.
    pub answered: i64,
    /// Whether that answer was a 304.
    pub not_modified: bool,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x} {} {}", self.request, self.version, self.answered)?;
        if self.not_modified {
            f.write_str(" 304")?;
        }
        Ok(())
    }
}

/// The field's value is none that an origin sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value is not `NUMBER VERSION MILLISECONDS` or the same and ` 304`")]
pub struct NoReply;

impl FromStr for Reply {
    type Err = NoReply;

    fn from_str(text: &str) -> Result<Self, NoReply> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(NoReply);
        let reply = Self {
            request: number(word()?).ok_or(NoReply)?,
            version: word()?.parse().map_err(|_| NoReply)?,
            answered: word()?.parse().map_err(|_| NoReply)?,
            not_modified: false,
        };
        match (words.next(), words.next()) {
            (None, _) => Ok(reply),
            (Some("304"), None) => Ok(Self {
                not_modified: true,
                ..reply
            }),
            _ => Err(NoReply),
        }
    }
}

/// The number that a request's field tells.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    // A sign is a number for the standard library.
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// The body of the POST of this number.
#[must_use]
pub fn posted(seed: Seed, number: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    seed.stream(&drawn::of(drawn::POSTED, number))
        .fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_reply_is_read_as_it_was_written(
            request: u64, version: i64, answered: i64, not_modified: bool
        ) {
            let reply = Reply { request, version, answered, not_modified };
            prop_assert_eq!(reply.to_string().parse(), Ok(reply));
        }

        #[test]
        fn a_posted_body_begins_as_every_longer_one(number: u64, short in 0usize..100, more in 0usize..100) {
            let long = posted(Seed(1), number, short + more);
            prop_assert_eq!(&posted(Seed(1), number, short)[..], &long[..short]);
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in [
            "",
            "1",
            "1 2",
            "1 2 x",
            "x 2 3",
            "+1 2 3",
            "1 2 3 ",
            "1 2 3 200",
            "1 2 3 304 4",
            " 1 2 3",
            "11111111111111111 2 3",
        ] {
            assert_eq!(text.parse::<Reply>(), Err(NoReply), "{text:?}");
        }
        assert!("1f -2 3 304".parse::<Reply>().unwrap().not_modified);
    }
}
