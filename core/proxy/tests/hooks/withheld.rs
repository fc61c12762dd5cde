//! Heads that wait for what a module makes of the body behind them.

use crate::bodies::plain;
use crate::scripted::{Scripted, everywhere, proxy, proxy_with};
use crate::support::{Got, answer, get};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use understudy_module::{Answer, Edits, Hook, Refused, Response, Transaction, Verdict};
use understudy_proxy::settings::{Intercept, Mode};

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";
const ANSWER: &[Hook] = &[Hook::ResponseHead, Hook::ResponseBody];
const REQUEST: &[Hook] = &[Hook::RequestHead, Hook::RequestBody];

/// A module whose heads wait for its bodies.
fn waits(
    hooks: &[Hook],
    on: impl Fn(&mut Transaction<'_>) -> Verdict + Send + Sync + 'static,
) -> Scripted {
    Scripted::new("m", hooks, move |tx| match tx.hook() {
        Hook::ResponseHead | Hook::RequestHead => {
            tx.withhold_head().unwrap();
            Verdict::Continue
        }
        _ => on(tx),
    })
}

/// Holds what comes and says this at its end.
fn at_end(tx: &mut Transaction<'_>, on: impl FnOnce(&mut Transaction<'_>) -> Verdict) -> Verdict {
    match tx.is_last() {
        true => on(tx),
        false => Verdict::Hold,
    }
}

#[test]
fn what_the_body_hook_says_of_the_head_is_stored_and_sent_with_the_length() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |tx| {
            at_end(tx, |tx| {
                tx.set("Content-Type", "text/reversed").unwrap();
                tx.add("X-Length", tx.whole().len().to_string()).unwrap();
                tx.set_status(203).unwrap();
                let whole: Vec<u8> = tx.whole().iter().rev().copied().collect();
                Verdict::Replace([&whole[..], b"."].concat().into())
            })
        });
        let text = "abcdefg".repeat(50_000);
        let mut expected: Vec<u8> = text.bytes().rev().collect();
        expected.push(b'.');
        let length = text.len();
        let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
        for hit in [false, true] {
            let got = f.get("/").await;
            assert_eq!(got.is_hit(), hit, "{}", got.head);
            assert!(got.head.starts_with("HTTP/1.1 203"), "{}", got.head);
            assert!(got.has("Content-Type: text/reversed"), "{}", got.head);
            assert!(got.has(&format!("X-Length: {length}")), "{}", got.head);
            assert!(
                got.has(&format!("Content-Length: {}", length + 1)),
                "{}",
                got.head
            );
            assert!(got.body == expected);
        }
    });
}

#[test]
fn the_body_decides_whether_and_how_long_an_answer_is_stored() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |tx| {
            at_end(tx, |tx| {
                match &tx.whole()[..] {
                    b"never" => tx.no_store().unwrap(),
                    b"long" => tx.set_freshness(60).unwrap(),
                    _ => {}
                }
                Verdict::Continue
            })
        });
        let f = proxy(kind, &[&m], |head| {
            let (lines, body) = match head.split(' ').nth(1) {
                Some("/never") => (CACHED, "never"),
                _ => ("Cache-Control: max-age=0\r\n", "long"),
            };
            answer("200 OK", lines, body)
        })
        .await;
        for (path, stored) in [("/never", false), ("/long", true)] {
            f.get(path).await;
            assert_eq!(f.get(path).await.is_hit(), stored, "{path}");
        }
    });
}

#[test]
fn a_body_hook_answers_in_place_of_the_origin_and_of_the_request() {
    everywhere(|kind| async move {
        let refusal = |tx: &mut Transaction<'_>| {
            at_end(tx, |_| {
                Verdict::Respond(Box::new(Response::text(403, "infected").unwrap()))
            })
        };
        let m = waits(ANSWER, refusal);
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "virus")).await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(got.head.starts_with("HTTP/1.1 403"), "{}", got.head);
            assert_eq!(got.body, b"infected");
            assert!(!got.is_hit());
        }

        let m = waits(REQUEST, refusal);
        let f = proxy(kind, &[&m], |_| answer("200 OK", "", "abc")).await;
        let at = f.origin.at;
        let got = get(f.forward, &format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nvirus")).await;
        assert!(got.head.starts_with("HTTP/1.1 403"), "{}", got.head);
        assert_eq!(f.origin.count(), 0, "nothing goes out");
    });
}

