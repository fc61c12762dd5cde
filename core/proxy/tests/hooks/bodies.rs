//! What hooks on bodies may do.

use crate::record::takes_all;
use crate::scripted::{Scripted, everywhere, proxy, proxy_with};
use crate::support::{Got, answer, body, get};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use understudy_module::{Bytes, Hook, Transaction, Verdict};

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";

/// A chunked body without its chunks.
pub fn plain(got: &crate::support::Got) -> Vec<u8> {
    if !got.has("Transfer-Encoding: chunked") {
        return got.body.clone();
    }
    let mut rest = &got.body[..];
    let mut out = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

fn upper(bytes: &[u8]) -> Bytes {
    bytes.to_ascii_uppercase().into()
}

#[test]
fn what_becomes_of_an_origins_body_is_stored_and_not_made_again() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseBody, Hook::Free], |tx| {
            Verdict::Replace(upper(tx.piece()))
        });
        let text = "abc".repeat(100_000);
        let whole = text.clone();
        let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
        for hit in [false, true] {
            let got = f.get("/").await;
            assert_eq!(got.is_hit(), hit);
            assert!(plain(&got) == upper(whole.as_bytes()), "hit {hit}");
        }
        let calls = m.trace.count("m.response_body");
        f.get("/").await;
        assert_eq!(m.trace.count("m.response_body"), calls);
    });
}

/// More than a fill takes unread, so its head goes out while pieces are still with the module.
#[test]
fn a_stored_body_that_is_larger_than_a_fill_takes_unread_comes_through_every_model() {
    everywhere(|kind| async move {
        for replaces in [false, true] {
            let m = Scripted::new("m", &[Hook::ResponseBody], move |tx| {
                if replaces {
                    Verdict::Replace(upper(tx.piece()))
                } else {
                    Verdict::Continue
                }
            });
            let text = "abc".repeat(400_000);
            let whole = match replaces {
                true => upper(text.as_bytes()),
                false => Bytes::from(text.clone()),
            };
            let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
            for hit in [false, true] {
                let got = f.get("/").await;
                assert_eq!(got.is_hit(), hit);
                assert!(plain(&got) == whole, "hit {hit}");
            }
        }
    });
}

#[test]
fn what_becomes_of_a_body_on_return_is_this_clients_alone() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ReturnBody], |tx| {
            Verdict::Replace(upper(tx.piece()))
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        for _ in 0..3 {
            assert_eq!(plain(&f.get("/").await), b"ABC");
        }
        let read = f
            .perform(understudy_module::Operation::Read(f.object("/")))
            .await;
        let understudy_module::Completion::Object(read) = read else {
            panic!("{read:?}")
        };
        assert_eq!(&read.body()[..], b"abc");
    });
}

/// Which of the two it is, a head says: the path of a hit that is answered on the spot, and of one that is not.
#[test]
fn a_module_that_is_done_with_a_head_is_not_asked_about_its_body() {
    everywhere(|kind| async move {
        let hooks = &[Hook::RequestHead, Hook::ResponseReturn, Hook::ReturnBody];
        let m = Scripted::new("m", hooks, |tx| match tx.hook() {
            Hook::ResponseReturn => {
                tx.set("X-Returned", "yes").unwrap();
                match tx.url().ends_with(b"/plain") {
                    true => Verdict::Done,
                    false => Verdict::Continue,
                }
            }
            Hook::ReturnBody => Verdict::Replace(upper(tx.piece())),
            _ => Verdict::Continue,
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        for (path, body, asked) in [("/plain", "abc", false), ("/upper", "ABC", true)] {
            for hit in [false, true, true] {
                let got = f.get(path).await;
                assert_eq!(got.is_hit(), hit, "{path}");
                assert!(got.has("X-Returned: yes"), "{}", got.head);
                assert_eq!(plain(&got), body.as_bytes(), "{path} {hit}");
            }
            assert_eq!(m.trace.count("m.return_body") > 0, asked, "{path}");
        }
        assert_eq!(m.trace.count("m.response_return"), 6);
    });
}

/// Its length is told by the end of the connection alone, so the cache starts to store it and gives up on the way.
#[test]
fn a_body_that_grows_too_long_to_be_stored_still_reaches_its_client_through_modules() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ReturnBody], |tx| {
            Verdict::Replace(upper(tx.piece()))
        });
        let text = "abcdefgh".repeat(256 * 1024);
        let whole = upper(text.as_bytes());
        let script =
            move |_: &str| format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{CACHED}\r\n{text}");
        let f = proxy_with(kind, &[&m], script, |settings| {
            if let Some(cache) = &mut settings.cache {
                cache.max_object = 512 << 10;
            }
        })
        .await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(!got.is_hit());
            assert!(plain(&got) == whole);
        }
    });
}

