//! The harness against itself: a client and an origin without a proxy between them.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Framing, Gate, Origin, get, reply};

#[test]
fn a_client_reads_what_an_origin_answers() {
    let origin = Origin::answering(|r| reply(200, &["X-N: 1"], format!("{} {}", r.n, r.target)));
    get(origin.addr, "/a", "h", "")
        .expect(200)
        .expect_body("1 /a");
    let mut client = Client::to(origin.addr);
    client
        .ask("POST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
        .expect_body("2 /b");
    client
        .ask("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n")
        .expect_body("3 /c");
    let last = origin.last();
    assert_eq!(
        (last.body.as_slice(), last.trailers.len(), last.connection),
        (&b"hi"[..], 1, 2)
    );
}

#[test]
fn interim_responses_are_skipped_and_chunks_read() {
    let origin = Origin::scripted(|conn| {
        conn.request().unwrap();
        conn.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\n\r\n");
    });
    let response = get(origin.addr, "/", "h", "").expect_body("abc");
    assert_eq!(
        (response.framing, response.trailers.len()),
        (Framing::Chunked, 1)
    );
}

#[test]
fn a_failed_script_fails_its_test() {
    let reached = Gate::new();
    let origin = Origin::scripted({
        let reached = reached.clone();
        move |_| {
            reached.open();
            panic!("as it should")
        }
    });
    let mut client = Client::to(origin.addr);
    reached.wait();
    client.expect_closed();
    // The connection closes while the script's thread unwinds; its failure is noted just after.
    let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
    while !origin.failed() {
        assert!(std::time::Instant::now() < end, "the failure was lost");
        std::thread::yield_now();
    }
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || drop(origin)));
    assert!(dropped.is_err());
}
