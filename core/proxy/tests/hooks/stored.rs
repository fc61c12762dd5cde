//! What must never get into the store by way of a module, or of a validation.

use crate::scripted::{Scripted, everywhere, proxy, proxy_with};
use crate::support::answer;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use understudy_module::{Hook, Verdict};
use understudy_proxy::Matcher;

/// What an origin says that knows its object by `"a"`: the whole once, then these lines with a 304.
fn validating(lines: &'static str) -> impl Fn(&str) -> String + Send + 'static {
    move |head| {
        if head.contains("If-None-Match") {
            format!("HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"a\"\r\n{lines}\r\n")
        } else {
            answer(
                "200 OK",
                "Cache-Control: max-age=0\r\nETag: \"a\"\r\n",
                "abc",
            )
        }
    }
}

#[test]
fn what_a_module_says_of_a_validation_not_to_be_stored_is_not_stored() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            if tx.status() == 304 {
                tx.no_store().unwrap();
            }
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], validating("Cache-Control: max-age=60\r\n")).await;
        for _ in 0..3 {
            let got = f.get("/").await;
            assert_eq!(got.body, b"abc", "{}", got.head);
            assert!(!got.is_hit(), "{}", got.head);
        }
    });
}

#[test]
fn a_validation_gives_one_clients_cookie_to_no_other() {
    // The first 304 has a cookie, by the origin or by a module; none of them makes the object fresh.
    const STALE: &str = "Cache-Control: max-age=0\r\n";
    const SET: &str = "Cache-Control: max-age=0\r\nSet-Cookie: id=1\r\n";
    everywhere(|kind| async move {
        for by_module in [true, false] {
            let (told, answered) = (AtomicBool::new(false), AtomicBool::new(false));
            let m = Scripted::new("m", &[Hook::ResponseHead], move |tx| {
                if by_module && tx.status() == 304 && !told.swap(true, Relaxed) {
                    tx.add("Set-Cookie", "id=1").unwrap();
                }
                Verdict::Continue
            });
            let modules = [&m];
            let f = proxy(kind, &modules, move |head| {
                let asked = head.contains("If-None-Match");
                let first = asked && !answered.swap(true, Relaxed);
                validating(if first && !by_module { SET } else { STALE })(head)
            });
            let f = f.await;
            f.get("/").await;
            assert!(f.get("/").await.head.contains("id=1"));
            let got = f.get("/").await;
            assert!(!got.head.contains("Set-Cookie"), "{}", got.head);
        }
    });
}

#[test]
fn a_validation_that_makes_an_answer_private_takes_it_from_the_store() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseHead], |tx| {
            if tx.status() == 304 {
                tx.set("Cache-Control", "private, max-age=60").unwrap();
            }
            Verdict::Continue
        });
        for (modules, lines) in [
            (&[&m][..], "Cache-Control: max-age=60\r\n"),
            (&[], "Cache-Control: private, max-age=60\r\n"),
            (&[], "Cache-Control: no-store, max-age=60\r\n"),
        ] {
            let f = proxy(kind, modules, validating(lines)).await;
            for _ in 0..3 {
                let got = f.get("/").await;
                assert_eq!(got.body, b"abc");
                assert!(!got.is_hit(), "{}", got.head);
            }
        }
    });
}

#[test]
fn an_answer_to_credentials_that_a_module_sent_is_for_nobody_else() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestOut], |tx| {
            tx.set("Authorization", "Bearer mine").unwrap();
            Verdict::Continue
        });
        for (lines, hit) in [
            ("Cache-Control: max-age=60\r\n", false),
            ("Cache-Control: public, max-age=60\r\n", true),
        ] {
            let f = proxy(kind, &[&m], move |_| answer("200 OK", lines, "abc")).await;
            f.get("/").await;
            assert_eq!(f.get("/").await.is_hit(), hit);
        }
    });
}

