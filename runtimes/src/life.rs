//! An instance of a module in this address space, from `init` to `fini`.
//!
//! Invariant: `init` is called once before any hook, `fini` once behind the last: when the last holder lets go, which is the last
//! transaction when the module was unloaded meanwhile. A poisoned instance (one that panicked) gets no `fini`: its state is not to be
//! trusted.

use crate::accounts::{Tell, Went};
use crate::attention::Word;
use crate::failure::Failure;
use crate::runtime::Notice;
use crate::spec::Library;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use understudy_module::{About, Calls, Completion, Hook, Hooks, Host, Module, Verdict, guard};

/// An instance.
pub(crate) struct Life {
    name: Arc<str>,
    module: Arc<dyn Module>,
    host: Host,
    options: Arc<Options>,
    poisoned: AtomicBool,
    tell: Tell,
}

/// The options in force: shared with the host that answers for them. With what the module promises when they are.
#[derive(Debug, Default)]
pub struct Options {
    map: Mutex<Arc<BTreeMap<String, String>>>,
    word: Word,
}

impl Options {
    /// These.
    pub fn new(options: BTreeMap<String, String>) -> Options {
        Options {
            map: Mutex::new(Arc::new(options)),
            word: Word::default(),
        }
    }
    /// Those in force.
    pub fn get(&self) -> Arc<BTreeMap<String, String>> {
        self.map.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
    /// What the module promises of its answers.
    pub(crate) fn word(&self) -> &Word {
        &self.word
    }
    /// Puts others in force; answers with those before.
    pub fn set(&self, options: Arc<BTreeMap<String, String>>) -> Arc<BTreeMap<String, String>> {
        std::mem::replace(
            &mut *self.map.lock().unwrap_or_else(|e| e.into_inner()),
            options,
        )
    }
}

thread_local! {
    static BEGINS: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this thread is within an `init`.
struct Begins;

impl Begins {
    fn now() -> Begins {
        BEGINS.set(true);
        Begins
    }
}

impl Drop for Begins {
    fn drop(&mut self) {
        BEGINS.set(false);
    }
}

/// What whoever waits for an operation within `init` is told: there may be nobody yet to do it, and the proxy may wait for that very
/// `init`.
pub(crate) fn too_early() -> Option<Completion> {
    BEGINS.get().then(|| {
        Completion::Failed(
            "init may not wait for an operation: submit it, and `completed` is called at its end"
                .to_owned(),
        )
    })
}

/// Makes instances: the first one, and new ones in place of poisoned ones.
#[derive(Clone)]
pub(crate) struct Maker {
    name: Arc<str>,
    library: Arc<dyn Library>,
    options: Arc<Options>,
    /// Makes the host of an instance from the options it answers for.
    calls: Arc<dyn Fn(Arc<Options>) -> Arc<dyn Calls> + Send + Sync>,
    /// Counts what is called here.
    tell: Tell,
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maker")
            .field("name", &self.name)
            .field("library", &self.library)
            .finish_non_exhaustive()
    }
}

impl Maker {
    /// A maker of instances of this library.
    pub(crate) fn new(
        name: Arc<str>,
        library: Arc<dyn Library>,
        options: BTreeMap<String, String>,
        calls: impl Fn(Arc<Options>) -> Arc<dyn Calls> + Send + Sync + 'static,
        tell: impl Fn(Hook, Option<Duration>, Went) + Send + Sync + 'static,
    ) -> Maker {
        Maker {
            name,
            library,
            options: Arc::new(Options::new(options)),
            calls: Arc::new(calls),
            tell: Arc::new(tell),
        }
    }