#[test]
fn a_pending_body_hook_edits_the_head_with_its_answer() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |tx| {
            at_end(tx, |tx| {
                let (host, token, whole) = (tx.host(), tx.token(), tx.whole());
                std::thread::spawn(move || {
                    let mut edits = Edits::new();
                    edits.set(b"X-Seen", &whole).unwrap();
                    host.resume(
                        token,
                        Answer {
                            verdict: Verdict::Replace("made".into()),
                            edits,
                        },
                    );
                });
                Verdict::Pending
            })
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(got.has("X-Seen: abc"), "{}", got.head);
            assert_eq!(got.body, b"made");
        }
    });
}

#[test]
fn an_edit_is_refused_once_the_head_is_gone_or_never_waited() {
    everywhere(|kind| async move {
        // A module that says it waits and one that does not, and the piece from which on the head is gone.
        for withholds in [true, false] {
            let (tell, told) = mpsc::channel();
            let m = Scripted::new("m", ANSWER, move |tx| {
                if tx.hook() == Hook::ResponseHead {
                    if withholds {
                        tx.withhold_head().unwrap();
                    }
                    return Verdict::Continue;
                }
                tell.send((
                    tx.set("X-A", "b"),
                    tx.no_store(),
                    tx.set_status(203),
                    tx.find("X-A").is_some(),
                ))
                .unwrap();
                Verdict::Continue
            });
            let f = proxy(kind, &[&m], |_| {
                format!("HTTP/1.1 200 OK\r\n{CACHED}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
            })
            .await;
            let got = f.get("/").await;
            assert_eq!(plain(&got), b"abcdef");
            assert_eq!(got.has("X-A: b"), withholds, "{}", got.head);
            let mut all: Vec<_> = told.try_iter().collect();
            let gone = (
                Err(Refused::Place),
                Err(Refused::Place),
                Err(Refused::Place),
                false,
            );
            assert_eq!(all.pop(), Some(gone), "the last piece");
            if withholds {
                assert_eq!(all.first(), Some(&(Ok(()), Ok(()), Ok(()), false)));
            }
        }
    });
}

#[test]
fn a_late_edit_of_a_head_that_is_gone_is_a_failure() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseBody], |tx| {
            let (host, token) = (tx.host(), tx.token());
            let mut edits = Edits::new();
            edits.set(b"X-A", b"b").unwrap();
            host.resume(
                token,
                Answer {
                    verdict: Verdict::Continue,
                    edits,
                },
            );
            Verdict::Pending
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        let got = f.get("/").await;
        assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
        let f = proxy(kind, &[&m.open()], |_| answer("200 OK", CACHED, "abc")).await;
        let got = f.get("/").await;
        assert!(!got.has("X-A: b"), "{}", got.head);
        assert_eq!(plain(&got), b"abc");
    });
}

#[test]
fn nothing_stays_of_a_head_edited_by_a_module_that_then_fails() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |tx| {
            let _ = tx.set("Content-Type", "image/webp");
            at_end(tx, |_| Verdict::fail("it did not work"))
        });
        let f = proxy(kind, &[&m.clone().open()], |_| {
            answer("200 OK", CACHED, "abc")
        })
        .await;
        let got = f.get("/").await;
        assert!(got.has("Content-Type: text/plain"), "{}", got.head);
        assert_eq!(plain(&got), b"abc");
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        let got = f.get("/").await;
        assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
    });
}

