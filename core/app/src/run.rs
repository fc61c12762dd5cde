//! `understudy run`: the wiring, in one place, from the checked configuration to the exit code.
//!
//! Phases: (1) diagnostics and limits; (2) modules are loaded, then everything is bound, or nothing runs; (3) the ready lines; (4) signals; (5) drain; (6) the logs are written out.
//! Invariant: `ready` is printed only when every listener is bound.
//! Awkward case: the admin's default address may be taken by another instance; nobody chose it, so that is a warning.

use crate::{
    admin::{Health, Socket},
    config::{Layers, Loaded, layers::Origin},
    exit::Exit,
    log::{Counts, Sink},
    messages::{Drain, Finish, Receipt, Reload, Reopen},
    modules::{Manager, Wanted, plan},
    overseer::{Overseer, listeners},
    process,
    settings::settings,
    signals::{Event, Signals},
    supervisor,
    trace::{self, Trace},
};
use actix::{Actor, Addr};
use std::{
    error::Error,
    io::{self, Write},
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};
use understudy_proxy::{Proxy, TransactionLog};

/// How long the access log may take to write what waits, at the end.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Runs until a signal ends it.
pub(crate) fn run(layers: Layers, loaded: Loaded) -> Exit {
    let (trace, guard) = trace::start(loaded.values.log.level);
    let files = process::raise_open_files();
    // The default is a ceiling nobody chose: then the kernel's limit is as good.
    let chosen = loaded
        .entries
        .iter()
        .any(|e| e.key == "limits.connections" && e.origin != Origin::Default);
    let connections = loaded.values.limits.connections as u64;
    if let Some(files) = files.filter(|files| chosen && *files < connections) {
        tracing::warn!(
            "{files} files may be open, fewer than the {connections} connections of limits.connections; raise the limit (ulimit -n)"
        );
    }
    let exit = actix::System::new().block_on(serve(layers, loaded, trace));
    drop(guard);
    exit
}

/// A proxy that serves.
struct Running {
    overseer: Addr<Overseer>,
    signals: Signals,
}

async fn serve(layers: Layers, loaded: Loaded, trace: Trace) -> Exit {
    let running = match start(layers, loaded, trace).await {
        Ok(running) => running,
        Err(why) => {
            say(format_args!("understudy: {why}"));
            return Exit::Failed;
        }
    };
    let Running {
        overseer,
        mut signals,
    } = running;
    let mut reload: Option<actix_rt::task::JoinHandle<()>> = None;
    loop {
        match signals.next().await {
            Event::Stop => break,
            Event::Reload => {
                // Not waited for, so that TERM is heard meanwhile; but one after the other, so that the last one reads the last text.
                let (overseer, before) = (overseer.clone(), reload.take());
                reload = Some(actix_rt::spawn(async move {
                    if let Some(before) = before {
                        let _ = before.await;
                    }
                    if let Ok(receipt) = overseer.send(Reload).await {
                        tell(&receipt);
                    }
                }));
            }
            Event::Reopen => overseer.do_send(Reopen),
        }
    }
    let exit = drain(&overseer, &mut signals).await;
    if let Ok(Some(log)) = overseer.send(Finish).await {
        log.close(LAST_LINES);
    }
    exit
}

/// Binds and starts everything; an error leaves nothing behind.
async fn start(layers: Layers, loaded: Loaded, trace: Trace) -> Result<Running, String> {
    let started = SystemTime::now();
    let values = &loaded.values;
    let signals = Signals::listen().map_err(|e| format!("cannot listen to signals: {e}"))?;
    let counts = Arc::new(Counts::default());
    let log = Sink::open(&values.log, &counts).map_err(|e| {
        format!("log.access: cannot open the access log: {e}; check the path and its permissions")
    })?;
    let socket = match Socket::bind(&values.admin) {
        Ok(socket) => socket,
        Err(e) if values.admin_chosen => {
            return Err(format!(
                "admin.address: cannot listen on {}: {e}; choose another with --admin, or \"off\"",
                values.admin
            ));
        }
        Err(e) => {
            say(format_args!(
                "warning: running without the admin: cannot listen on {}: {e}; choose another address with --admin, or \"off\"",
                values.admin
            ));
            None
        }
    };
    let content = understudy_proxy::Content::new();
    let program =
        std::env::current_exe().map_err(|e| format!("cannot find the program's own file: {e}"))?;
    let mut modules = Manager::new(&content, program, supervisor::demoted());
    // Before anything is bound: a module that refuses must not be found out by clients.
    let plan = modules
        .plan(Wanted::from(&loaded))
        .await
        .map_err(|refusals| {
            let reasons: Vec<String> = refusals.iter().map(|r| plan::explain(r, &loaded)).collect();
            reasons.join("\nunderstudy: ")
        })?;
    let records = log.clone().map(|log| log as Arc<dyn TransactionLog>);
    let proxy = Rc::new(
        Proxy::start(settings(values, plan.modules()), records, &content)
            .await
            .map_err(|e| explain(&e))?,
    );
    modules.commit(plan);
    let health = Arc::new(Health::default());
    let loaded = Arc::new(loaded);
    let bound = listeners(&proxy, &loaded);
    let mut failed = None;
    let overseer = Overseer::create(|ctx| {
        let admin = socket.and_then(|socket| {
            socket
                .serve(actix::AsyncContext::address(ctx), health.clone())
                .map_err(|e| failed = Some(e))
                .ok()
        });
        for (name, mode, address) in &bound {
            announce(name, mode, &address.to_string());
        }
        if let Some(server) = &admin {
            announce("admin", "admin", &server.address);
        }
        Overseer {
            proxy,
            layers,
            loaded,
            log,
            counts,
            admin,
            health: health.clone(),
            content: Rc::new(crate::content::Desk::new(&content)),
            modules,
            trace,
            started,
            reloads: (0, 0),
            receipt: None,
            turn: Arc::default(),
        }
    });
    if let Some(e) = failed {
        return Err(format!("admin.address: cannot serve: {e}"));
    }
    health.set_ready(true);
    say(format_args!("ready"));
    Ok(Running { overseer, signals })
}

