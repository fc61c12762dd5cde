//! An ICAP server in the test's hands: it says its options by itself, and lets a script deal with what it is asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use understudy_testbed::PATIENCE;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Its head, and the HTTP heads in it.
    pub(crate) head: String,
    pub(crate) http: String,
    /// Whether a body follows.
    pub(crate) body: bool,
}

/// One connection.
pub(crate) struct Peer {
    stream: BufReader<TcpStream>,
}

/// A server.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
    options: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

/// What makes a service that does all there is.
pub(crate) const ALL: &str =
    "Methods: RESPMOD, REQMOD\r\nISTag: \"t-1\"\r\nAllow: 204, 206\r\nPreview: 16\r\n";

impl Server {
    /// A server that says these options, and whose script answers; `false` ends the connection.
    pub(crate) fn start(
        options: &str,
        script: impl Fn(&mut Peer, &Asked) -> bool + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            addr: listener.local_addr().unwrap(),
            seen: Arc::default(),
            options: Arc::default(),
            ended: Arc::default(),
        };
        let (seen, asked, ended) = (
            server.seen.clone(),
            server.options.clone(),
            server.ended.clone(),
        );
        let (options, script) = (options.to_owned(), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (seen, options, script) = (seen.clone(), options.clone(), script.clone());
                let asked_options = asked.clone();
                std::thread::spawn(move || {
                    let mut peer = Peer {
                        stream: BufReader::new(stream),
                    };
                    while let Some(asked) = peer.asked() {
                        if asked.head.starts_with("OPTIONS ") {
                            asked_options.fetch_add(1, Ordering::SeqCst);
                            peer.send(format!(
                                "ICAP/1.0 200 OK\r\n{options}Encapsulated: null-body=0\r\n\r\n"
                            ));
                            continue;
                        }
                        seen.lock().unwrap().push(asked.clone());
                        if !script(&mut peer, &asked) {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    /// Where a service of it is.
    pub(crate) fn uri(&self) -> String {
        format!("icap://{}/x", self.addr)
    }

    /// What it was asked, but for options.
    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }

    /// How often it was asked for its options.
    pub(crate) fn options(&self) -> usize {
        self.options.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.addr);
    }
}

impl Asked {
    /// The value of a field of its ICAP head.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .head
            .split("\r\n")
            .filter_map(|line| line.split_once(": "));
        lines
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Peer {
    fn asked(&mut self) -> Option<Asked> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).unwrap_or(0) == 0 {
                return None;
            }
        }
        let parts = head
            .split("Encapsulated: ")
            .nth(1)?
            .split("\r\n")
            .next()?
            .to_owned();
        let (last, length) = parts.rsplit(", ").next()?.split_once('=')?;
        let mut http = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut http).ok()?;
        Some(Asked {
            http: String::from_utf8(http).unwrap(),
            body: !last.starts_with("null"),
            head,
        })
    }

    /// The port of the other end: each connection has its own.
    pub(crate) fn port(&self) -> u16 {
        self.stream.get_ref().peer_addr().map_or(0, |at| at.port())
    }

    /// Chunks up to the last, and whether that says there is no more.
    pub(crate) fn chunks(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
                return (body, false);
            }
            let (size, extension) = line
                .trim_end()
                .split_once("; ")
                .unwrap_or((line.trim_end(), ""));
            let mut data = vec![0; usize::from_str_radix(size, 16).unwrap() + 2];
            self.stream.read_exact(&mut data).unwrap();
            if data.len() == 2 {
                return (body, extension == "ieof");
            }
            body.extend_from_slice(&data[..data.len() - 2]);
        }
    }

    /// Some bytes, whatever they are.
    pub(crate) fn some(&mut self) -> usize {
        let mut room = [0; 16 * 1024];
        self.stream.read(&mut room).unwrap_or(0)
    }

    /// All of a body, asking for the rest behind a preview.
    pub(crate) fn all(&mut self, asked: &Asked) -> Vec<u8> {
        if !asked.body {
            return Vec::new();
        }
        let (mut body, whole) = self.chunks();
        if asked.get("Preview").is_some() && !whole {
            self.send("ICAP/1.0 100 Continue\r\n\r\n");
            body.extend(self.chunks().0);
        }
        body
    }

    /// Sends bytes; a peer that is gone is none of a server's business.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
    }

    /// Answers with this HTTP head (its end included) and body.
    pub(crate) fn adapt(&mut self, head: &str, body: &[u8]) {
        let response = head.starts_with("HTTP/");
        let parts = if response {
            ("res-hdr", "res-body")
        } else {
            ("req-hdr", "req-body")
        };
        let mut all = format!(
            "ICAP/1.0 200 OK\r\nISTag: \"t-1\"\r\nEncapsulated: {}=0, {}={}\r\n\r\n{head}{:x}\r\n",
            parts.0,
            parts.1,
            head.len(),
            body.len()
        )
        .into_bytes();
        if body.is_empty() {
            all.extend_from_slice(b"\r\n");
        } else {
            all.extend_from_slice(body);
            all.extend_from_slice(b"\r\n0\r\n\r\n");
        }
        self.send(all);
    }

    /// Says that nothing is to be changed.
    pub(crate) fn unchanged(&mut self) {
        self.send("ICAP/1.0 204 No Content\r\nISTag: \"t-1\"\r\nEncapsulated: null-body=0\r\n\r\n");
    }

    /// Everything until the client closes.
    pub(crate) fn drain(&mut self) {
        let _ = std::io::copy(&mut self.stream, &mut std::io::sink());
    }
}
