//! The overseer: the actor on the main thread that holds the running proxy, answers how things are, and puts a new configuration to use.
//!
//! Phases of its life: (1) started with everything bound; (2) serving, with reloads one at a time; (3) draining, when reloads are refused.
//! Invariant: a reload is all or nothing. Everything that can fail is done first, beside what runs; only then is anything replaced.

use crate::{
    admin::{Health, Server, Socket},
    config::{
        self, Layers, Loaded, Problems, Values,
        problem::{Fault, Place},
    },
    content,
    log::{Counts, Sink},
    messages::{
        Ask, ChangeModules, Drain, Explain, Finish, Manage, Part, PurgeCache, Receipt, Reload,
        Reopen, Report,
    },
    modules::{self, Manager, Plan, Wanted, change::Change, plan::Refusal},
    run::{announce, explain},
    settings::settings,
    trace::Trace,
};
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, ResponseActFuture,
    ResponseFuture, WrapFuture,
};
use serde_json::{Map, Value};
use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};
use understudy_proxy::{Proxy, TransactionLog, explain, purge};

/// How long the admin's last answers may take.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// How long modules may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The actor.
pub(crate) struct Overseer {
    pub(crate) proxy: Rc<Proxy>,
    pub(crate) layers: Layers,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) log: Option<Arc<Sink>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) admin: Option<Server>,
    pub(crate) health: Arc<Health>,
    pub(crate) modules: Manager,
    pub(crate) content: Rc<content::Desk>,
    pub(crate) trace: Trace,
    pub(crate) started: SystemTime,
    pub(crate) reloads: (u64, u64),
    pub(crate) receipt: Option<Receipt>,
    /// Held by the change in progress: one follows the other.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
}

/// A configuration that was read, with everything bound and opened for it.
struct Prepared {
    loaded: Loaded,
    /// None: the log stays as it is.
    log: Option<Option<Arc<Sink>>>,
    /// None: the admin stays as it is.
    admin: Option<Option<Socket>>,
}

impl Actor for Overseer {
    type Context = Context<Self>;
}

impl Handler<Ask> for Overseer {
    type Result = MessageResult<Ask>;

    fn handle(&mut self, _: Ask, _: &mut Self::Context) -> Self::Result {
        MessageResult(Report {
            started: self.started,
            listeners: listeners(&self.proxy, &self.loaded),
            loaded: self.loaded.clone(),
            counters: self.proxy.stats(),
            cache: self
                .loaded
                .values
                .cache
                .enabled
                .then(|| self.proxy.cache().stats()),
            modules: modules::report::of(&self.modules),
            log: (
                self.counts.written.load(Relaxed),
                self.counts.dropped.load(Relaxed),
            ),
            reloads: self.reloads,
            receipt: self.receipt.clone(),
            draining: !self.health.ready(),
        })
    }
}

impl Handler<PurgeCache> for Overseer {
    type Result = ResponseFuture<Result<purge::Receipt, Vec<String>>>;

    fn handle(&mut self, PurgeCache(asked): PurgeCache, _: &mut Self::Context) -> Self::Result {
        let proxy = self.proxy.clone();
        Box::pin(async move { proxy.purge(asked).await })
    }
}

impl Handler<Manage> for Overseer {
    type Result = ResponseFuture<Result<Map<String, Value>, String>>;

    fn handle(&mut self, Manage(request): Manage, _: &mut Self::Context) -> Self::Result {
        let desk = self.content.clone();
        Box::pin(async move { desk.perform(request).await })
    }
}

impl Handler<Explain> for Overseer {
    type Result = ResponseFuture<Result<explain::Explanation, String>>;

    fn handle(&mut self, Explain(asked): Explain, _: &mut Self::Context) -> Self::Result {
        let proxy = self.proxy.clone();
        Box::pin(async move { proxy.explain(asked).await })
    }
}

impl Handler<Reopen> for Overseer {
    type Result = ();

    fn handle(&mut self, _: Reopen, _: &mut Self::Context) {
        if let Some(log) = &self.log {
            log.reopen();
        }
    }
}

impl Handler<Reload> for Overseer {
    type Result = ResponseActFuture<Self, Receipt>;

    fn handle(&mut self, _: Reload, _: &mut Self::Context) -> Self::Result {
        self.in_turn(Overseer::reload)
    }
}

impl Handler<ChangeModules> for Overseer {
    type Result = ResponseActFuture<Self, Receipt>;

    fn handle(
        &mut self,
        ChangeModules(change): ChangeModules,
        _: &mut Self::Context,
    ) -> Self::Result {
        self.in_turn(move |overseer| overseer.change_modules(change))
    }
}

type Changing = ResponseActFuture<Overseer, Receipt>;

impl Overseer {
    /// Does it when every change that was asked for before is through.
    fn in_turn(&self, change: impl FnOnce(&mut Overseer) -> Changing + 'static) -> Changing {
        let turn = self.turn.clone();
        // The lock is fair: first come, first served.
        let turn = async move { turn.lock_owned().await };
        Box::pin(turn.into_actor(self).then(move |turn, overseer, _| {
            change(overseer).map(move |receipt, _, _| {
                drop(turn);
                receipt
            })
        }))
    }