/// Lets transactions finish within the bound; a second signal ends the wait at once.
async fn drain(overseer: &Addr<Overseer>, signals: &mut Signals) -> Exit {
    tracing::info!("draining");
    let drained = overseer.send(Drain);
    tokio::pin!(drained);
    loop {
        tokio::select! {
            cut = &mut drained => {
                return match cut {
                    Ok(0) => Exit::Ok,
                    Ok(cut) => {
                        tracing::warn!("{cut} connections were cut when the drain bound passed");
                        Exit::Forced
                    }
                    Err(e) => {
                        tracing::error!("the overseer is gone: {e}");
                        Exit::Forced
                    }
                };
            }
            event = signals.next() => match event {
                Event::Stop => return Exit::Forced,
                Event::Reload => say(format_args!("reload refused: the proxy is draining; start it again with the new configuration")),
                Event::Reopen => overseer.do_send(Reopen),
            },
        }
    }
}

/// Says on standard error what became of a reload: these lines are for people and scripts, at every log level.
fn tell(receipt: &Receipt) {
    match &receipt.outcome {
        Ok(parts) => {
            for part in parts {
                tracing::info!(part = %part.name, "{}", part.done);
            }
            say(format_args!("reloaded"));
        }
        Err(reasons) => reasons
            .iter()
            .for_each(|reason| say(format_args!("reload refused: {reason}"))),
    }
}

/// One of the lines that say what listens where.
pub(crate) fn announce(name: &str, mode: &str, address: &str) {
    say(format_args!("listening {name} {mode} {address}"));
}

/// A line on standard error at every log level. Nobody reading it is no failure.
fn say(line: std::fmt::Arguments<'_>) {
    // In one piece, or the lines of two threads mix.
    let _ = io::stderr()
        .lock()
        .write_all(format!("{line}\n").as_bytes());
}

/// An error with its causes, and the cure where one is known.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cure = None;
    let mut cause = error.source();
    while let Some(e) = cause {
        text.push_str(": ");
        text.push_str(&e.to_string());
        cure = e.downcast_ref::<io::Error>().and_then(|e| match e.kind() {
            io::ErrorKind::AddrInUse => Some("another program listens there; stop it, or choose another address"),
            io::ErrorKind::AddrNotAvailable => Some("this machine has no such address; write one it has, or 0.0.0.0 for all"),
            io::ErrorKind::PermissionDenied => Some("ports below 1024 and transparent listeners need privileges (CAP_NET_BIND_SERVICE, CAP_NET_ADMIN)"),
            _ => None,
        });
        cause = e.source();
    }
    if let Some(cure) = cure {
        text.push_str("; ");
        text.push_str(cure);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::explain;
    use std::io;
    use understudy_proxy::StartError;

    #[test]
    fn a_listener_that_cannot_be_bound_is_told_with_its_cause_and_cure() {
        let source = io::Error::from_raw_os_error(98);
        let error = StartError::Bind {
            name: "forward".to_owned(),
            address: ([127, 0, 0, 1], 3128).into(),
            source,
        };
        assert_eq!(
            explain(&error),
            "listener `forward`: cannot listen on 127.0.0.1:3128: Address already in use (os error 98); another program listens there; stop it, or choose another address"
        );
    }
}
