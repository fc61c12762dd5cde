//! Exact bytes and their verdict, for every rule of RFC 9112 section 3.2 that can make two recipients disagree about
//! where a message begins or ends, or whom it is for. Whatever is ambiguous is refused.
#![allow(clippy::unwrap_used)]

use understudy_http::Method;
use understudy_http::wire::head::{HeadLimits, parse_request};
use understudy_http::wire::target::{Authority, Scheme, Target, TargetError, host, parse_target};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 * 1024,
    target: 8 * 1024,
    fields: 100,
};

// Section 3.2: whom it is for.

#[track_caller]
fn check_authority(bytes: &str, expected: Result<(&str, Option<u16>), TargetError>) {
    let expected = expected.map(|(host, port)| Authority {
        host: host.as_bytes(),
        port,
    });
    assert_eq!(Authority::parse(bytes.as_bytes()), expected, "{bytes:?}");
}

#[test]
fn an_authority_is_a_host_and_a_port() {
    use TargetError::{Authority as Bad, UserInfo};
    check_authority("a", Ok(("a", None)));
    check_authority("A.b-c_d~:", Ok(("A.b-c_d~", None)));
    check_authority("a:1", Ok(("a", Some(1))));
    check_authority("a:65535", Ok(("a", Some(65535))));
    check_authority("127.0.0.1:080", Ok(("127.0.0.1", Some(80))));
    check_authority("[::1]", Ok(("[::1]", None)));
    check_authority("[::1]:", Ok(("[::1]", None)));
    check_authority("[2001:DB8::1:2]:443", Ok(("[2001:DB8::1:2]", Some(443))));
    check_authority("[::ffff:1.2.3.4]:1", Ok(("[::ffff:1.2.3.4]", Some(1))));
    check_authority("a%20b", Ok(("a%20b", None)));
    for bad in [
        "",
        ":",
        ":80",
        "a:0",
        "a:00",
        "a:65536",
        "a:99999",
        "a:100000",
        "a:+1",
        "a:-1",
        "a:1 ",
        "a: 1",
        "a:1:1",
        "a:b",
        "a b",
        " a",
        "a ",
        "a/",
        "/",
        "a?",
        "a#",
        "a\\b",
        "a\t",
        "a\0",
        "a\r\n",
        "\u{e9}",
        "a%",
        "a%2",
        "a%zz",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[:1]",
        "[::1]a",
        "[::1]]",
        "[::1]80",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[1.2.3.4]",
        "[v1.a]",
        "[::1]:0",
        "a[b]",
        "a\"b",
        "<a>",
        "a|b",
        "a\u{7f}",
        "[ ::1]",
        "[::1 ]",
        "[[::1]]",
        "http://a",
    ] {
        check_authority(bad, Err(Bad));
    }
    for bad in ["user@a", "user:pass@a", "@a", "a@", "a:1@b:2", "a@[::1]"] {
        check_authority(bad, Err(UserInfo));
    }
}

#[track_caller]
fn check_target(method: Method, target: &str, expected: Result<Target<'_>, TargetError>) {
    assert_eq!(
        parse_target(method, target.as_bytes()),
        expected,
        "{method:?} {target:?}"
    );
}

