//! Servers of a service: failing over, sharing the load, bounds on connections, being left alone, and going without them.

use crate::server::{ALL, Asked, Peer, Server};
use crate::{RUNTIMES, counted, proxy};
use rustix::process::Signal;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use understudy_testbed::{Client, Gate, Origin, PATIENCE, Proxy, get, reply};

fn origin() -> Origin {
    Origin::answering(|r| reply(200, &["Cache-Control: no-store"], r.target.clone()))
}

/// A service that puts its name behind each body.
fn named(name: &'static str) -> Server {
    Server::start(ALL, move |peer, asked| {
        let mut body = peer.all(asked);
        body.extend_from_slice(name.as_bytes());
        peer.adapt("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\r\n", &body);
        true
    })
}

#[test]
fn the_second_server_takes_over_where_the_first_is_not_there() {
    let (dead, alive) = (Origin::nobody(), named("+b"));
    let origin = origin();
    for runtime in RUNTIMES {
        let options = format!("respmod = [\"icap://{dead}/x {}\"]\n", alive.uri());
        let proxy = proxy(&origin, runtime, &options);
        for _ in 0..20 {
            get(proxy.addr(), "/x", "site.test", "")
                .expect(200)
                .expect_body("/x+b");
        }
        assert!(counted(&proxy, "breaks") >= 1, "the first is left alone");
    }
}

#[test]
fn a_message_that_one_server_drops_is_given_to_another() {
    for runtime in RUNTIMES {
        let drops = Server::start(ALL, |_, _| false);
        let overloaded = Server::start(ALL, |peer, asked| {
            peer.all(asked);
            peer.send("ICAP/1.0 503 Service Unavailable\r\nEncapsulated: null-body=0\r\n\r\n");
            true
        });
        for failing in [drops, overloaded] {
            let (alive, origin) = (named("+b"), origin());
            let options = format!("respmod = [\"{} {}\"]\n", failing.uri(), alive.uri());
            let proxy = proxy(&origin, runtime, &options);
            let ask = || {
                get(proxy.addr(), "/x", "site.test", "")
                    .expect(200)
                    .expect_body("/x+b")
            };
            // The other is asked, too, as long as this one has not said its options.
            let end = Instant::now() + PATIENCE;
            while counted(&proxy, "breaks") == 0 {
                ask();
                assert!(Instant::now() < end, "it is not left alone");
            }
            (0..7).for_each(|_| drop(ask()));
            // Three failures in a row, and perhaps one before on the connection that its options came on. Where all that took longer
            // than it is left alone for, it has said its options again and failed once more, in the same way.
            let seen = failing.seen().len();
            let most = 4 + 2 * (failing.options() - 1);
            assert!((3..=most).contains(&seen), "it is left alone: {seen}");
            assert_eq!(counted(&proxy, "retries"), seen as u64);
        }
    }
}

#[test]
fn load_goes_round_all_servers() {
    let (a, b) = (named("+a"), named("+b"));
    let origin = origin();
    for runtime in RUNTIMES {
        let before = (a.seen().len(), b.seen().len());
        let options = format!(
            "respmod = [\"{} {}\"]\nspread = \"round\"\n",
            a.uri(),
            b.uri()
        );
        let proxy = proxy(&origin, runtime, &options);
        // Until it is known what both have said as their options.
        let end = Instant::now() + PATIENCE;
        while a.seen().len() == before.0 || b.seen().len() == before.1 {
            get(proxy.addr(), "/x", "site.test", "").expect(200);
            assert!(Instant::now() < end, "one of them is not asked");
        }
        for _ in 0..20 {
            get(proxy.addr(), "/x", "site.test", "").expect(200);
        }
        assert!(a.seen().len() - before.0 >= 8 && b.seen().len() - before.1 >= 8);
    }
}