    /// The module's name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Makes and initialises an instance.
    ///
    /// # Errors
    /// When the library cannot be loaded, or the module refuses.
    pub(crate) fn make(&self) -> Result<Arc<Life>, String> {
        let module = guard(|| self.library.make())
            .map_err(|panicked| format!("it cannot be made: {}", panicked.0))??;
        let host = Host::new((self.calls)(self.options.clone()));
        let began = Instant::now();
        let told = {
            let _begins = Begins::now();
            guard(|| module.init(&host))
        };
        (self.tell)(Hook::Init, Some(began.elapsed()), went(&told));
        match told {
            Ok(Ok(())) => Ok(Arc::new(Life {
                name: self.name.clone(),
                module,
                host,
                options: self.options.clone(),
                poisoned: AtomicBool::new(false),
                tell: self.tell.clone(),
            })),
            Ok(Err(why)) => {
                let_go(&self.name, module);
                Err(format!("init refused: {why}"))
            }
            Err(panicked) => {
                let_go(&self.name, module);
                Err(format!("init panicked: {}", panicked.0))
            }
        }
    }
}

/// How it went.
fn went<E>(told: &Result<Result<(), String>, E>) -> Went {
    match told {
        Ok(Ok(())) => Went::Well,
        Ok(Err(_)) => Went::Refused,
        Err(_) => Went::Panicked,
    }
}

/// Drops a module: its code as well, and on the stack of whoever held it last, which may be a worker in the middle of another
/// transaction.
pub(crate) fn let_go(name: &str, module: Arc<dyn Module>) {
    if let Err(panicked) = guard(|| drop(module)) {
        tracing::warn!(module = %name, "its drop panicked: {}", panicked.0);
    }
}

/// Stands in the place of a module that was let go.
struct Gone;

impl Module for Gone {
    fn about(&self) -> About {
        About::new("", "", Hooks::NONE)
    }
}

impl Life {
    /// A `free` that was counted when it was sent has panicked.
    pub(crate) fn free_panicked(&self) {
        (self.tell)(Hook::Free, None, Went::Panicked);
    }

    /// What it said of an event that went ahead of `free`, in which it broke its promise: the failure is counted, where it is one. One
    /// that went ahead of another event is that one's answer, and counted with it.
    pub(crate) fn broke(&self, hook: Hook, said: &Result<Verdict, Failure>) {
        let went = match said {
            Err(_) => Went::Panicked,
            Ok(Verdict::Fail(why)) => {
                tracing::info!(module = %self.name, hook = hook.name(), "failed: {why}");
                Went::Refused
            }
            Ok(_) => return,
        };
        (self.tell)(hook, None, went);
    }

    /// A `free` that was counted when it was sent took so long.
    pub(crate) fn freed(&self, spent: Duration) {
        (self.tell)(Hook::Free, Some(spent), Went::Well);
    }

    /// The module.
    #[inline]
    pub(crate) fn module(&self) -> &dyn Module {
        &*self.module
    }

    /// Its host.
    #[inline]
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// What the module promises of its answers.
    #[inline]
    pub(crate) fn word(&self) -> &Word {
        self.options.word()
    }

    /// It panicked.
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Relaxed);
    }

    /// Tells it something, here and now. A panic poisons it.
    ///
    /// An error when it refuses, or panics; and whether it panicked: another call of it may have at the same time.
    pub(crate) fn notice(&self, notice: Notice) -> (Result<(), String>, bool) {
        let (module, host) = (&self.module, &self.host);
        let began = Instant::now();
        let (hook, told) = match notice {
            Notice::Timer => (
                Hook::Timer,
                guard(|| {
                    module.timer(host);
                    Ok(())
                }),
            ),
            Notice::Completed(tag, completion) => (
                Hook::Completed,
                guard(|| {
                    module.completed(host, tag, completion);
                    Ok(())
                }),
            ),
            Notice::Ready(fd, interest, tag) => (
                Hook::Ready,
                guard(|| {
                    module.ready(host, fd, interest, tag);
                    Ok(())
                }),
            ),
            Notice::Reconfigure(options) => {
                let _change = self.word().change();
                let promised = self.word().given();
                let before = self.options.set(Arc::new(options));
                let told = guard(|| module.reconfigure(host));
                if !matches!(told, Ok(Ok(()))) {
                    self.options.set(before);
                    if self.word().given() != promised {
                        host.attend(promised);
                    }
                }
                (Hook::Reconfigure, told)
            }
        };
        (self.tell)(hook, Some(began.elapsed()), went(&told));
        let panicked = told.is_err();
        let told = told.unwrap_or_else(|panicked| {
            tracing::warn!(module = %self.name, "panicked: {}", panicked.0);
            self.poison();
            Err(format!("it panicked: {}", panicked.0))
        });
        (told, panicked)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.poisoned.load(Ordering::Relaxed) {
            let began = Instant::now();
            let told = guard(|| self.module.fini(&self.host)).map(|()| Ok(()));
            (self.tell)(Hook::Fini, Some(began.elapsed()), went(&told));
            if let Err(panicked) = told {
                tracing::warn!(module = %self.name, "fini panicked: {}", panicked.0);
            }
        }
        let module = std::mem::replace(&mut self.module, Arc::new(Gone));
        let_go(&self.name, module);
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
