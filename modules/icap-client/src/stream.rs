//! A connection's bytes: plain, or through TLS, on a socket that never blocks.
//!
//! Invariant: nothing here waits. `WouldBlock` is no error but the end of what can be done now.

use crate::uri::Uri;
use bytes::BytesMut;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// Fewest bytes of room to read into, and most: as the last ones filled it.
const ROOM: (usize, usize) = (4 * 1024, 64 * 1024);

/// What TLS is done with: the roots of a file, or those that browsers have.
///
/// # Errors
/// When the file cannot be read, or has no certificate.
pub(crate) fn tls(ca: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let wrong = |why: String| format!("option `ca`: {file}: {why}");
            let found = CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.to_string()))?;
            for one in found {
                let one = one.map_err(|e| wrong(e.to_string()))?;
                roots.add(one).map_err(|e| wrong(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("there is no certificate in it".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?;
    Ok(Arc::new(
        config.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    room: usize,
}

impl Stream {
    /// Begins to connect. It is connected, or has failed, when it can be written.
    pub(crate) fn connect(
        address: SocketAddr,
        uri: &Uri,
        config: Option<&Arc<ClientConfig>>,
    ) -> io::Result<Stream> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&SockAddr::from(address)) {
            Ok(()) => {}
            // EINPROGRESS has no kind of its own.
            Err(e) if e.kind() == ErrorKind::WouldBlock || e.raw_os_error() == Some(115) => {}
            Err(e) => return Err(e),
        }
        let tls = match config.filter(|_| uri.tls) {
            None => None,
            Some(config) => {
                let name = ServerName::try_from(uri.host.clone()).map_err(io::Error::other)?;
                let tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                Some(Box::new(tls))
            }
        };
        Ok(Stream {
            socket: socket.into(),
            tls,
            room: ROOM.0,
        })
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether it is connected.
    ///
    /// # Errors
    /// Why it never will be.
    pub(crate) fn connected(&self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        match self.socket.peer_addr() {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotConnected => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Writes what can be written, and takes it off `out`. Says whether something is left to be written.
    pub(crate) fn write(&mut self, out: &mut BytesMut) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else {
            while !out.is_empty() {
                match self.socket.write(out) {
                    Ok(n) => drop(out.split_to(n)),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                    Err(e) if e.kind() == ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
            return Ok(false);
        };
        loop {
            if !out.is_empty() && !tls.is_handshaking() {
                let n = tls.writer().write(out)?;
                drop(out.split_to(n));
            }
            if !tls.wants_write() {
                return Ok(false);
            }
            match tls.write_tls(&mut self.socket) {
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads what is there, up to the most room: an answer that lies there whole goes on in one piece, and crosses once. `Ok(0)`: the
    /// server closed; an error of kind `WouldBlock`: there is nothing now.
    pub(crate) fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        let before = into.len();
        let mut room = self.room;
        loop {
            let at = into.len();
            into.resize(at + room, 0);
            let read = self.read_slice(&mut into[at..]);
            into.truncate(at + read.as_ref().map_or(0, |n| *n));
            let count = into.len() - before;
            let filled = read.as_ref().is_ok_and(|n| *n == room);
            if filled && count < ROOM.1 {
                room = count.min(ROOM.1 - count);
                continue;
            }
            self.room = count.next_power_of_two().clamp(ROOM.0, ROOM.1);
            // The end, or what is wrong, is found again behind what came before it.
            return if count > 0 { Ok(count) } else { read };
        }
    }

    /// Whether nothing came that was not read: neither bytes nor the end. Otherwise it is of no use any more.
    pub(crate) fn is_quiet(&mut self) -> bool {
        matches!(self.read_slice(&mut [0]), Err(e) if e.kind() == ErrorKind::WouldBlock)
    }

    fn read_slice(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.socket.read(room);
        };
        loop {
            match tls.reader().read(room) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}
