//! New connections: the policy, names, several addresses, and groups of servers.
#![allow(clippy::unwrap_used)]

mod common;
use common::*;
use futures_util::future::{FutureExt, LocalBoxFuture};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use understudy_http::Method;
use understudy_upstream::hosts::HostsFile;
use understudy_upstream::policy::AllowAll;
use understudy_upstream::resolve::{Answer, FAILURE_TTL, Lookup, LookupError};
use understudy_upstream::{BACKOFF_FIRST, Config, Destination, Shared, UpstreamError, Upstreams};

fn refuse(addresses: &[&str]) -> Arc<Refuse> {
    Arc::new(Refuse(
        addresses.iter().map(|a| a.parse().unwrap()).collect(),
    ))
}

/// Connects to a destination under a policy that refuses both loopback addresses.
async fn refused(to: Destination, hosts: &str) -> UpstreamError {
    let up = guarded(
        config(),
        refuse(&["127.0.0.1", "::1"]),
        HostsFile::parse(hosts),
    );
    let error = guard(up.connect(&to, false)).await.unwrap_err();
    assert_eq!(
        guard(up.connect_tunnel(&to)).await.unwrap_err().word(),
        error.word()
    );
    error
}

#[tokio::test]
async fn a_refused_address_is_never_dialled_however_it_is_written() {
    let origin = Origin::new().await;
    let port = origin.address().port();
    for text in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "[::]",
        "localhost",
        "a.localhost.",
        "inside.example",
    ] {
        let error = refused(host(text, port), "127.0.0.1 inside.example").await;
        assert!(
            matches!(error, UpstreamError::Refused(_)),
            "{text}: {error:?}"
        );
        assert_eq!(
            (error.status(), error.word()),
            (403, "destination_ip_prohibited")
        );
    }
    for text in ["127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let to = format!("{text}:{port}").parse().unwrap();
        let error = refused(Destination::Address { to, from: None }, "").await;
        assert!(
            matches!(error, UpstreamError::Refused(_)),
            "{text}: {error:?}"
        );
    }
    assert!(!origin.called().await);
}

#[tokio::test]
async fn numbers_in_disguise_are_dialled_by_nobody() {
    for text in ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1."] {
        let error = refused(host(text, 80), "").await;
        assert!(
            matches!(error, UpstreamError::Resolve(_)),
            "{text}: {error:?}"
        );
        assert_eq!(error.status(), 502);
    }
}

#[tokio::test]
async fn of_several_addresses_the_allowed_one_is_dialled() {
    let origin = Origin::new().await;
    let hosts = HostsFile::parse("127.0.0.9 two.example\n127.0.0.1 two.example");
    let up = guarded(config(), refuse(&["127.0.0.9"]), hosts);
    let stream = guard(up.connect(&host("Two.Example.", origin.address().port()), false))
        .await
        .unwrap();
    assert_eq!(stream.peer(), origin.address());
}

#[tokio::test]
async fn a_mapped_address_is_dialled_as_what_it_stands_for() {
    let origin = Origin::new().await;
    let up = upstreams(config());
    let to = host("[::ffff:127.0.0.1]", origin.address().port());
    assert_eq!(
        guard(up.connect(&to, false)).await.unwrap().peer(),
        origin.address()
    );
}

#[tokio::test]
async fn localhost_is_tried_in_both_families() {
    let up = upstreams(config());
    let four = Origin::new().await;
    guard(up.connect(&host("localhost", four.address().port()), false))
        .await
        .unwrap();
    // A port that is alive on IPv6 and dead on IPv4. A machine without IPv6 has nothing to show here.
    let dead = Dead::new();
    let address = format!("[::1]:{}", dead.address.port());
    if let Ok(_six) = tokio::net::TcpListener::bind(address).await {
        let stream = guard(up.connect(&host("localhost", dead.address.port()), false))
            .await
            .unwrap();
        assert!(stream.peer().is_ipv6());
    }
}

#[tokio::test]
async fn an_address_that_fails_gives_way_to_the_next() {
    let origin = Origin::new().await;
    let hosts = HostsFile::parse("127.0.0.8 a\n127.0.0.9 a\n127.0.0.1 a");
    let up = guarded(config(), Arc::new(AllowAll), hosts);
    let stream = guard(up.connect(&host("a", origin.address().port()), false))
        .await
        .unwrap();
    assert_eq!(stream.peer(), origin.address());
}

