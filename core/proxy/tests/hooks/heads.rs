//! What hooks on heads may do, and who sees it.

use crate::scripted::{Scripted, everywhere, proxy};
use crate::support::answer;
use understudy_module::{Hook, Response, Verdict};

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";
const HEADS: &[Hook] = &[
    Hook::RequestHead,
    Hook::RequestOut,
    Hook::ResponseHead,
    Hook::ResponseReturn,
];

#[test]
fn edits_reach_the_origin_the_store_and_this_client_each_from_their_hook() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", HEADS, |tx| {
            let name = format!("X-{}", tx.hook().name());
            tx.add(&name, "1").unwrap();
            assert_eq!(tx.find(&name), Some(&b"1"[..]));
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        for hit in [false, true, true] {
            let got = f.get("/").await;
            assert_eq!(got.is_hit(), hit);
            assert!(got.has("X-response_head: 1"), "{}", got.head);
            assert!(got.has("X-response_return: 1"));
            assert_eq!(got.head.matches("X-response_return").count(), 1);
        }
        let request = f.origin.requests.lock().unwrap()[0].clone();
        assert!(request.contains("\r\nX-request_head: 1\r\n"), "{request}");
        assert!(request.contains("\r\nX-request_out: 1\r\n"));
        assert_eq!(f.origin.count(), 1);
    });
}

#[test]
fn fields_are_set_and_deleted_also_on_hits() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseReturn], |tx| {
            tx.delete("X-Secret").unwrap();
            tx.set("Content-Type", "text/html").unwrap();
            Verdict::Continue
        });
        let lines = format!("{CACHED}X-Secret: 1\r\n");
        let f = proxy(kind, &[&m], move |_| answer("200 OK", &lines, "x")).await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(!got.head.contains("X-Secret"), "{}", got.head);
            assert!(got.has("Content-Type: text/html"));
            assert!(!got.has("Content-Type: text/plain"));
            assert_eq!(got.body, b"x");
        }
    });
}

#[test]
fn another_url_is_asked_for_and_stored_under_its_name() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead], |tx| {
            if tx.url().ends_with(b"/old") {
                tx.set_target("/new").unwrap();
            }
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |head| {
            answer("200 OK", CACHED, head.split(' ').nth(1).unwrap())
        })
        .await;
        assert_eq!(f.get("/old").await.body, b"/new");
        assert!(f.get("/new").await.is_hit());
        assert!(f.get("/old").await.is_hit());
        assert_eq!(f.origin.count(), 1);
        assert_eq!(f.get_reverse("/old").await.body, b"/new");
    });
}

#[test]
fn a_module_answers_itself_at_every_head() {
    everywhere(|kind| async move {
        for &hook in HEADS {
            let m = Scripted::new("m", HEADS, move |tx| {
                if tx.hook() != hook {
                    return Verdict::Continue;
                }
                let mut response = Response::text(403, "no\n").unwrap();
                response.add(b"X-By", b"m").unwrap();
                Verdict::Respond(Box::new(response))
            });
            let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
            for _ in 0..2 {
                let got = f.get("/").await;
                assert!(
                    got.head.starts_with("HTTP/1.1 403 Forbidden"),
                    "{hook:?} {}",
                    got.head
                );
                assert!(got.has("X-By: m") && got.has("Content-Length: 3"));
                assert_eq!(got.body, b"no\n");
            }
            let went = match hook {
                Hook::RequestHead | Hook::RequestOut => 0,
                Hook::ResponseHead => 2,
                // What is stored is the origin's.
                _ => 1,
            };
            assert_eq!(f.origin.count(), went, "{hook:?}");
        }
    });
}

#[test]
fn storing_and_freshness_are_the_modules_to_say() {
    everywhere(|kind| async move {
        let no = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            tx.no_store().unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&no], |_| answer("200 OK", CACHED, "x")).await;
        assert!(f.get("/").await.head.contains("detail=module"));
        assert!(!f.get("/").await.is_hit());

        let fresh = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            tx.delete("Cache-Control").unwrap();
            tx.set_freshness(1000).unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&fresh], |_| {
            answer("200 OK", "Cache-Control: no-store\r\n", "x")
        })
        .await;
        f.get("/").await;
        let got = f.get("/").await;
        assert!(got.is_hit(), "{}", got.head);
        let ttl = f.info(&f.object("/")).await.ttl;
        assert!((990..=1000).contains(&ttl), "{ttl}");
    });
}

#[test]
fn a_status_is_changed_for_the_store_or_for_one_client() {
    everywhere(|kind| async move {
        for hook in [Hook::ResponseHead, Hook::ResponseReturn] {
            let m = Scripted::new("m", &[hook], |tx| {
                tx.set_status(404).unwrap();
                Verdict::Continue
            });
            let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
            for _ in 0..2 {
                let got = f.get("/").await;
                assert!(
                    got.head.starts_with("HTTP/1.1 404 Not Found\r\n"),
                    "{}",
                    got.head
                );
                assert_eq!(got.body, b"x");
            }
            let stored = if hook == Hook::ResponseHead { 404 } else { 200 };
            assert_eq!(f.info(&f.object("/")).await.status, stored);
        }
    });
}

#[test]
fn a_host_gets_its_addresses_from_a_module() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::Resolve], |tx| {
            assert_eq!(tx.host_name().0, "nowhere.test");
            tx.add_address(std::net::Ipv4Addr::LOCALHOST.into())
                .unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "found")).await;
        let port = f.origin.at.port();
        let request = format!(
            "GET http://nowhere.test:{port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
        let got = crate::support::get(f.forward, &request).await;
        assert_eq!(got.body, b"found", "{}", got.head);
    });
}

#[test]
fn what_a_module_adds_to_a_request_is_obeyed_by_the_cache() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead], |tx| {
            tx.set("Cache-Control", "no-cache").unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        f.get("/").await;
        f.get("/").await;
        assert_eq!(f.origin.count(), 2);
    });
}
