//! A helper that speaks lines: a command that is kept running, or whoever listens on a Unix socket.
//!
//! `ID LINE` goes to it, `ID TEXT` comes back, in any order; in a text `\n` is a line feed and `\\` a backslash. Phases of its
//! connection: down, until a time; up; down again with everybody who waited told that there is nothing. Invariant: at most `queue` wait,
//! and what is not yet written or read is bounded. Awkward case: one that hangs. Its questions end by the clock; when nothing was heard
//! of it for [`HUNG`], or for the time that a question has where that is longer, while somebody waits, it is started anew.

use crate::options::Options;
use crate::slot::Slot;
use socket2::{Domain, SockAddr, Socket, Type};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use understudy_module::{Host, Interest, Level};

/// How long it may be silent while somebody waits, if no question has longer.
const HUNG: Duration = Duration::from_secs(5);
/// The first pause after it went down, doubled each time up to [`LONGEST`], and back to this when it had lived as long as that.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
/// Most bytes that wait to be written.
const MAX_OUT: usize = 1 << 20;

/// Where it is.
#[derive(Debug)]
pub(super) enum Target {
    Command(Vec<String>),
    Socket(PathBuf),
}

/// The helper.
#[derive(Debug)]
pub(super) struct Lines {
    target: Target,
    limit: usize,
    queue: usize,
    /// How long it may be silent while somebody waits.
    hung: Duration,
    host: Host,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    link: Option<Link>,
    /// When it may be started again, and how long the next pause is.
    again: Instant,
    pause: Duration,
    next: u64,
}

#[derive(Debug)]
struct Link {
    stream: UnixStream,
    tag: u64,
    child: Option<Child>,
    since: Instant,
    heard: Instant,
    out: Vec<u8>,
    input: Vec<u8>,
    /// The rest of a line that was too long is being passed over.
    skipping: bool,
    waiting: HashMap<u64, Weak<Slot>>,
}

impl Lines {
    /// Starts it. A command that cannot be started at all is refused; a socket where nobody listens yet is not.
    pub(super) fn new(target: Target, options: &Options, host: Host) -> Result<Lines, String> {
        let state = State {
            link: None,
            again: Instant::now(),
            pause: PAUSE,
            next: 0,
        };
        let lines = Lines {
            target,
            limit: options.limit,
            queue: options.queue,
            hung: HUNG.max(options.timeout),
            host,
            state: Mutex::new(state),
        };
        let link = lines.connect();
        match (link, &lines.target) {
            (Ok(link), _) => lines.lock().link = Some(link),
            (Err(why), Target::Command(words)) => {
                return Err(format!("option `helper`: {}: {why}", words[0]));
            }
            (Err(why), Target::Socket(path)) => {
                lines
                    .host
                    .log(Level::Warn, &format!("{}: {why}", path.display()));
            }
        }
        Ok(lines)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self) -> std::io::Result<Link> {
        let (stream, child) = match &self.target {
            Target::Socket(path) => {
                let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
                socket.set_nonblocking(true)?;
                // A Unix socket connects at once or, when too many wait there, not at all.
                socket.connect(&SockAddr::unix(path)?)?;
                (UnixStream::from(OwnedFd::from(socket)), None)
            }
            Target::Command(words) => {
                let (ours, theirs) = UnixStream::pair()?;
                ours.set_nonblocking(true)?;
                let stdin = OwnedFd::from(theirs.try_clone()?);
                let mut command = Command::new(&words[0]);
                command
                    .args(&words[1..])
                    .stdin(stdin)
                    .stdout(OwnedFd::from(theirs))
                    .stderr(Stdio::null());
                (ours, Some(command.spawn()?))
            }
        };
        let (tag, now) = (self.host.number(), Instant::now());
        self.host.watch(stream.as_raw_fd(), Interest::Read, tag);
        self.host.count("starts", 1);
        Ok(Link {
            stream,
            tag,
            child,
            since: now,
            heard: now,
            out: Vec::new(),
            input: Vec::new(),
            skipping: false,
            waiting: HashMap::new(),
        })
    }

    /// Asks; says whether it could be.
    pub(super) fn ask(&self, slot: &Arc<Slot>, line: &str) -> bool {
        let mut state = self.lock();
        let now = Instant::now();
        if state.link.as_ref().is_some_and(|link| {
            !link.waiting.is_empty() && now.duration_since(link.heard) > self.hung
        }) {
            self.down(&mut state, "nothing is heard of it");
        }
        if state.link.is_none() && now >= state.again {
            match self.connect() {
                Ok(link) => state.link = Some(link),
                Err(why) => self.pause(&mut state, &why.to_string()),
            }
        }
        let number = state.next;
        state.next += 1;
        let Some(link) = &mut state.link else {
            return false;
        };
        if link.waiting.is_empty() {
            link.heard = now;
        }
        if link.waiting.len() >= self.queue {
            // Those whose time is over make room.
            link.waiting
                .retain(|_, slot| slot.upgrade().is_some_and(|slot| slot.look().is_none()));
        }
        if link.waiting.len() >= self.queue || link.out.len() > MAX_OUT {
            return false;
        }
        link.out
            .extend_from_slice(format!("{number} {line}\n").as_bytes());
        link.waiting.insert(number, Arc::downgrade(slot));
        if let Err(why) = link.write(&self.host) {
            // Whoever asks is told by the answer here, not by one to come.
            link.waiting.remove(&number);
            self.down(&mut state, &why.to_string());
            return false;
        }
        true
    }