    fn reload(&mut self) -> Changing {
        let at = SystemTime::now();
        let prepared = match self.prepare() {
            Ok(prepared) => prepared,
            Err(problems) => {
                let receipt = self.settle(Receipt::refused(at, &problems));
                return Box::pin(actix::fut::ready(receipt));
            }
        };
        let planned = self.modules.plan(Wanted::from(&prepared.loaded));
        let proxy = self.proxy.clone();
        let values = prepared.loaded.values.clone();
        let log = prepared.log.as_ref().unwrap_or(&self.log).clone();
        let asked = async move { put_in_force(&proxy, &values, log, planned.await).await };
        Box::pin(asked.into_actor(self).map(move |result, overseer, ctx| {
            let outcome = match result {
                Ok(plan) => Ok(overseer.replace(prepared, plan, ctx)),
                Err(refusals) => Err(refusals
                    .iter()
                    .map(|refusal| refusal.explain(&prepared.loaded))
                    .collect()),
            };
            overseer.settle(Receipt { at, outcome })
        }))
    }

    fn change_modules(&mut self, change: Change) -> Changing {
        let at = SystemTime::now();
        let wanted = match self.free() {
            Ok(()) => change.apply(self.modules.wanted()),
            Err(fault) => Err(vec![format!("{}; {}", fault.message, fault.cure)]),
        };
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(why) => {
                let outcome = Err(why);
                return Box::pin(actix::fut::ready(Receipt { at, outcome }));
            }
        };
        let forgiven = change.chooses_runtime() && self.modules.forgive(change.name());
        let planned = self.modules.plan(wanted);
        let (proxy, values, log) = (
            self.proxy.clone(),
            self.loaded.values.clone(),
            self.log.clone(),
        );
        let asked = async move { put_in_force(&proxy, &values, log, planned.await).await };
        Box::pin(asked.into_actor(self).map(move |result, overseer, _| {
            let outcome = match result {
                Ok(plan) => Ok(overseer.commit(plan)),
                Err(refusals) => {
                    if forgiven {
                        overseer.modules.demote(change.name());
                    }
                    Err(refusals.into_iter().map(Refused::reason).collect())
                }
            };
            Receipt { at, outcome }
        }))
    }
}

/// Why a configuration was not put in force.
enum Refused {
    Module(Refusal),
    Proxy(String),
}

impl Refused {
    fn reason(self) -> String {
        match self {
            Refused::Module(refusal) => refusal.reason,
            Refused::Proxy(why) => why,
        }
    }

    /// With the place of the module in the file.
    fn explain(&self, loaded: &Loaded) -> String {
        match self {
            Refused::Module(refusal) => modules::plan::explain(refusal, loaded),
            Refused::Proxy(why) => why.clone(),
        }
    }
}

/// Gives the proxy its settings with the modules that were planned; when it refuses, the plan is taken back.
async fn put_in_force(
    proxy: &Proxy,
    values: &Values,
    log: Option<Arc<Sink>>,
    planned: Result<Plan, Vec<Refusal>>,
) -> Result<Plan, Vec<Refused>> {
    let plan = planned.map_err(|refusals| {
        refusals
            .into_iter()
            .map(Refused::Module)
            .collect::<Vec<_>>()
    })?;
    let log = log.map(|log| log as Arc<dyn TransactionLog>);
    match proxy
        .reconfigure(settings(values, plan.modules()), log)
        .await
    {
        Ok(()) => Ok(plan),
        Err(e) => {
            plan.undo().await;
            Err(vec![Refused::Proxy(explain(&e))])
        }
    }
}

impl Handler<Drain> for Overseer {
    type Result = ResponseFuture<usize>;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> Self::Result {
        self.health.set_ready(false);
        let proxy = self.proxy.clone();
        let bound = self.loaded.values.timeouts.drain;
        Box::pin(async move { proxy.drain(bound).await })
    }
}

impl Handler<Finish> for Overseer {
    type Result = ResponseFuture<Option<Arc<Sink>>>;

    fn handle(&mut self, _: Finish, _: &mut Self::Context) -> Self::Result {
        let (admin, log) = (self.admin.take(), self.log.take());
        let (proxy, values) = (self.proxy.clone(), self.loaded.values.clone());
        let leaving = self.modules.close();
        let records = log.clone().map(|log| log as Arc<dyn TransactionLog>);
        Box::pin(async move {
            if let Some(admin) = admin {
                // A scraper that does not read must not hold up the end.
                let _ = tokio::time::timeout(LAST_ANSWERS, admin.stop()).await;
            }
            if !leaving.is_empty() {
                // The workers let go of them, so that their last function is called.
                let settings = settings(&values, understudy_proxy::Modules::default());
                let _ = proxy.reconfigure(settings, records).await;
                let _ = tokio::time::timeout(LAST_WORDS, modules::manager::left(leaving)).await;
            }
            log
        })
    }
}