#[test]
fn no_more_connections_than_the_server_allows() {
    for runtime in RUNTIMES {
        let (gate, most, now) = (
            Gate::new(),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (their_gate, their_most) = (gate.clone(), most.clone());
        let script = move |peer: &mut Peer, asked: &Asked| {
            let count = now.fetch_add(1, Ordering::SeqCst) + 1;
            their_most.fetch_max(count, Ordering::SeqCst);
            peer.all(asked);
            their_gate.wait();
            now.fetch_sub(1, Ordering::SeqCst);
            peer.unchanged();
            true
        };
        let server = Server::start(&format!("{ALL}Max-Connections: 2\r\n"), script);
        let origin = origin();
        let proxy = proxy(
            &origin,
            runtime,
            &format!("respmod = [\"{}\"]\n", server.uri()),
        );
        let mut clients: Vec<Client> = (0..8).map(|_| Client::to(proxy.addr())).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(format!("GET /{at} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
        }
        origin.wait_requests(8);
        gate.open();
        for (at, client) in clients.iter_mut().enumerate() {
            client.response().expect(200).expect_body(format!("/{at}"));
        }
        assert!(most.load(Ordering::SeqCst) <= 2, "{runtime}");
        assert!(counted(&proxy, "connections") <= 2, "{runtime}");
    }
}

#[test]
fn a_hundred_messages_wait_for_a_service_at_once() {
    for runtime in RUNTIMES {
        let (gate, came) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let (their_gate, theirs) = (gate.clone(), came.clone());
        let server = Server::start(ALL, move |peer, asked| {
            peer.all(asked);
            // Nobody is answered before all have asked.
            if theirs.fetch_add(1, Ordering::SeqCst) + 1 == 100 {
                their_gate.open();
            }
            their_gate.wait();
            peer.unchanged();
            true
        });
        let origin = origin();
        let options = format!("respmod = [\"{}\"]\nconnections = 100\n", server.uri());
        let proxy = proxy(&origin, runtime, &options);
        let mut clients: Vec<Client> = (0..100).map(|_| Client::to(proxy.addr())).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(format!("GET /{at} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
        }
        for (at, client) in clients.iter_mut().enumerate() {
            client.response().expect(200).expect_body(format!("/{at}"));
        }
        assert_eq!(came.load(Ordering::SeqCst), 100);
    }
}

#[test]
fn options_are_asked_for_once_and_again_when_they_are_old_or_the_istag_is_another() {
    let origin = origin();
    for runtime in RUNTIMES {
        let server = named("+a");
        let proxy = proxy(
            &origin,
            runtime,
            &format!("respmod = [\"{}\"]\n", server.uri()),
        );
        (0..5).for_each(|_| drop(get(proxy.addr(), "/x", "site.test", "").expect(200)));
        assert_eq!(server.options(), 1, "{runtime}");

        let changed = Server::start(ALL, |peer, asked| {
            peer.all(asked);
            peer.send("ICAP/1.0 204 No Content\r\nISTag: \"t-2\"\r\n\r\n");
            true
        });
        let proxy = crate::proxy(
            &origin,
            runtime,
            &format!("respmod = [\"{}\"]\n", changed.uri()),
        );
        asked_again(&proxy, &changed);
        assert!(counted(&proxy, "istag_changes") >= 1, "{runtime}");

        let short = Server::start(&format!("{ALL}Options-TTL: 0\r\n"), |peer, asked| {
            peer.all(asked);
            peer.unchanged();
            true
        });
        let proxy = crate::proxy(
            &origin,
            runtime,
            &format!("respmod = [\"{}\"]\n", short.uri()),
        );
        asked_again(&proxy, &short);
    }
}

/// Messages until the server was asked for its options once more; at most once a second it is.
fn asked_again(proxy: &Proxy, server: &Server) {
    let end = Instant::now() + PATIENCE;
    while server.options() < 2 {
        get(proxy.addr(), "/x", "site.test", "").expect(200);
        assert!(Instant::now() < end, "it is not asked again");
    }
}

#[test]
fn a_connection_that_was_closed_while_it_was_idle_is_no_failure() {
    let server = Server::start(ALL, |peer, asked| {
        peer.all(asked);
        peer.unchanged();
        // It does not say that it closes.
        false
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(
            &origin,
            runtime,
            &format!("respmod = [\"{}\"]\n", server.uri()),
        );
        for _ in 0..20 {
            get(proxy.addr(), "/x", "site.test", "")
                .expect(200)
                .expect_body("/x");
        }
        assert_eq!(counted(&proxy, "failures"), 0);
        assert_eq!(counted(&proxy, "breaks"), 0);
    }
}

#[test]
fn however_many_idle_connections_were_closed_a_message_is_sent_anew_over_a_new_one() {
    for runtime in RUNTIMES {
        let (gate, came) = (Gate::new(), AtomicUsize::new(0));
        let ports = Mutex::new(HashSet::new());
        // Like something between that has forgotten the connections: it is noticed when they are used.
        let server = Server::start(ALL, move |peer, asked| {
            let fresh = ports.lock().unwrap().insert(peer.port());
            let again = asked.http.contains("/again");
            if again && !fresh {
                return false;
            }
            peer.all(asked);
            if again {
                peer.unchanged();
                return true;
            }
            if came.fetch_add(1, Ordering::SeqCst) + 1 == 4 {
                gate.open();
            }
            gate.wait();
            peer.unchanged();
            true
        });
        let origin = origin();
        let proxy = proxy(
            &origin,
            runtime,
            &format!("respmod = [\"{}\"]\n", server.uri()),
        );
        let mut clients: Vec<Client> = (0..4).map(|_| Client::to(proxy.addr())).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(format!("GET /{at} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
        }
        for client in &mut clients {
            client.response().expect(200);
        }
        get(proxy.addr(), "/again", "site.test", "")
            .expect(200)
            .expect_body("/again");
        assert_eq!(counted(&proxy, "failures"), 0, "{runtime}");
    }
}

#[test]
fn a_server_that_goes_away_while_it_is_asked_fails_messages_and_holds_nobody_up() {
    for runtime in RUNTIMES {
        // It says its options, and drops each message; none is on the connection of the options.
        let server = Server::start(&format!("{ALL}Connection: close\r\n"), |_, _| false);
        let origin = origin();
        let options = format!("respmod = [\"{}\"]\n", server.uri());
        let failing = proxy(&origin, runtime, &options);
        for _ in 0..6 {
            let got = get(failing.addr(), "/x", "site.test", "");
            assert_eq!(got.status, 502, "{runtime}");
        }
        assert!(counted(&failing, "breaks") >= 1, "{runtime}");
        let bypassing = proxy(&origin, runtime, &format!("{options}bypass = true\n"));
        for _ in 0..6 {
            get(bypassing.addr(), "/x", "site.test", "")
                .expect(200)
                .expect_body("/x");
        }
    }
}

#[test]
fn without_any_server_the_policy_applies_or_the_service_is_bypassed() {
    let dead = Origin::nobody();
    let origin = origin();
    for runtime in RUNTIMES {
        for way in ["respmod", "reqmod"] {
            let options = format!("{way} = [\"icap://{dead}/x\"]\n");
            let closed = proxy(&origin, runtime, &options);
            assert_eq!(get(closed.addr(), "/x", "site.test", "").status, 502);
            let open = proxy(
                &origin,
                &format!("{runtime}on_failure = \"open\"\n"),
                &options,
            );
            get(open.addr(), "/x", "site.test", "")
                .expect(200)
                .expect_body("/x");
            let bypassed = proxy(&origin, runtime, &format!("{options}bypass = true\n"));
            get(bypassed.addr(), "/x", "site.test", "")
                .expect(200)
                .expect_body("/x");
            assert_eq!(counted(&bypassed, "bypassed"), 1);
            assert_eq!(counted(&bypassed, "failures"), 0);
        }
    }
}

#[test]
fn what_is_lost_is_not_bypassed() {
    let server = Server::start("Methods: RESPMOD\r\n", |peer, asked| {
        // All but the end of it.
        let mut got = 0;
        while got < 400_000 {
            got += peer.some();
        }
        let _ = asked;
        false
    });
    let origin = Origin::answering(|_| reply(200, &[], "o".repeat(500_000)));
    for runtime in RUNTIMES {
        let options = format!(
            "respmod = [\"{}\"]\nbypass = true\nkeep = \"1K\"\n",
            server.uri()
        );
        let proxy = proxy(&origin, runtime, &options);
        assert_eq!(
            get(proxy.addr(), "/x", "site.test", "").status,
            502,
            "{runtime}"
        );
        assert_eq!(counted(&proxy, "bypassed"), 0);
    }
}

#[test]
fn new_options_are_for_new_messages() {
    let (a, b) = (named("+a"), named("+b"));
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &format!("respmod = [\"{}\"]\n", a.uri()));
        get(proxy.addr(), "/x", "site.test", "").expect_body("/x+a");
        let path = proxy.dir().join("understudy.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, config.replace(&a.uri(), &b.uri())).unwrap();
        proxy.signal(Signal::HUP);
        proxy.wait_stderr(|l| l == "reloaded");
        get(proxy.addr(), "/x", "site.test", "").expect_body("/x+b");
    }
}
