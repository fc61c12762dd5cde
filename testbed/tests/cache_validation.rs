//! What a validation asks, what its answer may be, and which stored responses that freshens (RFC 9111 section 4.3).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Gate, Request, Site, http_date, reply};

const STALE: &str = "Cache-Control: max-age=60";
const OLD: &str = "Age: 100";
const FRESH: &str = "Cache-Control: max-age=600";
const VARY: &str = "Vary: X-Kind";

fn kind(kind: &str) -> String {
    format!("X-Kind: {kind}\r\n")
}

/// An origin whose answers vary by X-Kind: `a` and `b` have bodies and tags of their own; of any other kind's answer `other` says
/// what it is.
fn kinds(other: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Site {
    Site::new(move |r| match r.get("x-kind") {
        Some(kind @ ("a" | "b")) => {
            let tag = format!("ETag: \"{kind}\"");
            reply(200, &[FRESH, VARY, &tag], kind)
        }
        _ => other(r),
    })
}

#[track_caller]
fn store_a_and_b(site: &Site) {
    for body in ["a", "b"] {
        site.get("/", &kind(body)).expect_body(body);
    }
}

#[test]
fn a_request_that_selects_no_variant_lists_the_tags_of_all() {
    let site = kinds(|_| reply(304, &[FRESH, VARY, "ETag: \"a\"", "X-New: 1"], ""));
    store_a_and_b(&site);
    let chosen = site.get("/", &kind("c")).expect(200).expect_body("a");
    assert_eq!(chosen.fwd().as_deref(), Some("vary-miss"));
    assert!(chosen.is_stored(), "{}", chosen.cache_status());
    let asked = site.origin.last();
    assert_eq!(asked.get("if-none-match"), Some("\"b\", \"a\""));
    assert_eq!(asked.get("x-kind"), Some("c"));
    // Every kind is a hit from now on, each with its own body; the one that was chosen is for another request than the 304.
    for (asked, body, new) in [("a", "a", None), ("b", "b", None), ("c", "a", Some("1"))] {
        let hit = site.get("/", &kind(asked)).expect_hit().expect_body(body);
        assert_eq!(hit.get("x-new"), new, "{asked}");
    }
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn a_full_answer_to_a_choice_is_another_variant() {
    let site = kinds(|r| {
        assert!(r.get("if-none-match").is_some());
        reply(200, &[FRESH, VARY, "ETag: \"c\""], "c")
    });
    store_a_and_b(&site);
    site.get("/", &kind("c")).expect_body("c");
    for body in ["a", "b", "c"] {
        site.get("/", &kind(body)).expect_hit().expect_body(body);
    }
}

#[test]
fn a_304_that_chooses_nothing_stored_is_asked_again_without_conditions() {
    for tag in ["ETag: \"x\"", "ETag: W/\"a\"", "X: no tag"] {
        let site = kinds(move |r| match r.get("if-none-match") {
            Some(_) => reply(304, &[tag], ""),
            None => reply(200, &[FRESH, VARY], "c"),
        });
        store_a_and_b(&site);
        site.get("/", &kind("c")).expect(200).expect_body("c");
        assert_eq!(site.origin.count(), 4, "{tag}");
        site.get("/", &kind("c")).expect_hit().expect_body("c");
    }
}

#[test]
fn what_could_not_serve_the_request_is_not_offered() {
    let cases = [
        ("ETag: W/\"a\"", "X: x", "", None),
        ("ETag: a", "X: x", "", None),
        ("X: x", "X: x", "", None),
        ("ETag: \"a\"", "Content-Encoding: gzip", "", None),
        ("ETag: \"a\"", "Content-Encoding: gzip", "br, *", None),
        ("ETag: \"a\"", "Content-Encoding: gzip", "gzip;q=0", None),
        (
            "ETag: \"a\"",
            "Content-Encoding: gzip",
            "br, GZip",
            Some("\"a\""),
        ),
        (
            "ETag: \"a\"",
            "Content-Encoding: identity",
            "br",
            Some("\"a\""),
        ),
        ("ETag: \"a,b\"", "X: x", "", Some("\"a,b\"")),
    ];
    for (tag, coding, accepted, offered) in cases {
        let site = Site::new(move |r| reply(200, &[FRESH, VARY, tag, coding], r.n.to_string()));
        site.get("/", &kind("a")).expect_body("1");
        let accepted = format!("{}Accept-Encoding: {accepted}\r\n", kind("b"));
        site.get("/", &accepted).expect_body("2");
        let last = site.origin.last();
        assert_eq!(
            last.get("if-none-match"),
            offered,
            "{tag} {coding} {accepted}"
        );
    }
}

#[test]
fn a_request_with_credentials_offers_nothing() {
    let site = kinds(|_| reply(200, &[FRESH, VARY], "c"));
    store_a_and_b(&site);
    let own = format!("{}Authorization: Basic eA==\r\n", kind("c"));
    site.get("/", &own).expect_body("c");
    assert_eq!(site.origin.last().get("if-none-match"), None);
}

#[test]
fn followers_of_a_choice_get_what_was_chosen() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = kinds(move |_| {
        theirs.wait();
        reply(304, &[FRESH, VARY, "ETag: \"b\""], "")
    });
    store_a_and_b(&site);
    let mut clients: Vec<_> = (0..20).map(|_| site.client()).collect();
    for client in &mut clients {
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: site.test\r\n{}\r\n",
            kind("c")
        ));
    }
    site.origin.wait_requests(3);
    gate.open();
    for client in &mut clients {
        client.response().expect(200).expect_body("b");
    }
    assert_eq!(site.origin.count(), 3);
}

