//! What docs/adr/0001-the-wire.md rests on: how actix-http, awc and hyper behave where a proxy must behave otherwise.
//!
//! These are no tests of the proxy. One that fails means that a library has changed, for the better as likely as not: read the
//! decision again, with its table, before this file is touched.
#![allow(clippy::unwrap_used)]

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};
use understudy_testbed::{Client, Head, PATIENCE, wire::Wire};

/// Time for a head in the tests that let it pass; actix-http reads its clock twice a second and may be that much early.
const HEAD_TIME: Duration = Duration::from_secs(3);
/// Names enough that a table with a random order keeps this one less than once in 10^13 times.
const NAMES: [&str; 16] = [
    "X-Pip", "x-owl", "X-Nut", "x-mug", "X-Lid", "x-Key", "X-Jar", "x-ink", "X-Hat", "x-Gum",
    "X-Fan", "x-egg", "X-DOG", "x-cup", "X-Bow", "x-Ant",
];

/// An actix-http server (under actix-web, for its timers). It answers a moment later, as anything does that asks an origin,
/// with what it saw of the request.
fn actix_http(head_time: Duration) -> SocketAddr {
    async fn answer(request: HttpRequest, body: Bytes) -> HttpResponse {
        rt::time::sleep(Duration::from_millis(20)).await;
        let mut response = match request.path() {
            "/hints" => HttpResponse::build(actix_web::http::StatusCode::from_u16(103).unwrap()),
            _ => HttpResponse::Ok(),
        };
        for name in NAMES {
            response.append_header((name, "1"));
        }
        let names: Vec<&str> = request.headers().keys().map(|name| name.as_str()).collect();
        let body = String::from_utf8_lossy(&body).into_owned();
        response.body(format!("body={body} names={}", names.join(",")))
    }
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        rt::System::new().block_on(async move {
            let server = HttpServer::new(|| App::new().default_service(web::to(answer)))
                .workers(1)
                .disable_signals()
                .client_request_timeout(head_time)
                .keep_alive(PATIENCE)
                .bind("127.0.0.1:0")
                .unwrap();
            tell.send(server.addrs()[0]).unwrap();
            server.run().await.unwrap();
        });
    });
    told.recv().unwrap()
}

/// A hyper server, and how often it called its service.
fn hyper_server(head_time: Duration) -> (SocketAddr, Arc<AtomicUsize>) {
    async fn answer(
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
        let status = match request.uri().path() {
            "/hints" => StatusCode::EARLY_HINTS,
            _ => StatusCode::OK,
        };
        let names: Vec<String> = request.headers().keys().map(|n| n.to_string()).collect();
        let values: Vec<_> = request.headers().values().cloned().collect();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let text = format!("body={body:?} names={} values={values:?}", names.join(","));
        let mut response = hyper::Response::new(Full::from(text));
        *response.status_mut() = status;
        Ok(response)
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let counted = counted.clone();
                let service = service_fn(move |request| {
                    counted.fetch_add(1, SeqCst);
                    answer(request)
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(head_time)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
    });
    (address, calls)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// An origin for one exchange: answers the first request with these bytes, then ends its direction. Gives the request's head.
fn origin(answer: &'static str) -> (SocketAddr, thread::JoinHandle<Head>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = thread::spawn(move || {
        let mut wire = Wire::new(listener.accept().unwrap().0);
        let head = wire.head().unwrap();
        wire.send(answer.as_bytes());
        wire.finish();
        head
    });
    (address, served)
}

/// What awc makes of an origin's answer.
struct Made {
    status: u16,
    names: Vec<String>,
    body: Result<Bytes, String>,
    /// The request as the origin got it.
    request: Head,
}

