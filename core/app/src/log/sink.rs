//! The worker's side of the access log: makes the line and hands it over, or counts it as dropped.
//!
//! Invariant: never blocks. What waits for the writer is bounded in lines and in bytes.
//! Awkward case: workers may hold a sink for a while after a reload replaced it; it goes on writing until the last of them lets go.

use super::{
    json, squid,
    writer::{Ask, Message, Target, Writer},
};
use crate::config::{
    shape::LogFormat,
    values::{AccessLog, Log},
};
use std::{
    cell::RefCell,
    fmt, io,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};
use understudy_proxy::record::{Record, TransactionLog};

/// Lines that may wait for the writer.
const WAITING_LINES: usize = 8192;
/// Bytes that may wait for the writer.
const WAITING_BYTES: u64 = 16 << 20;
/// What a worker's line buffer may keep between lines.
const KEPT: usize = 64 << 10;

thread_local! {
    /// The line being made, on each worker.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Counted over the life of the process, across sinks.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Lines written.
    pub(crate) written: AtomicU64,
    /// Lines lost: too many were waiting, or they could not be written.
    pub(crate) dropped: AtomicU64,
}

/// An access log that is open.
pub(crate) struct Sink {
    log: Log,
    queue: SyncSender<Message>,
    ask: Arc<Ask>,
    counts: Arc<Counts>,
    done: std::sync::Mutex<Receiver<()>>,
}

impl Sink {
    /// Opens the log the configuration asks for; none when it is off.
    pub(crate) fn open(log: &Log, counts: &Arc<Counts>) -> io::Result<Option<Arc<Sink>>> {
        let target = match &log.access {
            AccessLog::Off => return Ok(None),
            AccessLog::Stdout => Target::Stdout,
            AccessLog::File(path) => Target::open(path)?,
        };
        Ok(Some(Arc::new(Sink::start(
            log.clone(),
            target,
            counts.clone(),
        )?)))
    }

    fn start(log: Log, target: Target, counts: Arc<Counts>) -> io::Result<Sink> {
        let (queue, lines) = sync_channel(WAITING_LINES);
        let (told, done) = sync_channel(1);
        let ask = Arc::new(Ask::default());
        Writer {
            target,
            lines,
            ask: ask.clone(),
            counts: counts.clone(),
        }
        .spawn(told)?;
        Ok(Sink {
            log,
            queue,
            ask,
            counts,
            done: std::sync::Mutex::new(done),
        })
    }

    /// Whether this sink does what the configuration asks for.
    pub(crate) fn serves(&self, log: &Log) -> bool {
        self.log.access == log.access && self.log.format == log.format
    }

    /// Has the file reopened: it was moved away.
    pub(crate) fn reopen(&self) {
        self.ask.reopen.store(true, SeqCst);
        self.wake();
    }

    /// Writes everything that waits and ends; waits for that at most this long.
    pub(crate) fn close(&self, bound: Duration) {
        self.ask.close.store(true, SeqCst);
        self.wake();
        if let Ok(done) = self.done.lock() {
            let _ = done.recv_timeout(bound);
        }
    }

    /// When the queue is full the writer is awake anyway.
    fn wake(&self) {
        let _ = self.queue.try_send(Message::Wake);
    }

    fn hand_over(&self, line: &[u8]) {
        let len = line.len() as u64;
        let before = self.ask.waiting.fetch_add(len, Relaxed);
        if before + len > WAITING_BYTES || self.queue.try_send(Message::Line(line.into())).is_err()
        {
            self.ask.waiting.fetch_sub(len, Relaxed);
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }
}

impl TransactionLog for Sink {
    fn wants_modules(&self) -> bool {
        matches!(self.log.format, LogFormat::Json)
    }

    fn log(&self, record: &Record<'_>) {
        let made = LINE.try_with(|line| {
            let mut line = line.borrow_mut();
            line.clear();
            match self.log.format {
                LogFormat::Squid => squid::line(record, &mut line),
                LogFormat::Json => json::line(record, &mut line),
            }
            self.hand_over(&line);
            line.shrink_to(KEPT);
        });
        if made.is_err() {
            // The thread is ending and its buffer is gone.
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