/// RFC 9111 section 4.3.4: only "those that could have been chosen for that request".
#[test]
fn one_304_freshens_all_that_have_its_strong_tag_and_answer_its_request() {
    for (tag, vary, alike) in [
        ("ETag: \"t\"", VARY, false),
        ("ETag: \"t\"", "Vary: Y", true),
        ("ETag: W/\"t\"", "Vary: Y", false),
    ] {
        let site = Site::new(move |r| match r.n {
            1 => reply(200, &[STALE, OLD, vary, tag], "1"),
            2 => reply(200, &[STALE, OLD, "Vary: Z", tag], "2"),
            _ => reply(304, &[FRESH, tag, &format!("X-N: {}", r.n)], ""),
        });
        let asked = |z: &str| format!("{}Y: y\r\nZ: {z}\r\n", kind(z));
        site.get("/", &asked("1")).expect_body("1");
        // It could have been answered by the first one, had that not been stale; so it has the origin choose.
        site.get("/", &format!("{}Cache-Control: no-cache\r\n", asked("2")))
            .expect_body("2");
        site.get("/", &asked("2"))
            .expect_fwd("stale")
            .expect_body("2");
        let other = site.get("/", &asked("1")).expect_body("1");
        assert_eq!(other.is_hit(), alike, "{tag} {vary}");
        assert_eq!(other.get("x-n"), Some(if alike { "3" } else { "4" }));
    }
}

/// One file, one tag, many sites that embed it.
#[test]
fn a_304_says_nothing_of_what_other_origins_may_read() {
    const TAG: &str = "ETag: \"file\"";
    for told in [true, false] {
        let site = Site::new(move |r| {
            let origin = r.get("origin").unwrap_or_default();
            let allow = format!("Access-Control-Allow-Origin: {origin}");
            let fields = [STALE, "Vary: Origin", TAG, &allow];
            match r.get("if-none-match") {
                Some(_) if told => reply(304, &[FRESH, "Vary: Origin", TAG, &allow], ""),
                Some(_) => reply(304, &[FRESH, "Vary: Origin", TAG], ""),
                None => reply(200, &[&fields[..], &[OLD]].concat(), "file"),
            }
        });
        for name in ["a", "b", "b", "a", "c", "a", "b", "c"] {
            let got = site.get("/", &format!("Origin: {name}\r\n"));
            let allowed = got.expect_body("file");
            assert_eq!(allowed.get("access-control-allow-origin"), Some(name));
        }
    }
}

#[test]
fn a_304_with_another_tag_is_asked_again_without_conditions() {
    let site = Site::new(|r| match (r.n, r.get("if-none-match")) {
        (1, _) => reply(200, &[STALE, OLD, "ETag: \"a\""], "old"),
        (_, Some(_)) => reply(304, &["ETag: \"b\"", FRESH], ""),
        _ => reply(200, &["ETag: \"b\"", FRESH], "new"),
    });
    site.get("/", "").expect_body("old");
    site.get("/", "").expect(200).expect_body("new");
    assert_eq!(site.origin.last().get("if-none-match"), None);
    assert_eq!(site.origin.count(), 3);
    site.get("/", "").expect_hit().expect_body("new");
}

