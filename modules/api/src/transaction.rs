//! A transaction as a hook sees it.

use crate::about::Hook;
use crate::edits::Refused;
use crate::event::LogEntry;
use crate::field_block::FieldBlock;
use crate::host::{Host, ObjectId, Token};
use crate::opaque::Opaque;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// What stands behind a [`Transaction`]: the record itself, or the functions of the C interface.
pub trait View {
    #[allow(missing_docs)]
    fn hook(&self) -> Hook;
    #[allow(missing_docs)]
    fn id(&self) -> u64;
    #[allow(missing_docs)]
    fn client(&self) -> SocketAddr;
    #[allow(missing_docs)]
    fn method(&self) -> &[u8];
    #[allow(missing_docs)]
    fn url(&self) -> &[u8];
    #[allow(missing_docs)]
    fn opaque(&mut self) -> &mut Opaque;
    #[allow(missing_docs)]
    fn host(&self) -> &Host;
    /// A token for a later resume; taking it is what makes `Pending` possible.
    fn token(&mut self) -> Token;
    /// The value number `index` of a field.
    fn find(&self, name: &[u8], index: usize) -> Option<&[u8]>;
    /// Line number `index` of the head: name and value.
    fn line(&self, index: usize) -> Option<(&[u8], &[u8])>;
    #[allow(missing_docs)]
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused>;
    #[allow(missing_docs)]
    fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused>;
    /// Each line of a block is set.
    fn set_block(&mut self, block: &FieldBlock) -> Result<(), Refused> {
        block
            .iter()
            .try_for_each(|(name, value)| self.set(name, value))
    }
    #[allow(missing_docs)]
    fn delete(&mut self, name: &[u8]) -> Result<(), Refused>;
    #[allow(missing_docs)]
    fn headers_done(&mut self);
    /// The request's target, edits applied; empty where there is no request head.
    fn target(&self) -> &[u8];
    #[allow(missing_docs)]
    fn set_target(&mut self, target: &[u8]) -> Result<(), Refused>;
    /// The response's status, edits applied; 0 where there is no response head.
    fn status(&self) -> u16;
    #[allow(missing_docs)]
    fn set_status(&mut self, status: u16) -> Result<(), Refused>;
    #[allow(missing_docs)]
    fn no_store(&mut self) -> Result<(), Refused>;
    #[allow(missing_docs)]
    fn set_freshness(&mut self, seconds: u32) -> Result<(), Refused>;
    #[allow(missing_docs)]
    fn keep_length(&mut self) -> Result<(), Refused>;
    #[allow(missing_docs)]
    fn withhold_head(&mut self) -> Result<(), Refused>;
    #[allow(missing_docs)]
    fn skip_body(&mut self) -> Result<(), Refused>;
    /// The piece of a body; empty in other hooks.
    fn piece(&self) -> &Bytes;
    /// Whether no piece follows.
    fn is_last(&self) -> bool;
    /// The pieces held.
    fn held(&self) -> &[Bytes];
    /// Name and port of the host that needs addresses.
    fn host_name(&self) -> (&str, u16);
    /// The addresses found.
    fn addresses(&self) -> &[IpAddr];
    #[allow(missing_docs)]
    fn add_address(&mut self, address: IpAddr) -> Result<(), Refused>;
    /// How the transaction ended; in `log` alone.
    fn entry(&self) -> Option<LogEntry<'_>>;
    #[allow(missing_docs)]
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused>;
}

/// A transaction as a hook sees it, for the length of one call.
///
/// The header functions are immediate: what was added is found at once, in every runtime, without a crossing.
pub struct Transaction<'a> {
    view: &'a mut dyn View,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("id", &self.view.id())
            .field("hook", &self.view.hook())
            .finish()
    }
}

