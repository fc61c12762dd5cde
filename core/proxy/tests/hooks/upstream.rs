//! What origins get of a request, whatever modules make of it: one request, whole, and not what was hidden in its body.

use crate::scripted::{Scripted, everywhere, proxy, proxy_with};
use crate::support::{answer, get};
use understudy_module::{Answer, Bytes, Edits, Hook, Response, Verdict};

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\nETag: \"a\"\r\n";

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
