//! A client of the admin: one request over TCP or a Unix socket, and its answer.
//!
//! Invariant: an answer that does not come in time, or is too long, is an error, never a wait without end.

use crate::config::address::Admin;
use serde_json::Value;
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::Duration,
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the answer may take: a module may have much to do when it is loaded.
const ANSWER: Duration = Duration::from_secs(120);
/// The longest answer.
const LARGEST: u64 = 16 << 20;

/// A client of one admin.
pub(super) struct Client {
    admin: Admin,
}

/// What the admin answered.
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Value,
}

impl Client {
    /// A client of this admin; nothing is connected yet.
    pub(super) fn new(admin: Admin) -> Client {
        Client { admin }
    }

    /// Asks for `/modules`.
    ///
    /// # Errors
    /// A sentence that says why there is no answer.
    pub(super) fn ask(&self, method: &str, body: Option<&Value>) -> Result<Answer, String> {
        self.ask_at("/modules", method, body)
    }

    /// Asks for this path.
    ///
    /// # Errors
    /// A sentence that says why there is no answer.
    pub(super) fn ask_at(
        &self,
        path: &str,
        method: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let answer = match &self.admin {
            Admin::Off => {
                return Err(
                    "--admin: a proxy whose admin is off cannot be asked; start it with one"
                        .to_owned(),
                );
            }
            Admin::Tcp(address) => {
                TcpStream::connect_timeout(address, CONNECT).and_then(|stream| {
                    stream.set_read_timeout(Some(ANSWER))?;
                    exchange(stream, &address.to_string(), method, path, body)
                })
            }
            Admin::Unix(socket) => UnixStream::connect(socket).and_then(|stream| {
                stream.set_read_timeout(Some(ANSWER))?;
                exchange(stream, "localhost", method, path, body)
            }),
        };
        let answer = answer.map_err(|e| self.explain(&e))?;
        parse(&answer).ok_or_else(|| {
            format!(
                "{}: what answers there is no admin of Understudy",
                self.admin
            )
        })
    }

    fn explain(&self, e: &io::Error) -> String {
        let admin = &self.admin;
        match e.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => format!(
                "no proxy's admin listens on {admin}: {e}; is the proxy running? `--admin` says where its admin is"
            ),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("the admin on {admin} did not answer in time")
            }
            _ => format!("cannot ask the admin on {admin}: {e}"),
        }
    }
}

fn exchange(
    mut stream: impl Read + Write,
    host: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> io::Result<Vec<u8>> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let fields = if body.is_empty() {
        String::new()
    } else {
        format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        )
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer)?;
    Ok(answer)
}

/// Status and body; the admin tells the length of what it answers, so the body is what follows the head.
fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let body = serde_json::from_slice(answer.get(end + 4..)?).ok()?;
    Some(Answer { status, body })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_answer_is_a_status_and_json() {
        let good = parse(b"HTTP/1.1 409 Conflict\r\ncontent-length: 7\r\n\r\n{\"a\":1}");
        assert!(good.is_some_and(|a| a.status == 409 && a.body["a"] == 1));
        for bad in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"SSH-2.0\r\n\r\n{}",
            b"HTTP/1.1 20",
        ] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }
}
