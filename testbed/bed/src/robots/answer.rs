//! Reads answers off a connection: a strict HTTP/1.1 reader that says what it objects to.
//!
//! Invariant: however the bytes are cut into reads, the events are the same, and no byte behind an answer's end is taken.
//! Body bytes are passed on where they lie, never collected. Strict where RFC 9112 says a recipient may be lenient: what is judged
//! here is the sender.
//!
//! Its life: 1. the head, interim answers left behind, 2. the body by its framing, 3. over, until [`Reader::begin`].

use super::head::{Framing, Head};

/// The most bytes of a head, and of a trailer.
const HEAD_LIMIT: usize = 64 << 10;
/// The most fields of a head.
const FIELD_LIMIT: usize = 100;
/// The most bytes of a line that begins a chunk.
const CHUNK_LINE_LIMIT: usize = 256;

/// What cannot be HTTP.
pub(crate) type Problem = &'static str;

/// What the bytes said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// The head is there: [`Reader::head`].
    Head,
    /// These bytes are of the body.
    Body(&'a [u8]),
    /// The answer is whole.
    End,
    /// All was taken and more must come.
    More,
}

#[derive(Debug)]
enum State {
    Head,
    /// The body's bytes that are yet to come.
    Length(u64),
    /// The line that begins a chunk.
    ChunkLine,
    /// The chunk's bytes that are yet to come.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    Trailer,
    /// Whatever comes until the connection ends.
    Close,
    Over,
}

/// Reads the answers of one connection, one after another.
#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    /// Whether the request was HEAD, whose answer has no body whatever its head says (RFC 9112 6.3, rule 1).
    bodiless: bool,
    /// The head's bytes.
    text: Vec<u8>,
    /// The line or trailer under way.
    line: Vec<u8>,
    head: Head,
    interim: u32,
}

impl Reader {
    /// Of a fresh connection.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Over,
            bodiless: false,
            text: Vec::new(),
            line: Vec::new(),
            head: Head::default(),
            interim: 0,
        }
    }

    /// An answer is to come; to HEAD, if `bodiless`.
    pub(crate) fn begin(&mut self, bodiless: bool) {
        self.state = State::Head;
        self.bodiless = bodiless;
        self.text.clear();
        self.line.clear();
        self.head = Head::default();
        self.interim = 0;
    }

    /// The head, once it was there.
    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    /// The head's bytes so far.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// What the next of these bytes say; takes them off.
    ///
    /// # Errors
    /// It is not HTTP. Nothing more may be read from the connection then.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Event<'a>, Problem> {
        loop {
            if input.is_empty() && !matches!(self.state, State::Length(0)) {
                return Ok(Event::More);
            }
            match &mut self.state {
                State::Head => {
                    if !take_block(&mut self.text, input)? {
                        continue;
                    }
                    let framing = self.parse()?;
                    if let Some(state) = framing {
                        self.state = state;
                        return Ok(Event::Head);
                    }
                    // RFC 9110 15.2: any number of interim answers come before the final one.
                    self.interim += 1;
                    if self.interim > 16 {
                        return Err("more than 16 interim answers");
                    }
                    self.text.clear();
                }
                State::Length(0) => {
                    self.state = State::Over;
                    return Ok(Event::End);
                }
                State::Length(left) => return Ok(Event::Body(take(left, input))),
                State::ChunkLine => {
                    if !take_line(&mut self.line, input)? {
                        continue;
                    }
                    let size = chunk_size(&self.line)?;
                    self.line.clear();
                    self.state = if size == 0 {
                        State::Trailer
                    } else {
                        State::Chunk(size)
                    };
                }
                State::Chunk(0) => self.state = State::ChunkEnd,
                State::Chunk(left) => return Ok(Event::Body(take(left, input))),
                State::ChunkEnd => {
                    if !take_line(&mut self.line, input)? {
                        continue;
                    }
                    if self.line != b"\r\n" {
                        return Err("a chunk is longer than it says");
                    }
                    self.line.clear();
                    self.state = State::ChunkLine;
                }
                State::Trailer => {
                    if !take_line(&mut self.line, input)? {
                        continue;
                    }
                    // RFC 9112 7.1.2: trailer fields may be dropped by whoever does not want them.
                    let last = self.line == b"\r\n";
                    self.line.clear();
                    if last {
                        self.state = State::Over;
                        return Ok(Event::End);
                    }
                }
                State::Close => return Ok(Event::Body(std::mem::take(input))),
                State::Over => return Err("bytes behind the answer's end"),
            }
        }
    }

    /// The connection has ended: whether the answer is whole by that.
    pub(crate) fn end(&self) -> bool {
        matches!(self.state, State::Close | State::Over)
    }

    /// Whether nothing but the connection's end tells where the body ends.
    pub(crate) fn until_closed(&self) -> bool {
        matches!(self.state, State::Close)
    }

    /// The head's bytes are all there: how the body is framed, or none if the answer is an interim one.
    fn parse(&mut self) -> Result<Option<State>, Problem> {
        let mut fields = [httparse::EMPTY_HEADER; FIELD_LIMIT];
        let mut answer = httparse::Response::new(&mut fields);
        match answer.parse(&self.text) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err("a head that ends before its end"),
            Err(httparse::Error::TooManyHeaders) => return Err("more than 100 fields"),
            Err(_) => return Err("a head that is not HTTP"),
        }
        let head = Head::of(&answer)?;
        if head.status < 200 {
            // RFC 9110 15.2.2: 101 only where the client asked for it.
            return if head.status == 101 {
                Err("101 that nobody asked for")
            } else {
                Ok(None)
            };
        }
        let bodiless = self.bodiless || head.status == 204 || head.status == 304;
        self.head = head;
        Ok(Some(match self.head.framing {
            _ if bodiless => State::Length(0),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkLine,
            Framing::Close => State::Close,
        }))
    }
}

