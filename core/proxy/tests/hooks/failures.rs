//! A module that fails, at every hook, under both policies.

use crate::scripted::{ALL, Scripted, everywhere, proxy, proxy_with};
use crate::support::answer;
use understudy_module::{Bytes, Hook, Verdict};
use understudy_runtimes::Kind;

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";
const FAILING: &[Hook] = &[
    Hook::RequestHead,
    Hook::RequestOut,
    Hook::Resolve,
    Hook::ResponseHead,
    Hook::ResponseBody,
    Hook::ResponseReturn,
    Hook::ReturnBody,
];

fn failing(hook: Hook, how: fn() -> Verdict) -> Scripted {
    Scripted::new("m", ALL, move |tx| {
        if tx.hook() == hook && tx.url().ends_with(b"/bad") {
            return how();
        }
        Verdict::Continue
    })
}

const WAYS: [fn() -> Verdict; 2] = [|| Verdict::fail("on purpose"), || panic!("on purpose")];

#[test]
fn closed_is_502_and_nobody_else_notices() {
    everywhere(|kind| async move {
        for &hook in FAILING {
            for how in WAYS {
                let m = failing(hook, how);
                let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
                let got = f.get("/bad").await;
                // Once the head is out, all that can be done is to break off.
                let cut = hook.is_body() && !got.body.ends_with(b"0\r\n\r\n");
                assert!(
                    cut || got.head.starts_with("HTTP/1.1 502"),
                    "{hook:?} {}",
                    got.head
                );
                assert!(cut || got.head.contains("module-failed"));
                let good = f.get("/good").await;
                assert!(
                    good.head.starts_with("HTTP/1.1 200"),
                    "{hook:?} {}",
                    good.head
                );
                let seen = m.trace.of(2, "m").await;
                for calls in &seen {
                    assert_eq!(
                        calls.iter().filter(|c| *c == "m.free").count(),
                        1,
                        "{hook:?}"
                    );
                    assert_eq!(calls.last().unwrap(), "m.free", "{hook:?}");
                }
                let failed = format!("m.{}", hook.name());
                assert_eq!(seen[0][seen[0].len() - 2], failed, "{hook:?}");
            }
        }
    });
}

#[test]
fn a_body_that_came_with_its_head_fails_as_502_and_not_by_a_cut() {
    let runtime = actix::System::new();
    runtime.block_on(async {
        for hook in [Hook::ResponseBody, Hook::ReturnBody] {
            for passed in ["Cache-Control: no-store\r\n", "Cache-Control: private\r\n"] {
                for how in WAYS {
                    let m = failing(hook, how);
                    let script = move |_: &str| answer("200 OK", passed, "x");
                    let f = proxy(Kind::Inline, &[&m], script).await;
                    let got = f.get("/bad").await;
                    assert!(
                        got.head.starts_with("HTTP/1.1 502"),
                        "{hook:?} {}",
                        got.head
                    );
                    assert!(f.get("/good").await.body.contains(&b'x'), "{hook:?}");
                }
            }
        }
    });
}

/// Both hooks on a body in one task: what fails is the first, and the second has nothing yet.
#[test]
fn a_body_on_its_way_in_fails_as_502_also_when_a_module_waits_for_it_on_its_way_out() {
    actix::System::new().block_on(async {
        let bad = Scripted::new("bad", &[Hook::ResponseBody], |tx| {
            let (host, token) = (tx.host(), tx.token());
            host.resume(token, Verdict::fail("on purpose"));
            Verdict::Pending
        });
        let out = Scripted::new("out", &[Hook::ReturnBody], |_| Verdict::Continue);
        let script = |_: &str| answer("200 OK", "Cache-Control: no-store\r\n", "x");
        let f = proxy(Kind::Inline, &[&bad, &out], script).await;
        let got = f.get("/").await;
        assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
    });
}

#[test]
fn open_goes_on_without_the_module() {
    everywhere(|kind| async move {
        for &hook in FAILING {
            for how in WAYS {
                let m = failing(hook, how).open();
                let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
                let got = f.get("/bad").await;
                assert!(
                    got.head.starts_with("HTTP/1.1 200"),
                    "{hook:?} {}",
                    got.head
                );
                assert!(got.body.contains(&b'x'), "{hook:?}");
                let seen = m.trace.of(1, "m").await.remove(0);
                assert_eq!(seen.last().unwrap(), "m.free");
                assert_eq!(seen[seen.len() - 2], format!("m.{}", hook.name()));
            }
        }
    });
}

