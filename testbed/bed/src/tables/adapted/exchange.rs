//! One request and its answer over a connection that is kept: HTTP/1.1 as far as this client needs it.
//!
//! Invariant: a connection is used again only when the answer before was read to its end. Awkward case: one that the proxy closed
//! while it was idle is no fault, so a request is tried once more on a new one when it had been used before.

use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The most bytes of a head, and of a body.
const HEAD: usize = 64 << 10;
const BODY: usize = 64 << 20;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer, as far as it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Content-Encoding in small letters, empty if there is none.
    pub(super) coding: String,
    pub(super) body: Vec<u8>,
}

/// The request for this path, through a forward proxy (RFC 9112 section 3.2.2).
pub(super) fn request(origin: SocketAddr, path: &str, number: u64) -> Vec<u8> {
    format!(
        "GET http://{origin}{path} HTTP/1.1\r\nHost: {origin}\r\nX-Bed-Request: {number:x}\r\nAccept: */*\r\n\
         Accept-Encoding: gzip\r\n\r\n"
    )
    .into_bytes()
}

/// How a body ends (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

pub(super) struct Connection {
    proxy: SocketAddr,
    open: Option<TcpStream>,
    /// What was read and not used.
    read: Vec<u8>,
}

impl Connection {
    pub(super) fn new(proxy: SocketAddr) -> Self {
        Self {
            proxy,
            open: None,
            read: Vec::new(),
        }
    }

    pub(super) async fn exchange(&mut self, request: &[u8]) -> Result<Answer, String> {
        let used = self.open.is_some();
        let answered = tokio::time::timeout(PATIENCE, self.attempt(request)).await;
        let answered = match answered {
            Ok(Err(e)) if used && e.kind() == io::ErrorKind::ConnectionReset => {
                self.open = None;
                tokio::time::timeout(PATIENCE, self.attempt(request)).await
            }
            other => other,
        };
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) => {
                self.open = None;
                Err(e.to_string())
            }
            Err(_) => {
                self.open = None;
                Err(format!("no answer within {} s", PATIENCE.as_secs()))
            }
        }
    }

    async fn attempt(&mut self, request: &[u8]) -> io::Result<Answer> {
        if self.open.is_none() {
            let stream = TcpStream::connect(self.proxy).await?;
            stream.set_nodelay(true)?;
            self.open = Some(stream);
            self.read.clear();
        }
        let reset = |e: io::Error| match e.kind() {
            io::ErrorKind::BrokenPipe => io::Error::from(io::ErrorKind::ConnectionReset),
            _ => e,
        };
        if let Some(stream) = &mut self.open {
            stream.write_all(request).await.map_err(reset)?;
        }
        let (mut answer, framing, close) = loop {
            if let Some(head) = head(&mut self.read)? {
                break head;
            }
            if self.read.len() > HEAD {
                return Err(wrong("a head without an end"));
            }
            if self.more().await? == 0 {
                // Nothing of an answer: the proxy had closed it, or just did.
                return Err(match self.read.is_empty() {
                    true => io::ErrorKind::ConnectionReset.into(),
                    false => wrong("broken off within the head"),
                });
            }
        };
        answer.body = match framing {
            Framing::Length(length) => self.take(length).await?,
            Framing::Chunked => self.chunks().await?,
            Framing::Close => self.rest().await?,
        };
        if close || framing == Framing::Close {
            self.open = None;
        } else if !self.read.is_empty() {
            return Err(wrong("bytes behind the answer"));
        }
        Ok(answer)
    }

    async fn more(&mut self) -> io::Result<usize> {
        match &mut self.open {
            Some(stream) => stream.read_buf(&mut self.read).await,
            None => Ok(0),
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.read.len() < length {
            if self.more().await? == 0 {
                return Err(wrong(&format!(
                    "broken off after {} of {length} bytes",
                    self.read.len()
                )));
            }
        }
        let behind = self.read.split_off(length);
        Ok(std::mem::replace(&mut self.read, behind))
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16)
                .map_err(|_| wrong(&format!("no length of a chunk: {line:?}")))?;
            if length == 0 {
                // Trailers, up to an empty line.
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            if length > BODY || body.len() + length > BODY {
                return Err(wrong("a body without an end"));
            }
            body.extend(self.take(length).await?);
            if !self.line().await?.is_empty() {
                return Err(wrong("a chunk that is longer than it says"));
            }
        }
    }

    /// A line without its end.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|w| w == b"\r\n") {
                let line = self.take(end + 2).await?;
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.read.len() > HEAD {
                return Err(wrong("a line without an end"));
            }
            if self.more().await? == 0 {
                return Err(wrong("broken off between chunks"));
            }
        }
    }

    async fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.more().await? > 0 {
            if self.read.len() > BODY {
                return Err(wrong("a body without an end"));
            }
        }
        Ok(std::mem::take(&mut self.read))
    }
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Takes a whole head off what was read, with how its body ends and whether the connection does; interim ones (1xx) are skipped.
fn head(read: &mut Vec<u8>) -> io::Result<Option<(Answer, Framing, bool)>> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(read);
        let httparse::Status::Complete(end) = parsed.map_err(|e| wrong(&e.to_string()))? else {
            return Ok(None);
        };
        let status = response.code.unwrap_or_default();
        let field = |name: &str| {
            let found = response.headers.iter();
            let mut found = found.filter(|f| f.name.eq_ignore_ascii_case(name));
            let value = found.next().map(|f| String::from_utf8_lossy(f.value));
            value.map(|v| v.trim().to_ascii_lowercase())
        };
        let framing = match (field("transfer-encoding"), field("content-length")) {
            (Some(coding), _) if coding == "chunked" => Framing::Chunked,
            (Some(other), _) => return Err(wrong(&format!("Transfer-Encoding {other:?}"))),
            (None, Some(length)) => match length.parse() {
                Ok(length) if length <= BODY => Framing::Length(length),
                _ => return Err(wrong(&format!("Content-Length {length:?}"))),
            },
            (None, None) => Framing::Close,
        };
        let answer = Answer {
            status,
            coding: field("content-encoding").unwrap_or_default(),
            body: Vec::new(),
        };
        let close = field("connection").is_some_and(|v| v.contains("close"));
        read.drain(..end);
        if status >= 200 {
            return Ok(Some((answer, framing, close)));
        }
    }
}
