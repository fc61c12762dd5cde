//! Proxy-Status: the type of each word, and the line.

use understudy_http::semantics::proxy_status::ProxyStatus;

fn check(status: u16, word: &'static str, denied: bool, expected: &str) {
    let mut out = Vec::new();
    ProxyStatus::of(status, word, denied).write("understudy", &mut out);
    let line = String::from_utf8(out).unwrap();
    assert_eq!(
        line,
        format!("understudy; error={expected}"),
        "{status} {word}"
    );
    let parsed: sfv::List = sfv::Parser::new(&line).parse().unwrap();
    assert_eq!(parsed.len(), 1, "{line}");
}

#[test]
fn words_of_the_registry_are_said_as_they_are() {
    check(502, "dns_error", false, "dns_error");
    check(504, "connection_timeout", false, "connection_timeout");
    check(
        502,
        "http_response_incomplete",
        false,
        "http_response_incomplete",
    );
    check(
        403,
        "destination_ip_prohibited",
        true,
        "destination_ip_prohibited",
    );
    check(
        503,
        "destination_unavailable",
        false,
        "destination_unavailable",
    );
}

#[test]
fn other_words_are_details_of_a_type() {
    check(
        400,
        "target",
        false,
        "http_request_error; details=\"target\"",
    );
    check(
        431,
        "head-too-large",
        false,
        "http_request_error; details=\"head-too-large\"",
    );
    check(
        403,
        "client",
        true,
        "http_request_denied; details=\"client\"",
    );
    check(
        403,
        "connect-port",
        true,
        "http_request_denied; details=\"connect-port\"",
    );
    check(508, "loop", false, "proxy_loop_detected; details=\"loop\"");
    check(
        504,
        "only-if-cached",
        false,
        "proxy_internal_response; details=\"only-if-cached\"",
    );
    check(
        502,
        "between-bytes-timeout",
        false,
        "connection_read_timeout; details=\"between-bytes-timeout\"",
    );
    check(
        502,
        "module-failed",
        false,
        "proxy_internal_error; details=\"module-failed\"",
    );
    check(
        502,
        "collapsed-failure",
        false,
        "proxy_internal_error; details=\"collapsed-failure\"",
    );
    check(
        505,
        "version",
        false,
        "proxy_internal_response; details=\"version\"",
    );
}

#[test]
fn what_the_next_hop_said_and_any_text_fit_in() {
    let status = ProxyStatus {
        error: Some("http_protocol_error"),
        received_status: Some(503),
        details: Some("a \"b\" \\ \u{e9}\n"),
    };
    let mut out = Vec::new();
    status.write("my proxy", &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\"my proxy\"; error=http_protocol_error; received-status=503; details=\"a \\\"b\\\" \\\\ ???\""
    );
}

#[test]
fn what_stands_in_for_an_error_of_the_origin_says_its_status() {
    let mut out = Vec::new();
    ProxyStatus::instead_of(503).write("understudy", &mut out);
    assert_eq!(out, b"understudy; received-status=503");
}