#[tokio::test]
async fn when_all_fail_the_cause_is_told() {
    let dead = Dead::new();
    let port = dead.address.port();
    let hosts = HostsFile::parse("127.0.0.8 a\n127.0.0.9 a");
    let up = guarded(config(), Arc::new(AllowAll), hosts);
    for text in ["a", "127.0.0.1"] {
        let error = guard(up.connect(&host(text, port), false))
            .await
            .unwrap_err();
        assert_eq!(
            (error.status(), error.word()),
            (502, "connection_refused"),
            "{error:?}"
        );
        assert!(!error.before_response());
    }
}

/// A listener whose queue is full: connects to it hang.
struct Silent {
    _listener: socket2::Socket,
    _queued: Vec<socket2::Socket>,
    address: SocketAddr,
}

fn silent(address: &str) -> Silent {
    let new = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let listener = new();
    listener
        .bind(&address.parse::<SocketAddr>().unwrap().into())
        .unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let fill = |_| {
        let socket = new();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address.into());
        socket
    };
    let queued = (0..4).map(fill).collect();
    Silent {
        _listener: listener,
        _queued: queued,
        address,
    }
}

#[tokio::test]
async fn an_address_that_is_silent_is_overtaken() {
    let origin = Origin::new().await;
    let _silent = silent(&format!("127.0.0.9:{}", origin.address().port()));
    let hosts = HostsFile::parse("127.0.0.9 a\n127.0.0.1 a");
    let up = guarded(config(), Arc::new(AllowAll), hosts);
    let stream = guard(up.connect(&host("a", origin.address().port()), false))
        .await
        .unwrap();
    assert_eq!(stream.peer(), origin.address());
}