#[test]
fn a_key_that_a_module_changes_is_the_one_that_is_stored_and_found_and_invalidated() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead], |tx| {
            let to = if tx.target().ends_with(b"/a") {
                "/b"
            } else {
                "/c"
            };
            if !tx.target().ends_with(b"/b") {
                tx.set_target(to).unwrap();
            }
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |head| {
            answer(
                "200 OK",
                "Cache-Control: max-age=60\r\n",
                head.split(' ').nth(1).unwrap(),
            )
        })
        .await;
        for (path, body, hit) in [
            ("/a", "/b", false),
            ("/b", "/b", true),
            ("/a", "/b", true),
            ("/x", "/c", false),
        ] {
            let got = f.get(path).await;
            assert_eq!(got.body, body.as_bytes());
            assert_eq!(got.is_hit(), hit, "{path}");
        }
        let at = f.origin.at;
        crate::support::get(
            f.forward,
            &format!("DELETE http://{at}/a HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert!(!f.get("/b").await.is_hit());
        // Behind a reverse listener the module's URL stays in that listener's part of the store.
        let got = f.get_reverse("/x").await;
        assert!(!got.is_hit(), "{}", got.head);
    });
}

#[test]
fn a_module_leads_a_reverse_listener_into_no_other_part_of_the_store() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead], |tx| {
            if tx.target() == b"/x" {
                let target = [b"http://", tx.find("X-To").unwrap(), b"/poisoned"].concat();
                tx.set_target(target).unwrap();
            }
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| {
            answer("200 OK", "Cache-Control: max-age=60\r\n", "abc")
        })
        .await;
        let at = f.origin.at;
        let request =
            format!("GET /x HTTP/1.1\r\nHost: www.test\r\nX-To: {at}\r\nConnection: close\r\n\r\n");
        for hit in [false, true] {
            assert_eq!(crate::support::get(f.reverse, &request).await.is_hit(), hit);
        }
        assert!(!f.get("/poisoned").await.is_hit());
    });
}

#[test]
fn a_length_that_the_origin_tells_by_head_is_not_that_of_what_a_module_stored() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseBody], |tx| {
            let mut twice = tx.piece().to_vec();
            twice.extend_from_slice(tx.piece());
            Verdict::Replace(twice.into())
        });
        const LINES: &str = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
        let f = proxy(kind, &[&m], |head| {
            let whole = answer("200 OK", LINES, "abc");
            match head.starts_with("HEAD") {
                true => whole.strip_suffix("abc").unwrap().to_owned(),
                false => whole,
            }
        })
        .await;
        f.get("/").await;
        let at = f.origin.at;
        let got = crate::support::get(
            f.forward,
            &format!("HEAD http://{at}/ HTTP/1.1\r\nHost: {at}\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert!(!got.is_hit(), "{}", got.head);
        let got = f.get("/").await;
        assert!(got.is_hit(), "{}", got.head);
        assert_eq!(got.body, b"abcabc");
    });
}

#[test]
fn a_field_that_a_module_sets_is_the_one_that_a_rule_puts_into_the_key() {
    use understudy_http::semantics::policy::{Overrides, Rule, Rules, When};
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead], |tx| {
            let device = tx.find("User-Agent").unwrap_or_default().to_vec();
            tx.set("X-Device", device).unwrap();
            Verdict::Continue
        });
        let script = |head: &str| {
            let lines = head.lines();
            let mut device = lines.filter_map(|line| line.strip_prefix("X-Device: "));
            answer(
                "200 OK",
                "Cache-Control: max-age=60\r\n",
                device.next().unwrap_or("none"),
            )
        };
        let by_device = |settings: &mut understudy_proxy::Settings| {
            let then = Overrides {
                key_fields: Some(["x-device".into()].into()),
                ..Overrides::default()
            };
            settings.rules = Rules::new(vec![Rule {
                name: "devices".into(),
                when: When::default(),
                then,
            }])
            .unwrap()
            .into();
        };
        let f = crate::scripted::proxy_with(kind, &[&m], script, by_device).await;
        for (device, hit) in [("a", false), ("b", false), ("a", true), ("b", true)] {
            let got = f.get_with("/", &format!("User-Agent: {device}\r\n")).await;
            assert_eq!(got.body, device.as_bytes(), "{}", got.head);
            assert_eq!(got.is_hit(), hit, "{}", got.head);
            // What the client says itself of it is not what counts.
            let lines = format!("User-Agent: {device}\r\nX-Device: c\r\n");
            let got = f.get_with("/", &lines).await;
            assert_eq!(got.body, device.as_bytes(), "{}", got.head);
            assert!(got.is_hit(), "{}", got.head);
        }
    });
}

