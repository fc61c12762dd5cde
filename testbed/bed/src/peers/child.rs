//! A program that serves on a port, and the directory it lives in: started, waited for, and ended together.
//!
//! Invariant: when a [`Child`] is dropped its program and what that started are gone, and so is its directory. Awkward case: some
//! programs answer SIGTERM by ending their children first, so it goes to the first process alone; only who is deaf is killed.

use super::setup::Setup;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long a program may take until it listens.
const STARTING: Duration = Duration::from_secs(30);

/// A program that was started.
#[derive(Debug)]
pub struct Child {
    setup: Setup,
    process: std::process::Child,
    /// Whether it has a process group of its own.
    group: bool,
}

impl Child {
    /// Starts the program, in a process group of its own if asked to: then all of it can be killed, but a signal from the terminal
    /// or for our group does not reach it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(setup: Setup, group: bool) -> Result<Self, String> {
        let output = setup.output();
        let log = fs::File::create(&output).map_err(|e| format!("{}: {e}", output.display()))?;
        let also = log
            .try_clone()
            .map_err(|e| format!("{}: {e}", output.display()))?;
        let mut command = Command::new(&setup.program);
        command.args(&setup.arguments).current_dir(setup.dir());
        command.stdin(Stdio::null()).stdout(log).stderr(also);
        if group {
            command.process_group(0);
        }
        let process = command
            .spawn()
            .map_err(|e| format!("{}: {e}; is it installed?", setup.program.display()))?;
        Ok(Self {
            setup,
            process,
            group,
        })
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// It ended, or did not listen in time; with what it said.
    pub fn listening(&mut self) -> Result<SocketAddr, String> {
        let address = SocketAddr::from(([127, 0, 0, 1], self.setup.port));
        let until = Instant::now() + STARTING;
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if let Some(status) = self.ended()? {
                return Err(format!("{} ended: {status}{}", self.name(), self.said()));
            }
            if Instant::now() > until {
                let seconds = STARTING.as_secs();
                return Err(format!(
                    "{} does not listen on {address} after {seconds} s{}",
                    self.name(),
                    self.said()
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(address)
    }

    /// Whether it ended, and how.
    ///
    /// # Errors
    /// The system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, String> {
        self.process.try_wait().map_err(|e| e.to_string())
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        self.setup.program.display().to_string()
    }

    /// The end of what it wrote, to be put behind an error.
    #[must_use]
    pub fn said(&self) -> String {
        let text = fs::read(self.setup.output()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(2000)..]).into_owned();
        match text.trim() {
            "" => String::new(),
            text => format!("; it said:\n{text}"),
        }
    }

    /// Asks it to end, and kills it if it has not within this time.
    pub fn end(&mut self, within: Duration) {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        let until = Instant::now() + within;
        if let Some(pid) = pid
            && matches!(self.process.try_wait(), Ok(None))
        {
            // One that is gone meanwhile is what is wanted.
            let _ = kill_process(pid, Signal::TERM);
            while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        if let (Some(pid), true) = (pid, self.group) {
            // What it started and left behind. The group's number is not given to others while one of it lives.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end(Duration::from_secs(10));
    }
}
