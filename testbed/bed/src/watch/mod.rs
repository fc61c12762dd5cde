//! Processes looked at from outside: processor time and memory, from `/proc`.
//!
//! Nothing that `/proc` says is trusted to be there: a process may go between two reads, and then counts as gone.

mod memory;
mod stat;
mod thread;
mod tree;

pub use stat::Stat;
pub use thread::Thread;
pub use tree::Tree;

use crate::record::Process;
use memory::Memory;

/// Looks at a process and all its children, also those that have ended or were left to init.
#[derive(Debug)]
pub struct Watch {
    tree: Tree,
    memory: Memory,
}

impl Watch {
    /// Looks at the tree of processes under this one.
    #[must_use]
    pub fn tree(pid: u32) -> Self {
        Self {
            tree: Tree::new(pid),
            memory: Memory::default(),
        }
    }

    /// What they took until now, and the memory they have. To be called once a second or so: what is born and dies between two looks,
    /// and is left to nobody who counts it, is not seen.
    pub fn look(&mut self) -> Process {
        let (user, system) = self.tree.update(&stat::all());
        Process {
            user,
            system,
            memory: self.memory.of(self.tree.alive()),
            processes: self.tree.alive().count(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::{Command, Stdio};

    /// A shell whose child works and ends, whose second child works on, until its input is closed.
    const WORK: &str = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";

    #[test]
    fn a_shell_and_its_children_are_counted_together() {
        let script = format!("({WORK}); ({WORK}; echo done; read x) ; exit 0");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut watch = Watch::tree(child.id());
        let mut line = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let seen = watch.look();
        // Two loops of 200 000 rounds take more than a tick each on any machine; the first one's shell has ended.
        assert!(seen.user + seen.system > 0.02, "{seen:?}");
        assert!(seen.memory > 100_000, "{seen:?}");
        assert!(seen.processes >= 1, "{seen:?}");
        drop(child.stdin.take());
        child.wait().unwrap();
        let after = watch.look();
        assert_eq!((after.processes, after.memory), (0, 0));
        assert!(
            after.user + after.system >= seen.user + seen.system,
            "{seen:?} {after:?}"
        );
    }

    #[test]
    fn a_process_that_is_not_there_has_nothing() {
        assert_eq!(Watch::tree(u32::MAX).look(), Process::default());
    }
}
