//! A scripted origin: one thread a connection runs the test's script; every request is recorded verbatim.

use crate::{
    PATIENCE, Reserved,
    message::{Framing, Request},
    wire::{Wire, framing},
};
use std::{
    fmt,
    net::{SocketAddr, TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

type Script = dyn Fn(&mut Conn) + Send + Sync;

/// A listening origin.
pub struct Origin {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    changed: Condvar,
    heads: AtomicUsize,
    connections: AtomicUsize,
    stop: AtomicBool,
    failure: Mutex<Option<String>>,
}

/// One connection to the origin, in its script's hands. It is closed when the script returns.
#[derive(Debug)]
pub struct Conn {
    /// The connection.
    pub wire: Wire,
    /// Which connection this is, from 1.
    pub index: usize,
    shared: Arc<Shared>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.addr)
    }
}

impl Origin {
    /// An origin whose connections each run `script`.
    pub fn scripted(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
        Origin::on(listener(), script)
    }

    /// The same on a listener of the test's own.
    pub fn on(listener: TcpListener, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let (theirs, script): (_, Arc<Script>) = (shared.clone(), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if theirs.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let index = theirs.connections.fetch_add(1, Ordering::SeqCst) + 1;
                let (shared, script) = (theirs.clone(), script.clone());
                std::thread::spawn(move || serve(stream, index, shared, &*script));
            }
        });
        Origin { addr, shared }
    }

    /// An origin that answers each request with the bytes the function makes, on persistent connections.
    pub fn answering(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Origin {
        Origin::scripted(move |conn| conn.answer_all(&answer))
    }

    /// An address nobody listens on.
    pub fn nobody() -> SocketAddr {
        Reserved::to_the_end()
    }

    /// The requests received so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many requests were received so far.
    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// The last request received.
    #[track_caller]
    pub fn last(&self) -> Request {
        self.requests().pop().expect("the origin was asked nothing")
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Whether a script has failed.
    pub fn failed(&self) -> bool {
        self.shared.failure.lock().unwrap().is_some()
    }

    /// Waits until `n` requests were received.
    #[track_caller]
    pub fn wait_requests(&self, n: usize) -> Vec<Request> {
        let end = Instant::now() + PATIENCE;
        let mut requests = self.shared.requests.lock().unwrap();
        while requests.len() < n {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                left > Duration::ZERO,
                "the origin was asked {} times, not {n}",
                requests.len()
            );
            requests = self.shared.changed.wait_timeout(requests, left).unwrap().0;
        }
        requests.clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; a failure means it is gone already. Where it listens in a namespace of its own nobody may answer.
        let _ = TcpStream::connect_timeout(&self.addr, Duration::from_secs(1));
        if let Some(failure) = self.shared.failure.lock().unwrap().take()
            && !std::thread::panicking()
        {
            panic!("the origin's script failed: {failure}");
        }
    }
}

/// A listener on a port of its own that hundreds may come to at once: with the standard library's queue of 128, some of them
/// would wait a second for the retransmission of their SYN.
pub fn listener() -> TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(1024).unwrap();
    socket.into()
}

fn serve(stream: TcpStream, index: usize, shared: Arc<Shared>, script: &Script) {
    let mut conn = Conn {
        wire: Wire::new(stream),
        index,
        shared: shared.clone(),
    };
    // An origin waits as long as the proxy keeps its connections; the client's patience bounds the test.
    conn.wire
        .stream
        .set_read_timeout(Some(PATIENCE * 10))
        .unwrap();
    if let Err(failure) = catch_unwind(AssertUnwindSafe(|| script(&mut conn))) {
        let text = failure
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| failure.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        *shared.failure.lock().unwrap() = Some(text.unwrap_or_default());
    }
}

impl Conn {
    /// The next request, body included; `None` when the proxy closed.
    pub fn request(&mut self) -> Option<Request> {
        let mut request = self.request_head()?;
        let (body, trailers) = self.wire.body(framing(&request.head, Framing::None));
        (request.body, request.trailers) = (body, trailers);
        self.record(&request);
        Some(request)
    }

    /// The next request's head; the script reads the body itself and then calls [`Conn::record`] if the test counts on it.
    pub fn request_head(&mut self) -> Option<Request> {
        let head = self.wire.head()?;
        let mut words = head.start.split(' ');
        let (method, target) = (
            words.next().unwrap().to_owned(),
            words.next().unwrap_or_default().to_owned(),
        );
        assert_eq!(words.next(), Some("HTTP/1.1"), "{:?}", head.start);
        let n = self.shared.heads.fetch_add(1, Ordering::SeqCst) + 1;
        Some(Request {
            head,
            n,
            connection: self.index,
            method,
            target,
            body: Vec::new(),
            trailers: Vec::new(),
        })
    }

    /// Records a request as received.
    pub fn record(&self, request: &Request) {
        self.shared.requests.lock().unwrap().push(request.clone());
        self.shared.changed.notify_all();
    }

    /// Answers every request on this connection until the proxy closes it.
    pub fn answer_all(&mut self, answer: &dyn Fn(&Request) -> Vec<u8>) {
        while let Some(request) = self.request() {
            if !self.send(answer(&request)) {
                return;
            }
        }
    }

    /// Sends bytes; tells whether the proxy still took them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.wire.send(bytes.as_ref())
    }

    /// Resets the connection (RST) instead of closing it, once the script returns.
    pub fn reset(&mut self) {
        let socket = socket2::SockRef::from(&self.wire.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
}