#[test]
fn two_modules_in_a_row_both_have_their_say() {
    everywhere(|kind| async move {
        let of = |name: &'static str| Scripted {
            name,
            ..waits(ANSWER, move |tx| {
                at_end(tx, move |tx| {
                    tx.add("X-By", name).unwrap();
                    Verdict::Replace([&tx.whole()[..], name.as_bytes()].concat().into())
                })
            })
        };
        let f = proxy(kind, &[&of("a"), &of("b")], |_| {
            answer("200 OK", CACHED, "x")
        })
        .await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(got.has("X-By: a") && got.has("X-By: b"), "{}", got.head);
            assert!(got.has("Content-Length: 3"), "{}", got.head);
            assert_eq!(got.body, b"xba");
        }
    });
}

#[test]
fn a_head_without_a_body_does_not_wait() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |_| Verdict::fail("there is no body"));
        let f = proxy(kind, &[&m], |head| match head.split(' ').nth(1) {
            Some("/204") => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_owned(),
        })
        .await;
        let got = f.get("/204").await;
        assert!(got.head.starts_with("HTTP/1.1 204"), "{}", got.head);
        let at = f.origin.at;
        let got = get(
            f.forward,
            &format!("HEAD http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert!(got.head.starts_with("HTTP/1.1 200"), "{}", got.head);
    });
}

#[test]
fn the_first_bytes_are_not_kept_for_the_last() {
    everywhere(|kind| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (go, gone) = mpsc::channel::<()>();
        let origin = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
                .unwrap();
            // The rest comes when the client has the first.
            gone.recv().unwrap();
            stream.write_all(b"def").unwrap();
        });
        let m = waits(ANSWER, |tx| {
            let _ = tx.set("X-First", tx.piece().clone());
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| String::new()).await;
        let mut stream = tokio::net::TcpStream::connect(f.forward).await.unwrap();
        let request =
            format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"abc\r\n") {
            assert!(stream.read_buf(&mut got).await.unwrap() > 0);
        }
        assert!(String::from_utf8_lossy(&got).contains("X-First: abc\r\n"));
        go.send(()).unwrap();
        stream.read_to_end(&mut got).await.unwrap();
        assert!(got.ends_with(b"def\r\n0\r\n\r\n"));
        origin.join().unwrap();
    });
}

#[test]
fn an_origin_that_breaks_off_while_the_head_waits_is_told_properly() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |tx| at_end(tx, |_| Verdict::Continue));
        let f = proxy(kind, &[&m], |_| {
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{CACHED}Content-Length: 10\r\n\r\nabc")
        })
        .await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
        }
    });
}

/// An origin of one request whose body ends with an exclamation mark.
fn takes() -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let took = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut all, mut byte) = (Vec::new(), [0]);
        while !all.ends_with(b"!") && stream.read(&mut byte).unwrap() == 1 {
            all.push(byte[0]);
        }
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            .unwrap();
        String::from_utf8(all).unwrap()
    });
    (at, took)
}

