//! A proxy with one forward and one reverse listener, a scripted origin behind both, and short words for what a module does.

use bytes::Bytes;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use understudy_http::semantics::freshness::Heuristic;
use understudy_http::wire::head::HeadLimits;
use understudy_module::{Completion, ObjectId, ObjectInfo, Operation, Response};
use understudy_proxy::settings::{Access, HostMode, Limits, Listener, Mode, Settings, Timeouts};
use understudy_proxy::{Content, Proxy, TransactionLog};
use understudy_runtimes::Services;

/// The owner most operations are asked under.
pub const OWNER: u64 = 1;
/// The reverse listener's upstream.
pub const GROUP: &str = "site";

/// An origin that answers each connection's one request with what the script says.
pub struct Origin {
    pub at: SocketAddr,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Origin {
    pub fn start(script: impl Fn(&str) -> String + Send + 'static) -> Origin {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream: TcpStream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                seen.lock().unwrap().push(head.clone());
                let _ = stream.write_all(script(&head).as_bytes());
            }
        });
        Origin { at, requests }
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// An answer with these lines and this body.
pub fn answer(status: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{lines}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The running proxy.
pub struct Fixture {
    pub proxy: Proxy,
    pub content: Arc<Content>,
    pub origin: Origin,
    pub forward: SocketAddr,
    pub reverse: SocketAddr,
}

impl Fixture {
    pub async fn start(script: impl Fn(&str) -> String + Send + 'static) -> Fixture {
        Fixture::with(script, |_| {}).await
    }

    pub async fn with(
        script: impl Fn(&str) -> String + Send + 'static,
        change: impl FnOnce(&mut Settings),
    ) -> Fixture {
        Fixture::logged(script, change, None).await
    }

    pub async fn logged(
        script: impl Fn(&str) -> String + Send + 'static,
        change: impl FnOnce(&mut Settings),
        log: Option<Arc<dyn TransactionLog>>,
    ) -> Fixture {
        let origin = Origin::start(script);
        let mut settings = settings(origin.at);
        change(&mut settings);
        Fixture::of(origin, settings, Content::new(), log).await
    }

    pub async fn of(
        origin: Origin,
        settings: Settings,
        content: Arc<Content>,
        log: Option<Arc<dyn TransactionLog>>,
    ) -> Fixture {
        let proxy = Proxy::start(settings, log, &content).await.unwrap();
        let at = |name: &str| {
            let all = proxy.addresses();
            all.iter().find(|(n, _)| n == name).unwrap().1
        };
        Fixture {
            forward: at("forward"),
            reverse: at("reverse"),
            proxy,
            content,
            origin,
        }
    }

    /// The name of an object as the forward listener stores it.
    pub fn object(&self, path: &str) -> ObjectId {
        ObjectId::of_key(format!("http://{}{path}", self.origin.at).as_bytes())
    }

    /// The name of an object of the host `www.test` as the reverse listener stores it.
    pub fn reverse_object(&self, path: &str) -> ObjectId {
        ObjectId::of_key(format!("http://www.test:80{path}\n{GROUP}").as_bytes())
    }

    pub async fn perform(&self, operation: Operation) -> Completion {
        perform(&self.content, OWNER, operation).await
    }

    /// Asks for what does not complete.
    pub fn tell(&self, operation: Operation) {
        tell(&self.content, OWNER, operation);
    }

    pub async fn info(&self, object: &ObjectId) -> ObjectInfo {
        match self.perform(Operation::Query(object.clone())).await {
            Completion::Found(info) => info,
            other => panic!("not found: {other:?}"),
        }
    }

    /// A client's GET through the forward listener.
    pub async fn get(&self, path: &str) -> Got {
        self.get_with(path, "").await
    }

    /// The same with more field lines.
    pub async fn get_with(&self, path: &str, lines: &str) -> Got {
        let at = self.origin.at;
        let request = format!(
            "GET http://{at}{path} HTTP/1.1\r\nHost: {at}\r\n{lines}Connection: close\r\n\r\n"
        );
        get(self.forward, &request).await
    }

    /// Waits until the cache holds so many bytes: what is given up is given back a little later.
    pub async fn settled(&self, bytes: u64) {
        let held = || self.proxy.cache().stats().bytes;
        until(&format!("{bytes} bytes held"), || held() == bytes).await;
    }

    /// Waits until so many fills are under way.
    pub async fn fills(&self, count: u64) {
        let under_way = || self.proxy.cache().stats().fills;
        until(&format!("{count} fills under way"), || under_way() == count).await;
    }

    /// A client's GET for `www.test` through the reverse listener.
    pub async fn get_reverse(&self, path: &str) -> Got {
        let request = format!("GET {path} HTTP/1.1\r\nHost: www.test\r\nConnection: close\r\n\r\n");
        get(self.reverse, &request).await
    }
}

/// What a client got.
#[derive(Debug, Clone)]
pub struct Got {
    pub head: String,
    pub body: Vec<u8>,
}

impl Got {
    pub fn is_hit(&self) -> bool {
        self.head.contains("Cache-Status: proxy; hit")
    }

    pub fn has(&self, line: &str) -> bool {
        self.head.lines().any(|l| l == line)
    }
}

pub async fn get(at: SocketAddr, request: &str) -> Got {
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let body = all.split_off(end);
    Got {
        head: String::from_utf8(all).unwrap(),
        body,
    }
}

pub async fn perform(content: &Content, owner: u64, operation: Operation) -> Completion {
    let (done, completion) = oneshot::channel();
    let done = Box::new(move |completion| done.send(completion).unwrap());
    content.perform(owner, operation, done);
    guard("an operation's end", completion).await.unwrap()
}

/// Fails a test that waits for this for ever.
pub async fn guard<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Waits until something is so, and fails when it never is.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    let wait = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    guard(what, wait).await;
}

