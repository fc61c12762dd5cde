//! Connections: opened, written, read, closed.
//!
//! Invariant: a descriptor is told to the host before it is closed. What is to be written is bounded by those who give it, what is read
//! ahead by those who take it. Awkward case: a server that is read slower than it sends; it is not watched until there is room, and a
//! TLS connection may hold bytes then that no descriptor tells of.

use super::{Engine, News, Use, number};
use crate::stream::Stream;
use bytes::BytesMut;
use std::io::ErrorKind;
use std::os::fd::RawFd;
use std::time::Instant;
use understudy_module::Interest;

/// A connection.
#[derive(Debug)]
pub(super) struct Conn {
    stream: Stream,
    pub(super) server: usize,
    pub(super) using: Use,
    pub(super) out: BytesMut,
    pub(super) input: BytesMut,
    connected: bool,
    reads: bool,
    writes: bool,
    /// It was used before: a server may have closed it meanwhile, which is no failure of its.
    pub(super) used: bool,
    /// Its server closes it behind this answer.
    pub(super) closes: bool,
    /// When something last moved.
    pub(super) since: Instant,
}

impl Conn {
    /// Whether it waits until it can be written.
    pub(super) fn is_blocked(&self) -> bool {
        self.writes
    }
}

impl Engine {
    /// Opens a connection to a server.
    pub(super) fn open(&mut self, server: usize, using: Use, now: Instant) -> Result<u64, String> {
        let address = self.servers[server]
            .address()
            .ok_or("its name stands for no address")?;
        let uri = &self.servers[server].uri;
        let stream = Stream::connect(address, uri, self.settings.tls.as_ref());
        let stream = stream.map_err(|e| format!("cannot connect: {e}"))?;
        let id = number();
        self.servers[server].open += 1;
        self.host.watch(stream.fd(), Interest::Write, id);
        let conn = Conn {
            stream,
            server,
            using,
            out: BytesMut::new(),
            input: BytesMut::new(),
            connected: false,
            reads: false,
            writes: true,
            used: false,
            closes: false,
            since: now,
        };
        self.conns.insert(id, conn);
        self.count("connections");
        Ok(id)
    }

    /// Closes a connection.
    pub(super) fn close(&mut self, id: u64) {
        if let Some(conn) = self.conns.remove(&id) {
            self.host.closing(conn.stream.fd());
            let server = &mut self.servers[conn.server];
            server.open -= 1;
            server.idle.retain(|idle| *idle != id);
            server.asking &= !matches!(conn.using, Use::Options(_));
            self.news.push_back(News::Serve);
        }
    }

    /// An idle connection to a server, the last used. What came over it meanwhile, if only its end, would be taken for the next answer:
    /// such a one is closed.
    pub(super) fn idle(&mut self, server: usize) -> Option<u64> {
        while let Some(id) = self.servers[server].idle.pop() {
            let conn = self.conns.get_mut(&id);
            if conn.is_some_and(|conn| !conn.connected || conn.stream.is_quiet()) {
                return Some(id);
            }
            self.close(id);
        }
        None
    }

