//! The writer's side of the access log: a thread that gathers lines and writes them in large pieces.
//!
//! Invariant: every line taken from the queue is written whole and in order, or counted as dropped.
//! Awkward case: under load a line must not cost its worker the syscall that wakes a sleeper, so after each piece the thread sleeps a moment
//! by the clock, and lets the first line of a quiet time wake it.

use super::sink::Counts;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc::{Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

/// How long lines are gathered before the next piece.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes after which a piece is written without waiting for more.
const PIECE: usize = 256 << 10;

/// What goes through the queue.
#[derive(Debug)]
pub(super) enum Message {
    /// A line with its end.
    Line(Box<[u8]>),
    /// Look at what is asked.
    Wake,
}

/// What is asked of the writer, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Ask {
    pub(super) reopen: AtomicBool,
    pub(super) close: AtomicBool,
    /// Bytes in the queue.
    pub(super) waiting: AtomicU64,
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Target {
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File {
        /// Opened again on request.
        path: PathBuf,
        /// Open.
        file: File,
    },
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) target: Target,
    pub(super) lines: Receiver<Message>,
    pub(super) ask: Arc<Ask>,
    pub(super) counts: Arc<Counts>,
}

impl Target {
    /// Opens a file to append to.
    pub(super) fn open(path: &Path) -> io::Result<Target> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(path)?;
        Ok(Target::File {
            path: path.to_owned(),
            file,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Target::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Target::File { file, .. } => file.write_all(bytes),
        }
    }

    fn reopen(&mut self) {
        let Target::File { path, .. } = self else {
            return;
        };
        match Target::open(path) {
            Ok(target) => *self = target,
            Err(e) => tracing::error!(
                "access log {}: cannot reopen, going on with the old file: {e}",
                path.display()
            ),
        }
    }
}

impl Writer {
    /// Starts the thread; `told` hears of its end.
    pub(super) fn spawn(mut self, told: SyncSender<()>) -> io::Result<()> {
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                self.run();
                // The queue goes first, so that whoever waited for the end can put nothing into it.
                drop(self);
                let _ = told.try_send(());
            })?;
        Ok(())
    }

    fn run(&mut self) {
        let mut piece = Vec::new();
        let mut failing = false;
        loop {
            // Asked before the lines are taken: everything queued before the question is written before the answer.
            let close = self.ask.close.load(SeqCst);
            let reopen = self.ask.reopen.swap(false, SeqCst);
            // A full queue takes no wake-up, so what was asked meanwhile is not waited for.
            let mut next = if close || reopen {
                self.lines.try_recv().ok()
            } else {
                match self.lines.recv() {
                    Ok(first) => Some(first),
                    // The last sink is gone, and every line is written.
                    Err(_) => return,
                }
            };
            let mut count = 0;
            while let Some(message) = next {
                if let Message::Line(line) = message {
                    piece.extend_from_slice(&line);
                    count += 1;
                }
                if piece.len() >= PIECE {
                    self.flush(&mut piece, &mut count, &mut failing);
                }
                next = self.lines.try_recv().ok();
            }
            self.flush(&mut piece, &mut count, &mut failing);
            if reopen {
                self.target.reopen();
            }
            if close {
                return;
            }
            if !self.ask.close.load(SeqCst) {
                thread::sleep(GATHER);
            }
        }
    }

    fn flush(&mut self, piece: &mut Vec<u8>, count: &mut u64, failing: &mut bool) {
        if piece.is_empty() {
            return;
        }
        self.ask.waiting.fetch_sub(piece.len() as u64, Relaxed);
        match self.target.write(piece) {
            Ok(()) => {
                self.counts.written.fetch_add(*count, Relaxed);
                *failing = false;
            }
            Err(e) => {
                self.counts.dropped.fetch_add(*count, Relaxed);
                // Told once, not once a piece: a full disk fails many.
                if !std::mem::replace(failing, true) {
                    tracing::error!("access log: cannot write, lines are dropped: {e}");
                }
            }
        }
        piece.clear();
        piece.shrink_to(PIECE);
        *count = 0;
    }
}
