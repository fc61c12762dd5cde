//! A small proxy that does one thing wrong, or nothing.
//!
//! Every connection has a thread; every request is asked of the origin on a connection of its own.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, OnceLock},
    thread::{sleep, spawn},
    time::{Duration, Instant},
};

/// What it does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nothing, and it stores nothing.
    Passes,
    /// Nothing, and it stores what may be stored.
    Stores,
    /// Nothing: it stores, and its 304s have no more than they must (RFC 9110 15.4.5).
    BareNotModified,
    /// Nothing, and it stores nothing; but from the first to the third second behind its first request it answers nobody.
    Stalls,
    /// Nothing: what it has stored and is stale by less than a second it gives, and fetches anew under that request's number.
    RefreshesBehind,
    StoresEverything,
    /// Takes what the origin broke off for whole, says so, and stores it.
    StoresBroken,
    StoresTooLong,
    StoresThroughReload,
    AnswersOneForAnother,
    ChangesAByte,
    ClosesEarly,
    SaysMore,
    DoublesAField,
    StripsTheOriginsField,
    SaysError,
    HangsUp,
    KeepsSilent,
}

/// A proxy that runs as long as the test does.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// The requests it was sent, as bytes.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    pub(crate) connections: Arc<Mutex<Connections>>,
}

/// The connections that it was made.
#[derive(Default)]
pub(crate) struct Connections {
    /// Those that are open.
    open: usize,
    /// The most that were.
    pub(crate) most: usize,
    /// Requests of each that is over.
    pub(crate) requests: Vec<usize>,
}

struct Shared {
    lie: Lie,
    /// Answers, and when they came.
    store: Mutex<HashMap<String, (Instant, Vec<u8>)>>,
    heard: Arc<Mutex<Vec<String>>>,
    /// Whom it asks as a reverse proxy.
    origin: Option<String>,
    /// When its first request came.
    begun: OnceLock<Instant>,
}

pub(crate) fn start(lie: Lie) -> Proxy {
    start_at(lie, "127.0.0.1:0")
}

pub(crate) fn start_at(lie: Lie, address: &str) -> Proxy {
    listen(lie, address, None)
}

/// A reverse proxy of this origin.
pub(crate) fn start_before(lie: Lie, origin: SocketAddr) -> Proxy {
    listen(lie, "127.0.0.1:0", Some(origin.to_string()))
}

fn listen(lie: Lie, address: &str, origin: Option<String>) -> Proxy {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::default();
    let connections: Arc<Mutex<Connections>> = Arc::default();
    let all = Arc::clone(&connections);
    let shared = Arc::new(Shared {
        lie,
        store: Mutex::default(),
        heard: Arc::clone(&heard),
        origin,
        begun: OnceLock::new(),
    });
    spawn(move || {
        for client in listener.incoming().flatten() {
            let (shared, all) = (Arc::clone(&shared), Arc::clone(&all));
            let mut now = all.lock().unwrap();
            now.open += 1;
            now.most = now.most.max(now.open);
            drop(now);
            spawn(move || {
                let requests = std::iter::from_fn(|| shared.exchange(&client)).count();
                let mut now = all.lock().unwrap();
                now.open -= 1;
                now.requests.push(requests);
            });
        }
    });
    Proxy {
        address,
        heard,
        connections,
    }
}

impl Shared {
    /// One request and its answer; none when the connection is over.
    fn exchange(&self, mut client: &TcpStream) -> Option<()> {
        client.set_nodelay(true).ok()?;
        let (head, posted) = message(client)?;
        self.heard.lock().unwrap().push(head.clone());
        let mut words = head.split(' ');
        let method = words.next()?.to_owned();
        let target = words.next()?;
        let (authority, path) = match &self.origin {
            None => target.strip_prefix("http://")?.split_once('/')?,
            Some(origin) => (origin.as_str(), target.strip_prefix('/')?),
        };
        match self.lie {
            Lie::SaysError => {
                client
                    .write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
                    .ok()?;
                return Some(());
            }
            Lie::HangsUp => return None,
            Lie::Stalls => self.stall(),
            Lie::KeepsSilent => {
                // Until the robot has had enough and closes.
                let _ = client.read(&mut [0]);
                return None;
            }
            _ => {}
        }
        let plain = method == "GET" && !head.contains("If-Modified-Since");
        let reload = head.contains("no-cache") && self.lie != Lie::StoresThroughReload;
        let key = if self.lie == Lie::AnswersOneForAnother {
            path.split('/').next()?
        } else {
            path
        };
        let stored = self.store.lock().unwrap().get(key).cloned();
        let usable = stored.filter(|_| plain && !reload);
        let left = usable.as_ref().map_or(0.0, |(came, a)| self.left(*came, a));
        let behind = self.lie == Lie::RefreshesBehind && left > -1.0;
        let mut given = false;
        if let Some((_, answer)) = usable.filter(|_| left > 0.0 || behind) {
            client.write_all(&answer).ok()?;
            given = true;
            if left > 0.0 {
                return Some(());
            }
        }
        let mut origin = TcpStream::connect(authority).ok()?;
        let asked = head.replace("Connection: close\r\n", "");
        let asked = asked.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        origin.write_all(asked.as_bytes()).ok()?;
        origin.write_all(&posted).ok()?;
        let mut answer = Vec::new();
        // What came before a connection was reset came.
        let _ = origin.read_to_end(&mut answer);
        if !is_whole(&method, &answer)? {
            if given {
                return Some(());
            }
            let broken = unhook(answer);
            if self.lie != Lie::StoresBroken {
                client.write_all(&broken).ok()?;
                return None;
            }
            answer = shortened(broken);
        } else {
            answer = self.changed(unhook(answer));
        }
        if method == "POST" {
            // RFC 9111 4.4.
            self.store.lock().unwrap().remove(key);
        }
        if self.lie == Lie::BareNotModified && answer.starts_with(b"HTTP/1.1 304") {
            answer = self.refreshed(key, answer);
        }
        if plain && self.may_store(&answer) {
            let mut store = self.store.lock().unwrap();
            store.insert(key.to_owned(), (Instant::now(), answer.clone()));
        }
        if !given {
            client.write_all(&answer).ok()?;
        }
        (self.lie != Lie::ClosesEarly).then_some(())
    }

