//! Listening sockets: one a listener and worker, sharing the port by SO_REUSEPORT.
//!
//! The first socket of a listener settles port 0; the other workers' sockets bind the address it got. A transparent listener
//! with TPROXY is IP_TRANSPARENT, so that it accepts connections to any address.

use crate::settings::{Intercept, Listener, Mode};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections the kernel keeps for us before they are accepted.
const BACKLOG: i32 = 4096;

/// Binds one socket for the listener at `address`.
pub(crate) fn bind(listener: &Listener, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if let Mode::Transparent {
        intercept: Intercept::Tproxy,
        ..
    } = listener.mode
    {
        if address.is_ipv4() {
            socket.set_ip_transparent_v4(true)?;
        } else {
            socket.set_ip_transparent_v6(true)?;
        }
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether somebody else listens there already: with SO_REUSEPORT a second proxy of the same user would silently share the
/// port, so the first socket is bound once without it.
pub(crate) fn check_free(listener: &Listener) -> io::Result<()> {
    if listener.address.port() == 0 {
        return Ok(());
    }
    let socket = Socket::new(
        Domain::for_address(listener.address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if listener.address.is_ipv6() {
        socket.set_only_v6(!listener.address.ip().is_unspecified())?;
    }
    socket.bind(&listener.address.into())?;
    // Two sockets may be bound with SO_REUSEADDR; only one of them may listen.
    socket.listen(1)
}

/// The destination a client asked for before it was redirected here (SO_ORIGINAL_DST).
pub(crate) fn original_destination(
    stream: &tokio::net::TcpStream,
    local: SocketAddr,
) -> io::Result<SocketAddr> {
    let socket = socket2::SockRef::from(stream);
    let address = if local.ip().to_canonical().is_ipv4() {
        socket.original_dst_v4()?
    } else {
        socket.original_dst_v6()?
    };
    address
        .as_socket()
        .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
}
