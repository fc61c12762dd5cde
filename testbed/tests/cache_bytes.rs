//! Whatever is asked in whatever order, every answer is bytes of one version of the resource that its head names, and nothing that
//! a POST has made invalid comes after it. Ranges, conditions, validations, parts, broken bodies and lies of the origin are mixed
//! at random, from seeds.
//!
//! A version of a resource is a text of which no two places are alike, so a byte that stands in the wrong place is seen.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use understudy_testbed::{Client, Head, Launch, Origin, Proxy, Request, reply};

const PATHS: usize = 6;

/// A small generator (xorshift64*): the tests need variety, not quality.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize) % n
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// The text of a version.
fn text(path: usize, version: usize) -> Vec<u8> {
    let length = 64 + version * 37 % 200;
    let mut text = Vec::new();
    while text.len() < length {
        text.extend(format!("{path}.{version}.{};", text.len()).bytes());
    }
    text.truncate(length);
    text
}

/// Each path has its own kind of validator.
fn tag(path: usize, version: usize) -> Option<String> {
    match path {
        0..=2 => Some(format!("\"{path}-{version}\"")),
        3 => Some(format!("W/\"{path}-{version}\"")),
        _ => None,
    }
}

/// What `Range: bytes=` asks of a body, for one range.
fn wanted(asked: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
    let span = match (first, last) {
        ("", n) => (length.saturating_sub(n.parse().ok()?), length - 1),
        (first, "") => (first.parse().ok()?, length - 1),
        (first, last) => (
            first.parse().ok()?,
            last.parse::<usize>().ok()?.min(length - 1),
        ),
    };
    (span.0 <= span.1).then_some(span)
}

/// The resources and the whims of their origin.
#[derive(Debug)]
struct World {
    versions: [AtomicUsize; PATHS],
    /// What a POST that has been answered guarantees.
    at_least: [AtomicUsize; PATHS],
    random: Mutex<Random>,
}

impl World {
    /// The origin's answer, and how much of it is sent before the connection breaks.
    fn answer(&self, r: &Request) -> (Vec<u8>, Option<usize>) {
        let mut random = self.random.lock().unwrap();
        let path: usize = r.target[1..].parse().unwrap();
        let bump = r.method == "POST" || random.once_in(40);
        if bump {
            self.versions[path].fetch_add(1, SeqCst);
        }
        if r.method == "POST" {
            return (reply(200, &["Cache-Control: no-store"], "done"), None);
        }
        if random.once_in(25) {
            return (reply(random.one(&[500, 503, 404]), &[], "down"), None);
        }
        let version = self.versions[path].load(SeqCst);
        let (body, tag) = (text(path, version), tag(path, version));
        let mut fields = vec![format!("X-Version: {version}")];
        fields.extend(tag.as_ref().map(|tag| format!("ETag: {tag}")));
        fields.extend(
            random
                .one(&[
                    &["Cache-Control: max-age=60"][..],
                    &["Cache-Control: max-age=60"],
                    &["Cache-Control: max-age=60"],
                    &["Cache-Control: max-age=60", "Age: 61"],
                    &[
                        "Cache-Control: max-age=60, stale-while-revalidate=60",
                        "Age: 61",
                    ],
                    &["Cache-Control: max-age=60, stale-if-error=60", "Age: 61"],
                    &["Cache-Control: no-cache"],
                    &["Cache-Control: no-store"],
                ])
                .iter()
                .map(|f| (*f).to_owned()),
        );
        let conditions = r.head.list("if-none-match");
        if tag
            .as_ref()
            .is_some_and(|tag| conditions.contains(tag.trim_start_matches("W/")))
        {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            return (reply(304, &fields, ""), None);
        }
        let holds = r
            .get("if-range")
            .is_none_or(|v| Some(v) == tag.as_deref() && !v.starts_with('W'));
        let span = r.get("range").and_then(|asked| wanted(asked, body.len()));
        let bytes = match span.filter(|_| holds && !random.once_in(6)) {
            None => {
                let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                reply(200, &fields, &body)
            }
            Some((first, last)) => {
                // A lie that can be found out: the length does not fit.
                let lie = usize::from(last > first && random.once_in(10));
                if lie == 1 {
                    fields.push("X-Lie: yes".into());
                }
                fields.push(format!(
                    "Content-Range: bytes {}-{last}/{}",
                    first + lie,
                    body.len()
                ));
                let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                reply(206, &fields, &body[first..=last])
            }
        };
        let head = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let breaks = random
            .once_in(8)
            .then(|| head + random.below(bytes.len() - head));
        (bytes, breaks)
    }

