//! Where two rules of caching meet in one exchange: each is tested alone elsewhere, and what they come to together is told here.
//! Nothing waits: age is told by Age.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Origin, Request, Response, Site, reply};

const FRESH: &str = "Cache-Control: max-age=60";

/// An origin that answers its first request so, and any later one as `then` says.
fn first(
    fields: &'static [&'static str],
    body: &'static str,
    then: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
) -> Site {
    Site::of(Origin::answering(move |r| match r.n {
        1 => reply(200, fields, body),
        _ => then(r),
    }))
}

/// What an origin says that is not to be stored.
fn again(_: &Request) -> Vec<u8> {
    reply(200, &["Cache-Control: no-store"], "again")
}

fn post(site: &Site, fields: &str) -> Response {
    let fields = format!("Content-Length: 0\r\n{fields}");
    site.ask("POST", "/", &fields)
}

/// RFC 9111 section 3.5 wants a permission; where a targeted field stands it is the one that permits (RFC 9213 section 2.2).
#[test]
fn credentials_and_targeted_fields() {
    let cases: [(&[&str], bool); 5] = [
        (&["CDN-Cache-Control: max-age=60"], false),
        (&["CDN-Cache-Control: max-age=60, public"], true),
        (&["CDN-Cache-Control: max-age=60, must-revalidate"], true),
        (
            &[
                "CDN-Cache-Control: max-age=60",
                "Cache-Control: public, max-age=60",
            ],
            false,
        ),
        (
            &[
                "CDN-Cache-Control: max-age=60, public",
                "Cache-Control: private",
            ],
            true,
        ),
    ];
    for (fields, reused) in cases {
        let site = Site::new(move |_| reply(200, fields, "body"));
        let credentials = "Authorization: Basic YTpi\r\n";
        site.get("/", credentials).expect(200);
        assert_eq!(site.get("/", credentials).is_hit(), reused, "{fields:?}");
    }
}

/// What is stored under the origin's targeted field is freshened under that of its 304.
#[test]
fn validation_and_targeted_fields() {
    let site = first(
        &[
            "CDN-Cache-Control: max-age=60",
            "Cache-Control: no-store",
            "ETag: \"a\"",
            "Age: 61",
        ],
        "body",
        |r| {
            assert_eq!(r.get("if-none-match"), Some("\"a\""));
            reply(304, &["CDN-Cache-Control: max-age=600", "ETag: \"a\""], "")
        },
    );
    site.get("/", "").expect_body("body");
    site.get("/", "").expect_body("body").expect_fwd("stale");
    site.get("/", "").expect_body("body").expect_hit();
    assert_eq!(site.origin.count(), 2);
}

/// A window of a targeted field holds; that of Cache-Control does not beside it.
#[test]
fn stale_while_revalidate_and_targeted_fields() {
    let stale: &[&str] = &[
        "CDN-Cache-Control: max-age=60, stale-while-revalidate=600",
        "Cache-Control: no-store",
        "Age: 100",
    ];
    let site = first(stale, "first", again);
    site.get("/", "").expect_body("first");
    site.get("/", "").expect_body("first").expect_hit();
    let stale: &[&str] = &[
        "CDN-Cache-Control: max-age=60",
        "Cache-Control: max-age=60, stale-while-revalidate=600",
        "Age: 100",
        "ETag: \"a\"",
    ];
    let site = first(stale, "first", again);
    site.get("/", "").expect_body("first");
    site.get("/", "").expect_body("again");
}

/// RFC 9111 section 5.2.2.2, said in a targeted field, forbids what stale-if-error would allow.
#[test]
fn stale_if_error_and_targeted_must_revalidate() {
    for (word, status) in [("must-revalidate", 503), ("foo", 200)] {
        let site = Site::of(Origin::answering(move |r| match r.n {
            1 => reply(
                200,
                &[
                    &format!("CDN-Cache-Control: max-age=60, stale-if-error=600, {word}"),
                    "ETag: \"a\"",
                    "Age: 100",
                ],
                "first",
            ),
            _ => reply(503, &[], "down"),
        }));
        site.get("/", "").expect_body("first");
        site.get("/", "").expect(status);
    }
}

/// What a POST has left answers conditions, ranges and HEAD as what a GET has left does.
#[test]
fn requests_of_every_kind_for_what_a_post_has_left() {
    let site = first(
        &[
            FRESH,
            "Content-Location: /",
            "ETag: \"a\"",
            "Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT",
        ],
        "0123456789",
        again,
    );
    post(&site, "").expect_body("0123456789");
    site.get("/", "If-None-Match: \"a\"\r\n")
        .expect(304)
        .expect_hit();
    site.get("/", "If-Modified-Since: Tue, 15 Nov 1994 12:45:26 GMT\r\n")
        .expect(304)
        .expect_hit();
    site.get("/", "Range: bytes=2-4\r\n")
        .expect(206)
        .expect_body("234")
        .expect_hit();
    site.ask("HEAD", "/", "").expect(200).expect_hit();
    assert_eq!(site.origin.count(), 1);
}

/// Its Vary names fields of the POST.
#[test]
fn languages_of_a_post() {
    let site = first(
        &[FRESH, "Content-Location: /", "Vary: Accept-Language"],
        "first",
        again,
    );
    post(&site, "Accept-Language: it, fr\r\n");
    site.get("/", "Accept-Language: FR,it\r\n")
        .expect_body("first")
        .expect_hit();
    site.get("/", "Accept-Language: rm\r\n")
        .expect_body("again")
        .expect_fwd("vary-miss");
    site.get("/", "").expect_body("again");
}

