//! A loaded module as a [`Module`]: each method is a call of its table.
//!
//! Life: 1. made, without an instance of the module behind it; 2. `init` makes that; 3. `fini`, if it ends well; 4. dropped, with
//! `release`, when nobody can call it any more. What the module told of a failure or a panic during a call lies in
//! [`words`], for this thread, and is collected when the call returns.
#![allow(unsafe_code)] // It calls the module's functions: each block says why it is sound.

use crate::host::visit::{Payload, Visit};
use crate::host::{proxy, words};
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;
use std::sync::{Arc, OnceLock};
use understudy_module::raw::{Lifted, ModuleTable, ProxyHandle, TransactionHandle, flag, verdict};
use understudy_module::{About, Completion, Host, Interest, Module, Opaque, Transaction, Verdict};

type HookFn =
    Option<unsafe extern "C" fn(*mut c_void, *mut TransactionHandle, *mut *mut c_void) -> c_int>;

/// A module of a table.
pub(crate) struct CModule {
    table: &'static ModuleTable,
    about: About,
    instance: OnceLock<Arc<Instance>>,
}

struct Instance {
    table: &'static ModuleTable,
    this: *mut c_void,
    proxy: *mut ProxyHandle,
}

// SAFETY: the interface asks a module to take calls of one instance from any thread, and the proxy's handle is counted.
unsafe impl Send for Instance {}
// SAFETY: as above.
unsafe impl Sync for Instance {}

impl CModule {
    pub(crate) fn new(table: &'static ModuleTable, about: About) -> CModule {
        CModule {
            table,
            about,
            instance: OnceLock::new(),
        }
    }

    /// Calls something of the module that is no hook on a transaction, if there is an instance.
    fn tell<R>(
        &self,
        call: impl FnOnce(&ModuleTable, *mut c_void, *mut ProxyHandle) -> R,
    ) -> Option<R> {
        let instance = self.instance.get()?;
        words::forget();
        let answer = call(self.table, instance.this, instance.proxy);
        words::unwind();
        Some(answer)
    }

    fn hook(&self, function: HookFn, tx: &mut Transaction<'_>) -> Verdict {
        let Some(function) = function else {
            return Verdict::Continue;
        };
        let Some(instance) = self.instance.get() else {
            return Verdict::fail("a hook before init");
        };
        let mut word = word(tx.opaque());
        words::forget();
        let (answer, payload) = Visit::enter(tx, instance.proxy, |handle| {
            // SAFETY: a function of the module's table, with its instance, a transaction for this call, and a place.
            unsafe { function(instance.this, handle, &mut word) }
        });
        let id = tx.id();
        keep(tx.opaque(), word, id, instance);
        words::unwind();
        verdict_of(answer, payload)
    }
}

/// The word of a module for which `free` is no hook: whoever drops the value releases it.
struct Held {
    word: *mut c_void,
    transaction: u64,
    instance: Arc<Instance>,
}

// SAFETY: a module's word goes from hook to hook, on whatever thread.
unsafe impl Send for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        if let (false, Some(free)) = (self.word.is_null(), self.instance.table.free) {
            // SAFETY: a function of the module's table, with its instance, which is held, and its own value, for the last time.
            unsafe { free(self.instance.this, self.transaction, self.word) }
            words::at_end("releasing an opaque value");
        }
    }
}

fn word(opaque: &mut Opaque) -> *mut c_void {
    match opaque {
        Opaque::Word(word) => std::ptr::with_exposed_provenance_mut(*word as usize),
        // A value of Rust is ours, or of another module; the runtimes do not mix them.
        other => other
            .get::<Held>()
            .map_or(std::ptr::null_mut(), |held| held.word),
    }
}

/// Keeps the word after a hook.
fn keep(opaque: &mut Opaque, word: *mut c_void, transaction: u64, instance: &Arc<Instance>) {
    if instance.table.flags & flag::FREE_IS_NO_HOOK == 0 {
        *opaque = match word.expose_provenance() as u64 {
            0 => Opaque::None,
            word => Opaque::Word(word),
        };
    } else if let Some(held) = opaque.get::<Held>() {
        held.word = word;
    } else if !word.is_null() {
        opaque.set(Held {
            word,
            transaction,
            instance: instance.clone(),
        });
    }
}