/// Takes at most `left` bytes.
fn take<'a>(left: &mut u64, input: &mut &'a [u8]) -> &'a [u8] {
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let (taken, rest) = input.split_at(most.min(input.len()));
    *left -= taken.len() as u64;
    *input = rest;
    taken
}

/// Takes bytes up to and with the next line feed; whether it was there.
fn take_line(line: &mut Vec<u8>, input: &mut &[u8]) -> Result<bool, Problem> {
    let end = input.iter().position(|&b| b == b'\n').map(|at| at + 1);
    let (taken, rest) = input.split_at(end.unwrap_or(input.len()));
    line.extend_from_slice(taken);
    *input = rest;
    if line.len() > CHUNK_LINE_LIMIT {
        return Err("a line of more than 256 bytes in a chunked body");
    }
    if end.is_some() && !line.ends_with(b"\r\n") {
        return Err("a line that ends without carriage return");
    }
    Ok(end.is_some())
}

/// Takes bytes up to and with the next empty line; whether it was there.
fn take_block(text: &mut Vec<u8>, input: &mut &[u8]) -> Result<bool, Problem> {
    while !input.is_empty() {
        let end = input.iter().position(|&b| b == b'\n').map(|at| at + 1);
        let (taken, rest) = input.split_at(end.unwrap_or(input.len()));
        text.extend_from_slice(taken);
        *input = rest;
        if text.len() > HEAD_LIMIT {
            return Err("a head of more than 64 KiB");
        }
        if end.is_none() {
            return Ok(false);
        }
        // RFC 9112 2.2 lets a recipient take a bare line feed for a line end; a sender must not send one.
        if !text.ends_with(b"\r\n") {
            return Err("a line that ends without carriage return");
        }
        if text.ends_with(b"\r\n\r\n") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The size that begins a chunk (RFC 9112 7.1); extensions are passed over.
fn chunk_size(line: &[u8]) -> Result<u64, Problem> {
    const BAD: Problem = "a chunk without a size";
    let digits = line
        .iter()
        .position(|b| !b.is_ascii_hexdigit())
        .map_or(line, |end| &line[..end]);
    let rest = &line[digits.len()..];
    if digits.is_empty() || digits.len() > 15 {
        return Err(BAD);
    }
    if !(rest == b"\r\n" || rest.starts_with(b";") || rest.starts_with(b" ;")) {
        return Err(BAD);
    }
    let text = std::str::from_utf8(digits).map_err(|_| BAD)?;
    u64::from_str_radix(text, 16).map_err(|_| BAD)
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
