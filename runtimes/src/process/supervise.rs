//! One place for a child: started, served over its control socket, buried, started again.
//!
//! Phases: 1. spawned, told what it is to be; 2. ready: workers may enter; 3. gone: reaped, its place empty; 4. after the back-off
//! again 1. Unloaded, it is told to close and has [`CLOSE`] or its deadline to do so. Whatever way this task ends, the child is killed
//! and reaped (not waited for on this arbiter), so neither zombies nor orphans are left.

use super::back_off::BackOff;
use super::child::{Child, Packet, Shared, lock};
use super::control::{Hello, Order, Report};
use super::outgoing::Outgoing;
use super::pulse::Pulse;
use super::wire::{Malformed, next_frame};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustix::process::{PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use understudy_module::{About, Completion, Hook, Operation};
use understudy_shared::register;

/// How long a child may take until it is ready.
const STARTUP: Duration = Duration::from_secs(30);
/// How long an unloaded one may take to end; as long as its deadline where that is longer, for `fini` is a hook's call.
const CLOSE: Duration = Duration::from_secs(5);

/// A child with its control socket. Buried on drop, wherever that comes: a start that fails or is given up leaves nothing of it.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
    process: Process,
    pub(crate) child: Arc<Child>,
    control: AsyncFd<OwnedFd>,
    pidfd: AsyncFd<OwnedFd>,
    orders: mpsc::UnboundedReceiver<(Packet, usize)>,
    outgoing: Outgoing,
    input: Vec<u8>,
    pulse: Pulse,
    /// Whether it is seen to that it does not hang: from when it is ready until it is to close.
    minded: bool,
    /// When there was last nothing to hear of it that was not heard.
    heard: Instant,
}

/// Killed and reaped on drop. A killed process ends at once, unless the kernel holds it (a file system that does not answer): so
/// the arbiter does not wait for that, a thread does.
#[derive(Debug)]
struct Process {
    name: Arc<str>,
    /// `None`: reaped, or with the thread.
    child: Option<std::process::Child>,
}

impl Process {
    /// The end; tells the log how.
    fn end(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let _ = child.kill();
        if let Ok(Some(status)) = child.try_wait() {
            return ended(&self.name, status);
        }
        let name = self.name.clone();
        let reap = move || {
            if let Ok(status) = child.wait() {
                ended(&name, status);
            }
        };
        let reaper = std::thread::Builder::new().name("reaper".to_owned());
        if let Err(why) = reaper.spawn(reap) {
            tracing::warn!(module = %self.name, "its process cannot be waited for: {why}");
        }
    }
}