#[test]
fn a_requests_head_is_edited_by_what_its_body_says() {
    everywhere(|kind| async move {
        let m = waits(REQUEST, |tx| {
            at_end(tx, |tx| {
                tx.set("X-Length", tx.whole().len().to_string()).unwrap();
                tx.set_target("/other").unwrap();
                Verdict::Replace([&tx.whole()[..], b"!"].concat().into())
            })
        });
        let f = proxy(kind, &[&m], |_| String::new()).await;
        // A client that sends its body at once, and one that waits for a 100.
        for expect in ["", "Expect: 100-continue\r\n"] {
            let (at, took) = takes();
            let mut stream = tokio::net::TcpStream::connect(f.forward).await.unwrap();
            let head = format!(
                "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: 3\r\n{expect}Connection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut got = Vec::new();
            if !expect.is_empty() {
                while !got.ends_with(b"\r\n\r\n") {
                    assert!(stream.read_buf(&mut got).await.unwrap() > 0);
                }
                assert_eq!(got, b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            stream.write_all(b"abc").await.unwrap();
            stream.read_to_end(&mut got).await.unwrap();
            let took = took.join().unwrap();
            assert!(took.starts_with("POST /other HTTP/1.1"), "{took}");
            assert!(took.contains("\r\nX-Length: 3\r\n"), "{took}");
            assert!(took.contains("\r\nContent-Length: 4\r\n"), "{took}");
            assert!(!took.contains("\r\nExpect:"), "{took}");
            assert!(took.ends_with("\r\n\r\nabc!"), "{took}");
        }
    });
}

/// Gives what it has as the first part, and is waited for behind that.
fn in_parts(tx: &mut Transaction<'_>) -> Verdict {
    if !tx.piece().is_empty() {
        return Verdict::First(tx.whole());
    }
    let (host, token) = (tx.host(), tx.token());
    std::thread::spawn(move || host.resume(token, Verdict::Replace("!".into())));
    Verdict::Pending
}

#[test]
fn a_module_that_still_has_a_part_of_a_body_is_asked_its_other_hooks_behind_that() {
    everywhere(|kind| async move {
        let on = |tx: &mut Transaction<'_>| match tx.hook().is_body() {
            true => in_parts(tx),
            false => Verdict::Continue,
        };
        for other in [Hook::RequestOut, Hook::Resolve, Hook::ResponseReturn] {
            let m = waits(&[REQUEST, &[other]].concat(), on);
            let (at, took) = takes();
            let f = proxy(kind, &[&m], |_| String::new()).await;
            let request = format!(
                "POST http://localhost:{0}/ HTTP/1.1\r\nHost: localhost:{0}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
                at.port()
            );
            get(f.forward, &request).await;
            assert!(took.join().unwrap().ends_with("abc\r\n1\r\n!"), "{other:?}");
        }
        let m = waits(&[ANSWER, &[Hook::ResponseReturn]].concat(), on);
        for lines in [CACHED, "Cache-Control: no-store\r\n"] {
            let f = proxy(kind, &[&m], |_| answer("200 OK", lines, "abc")).await;
            assert_eq!(plain(&f.get("/").await), b"abc!");
        }
    });
}

#[test]
fn a_hit_is_returned_past_a_module_that_still_has_a_part_of_the_requests_body() {
    everywhere(|kind| async move {
        let m = waits(
            &[REQUEST, &[Hook::ResponseReturn]].concat(),
            |tx| match tx.hook().is_body() {
                true => in_parts(tx),
                false => Verdict::Continue,
            },
        );
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        f.get("/").await;
        let at = f.origin.at;
        let lines = "Content-Length: 3\r\nConnection: close\r\n\r\nabc";
        let request = format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{lines}");
        let got = get(f.forward, &request).await;
        assert!(got.is_hit(), "{}", got.head);
        assert_eq!(got.body, b"abc");
    });
}

#[test]
fn the_type_that_a_body_hook_gave_is_not_taken_back_by_a_head_or_a_304() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |tx| {
            at_end(tx, |tx| {
                tx.set("Content-Type", "image/webp").unwrap();
                Verdict::Replace("webp".into())
            })
        });
        let f = proxy(kind, &[&m], |head| {
            let lines = "Cache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Type: image/jpeg\r\n";
            match head.contains("If-None-Match") {
                true => format!("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n{lines}\r\n"),
                false if head.starts_with("HEAD") => answer("200 OK", lines, ""),
                false => answer("200 OK", lines, "jpeg"),
            }
        })
        .await;
        let at = f.origin.at;
        f.get("/").await;
        let again = "Cache-Control: no-cache\r\nConnection: close\r\n\r\n";
        let head = format!("HEAD http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{again}");
        get(f.forward, &head).await;
        let got = f.get("/").await;
        assert!(got.is_hit(), "{}", got.head);
        assert!(got.has("Content-Type: image/webp"), "{}", got.head);
        let got = f.get_with("/", "Cache-Control: no-cache\r\n").await;
        assert!(got.head.contains("fwd-status=304"), "{}", got.head);
        assert!(got.has("Content-Type: image/webp"), "{}", got.head);
        assert_eq!(got.body, b"webp");
    });
}

