//! What an answer says of itself, in the fields that the origin sends and a proxy must leave alone.
//!
//! Awkward case: a field that comes twice. The first counts, and `doubled` tells of the second.

use std::time::{SystemTime, UNIX_EPOCH};

/// `X-Bed-Reply`: which request the origin answered by this, with which version, when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The request's number.
    pub request: u64,
    /// The version's number.
    pub version: i64,
    /// When the origin answered, Unix milliseconds.
    pub answered: i64,
    /// Whether the origin answered that the version still holds, by 304.
    pub not_modified: bool,
}

/// What Cache-Control says, of what the origin ever says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheControl {
    /// There is none.
    #[default]
    Missing,
    /// `public`.
    Public,
    /// `private, no-cache`.
    Private,
    /// `no-store`.
    NoStore,
    /// Something that the origin does not say.
    Other,
}

/// The fields of an answer that are judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claims {
    /// Where it came from.
    pub reply: Option<Reply>,
    /// Unix seconds.
    pub last_modified: Option<i64>,
    /// Unix seconds.
    pub expires: Option<i64>,
    /// Unix seconds.
    pub date: Option<i64>,
    /// What caches may do.
    pub cache_control: CacheControl,
    /// Content-Length.
    pub length: Option<u64>,
    /// A field that may come once came twice.
    pub doubled: bool,
    /// A field that cannot be read.
    pub unreadable: bool,
}

impl Claims {
    /// Takes note of a field, if it is one that is judged.
    pub fn field(&mut self, name: &str, value: &[u8]) {
        // By length first: of twenty fields in an answer only these few are compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case("date") => {
                let read = date(value);
                self.once(read, |c| &mut c.date);
            }
            7 if name.eq_ignore_ascii_case("expires") => {
                let read = date(value);
                self.once(read, |c| &mut c.expires);
            }
            11 if name.eq_ignore_ascii_case("x-bed-reply") => {
                let read = reply(value);
                self.once(read, |c| &mut c.reply);
            }
            13 if name.eq_ignore_ascii_case("last-modified") => {
                let read = date(value);
                self.once(read, |c| &mut c.last_modified);
            }
            13 if name.eq_ignore_ascii_case("cache-control") => {
                self.doubled |= self.cache_control != CacheControl::Missing;
                self.cache_control = match value {
                    b"public" => CacheControl::Public,
                    b"private, no-cache" => CacheControl::Private,
                    b"no-store" => CacheControl::NoStore,
                    _ => CacheControl::Other,
                };
            }
            _ => {}
        }
    }

    fn once<T>(&mut self, read: Option<T>, place: impl Fn(&mut Self) -> &mut Option<T>) {
        if place(self).is_some() {
            self.doubled = true;
            return;
        }
        self.unreadable |= read.is_none();
        *place(self) = read;
    }
}

/// An HTTP date, as Unix seconds.
fn date(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    unix(httpdate::parse_http_date(text).ok()?)
}

/// Unix seconds of a time; there is no HTTP date before 1970.
fn unix(time: SystemTime) -> Option<i64> {
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// `N V T`, or `N V T 304`: a hexadecimal number and two decimal ones.
fn reply(value: &[u8]) -> Option<Reply> {
    let mut words = std::str::from_utf8(value).ok()?.split(' ');
    let reply = Reply {
        request: u64::from_str_radix(words.next()?, 16).ok()?,
        version: words.next()?.parse().ok()?,
        answered: words.next()?.parse().ok()?,
        not_modified: match words.next() {
            None => false,
            Some("304") => true,
            Some(_) => return None,
        },
    };
    words.next().is_none().then_some(reply)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reply_is_read_strictly() {
        let good = Reply {
            request: 0x2a,
            version: -3,
            answered: 1_700_000_000_123,
            not_modified: false,
        };
        for (text, expected) in [
            ("2a -3 1700000000123", Some(good)),
            (
                "2a -3 1700000000123 304",
                Some(Reply {
                    not_modified: true,
                    ..good
                }),
            ),
            ("2a -3", None),
            ("2a -3 1700000000123 200", None),
            ("2a -3 1700000000123 304 x", None),
            ("2a  -3 1700000000123", None),
            ("zz -3 1700000000123", None),
            ("", None),
        ] {
            assert_eq!(reply(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn fields_are_kept_once_and_their_doubles_told() {
        let mut claims = Claims::default();
        claims.field("DATE", b"Sun, 06 Nov 1994 08:49:37 GMT");
        claims.field("cache-control", b"public");
        claims.field("Server", b"x");
        assert_eq!(claims.date, Some(784_111_777));
        assert_eq!(claims.cache_control, CacheControl::Public);
        assert!(!claims.doubled && !claims.unreadable);
        claims.field("Date", b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(claims.doubled);
        claims.field("Expires", b"0");
        assert!(claims.unreadable);
    }
}
