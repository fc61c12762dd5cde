//! Network namespaces of a test's own: clients, a router and servers, joined by virtual Ethernet.
//!
//! Names are unique to the process and the namespaces are removed when dropped. Needs root and iproute2. A thread can step into
//! one ([`Namespace::within`]); sockets made there stay there.

use crate::programs::{Finished, run};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::File,
    os::fd::AsFd,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// One network namespace.
#[derive(Debug)]
pub struct Namespace {
    /// Its name for `ip netns`.
    pub name: String,
}

impl Namespace {
    /// A new one, with loopback up.
    #[track_caller]
    pub fn new(kind: &str) -> Namespace {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "understudy-{}-{}-{kind}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        );
        run(Command::new("ip").args(["netns", "add", &name])).expect(0);
        let namespace = Namespace { name };
        namespace.sh("ip link set lo up");
        namespace
    }

    /// Runs a shell script within it.
    #[track_caller]
    pub fn sh(&self, script: &str) -> Finished {
        run(Command::new("ip").args(["netns", "exec", &self.name, "sh", "-ec", script])).expect(0)
    }

    /// Gives programs in it files of their own in `/etc` (by `ip netns exec`).
    pub fn etc(&self, file: &str, text: &str) {
        std::fs::create_dir_all(self.etc_dir()).unwrap();
        std::fs::write(self.etc_dir().join(file), text).unwrap();
    }

    fn etc_dir(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }

    /// Runs a function on a thread that has stepped into it.
    #[track_caller]
    pub fn within<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        let file = File::open(format!("/run/netns/{}", self.name)).unwrap();
        let done = std::thread::scope(|scope| {
            scope
                .spawn(move || {
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                        .unwrap();
                    f()
                })
                .join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Best effort: a failure here must not hide that of the test.
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .status();
        let _ = std::fs::remove_dir_all(self.etc_dir());
    }
}

/// Joins two namespaces by a pair of interfaces with these names and addresses (`10.0.0.1/24`).
#[track_caller]
pub fn join(a: (&Namespace, &str, &str), b: (&Namespace, &str, &str)) {
    a.0.sh(&format!(
        "ip link add {} type veth peer name {} netns {}",
        a.1, b.1, b.0.name
    ));
    for (namespace, link, address) in [a, b] {
        namespace.sh(&format!(
            "ip addr add {address} dev {link}; ip link set {link} up"
        ));
    }
}
