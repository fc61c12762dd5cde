//! What a hook changed: a list of edits in order, in one flat record.
//!
//! The same record is written by a module that runs inline, comes back from a pool thread, and crosses from a child process, and
//! the proxy applies it in one place: so the runtimes cannot differ. Invariant: whatever is in it may be put on the wire; each
//! adding function checks, also when the record is rebuilt from a child's frame. A hook that fails is undone by [`Edits::undo`].
//!
//! Awkward case: a block that is set first is not copied but remembered, and stands for as many edits as it has lines. An edit of
//! another line makes it one by one what it stands for, so numbers and marks are the same either way.

use crate::about::Hook;
use crate::field;
use crate::field_block::FieldBlock;
use std::net::IpAddr;
use understudy_http::wire::head::HeadError;
use understudy_http::wire::lines::FieldLines;

/// Most bytes of edits one hook of one transaction may make.
pub const MAX_BYTES: usize = 256 * 1024;

/// Why an edit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Refused {
    /// Not a token (RFC 9110 section 5.1).
    Name,
    /// Holds CR, LF, NUL or another control character (RFC 9110 section 5.5).
    Value,
    /// Framing and the connection are the proxy's own (RFC 9110 section 7.6.1, RFC 9112 section 6).
    Framing,
    /// The set of headers was declared done.
    Sealed,
    /// This hook has no such thing to edit.
    Place,
    /// Not a status code from 200 to 599.
    Status,
    /// Not a URL or path of printable ASCII.
    Target,
    /// More than [`MAX_BYTES`].
    TooMuch,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refused::Name => "the field name is not a token",
            Refused::Value => "the field value holds a control character",
            Refused::Framing => "framing and connection fields are the proxy's own",
            Refused::Sealed => "the headers were declared done",
            Refused::Place => "this hook has no such thing to edit",
            Refused::Status => "the status is not from 200 to 599",
            Refused::Target => "the target is not a URL or path of printable ASCII",
            Refused::TooMuch => "too many bytes of edits",
        })
    }
}

impl std::error::Error for Refused {}

#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    len: u32,
}

#[derive(Debug, Clone, Copy)]
enum Op {
    /// The line of this number is appended.
    Add(u32),
    /// The line of this number takes the place of all of its name.
    Set(u32),
    Delete(Span),
    Target(Span),
    Status(u16),
    NoStore,
    Freshness(u32),
    KeepLength,
    WithholdHead,
    SkipBody,
    Address(IpAddr),
    Note(Span, Span),
}

impl Op {
    /// Whether it says something beside the head: of storing, of lengths, for the log.
    fn is_aside(&self) -> bool {
        match self {
            Op::NoStore
            | Op::Freshness(_)
            | Op::KeepLength
            | Op::WithholdHead
            | Op::SkipBody
            | Op::Note(..) => true,
            Op::Add(_)
            | Op::Set(_)
            | Op::Delete(_)
            | Op::Target(_)
            | Op::Status(_)
            | Op::Address(_) => false,
        }
    }
}

