//! What clients are told of a body's length, whatever modules make of head and body: one answer must end where the next begins.

use crate::scripted::{Scripted, everywhere, proxy};
use crate::support::{answer, get};
use understudy_module::{Bytes, Hook, Response, Verdict};

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

/// To a client that knows no chunks.
async fn old(f: &crate::support::Fixture) -> crate::support::Got {
    let at = f.origin.at;
    let request = format!("GET http://{at}/ HTTP/1.0\r\nHost: {at}\r\n\r\n");
    get(f.forward, &request).await
}

#[test]
fn what_is_said_of_a_returned_body_is_not_said_of_the_origins() {
    everywhere(|kind| async move {
        let hooks = [
            Hook::ResponseHead,
            Hook::ResponseBody,
            Hook::ResponseReturn,
            Hook::ReturnBody,
        ];
        for keeps in [Hook::ResponseHead, Hook::ResponseReturn] {
            let m = Scripted::new("m", &hooks, move |tx| {
                let hook = tx.hook();
                if hook == keeps {
                    tx.keep_length().unwrap();
                }
                let changes = match keeps {
                    Hook::ResponseHead => Hook::ReturnBody,
                    _ => Hook::ResponseBody,
                };
                if hook != changes {
                    return Verdict::Continue;
                }
                let mut twice = tx.piece().to_vec();
                twice.extend_from_slice(tx.piece());
                Verdict::Replace(twice.into())
            });
            let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
            for n in 0..2 {
                let got = old(&f).await;
                assert_eq!(got.body, b"abcabc", "{keeps:?} {n} {}", got.head);
            }
        }
    });
}

#[test]
fn a_promise_to_keep_the_stored_length_holds_although_the_return_makes_none() {
    everywhere(|kind| async move {
        let hooks = [Hook::ResponseHead, Hook::ResponseBody, Hook::ResponseReturn];
        let m = Scripted::new("m", &hooks, |tx| match tx.hook() {
            Hook::ResponseHead => {
                tx.keep_length().unwrap();
                Verdict::Continue
            }
            Hook::ResponseBody => Verdict::Replace(vec![b'y'; 1 << 20].into()),
            _ => Verdict::Continue,
        });
        let text = "x".repeat(300_000);
        let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
        for n in 0..2 {
            let got = f.get("/").await;
            assert!(
                got.body.len() <= 300_000,
                "{n} {} {}",
                got.head,
                got.body.len()
            );
        }
    });
}
