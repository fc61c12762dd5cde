//! What a module may ask of the proxy beside a transaction: its options, operations on stored objects, descriptors to watch,
//! and the end of a `Pending`.
//!
//! What needs the proxy is *submitted* and completes in a later call of [`crate::Module::completed`], never inside the call, in
//! every runtime alike.

use crate::attention::Attention;
use crate::edits::Edits;
use crate::verdict::{Response, Verdict};
use bytes::Bytes;
use std::os::fd::RawFd;
use std::sync::Arc;

/// Names a call that waits for [`Host::resume`]: of one hook of one transaction, valid once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The transaction.
    pub transaction: u64,
    /// Which of its calls; what it is made of is the runtime's.
    pub call: u64,
}

/// What to watch a descriptor for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Interest {
    Read,
    Write,
}

/// A stored object's name: the key of the cache, counted (the paper's ObjID). A clone is ObjIDRef, a drop ObjIDUnref.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectId(Arc<[u8]>);

impl ObjectId {
    /// The name of this key: what [`Host::object`] makes of a URL.
    pub fn of_key(key: &[u8]) -> ObjectId {
        ObjectId(key.into())
    }

    /// The name of the object of a URL, as [`Host::object`] makes it.
    pub fn of_url(url: &str) -> Option<ObjectId> {
        crate::object::of_url(url)
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.0
    }
}

/// Something to be done with stored objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Is it there, and how is it (ObjQuery)? Completes with `Found` or `Absent`.
    Query(ObjectId),
    /// Fetch it from its origin and store it, also when it is there and fresh (ObjFetch). Completes with `Fetched`, or with
    /// `Failed` when no origin answered. What can be validated need not come again: the status is 304 then. The request passes
    /// the modules like a client's; its client is `127.0.0.1:0`, a port that no other has.
    Fetch(ObjectId),
    /// Ask its origin whether it is still good, if it is there (ObjValidate). Completes with `Fetched` or `Absent`.
    Validate(ObjectId),
    /// It is fresh until this time, in seconds since 1970 (ObjExpirationSet). Completes with `Done` or `Absent`. Its fields stay
    /// as they are, and what the origin wants validated at every use (`no-cache`) still is.
    SetExpiration(ObjectId, i64),
    /// Remove it (ObjDelete). Completes with `Done`.
    Delete(ObjectId),
    /// Store this as if it had been fetched by a plain GET (ObjInject). Completes with `Done`, or with `Failed` and the word that
    /// says why such a response is not stored.
    Inject(ObjectId, Box<Response>),
    /// Begin to store it in pieces (ObjInjectStart): head only. Nothing is visible until `InjectDone`. Does not complete.
    InjectStart(ObjectId, u64, Box<Response>),
    /// One more piece of it (ObjInjectBody). Does not complete.
    InjectBody(u64, Bytes),
    /// It is whole (ObjInjectDone). Completes with `Done` or `Failed`.
    InjectDone(u64),
    /// Forget what was injected.
    InjectAbort(u64),
    /// Read it whole (ObjRead). Completes with `Object` or `Absent`.
    Read(ObjectId),
    /// Begin to read it in pieces (ObjReadStart). Completes with `Object` (without body) or `Absent`.
    ReadStart(ObjectId, u64),
    /// The next piece, at most so many bytes (ObjReadPart). Completes with `Part`.
    ReadPart(u64, usize),
    /// No more of it is wanted (ObjReadDone). Does not complete.
    ReadDone(u64),
    /// What is stored under keys that begin like this, in their order: behind this one if it is given, and at most so many (and at
    /// most [`MOST_LISTED`]). Not in the paper. Completes with `Listed`. Of a walk from page to page each object that is there all
    /// the time is told once.
    List(Bytes, Option<ObjectId>, usize),
    /// How the proxy and its cache do, in figures. Not in the paper. Completes with `Statistics`.
    Statistics,
}

impl Operation {
    /// Whether it has a completion.
    pub fn completes(&self) -> bool {
        !matches!(
            self,
            Operation::InjectStart(..)
                | Operation::InjectBody(..)
                | Operation::InjectAbort(_)
                | Operation::ReadDone(_)
        )
    }
}

