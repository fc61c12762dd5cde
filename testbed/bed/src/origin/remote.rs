//! The robots' side of control: an origin on another machine.
//!
//! Invariant: what it says is read within bounds of size and time, and never trusted to be of the right shape. Each question has a
//! connection of its own, which never goes through the proxy.

use super::{Begin, Clock, Hello, Reading, Sight, Statistics, offset};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer: a workload fitted to a log is the longest.
const LARGEST: u64 = 16 << 20;

/// Why an origin does not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached, or was lost.
    #[error("the origin at {0} does not answer: {1}; is `understudy-bed origin` running there?")]
    Io(SocketAddr, std::io::Error),
    /// What it says is not what an origin says.
    #[error("what answers at {0} is no origin of the testbed: {1}")]
    Answer(SocketAddr, String),
}

/// An origin on another machine.
#[derive(Debug, Clone, Copy)]
pub struct Remote {
    address: SocketAddr,
}

impl Remote {
    /// The origin that listens here.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It does not answer, or not as an origin does.
    pub fn hello(&self) -> Result<Hello, Error> {
        self.get("hello")
    }

    /// What its clock says, from so many exchanges: the more of them, the narrower is the narrowest.
    ///
    /// # Errors
    /// It does not answer, or not as an origin does.
    pub fn clock(&self, exchanges: usize) -> Result<Reading, Error> {
        // Beside a clock that nobody sets.
        let base = Instant::now();
        let own = || i64::try_from(base.elapsed().as_micros()).unwrap_or(i64::MAX);
        let mut sights = Vec::with_capacity(exchanges);
        for _ in 0..exchanges.max(1) {
            let sent = own();
            let Clock { clock: theirs } = self.get("clock")?;
            let received = own();
            sights.push(Sight {
                sent,
                theirs,
                received,
            });
        }
        let found = offset(&sights)
            .ok_or_else(|| Error::Answer(self.address, "its clock cannot be read".into()))?;
        Ok(Reading {
            at: base,
            unix: found.ahead,
            error: found.error,
        })
    }

    /// What it did up to now.
    ///
    /// # Errors
    /// It does not answer, or not as an origin does.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        self.get("statistics")
    }

    /// Begins a run at `epoch`, Unix seconds of the origin's clock.
    ///
    /// # Errors
    /// It does not answer, or not as an origin does.
    pub fn begin(&self, epoch: i64) -> Result<(), Error> {
        let body = serde_json::to_string(&Begin { epoch })
            .map_err(|e| Error::Answer(self.address, e.to_string()))?;
        self.ask("POST", "begin", &body).map(drop)
    }

    fn get<T: serde::de::DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        let body = self.ask("GET", what, "")?;
        serde_json::from_slice(&body).map_err(|e| Error::Answer(self.address, e.to_string()))
    }

    /// One exchange; the body of an answer 2xx.
    fn ask(&self, method: &str, what: &str, body: &str) -> Result<Vec<u8>, Error> {
        let answer = self
            .exchange(method, what, body)
            .map_err(|e| Error::Io(self.address, e))?;
        let wrong = |text: String| Error::Answer(self.address, text);
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let begin = match head.parse(&answer) {
            Ok(httparse::Status::Complete(begin)) => begin,
            Ok(httparse::Status::Partial) => return Err(wrong("its answer broke off".into())),
            Err(e) => return Err(wrong(e.to_string())),
        };
        let status = head.code.unwrap_or(0);
        if !(200..300).contains(&status) {
            return Err(wrong(format!(
                "{method} /.bed/{what} was answered {status}"
            )));
        }
        Ok(answer[begin..].to_vec())
    }

    /// The bytes of an answer, up to the connection's end. The origin sends its control's answers with a length, never in chunks, and
    /// what was cut off is no JSON.
    fn exchange(&self, method: &str, what: &str, body: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let (host, length) = (self.address, body.len());
        stream.write_all(
            format!(
                "{method} /.bed/{what} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        )?;
        let mut answer = Vec::new();
        stream.take(LARGEST).read_to_end(&mut answer)?;
        Ok(answer)
    }
}
