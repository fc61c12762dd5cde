//! Many clients doing everything at once over a small cache: whatever arrives complete is what its URL says, always.
//! The choices come from a fixed seed a client; only their interleaving differs between runs.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Conn, Launch, Origin, PATIENCE, Request, http_date};

const CLIENTS: u64 = 16;
const STEPS: u64 = 150;
const PATHS: u64 = 40;

/// A small generator (xorshift64*): the tests need variety, not quality.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// What a path and a language must give, whoever asks and whenever.
fn body_of(path: &str, language: &str) -> Vec<u8> {
    let number: u64 = path[1..].parse().unwrap();
    let length = [0, 1, 100, 5_000, 70_000, 200_000][(number % 6) as usize] + number as usize;
    format!("{path}|{language}|")
        .into_bytes()
        .into_iter()
        .cycle()
        .take(length)
        .collect()
}

/// The language a response varies on: every third path.
fn language_of(path: &str, language: &str) -> String {
    let number: u64 = path[1..].parse().unwrap();
    if number.is_multiple_of(3) {
        language.to_owned()
    } else {
        "any".to_owned()
    }
}

fn answer(conn: &mut Conn, request: &Request) -> bool {
    let language = language_of(
        &request.target,
        request.get("accept-language").unwrap_or("none"),
    );
    let body = body_of(&request.target, &language);
    let number: u64 = request.target[1..].parse().unwrap();
    let control = [
        "max-age=600",
        "max-age=0",
        "no-store",
        "private",
        "max-age=600",
    ][(number % 5) as usize];
    let etag = format!("\"{number}-{language}\"");
    let vary = if number.is_multiple_of(3) {
        "Vary: Accept-Language\r\n"
    } else {
        ""
    };
    let head = format!(
        "Date: {}\r\nCache-Control: {control}\r\nETag: {etag}\r\n{vary}",
        http_date(0)
    );
    if request.get("if-none-match") == Some(etag.as_str()) && request.method != "POST" {
        return conn.send(format!("HTTP/1.1 304 Not Modified\r\n{head}\r\n"));
    }
    let bare = request.method == "HEAD";
    // Now and then it breaks off, sometimes before the head.
    match request.n % 29 {
        0 => return false,
        1 if !bare && body.len() > 10 => {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n",
                body.len()
            ));
            conn.send(&body[..body.len() / 2]);
            return false;
        }
        _ => {}
    }
    match number % 4 {
        0 if !bare => {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\n{head}Transfer-Encoding: chunked\r\n\r\n"
            ));
            for piece in body.chunks(9_999) {
                conn.send(format!("{:x}\r\n", piece.len()));
                conn.send(piece);
                conn.send("\r\n");
            }
            conn.send("0\r\n\r\n")
        }
        1 if !bare => {
            conn.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n"));
            conn.send(&body);
            false
        }
        _ => {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n",
                body.len()
            ));
            bare || conn.send(&body)
        }
    }
}

