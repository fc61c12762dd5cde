//! The port, and who is at it.
//!
//! Owns the listening socket, the sessions, and the tags under which operations of theirs come back. Invariant: every descriptor that is
//! watched belongs to a session or is the listening one; what is ready and is neither was left by an instance that panicked, and is
//! closed. Awkward case: what replaces this module listens before this one ends, so the port is shared (SO_REUSEPORT) and no moment is
//! without a listener.

use crate::options::Options;
use crate::session::{Desk, Session};
use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};
use understudy_module::{Completion, Host, Interest, Level};

/// Connections that are taken in one call, and that may wait to be.
const AT_ONCE: usize = 16;
const WAITING: i32 = 64;
/// Wrong secrets of an address within this time, beyond which it is turned away; and how many addresses are remembered.
const MOST_WRONG: u32 = 9;
const WRONG_FOR: Duration = Duration::from_secs(60);
const MOST_ADDRESSES: usize = 1024;
/// What is told when nobody listens here any more.
const GONE: &str = "\nthe console was moved, replaced or unloaded; connect again\n";

pub(crate) const SHUT: &str = "too many wrong secrets; come back in a minute\n";

/// Wrong secrets by who gave them. When there are too many addresses, all others are one.
#[derive(Debug, Default)]
pub(crate) struct Wrong(HashMap<IpAddr, u32>);

impl Wrong {
    /// Whose they count as: a host has all addresses of its network (RFC 4291 section 2.5.4).
    fn whose(&self, address: IpAddr) -> IpAddr {
        let whose = match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::from((u128::from(address) >> 64 << 64).to_be_bytes()),
            address => address,
        };
        match self.0.contains_key(&whose) || self.0.len() < MOST_ADDRESSES {
            true => whose,
            false => IpAddr::from([0; 4]),
        }
    }

    pub(crate) fn add(&mut self, address: IpAddr) {
        *self.0.entry(self.whose(address)).or_default() += 1;
    }

    /// Whether there were too many.
    pub(crate) fn shuts(&self, address: IpAddr) -> bool {
        let wrong = self.0.get(&self.whose(address));
        wrong.is_some_and(|wrong| *wrong >= MOST_WRONG)
    }
}

/// The listening socket.
#[derive(Debug)]
struct Port {
    id: u64,
    socket: TcpListener,
    /// As it was asked for: port 0 is another each time.
    asked: SocketAddr,
    watched: bool,
}

/// The console.
#[derive(Debug, Default)]
pub(crate) struct Console {
    options: Option<Options>,
    port: Option<Port>,
    sessions: HashMap<u64, Session>,
    asked: HashMap<u64, (u64, u16)>,
    wrong: Wrong,
    since: Option<Instant>,
}

impl Console {
    /// Takes the options, and listens where they say.
    ///
    /// # Errors
    /// A sentence that says what is wrong; then everything stays as it was.
    pub(crate) fn configure(&mut self, host: &Host) -> Result<(), String> {
        let options = Options::read(host)?;
        if self
            .port
            .as_ref()
            .is_none_or(|port| port.asked != options.listen)
        {
            let port = listen(host, options.listen);
            let port = port.map_err(|why| {
                format!(
                    "option `listen`: cannot listen on {}: {why}",
                    options.listen
                )
            })?;
            if let Some(old) = self.port.replace(port) {
                shut(host, &old);
            }
        }
        self.options = Some(options);
        // Those who may no longer be here go.
        self.each(host, |session, desk| desk.options.allows(session.peer.ip()));
        Ok(())
    }