fn ended(name: &str, status: std::process::ExitStatus) {
    tracing::info!(module = %name, "its process ended: {status}");
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why serving a child ended.
enum End {
    Ready(About),
    Refused(String),
    Gone,
    Mad(&'static str),
}

impl From<Malformed> for End {
    fn from(why: Malformed) -> End {
        End::Mad(why.0)
    }
}

/// Starts a child and waits until it is ready.
///
/// # Errors
/// When it cannot be started, refuses, or ends before.
pub(crate) async fn launch(shared: &Arc<Shared>) -> Result<(Running, About), String> {
    launch_within(shared, STARTUP).await
}

async fn launch_within(shared: &Arc<Shared>, most: Duration) -> Result<(Running, About), String> {
    let mut running =
        spawn(shared).map_err(|why| format!("its process cannot be started: {why}"))?;
    let ended = tokio::time::timeout(most, running.serve(shared)).await;
    match ended {
        Ok(End::Ready(about)) => Ok((running, about)),
        Ok(End::Refused(why)) => Err(why),
        Ok(End::Gone) => Err("its process ended before it was ready".to_owned()),
        Ok(End::Mad(why)) => Err(format!("its process sent garbage: {why}")),
        Err(_) => Err("its process was not ready in time".to_owned()),
    }
}

fn spawn(shared: &Arc<Shared>) -> std::io::Result<Running> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let stderr = std::io::stderr().as_fd().try_clone_to_owned()?;
    let mut command = Command::new(&shared.environment.program);
    if shared.spec.limits.memory.is_some() {
        // The allocator reserves 1 GiB of addresses at its start, which would be all that the module may have.
        command.env("MIMALLOC_ARENA_RESERVE", "16MiB");
        // And that of C 64 MiB for each thread that asks it for anything.
        command.env("MALLOC_ARENA_MAX", "1");
    }
    let child = command
        .arg("module-host")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(stderr))
        // A terminal's interrupt is the proxy's to answer.
        .process_group(0)
        .spawn()?;
    let pid = rustix::process::Pid::from_child(&child);
    let process = Process {
        name: shared.spec.name.clone(),
        child: Some(child),
    };
    let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    let (tell, orders) = mpsc::unbounded_channel();
    let number = crate::office::number();
    let spec = &shared.spec;
    let options = lock(&shared.options).clone();
    let hello = Order::Hello(Box::new(Hello {
        name: spec.name.to_string(),
        library: spec.library.clone(),
        options: options.clone(),
        settings: shared.environment.services.settings(),
        threads: u32::try_from(spec.limits.threads.max(1)).unwrap_or(1),
        nice: spec.limits.nice,
        memory: spec.limits.memory,
        parent: std::process::id(),
        numbers: number << 32,
        deadline: spec.limits.deadline,
    }));
    let child = Arc::new(Child::new(number, pidfd.try_clone()?, tell, options));
    child.tell(hello);
    Ok(Running {
        shared: shared.clone(),
        process,
        child,
        control: register(OwnedFd::from(ours))?,
        pidfd: register(pidfd)?,
        orders,
        outgoing: Outgoing::default(),
        input: Vec::new(),
        pulse: Pulse::default(),
        minded: false,
        heard: Instant::now(),
    })
}

/// What a look at the socket brought.
enum Came {
    Something,
    Nothing,
    End,
}

/// Takes what there is; `heard`: when there was nothing.
fn receive(control: &AsyncFd<OwnedFd>, input: &mut Vec<u8>, heard: &mut Instant) -> Came {
    let at = input.len();
    input.resize(at + 16 * 1024, 0);
    let got = recv(control, &mut input[at..], RecvFlags::DONTWAIT);
    input.truncate(at + got.as_ref().map_or(0, |(_, n)| *n));
    match got {
        Ok((_, 0)) => Came::End,
        Ok(_) | Err(Errno::INTR) => Came::Something,
        Err(Errno::AGAIN) => {
            *heard = Instant::now();
            Came::Nothing
        }
        Err(_) => Came::End,
    }
}

/// Waits until then, or for ever.
async fn sleep_until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}

/// Starts a child in place of one that is gone, and puts it there.
async fn launch_again(shared: &Arc<Shared>, at: usize) -> Result<Running, String> {
    loop {
        let (running, _) = launch(shared).await?;
        if shared.admit(at, &running.child) {
            return Ok(running);
        }
        // Its place is empty until then.
        running.close(shared, CLOSE).await;
    }
}

/// Keeps a place filled until the module is unloaded. Its first child is there already.
pub(crate) async fn supervise(
    shared: Arc<Shared>,
    at: usize,
    first: Running,
    mut closing: watch::Receiver<bool>,
) {
    let mut back_off = BackOff::default();
    let mut next = Some(first);
    loop {
        let began = Instant::now();
        if let Some(mut running) = next.take() {
            let closed = tokio::select! {
                _ = running.serve_on(&shared) => false,
                _ = closing.wait_for(|closing| *closing) => true,
            };
            shared.place(at, None);
            if closed {
                let most = CLOSE.max(shared.spec.limits.deadline);
                return running.close(&shared, most).await;
            }
            drop(running);
            back_off.lived(began.elapsed());
        }
        let wait = back_off.start();
        if !wait.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
        }
        shared.counts.restarts.fetch_add(1, Ordering::Relaxed);
        let started = tokio::select! {
            started = launch_again(&shared, at) => started,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        match started {
            Ok(running) => next = Some(running),
            Err(why) => {
                tracing::error!(module = %shared.spec.name, "cannot be started again, next try in {:?}: {why}", back_off.next());
            }
        }
    }
}

