//! The origin over real sockets. The client reads and writes bytes itself: what is tested is what is on the wire.
#![allow(clippy::unwrap_used)]

mod answers;
mod apart;
mod connections;
mod realised;
mod slow;

use super::{Config, Reply, Running, start};
use crate::{
    content::Library,
    seed::Seed,
    workload::Workload,
    world::{Object, World},
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, SystemTime},
};

const WORKLOAD: &str = r#"
name = "small"
phases = [{ name = "only", seconds = 60, from = 1, to = 1, measured = true }]

[[content]]
name = "text"
bodies = "text"
direct = 1
size = { constant = 5000 }
cachable = 0.5
life = { length = { constant = 1000 }, variance = 0.5 }

[[content]]
name = "long"
bodies = "text"
direct = 1
size = { constant = 150000 }
cachable = 1
life = { length = { constant = 1e9 } }

[demand]
robot_rate = 0.4
peak = 10
recurrence = 0.5
popularity = { uniform = {} }
working_set = 100

[connections]
robot = { constant = 10 }
robot_open = 4
server = { constant = 1000 }
"#;

pub(super) const TEXT: u8 = 0;
pub(super) const LONG: u8 = 1;

fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
}

/// An origin of the small workload, changed.
struct Bed {
    world: World,
    library: Arc<Library>,
    running: Running,
}

impl Bed {
    fn new(change: impl FnOnce(&mut Workload)) -> Self {
        Self::configured(change, |_| {})
    }

    fn configured(change: impl FnOnce(&mut Workload), configure: impl FnOnce(&mut Config)) -> Self {
        let mut workload = Workload::parse(WORKLOAD).unwrap();
        change(&mut workload);
        let seed = Seed(7);
        let epoch = i64::try_from(now().as_secs()).unwrap();
        let world = World::new(Arc::new(workload), seed, epoch);
        let library = Arc::new(Library::lazy(seed));
        let mut config = Config::new(world.clone(), Arc::clone(&library));
        configure(&mut config);
        Self {
            world,
            library,
            running: start(config).unwrap(),
        }
    }

    fn address(&self) -> SocketAddr {
        self.running.addresses()[0]
    }

    fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// The first object of the kind that is cachable or not.
    fn object(&self, kind: u8, cachable: bool) -> Object {
        (0..)
            .map(|id| Object { kind, id })
            .find(|o| self.world.cachable(*o) == cachable)
            .unwrap()
    }

    /// The body of the version that an answer says it has.
    fn body(&self, object: Object, reply: Reply) -> Vec<u8> {
        let version = self.world.version(object, reply.answered / 1000);
        assert_eq!(version.number, reply.version);
        self.library
            .body(&self.world, object, version.number)
            .to_vec()
    }

    /// A request's bytes; fields are whole lines.
    fn request(&self, method: &str, object: Object, number: u64, fields: &str) -> String {
        let path = self.world.path(object);
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nX-Bed-Request: {number:x}\r\n{fields}\r\n")
    }
}

/// A connection to the origin.
struct Client {
    stream: TcpStream,
    /// Read and not used.
    rest: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// The field's value, which must be one.
    fn field(&self, name: &str) -> &str {
        let mut found = self.fields.iter().filter(|(n, _)| n == name);
        let (_, value) = found
            .next()
            .unwrap_or_else(|| panic!("no {name}: {self:?}"));
        assert!(found.next().is_none(), "{name} twice: {self:?}");
        value
    }

    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(n, _)| n == name)
    }

    fn reply(&self) -> Reply {
        self.field("x-bed-reply").parse().unwrap()
    }

    fn seconds(&self, name: &str) -> i64 {
        let date = httpdate::parse_http_date(self.field(name)).unwrap();
        let since = date.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_secs()).unwrap()
    }
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        // No bound on speed: a test that hangs shall say where.
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            stream,
            rest: Vec::new(),
        }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The next bytes into `rest`; whether there were any.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).unwrap();
        self.rest.extend_from_slice(&buffer[..read]);
        read > 0
    }

    /// An answer's head; its body is still to come.
    fn head(&mut self) -> Answer {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            let mut head = httparse::Response::new(&mut fields);
            if let httparse::Status::Complete(length) = head.parse(&self.rest).unwrap() {
                let answer = Answer {
                    status: head.code.unwrap(),
                    fields: head
                        .headers
                        .iter()
                        .map(|f| {
                            let value = String::from_utf8(f.value.to_vec()).unwrap();
                            (f.name.to_ascii_lowercase(), value)
                        })
                        .collect(),
                    body: Vec::new(),
                };
                self.rest.drain(..length);
                return answer;
            }
            assert!(self.more(), "closed within a head: {:?}", self.rest);
        }
    }

    /// A whole answer to a request of this method.
    fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head();
        if method == "HEAD" || answer.status == 304 || answer.status == 204 {
            return answer;
        }
        if answer.has("transfer-encoding") {
            assert_eq!(answer.field("transfer-encoding"), "chunked");
            assert!(!answer.has("content-length"));
            answer.body = self.chunks();
            return answer;
        }
        let length = answer.field("content-length").parse().unwrap();
        answer.body = self.take(length);
        answer
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.rest.len() < length {
            assert!(self.more(), "closed within a body");
        }
        self.rest.drain(..length).collect()
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let (begin, length) = loop {
                match httparse::parse_chunk_size(&self.rest).unwrap() {
                    httparse::Status::Complete((begin, length)) => {
                        break (begin, usize::try_from(length).unwrap());
                    }
                    httparse::Status::Partial => assert!(self.more(), "closed within chunks"),
                }
            };
            self.rest.drain(..begin);
            body.extend(self.take(length));
            assert_eq!(self.take(2), b"\r\n");
            if length == 0 {
                return body;
            }
        }
    }

    fn exchange(&mut self, request: &str) -> Answer {
        self.send(request);
        self.answer(request.split(' ').next().unwrap())
    }

    /// All that comes up to the connection's end.
    fn end(mut self) -> Vec<u8> {
        while self.more() {}
        self.rest
    }
}