#[test]
fn a_body_is_held_until_it_is_whole() {
    everywhere(|kind| async move {
        for hook in [Hook::ResponseBody, Hook::ReturnBody] {
            let m = Scripted::new("m", &[hook], |tx| {
                if !tx.is_last() {
                    return Verdict::Hold;
                }
                let mut whole = tx.whole().to_vec();
                whole.reverse();
                Verdict::Replace(whole.into())
            });
            let sent = body(300_000);
            let text: String = sent.iter().map(|b| char::from(b'a' + b % 26)).collect();
            let mut expected = text.clone().into_bytes();
            expected.reverse();
            let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
            for _ in 0..2 {
                assert!(plain(&f.get("/").await) == expected, "{hook:?}");
            }
        }
    });
}

#[test]
fn a_length_that_is_kept_is_told() {
    everywhere(|kind| async move {
        let hooks = [Hook::ResponseHead, Hook::ResponseBody];
        let m = Scripted::new("m", &hooks, |tx| match tx.hook() {
            Hook::ResponseHead => {
                tx.keep_length().unwrap();
                Verdict::Continue
            }
            _ => Verdict::Replace(upper(tx.piece())),
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        let got = f.get("/").await;
        assert!(got.has("Content-Length: 3"), "{}", got.head);
        assert_eq!(got.body, b"ABC");
    });
}

#[test]
fn a_request_body_is_changed_on_its_way() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestBody], |tx| {
            let twice = tx.piece().iter().flat_map(|byte| [*byte, *byte]);
            Verdict::Replace(twice.collect())
        });
        let f = proxy(kind, &[&m], |_| String::new()).await;
        let body = "abc".repeat(20_000);
        let (at, took) = takes_all(2 * body.len());
        let length = body.len();
        let got = get(
            f.forward,
            &format!("POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"),
        )
        .await;
        assert!(got.head.starts_with("HTTP/1.1 204"), "{}", got.head);
        assert!(took.join().unwrap() == "aabbcc".repeat(20_000).as_bytes());
    });
}

#[test]
fn bytes_are_injected_into_an_answer_in_progress() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ReturnBody], |tx| {
            if !tx.is_last() {
                let host = tx.host();
                host.inject(tx.id(), Bytes::from_static(b"<!-- injected -->"));
            }
            Verdict::Continue
        });
        let text = "x".repeat(1 << 20);
        let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
        let got = plain(&f.get("/").await);
        let injected = got
            .windows(17)
            .filter(|w| *w == b"<!-- injected -->")
            .count();
        assert!(injected >= 1);
        assert_eq!(got.len(), (1 << 20) + injected * 17);
    });
}

#[test]
fn dropped_pieces_are_gone_and_the_rest_stays_in_order() {
    everywhere(|kind| async move {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let to = kept.clone();
        let count = AtomicUsize::new(0);
        let m = Scripted::new("m", &[Hook::ReturnBody], move |tx| {
            let piece = tx.piece();
            if count.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
                return Verdict::Drop;
            }
            to.lock().unwrap().extend_from_slice(piece);
            Verdict::Continue
        });
        let text: String = body(400_000)
            .iter()
            .map(|b| char::from(b'a' + b % 26))
            .collect();
        let whole = text.len();
        let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
        f.get("/").await;
        kept.lock().unwrap().clear();
        let got = plain(&f.get("/").await);
        assert!(got == *kept.lock().unwrap());
        assert!(got.len() < whole);
    });
}

#[test]
fn a_body_that_does_not_keep_its_length_as_promised_is_broken_off_before_it_is_too_long() {
    everywhere(|kind| async move {
        // How much longer or shorter the first piece becomes; the last piece is left as it is.
        for (first, length) in [
            ("shorter", 1),
            ("longer", 200_000),
            ("much longer", 3 << 20),
        ] {
            let m = Scripted::new("m", &[Hook::ResponseReturn, Hook::ReturnBody], move |tx| {
                if tx.hook() == Hook::ResponseReturn {
                    tx.keep_length().unwrap();
                    return Verdict::Continue;
                }
                match tx.is_last() {
                    true => Verdict::Continue,
                    false if tx.piece()[0] == b'f' => Verdict::Replace(vec![b'y'; length].into()),
                    false => Verdict::Continue,
                }
            });
            let text = format!("f{}", "x".repeat((1 << 20) - 1));
            let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
            for _ in 0..2 {
                let got = f.get("/").await;
                if got.head.starts_with("HTTP/1.1 502") {
                    // It was found out before anything was given away.
                    continue;
                }
                assert!(got.has("Content-Length: 1048576"), "{}", got.head);
                let body = got.body.len();
                assert!(body < 1 << 20, "{kind:?} {first}: {body}");
            }
        }
    });
}