/// One edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Append a field line (the paper's HeaderAdd).
    Add(&'a [u8], &'a [u8]),
    /// Replace all lines of a field by one.
    Set(&'a [u8], &'a [u8]),
    /// Delete all lines of a field (HeaderDelete).
    Delete(&'a [u8]),
    /// Ask for this URL, or path, instead.
    Target(&'a [u8]),
    /// Answer with this status instead.
    Status(u16),
    /// Do not store the answer.
    NoStore,
    /// The answer is fresh for so many seconds from now, whatever its fields say.
    Freshness(u32),
    /// The module gives as many bytes of body back as it takes.
    KeepLength,
    /// The head waits for what the module's hook on the body makes of it.
    WithholdHead,
    /// The module's hook on the body behind this head is not called.
    SkipBody,
    /// Dial this address; several in order.
    Address(IpAddr),
    /// A word for the access log: name and value.
    Note(&'a [u8], &'a [u8]),
}

impl Edit<'_> {
    /// Whether this hook has what it edits; a hook on a body has the head that waits for it ([`Edit::WithholdHead`]).
    pub fn fits(&self, hook: Hook) -> bool {
        let late = matches!(hook, Hook::RequestBody | Hook::ResponseBody);
        match self {
            Edit::Add(..) | Edit::Set(..) | Edit::Delete(_) => hook.is_head() || late,
            Edit::KeepLength => hook.is_head(),
            Edit::WithholdHead => matches!(hook, Hook::RequestHead | Hook::ResponseHead),
            Edit::SkipBody => hook.is_head() && hook != Hook::RequestOut,
            Edit::Target(_) => {
                matches!(
                    hook,
                    Hook::RequestHead | Hook::RequestOut | Hook::RequestBody
                )
            }
            Edit::Status(_) => matches!(
                hook,
                Hook::ResponseHead | Hook::ResponseReturn | Hook::ResponseBody
            ),
            Edit::NoStore | Edit::Freshness(_) => {
                matches!(hook, Hook::ResponseHead | Hook::ResponseBody)
            }
            Edit::Address(_) => hook == Hook::Resolve,
            Edit::Note(..) => true,
        }
    }

    /// Whether it is about a head: in a hook on a body, about the one that waits for it.
    pub fn is_of_head(&self) -> bool {
        !matches!(
            self,
            Edit::Note(..)
                | Edit::Address(_)
                | Edit::KeepLength
                | Edit::WithholdHead
                | Edit::SkipBody
        )
    }
}

/// The record.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    /// Behind those that the block stands for.
    ops: Vec<Op>,
    /// The lines that are added or set, in order; empty while a block stands for them.
    lines: FieldLines,
    /// How many of the operations set a line.
    sets: u32,
    /// How many say something beside the head: of storing, of lengths, for the log.
    asides: u32,
    /// Something was said of storing, perhaps since undone.
    of_storing: bool,
    /// Whatever else has bytes.
    bytes: Vec<u8>,
    /// How many edits the block stands for: all its lines, or none.
    ahead: u32,
    /// What was set first. It stays when all is forgotten: mostly the same is set again.
    block: Option<FieldBlock>,
}

/// How far a record was filled: what [`Edits::undo`] goes back to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    ops: usize,
}

impl Mark {
    /// Of an empty record.
    pub const NONE: Mark = Mark { ops: 0 };
}

impl Edits {
    /// An empty record.
    pub fn new() -> Edits {
        Edits::default()
    }