    fn origin(self: &Arc<World>) -> Origin {
        let world = self.clone();
        Origin::scripted(move |conn| {
            while let Some(request) = conn.request() {
                match world.answer(&request) {
                    (bytes, None) => {
                        if !conn.send(bytes) {
                            return;
                        }
                    }
                    (bytes, Some(breaks)) => {
                        conn.send(&bytes[..breaks]);
                        return;
                    }
                }
            }
        })
    }

    fn new(seed: u64) -> Arc<World> {
        Arc::new(World {
            versions: [const { AtomicUsize::new(1) }; PATHS],
            at_least: [const { AtomicUsize::new(0) }; PATHS],
            random: Mutex::new(Random(seed)),
        })
    }
}

/// What one client has seen of what it was to see.
#[derive(Debug, Default)]
struct Seen {
    hits: usize,
    parts: usize,
    several: usize,
    unchanged: usize,
    broken: usize,
}

/// Asks once, at random, and checks the answer.
fn exchange(world: &World, proxy: &Proxy, random: &mut Random, seen: &mut Seen) {
    let path = random.below(PATHS);
    let known = world.versions[path].load(SeqCst);
    let method = match random.below(40) {
        0 => "POST",
        1..=3 => "HEAD",
        _ => "GET",
    };
    let mut fields = String::new();
    if random.once_in(2) {
        let (a, b) = (random.below(200), random.below(90));
        let range = match random.below(6) {
            0 => format!("bytes=-{}", b + 1),
            1 => format!("bytes={a}-"),
            2 => format!("bytes={b}-{},{}-{}", b + 5, b + 20, b + 30),
            _ => format!("bytes={a}-{}", a + b),
        };
        fields += &format!("Range: {range}\r\n");
        if random.once_in(4) {
            let tag = tag(path, known - random.below(2)).unwrap_or("\"x\"".into());
            fields += &format!("If-Range: {tag}\r\n");
        }
    }
    let mut conditions = String::new();
    if random.once_in(5) {
        conditions = tag(path, known - random.below(2)).unwrap_or("\"x\"".into());
        fields += &format!("If-None-Match: {conditions}\r\n");
    }
    fields += random.one(&[
        "",
        "",
        "",
        "",
        "Cache-Control: no-cache\r\n",
        "Cache-Control: max-stale\r\n",
        "Cache-Control: only-if-cached\r\n",
    ]);
    let at_least = world.at_least[path].load(SeqCst);
    let asked = format!(
        "{method} /{path} HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n{}{fields}\r\n",
        if method == "POST" {
            "Content-Length: 0\r\n"
        } else {
            ""
        }
    );
    let mut client = Client::to(proxy.addr());
    client.send(&asked);
    let head = client.head();
    let mut body = client.rest();
    let status: u16 = head.start[9..12].parse().unwrap();
    let what = format!("{asked}{}{}", head.text(), String::from_utf8_lossy(&body));
    if head.get("transfer-encoding").is_some() {
        body = unchunked(&body);
    }
    let Some(version) = head.get("x-version") else {
        // A POST, an error of the origin or of ours, or a range beyond the end.
        if method == "POST" && status == 200 {
            world.at_least[path].fetch_max(known + 1, SeqCst);
        }
        assert!(
            method == "POST" || [404, 416, 500, 502, 503, 504].contains(&status),
            "{what}"
        );
        return;
    };
    let version: usize = version.parse().unwrap();
    assert!(version >= at_least, "{version} after {at_least}:\n{what}");
    let hit = head.list("cache-status").contains("; hit");
    let whole = text(path, version);
    if head.get("x-lie").is_some() {
        assert!(!hit, "{what}");
        return;
    }
    seen.hits += usize::from(hit);
    assert_eq!(head.get("etag"), tag(path, version).as_deref(), "{what}");
    match status {
        304 => {
            assert!(!conditions.is_empty() && body.is_empty(), "{what}");
            assert_eq!(head.get("etag"), Some(&*conditions), "{what}");
            seen.unchanged += 1;
        }
        416 => assert_eq!(
            head.get("content-range"),
            Some(&*format!("bytes */{}", whole.len())),
            "{what}"
        ),
        200 | 206 => {
            let multipart = head
                .get("content-type")
                .and_then(|t| t.strip_prefix("multipart/byteranges; boundary="));
            let wanted = match (status, multipart) {
                (200, _) => whole.clone(),
                (_, None) => {
                    let (first, last) =
                        span(&head, whole.len()).unwrap_or_else(|| panic!("{what}"));
                    seen.parts += usize::from(hit);
                    whole[first..=last].to_vec()
                }
                (_, Some(boundary)) => {
                    seen.several += several(&body, boundary.trim_matches('"'), &whole, &what);
                    return;
                }
            };
            if method == "HEAD" {
                assert!(body.is_empty(), "{what}");
                return;
            }
            // What is stored is whole; what comes from the origin breaks off when that does.
            assert!(wanted.starts_with(&body), "{what}");
            assert!(!hit || wanted.len() == body.len(), "{what}");
            seen.broken += usize::from(body.len() < wanted.len());
        }
        _ => panic!("{what}"),
    }
}