#[test]
fn no_answer_follows_one_that_came_out_shorter_than_promised() {
    everywhere(|kind| async move {
        for then in [|| Verdict::Continue, || Verdict::Done] {
            let m = Scripted::new("m", &[Hook::ResponseReturn, Hook::ReturnBody], move |tx| {
                if tx.hook() == Hook::ResponseReturn {
                    tx.keep_length().unwrap();
                    return Verdict::Continue;
                }
                match tx.piece().first() {
                    Some(b'f') => Verdict::Replace(Bytes::from_static(b"y")),
                    _ => then(),
                }
            });
            let text = format!("f{}", "x".repeat((1 << 20) - 1));
            let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
            let at = f.origin.at;
            let one = format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\n");
            for _ in 0..2 {
                let two = format!("{one}\r\n{one}Connection: close\r\n\r\n");
                let got = get(f.forward, &two).await;
                assert!(got.has("Content-Length: 1048576"), "{}", got.head);
                let next = got.body.windows(9).any(|w| w == b"HTTP/1.1 ");
                assert!(!next, "{kind:?}: the next answer would be taken for body");
            }
        }
    });
}

#[test]
fn more_modules_than_a_word_has_bits_change_a_body_each_in_its_turn() {
    everywhere(|kind| async move {
        // The last of them to be asked withholds, so that what the others made of a piece goes on from there.
        let modules: Vec<Scripted> = (0..70)
            .map(|n| {
                let name: &'static str = Box::leak(format!("m{n}").into_boxed_str());
                Scripted::new(name, &[Hook::ResponseBody], move |tx| {
                    if n == 0 && !tx.is_last() {
                        return Verdict::Hold;
                    }
                    let piece = if n == 0 {
                        tx.whole().to_vec()
                    } else {
                        tx.piece().to_vec()
                    };
                    Verdict::Replace(piece.iter().map(|byte| byte.wrapping_add(1)).collect())
                })
            })
            .collect();
        let modules: Vec<&Scripted> = modules.iter().collect();
        for count in [63, 64, 65, 70] {
            let chunked = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\n{CACHED}Transfer-Encoding: chunked\r\n\r\n3\r\n000\r\n2\r\n11\r\n0\r\n\r\n"
            );
            let f = proxy(kind, &modules[..count], move |_| chunked.clone()).await;
            let by = u8::try_from(count).unwrap();
            let expected: Vec<u8> = b"00011".iter().map(|byte| byte.wrapping_add(by)).collect();
            for hit in [false, true] {
                let got = f.get("/").await;
                assert_eq!(plain(&got), expected, "{count} {hit} {}", got.head);
            }
        }
    });
}

/// The first half of each piece goes on by itself, and the rest is waited for, also behind the last piece.
#[test]
fn the_first_part_of_a_piece_goes_on_and_the_module_is_asked_for_the_rest() {
    everywhere(|kind| async move {
        for hook in [Hook::ResponseBody, Hook::ReturnBody] {
            let m = Scripted::new("m", &[hook], |tx| {
                let mut all = tx.opaque().get::<Vec<u8>>().map(std::mem::take);
                let all = all.get_or_insert_default();
                all.extend_from_slice(&upper(tx.piece()));
                if !tx.piece().is_empty() {
                    let rest = all.split_off(all.len() / 2);
                    tx.opaque().set(rest);
                    return Verdict::First(std::mem::take(all).into());
                }
                let rest = Verdict::Replace(std::mem::take(all).into());
                tx.host().resume(tx.token(), rest);
                Verdict::Pending
            });
            for text in ["abc".to_owned(), "abcdefg".repeat(100_000)] {
                let whole = upper(text.as_bytes());
                let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
                for _ in 0..2 {
                    assert!(plain(&f.get("/").await) == whole, "{kind:?} {hook:?}");
                }
            }
        }
    });
}