impl Overseer {
    /// Everything that can fail, without touching what runs.
    fn prepare(&self) -> Result<Prepared, Problems> {
        if let Err(fault) = self.free() {
            return Err(Problems::one(Place::Nowhere, "reload", fault));
        }
        let loaded = config::load(&self.layers)?;
        let (old, new) = (&self.loaded.values, &loaded.values);
        if old.workers != new.workers {
            let place = loaded
                .entries
                .iter()
                .find(|e| e.key == "workers")
                .map_or(Place::Nowhere, |e| Place::of(&e.origin));
            let fault = Fault::new(
                format!(
                    "cannot change from {} to {} while running",
                    old.workers, new.workers
                ),
                "restart to change it",
            );
            return Err(Problems::one(place, "workers", fault));
        }
        let at = |key: &str| {
            loaded
                .entries
                .iter()
                .find(|e| e.key == key)
                .map_or(Place::Nowhere, |e| Place::of(&e.origin))
        };
        let admin = if old.admin == new.admin {
            None
        } else {
            let fault = |e: std::io::Error| {
                Fault::new(
                    format!("cannot listen on {}: {e}", new.admin),
                    "choose another address, or \"off\"",
                )
            };
            Some(
                Socket::bind(&new.admin)
                    .map_err(|e| Problems::one(at("admin.address"), "admin.address", fault(e)))?,
            )
        };
        let log = if old.log.access == new.log.access
            && self.log.as_ref().is_none_or(|log| log.serves(&new.log))
        {
            None
        } else {
            let fault = |e: std::io::Error| {
                Fault::new(
                    format!("cannot open: {e}"),
                    "check the path and its permissions",
                )
            };
            Some(
                Sink::open(&new.log, &self.counts)
                    .map_err(|e| Problems::one(at("log.access"), "log.access", fault(e)))?,
            )
        };
        Ok(Prepared { loaded, log, admin })
    }

    /// Whether anything may be changed now.
    fn free(&self) -> Result<(), Fault> {
        if !self.health.ready() {
            return Err(Fault::new(
                "the proxy is draining",
                "start it again with the new configuration",
            ));
        }
        Ok(())
    }

    /// The modules that were planned are in force.
    fn commit(&mut self, plan: Plan) -> Vec<Part> {
        let done = self.modules.commit(plan);
        done.into_iter()
            .map(|(name, done)| Part::new(format!("module {name}"), done))
            .collect()
    }

    /// Nothing here can fail any more.
    fn replace(&mut self, prepared: Prepared, plan: Plan, ctx: &mut Context<Self>) -> Vec<Part> {
        let Prepared { loaded, log, admin } = prepared;
        let before = listeners(&self.proxy, &self.loaded);
        let mut parts = vec![Part::new("proxy", "reconfigured")];
        parts.extend(self.commit(plan));
        self.trace.set(loaded.values.log.level);
        self.loaded = Arc::new(loaded);
        for (name, mode, address) in listeners(&self.proxy, &self.loaded) {
            if !before.contains(&(name.clone(), mode, address)) {
                announce(&name, mode, &address.to_string());
            }
        }
        parts.push(Part::new(
            "log",
            if log.is_some() { "opened" } else { "unchanged" },
        ));
        if let Some(log) = log {
            // Workers may still hold the old one; it ends when the last of them lets go.
            self.log = log;
        }
        parts.push(Part::new(
            "admin",
            if admin.is_some() {
                "moved"
            } else {
                "unchanged"
            },
        ));
        if let Some(socket) = admin {
            let old = std::mem::take(&mut self.admin);
            self.admin =
                socket.and_then(
                    |socket| match socket.serve(ctx.address(), self.health.clone()) {
                        Ok(server) => Some(server),
                        Err(e) => {
                            tracing::error!("admin: cannot serve: {e}");
                            None
                        }
                    },
                );
            if let Some(server) = &self.admin {
                announce("admin", "admin", &server.address);
            }
            if let Some(old) = old {
                actix_rt::spawn(old.stop());
            }
        }
        parts
    }

    /// Remembers the receipt.
    fn settle(&mut self, receipt: Receipt) -> Receipt {
        match &receipt.outcome {
            Ok(_) => self.reloads.0 += 1,
            Err(_) => self.reloads.1 += 1,
        }
        self.receipt = Some(receipt.clone());
        receipt
    }
}

/// Name, mode and bound address of each listener.
pub(crate) fn listeners(proxy: &Proxy, loaded: &Loaded) -> Vec<(String, &'static str, SocketAddr)> {
    let mode = |name: &str| {
        loaded
            .values
            .listeners
            .iter()
            .find(|l| l.name == name)
            .map(|l| l.does.mode())
    };
    proxy
        .addresses()
        .into_iter()
        .filter_map(|(name, address)| mode(&name).map(|mode| (name, mode, address)))
        .collect()
}
