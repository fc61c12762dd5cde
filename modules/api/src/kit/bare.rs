//! The stage without a runtime: hooks are called directly, on the thread of the test.
//!
//! Where a runtime waits, this waits on the spot for a resume, for no longer than [`DEADLINE`]. A module that watches
//! descriptors needs one of the real runtimes.

use crate::about::{About, Hook};
use crate::edits::Edits;
use crate::event::Event;
use crate::host::{Answer, Host, Token};
use crate::invoke::{guard, invoke};
use crate::kit::calls::{BareCalls, Counts, News};
use crate::kit::stage::{Call, Failed, Outcome, Seated, Stage};
use crate::module::Module;
use crate::opaque::Opaque;
use crate::verdict::Verdict;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long a `Pending` may last: a guard against one that is never resumed, longer than any machine stalls.
const DEADLINE: Duration = Duration::from_secs(60);

type Make = Arc<dyn Fn() -> Arc<dyn Module> + Send + Sync>;

/// The bare stage of a module.
#[derive(Clone)]
pub struct Bare {
    make: Make,
    counts: Counts,
}

impl fmt::Debug for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bare")
    }
}

impl Bare {
    /// Of the module that this makes.
    pub fn new<M: Module>(make: impl Fn() -> M + Send + Sync + 'static) -> Bare {
        Bare::made_by(move || Arc::new(make()))
    }

    /// The same, of a module whose type is not known here.
    pub fn made_by(make: impl Fn() -> Arc<dyn Module> + Send + Sync + 'static) -> Bare {
        Bare {
            make: Arc::new(make),
            counts: Counts::default(),
        }
    }

    /// Of a library that makes instances, such as one loaded from a file.
    pub fn shared(make: impl Fn() -> Arc<dyn Module> + Send + Sync + 'static) -> Bare {
        Bare::made_by(make)
    }

    /// What the module counted by [`Host::count`] so far, on this stage and its clones.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let counts = self.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Stage for Bare {
    fn name(&self) -> String {
        "bare".to_owned()
    }

    fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn Seated>, String> {
        let about = guard(|| (self.make)().about()).map_err(|panicked| panicked.0)?;
        let calls = Arc::new(BareCalls::new(options, about.blocking, self.counts.clone()));
        let host = Host::new(calls.clone());
        let module = begin(&self.make, &host)?;
        Ok(Box::new(Open {
            make: self.make.clone(),
            about,
            module,
            host,
            calls,
            visits: HashMap::new(),
            ended: HashMap::new(),
            parked: Vec::new(),
            next: 0,
        }))
    }
}

fn begin(make: &Make, host: &Host) -> Result<Arc<dyn Module>, String> {
    let module = guard(|| make()).map_err(|panicked| panicked.0)?;
    match guard(|| module.init(host)) {
        Ok(Ok(())) => Ok(module),
        Ok(Err(why)) => Err(format!("init refused: {why}")),
        Err(panicked) => Err(format!("init panicked: {}", panicked.0)),
    }
}

struct Open {
    make: Make,
    about: About,
    module: Arc<dyn Module>,
    host: Host,
    calls: Arc<BareCalls>,
    /// A transaction stays with the instance it began with.
    visits: HashMap<u64, (Arc<dyn Module>, Opaque)>,
    /// Transactions whose end was heard.
    ended: HashMap<u64, Vec<Hook>>,
    parked: Vec<Parked>,
    next: u64,
}

struct Parked {
    token: Token,
    hook: Hook,
    edits: Edits,
    until: Instant,
}

impl Seated for Open {
    fn about(&self) -> &About {
        &self.about
    }

    fn call(&mut self, event: &Event<'_>) -> Call {
        self.next += 1;
        let token = Token {
            transaction: event.id,
            call: self.next,
        };
        let mut edits = Edits::new();
        let (module, opaque) = self
            .visits
            .entry(event.id)
            .or_insert_with(|| (self.module.clone(), Opaque::None));
        let module = module.clone();
        let called = invoke(&*module, &self.host, event, opaque, &mut edits, &token);
        match called {
            Ok(Verdict::Pending) => {
                self.parked.push(Parked {
                    token,
                    hook: event.hook,
                    edits,
                    until: Instant::now() + DEADLINE,
                });
                Call::UnderWay
            }
            Ok(verdict) => Call::Over(settled(verdict, edits)),
            Err(panicked) => {
                // What panicked is not trusted with new transactions.
                if Arc::ptr_eq(&module, &self.module)
                    && let Ok(fresh) = begin(&self.make, &self.host)
                {
                    self.module = fresh;
                }
                Call::Over(Failed::new("panic", panicked.0).into())
            }
        }
    }

    fn wait(&mut self) -> Option<(u64, Outcome)> {
        loop {
            let until = self.parked.iter().map(|parked| parked.until).min()?;
            match self.calls.news(until) {
                Some(News::Resumed(token, answer)) => {
                    // Late, second and unknown ones are dropped.
                    let at = self.parked.iter().position(|parked| parked.token == token);
                    if let Some(at) = at {
                        let parked = self.parked.remove(at);
                        return Some((token.transaction, resumed(parked, answer)));
                    }
                }
                Some(News::Completed(tag, completion)) => {
                    let (module, host) = (self.module.clone(), self.host.clone());
                    let _ = guard(|| module.completed(&host, tag, completion));
                }
                None => {
                    let now = Instant::now();
                    let at = self.parked.iter().position(|parked| parked.until <= now);
                    if let Some(at) = at {
                        let id = self.parked.remove(at).token.transaction;
                        let failed = Failed::new("deadline", "its deadline passed");
                        return Some((id, failed.into()));
                    }
                }
            }
        }
    }

    fn answering(&mut self, transaction: u64) {
        self.calls.open(transaction);
    }

    fn answered(&mut self, transaction: u64) -> Vec<Bytes> {
        self.calls.close(transaction)
    }

    fn free(&mut self, transaction: u64) {
        let Some((module, opaque)) = self.visits.remove(&transaction) else {
            return;
        };
        if self.about.hooks.has(Hook::Free) {
            self.ended.entry(transaction).or_default().push(Hook::Free);
            let _ = guard(|| module.free(transaction, opaque));
        }
    }

    fn ends(&mut self, transactions: &[u64]) -> Vec<Vec<Hook>> {
        let ended = |id| self.ended.remove(id).unwrap_or_default();
        transactions.iter().map(ended).collect()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = guard(|| self.module.fini(&self.host));
    }
}

fn settled(verdict: Verdict, edits: Edits) -> Outcome {
    match verdict {
        Verdict::Fail(why) => Failed::new("fail", why).into(),
        verdict => Outcome {
            verdict: Ok(verdict),
            edits,
        },
    }
}

fn resumed(parked: Parked, answer: Answer) -> Outcome {
    let mut edits = parked.edits;
    for edit in answer.edits.iter() {
        if let Err(refused) = edits.repeat(edit) {
            return Failed::new("fail", refused.to_string()).into();
        }
    }
    match answer.verdict {
        Verdict::Pending => Failed::new("fail", "resumed with Pending").into(),
        verdict if !verdict.fits(parked.hook) => {
            Failed::new("fail", format!("{} does not fit here", verdict.name())).into()
        }
        verdict => settled(verdict, edits),
    }
}
