//! `[[rule]]`: what each key of a rule does to storing, using and finding, and what cookies mean.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Gate, Launch, Origin, Response, Site, get, reply};

/// An origin that counts, behind a proxy with these rules.
fn site(fields: &'static [&'static str], config: &str) -> Site {
    let origin = Origin::answering(move |r| reply(200, fields, r.n.to_string()));
    Site::with(origin, config)
}

/// The counter, after two requests: 2 when the second was not answered from the store.
fn twice(site: &Site, first: &str, second: &str) -> Response {
    site.get("/a", first).expect_body("1");
    site.get("/a", second)
}

const RULE: &str = "[[rule]]\nname = \"r\"\n";
/// What a heuristic gives some days.
const MODIFIED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn a_lifetime_takes_the_place_of_the_origins() {
    for (fields, rule, body, ttl) in [
        (&["Cache-Control: max-age=5"][..], "ttl = \"1h\"", "1", 3600),
        (
            &["Cache-Control: max-age=500", "Age: 100"],
            "ttl = \"1m\"",
            "1",
            60,
        ),
        (
            &["Cache-Control: max-age=500"],
            "ttl = \"1h\"\nttl_when = \"unstated\"",
            "1",
            500,
        ),
        (&[], "ttl = \"1h\"\nttl_when = \"unstated\"", "1", 3600),
        (
            &[MODIFIED],
            "ttl = \"1h\"\nttl_when = \"unstated\"",
            "1",
            3600,
        ),
    ] {
        let site = site(fields, &format!("{RULE}{rule}"));
        let got = twice(&site, "", "").expect_body(body).expect_hit();
        let status = got.get("cache-status").unwrap().to_owned();
        let left: i64 = status.split("ttl=").nth(1).unwrap().parse().unwrap();
        assert!((ttl - 30..=ttl).contains(&left), "{rule}: {status}");
    }
}

#[test]
fn a_lifetime_lifts_no_prohibition_unless_it_is_forced() {
    for forbidding in [
        "no-store",
        "private",
        "no-cache",
        "no-store, private, must-revalidate",
    ] {
        let origin = move || {
            let line = format!("Cache-Control: {forbidding}");
            Origin::answering(move |r| reply(200, &[line.as_str()], r.n.to_string()))
        };
        let plain = Site::with(origin(), &format!("{RULE}ttl = \"1h\""));
        twice(&plain, "", "").expect_body("2");
        let forced = Site::with(origin(), &format!("{RULE}ttl = \"1h\"\nforce = true"));
        twice(&forced, "", "").expect_body("1").expect_hit();
        // What answers credentials is for nobody else all the same.
        forced
            .get("/b", "Authorization: Basic x\r\n")
            .expect_body("2");
        forced.get("/b", "").expect_body("3");
    }
}

#[test]
fn conditions_say_where_a_rule_applies() {
    let applies = "X: 1";
    for (condition, path, status, kind, length, want) in [
        ("hosts = [\"site.test\"]", "/", 200, "a/b", 9, true),
        ("hosts = [\"*.test\"]", "/", 200, "a/b", 9, true),
        ("hosts = [\"other.test\"]", "/", 200, "a/b", 9, false),
        ("paths = [\"/s/\"]", "/s/x?y", 200, "a/b", 9, true),
        ("paths = [\"/s/\"]", "/t/s/", 200, "a/b", 9, false),
        ("paths = [\"*.css\"]", "/s/x.css?y", 200, "a/b", 9, true),
        ("paths = [\"*.css\"]", "/s/x.js?a.css", 200, "a/b", 9, false),
        ("types = [\"image/*\"]", "/", 200, "image/png; x=y", 9, true),
        ("types = [\"image/*\"]", "/", 200, "text/html", 9, false),
        ("statuses = [\"2xx\"]", "/", 203, "a/b", 9, true),
        ("statuses = [404]", "/", 404, "a/b", 9, true),
        ("statuses = [200]", "/", 203, "a/b", 9, false),
        ("min_size = 9, max_size = 9", "/", 200, "a/b", 9, true),
        ("min_size = 10", "/", 200, "a/b", 9, false),
        ("max_size = 8", "/", 200, "a/b", 9, false),
        (
            "paths = [\"/s/\"], types = [\"image/*\"]",
            "/s/",
            200,
            "text/html",
            9,
            false,
        ),
    ] {
        let origin = Origin::answering(move |_| {
            reply(
                status,
                &[&format!("Content-Type: {kind}"), applies],
                "x".repeat(length),
            )
        });
        let site = Site::with(
            origin,
            &format!("{RULE}ttl = \"1h\"\nmatch = {{ {condition} }}"),
        );
        site.get(path, "").expect(status);
        site.get(path, "").expect(status);
        assert_eq!(site.origin.count(), if want { 1 } else { 2 }, "{condition}");
    }
}

