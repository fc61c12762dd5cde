//! What modules are not shown, as docs/modules.md says.

use crate::scripted::{ALL, Scripted, everywhere, proxy, proxy_with};
use crate::support::{answer, get};
use std::sync::{Arc, Mutex};
use understudy_module::{Hook, Response, Verdict};
use understudy_proxy::Matcher;

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";

fn looker(name: &'static str) -> Scripted {
    let mut m = Scripted::new(name, ALL, |_| Verdict::Continue);
    m.about = |about| about.only_looks = true;
    m
}

#[test]
fn an_error_page_of_the_proxy_meets_no_hook_on_answers() {
    everywhere(|kind| async move {
        let m = looker("m");
        // The origin ends without an answer.
        let f = proxy(kind, &[&m], |_| String::new()).await;
        let got = f.get("/").await;
        assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
        let seen = m.trace.of(1, "m").await.remove(0);
        for hook in [
            "m.response_head",
            "m.response_body",
            "m.response_return",
            "m.return_body",
        ] {
            assert!(!seen.iter().any(|s| s == hook), "{seen:?}");
        }
        assert_eq!(seen[seen.len() - 2..], ["m.log", "m.free"]);
    });
}

#[test]
fn an_answer_of_one_module_meets_no_hook_on_answers_of_another() {
    everywhere(|kind| async move {
        let first = looker("first");
        let mut second = Scripted::new("second", ALL, |tx| match tx.hook() {
            Hook::RequestHead => Verdict::Respond(Box::new(Response::text(403, "no\n").unwrap())),
            _ => Verdict::Continue,
        });
        second.trace = first.trace.clone();
        let f = proxy(kind, &[&first, &second], |_| answer("200 OK", CACHED, "x")).await;
        f.get("/").await;
        first.trace.of(1, "second").await;
        let seen = first.trace.of(1, "first").await.remove(0);
        let of_first: Vec<&String> = seen.iter().filter(|s| s.starts_with("first.")).collect();
        assert_eq!(of_first, ["first.request_head", "first.log", "first.free"]);
    });
}

#[test]
fn a_tunnel_meets_its_request_and_its_end() {
    everywhere(|kind| async move {
        let m = looker("m");
        let f = proxy_with(
            kind,
            &[&m],
            |_| answer("200 OK", CACHED, "through"),
            |settings| {
                let mut access = (*settings.access).clone();
                access.connect_ports = settings
                    .upstream
                    .groups
                    .iter()
                    .flat_map(|group| group.servers.iter().map(|(_, port)| *port))
                    .collect();
                settings.access = Arc::new(access);
            },
        )
        .await;
        let at = f.origin.at;
        let request = format!(
            "CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n\r\nGET / HTTP/1.1\r\nHost: {at}\r\n\r\n"
        );
        let got = get(f.forward, &request).await;
        assert!(got.head.starts_with("HTTP/1.1 200"), "{}", got.head);
        assert!(got.body.ends_with(b"through"));
        let seen = m.trace.of(1, "m").await.remove(0);
        assert_eq!(seen, ["m.request_head", "m.log", "m.free"]);
    });
}

#[test]
fn a_validation_that_is_confirmed_meets_the_hook_on_heads_with_its_304() {
    everywhere(|kind| async move {
        let told = Arc::new(Mutex::new(Vec::new()));
        let to = told.clone();
        let hooks = [Hook::ResponseHead, Hook::ResponseBody];
        let mut m = Scripted::new("m", &hooks, move |tx| {
            to.lock().unwrap().push((tx.hook(), tx.status()));
            Verdict::Continue
        });
        m.about = |about| about.only_looks = true;
        let f = proxy(kind, &[&m], |head| {
            let lines = "Cache-Control: max-age=0\r\nETag: \"e\"\r\n";
            if head.to_ascii_lowercase().contains("\r\nif-none-match:") {
                return format!("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n{lines}\r\n");
            }
            answer("200 OK", lines, "x")
        })
        .await;
        f.get("/").await;
        told.lock().unwrap().clear();
        assert_eq!(f.get("/").await.body, b"x");
        assert_eq!(*told.lock().unwrap(), [(Hook::ResponseHead, 304)]);
    });
}

#[test]
fn of_a_range_the_range_is_shown() {
    everywhere(|kind| async move {
        let pieces = Arc::new(Mutex::new(Vec::new()));
        let to = pieces.clone();
        let mut m = Scripted::new("m", &[Hook::ReturnBody], move |tx| {
            to.lock().unwrap().extend_from_slice(tx.piece());
            Verdict::Continue
        });
        m.about = |about| about.only_looks = true;
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "0123456789")).await;
        f.get("/").await;
        pieces.lock().unwrap().clear();
        let got = f.get_with("/", "Range: bytes=2-4\r\n").await;
        assert_eq!(got.body, b"234", "{}", got.head);
        assert_eq!(*pieces.lock().unwrap(), b"234");
    });
}

#[test]
fn types_that_do_not_match_are_kept_from_a_module_of_bodies_alone() {
    everywhere(|kind| async move {
        for (hooks, type_of) in [
            (&[Hook::ReturnBody][..], "image/*"),
            (&[Hook::ResponseBody], "image/*"),
            (&[Hook::ResponseHead, Hook::ReturnBody], "image/*"),
            (&[Hook::ReturnBody, Hook::ResponseBody], "text/plain"),
        ] {
            let mut m = Scripted::new("m", hooks, |_| Verdict::Continue);
            m.matcher = Matcher::new(&[], &[type_of.to_owned()]).unwrap();
            m.about = |about| about.only_looks = true;
            let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
            for _ in 0..2 {
                assert_eq!(f.get("/").await.body, b"x");
            }
            let calls = |hook: &str| m.trace.count(&format!("m.{hook}"));
            let seen = [
                calls("response_head"),
                calls("response_return"),
                calls("response_body"),
                calls("return_body"),
            ];
            // Of a body of one piece: stored once, returned twice.
            let expected = if type_of == "image/*" {
                [0; 4]
            } else {
                [0, 0, 1, 2]
            };
            assert_eq!(seen, expected, "{hooks:?}");
        }
    });
}

#[test]
fn nothing_is_injected_where_the_length_was_told() {
    everywhere(|kind| async move {
        let hooks = [Hook::ResponseReturn, Hook::ReturnBody];
        let m = Scripted::new("m", &hooks, |tx| {
            if tx.hook() == Hook::ResponseReturn {
                tx.keep_length().unwrap();
            } else {
                tx.host().inject(tx.id(), "more".into());
            }
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(got.has("Content-Length: 1"), "{}", got.head);
            assert_eq!(got.body, b"x");
        }
    });
}
