//! One exchange: every framing, every split, every truncation, and what becomes of the connection.
#![allow(clippy::unwrap_used)]

mod common;
use common::*;
use std::future::{Future, poll_fn};
use std::task::Poll;
use understudy_http::Method;
use understudy_http::wire::body::Decoded;
use understudy_upstream::UpstreamError;
use understudy_upstream::http1::MAX_INTERIM;

#[track_caller]
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(guard(work))
}

struct Case {
    method: Method,
    sent: &'static [u8],
    close: bool,
    status: u16,
    length: Option<u64>,
    body: &'static [u8],
    trailers: &'static [u8],
    interim: &'static [u16],
    kept: bool,
}

const PLAIN: Case = Case {
    method: Method::Get,
    sent: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    close: false,
    status: 200,
    length: Some(5),
    body: b"hello",
    trailers: b"",
    interim: &[],
    kept: true,
};
const CHUNKED: Case = Case {
    sent: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n",
    length: None,
    trailers: b"X-T: 1\r\n",
    ..PLAIN
};
const UNTIL_CLOSE: Case = Case {
    sent: b"HTTP/1.1 200 OK\r\n\r\nhello",
    close: true,
    length: None,
    kept: false,
    ..PLAIN
};
const INTERIM: Case = Case {
    sent: b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    interim: &[100, 103],
    ..PLAIN
};
const NO_BODY: Case = Case {
    status: 204,
    sent: b"HTTP/1.1 204 No Content\r\n\r\n",
    length: None,
    body: b"",
    ..PLAIN
};

#[track_caller]
fn check(case: &Case, parts: &[&[u8]]) {
    let (seen, idle) = run(exchange(case.method, parts, case.close));
    let expected = Seen {
        interim: case.interim.to_vec(),
        status: case.status,
        length: case.length,
        body: case.body.to_vec(),
        trailers: case.trailers.to_vec(),
    };
    assert_eq!(seen.unwrap(), expected);
    assert_eq!(idle, usize::from(case.kept), "connections kept");
}

#[track_caller]
fn whole(case: Case) {
    check(&case, &[case.sent]);
}

#[track_caller]
fn refused(sent: &[u8], close: bool) -> UpstreamError {
    let (seen, idle) = run(exchange(Method::Get, &[sent], close));
    assert_eq!(idle, 0, "a connection that failed is not kept");
    seen.unwrap_err()
}

#[test]
fn a_body_by_length_is_read_and_the_connection_kept() {
    whole(PLAIN);
    whole(Case {
        sent: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        length: Some(0),
        body: b"",
        ..PLAIN
    });
}

#[test]
fn a_chunked_body_is_read_with_its_trailers() {
    whole(CHUNKED);
}

#[test]
fn a_body_until_close_is_read_and_the_connection_not_kept() {
    whole(UNTIL_CLOSE);
}

#[test]
fn interim_responses_come_one_by_one() {
    whole(INTERIM);
}

#[test]
fn responses_without_a_body_end_at_their_head() {
    whole(NO_BODY);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    whole(Case {
        method: Method::Head,
        sent: head,
        ..NO_BODY_200
    });
    let head = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
    whole(Case {
        status: 304,
        sent: head,
        ..NO_BODY_200
    });
}
const NO_BODY_200: Case = Case {
    status: 200,
    ..NO_BODY
};

#[test]
fn who_says_close_is_not_kept() {
    let sent = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    whole(Case {
        sent,
        kept: false,
        ..PLAIN
    });
    let sent = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    whole(Case {
        sent,
        kept: false,
        ..PLAIN
    });
    let sent = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello";
    whole(Case {
        sent,
        kept: true,
        ..PLAIN
    });
}

#[test]
fn bytes_behind_a_response_spoil_the_connection() {
    let sent = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n";
    whole(Case {
        sent,
        kept: false,
        ..PLAIN
    });
    whole(Case {
        sent: b"HTTP/1.1 204 No Content\r\n\r\nx",
        kept: false,
        ..NO_BODY
    });
}

#[test]
fn any_split_gives_the_same() {
    for case in [PLAIN, CHUNKED, UNTIL_CLOSE, INTERIM, NO_BODY] {
        for at in 1..case.sent.len() {
            let (first, second) = case.sent.split_at(at);
            check(&case, &[first, second]);
        }
        let bytes: Vec<&[u8]> = case.sent.chunks(1).collect();
        check(&case, &bytes);
    }
}

