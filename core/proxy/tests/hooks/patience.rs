//! Whose time it is while a module has a piece: its own deadline holds, and no time-out of the origin's or the client's.

use crate::bodies::plain;
use crate::scripted::{Scripted, everywhere, proxy_with};
use crate::support::{Got, answer, get};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use understudy_module::{Hook, Transaction, Verdict};
use understudy_proxy::Settings;

/// The time-outs, and longer than two of them.
const SHORT: Duration = Duration::from_millis(100);
const LONGER: Duration = Duration::from_millis(600);

fn impatient(settings: &mut Settings) {
    settings.timeouts.body = SHORT;
    settings.timeouts.between_bytes = SHORT;
}

/// Says this of a piece, when its time is up.
fn later(tx: &mut Transaction<'_>, verdict: Verdict) -> Verdict {
    let (host, token) = (tx.host(), tx.token());
    std::thread::spawn(move || {
        std::thread::sleep(LONGER);
        host.resume(token, verdict);
    });
    Verdict::Pending
}

/// A module that takes its time over this body.
fn slow(hook: Hook, withholds: bool) -> Scripted {
    let head = match hook {
        Hook::RequestBody => Hook::RequestHead,
        _ => Hook::ResponseHead,
    };
    Scripted::new("m", &[head, hook], move |tx| {
        if tx.hook() == hook {
            return later(tx, Verdict::Continue);
        }
        if withholds {
            tx.withhold_head().unwrap();
        }
        Verdict::Continue
    })
}

fn check(got: &Got, case: (Hook, bool, &str)) {
    assert!(
        got.head.starts_with("HTTP/1.1 200"),
        "{case:?} {}",
        got.head
    );
    assert_eq!(plain(got), b"abc", "{case:?}");
}

#[test]
fn no_time_out_of_the_origins_or_the_clients_passes_while_a_module_has_a_piece() {
    everywhere(|kind| async move {
        for case in [
            (Hook::ResponseBody, false, "max-age=60"),
            (Hook::ResponseBody, true, "max-age=60"),
            (Hook::ResponseBody, false, "no-store"),
            (Hook::ResponseBody, true, "no-store"),
            (Hook::ReturnBody, false, "max-age=60"),
            (Hook::ReturnBody, false, "no-store"),
            (Hook::RequestBody, false, "no-store"),
            (Hook::RequestBody, true, "no-store"),
        ] {
            let (hook, withholds, cached) = case;
            let module = slow(hook, withholds);
            let f = proxy_with(
                kind,
                &[&module],
                move |_| answer("200 OK", &format!("Cache-Control: {cached}\r\n"), "abc"),
                impatient,
            )
            .await;
            let at = f.origin.at;
            let (method, length) = match hook {
                Hook::RequestBody => ("POST", "Content-Length: 3\r\n"),
                _ => ("GET", ""),
            };
            let got = get(f.forward, &format!("{method} http://{at}/ HTTP/1.1\r\nHost: {at}\r\n{length}Connection: close\r\n\r\n{}", if length.is_empty() { "" } else { "abc" })).await;
            check(&got, case);
        }
    });
}

#[test]
fn who_waits_for_anothers_fetch_waits_for_its_modules_too() {
    everywhere(|kind| async move {
        for withholds in [true, false] {
            let (away, called) = (Arc::new(Mutex::new(None)), AtomicBool::new(false));
            let to = away.clone();
            let module = Scripted::new("m", &[Hook::ResponseHead, Hook::ResponseBody], move |tx| {
                if tx.hook() == Hook::ResponseHead {
                    if withholds {
                        tx.withhold_head().unwrap();
                    }
                    return Verdict::Continue;
                }
                if called.swap(true, Ordering::SeqCst) {
                    return Verdict::Continue;
                }
                *to.lock().unwrap() = Some((tx.host(), tx.token()));
                Verdict::Pending
            });
            let mut kept = None;
            let f = proxy_with(
                kind,
                &[&module],
                |_| answer("200 OK", "Cache-Control: max-age=60\r\n", "abc"),
                |settings| {
                    impatient(settings);
                    kept = Some(settings.clone());
                },
            )
            .await;
            let follows = async {
                while away.lock().unwrap().is_none() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                // A transaction keeps the settings that it began with: the origin has time to answer the first, and the other is short
                // of it.
                let mut short = kept.unwrap();
                short.timeouts.first_byte = SHORT;
                short.timeouts.connect = SHORT;
                f.proxy.reconfigure(short, None).await.unwrap();
                let back = async {
                    tokio::time::sleep(LONGER).await;
                    let (host, token) = away.lock().unwrap().take().unwrap();
                    host.resume(token, Verdict::Continue);
                };
                tokio::join!(f.get("/"), back).0
            };
            let (one, other) = tokio::join!(f.get("/"), follows);
            for got in [one, other] {
                check(&got, (Hook::ResponseBody, withholds, "max-age=60"));
            }
            assert_eq!(f.origin.count(), 1);
        }
    });
}

#[test]
fn an_origin_that_says_no_more_has_its_time_out_from_when_the_module_gave_the_piece_back() {
    everywhere(|kind| async move {
        for withholds in [true, false] {
            let module = Scripted::new("m", &[Hook::ResponseHead, Hook::ResponseBody], move |tx| {
                if tx.hook() == Hook::ResponseBody {
                    return later(tx, Verdict::Hold);
                }
                if withholds {
                    tx.withhold_head().unwrap();
                }
                Verdict::Continue
            });
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let at = listener.local_addr().unwrap();
            let origin = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 6\r\n\r\nabc")
                    .unwrap();
                // Until the proxy has had enough.
                let _ = stream.read(&mut [0; 1]);
            });
            let f = proxy_with(kind, &[&module], |_| String::new(), impatient).await;
            let got = get(
                f.forward,
                &format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"),
            )
            .await;
            assert!(got.head.starts_with("HTTP/1.1 50"), "{}", got.head);
            origin.join().unwrap();
        }
    });
}
