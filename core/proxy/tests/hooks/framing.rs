//! What clients and origins are told of a body's length, whatever modules make of head and body: one answer must end where the
//! next begins.

use crate::scripted::{Scripted, everywhere, proxy, proxy_with};
use crate::support::{answer, get};
use understudy_module::{Answer, Bytes, Edits, Hook, Response, Verdict};

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\nETag: \"a\"\r\n";

/// Two requests on one connection; the second closes it.
async fn both(f: &crate::support::Fixture, first: &str, lines: &str) -> String {
    let at = f.origin.at;
    let request = format!(
        "{first} http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{lines}\r\nGET http://{at}/second HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    );
    let got = get(f.forward, &request).await;
    got.head + &String::from_utf8(got.body).unwrap()
}

#[test]
fn no_byte_goes_out_beyond_a_length_that_a_module_said_it_keeps() {
    everywhere(|kind| async move {
        for hook in [Hook::ResponseBody, Hook::ReturnBody] {
            let head = if hook == Hook::ResponseBody {
                Hook::ResponseHead
            } else {
                Hook::ResponseReturn
            };
            let m = Scripted::new("m", &[head, hook], |tx| match tx.hook() {
                Hook::ResponseHead | Hook::ResponseReturn => {
                    tx.keep_length().unwrap();
                    Verdict::Continue
                }
                _ if tx.is_last() => Verdict::Continue,
                _ => Verdict::Replace(vec![b'y'; 1 << 20].into()),
            });
            let text = "x".repeat(300_000);
            let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
            let got = f.get("/").await;
            assert!(
                got.body.len() <= 300_000,
                "{hook:?} {} {}",
                got.head,
                got.body.len()
            );
        }
    });
}

#[test]
fn a_304_that_a_module_calls_200_has_a_length() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseReturn], |tx| {
            let _ = tx.set_status(200);
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        f.get("/").await;
        let got = both(&f, "GET", "If-None-Match: \"a\"\r\n").await;
        let first = got.split("\r\n\r\n").next().unwrap();
        assert!(first.starts_with("HTTP/1.1 304"), "{got}");
    });
}

#[test]
fn a_304_that_validates_is_not_stored_as_an_empty_200() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            let _ = tx.set_status(200);
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |head| {
            if head.contains("If-None-Match") {
                "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\n\r\n".to_owned()
            } else {
                answer("200 OK", "Cache-Control: max-age=0\r\nETag: \"a\"\r\n", "abc")
            }
        }).await;
        f.get("/").await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert_eq!(got.body, b"abc", "{}", got.head);
        }
    });
}

#[test]
fn a_part_that_a_module_calls_200_is_not_stored_as_the_whole() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            let _ = tx.set_status(200);
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| {
            answer(
                "206 Partial Content",
                "Cache-Control: max-age=60\r\nContent-Range: bytes 0-2/9\r\n",
                "abc",
            )
        })
        .await;
        f.get("/").await;
        f.get("/").await;
        assert_eq!(f.origin.count(), 2);
    });
}

#[test]
fn a_path_with_a_url_in_its_query_goes_to_the_origin_whole() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestOut], |tx| {
            tx.set_target("/login?next=http://elsewhere/admin").unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        f.get("/").await;
        let request = f.origin.requests.lock().unwrap()[0].clone();
        assert!(
            request.starts_with("GET /login?next=http://elsewhere/admin HTTP/1.1\r\n"),
            "{request}"
        );
    });
}

#[test]
fn a_url_with_a_query_and_no_path_keeps_its_query() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestOut], |tx| {
            tx.set_target("http://elsewhere?a=b").unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        f.get("/").await;
        let request = f.origin.requests.lock().unwrap()[0].clone();
        assert!(request.starts_with("GET /?a=b HTTP/1.1\r\n"), "{request}");
    });
}

#[test]
fn a_head_tells_no_length_of_a_body_that_modules_would_change() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ReturnBody], |_| {
            Verdict::Replace(Bytes::from_static(b"longer than it was"))
        });
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\n{CACHED}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        );
        for stored in [answer("200 OK", CACHED, "abc"), chunked] {
            let f = proxy(kind, &[&m], move |_| stored.clone()).await;
            // Of the origin's answer first, then of what is stored.
            for _ in 0..2 {
                let got = both(&f, "HEAD", "").await;
                let first = got.split("\r\n\r\n").next().unwrap();
                assert!(!first.contains("Content-Length"), "{got}");
                f.get("/").await;
            }
        }
    });
}