#[test]
fn what_is_stored_stands_in_for_an_origin_that_breaks_off_while_the_head_waits() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |tx| at_end(tx, |_| Verdict::Continue));
        let f = proxy(kind, &[&m], |head| {
            let lines = "Cache-Control: max-age=0, stale-if-error=60\r\nETag: \"a\"\r\n";
            match head.contains("If-None-Match") {
                true => format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\n{lines}Content-Length: 10\r\n\r\nabc"
                ),
                false => answer("200 OK", lines, "stored"),
            }
        })
        .await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(got.head.starts_with("HTTP/1.1 200"), "{}", got.head);
            assert_eq!(got.body, b"stored");
        }
        assert_eq!(f.origin.count(), 2);
    });
}

#[test]
fn followers_wait_as_long_as_a_body_comes_before_its_head() {
    everywhere(|kind| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (go, gone) = mpsc::channel();
        let origin = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\n{CACHED}Content-Length: 20\r\n\r\nx");
            stream.write_all(head.as_bytes()).unwrap();
            gone.recv().unwrap();
            for _ in 1..20 {
                std::thread::sleep(std::time::Duration::from_millis(50));
                stream.write_all(b"x").unwrap();
            }
        });
        let m = waits(ANSWER, |tx| at_end(tx, |_| Verdict::Continue));
        let mut kept = None;
        let f = proxy_with(
            kind,
            &[&m],
            |_| String::new(),
            |settings| kept = Some(settings.clone()),
        )
        .await;
        let request =
            format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        let follows = async {
            while m.trace.count("m.response_body") == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            // A transaction keeps the settings that it began with: the origin has time to answer the first.
            let mut short = kept.unwrap();
            short.timeouts.first_byte = std::time::Duration::from_millis(200);
            short.timeouts.connect = std::time::Duration::from_millis(200);
            f.proxy.reconfigure(short, None).await.unwrap();
            go.send(()).unwrap();
            get(f.forward, &request).await
        };
        let (a, b) = tokio::join!(get(f.forward, &request), follows);
        for got in [a, b] {
            assert!(got.head.starts_with("HTTP/1.1 200"), "{}", got.head);
            assert_eq!(got.body, b"xxxxxxxxxxxxxxxxxxxx");
        }
        origin.join().unwrap();
    });
}