    /// Whether nothing was changed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many edits there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.ahead as usize + self.ops.len()
    }

    /// Forgets everything, keeps the room.
    #[inline]
    pub fn clear(&mut self) {
        self.ahead = 0;
        // Whatever is there is of an operation.
        if !self.ops.is_empty() {
            self.ops.clear();
            self.lines.truncate(0);
            self.bytes.clear();
            (self.sets, self.asides, self.of_storing) = (0, 0, false);
        }
    }

    /// Where it stands.
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark { ops: self.len() }
    }

    /// Whether nothing came after the mark.
    #[inline]
    pub fn is_at(&self, mark: Mark) -> bool {
        self.len() == mark.ops
    }

    /// The lines, when all that is done to the head is to set them, one after the other.
    #[inline]
    pub fn all_set(&self) -> Option<&FieldLines> {
        ((self.sets + self.asides) as usize == self.ops.len()).then_some(self.lines())
    }

    /// Whether anything beside the head was said after the mark: of storing, of lengths, for the log.
    #[inline]
    pub fn says_more_since(&self, mark: Mark) -> bool {
        self.asides > 0 && self.ops_since(mark).iter().any(Op::is_aside)
    }

    /// Whether there may be a word of storing among the edits: [`Edit::NoStore`] or [`Edit::Freshness`].
    #[inline]
    pub fn says_of_storing(&self) -> bool {
        self.of_storing
    }

    /// The lines that are added or set, in order.
    #[inline]
    pub fn lines(&self) -> &FieldLines {
        match &self.block {
            Some(block) if self.ahead > 0 => block.lines(),
            _ => &self.lines,
        }
    }

    /// Forgets what came after the mark.
    pub fn undo(&mut self, to: Mark) {
        if to.ops == 0 {
            self.ahead = 0;
        } else if to.ops < self.ahead as usize && self.spread().is_err() {
            // No mark is within a block, and every block fits.
            self.ahead = 0;
        }
        while self.len() > to.ops {
            let Some(op) = self.ops.pop() else { return };
            self.sets -= u32::from(matches!(op, Op::Set(_)));
            self.asides -= u32::from(op.is_aside());
            match op {
                Op::Add(line) | Op::Set(line) => self.lines.truncate(line as usize),
                Op::Delete(span) | Op::Target(span) | Op::Note(span, _) => {
                    self.bytes.truncate(span.start as usize);
                }
                _ => {}
            }
        }
    }

    /// The operations after a mark; those that a block stands for are none.
    #[inline]
    fn ops_since(&self, mark: Mark) -> &[Op] {
        let at = mark.ops.saturating_sub(self.ahead as usize);
        self.ops.get(at..).unwrap_or_default()
    }

    /// Edit by edit what the block stands for.
    #[cold]
    fn spread(&mut self) -> Result<(), Refused> {
        if let Some(block) = &self.block {
            let lines = block.lines();
            self.lines.extend(lines).map_err(|_| Refused::TooMuch)?;
        }
        self.ops.splice(0..0, (0..self.ahead).map(Op::Set));
        self.sets += self.ahead;
        self.ahead = 0;
        Ok(())
    }

    /// The edits, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Edit<'_>> + ExactSizeIterator {
        self.since(Mark::default())
    }

    /// The edits after a mark, in order.
    pub fn since(
        &self,
        mark: Mark,
    ) -> impl DoubleEndedIterator<Item = Edit<'_>> + ExactSizeIterator {
        let from = mark.ops.min(self.len());
        (from..self.len()).map(|at| self.nth(at))
    }

    /// Of the edits after a mark those that say something beside the head, in order: see [`Edits::says_more_since`].
    pub fn asides(&self, mark: Mark) -> impl Iterator<Item = Edit<'_>> {
        self.ops_since(mark)
            .iter()
            .filter(|op| op.is_aside())
            .map(|op| self.edit(op))
    }

    fn nth(&self, at: usize) -> Edit<'_> {
        let own = at
            .checked_sub(self.ahead as usize)
            .and_then(|at| self.ops.get(at));
        match own {
            Some(op) => self.edit(op),
            // Fewer than MAX_BYTES.
            None => self.edit(&Op::Set(at as u32)),
        }
    }

    fn edit(&self, op: &Op) -> Edit<'_> {
        match *op {
            Op::Add(line) => {
                let (name, value) = self.line_at(line);
                Edit::Add(name, value)
            }
            Op::Set(line) => {
                let (name, value) = self.line_at(line);
                Edit::Set(name, value)
            }
            Op::Delete(name) => Edit::Delete(self.at(name)),
            Op::Target(target) => Edit::Target(self.at(target)),
            Op::Status(status) => Edit::Status(status),
            Op::NoStore => Edit::NoStore,
            Op::Freshness(seconds) => Edit::Freshness(seconds),
            Op::KeepLength => Edit::KeepLength,
            Op::WithholdHead => Edit::WithholdHead,
            Op::SkipBody => Edit::SkipBody,
            Op::Address(address) => Edit::Address(address),
            Op::Note(name, value) => Edit::Note(self.at(name), self.at(value)),
        }
    }

    fn line_at(&self, number: u32) -> (&[u8], &[u8]) {
        let line = self.lines().get(number as usize);
        line.map_or((b"", b""), |(_, name, value)| (name, value))
    }

    fn at(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.bytes
            .get(start..start + span.len as usize)
            .unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) -> Result<Span, Refused> {
        let start = self.bytes.len();
        self.fits(bytes.len())?;
        // None may be left behind by an operation that is refused.
        self.has_room()?;
        self.bytes.extend_from_slice(bytes);
        // Both are below MAX_BYTES.
        Ok(Span {
            start: start as u32,
            len: bytes.len() as u32,
        })
    }

    /// Whether there is room for an operation more. What an edit without bytes weighs is counted too, or a loop could fill the memory
    /// with them.
    fn has_room(&self) -> Result<(), Refused> {
        if self.len() >= MAX_BYTES / 16 {
            return Err(Refused::TooMuch);
        }
        Ok(())
    }

    fn op(&mut self, op: Op) -> Result<(), Refused> {
        self.has_room()?;
        self.sets += u32::from(matches!(op, Op::Set(_)));
        self.asides += u32::from(op.is_aside());
        self.of_storing |= matches!(op, Op::NoStore | Op::Freshness(_));
        self.ops.push(op);
        Ok(())
    }

    /// Whether there is room for so many bytes more.
    fn fits(&self, bytes: usize) -> Result<(), Refused> {
        let there = self.bytes.len() + self.lines().text().len();
        if there + bytes > MAX_BYTES {
            return Err(Refused::TooMuch);
        }
        Ok(())
    }

    /// Keeps a line; answers its number.
    fn line(&mut self, name: &[u8], value: &[u8]) -> Result<u32, Refused> {
        field::check(name)?;
        self.fits(name.len() + value.len())?;
        // All lines that are kept are written, so none may be left behind by an operation that is refused.
        self.has_room()?;
        if self.ahead > 0 {
            self.spread()?;
        }
        // Fewer than MAX_BYTES.
        let number = self.lines.len() as u32;
        match self.lines.push(name, value) {
            Ok(()) => Ok(number),
            // The name is one: that was the first look.
            Err(HeadError::TooLarge) => Err(Refused::TooMuch),
            Err(_) => Err(Refused::Value),
        }
    }

    /// Appends a field line (the paper's HeaderAdd).
    ///
    /// # Errors
    /// `Name`, `Value` or `Framing` for a line that may not be written, also for Host, which can only be set; `TooMuch`.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        field::check_plural(name)?;
        let line = self.line(name, value)?;
        self.op(Op::Add(line))
    }

    /// Replaces all lines of a field by one.
    ///
    /// # Errors
    /// As [`Edits::add`].
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        let line = self.line(name, value)?;
        self.op(Op::Set(line))
    }

    /// Sets the lines of a block, as [`Edits::set`] one after the other: they were checked when the block was made.
    ///
    /// # Errors
    /// `TooMuch`; then none is set.
    #[inline]
    pub fn set_block(&mut self, block: &FieldBlock) -> Result<(), Refused> {
        if !self.is_empty() {
            return self.copy_block(block);
        }
        // It fits into an empty record: it was one.
        if !self.block.as_ref().is_some_and(|last| last.is(block)) {
            self.block = Some(block.clone());
        }
        // Fewer than MAX_BYTES.
        self.ahead = block.len() as u32;
        Ok(())
    }

    /// Behind other edits.
    #[cold]
    fn copy_block(&mut self, block: &FieldBlock) -> Result<(), Refused> {
        let lines = block.lines();
        self.fits(lines.text().len())?;
        if self.len() + lines.len() > MAX_BYTES / 16 {
            return Err(Refused::TooMuch);
        }
        if self.ahead > 0 {
            self.spread()?;
        }
        let first = self.lines.len() as u32;
        self.lines.extend(lines).map_err(|_| Refused::TooMuch)?;
        self.ops.extend((first..).take(lines.len()).map(Op::Set));
        self.sets += lines.len() as u32;
        Ok(())
    }

    /// Deletes all lines of a field (the paper's HeaderDelete).
    ///
    /// # Errors
    /// `Name`, `Framing` (also for Host), `TooMuch`.
    pub fn delete(&mut self, name: &[u8]) -> Result<(), Refused> {
        field::check(name)?;
        field::check_plural(name)?;
        let name = self.push(name)?;
        self.op(Op::Delete(name))
    }

    /// Asks for another URL (`http://host/path`) or another path (`/path`).
    ///
    /// # Errors
    /// `Target`, `TooMuch`.
    pub fn target(&mut self, target: &[u8]) -> Result<(), Refused> {
        let fits = target.first() == Some(&b'/')
            || target
                .get(..7)
                .is_some_and(|s| s.eq_ignore_ascii_case(b"http://"))
            || target
                .get(..8)
                .is_some_and(|s| s.eq_ignore_ascii_case(b"https://"));
        if !fits || !target.iter().all(u8::is_ascii_graphic) || target.contains(&b'#') {
            return Err(Refused::Target);
        }
        let target = self.push(target)?;
        self.op(Op::Target(target))
    }

    /// Answers with another status.
    ///
    /// # Errors
    /// `Status` when not from 200 to 599, or one that has no body by its nature (204, 205, 304) or a part (206).
    pub fn status(&mut self, status: u16) -> Result<(), Refused> {
        if !(200..=599).contains(&status) || crate::words::is_fixed(status) {
            return Err(Refused::Status);
        }
        self.op(Op::Status(status))
    }

    /// The answer is not to be stored.
    ///
    /// # Errors
    /// `TooMuch`.
    pub fn no_store(&mut self) -> Result<(), Refused> {
        self.op(Op::NoStore)
    }

    /// The answer is fresh for so many seconds from now.
    ///
    /// # Errors
    /// `TooMuch`.
    pub fn freshness(&mut self, seconds: u32) -> Result<(), Refused> {
        self.op(Op::Freshness(seconds))
    }

    /// The body that the module gives back is as long as the one it takes.
    ///
    /// # Errors
    /// `TooMuch`.
    pub fn keep_length(&mut self) -> Result<(), Refused> {
        self.op(Op::KeepLength)
    }

    /// The head waits until the module's hook on the body behind it gave its first bytes.
    ///
    /// # Errors
    /// `TooMuch`.
    pub fn withhold_head(&mut self) -> Result<(), Refused> {
        self.op(Op::WithholdHead)
    }

    /// The module's hook on the body behind this head is not called.
    ///
    /// # Errors
    /// `TooMuch`.
    pub fn skip_body(&mut self) -> Result<(), Refused> {
        self.op(Op::SkipBody)
    }

    /// One more address to dial, behind those given before.
    ///
    /// # Errors
    /// `TooMuch`.
    pub fn address(&mut self, address: IpAddr) -> Result<(), Refused> {
        self.op(Op::Address(address))
    }

    /// A word for the access log.
    ///
    /// # Errors
    /// `Name` when it is not a token, `Value` for control characters; `TooMuch`.
    pub fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        if !field::is_name(name) {
            return Err(Refused::Name);
        }
        if !field::is_value(value) {
            return Err(Refused::Value);
        }
        self.fits(name.len() + value.len())?;
        // There is room for both, so neither is left alone.
        let (name, value) = (self.push(name)?, self.push(value)?);
        self.op(Op::Note(name, value))
    }

    /// Repeats an edit of another record.
    ///
    /// # Errors
    /// As the function for it.
    pub fn repeat(&mut self, edit: Edit<'_>) -> Result<(), Refused> {
        match edit {
            Edit::Add(name, value) => self.add(name, value),
            Edit::Set(name, value) => self.set(name, value),
            Edit::Delete(name) => self.delete(name),
            Edit::Target(target) => self.target(target),
            Edit::Status(status) => self.status(status),
            Edit::NoStore => self.no_store(),
            Edit::Freshness(seconds) => self.freshness(seconds),
            Edit::KeepLength => self.keep_length(),
            Edit::WithholdHead => self.withhold_head(),
            Edit::SkipBody => self.skip_body(),
            Edit::Address(address) => self.address(address),
            Edit::Note(name, value) => self.note(name, value),
        }
    }
}

impl PartialEq for Edits {
    fn eq(&self, other: &Edits) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Edits {}