impl Running {
    /// Serves a child that is ready until its end.
    async fn serve_on(&mut self, shared: &Arc<Shared>) {
        match self.serve(shared).await {
            End::Gone => {}
            // Once is enough.
            End::Ready(_) | End::Refused(_) => {
                self.child.mad("it said twice that it is ready", shared);
            }
            End::Mad(why) => self.child.mad(why, shared),
        }
    }

    /// Told to end, given the time to do so, and buried.
    async fn close(mut self, shared: &Arc<Shared>, most: Duration) {
        self.minded = false;
        self.child.doom();
        self.child.tell(Order::Close);
        let _ = tokio::time::timeout(most, self.serve_on(shared)).await;
    }

    /// Serves it until something ends that. Cancelled, nothing is lost.
    async fn serve(&mut self, shared: &Arc<Shared>) -> End {
        let deadline = shared.spec.limits.deadline;
        loop {
            // However much it says, it is told what there is to tell.
            while let Ok((packet, weight)) = self.orders.try_recv() {
                self.send(packet, weight);
            }
            match self.next_report() {
                Ok(Some(report)) => {
                    if let Some(end) = self.hear(report, shared) {
                        return end;
                    }
                    continue;
                }
                Ok(None) => {}
                Err(why) => return why.into(),
            }
            self.ask(deadline);
            if self.minded && self.pulse.hangs(self.heard, deadline) {
                self.child.hung(shared);
                return End::Gone;
            }
            let full = !self.outgoing.is_empty();
            let look = self.pulse.next(deadline).filter(|_| self.minded);
            tokio::select! {
                // What a child said before its end is heard before its end.
                biased;
                ready = self.control.readable() => {
                    let Ok(mut ready) = ready else { return End::Gone };
                    match receive(&self.control, &mut self.input, &mut self.heard) {
                        // One that talks without pause is not all there is to do here: nothing else of this takes turns by itself.
                        Came::Something => tokio::task::yield_now().await,
                        Came::Nothing => ready.clear_ready(),
                        Came::End => return End::Gone,
                    }
                }
                told = self.orders.recv() => if let Some((packet, weight)) = told {
                    self.send(packet, weight);
                },
                ready = self.control.writable(), if full => {
                    if let Ok(mut ready) = ready {
                        ready.clear_ready();
                    }
                    self.outgoing.write(&self.control, &self.child);
                }
                // What came in time is in time, also where this comes late to it.
                () = sleep_until(look) => {
                    // Far too late: all of this stood still (a machine that slept), and the child may have, too.
                    if look.is_some_and(|then| then.elapsed() >= deadline / 2) {
                        self.pulse.moved(Instant::now());
                    }
                    let came = receive(&self.control, &mut self.input, &mut self.heard);
                    if matches!(came, Came::End) {
                        return End::Gone;
                    }
                }
                _ = self.pidfd.readable() => return End::Gone,
            }
        }
    }

    fn send(&mut self, packet: Packet, weight: usize) {
        let goes = match packet.order {
            Order::Timer => self.pulse.rings(),
            Order::Completed(..) | Order::Reconfigure(..) => {
                self.pulse.told();
                true
            }
            _ => true,
        };
        if goes {
            self.outgoing.push(packet, weight);
        } else {
            self.child.took(weight);
        }
        self.outgoing.write(&self.control, &self.child);
    }

    /// Asks it, when it is to be asked, whether it has dealt with what it was told.
    fn ask(&mut self, deadline: Duration) {
        if self.minded && self.pulse.asks(Instant::now(), deadline) {
            self.outgoing.push(Order::Ask.into(), 0);
            self.outgoing.write(&self.control, &self.child);
        }
    }

    fn next_report(&mut self) -> Result<Option<Report>, Malformed> {
        let Some((content, took)) = next_frame(&self.input)? else {
            return Ok(None);
        };
        let report = Report::get(content)?;
        self.input.drain(..took);
        Ok(Some(report))
    }

