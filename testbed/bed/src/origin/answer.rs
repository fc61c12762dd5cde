//! The answer for an object: its status, fields and the body on its way.
//!
//! Invariant: every answer for an object carries a [`Reply`], Date, Last-Modified and what caches may do with it, 304 as well, so
//! that a cache that validates has the fields of the time it did (RFC 9111 4.3.4).

use super::{
    body::Sent,
    condition::{self, Part},
    drawn,
    handle::Asked,
    network::Path,
    private::{REPLY, Reply},
    server::Origin,
    statistics::{add, count},
};
use crate::world::World;
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::BodySize,
    http::{
        Method, StatusCode, Version,
        header::{self, HeaderName},
    },
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::time::{Duration, UNIX_EPOCH};

/// The last second of the year 9999: a date of HTTP has four digits for the year (RFC 9110 5.6.7).
const LAST_SECOND: i64 = 253_402_300_799;

/// The answer to what was asked, as it is at `answered` (Unix milliseconds), sent from now on.
pub(super) fn answer(
    origin: &Origin,
    world: &World,
    request: &HttpRequest,
    asked: Asked,
    answered: i64,
    path: Path,
    last: bool,
) -> HttpResponse {
    let (object, method, counters) = (asked.object, request.method(), &origin.counters);
    let second = answered.div_euclid(1000);
    let version = world.version(object, second);
    let length = origin.library.length(world, object);
    if condition::conditional(request.headers()) {
        count(&counters.conditional);
    }
    let part = condition::part(method, request.headers(), version.modified, length);
    let mut response = HttpResponse::build(match part {
        Part::Whole => StatusCode::OK,
        Part::Bytes(..) => StatusCode::PARTIAL_CONTENT,
        Part::NotModified => StatusCode::NOT_MODIFIED,
        Part::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Part::Failed => StatusCode::PRECONDITION_FAILED,
    });
    let reply = Reply {
        request: asked.number,
        version: version.number,
        answered,
        not_modified: part == Part::NotModified,
    };
    response.insert_header((HeaderName::from_static(REPLY), reply.to_string()));
    response.insert_header((header::DATE, date(second)));
    response.insert_header((header::LAST_MODIFIED, date(version.modified)));
    let cachable = world.cachable(object) && method != Method::POST;
    let failed = matches!(part, Part::Unsatisfiable | Part::Failed);
    if failed {
        // With Expires a cache may store any final status (RFC 9111 3), and would give a plain GET the failure of another's condition.
        response.insert_header((header::CACHE_CONTROL, "no-store"));
    } else if cachable {
        response.insert_header((header::CACHE_CONTROL, "public"));
        response.insert_header((header::EXPIRES, date(version.until)));
    } else if method == Method::POST {
        response.insert_header((header::CACHE_CONTROL, "no-store"));
    } else {
        response.insert_header((header::CACHE_CONTROL, "private, no-cache"));
        response.insert_header((header::PRAGMA, "no-cache"));
    }
    if last {
        response.force_close();
    }
    let (first, end) = match part {
        Part::Whole => (0, length),
        Part::Bytes(first, last) => {
            count(&counters.partial);
            response.insert_header((
                header::CONTENT_RANGE,
                format!("bytes {first}-{last}/{length}"),
            ));
            (first, last + 1)
        }
        Part::NotModified => {
            count(&counters.not_modified);
            return response.finish();
        }
        Part::Unsatisfiable => {
            response.insert_header((header::CONTENT_RANGE, format!("bytes */{length}")));
            return response.finish();
        }
        Part::Failed => return response.finish(),
    };
    response.content_type(world.format(object).media_type());
    let said = said(origin, world, request, asked, end - first);
    let stream = |what| world.seed().stream(&drawn::of(what, asked.number));
    let bursts = path.bursts(stream(drawn::ANSWER));
    if method == Method::HEAD {
        let nothing = SmallVec::new();
        return send(response, Sent::new(said, nothing, bursts, None, counters));
    }
    let body = origin.library.body(world, object, version.number);
    if body.len() != length {
        return torn(request.path(), body.len(), length);
    }
    let slices = cut(body.slices, first, end);
    // A body of no byte has no place to break off at.
    let breaks = (breaks_off(world, asked.number) && end > first)
        .then(|| break_off_at(world, asked.number, end - first));
    if cachable && part == Part::Whole && breaks.is_none() && counters.seen.insert(object) {
        count(&counters.objects);
        add(&counters.first_cachable_bytes, length);
    }
    send(response, Sent::new(said, slices, bursts, breaks, counters))
}

