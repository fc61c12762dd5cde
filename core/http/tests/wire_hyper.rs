//! Against hyper, over pipes in memory: a message that is complete for this codec is the same message for hyper, with the
//! same fields, body and trailers; what hyper refuses is refused here (but for the table of exceptions); and a message that
//! is not complete here is not complete for hyper either.
#![allow(clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Collected, Empty};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use understudy_http::wire::body::{BodyReader, Decoded};
use understudy_http::wire::framing::{Framing, request_framing, response_framing};
use understudy_http::wire::head::{HeadLimits, parse_request, parse_response};
use understudy_http::{Fields, Method};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 * 1024,
    target: 8 * 1024,
    fields: 100,
};

/// Lower-case names and values, sorted.
type Lines = Vec<(String, Vec<u8>)>;

#[derive(Debug, PartialEq, Eq)]
struct Message {
    start: String,
    fields: Lines,
    body: Vec<u8>,
    trailers: Lines,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Complete(Message),
    Incomplete,
    Refused,
}

fn sorted(mut lines: Lines) -> Lines {
    lines.sort();
    lines
}
fn our_lines(fields: Fields<'_>) -> Lines {
    let text = |name: &[u8]| String::from_utf8(name.to_ascii_lowercase()).unwrap();
    sorted(
        fields
            .iter()
            .map(|(_, name, value)| (text(name), value.to_vec()))
            .collect(),
    )
}
fn hyper_lines(map: &HeaderMap) -> Lines {
    sorted(
        map.iter()
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect(),
    )
}

/// Reads a body from the bytes, which are followed by the end of the connection.
fn our_body(framing: Framing, rest: &[u8], start: String, fields: Lines) -> Verdict {
    let (mut buf, mut body) = (BytesMut::from(rest), Vec::new());
    let mut reader = BodyReader::new(framing);
    loop {
        match reader.decode(&mut buf) {
            Ok(Decoded::Data(data)) => body.extend_from_slice(&data),
            Ok(Decoded::More) if reader.eof().is_ok() => {}
            Ok(Decoded::More) => return Verdict::Incomplete,
            Err(_) => return Verdict::Refused,
            Ok(Decoded::End(section)) => {
                // Read as a head, a trailer section has to be well-formed once more.
                let head = [b"GET / HTTP/1.1\r\n", &section[..], b"\r\n"].concat();
                let parts = parse_request(&head, &LIMITS, Vec::new()).unwrap().unwrap();
                let trailers = our_lines(parts.with(&head).fields());
                return Verdict::Complete(Message {
                    start,
                    fields,
                    body,
                    trailers,
                });
            }
        }
    }
}

fn our_request(bytes: &[u8]) -> Verdict {
    let parts = match parse_request(bytes, &LIMITS, Vec::new()) {
        Ok(Some(parts)) => parts,
        Ok(None) => return Verdict::Incomplete,
        Err(_) => return Verdict::Refused,
    };
    let rest = &bytes[parts.len()..];
    let head = parts.with(bytes);
    let Ok(framing) = request_framing(head.version(), head.fields()) else {
        return Verdict::Refused;
    };
    let start = String::from_utf8([head.method_bytes(), b" ", head.target()].concat()).unwrap();
    our_body(framing, rest, start, our_lines(head.fields()))
}

fn our_response(bytes: &[u8]) -> Verdict {
    let parts = match parse_response(bytes, &LIMITS, Vec::new()) {
        Ok(Some(parts)) => parts,
        Ok(None) => return Verdict::Incomplete,
        Err(_) => return Verdict::Refused,
    };
    let rest = &bytes[parts.len()..];
    let head = parts.with(bytes);
    match response_framing(Method::Get, head.status(), head.version(), head.fields()) {
        Ok(framing) => our_body(
            framing,
            rest,
            head.status().to_string(),
            our_lines(head.fields()),
        ),
        Err(_) => Verdict::Refused,
    }
}

/// What hyper made of it; `None` when it did not get to a complete message.
fn message(start: String, fields: Lines, collected: Option<Collected<Bytes>>) -> Option<Message> {
    let collected = collected?;
    let trailers = collected.trailers().map(hyper_lines).unwrap_or_default();
    Some(Message {
        start,
        fields,
        body: collected.to_bytes().to_vec(),
        trailers,
    })
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// The first request that a hyper server reads from these bytes.
fn hyper_request(bytes: &[u8]) -> Option<Message> {
    let first = Rc::new(RefCell::new(None));
    run(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let service = hyper::service::service_fn(|request: Request<hyper::body::Incoming>| {
            let first = first.clone();
            async move {
                let (head, body) = request.into_parts();
                let start = format!("{} {}", head.method, head.uri);
                let collected = body.collect().await.ok();
                first
                    .borrow_mut()
                    .get_or_insert_with(|| message(start, hyper_lines(&head.headers), collected));
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        // How the connection ends does not matter: the first message was seen or was not.
        let _ = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(server), service)
            .await;
    });
    first.take().flatten()
}

/// The response that a hyper client reads from these bytes.
fn hyper_response(bytes: &[u8]) -> Option<Message> {
    run(async {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client))
            .await
            .unwrap();
        let answer = async {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                server.read_exact(&mut byte).await.unwrap();
                head.push(byte[0]);
            }
            server.write_all(bytes).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let ask = async {
            let request = Request::get("/")
                .header("host", "a")
                .body(Empty::<Bytes>::new())
                .unwrap();
            let (head, body) = sender.send_request(request).await.ok()?.into_parts();
            let collected = body.collect().await.ok();
            message(
                head.status.as_u16().to_string(),
                hyper_lines(&head.headers),
                collected,
            )
        };
        let (_, (), found) = tokio::join!(connection, answer, ask);
        found
    })
}