    fn stall(&self) {
        let since = self.begun.get_or_init(Instant::now).elapsed();
        if since >= Duration::from_secs(1) {
            sleep(Duration::from_secs(3).saturating_sub(since));
        }
    }

    fn may_store(&self, answer: &[u8]) -> bool {
        let text = String::from_utf8_lossy(answer);
        text.starts_with("HTTP/1.1 200")
            && match self.lie {
                Lie::Stores
                | Lie::StoresBroken
                | Lie::BareNotModified
                | Lie::RefreshesBehind
                | Lie::StoresTooLong
                | Lie::StoresThroughReload
                | Lie::AnswersOneForAnother => field(&text, "cache-control") == Some("public"),
                Lie::StoresEverything => true,
                _ => false,
            }
    }

    /// For how many seconds it is fresh yet, as RFC 9111 4.2 has it: by its own age, not by anybody's wall clock.
    fn left(&self, came: Instant, answer: &[u8]) -> f64 {
        let text = String::from_utf8_lossy(answer);
        let date = |name| field(&text, name).and_then(|d| httpdate::parse_http_date(d).ok());
        match (date("expires"), date("date")) {
            _ if self.lie == Lie::StoresTooLong => 1.0,
            (Some(until), Some(date)) => {
                let lifetime = until.duration_since(date).unwrap_or_default();
                lifetime.as_secs_f64() - came.elapsed().as_secs_f64()
            }
            _ => 1.0,
        }
    }

    fn changed(&self, mut answer: Vec<u8>) -> Vec<u8> {
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let body = end + 4;
        let full = answer.len() > body;
        match self.lie {
            Lie::ChangesAByte if full => *answer.last_mut().unwrap() ^= 1,
            Lie::ClosesEarly if full => answer.truncate(answer.len() - 1),
            Lie::SaysMore => answer.extend_from_slice(b"more"),
            Lie::DoublesAField => {
                let second = b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT";
                answer.splice(end..end, *second);
            }
            Lie::StripsTheOriginsField => {
                let text = String::from_utf8_lossy(&answer[..end]).into_owned();
                let lines = text.split("\r\n");
                let kept: Vec<_> = lines
                    .filter(|l| !l.to_ascii_lowercase().starts_with("x-bed-reply"))
                    .collect();
                answer.splice(..end, kept.join("\r\n").into_bytes());
            }
            _ => {}
        }
        answer
    }
}

impl Shared {
    /// What is stored takes over the origin's field (RFC 9111 4.3.4), the client's answer does without.
    fn refreshed(&self, key: &str, answer: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8(answer).unwrap();
        let is_reply = |line: &str| line.to_ascii_lowercase().starts_with("x-bed-reply");
        let reply = text.split("\r\n").find(|l| is_reply(l)).unwrap();
        let mut store = self.store.lock().unwrap();
        let Some((_, stored)) = store.get_mut(key) else {
            return text.into_bytes();
        };
        let end = stored.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(stored[..end].to_vec()).unwrap();
        let lines = head.split("\r\n");
        let lines: Vec<_> = lines.map(|l| if is_reply(l) { reply } else { l }).collect();
        stored.splice(..end, lines.join("\r\n").into_bytes());
        let kept: Vec<_> = text.split("\r\n").filter(|l| !is_reply(l)).collect();
        kept.join("\r\n").into_bytes()
    }
}

/// Whether all of the answer came; none of it did, if there is no head.
fn is_whole(method: &str, answer: &[u8]) -> Option<bool> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let length = field(&head, "content-length").and_then(|l| l.parse().ok());
    let bare = method == "HEAD" || head.starts_with("HTTP/1.1 304");
    Some(bare || length.is_none_or(|length: usize| answer.len() - end - 4 >= length))
}

/// The answer with the length that it has instead of the one that it should have.
fn shortened(mut answer: Vec<u8>) -> Vec<u8> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let length = answer.len() - end - 4;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let is_length = |line: &str| line.to_ascii_lowercase().starts_with("content-length:");
    let lines = head.split("\r\n").filter(|line| !is_length(line));
    let head = lines.collect::<Vec<_>>().join("\r\n");
    answer.splice(
        ..end,
        format!("{head}\r\nContent-Length: {length}").into_bytes(),
    );
    answer
}

/// The answer without its `Connection: close`, which was for the proxy alone (RFC 9110 7.6.1).
fn unhook(mut answer: Vec<u8>) -> Vec<u8> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let text = String::from_utf8_lossy(&answer[..end]).into_owned();
    let kept: Vec<_> = text
        .split("\r\n")
        .filter(|l| !l.to_ascii_lowercase().starts_with("connection:"))
        .collect();
    answer.splice(..end, kept.join("\r\n").into_bytes());
    answer
}

/// A request's head, and its body.
fn message(mut stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let length = field(&head, "content-length").map_or(0, |l| l.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n")
        .take_while(|l| !l.is_empty())
        .find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
}
