//! Which hooks fire, in which order, once.

use crate::bodies::plain;
use crate::scripted::{ALL, Scripted, everywhere, proxy, proxy_with};
use crate::support::{answer, get};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use understudy_module::{Hook, Verdict};
use understudy_proxy::Matcher;
use understudy_runtimes::Kind;

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";

fn looker(name: &'static str) -> Scripted {
    Scripted::new(name, ALL, |_| Verdict::Continue)
}

#[test]
fn a_miss_meets_every_hook_and_a_hit_those_of_requests_and_returns() {
    everywhere(|kind| async move {
        let m = looker("m");
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "body")).await;
        assert_eq!(f.get("/").await.body, b"4\r\nbody\r\n0\r\n\r\n");
        assert!(f.get("/").await.is_hit());
        let seen = m.trace.of(2, "m").await;
        assert_eq!(
            seen[0],
            [
                "m.request_head",
                "m.request_out",
                "m.resolve",
                "m.response_head",
                "m.response_return",
                "m.response_body",
                "m.return_body",
                "m.log",
                "m.free"
            ]
        );
        assert_eq!(
            seen[1],
            [
                "m.request_head",
                "m.response_return",
                "m.return_body",
                "m.log",
                "m.free"
            ]
        );
    });
}

#[test]
fn what_only_looks_leaves_the_framing_alone() {
    everywhere(|kind| async move {
        let mut m = looker("m");
        m.about = |about| about.only_looks = true;
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "body")).await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(got.has("Content-Length: 4"), "{}", got.head);
            assert_eq!(got.body, b"body");
        }
        assert_eq!(m.trace.of(2, "m").await[1].len(), 5);
    });
}

#[test]
fn requests_meet_modules_first_to_last_and_answers_last_to_first() {
    everywhere(|kind| async move {
        let a = looker("a");
        let mut b = looker("b");
        b.trace = a.trace.clone();
        let f = proxy(kind, &[&a, &b], |_| answer("200 OK", CACHED, "x")).await;
        f.get("/").await;
        b.trace.of(1, "b").await;
        let seen = a.trace.of(1, "a").await.remove(0);
        let of = |hook: &str| -> Vec<&str> {
            let mut order = Vec::new();
            for call in seen.iter().filter(|s| s.ends_with(hook)) {
                // Pieces of a body are under way at once: the first of them tells.
                if !order.contains(&&call[..1]) {
                    order.push(&call[..1]);
                }
            }
            order
        };
        for hook in ["request_head", "request_out", "log"] {
            assert_eq!(of(hook), ["a", "b"], "{hook}");
        }
        for hook in [
            "response_head",
            "response_body",
            "response_return",
            "return_body",
        ] {
            assert_eq!(of(hook), ["b", "a"], "{hook}");
        }
    });
}

#[test]
fn done_is_the_last_that_a_module_hears_but_free() {
    everywhere(|kind| async move {
        for hook in [Hook::RequestHead, Hook::ResponseHead, Hook::ResponseBody] {
            let m = Scripted::new("m", ALL, move |tx| {
                if tx.hook() == hook {
                    Verdict::Done
                } else {
                    Verdict::Continue
                }
            });
            let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
            let got = f.get("/").await;
            assert!(got.body.windows(1).any(|w| w == b"x"));
            let seen = m.trace.of(1, "m").await.remove(0);
            let end = [format!("m.{}", hook.name()), "m.free".to_owned()];
            let at = seen.iter().position(|s| *s == end[0]).unwrap();
            assert_eq!(seen[at + 1..], end[1..], "{hook:?}");
        }
    });
}

#[test]
fn a_hook_that_is_not_declared_is_not_called() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::Log], |_| Verdict::Continue);
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        f.get("/").await;
        f.get("/").await;
        while m.trace.count("m.log") < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(m.trace.count("m.request_head"), 0);
    });
}

#[test]
fn a_module_sees_only_what_its_match_lets_through() {
    everywhere(|kind| async move {
        let types = ["image/*".to_owned()];
        let mut of_images = looker("m");
        of_images.matcher = Matcher::new(&[], &types).unwrap();
        let mut of_a_host = looker("h");
        of_a_host.matcher = Matcher::new(&["elsewhere.test".to_owned()], &[]).unwrap();
        let f = proxy(kind, &[&of_images, &of_a_host], |_| {
            answer("200 OK", CACHED, "x")
        })
        .await;
        f.get("/").await;
        let seen = of_images.trace.of(1, "m").await.remove(0);
        let expected = [
            "m.request_head",
            "m.request_out",
            "m.resolve",
            "m.log",
            "m.free",
        ];
        assert_eq!(seen, expected);
        assert_eq!(of_a_host.trace.count("h.request_head"), 0);
    });
}

