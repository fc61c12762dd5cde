//! Proxy-Status (RFC 9209) on answers of the proxy's own.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Launch, Origin, Request, Site, reply};

fn own(response: &understudy_testbed::Response) -> String {
    response.head.list("proxy-status")
}

#[test]
fn trouble_with_the_origin_is_named_by_its_type() {
    let nobody = Origin::nobody();
    let proxy = Launch::forward().start();
    let mut client = Client::to(proxy.addr());
    let refused = client.ask(format!(
        "GET http://{nobody}/ HTTP/1.1\r\nHost: {nobody}\r\n\r\n"
    ));
    assert_eq!(own(&refused), "understudy; error=connection_refused");
    for (answer, error) in [
        (
            &b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n"[..],
            "http_protocol_error",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "http_response_incomplete"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "http_response_transfer_coding",
        ),
    ] {
        let site = Site::of(Origin::scripted(move |conn| {
            conn.request();
            conn.wire.send(answer);
        }));
        let response = site.get("/", "").expect(502);
        assert_eq!(own(&response), format!("understudy; error={error}"));
    }
}

#[test]
fn what_the_client_did_is_a_request_error_with_its_word() {
    let site = Site::new(|_: &Request| reply(200, &[], "body"));
    let response = site.get("/", "Expect: miracles\r\n").expect(417);
    assert_eq!(
        own(&response),
        "understudy; error=http_request_error; details=\"expectation\""
    );
    let response = site
        .get("/", "Cache-Control: only-if-cached\r\n")
        .expect(504);
    assert_eq!(
        own(&response),
        "understudy; error=proxy_internal_response; details=\"only-if-cached\""
    );
}

#[test]
fn an_answer_of_the_origin_has_only_what_the_origin_said() {
    let site = Site::new(|r: &Request| match r.target.as_str() {
        "/said" => reply(502, &["Proxy-Status: other; error=dns_error"], ""),
        _ => reply(503, &[], ""),
    });
    assert_eq!(
        own(&site.get("/said", "").expect(502)),
        "other; error=dns_error"
    );
    assert_eq!(own(&site.get("/", "").expect(503)), "");
}

#[test]
fn what_is_served_stale_for_an_error_says_the_error() {
    let stale = |answer: &'static [u8]| {
        let site = Site::of(Origin::scripted(move |conn| {
            while let Some(request) = conn.request() {
                if request.head.get("if-none-match").is_some() {
                    conn.wire.send(answer);
                    return;
                }
                conn.send(reply(
                    200,
                    &[
                        "Cache-Control: max-age=60, stale-if-error=60",
                        "Age: 60",
                        "ETag: \"a\"",
                    ],
                    "body",
                ));
            }
        }));
        assert_eq!(own(&site.get("/", "").expect(200)), "");
        own(&site
            .get("/", "")
            .expect(200)
            .expect_hit()
            .expect_body("body"))
    };
    assert_eq!(
        stale(b"HTTP/1.1 2oo OK\r\n\r\n"),
        "understudy; error=http_protocol_error"
    );
    assert_eq!(
        stale(b"HTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n"),
        "understudy; received-status=503"
    );
}