/// The most that one `List` tells.
pub const MOST_LISTED: usize = 256;

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// It is done.
    Done,
    /// It is stored.
    Found(ObjectInfo),
    /// It is not stored.
    Absent,
    /// The origin answered with this status; whether the answer is stored now.
    Fetched {
        #[allow(missing_docs)]
        status: u16,
        #[allow(missing_docs)]
        stored: bool,
    },
    /// The object: its head, and its body when it was to be read whole.
    Object(Box<Response>),
    /// A piece, and whether it is the last.
    Part(Bytes, bool),
    /// It could not be done; why.
    Failed(String),
    /// What is stored, as a `Query` of each would tell; and where to go on, when there is more.
    Listed(Vec<(ObjectId, ObjectInfo)>, Option<ObjectId>),
    /// Figures, by name. Which there are may change; each keeps its meaning.
    Statistics(Vec<(String, u64)>),
}

/// What is known of a stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The status stored.
    pub status: u16,
    /// Bytes of body.
    pub length: u64,
    /// Its age in seconds (RFC 9111 section 4.2.3).
    pub age: u32,
    /// Seconds until it is stale; negative when it is.
    pub ttl: i64,
    /// Its type, when it has one.
    pub content_type: Option<String>,
}

/// How a `Pending` goes on: a verdict, with the edits that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The verdict; `Pending` is a failure here.
    pub verdict: Verdict,
    /// Edits, behind those the hook made before it returned.
    pub edits: Edits,
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Answer {
        Answer {
            verdict,
            edits: Edits::new(),
        }
    }
}

/// How important a line of a module's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// What a runtime does for a module: behind [`Host`]. Every function may be called from any thread and returns at once.
pub trait Calls: Send + Sync {
    /// An option of the module, by its dotted name.
    fn option(&self, name: &str) -> Option<String>;
    /// All options of the module.
    fn options(&self) -> Vec<(String, String)>;
    /// A setting of the proxy, by its dotted name.
    fn setting(&self, name: &str) -> Option<String>;
    /// Begins an operation; `tag` comes back with its completion.
    fn submit(&self, tag: u64, operation: Operation);
    /// Ends a `Pending`.
    fn resume(&self, token: Token, answer: Answer);
    /// Injects bytes into a transaction's answer.
    fn inject(&self, transaction: u64, bytes: Bytes);
    /// Watches a descriptor, until [`Calls::unwatch`].
    fn watch(&self, fd: RawFd, interest: Interest, tag: u64);
    /// Watches it no longer.
    fn unwatch(&self, fd: RawFd, interest: Interest);
    /// Writes a line into the proxy's log.
    fn log(&self, level: Level, text: &str);
    /// Does an operation and waits for its end; `None` when this module may not wait.
    fn perform(&self, operation: Operation) -> Option<Completion>;
    /// A number that was not given before in this process: for injections and readings in pieces.
    fn number(&self) -> u64;
    /// Adds to a counter of the module's own. A name that [`is_count_name`] refuses is not counted.
    fn count(&self, name: &str, amount: u64) {
        let _ = (name, amount);
    }
    /// From now on the module needs no more of its hooks than this. A runtime to which that is of no use forgets it.
    fn attend(&self, attention: Attention) {
        let _ = attention;
    }
}

/// How many counters of its own a module may have.
pub const COUNTS: usize = 64;

/// Whether a counter of a module's own may have this name: it becomes a label of the metrics.
pub fn is_count_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// The proxy, as a module reaches it; cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Host {
    calls: Arc<dyn Calls>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}

impl Host {
    /// A host of these calls: for runtimes and test kits.
    pub fn new(calls: Arc<dyn Calls>) -> Host {
        Host { calls }
    }

    /// An option from `[module.options]` (ConfigOptionFind). Tables are dotted (`list.name`), members of arrays numbered from 0.
    pub fn option(&self, name: &str) -> Option<String> {
        self.calls.option(name)
    }

    /// All options, by name.
    pub fn options(&self) -> Vec<(String, String)> {
        self.calls.options()
    }

