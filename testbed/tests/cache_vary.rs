//! Vary: the secondary key (RFC 9111 section 4.1).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Request, Site, reply};

/// Answers with what the named field says, varying on it.
fn varying(names: &'static str) -> Site {
    Site::new(move |r: &Request| {
        let seen: Vec<String> = names.split(", ").map(|n| r.head.list(n)).collect();
        reply(
            200,
            &["Cache-Control: max-age=60", &format!("Vary: {names}")],
            seen.join("|"),
        )
    })
}

#[test]
fn each_variant_is_stored_beside_the_others() {
    let site = varying("Accept-Encoding");
    for value in ["gzip", "br", "zstd"] {
        site.get("/", &format!("Accept-Encoding: {value}\r\n"))
            .expect_body(value);
    }
    for value in ["gzip", "br", "zstd"] {
        site.get("/", &format!("Accept-Encoding: {value}\r\n"))
            .expect_body(value)
            .expect_hit();
    }
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn another_variant_is_a_vary_miss() {
    let site = varying("Accept-Language");
    site.get("/", "Accept-Language: de\r\n")
        .expect_fwd("uri-miss");
    site.get("/", "Accept-Language: en\r\n")
        .expect_fwd("vary-miss");
}

#[test]
fn absent_is_a_value_of_its_own() {
    let site = varying("Accept-Language");
    site.get("/", "").expect_body("");
    site.get("/", "Accept-Language: de\r\n").expect_body("de");
    site.get("/", "").expect_body("").expect_hit();
}

/// RFC 9110 section 7.6.1: a field that Connection nominates ends here, so the answer is that for who has no such field.
#[test]
fn what_did_not_reach_the_origin_selects_nothing() {
    for (name, kept) in [("X-Kind", false), ("Accept-Language", true)] {
        let site = varying(name);
        let planted = site.get("/", &format!("{name}: de\r\nConnection: {name}\r\n"));
        planted.expect_body(if kept { "de" } else { "" });
        site.get("/", &format!("{name}: de\r\n")).expect_body("de");
        let none = site.get("/", "").expect_body("");
        if !kept {
            none.expect_hit();
        }
    }
}

#[test]
fn every_nominated_field_counts_and_no_other() {
    let site = varying("Accept-Language, X-Kind");
    site.get("/", "Accept-Language: de\r\nX-Kind: 1\r\n")
        .expect_body("de|1");
    site.get("/", "Accept-Language: de\r\nX-Kind: 2\r\n")
        .expect_body("de|2");
    site.get("/", "x-kind: 1\r\nX-Other: 9\r\naccept-language: de\r\n")
        .expect_body("de|1")
        .expect_hit();
}

#[test]
fn values_do_not_run_together() {
    let site = varying("X-A, X-B");
    site.get("/", "X-A: 1\r\nX-B: 23\r\n").expect_body("1|23");
    site.get("/", "X-A: 12\r\nX-B: 3\r\n").expect_body("12|3");
    site.get("/", "X-A: 1, 2\r\nX-B: 3\r\n")
        .expect_body("1, 2|3");
}

#[test]
fn the_name_in_vary_is_case_insensitive() {
    let site = varying("aCCEPT-lANGUAGE");
    site.get("/", "Accept-Language: de\r\n").expect_body("de");
    site.get("/", "Accept-Language: en\r\n").expect_body("en");
    site.get("/", "ACCEPT-LANGUAGE: de\r\n")
        .expect_body("de")
        .expect_hit();
}

#[test]
fn a_head_request_selects_its_variant() {
    let site = varying("Accept-Language");
    site.get("/", "Accept-Language: german\r\n");
    site.get("/", "Accept-Language: en\r\n");
    let head = site
        .ask("HEAD", "/", "Accept-Language: german\r\n")
        .expect_hit();
    assert_eq!(head.get("content-length"), Some("6"));
}

#[test]
fn a_response_that_stops_varying_is_found_by_all() {
    let site = Site::new(|r| match r.n {
        1 => reply(
            200,
            &["Cache-Control: max-age=60", "Vary: Accept-Language"],
            "varies",
        ),
        _ => reply(200, &["Cache-Control: max-age=60"], "for all"),
    });
    site.get("/", "Accept-Language: de\r\n")
        .expect_body("varies");
    site.get("/", "Accept-Language: en\r\n")
        .expect_body("for all");
    site.get("/", "Accept-Language: fr\r\n")
        .expect_body("for all")
        .expect_hit();
}

#[test]
fn more_variants_than_the_setting_allows_push_out_old_ones() {
    let origin = understudy_testbed::Origin::answering(|r| {
        reply(
            200,
            &["Cache-Control: max-age=60", "Vary: X-Kind"],
            r.get("x-kind").unwrap(),
        )
    });
    let site = Site::with(origin, "[cache]\nmax_variants = 2\n");
    for kind in ["1", "2", "3", "4", "5"] {
        site.get("/", &format!("X-Kind: {kind}\r\n"))
            .expect_body(kind);
    }
    let hits = ["1", "2", "3", "4", "5"]
        .iter()
        .filter(|k| {
            site.get(
                "/",
                &format!("X-Kind: {k}\r\nCache-Control: only-if-cached\r\n"),
            )
            .status
                == 200
        })
        .count();
    assert!((1..=2).contains(&hits), "{hits} variants are stored");
}

#[test]
fn preferences_written_in_another_way_are_a_hit() {
    for (field, first, second) in [
        ("Accept-Encoding", "gzip, br", "BR,gzip;q=1.0"),
        ("Accept-Language", "en, de", " de ,   eN"),
        ("Accept", "text/html, */*;q=0.1", "*/*; q=0.100, TEXT/HTML"),
        ("Accept-Encoding", "gzip, br", "gzip\r\nAccept-Encoding: br"),
    ] {
        let site = varying(field);
        let ask = |value: &str| site.get("/", &format!("{field}: {value}\r\n"));
        ask(first).expect_fwd("uri-miss").expect_body(first);
        ask(second).expect_hit().expect_body(first);
        ask(first).expect_hit().expect_body(first);
    }
}

#[test]
fn a_refused_coding_or_another_weight_is_another_variant() {
    let site = varying("Accept-Encoding");
    site.get("/", "Accept-Encoding: gzip, br\r\n").expect(200);
    for value in [
        "gzip, br;q=0",
        "gzip, br;q=0.5",
        "gzip, br, identity;q=0",
        "gzip",
        "",
    ] {
        site.get("/", &format!("Accept-Encoding: {value}\r\n"))
            .expect_fwd("vary-miss")
            .expect_body(value);
    }
}

#[test]
fn the_stored_language_that_a_request_prefers_to_all_others_is_chosen() {
    let site = Site::new(|r: &Request| {
        let wanted = r.head.list("accept-language");
        let language = if wanted.contains("de") { "de" } else { "en" };
        reply(
            200,
            &[
                "Cache-Control: max-age=60",
                "Vary: Accept-Language",
                &format!("Content-Language: {language}"),
            ],
            language,
        )
    });
    let ask = |wanted: &str| site.get("/", &format!("Accept-Language: {wanted}\r\n"));
    ask("en, de").expect_fwd("uri-miss").expect_body("de");
    ask("fr;q=0.5, de;q=1.0").expect_hit().expect_body("de");
    ask("de-AT, de;q=0.9").expect_fwd("vary-miss");
    ask("en").expect_fwd("vary-miss").expect_body("en");
    ask("en-GB;q=0.5, EN, de;q=0.4")
        .expect_hit()
        .expect_body("en");
    ask("de").expect_hit().expect_body("de");
    ask("de;q=0.5, en;q=0.5").expect_fwd("vary-miss");
}

/// The origin reads what the proxy writes there, so what the client sent selects nothing.
#[test]
fn what_varies_by_the_address_of_the_client_is_not_shared() {
    let site = Site::new(|r| {
        let fields = ["Cache-Control: max-age=60", "Vary: Accept, x-forwarded-For"];
        reply(200, &fields, r.n.to_string())
    });
    for (own, body) in [
        ("", "1"),
        ("", "2"),
        ("X-Forwarded-For: 192.0.2.1\r\n", "3"),
    ] {
        let got = site.get("/", own).expect_body(body);
        assert!(got.cache_status().contains("detail=vary-star"));
    }
}

/// Nor does what is taken from a client that is not believed: it would be planted under what a trusted proxy in front of us says.
#[test]
fn what_varies_by_a_field_that_is_not_believed_is_not_stored_under_it() {
    for field in ["X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"] {
        let site = Site::new(move |r| {
            let fields = ["Cache-Control: max-age=60", &format!("Vary: {field}")];
            reply(200, &fields, r.n.to_string())
        });
        // The origin never heard of it, so its answer is for who says nothing.
        site.get("/", &format!("{field}: x\r\n")).expect_body("1");
        site.get("/", "").expect_hit().expect_body("1");
        site.get("/", &format!("{field}: y\r\n")).expect_body("1");
    }
}