#[track_caller]
fn check(bytes: &[u8], ours: Verdict, hyper: Option<Message>) {
    match ours {
        Verdict::Complete(message) => assert_eq!(hyper, Some(message), "{}", bytes.escape_ascii()),
        Verdict::Incomplete => assert_eq!(hyper, None, "{}", bytes.escape_ascii()),
        Verdict::Refused => {}
    }
}

/// What hyper refuses and this codec takes, and why.
#[test]
fn more_lenient_than_hyper_in_these_ways_only() {
    for (why, bytes) in [
        (
            "HTTP/1.2 to 1.9 count as 1.1 (RFC 9110 section 2.5)",
            &b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"[..],
        ),
        (
            "browsers send some bytes raw in a path; hyper's Uri refuses this one",
            b"GET /` HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        (
            "the target's form is judged by parse_target, after the head",
            b"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
    ] {
        assert!(matches!(our_request(bytes), Verdict::Complete(_)), "{why}");
        assert_eq!(hyper_request(bytes), None, "{why}");
    }
}

/// What this codec refuses and hyper takes: repairs that another recipient may not make.
#[test]
fn stricter_than_hyper_where_recipients_differ() {
    for bytes in [
        &b"POST / HTTP/1.1\nHost: a\r\n\r\n"[..],
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;=\r\nx\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n\r\n",
    ] {
        assert_eq!(
            our_request(bytes),
            Verdict::Refused,
            "{}",
            bytes.escape_ascii()
        );
        assert!(hyper_request(bytes).is_some(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn an_ordinary_message_is_the_same_for_both() {
    let bytes = b"POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\nT: u\r\n\r\nrest";
    assert!(matches!(our_request(bytes), Verdict::Complete(_)));
    check(bytes, our_request(bytes), hyper_request(bytes));
    let bytes = b"HTTP/1.1 200 OK\r\nServer: a\r\n\r\nuntil the end";
    assert!(matches!(our_response(bytes), Verdict::Complete(_)));
    check(bytes, our_response(bytes), hyper_response(bytes));
}

const REQUEST_LINES: &[&str] = &[
    "GET /a HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "PUT http://a/b HTTP/1.0\r\n",
    "\r\nHEAD / HTTP/1.1\r\n",
];
const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 404\r\n",
    "HTTP/1.1 204 x\r\n",
    "HTTP/1.1 304 \r\n",
];
const LINES: &[&str] = &[
    "Host: a\r\n",
    "A:b\r\n",
    "Content-Length: 5\r\n",
    "Content-Length:0\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length:\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Connection: close\r\n",
    "A: \r\n",
    "A: b\n",
    "B: c\x0b\r\n",
    " folded\r\n",
];
const CODED: &[&str] = &[
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:\tCHUNKED \r\n",
];
const BODIES: &[&str] = &[
    "",
    "hello",
    "hello, world",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\nA: b\r\nc:\r\n\r\n",
    "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n5",
    "5;a=b\r\nhello\r\n0;c\r\n\r\n",
    "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5\nhello\n0\n\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    "A\r\n0123456789\r\n000\r\n\r\n",
    "5\r\nhello\r\n0\r\nA : b\r\n\r\n",
    "5\r\nhello\r\n0\r\nA: b\n\r\n",
    "5\r\nhello0\r\n\r\n",
    "5\r\nhel",
    "10000000000000000\r\nx\r\n0\r\n\r\n",
    "5;\r\nhello\r\n0\r\n\r\n",
    "5\r\nhello\r\n0\r\n",
];

/// A message put together from pieces that matter, right and wrong, with a byte changed in the body now and then.
fn messages(first: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let select = proptest::sample::select;
    let coded = proptest::option::of(select(CODED));
    let noise = proptest::option::weighted(0.3, (any::<proptest::sample::Index>(), any::<u8>()));
    let lines = proptest::collection::vec(select(LINES), 0..3);
    (select(first), lines, coded, select(BODIES), noise).prop_map(
        |(first, lines, coded, body, noise)| {
            let mut body = body.as_bytes().to_vec();
            if let (Some((at, byte)), false) = (noise, body.is_empty()) {
                let at = at.index(body.len());
                body[at] = byte;
            }
            [
                first.as_bytes(),
                lines.concat().as_bytes(),
                coded.unwrap_or_default().as_bytes(),
                b"\r\n",
                &body,
            ]
            .concat()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_is_the_same_for_hyper(bytes in messages(REQUEST_LINES)) {
        check(&bytes, our_request(&bytes), hyper_request(&bytes));
    }

    #[test]
    fn a_response_is_the_same_for_hyper(bytes in messages(STATUS_LINES)) {
        check(&bytes, our_response(&bytes), hyper_response(&bytes));
    }
}