/// The span that Content-Range names, of a body of this length.
fn span(head: &Head, length: usize) -> Option<(usize, usize)> {
    let range = head.get("content-range")?.strip_prefix("bytes ")?;
    let (span, complete) = range.split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (complete == length.to_string() && first <= last && last < length).then_some((first, last))
}

/// Checks each part of a multipart/byteranges body; tells how many there were.
fn several(body: &[u8], boundary: &str, whole: &[u8], what: &str) -> usize {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let delimiter = format!("--{boundary}");
    for (parts, part) in body.split(&*delimiter).skip(1).enumerate() {
        if part.starts_with("--") {
            return parts;
        }
        let (fields, content) = part
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{what}"));
        let head = Head::parse(format!("PART{fields}\r\n\r\n").as_bytes());
        let (first, last) = span(&head, whole.len()).unwrap_or_else(|| panic!("{what}"));
        let content = content
            .strip_suffix("\r\n")
            .unwrap_or_else(|| panic!("{what}"));
        assert_eq!(content.as_bytes(), &whole[first..=last], "{what}");
    }
    panic!("no end of the parts:\n{what}")
}

/// The content of a chunked body as far as it came.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = body.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let data = &body[end + 2..];
        content.extend(&data[..size.min(data.len())]);
        if size == 0 || data.len() < size + 2 {
            break;
        }
        body = &data[size + 2..];
    }
    content
}

/// What a range that is not stored has fetched, and one worker or two.
const CONFIGS: [&str; 2] = [
    "workers = 1\n",
    "workers = 2\n[cache]\nrange_miss = \"whole\"\n",
];

#[test]
fn one_client() {
    for config in CONFIGS {
        let mut sum = Seen::default();
        for seed in 1..=4 {
            let world = World::new(seed);
            let origin = world.origin();
            let proxy = Launch::reverse(&origin).config(config).start();
            let mut random = Random(seed * 7919);
            for _ in 0..500 {
                exchange(&world, &proxy, &mut random, &mut sum);
            }
        }
        // It was a test of all of it.
        assert!(
            sum.hits > 200 && sum.parts > 40 && sum.several > 5,
            "{sum:?}"
        );
        assert!(sum.unchanged > 15 && sum.broken > 10, "{sum:?}");
    }
}

#[test]
fn several_clients_at_once() {
    for config in CONFIGS {
        let world = World::new(99);
        let origin = world.origin();
        let proxy = Launch::reverse(&origin).config(config).start();
        std::thread::scope(|scope| {
            for seed in 1..=6 {
                let (world, proxy) = (&world, &proxy);
                scope.spawn(move || {
                    let mut random = Random(seed * 104_729);
                    for _ in 0..400 {
                        exchange(world, proxy, &mut random, &mut Seen::default());
                    }
                });
            }
        });
    }
}