#[test]
fn what_is_validated_behind_an_answer_is_what_was_stored_and_not_led_elsewhere_once_more() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead], |tx| {
            let target = String::from_utf8(tx.target().to_vec()).unwrap();
            let path = match target.strip_prefix("http://") {
                Some(rest) => &rest[rest.find('/').unwrap()..],
                None => &target,
            };
            tx.set_target(format!("/p{path}")).unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| {
            let lines = "Cache-Control: max-age=0, stale-while-revalidate=60\r\nETag: \"a\"\r\n";
            answer("200 OK", lines, "abc")
        })
        .await;
        f.get("/x").await;
        assert!(f.get("/x").await.is_hit());
        while f.origin.count() < 2 {
            tokio::task::yield_now().await;
        }
        let requests = f.origin.requests.lock().unwrap();
        for request in requests.iter() {
            assert!(request.starts_with("GET /p/x "), "{request}");
        }
    });
}

#[test]
fn a_validation_without_a_type_is_heard_by_who_heard_what_it_validates() {
    everywhere(|kind| async move {
        let hears = |name: &'static str, types: &str| {
            let mut m = Scripted::new(name, &[Hook::ResponseHead], |tx| {
                match tx.status() {
                    304 => tx.delete("Vary").unwrap(),
                    _ => tx.add("Vary", "Accept").unwrap(),
                }
                Verdict::Continue
            });
            m.matcher = Matcher::new(&[], &[types.to_owned()]).unwrap();
            m
        };
        let (text, image) = (hears("t", "text/*"), hears("i", "image/*"));
        let f = proxy(kind, &[&text, &image], |head| {
            if head.contains("If-None-Match") {
                return "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"a\"\r\nVary: Origin\r\n\r\n".to_owned();
            }
            let lines = "Cache-Control: max-age=0\r\nETag: \"a\"\r\nVary: Origin\r\nContent-Type: text/plain\r\n";
            answer("200 OK", lines, "abc")
        })
        .await;
        for asked in 1..=3 {
            let got = f.get("/").await;
            assert_eq!(got.body, b"abc", "{}", got.head);
            assert!(got.has("Vary: Accept"), "{}", got.head);
            assert_eq!(text.trace.count("t.response_head"), asked);
            assert_eq!(image.trace.count("i.response_head"), 0);
        }
    });
}

/// The conditions that a fetch left out are held against what comes, and a client that has it waits for no module on the body.
#[test]
fn a_304_does_not_wait_for_what_modules_make_of_the_body() {
    everywhere(|kind| async move {
        let (go, gone) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(Some(gone)));
        let m = Scripted::new(
            "m",
            &[Hook::ResponseBody, Hook::ResponseReturn],
            move |tx| {
                if tx.hook() == Hook::ResponseReturn {
                    return Verdict::Continue;
                }
                let Some(gone) = gate.lock().unwrap().take() else {
                    return Verdict::Continue;
                };
                let (host, token) = (tx.host(), tx.token());
                std::thread::spawn(move || {
                    let _ = gone.recv();
                    host.resume(token, Verdict::Continue);
                });
                Verdict::Pending
            },
        );
        let tagged = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
        let f = proxy(kind, &[&m], move |_| answer("200 OK", tagged, "abc")).await;
        let got = f.get_with("/", "If-None-Match: \"a\"\r\n").await;
        assert!(got.head.starts_with("HTTP/1.1 304"), "{}", got.head);
        go.send(()).unwrap();
        let whole = f.get("/").await;
        assert!(whole.head.starts_with("HTTP/1.1 200"), "{}", whole.head);
        assert_eq!(crate::bodies::plain(&whole), b"abc");
        assert_eq!(f.origin.count(), 1);
    });
}

/// What is known to be broken before anything of it went out is an error, also where a range was asked for.
#[test]
fn a_range_of_a_body_that_a_module_fails_on_is_an_error() {
    everywhere(|kind| async move {
        if kind != understudy_runtimes::Kind::Inline {
            // Elsewhere it is not known yet, and the head may be out.
            return;
        }
        let m = Scripted::new("m", &[Hook::ResponseBody], |_| panic!("on purpose"));
        let whole = understudy_proxy::settings::RangeMiss::Whole { up_to: 1000 };
        let lines = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
        let script = move |_: &str| answer("200 OK", lines, "0123456789");
        let f = proxy_with(kind, &[&m], script, |settings| settings.range_miss = whole).await;
        let got = f.get_with("/", "Range: bytes=2-4\r\n").await;
        assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
    });
}
