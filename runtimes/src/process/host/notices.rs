//! The thread that tells the module what is no event of a transaction, and watches its descriptors.
//!
//! Invariant: one that panicked is replaced before the next notice, which the new instance gets. Level-triggered: a descriptor that is
//! ready is told again until it is read dry or watched no longer. A watched descriptor is a duplicate of the module's, so the module may
//! close its own at any time. Awkward case: a regular file is always ready; it is refused, as it is in the proxy.

use super::desk::Desk;
use crate::process::child::lock;
use crate::process::control::{Map, Report};
use crate::runtime::Notice;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use understudy_module::{Completion, Interest, Level};
use understudy_shared::duplicate;

/// What the module is to be told.
#[derive(Debug)]
pub(super) enum Told {
    Timer,
    Reconfigure(u64, Map),
    Completed(u64, Completion),
    /// The proxy asks whether what is before this is dealt with.
    Asked,
}

struct Watch {
    fd: RawFd,
    own: OwnedFd,
    interest: Interest,
    tag: u64,
}

/// What is to be told and watched.
pub(super) struct Notices {
    queue: Mutex<VecDeque<Told>>,
    watches: Mutex<Vec<Arc<Watch>>>,
    bell: OwnedFd,
}

impl Notices {
    pub(super) fn new() -> Result<Notices, Errno> {
        Ok(Notices {
            queue: Mutex::default(),
            watches: Mutex::default(),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    pub(super) fn put(&self, told: Told) {
        lock(&self.queue).push_back(told);
        self.ring();
    }

    /// The next one.
    fn next(&self) -> Option<Told> {
        lock(&self.queue).pop_front()
    }

    /// Wakes the thread.
    pub(super) fn ring(&self) {
        // A bell that rings already is enough.
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    pub(super) fn watch(&self, fd: RawFd, interest: Interest, tag: u64) -> std::io::Result<()> {
        let own = duplicate(fd)?;
        let watchable = watchable(&own);
        let mut watches = lock(&self.watches);
        if let Err(why) = watchable {
            // Whatever was watched under this number is another file's now.
            watches.retain(|w| w.fd != fd);
            return Err(why.into());
        }
        watches.retain(|w| (w.fd, w.interest) != (fd, interest));
        watches.push(Arc::new(Watch {
            fd,
            own,
            interest,
            tag,
        }));
        drop(watches);
        self.ring();
        Ok(())
    }

    pub(super) fn unwatch(&self, fd: RawFd, interest: Interest) {
        lock(&self.watches).retain(|w| (w.fd, w.interest) != (fd, interest));
        self.ring();
    }

    /// Waits until there is something, or for so long; which descriptors are ready.
    fn wait(&self, most: Option<Duration>) -> Vec<Arc<Watch>> {
        let watches = lock(&self.watches).clone();
        let mut fds = vec![PollFd::new(&self.bell, PollFlags::IN)];
        fds.extend(watches.iter().map(|watch| {
            let flags = match watch.interest {
                Interest::Read => PollFlags::IN,
                Interest::Write => PollFlags::OUT,
            };
            PollFd::new(&watch.own, flags)
        }));
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        if poll(&mut fds, most.as_ref()).is_err() {
            return Vec::new();
        }
        if !fds[0].revents().is_empty() {
            let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        }
        let ready = fds[1..].iter().map(|fd| !fd.revents().is_empty());
        let ready: Vec<bool> = ready.collect();
        drop(fds);
        let all = watches.into_iter().zip(ready);
        all.filter_map(|(watch, ready)| ready.then_some(watch))
            .collect()
    }
}

/// Whether the kernel tells when it is ready. Of files that always are it does not, and `poll` would never wait.
fn watchable(fd: &OwnedFd) -> Result<(), Errno> {
    let any = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(
        &any,
        fd,
        epoll::EventData::new_u64(0),
        epoll::EventFlags::empty(),
    )
}

/// Tells the module, for ever.
pub(super) fn run(desk: &Arc<Desk>) {
    Desk::answers();
    loop {
        // Behind what was told below, and what threads of the module's own counted meanwhile.
        desk.tell_counts_ahead();
        let ready = desk.notices.wait(desk.tell_calls());
        // Never while it is made first: then there is nobody to tell.
        if !desk.is_made() {
            if !ready.is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
            continue;
        }
        for watch in ready {
            let watched = lock(&desk.notices.watches)
                .iter()
                .any(|w| Arc::ptr_eq(w, &watch));
            if watched {
                let notice = Notice::Ready(watch.fd, watch.interest, watch.tag);
                complain(desk, tell(desk, notice));
            }
        }
        while let Some(told) = desk.notices.next() {
            match told {
                Told::Timer => complain(desk, tell(desk, Notice::Timer)),
                Told::Completed(tag, completion) => {
                    complain(desk, tell(desk, Notice::Completed(tag, completion)));
                }
                Told::Reconfigure(id, options) => {
                    let outcome = tell(desk, Notice::Reconfigure(options));
                    let outcome = outcome.unwrap_or_else(|| Err("it is not running".to_owned()));
                    desk.report(&Report::Told(id, outcome));
                }
                Told::Asked => desk.settled(),
            }
        }
    }
}

/// Tells the instance there is, if any. One that panics is replaced at once.
fn tell(desk: &Desk, notice: Notice) -> Option<Result<(), String>> {
    let Some(life) = desk.current() else {
        // With the last transaction this process is of no use any more.
        desk.end_if_over();
        // What is ready is so again at once: not in a circle.
        std::thread::sleep(desk.latest);
        return None;
    };
    let (outcome, panicked) = life.notice(notice);
    if panicked {
        desk.poison(&life);
        desk.end_if_over();
    }
    // However many are left, what ended is a sign of life.
    desk.tell_calls();
    Some(outcome)
}

fn complain(desk: &Desk, outcome: Option<Result<(), String>>) {
    if let Some(Err(why)) = outcome {
        desk.log(Level::Warn, &why);
    }
}
