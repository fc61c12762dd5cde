//! The control socket, from the child's side: what it is told to be, and every order behind that.

use super::calls::ChildCalls;
use super::desk::Desk;
use super::doors::Door;
use super::notices::Told;
use super::{Libraries, notices, serve};
use crate::life::Maker;
use crate::process::child::lock;
use crate::process::control::{Hello, Order};
use crate::process::wire::next_frame;
use crate::spec::Library;
use rustix::cmsg_space;
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{
    Resource, Rlimit, Signal, getppid, nice, set_parent_process_death_signal, setrlimit,
};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Reads orders.
struct Orders {
    socket: OwnedFd,
    input: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

/// Serves until there is no more to serve; an error is one of the first steps.
pub(super) fn run(libraries: Libraries<'_>) -> Result<(), String> {
    let text = |why: Errno| why.to_string();
    let socket = fcntl_dupfd_cloexec(std::io::stdin(), 3).map_err(text)?;
    // The module's standard input is nothing.
    let nothing = std::fs::File::open("/dev/null").map_err(|why| why.to_string())?;
    rustix::stdio::dup2_stdin(&nothing).map_err(text)?;
    let mut orders = Orders {
        socket,
        input: Vec::new(),
        fds: VecDeque::new(),
    };
    let Some(Order::Hello(hello)) = orders.next()? else {
        return Err("this is started by the proxy, with a control socket as standard input".into());
    };
    confine(&hello).map_err(|why| format!("cannot confine itself: {why}"))?;
    let control = orders.socket.try_clone().map_err(|why| why.to_string())?;
    let desk = Desk::new(control, &hello)?;
    // The library is found here, where the application's function may be called; the module is made on the thread of the hooks,
    // so that what its `init` waits for can be read.
    match libraries(&hello.library) {
        Ok(library) => begin(&desk, &hello, library)?,
        Err(why) => desk.refuse(&why),
    }
    while let Some(order) = orders.next()? {
        obey(&desk, &mut orders, order)?;
    }
    // The proxy is gone.
    desk.exit(0)
}

/// What the child may use, and that it dies with the proxy.
fn confine(hello: &Hello) -> Result<(), Errno> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs()) != Some(hello.parent) {
        // It died before the line above.
        return Err(Errno::SRCH);
    }
    let at_most = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Core, at_most(0))?;
    if hello.nice != 0 {
        nice(hello.nice)?;
    }
    if let Some(bytes) = hello.memory {
        setrlimit(Resource::As, at_most(bytes))?;
    }
    Ok(())
}

fn begin(desk: &Arc<Desk>, hello: &Hello, library: Arc<dyn Library>) -> Result<(), String> {
    let (of, counts) = (desk.clone(), desk.clone());
    let maker = Maker::new(
        hello.name.as_str().into(),
        library.clone(),
        hello.options.clone(),
        move |options| Arc::new(ChildCalls::new(of.clone(), options)),
        move |hook, spent, went| {
            counts.called(hook, spent, went);
        },
    );
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map(drop)
            .map_err(|why| format!("no thread: {why}"))
    };
    let of = desk.clone();
    spawn("notices", Box::new(move || notices::run(&of)))?;
    let (of, threads) = (desk.clone(), hello.threads as usize);
    spawn(
        "hooks",
        Box::new(move || {
            Desk::answers();
            let about = match library.make() {
                Ok(module) => understudy_module::guard(|| module.about())
                    .map_err(|panicked| format!("about() panicked: {}", panicked.0)),
                Err(why) => Err(why),
            };
            match about.and_then(|about| of.load(maker, about)) {
                Ok(()) => serve::run(&of, threads),
                Err(why) => of.refuse(&why),
            }
        }),
    )
}

fn obey(desk: &Arc<Desk>, orders: &mut Orders, order: Order) -> Result<(), String> {
    match order {
        Order::Hello(_) => return Err("told twice what to be".into()),
        Order::Door(arena) => {
            let socket = orders.fds.pop_front().ok_or("a door without a socket")?;
            let arena = match arena {
                0 => None,
                bytes => Some((orders.fds.pop_front().ok_or("no arena")?, bytes as usize)),
            };
            desk.open(Door::new(socket, arena).map_err(|why| format!("no door: {why}"))?)?;
        }
        Order::Timer => desk.notices.put(Told::Timer),
        Order::Reconfigure(id, options) => desk.notices.put(Told::Reconfigure(id, options)),
        Order::Completed(ticket, completion) => desk.completed(ticket, completion),
        // At once: what is told behind it is told by another thread.
        Order::Settings(settings) => *lock(&desk.settings) = settings,
        Order::Close => desk.close(),
        Order::Ask => desk.notices.put(Told::Asked),
    }
    Ok(())
}

impl Orders {
    /// The next order; `None` at the end.
    fn next(&mut self) -> Result<Option<Order>, String> {
        loop {
            if let Some((content, took)) = next_frame(&self.input).map_err(|why| why.to_string())? {
                let order = Order::get(content).map_err(|why| why.to_string())?;
                self.input.drain(..took);
                return Ok(Some(order));
            }
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    fn read(&mut self) -> Result<bool, String> {
        let at = self.input.len();
        self.input.resize(at + 16 * 1024, 0);
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(8))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let got = recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut self.input[at..])],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        );
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
            }
        }
        let n = match got {
            Ok(message) => message.bytes,
            Err(Errno::INTR) => {
                self.input.truncate(at);
                return Ok(true);
            }
            Err(why) => return Err(why.to_string()),
        };
        self.input.truncate(at + n);
        Ok(n > 0)
    }
}