impl<'a> Transaction<'a> {
    /// For runtimes and test kits.
    #[inline]
    pub fn new(view: &'a mut dyn View) -> Transaction<'a> {
        Transaction { view }
    }

    /// Which hook is called.
    pub fn hook(&self) -> Hook {
        self.view.hook()
    }

    /// Its id, unique in the life of the proxy: the first argument of the paper's callbacks.
    pub fn id(&self) -> u64 {
        self.view.id()
    }

    /// The client's address.
    pub fn client(&self) -> SocketAddr {
        self.view.client()
    }

    /// The request's method.
    pub fn method(&self) -> &[u8] {
        self.view.method()
    }

    /// The URL asked for, normalised as the key of the cache is; `host:port` for CONNECT.
    pub fn url(&self) -> &[u8] {
        let url = self.view.url();
        // Behind a line feed comes the part of the cache that a reverse listener's objects are in.
        url.split(|b| *b == b'\n').next().unwrap_or_default()
    }

    /// The key of the object this transaction is about, as [`ObjectId::key`] has it.
    pub fn key(&self) -> &[u8] {
        self.view.url()
    }

    /// The name of the object this transaction is about, for operations on it.
    pub fn object(&self) -> ObjectId {
        ObjectId::of_key(self.view.url())
    }

    /// The module's own value for this transaction.
    pub fn opaque(&mut self) -> &mut Opaque {
        self.view.opaque()
    }

    /// The proxy.
    pub fn host(&self) -> Host {
        self.view.host().clone()
    }

    /// Adds to a counter of the module's own, as [`Host::count`] does.
    pub fn count(&self, name: &str, amount: u64) {
        self.view.host().count(name, amount);
    }

    /// A token for [`Host::resume`], to be taken before `Pending` is returned. Taken twice in one call it is the same.
    pub fn token(&mut self) -> Token {
        self.view.token()
    }

    /// The first value of a field (HeaderFind).
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        self.view.find(name.as_bytes(), 0)
    }

