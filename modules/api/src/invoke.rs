//! One call of one hook: the record becomes a view, the hook is called, and what comes of it is checked.
//!
//! Every runtime goes through here, so a hook cannot tell them apart. A panic stops at the [`guard`]: its edits are undone, its
//! opaque value is as the hook left it.

use crate::about::Hook;
use crate::edits::{Edit, Edits, Refused};
use crate::event::{Event, LogEntry, Part};
use crate::field_block::FieldBlock;
use crate::head::{self, Head};
use crate::host::{Host, Token};
use crate::module::Module;
use crate::opaque::Opaque;
use crate::transaction::{Transaction, View};
use crate::verdict::Verdict;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A hook panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked(pub String);

/// Where a token comes from, if one is wanted.
pub trait Tokens {
    /// The token of the call in progress, which is of this transaction; the same each time.
    fn token(&self, transaction: u64) -> Token;
}

impl Tokens for Token {
    fn token(&self, _: u64) -> Token {
        *self
    }
}

/// What a hook said that was more than a plain yes.
#[derive(Debug)]
pub struct Said {
    verdict: Verdict,
    /// Its token was taken.
    taken: bool,
}

/// Calls the hook of an event. `edits` may hold those of modules before: they are seen, and stay.
///
/// # Errors
/// When the hook panicked.
#[inline]
pub fn invoke(
    module: &dyn Module,
    host: &Host,
    event: &Event<'_>,
    opaque: &mut Opaque,
    edits: &mut Edits,
    tokens: &dyn Tokens,
) -> Result<Verdict, Panicked> {
    let mark = edits.mark();
    let mut said = None;
    match guard(|| invoke_within(module, host, event, opaque, edits, tokens, &mut said)) {
        Ok(_) => Ok(said.map_or(Verdict::Continue, |said| said.verdict(event.hook))),
        Err(panicked) => {
            edits.undo(mark);
            Err(panicked)
        }
    }
}

/// The same within a [`guard`] of the caller's, in which it may call several: whether the hook plainly says yes; what else it says
/// is put into `said`. When it panics the caller undoes its edits.
// A plain yes moves and drops nothing.
#[inline(always)]
pub fn invoke_within(
    module: &dyn Module,
    host: &Host,
    event: &Event<'_>,
    opaque: &mut Opaque,
    edits: &mut Edits,
    tokens: &dyn Tokens,
    said: &mut Option<Said>,
) -> bool {
    let mut record = Record {
        event,
        opaque,
        edits,
        host,
        tokens,
        sealed: false,
        taken: false,
    };
    let mut tx = Transaction::new(&mut record);
    let verdict = match event.hook {
        Hook::RequestHead => module.request_head(&mut tx),
        Hook::RequestBody => module.request_body(&mut tx),
        Hook::RequestOut => module.request_out(&mut tx),
        Hook::Resolve => module.resolve(&mut tx),
        Hook::ResponseHead => module.response_head(&mut tx),
        Hook::ResponseBody => module.response_body(&mut tx),
        Hook::ResponseReturn => module.response_return(&mut tx),
        Hook::ReturnBody => module.return_body(&mut tx),
        Hook::Log => {
            module.log(&mut tx);
            Verdict::Continue
        }
        // Not events of a transaction's record.
        Hook::Free
        | Hook::Timer
        | Hook::Init
        | Hook::Reconfigure
        | Hook::Fini
        | Hook::Completed
        | Hook::Ready => Verdict::Continue,
    };
    let taken = record.taken;
    match verdict {
        // Nothing in it is to be dropped.
        Verdict::Continue if !taken => {
            std::mem::forget(verdict);
            true
        }
        verdict => {
            *said = Some(Said { verdict, taken });
            false
        }
    }
}

impl Said {
    /// The verdict, when this hook may answer so.
    pub fn verdict(self, hook: Hook) -> Verdict {
        match self.verdict {
            // In every runtime at once, not at the deadline.
            Verdict::Pending if !self.taken => {
                Verdict::fail("Pending without a token can never be resumed")
            }
            verdict if verdict.fits(hook) => verdict,
            verdict => {
                Verdict::Fail(format!("{} is no answer to {}", verdict.name(), hook.name()).into())
            }
        }
    }

    /// That it says yes, and something beside it.
    pub fn yes() -> Said {
        Said {
            verdict: Verdict::Continue,
            taken: false,
        }
    }
}

/// Calls something of a module, and stops a panic.
///
/// # Errors
/// When it panicked.
#[inline]
pub fn guard<R>(call: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| Panicked(text(&*payload)))
}

#[cold]
fn text(payload: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

struct Record<'a> {
    event: &'a Event<'a>,
    opaque: &'a mut Opaque,
    edits: &'a mut Edits,
    host: &'a Host,
    tokens: &'a dyn Tokens,
    sealed: bool,
    /// The token was taken.
    taken: bool,
}

static EMPTY: Bytes = Bytes::new();

impl Record<'_> {
    fn head(&self) -> Option<Head<'_>> {
        match self.event.part {
            Part::Head(head) => Some(head),
            _ => None,
        }
    }

    /// Whether field lines may be edited now.
    fn editable(&self) -> Result<(), Refused> {
        if self.head().is_none() && !self.late() {
            Err(Refused::Place)
        } else if self.sealed {
            Err(Refused::Sealed)
        } else {
            Ok(())
        }
    }

    /// Whether it is a piece of a body whose head waits.
    fn late(&self) -> bool {
        matches!(&self.event.part, Part::Piece(piece) if piece.head_waits)
    }

    fn late_in(&self, hook: Hook) -> bool {
        self.event.hook == hook && self.late()
    }

    fn only_in(&self, fits: bool) -> Result<(), Refused> {
        if fits {
            self.editable()
        } else {
            Err(Refused::Place)
        }
    }
}