/// Reads one response strictly; `None` when the connection ended before it was complete.
fn response(client: &mut Client, method: &str) -> Option<understudy_testbed::Response> {
    // The strict reader panics. Only for an early end is that expected here; a malformed message is a finding.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.response_to(method))) {
        Ok(response) => Some(response),
        Err(panic)
            if panic
                .downcast_ref::<String>()
                .is_some_and(|m| m.contains("ended")) =>
        {
            None
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Path, language, method and range.
type Ask = (String, String, &'static str, Option<(usize, usize)>);

/// One client's life; answers how many responses were complete and right.
fn run(seed: u64, proxy: std::net::SocketAddr) -> u64 {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut client = Client::to(proxy);
    let mut good = 0;
    for _ in 0..STEPS {
        let burst: Vec<Ask> = (0..=dice.roll(3))
            .map(|_| {
                let path = format!("/{}", dice.roll(PATHS));
                let language = ["de", "en", "fr"][dice.roll(3) as usize].to_owned();
                let method = ["GET", "GET", "GET", "GET", "HEAD", "POST"][dice.roll(6) as usize];
                let whole = body_of(&path, &language_of(&path, &language)).len();
                let range = (method == "GET" && dice.roll(6) == 0 && whole > 2).then(|| {
                    let first = dice.roll(whole as u64 - 1) as usize;
                    (first, first + dice.roll((whole - first) as u64) as usize)
                });
                (path, language, method, range)
            })
            .collect();
        let mut bytes = String::new();
        for (path, language, method, range) in &burst {
            bytes += &format!(
                "{method} {path} HTTP/1.1\r\nHost: site.test\r\nAccept-Language: {language}\r\n"
            );
            if let Some((first, last)) = range {
                bytes += &format!("Range: bytes={first}-{last}\r\n");
            }
            if dice.roll(10) == 0 {
                bytes += "Cache-Control: no-cache\r\n";
            }
            bytes += if *method == "POST" {
                "Content-Length: 4\r\n\r\nbody"
            } else {
                "\r\n"
            };
        }
        client.send(&bytes);
        if dice.roll(12) == 0 {
            // Goes away in the middle of whatever is happening.
            client = Client::to(proxy);
            continue;
        }
        for (path, language, method, range) in &burst {
            let Some(got) = response(&mut client, method) else {
                client = Client::to(proxy);
                break;
            };
            let whole = body_of(path, &language_of(path, language));
            let wanted = match (*method, got.status, range) {
                ("HEAD", 200, _) => Vec::new(),
                ("GET", 206, Some((first, last))) => whole[*first..=*last].to_vec(),
                (_, 200, _) => whole,
                (_, 502 | 504, _) => continue,
                _ => panic!("{method} {path} {range:?}: {}", got.head.text()),
            };
            assert!(
                got.body == wanted,
                "{method} {path} {language} {range:?}: {} bytes that are not its own:\n{}",
                got.body.len(),
                got.head.text()
            );
            good += 1;
        }
        if dice.roll(20) == 0 {
            client = Client::to(proxy);
        }
    }
    good
}

#[test]
fn whatever_arrives_is_what_was_asked_for() {
    // Broken bodies are expected; their panics are caught and need no report.
    std::panic::set_hook(Box::new(|_| ()));
    let origin = Origin::scripted(|conn| {
        while let Some(request) = conn.request() {
            if !answer(conn, &request) {
                return;
            }
        }
    });
    let proxy = Launch::reverse(&origin)
        .arg("--memory")
        .arg("1M")
        .config("[cache]\nmax_object = \"128K\"\n[timeouts]\ndrain = \"5s\"\n")
        .start();
    let address = proxy.addr();
    let clients: Vec<_> = (1..=CLIENTS)
        .map(|seed| std::thread::spawn(move || run(seed, address)))
        .collect();
    let outcomes: Vec<Result<u64, String>> = clients
        .into_iter()
        .map(|c| {
            c.join()
                .map_err(|e| e.downcast_ref::<String>().cloned().unwrap_or_default())
        })
        .collect();
    let _ = std::panic::take_hook();
    let wrong: Vec<&String> = outcomes.iter().filter_map(|o| o.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let good: u64 = outcomes.iter().filter_map(|o| o.as_ref().ok()).sum();
    assert!(
        good > CLIENTS * STEPS / 2,
        "only {good} answers were complete"
    );
    let held = proxy.status()["cache"]["bytes"].as_u64().unwrap();
    assert!(held <= 1024 * 1024, "{held} bytes are held");
    // Nothing is left hanging: every fill ended with its readers.
    let end = std::time::Instant::now() + PATIENCE;
    while proxy.status()["cache"]["fills"].as_u64() != Some(0) {
        assert!(
            std::time::Instant::now() < end,
            "fills are left over: {}",
            proxy.status()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