fn awc(answer: &'static str, fields: &'static [&'static str]) -> Made {
    let (address, served) = origin(answer);
    let (status, names, body) = rt::System::new().block_on(async move {
        let client = awc::Client::builder()
            .disable_redirects()
            .timeout(PATIENCE)
            .finish();
        // The address of a parent proxy, were there a way to say so.
        let mut request = client.get("http://origin.test/x?y").address(address);
        for name in fields {
            request = request.append_header((*name, "1"));
        }
        let mut response = request.send().await.unwrap();
        let names = response.headers().keys().map(|n| n.to_string()).collect();
        let body = response.body().await.map_err(|e| e.to_string());
        (response.status().as_u16(), names, body)
    });
    Made {
        status,
        names,
        body,
        request: served.join().unwrap(),
    }
}

/// The names of NAMES within a head or a list, as they stand there.
fn ours<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let known = |name: &&str| NAMES.iter().any(|n| n.eq_ignore_ascii_case(name));
    names.into_iter().filter(known).collect()
}

fn lower() -> Vec<String> {
    NAMES.iter().map(|n| n.to_ascii_lowercase()).collect()
}

// actix-http, the server.

#[test]
fn actix_http_answers_a_get_without_its_body_when_a_head_is_pipelined_behind_it() {
    let mut client = Client::to(actix_http(PATIENCE));
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\r\nHost: x\r\n\r\n");
    let first = client.head();
    assert!(first.get("content-length").unwrap() != "0");
    // The body it has promised is missing: the next head begins where it should be.
    assert_eq!(client.head().start, "HTTP/1.1 200 OK");
}

