//! What a hook is told of its transaction: id, client, fields, pieces, and how it ended.

use crate::scripted::{ALL, Scripted, everywhere, proxy};
use crate::support::{Fixture, answer, get};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use understudy_module::{Hook, Refused, Verdict};

const CACHED: &str = "Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n";

#[test]
fn each_transaction_has_one_id_of_its_own_in_all_its_hooks() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", ALL, |_| Verdict::Continue);
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        for path in ["/a", "/b", "/a"] {
            f.get(path).await;
        }
        // The trace is by id: three of them, each with its own request and its own end.
        let seen = m.trace.of(3, "m").await;
        assert_eq!(seen.len(), 3);
        for calls in seen {
            assert_eq!(calls[0], "m.request_head");
            assert_eq!(calls[calls.len() - 1], "m.free");
        }
    });
}

#[test]
fn every_hook_is_told_the_clients_address() {
    everywhere(|kind| async move {
        let told = Arc::new(Mutex::new(HashSet::new()));
        let to = told.clone();
        let m = Scripted::new("m", ALL, move |tx| {
            to.lock().unwrap().insert(tx.client());
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        let mut stream = tokio::net::TcpStream::connect(f.forward).await.unwrap();
        let at = f.origin.at;
        let request =
            format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        m.trace.of(1, "m").await;
        let ours = stream.local_addr().unwrap();
        assert_eq!(*told.lock().unwrap(), HashSet::from([ours]));
    });
}

#[test]
fn the_lines_of_a_field_are_found_in_order_and_whatever_their_case() {
    everywhere(|kind| async move {
        let found = Arc::new(Mutex::new(Vec::new()));
        let to = found.clone();
        let m = Scripted::new("m", &[Hook::RequestHead], move |tx| {
            let text = |v: &[u8]| String::from_utf8_lossy(v).into_owned();
            let mut to = to.lock().unwrap();
            to.extend(tx.find("x-many").map(text));
            to.extend(tx.find_all("X-MANY").map(text));
            to.extend(tx.find("X-None").map(text));
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        f.get_with("/", "X-Many: 1\r\nx-many: 2\r\n").await;
        assert_eq!(*found.lock().unwrap(), ["1", "1", "2"]);
    });
}

#[test]
fn when_the_headers_are_done_later_edits_are_refused() {
    everywhere(|kind| async move {
        let m = Scripted::new("m", &[Hook::ResponseReturn], |tx| {
            tx.add("X-Before", "1").unwrap();
            tx.headers_done();
            assert_eq!(tx.add("X-After", "1"), Err(Refused::Sealed));
            assert_eq!(tx.delete("X-Before"), Err(Refused::Sealed));
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        for _ in 0..2 {
            let got = f.get("/").await;
            assert!(got.has("X-Before: 1"), "{}", got.head);
            assert!(!got.head.contains("X-After"), "{}", got.head);
        }
    });
}

#[test]
fn the_pieces_of_a_request_body_are_the_body() {
    everywhere(|kind| async move {
        let seen = Arc::new(Mutex::new((Vec::new(), 0)));
        let to = seen.clone();
        let m = Scripted::new("m", &[Hook::RequestBody], move |tx| {
            let mut to = to.lock().unwrap();
            to.0.extend_from_slice(tx.piece());
            to.1 += usize::from(tx.is_last());
            Verdict::Continue
        });
        let f = proxy(kind, &[&m], |_| String::new()).await;
        let body = "abc".repeat(20_000);
        let length = body.len();
        let (at, took) = takes_all(length);
        let request = format!(
            "POST http://{at}/ HTTP/1.1\r\nHost: {at}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let got = get(f.forward, &request).await;
        assert!(got.head.starts_with("HTTP/1.1 204"), "{}", got.head);
        assert!(took.join().unwrap() == body.as_bytes(), "the origin's");
        let seen = seen.lock().unwrap();
        assert!(seen.0 == body.as_bytes(), "the module's");
        assert_eq!(seen.1, 1, "one piece is the last");
    });
}

/// An origin that answers one request when it has all of its body, of this length, and not before. The body is chunked when a
/// module may change it.
pub fn takes_all(length: usize) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let took = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let line = |stream: &mut BufReader<_>| {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        while !line(&mut stream).is_empty() {}
        let mut body = Vec::new();
        while body.len() < length {
            let size = usize::from_str_radix(&line(&mut stream), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).unwrap();
            body.extend_from_slice(&chunk[..size]);
        }
        // The last chunk.
        assert_eq!(line(&mut stream), "0");
        assert_eq!(line(&mut stream), "");
        let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        stream.into_inner().write_all(answer).unwrap();
        body
    });
    (at, took)
}

#[test]
fn servers_of_a_group_get_their_addresses_from_a_module_too() {
    everywhere(|kind| async move {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let to = asked.clone();
        let m = Scripted::new("m", &[Hook::Resolve], move |tx| {
            let (name, port) = tx.host_name();
            to.lock().unwrap().push((name.to_owned(), port));
            tx.add_address(std::net::Ipv4Addr::LOCALHOST.into())
                .unwrap();
            Verdict::Continue
        });
        let f = crate::scripted::proxy_with(
            kind,
            &[&m],
            |_| answer("200 OK", CACHED, "x"),
            |settings| {
                let server = &mut settings.upstream.groups[0].servers[0];
                server.0 = "server.test".to_owned();
            },
        )
        .await;
        assert_eq!(f.get_reverse("/").await.body, b"x");
        let expected = [("server.test".to_owned(), f.origin.at.port())];
        assert_eq!(*asked.lock().unwrap(), expected);
    });
}

/// What `log` was told of each transaction: code, hierarchy, time-out.
type Words = Arc<Mutex<Vec<[String; 3]>>>;

fn logger() -> (Scripted, Words) {
    let words = Words::default();
    let to = words.clone();
    let m = Scripted::new("m", &[Hook::Log, Hook::Free], move |tx| {
        let entry = tx.entry().unwrap();
        let all = [entry.code, entry.hierarchy, entry.timeout];
        to.lock().unwrap().push(all.map(str::to_owned));
        Verdict::Continue
    });
    (m, words)
}

async fn words(f: Fixture, m: &Scripted, words: &Words, transactions: usize) -> Vec<[String; 3]> {
    m.trace.of(transactions, "m").await;
    drop(f);
    words.lock().unwrap().clone()
}

#[test]
fn the_log_is_told_the_code_of_a_miss_and_of_a_hit() {
    everywhere(|kind| async move {
        let (m, told) = logger();
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        f.get("/").await;
        m.trace.of(1, "m").await;
        f.get("/").await;
        let told = words(f, &m, &told, 2).await;
        assert_eq!([&*told[0][0], &*told[1][0]], ["TCP_MISS", "TCP_MEM_HIT"]);
    });
}

#[test]
fn the_log_is_told_where_an_answer_came_from() {
    everywhere(|kind| async move {
        let (m, told) = logger();
        let f = proxy(kind, &[&m], |_| answer("200 OK", CACHED, "x")).await;
        f.get("/").await;
        m.trace.of(1, "m").await;
        f.get("/").await;
        let told = words(f, &m, &told, 2).await;
        assert_eq!(told[0][1], "HIER_DIRECT/127.0.0.1");
        assert_eq!(told[1][1], "HIER_NONE/-");
    });
}

#[test]
fn the_log_is_told_which_time_out_ended_a_transaction() {
    everywhere(|kind| async move {
        let (m, told) = logger();
        let f = slow(kind, &m).await;
        let got = f.get("/").await;
        assert!(got.head.starts_with("HTTP/1.1 504"), "{}", got.head);
        let told = words(f, &m, &told, 1).await;
        assert_eq!(told[0][2], "http_response_timeout");
    });
}

/// A proxy whose origin takes connections and never answers.
async fn slow(kind: understudy_runtimes::Kind, m: &Scripted) -> Fixture {
    crate::scripted::proxy_with(
        kind,
        &[m],
        |_| loop {
            std::thread::park();
        },
        |settings| settings.timeouts.first_byte = std::time::Duration::from_millis(100),
    )
    .await
}

/// What an answer says of the modules' time.
fn timing(got: &crate::support::Got) -> Option<&str> {
    let line = got.head.lines().find(|l| l.starts_with("Server-Timing: "));
    line.map(|l| &l["Server-Timing: ".len()..])
}

#[test]
fn answers_tell_what_modules_cost_when_they_are_asked() {
    use understudy_proxy::modules::ServerTiming;
    everywhere(|kind| async move {
        for when in [ServerTiming::Off, ServerTiming::Asked, ServerTiming::Always] {
            let m = Scripted::new("m", &[Hook::RequestHead], |_| Verdict::Continue);
            let script = |_: &str| answer("200 OK", CACHED, "x");
            let f = crate::scripted::proxy_with(kind, &[&m], script, move |settings| {
                settings.modules.server_timing = when;
            })
            .await;
            // A miss and a hit, asking and not.
            for _ in 0..2 {
                let asking = f.get_with("/", "Understudy-Timing: 1\r\n").await;
                let other = f.get("/").await;
                let told = when != ServerTiming::Off;
                assert_eq!(timing(&asking).is_some(), told, "{when:?} {}", asking.head);
                let always = when == ServerTiming::Always;
                assert_eq!(timing(&other).is_some(), always, "{when:?} {}", other.head);
                if let Some(said) = timing(&asking) {
                    assert!(said.starts_with("m;dur="), "{said}");
                    assert!(said.ends_with(";desc=\"1 calls\""), "{said}");
                }
            }
        }
    });
}

#[test]
fn an_inline_call_beyond_its_deadline_is_counted_and_its_work_stands() {
    everywhere(|kind| async move {
        if kind != understudy_runtimes::Kind::Inline {
            // Elsewhere it is ended at the deadline.
            return;
        }
        let mut m = Scripted::new("m", &[Hook::RequestHead], |_| {
            let began = std::time::Instant::now();
            while began.elapsed() < std::time::Duration::from_millis(3) {}
            Verdict::Continue
        });
        m.limits.deadline = std::time::Duration::from_millis(1);
        let loaded = Arc::new(Mutex::new(None));
        let to = loaded.clone();
        let script = |_: &str| answer("200 OK", CACHED, "x");
        let f = crate::scripted::proxy_with(kind, &[&m], script, move |settings| {
            // Then every call is timed.
            settings.modules.server_timing = understudy_proxy::modules::ServerTiming::Always;
            *to.lock().unwrap() = Some(settings.modules.members[0].module.clone());
        })
        .await;
        assert_eq!(f.get("/").await.body, b"x");
        let loaded = loaded.lock().unwrap().clone().unwrap();
        assert_eq!(loaded.sum().overdue, 1);
    });
}

/// Keeps the notes of each transaction.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<Vec<String>>>);

impl understudy_proxy::TransactionLog for Notes {
    fn log(&self, record: &understudy_proxy::Record<'_>) {
        let notes = record.modules.iter().flat_map(|module| module.notes);
        let names = notes.map(|(name, _)| String::from_utf8(name.clone()).unwrap());
        self.0.lock().unwrap().push(names.collect());
    }
}

#[test]
fn what_is_noted_before_a_module_takes_its_time_is_in_the_log() {
    everywhere(|kind| async move {
        let mut m = Scripted::new("m", &[Hook::ReturnBody], |tx| {
            tx.note("looked", "yes").unwrap();
            tx.host().resume(tx.token(), Verdict::Continue);
            Verdict::Pending
        });
        m.about = |about| about.only_looks = true;
        let log = Arc::new(Notes::default());
        let f = crate::scripted::logged(
            kind,
            &[&m],
            |_| answer("200 OK", "Cache-Control: max-age=60\r\n", "abc"),
            |_| {},
            Some(log.clone()),
        )
        .await;
        for transactions in 1..3 {
            assert_eq!(f.get("/").await.body, b"abc");
            while log.0.lock().unwrap().len() < transactions {
                tokio::task::yield_now().await;
            }
            let notes = log.0.lock().unwrap()[transactions - 1].clone();
            assert!(
                notes.iter().any(|name| name == "looked"),
                "{kind:?} {transactions}"
            );
        }
    });
}
