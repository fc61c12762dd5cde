//! Connections kept and used again: what is reused, what is thrown away, and the limits.
#![allow(clippy::unwrap_used)]

mod common;
use common::*;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::task::Poll;
use std::time::{Duration, Instant};
use understudy_http::Method;
use understudy_upstream::{Config, Destination, OriginStream, UpstreamError};

/// Polls a connect once: the fast path must be done by then.
async fn at_once(
    upstreams: &std::rc::Rc<understudy_upstream::Upstreams>,
    to: &Destination,
) -> Option<OriginStream> {
    let mut connect = Box::pin(upstreams.connect(to, false));
    poll_fn(|cx| match connect.as_mut().poll(cx) {
        Poll::Ready(stream) => Poll::Ready(Some(stream.unwrap())),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn a_kept_connection_is_used_again_at_once() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let mut peer = keep(&up, &to, &origin).await;
    for _ in 0..3 {
        let mut stream = at_once(&up, &to).await.unwrap();
        assert!(stream.reused());
        assert_eq!(stream.peer(), origin.address());
        assert_eq!(up.idle(), 0);
        send_request(&mut stream).await.unwrap();
        peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
            .await;
        assert_eq!(
            read_response(&mut stream, Method::Get).await.unwrap().body,
            b"x"
        );
        stream.release(true);
        assert_eq!(up.idle(), 1);
    }
    assert!(!origin.called().await, "no second connection was made");
}

#[tokio::test]
async fn fresh_means_not_pooled() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let _peer = keep(&up, &to, &origin).await;
    let stream = up.connect(&to, true).await.unwrap();
    assert!(!stream.reused());
    assert_eq!(up.idle(), 1);
}

#[tokio::test]
async fn a_tunnel_is_never_a_pooled_connection() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let peer = keep(&up, &to, &origin).await;
    let tunnel = up.connect_tunnel(&to).await.unwrap();
    assert_ne!(tunnel.local_addr().unwrap(), peer.from);
    assert_eq!(up.idle(), 1);
}

#[tokio::test]
async fn what_the_origin_closed_is_thrown_away() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    drop(keep(&up, &to, &origin).await);
    settle().await;
    assert!(at_once(&up, &to).await.is_none());
    assert_eq!(up.idle(), 0);
    assert!(!up.connect(&to, false).await.unwrap().reused());
}

#[tokio::test]
async fn what_spoke_without_being_asked_is_thrown_away() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let mut peer = keep(&up, &to, &origin).await;
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        .await;
    settle().await;
    assert!(at_once(&up, &to).await.is_none());
    assert!(peer.closed().await);
}

#[tokio::test]
async fn behind_a_dead_connection_a_live_one_is_found() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let (first, mut live) = simple(&up, &to, &origin).await;
    let (second, dead) = simple(&up, &to, &origin).await;
    first.release(true);
    second.release(true);
    drop(dead);
    settle().await;
    let mut stream = at_once(&up, &to).await.unwrap();
    send_request(&mut stream).await.unwrap();
    live.request().await;
    assert_eq!(up.idle(), 0);
}

#[tokio::test]
async fn a_death_not_seen_yet_is_an_error_that_may_be_retried() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let peer = keep(&up, &to, &origin).await;
    let mut stream = at_once(&up, &to).await.unwrap();
    drop(peer);
    // Whether the write or the read is what fails is the kernel's business.
    let error = match send_request(&mut stream).await {
        Err(error) => error,
        Ok(()) => stream.read_head(Method::Get).await.unwrap_err(),
    };
    assert!(stream.reused() && error.before_response(), "{error:?}");
}

#[tokio::test]
async fn an_origin_that_speaks_first_is_not_kept() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let (stream, mut peer) = tokio::join!(up.connect(&to, false), origin.accept());
    let mut stream = stream.unwrap();
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await;
    settle().await;
    send_request(&mut stream).await.unwrap();
    assert_eq!(
        read_response(&mut stream, Method::Get)
            .await
            .unwrap()
            .status,
        200
    );
    stream.release(true);
    assert_eq!(up.idle(), 0);
}

#[tokio::test]
async fn an_unfinished_exchange_is_not_kept() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    // Before anything was asked.
    let (stream, _first) = tokio::join!(up.connect(&to, false), origin.accept());
    stream.unwrap().release(true);
    // After the head, before the body's end.
    let (mut stream, mut peer) = {
        let (stream, peer) = tokio::join!(up.connect(&to, false), origin.accept());
        (stream.unwrap(), peer)
    };
    send_request(&mut stream).await.unwrap();
    peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell")
        .await;
    stream.read_head(Method::Get).await.unwrap();
    piece(&mut stream).await.unwrap();
    stream.release(true);
    assert_eq!(up.idle(), 0);
    // Dropped, complete or not.
    let (stream, mut peer) = simple(&up, &to, &origin).await;
    drop(stream);
    assert_eq!(up.idle(), 0);
    assert!(peer.closed().await);
}

