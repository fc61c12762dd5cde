//! A robot's connection: made, used for a few requests, closed.
//!
//! Awkward case: the proxy may close an idle connection at any time, also while the next request is on its way. What closes before the
//! first byte of an answer, on a connection used before, is asked again on a fresh one, as browsers do (RFC 9112 9.3.1).

use super::answer::Reader;
use std::{cell::Cell, io, net::SocketAddr};
use tokio::net::TcpStream;

/// One connection to the proxy.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// Reads its answers.
    pub(crate) reader: Reader,
    /// Requests that it may still send.
    left: u64,
    /// Whether a look has found bytes that nobody asked for. It took one off, so the next look may find none.
    spoke: Cell<bool>,
}

/// What a look at an idle connection found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// It is open.
    Open,
    /// The proxy closed it, as it may.
    Closed,
    /// Bytes came that nobody asked for.
    Spoke,
}

impl Connection {
    /// Connects, for so many requests.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) async fn open(proxy: SocketAddr, requests: u64) -> io::Result<Self> {
        let stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            reader: Reader::new(),
            left: requests.max(1),
            spoke: Cell::new(false),
        })
    }

    /// Whether the next request is its last.
    pub(crate) fn last(&self) -> bool {
        self.left <= 1
    }

    /// Whether another request may follow, of those it was made for.
    pub(crate) fn more(&self) -> bool {
        self.left > 0
    }

    /// Looks whether the idle connection is still of use.
    pub(crate) fn look(&self) -> Idle {
        if self.spoke.get() {
            return Idle::Spoke;
        }
        let mut byte = [0u8; 1];
        match self.stream.try_read(&mut byte) {
            Ok(0) => Idle::Closed,
            Ok(_) => {
                self.spoke.set(true);
                Idle::Spoke
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Idle::Open,
            Err(_) => Idle::Closed,
        }
    }

    /// Counts a request that is about to be sent.
    pub(crate) fn count(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// The proxy no longer listens.
    pub(crate) async fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// The connection was reset, or there is nothing yet (`WouldBlock`).
    pub(crate) fn read(&self, scratch: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(scratch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{io::Write, net::TcpListener};

    #[tokio::test]
    async fn what_an_idle_connection_said_is_found_by_every_look() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let opened = Connection::open(listener.local_addr().unwrap(), 2).await;
        let connection = opened.unwrap();
        let (mut proxy, _) = listener.accept().unwrap();
        assert_eq!(connection.look(), Idle::Open);
        proxy.write_all(b"!").unwrap();
        connection.readable().await.unwrap();
        assert_eq!(connection.look(), Idle::Spoke);
        assert_eq!(connection.look(), Idle::Spoke);
    }
}