#[test]
fn later_rules_override_earlier_ones_key_by_key() {
    let site = site(
        &[],
        "[[rule]]\nname = \"all\"\nttl = \"1h\"\nquery = \"none\"\n\
         [[rule]]\nname = \"news\"\nttl = \"1m\"\nmatch = { paths = [\"/news\"] }\n",
    );
    site.get("/news?a", "").expect_body("1");
    let got = site.get("/news?b", "").expect_body("1").expect_hit();
    let status = got.get("cache-status").unwrap();
    let left: i64 = status.split("ttl=").nth(1).unwrap().parse().unwrap();
    assert!((30..=60).contains(&left), "{status}");
}

#[test]
fn errors_have_a_lifetime_of_their_own() {
    for (status, fields, rule, asked) in [
        (404, &[][..], "negative = \"1m\"", 1),
        (502, &[], "negative = \"1m\"", 1),
        (503, &["Cache-Control: max-age=0"], "negative = \"1m\"", 2),
        (200, &[], "negative = \"1m\"", 2),
        // A lifetime for a site is none for its errors.
        (404, &[], "ttl = \"1m\"", 2),
        (
            404,
            &[],
            "ttl = \"1m\"\nmatch = { statuses = [\"4xx\"] }",
            1,
        ),
        (500, &["Cache-Control: no-store"], "negative = \"1m\"", 2),
    ] {
        let origin = Origin::answering(move |r| reply(status, fields, r.n.to_string()));
        let site = Site::with(origin, &format!("{RULE}{rule}"));
        site.get("/", "").expect(status);
        site.get("/", "").expect(status);
        assert_eq!(site.origin.count(), asked, "{status} {fields:?} {rule}");
    }
}

#[test]
fn a_rule_keeps_responses_out_of_the_store_and_says_so() {
    for rule in [
        "store = false",
        "store = false\nmatch = { types = [\"text/*\"] }",
    ] {
        let site = site(
            &["Cache-Control: max-age=60", "Content-Type: text/html"],
            &format!("{RULE}{rule}"),
        );
        let got = twice(&site, "", "").expect_body("2");
        let status = got.get("cache-status").unwrap();
        assert!(status.contains("detail=rule"), "{status}");
    }
}

#[test]
fn an_exception_lets_what_is_stored_be_used() {
    let site = site(
        &["Cache-Control: max-age=60", "Content-Type: image/png"],
        "[[rule]]\nname = \"nothing\"\nstore = false\n\
         [[rule]]\nname = \"images\"\nstore = true\nmatch = { types = [\"image/*\"] }\n",
    );
    twice(&site, "", "").expect_body("1").expect_hit();
}