#[test]
fn a_target_has_the_form_its_method_wants() {
    use TargetError::{Authority as Bad, Form, Malformed, Scheme as BadScheme, UserInfo};
    let authority = |host: &'static str, port| Authority {
        host: host.as_bytes(),
        port,
    };
    let absolute = |scheme, authority, path: &'static str| Target::Absolute {
        scheme,
        authority,
        path: path.as_bytes(),
    };
    check_target(Method::Get, "/", Ok(Target::Origin(b"/")));
    check_target(Method::Get, "//a/b", Ok(Target::Origin(b"//a/b")));
    check_target(
        Method::Get,
        "/\"<>^`{|}[]\\%",
        Ok(Target::Origin(b"/\"<>^`{|}[]\\%")),
    );
    check_target(
        Method::Get,
        "/?u=http://b/",
        Ok(Target::Origin(b"/?u=http://b/")),
    );
    check_target(
        Method::Get,
        "http://a",
        Ok(absolute(Scheme::Http, authority("a", None), "")),
    );
    check_target(
        Method::Get,
        "HTTP://a:1?b",
        Ok(absolute(Scheme::Http, authority("a", Some(1)), "?b")),
    );
    check_target(
        Method::Get,
        "hTTps://[::1]/b",
        Ok(absolute(Scheme::Https, authority("[::1]", None), "/b")),
    );
    check_target(
        Method::Get,
        "http://a/@b",
        Ok(absolute(Scheme::Http, authority("a", None), "/@b")),
    );
    check_target(
        Method::Connect,
        "a:443",
        Ok(Target::Authority(authority("a", Some(443)))),
    );
    check_target(
        Method::Connect,
        "[::1]:1",
        Ok(Target::Authority(authority("[::1]", Some(1)))),
    );
    check_target(Method::Options, "*", Ok(Target::Asterisk));
    check_target(Method::Options, "/", Ok(Target::Origin(b"/")));
    for (target, error) in [
        ("", Malformed),
        ("*", Form),
        ("a", Malformed),
        ("a:80", Form),
        ("*/", Malformed),
        ("?a", Malformed),
        ("a/b", Malformed),
        ("http:/a", Malformed),
        ("http:a", Malformed),
        ("://a/", Malformed),
        ("1http://a/", Malformed),
        ("ht tp://a/", Malformed),
        ("ftp://a/", BadScheme),
        ("httpx://a/", BadScheme),
        ("ws://a/", BadScheme),
        ("file:///a", BadScheme),
        ("http://", Bad),
        ("http:///", Bad),
        ("http://:80/", Bad),
        ("http://a:0/", Bad),
        ("http://a:x/", Bad),
        ("http://a\\b/", Bad),
        ("http://a\\@b/", UserInfo),
        ("http://u@a/", UserInfo),
        ("http://u:p@a/", UserInfo),
        ("http://a%zz/", Bad),
        ("/a#b", Malformed),
        ("http://a/#b", Malformed),
        ("http://a#b", Malformed),
        ("/a b", Malformed),
        ("/\u{e9}", Malformed),
        ("/\0", Malformed),
        ("/\x7f", Malformed),
        ("/\r\n", Malformed),
    ] {
        check_target(Method::Get, target, Err(error));
    }
    for (target, error) in [
        ("/", Form),
        ("*", Form),
        ("http://a:80/", Form),
        ("a", Bad),
        ("a:", Bad),
        ("a:0", Bad),
        ("u@a:443", UserInfo),
        ("a:443/", Bad),
        (":443", Bad),
        ("", Malformed),
    ] {
        check_target(Method::Connect, target, Err(error));
    }
    check_target(Method::Options, "**", Err(Malformed));
}

#[test]
fn an_absolute_target_becomes_its_origin_form() {
    for (method, target, expected) in [
        (Method::Get, "http://a", "/"),
        (Method::Get, "http://a?b", "/?b"),
        (Method::Get, "http://a/b?c", "/b?c"),
        (Method::Get, "/x", "/x"),
        (Method::Options, "http://a", "*"),
        (Method::Options, "http://a/", "/"),
        (Method::Options, "*", "*"),
    ] {
        let found = parse_target(method, target.as_bytes())
            .unwrap()
            .origin_form(method);
        assert_eq!(found, expected.as_bytes(), "{target}");
    }
}

#[test]
fn host_is_there_once_and_well_formed() {
    let check = |version: &str, lines: &str, expected: Result<Option<&str>, TargetError>| {
        let bytes = format!("GET / HTTP/{version}\r\n{lines}\r\n");
        let head = parse_request(bytes.as_bytes(), &LIMITS, Vec::new())
            .unwrap()
            .unwrap()
            .with(&bytes);
        let found = host(head.version(), head.fields()).map(|host| host.map(|host| host.host));
        assert_eq!(
            found,
            expected.map(|host| host.map(str::as_bytes)),
            "{version} {lines:?}"
        );
    };
    check("1.1", "Host: a:1\r\n", Ok(Some("a")));
    check("1.0", "Host: a\r\n", Ok(Some("a")));
    check("1.1", "", Err(TargetError::HostMissing));
    check("1.0", "", Ok(None));
    check("1.1", "Host:\r\n", Ok(None));
    for lines in [
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host:\r\nHost: a\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: u@a\r\n",
        "Host: http://a\r\n",
        "Host: a:x\r\n",
        "Host: a:\tb\r\n",
        "Host: \u{e9}\r\n",
        "Host: a#\r\n",
        "Host: :80\r\n",
    ] {
        check("1.1", lines, Err(TargetError::Host));
        check("1.0", lines, Err(TargetError::Host));
    }
}
