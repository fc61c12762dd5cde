//! The plainest scenario: one origin behind a reverse proxy, asked over fresh connections.

use crate::{Client, Launch, Origin, Proxy, Request, Response, get};

/// An origin and the reverse proxy before it.
#[derive(Debug)]
pub struct Site {
    /// The proxy. It ends first: scripts say what they think of a connection at its end, and the origin hears them after that.
    pub proxy: Proxy,
    /// The origin.
    pub origin: Origin,
}

/// The host that requests to a [`Site`] name.
pub const HOST: &str = "site.test";

impl Site {
    /// An origin that answers with this function.
    #[track_caller]
    pub fn new(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Site {
        Site::of(Origin::answering(answer))
    }

    /// A proxy before this origin.
    #[track_caller]
    pub fn of(origin: Origin) -> Site {
        let proxy = Launch::reverse(&origin).start();
        Site { origin, proxy }
    }

    /// A proxy before this origin, with more configuration.
    #[track_caller]
    pub fn with(origin: Origin, config: &str) -> Site {
        let proxy = Launch::reverse(&origin).config(config).start();
        Site { origin, proxy }
    }

    /// A GET on a connection of its own; `fields` are whole lines.
    #[track_caller]
    pub fn get(&self, path: &str, fields: &str) -> Response {
        get(self.proxy.addr(), path, HOST, fields)
    }

    /// Any request without a body, on a connection of its own.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, fields: &str) -> Response {
        self.client().ask(format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n"
        ))
    }

    /// A connection to the proxy.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::to(self.proxy.addr())
    }
}