#[test]
fn grace_lets_what_is_stale_be_used_when_the_origin_fails_where_it_does_not_forbid_it() {
    for (cache_control, rule, status) in [
        ("max-age=10", "grace = \"1h\"", 200),
        ("max-age=10", "grace = \"0s\"", 503),
        ("max-age=10, must-revalidate", "grace = \"1h\"", 503),
    ] {
        let line = format!("Cache-Control: {cache_control}");
        let origin = Origin::answering(move |r| match r.n {
            1 => reply(200, &[line.as_str(), "Age: 20", "ETag: \"a\""], "1"),
            _ => reply(503, &[], "down"),
        });
        let site = Site::with(origin, &format!("{RULE}{rule}"));
        site.get("/", "").expect_body("1");
        site.get("/", "").expect(status);
    }
}

#[test]
fn clients_are_not_heard_where_a_rule_says_so() {
    for insisting in [
        "Cache-Control: no-cache\r\n",
        "Cache-Control: max-age=0\r\n",
        "Pragma: no-cache\r\n",
        "Cache-Control: min-fresh=1000\r\n",
    ] {
        let fields = &["Cache-Control: max-age=60"];
        let deaf = site(fields, &format!("{RULE}request_no_cache = \"ignore\""));
        twice(&deaf, "", insisting).expect_body("1").expect_hit();
        let plain = site(fields, &format!("{RULE}request_no_cache = \"respect\""));
        twice(&plain, "", insisting).expect_body("2");
    }
}

/// RFC 9111 section 5.2.1.7.
#[test]
fn who_wants_only_what_is_stored_is_not_passed_on_by_a_rule() {
    for rule in ["store = false", "cookies = \"refuse\""] {
        let site = site(&["Cache-Control: max-age=60"], &format!("{RULE}{rule}"));
        site.get("/", "Cookie: a=b\r\nCache-Control: only-if-cached\r\n")
            .expect(504);
        assert_eq!(site.origin.count(), 0, "{rule}");
    }
}

#[test]
fn the_query_belongs_to_the_key_as_far_as_a_rule_says() {
    for (rule, first, second, same) in [
        ("query = \"all\"", "/?a=1&b=2", "/?b=2&a=1", false),
        ("query_sort = true", "/?a=1&b=2", "/?b=2&a=1", true),
        ("query_sort = true", "/?a=1&a=2", "/?a=2&a=1", false),
        ("query = \"none\"", "/?a=1", "/", true),
        (
            "query_without = [\"utm_*\"]",
            "/?utm_source=x&a=1&utm_id=2",
            "/?a=1",
            true,
        ),
        ("query_without = [\"utm_*\"]", "/?utm_source=x", "/", true),
        ("query_without = [\"utm_*\"]", "/?autm_=1", "/", false),
        ("query_only = [\"id\"]", "/?id=1&x=2", "/?y=3&id=1", true),
        ("query_only = [\"id\"]", "/?id=1", "/?id=2", false),
        ("query_only = [\"id\"]", "/a?id=1", "/b?id=1", false),
    ] {
        let site = site(&["Cache-Control: max-age=60"], &format!("{RULE}{rule}"));
        site.get(first, "").expect_body("1");
        let got = site.get(second, "");
        assert_eq!(got.body == b"1", same, "{rule} {first} {second}");
        // The origin sees what the client sent.
        assert_eq!(site.origin.requests()[0].target, first);
        // An unsafe request makes room for what it changed.
        site.ask("DELETE", first, "");
        site.get(first, "").expect_fwd("uri-miss");
    }
}

#[test]
fn fields_of_the_request_belong_to_the_key_where_a_rule_says_so() {
    for (first, second, same) in [
        ("X-Country: de\r\n", "x-country: de\r\n", true),
        ("X-Country: de\r\n", "X-Country: fr\r\n", false),
        ("X-Country: de\r\n", "", false),
        ("", "X-Country:\r\n", false),
        ("", "X-Other: 1\r\n", true),
        (
            "X-Country: de\r\nX-Tier: a\r\n",
            "X-Country: de\r\nX-Tier: b\r\n",
            false,
        ),
    ] {
        let site = site(
            &["Cache-Control: max-age=60"],
            &format!("{RULE}key_fields = [\"X-Country\", \"X-Tier\"]"),
        );
        let got = twice(&site, first, second);
        assert_eq!(got.body == b"1", same, "{first:?} {second:?}");
        site.get("/a", first).expect_body("1").expect_hit();
    }
}

