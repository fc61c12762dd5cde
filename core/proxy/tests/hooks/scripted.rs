//! Modules made of closures, and a proxy that has them.

use crate::support::{Fixture, Origin, settings};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use understudy_module::{About, Hook, Hooks, Host, Module, Opaque, Transaction, Verdict};
use understudy_proxy::{Content, Matcher, Member, Modules, Proxy};
use understudy_runtimes::{Environment, Kind, Library, Limits, OnFailure, Spec, load};

type On = Arc<dyn Fn(&mut Transaction<'_>) -> Verdict + Send + Sync>;

/// What was called: module and hook.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<(u64, String)>>>);

impl Trace {
    pub fn add(&self, transaction: u64, what: String) {
        self.0.lock().unwrap().push((transaction, what));
    }

    /// What was called for the transactions so far, each by itself in order, once `free` was called for that many.
    pub async fn of(&self, transactions: usize, module: &str) -> Vec<Vec<String>> {
        let free = format!("{module}.free");
        loop {
            let all = self.0.lock().unwrap().clone();
            if all.iter().filter(|(_, what)| *what == free).count() >= transactions {
                let mut ids: Vec<u64> = Vec::new();
                for (id, _) in &all {
                    if !ids.contains(id) {
                        ids.push(*id);
                    }
                }
                let of = |id: u64| all.iter().filter(move |(i, _)| *i == id);
                return ids
                    .into_iter()
                    .map(|id| {
                        let mut calls: Vec<String> = of(id).map(|(_, what)| what.clone()).collect();
                        // How many pieces a body comes in is nobody's business.
                        calls.dedup();
                        calls
                    })
                    .collect();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub fn count(&self, what: &str) -> usize {
        let all = self.0.lock().unwrap();
        all.iter().filter(|(_, w)| w == what).count()
    }
}

/// A module whose every hook is one closure.
#[derive(Clone)]
pub struct Scripted {
    pub name: &'static str,
    pub hooks: Hooks,
    pub on: On,
    pub trace: Trace,
    pub limits: Limits,
    pub matcher: Matcher,
    pub about: fn(&mut About),
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

pub const ALL: &[Hook] = &[
    Hook::RequestHead,
    Hook::RequestBody,
    Hook::RequestOut,
    Hook::Resolve,
    Hook::ResponseHead,
    Hook::ResponseBody,
    Hook::ResponseReturn,
    Hook::ReturnBody,
    Hook::Log,
    Hook::Free,
];

/// A deadline that no test meets by itself, however the machine stalls.
const FAR_OFF: Duration = Duration::from_secs(600);

impl Scripted {
    pub fn new(
        name: &'static str,
        hooks: &[Hook],
        on: impl Fn(&mut Transaction<'_>) -> Verdict + Send + Sync + 'static,
    ) -> Scripted {
        Scripted {
            name,
            hooks: Hooks::of(hooks),
            on: Arc::new(on),
            trace: Trace::default(),
            limits: Limits {
                deadline: FAR_OFF,
                ..Limits::default()
            },
            matcher: Matcher::default(),
            about: |_| {},
        }
    }

    pub fn open(mut self) -> Scripted {
        self.limits.on_failure = OnFailure::Open;
        self
    }

    fn hook(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.trace
            .add(tx.id(), format!("{}.{}", self.name, tx.hook().name()));
        (self.on)(tx)
    }
}

macro_rules! hooks {
    ($($hook:ident)*) => { $(fn $hook(&self, tx: &mut Transaction<'_>) -> Verdict { self.hook(tx) })* };
}

impl Module for Scripted {
    fn about(&self) -> About {
        let mut about = About::new(self.name, "1", self.hooks);
        (self.about)(&mut about);
        about
    }
    fn init(&self, _: &Host) -> Result<(), String> {
        Ok(())
    }
    hooks! { request_head request_body request_out resolve response_head response_body response_return return_body }
    fn log(&self, tx: &mut Transaction<'_>) {
        self.hook(tx);
    }
    fn free(&self, transaction: u64, _: Opaque) {
        self.trace.add(transaction, format!("{}.free", self.name));
    }
}

impl Library for Scripted {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(self.clone()))
    }
}

/// Runs a case in both models of this address space.
pub fn everywhere<F: Future<Output = ()>>(case: impl Fn(Kind) -> F) {
    for kind in [Kind::Inline, Kind::Threads] {
        actix::System::new().block_on(async {
            // A guard against a hang; some cases take many crossings, and the machine has other things to do.
            tokio::time::timeout(Duration::from_secs(300), case(kind))
                .await
                .unwrap_or_else(|_| panic!("{kind:?} does not end"));
        });
    }
}

/// A proxy with these modules before an origin.
pub async fn proxy(
    kind: Kind,
    modules: &[&Scripted],
    script: impl Fn(&str) -> String + Send + 'static,
) -> Fixture {
    proxy_with(kind, modules, script, |_| {}).await
}

/// The same with other settings.
pub async fn proxy_with(
    kind: Kind,
    modules: &[&Scripted],
    script: impl Fn(&str) -> String + Send + 'static,
    change: impl FnOnce(&mut understudy_proxy::Settings),
) -> Fixture {
    logged(kind, modules, script, change, None).await
}

/// The same with a log.
pub async fn logged(
    kind: Kind,
    modules: &[&Scripted],
    script: impl Fn(&str) -> String + Send + 'static,
    change: impl FnOnce(&mut understudy_proxy::Settings),
    log: Option<Arc<dyn understudy_proxy::TransactionLog>>,
) -> Fixture {
    let origin = Origin::start(script);
    let content = Content::new();
    let environment = Environment {
        services: content.clone(),
        mailboxes: content.mailboxes().clone(),
        program: "/nonexistent".into(),
    };
    let mut settings = settings(origin.at);
    let mut chain = Modules::default();
    for (n, module) in modules.iter().enumerate() {
        let spec = Spec {
            name: module.name.into(),
            library: "test".to_owned(),
            kind,
            limits: module.limits.clone(),
            options: BTreeMap::new(),
        };
        let library = Arc::new((*module).clone());
        chain.members.push(Member {
            module: load(spec, library, n as u32 + 1, &environment)
                .await
                .unwrap(),
            matcher: module.matcher.clone(),
        });
    }
    settings.modules = chain;
    change(&mut settings);
    let proxy = Proxy::start(settings, log, &content).await.unwrap();
    let at = |name: &str| {
        let all = proxy.addresses();
        all.iter().find(|(n, _)| n == name).unwrap().1
    };
    Fixture {
        forward: at("forward"),
        reverse: at("reverse"),
        proxy,
        content,
        origin,
    }
}