#[tokio::test]
async fn connecting_takes_its_time_and_no_more() {
    let silent = silent("127.0.0.1:0");
    let hosts = HostsFile::parse("127.0.0.1 a\n127.0.0.1 b\n127.0.0.2 b");
    let config = Config {
        connect_timeout: Duration::from_millis(50),
        ..config()
    };
    let up = guarded(config, refuse(&["127.0.0.2"]), hosts);
    for name in ["a", "b"] {
        let error = guard(up.connect(&host(name, silent.address.port()), false))
            .await
            .unwrap_err();
        assert!(matches!(error, UpstreamError::ConnectTimeout), "{error:?}");
        assert_eq!((error.status(), error.word()), (504, "connection_timeout"));
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_leaves_time_for_the_next() {
    let (silent, origin) = (silent("127.0.0.1:0"), Origin::new().await);
    let mut config = group(&[silent.address, origin.address()]);
    let whole = Duration::from_secs(6);
    config.connect_timeout = whole;
    let up = upstreams(config);
    guard(async {
        loop {
            // In time, or it were an error: the silent one has half of it.
            let stream = up.connect(&Destination::Group(0), true).await.unwrap();
            assert_eq!(stream.peer(), origin.address());
            // It is set aside: the next two, of which one had its turn, need not wait for it.
            let began = Instant::now();
            for _ in 0..2 {
                let next = up.connect(&Destination::Group(0), true).await.unwrap();
                assert_eq!(next.peer(), origin.address());
            }
            // On a machine that stalls its back-off may be over: then this has shown nothing yet.
            if began.elapsed() < whole / 2 {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_unknown_group_has_no_server() {
    let up = upstreams(group(&[]));
    for at in [0, 1] {
        let error = guard(up.connect(&Destination::Group(at), false))
            .await
            .unwrap_err();
        assert_eq!(
            (error.status(), error.word()),
            (503, "destination_unavailable")
        );
    }
}

#[tokio::test]
async fn a_group_is_not_under_the_policy() {
    let origin = Origin::new().await;
    let up = guarded(
        group(&[origin.address()]),
        refuse(&["127.0.0.1"]),
        HostsFile::default(),
    );
    guard(up.connect(&Destination::Group(0), false))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_fails_gives_way_and_is_set_aside() {
    loop {
        let (dead, origin) = (Dead::new(), Origin::new().await);
        let start = Instant::now();
        let up = upstreams(group(&[dead.address, origin.address()]));
        let mut used = vec![
            guard(up.connect(&Destination::Group(0), true))
                .await
                .unwrap()
                .peer(),
        ];
        // It is well again, but nobody asks it before its back-off is over.
        dead.revive();
        for _ in 0..4 {
            used.push(
                guard(up.connect(&Destination::Group(0), true))
                    .await
                    .unwrap()
                    .peer(),
            );
        }
        // On a machine that stalls the back-off may be over: then this has shown nothing yet.
        if start.elapsed() < BACKOFF_FIRST {
            assert_eq!(used, [origin.address(); 5]);
            break;
        }
    }
}

#[tokio::test]
async fn a_group_without_a_living_server_says_so() {
    let (one, two) = (Dead::new(), Dead::new());
    let up = upstreams(group(&[one.address, two.address]));
    let error = guard(up.connect(&Destination::Group(0), false))
        .await
        .unwrap_err();
    assert!(matches!(error, UpstreamError::NoServer), "{error:?}");
    let up = upstreams(group(&[one.address]));
    let error = guard(up.connect(&Destination::Group(0), false))
        .await
        .unwrap_err();
    assert_eq!(error.word(), "connection_refused");
}

#[tokio::test]
async fn a_server_that_is_set_aside_is_tried_when_there_is_no_other() {
    let dead = Dead::new();
    let up = upstreams(group(&[dead.address]));
    guard(up.connect(&Destination::Group(0), false))
        .await
        .unwrap_err();
    dead.revive();
    assert_eq!(
        guard(up.connect(&Destination::Group(0), false))
            .await
            .unwrap()
            .peer(),
        dead.address
    );
}

#[tokio::test]
async fn servers_take_turns_and_the_least_busy_goes_first() {
    let (a, b) = (Origin::new().await, Origin::new().await);
    let up = upstreams(group(&[a.address(), b.address()]));
    let mut used = Vec::new();
    for _ in 0..4 {
        // Dropped at once: nothing is outstanding, so it is by turns.
        used.push(
            guard(up.connect(&Destination::Group(0), false))
                .await
                .unwrap()
                .peer(),
        );
    }
    assert_eq!(used, [a.address(), b.address(), a.address(), b.address()]);
    let busy = guard(up.connect(&Destination::Group(0), false))
        .await
        .unwrap();
    for _ in 0..3 {
        let other = guard(up.connect(&Destination::Group(0), false))
            .await
            .unwrap();
        assert_ne!(other.peer(), busy.peer());
    }
}

#[tokio::test]
async fn kept_connections_of_a_group_take_turns_too() {
    let (a, b) = (Origin::new().await, Origin::new().await);
    let up = upstreams(group(&[a.address(), b.address()]));
    let mut peers = Vec::new();
    let peer_a = keep(&up, &Destination::Group(0), &a).await;
    let peer_b = keep(&up, &Destination::Group(0), &b).await;
    for mut peer in [peer_a, peer_b] {
        let mut stream = guard(up.connect(&Destination::Group(0), false))
            .await
            .unwrap();
        assert!(stream.reused());
        send_request(&mut stream).await.unwrap();
        guard(peer.answer(b"HTTP/1.1 204 No Content\r\n\r\n")).await;
        read_response(&mut stream, Method::Get).await.unwrap();
        stream.release(true);
        assert_eq!(up.idle(), 2);
        peers.push(peer);
    }
}

/// Answers from a table and counts the questions.
#[derive(Debug, Default)]
struct Table {
    answers: Mutex<HashMap<String, Answer>>,
    asked: AtomicUsize,
}

impl Lookup for Table {
    fn lookup(&self, name: &str) -> LocalBoxFuture<'static, Answer> {
        self.asked.fetch_add(1, Relaxed);
        let none = Err(LookupError::NotFound { ttl: None });
        let answer = self
            .answers
            .lock()
            .unwrap()
            .get(name)
            .cloned()
            .unwrap_or(none);
        async move {
            settle().await;
            answer
        }
        .boxed_local()
    }
}

fn table(name: &str, answer: Answer) -> Arc<Table> {
    let table = Table::default();
    table.answers.lock().unwrap().insert(name.into(), answer);
    Arc::new(table)
}

fn loopback(ttl: u64) -> Answer {
    Ok((
        ["127.0.0.1".parse().unwrap()].into_iter().collect(),
        Duration::from_secs(ttl),
    ))
}

/// Two workers over one table.
fn workers(table: &Arc<Table>) -> [std::rc::Rc<Upstreams>; 2] {
    let config = config();
    let shared = Shared::with_lookup(&config, HostsFile::default(), Some(table.clone()));
    [(); 2].map(|()| Upstreams::new(config.clone(), Arc::new(AllowAll), shared.clone()))
}

#[tokio::test]
async fn a_name_is_asked_for_once_by_all_workers() {
    let origin = Origin::new().await;
    let table = table("a.example", loopback(60));
    for up in workers(&table) {
        for name in ["a.example", "A.EXAMPLE", "a.example"] {
            guard(up.connect(&host(name, origin.address().port()), true))
                .await
                .unwrap();
        }
    }
    assert_eq!(table.asked.load(Relaxed), 1);
}

#[tokio::test]
async fn askers_of_one_name_share_a_look_up() {
    let origin = Origin::new().await;
    let table = table("a.example", loopback(60));
    let [up, _] = workers(&table);
    let to = host("a.example", origin.address().port());
    let connects = (0..5).map(|_| up.connect(&to, true));
    let done = guard(futures_util::future::join_all(connects)).await;
    assert!(done.iter().all(Result::is_ok));
    assert_eq!(table.asked.load(Relaxed), 1);
}

#[tokio::test]
async fn an_asker_who_goes_away_does_not_break_the_others() {
    let origin = Origin::new().await;
    let table = table("a.example", loopback(60));
    let [up, _] = workers(&table);
    let to = host("a.example", origin.address().port());
    let mut gone = Box::pin(up.connect(&to, true));
    assert!(futures_util::poll!(gone.as_mut()).is_pending());
    let mut stays = Box::pin(up.connect(&to, true));
    assert!(futures_util::poll!(stays.as_mut()).is_pending());
    drop(gone);
    guard(stays).await.unwrap();
    assert_eq!(table.asked.load(Relaxed), 1);
}

#[tokio::test]
async fn absence_and_failure_are_remembered_and_told_apart() {
    for (answer, status, word) in [
        (
            Err(LookupError::NotFound {
                ttl: Some(Duration::from_secs(60)),
            }),
            502,
            "dns_error",
        ),
        (Err(LookupError::Timeout), 504, "dns_timeout"),
        (Err(LookupError::Failed("broken".into())), 502, "dns_error"),
        (
            Ok((Default::default(), Duration::from_secs(60))),
            502,
            "dns_error",
        ),
    ] {
        loop {
            let table = table("a.example", Answer::clone(&answer));
            let began = Instant::now();
            for up in workers(&table) {
                let error = guard(up.connect(&host("a.example", 80), false))
                    .await
                    .unwrap_err();
                assert_eq!((error.status(), error.word()), (status, word), "{error:?}");
            }
            // On a machine that stalls a failure may be forgotten: then this has shown nothing yet.
            if began.elapsed() < FAILURE_TTL {
                assert_eq!(table.asked.load(Relaxed), 1);
                break;
            }
        }
    }
}

/// Never answers.
#[derive(Debug)]
struct Hangs;

impl Lookup for Hangs {
    fn lookup(&self, _: &str) -> LocalBoxFuture<'static, Answer> {
        std::future::pending().boxed_local()
    }
}

/// A worker whose look-ups hang.
fn hanging(config: Config) -> std::rc::Rc<Upstreams> {
    let shared = Shared::with_lookup(&config, HostsFile::default(), Some(Arc::new(Hangs)));
    Upstreams::new(config, Arc::new(AllowAll), shared)
}

#[tokio::test]
async fn a_name_that_hangs_does_not_keep_a_group_from_its_next_server() {
    let origin = Origin::new().await;
    let mut config = group(&[origin.address()]);
    config.groups[0].servers.insert(0, ("a.example".into(), 80));
    // In time, or it were an error: the name that hangs has half of it.
    config.connect_timeout = Duration::from_secs(6);
    let up = hanging(config.clone());
    let stream = guard(up.connect(&Destination::Group(0), false))
        .await
        .unwrap();
    assert_eq!(stream.peer(), origin.address());
    config.connect_timeout = Duration::from_millis(50);
    let error = guard(hanging(config).connect(&host("a.example", 80), false))
        .await
        .unwrap_err();
    assert_eq!(error.word(), "dns_timeout");
}

#[tokio::test]
async fn without_a_resolver_the_reason_is_told() {
    let up = upstreams(config());
    let error = guard(up.connect(&host("a.example", 80), false))
        .await
        .unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "no resolver is configured");
}

#[tokio::test]
async fn the_systems_settings_do_not_hinder_a_start() {
    // Whatever this machine has, literals and localhost work.
    let origin = Origin::new().await;
    let config = config();
    let up = Upstreams::new(config.clone(), Arc::new(AllowAll), Shared::new(&config));
    guard(up.connect(&host("localhost", origin.address().port()), false))
        .await
        .unwrap();
}
