//! One TCP connection read message by message, strictly. A time-out panics: it means the peer did not do what the test waits for.

use crate::{
    PATIENCE,
    message::{Framing, Head, field_line},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
};

/// A connection and the bytes read from it but not yet taken.
#[derive(Debug)]
pub struct Wire {
    /// The socket.
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    /// Takes over a connected socket.
    pub fn new(stream: TcpStream) -> Wire {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Writes all; tells whether the peer still took it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                panic!("the peer does not read ({} bytes to send)", bytes.len())
            }
            Err(_) => false,
        }
    }

    /// Ends our direction.
    pub fn finish(&self) {
        // The peer may have reset the connection; then there is no direction left to end.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads once more; false when the connection has ended (or was reset).
    pub fn more(&mut self) -> bool {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(n) => {
                self.buffer.extend(&piece[..n]);
                true
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!(
                    "nothing came in time; unread so far: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                )
            }
            Err(_) => false,
        }
    }

    /// A head, or `None` when the connection ended before its first byte. Panics when it ended within.
    pub fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                let rest = self.buffer.split_off(at + 4);
                return Some(Head::parse(&std::mem::replace(&mut self.buffer, rest)));
            }
            if !self.more() {
                assert!(
                    self.buffer.is_empty(),
                    "ended within a head: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                );
                return None;
            }
        }
    }

    /// Exactly `n` bytes.
    pub fn exactly(&mut self, n: usize) -> Vec<u8> {
        let got = self.up_to(n);
        assert_eq!(got.len(), n, "ended early");
        got
    }

    /// `n` bytes, or fewer when the connection ended before them.
    pub fn up_to(&mut self, n: usize) -> Vec<u8> {
        while self.buffer.len() < n && self.more() {}
        let rest = self.buffer.split_off(n.min(self.buffer.len()));
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Everything until the connection ends.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.buffer)
    }

    /// One line without its CRLF.
    fn line(&mut self) -> String {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let rest = self.buffer.split_off(at + 2);
                let line = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8_lossy(&line[..at]).into_owned();
            }
            assert!(
                self.more(),
                "ended within a line: {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    /// The data of one chunk (empty for the last).
    pub fn chunk(&mut self) -> Vec<u8> {
        let line = self.line();
        let size = usize::from_str_radix(&line, 16)
            .unwrap_or_else(|_| panic!("not a chunk size: {line:?}"));
        let data = self.exactly(size);
        if size > 0 {
            assert_eq!(self.line(), "", "a chunk does not end in CRLF");
        }
        data
    }

    /// Trailer fields after the last chunk, up to the empty line.
    pub fn trailers(&mut self) -> Vec<(String, String)> {
        let mut fields = Vec::new();
        loop {
            match self.line() {
                line if line.is_empty() => return fields,
                line => fields.push(field_line(&line)),
            }
        }
    }

    /// A body of this framing, with its trailer fields.
    pub fn body(&mut self, framing: Framing) -> (Vec<u8>, Vec<(String, String)>) {
        match framing {
            Framing::None => (Vec::new(), Vec::new()),
            Framing::Length(n) => (self.exactly(n), Vec::new()),
            Framing::UntilClose => (self.rest(), Vec::new()),
            Framing::Chunked => {
                let mut body = Vec::new();
                loop {
                    let data = self.chunk();
                    if data.is_empty() {
                        return (body, self.trailers());
                    }
                    body.extend(data);
                }
            }
        }
    }

    /// Bytes read but not taken.
    pub fn unread(&self) -> &[u8] {
        &self.buffer
    }
}

/// The framing a head announces; anything ambiguous is a failure of whoever wrote it.
pub fn framing(head: &Head, otherwise: Framing) -> Framing {
    match (head.get("content-length"), head.get("transfer-encoding")) {
        (Some(_), Some(_)) => panic!(
            "both Content-Length and Transfer-Encoding:\n{}",
            head.text()
        ),
        (Some(n), None) => Framing::Length(
            n.parse()
                .unwrap_or_else(|_| panic!("bad Content-Length {n:?}")),
        ),
        (None, Some(coding)) => {
            assert_eq!(coding, "chunked", "{}", head.text());
            Framing::Chunked
        }
        (None, None) => otherwise,
    }
}

/// Where `needle` first lies in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}
