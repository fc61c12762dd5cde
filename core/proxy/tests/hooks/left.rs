//! Calls that are left behind: what a module said on the spot and nobody asks for any more, and what it still is told.

use crate::scripted::{Scripted, everywhere, proxy};
use crate::support::{answer, settings};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use understudy_module::{Hook, Verdict};

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";

#[test]
fn a_request_that_is_refused_while_a_module_thinks_of_it_ends_for_the_module_too() {
    everywhere(|kind| async move {
        let via = Arc::new(Mutex::new(String::new()));
        let m = Scripted::new("m", &[Hook::RequestHead, Hook::Log, Hook::Free], |tx| {
            if tx.hook() == Hook::RequestHead {
                let (host, token) = (tx.host().clone(), tx.token());
                host.resume(token, Verdict::Continue);
                return Verdict::Pending;
            }
            Verdict::Continue
        });
        let to = via.clone();
        let f = proxy(kind, &[&m], move |head| {
            let line = head
                .lines()
                .find(|l| l.to_ascii_lowercase().starts_with("via:"));
            *to.lock().unwrap() = line.unwrap().to_owned();
            answer("200 OK", CACHED, "x")
        })
        .await;
        assert!(f.get("/").await.head.starts_with("HTTP/1.1 200"));
        m.trace.of(1, "m").await;
        // It came through here already.
        let line = format!("{}\r\n", via.lock().unwrap());
        let got = f.get_with("/", &line).await;
        assert!(got.head.starts_with("HTTP/1.1 508"), "{}", got.head);
        // A refusal is logged for every module that logs; what was asked already ends first.
        let seen = m.trace.of(2, "m").await.remove(1);
        assert_eq!(seen[seen.len() - 2..], ["m.log", "m.free"]);
    });
}

#[test]
fn a_field_that_a_module_adds_selects_the_newest_answer_that_varies_by_it() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead], |tx| {
            tx.add("X-Kind", "a").unwrap();
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |head| {
            if head.to_ascii_lowercase().contains("no-cache") {
                let lines = format!("{CACHED}Vary: X-Kind\r\n");
                return answer("200 OK", &lines, "new");
            }
            answer("200 OK", CACHED, "old")
        })
        .await;
        assert_eq!(f.get("/").await.body, b"old");
        let again = f.get_with("/", "Cache-Control: no-cache\r\n").await;
        assert_eq!(again.body, b"new");
        let got = f.get("/").await;
        assert!(got.is_hit(), "{}", got.head);
        assert_eq!(got.body, b"new", "{kind:?}");
    });
}

/// Takes an object away from another thread; says whether it was gone soon. It is not when this very worker would have to do it,
/// nor on a machine that stalls just then: that costs one of many tries, not the test.
fn take_away(cache: &understudy_cache::Cache, key: &[u8]) -> bool {
    let (theirs, of) = (cache.clone(), key.to_vec());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(theirs.invalidate(0, of.into()));
    });
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_millis(500) {
        if cache.find(key).is_none() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

#[test]
fn a_hit_that_is_gone_while_a_module_thinks_of_it_is_fetched() {
    everywhere(|kind| async move {
        if kind != understudy_runtimes::Kind::Inline {
            // Only inline modules are asked on the spot.
            return;
        }
        let cache = Arc::<std::sync::OnceLock<understudy_cache::Cache>>::default();
        let gone = Arc::<Mutex<usize>>::default();
        let (its, told) = (cache.clone(), gone.clone());
        let hooks = [
            Hook::ResponseHead,
            Hook::ResponseReturn,
            Hook::Log,
            Hook::Free,
        ];
        let m = Scripted::new("m", &hooks, move |tx| {
            let key = tx.url().to_vec();
            if tx.hook() == Hook::ResponseReturn
                && let Some(cache) = its.get()
                && cache.find(&key).is_some()
                && *told.lock().unwrap() == 0
                && take_away(cache, &key)
            {
                *told.lock().unwrap() += 1;
                let (host, token) = (tx.host().clone(), tx.token());
                host.resume(token, Verdict::Continue);
                return Verdict::Pending;
            }
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        for n in 0..32 {
            assert_eq!(f.get(&format!("/{n}")).await.body, b"x");
        }
        m.trace.of(32, "m").await;
        assert!(cache.set(f.proxy.cache()).is_ok());
        let mut asked = 32;
        for n in 0..32 {
            let got = f.get(&format!("/{n}")).await;
            assert_eq!(got.body, b"x");
            asked += 1;
            if *gone.lock().unwrap() > 0 {
                assert!(!got.is_hit(), "{}", got.head);
                let seen = m.trace.of(asked, "m").await;
                let expected = [
                    "m.response_return",
                    "m.response_head",
                    "m.response_return",
                    "m.log",
                    "m.free",
                ];
                assert_eq!(*seen.last().unwrap(), expected);
                return;
            }
        }
        panic!("every object lives with the worker that serves it");
    });
}

#[test]
fn a_module_that_the_settings_no_longer_name_goes_with_its_last_transaction() {
    everywhere(|kind| async move {
        let asked = Arc::new(AtomicUsize::new(0));
        let left = Arc::downgrade(&asked);
        let hooks = [
            Hook::RequestHead,
            Hook::ResponseReturn,
            Hook::Log,
            Hook::Free,
        ];
        let m = Scripted::new("m", &hooks, move |_| {
            asked.fetch_add(1, Ordering::SeqCst);
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        // Missed, hit, and missed again.
        for path in ["/", "/", "/other"] {
            assert_eq!(f.get(path).await.body, b"x");
        }
        m.trace.of(3, "m").await;
        drop(m);
        let without = settings(f.origin.at);
        f.proxy.reconfigure(without, None).await.unwrap();
        while left.upgrade().is_some() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!(f.get("/").await.body, b"x");
    });
}
