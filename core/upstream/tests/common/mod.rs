//! Small raw origins and a client to drive against them: one thread, real sockets, no clocks but a guard against hanging.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use understudy_http::Method;
use understudy_http::wire::body::Decoded;
use understudy_http::wire::head::HeadLimits;
use understudy_upstream::hosts::HostsFile;
use understudy_upstream::policy::AllowAll;
use understudy_upstream::{
    Config, Destination, DialPolicy, GroupConfig, OriginStream, Shared, UpstreamError, Upstreams,
};

pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: o\r\n\r\n";

/// Fails a test that hangs.
pub async fn guard<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .expect("the test hangs")
}

/// Lets everything that can go on go on: each yield polls the event loop.
pub async fn settle() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

pub fn config() -> Config {
    Config {
        connect_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(60),
        idle_per_destination: 8,
        idle_total: 16,
        head_limits: HeadLimits {
            bytes: 1024,
            target: 1024,
            fields: 10,
        },
        groups: Vec::new(),
    }
}

/// A configuration with one group of these servers.
pub fn group(servers: &[SocketAddr]) -> Config {
    let servers = servers
        .iter()
        .map(|a| (a.ip().to_string(), a.port()))
        .collect();
    Config {
        groups: vec![GroupConfig {
            name: "g".into(),
            servers,
        }],
        ..config()
    }
}

pub fn upstreams(config: Config) -> Rc<Upstreams> {
    guarded(config, Arc::new(AllowAll), HostsFile::default())
}

pub fn guarded(config: Config, policy: Arc<dyn DialPolicy>, hosts: HostsFile) -> Rc<Upstreams> {
    let shared = Shared::with_lookup(&config, hosts, None);
    Upstreams::new(config, policy, shared)
}

pub fn host(host: &str, port: u16) -> Destination {
    Destination::Host {
        host: host.into(),
        port,
    }
}

/// Refuses these addresses.
#[derive(Debug)]
pub struct Refuse(pub Vec<IpAddr>);
impl DialPolicy for Refuse {
    fn allows(&self, address: IpAddr) -> bool {
        !self.0.contains(&address)
    }
}

pub struct Origin {
    listener: TcpListener,
}

impl Origin {
    pub async fn new() -> Origin {
        Origin {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
    pub fn destination(&self) -> Destination {
        host("127.0.0.1", self.address().port())
    }
    pub async fn accept(&self) -> Peer {
        let (stream, from) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream, from }
    }
    /// Whether somebody is waiting to be accepted.
    pub async fn called(&self) -> bool {
        settle().await;
        poll_fn(|cx| std::task::Poll::Ready(self.listener.poll_accept(cx).is_ready())).await
    }
}

/// An address nobody listens on, and nobody else can take.
pub struct Dead {
    socket: socket2::Socket,
    pub address: SocketAddr,
}

impl Dead {
    pub fn new() -> Dead {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        // Bound on every address, so that the port is dead on all of them.
        socket
            .bind(&SocketAddr::from(([0, 0, 0, 0], 0)).into())
            .unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        Dead {
            socket,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }
    /// From now on it accepts.
    pub fn revive(&self) {
        self.socket.listen(8).unwrap();
    }
}

/// The origin's end of a connection.
pub struct Peer {
    pub stream: TcpStream,
    pub from: SocketAddr,
}

impl Peer {
    pub async fn request(&mut self) -> Vec<u8> {
        let mut got = Vec::new();
        while !got.ends_with(b"\r\n\r\n") {
            assert_ne!(
                self.stream.read_buf(&mut got).await.unwrap(),
                0,
                "the client closed"
            );
        }
        got
    }
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
    pub async fn answer(&mut self, bytes: &[u8]) {
        self.request().await;
        self.send(bytes).await;
    }
    /// Whether the client has closed its end.
    pub async fn closed(&mut self) -> bool {
        settle().await;
        !matches!(self.stream.try_read(&mut [0; 16]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// What a client saw of one exchange.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub struct Seen {
    pub interim: Vec<u16>,
    pub status: u16,
    pub length: Option<u64>,
    pub body: Vec<u8>,
    pub trailers: Vec<u8>,
}

pub async fn send_request(stream: &mut OriginStream) -> Result<(), UpstreamError> {
    stream
        .write_all(&mut [IoSlice::new(b""), IoSlice::new(REQUEST)])
        .await
}

pub async fn piece(stream: &mut OriginStream) -> Result<Decoded, UpstreamError> {
    poll_fn(|cx| stream.poll_piece(cx)).await
}

/// Reads one response, up to the end of its body.
pub async fn read_response(
    stream: &mut OriginStream,
    method: Method,
) -> Result<Seen, UpstreamError> {
    let mut seen = Seen::default();
    loop {
        let head = stream.read_head(method).await?;
        if head.status() >= 200 || head.status() == 101 {
            seen.status = head.status();
            break;
        }
        seen.interim.push(head.status());
    }
    seen.length = stream.body_length();
    loop {
        match piece(stream).await? {
            Decoded::Data(bytes) => {
                assert!(!bytes.is_empty(), "a piece is never empty");
                seen.body.extend_from_slice(&bytes);
            }
            Decoded::End(trailers) => {
                seen.trailers = trailers.to_vec();
                return Ok(seen);
            }
            Decoded::More => panic!("`More` is never told"),
        }
    }
}

/// What came of one exchange: what was seen, and the connections idle afterwards.
pub type Outcome = (Result<Seen, UpstreamError>, usize);

/// One exchange with an origin that sends these parts one after the other, and then perhaps closes.
pub async fn exchange(method: Method, parts: &[&[u8]], close: bool) -> Outcome {
    let origin = Origin::new().await;
    let upstreams = upstreams(config());
    let serve = async {
        let mut peer = origin.accept().await;
        peer.request().await;
        for part in parts {
            // A client that refused what came before has gone.
            let _ = peer.stream.write_all(part).await;
            settle().await;
        }
        (!close).then_some(peer)
    };
    let ask = async {
        let mut stream = upstreams.connect(&origin.destination(), false).await?;
        send_request(&mut stream).await?;
        let seen = read_response(&mut stream, method).await?;
        stream.release(true);
        Ok(seen)
    };
    let (_peer, result) = guard(async { tokio::join!(serve, ask) }).await;
    (result, upstreams.idle())
}

/// Serves one simple exchange on a connection of the client's and gives both ends back.
pub async fn simple(
    upstreams: &Rc<Upstreams>,
    to: &Destination,
    origin: &Origin,
) -> (OriginStream, Peer) {
    let ask = async {
        let mut stream = upstreams.connect(to, false).await.unwrap();
        send_request(&mut stream).await.unwrap();
        stream
    };
    let serve = async {
        let mut peer = origin.accept().await;
        peer.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await;
        peer
    };
    let (mut stream, peer) = guard(async { tokio::join!(ask, serve) }).await;
    assert_eq!(
        read_response(&mut stream, Method::Get).await.unwrap().body,
        b"ok"
    );
    (stream, peer)
}

/// A destination's connection goes into the pool: one simple exchange, released.
pub async fn keep(upstreams: &Rc<Upstreams>, to: &Destination, origin: &Origin) -> Peer {
    let (stream, peer) = simple(upstreams, to, origin).await;
    stream.release(true);
    peer
}
