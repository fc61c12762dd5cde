//! A transaction as a loaded module's hook sees it: each look is a call of the proxy's table.
//!
//! Invariant: what the proxy lends is valid until the hook returns, so a borrow of the view is a shorter one than that.

use crate::about::Hook;
use crate::edits::Refused;
use crate::event::LogEntry;
use crate::host::{Host, Token};
use crate::opaque::Opaque;
use crate::raw::{self, Address, HostTable, Owned, Slice, TransactionHandle, code};
use crate::transaction::View;
use bytes::Bytes;
use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(super) struct GuestView<'a> {
    table: &'static HostTable,
    tx: *mut TransactionHandle,
    hook: Hook,
    host: &'a Host,
    opaque: &'a mut Opaque,
    piece: OnceCell<Bytes>,
    held: OnceCell<Vec<Bytes>>,
    addresses: OnceCell<Vec<IpAddr>>,
}

impl<'a> GuestView<'a> {
    pub(super) fn new(
        table: &'static HostTable,
        tx: *mut TransactionHandle,
        hook: Hook,
        host: &'a Host,
        opaque: &'a mut Opaque,
    ) -> GuestView<'a> {
        GuestView {
            table,
            tx,
            hook,
            host,
            opaque,
            piece: OnceCell::new(),
            held: OnceCell::new(),
            addresses: OnceCell::new(),
        }
    }

    /// Bytes that the proxy lends until the hook returns.
    fn lent(&self, slice: Slice) -> &[u8] {
        // SAFETY: so the interface promises; the view does not outlive the hook.
        unsafe { slice.get() }.unwrap_or_default()
    }

    fn word(&self, slice: Slice) -> &str {
        std::str::from_utf8(self.lent(slice)).unwrap_or_default()
    }

    fn keep(&self, index: usize) -> Bytes {
        let mut owned = Owned::NONE;
        // SAFETY: a function of the proxy's table, and what it gives away.
        unsafe {
            match (self.table.keep)(self.tx, index, &mut owned) {
                code::OK => owned.take().unwrap_or_default(),
                _ => Bytes::new(),
            }
        }
    }

    fn held_count(&self) -> usize {
        // SAFETY: a function of the proxy's table.
        unsafe { (self.table.held_count)(self.tx) }
    }
}

/// Calls a function of the proxy's table on this transaction.
macro_rules! ask {
    ($view:expr, $function:ident $(, $argument:expr)*) => {
        // SAFETY: a function of the proxy's table, on the transaction of the call in progress; what the arguments point to is
        // there until it returns.
        unsafe { ($view.table.$function)($view.tx $(, $argument)*) }
    };
}

impl View for GuestView<'_> {
    fn hook(&self) -> Hook {
        self.hook
    }
    fn id(&self) -> u64 {
        ask!(self, id)
    }
    fn client(&self) -> SocketAddr {
        let mut address = Address::NONE;
        ask!(self, client, &mut address);
        let ip = address.ip().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        SocketAddr::new(ip, address.port)
    }
    fn method(&self) -> &[u8] {
        self.lent(ask!(self, method))
    }
    fn url(&self) -> &[u8] {
        self.lent(ask!(self, key))
    }
    fn opaque(&mut self) -> &mut Opaque {
        self.opaque
    }
    fn host(&self) -> &Host {
        self.host
    }
    fn token(&mut self) -> Token {
        let mut token = raw::Token {
            transaction: 0,
            call: 0,
        };
        ask!(self, token, &mut token);
        Token {
            transaction: token.transaction,
            call: token.call,
        }
    }
    fn find(&self, name: &[u8], index: usize) -> Option<&[u8]> {
        let mut value = Slice::NONE;
        let found = ask!(self, header_find, Slice::of(name), index, &mut value);
        (found == code::OK).then(|| self.lent(value))
    }
    fn line(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let (mut name, mut value) = (Slice::NONE, Slice::NONE);
        let found = ask!(self, header_line, index, &mut name, &mut value);
        (found == code::OK).then(|| (self.lent(name), self.lent(value)))
    }
    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        Refused::of_code(ask!(self, header_add, Slice::of(name), Slice::of(value)))
    }
    fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        Refused::of_code(ask!(self, header_set, Slice::of(name), Slice::of(value)))
    }
    fn delete(&mut self, name: &[u8]) -> Result<(), Refused> {
        Refused::of_code(ask!(self, header_delete, Slice::of(name)))
    }
    fn headers_done(&mut self) {
        ask!(self, header_done);
    }
    fn target(&self) -> &[u8] {
        self.lent(ask!(self, target))
    }
    fn set_target(&mut self, target: &[u8]) -> Result<(), Refused> {
        Refused::of_code(ask!(self, set_target, Slice::of(target)))
    }
    fn status(&self) -> u16 {
        u16::try_from(ask!(self, status)).unwrap_or_default()
    }
    fn set_status(&mut self, status: u16) -> Result<(), Refused> {
        Refused::of_code(ask!(self, set_status, status.into()))
    }
    fn no_store(&mut self) -> Result<(), Refused> {
        Refused::of_code(ask!(self, no_store))
    }
    fn set_freshness(&mut self, seconds: u32) -> Result<(), Refused> {
        Refused::of_code(ask!(self, set_freshness, seconds))
    }
    fn keep_length(&mut self) -> Result<(), Refused> {
        Refused::of_code(ask!(self, keep_length))
    }
    fn withhold_head(&mut self) -> Result<(), Refused> {
        Refused::of_code(ask!(self, withhold_head))
    }
    fn skip_body(&mut self) -> Result<(), Refused> {
        Refused::of_code(ask!(self, skip_body))
    }
    fn piece(&self) -> &Bytes {
        self.piece.get_or_init(|| self.keep(self.held_count()))
    }
    fn is_last(&self) -> bool {
        ask!(self, is_last) == 1
    }
    fn held(&self) -> &[Bytes] {
        self.held
            .get_or_init(|| (0..self.held_count()).map(|i| self.keep(i)).collect())
    }
    fn host_name(&self) -> (&str, u16) {
        let (mut name, mut port) = (Slice::NONE, 0);
        ask!(self, host_name, &mut name, &mut port);
        (self.word(name), port)
    }
    fn addresses(&self) -> &[IpAddr] {
        self.addresses.get_or_init(|| {
            let address = |index| {
                let mut address = Address::NONE;
                ask!(self, address, index, &mut address);
                address.ip()
            };
            (0..ask!(self, address_count)).filter_map(address).collect()
        })
    }
    fn add_address(&mut self, address: IpAddr) -> Result<(), Refused> {
        Refused::of_code(ask!(self, add_address, &Address::from(address)))
    }
    fn entry(&self) -> Option<LogEntry<'_>> {
        let entry = ask!(self, entry);
        // SAFETY: the proxy lends it until the hook returns.
        let entry = unsafe { entry.as_ref() }?;
        Some(LogEntry {
            status: u16::try_from(entry.status).unwrap_or_default(),
            elapsed: Duration::from_nanos(entry.elapsed_ns),
            bytes_out: entry.bytes_out,
            body_out: entry.body_out,
            body_in: entry.body_in,
            code: self.word(entry.code),
            hierarchy: self.word(entry.hierarchy),
            timeout: self.word(entry.timeout),
            error: self.word(entry.error),
            aborted: entry.aborted != 0,
        })
    }
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        Refused::of_code(ask!(self, note, Slice::of(name), Slice::of(value)))
    }
}
