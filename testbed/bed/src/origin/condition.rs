//! What a request's conditions and range make of its answer (RFC 9110 13 and 14).
//!
//! Invariant: a function of the request's fields, the version's Last-Modified and the body's length. Objects have no ETag, so
//! Last-Modified, whole seconds, is the only validator. Awkward case: a date that is none is no condition (13.1.3).

use actix_web::http::{
    Method,
    header::{self, ByteRangeSpec, HeaderMap, HeaderName, Range},
};
use std::time::UNIX_EPOCH;

/// What an answer gives of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: 200.
    Whole,
    /// Nothing, the client has it: 304.
    NotModified,
    /// These bytes, the last one included: 206.
    Bytes(u64, u64),
    /// Nothing, no byte is in the range: 416.
    Unsatisfiable,
    /// Nothing, the client wanted another version: 412.
    Failed,
}

/// Whether a request has a condition.
pub(super) fn conditional(fields: &HeaderMap) -> bool {
    [
        header::IF_MODIFIED_SINCE,
        header::IF_NONE_MATCH,
        header::IF_UNMODIFIED_SINCE,
        header::IF_MATCH,
    ]
    .iter()
    .any(|name| fields.contains_key(name))
}

/// The part that this request gets, by the steps of RFC 9110 13.2.2.
pub(super) fn part(method: &Method, fields: &HeaderMap, modified: i64, length: u64) -> Part {
    // 1. and 2.: what was not asked for with an ETag of ours, of which there are none, does not match.
    if let Some(tags) = text(fields, &header::IF_MATCH) {
        if tags.trim() != "*" {
            return Part::Failed;
        }
    } else if date(fields, &header::IF_UNMODIFIED_SINCE).is_some_and(|date| modified > date) {
        return Part::Failed;
    }
    let reads = *method == Method::GET || *method == Method::HEAD;
    // 3. and 4.: If-Modified-Since counts where there is no If-None-Match, and for GET and HEAD alone.
    if let Some(tags) = text(fields, &header::IF_NONE_MATCH) {
        if tags.trim() == "*" {
            return if reads {
                Part::NotModified
            } else {
                Part::Failed
            };
        }
    } else if reads && date(fields, &header::IF_MODIFIED_SINCE).is_some_and(|date| modified <= date)
    {
        return Part::NotModified;
    }
    // 5.: a Range is for GET alone (14.2), and counts where If-Range, if any, tells Last-Modified exactly (13.1.5).
    if *method != Method::GET
        || fields.contains_key(header::IF_RANGE)
            && date(fields, &header::IF_RANGE) != Some(modified)
    {
        return Part::Whole;
    }
    // More than one range may be answered whole (14.2), and what is no range is none.
    match text(fields, &header::RANGE).and_then(|t| t.parse().ok()) {
        Some(Range::Bytes(ranges)) if ranges.len() == 1 && !backwards(&ranges[0]) => {
            match ranges[0].to_satisfiable_range(length) {
                Some((first, last)) => Part::Bytes(first, last),
                None => Part::Unsatisfiable,
            }
        }
        _ => Part::Whole,
    }
}

/// A range whose end is before its beginning is invalid, not unsatisfiable (14.1.1).
fn backwards(range: &ByteRangeSpec) -> bool {
    matches!(range, ByteRangeSpec::FromTo(first, last) if first > last)
}

fn text<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    fields.get(name)?.to_str().ok()
}

/// The date of this field in Unix seconds.
fn date(fields: &HeaderMap, name: &HeaderName) -> Option<i64> {
    let date = httpdate::parse_http_date(text(fields, name)?).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::HeaderValue;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const MODIFIED: i64 = 784_111_777;
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEHIND: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn check(method: Method, fields: &[(HeaderName, &str)], expected: Part) {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(
            part(&method, &map, MODIFIED, 100),
            expected,
            "{method} {fields:?}"
        );
    }

    #[test]
    fn a_condition_decides_between_200_304_and_412() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        let get = |fields: &[(HeaderName, &str)], expected| check(Method::GET, fields, expected);
        get(&[], Part::Whole);
        get(&[(IF_MODIFIED_SINCE, BEFORE)], Part::Whole);
        get(&[(IF_MODIFIED_SINCE, SAME)], Part::NotModified);
        get(&[(IF_MODIFIED_SINCE, BEHIND)], Part::NotModified);
        get(&[(IF_MODIFIED_SINCE, "yesterday")], Part::Whole);
        // RFC 9110 5.6.7: the obsolete forms are read too.
        get(
            &[(IF_MODIFIED_SINCE, "Sunday, 06-Nov-94 08:49:37 GMT")],
            Part::NotModified,
        );
        get(
            &[(IF_MODIFIED_SINCE, "Sun Nov  6 08:49:37 1994")],
            Part::NotModified,
        );
        get(&[(IF_NONE_MATCH, "*")], Part::NotModified);
        get(&[(IF_NONE_MATCH, "\"x\"")], Part::Whole);
        get(
            &[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, SAME)],
            Part::Whole,
        );
        get(&[(IF_UNMODIFIED_SINCE, BEFORE)], Part::Failed);
        get(&[(IF_UNMODIFIED_SINCE, SAME)], Part::Whole);
        get(&[(IF_MATCH, "\"x\"")], Part::Failed);
        get(
            &[(IF_MATCH, "*"), (IF_UNMODIFIED_SINCE, BEFORE)],
            Part::Whole,
        );
        check(
            Method::HEAD,
            &[(IF_MODIFIED_SINCE, SAME)],
            Part::NotModified,
        );
        check(Method::POST, &[(IF_MODIFIED_SINCE, SAME)], Part::Whole);
        check(Method::POST, &[(IF_NONE_MATCH, "*")], Part::Failed);
    }

    #[test]
    fn a_single_range_of_bytes_is_given_and_any_other_is_no_range() {
        use header::{IF_MODIFIED_SINCE, IF_RANGE, RANGE};
        let get = |fields: &[(HeaderName, &str)], expected| check(Method::GET, fields, expected);
        get(&[(RANGE, "bytes=0-9")], Part::Bytes(0, 9));
        get(&[(RANGE, "bytes=90-")], Part::Bytes(90, 99));
        get(&[(RANGE, "bytes=-1")], Part::Bytes(99, 99));
        get(&[(RANGE, "bytes=-1000")], Part::Bytes(0, 99));
        get(&[(RANGE, "bytes=50-1000")], Part::Bytes(50, 99));
        get(&[(RANGE, "bytes=100-")], Part::Unsatisfiable);
        get(&[(RANGE, "bytes=-0")], Part::Unsatisfiable);
        get(&[(RANGE, "bytes=9-0")], Part::Whole);
        get(&[(RANGE, "bytes=0-1,3-4")], Part::Whole);
        get(&[(RANGE, "lines=0-1")], Part::Whole);
        get(&[(RANGE, "bytes=x")], Part::Whole);
        get(&[(RANGE, "bytes=0-9"), (IF_RANGE, SAME)], Part::Bytes(0, 9));
        get(&[(RANGE, "bytes=0-9"), (IF_RANGE, BEHIND)], Part::Whole);
        get(&[(RANGE, "bytes=0-9"), (IF_RANGE, "\"x\"")], Part::Whole);
        get(
            &[(RANGE, "bytes=0-9"), (IF_MODIFIED_SINCE, SAME)],
            Part::NotModified,
        );
        check(Method::HEAD, &[(RANGE, "bytes=0-9")], Part::Whole);
    }
}