/// The verdict of this number, with what was told to go with it.
pub(crate) fn verdict_of(number: c_int, payload: Payload) -> Verdict {
    match (number, payload) {
        (verdict::CONTINUE, _) => Verdict::Continue,
        (verdict::DONE, _) => Verdict::Done,
        (verdict::DROP, _) => Verdict::Drop,
        (verdict::HOLD, _) => Verdict::Hold,
        (verdict::PENDING, _) => Verdict::Pending,
        (verdict::RESPOND, Payload::Response(response)) => Verdict::Respond(response),
        (verdict::REPLACE, Payload::Bytes(bytes)) => Verdict::Replace(bytes),
        (verdict::FIRST, Payload::Bytes(bytes)) => Verdict::First(bytes),
        (verdict::FIRST, _) => Verdict::fail("US_FIRST without replace()"),
        (verdict::RESPOND, _) => Verdict::fail("US_RESPOND without respond()"),
        (verdict::REPLACE, _) => Verdict::fail("US_REPLACE without replace()"),
        (verdict::FAIL, _) => {
            Verdict::fail(words::take_reason().unwrap_or_else(|| "it gave no reason".to_owned()))
        }
        (number, _) => Verdict::fail(format!("{number} is no verdict")),
    }
}

/// What a function that answers 0 or not says.
fn refusal(number: c_int) -> Result<(), String> {
    match number {
        0 => Ok(()),
        _ => Err(words::take_reason().unwrap_or_else(|| "it gave no reason".to_owned())),
    }
}

impl Module for CModule {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        if self.instance.get().is_some() {
            return Err("it was initialised before".to_owned());
        }
        let mut instance = Instance {
            table: self.table,
            this: std::ptr::null_mut(),
            proxy: proxy::make(host.clone()),
        };
        words::forget();
        let told = match self.table.init {
            // SAFETY: a function of the module's table, with a place and a handle that is counted.
            Some(init) => unsafe { init(&mut instance.this, instance.proxy) },
            None => 0,
        };
        let told = refusal(told);
        // Kept also when it refused: what it made is released when this is dropped.
        let _ = self.instance.set(Arc::new(instance));
        words::unwind();
        told
    }

    fn reconfigure(&self, _: &Host) -> Result<(), String> {
        // The handle's host is the same that gives the new options.
        self.tell(|table, this, proxy| match table.reconfigure {
            // SAFETY: a function of the module's table, with its instance.
            Some(reconfigure) => refusal(unsafe { reconfigure(this, proxy) }),
            None => Ok(()),
        })
        .unwrap_or(Ok(()))
    }

    fn fini(&self, _: &Host) {
        self.tell(|table, this, proxy| {
            if let Some(fini) = table.fini {
                // SAFETY: as above.
                unsafe { fini(this, proxy) }
            }
        });
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.hook(self.table.request_head, tx)
    }
    fn request_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.hook(self.table.request_body, tx)
    }
    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.hook(self.table.request_out, tx)
    }
    fn resolve(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.hook(self.table.resolve, tx)
    }
    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.hook(self.table.response_head, tx)
    }
    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.hook(self.table.response_body, tx)
    }
    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.hook(self.table.response_return, tx)
    }
    fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.hook(self.table.return_body, tx)
    }

    fn log(&self, tx: &mut Transaction<'_>) {
        let (Some(log), Some(instance)) = (self.table.log, self.instance.get()) else {
            return;
        };
        let mut word = word(tx.opaque());
        words::forget();
        Visit::enter(tx, instance.proxy, |handle| {
            // SAFETY: as for the other hooks.
            unsafe { log(instance.this, handle, &mut word) };
            verdict::CONTINUE
        });
        let id = tx.id();
        keep(tx.opaque(), word, id, instance);
        words::unwind();
    }

    fn free(&self, transaction: u64, mut opaque: Opaque) {
        // One that is held is released by its drop.
        if self.table.flags & flag::FREE_IS_NO_HOOK != 0 {
            return;
        }
        self.tell(|table, this, _| {
            if let Some(free) = table.free {
                // SAFETY: a function of the module's table, with its instance and its own value.
                unsafe { free(this, transaction, word(&mut opaque)) }
            }
        });
    }

    fn timer(&self, _: &Host) {
        self.tell(|table, this, proxy| {
            if let Some(timer) = table.timer {
                // SAFETY: as above.
                unsafe { timer(this, proxy) }
            }
        });
    }

    fn completed(&self, _: &Host, tag: u64, completion: Completion) {
        self.tell(|table, this, proxy| {
            if let Some(completed) = table.completed {
                let lifted = Lifted::new(completion);
                // SAFETY: as above; the completion is there until the function returns.
                unsafe { completed(this, proxy, tag, lifted.raw()) }
            }
        });
    }

    fn ready(&self, _: &Host, fd: RawFd, interest: Interest, tag: u64) {
        self.tell(|table, this, proxy| {
            if let Some(ready) = table.ready {
                // SAFETY: as above.
                unsafe { ready(this, proxy, fd, interest as c_int, tag) }
            }
        });
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(release) = self.table.release {
            // SAFETY: the last call of this instance: nobody holds it any more.
            unsafe { release(self.this) }
            words::at_end("releasing an instance");
        }
        proxy::unref(self.proxy);
    }
}