    /// Does something with every session, and ends those that do not go on.
    fn each(&mut self, host: &Host, mut f: impl FnMut(&mut Session, &mut Desk<'_>) -> bool) {
        let ids: Vec<u64> = self.sessions.keys().copied().collect();
        for id in ids {
            self.with(id, host, &mut f);
        }
    }

    /// Does something with a session, and ends it if it does not go on.
    fn with(&mut self, id: u64, host: &Host, f: impl FnOnce(&mut Session, &mut Desk<'_>) -> bool) {
        let (Some(mut session), Some(options)) = (self.sessions.remove(&id), &self.options) else {
            return;
        };
        let mut desk = Desk {
            host,
            options,
            asked: &mut self.asked,
            wrong: &mut self.wrong,
        };
        match f(&mut session, &mut desk) {
            true => drop(self.sessions.insert(id, session)),
            false => session.end("", &mut desk),
        }
    }

    pub(crate) fn ready(&mut self, host: &Host, fd: RawFd, interest: Interest, tag: u64) {
        if self.port.as_ref().is_some_and(|port| port.id == tag) {
            return self.accept(host);
        }
        if !self.sessions.contains_key(&tag) {
            return host.closing(fd);
        }
        self.with(tag, host, |session, desk| session.ready(interest, desk));
    }

    pub(crate) fn completed(&mut self, host: &Host, tag: u64, completion: Completion) {
        if let Some((session, mark)) = self.asked.remove(&tag) {
            self.with(session, host, |session, desk| {
                session.completed(mark, completion, desk)
            });
        }
    }

    pub(crate) fn timer(&mut self, host: &Host) {
        let now = Instant::now();
        if now.saturating_duration_since(*self.since.get_or_insert(now)) >= WRONG_FOR {
            self.since = Some(now);
            self.wrong.0.clear();
        }
        // It was left alone for want of descriptors.
        if let Some(port) = self.port.as_mut().filter(|port| !port.watched) {
            port.watched = true;
            host.watch(port.socket.as_raw_fd(), Interest::Read, port.id);
        }
        self.each(host, |session, desk| session.tick(now, desk));
    }

    /// Ends all.
    pub(crate) fn close(&mut self, host: &Host) {
        if let Some(port) = self.port.take() {
            shut(host, &port);
        }
        let Some(options) = self.options.take() else {
            return;
        };
        for (_, session) in self.sessions.drain() {
            session.end(
                GONE,
                &mut Desk {
                    host,
                    options: &options,
                    asked: &mut self.asked,
                    wrong: &mut self.wrong,
                },
            );
        }
    }

    fn accept(&mut self, host: &Host) {
        for _ in 0..AT_ONCE {
            let Some(port) = &mut self.port else {
                return;
            };
            match port.socket.accept() {
                Ok((stream, peer)) => self.welcome(host, stream, peer),
                Err(why) if why.kind() == ErrorKind::WouldBlock => return,
                Err(why)
                    if matches!(
                        why.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                Err(why) => {
                    // It would be ready again at once.
                    port.watched = false;
                    host.unwatch(port.socket.as_raw_fd(), Interest::Read);
                    host.log(Level::Warn, &format!("cannot accept; pausing: {why}"));
                    return;
                }
            }
        }
    }

    /// If all places are taken, whoever has waited longest without the secret makes room for one who may know it.
    fn make_room(&mut self, host: &Host, peer: SocketAddr) {
        let comes = |options: &Options| {
            self.sessions.len() >= options.sessions && options.allows(peer.ip())
        };
        if !self.options.as_ref().is_some_and(comes) || self.wrong.shuts(peer.ip()) {
            return;
        }
        let strangers = self.sessions.iter().filter(|(_, one)| one.is_stranger());
        // Numbers are given in order.
        if let Some(oldest) = strangers.map(|(id, _)| *id).min() {
            self.with(oldest, host, |_, _| false);
        }
    }

    fn welcome(&mut self, host: &Host, mut stream: TcpStream, peer: SocketAddr) {
        self.make_room(host, peer);
        let Some(options) = &self.options else {
            return;
        };
        let refused = match () {
            () if !options.allows(peer.ip()) => Some("this address is not allowed here\n"),
            () if self.wrong.shuts(peer.ip()) => Some(SHUT),
            () if self.sessions.len() >= options.sessions => {
                Some("too many sessions; come back later\n")
            }
            () => None,
        };
        // A telnet client's interrupt comes with an urgent byte (RFC 854), which belongs where it is in the stream.
        let socket = socket2::SockRef::from(&stream);
        let prepared = socket
            .set_out_of_band_inline(true)
            .and_then(|()| stream.set_nonblocking(true));
        if let Some(word) = refused {
            host.count("refused", 1);
            host.log(Level::Warn, &format!("{peer}: {}", word.trim_end()));
            // A buffer that is empty takes it.
            let _ = stream.write(word.as_bytes());
            return;
        }
        if prepared.is_err() {
            return;
        }
        let _ = stream.set_nodelay(true);
        host.count("sessions", 1);
        let id = host.number();
        let mut desk = Desk {
            host,
            options,
            asked: &mut self.asked,
            wrong: &mut self.wrong,
        };
        let session = Session::new(id, stream, peer, &mut desk);
        self.sessions.insert(id, session);
        self.with(id, host, |session, desk| session.go(desk));
    }
}

/// Of two that share the port, has the second take all that is new, so that the first can say goodbye to what came before and nobody
/// comes meanwhile. Of one, or where the system does not know this, it changes nothing.
fn prefer_second(socket: &Socket) -> nix::Result<()> {
    // A program that always answers 1: `BPF_RET | BPF_K` (SO_ATTACH_REUSEPORT_CBPF in socket(7)).
    let mut answer = nix::libc::sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k: 1,
    };
    let program = nix::libc::sock_fprog {
        len: 1,
        filter: &mut answer,
    };
    setsockopt(socket, AttachReusePortCbpf, &program)
}

/// Listens no more. Who has connected already would see the connection cut, so he is told; what is watched is a duplicate, so the socket
/// is shut down to turn whoever comes now to who listens next.
fn shut(host: &Host, port: &Port) {
    while let Ok((mut late, _)) = port.socket.accept() {
        let _ = late.write(GONE.as_bytes());
    }
    let _ = socket2::SockRef::from(&port.socket).shutdown(std::net::Shutdown::Both);
    host.closing(port.socket.as_raw_fd());
}

/// Listens.
fn listen(host: &Host, at: SocketAddr) -> std::io::Result<Port> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(WAITING)?;
    let _ = prefer_second(&socket);
    let socket = TcpListener::from(socket);
    host.log(Level::Info, &format!("console on {}", socket.local_addr()?));
    let id = host.number();
    host.watch(socket.as_raw_fd(), Interest::Read, id);
    Ok(Port {
        id,
        socket,
        asked: at,
        watched: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[test]
    fn wrong_secrets_count_for_a_network_and_however_many_addresses_gave_some() {
        let mut wrong = Wrong::default();
        let host = |n: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n));
        (0..MOST_WRONG as u16).for_each(|n| wrong.add(host(n)));
        assert!(wrong.shuts(host(99)));
        assert!(!wrong.shuts(IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 1))));
        let address = |n: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n));
        (0..2 * MOST_ADDRESSES as u32).for_each(|n| wrong.add(address(n)));
        assert_eq!(wrong.0.len(), MOST_ADDRESSES + 1);
        assert!(wrong.shuts(address(99_999)));
        // Who is known goes on being counted.
        (1..MOST_WRONG).for_each(|_| wrong.add(address(0)));
        assert!(wrong.shuts(address(0)) && !wrong.shuts(address(1)));
    }
}