#[test]
fn every_truncation_is_an_error() {
    for case in [PLAIN, CHUNKED, INTERIM] {
        for at in 0..case.sent.len() {
            let error = refused(&case.sent[..at], true);
            let before = matches!(error, UpstreamError::Closed);
            assert_eq!(before, at == 0, "at {at}: {error:?}");
            assert_eq!(error.before_response(), at == 0, "at {at}: {error:?}");
            let in_body = case.sent[..at].windows(9).any(|w| w == b"1.1 200 O")
                && case.sent[..at]
                    .windows(4)
                    .rposition(|w| w == b"\r\n\r\n")
                    .is_some_and(|p| {
                        p > case
                            .sent
                            .windows(9)
                            .position(|w| w == b"1.1 200 O")
                            .unwrap()
                    });
            match error {
                UpstreamError::Closed => {}
                UpstreamError::Truncated => assert!(!in_body, "at {at}"),
                UpstreamError::Body(_) => assert!(in_body, "at {at}"),
                other => panic!("at {at}: {other:?}"),
            }
            assert_eq!(error.status(), 502);
        }
    }
}

#[test]
fn what_is_not_http1_is_refused() {
    for sent in [
        &b"<html>hello</html>"[..],
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02",
    ] {
        let error = refused(sent, false);
        assert!(matches!(error, UpstreamError::Head(_)), "{error:?}");
        assert_eq!((error.status(), error.before_response()), (502, false));
    }
}

#[test]
fn ambiguous_framing_is_refused() {
    for fields in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: +1",
        "Transfer-Encoding: gzip",
    ] {
        let error = refused(
            format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nxx").as_bytes(),
            false,
        );
        assert!(
            matches!(error, UpstreamError::Framing(_)),
            "{fields}: {error:?}"
        );
    }
}

#[test]
fn heads_over_the_limits_are_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(2000));
    assert_eq!(
        refused(long.as_bytes(), false).word(),
        "http_response_header_section_size"
    );
    // Without a line's end it would never be looked at again, were it not for its size.
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(2000));
    let parts: Vec<&[u8]> = endless.as_bytes().chunks(500).collect();
    let (seen, _) = run(exchange(Method::Get, &parts, false));
    assert_eq!(
        seen.unwrap_err().word(),
        "http_response_header_section_size"
    );
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(11));
    assert_eq!(
        refused(many.as_bytes(), false).word(),
        "http_response_header_section_size"
    );
}

#[test]
fn endless_interim_responses_are_refused() {
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let most = hints.repeat(MAX_INTERIM.into()) + "HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(
        run(exchange(Method::Get, &[most.as_bytes()], false))
            .0
            .unwrap()
            .interim
            .len(),
        32
    );
    let more = hints.repeat(usize::from(MAX_INTERIM) + 1);
    assert!(matches!(
        refused(more.as_bytes(), false),
        UpstreamError::TooManyInterim
    ));
}

#[test]
fn a_bad_chunk_is_an_error_and_stays_one() {
    let error = refused(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        false,
    );
    assert_eq!(error.word(), "http_response_transfer_coding");
}

#[test]
fn a_large_body_arrives_whole_in_pieces_of_at_most_a_block() {
    run(async {
        let body: Vec<u8> = (0..1_000_003u32).map(|i| (i * 7 / 3) as u8).collect();
        let origin = Origin::new().await;
        let upstreams = upstreams(config());
        let serve = async {
            let mut peer = origin.accept().await;
            peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000003\r\n\r\n")
                .await;
            peer.send(&body).await;
            peer
        };
        let ask = async {
            let mut stream = upstreams
                .connect(&origin.destination(), false)
                .await
                .unwrap();
            send_request(&mut stream).await.unwrap();
            stream.read_head(Method::Get).await.unwrap();
            // Pieces are held on to, so that no block may be used twice.
            let mut pieces = Vec::new();
            while let Decoded::Data(bytes) = piece(&mut stream).await.unwrap() {
                assert!(bytes.len() <= 64 * 1024);
                pieces.push(bytes);
            }
            stream.release(true);
            pieces.concat()
        };
        let (_peer, got) = tokio::join!(serve, ask);
        assert!(got == body);
        assert_eq!(upstreams.idle(), 1);
    });
}

#[test]
fn a_block_whose_pieces_are_gone_is_used_again() {
    for head in ["Content-Length: 500000", "Connection: close"] {
        run(async {
            let origin = Origin::new().await;
            let upstreams = upstreams(config());
            let serve = async {
                let mut peer = origin.accept().await;
                peer.answer(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes())
                    .await;
                peer.send(&[b'x'; 500_000]).await;
            };
            let ask = async {
                let mut stream = upstreams
                    .connect(&origin.destination(), false)
                    .await
                    .unwrap();
                send_request(&mut stream).await.unwrap();
                drop(stream.read_head(Method::Get).await.unwrap());
                let (mut places, mut sum) = (Vec::new(), 0);
                while let Decoded::Data(bytes) = piece(&mut stream).await.unwrap() {
                    places.push(bytes.as_ptr() as usize);
                    sum += bytes.len();
                }
                assert_eq!(sum, 500_000);
                // The first one may have come behind the head.
                places.remove(0);
                places.dedup();
                assert_eq!(places.len(), 1, "every read goes to the front of one block");
            };
            tokio::join!(serve, ask);
        });
    }
}