#[test]
fn a_request_that_is_refused_meets_its_end() {
    everywhere(|kind| async move {
        let m = looker("m");
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        // The port is not one for tunnels: refused before any module is asked, and logged.
        let at = f.origin.at;
        let got = get(
            f.forward,
            &format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\n"),
        )
        .await;
        assert!(got.head.starts_with("HTTP/1.1 403"));
        assert_eq!(m.trace.of(1, "m").await[0], ["m.log", "m.free"]);
    });
}

#[test]
fn a_client_that_goes_away_still_ends_in_log_and_free() {
    everywhere(|kind| async move {
        let m = looker("m");
        let f = proxy(kind, &[&m], |_| {
            answer("200 OK", CACHED, &"x".repeat(4 << 20))
        })
        .await;
        let at = f.origin.at;
        let mut client = std::net::TcpStream::connect(f.forward).unwrap();
        std::io::Write::write_all(
            &mut client,
            format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes(),
        )
        .unwrap();
        let mut some = [0; 1024];
        assert!(client.read(&mut some).unwrap() > 0);
        drop(client);
        let seen = m.trace.of(1, "m").await.remove(0);
        assert_eq!(seen.iter().filter(|s| *s == "m.free").count(), 1);
        assert_eq!(seen.iter().filter(|s| *s == "m.log").count(), 1);
        assert_eq!(seen.last().unwrap(), "m.free");
    });
}

#[test]
fn a_type_that_is_changed_for_the_client_does_not_take_the_origins_body_from_a_module() {
    everywhere(|kind| async move {
        let mut m = Scripted::new("m", &[Hook::ResponseBody, Hook::ResponseReturn], |tx| {
            if tx.hook() == Hook::ResponseReturn {
                return Verdict::Continue;
            }
            Verdict::Replace(tx.piece().to_ascii_uppercase().into())
        });
        m.matcher = Matcher::new(&[], &["text/*".to_owned()]).unwrap();
        let late = Scripted::new("late", &[Hook::ResponseReturn], |tx| {
            tx.set("Content-Type", "image/png").unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&m, &late], |_| {
            answer(
                "200 OK",
                "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n",
                "abc",
            )
        })
        .await;
        for n in 0..2 {
            let at = f.origin.at;
            let request = format!("GET http://{at}/ HTTP/1.0\r\nHost: {at}\r\n\r\n");
            let got = get(f.forward, &request).await;
            assert_eq!(got.body, b"ABC", "{n} {}", got.head);
        }
    });
}

/// An origin that answers before it has all of the request: a module that has a piece of the answer is not asked about the rest of the
/// request until it gave that back.
#[test]
fn a_module_that_has_a_piece_of_the_answer_is_not_asked_about_the_request_meanwhile() {
    actix::System::new().block_on(async {
        let (first, second) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let (away, twice) = (Arc::new(AtomicBool::new(false)), Arc::default());
        // It has the head of the answer until more of the request is there, so that the other could meet both in one turn.
        let to = first.clone();
        let before = Scripted::new("before", &[Hook::ResponseHead], move |tx| {
            if tx.url().ends_with(b"/other") {
                return Verdict::Continue;
            }
            *to.lock().unwrap() = Some((tx.host(), tx.token()));
            Verdict::Pending
        });
        let (to, has) = (second.clone(), away.clone());
        let asked: Arc<AtomicBool> = Arc::clone(&twice);
        let hooks = [Hook::RequestBody, Hook::ResponseBody];
        let m = Scripted::new("m", &hooks, move |tx| {
            if tx.hook() == Hook::RequestBody {
                asked.fetch_or(has.load(Ordering::SeqCst), Ordering::SeqCst);
                return Verdict::Continue;
            }
            if tx.url().ends_with(b"/other") {
                return Verdict::Continue;
            }
            has.store(true, Ordering::SeqCst);
            *to.lock().unwrap() = Some((tx.host(), tx.token()));
            Verdict::Pending
        });
        let script = |_: &str| answer("200 OK", "Cache-Control: no-store\r\n", "abc");
        let f = proxy_with(Kind::Inline, &[&before, &m], script, |s| s.workers = 1).await;
        let at = f.origin.at;
        let request = format!(
            "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"
        );
        let mut client = tokio::net::TcpStream::connect(f.forward).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        for (waiting, more) in [(first, "y"), (second, "")] {
            while waiting.lock().unwrap().is_none() {
                tokio::task::yield_now().await;
            }
            client.write_all(more.as_bytes()).await.unwrap();
            // The one worker has had its turn when it has answered somebody else.
            assert_eq!(plain(&f.get("/other").await), b"abc");
            if more.is_empty() {
                away.store(false, Ordering::SeqCst);
            }
            let (host, token) = waiting.lock().unwrap().take().unwrap();
            host.resume(token, Verdict::Continue);
        }
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        assert!(all.ends_with(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
        assert!(!twice.load(Ordering::SeqCst));
    });
}