    /// A setting of the proxy, such as `cache.memory` (ConfigOptionFind).
    pub fn setting(&self, name: &str) -> Option<String> {
        self.calls.setting(name)
    }

    /// The name of the object of a URL (ObjIDMake), normalised as the proxy's keys are; `None` when it is no http URL.
    /// Objects behind a reverse listener are in a part of their own: take the name from [`crate::Transaction::object`].
    pub fn object(&self, url: &str) -> Option<ObjectId> {
        ObjectId::of_url(url)
    }

    /// A number that was not given before in this process: for injections and readings in pieces.
    pub fn number(&self) -> u64 {
        self.calls.number()
    }

    /// Begins an operation; [`crate::Module::completed`] is called with `tag` at its end.
    pub fn submit(&self, tag: u64, operation: Operation) {
        self.calls.submit(tag, operation);
    }

    /// Begins to inject an object in pieces (ObjInjectStart): the number that the pieces name.
    pub fn inject_start(&self, object: ObjectId, head: Response) -> u64 {
        let number = self.calls.number();
        self.submit(0, Operation::InjectStart(object, number, Box::new(head)));
        number
    }

    /// Begins to read an object in pieces (ObjReadStart): the number that the pieces name. Completes with `tag`.
    pub fn read_start(&self, tag: u64, object: ObjectId) -> u64 {
        let number = self.calls.number();
        self.submit(tag, Operation::ReadStart(object, number));
        number
    }

    /// Does an operation and waits for its end, here. Only for modules that declare themselves `blocking`, in threads and
    /// processes, and not in `init`, which the proxy itself may wait for; others get `Failed`.
    pub fn perform(&self, operation: Operation) -> Completion {
        self.calls.perform(operation).unwrap_or_else(|| {
            Completion::Failed("only a module that declares itself blocking may wait".to_owned())
        })
    }

    /// Ends a `Pending`, from any thread. Late, second and unknown resumes are dropped and counted.
    pub fn resume(&self, token: Token, answer: impl Into<Answer>) {
        self.calls.resume(token, answer.into());
    }

    /// Injects bytes into the answer of this transaction while it is in progress (RespBodyInject). The module must have a
    /// `return_body` hook that does not only look; bytes for an answer that is over are dropped, and so are those beyond 1 MiB that
    /// its client has not taken yet.
    pub fn inject(&self, transaction: u64, bytes: Bytes) {
        self.calls.inject(transaction, bytes);
    }

    /// Calls [`crate::Module::ready`] with `tag` when the descriptor can be read (FDPollReadNotify) or written
    /// (FDPollWriteNotify), again and again until [`Host::unwatch`]. The descriptor stays the module's and must not block;
    /// what is watched is a duplicate of it, so its peer learns of a close only when [`Host::closing`] was called as well.
    pub fn watch(&self, fd: RawFd, interest: Interest, tag: u64) {
        self.calls.watch(fd, interest, tag);
    }

    /// No more of that (FDPollReadClear, FDPollWriteClear).
    pub fn unwatch(&self, fd: RawFd, interest: Interest) {
        self.calls.unwatch(fd, interest);
    }

    /// The descriptor is about to be closed by the module (FDPollClose).
    pub fn closing(&self, fd: RawFd) {
        self.calls.unwatch(fd, Interest::Read);
        self.calls.unwatch(fd, Interest::Write);
    }

    /// Adds to a counter of the module's own, from any thread: the proxy shows it with what it counts of the module itself. A
    /// name is of `a-z`, `0-9` and `_`, 64 bytes at most; of names beyond [`COUNTS`] nothing is counted.
    pub fn count(&self, name: &str, amount: u64) {
        self.calls.count(name, amount);
    }

    /// From now on the module needs no more of its hooks than this: a promise about its answers that saves crossings in threads and
    /// in a child. Inline nothing changes. To be said in `init` and, when other options say otherwise, in `reconfigure`.
    pub fn attend(&self, attention: Attention) {
        self.calls.attend(attention);
    }

    /// Writes a line into the proxy's log, under the module's name.
    pub fn log(&self, level: Level, text: &str) {
        self.calls.log(level, text);
    }
}