/// What Connection nominates does not reach the origin, and its answer is not for those whose field does.
#[test]
fn a_field_that_does_not_reach_the_origin_is_no_part_of_the_key() {
    let origin = Origin::answering(|r| {
        let seen = r.head.list("x-country");
        reply(200, &["Cache-Control: max-age=60"], seen)
    });
    let site = Site::with(origin, &format!("{RULE}key_fields = [\"X-Country\"]"));
    site.get("/a", "X-Country: de\r\nConnection: X-Country\r\n")
        .expect_body("");
    site.get("/a", "X-Country: de\r\n").expect_body("de");
    site.get("/a", "").expect_body("").expect_hit();
}

/// What the second of two requests gets: from the store, and with a Set-Cookie.
fn cookies(fields: &'static [&'static str], rule: &str, first: &str, second: &str) -> (bool, bool) {
    let config = match rule {
        "" => String::new(),
        rule => format!("{RULE}{rule}"),
    };
    let site = site(fields, &config);
    let got = twice(&site, first, second);
    (got.body == b"1", got.get("set-cookie").is_some())
}

#[test]
fn cookies_mean_what_a_rule_says() {
    const STATED: &[&str] = &["Cache-Control: max-age=60"];
    const STATED_SET: &[&str] = &["Cache-Control: max-age=60", "Set-Cookie: a=b"];
    const GUESSED: &[&str] = &[MODIFIED];
    const GUESSED_SET: &[&str] = &[MODIFIED, "Set-Cookie: a=b"];
    const EXPIRED_SET: &[&str] = &["Cache-Control: max-age=0", "Set-Cookie: a=b"];
    const C: &str = "Cookie: id=1; lang=de\r\n";
    const D: &str = "Cookie: lang=de; id=2\r\n";
    for (fields, rule, first, second, want) in [
        // Conservative: a lifetime that the origin states is for all, a guess is not.
        (STATED_SET, "", "", "", (true, true)),
        (GUESSED_SET, "", "", "", (false, true)),
        (STATED, "", C, D, (true, false)),
        (GUESSED, "", C, "", (false, false)),
        (GUESSED, "", "", C, (false, false)),
        (GUESSED, "", "", "", (true, false)),
        // A rule's lifetime is not the origin's word that its cookie is for all.
        (GUESSED_SET, "ttl = \"1h\"", "", "", (false, true)),
        (EXPIRED_SET, "ttl = \"1h\"", "", "", (false, true)),
        (STATED_SET, "ttl = \"1h\"", "", "", (true, true)),
        (GUESSED, "ttl = \"1h\"", C, D, (true, false)),
        (
            GUESSED_SET,
            "ttl = \"1h\"\ncookies = \"ignore\"",
            "",
            "",
            (true, true),
        ),
        (GUESSED_SET, "cookies = \"strip\"", "", "", (true, false)),
        (GUESSED, "cookies = \"strip\"", C, D, (true, false)),
        (GUESSED_SET, "cookies = \"ignore\"", C, "", (true, true)),
        (STATED_SET, "cookies = \"refuse\"", "", "", (false, true)),
        (STATED, "cookies = \"refuse\"", C, C, (false, false)),
        (STATED, "cookies = \"refuse\"", "", C, (false, false)),
        (STATED, "cookies = \"refuse\"", "", "", (true, false)),
        (GUESSED, "cookies = \"key\"", C, C, (true, false)),
        (GUESSED, "cookies = \"key\"", C, D, (false, false)),
        (
            GUESSED,
            "cookies = \"key\"\nkey_cookies = [\"lang\"]",
            C,
            D,
            (true, false),
        ),
        (
            GUESSED,
            "cookies = \"key\"\nkey_cookies = [\"l*\"]",
            C,
            "",
            (false, false),
        ),
        (
            GUESSED,
            "cookies = \"key\"\nkey_cookies = [\"id\"]",
            C,
            D,
            (false, false),
        ),
        (
            GUESSED,
            "cookies = \"key\"\nkey_cookies = [\"x\"]",
            C,
            "",
            (true, false),
        ),
    ] {
        assert_eq!(
            cookies(fields, rule, first, second),
            want,
            "{fields:?} {rule:?} {first:?} {second:?}"
        );
    }
}

