//! Every fault, beside what looks like it and is none.
#![allow(clippy::unwrap_used)]

use super::super::Reply;
use super::*;
use crate::{
    demand::{Method, RequestType},
    record::{Fault, Source},
    world::Version,
};

/// When the request is sent, Unix seconds.
const NOW: i64 = 1_000_000;
/// The same moment of the run.
const SENT: u64 = 60_000_000;

/// A miss of a fresh, storable object that nobody asked for before: nothing is wrong with it.
fn right() -> (Expectation, Observed) {
    let version = Version {
        number: 3,
        modified: NOW - 500,
        until: NOW + 500,
    };
    let expected = Expectation {
        method: Method::Get,
        kind: RequestType::Plain,
        cachable: true,
        since: None,
        known: Known::Own,
        others: false,
        version,
        version_is: true,
        later: version,
        length: 1000,
        adapted: false,
        earlier: None,
        cache: Some(1 << 30),
        broken: false,
        sent: (NOW, SENT),
        doubt: 0,
        there: None,
        made: None,
        due: SENT,
    };
    let seen = Observed {
        outcome: Outcome::Whole,
        status: Some(200),
        claims: Claims {
            reply: Some(Reply {
                request: 7,
                version: 3,
                answered: NOW * 1000,
                not_modified: false,
            }),
            last_modified: Some(version.modified),
            expires: Some(version.until),
            date: Some(NOW),
            cache_control: CacheControl::Public,
            length: Some(1000),
            doubled: false,
            unreadable: false,
        },
        bytes: 1000,
        wrong: false,
        until_closed: false,
    };
    (expected, seen)
}

/// Judges the right exchange with one thing changed.
fn judged(change: impl FnOnce(&mut Expectation, &mut Observed)) -> (Source, Vec<Fault>) {
    let (mut expected, mut seen) = right();
    change(&mut expected, &mut seen);
    let verdict = judge(&expected, &seen);
    (verdict.source, verdict.faults)
}

fn hit(e: &mut Expectation) {
    e.known = Known::Earlier;
    e.others = true;
}

fn uncachable(e: &mut Expectation, s: &mut Observed) {
    e.cachable = false;
    s.claims.cache_control = CacheControl::Private;
    s.claims.expires = None;
}

fn not_modified(e: &mut Expectation, s: &mut Observed) {
    e.kind = RequestType::Ims304;
    e.since = Some(e.version.modified + 1);
    s.status = Some(304);
    s.bytes = 0;
    s.claims.length = None;
}

fn stored(e: &mut Expectation, since: u64) {
    e.earlier = Some(Earlier {
        until: NOW + 500,
        fresh: SENT + 500_000_000,
        done: 10_000_000,
        since,
        certain: true,
    });
}

