//! An event that crosses to another thread: the borrowed record copied once, its text in one buffer.
//!
//! Invariant: [`Copied::event`] shows a hook what the borrowed record showed. Pieces of bodies are shared, not copied.

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use understudy_module::{Event, Head, Hook, Lines, LogEntry, Part, Piece};

/// The copy.
#[derive(Debug)]
pub(super) struct Copied {
    hook: Hook,
    id: u64,
    client: SocketAddr,
    text: Vec<u8>,
    method: usize,
    url: usize,
    part: Parts,
}

/// What a hook is about; positions are ends of texts that lie behind the URL.
#[derive(Debug)]
enum Parts {
    Request(usize),
    Response(u16),
    Piece(Bytes, [bool; 2], Vec<Bytes>),
    Host(u16, Vec<IpAddr>),
    Log(Numbers, [usize; 4]),
}

#[derive(Debug)]
struct Numbers {
    status: u16,
    elapsed: Duration,
    bytes_out: u64,
    body_out: u64,
    body_in: u64,
    aborted: bool,
}

impl Copied {
    /// Copies.
    pub(super) fn of(event: &Event<'_>) -> Copied {
        let fixed = event.method.len() + event.url.len();
        let mut text = Vec::with_capacity(fixed + weight(&event.part));
        text.extend_from_slice(event.method);
        text.extend_from_slice(event.url);
        let part = match &event.part {
            Part::Head(Head::Request { target, lines }) => {
                text.extend_from_slice(target);
                let end = text.len();
                lines.write(&mut text);
                Parts::Request(end)
            }
            Part::Head(Head::Response { status, lines }) => {
                lines.write(&mut text);
                Parts::Response(*status)
            }
            Part::Piece(piece) => {
                let flags = [piece.last, piece.head_waits];
                Parts::Piece(piece.bytes.clone(), flags, piece.held.to_vec())
            }
            Part::Host { name, port, found } => {
                text.extend_from_slice(name.as_bytes());
                Parts::Host(*port, found.to_vec())
            }
            Part::Log(entry) => {
                let words = [entry.code, entry.hierarchy, entry.timeout, entry.error];
                let ends = words.map(|word| {
                    text.extend_from_slice(word.as_bytes());
                    text.len()
                });
                let numbers = Numbers {
                    status: entry.status,
                    elapsed: entry.elapsed,
                    bytes_out: entry.bytes_out,
                    body_out: entry.body_out,
                    body_in: entry.body_in,
                    aborted: entry.aborted,
                };
                Parts::Log(numbers, ends)
            }
        };
        Copied {
            hook: event.hook,
            id: event.id,
            client: event.client,
            text,
            method: event.method.len(),
            url: fixed,
            part,
        }
    }

    /// The hook.
    pub(super) fn hook(&self) -> Hook {
        self.hook
    }

    /// The transaction.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Shows the event.
    pub(super) fn with<R>(&self, see: impl FnOnce(&Event<'_>) -> R) -> R {
        let (start, behind) = self.text.split_at(self.url);
        let (method, url) = start.split_at(self.method);
        let word = |from: usize, to: usize| {
            // They were text when they were copied.
            std::str::from_utf8(self.text.get(from..to).unwrap_or_default()).unwrap_or_default()
        };
        let entry;
        let part = match &self.part {
            Parts::Request(end) => {
                let (target, lines) = behind.split_at(end - self.url);
                let lines = Lines::Text(lines);
                Part::Head(Head::Request { target, lines })
            }
            Parts::Response(status) => Part::Head(Head::Response {
                status: *status,
                lines: Lines::Text(behind),
            }),
            Parts::Piece(bytes, [last, head_waits], held) => Part::Piece(Piece {
                bytes,
                last: *last,
                held,
                head_waits: *head_waits,
            }),
            Parts::Host(port, found) => Part::Host {
                name: word(self.url, self.text.len()),
                port: *port,
                found,
            },
            Parts::Log(numbers, [code, hierarchy, timeout, error]) => {
                entry = LogEntry {
                    status: numbers.status,
                    elapsed: numbers.elapsed,
                    bytes_out: numbers.bytes_out,
                    body_out: numbers.body_out,
                    body_in: numbers.body_in,
                    code: word(self.url, *code),
                    hierarchy: word(*code, *hierarchy),
                    timeout: word(*hierarchy, *timeout),
                    error: word(*timeout, *error),
                    aborted: numbers.aborted,
                };
                Part::Log(&entry)
            }
        };
        see(&Event {
            hook: self.hook,
            id: self.id,
            client: self.client,
            method,
            url,
            part,
        })
    }
}

/// About how many bytes of text a part has, so that the buffer need not grow.
fn weight(part: &Part<'_>) -> usize {
    match part {
        Part::Head(head) => match head.lines() {
            Lines::Text(text) | Lines::Whole(text) => text.len() + 64,
            Lines::Table(_) => 768,
        },
        Part::Piece(_) => 0,
        Part::Host { name, .. } => name.len(),
        Part::Log(_) => 128,
    }
}