#[test]
fn a_pipelined_request_behind_one_that_a_body_hook_answered_is_another_or_none() {
    everywhere(|kind| async move {
        let m = waits(REQUEST, |_| {
            Verdict::Respond(Box::new(Response::text(403, "infected").unwrap()))
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", "", "next")).await;
        let at = f.origin.at;
        let next = format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        for (body, served) in [
            ("Content-Length: 5\r\n\r\nvirus".to_owned(), true),
            (
                format!("Content-Length: 60000\r\n\r\n{}", "v".repeat(60_000)),
                true,
            ),
            (
                format!("Content-Length: 200000\r\n\r\n{}", "v".repeat(200_000)),
                false,
            ),
        ] {
            let request = format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{body}{next}");
            let got = get(f.forward, &request).await;
            assert!(got.head.starts_with("HTTP/1.1 403"), "{}", got.head);
            let rest = String::from_utf8(got.body.clone()).unwrap();
            let rest = rest.strip_prefix("infected").unwrap();
            assert_eq!(rest.contains("HTTP/1.1 200"), served, "{rest}");
            assert_eq!(rest.ends_with("next"), served, "{rest}");
            assert!(!served || !got.has("Connection: close"), "{}", got.head);
        }
    });
}

#[test]
fn modules_that_say_more_of_a_head_than_it_takes_fail_together() {
    everywhere(|kind| async move {
        let of = |name: &'static str| Scripted {
            name,
            ..waits(ANSWER, move |tx| {
                at_end(tx, move |tx| {
                    for n in 0..3 {
                        tx.add(&format!("X-{name}{n}"), "x".repeat(50_000)).unwrap();
                    }
                    Verdict::Continue
                })
            })
        };
        let (a, b) = (of("a"), of("b"));
        for (modules, status) in [(&[&a][..], "200"), (&[&a, &b], "502")] {
            let f = proxy(kind, modules, |_| answer("200 OK", CACHED, "x")).await;
            let got = f.get("/").await;
            let line = got.head.lines().next().unwrap();
            assert!(line.contains(status), "{line}");
        }
    });
}

#[test]
fn an_intercepted_request_that_was_led_to_another_host_stays_there_when_its_body_says_more() {
    everywhere(|kind| async move {
        for late in ["/late", ""] {
            let (at, took) = takes();
            let m = Scripted::new("m", REQUEST, move |tx| {
                if tx.hook() == Hook::RequestHead {
                    tx.withhold_head().unwrap();
                    tx.set_target(format!("http://{at}/early")).unwrap();
                    return Verdict::Continue;
                }
                at_end(tx, |tx| {
                    tx.set("Host", "elsewhere.test").unwrap();
                    if !late.is_empty() {
                        tx.set_target(late).unwrap();
                    }
                    Verdict::Continue
                })
            });
            let f = proxy_with(
                kind,
                &[&m],
                |_| String::new(),
                |settings| {
                    settings.listeners[0].address = "0.0.0.0:0".parse().unwrap();
                    settings.listeners[0].mode = Mode::Transparent {
                        intercept: Intercept::Tproxy,
                        keep_client_address: false,
                    };
                },
            )
            .await;
            let dialled = SocketAddr::from(([127, 0, 0, 2], f.forward.port()));
            let request = "POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 1\r\nConnection: close\r\n\r\n!";
            let got = get(dialled, request).await;
            assert!(got.head.starts_with("HTTP/1.1 204"), "{}", got.head);
            let took = took.join().unwrap();
            let path = if late.is_empty() { "/early" } else { late };
            assert!(
                took.starts_with(&format!("POST {path} HTTP/1.1\r\n")),
                "{took}"
            );
            assert!(took.contains(&format!("Host: {at}\r\n")), "{took}");
        }
    });
}

#[test]
fn trailers_behind_a_body_that_was_withheld_whole_are_kept_both_ways() {
    everywhere(|kind| async move {
        let on = |tx: &mut Transaction<'_>| at_end(tx, |tx| Verdict::Replace(tx.whole()));
        let chunks = "3\r\nabc\r\n0\r\nX-End: 1\r\n\r\n";
        let m = waits(ANSWER, on);
        let f = proxy(kind, &[&m], move |_| {
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{CACHED}Transfer-Encoding: chunked\r\n\r\n{chunks}")
        })
        .await;
        let got = f.get("/").await;
        assert_eq!(got.body, chunks.as_bytes(), "{}", got.head);
        assert!(!got.head.contains("Content-Length"), "{}", got.head);

        let m = waits(REQUEST, on);
        let f = proxy(kind, &[&m], |_| String::new()).await;
        let (at, took) = takes();
        let head = format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n");
        let chunks = "3\r\nabc\r\n0\r\nX-End: !\r\n\r\n";
        let request = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        get(f.forward, &request).await;
        let took = took.join().unwrap();
        assert!(took.ends_with("3\r\nabc\r\n0\r\nX-End: !"), "{took}");
        assert!(!took.contains("Content-Length"), "{took}");
    });
}

#[test]
fn a_head_that_waited_goes_out_in_one_write_with_what_came_of_its_body() {
    everywhere(|kind| async move {
        let m = waits(ANSWER, |tx| at_end(tx, |_| Verdict::Replace("made".into())));
        for lines in [CACHED, "Cache-Control: no-store\r\n"] {
            let f = proxy(kind, &[&m], move |_| answer("200 OK", lines, "abc")).await;
            let at = f.origin.at;
            let mut client = tokio::net::TcpStream::connect(f.forward).await.unwrap();
            let request = format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n\r\n");
            client.write_all(request.as_bytes()).await.unwrap();
            let mut got = Vec::with_capacity(64 * 1024);
            client.read_buf(&mut got).await.unwrap();
            let got = String::from_utf8_lossy(&got);
            assert!(got.ends_with("\r\n\r\nmade"), "{got}");
        }
    });
}

/// Gives what it takes in every way there is, one after the other.
fn in_every_way(tx: &mut Transaction<'_>) -> Verdict {
    let count = tx.opaque().get_or_insert_with(|| 0_u32);
    *count += 1;
    let (count, whole) = (*count, tx.whole());
    match count % 4 {
        0 if !tx.is_last() => Verdict::Hold,
        1 if !whole.is_empty() => Verdict::First(whole),
        2 => {
            let (host, token) = (tx.host(), tx.token());
            std::thread::spawn(move || host.resume(token, Verdict::Replace(whole)));
            Verdict::Pending
        }
        _ => Verdict::Replace(whole),
    }
}

#[test]
fn modules_of_all_hooks_that_give_in_every_way_give_everything() {
    everywhere(|kind| async move {
        let of = |name: &'static str| Scripted {
            name,
            ..waits(crate::scripted::ALL, |tx| match tx.hook().is_body() {
                true => in_every_way(tx),
                false => Verdict::Continue,
            })
        };
        let (a, b) = (of("a"), of("b"));
        let text = "abcdefgh".repeat(40_000);
        for lines in [CACHED, "Cache-Control: no-store\r\n"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let at = listener.local_addr().unwrap();
            let reply = answer("200 OK", lines, &text);
            let origin = std::thread::spawn(move || {
                let mut took = Vec::new();
                for stream in listener.incoming().take(3) {
                    let (mut stream, mut all) = (stream.unwrap(), Vec::new());
                    let mut some = [0; 65536];
                    while !all.ends_with(b"\r\n\r\n")
                        || all.starts_with(b"POST") && !all.ends_with(b"\n0\r\n\r\n")
                    {
                        let count = stream.read(&mut some).unwrap();
                        assert!(count > 0, "{}", String::from_utf8_lossy(&all));
                        all.extend_from_slice(&some[..count]);
                    }
                    let end = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
                    let body = all.split_off(end);
                    let head = "Transfer-Encoding: chunked".to_owned();
                    if !body.is_empty() {
                        took.push(plain(&Got { head, body }));
                    }
                    stream.write_all(reply.as_bytes()).unwrap();
                }
                took
            });
            let f = proxy(kind, &[&a, &b], |_| String::new()).await;
            for (path, method) in [("a", "GET"), ("b", "POST"), ("c", "POST")] {
                let post = method == "POST";
                let body = if post { &text[..] } else { "" };
                let length = if post {
                    format!("Content-Length: {}\r\n", body.len())
                } else {
                    String::new()
                };
                let request = format!(
                    "{method} http://localhost:{0}/{path} HTTP/1.1\r\nHost: localhost:{0}\r\n{length}Connection: close\r\n\r\n{body}",
                    at.port()
                );
                let got = get(f.forward, &request).await;
                assert!(
                    got.head.starts_with("HTTP/1.1 200"),
                    "{method} {}",
                    got.head
                );
                assert!(plain(&got) == text.as_bytes(), "{method} {}", got.head);
            }
            let took = origin.join().unwrap();
            assert!(took.len() == 2 && took.iter().all(|took| took == text.as_bytes()));
        }
    });
}

#[test]
fn what_was_held_is_given_back_when_the_client_leaves_in_the_wait() {
    everywhere(|kind| async move {
        let mut m = waits(&[REQUEST, &[Hook::Free]].concat(), |tx| {
            at_end(tx, |_| Verdict::Continue)
        });
        m.limits.hold = 10;
        let f = proxy(kind, &[&m], |_| answer("200 OK", "", "through")).await;
        let at = f.origin.at;
        let head = format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n");
        for left in 0..3 {
            let before = m.trace.count("m.request_body");
            let mut client = tokio::net::TcpStream::connect(f.forward).await.unwrap();
            let some = format!("{head}Content-Length: 20\r\n\r\nabcdef");
            client.write_all(some.as_bytes()).await.unwrap();
            while m.trace.count("m.request_body") == before {
                tokio::task::yield_now().await;
            }
            drop(client);
            m.trace.of(2 * left + 1, "m").await;
            let chunks = "4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n";
            let whole = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}");
            let got = get(f.forward, &whole).await;
            assert!(got.head.starts_with("HTTP/1.1 200"), "{}", got.head);
            m.trace.of(2 * left + 2, "m").await;
        }
    });
}