#[test]
fn a_304_that_nobody_asked_for_is_no_answer() {
    let cases = [
        ("", "ETag: \"a\"", 502),
        ("If-None-Match: \"b\"\r\n", "ETag: \"a\"", 502),
        ("If-None-Match: \"b\"\r\n", "X: x", 502),
        ("If-None-Match: \"a\"\r\n", "ETag: \"a\"", 304),
        ("If-None-Match: \"b\", W/\"a\"\r\n", "ETag: \"a\"", 304),
        ("If-None-Match: *\r\n", "X: x", 304),
    ];
    for (condition, tag, status) in cases {
        let site = Site::new(move |_| reply(304, &[tag, FRESH], ""));
        site.get("/", condition).expect(status);
        // Nothing is stored of it.
        site.get("/", "").expect(502);
        assert_eq!(site.origin.count(), 2, "{condition}");
    }
}

#[test]
fn the_validators_that_go_up_are_ours_and_the_client_s_are_held_against_the_outcome() {
    let modified = http_date(-5000);
    let (later, earlier) = (http_date(-100), http_date(-9000));
    let ims = |date: &str| format!("If-Modified-Since: {date}\r\n");
    let inm = |tag: &str| format!("If-None-Match: {tag}\r\n");
    // (the client's condition, whether what is stored is good still, the status it gets)
    let cases = [
        (String::new(), true, 200),
        (String::new(), false, 200),
        (inm("\"old\""), true, 304),
        (inm("\"old\""), false, 200),
        (inm("\"new\""), true, 200),
        (inm("\"new\""), false, 304),
        (inm("W/\"new\""), false, 304),
        (inm("*"), true, 304),
        (inm("*"), false, 304),
        (ims(&later), true, 304),
        (ims(&earlier), true, 200),
        (ims(&later), false, 200),
    ];
    for (condition, good, status) in cases {
        let (theirs, now) = (format!("Last-Modified: {modified}"), http_date(0));
        let new = format!("Last-Modified: {now}");
        let site = Site::new(move |r| match (r.n, good) {
            (1, _) => reply(200, &[STALE, OLD, "ETag: \"old\"", &theirs], "old"),
            (_, true) => reply(304, &[FRESH, "ETag: \"old\""], ""),
            (_, false) => reply(200, &[FRESH, "ETag: \"new\"", &new], "new"),
        });
        site.get("/", "").expect_body("old");
        let answer = site.get("/", &condition).expect(status);
        let body = if good { "old" } else { "new" };
        answer.expect_body(if status == 304 { "" } else { body });
        let asked = site.origin.last();
        assert_eq!(asked.get("if-none-match"), Some("\"old\""), "{condition}");
        assert_eq!(asked.get("if-modified-since"), Some(&*modified));
        // Stored, or nearly so: a 304 goes out before the body that stands behind it has come.
        site.get("/", "").expect(200).expect_body(body);
        assert_eq!(site.origin.count(), 2, "{condition}");
    }
}

#[test]
fn a_client_s_no_cache_is_a_validation_of_what_is_fresh() {
    let site = Site::new(|r| match r.get("if-none-match") {
        Some(_) => reply(304, &[FRESH, "ETag: \"a\"", &format!("X-N: {}", r.n)], ""),
        None => reply(200, &[FRESH, "ETag: \"a\""], "body"),
    });
    site.get("/", "").expect_body("body");
    for control in ["no-cache", "max-age=0", "no-cache, max-stale=600"] {
        let own = format!("Cache-Control: {control}\r\n");
        let answer = site.get("/", &own).expect_fwd("request");
        let wanted = site.origin.count().to_string();
        let said = answer.expect_body("body");
        assert_eq!(said.get("x-n"), Some(&*wanted), "{control}");
        let hit = site.get("/", "").expect_hit();
        assert_eq!(hit.get("x-n"), Some(&*wanted), "{control}");
        // With a condition of its own it is one all the same, answered by the outcome.
        let before = site.origin.count();
        let both = format!("{own}If-None-Match: \"a\"\r\n");
        site.get("/", &both).expect(304);
        let other = format!("{own}If-None-Match: \"b\"\r\n");
        site.get("/", &other).expect(200).expect_body("body");
        assert_eq!(site.origin.last().get("if-none-match"), Some("\"a\""));
        assert_eq!(site.origin.count(), before + 2);
    }
}