#[test]
fn an_origin_gets_one_host_whatever_modules_add() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestOut], |tx| {
            let _ = tx.add("Host", "other.test");
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        f.get("/").await;
        let request = f.origin.requests.lock().unwrap()[0].clone();
        assert_eq!(
            request.to_ascii_lowercase().matches("\r\nhost:").count(),
            1,
            "{request}"
        );
        let m = Scripted::new("m", &[Hook::RequestOut], |tx| {
            let _ = tx.delete("Host");
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        f.get("/").await;
        let request = f.origin.requests.lock().unwrap()[0].clone();
        assert_eq!(
            request.to_ascii_lowercase().matches("\r\nhost:").count(),
            1,
            "{request}"
        );
    });
}

#[test]
fn a_client_that_waits_for_100_is_not_left_waiting() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead, Hook::RequestOut], |tx| {
            let _ = tx.delete("Expect");
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        let at = f.origin.at;
        get(f.forward, &format!("PUT http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")).await;
        let request = f.origin.requests.lock().unwrap()[0].clone();
        assert!(request.contains("Expect: 100-continue"), "{request}");
    });
}

#[test]
fn a_start_line_is_not_made_of_an_edit_for_another_hook() {
    everywhere(|kind| async move {
        for (hook, request) in [(Hook::ResponseReturn, false), (Hook::RequestOut, true)] {
            let m = Scripted::new("m", &[hook], move |tx| {
                let mut edits = Edits::new();
                if request {
                    edits.status(200).unwrap();
                } else {
                    edits.target(b"/other").unwrap();
                }
                let verdict = Verdict::Continue;
                tx.host().resume(tx.token(), Answer { verdict, edits });
                Verdict::Pending
            });
            let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
            let got = f.get("/").await;
            assert!(
                got.head.starts_with("HTTP/1.1 502 "),
                "{hook:?} {}",
                got.head
            );
            let requests = f.origin.requests.lock().unwrap();
            assert!(
                requests.iter().all(|r| r.starts_with("GET / ")),
                "{requests:?}"
            );
        }
    });
}

#[test]
fn a_205_of_a_module_has_no_body() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead], |_| {
            Verdict::Respond(Box::new(Response::new(205, "GET").unwrap()))
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        let got = f.get("/").await;
        assert!(got.has("Content-Length: 0"), "{}", got.head);
        assert_eq!(got.body, b"");
    });
}

#[test]
fn a_body_behind_a_modules_answer_is_no_request() {
    everywhere(|kind| async move {
        for hook in [
            Hook::RequestHead,
            Hook::RequestOut,
            Hook::ResponseHead,
            Hook::ResponseReturn,
        ] {
            for changes in [false, true] {
                let hooks = [hook, Hook::RequestBody];
                let m = Scripted::new("m", &hooks[..1 + usize::from(changes)], move |tx| {
                    match (tx.hook() == hook, tx.method()) {
                        (true, b"POST") => {
                            Verdict::Respond(Box::new(Response::new(200, "mine").unwrap()))
                        }
                        (true, _) => Verdict::Continue,
                        _ if tx.is_last() => Verdict::Replace(tx.whole()),
                        _ => Verdict::Hold,
                    }
                });
                let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
                let hidden = "GET http://hidden.test/ HTTP/1.1\r\nHost: hidden.test\r\n\r\n";
                let length = hidden.len();
                let sized = format!("Content-Length: {length}\r\n\r\n{hidden}");
                let chunked = format!(
                    "Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n"
                );
                for body in [sized, chunked] {
                    let at = f.origin.at;
                    let got = get(f.forward, &format!(
                        "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{body}GET http://{at}/second HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
                    )).await;
                    let got = got.head + &String::from_utf8(got.body).unwrap();
                    let answers = got.matches("HTTP/1.1 ").count();
                    let closed = got.contains("mine") && got.contains("Connection: close");
                    assert!(answers == 2 || (answers == 1 && closed), "{hook:?} {got}");
                    assert_eq!(got.matches("HTTP/1.1 200").count(), answers, "{got}");
                    let requests = f.origin.requests.lock().unwrap();
                    assert!(
                        !requests.iter().any(|r| r.contains("hidden")),
                        "{requests:?}"
                    );
                }
            }
        }
    });
}

