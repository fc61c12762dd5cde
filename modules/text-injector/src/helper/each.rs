//! A command that is run for each page: the line on its standard input, the text from its standard output.
//!
//! Starting a program and waiting for it blocks, so it is done by a few threads of our own, as many as commands may run at once; the
//! others wait in a bounded queue. Invariant: a command is gone when its time is over, or it said more than a text may be long,
//! and so is what it started.
//! Awkward case: a page whose time is over before its command was started; then it is not started.

use crate::options::Options;
use crate::slot::Slot;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use understudy_module::{Host, Level};

type Job = (Weak<Slot>, String, Instant);

/// How often a command that said all is looked after until it ends.
const LOOK: Duration = Duration::from_millis(1);

/// The commands.
#[derive(Debug)]
pub(super) struct Each {
    jobs: SyncSender<Job>,
    timeout: Duration,
}

struct Runner {
    words: Vec<String>,
    limit: usize,
    host: Host,
}

impl Each {
    pub(super) fn new(words: Vec<String>, options: &Options, host: &Host) -> Result<Each, String> {
        let (jobs, queue) = sync_channel(options.queue);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..options.processes {
            let runner = Runner {
                words: words.clone(),
                limit: options.limit,
                host: host.clone(),
            };
            let queue = queue.clone();
            let thread = std::thread::Builder::new().name("text-injector".to_owned());
            thread
                .spawn(move || runner.work(&queue))
                .map_err(|why| format!("no thread: {why}"))?;
        }
        Ok(Each {
            jobs,
            timeout: options.timeout,
        })
    }

    /// Asks; says whether there was room.
    pub(super) fn ask(&self, slot: &Arc<Slot>, line: String) -> bool {
        let end = Instant::now() + self.timeout;
        self.jobs
            .try_send((Arc::downgrade(slot), line, end))
            .is_ok()
    }
}

impl Runner {
    /// Until nobody can ask any more.
    fn work(&self, queue: &Mutex<Receiver<Job>>) {
        loop {
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((slot, line, end)) = job else { return };
            let wanted = slot.upgrade().is_some_and(|slot| slot.look().is_none());
            if !wanted || end <= Instant::now() {
                continue;
            }
            let text = self.run(&line, end);
            if let Err(why) = &text {
                self.host.count("failures", 1);
                self.host
                    .log(Level::Debug, &format!("{}: {why}", self.words[0]));
            }
            if let Some(slot) = slot.upgrade() {
                slot.answer(&self.host, text.ok().map(Into::into));
            }
        }
    }

    fn run(&self, line: &str, end: Instant) -> Result<String, String> {
        let mut child = Command::new(&self.words[0])
            .args(&self.words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|why| why.to_string())?;
        let mut ended = false;
        let text = self.talk(&mut child, line, end, &mut ended);
        if !ended {
            // With what it started itself. Its number is its own until it is waited for. What is killed is gone at once, and nobody else
            // waits for it.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
        }
        text
    }

    fn talk(
        &self,
        child: &mut Child,
        line: &str,
        end: Instant,
        ended: &mut bool,
    ) -> Result<String, String> {
        if let Some(mut stdin) = child.stdin.take() {
            // It fits into the pipe at once; one that does not read it needs none.
            let _ = writeln!(stdin, "{line}");
        }
        let mut stdout = child.stdout.take().ok_or("no output")?;
        let mut bytes = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wait = Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            let ready = poll(&mut [PollFd::new(&stdout, PollFlags::IN)], Some(&wait))
                .map_err(|why| why.to_string())?;
            if ready == 0 {
                return Err("its time is over".to_owned());
            }
            let mut part = [0; 4096];
            let n = stdout.read(&mut part).map_err(|why| why.to_string())?;
            bytes.extend_from_slice(&part[..n]);
            if bytes.len() > self.limit {
                return Err("it says more than `limit`".to_owned());
            }
            if n == 0 {
                break;
            }
        }
        while Instant::now() < end {
            if let Some(status) = child.try_wait().map_err(|why| why.to_string())? {
                *ended = true;
                if !status.success() {
                    return Err(status.to_string());
                }
                let mut text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
                text.truncate(text.trim_end_matches(['\r', '\n']).len());
                return Ok(text);
            }
            std::thread::sleep(LOOK);
        }
        Err("it does not end".to_owned())
    }
}