/// Asks for what does not complete.
pub fn tell(content: &Content, owner: u64, operation: Operation) {
    content.perform(
        owner,
        operation,
        Box::new(|c| panic!("it completed: {c:?}")),
    );
}

/// A response that may be stored.
pub fn response(body: impl Into<Bytes>) -> Box<Response> {
    let mut response = Response::new(200, body).unwrap();
    response.add(b"Cache-Control", b"max-age=60").unwrap();
    response.add(b"Content-Type", b"text/plain").unwrap();
    response.add(b"X-Made", b"by a module").unwrap();
    Box::new(response)
}

/// A body whose every part differs.
pub fn body(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 251 + i % 251) as u8).collect()
}

pub fn settings(origin: SocketAddr) -> Settings {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let patience = Duration::from_secs(30);
    let head = HeadLimits {
        bytes: 64 * 1024,
        target: 8192,
        fields: 100,
    };
    Settings {
        workers: 2,
        listeners: vec![
            Listener {
                name: "forward".to_owned(),
                address: any,
                mode: Mode::Forward,
                purge: Vec::new(),
            },
            Listener {
                name: "reverse".to_owned(),
                address: any,
                mode: Mode::Reverse {
                    group: GROUP.to_owned(),
                    host: HostMode::Keep,
                },
                purge: Vec::new(),
            },
        ],
        upstream: understudy_upstream::Config {
            connect_timeout: patience,
            idle_timeout: patience,
            idle_per_destination: 8,
            idle_total: 8,
            head_limits: head,
            groups: vec![understudy_upstream::GroupConfig {
                name: GROUP.to_owned(),
                servers: vec![(origin.ip().to_string(), origin.port())],
            }],
        },
        cache: Some(understudy_cache::Config {
            memory: 16 << 20,
            max_object: 4 << 20,
            max_variants: 4,
        }),
        range_miss: Default::default(),
        rules: std::sync::Arc::default(),
        targets: std::sync::Arc::new([]),
        heuristic: Heuristic {
            percent: 10,
            max: 86400,
        },
        limits: Limits {
            head,
            request_body: 1 << 20,
            connections: 1000,
            requests_per_connection: 0,
        },
        timeouts: Timeouts {
            head: patience,
            body: patience,
            idle: patience,
            connect: patience,
            first_byte: patience,
            between_bytes: patience,
            tunnel: patience,
        },
        access: Arc::new(Access {
            clients: vec!["127.0.0.0/8".parse().unwrap()],
            connect_ports: vec![443],
            deny_to: Vec::new(),
            allow_to: Vec::new(),
            trusted: Vec::new(),
        }),
        name: "proxy".to_owned(),
        modules: understudy_proxy::Modules::default(),
        pac: None,
    }
}