#[test]
fn head_and_first_bytes_come_in_one_read() {
    run(async {
        let origin = Origin::new().await;
        let upstreams = upstreams(config());
        let ask = async {
            let mut stream = upstreams
                .connect(&origin.destination(), false)
                .await
                .unwrap();
            send_request(&mut stream).await.unwrap();
            stream
        };
        let (mut stream, mut peer) = tokio::join!(ask, origin.accept());
        assert_eq!(stream.buffered_piece().unwrap(), None);
        peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            .await;
        stream.read_head(Method::Get).await.unwrap();
        assert_eq!(
            stream.buffered_piece().unwrap(),
            Some(Decoded::Data("hello".into()))
        );
        assert_eq!(
            stream.buffered_piece().unwrap(),
            Some(Decoded::End("".into()))
        );
        // The end is told again, and never waits.
        assert_eq!(piece(&mut stream).await.unwrap(), Decoded::End("".into()));
    });
}

#[test]
fn a_tunnel_keeps_the_early_bytes() {
    for (method, head) in [
        (
            Method::Get,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        ),
        (
            Method::Connect,
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        ),
    ] {
        run(async {
            let origin = Origin::new().await;
            let upstreams = upstreams(config());
            let serve = async {
                let mut peer = origin.accept().await;
                peer.answer(format!("{head}early").as_bytes()).await;
                peer
            };
            let ask = async {
                let mut stream = upstreams
                    .connect(&origin.destination(), false)
                    .await
                    .unwrap();
                send_request(&mut stream).await.unwrap();
                stream.read_head(method).await.unwrap();
                assert_eq!(
                    stream.buffered_piece().unwrap(),
                    None,
                    "a tunnel has no body"
                );
                stream.into_tunnel()
            };
            let (mut peer, (tunnel, early)) = tokio::join!(serve, ask);
            assert_eq!(early, &b"early"[..]);
            peer.send(b"late").await;
            let mut tunnel = Peer {
                from: peer.from,
                stream: tunnel,
            };
            let mut got = [0; 4];
            tokio::io::AsyncReadExt::read_exact(&mut tunnel.stream, &mut got)
                .await
                .unwrap();
            assert_eq!(&got, b"late");
        });
    }
}

#[test]
fn a_released_tunnel_is_closed() {
    let sent = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    run(async {
        let origin = Origin::new().await;
        let upstreams = upstreams(config());
        let ask = async {
            let mut stream = upstreams
                .connect(&origin.destination(), false)
                .await
                .unwrap();
            send_request(&mut stream).await.unwrap();
            stream.read_head(Method::Get).await.unwrap();
            stream.release(true);
        };
        let serve = async {
            let mut peer = origin.accept().await;
            peer.answer(sent).await;
            peer
        };
        let ((), mut peer) = tokio::join!(ask, serve);
        assert_eq!(upstreams.idle(), 0);
        assert!(peer.closed().await);
    });
}

#[test]
fn a_head_may_be_polled_while_the_request_goes_out() {
    run(async {
        let origin = Origin::new().await;
        let upstreams = upstreams(config());
        let to = origin.destination();
        let connect = upstreams.connect(&to, false);
        let (stream, mut peer) = tokio::join!(connect, origin.accept());
        let mut stream = stream.unwrap();
        let pending =
            poll_fn(|cx| Poll::Ready(stream.poll_head(cx, Method::Post).is_pending())).await;
        assert!(pending);
        send_request(&mut stream).await.unwrap();
        peer.answer(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
            .await;
        let head = poll_fn(|cx| stream.poll_head(cx, Method::Post))
            .await
            .unwrap();
        assert_eq!(head.status(), 413);
        // The rest of the request was never sent: the connection cannot be used again.
        stream.release(false);
        assert_eq!(upstreams.idle(), 0);
        assert!(peer.closed().await);
    });
}

#[test]
fn a_reset_before_and_within_a_response_are_told_apart() {
    for (sent, before) in [(&b""[..], true), (b"HTTP/1.1 200 OK\r\nContent-Le", false)] {
        run(async {
            let origin = Origin::new().await;
            let upstreams = upstreams(config());
            let to = origin.destination();
            let connect = upstreams.connect(&to, false);
            let (stream, mut peer) = tokio::join!(connect, origin.accept());
            let mut stream = stream.unwrap();
            send_request(&mut stream).await.unwrap();
            peer.send(sent).await;
            settle().await;
            let first =
                poll_fn(|cx| Poll::Ready(stream.poll_head(cx, Method::Get).is_pending())).await;
            assert!(first);
            // Closing with the request unread resets the connection.
            drop(peer);
            let error = stream.read_head(Method::Get).await.unwrap_err();
            assert_eq!(error.before_response(), before, "{error:?}");
            assert_eq!(matches!(error, UpstreamError::Read(_)), before, "{error:?}");
            assert_eq!(
                matches!(error, UpstreamError::Broken(_)),
                !before,
                "{error:?}"
            );
        });
    }
}