/// The testbed's own fault: sent, such a body would break the connection off, and the proxy would be blamed.
fn torn(path: &str, bytes: u64, length: u64) -> HttpResponse {
    let text = format!(
        "{path}: the body made has {bytes} bytes, not {length}; the testbed is wrong here\n"
    );
    eprint!("origin: {text}");
    HttpResponse::InternalServerError()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(text)
}

/// Whether the answer to the request of this number is broken off, if it has a body.
#[must_use]
pub fn breaks_off(world: &World, number: u64) -> bool {
    world.seed().share(&drawn::of(drawn::ABORT, number)) < world.workload().aborts.server
}

/// Behind how many bytes of a body of this length.
pub(super) fn break_off_at(world: &World, number: u64, length: u64) -> u64 {
    (world.seed().share(&drawn::of(drawn::PLACE, number)) * length as f64) as u64
}

fn send(mut response: HttpResponseBuilder, body: Sent) -> HttpResponse {
    response.body(body)
}

/// How the body's end is told: by its length, or for a share of objects by chunks, which HTTP/1.0 has not.
fn said(
    origin: &Origin,
    world: &World,
    request: &HttpRequest,
    asked: Asked,
    length: u64,
) -> BodySize {
    let words = [
        crate::world::draw::ORIGIN,
        drawn::CHUNKED,
        u64::from(asked.object.kind),
        asked.object.id,
    ];
    if request.version() == Version::HTTP_11 && world.seed().share(&words) < origin.chunked {
        BodySize::Stream
    } else {
        BodySize::Sized(length)
    }
}

/// The bytes from `first` up to `end` of these slices.
fn cut(slices: SmallVec<[Bytes; 8]>, first: u64, end: u64) -> SmallVec<[Bytes; 8]> {
    let mut begin = 0;
    let mut found = SmallVec::new();
    for slice in slices {
        let length = slice.len() as u64;
        let (from, to) = (
            first.clamp(begin, begin + length) - begin,
            end.clamp(begin, begin + length) - begin,
        );
        if from < to {
            // Both are within the slice, so they fit.
            found.push(slice.slice(from as usize..to as usize));
        }
        begin += length;
    }
    found
}

/// A date of HTTP. What has none, before 1970 and after 9999, is the nearest that has.
fn date(second: i64) -> String {
    let second = u64::try_from(second.clamp(0, LAST_SECOND)).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_cut_of_slices_is_what_is_cut_of_the_whole(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..6),
            one in 0usize..130, other in 0usize..130,
        ) {
            let whole = parts.concat();
            let (first, end) = (one.min(other).min(whole.len()), one.max(other).min(whole.len()));
            let slices = parts.into_iter().map(Bytes::from).collect();
            let found = cut(slices, first as u64, end as u64);
            prop_assert!(found.iter().all(|s| !s.is_empty()));
            prop_assert_eq!(found.concat(), &whole[first..end]);
        }
    }

    #[test]
    fn so_many_answers_are_broken_off_as_the_workload_says_and_anywhere() {
        let mut workload = crate::workload::Workload::load("polymix-4").unwrap();
        for share in [0.001, 0.1] {
            workload.aborts.server = share;
            let world = World::new(workload.clone().into(), crate::seed::Seed(5), 0);
            let broken = (0..200_000u64).filter(|number| breaks_off(&world, *number));
            let places: Vec<u64> = broken
                .map(|number| break_off_at(&world, number, 1000))
                .collect();
            let (found, right) = (places.len() as f64, share * 200_000.0);
            assert!((found - right).abs() < 5.0 * right.sqrt(), "{found}");
            for (quarter, count) in [250, 500, 750, 1000].map(|end| {
                let within = places
                    .iter()
                    .filter(|place| (end - 250..end).contains(*place));
                (end, within.count() as f64)
            }) {
                let right = found / 4.0;
                assert!(
                    (count - right).abs() < 5.0 * right.sqrt(),
                    "{quarter}: {count} of {found}"
                );
            }
        }
    }

    #[test]
    fn a_date_that_http_has_not_is_the_nearest_it_has() {
        assert_eq!(date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(i64::MIN), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
