//! Messages on their way, without sockets: what is read, and what can still be passed.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::exchange::Allowed;
use bytes::BytesMut;

const KEEP: usize = 64 * 1024;
const ANSWER: usize = 2 * BETWEEN;

fn job(method: Method, services: &[usize]) -> Job {
    let start = match method {
        Method::Reqmod => Start::Request(b"POST".to_vec(), b"http://a.test/".to_vec()),
        Method::Respmod => Start::Response(200),
    };
    let message = Message {
        method,
        url: Bytes::from_static(b"http://a.test/"),
        client: [192, 0, 2, 1].into(),
        request: None,
        head: Head::new(start, [(&b"Content-Encoding"[..], &b"gzip"[..])]),
        body: true,
        length: None,
        alone: true,
    };
    Job::new(message, services, KEEP, ANSWER)
}

fn begin(job: &mut Job, at: usize) {
    let exchange = &mut job.stages[at].exchange;
    exchange.begin(Allowed {
        preview: Some(1024),
        ..Allowed::default()
    });
    exchange.send(&mut BytesMut::new());
}

fn says(job: &mut Job, at: usize, text: &str) {
    let exchange = &mut job.stages[at].exchange;
    let received = exchange.receive(&mut text.as_bytes().into(), |_| {});
    received.unwrap();
}

fn adapted(parts: &str, head: &str) -> String {
    let length = head.len();
    format!("ICAP/1.0 200 OK\r\nEncapsulated: {parts}={length}\r\n\r\n{head}")
}

#[test]
fn no_more_is_read_than_may_be_answered_although_nobody_asks() {
    for head in [
        "HTTP/1.1 403 No\r\n\r\n",
        "POST http://a.test/ HTTP/1.1\r\n\r\n",
    ] {
        let mut job = job(Method::Reqmod, &[0]);
        begin(&mut job, 0);
        // A slow client: a piece is here, the next is not. Until then nobody asks.
        job.push(Bytes::from_static(b"abc"), false);
        let parts = match head.starts_with("HTTP/") {
            true => "res-hdr=0, res-body",
            false => "req-hdr=0, req-body",
        };
        says(&mut job, 0, &adapted(parts, head));
        let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
        let mut read = 0;
        while job.reads(0) && read <= 2 * ANSWER {
            says(&mut job, 0, &chunk);
            read += 0x4000;
        }
        assert!(read <= ANSWER + 0x4000, "{head}: {read}");
        // What is longer than allowed is noticed, what is allowed is read.
        assert!(read > ANSWER, "{head}: {read}");
    }
}

#[test]
fn behind_a_head_that_went_on_the_original_is_not_passed() {
    let mut job = job(Method::Respmod, &[0, 1]);
    begin(&mut job, 0);
    job.push(Bytes::from_static(b"zipped"), true);
    job.stages[0].exchange.send(&mut BytesMut::new());
    job.advance();
    assert!(job.may_pass(0), "nothing came yet");
    // It unpacks, and breaks off before the first byte.
    says(
        &mut job,
        0,
        &adapted(
            "res-hdr=0, res-body",
            "HTTP/1.1 200 OK\r\nX-Unpacked: yes\r\n\r\n",
        ),
    );
    assert!(job.may_pass(0), "nobody was told yet");
    job.advance();
    assert!(job.stages[1].head.is_some());
    assert!(!job.may_pass(0), "the next has a head of another body");
}