/// Behind the last piece of the origin's a module may have any number of them, as a remote service gives them.
#[test]
fn a_module_gives_as_many_first_parts_as_it_waits_for() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseBody], |tx| {
            if !tx.is_last() {
                return Verdict::Drop;
            }
            let count = tx.opaque().get_or_insert_with(|| 0_u32);
            *count += 1;
            let (count, host, token) = (*count, tx.host(), tx.token());
            std::thread::spawn(move || {
                let part = Bytes::from(format!("{count};"));
                host.resume(
                    token,
                    match count < 100 {
                        true => Verdict::First(part),
                        false => Verdict::Replace(part),
                    },
                );
            });
            Verdict::Pending
        });
        let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, "abc")).await;
        let expected: String = (1..=100).map(|n| format!("{n};")).collect();
        for _ in 0..2 {
            assert_eq!(plain(&f.get("/").await), expected.as_bytes());
        }
    });
}

/// While a stored body is still being published, too: nobody waits for that who waits for a module.
#[test]
fn a_first_part_goes_on_at_once() {
    everywhere(|kind| async move {
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(Some(gone)));
        let m = Scripted::new("m", &[Hook::ReturnBody], move |tx| {
            let waited = tx.opaque().get_or_insert_with(|| 0_u32);
            *waited += 1;
            match *waited {
                1 => Verdict::First(tx.piece().clone()),
                2 => {
                    let (host, token, rest) = (tx.host(), tx.token(), tx.piece().clone());
                    let gone = gate.lock().unwrap().take().unwrap();
                    std::thread::spawn(move || {
                        gone.recv().unwrap();
                        host.resume(token, Verdict::Replace(rest));
                    });
                    Verdict::Pending
                }
                _ => Verdict::Continue,
            }
        });
        // More than is taken at once.
        let text = "0123456789".repeat(25_000);
        let whole = text.clone();
        let f = proxy(kind, &[&m], move |_| answer("200 OK", CACHED, &text)).await;
        let mut stream = tokio::net::TcpStream::connect(f.forward).await.unwrap();
        let at = f.origin.at;
        let request =
            format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        let first = |got: &[u8]| {
            let text = String::from_utf8_lossy(got).into_owned();
            text.split_once("\r\n\r\n")
                .is_some_and(|(_, body)| body.contains("0123456789"))
        };
        while !first(&got) {
            assert!(stream.read_buf(&mut got).await.unwrap() > 0, "{kind:?}");
        }
        go.send(()).unwrap();
        stream.read_to_end(&mut got).await.unwrap();
        let text = String::from_utf8(got).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let got = Got {
            head: head.to_owned(),
            body: body.as_bytes().to_vec(),
        };
        assert!(plain(&got) == whole.as_bytes(), "{kind:?}");
    });
}