    /// Every value of a field, in order.
    pub fn find_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        (0..).map_while(move |index| self.view.find(name.as_bytes(), index))
    }

    /// Every field line: name and value, in order.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        (0..).map_while(|index| self.view.line(index))
    }

    /// Appends a field line (HeaderAdd).
    ///
    /// # Errors
    /// A name that is no token, a value with control characters, a framing or connection field, or no head here.
    pub fn add(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Refused> {
        self.view.add(name.as_bytes(), value.as_ref())
    }

    /// Replaces all lines of a field by one.
    ///
    /// # Errors
    /// As [`Transaction::add`].
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Refused> {
        self.view.set(name.as_bytes(), value.as_ref())
    }

    /// Sets every line of a block, in order, as [`Transaction::set`] would: the lines were checked when the block was made, so it is
    /// for what is written into many heads.
    ///
    /// # Errors
    /// No head here, or the headers were declared done; too many bytes of edits.
    pub fn set_block(&mut self, block: &FieldBlock) -> Result<(), Refused> {
        self.view.set_block(block)
    }

    /// Deletes all lines of a field (HeaderDelete).
    ///
    /// # Errors
    /// As [`Transaction::add`].
    pub fn delete(&mut self, name: &str) -> Result<(), Refused> {
        self.view.delete(name.as_bytes())
    }

    /// The headers are as they are to be sent (HeaderDone): later edits by this module in this hook are refused.
    pub fn headers_done(&mut self) {
        self.view.headers_done();
    }

    /// The request's target as it stands.
    pub fn target(&self) -> &[u8] {
        self.view.target()
    }

    /// Asks for another URL (`http://host/path`) or path (`/path`) instead. In `request_head` and `request_out`; in the
    /// latter only the path goes to the origin, and the object is stored under the URL asked for.
    ///
    /// # Errors
    /// `Target` when it is neither, `Place` in other hooks.
    pub fn set_target(&mut self, target: impl AsRef<[u8]>) -> Result<(), Refused> {
        self.view.set_target(target.as_ref())
    }

    /// The response's status as it stands; 0 where there is none.
    pub fn status(&self) -> u16 {
        self.view.status()
    }

    /// Answers with another status.
    ///
    /// # Errors
    /// `Status` when it is not from 200 to 599, or it or the one there is has no body or a part of one (204, 205, 206, 304);
    /// `Place` in hooks without a response head.
    pub fn set_status(&mut self, status: u16) -> Result<(), Refused> {
        self.view.set_status(status)
    }

    /// The answer is not to be stored. In `response_head`.
    ///
    /// # Errors
    /// `Place` in other hooks.
    pub fn no_store(&mut self) -> Result<(), Refused> {
        self.view.no_store()
    }

    /// The answer, if it may be stored, is fresh for so many seconds, whatever its fields say. In `response_head`.
    ///
    /// # Errors
    /// `Place` in other hooks.
    pub fn set_freshness(&mut self, seconds: u32) -> Result<(), Refused> {
        self.view.set_freshness(seconds)
    }

    /// The body this module gives back is as long as the one it takes, so its length may be told beforehand. In a head hook,
    /// for the body hook behind it. A body that then ends at another length is the module's failure.
    ///
    /// # Errors
    /// `Place` in other hooks.
    pub fn keep_length(&mut self) -> Result<(), Refused> {
        self.view.keep_length()
    }

    /// The head waits until this module's hook on the body behind it has given its first bytes, or all of it. Until then that hook
    /// may `set`, `add` and `delete` fields, `set_status` and `set_target`, say `no_store` and `set_freshness`, and answer
    /// [`crate::Verdict::Respond`]; what is stored is decided by the head as it is then. It does not see the head: what it
    /// needs of it belongs into the opaque value. When the whole body was withheld, its length is told.
    ///
    /// In `request_head` for `request_body`, in `response_head` for `response_body`. A head without a body does not wait. What a
    /// hook edited is undone when it later fails and the transaction goes on without it.
    ///
    /// # Errors
    /// `Place` in other hooks.
    pub fn withhold_head(&mut self) -> Result<(), Refused> {
        self.view.withhold_head()
    }

    /// This module's hook on the body behind this head is not called for this transaction: the body passes it by, at no cost and with its
    /// length. Other hooks are as ever. In `request_head` for `request_body`, in `response_head` for `response_body`, in
    /// `response_return` for `return_body`.
    ///
    /// # Errors
    /// `Place` in other hooks.
    pub fn skip_body(&mut self) -> Result<(), Refused> {
        self.view.skip_body()
    }

    /// The piece of a body that is here. Cheap to clone; it may be kept.
    pub fn piece(&self) -> &Bytes {
        self.view.piece()
    }

    /// Whether no piece follows.
    pub fn is_last(&self) -> bool {
        self.view.is_last()
    }

    /// The pieces that the module holds, before this one.
    pub fn held(&self) -> &[Bytes] {
        self.view.held()
    }

    /// What is held and the piece, in one buffer (one copy when several).
    pub fn whole(&self) -> Bytes {
        let held = self.view.held();
        if held.is_empty() {
            return self.view.piece().clone();
        }
        let mut whole = Vec::with_capacity(
            held.iter().map(Bytes::len).sum::<usize>() + self.view.piece().len(),
        );
        held.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole.extend_from_slice(self.view.piece());
        whole.into()
    }

    /// Name and port of the host that needs addresses. In `resolve`.
    pub fn host_name(&self) -> (&str, u16) {
        self.view.host_name()
    }

    /// The addresses found; empty when the hook is called before anything was looked up.
    pub fn addresses(&self) -> &[IpAddr] {
        self.view.addresses()
    }

    /// Dial this address, behind those added before. In `resolve`.
    ///
    /// # Errors
    /// `Place` in other hooks.
    pub fn add_address(&mut self, address: IpAddr) -> Result<(), Refused> {
        self.view.add_address(address)
    }

    /// How the transaction ended. In `log` alone.
    pub fn entry(&self) -> Option<LogEntry<'_>> {
        self.view.entry()
    }

    /// A word for the access log: shown under the module's name.
    ///
    /// # Errors
    /// `Name` when it is not a token, `Value` for control characters.
    pub fn note(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Refused> {
        self.view.note(name.as_bytes(), value.as_ref())
    }
}