#[tokio::test]
async fn the_last_one_kept_is_the_first_one_used() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let (a, mut peer_a) = simple(&up, &to, &origin).await;
    let (b, mut peer_b) = simple(&up, &to, &origin).await;
    b.release(true);
    a.release(true);
    let mut first = at_once(&up, &to).await.unwrap();
    let mut second = at_once(&up, &to).await.unwrap();
    send_request(&mut first).await.unwrap();
    guard(peer_a.request()).await;
    send_request(&mut second).await.unwrap();
    guard(peer_b.request()).await;
}

#[tokio::test]
async fn limits_cost_the_oldest_connection() {
    let (one, two) = (Origin::new().await, Origin::new().await);
    let up = upstreams(Config {
        idle_per_destination: 2,
        idle_total: 3,
        ..config()
    });
    let mut streams = Vec::new();
    for origin in [&one, &one, &one, &two, &two] {
        streams.push(simple(&up, &origin.destination(), origin).await);
    }
    let mut peers = Vec::new();
    for (stream, peer) in streams {
        stream.release(true);
        peers.push(peer);
    }
    assert_eq!(up.idle(), 3);
    let mut closed = Vec::new();
    for peer in &mut peers {
        closed.push(peer.closed().await);
    }
    // The first goes for the limit of its destination, the second for that of all.
    assert_eq!(closed, [true, true, false, false, false]);
}

#[tokio::test]
async fn limits_of_nothing_keep_nothing() {
    for (idle_per_destination, idle_total) in [(0, 5), (5, 0)] {
        let origin = Origin::new().await;
        let up = upstreams(Config {
            idle_per_destination,
            idle_total,
            ..config()
        });
        let mut peer = keep(&up, &origin.destination(), &origin).await;
        assert_eq!(up.idle(), 0);
        assert!(peer.closed().await);
    }
}

#[tokio::test]
async fn the_sweep_closes_what_is_old_or_dead() {
    let origin = Origin::new().await;
    let (up, to) = (upstreams(config()), origin.destination());
    let (a, mut peer) = simple(&up, &to, &origin).await;
    let (b, dead) = simple(&up, &to, &origin).await;
    a.release(true);
    b.release(true);
    up.sweep(Instant::now());
    assert_eq!(up.idle(), 2);
    drop(dead);
    settle().await;
    up.sweep(Instant::now());
    assert_eq!(up.idle(), 1);
    up.sweep(Instant::now() + Duration::from_secs(61));
    assert_eq!(up.idle(), 0);
    assert!(peer.closed().await);
}

#[tokio::test]
async fn destinations_do_not_share_connections() {
    let origin = Origin::new().await;
    let up = upstreams(config());
    let port = origin.address().port();
    let _peer = keep(&up, &host("127.0.0.1", port), &origin).await;
    assert!(at_once(&up, &host("localhost", port)).await.is_none());
    assert!(
        at_once(
            &up,
            &Destination::Address {
                to: origin.address(),
                from: None
            }
        )
        .await
        .is_none()
    );
    assert!(at_once(&up, &host("127.0.0.1", port)).await.is_some());
}

#[tokio::test]
async fn the_clients_address_is_dialled_from_and_part_of_the_key() {
    let origin = Origin::new().await;
    let up = upstreams(config());
    let from = |text: &str| {
        let from: SocketAddr = text.parse().unwrap();
        Destination::Address {
            to: origin.address(),
            from: Some(from),
        }
    };
    let peer = keep(&up, &from("127.0.0.5:4000"), &origin).await;
    assert_eq!(peer.from.ip().to_string(), "127.0.0.5");
    assert!(at_once(&up, &from("127.0.0.6:4000")).await.is_none());
    assert!(
        at_once(&up, &from("127.0.0.5:5000")).await.is_some(),
        "another connection of the same client"
    );
}

#[tokio::test]
async fn tables_of_fields_are_taken_back() {
    let origin = Origin::new().await;
    let up = upstreams(config());
    let ask = async {
        let mut stream = up.connect(&origin.destination(), false).await.unwrap();
        send_request(&mut stream).await.unwrap();
        let table = stream.read_head(Method::Get).await.unwrap().into_table();
        let place = table.as_ptr();
        up.recycle(table);
        let table = stream.read_head(Method::Get).await.unwrap().into_table();
        assert_eq!(table.as_ptr(), place);
    };
    let serve = async {
        let mut peer = origin.accept().await;
        peer.answer(b"HTTP/1.1 103 X\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        peer
    };
    guard(async { tokio::join!(ask, serve) }).await;
}

#[tokio::test]
async fn reading_a_head_twice_is_an_error_not_a_panic() {
    let origin = Origin::new().await;
    let up = upstreams(config());
    let (mut stream, _peer) = simple(&up, &origin.destination(), &origin).await;
    assert!(matches!(
        stream.read_head(Method::Get).await,
        Err(UpstreamError::Broken(_))
    ));
    stream.release(true);
    assert_eq!(up.idle(), 0);
}
