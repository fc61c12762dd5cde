//! A client that sends exact bytes and reads exactly one response at a time.

use crate::{
    message::{Framing, Head, Response},
    wire::{Wire, framing},
};
use std::net::{SocketAddr, TcpStream};

/// One client connection.
#[derive(Debug)]
pub struct Client {
    /// The connection, for what the methods below do not say.
    pub wire: Wire,
}

impl Client {
    /// Connects.
    #[track_caller]
    pub fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect_timeout(&address, crate::PATIENCE)
            .unwrap_or_else(|e| panic!("cannot connect to {address}: {e}"));
        Client {
            wire: Wire::new(stream),
        }
    }

    /// Sends bytes. A peer that has closed meanwhile is not a failure here: what it answered is still to be read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.wire.send(bytes.as_ref());
        self
    }

    /// Ends our direction (half close).
    pub fn finish(&mut self) -> &mut Client {
        self.wire.finish();
        self
    }

    /// One head, interim or final.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        self.wire
            .head()
            .unwrap_or_else(|| panic!("the connection ended without a response"))
    }

    /// The final response to a GET; interim ones are skipped.
    #[track_caller]
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
    }

    /// The final response to a request of this method.
    #[track_caller]
    pub fn response_to(&mut self, method: &str) -> Response {
        loop {
            let head = self.head();
            let status = status(&head);
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let framing = response_framing(&head, status, method);
            let (body, trailers) = self.wire.body(framing);
            return Response {
                head,
                status,
                framing,
                body,
                trailers,
            };
        }
    }

    /// Sends a request and reads its response.
    #[track_caller]
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        let method = String::from_utf8_lossy(request.as_ref())
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        self.send(request).response_to(&method)
    }

    /// Everything until the proxy closes.
    pub fn rest(&mut self) -> Vec<u8> {
        self.wire.rest()
    }

    /// Asserts that the proxy closes without another byte.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let rest = self.rest();
        assert!(
            rest.is_empty(),
            "bytes after the end: {:?}",
            String::from_utf8_lossy(&rest)
        );
    }
}

/// The status code of a response head; the version must be ours (RFC 9112 section 2.3).
#[track_caller]
pub fn status(head: &Head) -> u16 {
    let rest = head
        .start
        .strip_prefix("HTTP/1.1 ")
        .unwrap_or_else(|| panic!("not an HTTP/1.1 status line: {:?}", head.start));
    assert!(
        rest.as_bytes().get(3) == Some(&b' '),
        "a malformed status line: {:?}",
        head.start
    );
    rest[..3]
        .parse()
        .unwrap_or_else(|_| panic!("a malformed status line: {:?}", head.start))
}

/// How the body of a response ends (RFC 9112 section 6.3).
pub fn response_framing(head: &Head, status: u16, method: &str) -> Framing {
    let announced = framing(head, Framing::UntilClose);
    if method == "HEAD" || status < 200 || status == 304 {
        return Framing::None;
    }
    if status == 204 || (method == "CONNECT" && status < 300) {
        assert_eq!(
            announced,
            Framing::UntilClose,
            "framing in a {status}:\n{}",
            head.text()
        );
        return Framing::None;
    }
    announced
}

/// A GET on a connection of its own, which is closed afterwards. `fields` are whole lines, each ending in CRLF.
#[track_caller]
pub fn get(address: SocketAddr, target: &str, host: &str, fields: &str) -> Response {
    Client::to(address).ask(format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
    ))
}
