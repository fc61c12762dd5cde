//! A module whose hooks are closures, and what it counts.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use understudy_module::*;
use understudy_runtimes::Library;

type OnEvent = Arc<dyn Fn(&mut Transaction<'_>, usize) -> Verdict + Send + Sync>;
type OnOther = Arc<dyn Fn(Hook, &Host, usize) -> Result<(), String> + Send + Sync>;
type OnReady = Arc<dyn Fn(&Host, RawFd, Interest, u64) + Send + Sync>;

/// Makes instances; numbered from 1 in the order of their `init`.
#[derive(Clone)]
pub struct Script {
    pub about: About,
    event: OnEvent,
    other: OnOther,
    ready: OnReady,
    pub tally: Arc<Tally>,
}

/// What all instances counted.
#[derive(Debug, Default)]
pub struct Tally {
    hooks: [AtomicUsize; Hook::COUNT],
    /// What was freed: the transaction, and the number set as its opaque value.
    pub freed: Mutex<Vec<(u64, Option<u32>)>>,
    /// Opaque values that were dropped, in whatever way.
    pub dropped: Arc<AtomicUsize>,
}

/// An opaque value that counts its end.
pub struct Kept(pub u32, Arc<AtomicUsize>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

impl Tally {
    pub fn of(&self, hook: Hook) -> usize {
        self.hooks[hook as usize].load(Ordering::SeqCst)
    }
    fn count(&self, hook: Hook) -> usize {
        self.hooks[hook as usize].fetch_add(1, Ordering::SeqCst) + 1
    }
    pub fn kept(&self, number: u32) -> Kept {
        Kept(number, self.dropped.clone())
    }
    pub fn frees(&self) -> Vec<(u64, Option<u32>)> {
        self.freed.lock().unwrap().clone()
    }
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    /// A module that wants every hook on a transaction; its events are answered by `event`, which gets the instance's number.
    pub fn new(
        event: impl Fn(&mut Transaction<'_>, usize) -> Verdict + Send + Sync + 'static,
    ) -> Script {
        Script {
            about: About::new("script", "1", Hooks::TRANSACTION),
            event: Arc::new(event),
            other: Arc::new(|_, _, _| Ok(())),
            ready: Arc::new(|_, _, _, _| {}),
            tally: Arc::default(),
        }
    }

    /// What `init`, `reconfigure`, `fini`, `free`, `timer` and `completed` do besides counting.
    pub fn other(
        mut self,
        other: impl Fn(Hook, &Host, usize) -> Result<(), String> + Send + Sync + 'static,
    ) -> Script {
        self.other = Arc::new(other);
        self
    }

    /// What `ready` does.
    pub fn ready(
        mut self,
        ready: impl Fn(&Host, RawFd, Interest, u64) + Send + Sync + 'static,
    ) -> Script {
        self.ready = Arc::new(ready);
        self
    }
}

struct Instance {
    script: Script,
    number: AtomicUsize,
}

impl Library for Script {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(Instance {
            script: self.clone(),
            number: AtomicUsize::new(0),
        }))
    }
}

impl Instance {
    fn event(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.script.tally.count(tx.hook());
        (self.script.event)(tx, self.number.load(Ordering::SeqCst))
    }
    fn other(&self, hook: Hook, host: &Host) -> Result<(), String> {
        let times = self.script.tally.count(hook);
        if hook == Hook::Init {
            self.number.store(times, Ordering::SeqCst);
        }
        (self.script.other)(hook, host, self.number.load(Ordering::SeqCst))
    }
}

struct NoHost;

impl Calls for NoHost {
    fn option(&self, _: &str) -> Option<String> {
        None
    }
    fn options(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
    fn submit(&self, _: u64, _: Operation) {}
    fn resume(&self, _: Token, _: Answer) {}
    fn inject(&self, _: u64, _: Bytes) {}
    fn watch(&self, _: RawFd, _: Interest, _: u64) {}
    fn unwatch(&self, _: RawFd, _: Interest) {}
    fn log(&self, _: Level, _: &str) {}
    fn perform(&self, _: Operation) -> Option<Completion> {
        None
    }
    fn number(&self) -> u64 {
        0
    }
}

macro_rules! events {
    ($($hook:ident),*) => {$(
        fn $hook(&self, tx: &mut Transaction<'_>) -> Verdict {
            self.event(tx)
        }
    )*};
}

impl Module for Instance {
    events!(
        request_head,
        request_body,
        request_out,
        resolve,
        response_head,
        response_body,
        response_return,
        return_body
    );
    fn about(&self) -> About {
        self.script.about.clone()
    }
    fn init(&self, host: &Host) -> Result<(), String> {
        self.other(Hook::Init, host)
    }
    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.other(Hook::Reconfigure, host)
    }
    fn fini(&self, host: &Host) {
        let _ = self.other(Hook::Fini, host);
    }
    fn log(&self, tx: &mut Transaction<'_>) {
        self.event(tx);
    }
    fn free(&self, transaction: u64, opaque: Opaque) {
        let kept = match &opaque {
            Opaque::Boxed(value) => (**value).downcast_ref::<Kept>().map(|k| k.0),
            _ => None,
        };
        self.script
            .tally
            .freed
            .lock()
            .unwrap()
            .push((transaction, kept));
        let _ = self.other(Hook::Free, &Host::new(Arc::new(NoHost)));
    }
    fn timer(&self, host: &Host) {
        let _ = self.other(Hook::Timer, host);
    }
    fn completed(&self, host: &Host, _: u64, _: Completion) {
        let _ = self.other(Hook::Completed, host);
    }
    fn ready(&self, host: &Host, fd: RawFd, interest: Interest, tag: u64) {
        self.script.tally.count(Hook::Ready);
        (self.script.ready)(host, fd, interest, tag);
    }
}

/// A host that can do nothing.
pub fn no_host() -> Host {
    Host::new(Arc::new(NoHost))
}
