//! An event: what the proxy tells a module of a transaction, as one flat record that borrows.
//!
//! Inline a module sees this record itself; a pool thread gets a copy of it, a child process its bytes.

use crate::about::Hook;
use crate::head::Head;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What happened.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Which hook it is for.
    pub hook: Hook,
    /// The transaction's id, unique in the life of the proxy.
    pub id: u64,
    /// The client's address.
    pub client: SocketAddr,
    /// The request's method.
    pub method: &'a [u8],
    /// The URL asked for, normalised as the key of the cache is; `host:port` for CONNECT.
    pub url: &'a [u8],
    /// What the hook is about.
    pub part: Part<'a>,
}

/// What a hook is about.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// A head.
    Head(Head<'a>),
    /// A piece of a body.
    Piece(Piece<'a>),
    /// A host that needs addresses.
    Host {
        /// Its name.
        name: &'a str,
        /// The port to be dialled.
        port: u16,
        /// The addresses found, when the hook is called to order them; empty before that.
        found: &'a [IpAddr],
    },
    /// The end of a transaction.
    Log(&'a LogEntry<'a>),
}

/// A piece of a body.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The bytes; empty at an end that came by itself.
    pub bytes: &'a Bytes,
    /// No piece follows.
    pub last: bool,
    /// Pieces before it that the module holds.
    pub held: &'a [Bytes],
    /// The head waits for what the module makes of it, and may be edited.
    pub head_waits: bool,
}

/// What is known of a transaction when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry<'a> {
    /// Status sent; 0 when the client went away before any.
    pub status: u16,
    /// From the complete head of the request to the end.
    pub elapsed: Duration,
    /// Bytes written to the client, head included.
    pub bytes_out: u64,
    /// Bytes of body written to the client.
    pub body_out: u64,
    /// Bytes of body read from the client.
    pub body_in: u64,
    /// How it was answered: `TCP_HIT`, `TCP_MISS`, ... (the paper's LogCode, Squid's words).
    pub code: &'a str,
    /// Where the answer came from: `HIER_NONE/-`, `HIER_DIRECT/192.0.2.1` (LogHier).
    pub hierarchy: &'a str,
    /// Which time-out ended it (LogTimeout): a word, or empty.
    pub timeout: &'a str,
    /// What went wrong: a word, or empty.
    pub error: &'a str,
    /// The client went away before the answer was complete.
    pub aborted: bool,
}
