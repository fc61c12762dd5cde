//! `mode = "fixed"`: every 200 for so long, whatever its origin says.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Origin, Site, reply};

const FIXED: &str = "[cache]\nmode = \"fixed\"\nfixed_ttl = \"10m\"\n";

fn site(status: u16, line: &'static str, config: &str) -> Site {
    let origin = Origin::answering(move |r| reply(status, &[line], r.n.to_string()));
    Site::with(origin, config)
}

#[test]
fn every_200_is_kept_whatever_its_origin_says() {
    for line in [
        "X: nothing",
        "Cache-Control: no-store",
        "Cache-Control: private, no-cache, max-age=0, must-revalidate",
        "Expires: 0",
        "Pragma: no-cache",
        "Cache-Control: max-age=86400",
        "Cache-Control: s-maxage=0",
        "Set-Cookie: a=b",
        "CDN-Cache-Control: no-store",
    ] {
        let site = site(200, line, FIXED);
        site.get("/", "Cookie: x=1\r\n").expect_body("1");
        let got = site
            .get("/", "Cookie: x=2\r\n")
            .expect_body("1")
            .expect_hit();
        let status = got.get("cache-status").unwrap();
        let left: i64 = status.split("ttl=").nth(1).unwrap().parse().unwrap();
        assert!((500..=600).contains(&left), "{line}: {status}");
        assert_eq!(got.get("set-cookie"), None, "{line}");
    }
}

#[test]
fn other_statuses_are_as_the_rfc_has_them() {
    for (status, line, asked) in [
        (404, "X: nothing", 2),
        (404, "Cache-Control: max-age=60", 1),
        (302, "Location: /x", 2),
        (500, "X: nothing", 2),
    ] {
        let site = site(status, line, FIXED);
        site.get("/", "").expect(status);
        site.get("/", "").expect(status);
        assert_eq!(site.origin.count(), asked, "{status} {line}");
    }
}

#[test]
fn cookies_on_other_statuses_are_as_the_rfc_has_them() {
    const GUESSED: &[&str] = &[
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
        "Set-Cookie: a=b",
    ];
    // A guess is made for neither, so each is asked for.
    for (fields, cookie) in [(GUESSED, ""), (&GUESSED[..1], "Cookie: x=1\r\n")] {
        let origin = Origin::answering(move |r| reply(404, fields, r.n.to_string()));
        let site = Site::with(origin, FIXED);
        site.get("/", cookie).expect_body("1");
        let second = site.get("/", cookie).expect_body("2");
        assert_eq!(second.get("set-cookie").is_some(), cookie.is_empty());
    }
}

#[test]
fn what_answers_credentials_is_kept_for_nobody() {
    let site = site(200, "X: nothing", FIXED);
    site.get("/", "Authorization: Basic x\r\n").expect_body("1");
    site.get("/", "Authorization: Basic y\r\n").expect_body("2");
    site.get("/", "").expect_body("3");
    site.get("/", "").expect_body("3").expect_hit();
}

#[test]
fn a_client_may_still_ask_anew() {
    let site = site(200, "Cache-Control: no-store", FIXED);
    site.get("/", "").expect_body("1");
    site.get("/", "Cache-Control: no-cache\r\n")
        .expect_body("2");
    site.get("/", "").expect_body("2").expect_hit();
}

#[test]
fn rules_take_exceptions() {
    let config = format!(
        "{FIXED}[[rule]]\nname = \"account\"\nstore = false\nmatch = {{ paths = [\"/account\"] }}\n\
         [[rule]]\nname = \"honest\"\nforce = false\nmatch = {{ paths = [\"/honest\"] }}\n"
    );
    let site = site(200, "Cache-Control: no-store", &config);
    for (path, asked) in [("/account", 2), ("/honest", 2), ("/", 1)] {
        let before = site.origin.count();
        site.get(path, "");
        site.get(path, "");
        assert_eq!(site.origin.count() - before, asked, "{path}");
    }
}

#[test]
fn parts_are_kept_as_the_whole_is() {
    let origin = Origin::answering(|r| match r.head.get("range") {
        Some(_) => reply(
            206,
            &[
                "Cache-Control: no-store",
                "ETag: \"a\"",
                "Content-Range: bytes 0-4/10",
            ],
            "01234",
        ),
        None => reply(
            200,
            &["Cache-Control: no-store", "ETag: \"a\""],
            "0123456789",
        ),
    });
    let site = Site::with(origin, FIXED);
    site.get("/", "Range: bytes=0-4\r\n")
        .expect(206)
        .expect_body("01234");
    let part = site.get("/", "Range: bytes=1-2\r\n").expect(206);
    part.expect_body("12").expect_hit();
    assert_eq!(site.origin.count(), 1);
}
