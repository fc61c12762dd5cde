//! A port that stays the test's own: nobody listens on it, nobody else is given it, and whoever asks for it by number can have it.
//!
//! A socket that allows its address to be reused and does not listen is passed over when a free port is looked for, by `bind` to
//! port 0 and by `connect` alike; connecting to it is refused; and a listener that allows reuse as well, as the proxy's do, binds beside
//! it. So the port is there when the proxy starts, and still there when it starts again.

use std::net::{SocketAddr, TcpListener};

/// The port, held until this is dropped.
#[derive(Debug)]
pub struct Reserved {
    socket: socket2::Socket,
    addr: SocketAddr,
}

impl Reserved {
    /// A port of 127.0.0.1.
    pub fn hold() -> Reserved {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).unwrap();
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        Reserved { socket, addr }
    }

    /// One that stays held until the process ends.
    pub fn to_the_end() -> SocketAddr {
        let reserved = Reserved::hold();
        let addr = reserved.addr;
        std::mem::forget(reserved);
        addr
    }

    /// Its address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Somebody listens there from now on: the test itself.
    pub fn listen(self) -> TcpListener {
        self.socket.listen(1024).unwrap();
        self.socket.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_reserved_port_refuses_until_its_holder_listens() {
        let reserved = Reserved::hold();
        let addr = reserved.addr();
        assert!(TcpStream::connect(addr).is_err());
        // As the proxy binds: beside it, and again when that one is gone.
        for _ in 0..2 {
            let beside =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            beside.set_reuse_address(true).unwrap();
            beside.bind(&addr.into()).unwrap();
            beside.listen(1).unwrap();
            TcpStream::connect(addr).unwrap();
        }
        assert!(TcpStream::connect(addr).is_err());
        let listener = reserved.listen();
        TcpStream::connect(addr).unwrap();
        listener.accept().unwrap();
    }
}