#[test]
fn right_exchanges_have_their_source_and_no_fault() {
    type Case = (&'static str, fn(&mut Expectation, &mut Observed), Source);
    let cases: &[Case] = &[
        ("a miss", |_, _| {}, Source::Miss),
        ("a hit", |e, _| hit(e), Source::Hit),
        ("joined", |e, _| e.known = Known::UnderWay, Source::Joined),
        (
            "validated",
            |_, s| s.claims.reply.as_mut().unwrap().not_modified = true,
            Source::Validated,
        ),
        ("an uncachable miss", uncachable, Source::Miss),
        (
            "a hit that is as stale as clocks differ",
            |e, s| {
                hit(e);
                e.version.until = NOW - SLACK;
                s.claims.expires = Some(NOW - SLACK);
            },
            Source::Hit,
        ),
        (
            "a hit whose time is up by a wall that was set ahead since",
            |e, s| {
                hit(e);
                e.version.until = NOW - 7;
                s.claims.expires = Some(NOW - 7);
                e.doubt = 5;
            },
            Source::Hit,
        ),
        (
            // 33 s old of 31 and 2 of slack, whatever the wall says.
            "a hit whose time is not up by the clock of those who fetched it",
            |e, s| {
                hit(e);
                e.version.until = NOW - 100;
                s.claims.expires = Some(NOW - 100);
                s.claims.reply.as_mut().unwrap().answered = (NOW - 131) * 1000;
                e.there = Some(SENT - 33_000_000);
            },
            Source::Hit,
        ),
        (
            // 33 s old at most of 31 and 2 of slack: the wall was set back, and nobody has looked since.
            "a hit of what the proxy fetched for itself, that was asked for not long ago",
            |e, s| {
                hit(e);
                e.version.until = NOW - 100;
                s.claims.expires = Some(NOW - 100);
                s.claims.reply.as_mut().unwrap().answered = (NOW - 131) * 1000;
                e.made = Some(SENT - 33_000_000);
            },
            Source::Hit,
        ),
        (
            "a reload joined to an answer that came after it, by a wall that was set back",
            |e, s| {
                e.kind = RequestType::Reload;
                e.known = Known::UnderWay;
                s.claims.reply.as_mut().unwrap().answered -= 10_000;
                e.there = Some(SENT + 1);
            },
            Source::Joined,
        ),
        (
            "a reload that misses",
            |e, _| e.kind = RequestType::Reload,
            Source::Miss,
        ),
        (
            "a reload joined to an answer given meanwhile",
            |e, _| {
                e.kind = RequestType::Reload;
                e.known = Known::UnderWay;
            },
            Source::Joined,
        ),
        ("a 304 from the origin", not_modified, Source::Miss),
        (
            "a 304 without the origin's field, made of a 200 that was fetched",
            |e, s| {
                not_modified(e, s);
                s.claims.reply = None;
            },
            Source::Miss,
        ),
        (
            "the same of what may not be stored",
            |e, s| {
                not_modified(e, s);
                uncachable(e, s);
                s.claims.reply = None;
                e.others = true;
            },
            Source::Miss,
        ),
        (
            "a 304 from the store",
            |e, s| {
                not_modified(e, s);
                hit(e);
            },
            Source::Hit,
        ),
        (
            "a 304 from the store without the origin's field",
            |e, s| {
                not_modified(e, s);
                hit(e);
                e.version_is = false;
                s.claims.reply = None;
            },
            Source::Hit,
        ),
        (
            "200 because the object changed",
            |e, _| {
                e.kind = RequestType::Ims304;
                e.since = Some(e.version.modified - 10);
            },
            Source::Miss,
        ),
        (
            "in chunks, without Content-Length",
            |_, s| s.claims.length = None,
            Source::Miss,
        ),
        (
            "a HEAD",
            |e, s| {
                e.method = Method::Head;
                s.bytes = 0;
            },
            Source::Miss,
        ),
        (
            "broken off by the robot",
            |_, s| {
                s.outcome = Outcome::Aborted;
                s.bytes = 10;
            },
            Source::Miss,
        ),
        (
            "broken off by the origin",
            |e, s| {
                e.broken = true;
                s.outcome = Outcome::Closed;
                s.bytes = 10;
            },
            Source::None,
        ),
        (
            "broken off by the origin, ended by the connection's end",
            |e, s| {
                e.broken = true;
                s.claims.length = None;
                s.until_closed = true;
                s.bytes = 10;
            },
            Source::Miss,
        ),
        (
            "502 for what the origin broke off",
            |e, s| {
                e.broken = true;
                s.status = Some(502);
                s.claims = Claims::default();
            },
            Source::None,
        ),
        (
            "a miss of what was not stored long enough ago to be there",
            |e, _| {
                stored(e, 0);
                e.due = 10_000_000;
            },
            Source::Miss,
        ),
        (
            "a miss of what had to give way",
            |e, _| stored(e, 1 << 29),
            Source::Miss,
        ),
        (
            "a miss of what is no longer fresh",
            |e, _| {
                stored(e, 0);
                e.earlier.as_mut().unwrap().fresh = SENT + 2_000_000;
            },
            Source::Miss,
        ),
        (
            "a miss beside a store of unknown size",
            |e, _| {
                stored(e, 0);
                e.cache = None;
            },
            Source::Miss,
        ),
        (
            "a POST",
            |e, s| {
                e.method = Method::Post;
                s.claims.cache_control = CacheControl::NoStore;
                s.claims.expires = None;
            },
            Source::Miss,
        ),
    ];
    for (name, change, source) in cases {
        assert_eq!(judged(change), (*source, vec![]), "{name}");
    }
}

#[test]
fn each_fault_is_told_alone() {
    type Case = (&'static str, fn(&mut Expectation, &mut Observed), Fault);
    let cases: &[Case] = &[
        (
            "an answer to a request that never was",
            |e, _| e.known = Known::Never,
            Fault::FalseHit,
        ),
        (
            "an uncachable hit",
            |e, s| {
                hit(e);
                uncachable(e, s);
            },
            Fault::UncachableHit,
        ),
        (
            "an uncachable answer for two",
            |e, s| {
                uncachable(e, s);
                e.known = Known::UnderWay;
            },
            Fault::UncachableHit,
        ),
        (
            "a reload from the store",
            |e, _| {
                hit(e);
                e.kind = RequestType::Reload;
            },
            Fault::ReloadHit,
        ),
        (
            "a reload joined to an answer given before",
            |e, s| {
                e.kind = RequestType::Reload;
                e.known = Known::UnderWay;
                s.claims.reply.as_mut().unwrap().answered -= 10_000;
            },
            Fault::ReloadHit,
        ),
        (
            "a stale hit",
            |e, s| {
                hit(e);
                e.version.until = NOW - SLACK - 1;
                s.claims.expires = Some(NOW - SLACK - 1);
            },
            Fault::StaleHit,
        ),
        (
            "a hit that is stale whenever the wall was set",
            |e, s| {
                hit(e);
                e.version.until = NOW - 8;
                s.claims.expires = Some(NOW - 8);
                e.doubt = 5;
            },
            Fault::StaleHit,
        ),
        (
            "a hit whose time is up by the clock of those who fetched it, though the wall was set back",
            |e, s| {
                hit(e);
                e.version.until = NOW + 100;
                s.claims.expires = Some(NOW + 100);
                s.claims.reply.as_mut().unwrap().answered = (NOW + 69) * 1000;
                e.there = Some(SENT - 33_000_001);
            },
            Fault::StaleHit,
        ),
        (
            "a hit of what the proxy fetched for itself, that was asked for long ago",
            |e, s| {
                hit(e);
                e.version.until = NOW - 100;
                s.claims.expires = Some(NOW - 100);
                s.claims.reply.as_mut().unwrap().answered = (NOW - 131) * 1000;
                e.made = Some(SENT - 33_000_001);
            },
            Fault::StaleHit,
        ),
        (
            "a miss of what was just stored",
            |e, _| stored(e, 1000),
            Fault::FalseMiss,
        ),
        ("a wrong byte", |_, s| s.wrong = true, Fault::WrongBytes),
        (
            "a byte less in chunks",
            |_, s| {
                s.claims.length = None;
                s.bytes = 999;
            },
            Fault::Truncated,
        ),
        (
            "a byte more in chunks",
            |_, s| {
                s.claims.length = None;
                s.bytes = 1001;
            },
            Fault::Truncated,
        ),
        (
            "what the origin broke off, passed for whole in chunks",
            |e, s| {
                e.broken = true;
                s.claims.length = None;
                s.bytes = 10;
            },
            Fault::Truncated,
        ),
        (
            "what the origin broke off, stored",
            |e, s| {
                hit(e);
                e.broken = true;
                s.claims.length = None;
                s.bytes = 10;
            },
            Fault::Truncated,
        ),
        (
            "closed within the body",
            |_, s| {
                s.outcome = Outcome::Closed;
                s.bytes = 10;
            },
            Fault::Truncated,
        ),
        (
            "206 that nobody asked for",
            |_, s| s.status = Some(206),
            Fault::Status,
        ),
        (
            "502",
            |_, s| {
                s.status = Some(502);
                s.claims = Claims::default();
            },
            Fault::Status,
        ),
        (
            "304 for what was modified",
            |e, s| {
                not_modified(e, s);
                e.since = Some(e.version.modified - 1);
            },
            Fault::Status,
        ),
        (
            "304 without a condition",
            |e, s| {
                not_modified(e, s);
                e.since = None;
            },
            Fault::Status,
        ),
        (
            "200 from the store for what was not modified",
            |e, _| {
                hit(e);
                e.since = Some(e.version.modified + 1);
            },
            Fault::Status,
        ),
        (
            "200 fetched for what was not modified",
            |e, _| {
                e.since = Some(e.version.modified + 1);
            },
            Fault::Unconfirmed,
        ),
        (
            "a field twice",
            |_, s| s.claims.doubled = true,
            Fault::Fields,
        ),
        (
            "a date that is none",
            |_, s| s.claims.unreadable = true,
            Fault::Fields,
        ),
        ("no Date", |_, s| s.claims.date = None, Fault::Fields),
        (
            "no field of the origin's",
            |e, s| {
                s.claims.reply = None;
                e.version_is = false;
            },
            Fault::Fields,
        ),
        (
            "a version that is not",
            |e, _| e.version_is = false,
            Fault::Fields,
        ),
        (
            "another Last-Modified",
            |_, s| s.claims.last_modified = Some(NOW - 1),
            Fault::Fields,
        ),
        (
            "another Expires",
            |_, s| s.claims.expires = Some(NOW + 501),
            Fault::Fields,
        ),
        (
            "another Cache-Control",
            |_, s| s.claims.cache_control = CacheControl::Other,
            Fault::Fields,
        ),
        (
            "a stripped Cache-Control",
            |_, s| s.claims.cache_control = CacheControl::Missing,
            Fault::Fields,
        ),
        (
            "another Content-Length",
            |e, s| {
                e.method = Method::Head;
                s.bytes = 0;
                s.claims.length = Some(1);
            },
            Fault::Fields,
        ),
        (
            "what is not HTTP",
            |_, s| {
                s.outcome = Outcome::NotHttp("x");
                s.status = None;
            },
            Fault::Protocol,
        ),
        (
            "no connection",
            |_, s| {
                s.outcome = Outcome::Lost;
                s.status = None;
            },
            Fault::Connection,
        ),
        (
            "no answer in time",
            |_, s| {
                s.outcome = Outcome::TimedOut;
                s.status = None;
            },
            Fault::TimedOut,
        ),
    ];
    for (name, change, fault) in cases {
        assert_eq!(judged(change).1, [*fault], "{name}");
    }
}

#[test]
fn a_store_with_room_for_everything_could_answer_what_is_there_and_fresh() {
    type Case = (&'static str, fn(&mut Expectation), bool);
    let cases: &[Case] = &[
        ("fresh", |_| {}, true),
        ("not there", |e| e.earlier = None, false),
        (
            "on its way: a store that lets requests wait for it can answer",
            |e| {
                e.earlier = None;
                e.others = true;
            },
            true,
        ),
        ("a reload", |e| e.kind = RequestType::Reload, false),
        ("a POST", |e| e.method = Method::Post, false),
        ("stale", |e| e.earlier.as_mut().unwrap().until = NOW, false),
    ];
    for (name, change, offered) in cases {
        let (mut expected, seen) = right();
        stored(&mut expected, 0);
        change(&mut expected);
        assert_eq!(judge(&expected, &seen).offered, *offered, "{name}");
    }
}