#[test]
fn a_304_may_change_what_a_response_varies_by() {
    let site = Site::new(|r| match r.get("if-none-match") {
        Some("\"a\"") if r.get("x-kind") == Some("b") => reply(200, &[FRESH, VARY], "b"),
        Some("\"a\"") => reply(304, &[FRESH, "ETag: \"a\"", VARY], ""),
        _ => reply(200, &[STALE, OLD, "ETag: \"a\""], "a"),
    });
    site.get("/", "").expect_body("a");
    site.get("/", &kind("a"))
        .expect_body("a")
        .expect_fwd("stale");
    // What answered everybody answers this kind alone from now on.
    site.get("/", &kind("a")).expect_hit().expect_body("a");
    site.get("/", &kind("b"))
        .expect_fwd("vary-miss")
        .expect_body("b");
    site.get("/", &kind("a")).expect_hit().expect_body("a");
}

#[test]
fn a_304_that_makes_it_vary_by_anything_is_for_its_client_alone() {
    let site = Site::new(|r| match r.get("if-none-match") {
        Some(_) => reply(304, &[FRESH, "ETag: \"a\"", "Vary: *"], ""),
        None => reply(200, &[STALE, OLD, "ETag: \"a\""], r.n.to_string()),
    });
    site.get("/", "").expect_body("1");
    site.get("/", "").expect(200).expect_body("1");
    site.get("/", "").expect_fwd("uri-miss").expect_body("3");
}

/// RFC 9111 section 3.5 speaks of any answer to credentials; and where nobody said that answers to cookies may be shared, a 304's
/// fields are the client's as well. What is stored stays as it was, neither freshened nor gone.
#[test]
fn what_a_304_says_to_one_client_stays_with_it() {
    const MODIFIED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT";
    const MINE: &str = "X-User: me";
    for (stored, own, method) in [
        (STALE, "Authorization: Basic eDp5\r\n", "GET"),
        (MODIFIED, "Cookie: me=1\r\n", "GET"),
        (MODIFIED, "Cookie: me=1\r\n", "HEAD"),
        (STALE, "Prefer: me\r\nCache-Control: no-store\r\n", "GET"),
        (STALE, "Prefer: me\r\nCache-Control: no-store\r\n", "HEAD"),
    ] {
        let site = Site::new(move |r| {
            let mine = ["cookie", "authorization", "prefer"].iter();
            let mine = mine.filter_map(|name| r.get(name)).count() > 0;
            let mine = if mine { MINE } else { "X: x" };
            let fields = [stored, "ETag: \"a\"", mine];
            match (r.n, r.get("if-none-match")) {
                (1, _) => reply(200, &fields, "body"),
                (_, Some(_)) => reply(304, &fields, ""),
                _ => {
                    let whole = String::from_utf8(reply(200, &fields, "")).unwrap();
                    whole.replace("Content-Length: 0\r\n", "").into_bytes()
                }
            }
        });
        site.get("/", "").expect_body("body");
        let got = site.ask(method, "/", &format!("{own}Cache-Control: no-cache\r\n"));
        assert_eq!(got.expect(200).get("x-user"), Some("me"), "{stored} {own}");
        let other = site.get("/", "").expect_hit().expect_body("body");
        assert_eq!(other.get("x-user"), None, "{stored} {own}");
    }
}

/// RFC 9111 section 3.5: what is said to one who has credentials is for others only where the origin says so.
#[test]
fn a_304_to_credentials_is_for_its_client_alone_unless_it_may_be_shared() {
    let cases = [
        (FRESH, false),
        ("Cache-Control: public, max-age=600", true),
        ("Cache-Control: must-revalidate, max-age=600", true),
        ("Cache-Control: s-maxage=600", true),
    ];
    for (control, shared) in cases {
        let site = Site::new(move |r| match r.get("authorization") {
            Some(_) => reply(304, &[control, "ETag: \"a\"", "X-User: one"], ""),
            None if r.get("if-none-match").is_some() => reply(304, &[FRESH, "ETag: \"a\""], ""),
            None => reply(200, &[STALE, OLD, "ETag: \"a\""], "body"),
        });
        site.get("/", "").expect_body("body");
        let own = site.get("/", "Authorization: Basic eA==\r\n");
        assert_eq!(own.expect_body("body").get("x-user"), Some("one"));
        let other = site.get("/", "").expect(200).expect_body("body");
        let said = other.get("x-user");
        assert_eq!(said, shared.then_some("one"), "{control}");
        // What was stored before is there still, to be validated.
        assert_eq!(site.origin.count(), if shared { 2 } else { 3 });
        assert!(shared || site.origin.last().get("if-none-match").is_some());
    }
}