#[test]
fn edits_of_a_hook_that_fails_are_undone() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseReturn], |tx| {
            tx.add("X-Half", "1").unwrap();
            panic!("on purpose")
        })
        .open();
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(!got.head.contains("X-Half"), "{}", got.head);
            assert_eq!(got.body, b"x");
        }
    });
}

/// Modules are asked in a row: how far they came is known all the same.
#[test]
fn a_module_that_panics_between_others_is_charged_alone() {
    everywhere(|kind| async move {
        let hooks = [
            Hook::RequestHead,
            Hook::ResponseReturn,
            Hook::Log,
            Hook::Free,
        ];
        let modules = ["first", "second", "third"].map(|name| {
            let m = Scripted::new(name, &hooks, move |tx| {
                if tx.hook() == Hook::ResponseReturn {
                    tx.add(&format!("X-{name}"), "1").unwrap();
                    let panics = name == "second" && tx.url().ends_with(b"/bad");
                    assert!(!panics, "on purpose");
                }
                Verdict::Continue
            });
            m.open()
        });
        let mut loaded = Vec::new();
        let each = modules.each_ref();
        let f = proxy_with(
            kind,
            &each,
            |_| answer("200 OK", CACHED, "x"),
            |settings| loaded.extend(settings.modules.members.iter().map(|m| m.module.clone())),
        )
        .await;
        // Missed, then hit; so many that some of each kind are timed.
        const ROUNDS: usize = 150;
        for _ in 0..ROUNDS {
            for path in ["/bad", "/good"] {
                let got = f.get(path).await;
                assert_eq!(got.body, b"x");
                assert!(got.has("X-first: 1") && got.has("X-third: 1"));
                assert_eq!(got.has("X-second: 1"), path == "/good", "{}", got.head);
            }
        }
        for (m, loaded) in each.into_iter().zip(loaded) {
            let bad = if m.name == "second" { ROUNDS } else { 0 };
            let seen = m.trace.of(2 * ROUNDS, m.name).await;
            let ends = |last: &str| {
                let last = format!("{}.{last}", m.name);
                seen.iter()
                    .filter(|calls| calls[calls.len() - 2] == last)
                    .count()
            };
            assert_eq!(
                (ends("response_return"), ends("log")),
                (bad, 2 * ROUNDS - bad)
            );
            for (hook, calls) in [
                ("request_head", 2 * ROUNDS),
                ("response_return", 2 * ROUNDS),
                ("log", 2 * ROUNDS - bad),
                ("free", 2 * ROUNDS),
            ] {
                let what = format!("{}.{hook}", m.name);
                assert_eq!(m.trace.count(&what), calls, "{what}");
            }
            for calls in &seen {
                assert!(calls.last().is_some_and(|last| last.ends_with(".free")));
            }
            let sum = loaded.sum();
            assert_eq!(sum.hooks[Hook::Free as usize].calls, 2 * ROUNDS as u64);
            let of = sum.hooks[Hook::ResponseReturn as usize];
            assert_eq!((of.calls, of.failures), (2 * ROUNDS as u64, bad as u64));
            assert_eq!(sum.failures.iter().sum::<u64>(), bad as u64);
            assert_eq!(sum.hooks[Hook::RequestHead as usize].failures, 0);
        }
    });
}

#[test]
fn a_body_that_was_changed_already_cannot_go_on() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ReturnBody], |tx| {
            if tx.is_last() {
                return Verdict::fail("too late");
            }
            Verdict::Replace(Bytes::copy_from_slice(tx.piece()))
        })
        .open();
        let text = "x".repeat(1 << 20);
        let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
        let got = f.get("/").await;
        // Cut: the last chunk never comes.
        assert!(!got.body.ends_with(b"0\r\n\r\n"));
    });
}

#[test]
fn a_module_holds_no_more_than_its_budget() {
    everywhere(|kind| async move {
        for open in [false, true] {
            let mut m = Scripted::new("m", &[Hook::ResponseBody], |_| Verdict::Hold);
            m.limits.hold = 100_000;
            if open {
                m = m.open();
            }
            let text = "x".repeat(1 << 20);
            let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
            let got = f.get("/").await;
            if open {
                assert!(got.head.starts_with("HTTP/1.1 200"), "{}", got.head);
                assert!(got.body.iter().filter(|b| **b == b'x').count() == 1 << 20);
            } else {
                assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
            }
        }
    });
}