impl View for Record<'_> {
    fn hook(&self) -> Hook {
        self.event.hook
    }
    fn id(&self) -> u64 {
        self.event.id
    }
    fn client(&self) -> SocketAddr {
        self.event.client
    }
    fn method(&self) -> &[u8] {
        self.event.method
    }
    fn url(&self) -> &[u8] {
        self.event.url
    }
    fn opaque(&mut self) -> &mut Opaque {
        self.opaque
    }
    fn host(&self) -> &Host {
        self.host
    }
    fn token(&mut self) -> Token {
        self.taken = true;
        self.tokens.token(self.event.id)
    }
    fn find(&self, name: &[u8], index: usize) -> Option<&[u8]> {
        head::values(self.head()?.lines(), self.edits, name)
            .get(index)
            .copied()
    }
    fn line(&self, index: usize) -> Option<(&[u8], &[u8])> {
        head::all(self.head()?.lines(), self.edits)
            .get(index)
            .copied()
    }
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.editable()?;
        self.edits.add(name, value)
    }
    fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.editable()?;
        self.edits.set(name, value)
    }
    fn set_block(&mut self, block: &FieldBlock) -> Result<(), Refused> {
        self.editable()?;
        self.edits.set_block(block)
    }
    fn delete(&mut self, name: &[u8]) -> Result<(), Refused> {
        self.editable()?;
        self.edits.delete(name)
    }
    fn headers_done(&mut self) {
        self.sealed = true;
    }
    fn target(&self) -> &[u8] {
        let Some(Head::Request { target, .. }) = self.head() else {
            return b"";
        };
        let edited = self.edits.iter().rev().find_map(|edit| match edit {
            Edit::Target(target) => Some(target),
            _ => None,
        });
        edited.unwrap_or(target)
    }
    fn set_target(&mut self, target: &[u8]) -> Result<(), Refused> {
        let here = matches!(self.head(), Some(Head::Request { .. }));
        self.only_in(here || self.late_in(Hook::RequestBody))?;
        self.edits.target(target)
    }
    fn status(&self) -> u16 {
        let Some(Head::Response { status, .. }) = self.head() else {
            return self.entry().map_or(0, |entry| entry.status);
        };
        let edited = self.edits.iter().rev().find_map(|edit| match edit {
            Edit::Status(status) => Some(status),
            _ => None,
        });
        edited.unwrap_or(status)
    }
    fn set_status(&mut self, status: u16) -> Result<(), Refused> {
        match self.head() {
            Some(Head::Response { status: fixed, .. }) if crate::words::is_fixed(fixed) => {
                return Err(Refused::Status);
            }
            Some(Head::Response { .. }) => {}
            None if self.late_in(Hook::ResponseBody) => self.editable()?,
            _ => return Err(Refused::Place),
        }
        self.edits.status(status)
    }
    fn no_store(&mut self) -> Result<(), Refused> {
        self.only_in(self.event.hook == Hook::ResponseHead || self.late_in(Hook::ResponseBody))?;
        self.edits.no_store()
    }
    fn set_freshness(&mut self, seconds: u32) -> Result<(), Refused> {
        self.only_in(self.event.hook == Hook::ResponseHead || self.late_in(Hook::ResponseBody))?;
        self.edits.freshness(seconds)
    }
    fn keep_length(&mut self) -> Result<(), Refused> {
        if !self.event.hook.is_head() {
            return Err(Refused::Place);
        }
        self.edits.keep_length()
    }
    fn withhold_head(&mut self) -> Result<(), Refused> {
        if !matches!(self.event.hook, Hook::RequestHead | Hook::ResponseHead) {
            return Err(Refused::Place);
        }
        self.edits.withhold_head()
    }
    fn skip_body(&mut self) -> Result<(), Refused> {
        if !Edit::SkipBody.fits(self.event.hook) {
            return Err(Refused::Place);
        }
        self.edits.skip_body()
    }
    fn piece(&self) -> &Bytes {
        match &self.event.part {
            Part::Piece(piece) => piece.bytes,
            _ => &EMPTY,
        }
    }
    fn is_last(&self) -> bool {
        matches!(&self.event.part, Part::Piece(piece) if piece.last)
    }
    fn held(&self) -> &[Bytes] {
        match &self.event.part {
            Part::Piece(piece) => piece.held,
            _ => &[],
        }
    }
    fn host_name(&self) -> (&str, u16) {
        match self.event.part {
            Part::Host { name, port, .. } => (name, port),
            _ => ("", 0),
        }
    }
    fn addresses(&self) -> &[IpAddr] {
        match self.event.part {
            Part::Host { found, .. } => found,
            _ => &[],
        }
    }
    fn add_address(&mut self, address: IpAddr) -> Result<(), Refused> {
        if self.event.hook != Hook::Resolve {
            return Err(Refused::Place);
        }
        self.edits.address(address)
    }
    fn entry(&self) -> Option<LogEntry<'_>> {
        match self.event.part {
            Part::Log(entry) => Some(*entry),
            _ => None,
        }
    }
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        self.edits.note(name, value)
    }
}
