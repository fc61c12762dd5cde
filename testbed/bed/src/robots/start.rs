//! The proxy started by a command, and ended with all its children.
//!
//! Invariant: the command has a process group of its own, which is ended when this is dropped: when the run ends, fails or is interrupted.
//!
//! Awkward case: a daemon leaves that group (setsid) and lives on. Nobody here knows its number; that it still listens is told.

use super::{interrupt, run::Error};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fs::File,
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// How long a proxy may take until it accepts connections.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end when it is asked to.
const END: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A proxy that runs.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    proxy: SocketAddr,
}

impl Started {
    /// Starts it and waits until it accepts connections. What it prints goes to `proxy.log` in the directory, if there is one.
    ///
    /// # Errors
    /// The command is none, ends at once, or does not listen in time; or an interrupt came.
    pub(crate) fn start(
        command: &str,
        proxy: SocketAddr,
        origin: SocketAddr,
        directory: Option<&Path>,
    ) -> Result<Self, Error> {
        let failed = |what: String| Error::Start(command.to_owned(), what);
        if TcpStream::connect_timeout(&proxy, Duration::from_millis(200)).is_ok() {
            return Err(failed(format!(
                "something listens on {proxy} already: end it, or name another --proxy"
            )));
        }
        let words = words(command, proxy, origin)
            .ok_or_else(|| failed("quotes that do not close".to_owned()))?;
        let Some((program, arguments)) = words.split_first() else {
            return Err(failed("there is no command in it".to_owned()));
        };
        let (out, err) = match directory {
            None => (Stdio::null(), Stdio::null()),
            Some(directory) => {
                let log = || -> std::io::Result<(Stdio, Stdio)> {
                    let file = File::create(directory.join("proxy.log"))?;
                    Ok((file.try_clone()?.into(), file.into()))
                };
                log().map_err(|e| failed(format!("proxy.log: {e}")))?
            }
        };
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        let mut started = Self { child, proxy };
        let begin = Instant::now();
        loop {
            if TcpStream::connect_timeout(&proxy, Duration::from_secs(1)).is_ok() {
                return Ok(started);
            }
            // A parent that leaves a daemon behind ends well; one that ends otherwise has failed.
            match started.child.try_wait() {
                Ok(Some(status)) if !status.success() => {
                    return Err(failed(format!("it ended at once: {status}")));
                }
                _ => {}
            }
            if interrupt::asked() {
                return Err(Error::Interrupted);
            }
            if begin.elapsed() > START {
                let seconds = START.as_secs();
                return Err(failed(format!(
                    "it does not listen on {proxy} after {seconds} s"
                )));
            }
            sleep(LOOK);
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) -> bool {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .is_some_and(|group| kill_process_group(group, signal).is_ok())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let begin = Instant::now();
        // The group is there as long as one of its processes is, the child itself until it is waited for.
        let mut there = self.signal(Signal::TERM);
        while there && begin.elapsed() < END {
            let _ = self.child.try_wait();
            sleep(LOOK);
            there = i32::try_from(self.child.id())
                .ok()
                .and_then(Pid::from_raw)
                .is_some_and(|group| rustix::process::test_kill_process_group(group).is_ok());
        }
        if there {
            self.signal(Signal::KILL);
        }
        let _ = self.child.wait();
        if TcpStream::connect_timeout(&self.proxy, Duration::from_millis(200)).is_ok() {
            eprintln!(
                "understudy-bed: something still listens on {}: the command left a daemon behind; end it, and have the command stay in \
                 the foreground, or its processor time and memory are not seen either",
                self.proxy
            );
        }
    }
}

/// The command's words, with what stands for addresses filled in. Words are divided before, so an address never divides one.
fn words(command: &str, proxy: SocketAddr, origin: SocketAddr) -> Option<Vec<String>> {
    let filled = |word: String| {
        word.replace("{proxy}", &proxy.to_string())
            .replace("{host}", &proxy.ip().to_string())
            .replace("{port}", &proxy.port().to_string())
            .replace("{origin}", &origin.to_string())
    };
    Some(shlex::split(command)?.into_iter().map(filled).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_command_has_its_addresses_filled_in_word_by_word() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(
            words(
                "p --listen={proxy} 'a b' {host}:{port} {origin}",
                at(1),
                at(2)
            )
            .unwrap(),
            [
                "p",
                "--listen=127.0.0.1:1",
                "a b",
                "127.0.0.1:1",
                "127.0.0.1:2"
            ]
        );
        assert_eq!(words("p 'a", at(1), at(2)), None);
    }

    #[test]
    fn a_command_that_ends_at_once_is_told_so() {
        // Bound and not listening: nobody else can take it meanwhile.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let proxy = held.local_addr().unwrap();
        let error = Started::start("sh -c 'exit 3'", proxy, proxy, None).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
