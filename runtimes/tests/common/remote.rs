//! A remote service and a module that waits for it without holding a thread. Self-contained: other tests may include this file.
//!
//! The service takes any number of connections and answers none of them before it is opened; then each gets one byte. The module
//! connects without blocking, has the descriptor watched, says `Pending`, and resumes from `ready`.

use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use understudy_module::*;

/// The service; it ends with the process.
pub struct Remote {
    pub address: SocketAddr,
    /// How many came to ask.
    pub asked: Arc<AtomicUsize>,
    /// How many were answered.
    pub answered: Arc<AtomicUsize>,
    opening: mpsc::Sender<()>,
}

impl Remote {
    /// Starts it, closed.
    pub fn start() -> Remote {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        // All may come at once: a connection that does not fit into the backlog comes a second later.
        socket.listen(1024).unwrap();
        let listener: TcpListener = socket.into();
        let address = listener.local_addr().unwrap();
        let (came, waiting) = mpsc::channel();
        let (opening, opened) = mpsc::channel();
        let asked = Arc::<AtomicUsize>::default();
        let count = asked.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let _ = came.send(stream);
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let answered = Arc::<AtomicUsize>::default();
        let count = answered.clone();
        std::thread::spawn(move || {
            if opened.recv().is_err() {
                return;
            }
            for mut stream in waiting {
                if stream.write_all(b"!").is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Remote {
            address,
            asked,
            answered,
            opening,
        }
    }

    /// Answers all who came and whoever still comes.
    pub fn open(&self) {
        let _ = self.opening.send(());
    }
}

/// The module: each request waits for the service, and has `X-Remote: !` then.
#[derive(Debug)]
pub struct Waits {
    remote: SocketAddr,
    under_way: Mutex<HashMap<RawFd, (Socket, Token)>>,
}

impl Waits {
    pub fn new(remote: SocketAddr) -> Waits {
        Waits {
            remote,
            under_way: Mutex::default(),
        }
    }

    fn connect(&self) -> std::io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        match socket.connect(&self.remote.into()) {
            // EINPROGRESS: it can be read when the answer is there, or when it failed.
            Err(why) if why.raw_os_error() == Some(115) => Ok(socket),
            Err(why) => Err(why),
            Ok(()) => Ok(socket),
        }
    }
}

impl Module for Waits {
    fn about(&self) -> About {
        About::new("waits", "1", Hooks::of(&[Hook::RequestHead]))
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let socket = match self.connect() {
            Ok(socket) => socket,
            Err(why) => return Verdict::fail(format!("cannot connect: {why}")),
        };
        let (fd, token) = (socket.as_raw_fd(), tx.token());
        let mut under_way = self.under_way.lock().unwrap();
        under_way.insert(fd, (socket, token));
        tx.host().watch(fd, Interest::Read, 0);
        Verdict::Pending
    }

    fn ready(&self, host: &Host, fd: RawFd, _: Interest, _: u64) {
        let Some((socket, token)) = self.under_way.lock().unwrap().remove(&fd) else {
            return;
        };
        let mut byte = [0];
        let answer = match (&socket).read(&mut byte) {
            Err(why) if why.kind() == ErrorKind::WouldBlock => {
                self.under_way.lock().unwrap().insert(fd, (socket, token));
                return;
            }
            Ok(1) => {
                let mut answer = Answer::from(Verdict::Continue);
                answer.edits.add(b"X-Remote", &byte).unwrap();
                answer
            }
            Ok(_) => Answer::from(Verdict::fail("closed without an answer")),
            Err(why) => Answer::from(Verdict::fail(why.to_string())),
        };
        host.closing(fd);
        host.resume(token, answer);
        drop(socket);
    }
}