    fn hear(&mut self, report: Report, shared: &Arc<Shared>) -> Option<End> {
        match report {
            Report::Ready(about) => {
                self.minded = true;
                return Some(End::Ready(about));
            }
            Report::Refused(why) => return Some(End::Refused(why)),
            Report::Log(level, text) => shared.office.log(level, &text),
            Report::Counted(hook, spent, went) => {
                if let Hook::Timer | Hook::Ready | Hook::Completed | Hook::Reconfigure = hook {
                    self.pulse.moved(Instant::now());
                }
                shared.office.accounts().note(hook, spent, went);
            }
            Report::Added(batch) => {
                let office = &shared.office;
                batch.iter().for_each(|(name, n)| office.count(name, *n));
            }
            Report::Attend(attention) => shared.attends(&self.child, attention),
            Report::Unwatchable => {
                shared.office.unwatchable().fetch_add(1, Ordering::Relaxed);
            }
            Report::Panicked => {
                shared.counts.panics.fetch_add(1, Ordering::Relaxed);
            }
            Report::Rebuilt => {
                shared.counts.rebuilt.fetch_add(1, Ordering::Relaxed);
            }
            Report::Told(id, outcome) => shared.told(&self.child, id, outcome),
            Report::Settled => {
                if let Err(why) = self.pulse.answered(Instant::now()) {
                    return Some(why.into());
                }
            }
            Report::Watches => self.pulse.watches(Instant::now()),
            Report::Submit(ticket, operation) => {
                let (child, of) = (self.child.clone(), Arc::downgrade(shared));
                let reading = match &operation {
                    Operation::ReadStart(_, reading) | Operation::ReadPart(reading, _) => {
                        Some(*reading)
                    }
                    _ => None,
                };
                let done = Box::new(move |completion: Completion| {
                    if child.complete(ticket, completion, &of) {
                        return;
                    }
                    // A piece may not just be missing from the middle of what it reads, so the reading is over.
                    if let (Some(reading), Some(of)) = (reading, of.upgrade()) {
                        let (services, over) =
                            (&of.environment.services, Operation::ReadDone(reading));
                        services.perform(child.number, over, Box::new(|_| {}));
                    }
                });
                let services = &shared.environment.services;
                services.perform(self.child.number, operation, done);
            }
        }
        None
    }
}

impl Drop for Running {
    /// The end: killed, and everybody told.
    fn drop(&mut self) {
        self.child.kill();
        self.process.end();
        self.orders.close();
        self.shared.gone(&self.child);
        let services = &self.shared.environment.services;
        services.forget(self.child.number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::loaded::Environment;
    use crate::office::{Mailboxes, Office, Services};
    use crate::spec::{Kind, Limits, Spec};
    use std::os::unix::fs::PermissionsExt;

    struct Nothing;

    impl Services for Nothing {
        fn perform(&self, _: u64, _: Operation, _: Box<dyn FnOnce(Completion) + Send>) {}
        fn forget(&self, _: u64) {}
        fn setting(&self, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn a_child_that_is_never_ready_is_refused_and_killed() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("hangs");
        std::fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
        let spec = Spec {
            name: "m".into(),
            library: "builtin:m".to_owned(),
            kind: Kind::Process,
            limits: Limits::default(),
            options: Default::default(),
        };
        let environment = Environment {
            services: Arc::new(Nothing),
            mailboxes: Mailboxes::default(),
            program,
        };
        let (services, mailboxes) = (environment.services.clone(), environment.mailboxes.clone());
        let office = Office::new(spec.name.clone(), false, services, mailboxes);
        let shared = Arc::new(Shared::new(spec, environment, office));
        let why = actix_rt::System::new().block_on(async {
            loop {
                let launched = launch_within(&shared, Duration::from_millis(50)).await;
                match launched.map(drop).unwrap_err() {
                    // Another test starts a process of its own while the program is written.
                    why if why.contains("Text file busy") => {}
                    why => break why,
                }
            }
        });
        assert!(why.contains("not ready in time"), "{why}");
    }

    #[test]
    fn a_process_that_is_let_go_of_is_killed_and_reaped_by_somebody() {
        let child = Command::new("sleep").arg("1000").spawn();
        let child = child.unwrap_or_else(|why| panic!("no sleep: {why}"));
        let proc = std::path::PathBuf::from(format!("/proc/{}", child.id()));
        let mut process = Process {
            name: "m".into(),
            child: Some(child),
        };
        process.end();
        // A zombie would stay in the table for ever.
        let began = Instant::now();
        while proc.exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "never reaped");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(process.child.is_none());
    }
}