#[test]
fn a_stripped_cookie_still_reaches_the_client_it_was_meant_for() {
    let site = site(
        &["Cache-Control: max-age=60", "Set-Cookie: a=b"],
        &format!("{RULE}cookies = \"strip\""),
    );
    let first = site.get("/", "");
    assert_eq!(first.get("set-cookie"), Some("a=b"));
    let second = site.get("/", "").expect_hit();
    assert_eq!(second.get("set-cookie"), None);
}

#[test]
fn a_guess_is_checked_with_the_origin_for_a_client_with_cookies() {
    let origin = Origin::answering(|r| match r.head.get("if-modified-since") {
        Some(_) => reply(304, &[], ""),
        None => reply(200, &[MODIFIED], r.n.to_string()),
    });
    let site = Site::with(origin, "");
    site.get("/", "").expect_body("1");
    site.get("/", "Cookie: a=b\r\n").expect_body("1");
    assert_eq!(site.origin.count(), 2);
    site.get("/", "").expect_body("1").expect_hit();
}

#[test]
fn targeted_fields_are_those_that_are_configured() {
    let fields = &["Cache-Control: no-store", "Edge-Control: max-age=60"];
    let mine = site(
        fields,
        "[cache]\ntargets = [\"Edge-Control\", \"CDN-Cache-Control\"]",
    );
    twice(&mine, "", "").expect_body("1").expect_hit();
    let default = site(fields, "");
    twice(&default, "", "").expect_body("2");
}

#[test]
fn rules_apply_to_forward_listeners_and_connections_that_persist() {
    let origin = Origin::answering(|r| reply(200, &[], r.n.to_string()));
    let config = "[[rule]]\nname = \"a\"\nttl = \"1h\"\nquery = \"none\"\nmatch = { hosts = [\"127.0.0.1\"] }\n";
    let proxy = Launch::forward().config(config).start();
    let url = format!("http://{}/", origin.addr);
    let mut client = Client::to(proxy.addr());
    for query in ["?a", "?b", ""] {
        let request = format!("GET {url}{query} HTTP/1.1\r\nHost: x\r\n\r\n");
        client.ask(request).expect_body("1");
    }
    get(proxy.addr(), &format!("{url}other"), "x", "").expect_body("2");
}

#[test]
fn the_log_names_the_rules_that_applied() {
    let site = site(
        &["Content-Type: image/png"],
        "[log]\naccess = \"-\"\nformat = \"json\"\n\
         [[rule]]\nname = \"all\"\nttl = \"1h\"\n\
         [[rule]]\nname = \"text\"\nttl = \"1m\"\nmatch = { types = [\"text/*\"] }\n\
         [[rule]]\nname = \"images\"\ngrace = \"1m\"\nmatch = { types = [\"image/*\"] }\n",
    );
    twice(&site, "", "").expect_body("1").expect_hit();
    let named = |line: &str| line.contains("\"rules\":\"all,images\"");
    site.proxy.stdout.wait_count(named, 2);
}

#[test]
fn an_unsafe_request_invalidates_whatever_else_is_in_the_key() {
    let site = site(
        &["Cache-Control: max-age=60"],
        &format!("{RULE}key_fields = [\"X-A\"]"),
    );
    for fields in ["X-A: 1\r\n", "X-A: 2\r\n", ""] {
        site.get("/", fields);
        site.get("/", fields).expect_hit();
    }
    site.ask("DELETE", "/", "X-A: 2\r\n").expect(200);
    for fields in ["X-A: 1\r\n", "X-A: 2\r\n", ""] {
        site.get("/", fields).expect_fwd("uri-miss");
    }
}