#[test]
fn first_parts_without_end_fail_on_the_workers_stack() {
    everywhere(|kind| async move {
        if kind != understudy_runtimes::Kind::Inline {
            // Elsewhere each is waited for, and the client's pace is the module's.
            return;
        }
        let m = Scripted::new("m", &[Hook::ReturnBody], |_| {
            Verdict::First(Bytes::from_static(b"more"))
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
        let got = f.get("/").await;
        // It was cut off: the end is missing.
        assert!(!got.body.ends_with(b"0\r\n\r\n"), "{kind:?}");
    });
}

/// What is not stored passes both hooks in one task: while the second waits for the module, the first has to take its answer.
#[test]
fn a_module_of_both_hooks_on_a_body_that_is_not_stored_hears_all_of_it_twice() {
    everywhere(|kind| async move {
        let heard = Arc::new(AtomicUsize::new(0));
        let to = heard.clone();
        let m = Scripted::new("m", &[Hook::ResponseBody, Hook::ReturnBody], move |tx| {
            to.fetch_add(tx.piece().len(), Ordering::SeqCst);
            Verdict::Continue
        });
        let text = "x".repeat(300_000);
        let whole = text.clone();
        let passed = "Cache-Control: no-store\r\nContent-Type: text/plain\r\n";
        let f = proxy(kind, &[&m], move |_| answer("200 OK", passed, &text)).await;
        assert!(plain(&f.get("/").await) == whole.as_bytes(), "{kind:?}");
        assert_eq!(heard.load(Ordering::SeqCst), 600_000, "{kind:?}");
    });
}

/// Of two hooks on an answer's body one is skipped: the other is called, also while it waits, and with neither the length is told.
#[test]
fn a_body_that_is_skipped_passes_by_with_its_length() {
    everywhere(|kind| async move {
        for skipped in [
            &[Hook::ResponseHead][..],
            &[Hook::ResponseReturn],
            &[Hook::ResponseHead, Hook::ResponseReturn],
        ] {
            let hooks = [
                Hook::ResponseHead,
                Hook::ResponseBody,
                Hook::ResponseReturn,
                Hook::ReturnBody,
            ];
            let m = Scripted::new("m", &hooks, move |tx| {
                if skipped.contains(&tx.hook()) {
                    tx.skip_body().unwrap();
                }
                if tx.hook().is_body() {
                    assert!(tx.skip_body().is_err());
                    let text = upper(tx.piece());
                    tx.host().resume(tx.token(), Verdict::Replace(text));
                    return Verdict::Pending;
                }
                Verdict::Continue
            });
            for life in ["max-age=60", "no-store"] {
                let text = "abc".repeat(50_000);
                let whole = text.clone();
                let fields = format!("Cache-Control: {life}\r\n");
                let f = proxy(kind, &[&m], move |_| answer("200 OK", &fields, &text)).await;
                let got = f.get("/").await;
                let both = skipped.len() == 2;
                assert_eq!(
                    got.has("Content-Length: 150000"),
                    both,
                    "{kind:?} {skipped:?}"
                );
                let expected = if both {
                    whole.into_bytes()
                } else {
                    upper(whole.as_bytes()).to_vec()
                };
                assert!(plain(&got) == expected, "{kind:?} {skipped:?} {life}");
            }
        }
    });
}

/// Two that only look, so that a hit is answered on the spot: who skips the body does not see it, the other does.
#[test]
fn who_skips_a_body_that_is_only_looked_at_is_not_called_on_hits_either() {
    everywhere(|kind| async move {
        let hooks = [Hook::ResponseReturn, Hook::ReturnBody];
        let looks = |name, skips: bool| {
            let mut m = Scripted::new(name, &hooks, move |tx| {
                if skips && tx.hook() == Hook::ResponseReturn {
                    tx.skip_body().unwrap();
                }
                Verdict::Continue
            });
            m.about = |about| about.only_looks = true;
            m
        };
        let (skipping, looking) = (looks("skipping", true), looks("looking", false));
        let modules = [&skipping, &looking];
        let cached = "Cache-Control: max-age=60\r\n";
        let f = proxy(kind, &modules, move |_| answer("200 OK", cached, "x")).await;
        for _ in 0..4 {
            assert_eq!(f.get("/").await.body, b"x");
        }
        assert_eq!(skipping.trace.count("skipping.response_return"), 4);
        assert_eq!(skipping.trace.count("skipping.return_body"), 0);
        assert!(looking.trace.count("looking.return_body") >= 4);
    });
}

/// Gives more than it took at first, and is waited for behind that.
fn more_first(tx: &mut Transaction<'_>) -> Verdict {
    if !tx.piece().is_empty() {
        return Verdict::First(Bytes::from_static(b"abcHTTP/1.1 200 OK"));
    }
    let (host, token) = (tx.host(), tx.token());
    std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        host.resume(token, Verdict::Continue);
    });
    Verdict::Pending
}

#[test]
fn a_first_part_longer_than_a_length_that_is_kept_never_goes_out() {
    everywhere(|kind| async move {
        for hooks in [
            [Hook::ResponseHead, Hook::ResponseBody],
            [Hook::ResponseReturn, Hook::ReturnBody],
        ] {
            let m = Scripted::new("m", &hooks, |tx| match tx.hook().is_head() {
                true => {
                    tx.keep_length().unwrap();
                    Verdict::Continue
                }
                false => more_first(tx),
            });
            let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "abc")).await;
            let got = f.get("/").await;
            assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
        }
    });
}

#[test]
fn a_first_part_longer_than_a_requests_kept_length_never_reaches_the_origin() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::RequestHead, Hook::RequestBody], |tx| match tx
            .hook()
            .is_head()
        {
            true => {
                tx.keep_length().unwrap();
                Verdict::Continue
            }
            false => more_first(tx),
        });
        let f = proxy(kind, &[&m], |_| String::new()).await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let took = std::thread::spawn(move || {
            let mut all = Vec::new();
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Read::read_to_end(&mut stream, &mut all).unwrap();
            String::from_utf8(all).unwrap()
        });
        let request = format!(
            "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
        );
        let got = get(f.forward, &request).await;
        assert!(got.head.starts_with("HTTP/1.1 502"), "{}", got.head);
        let took = took.join().unwrap();
        let body = took.split_once("\r\n\r\n").unwrap().1;
        assert!(body.len() <= 3, "{took}");
    });
}