    /// The connection can be read or written.
    pub(super) fn ready(&self, fd: RawFd, interest: Interest, tag: u64) {
        let mut state = self.lock();
        let link = state
            .link
            .as_mut()
            .filter(|link| link.tag == tag && link.stream.as_raw_fd() == fd);
        let Some(link) = link else { return };
        let went = match interest {
            Interest::Read => link.read(&self.host, self.limit),
            Interest::Write => link.write(&self.host),
        };
        if let Err(why) = went {
            self.down(&mut state, &why.to_string());
        }
    }

    /// It is gone: nobody waits for it any more.
    fn down(&self, state: &mut State, why: &str) {
        if let Some(mut link) = state.link.take() {
            self.host.closing(link.stream.as_raw_fd());
            if link.since.elapsed() >= LONGEST {
                state.pause = PAUSE;
            }
            for slot in link.waiting.drain().filter_map(|(_, slot)| slot.upgrade()) {
                slot.answer(&self.host, None);
            }
            if let Some(mut child) = link.child.take() {
                // One that was killed is waited for elsewhere: here nothing waits.
                let _ = child.kill();
                std::thread::spawn(move || child.wait());
            }
        }
        self.pause(state, why);
    }

    fn pause(&self, state: &mut State, why: &str) {
        self.host.count("failures", 1);
        self.host.log(
            Level::Warn,
            &format!(
                "the helper is gone: {why}; it is started again in {:?}",
                state.pause
            ),
        );
        state.again = Instant::now() + state.pause;
        state.pause = (state.pause * 2).min(LONGEST);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let mut state = self.lock();
        if let Some(link) = &mut state.link {
            self.host.closing(link.stream.as_raw_fd());
            if let Some(mut child) = link.child.take() {
                let _ = child.kill();
                std::thread::spawn(move || child.wait());
            }
        }
    }
}

impl Link {
    /// Writes what there is, and watches for room while something is left.
    fn write(&mut self, host: &Host) -> std::io::Result<()> {
        let fd = self.stream.as_raw_fd();
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.out.drain(..n)),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => {
                    host.watch(fd, Interest::Write, self.tag);
                    return Ok(());
                }
                Err(why) => return Err(why),
            }
        }
        host.unwatch(fd, Interest::Write);
        Ok(())
    }

    /// Reads what there is.
    fn read(&mut self, host: &Host, limit: usize) -> std::io::Result<()> {
        let mut part = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.take(&part[..n], host, limit),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(why) => return Err(why),
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8], host: &Host, limit: usize) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.input.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.input);
            if !std::mem::take(&mut self.skipping) {
                self.line(&line, host, limit);
            }
        }
        if !self.skipping {
            self.input.extend_from_slice(bytes);
        }
        // Twenty bytes of number and a space come before the text.
        if self.input.len() > limit + 21 {
            let line = std::mem::take(&mut self.input);
            self.line(&line, host, limit);
            self.skipping = true;
        }
    }

    /// One answer. What is no answer to a question, or comes too late for it, is ignored.
    fn line(&mut self, line: &[u8], host: &Host, limit: usize) {
        self.heard = Instant::now();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (number, text) = match line.iter().position(|byte| *byte == b' ') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &b""[..]),
        };
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|number| number.parse().ok());
        let slot = number.and_then(|number: u64| self.waiting.remove(&number));
        let Some(slot) = slot.and_then(|slot| slot.upgrade()) else {
            return;
        };
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.len() <= limit);
        if text.is_none() {
            host.count("failures", 1);
        }
        slot.answer(host, text.map(|text| unescaped(text).into()));
    }
}

/// `\n` is a line feed, `\\` a backslash; any other backslash is itself.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let (char, behind) = match behind.as_bytes().first() {
            Some(b'n') => ('\n', &behind[1..]),
            Some(b'\\') => ('\\', &behind[1..]),
            _ => ('\\', behind),
        };
        out.push(char);
        rest = behind;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_a_line_are_undone() {
        for (text, expected) in [
            ("a\\nb", "a\nb"),
            ("\\\\n", "\\n"),
            ("\\d\\", "\\d\\"),
            ("", ""),
        ] {
            assert_eq!(unescaped(text), expected);
        }
    }
}