    /// A connection came to nothing. `at_once`: its server is to be left alone.
    pub(super) fn lost(&mut self, id: u64, why: &str, at_once: bool, now: Instant) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let (server, stale) = (conn.server, conn.used);
        match std::mem::replace(&mut conn.using, Use::Idle) {
            Use::Idle => {}
            Use::Options(_) => {
                self.servers[server].asking = false;
                if !stale {
                    self.blame(server, why, true, now);
                }
            }
            Use::Message(job, at) => {
                if !stale || at_once {
                    self.blame(server, why, at_once, now);
                }
                let server = (!stale).then_some(server);
                self.news
                    .push_back(News::Fail(job, at, server, why.to_owned()));
            }
        }
        self.close(id);
    }

    /// A descriptor is ready.
    pub(crate) fn ready(&mut self, id: u64, interest: Interest, now: Instant) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        if !conn.connected {
            match conn.stream.connected() {
                Ok(false) => return,
                Ok(true) => (conn.connected, conn.since) = (true, now),
                Err(e) => self.lost(id, &format!("cannot connect: {e}"), true, now),
            }
            self.read_on(id, true);
        }
        match interest {
            Interest::Write => self.flush(id, now),
            Interest::Read => self.read(id, now),
        }
        self.work(now);
    }

    /// Whether this is a connection of this engine.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.conns.contains_key(&id)
    }

    /// Writes what there is to be written.
    pub(super) fn flush(&mut self, id: u64, now: Instant) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.connected) else {
            return;
        };
        let before = conn.out.len();
        match conn.stream.write(&mut conn.out) {
            Ok(more) => {
                let (fd, was) = (conn.stream.fd(), std::mem::replace(&mut conn.writes, more));
                let moved = conn.out.len() < before;
                if moved {
                    conn.since = now;
                }
                if let Use::Message(job, _) = conn.using
                    && moved
                    && was
                {
                    // There is room for more.
                    self.news.push_back(News::Look(job));
                }
                match (was, more) {
                    (false, true) => self.host.watch(fd, Interest::Write, id),
                    (true, false) => self.host.unwatch(fd, Interest::Write),
                    _ => {}
                }
            }
            // What it said before it closed may be an answer; reading finds the end behind it.
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                conn.out.clear();
                self.news.push_back(News::Read(id));
            }
            Err(e) => self.lost(id, &format!("cannot write: {e}"), false, now),
        }
    }

    /// Whether more is to be read.
    pub(super) fn read_on(&mut self, id: u64, reads: bool) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.connected) else {
            return;
        };
        if std::mem::replace(&mut conn.reads, reads) == reads {
            return;
        }
        let fd: RawFd = conn.stream.fd();
        if reads {
            self.host.watch(fd, Interest::Read, id);
            // A TLS connection may hold what was read before.
            self.news.push_back(News::Read(id));
        } else {
            self.host.unwatch(fd, Interest::Read);
        }
    }

    /// Reads once. A socket that has more is ready again; what a TLS connection holds is looked for until there is nothing.
    pub(super) fn read(&mut self, id: u64, now: Instant) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.reads) else {
            return;
        };
        match conn.stream.read(&mut conn.input) {
            Ok(0) => return self.lost(id, "it closed the connection", false, now),
            Ok(_) => conn.since = now,
            // A handshake, or a renewal of keys, may want to be answered.
            Err(e) if e.kind() == ErrorKind::WouldBlock => return self.flush(id, now),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return self.lost(id, &format!("cannot read: {e}"), false, now),
        }
        let tls = conn.stream.is_tls();
        match conn.using {
            Use::Idle => return self.lost(id, "it speaks without being asked", false, now),
            Use::Options(_) => self.options(id, now),
            Use::Message(job, at) => self.answer(id, job, at, now),
        }
        let idle = |conn: &Conn| matches!(conn.using, Use::Idle);
        // What an idle one holds is looked for before it is used again, and not behind that.
        if tls && !self.conns.get(&id).is_none_or(idle) {
            self.news.push_back(News::Read(id));
        }
    }

    /// Ends connections on which nothing moved for too long.
    pub(super) fn end_late(&mut self, now: Instant) {
        let settings = &self.settings;
        let late = self.conns.iter().filter_map(|(id, conn)| {
            let (limit, why) = match conn.using {
                _ if !conn.connected => (settings.connect_timeout, "cannot connect in time"),
                Use::Idle => (settings.idle, "idle"),
                Use::Options(_) => (settings.timeout, "it does not say its options in time"),
                Use::Message(job, at) => {
                    let stage = self.jobs.get(&job).and_then(|job| job.stages.get(at));
                    // Nothing is expected of it while the origin is slower than it.
                    let turn = stage.is_some_and(|stage| stage.exchange.is_its_turn());
                    if !conn.reads || (!turn && conn.out.is_empty()) {
                        return None;
                    }
                    (settings.timeout, "it does not answer in time")
                }
            };
            (now.saturating_duration_since(conn.since) > limit).then_some((*id, why))
        });
        for (id, why) in late.collect::<Vec<_>>() {
            let connected = self
                .conns
                .get(&id)
                .is_some_and(|conn| matches!(conn.using, Use::Idle) || conn.connected);
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.used = false;
            }
            self.lost(id, why, !connected, now);
        }
    }
}
