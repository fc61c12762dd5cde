//! What these tests share: a proxy with a console, somebody at it, and questions to the admin.

use serde_json::Value;
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};
use understudy_testbed::{
    Client, Launch, Origin, PATIENCE, Proxy, Request, Response, get, http_date, reply,
};

pub(crate) const RUNTIMES: [&str; 3] = ["inline", "threads", "process"];
pub(crate) const PROMPT: &str = "understudy> ";

/// A forward proxy that may reach loopback, with the console in a runtime, on a port of its own unless the options say which.
pub(crate) fn text(runtime: &str, options: &str) -> String {
    let listen = match options.contains("listen") {
        true => "",
        false => "listen = \"127.0.0.1:0\"\n",
    };
    format!(
        "workers = 2\n[admin]\naddress = \"127.0.0.1:0\"\n[access]\nallow_to = [\"127.0.0.0/8\"]\n\
         [[listen]]\nname = \"forward\"\nmode = \"forward\"\naddress = \"127.0.0.1:0\"\n\
         [[module]]\nname = \"console\"\nlibrary = \"builtin:content-manager\"\nruntime = \"{runtime}\"\n\
         deadline = \"60s\"\n[module.options]\n{listen}{options}\n"
    )
}

pub(crate) fn start(runtime: &str, options: &str) -> Proxy {
    Launch::bare().config(&text(runtime, options)).start()
}

/// Where the console listens: the last that it said.
#[track_caller]
pub(crate) fn port(proxy: &Proxy) -> SocketAddr {
    let is = |line: &str| line.contains("console on ");
    proxy.wait_stderr(is);
    let line = proxy
        .stderr
        .all()
        .into_iter()
        .rfind(|line| is(line))
        .unwrap();
    let (_, at) = line.split_once("console on ").unwrap();
    at.split(' ').next().unwrap().parse().unwrap()
}

/// Pages that are fresh and can be validated; `/none` is not found.
pub(crate) fn pages() -> Origin {
    Origin::answering(page)
}

pub(crate) fn page(request: &Request) -> Vec<u8> {
    let modified = format!("Last-Modified: {}", http_date(-86_400));
    let fields = [
        "Cache-Control: max-age=600",
        "Content-Type: text/html",
        "ETag: \"one\"",
        &modified,
    ];
    match request.get("if-none-match") {
        _ if request.target == "/none" => reply(404, &[], "none"),
        Some("\"one\"") => reply(304, &fields, ""),
        _ => reply(200, &fields, format!("page {}\n", request.target)),
    }
}

/// A client's GET through the proxy.
#[track_caller]
pub(crate) fn fetch(proxy: &Proxy, url: &str) -> Response {
    let host = url
        .strip_prefix("http://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    get(proxy.listener("forward"), url, host, "")
}

/// A verb at the admin: status and document.
#[track_caller]
pub(crate) fn manage(proxy: &Proxy, json: &str) -> (u16, Value) {
    let response = Client::to(proxy.listener("admin")).ask(format!(
        "POST /content HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    ));
    let document = serde_json::from_slice(&response.body);
    (
        response.status,
        document.unwrap_or_else(|why| panic!("{why}: {}", response.text())),
    )
}

/// Somebody at the console, who speaks no telnet.
pub(crate) struct Console {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Console {
    /// At the end of a connection.
    pub(crate) fn of(stream: TcpStream) -> Console {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Console {
            stream,
            read: Vec::new(),
        }
    }

    /// Connects; nothing is read yet.
    #[track_caller]
    pub(crate) fn connect(at: SocketAddr) -> Console {
        Console::of(TcpStream::connect(at).unwrap())
    }

    /// Connects, and waits to be asked.
    #[track_caller]
    pub(crate) fn at(proxy: &Proxy) -> Console {
        let mut console = Console::connect(port(proxy));
        console.until(PROMPT);
        console
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Everything up to these words, which are taken as well.
    #[track_caller]
    pub(crate) fn until(&mut self, words: &str) -> String {
        self.until_or_end(words).unwrap_or_else(|| {
            let read = String::from_utf8_lossy(&self.read);
            panic!("it ended without {words:?}: {read:?}")
        })
    }

    /// The same, or `None` when the connection ends before that.
    pub(crate) fn until_or_end(&mut self, words: &str) -> Option<String> {
        loop {
            let at = self
                .read
                .windows(words.len())
                .position(|w| w == words.as_bytes());
            if let Some(at) = at {
                let rest = self.read.split_off(at + words.len());
                let taken = std::mem::replace(&mut self.read, rest);
                return Some(String::from_utf8_lossy(&taken).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// So many bytes.
    #[track_caller]
    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(
                self.more(),
                "it ended after {} of {length} bytes",
                self.read.len()
            );
        }
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    /// Everything to the end.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.read)
    }

    #[track_caller]
    fn more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(read) => {
                self.read.extend_from_slice(&piece[..read]);
                true
            }
            Err(why) if why.kind() == ErrorKind::ConnectionReset => false,
            Err(why) => panic!(
                "{why}; until now: {:?}",
                String::from_utf8_lossy(&self.read)
            ),
        }
    }

    /// A line and what it is answered with, to the next prompt.
    #[track_caller]
    pub(crate) fn ask(&mut self, line: impl AsRef<[u8]>) -> String {
        self.send(line);
        self.send("\n");
        let answer = self.until(PROMPT);
        answer[..answer.len() - PROMPT.len()].to_owned()
    }

    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}