#[test]
fn actix_http_answers_a_head_with_a_body_when_a_get_is_pipelined_behind_it() {
    let mut client = Client::to(actix_http(PATIENCE));
    client.send("HEAD /b HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    client.head();
    let after = client.head().start;
    assert!(after.starts_with("body="), "{after}");
}

#[test]
fn actix_http_answers_in_the_version_of_the_request_pipelined_behind() {
    let mut client = Client::to(actix_http(PATIENCE));
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.0\r\n\r\n");
    assert_eq!(client.head().start, "HTTP/1.0 200 OK");
}

#[test]
fn actix_http_drops_the_trailers_of_a_request() {
    let response = Client::to(actix_http(PATIENCE)).ask(
        "POST /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: v\r\n\r\n",
    );
    let text = String::from_utf8(response.body).unwrap();
    assert!(text.contains("body=abc"), "{text}");
    assert!(!text.to_ascii_lowercase().contains("x-sum"), "{text}");
}

#[test]
fn actix_http_takes_a_103_for_the_answer() {
    let mut client = Client::to(actix_http(PATIENCE));
    client.send("GET /hints HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    let hints = client.head();
    assert!(hints.start.starts_with("HTTP/1.1 103 "), "{}", hints.start);
    // It has a body, which no interim answer can have (RFC 9110 section 15.2), and no answer follows but the next request's.
    assert!(hints.get("content-length").is_some());
    assert!(client.head().start.starts_with("body= names=host"));
    client.finish();
    let rest = String::from_utf8_lossy(&client.rest()).into_owned();
    assert!(!rest.contains("HTTP/1.1"), "{rest}");
}

#[test]
fn actix_http_keeps_neither_order_nor_case_of_fields() {
    let lines: String = NAMES.iter().map(|name| format!("{name}: 1\r\n")).collect();
    let response =
        Client::to(actix_http(PATIENCE)).ask(format!("GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n"));
    let text = String::from_utf8(response.body).unwrap();
    let (_, seen) = text.trim_end().split_once("names=").unwrap();
    let written: Vec<&str> = response
        .head
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    for names in [ours(seen.split(',')), ours(written)] {
        assert_eq!(names.len(), NAMES.len());
        assert_ne!(names, lower(), "the order is kept");
        let mut sorted = names.clone();
        sorted.sort_by_key(|name| lower().iter().position(|n| n == name));
        assert_eq!(sorted, lower(), "the case is kept");
    }
}

#[test]
fn actix_http_times_only_the_first_head_of_a_connection() {
    let address = actix_http(HEAD_TIME);
    let mut first = Client::to(address);
    first.send("GET / HTTP/1.1\r\nHo");
    assert!(first.head().start.starts_with("HTTP/1.1 408 "));

    let mut second = Client::to(address);
    second.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    second.send("GET / HTTP/1.1\r\nHo");
    thread::sleep(HEAD_TIME * 2);
    assert_eq!(second.ask("st: x\r\n\r\n").status, 200);
}

#[test]
fn actix_http_takes_a_bare_line_feed_for_the_end_of_a_line() {
    let response = Client::to(actix_http(PATIENCE)).ask("GET / HTTP/1.1\nHost: x\n\n");
    assert_eq!(response.status, 200);
}

// awc, the client.

#[test]
fn awc_takes_an_interim_answer_for_the_final_one() {
    let made = awc(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        &[],
    );
    assert_eq!((made.status, made.body), (103, Ok(Bytes::new())));
}

#[test]
fn awc_reads_the_next_answer_as_the_body_of_a_304() {
    let made = awc(
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        &["If-None-Match"],
    );
    assert_eq!((made.status, made.body), (304, Ok(Bytes::from("HTTP/"))));
}

#[test]
fn awc_gives_no_body_when_its_end_is_that_of_the_connection() {
    for fields in ["", "Connection: close\r\n"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\nhello").leak();
        let made = awc(answer, &[]);
        assert_eq!(
            (made.status, made.body),
            (200, Ok(Bytes::new())),
            "{fields}"
        );
    }
}

#[test]
fn awc_drops_the_trailers_of_an_answer() {
    let made = awc(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: v\r\n\r\n",
        &[],
    );
    assert_eq!(made.body, Ok(Bytes::from("abc")));
    assert_eq!(made.names, ["transfer-encoding"]);
}

#[test]
fn awc_asks_a_parent_proxy_in_origin_form_and_in_an_order_of_its_own() {
    let made = awc("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", &NAMES);
    assert_eq!(made.request.start, "GET /x?y HTTP/1.1");
    let sent = made.request.fields.iter().map(|(name, _)| name.as_str());
    let sent = ours(sent);
    assert_eq!(sent.len(), NAMES.len());
    assert_ne!(sent, lower());
}

// hyper: sound, but not ours to steer.

#[test]
fn hyper_cannot_send_a_103() {
    let (address, calls) = hyper_server(PATIENCE);
    let mut client = Client::to(address);
    client.send("GET /hints HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(client.response().status, 500);
    client.expect_closed();
    assert_eq!(calls.load(SeqCst), 1);
}

#[test]
fn hyper_gathers_fields_by_name_in_lower_case() {
    let (address, _) = hyper_server(PATIENCE);
    let response = Client::to(address)
        .ask("GET / HTTP/1.1\r\nHost: x\r\nX-Bow: 1\r\nx-Ant: 2\r\nX-BOW: 3\r\n\r\n");
    let text = String::from_utf8(response.body).unwrap();
    let want = r#"names=host,x-bow,x-ant values=["x", "1", "3", "2"]"#;
    assert!(text.ends_with(want), "{text}");
}

#[test]
fn hyper_answers_a_malformed_head_itself() {
    let (address, calls) = hyper_server(PATIENCE);
    let mut client = Client::to(address);
    let response = client.ask("GET / HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n");
    assert_eq!((response.status, response.body), (400, Vec::new()));
    client.expect_closed();
    assert_eq!(calls.load(SeqCst), 0);
}

#[test]
fn hyper_closes_on_a_slow_head_without_an_answer() {
    let (address, calls) = hyper_server(HEAD_TIME);
    let mut client = Client::to(address);
    client.send("GET / HTTP/1.1\r\nHo").expect_closed();
    assert_eq!(calls.load(SeqCst), 0);
}

#[test]
fn hyper_has_one_time_for_an_idle_connection_and_for_a_head() {
    let (address, _) = hyper_server(HEAD_TIME);
    let mut client = Client::to(address);
    assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    // Not a byte of another head is sent.
    client.expect_closed();
}

#[test]
fn hyper_repairs_framing_that_is_to_be_refused() {
    let (address, _) = hyper_server(PATIENCE);
    let response = Client::to(address).ask(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let text = String::from_utf8(response.body).unwrap();
    assert_eq!(response.status, 200);
    assert!(
        text.contains(r#"body=b"abc" names=host,transfer-encoding "#),
        "{text}"
    );
    let response = Client::to(address).ask("GET / HTTP/1.1\nHost: x\n\n");
    assert_eq!(response.status, 200);
}