/// RFC 9111 section 4.4: a POST makes everything invalid that is stored of its target, also when its own answer is stored then.
#[test]
fn a_post_whose_answer_is_stored_takes_the_other_variants_away() {
    let site = Site::of(Origin::answering(|r| {
        let at = if r.method == "POST" {
            "Content-Location: /"
        } else {
            "X: x"
        };
        reply(200, &[FRESH, "Vary: Accept-Language", at], r.n.to_string())
    }));
    site.get("/", "Accept-Language: it\r\n").expect_body("1");
    site.get("/", "Accept-Language: fr\r\n").expect_body("2");
    post(&site, "Accept-Language: fr\r\n").expect_body("3");
    site.get("/", "Accept-Language: fr\r\n")
        .expect_body("3")
        .expect_hit();
    site.get("/", "Accept-Language: it\r\n").expect_body("4");
}

/// Variants that are selected by preference are validated with their own tag and freshened alone.
#[test]
fn languages_and_validation() {
    let site = Site::of(Origin::answering(|r| {
        let tag = match r.get("accept-language") {
            Some(l) if l.contains("it") => "ETag: \"it\"",
            _ => "ETag: \"fr\"",
        };
        let fields = [FRESH, "Vary: Accept-Language", tag];
        // A request without a variant of its own may name the tags of the others.
        match r.head.list("if-none-match").contains(&tag[6..]) {
            true => reply(304, &fields, ""),
            false => reply(200, &[&fields[..], &["Age: 61"]].concat(), &tag[7..9]),
        }
    }));
    site.get("/", "Accept-Language: it, rm;q=0.5\r\n")
        .expect_body("it");
    site.get("/", "Accept-Language: fr\r\n").expect_body("fr");
    site.get("/", "Accept-Language: RM;q=0.50 ,it\r\n")
        .expect_body("it")
        .expect_fwd("stale");
    site.get("/", "Accept-Language: it,rm;q=0.5\r\n")
        .expect_body("it")
        .expect_hit();
    site.get("/", "Accept-Language: fr\r\n")
        .expect_body("fr")
        .expect_fwd("stale");
    assert_eq!(site.origin.count(), 4);
}

/// A range out of the variant that a preference selects, and a condition on it.
#[test]
fn languages_and_ranges() {
    let fields: &[&str] = &[
        FRESH,
        "Vary: Accept-Language",
        "Content-Language: it",
        "ETag: \"a\"",
    ];
    let site = first(fields, "0123456789", again);
    site.get("/", "Accept-Language: it, fr\r\n");
    let language = "Accept-Language: it;q=0.3, fr;q=0.2\r\n";
    for (more, status, body) in [
        ("Range: bytes=-3\r\n", 206, "789"),
        ("Range: bytes=-3\r\nIf-Range: \"a\"\r\n", 206, "789"),
        ("Range: bytes=-3\r\nIf-Range: \"b\"\r\n", 200, "0123456789"),
        ("If-None-Match: \"a\"\r\n", 304, ""),
        ("If-None-Match: \"b\"\r\n", 200, "0123456789"),
    ] {
        let response = site.get("/", &format!("{language}{more}"));
        response.expect(status).expect_body(body).expect_hit();
    }
}

/// A part of a stale response within its window is served behind like the whole, and a 304 is no less stale.
#[test]
fn stale_while_revalidate_and_ranges() {
    let fields: &[&str] = &[
        "Cache-Control: max-age=60, stale-while-revalidate=600",
        "Age: 100",
        "ETag: \"a\"",
    ];
    for (asked, status) in [
        ("Range: bytes=2-4\r\n", 206),
        ("If-None-Match: \"a\"\r\n", 304),
    ] {
        let site = first(fields, "0123456789", again);
        site.get("/", "");
        let response = site.get("/", asked).expect(status).expect_hit();
        let said = response.cache_status();
        assert!(said.contains("ttl=-"), "{said}");
    }
}

/// A field that the origin keeps from caches (RFC 9111 section 5.2.2.4) is not in the parts and 304s either.
#[test]
fn withheld_fields_and_everything_made_of_what_is_stored() {
    let fields: &[&str] = &[
        "Cache-Control: max-age=60, no-cache=\"x-secret\"",
        "X-Secret: s",
        "ETag: \"a\"",
    ];
    let site = first(fields, "0123456789", again);
    assert_eq!(site.get("/", "").get("x-secret"), Some("s"));
    for (method, asked, status) in [
        ("GET", "", 200),
        ("GET", "Range: bytes=2-4\r\n", 206),
        ("GET", "If-None-Match: \"a\"\r\n", 304),
        ("HEAD", "", 200),
    ] {
        let response = site.ask(method, "/", asked).expect(status).expect_hit();
        assert_eq!(response.get("x-secret"), None, "{}", response.head.text());
    }
}

/// What only-if-cached, max-age=0 and no-cache of a request mean for a response that is served behind.
#[test]
fn requests_that_want_better_than_stale_while_revalidate() {
    let fields: &[&str] = &[
        "Cache-Control: max-age=60, stale-while-revalidate=600",
        "Age: 100",
        "ETag: \"a\"",
    ];
    for wish in ["no-cache", "max-age=0", "min-fresh=1", "max-age=99"] {
        let site = first(fields, "first", again);
        site.get("/", "");
        let response = site.get("/", &format!("Cache-Control: {wish}\r\n"));
        response.expect_body("again");
    }
}
