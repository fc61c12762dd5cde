//! Cache keys: cases in tables, one RFC rule a test.

use understudy_http::semantics::key::{resolve, same_origin, write_key};
use understudy_http::wire::target::{Authority, Scheme, Scheme::*};

fn key(scheme: Scheme, host: &str, port: Option<u16>, path: &str, expected: &str) {
    let mut out = b"what was here before".to_vec();
    write_key(
        scheme,
        Authority {
            host: host.as_bytes(),
            port,
        },
        path.as_bytes(),
        &mut out,
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

fn reference(base: &str, reference: &str, expected: Option<&str>) {
    let resolved =
        resolve(base.as_bytes(), reference.as_bytes()).map(|key| String::from_utf8(key).unwrap());
    assert_eq!(resolved.as_deref(), expected, "{reference} against {base}");
}

#[test]
fn the_port_is_always_written() {
    key(Http, "a", None, "/", "http://a:80/");
    key(Https, "a", None, "/", "https://a:443/");
    key(Http, "a", Some(80), "/", "http://a:80/");
    key(Https, "a", Some(443), "/", "https://a:443/");
    key(Http, "a", Some(443), "/", "http://a:443/");
    key(Https, "a", Some(80), "/", "https://a:80/");
    key(Http, "a", Some(8080), "/", "http://a:8080/");
    key(Http, "a", Some(65535), "/", "http://a:65535/");
    key(Http, "a", Some(0), "/", "http://a:0/");
}

#[test]
fn the_host_is_lower_case_and_nothing_else() {
    key(
        Http,
        "EXAMPLE.Com",
        None,
        "/A?B",
        "http://example.com:80/A?B",
    );
    key(Http, "[::FFFF:1]", Some(1), "/", "http://[::ffff:1]:1/");
    key(Http, "127.0.0.1", None, "/", "http://127.0.0.1:80/");
    key(Http, "a.", None, "/", "http://a.:80/");
}

#[test]
fn the_path_begins_with_a_slash_and_ends_before_the_fragment() {
    key(Http, "a", None, "", "http://a:80/");
    key(Http, "a", None, "?x", "http://a:80/?x");
    key(Http, "a", None, "?", "http://a:80/?");
    key(Http, "a", None, "/?", "http://a:80/?");
    key(Http, "a", None, "#x", "http://a:80/");
    key(Http, "a", None, "/x#y", "http://a:80/x");
    key(Http, "a", None, "/x?y#z?a", "http://a:80/x?y");
    key(Http, "a", None, "?x#y", "http://a:80/?x");
}

#[test]
fn the_path_is_kept_as_the_client_wrote_it() {
    for path in [
        "/a//b",
        "/a/../b",
        "/./",
        "/%7Ea",
        "/%7ea",
        "/a;b=c",
        "/a?b=/../c",
        "/A",
        "/a:b@c",
    ] {
        key(Http, "a", None, path, &format!("http://a:80{path}"));
    }
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    let check = |a: &str, b: &str, expected: bool| {
        assert_eq!(same_origin(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        assert_eq!(same_origin(b.as_bytes(), a.as_bytes()), expected, "{b} {a}");
    };
    check("http://a:80/", "http://a:80/", true);
    check("http://a:80/x", "http://a:80/y?z", true);
    check("http://a:80/", "https://a:80/", false);
    check("http://a:80/", "http://b:80/", false);
    check("http://a:80/", "http://a:8080/", false);
    check("http://a:80/", "http://a:8/0/", false);
    check("http://a:80/", "http://a.b:80/", false);
    check("", "", false);
    check("http://a:80", "http://a:80", false);
    check("http:///", "http:///", false);
    check("ftp://a:21/", "ftp://a:21/", false);
    check("/", "/", false);
}

#[test]
fn the_examples_of_rfc_3986() {
    let base = "http://a:80/b/c/d;p?q";
    for (from, to) in [
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("?y", "/b/c/d;p?y"),
        ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"),
        ("g#s", "/b/c/g"),
        ("g?y#s", "/b/c/g?y"),
        (";x", "/b/c/;x"),
        ("g;x", "/b/c/g;x"),
        ("g;x?y#s", "/b/c/g;x?y"),
        ("", "/b/c/d;p?q"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../", "/"),
        ("../../g", "/g"),
        ("../../../g", "/g"),
        ("../../../../g", "/g"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("g.", "/b/c/g."),
        (".g", "/b/c/.g"),
        ("g..", "/b/c/g.."),
        ("..g", "/b/c/..g"),
        ("./../g", "/b/g"),
        ("./g/.", "/b/c/g/"),
        ("g/./h", "/b/c/g/h"),
        ("g/../h", "/b/c/h"),
        ("g;x=1/./y", "/b/c/g;x=1/y"),
        ("g;x=1/../y", "/b/c/y"),
        ("g?y/./x", "/b/c/g?y/./x"),
        ("g?y/../x", "/b/c/g?y/../x"),
        ("g#s/./x", "/b/c/g"),
    ] {
        reference(base, from, Some(&format!("http://a:80{to}")));
    }
    reference(base, "//g", Some("http://g:80/"));
    reference(base, "g:h", None);
    // Section 5.4.2: strict parsers do not take the scheme alone.
    reference(base, "http:g", None);
}

#[test]
fn an_absolute_reference_is_written_as_a_key() {
    let base = "http://a:80/b";
    reference(base, "http://a/b", Some("http://a:80/b"));
    reference(base, "HTTP://A/b", Some("http://a:80/b"));
    reference(base, "http://x:8080/y?z#f", Some("http://x:8080/y?z"));
    reference(base, "http://x", Some("http://x:80/"));
    reference(base, "http://x?y", Some("http://x:80/?y"));
    reference(base, "http://x#y", Some("http://x:80/"));
    reference(base, "http://x:/", Some("http://x:80/"));
    reference(base, "http://x/a/../b", Some("http://x:80/b"));
    reference(base, "http://[::1]:81/", Some("http://[::1]:81/"));
    reference(base, "//x:81/y", Some("http://x:81/y"));
    reference(base, "//x?http://y/", Some("http://x:80/?http://y/"));
    reference("https://a:443/b", "https://A/c", Some("https://a:443/c"));
    reference("https://a:443/b", "//c", Some("https://c:443/"));
    reference("https://a:443/b", "c", Some("https://a:443/c"));
}

#[test]
fn another_scheme_has_no_key() {
    reference("http://a:80/", "https://a/", None);
    reference("https://a:443/", "http://a/", None);
    reference("http://a:80/", "ftp://a/", None);
    reference("http://a:80/", "mailto:a", None);
    reference("http://a:80/", "javascript:alert(1)", None);
    reference("http://a:80/", "data:,x", None);
}

#[test]
fn what_is_malformed_has_no_key() {
    for text in [
        "http://",
        "http:///x",
        "//",
        "///x",
        "http:/x",
        "http:x",
        "http:",
        ":x",
        "1:x",
        "a b",
        " /x",
        "/x ",
        "/\u{e9}",
        "/\t",
        "/x\r\n",
        "/\u{7f}",
        "http://u@x/",
        "//u:p@x/",
        "http://x:99999/",
        "http://x:a/",
        "http://x::/",
        "http://x:1:2/",
        "http://[::1/",
        "//?x",
        "//#x",
    ] {
        reference("http://a:80/b", text, None);
    }
}

#[test]
fn what_looks_like_a_scheme_may_stand_behind_a_slash() {
    reference("http://a:80/b", "./c:d", Some("http://a:80/c:d"));
    reference("http://a:80/b", "c/d:e", Some("http://a:80/c/d:e"));
    reference("http://a:80/b", "?c:d", Some("http://a:80/b?c:d"));
    reference("http://a:80/b", "c?d://e", Some("http://a:80/c?d://e"));
    reference("http://a:80/b", "/http://x/", Some("http://a:80/http://x/"));
}

#[test]
fn a_base_that_is_no_key_resolves_nothing() {
    for base in ["", "/", "http://", "http://a", "ftp://a:21/", "a:80/"] {
        reference(base, "/x", None);
    }
}