#[test]
fn an_old_client_gets_a_changed_body_to_the_connections_end() {
    everywhere(|kind| async move {
        for hook in [Hook::ResponseBody, Hook::ReturnBody] {
            let m = Scripted::new("m", &[hook], |tx| {
                let mut twice = tx.piece().to_vec();
                twice.extend_from_slice(tx.piece());
                Verdict::Replace(twice.into())
            });
            let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
            let at = f.origin.at;
            for n in 0..3 {
                let request = format!(
                    "GET http://{at}/ HTTP/1.0\r\nHost: {at}\r\nConnection: keep-alive\r\n\r\n"
                );
                let got = get(f.forward, &request).await;
                assert_eq!(got.body, b"abcabc", "{hook:?} {n} {}", got.head);
                assert!(!got.head.contains("Transfer-Encoding"), "{}", got.head);
                assert!(!got.has("Content-Length: 3"), "{}", got.head);
                assert!(!got.has("Connection: keep-alive"), "{}", got.head);
            }
        }
    });
}

#[test]
fn no_byte_of_a_request_goes_out_beyond_a_length_that_a_module_said_it_keeps() {
    everywhere(|kind| async move {
        let m = Scripted::new(
            "m",
            &[Hook::RequestHead, Hook::RequestBody],
            |tx| match tx.hook() {
                Hook::RequestHead => {
                    tx.keep_length().unwrap();
                    Verdict::Continue
                }
                _ => Verdict::Replace(Bytes::from_static(
                    b"12345GET /hidden HTTP/1.1\r\nHost: hidden.test\r\n\r\n",
                )),
            },
        );
        let f = proxy(kind, &[&m], |_| answer("200 OK", "", "abc")).await;
        let at = f.origin.at;
        let got = get(f.forward, &format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabcde")).await;
        assert!(got.head.starts_with("HTTP/1.1 "), "{}", got.head);
        assert!(
            f.origin
                .requests
                .lock()
                .unwrap()
                .iter()
                .all(|r| !r.contains("hidden"))
        );
    });
}

/// An origin that keeps its connection and is gone when the second request has come; what a second connection brings is told.
fn leaving() -> (std::net::SocketAddr, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let until = |stream: &mut std::net::TcpStream, end: &[u8]| {
            let (mut all, mut byte) = (Vec::new(), [0]);
            while !all.ends_with(end) && stream.read(&mut byte).unwrap_or(0) == 1 {
                all.push(byte[0]);
            }
            String::from_utf8(all).unwrap()
        };
        let (mut first, _) = listener.accept().unwrap();
        until(&mut first, b"\r\n\r\n");
        first
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
            .unwrap();
        until(&mut first, b"0\r\n\r\n");
        drop(first);
        let Ok((mut second, _)) = listener.accept() else {
            return;
        };
        let _ = tell.send(until(&mut second, b"\r\n0\r\n\r\n"));
        let _ = second.write_all(answer("200 OK", "", "").as_bytes());
    });
    (at, told)
}

#[test]
fn what_a_module_made_of_an_empty_body_is_not_lost_with_a_dead_connection() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestBody], |_| {
            Verdict::Replace(Bytes::from_static(b"made"))
        });
        let f = proxy_with(kind, &[&m], |_| String::new(), |s| s.workers = 1).await;
        let (at, told) = leaving();
        let lines = format!("http://{at}/ HTTP/1.1\r\nHost: {at}\r\n");
        get(f.forward, &format!("GET {lines}Connection: close\r\n\r\n")).await;
        let got = get(
            f.forward,
            &format!("PUT {lines}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"),
        )
        .await;
        // Told that it failed, or sent again whole.
        let whole = told
            .try_recv()
            .is_ok_and(|request| request.contains("made"));
        assert!(
            whole || got.head.starts_with("HTTP/1.1 502"),
            "{}",
            got.head
        );
    });
}