#[test]
fn what_is_validated_behind_an_answer_has_the_key_of_the_answer() {
    let origin = Origin::answering(|r| {
        let country = r.head.get("x-a").unwrap_or("none").to_owned();
        match r.head.get("if-none-match") {
            None => reply(
                200,
                &["Age: 90", "Cache-Control: max-age=60", "ETag: \"a\""],
                country,
            ),
            Some(_) => reply(
                200,
                &["Cache-Control: max-age=60"],
                format!("new {country}"),
            ),
        }
    });
    // The proxy's own question is heard whatever clients may not insist on.
    let rule = format!(
        "{RULE}grace = \"1h\"\nkey_fields = [\"X-A\"]\nquery = \"none\"\nrequest_no_cache = \"ignore\""
    );
    let site = Site::with(origin, &rule);
    site.get("/?q", "X-A: de\r\n").expect_body("de");
    let stale = site.get("/", "X-A: de\r\n").expect_body("de").expect_hit();
    assert!(
        stale
            .get("cache-status")
            .unwrap()
            .contains("stale-while-revalidate")
    );
    let requests = site.origin.wait_requests(2);
    assert_eq!(requests[1].head.get("x-a"), Some("de"));
    // Published before the connection of the validation ends; until then the old one is served.
    let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
    while site.get("/", "X-A: de\r\n").body != b"new de" {
        assert!(std::time::Instant::now() < end, "the new one never came");
    }
    site.get("/", "").expect_body("none");
}

#[test]
fn rules_are_taken_up_by_a_reload() {
    let origin = Origin::answering(|r| reply(200, &[], r.n.to_string()));
    let config = |rule: &str| {
        format!(
            "[admin]\naddress = \"127.0.0.1:0\"\n[[listen]]\nname = \"site\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
             [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n{rule}",
            origin.addr
        )
    };
    let proxy = Launch::bare().config(&config("")).start();
    let ask = |path: &str| get(proxy.addr(), path, "site.test", "");
    ask("/").expect_body("1");
    ask("/").expect_body("2");
    let mut reloads = 0;
    let mut reload = |rule: &str| {
        proxy.rewrite_config(&config(rule));
        proxy.signal(rustix::process::Signal::HUP);
        reloads += 1;
        proxy.stderr.wait_count(|line| line == "reloaded", reloads);
    };
    reload("[[rule]]\nname = \"r\"\nttl = \"1h\"\n");
    ask("/").expect_body("3");
    ask("/").expect_body("3").expect_hit();
    // What is stored is not used where a rule now keeps everything from the store.
    reload("[[rule]]\nname = \"r\"\nstore = false\n");
    ask("/").expect_body("4");
    reload("");
    ask("/").expect_body("3").expect_hit();
}

#[test]
fn who_has_cookies_does_not_follow_a_fetch_that_only_a_guess_makes_cacheable() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        while conn.request().is_some() {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\n{MODIFIED}\r\nContent-Length: 12\r\n\r\nfirst-"
            ));
            theirs.wait();
            conn.send("second");
        }
    }));
    let request = |fields: &str| format!("GET / HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n");
    let mut leader = site.client();
    leader.send(request("")).head();
    let mut follower = site.client();
    follower.send(request(""));
    assert_eq!(follower.head().get("content-length"), Some("12"));
    assert_eq!(site.origin.count(), 1);
    let mut other = site.client();
    other.send(request("Cookie: a=b\r\n"));
    site.origin.wait_requests(2);
    let head = other.head();
    let status = head.get("cache-status").unwrap();
    assert!(
        status.contains("detail=cookie") && !status.contains("collapsed"),
        "{status}"
    );
    gate.open();
    for client in [&mut leader, &mut follower, &mut other] {
        assert_eq!(client.wire.exactly(12), b"first-second");
    }
}
