//! A module that is watched: it tells when it hears of a transaction first, when of its end, and what it hears behind that.
//!
//! Invariant: whoever calls it sees the module itself. It tells by operations that no module begins ([`told`]), since those come
//! from another process as well, each in its order. Awkward case: a module that promised its answers may hear nothing of a
//! transaction, and then has no end of it either.

use crate::about::{About, Hook};
use crate::host::{Completion, Host, Interest, ObjectId, Operation};
use crate::module::Module;
use crate::opaque::Opaque;
use crate::transaction::Transaction;
use crate::verdict::{Response, Verdict};
use bytes::Bytes;
use std::collections::HashMap;
use std::fmt;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How the keys begin by which is told what was heard. No object has such a key.
const HEARD: &[u8] = b"\0heard\0";

/// A module that is watched.
pub struct Watched {
    module: Arc<dyn Module>,
    host: OnceLock<Host>,
    /// Transactions that were heard of, and whether their end was.
    known: Mutex<HashMap<u64, bool>>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

/// What a watched module heard, if that is what an operation tells: the first hook of a transaction, its `free`, and all behind that.
pub fn told(operation: &Operation) -> Option<(u64, Hook)> {
    match operation {
        Operation::InjectStart(object, transaction, _) => {
            let hook = object.key().strip_prefix(HEARD)?;
            Some((*transaction, Hook::of(*hook.first()?)?))
        }
        _ => None,
    }
}

impl Watched {
    /// Watches this one.
    pub fn new(module: Arc<dyn Module>) -> Watched {
        Watched {
            module,
            host: OnceLock::new(),
            known: Mutex::default(),
        }
    }

    fn hears(&self, transaction: u64, hook: Hook) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let over = known.insert(transaction, hook == Hook::Free);
        if over == Some(true) {
            known.insert(transaction, true);
        }
        // One after the other, as they were heard.
        if (over != Some(false) || hook == Hook::Free)
            && let Some(host) = self.host.get()
            && let Ok(none) = Response::new(200, Bytes::new())
        {
            let object = ObjectId::of_key(&[HEARD, &[hook as u8]].concat());
            host.submit(
                0,
                Operation::InjectStart(object, transaction, Box::new(none)),
            );
        }
    }
}

macro_rules! heard {
    ($($name:ident)*) => {
        $(fn $name(&self, tx: &mut Transaction<'_>) -> Verdict {
            self.hears(tx.id(), tx.hook());
            self.module.$name(tx)
        })*
    };
}

impl Module for Watched {
    heard! {
        request_head request_body request_out resolve response_head response_body response_return return_body
    }

    fn log(&self, tx: &mut Transaction<'_>) {
        self.hears(tx.id(), tx.hook());
        self.module.log(tx);
    }

    fn free(&self, transaction: u64, opaque: Opaque) {
        self.hears(transaction, Hook::Free);
        self.module.free(transaction, opaque);
    }

    fn about(&self) -> About {
        self.module.about()
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        let _ = self.host.set(host.clone());
        self.module.init(host)
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.module.reconfigure(host)
    }

    fn fini(&self, host: &Host) {
        self.module.fini(host);
    }

    fn timer(&self, host: &Host) {
        self.module.timer(host);
    }

    fn completed(&self, host: &Host, tag: u64, completion: Completion) {
        self.module.completed(host, tag, completion);
    }

    fn ready(&self, host: &Host, fd: RawFd, interest: Interest, tag: u64) {
        self.module.ready(host, fd, interest, tag);
    }
}
