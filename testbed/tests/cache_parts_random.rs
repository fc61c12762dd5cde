//! Whatever an origin makes of ranges, and in whatever order they are asked for: every byte that a client gets lies where the
//! answer says, and all of one answer are of the version that it names.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};
use understudy_testbed::{Origin, Request, Site, reply, site::HOST};

const LENGTH: usize = 3000;
const STEPS: usize = 240;

/// The same numbers for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// A version's bytes tell their place and the version.
fn body(version: u64) -> Vec<u8> {
    (0..LENGTH)
        .map(|at| b'!' + ((at as u64 * 7 + at as u64 / 90 + version * 13) % 90) as u8)
        .collect()
}

fn asked(r: &Request) -> Option<(usize, usize)> {
    let (first, last) = r.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
    match (first, last) {
        ("", n) => Some((LENGTH - n.parse::<usize>().ok()?.min(LENGTH), LENGTH - 1)),
        (first, "") => Some((first.parse().ok()?, LENGTH - 1)),
        (first, last) => Some((
            first.parse().ok()?,
            last.parse::<usize>().ok()?.min(LENGTH - 1),
        )),
    }
}

/// One answer, well-behaved or not, and whether it is cut short.
fn answer(r: &Request, version: u64, numbers: &mut Numbers) -> (Vec<u8>, bool) {
    let tag = match numbers.below(8) {
        0 => format!("ETag: W/\"{version}\""),
        1 => "X-No-Tag: 1".to_owned(),
        _ => format!("ETag: \"{version}\""),
    };
    let control = format!(
        "Cache-Control: max-age={}",
        if numbers.below(3) == 0 { 0 } else { 60 }
    );
    let named = format!("X-Version: {version}");
    let fields = [&*tag, &control, &named, "Accept-Ranges: bytes"];
    if r.get("if-none-match")
        .is_some_and(|tags| tags.contains(&format!("\"{version}\"")))
    {
        return (
            reply(
                304,
                &[&format!("ETag: \"{version}\""), &control, &named],
                "",
            ),
            false,
        );
    }
    let whole = body(version);
    let holds = r
        .get("if-range")
        .is_none_or(|tag| tag == format!("\"{version}\""));
    let cut = numbers.below(6) == 0;
    let Some((first, last)) = asked(r).filter(|_| holds && numbers.below(6) > 0) else {
        return (reply(200, &fields, &whole), cut);
    };
    // Another range than the one asked for, now and then.
    let last = if numbers.below(6) == 0 {
        first + (last - first) / 2
    } else {
        last
    };
    // And one whose Content-Range is not as long as its content.
    let (said, complete) = match numbers.below(12) {
        0 => (last + 1, LENGTH + 1),
        1 if last > first => (last - 1, LENGTH),
        _ => (last, LENGTH),
    };
    let lies = said != last || complete != LENGTH;
    let range = format!("Content-Range: bytes {first}-{said}/{complete}");
    let mut all = fields.to_vec();
    all.push(&range);
    if lies {
        all.push("X-Lies: 1");
    }
    (reply(206, &all, &whole[first..=last]), cut)
}

fn origin(seed: u64) -> Origin {
    let version = AtomicU64::new(1);
    let numbers = Mutex::new(Numbers(seed));
    Origin::scripted(move |conn| {
        while let Some(request) = conn.request() {
            let (bytes, cut) = {
                let mut numbers = numbers.lock().unwrap();
                if numbers.below(12) == 0 {
                    version.fetch_add(1, Ordering::SeqCst);
                }
                answer(&request, version.load(Ordering::SeqCst), &mut numbers)
            };
            if cut {
                conn.send(&bytes[..bytes.len() - bytes.len() / 5]);
                return;
            }
            conn.send(bytes);
        }
    })
}

/// The parts of a multipart body: where each says it lies, and its bytes.
fn parts(kind: &str, body: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let boundary = format!("\r\n--{}", kind.split_once("boundary=").unwrap().1);
    let text = String::from_utf8(body.to_vec()).unwrap();
    let pieces: Vec<&str> = text.split(&*boundary).collect();
    assert_eq!(pieces.first(), Some(&""));
    assert_eq!(pieces.last(), Some(&"--\r\n"));
    pieces[1..pieces.len() - 1]
        .iter()
        .map(|piece| {
            let (head, bytes) = piece.split_once("\r\n\r\n").unwrap();
            let (_, range) = head.split_once("Content-Range: bytes ").unwrap();
            let first = range.split_once('-').unwrap().0.parse().unwrap();
            (first, bytes.as_bytes().to_vec())
        })
        .collect()
}

fn run(seed: u64) -> (usize, usize) {
    let site = Site::of(origin(seed));
    let mut numbers = Numbers(seed ^ 0x5eed);
    let mut hits = 0;
    for step in 0..STEPS {
        let mut span = || {
            let first = numbers.below(LENGTH);
            (first, first + numbers.below(LENGTH - first))
        };
        let (a, b) = (span(), span());
        // A whole that is stored ends the story of its parts: another begins.
        let path = step / 12;
        let range = match step % 12 {
            7 | 11 => String::new(),
            1 => format!("Range: bytes={}-\r\n", a.0),
            2 => format!("Range: bytes=-{}\r\n", a.0 + 1),
            3 => format!("Range: bytes={}-{},{}-{}\r\n", a.0, a.1, b.0, b.1),
            _ => format!("Range: bytes={}-{}\r\n", a.0, a.1),
        };
        let mut client = site.client();
        client.send(format!(
            "GET /{path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{range}\r\n"
        ));
        let head = client.head();
        let got = client.wire.rest();
        let told = format!("seed {seed}, step {step}, {range}{}", head.text());
        let status: u16 = head.start.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 502 || head.get("x-lies").is_some() {
            // Nothing had come yet when it broke off; or a lie that was passed on as it came.
            assert!(
                !head.get("cache-status").unwrap().contains("stored"),
                "{told}"
            );
            continue;
        }
        hits += usize::from(head.get("cache-status").unwrap().contains("; hit"));
        let whole = body(head.get("x-version").unwrap().parse().unwrap());
        // A body that broke off is the beginning of the right one.
        let length: usize = head.get("content-length").unwrap().parse().unwrap();
        assert!(got.len() <= length, "{told}");
        match (status, head.get("content-range")) {
            (200, None) => assert!(length == LENGTH && whole.starts_with(&got), "{told}"),
            (206, Some(said)) => {
                let (first, _) = said
                    .strip_prefix("bytes ")
                    .unwrap()
                    .split_once('-')
                    .unwrap();
                let first: usize = first.parse().unwrap();
                assert!(
                    said.ends_with(&format!("-{}/{LENGTH}", first + length - 1)),
                    "{told}"
                );
                assert!(whole[first..first + length].starts_with(&got), "{told}");
            }
            (206, None) => {
                let kind = head.get("content-type").unwrap();
                for (first, bytes) in parts(kind, &got) {
                    assert!(whole[first..].starts_with(&bytes), "{told}");
                }
            }
            other => panic!("{other:?}: {told}"),
        }
    }
    (hits, site.origin.count())
}

#[test]
fn every_byte_lies_where_the_answer_says() {
    for seed in 1..=8 {
        let (hits, fetched) = run(seed);
        assert!(
            hits > 20,
            "seed {seed}: {hits} hits, {fetched} requests to the origin"
        );
    }
}
